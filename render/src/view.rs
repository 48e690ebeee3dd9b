//! What the body templates see: a statement as values, without a detour over JSON.
//!
//! Amounts stay integer cents (or `none`); every number a template prints is one, so counts and positions are texts.
//! Texts are cleaned here, once, for both parts.
//!
//! **The one surprise.** Gmail cuts a page off at 102 KB. So the page shows at most so many services and notes as fit
//! ([`PAGE_BYTES_MAX`]) and then one sum over the rest; the text part always has all of them.

use crate::clean::clean;
use crate::format;
use crate::words::Words;
use jiff::civil::Date;
use minijinja::Value;
use minijinja::value::{Enumerator, Object};
use model::statement::{Amounts, ClaimStatus, LiabilityRule, Note, ServiceLine};
use model::{Cents, Private, Statement};
use std::fmt::{self, Write as _};
use std::sync::Arc;

/// Bytes that services and notes may take of the page. With the fixed part, the whole page stays under 90 KB.
pub(crate) const PAGE_BYTES_MAX: usize = 70_000;
/// What a service takes beside its description.
const SERVICE_BYTES: usize = 700;
/// What a note takes beside its text.
const NOTE_BYTES: usize = 120;
/// Characters shown of a service's description.
const TITLE_CHARS_MAX: usize = 160;

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

view!(
    /// The root of an EOB.
    EobView { preheader, date, recipient, statements, count, several, total_headline, total_owes }
);
view!(
    /// The root of a templated message.
    TemplatedView { preheader, date, recipient, vars }
);
view!(
    /// One statement. `headline` is `owes`, `nothing`, `credit` or `unknown`.
    StatementView {
        number, claim_number, member_name, member_id, payer, provider, status, denied, days, headline, totals, lines, lines_shown, rest,
        rest_count, notes, notes_shown, notes_rest_count
    }
);
view!(
    /// The amounts of a statement, a service or a rest: cents, or none where the source does not state it.
    AmountsView {
        billed, allowed, discount, plan_paid, deductible, coinsurance, copay, not_covered, other_insurance, member_owes
    }
);
view!(
    /// One service. `details` is day, code and notes in one line.
    LineView {
        number, title, details, billed, allowed, discount, plan_paid, deductible, coinsurance, copay, not_covered,
        other_insurance, member_owes
    }
);
view!(
    /// One note.
    NoteView { number, text, code }
);

/// The root value for statements of one member.
pub(crate) fn eob(statements: &[Statement], words: &Words, recipient: &str, date: Date, preheader: &str) -> Value {
    let mut page_bytes = PAGE_BYTES_MAX;
    let views: Vec<Value> =
        statements.iter().enumerate().map(|(at, statement)| statement_view(at + 1, statement, words, &mut page_bytes)).collect();
    let total = sum(statements.iter().map(owed));
    Value::from_object(EobView {
        preheader: Value::from(preheader),
        date: Value::from(format::date(date)),
        recipient: text(recipient),
        statements: Value::from(views),
        count: position(statements.len()),
        several: Value::from(statements.len() > 1),
        total_headline: Value::from(headline(total)),
        total_owes: cents(total),
    })
}

/// The root value for a templated message: its variables stand under `vars`.
pub(crate) fn templated<'a>(
    variables: impl Iterator<Item = (&'a String, &'a Private)>,
    recipient: &str,
    date: Date,
    preheader: &str,
) -> Value {
    Value::from_object(TemplatedView {
        preheader: Value::from(preheader),
        date: Value::from(format::date(date)),
        recipient: text(recipient),
        vars: Value::from_pairs(variables.map(|(name, value)| (name.as_str(), Value::from(clean(value.reveal()).as_ref())))),
    })
}

fn statement_view(number: usize, statement: &Statement, words: &Words, page_bytes: &mut usize) -> Value {
    let notes: Vec<Value> = statement.notes.iter().enumerate().map(|(at, note)| note_view(at + 1, note, words)).collect();
    let note_bytes = |note: &Note| NOTE_BYTES + words.codes.words(note).len();
    let notes_shown = fitting(statement.notes.iter().map(note_bytes), page_bytes);
    let line_bytes =
        |line: &ServiceLine| SERVICE_BYTES + line.description.as_ref().map_or(0, |text| text.reveal().len().min(TITLE_CHARS_MAX));
    let shown = fitting(statement.lines.iter().map(line_bytes), page_bytes);
    let lines: Vec<Value> = statement.lines.iter().enumerate().map(|(at, line)| line_view(at + 1, line, words)).collect();
    let rest = &statement.lines[shown..];
    Value::from_object(StatementView {
        number: position(number),
        claim_number: private(&statement.claim_number),
        member_name: private(&statement.member.name),
        member_id: private(&statement.member.id),
        payer: statement.payer.as_ref().map_or(none(), private),
        provider: statement.provider.as_ref().map_or(none(), private),
        status: words.status(statement.status),
        denied: Value::from(statement.status == ClaimStatus::Denied),
        days: days(statement.service_from, statement.service_to),
        headline: Value::from(headline(owed(statement))),
        totals: amounts_view(&Amounts { member_owes: owed(statement), ..statement.totals }),
        lines_shown: Value::from(lines[..shown].to_vec()),
        lines: Value::from(lines),
        rest: if rest.is_empty() { none() } else { amounts_view(&sum_of_lines(rest)) },
        rest_count: position(rest.len()),
        notes_shown: Value::from(notes[..notes_shown].to_vec()),
        notes_rest_count: if notes_shown < notes.len() { position(notes.len() - notes_shown) } else { none() },
        notes: Value::from(notes),
    })
}

