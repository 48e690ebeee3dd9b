//! From a template to its program, where it has one.
//!
//! The template engine's own parser reads the template, so that its rules for blanks and line ends hold. Here its syntax tree becomes
//! steps: includes are put in their place, names become positions, neighbouring fixed text becomes one piece. Whatever is not known here
//! (a filter, arithmetic, a macro, a name that a kind of message does not have) makes the whole template one for the engine: `None`.

use crate::datum::{Kind, Shape};
use crate::program::{Condition, Node, Place, Program, Put, SLOTS_MAX};
use minijinja::machinery::ast::{BinOpKind, CompareOpKind, Expr, ForLoop, Stmt, UnaryOpKind};
use minijinja::machinery::parse;
use minijinja::syntax::SyntaxConfig;
use std::collections::BTreeMap;

/// Includes in includes.
const DEPTH_MAX: usize = 8;

/// The program of a template for a kind of root; `fix` makes a fixed piece ready, and `not_stated` stands where an amount does.
pub(crate) fn program<F>(
    sources: &BTreeMap<String, String>,
    name: &str,
    root: Kind,
    syntax: &SyntaxConfig,
    not_stated: &str,
    fix: fn(&str) -> F,
) -> Option<Program<F>> {
    let mut compiler = Compiler { sources, root, syntax, fix, names: Vec::new(), text: String::new(), may_set: true };
    let mut nodes = Vec::new();
    compiler.file(name, 0, &mut nodes)?;
    compiler.flush(&mut nodes);
    Some(Program { nodes, not_stated: fix(not_stated) })
}

struct Compiler<'s, F> {
    sources: &'s BTreeMap<String, String>,
    root: Kind,
    syntax: &'s SyntaxConfig,
    fix: fn(&str) -> F,
    /// The variables of loops and `set`, outermost first: slot `n + 1` has the `n`th.
    names: Vec<(String, Option<Kind>)>,
    /// Fixed text that is not yet a node.
    text: String,
    /// A `set` here is surely run.
    may_set: bool,
}

