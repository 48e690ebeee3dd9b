//! The batch as NDJSON: one statement a line, in the form of `configs/schema/statement.schema.json`.
//!
//! Amounts are decimal text, so that no reader makes a float of them; what a statement does not state is left out.

use crate::{Batch, Expected, Row, RowKind};
use model::statement::{Amounts, Member, Note, ServiceLine, Statement};
use model::{Cents, Date};
use serde::Serialize;
use std::io::{self, Write};

impl Batch {
    /// Writes the batch as NDJSON, to be joined with a contact file, and gives what it must add up to.
    ///
    /// # Errors
    /// What the writer says.
    pub fn write_ndjson(&self, into: &mut impl Write) -> io::Result<Expected> {
        self.write_lines(into, false)
    }

    /// The same with a `recipient` in every line but those of members without a contact. The name in it is the
    /// member's own, so mismatched members do not show.
    ///
    /// # Errors
    /// What the writer says.
    pub fn write_ndjson_with_recipients(&self, into: &mut impl Write) -> io::Result<Expected> {
        self.write_lines(into, true)
    }

    fn write_lines(&self, into: &mut impl Write, with_recipients: bool) -> io::Result<Expected> {
        let mut expected = Expected::default();
        for row in self.rows() {
            expected.count(&row);
            serde_json::to_writer(&mut *into, &Line::of(&row, with_recipients))?;
            into.write_all(b"\n")?;
        }
        Ok(expected)
    }
}

impl Row {
    /// The row as one NDJSON object without a line end, as the doors for single jobs take it.
    pub fn to_json(&self, with_recipient: bool) -> String {
        serde_json::to_string(&Line::of(self, with_recipient)).expect("text and numbers always serialize")
    }
}

#[derive(Serialize)]
struct Line<'a> {
    key: &'a str,
    kind: &'static str,
    claim_number: &'a str,
    member: LineMember<'a>,
    status: model::statement::ClaimStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    payer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_from: Option<Date>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_to: Option<Date>,
    totals: LineAmounts,
    lines: Vec<LineService<'a>>,
    notes: Vec<LineNote<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient: Option<LineRecipient<'a>>,
}

#[derive(Serialize)]
struct LineMember<'a> {
    id: &'a str,
    name: &'a str,
    given_name: &'a str,
    family_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    birth_date: Option<Date>,
}

#[derive(Serialize)]
struct LineRecipient<'a> {
    email: &'a str,
    name: &'a str,
}

#[derive(Serialize)]
struct LineAmounts {
    #[serde(skip_serializing_if = "Option::is_none")]
    billed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    discount: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan_paid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deductible: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coinsurance: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    copay: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_covered: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    other_insurance: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    member_owes: Option<String>,
}

#[derive(Serialize)]
struct LineService<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    service_from: Option<Date>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_to: Option<Date>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    modifiers: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    amounts: LineAmounts,
    #[serde(skip_serializing_if = "<[u16]>::is_empty")]
    notes: &'a [u16],
}

#[derive(Serialize)]
struct LineNote<'a> {
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

impl<'a> Line<'a> {
    fn of(row: &'a Row, with_recipient: bool) -> Self {
        let statement: &Statement = &row.statement;
        let recipient = (with_recipient && row.kind != RowKind::WithoutContact)
            .then(|| LineRecipient { email: row.person.email.reveal(), name: statement.member.name.reveal() });
        Self {
            key: statement.claim_number.reveal(),
            kind: "eob",
            claim_number: statement.claim_number.reveal(),
            member: LineMember::of(&statement.member),
            status: statement.status,
            payer: statement.payer.as_ref().map(|name| name.reveal()),
            provider: statement.provider.as_ref().map(|name| name.reveal()),
            service_from: statement.service_from,
            service_to: statement.service_to,
            totals: LineAmounts::of(&statement.totals),
            lines: statement.lines.iter().map(LineService::of).collect(),
            notes: statement.notes.iter().map(LineNote::of).collect(),
            recipient,
        }
    }
}

impl<'a> LineMember<'a> {
    fn of(member: &'a Member) -> Self {
        Self {
            id: member.id.reveal(),
            name: member.name.reveal(),
            given_name: member.given_name.reveal(),
            family_name: member.family_name.reveal(),
            birth_date: member.birth_date,
        }
    }
}

impl<'a> LineService<'a> {
    fn of(line: &'a ServiceLine) -> Self {
        Self {
            service_from: line.service_from,
            service_to: line.service_to,
            code: line.code.as_ref().map(|code| code.reveal()),
            modifiers: line.modifiers.iter().map(|modifier| modifier.reveal()).collect(),
            description: line.description.as_ref().map(|words| words.reveal()),
            amounts: LineAmounts::of(&line.amounts),
            notes: &line.notes,
        }
    }
}

impl<'a> LineNote<'a> {
    fn of(note: &'a Note) -> Self {
        Self { code: note.code.reveal(), text: note.text.as_ref().map(|text| text.reveal()) }
    }
}

impl LineAmounts {
    fn of(amounts: &Amounts) -> Self {
        let text = |amount: Option<Cents>| amount.map(|amount| amount.to_string());
        Self {
            billed: text(amounts.billed),
            allowed: text(amounts.allowed),
            discount: text(amounts.discount),
            plan_paid: text(amounts.plan_paid),
            deductible: text(amounts.deductible),
            coinsurance: text(amounts.coinsurance),
            copay: text(amounts.copay),
            not_covered: text(amounts.not_covered),
            other_insurance: text(amounts.other_insurance),
            member_owes: text(amounts.member_owes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;

    #[test]
    fn writes_one_object_a_line_that_adds_up_to_what_is_expected() {
        let batch = Batch::new(Options { rows: 60, duplicate_per_mille: 100, reversal_per_mille: 100, ..Options::default() });
        let mut file = Vec::new();
        let expected = batch.write_ndjson(&mut file).unwrap();
        let mut billed = Cents::ZERO;
        let mut rows = 0;
        for line in std::str::from_utf8(&file).unwrap().lines() {
            let object: serde_json::Value = serde_json::from_str(line).unwrap();
            billed += Cents::parse(object["totals"]["billed"].as_str().unwrap()).unwrap();
            assert!(object.get("recipient").is_none());
            rows += 1;
        }
        assert_eq!((rows, billed), (expected.read.rows, expected.read.money.billed));
        assert_eq!(expected, batch.expected());
    }

    #[test]
    fn leaves_out_what_is_not_stated() {
        let batch = Batch::new(Options { rows: 1, reversal_per_mille: 980, seed: 3, ..Options::default() });
        let object: serde_json::Value = serde_json::from_str(&batch.row(1).to_json(true)).unwrap();
        assert_eq!(object["status"], "reversal");
        assert!(object["totals"].get("member_owes").is_none());
        assert!(object["recipient"]["email"].as_str().unwrap().ends_with("@mail.example"));
    }
}
