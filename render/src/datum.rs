//! What a template reads: the fields of the views, without a copy of what the job holds.
//!
//! A view is a row of [`Datum`], its fields found by position; lists of views share one row. Programs read them as they are; for the
//! template engine they become its values ([`Datum::to_value`]), so that both see the same.
//!
//! **The one surprise.** A datum knows what it says, not how: dates, positions and a service's details become text when they are
//! written, in the words of the message's language.

use crate::view;
use crate::words::Words;
use jiff::civil::Date;
use minijinja::Value;
use minijinja::value::{Enumerator, Object};
use model::statement::ServiceLine;
use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

/// One thing that a template can read.
#[derive(Clone)]
pub(crate) enum Datum<'a> {
    /// Not stated.
    None,
    /// Yes or no.
    Flag(bool),
    /// An amount.
    Cents(i64),
    /// A count or a position. A number would be money.
    Position(usize),
    /// A text, cleaned; never empty where it comes from outside.
    Text(Cow<'a, str>),
    /// A day.
    Date(Date),
    /// A day, or the first and the last.
    Days(Date, Option<Date>),
    /// Day, code and notes of a service in one line.
    Details(&'a ServiceLine),
    /// Cells of a bar: nothing but a number of repeats.
    Cells(usize),
    /// A view.
    One(Views<'a>),
    /// A list of views.
    Many(Views<'a>),
}

/// Views of one kind, one behind the other.
#[derive(Clone)]
pub(crate) struct Views<'a> {
    kind: Kind,
    fields: Rc<[Datum<'a>]>,
    count: usize,
}

/// The kinds of views: what has which fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What subject and preheader see.
    Header,
    /// The root of statements and bills.
    Statements,
    /// The root of a notice.
    Notice,
    /// A statement.
    Statement,
    /// Amounts of a statement or of a rest.
    Amounts,
    /// A service.
    Line,
    /// A note.
    Note,
    /// How far a member is towards a limit.
    Progress,
    /// An amount that a correction changed.
    Change,
    /// What makes a statement a bill.
    Bill,
}

/// What a field holds, as far as a template can be wrong about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Something to be written or asked.
    Scalar,
    /// A view.
    One(Kind),
    /// A list of views.
    Many(Kind),
    /// Cells.
    Cells,
}

impl Kind {
    /// Its fields in their order.
    pub(crate) const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Header => &["brand", "kind", "month"],
            Self::Statements => view::StatementsView::NAMES,
            Self::Notice => view::NoticeView::NAMES,
            Self::Statement => view::StatementView::NAMES,
            Self::Amounts => view::AmountsView::NAMES,
            Self::Line => view::LineView::NAMES,
            Self::Note => view::NoteView::NAMES,
            Self::Progress => view::ProgressView::NAMES,
            Self::Change => view::ChangeView::NAMES,
            Self::Bill => view::BillView::NAMES,
        }
    }

    /// Where a field stands, and what it holds.
    pub(crate) fn field(self, name: &str) -> Option<(usize, Shape)> {
        let at = self.names().iter().position(|known| *known == name)?;
        let shape = match name {
            "member" => Shape::One(Self::Statement),
            "statements" | "statements_listed" | "statements_shown" => Shape::Many(Self::Statement),
            "totals" | "rest" => Shape::One(Self::Amounts),
            "lines" | "lines_shown" => Shape::Many(Self::Line),
            "notes" | "notes_shown" => Shape::Many(Self::Note),
            "changes" => Shape::Many(Self::Change),
            "progress" => Shape::Many(Self::Progress),
            "bill" => Shape::One(Self::Bill),
            "filled" | "empty" => Shape::Cells,
            _ => Shape::Scalar,
        };
        Some((at, shape))
    }

    /// A view of this kind for the template engine.
    pub(crate) fn to_value(self, fields: &[Datum<'_>], words: &Words) -> Value {
        Value::from_object(ViewObject { kind: self, values: fields.iter().map(|datum| datum.to_value(words)).collect() })
    }
}

impl<'a> Views<'a> {
    /// Views of one kind, each with all its fields.
    pub(crate) fn new(kind: Kind, fields: Vec<Datum<'a>>) -> Self {
        let width = kind.names().len();
        assert_eq!(fields.len() % width, 0, "a view has all its fields");
        Self { kind, count: fields.len() / width, fields: fields.into() }
    }

    /// The first ones of the same.
    pub(crate) fn shown(&self, count: usize) -> Self {
        Self { count: count.min(self.count), ..self.clone() }
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// One behind the other.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[Datum<'a>]> {
        self.fields.chunks_exact(self.kind.names().len()).take(self.count)
    }

    /// The fields of the first.
    pub(crate) fn first(&self) -> Option<&[Datum<'a>]> {
        self.iter().next()
    }

    /// The first as the root of a template, for the template engine.
    pub(crate) fn to_value(&self, words: &Words) -> Value {
        self.first().map_or(Value::from(()), |fields| self.kind.to_value(fields, words))
    }
}

impl<'a> Datum<'a> {
    /// A text, or nothing where it is empty.
    pub(crate) fn text(clean: Cow<'a, str>) -> Self {
        if clean.is_empty() { Self::None } else { Self::Text(clean) }
    }

    /// What the template language takes for true.
    pub(crate) fn is_true(&self) -> bool {
        match self {
            Self::None => false,
            Self::Flag(flag) => *flag,
            Self::Cents(cents) => *cents != 0,
            Self::Text(text) => !text.is_empty(),
            Self::Cells(count) => *count > 0,
            Self::Many(views) => views.len() > 0,
            Self::Position(_) | Self::Date(_) | Self::Days(..) | Self::Details(_) | Self::One(_) => true,
        }
    }

    /// Writes it where it is a text; says whether it is one.
    pub(crate) fn push_text(&self, out: &mut String, words: &Words) -> bool {
        match self {
            Self::Position(position) => crate::format::push_number(out, *position),
            Self::Text(text) => out.push_str(text),
            Self::Date(date) => words.dates.push_days(out, *date, None),
            Self::Days(from, to) => words.dates.push_days(out, *from, *to),
            Self::Details(line) => view::push_details(out, line, words),
            Self::None | Self::Flag(_) | Self::Cents(_) | Self::Cells(_) | Self::One(_) | Self::Many(_) => return false,
        }
        true
    }

    /// The same for the template engine.
    pub(crate) fn to_value(&self, words: &Words) -> Value {
        match self {
            Self::None => Value::from(()),
            Self::Flag(flag) => Value::from(*flag),
            Self::Cents(cents) => Value::from(*cents),
            Self::Cells(count) => Value::from(vec![Value::from(()); *count]),
            Self::One(views) => views.to_value(words),
            Self::Many(views) => Value::from(views.iter().map(|fields| views.kind.to_value(fields, words)).collect::<Vec<_>>()),
            Self::Position(_) | Self::Text(_) | Self::Date(_) | Self::Days(..) | Self::Details(_) => {
                let mut text = String::new();
                self.push_text(&mut text, words);
                Value::from(text)
            }
        }
    }
}

/// A view as the template engine reads it. Its `Debug` shows no value.
struct ViewObject {
    kind: Kind,
    values: Vec<Value>,
}

impl fmt::Debug for ViewObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.kind)
    }
}

impl Object for ViewObject {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let at = self.kind.names().iter().position(|known| *known == key)?;
        self.values.get(at).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(self.kind.names())
    }
}