impl<F> Compiler<'_, F> {
    fn file(&mut self, name: &str, depth: usize, nodes: &mut Vec<Node<F>>) -> Option<()> {
        let source = self.sources.get(name).filter(|_| depth <= DEPTH_MAX)?;
        let Stmt::Template(template) = parse(source, name, self.syntax.clone()).ok()? else { return None };
        self.block(&template.children, (name, depth), nodes)
    }

    fn block(&mut self, statements: &[Stmt<'_>], file: (&str, usize), nodes: &mut Vec<Node<F>>) -> Option<()> {
        for statement in statements {
            match statement {
                Stmt::EmitRaw(raw) => self.text.push_str(raw.raw),
                Stmt::EmitExpr(emit) => {
                    let (place, put) = self.put(&emit.expr)?;
                    self.node(Node::Put(place, put), nodes);
                }
                Stmt::IfCond(choice) => {
                    let condition = self.condition(&choice.expr)?;
                    let could_set = std::mem::replace(&mut self.may_set, false);
                    let then = self.branch(&choice.true_body, file, nodes)?;
                    let otherwise = self.branch(&choice.false_body, file, nodes)?;
                    self.may_set = could_set;
                    nodes.push(Node::When { condition, then, otherwise });
                }
                Stmt::ForLoop(turns) => self.turns(turns, file, nodes)?,
                Stmt::Set(set) => {
                    let Expr::Var(target) = &set.target else { return None };
                    let (view, Shape::One(kind)) = self.place(&set.expr)? else { return None };
                    let slot = self.slot(target.id, Some(kind)).filter(|_| self.may_set)?;
                    self.node(Node::Let { view, slot }, nodes);
                }
                Stmt::Include(include) => {
                    let name = text_of(&include.name)?;
                    // A template's name decides how values are escaped in it.
                    if name.ends_with(".html") != file.0.ends_with(".html") {
                        return None;
                    }
                    self.file(&name, file.1 + 1, nodes)?;
                }
                _ => return None,
            }
        }
        Some(())
    }

    /// A block of its own. What stands before it is written before it.
    fn branch(&mut self, statements: &[Stmt<'_>], file: (&str, usize), before: &mut Vec<Node<F>>) -> Option<Vec<Node<F>>> {
        self.flush(before);
        let mut nodes = Vec::new();
        self.block(statements, file, &mut nodes)?;
        self.flush(&mut nodes);
        Some(nodes)
    }

    fn turns(&mut self, turns: &ForLoop<'_>, file: (&str, usize), nodes: &mut Vec<Node<F>>) -> Option<()> {
        let Expr::Var(target) = &turns.target else { return None };
        if turns.recursive || turns.filter_expr.is_some() {
            return None;
        }
        let (list, kind) = match self.place(&turns.iter)? {
            (list, Shape::Many(kind)) => (list, Some(kind)),
            (list, Shape::Cells) => (list, None),
            _ => return None,
        };
        let (outer, could_set) = (self.names.len(), std::mem::replace(&mut self.may_set, true));
        let slot = self.slot(target.id, kind)?;
        let body = self.branch(&turns.body, file, nodes)?;
        self.names.truncate(outer);
        self.may_set = false;
        let otherwise = self.branch(&turns.else_body, file, nodes)?;
        self.may_set = could_set;
        nodes.push(Node::Each { list, slot, body, otherwise });
        Some(())
    }

    fn slot(&mut self, name: &str, kind: Option<Kind>) -> Option<usize> {
        self.names.push((name.to_owned(), kind));
        (self.names.len() < SLOTS_MAX && name != "loop").then_some(self.names.len())
    }

    fn put(&self, expr: &Expr<'_>) -> Option<(Place, Put)> {
        let (expr, put) = match expr {
            Expr::Filter(filter) if filter.args.is_empty() => match (filter.name, &filter.expr) {
                ("money", Some(expr)) => (expr, Put::Money),
                ("stated", Some(expr)) => (expr, Put::Stated),
                _ => return None,
            },
            other => (other, Put::Plain),
        };
        let (place, shape) = self.place(expr)?;
        (shape == Shape::Scalar).then_some((place, put))
    }

    fn condition(&self, expr: &Expr<'_>) -> Option<Condition> {
        let both = |one, other| Some((Box::new(self.condition(one)?), Box::new(self.condition(other)?)));
        match expr {
            Expr::UnaryOp(unary) if matches!(unary.op, UnaryOpKind::Not) => Some(Condition::Not(Box::new(self.condition(&unary.expr)?))),
            Expr::BinOp(binary) => match binary.op {
                BinOpKind::ScAnd => both(&binary.left, &binary.right).map(|(one, other)| Condition::Both(one, other)),
                BinOpKind::ScOr => both(&binary.left, &binary.right).map(|(one, other)| Condition::Either(one, other)),
                BinOpKind::Eq => self.equal(&binary.left, &binary.right),
                BinOpKind::Ne => self.equal(&binary.left, &binary.right).map(|equal| Condition::Not(Box::new(equal))),
                _ => None,
            },
            Expr::Compare(compare) => {
                let [operand] = compare.ops.as_slice() else { return None };
                let equal = self.equal(&compare.expr, &operand.expr)?;
                match operand.op {
                    CompareOpKind::Eq => Some(equal),
                    CompareOpKind::Ne => Some(Condition::Not(Box::new(equal))),
                    _ => None,
                }
            }
            Expr::Test(test) if test.args.is_empty() => {
                let (place, _) = self.place(&test.expr)?;
                match test.name {
                    "none" => Some(Condition::None(place)),
                    "nonzero" => Some(Condition::Nonzero(place)),
                    "paid" => Some(Condition::Paid(place)),
                    _ => None,
                }
            }
            other => self.place(other).map(|(place, _)| Condition::True(place)),
        }
    }

    fn equal(&self, field: &Expr<'_>, text: &Expr<'_>) -> Option<Condition> {
        let (place, shape) = self.place(field)?;
        (shape == Shape::Scalar).then_some(Condition::Equal(place, text_of(text)?.into()))
    }

    /// A field by the names that lead to it. A variable alone is none.
    fn place(&self, expr: &Expr<'_>) -> Option<(Place, Shape)> {
        match expr {
            Expr::Var(variable) => {
                if self.names.iter().any(|(name, _)| name == variable.id) {
                    return None;
                }
                let (at, shape) = self.root.field(variable.id)?;
                Some((Place { slot: 0, through: Vec::new(), at }, shape))
            }
            Expr::GetAttr(field) => {
                if let Expr::Var(variable) = &field.expr
                    && let Some(slot) = self.names.iter().rposition(|(name, _)| name == variable.id)
                {
                    let (at, shape) = self.names[slot].1?.field(field.name)?;
                    return Some((Place { slot: slot + 1, through: Vec::new(), at }, shape));
                }
                let (mut place, Shape::One(kind)) = self.place(&field.expr)? else { return None };
                let (at, shape) = kind.field(field.name)?;
                place.through.push(std::mem::replace(&mut place.at, at));
                Some((place, shape))
            }
            _ => None,
        }
    }

    fn node(&mut self, node: Node<F>, nodes: &mut Vec<Node<F>>) {
        self.flush(nodes);
        nodes.push(node);
    }

    fn flush(&mut self, nodes: &mut Vec<Node<F>>) {
        if !self.text.is_empty() {
            nodes.push(Node::Fixed((self.fix)(&self.text)));
            self.text.clear();
        }
    }
}

fn text_of(expr: &Expr<'_>) -> Option<String> {
    let Expr::Const(constant) = expr else { return None };
    constant.value.as_str().map(str::to_owned)
}
