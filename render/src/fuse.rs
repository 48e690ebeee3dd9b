//! Fusing: `{{ x.a }} text {{ x.b }}` becomes one step of the template engine instead of eight.
//!
//! A service is a dozen fields of one variable with fixed text between them, and a message has two parts of fifteen of them:
//! measured, the engine's steps cost more than all writing. So a run of plain fields of one variable is replaced, when a
//! bundle is compiled, by `{{ x|fused(N) }}`, and the filter writes the whole run. A part of a run may be left out:
//! `{% if x.a is nonzero %}...{% else %}...{% endif %}` (or `is paid`, or `if x.a`), with nothing but text and fields of `x` within.
//! What comes out is the same to the byte (a test renders both ways), line numbers stay, and authors need not know.
//!
//! Services are most of a message, so their fields are found by position, without a look-up by name and without a copy.

use crate::format::AmountWords;
use crate::template_set::{Escape, push_value};
use crate::view::LineView;
use minijinja::{Error, ErrorKind, State, Value};
use std::borrow::Cow;

/// Fields from which on a run is worth a call.
const FIELDS_MIN: usize = 2;

/// Which amounts a part is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// `is nonzero`: not a true zero. What is not stated is shown, as not stated.
    Nonzero,
    /// `is paid`: stated, and not zero.
    Paid,
    /// What the template language takes for true: a text that is not empty.
    True,
}

impl Shown {
    /// Whether an amount is one of them.
    pub(crate) fn holds(self, amount: &Value) -> bool {
        match self {
            Self::Nonzero => amount.as_i64() != Some(0),
            Self::Paid => amount.as_i64().is_some_and(|cents| cents != 0),
            Self::True => amount.is_true(),
        }
    }
}

/// A part of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    /// Fixed text.
    Text(String),
    /// A field's value.
    Field(Field),
    /// The next so many pieces only where the field is shown.
    When(Field, Shown, usize),
    /// The next so many pieces only where it is not.
    Unless(Field, Shown, usize),
}

/// A field: its name, and where a service has it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    name: String,
    of_line: Option<usize>,
}

impl Field {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), of_line: LineView::position(name) }
    }

    /// # Errors
    /// An undefined field, as the template engine would say it. The line of the error is that of the run's start; so the field is named.
    fn of<'v>(&self, line: Option<&'v LineView>, object: &Value) -> Result<Cow<'v, Value>, Error> {
        if let (Some(line), Some(at)) = (line, self.of_line) {
            return Ok(Cow::Borrowed(line.at(at)));
        }
        let found = object.as_object().and_then(|view| view.get_value_by_str(&self.name)).filter(|value| !value.is_undefined());
        found.map(Cow::Owned).ok_or_else(|| Error::new(ErrorKind::UndefinedError, format!("there is no field {}", self.name)))
    }
}

/// A run of fields of one variable.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Run {
    pieces: Vec<Piece>,
    text_bytes: usize,
}

impl Run {
    /// Writes the run for one object.
    ///
    /// # Errors
    /// An undefined field, as the template engine would say it.
    pub(crate) fn write(&self, object: &Value, escape: Escape, amounts: &AmountWords) -> Result<String, Error> {
        let line = object.downcast_object_ref::<LineView>();
        let mut out = String::with_capacity(self.text_bytes + self.pieces.len() * 8);
        let mut at = 0;
        while let Some(piece) = self.pieces.get(at) {
            at += 1;
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Field(field) => push_value(&mut out, &*field.of(line, object)?, escape, amounts),
                Piece::When(field, shown, pieces) if !shown.holds(&*field.of(line, object)?) => at += pieces,
                Piece::Unless(field, shown, pieces) if shown.holds(&*field.of(line, object)?) => at += pieces,
                Piece::When(..) | Piece::Unless(..) => {}
            }
        }
        Ok(out)
    }

    fn new(pieces: Vec<Piece>) -> Self {
        let text_bytes = pieces.iter().map(|piece| if let Piece::Text(text) = piece { text.len() } else { 0 }).sum();
        Self { pieces, text_bytes }
    }

    fn fields(&self) -> usize {
        self.pieces.iter().filter(|piece| matches!(piece, Piece::Field(_))).count()
    }
}

