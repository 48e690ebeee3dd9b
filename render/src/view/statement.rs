//! One statement, its services and its notes as values.

use super::{
    APPEAL_FIRST_LINES, NOTE_BYTES, SERVICE_BYTES, TITLE_CHARS_MAX, cents, fitting, headline, none, particulars, position, private, sum,
    text,
};
use crate::clean::clean;
use crate::words::Words;
use minijinja::Value;
use minijinja::value::{Enumerator, Object};
use model::statement::{Amounts, ClaimStatus, ClaimType, LiabilityRule, Note, PaidTo, ServiceLine, StatementKind};
use model::{Cents, Private, Statement};
use std::fmt::{self, Write as _};
use std::sync::Arc;

view!(
    /// One statement. `headline` is `owes`, `nothing`, `credit` or `unknown`; so is `bill_headline`, of the balance.
    StatementView {
        number, claim_number, member_name, member_id, payer, provider, network, status, denied, days, headline, totals, lines, lines_shown,
        rest, rest_count, notes, notes_shown, notes_rest_count, changes, paid_to_member, pharmacy, appeal_first, bill, bill_headline
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
impl LineView {
    /// Where a field stands, by its name.
    pub(crate) fn position(name: &str) -> Option<usize> {
        [
            "number",
            "title",
            "details",
            "billed",
            "allowed",
            "discount",
            "plan_paid",
            "deductible",
            "coinsurance",
            "copay",
            "not_covered",
            "other_insurance",
            "member_owes",
        ]
        .iter()
        .position(|known| *known == name)
    }

    /// The field at a position that [`LineView::position`] gave.
    pub(crate) fn at(&self, position: usize) -> &Value {
        match position {
            0 => &self.number,
            1 => &self.title,
            2 => &self.details,
            3 => &self.billed,
            4 => &self.allowed,
            5 => &self.discount,
            6 => &self.plan_paid,
            7 => &self.deductible,
            8 => &self.coinsurance,
            9 => &self.copay,
            10 => &self.not_covered,
            11 => &self.other_insurance,
            _ => &self.member_owes,
        }
    }
}

view!(
    /// One note. `foreign`: it is English in a message that is not.
    NoteView { number, text, code, foreign }
);

/// A statement. Takes what it shows off the bytes that are left of the page.
pub(super) fn view(number: usize, statement: &Statement, words: &Words, several: bool, page_bytes: &mut usize) -> Value {
    let notes: Vec<Value> = statement.notes.iter().enumerate().map(|(at, note)| note_view(at + 1, note, words)).collect();
    let note_bytes = |note: &Note| NOTE_BYTES + words.codes.words(note).text.len();
    let notes_shown = fitting(statement.notes.iter().map(note_bytes), page_bytes);
    let line_bytes =
        |line: &ServiceLine| SERVICE_BYTES + line.description.as_ref().map_or(0, |text| text.reveal().len().min(TITLE_CHARS_MAX));
    let shown = fitting(statement.lines.iter().map(line_bytes), page_bytes);
    let lines: Vec<Value> = statement.lines.iter().enumerate().map(|(at, line)| line_view(at + 1, line, words)).collect();
    let rest = &statement.lines[shown..];
    let particulars = &statement.particulars;
    let bill = particulars.bill.as_ref();
    Value::from_object(StatementView {
        number: position(number),
        claim_number: private(&statement.claim_number),
        member_name: private(&statement.member.name),
        member_id: private(&statement.member.id),
        payer: statement.payer.as_ref().map_or(none(), private),
        provider: statement.provider.as_ref().map_or(none(), private),
        network: particulars.network.map_or(none(), |network| words.network(network)),
        status: words.status(statement.status),
        denied: Value::from(statement.status == ClaimStatus::Denied),
        days: days(statement, words),
        headline: Value::from(headline(owed(statement))),
        totals: amounts_view(&Amounts { member_owes: owed(statement), ..statement.totals }),
        lines_shown: Value::from(lines[..shown].to_vec()),
        lines: Value::from(lines),
        rest: if rest.is_empty() { none() } else { amounts_view(&sum_of_lines(rest)) },
        rest_count: position(rest.len()),
        notes_shown: Value::from(notes[..notes_shown].to_vec()),
        notes_rest_count: if notes_shown < notes.len() { position(notes.len() - notes_shown) } else { none() },
        notes: Value::from(notes),
        changes: particulars.correction.as_ref().map_or(none(), |correction| particulars::changes(correction, words)),
        paid_to_member: Value::from(particulars.paid_to == Some(PaidTo::Member)),
        pharmacy: Value::from(particulars.claim_type == Some(ClaimType::Pharmacy)),
        appeal_first: Value::from(!several && appeal_first(statement)),
        bill: particulars::bill(bill, words),
        bill_headline: Value::from(headline(bill.and_then(|bill| bill.balance))),
    })
}

/// What the member owes, where it is known. A number under an unknown rule is not one.
pub(super) fn owed(statement: &Statement) -> Option<Cents> {
    statement.totals.member_owes.filter(|_| statement.liability_rule != LiabilityRule::Unknown)
}

/// Whether the right to appeal stands before the services: where something was denied, or the list of services is long.
pub(super) fn appeal_first(statement: &Statement) -> bool {
    statement.kind == StatementKind::Eob && (statement.status == ClaimStatus::Denied || statement.lines.len() >= APPEAL_FIRST_LINES)
}

fn line_view(number: usize, line: &ServiceLine, words: &Words) -> Value {
    let amounts = &line.amounts;
    Value::from_object(LineView {
        number: position(number),
        title: line.description.as_ref().map_or(none(), |title| short_text(title.reveal())),
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
    let worded = words.codes.words(note);
    Value::from_object(NoteView {
        number: position(number),
        text: text(worded.text),
        code: private(&note.code),
        foreign: Value::from(worded.foreign),
    })
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

fn days(statement: &Statement, words: &Words) -> Value {
    let mut out = String::with_capacity(40);
    if words.dates.push_days(&mut out, statement.service_from, statement.service_to) { Value::from(out) } else { none() }
}

/// `March 4, 2026, code 99213-25, notes 1, 2`.
fn details(line: &ServiceLine, words: &Words) -> String {
    let mut out = String::with_capacity(64);
    if !words.dates.push_days(&mut out, line.service_from, line.service_to) {
        out.push_str(&words.date_not_stated);
    }
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

fn short_text(raw: &str) -> Value {
    match raw.char_indices().nth(TITLE_CHARS_MAX) {
        None => text(raw),
        Some((end, _)) => text(&format!("{}…", clean(&raw[..end]))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_and_names_agree() {
        let line = ServiceLine { amounts: Amounts { billed: Some(Cents(7)), ..Amounts::default() }, ..ServiceLine::default() };
        let identity = crate::identity::tests::invented();
        let files = ["strings.en.toml", "codes.toml"].map(|name| {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/templates").join(name);
            (name.to_owned(), std::fs::read_to_string(path).expect("it is shipped"))
        });
        let strings = crate::fixed_text::Strings::read("s", &files[0].1, "en", &identity).expect("it reads");
        let lines = crate::language::LanguageLines::default();
        let codes = crate::codes::Codes::read(&files.clone().into(), "en").expect("it reads");
        let words = Words::new("s", &strings.for_type(None, "en", &lines, &identity), codes.into()).expect("it has all words");
        let view = line_view(3, &line, &words);
        let view = view.downcast_object::<LineView>().expect("it is one");
        let Enumerator::Str(names) = view.enumerate() else { panic!("it has names") };
        for name in names {
            let at = LineView::position(name).expect("every field has a position");
            assert_eq!(Some(view.at(at).clone()), view.get_value_by_str(name), "{name}");
        }
        assert_eq!(view.at(3).as_i64(), Some(7));
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
}
