//! The content of a row as bytes: what its fingerprint is taken of.
//!
//! ```text
//! field  = tag: u8 | length: LEB128 | bytes      a field that is not stated leaves no bytes
//! group  = tag: u8 | fields | 0                  member, totals, each line, each note; no tag is 0
//! amount = a field of cents, little endian, without the bytes that only extend the sign
//! ```
//! So a field that joins the statement later does not change the fingerprint of statements without it. Tags are never used again
//! for something else. The address is not part of it: a corrected address does not make new content.

use model::statement::{Amounts, ClaimStatus, Member, Note, NoteKind, Particulars, ServiceLine, StatementKind};
use model::{Cents, Date, Private, Statement};
use std::collections::BTreeMap;

/// The canonical bytes of a statement.
pub(crate) fn of_statement(statement: &Statement, into: &mut Vec<u8>) {
    let mut writer = Writer(into);
    writer.bytes(1, &[kind_number(statement.kind)]);
    writer.text(2, &statement.claim_number);
    writer.group(3, |writer| member(writer, &statement.member));
    writer.bytes(4, &[status_number(statement.status)]);
    writer.optional_text(5, statement.payer.as_ref());
    writer.optional_text(6, statement.provider.as_ref());
    writer.date(7, statement.service_from);
    writer.date(8, statement.service_to);
    writer.group(9, |writer| amounts(writer, &statement.totals));
    for each in &statement.lines {
        writer.group(10, |writer| line(writer, each));
    }
    for each in &statement.notes {
        writer.group(11, |writer| note(writer, each));
    }
    particulars(&mut writer, &statement.particulars);
}

/// Only what is stated. Accumulators are left out: they move with every other claim, and a claim handed in again a week later is no
/// correction for that; what admission itself says (`correction`) is left out as well.
fn particulars(writer: &mut Writer<'_>, particulars: &Particulars) {
    let Particulars { claim_type, network, program, paid_to, accumulators: _, bill, correction: _ } = particulars;
    let mut number = |tag, number: Option<u8>| number.into_iter().for_each(|number| writer.bytes(tag, &[number]));
    number(12, claim_type.map(|each| each as u8 + 1));
    number(13, network.map(|each| each as u8 + 1));
    number(14, program.map(|each| each as u8 + 1));
    number(15, paid_to.map(|each| each as u8 + 1));
    if let Some(bill) = bill {
        writer.group(16, |writer| {
            writer.optional_text(1, bill.account.as_ref());
            writer.date(2, bill.due_on);
            writer.amount(3, bill.previous_balance);
            writer.amount(4, bill.payments);
            writer.amount(5, bill.new_charges);
            writer.amount(6, bill.balance);
        });
    }
}

/// The canonical bytes of a templated message.
pub(crate) fn of_templated(template: &str, variables: &BTreeMap<String, Private>, authorization: &Private, into: &mut Vec<u8>) {
    let mut writer = Writer(into);
    writer.bytes(20, template.as_bytes());
    for (name, value) in variables {
        writer.bytes(21, name.as_bytes());
        // Not `text`: an empty variable is not an absent one.
        writer.bytes(22, value.reveal().as_bytes());
    }
    writer.text(23, authorization);
}

fn member(writer: &mut Writer<'_>, member: &Member) {
    writer.text(1, &member.id);
    writer.text(2, &member.name);
    writer.text(3, &member.given_name);
    writer.text(4, &member.family_name);
    writer.date(5, member.birth_date);
}

fn amounts(writer: &mut Writer<'_>, amounts: &Amounts) {
    writer.amount(1, amounts.billed);
    writer.amount(2, amounts.allowed);
    writer.amount(3, amounts.discount);
    writer.amount(4, amounts.plan_paid);
    writer.amount(5, amounts.deductible);
    writer.amount(6, amounts.coinsurance);
    writer.amount(7, amounts.copay);
    writer.amount(8, amounts.not_covered);
    writer.amount(9, amounts.other_insurance);
    writer.amount(10, amounts.member_owes);
}

fn line(writer: &mut Writer<'_>, line: &ServiceLine) {
    writer.date(1, line.service_from);
    writer.date(2, line.service_to);
    writer.optional_text(3, line.code.as_ref());
    line.modifiers.iter().for_each(|modifier| writer.text(4, modifier));
    writer.optional_text(5, line.description.as_ref());
    writer.group(6, |writer| amounts(writer, &line.amounts));
    line.notes.iter().for_each(|note| writer.bytes(7, &note.to_le_bytes()));
}

fn note(writer: &mut Writer<'_>, note: &Note) {
    let kind = match note.kind {
        NoteKind::Adjustment => 1,
        NoteKind::Remark => 2,
        NoteKind::Message => 3,
    };
    writer.bytes(1, &[kind]);
    writer.text(2, &note.code);
    writer.optional_text(3, note.text.as_ref());
}

const fn kind_number(kind: StatementKind) -> u8 {
    match kind {
        StatementKind::Eob => 1,
        StatementKind::Bill => 2,
    }
}