/// The filter behind `{{ x|fused(N) }}`.
pub(crate) fn filter(runs: &[Run], state: &State<'_, '_>, object: &Value, run: usize, amounts: &AmountWords) -> Result<Value, Error> {
    let run = runs.get(run).ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "no such run"))?;
    run.write(object, Escape::of(state), amounts).map(Value::from_safe_string)
}

/// Replaces the runs of a template; appends them to `runs`.
pub(crate) fn fuse(source: &str, runs: &mut Vec<Run>) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find('{') {
        let (before, tag) = rest.split_at(start);
        out.push_str(before);
        if let Some((variable, run, length)) = leading_run(tag) {
            out.push_str(&format!("{{{{ {variable}|fused({}){} }}}}", runs.len(), "\n".repeat(tag[..length].matches('\n').count())));
            runs.push(run);
            rest = &tag[length..];
        } else {
            let length = tag_length(tag);
            out.push_str(&tag[..length]);
            rest = &tag[length..];
        }
    }
    out.push_str(rest);
    out
}

/// The run that the text begins with: its variable, its fields, its length. It begins and ends with a field.
fn leading_run(text: &str) -> Option<(&str, Run, usize)> {
    let (variable, _, _) = leading_field(text)?;
    let mut pieces = Vec::new();
    let (mut at, mut length, mut complete) = (0, 0, 0);
    loop {
        if let Some((_, field, field_length)) = leading_field(&text[at..]).filter(|(of, _, _)| *of == variable) {
            pieces.push(Piece::Field(Field::new(field)));
            at += field_length;
            (length, complete) = (at, pieces.len());
        } else if let Some((part, part_length)) = leading_part(&text[at..], variable) {
            // An indentation before the mark is not written (lstrip_blocks), and this fuses no such part.
            pieces.extend(part);
            at += part_length;
        } else {
            break;
        }
        let Some(next) = text[at..].find('{') else { break };
        if next > 0 {
            pieces.push(Piece::Text(text[at..at + next].to_owned()));
            at += next;
        }
    }
    pieces.truncate(complete);
    let run = Run::new(pieces);
    (run.fields() >= FIELDS_MIN).then_some((variable, run, length))
}

/// `{% if variable.field is nonzero %}...{% else %}...{% endif %}` at the start of the text, with nothing but text and fields of the
/// variable within: its pieces and its length.
fn leading_part(text: &str, variable: &str) -> Option<(Vec<Piece>, usize)> {
    let inner = text.strip_prefix("{% if ")?;
    let end = inner.find(" %}")?;
    let (of, shown) = match inner[..end].split_once(" is ") {
        Some((of, "nonzero")) => (of, Shown::Nonzero),
        Some((of, "paid")) => (of, Shown::Paid),
        Some(_) => return None,
        None => (&inner[..end], Shown::True),
    };
    let field = Field::new(of.strip_prefix(variable)?.strip_prefix('.').filter(|field| is_name(field))?);
    let (pieces, mut at, mut mark) = branch(text, "{% if ".len() + end + " %}".len(), variable)?;
    let mut part = vec![Piece::When(field.clone(), shown, pieces.len())];
    part.extend(pieces);
    if mark == ELSE {
        let (pieces, ends, next) = branch(text, at, variable)?;
        part.push(Piece::Unless(field, shown, pieces.len()));
        part.extend(pieces);
        (at, mark) = (ends, next);
    }
    // With trim_blocks the first line end after a block's mark is not written.
    at += usize::from(text[at..].starts_with('\n'));
    (mark == ENDIF).then_some((part, at))
}

const ELSE: &str = "{% else %}";
const ENDIF: &str = "{% endif %}";

/// One branch from behind its mark: its pieces, the end of the mark that ends it, and which one that is.
fn branch(text: &str, start: usize, variable: &str) -> Option<(Vec<Piece>, usize, &'static str)> {
    let mut at = start + usize::from(text[start..].starts_with('\n'));
    let mut pieces = Vec::new();
    loop {
        let next = text[at..].find('{')?;
        if next > 0 {
            pieces.push(Piece::Text(text[at..at + next].to_owned()));
            at += next;
        }
        if let Some((_, field, length)) = leading_field(&text[at..]).filter(|(of, _, _)| *of == variable) {
            pieces.push(Piece::Field(Field::new(field)));
            at += length;
            continue;
        }
        let mark = [ELSE, ENDIF].into_iter().find(|mark| text[at..].starts_with(mark))?;
        // With lstrip_blocks an indentation before a mark is not written; a page has none, and a text needs none.
        let is_indented = |last: &String| last.ends_with(' ') && last.trim_end_matches(' ').ends_with('\n');
        if matches!(pieces.last(), Some(Piece::Text(last)) if is_indented(last)) {
            return None;
        }
        return Some((pieces, at + mark.len(), mark));
    }
}

