//! A line as typed fields: the fast way.
//!
//! Amounts and services go straight into the statement ([`super::amounts`], [`super::service`]); the rest is small. Unknown and repeated
//! fields, wrong types and malformed values fail here without a word; `diagnosis.rs` finds the words.

use super::amounts::{Met, Reading, TakeAmounts};
use super::diagnosis::Wrong;
use super::particulars::{self, LineAccumulator, LineBill, Stated};
use super::raw::RawAmount;
use super::service::TakeServices;
use super::strict::{Object, Word};
use super::text::{Day, Text, Variable, text};
use super::totals;
use crate::validate::note_kind;
use crate::{InlineRecipient, ReadStatement, ReadTemplated, Row, reason, validate};
use model::limits::{NOTES_MAX, SERVICE_LINES_MAX};
use model::reject::Place;
use model::statement::{Amounts, ClaimStatus, ClaimType, Member, Network, Note, PaidTo, Program, ServiceLine, Statement, StatementKind};
use model::{LanguageTag, Private};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

/// One line. All fields of both kinds; which of them belong is decided by `kind`.
pub(super) struct Line<A> {
    key: Option<Text>,
    kind: Option<Word<Kind>>,
    claim_number: Option<Text>,
    member: Option<Object<LineMember>>,
    status: Option<Word<ClaimStatus>>,
    payer: Option<Text>,
    provider: Option<Text>,
    service_from: Option<Day>,
    service_to: Option<Day>,
    totals: Option<Amounts>,
    lines: Option<Vec<ServiceLine>>,
    notes: Option<Vec<Object<LineNote>>>,
    claim_type: Option<Word<ClaimType>>,
    network: Option<Word<Network>>,
    program: Option<Word<Program>>,
    paid_to: Option<Word<PaidTo>>,
    accumulators: Option<Vec<Object<LineAccumulator<A>>>>,
    bill: Option<Object<LineBill<A>>>,
    recipient: Option<Object<LineRecipient>>,
    template: Option<Text>,
    variables: Option<BTreeMap<String, Variable>>,
    authorization: Option<Text>,
}

/// The names of its fields.
#[derive(serde::Deserialize, Clone, Copy)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Field {
    Key,
    Kind,
    ClaimNumber,
    Member,
    Status,
    Payer,
    Provider,
    ServiceFrom,
    ServiceTo,
    Totals,
    Lines,
    Notes,
    ClaimType,
    Network,
    Program,
    PaidTo,
    Accumulators,
    Bill,
    Recipient,
    Template,
    Variables,
    Authorization,
}

#[derive(serde::Deserialize, PartialEq, Eq, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Eob,
    Bill,
    Templated,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct LineMember {
    id: Text,
    name: Text,
    given_name: Option<Text>,
    family_name: Option<Text>,
    birth_date: Option<Day>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct LineRecipient {
    email: Text,
    name: Option<Text>,
    language: Option<LanguageTag>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct LineNote {
    code: Option<Text>,
    text: Option<Text>,
}

/// Reads a line whose amounts are of the form `A`.
pub(super) struct TakeLine<'s, A> {
    reading: &'s mut Reading,
    form: PhantomData<A>,
}

impl<'s, A> TakeLine<'s, A> {
    pub(super) fn new(reading: &'s mut Reading) -> Self {
        Self { reading, form: PhantomData }
    }
}

impl<'de, A: RawAmount + Deserialize<'de>> DeserializeSeed<'de> for TakeLine<'_, A> {
    type Value = Line<A>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Line<A>, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de, A: RawAmount + Deserialize<'de>> Visitor<'de> for TakeLine<'_, A> {
    type Value = Line<A>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a line")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Line<A>, M::Error> {
        let mut line = Line::default();
        let mut met = Met::default();
        while let Some(field) = map.next_key::<Field>()? {
            met.once(field as u32)?;
            match field {
                Field::Key => line.key = map.next_value()?,
                Field::Kind => line.kind = map.next_value()?,
                Field::ClaimNumber => line.claim_number = map.next_value()?,
                Field::Member => line.member = map.next_value()?,
                Field::Status => line.status = map.next_value()?,
                Field::Payer => line.payer = map.next_value()?,
                Field::Provider => line.provider = map.next_value()?,
                Field::ServiceFrom => line.service_from = map.next_value()?,
                Field::ServiceTo => line.service_to = map.next_value()?,
                Field::Totals => {
                    let mut totals = Amounts::default();
                    let is_there = map.next_value_seed(TakeAmounts::<A>::new(&mut totals, self.reading))?;
                    line.totals = is_there.then_some(totals);
                }
                Field::Lines => line.lines = map.next_value_seed(TakeServices::<A>::new(self.reading))?,
                Field::Notes => line.notes = map.next_value()?,
                Field::ClaimType => line.claim_type = map.next_value()?,
                Field::Network => line.network = map.next_value()?,
                Field::Program => line.program = map.next_value()?,
                Field::PaidTo => line.paid_to = map.next_value()?,
                Field::Accumulators => line.accumulators = map.next_value()?,
                Field::Bill => line.bill = map.next_value()?,
                Field::Recipient => line.recipient = map.next_value()?,
                Field::Template => line.template = map.next_value()?,
                Field::Variables => line.variables = map.next_value()?,
                Field::Authorization => line.authorization = map.next_value()?,
            }
        }
        Ok(line)
    }
}

