//! A line as typed fields: the fast way.
//!
//! Unknown and repeated fields, wrong types and malformed values fail here without a word; `diagnosis.rs` finds the words.

use super::diagnosis::Wrong;
use super::particulars::{self, LineAccumulator, LineBill, Stated};
use super::raw::RawAmount;
use super::totals;
use crate::amount::{self, AmountError};
use crate::validate::note_kind;
use crate::{InlineRecipient, ReadStatement, ReadTemplated, Rounded, Rounding, Row, reason, validate};
use jiff::civil::Date;
use model::limits::{NOTES_MAX, SERVICE_LINES_MAX};
use model::reject::Place;
use model::statement::{Amounts, ClaimStatus, ClaimType, Member, Network, Note, PaidTo, Program, ServiceLine, Statement, StatementKind};
use model::{Cents, LanguageTag, Private};
use serde::de::{Deserialize, Deserializer, Error as _, SeqAccess, Visitor};
use std::collections::BTreeMap;
use std::marker::PhantomData;

/// One line. All fields of both kinds; which of them belong is decided by `kind`.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "A: Deserialize<'de>"))]
pub(super) struct Line<A> {
    key: Option<Text>,
    kind: Kind,
    claim_number: Option<Text>,
    member: Option<LineMember>,
    status: Option<ClaimStatus>,
    payer: Option<Text>,
    provider: Option<Text>,
    service_from: Option<Day>,
    service_to: Option<Day>,
    totals: Option<LineAmounts<A>>,
    #[serde(default)]
    lines: Services<A>,
    notes: Option<Vec<LineNote>>,
    claim_type: Option<ClaimType>,
    network: Option<Network>,
    program: Option<Program>,
    paid_to: Option<PaidTo>,
    accumulators: Option<Vec<LineAccumulator<A>>>,
    bill: Option<LineBill<A>>,
    recipient: Option<LineRecipient>,
    template: Option<Text>,
    variables: Option<BTreeMap<String, Variable>>,
    authorization: Option<Text>,
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
#[serde(deny_unknown_fields, bound(deserialize = "A: Deserialize<'de>"))]
struct LineAmounts<A> {
    billed: Option<A>,
    allowed: Option<A>,
    discount: Option<A>,
    plan_paid: Option<A>,
    deductible: Option<A>,
    coinsurance: Option<A>,
    copay: Option<A>,
    not_covered: Option<A>,
    other_insurance: Option<A>,
    member_owes: Option<A>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "A: Deserialize<'de>"))]
struct LineService<A> {
    service_from: Option<Day>,
    service_to: Option<Day>,
    code: Option<Text>,
    modifiers: Option<Vec<Text>>,
    description: Option<Text>,
    amounts: Option<LineAmounts<A>>,
    notes: Option<Vec<u16>>,
}

/// The services. Room for a usual claim's at once, so that few lists grow; `null` is none.
struct Services<A>(Option<Vec<LineService<A>>>);

impl<A> Default for Services<A> {
    fn default() -> Self {
        Self(None)
    }
}

/// Services that a list has room for at first.
const SERVICES_USUAL: usize = 16;

impl<'de, A: Deserialize<'de>> Deserialize<'de> for Services<A> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Take<A>(PhantomData<A>);
        impl<'de, A: Deserialize<'de>> Visitor<'de> for Take<A> {
            type Value = Services<A>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list of services")
            }
            fn visit_unit<E>(self) -> Result<Services<A>, E> {
                Ok(Services(None))
            }
            fn visit_seq<S: SeqAccess<'de>>(self, mut items: S) -> Result<Services<A>, S::Error> {
                let mut services = Vec::with_capacity(SERVICES_USUAL);
                while let Some(service) = items.next_element()? {
                    services.push(service);
                }
                Ok(Services(Some(services)))
            }
        }
        from.deserialize_any(Take(PhantomData))
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct LineNote {
    code: Option<Text>,
    text: Option<Text>,
}

/// A text that passed [`validate::check_text`].
pub(super) struct Text(Private);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Private::deserialize(from)?;
        validate::check_text(text.reveal()).map_err(D::Error::custom)?;
        Ok(Self(text))
    }
}

/// A variable of a template. It may be longer than other texts and have line ends: the line's limit bounds it.
struct Variable(Private);

impl<'de> Deserialize<'de> for Variable {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Private::deserialize(from).map(Self)
    }
}

/// A date `CCYY-MM-DD`.
pub(super) struct Day(pub(super) Date);

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(TakeDay)
    }
}

/// Reads a date where it stands: no text is made of it.
struct TakeDay;