/// `{{ variable.field }}` at the start of the text: both names, and the tag's length.
fn leading_field(text: &str) -> Option<(&str, &str, usize)> {
    let inner = text.strip_prefix("{{")?;
    let end = inner.find("}}")?;
    let (variable, field) = inner[..end].trim().split_once('.')?;
    (is_name(variable) && is_name(field)).then_some((variable, field, end + 4))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// The length of the tag, or of the brace, that the text begins with.
fn tag_length(text: &str) -> usize {
    [("{{", "}}"), ("{%", "%}"), ("{#", "#}")]
        .iter()
        .find(|(open, _)| text.starts_with(open))
        .and_then(|(_, close)| text.find(close))
        .map_or(1, |end| end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(pieces: &[Piece]) -> Run {
        Run::new(pieces.to_vec())
    }

    fn text(text: &str) -> Piece {
        Piece::Text(text.to_owned())
    }

    fn field(field: &str) -> Piece {
        Piece::Field(Field::new(field))
    }

    #[test]
    fn joins_neighbours_of_one_variable_and_keeps_line_numbers() {
        let mut runs = Vec::new();
        let source = "a{b}\n{{ x.one }}<td>\n{{ x.two }}\n{% if y %}{{ x.three }}{% endif %}{{ y.a }}{{ x.b }} {{x.c}}";
        let fused = fuse(source, &mut runs);
        assert_eq!(fused, "a{b}\n{{ x|fused(0)\n }}\n{% if y %}{{ x.three }}{% endif %}{{ y.a }}{{ x|fused(1) }}");
        assert_eq!(runs, [run(&[field("one"), text("<td>\n"), field("two")]), run(&[field("b"), text(" "), field("c")])]);
    }

    #[test]
    fn takes_in_parts_that_may_be_left_out() {
        let mut runs = Vec::new();
        let source = "{{ x.a }}\n{% if x.b is nonzero %}\n<b>{{ x.b }}</b>\n{% endif %}\n{% if x.c is paid %}c{% endif %}{{ x.d }}!";
        assert_eq!(fuse(source, &mut runs), "{{ x|fused(0)\n\n\n\n }}!");
        let when = |of: &str, shown, pieces| Piece::When(Field::new(of), shown, pieces);
        let expected = [
            field("a"),
            text("\n"),
            when("b", Shown::Nonzero, 3),
            text("<b>"),
            field("b"),
            text("</b>\n"),
            when("c", Shown::Paid, 1),
            text("c"),
            field("d"),
        ];
        assert_eq!(runs, [run(&expected)]);
    }

    #[test]
    fn takes_in_what_stands_in_another_ones_place() {
        let mut runs = Vec::new();
        assert_eq!(fuse("{{ x.a }}{% if x.b %}<{{ x.b }}>{% else %}none{% endif %}{{ x.c }}", &mut runs), "{{ x|fused(0) }}");
        let expected = [
            field("a"),
            Piece::When(Field::new("b"), Shown::True, 3),
            text("<"),
            field("b"),
            text(">"),
            Piece::Unless(Field::new("b"), Shown::True, 1),
            text("none"),
            field("c"),
        ];
        assert_eq!(runs, [run(&expected)]);
    }

    #[test]
    fn leaves_everything_else_alone() {
        for source in [
            "{{ x.a|money }}{{ x.b }}",
            "{{- x.a }}{{ x.b -}}",
            "{# {{ x.a }}{{ x.b }} #}",
            "{{ x }}{{ x.a.b }}",
            "{{ x.a",
            "}}{",
            "{{ x.a }}{% if x.b is nonzero %}{{ y.c }}{% endif %}",
            "{{ x.a }}{% if x.b is nonzero %}{% elif x.c %}{% endif %}",
            "{{ x.a }}{% if x.b %}\n  {% endif %}",
        ] {
            let mut runs = Vec::new();
            assert_eq!(fuse(source, &mut runs), source);
            assert!(runs.is_empty(), "{source}");
        }
    }
}