impl<A> Default for Line<A> {
    fn default() -> Self {
        Self {
            key: None,
            kind: None,
            claim_number: None,
            member: None,
            status: None,
            payer: None,
            provider: None,
            service_from: None,
            service_to: None,
            totals: None,
            lines: None,
            notes: None,
            claim_type: None,
            network: None,
            program: None,
            paid_to: None,
            accumulators: None,
            bill: None,
            recipient: None,
            template: None,
            variables: None,
            authorization: None,
        }
    }
}

impl<A: RawAmount> Line<A> {
    /// The row; `None` where `diagnosis` has to say what is wrong, `Err` where the contradiction is known already.
    pub(super) fn into_row(self, place: Place, amounts: &mut Reading) -> Option<Result<Row, Wrong>> {
        match self.kind?.0 {
            Kind::Eob => self.into_statement(StatementKind::Eob, place, amounts),
            Kind::Bill => self.into_statement(StatementKind::Bill, place, amounts),
            Kind::Templated => self.into_templated(place),
        }
    }

    fn into_statement(mut self, kind: StatementKind, place: Place, amounts: &mut Reading) -> Option<Result<Row, Wrong>> {
        let is_bill = kind == StatementKind::Bill;
        if self.template.is_some() || self.variables.is_some() || self.authorization.is_some() || self.bill.is_some() != is_bill {
            return None;
        }
        let stated = self.take_particulars();
        if let Some(wrong) = self.beyond_limit().or_else(|| stated.beyond_limit()) {
            return Some(Err(wrong));
        }
        let claim_number = self.claim_number?.0;
        let member = self.member?.0.into_member();
        if let Some(wrong) = missing(&claim_number, &member) {
            return Some(Err(wrong));
        }
        let totals = self.totals?;
        if amounts.is_unreadable {
            return None;
        }
        let notes: Vec<Note> = self.notes.unwrap_or_default().into_iter().map(|note| note.0.into_note()).collect::<Option<_>>()?;
        let lines = self.lines.unwrap_or_default();
        if let Some(wrong) = refers_beyond(&lines, notes.len()) {
            return Some(Err(wrong));
        }
        let mut judged = match totals::judge(totals, &lines, amounts.rounded.amounts) {
            Ok(judged) => judged,
            Err(wrong) => return Some(Err(wrong)),
        };
        let particulars = stated.into_particulars(amounts)?;
        if let Some(bill) = &particulars.bill
            && let Err(wrong) = particulars::judge_bill(bill, &mut judged.totals.member_owes, &mut judged.rule)
        {
            return Some(Err(wrong));
        }
        let status = self.status.map(|status| status.0);
        let status = if is_bill { status.unwrap_or(ClaimStatus::ProcessedPrimary) } else { status? };
        let statement = Statement {
            kind,
            claim_number,
            member,
            status,
            payer: text(self.payer),
            provider: text(self.provider),
            service_from: self.service_from.map(|day| day.0),
            service_to: self.service_to.map(|day| day.0),
            totals: judged.totals,
            liability_rule: judged.rule,
            lines,
            notes,
            particulars,
        };
        let not_mailable =
            validate::not_mailable(status, judged.rule).or_else(|| (!judged.lines_balance).then_some(reason::LINE_UNBALANCED));
        let recipient = self.recipient.map(|recipient| recipient.0.into_recipient());
        let read = ReadStatement { statement, place, not_mailable, also_known_as: Vec::new(), recipient, key: text(self.key) };
        Some(Ok(Row::Statement(Box::new(read))))
    }

