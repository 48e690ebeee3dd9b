//! One statement, its services and its notes as views.

use super::{APPEAL_FIRST_LINES, NOTE_BYTES, SERVICE_BYTES, TITLE_CHARS_MAX, cents, fitting, headline, particulars, private, sum, text};
use crate::clean::clean;
use crate::datum::{Datum, Kind, Views};
use crate::format::push_number;
use crate::words::Words;
use model::statement::{Amounts, ClaimStatus, ClaimType, LiabilityRule, Note, PaidTo, ServiceLine, StatementKind};
use model::{Cents, Private, Statement};
use std::borrow::Cow;

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
view!(
    /// One note. `foreign`: it is English in a message that is not.
    NoteView { number, text, code, foreign }
);

/// A statement. Takes what it shows off the bytes that are left of the page.
pub(super) fn view<'a>(
    number: usize,
    statement: &'a Statement,
    words: &'a Words,
    several: bool,
    page_bytes: &mut usize,
) -> StatementView<'a> {
    let mut note_bytes = Vec::with_capacity(statement.notes.len());
    let mut notes = Vec::with_capacity(statement.notes.len() * NoteView::NAMES.len());
    for (at, note) in statement.notes.iter().enumerate() {
        let (view, bytes) = note_view(at + 1, note, words);
        notes.extend(view.into_fields());
        note_bytes.push(NOTE_BYTES + bytes);
    }
    let notes_shown = fitting(note_bytes.into_iter(), page_bytes);
    let line_bytes =
        |line: &ServiceLine| SERVICE_BYTES + line.description.as_ref().map_or(0, |text| text.reveal().len().min(TITLE_CHARS_MAX));
    let shown = fitting(statement.lines.iter().map(line_bytes), page_bytes);
    let mut lines = Vec::with_capacity(statement.lines.len() * LineView::NAMES.len());
    for (at, line) in statement.lines.iter().enumerate() {
        lines.extend(line_view(at + 1, line).into_fields());
    }
    let (notes, lines) = (Views::new(Kind::Note, notes), Views::new(Kind::Line, lines));
    let rest = &statement.lines[shown..];
    let particulars = &statement.particulars;
    let bill = particulars.bill.as_ref();
    StatementView {
        number: Datum::Position(number),
        claim_number: private(&statement.claim_number),
        member_name: private(&statement.member.name),
        member_id: private(&statement.member.id),
        payer: statement.payer.as_ref().map_or(Datum::None, private),
        provider: statement.provider.as_ref().map_or(Datum::None, private),
        network: particulars.network.map_or(Datum::None, |network| Datum::Text(Cow::Borrowed(words.network(network)))),
        status: words.status(statement.status).map_or(Datum::None, |words| Datum::Text(Cow::Borrowed(words))),
        denied: Datum::Flag(statement.status == ClaimStatus::Denied),
        days: statement.service_from.map_or(Datum::None, |from| Datum::Days(from, statement.service_to)),
        headline: headline(owed(statement)),
        totals: amounts_view(&Amounts { member_owes: owed(statement), ..statement.totals }),
        lines_shown: Datum::Many(lines.shown(shown)),
        lines: Datum::Many(lines),
        rest: if rest.is_empty() { Datum::None } else { amounts_view(&sum_of_lines(rest)) },
        rest_count: Datum::Position(rest.len()),
        notes_shown: Datum::Many(notes.shown(notes_shown)),
        notes_rest_count: if notes_shown < notes.len() { Datum::Position(notes.len() - notes_shown) } else { Datum::None },
        notes: Datum::Many(notes),
        changes: particulars.correction.as_ref().map_or(Datum::None, |correction| particulars::changes(correction, words)),
        paid_to_member: Datum::Flag(particulars.paid_to == Some(PaidTo::Member)),
        pharmacy: Datum::Flag(particulars.claim_type == Some(ClaimType::Pharmacy)),
        appeal_first: Datum::Flag(!several && appeal_first(statement)),
        bill: particulars::bill(bill),
        bill_headline: headline(bill.and_then(|bill| bill.balance)),
    }
}

/// What the member owes, where it is known. A number under an unknown rule is not one.
pub(super) fn owed(statement: &Statement) -> Option<Cents> {
    statement.totals.member_owes.filter(|_| statement.liability_rule != LiabilityRule::Unknown)
}

/// Whether the right to appeal stands before the services: where something was denied, or the list of services is long.
pub(super) fn appeal_first(statement: &Statement) -> bool {
    statement.kind == StatementKind::Eob && (statement.status == ClaimStatus::Denied || statement.lines.len() >= APPEAL_FIRST_LINES)
}

fn line_view(number: usize, line: &ServiceLine) -> LineView<'_> {
    let amounts = &line.amounts;
    LineView {
        number: Datum::Position(number),
        title: line.description.as_ref().map_or(Datum::None, |title| short_text(title.reveal())),
        details: Datum::Details(line),
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
    }
}

/// A note, and how many bytes its words have.
fn note_view<'a>(number: usize, note: &'a Note, words: &'a Words) -> (NoteView<'a>, usize) {
    let worded = words.codes.words(note);
    let view = NoteView {
        number: Datum::Position(number),
        text: text(worded.text),
        code: private(&note.code),
        foreign: Datum::Flag(worded.foreign),
    };
    (view, worded.text.len())
}

fn amounts_view(amounts: &Amounts) -> Datum<'static> {
    let view = AmountsView {
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
    };
    Datum::One(Views::new(Kind::Amounts, view.into_fields().into()))
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

/// `March 4, 2026, code 99213-25, notes 1, 2`.
pub(crate) fn push_details(out: &mut String, line: &ServiceLine, words: &Words) {
    match line.service_from {
        Some(from) => words.dates.push_days(out, from, line.service_to),
        None => out.push_str(&words.date_not_stated),
    }
    if let Some(code) = &line.code {
        out.push_str(", ");
        out.push_str(&words.code);
        out.push(' ');
        push_code(out, code, &line.modifiers);
    }
    let mut before = if line.notes.len() > 1 { &words.notes } else { &words.note }.as_str();
    // A reader looks them up in their order; a payer's file need not have them in it.
    let mut notes = Cow::Borrowed(&line.notes[..]);
    if !notes.is_sorted() {
        notes.to_mut().sort_unstable();
    }
    for note in &*notes {
        out.push_str(", ");
        out.push_str(before);
        out.push_str(if before.is_empty() { "" } else { " " });
        push_number(out, usize::from(*note) + 1);
        before = "";
    }
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

fn short_text(raw: &str) -> Datum<'_> {
    // A text of so few bytes has no more characters.
    if raw.len() <= TITLE_CHARS_MAX {
        return text(raw);
    }
    match raw.char_indices().nth(TITLE_CHARS_MAX) {
        None => text(raw),
        Some((end, _)) => Datum::Text(Cow::Owned(format!("{}…", clean(&raw[..end])))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