fn line_view(number: usize, line: &ServiceLine, words: &Words) -> Value {
    let amounts = &line.amounts;
    Value::from_object(LineView {
        number: position(number),
        title: title(line, words),
        details: Value::from(details(line, words)),
        billed: cents(amounts.billed),
        allowed: cents(amounts.allowed),
        discount: cents(amounts.discount),
        plan_paid: cents(amounts.plan_paid),
        deductible: cents(amounts.deductible),
        coinsurance: cents(amounts.coinsurance),
        copay: cents(amounts.copay),
        not_covered: cents(amounts.not_covered),
        other_insurance: cents(amounts.other_insurance),
        member_owes: cents(amounts.member_owes),
    })
}

fn note_view(number: usize, note: &Note, words: &Words) -> Value {
    Value::from_object(NoteView { number: position(number), text: text(words.codes.words(note)), code: private(&note.code) })
}

fn amounts_view(amounts: &Amounts) -> Value {
    Value::from_object(AmountsView {
        billed: cents(amounts.billed),
        allowed: cents(amounts.allowed),
        discount: cents(amounts.discount),
        plan_paid: cents(amounts.plan_paid),
        deductible: cents(amounts.deductible),
        coinsurance: cents(amounts.coinsurance),
        copay: cents(amounts.copay),
        not_covered: cents(amounts.not_covered),
        other_insurance: cents(amounts.other_insurance),
        member_owes: cents(amounts.member_owes),
    })
}

/// What the member owes, where it is known. A number under an unknown rule is not one.
fn owed(statement: &Statement) -> Option<Cents> {
    statement.totals.member_owes.filter(|_| statement.liability_rule != LiabilityRule::Unknown)
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

/// A sum in which one unknown part makes the whole unknown.
fn sum(parts: impl Iterator<Item = Option<Cents>>) -> Option<Cents> {
    parts.sum()
}

fn sum_of_lines(lines: &[ServiceLine]) -> Amounts {
    let all = |field: fn(&Amounts) -> Option<Cents>| sum(lines.iter().map(|line| field(&line.amounts)));
    Amounts {
        billed: all(|amounts| amounts.billed),
        allowed: all(|amounts| amounts.allowed),
        discount: all(|amounts| amounts.discount),
        plan_paid: all(|amounts| amounts.plan_paid),
        deductible: all(|amounts| amounts.deductible),
        coinsurance: all(|amounts| amounts.coinsurance),
        copay: all(|amounts| amounts.copay),
        not_covered: all(|amounts| amounts.not_covered),
        other_insurance: all(|amounts| amounts.other_insurance),
        member_owes: all(|amounts| amounts.member_owes),
    }
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

/// What a service is, in the source's words.
fn title(line: &ServiceLine, words: &Words) -> Value {
    let described = line.description.as_ref().map_or(none(), |title| short_text(title.reveal()));
    if described.is_none() { Value::from(words.service.as_str()) } else { described }
}

/// `March 4, 2026, code 99213-25, notes 1, 2`.
fn details(line: &ServiceLine, words: &Words) -> String {
    let mut out = format::days(line.service_from, line.service_to).unwrap_or_else(|| words.date_not_stated.clone());
    if let Some(code) = &line.code {
        out.push_str(", ");
        out.push_str(&words.code);
        out.push(' ');
        push_code(&mut out, code, &line.modifiers);
    }
    let mut before = if line.notes.len() > 1 { &words.notes } else { &words.note }.as_str();
    for note in &line.notes {
        out.push_str(", ");
        out.push_str(before);
        out.push_str(if before.is_empty() { "" } else { " " });
        // Writing to a String cannot fail.
        let _ = write!(out, "{}", u32::from(*note) + 1);
        before = "";
    }
    out
}

/// `HC:99213` with modifier `25` is `99213-25`: the qualifier says something to machines only.
fn push_code(out: &mut String, code: &Private, modifiers: &[Private]) {
    let plain = code.reveal().rsplit_once(':').map_or(code.reveal(), |(_, plain)| plain);
    out.push_str(&clean(plain));
    for modifier in modifiers {
        out.push('-');
        out.push_str(&clean(modifier.reveal()));
    }
}

fn days(from: Option<Date>, to: Option<Date>) -> Value {
    format::days(from, to).map_or(none(), Value::from)
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

fn short_text(raw: &str) -> Value {
    match raw.char_indices().nth(TITLE_CHARS_MAX) {
        None => text(raw),
        Some((end, _)) => text(&format!("{}…", clean(&raw[..end]))),
    }
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
        assert_eq!(headline(None), "unknown");
        assert_eq!(headline(Some(Cents(0))), "nothing");
        assert_eq!(headline(Some(Cents(-1))), "credit");
    }

    #[test]
    fn codes_show_what_a_person_can_quote() {
        let show = |code: &str, modifiers: &[&str]| {
            let modifiers: Vec<Private> = modifiers.iter().map(|modifier| (*modifier).into()).collect();
            let mut out = String::new();
            push_code(&mut out, &code.into(), &modifiers);
            out
        };
        assert_eq!(show("HC:99213", &["25", "LT"]), "99213-25-LT");
        assert_eq!(show("0450", &[]), "0450");
    }

    #[test]
    fn only_what_fits_is_shown() {
        let mut bytes = 100;
        assert_eq!(fitting([40, 40, 40].into_iter(), &mut bytes), 2);
        assert_eq!(bytes, 20);
    }
}