    fn take_particulars(&mut self) -> Stated<A> {
        Stated {
            claim_type: self.claim_type.take().map(|word| word.0),
            network: self.network.take().map(|word| word.0),
            program: self.program.take().map(|word| word.0),
            paid_to: self.paid_to.take().map(|word| word.0),
            accumulators: self.accumulators.take(),
            bill: self.bill.take(),
        }
    }

    /// More lines or notes than a statement takes.
    fn beyond_limit(&self) -> Option<Wrong> {
        if self.lines.as_ref().is_some_and(|lines| lines.len() > SERVICE_LINES_MAX) {
            return Some(Wrong::new(reason::TOO_MANY_LINES, "lines", "at most 999 lines"));
        }
        let too_many_notes = self.notes.as_ref().is_some_and(|notes| notes.len() > NOTES_MAX);
        too_many_notes.then(|| Wrong::new(reason::TOO_MANY_NOTES, "notes", "at most 2,000 notes"))
    }

    fn into_templated(self, place: Place) -> Option<Result<Row, Wrong>> {
        let is_statement = self.claim_number.is_some()
            || self.member.is_some()
            || self.status.is_some()
            || self.payer.is_some()
            || self.provider.is_some()
            || self.service_from.is_some()
            || self.service_to.is_some()
            || self.totals.is_some()
            || self.lines.is_some()
            || self.notes.is_some()
            || self.claim_type.is_some()
            || self.network.is_some()
            || self.program.is_some()
            || self.paid_to.is_some()
            || self.accumulators.is_some()
            || self.bill.is_some();
        if is_statement {
            return None;
        }
        let template = self.template?.0.reveal().to_owned();
        if template.is_empty() {
            return Some(Err(Wrong::new(reason::FIELD_MISSING, "template", "the name of a template")));
        }
        let variables = self.variables.unwrap_or_default().into_iter().map(|(name, value)| (name, value.0)).collect();
        Some(Ok(Row::Templated(Box::new(ReadTemplated {
            template,
            variables,
            authorization: self.authorization.map(|reference| reference.0).unwrap_or_default(),
            recipient: self.recipient?.0.into_recipient(),
            key: text(self.key),
            place,
        }))))
    }
}

/// A claim number, member id or name that is there but empty.
fn missing(claim_number: &Private, member: &Member) -> Option<Wrong> {
    let required = [
        (claim_number, reason::CLAIM_NUMBER_MISSING, "claim_number"),
        (&member.id, reason::MEMBER_MISSING, "member.id"),
        (&member.name, reason::MEMBER_MISSING, "member.name"),
    ];
    let (_, reason, field) = required.into_iter().find(|(text, _, _)| text.reveal().trim().is_empty())?;
    Some(Wrong::new(reason, field, "a text that is not empty"))
}

/// A line that refers to a note which is not there.
fn refers_beyond(lines: &[ServiceLine], notes: usize) -> Option<Wrong> {
    let at = lines.iter().position(|line| line.notes.iter().any(|note| usize::from(*note) >= notes))?;
    Some(Wrong::new(reason::NOTE_UNKNOWN, format!("lines[{at}].notes"), "positions of notes, from 0"))
}

impl LineMember {
    fn into_member(self) -> Member {
        Member {
            id: self.id.0,
            name: self.name.0,
            given_name: text(self.given_name).unwrap_or_default(),
            family_name: text(self.family_name).unwrap_or_default(),
            birth_date: self.birth_date.map(|day| day.0),
        }
    }
}

impl LineRecipient {
    fn into_recipient(self) -> InlineRecipient {
        InlineRecipient { email: self.email.0, name: text(self.name), language: self.language }
    }
}

impl LineNote {
    /// `None` where it says nothing.
    fn into_note(self) -> Option<Note> {
        let (code, text) = (text(self.code), text(self.text));
        if code.is_none() && text.is_none() {
            return None;
        }
        let code = code.unwrap_or_default();
        Some(Note { kind: note_kind(code.reveal()), code, text })
    }
}