const fn status_number(status: ClaimStatus) -> u8 {
    match status {
        ClaimStatus::ProcessedPrimary => 1,
        ClaimStatus::ProcessedSecondary => 2,
        ClaimStatus::ProcessedTertiary => 3,
        ClaimStatus::Denied => 4,
        ClaimStatus::Forwarded => 19,
        ClaimStatus::Reversal => 22,
        ClaimStatus::NotOurClaim => 23,
        ClaimStatus::Predetermination => 25,
        ClaimStatus::Unknown => 255,
    }
}

struct Writer<'v>(&'v mut Vec<u8>);

impl Writer<'_> {
    fn bytes(&mut self, tag: u8, bytes: &[u8]) {
        self.0.push(tag);
        let mut length = bytes.len();
        while length >= 0x80 {
            self.0.push(length as u8 | 0x80);
            length >>= 7;
        }
        self.0.push(length as u8);
        self.0.extend_from_slice(bytes);
    }

    fn group(&mut self, tag: u8, write: impl FnOnce(&mut Writer<'_>)) {
        self.0.push(tag);
        write(&mut Writer(self.0));
        self.0.push(0);
    }

    fn text(&mut self, tag: u8, text: &Private) {
        if !text.is_empty() {
            self.bytes(tag, text.reveal().as_bytes());
        }
    }

    fn optional_text(&mut self, tag: u8, text: Option<&Private>) {
        if let Some(text) = text {
            self.text(tag, text);
        }
    }

    fn amount(&mut self, tag: u8, amount: Option<Cents>) {
        if let Some(amount) = amount {
            let bytes = amount.0.to_le_bytes();
            let bits = 64 - amount.0.unsigned_abs().leading_zeros() as usize + 1;
            let length = bits.div_ceil(8).min(8);
            // As `bytes` writes it, in one piece: most of a statement's fields are amounts.
            let [a, b, c, d, e, f, g, h] = bytes;
            let field = [tag, length as u8, a, b, c, d, e, f, g, h];
            // All of it, and what is too much taken off again: a copy of a length that is known beforehand is two instructions.
            self.0.extend_from_slice(&field);
            self.0.truncate(self.0.len() - (bytes.len() - length));
        }
    }

    fn date(&mut self, tag: u8, date: Option<Date>) {
        if let Some(date) = date {
            let [year_low, year_high] = date.year().to_le_bytes();
            self.0.extend_from_slice(&[tag, 4, year_low, year_high, date.month().cast_unsigned(), date.day().cast_unsigned()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(statement: &Statement) -> Vec<u8> {
        let mut bytes = Vec::new();
        of_statement(statement, &mut bytes);
        bytes
    }

    #[test]
    fn every_field_counts_and_zero_is_not_nothing() {
        let batch = testkit::Batch::new(testkit::Options { rows: 1, lines: 3..=3, ..testkit::Options::default() });
        let statement = batch.row(1).statement;
        let base = bytes(&statement);
        assert_eq!(base, bytes(&statement.clone()));
        let changes: [fn(&mut Statement); 12] = [
            |s| s.claim_number = "other".into(),
            |s| s.member.id = "other".into(),
            |s| s.member.birth_date = None,
            |s| s.status = ClaimStatus::Denied,
            |s| s.payer = None,
            |s| s.service_from = None,
            |s| s.totals.other_insurance = Some(Cents::ZERO),
            |s| s.totals.billed = Some(Cents(1)),
            |s| s.lines.swap(0, 1),
            |s| s.lines[0].code = None,
            |s| s.lines[2].notes.push(0),
            |s| s.notes[0].text = None,
        ];
        for (at, change) in changes.into_iter().enumerate() {
            let mut changed = statement.clone();
            change(&mut changed);
            assert_ne!(base, bytes(&changed), "change {at}");
        }
    }

    #[test]
    fn amounts_and_long_texts_are_told_apart_by_their_bytes() {
        let encoded = |cents: i64| {
            let mut bytes = Vec::new();
            Writer(&mut bytes).amount(9, Some(Cents(cents)));
            bytes
        };
        assert_eq!((encoded(0), encoded(1), encoded(-1)), (vec![9, 1, 0], vec![9, 1, 1], vec![9, 1, 0xff]));
        assert_eq!((encoded(127), encoded(128), encoded(255)), (vec![9, 1, 127], vec![9, 2, 128, 0], vec![9, 2, 255, 0]));
        assert_eq!((encoded(-128), encoded(i64::MIN)), (vec![9, 2, 0x80, 0xff], vec![9, 8, 0, 0, 0, 0, 0, 0, 0, 0x80]));
        let mut bytes = Vec::new();
        Writer(&mut bytes).bytes(9, &[b'x'; 300]);
        assert_eq!((bytes.len(), &bytes[..3]), (303, &[9, 0xac, 0x02][..]));
    }

    #[test]
    fn the_bytes_are_the_drawn_ones() {
        let mut bytes = Vec::new();
        of_templated("t", &BTreeMap::from([("a".to_owned(), Private::from(""))]), &Private::from("R"), &mut bytes);
        assert_eq!(bytes, [20, 1, b't', 21, 1, b'a', 22, 0, 23, 1, b'R']);
    }
}