impl Visitor<'_> for TakeDay {
    type Value = Day;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a date CCYY-MM-DD")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Day, E> {
        validate::iso_date(text.as_bytes()).map(Day).ok_or_else(|| E::custom("date"))
    }
}

/// How the amounts of a line are read, and what that did to them.
pub(super) struct Reading {
    pub(super) rounding: Rounding,
    pub(super) rounded: Rounded,
}

impl Reading {
    /// The amount that a raw JSON value states: a number, or a string of one. Never through a float.
    pub(super) fn amount(&mut self, raw: &str) -> Result<Cents, AmountError> {
        self.plain(raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(raw))
    }

    /// The amount that a text states.
    pub(super) fn plain(&mut self, text: &str) -> Result<Cents, AmountError> {
        amount::cents(text, self.rounding, &mut self.rounded)
    }

    /// An amount that may be left out; `None` where it is no amount.
    pub(super) fn optional(&mut self, raw: Option<impl RawAmount>) -> Option<Option<Cents>> {
        match raw {
            None => Some(None),
            Some(raw) => raw.read(self).ok().map(Some),
        }
    }
}

impl<A: RawAmount> Line<A> {
    /// The row; `None` where `diagnosis` has to say what is wrong, `Err` where the contradiction is known already.
    pub(super) fn into_row(self, place: Place, amounts: &mut Reading) -> Option<Result<Row, Wrong>> {
        match self.kind {
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
        let member = self.member?.into_member();
        if let Some(wrong) = missing(&claim_number, &member) {
            return Some(Err(wrong));
        }
        let totals = self.totals?.into_amounts(amounts)?;
        let notes: Vec<Note> = self.notes.unwrap_or_default().into_iter().map(LineNote::into_note).collect::<Option<_>>()?;
        let lines = self.lines.0.unwrap_or_default().into_iter().map(|line| line.into_line(amounts));
        let mut services = Vec::with_capacity(lines.len());
        for line in lines {
            services.push(line?);
        }
        let lines: Vec<ServiceLine> = services;
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
        let status = if is_bill { self.status.unwrap_or(ClaimStatus::ProcessedPrimary) } else { self.status? };
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
        let recipient = self.recipient.map(LineRecipient::into_recipient);
        let read = ReadStatement { statement, place, not_mailable, also_known_as: Vec::new(), recipient, key: text(self.key) };
        Some(Ok(Row::Statement(Box::new(read))))
    }

    fn take_particulars(&mut self) -> Stated<A> {
        Stated {
            claim_type: self.claim_type,
            network: self.network,
            program: self.program,
            paid_to: self.paid_to,
            accumulators: self.accumulators.take(),
            bill: self.bill.take(),
        }
    }

    /// More lines or notes than a statement takes.
    fn beyond_limit(&self) -> Option<Wrong> {
        if self.lines.0.as_ref().is_some_and(|lines| lines.len() > SERVICE_LINES_MAX) {
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
            || self.lines.0.is_some()
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
            recipient: self.recipient?.into_recipient(),
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

/// An empty text states nothing.
pub(super) fn text(text: Option<Text>) -> Option<Private> {
    text.map(|text| text.0).filter(|text| !text.is_empty())
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

impl<A: RawAmount> LineAmounts<A> {
    /// `None` where one of them is no amount.
    fn into_amounts(self, amounts: &mut Reading) -> Option<Amounts> {
        let mut read = |raw| amounts.optional(raw);
        Some(Amounts {
            billed: read(self.billed)?,
            allowed: read(self.allowed)?,
            discount: read(self.discount)?,
            plan_paid: read(self.plan_paid)?,
            deductible: read(self.deductible)?,
            coinsurance: read(self.coinsurance)?,
            copay: read(self.copay)?,
            not_covered: read(self.not_covered)?,
            other_insurance: read(self.other_insurance)?,
            member_owes: read(self.member_owes)?,
        })
    }
}

impl<A: RawAmount> LineService<A> {
    fn into_line(self, amounts: &mut Reading) -> Option<ServiceLine> {
        let from = self.service_from.map(|day| day.0);
        Some(ServiceLine {
            service_from: from,
            service_to: self.service_to.map(|day| day.0),
            code: text(self.code),
            modifiers: self.modifiers.unwrap_or_default().into_iter().map(|modifier| modifier.0).collect(),
            description: text(self.description),
            amounts: match self.amounts {
                Some(stated) => stated.into_amounts(amounts)?,
                None => Amounts::default(),
            },
            notes: self.notes.unwrap_or_default(),
        })
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
