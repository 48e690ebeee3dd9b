//! What the body templates see: a statement as views, borrowed from the job.
//!
//! Amounts stay integer cents (or none); every number a template prints is one, so counts and positions are texts.
//! Texts are cleaned here, once, for both parts.
//!
//! **The one surprise.** Gmail cuts a page off at 102 KB. So the page shows at most so many services and notes as fit
//! ([`PAGE_BYTES_MAX`]) and then one sum over the rest; the text part always has all of them.

use crate::clean::clean;
use crate::datum::{Datum, Kind, Views};
use crate::words::Words;
use jiff::civil::Date;
use minijinja::Value;
use model::statement::StatementKind;
use model::{Cents, Private, Recipient, Statement};
use std::borrow::Cow;

/// Bytes that claims, services and notes may take of the page. With the fixed part, the whole page stays under 90 KB.
pub(crate) const PAGE_BYTES_MAX: usize = 66_000;
/// What a claim takes beside its services and notes.
const STATEMENT_BYTES: usize = 3_600;
/// What a claim takes in the list of claims.
const LISTED_BYTES: usize = 220;
/// Claims of that list.
const LISTED_MAX: usize = 100;
/// What a service takes beside its description.
const SERVICE_BYTES: usize = 860;
/// What a note takes beside its text.
const NOTE_BYTES: usize = 120;
/// Characters shown of a service's description.
const TITLE_CHARS_MAX: usize = 160;
/// Services from which on the right to appeal stands before them.
const APPEAL_FIRST_LINES: usize = 5;

/// A struct of what templates read by field name; its fields stand in a row in the order of their names.
macro_rules! view {
    ($(#[$doc:meta])* $name:ident { $($field:ident),* $(,)? }) => {
        $(#[$doc])*
        pub(crate) struct $name<'a> { $(pub(crate) $field: Datum<'a>,)* }

        impl<'a> $name<'a> {
            /// The fields in their order.
            pub(crate) const NAMES: &'static [&'static str] = &[$(stringify!($field)),*];

            pub(crate) fn into_fields(self) -> [Datum<'a>; [$(stringify!($field)),*].len()] {
                [$(self.$field),*]
            }
        }
    };
}

mod particulars;
mod statement;

pub(crate) use particulars::{BillView, ChangeView, ProgressView};
pub(crate) use statement::{AmountsView, LineView, NoteView, StatementView, push_details};

view!(
    /// The root of statements. `member` is the first statement, for what all of them share;
    /// `unmet` is the language a person asked for in vain.
    StatementsView {
        preheader, date, recipient, on_behalf, unmet, member, statements, statements_listed, statements_shown, statements_rest_count, count, several, corrected,
        total_headline, total_owes, progress, appeal_last
    }
);
view!(
    /// The root of a notice: who it is for, and nothing else.
    NoticeView { preheader, recipient, unmet }
);
/// Whom a message is for.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    /// Who gets it.
    pub(crate) recipient: &'a Recipient,
    /// The language that person asked for in vain.
    pub(crate) unmet: Option<&'a str>,
    /// The day of the `Date` field.
    pub(crate) date: Date,
    /// What an inbox shows beside the subject.
    pub(crate) preheader: &'a str,
}

impl<'a> Reader<'a> {
    fn unmet(&self) -> Datum<'a> {
        self.unmet.map_or(Datum::None, |language| Datum::Text(Cow::Borrowed(language)))
    }

    fn name(&self) -> Datum<'a> {
        private(&self.recipient.name)
    }

    fn preheader(&self) -> Datum<'a> {
        Datum::Text(Cow::Borrowed(self.preheader))
    }
}

