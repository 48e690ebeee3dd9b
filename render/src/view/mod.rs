//! What the body templates see: a statement as values, without a detour over JSON.
//!
//! Amounts stay integer cents (or `none`); every number a template prints is one, so counts and positions are texts.
//! Texts are cleaned here, once, for both parts.
//!
//! **The one surprise.** Gmail cuts a page off at 102 KB. So the page shows at most so many services and notes as fit
//! ([`PAGE_BYTES_MAX`]) and then one sum over the rest; the text part always has all of them.

use crate::clean::clean;
use crate::words::Words;
use jiff::civil::Date;
use minijinja::Value;
use minijinja::value::{Enumerator, Object};
use model::statement::StatementKind;
use model::{Cents, Private, Recipient, Statement};
use std::fmt;
use std::sync::Arc;

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

/// A struct of values that templates read by field name. Its `Debug` shows no value.
macro_rules! view {
    ($(#[$doc:meta])* $name:ident { $($field:ident),* $(,)? }) => {
        $(#[$doc])*
        pub(crate) struct $name { $(pub(crate) $field: Value,)* }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }

        impl Object for $name {
            fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
                self.get_value_by_str(key.as_str()?)
            }

            fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
                match key {
                    $(stringify!($field) => Some(self.$field.clone()),)*
                    _ => None,
                }
            }

            fn enumerate(self: &Arc<Self>) -> Enumerator {
                Enumerator::Str(&[$(stringify!($field)),*])
            }
        }
    };
}

mod particulars;
mod statement;

pub(crate) use statement::LineView;

view!(
    /// The root of statements. `member` is the first statement, for what all of them share; `unmet` is the language a person asked for in vain.
    StatementsView {
        preheader, date, recipient, on_behalf, unmet, member, statements, statements_listed, statements_shown, statements_rest_count, count, several, corrected,
        total_headline, total_owes, progress, appeal_last
    }
);
view!(
    /// The root of a notice: who it is for, and nothing else.
    NoticeView { preheader, recipient, unmet }
);
view!(
    /// The root of a templated message.
    TemplatedView { preheader, date, recipient, vars, unmet }
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

impl Reader<'_> {
    fn unmet(&self) -> Value {
        self.unmet.map_or(none(), Value::from)
    }

    fn name(&self) -> Value {
        private(&self.recipient.name)
    }
}

/// The root value for statements of one member.
pub(crate) fn statements(statements: &[Statement], words: &Words, reader: Reader<'_>) -> Value {
    let several = statements.len() > 1;
    let listed = statements.len().min(LISTED_MAX);
    let mut page_bytes = PAGE_BYTES_MAX - if several { listed * LISTED_BYTES } else { 0 };
    let mut shown = 0;
    let mut views = Vec::with_capacity(statements.len());
    for statement in statements {
        if shown == views.len() && (shown == 0 || page_bytes > STATEMENT_BYTES) {
            page_bytes = page_bytes.saturating_sub(STATEMENT_BYTES);
            shown += 1;
        }
        views.push(statement::view(views.len() + 1, statement, words, several, &mut page_bytes));
    }
    let total = sum(statements.iter().map(statement::owed));
    let is_eob = statements.iter().all(|statement| statement.kind == StatementKind::Eob);
    let accumulators = statements.iter().rev().map(|statement| &statement.particulars.accumulators).find(|found| !found.is_empty());
    Value::from_object(StatementsView {
        preheader: Value::from(reader.preheader),
        date: Value::from(words.dates.date(reader.date)),
        recipient: reader.name(),
        on_behalf: Value::from(reader.recipient.on_behalf_of),
        unmet: reader.unmet(),
        member: views.first().cloned().unwrap_or_default(),
        statements_listed: Value::from(views[..listed].to_vec()),
        statements_shown: Value::from(views[..shown].to_vec()),
        statements_rest_count: if shown < views.len() { position(views.len() - shown) } else { none() },
        statements: Value::from(views),
        count: position(statements.len()),
        several: Value::from(several),
        corrected: Value::from(statements.iter().any(|statement| statement.particulars.correction.is_some())),
        total_headline: Value::from(headline(total)),
        total_owes: cents(total),
        progress: accumulators.map_or(none(), |found| particulars::progress(found, words)),
        appeal_last: Value::from(is_eob && !several && !statements.iter().any(statement::appeal_first)),
    })
}

/// The root value of a notice. It takes no statement, so it cannot show one.
pub(crate) fn notice(reader: Reader<'_>) -> Value {
    Value::from_object(NoticeView { preheader: Value::from(reader.preheader), recipient: reader.name(), unmet: reader.unmet() })
}

/// The root value for a templated message: its variables stand under `vars`.
pub(crate) fn templated<'a>(variables: impl Iterator<Item = (&'a String, &'a Private)>, words: &Words, reader: Reader<'_>) -> Value {
    Value::from_object(TemplatedView {
        preheader: Value::from(reader.preheader),
        date: Value::from(words.dates.date(reader.date)),
        recipient: reader.name(),
        vars: Value::from_pairs(variables.map(|(name, value)| (name.as_str(), Value::from(clean(value.reveal()).as_ref())))),
        unmet: reader.unmet(),
    })
}

/// The one thing a member looks for first.
fn headline(owed: Option<Cents>) -> &'static str {
    match owed {
        None => "unknown",
        Some(Cents(0)) => "nothing",
        Some(Cents(..0)) => "credit",
        Some(_) => "owes",
    }
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

/// A count or a position as text: a number would be money.
fn position(number: usize) -> Value {
    Value::from(number.to_string())
}

fn cents(amount: Option<Cents>) -> Value {
    amount.map_or(none(), |Cents(cents)| Value::from(cents))
}

fn private(text_of: &Private) -> Value {
    text(text_of.reveal())
}

/// Cleaned text, or none where nothing is left of it.
fn text(raw: &str) -> Value {
    let clean = clean(raw);
    if clean.is_empty() { none() } else { Value::from(clean.as_ref()) }
}

fn none() -> Value {
    Value::from(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_part_makes_the_sum_unknown() {
        assert_eq!(sum([Some(Cents(1)), None].into_iter()), None);
        assert_eq!(sum([Some(Cents(1)), Some(Cents(2))].into_iter()), Some(Cents(3)));
        assert_eq!(sum([Some(Cents(i64::MAX)), Some(Cents(1))].into_iter()), None);
        assert_eq!(headline(None), "unknown");
        assert_eq!(headline(Some(Cents(0))), "nothing");
        assert_eq!(headline(Some(Cents(-1))), "credit");
    }

    #[test]
    fn only_what_fits_is_shown() {
        let mut bytes = 100;
        assert_eq!(fitting([40, 40, 40].into_iter(), &mut bytes), 2);
        assert_eq!(bytes, 20);
    }
}