/// The root for statements of one member.
pub(crate) fn statements<'a>(statements: &'a [Statement], words: &'a Words, reader: Reader<'a>) -> Views<'a> {
    let several = statements.len() > 1;
    let listed = statements.len().min(LISTED_MAX);
    let mut page_bytes = PAGE_BYTES_MAX - if several { listed * LISTED_BYTES } else { 0 };
    let mut shown = 0;
    let mut views = Vec::with_capacity(statements.len() * StatementView::NAMES.len());
    for (at, statement) in statements.iter().enumerate() {
        if shown == at && (shown == 0 || page_bytes > STATEMENT_BYTES) {
            page_bytes = page_bytes.saturating_sub(STATEMENT_BYTES);
            shown += 1;
        }
        views.extend(statement::view(at + 1, statement, words, several, &mut page_bytes).into_fields());
    }
    let views = Views::new(Kind::Statement, views);
    let total = sum(statements.iter().map(statement::owed));
    let is_eob = statements.iter().all(|statement| statement.kind == StatementKind::Eob);
    let accumulators = statements.iter().rev().map(|statement| &statement.particulars.accumulators).find(|found| !found.is_empty());
    let root = StatementsView {
        preheader: reader.preheader(),
        date: Datum::Date(reader.date),
        recipient: reader.name(),
        on_behalf: Datum::Flag(reader.recipient.on_behalf_of),
        unmet: reader.unmet(),
        member: Datum::One(views.shown(1)),
        statements_listed: Datum::Many(views.shown(listed)),
        statements_shown: Datum::Many(views.shown(shown)),
        statements_rest_count: if shown < views.len() { Datum::Position(views.len() - shown) } else { Datum::None },
        count: Datum::Position(views.len()),
        statements: Datum::Many(views),
        several: Datum::Flag(several),
        corrected: Datum::Flag(statements.iter().any(|statement| statement.particulars.correction.is_some())),
        total_headline: headline(total),
        total_owes: cents(total),
        progress: accumulators.map_or(Datum::None, |found| particulars::progress(found, words)),
        appeal_last: Datum::Flag(is_eob && !several && !statements.iter().any(statement::appeal_first)),
    };
    Views::new(Kind::Statements, root.into_fields().into())
}

/// The root of a notice. It takes no statement, so it cannot show one.
pub(crate) fn notice(reader: Reader<'_>) -> Views<'_> {
    let root = NoticeView { preheader: reader.preheader(), recipient: reader.name(), unmet: reader.unmet() };
    Views::new(Kind::Notice, root.into_fields().into())
}

/// The root value for a templated message: its variables stand under `vars`, and only the sender knows their names.
pub(crate) fn templated<'a>(variables: impl Iterator<Item = (&'a String, &'a Private)>, words: &Words, reader: Reader<'_>) -> Value {
    let say = |datum: Datum<'_>| datum.to_value(words);
    minijinja::context! {
        preheader => say(reader.preheader()),
        date => say(Datum::Date(reader.date)),
        recipient => say(reader.name()),
        vars => Value::from_pairs(variables.map(|(name, value)| (name.as_str(), Value::from(clean(value.reveal()).as_ref())))),
        unmet => say(reader.unmet()),
    }
}

/// The one thing a member looks for first.
fn headline(owed: Option<Cents>) -> Datum<'static> {
    Datum::Text(Cow::Borrowed(match owed {
        None => "unknown",
        Some(Cents(0)) => "nothing",
        Some(Cents(..0)) => "credit",
        Some(_) => "owes",
    }))
}

/// A sum in which one unknown part makes the whole unknown; so does one that no number holds.
fn sum(parts: impl Iterator<Item = Option<Cents>>) -> Option<Cents> {
    let mut total = 0_i64;
    for part in parts {
        total = total.checked_add(part?.0)?;
    }
    Some(Cents(total))
}

/// How many of the parts fit; takes them off the budget.
fn fitting(parts: impl Iterator<Item = usize>, bytes_left: &mut usize) -> usize {
    let mut count = 0;
    for bytes in parts {
        let Some(left) = bytes_left.checked_sub(bytes) else { break };
        *bytes_left = left;
        count += 1;
    }
    count
}

fn cents(amount: Option<Cents>) -> Datum<'static> {
    amount.map_or(Datum::None, |Cents(cents)| Datum::Cents(cents))
}

fn private(text_of: &Private) -> Datum<'_> {
    text(text_of.reveal())
}

/// Cleaned text, or none where nothing is left of it.
fn text(raw: &str) -> Datum<'_> {
    Datum::text(clean(raw))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_part_makes_the_sum_unknown() {
        assert_eq!(sum([Some(Cents(1)), None].into_iter()), None);
        assert_eq!(sum([Some(Cents(1)), Some(Cents(2))].into_iter()), Some(Cents(3)));
        assert_eq!(sum([Some(Cents(i64::MAX)), Some(Cents(1))].into_iter()), None);
        let says = |owed, word: &str| matches!(headline(owed), Datum::Text(text) if text == word);
        assert!(says(None, "unknown") && says(Some(Cents(0)), "nothing") && says(Some(Cents(-1)), "credit"));
    }

    #[test]
    fn only_what_fits_is_shown() {
        let mut bytes = 100;
        assert_eq!(fitting([40, 40, 40].into_iter(), &mut bytes), 2);
        assert_eq!(bytes, 20);
    }
}
