//! One claim while its rows arrive: what was read, not yet judged.
//!
//! The first thing that makes the claim unusable is kept as its [`Trouble`]; reading goes on, so that the amounts of the reject are
//! those of the whole claim. What belongs to the claim must be the same in each of its rows: a row of another member in it is a
//! sorted or shifted column, and never becomes a statement.

use super::row::{Row, Said, Trouble};
use crate::Row as Judged;
use crate::amount::{AmountError, Exact, Rounded, Rounding};
use crate::column_map::{AMOUNT_NAMES, Amount, AmountFields, ColumnMap, LineFields, NoteFields, Slot, TermSource, Text, Word};
use crate::formats::ndjson::judge;
use crate::row::InlineRecipient;
use crate::validate::{self, note_kind};
use crate::{ReadStatement, reason};
use jiff::civil::Date;
use model::limits::{CLAIM_ROWS_MAX, NOTES_MAX, SERVICE_LINES_MAX};
use model::reject::{Place, Reject};
use model::statement::{
    Amounts, ClaimStatus, ClaimType, LiabilityRule, Member, Network, Note, NoteKind, PaidTo, Particulars, Program, ServiceLine, Statement,
    StatementKind,
};
use model::{Cents, LanguageTag, MoneySummary, Private};

/// Position of `member_owes` in [`AMOUNT_NAMES`].
const MEMBER_OWES: usize = AMOUNT_NAMES.len() - 1;

/// What is the same in each row of a claim; blank or absent where no row states it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Common {
    member: Member,
    middle_name: Private,
    suffix: Private,
}

/// A part of an amount, added up so far.
#[derive(Debug, Clone, Copy, Default)]
struct Added {
    sum: Exact,
    /// A row counted for it.
    any: bool,
    /// A row that counts left it blank.
    blank: bool,
}

/// A claim as read so far.
pub(crate) struct Claim {
    pub(crate) number: String,
    row: u64,
    line: u64,
    rows: usize,
    bytes: usize,
    common: Common,
    status: Option<ClaimStatus>,
    payer: Private,
    provider: Private,
    key: Private,
    recipient: Option<InlineRecipient>,
    service_from: Option<Date>,
    service_to: Option<Date>,
    claim_type: Option<ClaimType>,
    network: Option<Network>,
    program: Option<Program>,
    paid_to: Option<PaidTo>,
    totals: [Vec<Added>; 10],
    lines: Vec<ServiceLine>,
    notes: Vec<Note>,
    trouble: Option<Trouble>,
    rounding: Rounding,
    rounded: Rounded,
}

impl Claim {
    /// A claim that has no row yet. `row` counts the records of the file from 1.
    pub(crate) fn begin(number: String, row: u64, line: u64, map: &ColumnMap, rounding: Rounding) -> Self {
        let added = |amount: &Option<Amount>| vec![Added::default(); amount.as_ref().map_or(0, |amount| amount.terms.len())];
        Self {
            number,
            row,
            line,
            rows: 0,
            bytes: 0,
            common: Common::default(),
            status: None,
            payer: Private::default(),
            provider: Private::default(),
            key: Private::default(),
            recipient: None,
            service_from: None,
            service_to: None,
            claim_type: None,
            network: None,
            program: None,
            paid_to: None,
            totals: std::array::from_fn(|at| added(&map.totals[at])),
            lines: Vec::new(),
            notes: Vec::new(),
            trouble: None,
            rounding,
            rounded: Rounded::default(),
        }
    }

    /// About how much memory its rows take.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Notes what makes the claim unusable; the first one stays.
    pub(crate) fn spoil(&mut self, trouble: Trouble) {
        self.trouble.get_or_insert(trouble);
    }

    /// Notes that a row beside the claim's could not be read.
    pub(crate) fn is_beside_a_broken_row(&mut self, line: u64) {
        let expected = format!("all rows beside it to be readable, but that of line {line} is not: the claim may lack a service");
        self.spoil(Trouble { reason: reason::CLAIM_INCOMPLETE, field: String::new(), line: self.line, expected });
    }

    /// Takes a row of the claim. `bytes` is its length.
    pub(crate) fn take(&mut self, row: &Row<'_>, bytes: usize) {
        self.rows += 1;
        self.bytes += bytes + 64;
        if self.rows > CLAIM_ROWS_MAX {
            let expected = "at most 20,000 rows in a claim".to_owned();
            self.spoil(Trouble { reason: reason::TOO_MANY_LINES, field: String::new(), line: row.line, expected });
            return;
        }
        // Each part by itself, so that a bad date does not hide the amounts of the reject.
        for taken in [self.take_common(row), self.take_claim(row), self.take_totals(row), self.take_notes(row), self.take_lines(row)] {
            if let Err(trouble) = taken {
                self.spoil(trouble);
            }
        }
    }

    fn take_common(&mut self, row: &Row<'_>) -> Result<(), Trouble> {
        let fields = &row.map.member;
        let text = |text: &Option<Text>| text.as_ref().map_or(Ok(String::new()), |text| row.text(text)).map(Private::from);
        let found = Common {
            member: Member {
                id: row.text(&fields.id)?.into(),
                name: text(&fields.name)?,
                given_name: text(&fields.given_name)?,
                family_name: text(&fields.family_name)?,
                birth_date: fields.birth_date.map_or(Ok(None), |slot| row.date(slot))?,
            },
            middle_name: text(&fields.middle_name)?,
            suffix: text(&fields.suffix)?,
        };
        if self.rows == 1 {
            self.common = found;
        } else if self.common != found {
            let field = fields.id.first_of.first().map(|slot| row.map.columns[*slot].name.clone()).unwrap_or_default();
            let expected = "the same member in each row of the claim".to_owned();
            return Err(Trouble { reason: reason::MEMBER_AMBIGUOUS, field, line: row.line, expected });
        }
        Ok(())
    }

    fn take_claim(&mut self, row: &Row<'_>) -> Result<(), Trouble> {
        let fields = &row.map.claim;
        if let Some(slot) = fields.currency {
            let currency = row.slot(slot)?;
            if !currency.is_empty() && !currency.eq_ignore_ascii_case("USD") {
                return Err(row.trouble(reason::CURRENCY_OTHER, slot, "USD"));
            }
        }
        let status = row.word(&fields.status)?.unwrap_or(ClaimStatus::Unknown);
        let first = *self.status.get_or_insert(status);
        if first != status {
            let slot = fields.status.rules.first().map_or(0, |(slot, _)| *slot);
            return Err(row.trouble(reason::CLAIM_ROWS_DIFFER, slot, "the same status in each row of the claim"));
        }
        fill(&mut self.payer, fields.payer.as_ref(), row)?;
        fill(&mut self.provider, fields.provider.as_ref(), row)?;
        fill(&mut self.key, fields.key.as_ref(), row)?;
        self.take_recipient(row)?;
        word(&mut self.claim_type, fields.claim_type.as_ref(), row)?;
        word(&mut self.network, fields.network.as_ref(), row)?;
        word(&mut self.program, fields.program.as_ref(), row)?;
        word(&mut self.paid_to, fields.paid_to.as_ref(), row)?;
        let (from, to) = (date(fields.service_from, row)?, date(fields.service_to, row)?);
        self.service_from = earliest(self.service_from, from);
        self.service_to = self.service_to.max(to);
        Ok(())
    }

    fn take_recipient(&mut self, row: &Row<'_>) -> Result<(), Trouble> {
        let Some(fields) = &row.map.recipient else { return Ok(()) };
        let email = Private::from(row.text(&fields.email)?);
        let name = fields.name.as_ref().map(|name| row.text(name)).transpose()?.filter(|name| !name.is_empty()).map(Private::from);
        let language = match &fields.language {
            Some(text) => row.text(text)?,
            None => String::new(),
        };
        let language = match (language.as_str(), LanguageTag::parse(&language)) {
            ("", _) => None,
            (_, Ok(tag)) => Some(tag),
            (_, Err(error)) => {
                let slot = fields.language.as_ref().and_then(|text| text.first_of.first().copied()).unwrap_or_default();
                return Err(row.trouble(reason::VALUE_UNKNOWN, slot, error.to_string()));
            }
        };
        let found = (!email.is_empty()).then_some(InlineRecipient { email, name, language });
        if self.rows == 1 {
            self.recipient = found;
        } else if self.recipient != found {
            let slot = fields.email.first_of.first().copied().unwrap_or_default();
            return Err(row.trouble(reason::CLAIM_ROWS_DIFFER, slot, "the same recipient in each row of the claim"));
        }
        Ok(())
    }

    fn take_totals(&mut self, row: &Row<'_>) -> Result<(), Trouble> {
        let mut trouble = None;
        for (amount, added) in row.map.totals.iter().zip(&mut self.totals) {
            let Some(amount) = amount else { continue };
            for (term, added) in amount.terms.iter().zip(added) {
                let said = match row.term(term) {
                    Ok(said) => said,
                    Err(error) => {
                        added.blank = true;
                        trouble.get_or_insert(error);
                        continue;
                    }
                };
                let is_common = !matches!(term.source, TermSource::Sum(_));
                match (said, is_common) {
                    (Said::Nothing, _) => {}
                    (Said::Blank, false) => (added.any, added.blank) = (true, true),
                    (Said::Amount(exact), false) => (added.any, added.sum) = (true, added.sum + exact),
                    (said, true) => {
                        let now = Added { sum: amount_of(said), any: true, blank: said == Said::Blank };
                        if added.any && (added.sum != now.sum || added.blank != now.blank) {
                            trouble.get_or_insert(differs(row, &term.source, amount.key));
                        }
                        *added = now;
                    }
                }
            }
        }
        trouble.map_or(Ok(()), Err)
    }

    fn take_notes(&mut self, row: &Row<'_>) -> Result<(), Trouble> {
        row.map.claim.notes.iter().try_for_each(|note| self.note(note, row).map(drop))
    }

    /// The position of a note among the claim's; `None` where the row has none.
    fn note(&mut self, fields: &NoteFields, row: &Row<'_>) -> Result<Option<u16>, Trouble> {
        let read = |text: &Option<Text>| text.as_ref().map_or(Ok(String::new()), |text| row.text(text));
        let has = |text: &Option<Text>| text.as_ref().is_some_and(|text| text.constant.is_some() || !text.first_of.is_empty());
        let (code, text) = (read(&fields.code)?, read(&fields.text)?);
        if code.is_empty() && text.is_empty() || !has(&fields.code) && !has(&fields.text) {
            return Ok(None);
        }
        let kind = if code.is_empty() { NoteKind::Message } else { note_kind(&code) };
        let note = Note { kind, code: code.into(), text: Some(text).filter(|text| !text.is_empty()).map(Private::from) };
        let at = match self.notes.iter().position(|known| *known == note) {
            Some(at) => at,
            None if self.notes.len() >= NOTES_MAX => {
                let expected = "at most 2,000 different notes in a claim".to_owned();
                return Err(Trouble { reason: reason::TOO_MANY_NOTES, field: String::new(), line: row.line, expected });
            }
            None => {
                self.notes.push(note);
                self.notes.len() - 1
            }
        };
        Ok(u16::try_from(at).ok())
    }

    fn take_lines(&mut self, row: &Row<'_>) -> Result<(), Trouble> {
        row.map.lines.iter().try_for_each(|fields| self.take_line(fields, row))
    }

    fn take_line(&mut self, fields: &LineFields, row: &Row<'_>) -> Result<(), Trouble> {
        if !row.meets(&fields.when)? {
            return Ok(());
        }
        let text = |text: &Option<Text>| -> Result<Option<Private>, Trouble> {
            let found = text.as_ref().map_or(Ok(String::new()), |text| row.text(text))?;
            Ok(Some(found).filter(|text| !text.is_empty()).map(Private::from))
        };
        let (from, to) = (date(fields.service_from, row)?, date(fields.service_to, row)?);
        let modifiers = fields.modifiers.iter().map(|modifier| row.text(modifier)).collect::<Result<Vec<_>, _>>()?;
        let mut line = ServiceLine {
            service_from: from,
            service_to: to.filter(|to| Some(*to) != from),
            code: text(&fields.code)?,
            modifiers: modifiers.into_iter().filter(|modifier| !modifier.is_empty()).map(Private::from).collect(),
            description: text(&fields.description)?,
            amounts: self.line_amounts(&fields.amounts, row)?,
            notes: Vec::new(),
        };
        for note in &fields.notes {
            line.notes.extend(self.note(note, row)?);
        }
        if line == ServiceLine::default() {
            return Ok(());
        }
        if self.lines.len() >= SERVICE_LINES_MAX {
            let expected = "at most 999 services in a claim".to_owned();
            return Err(Trouble { reason: reason::TOO_MANY_LINES, field: String::new(), line: row.line, expected });
        }
        self.lines.push(line);
        Ok(())
    }

    fn line_amounts(&mut self, fields: &AmountFields, row: &Row<'_>) -> Result<Amounts, Trouble> {
        let mut amounts = [None; 10];
        for (amount, into) in fields.iter().zip(&mut amounts) {
            let Some(amount) = amount else { continue };
            let mut all = vec![Added::default(); amount.terms.len()];
            for (term, added) in amount.terms.iter().zip(&mut all) {
                *added = match row.term(term)? {
                    Said::Nothing => Added::default(),
                    said => Added { sum: amount_of(said), any: true, blank: said == Said::Blank },
                };
            }
            let Some(exact) = added_up(amount, &all) else { continue };
            let cents = exact.to_cents(self.rounding, &mut self.rounded);
            *into = Some(cents.map_err(|error| unfit(row.map, amount, error, row.line))?);
        }
        Ok(as_amounts(amounts))
    }

    /// Judges the claim: a statement with what rounding did to it, or a reject with the money as far as it was read.
    pub(crate) fn finish(self, map: &ColumnMap, file: &str) -> (Judged, Rounded) {
        self.judged(map, file).unwrap_or_else(|rejected| (*rejected, Rounded::default()))
    }

    fn judged(mut self, map: &ColumnMap, file: &str) -> Result<(Judged, Rounded), Box<Judged>> {
        let totals = match self.totals(map) {
            Ok(totals) => totals,
            Err(trouble) => {
                self.spoil(trouble);
                Amounts::default()
            }
        };
        let money = MoneySummary {
            billed: totals.billed.unwrap_or_default(),
            plan_paid: totals.plan_paid.unwrap_or_default(),
            member_owes: totals.member_owes.unwrap_or_default(),
        };
        let place = Place { row: self.row, line: Some(self.line), segment: None, field: None };
        let reject = |trouble: Trouble| {
            let field = Some(trouble.field).filter(|field| !field.is_empty());
            let place = Place { row: place.row, line: Some(trouble.line), segment: None, field };
            let (reason, action) = (trouble.reason.to_owned(), reason::action(trouble.reason).to_owned());
            let reject = Reject { file: file.to_owned(), place, reason, expected: trouble.expected, action };
            Box::new(Judged::Rejected { reject, money })
        };
        if let Some(trouble) = self.trouble.take() {
            return Err(reject(trouble));
        }
        let named = self.named_member(map).map_err(&reject)?;
        let judged = judge(totals, &self.lines, self.rounded.amounts)
            .map_err(|wrong| reject(Trouble { reason: wrong.reason, field: wrong.field, line: self.line, expected: wrong.expected }))?;
        let status = self.status.unwrap_or(ClaimStatus::Unknown);
        let is_added = |amount: &Amount| !matches!(amount.terms.as_slice(), [crate::column_map::Term { source: TermSource::Same(_), .. }]);
        let rule = match (judged.rule, &map.totals[MEMBER_OWES]) {
            (LiabilityRule::Stated, Some(amount)) if is_added(amount) => LiabilityRule::SumOfParts,
            (rule, _) => rule,
        };
        let not_mailable = validate::not_mailable(status, rule)
            .or_else(|| (!judged.lines_balance).then_some(reason::LINE_UNBALANCED))
            .or_else(|| named.name.is_empty().then_some(reason::MEMBER_UNNAMED));
        let stated = |text: Private| Some(text).filter(|text| !text.is_empty());
        let (from, to) = (self.service_from, self.service_to);
        let statement = Statement {
            kind: StatementKind::Eob,
            claim_number: self.number.into(),
            member: named,
            status,
            payer: stated(self.payer),
            provider: stated(self.provider),
            service_from: from,
            service_to: to.filter(|to| Some(*to) != from),
            totals: judged.totals,
            liability_rule: rule,
            lines: self.lines,
            notes: self.notes,
            particulars: Particulars {
                claim_type: self.claim_type,
                network: self.network,
                program: self.program,
                paid_to: self.paid_to,
                ..Particulars::default()
            },
        };
        let (recipient, key) = (self.recipient, stated(self.key));
        let read = ReadStatement { statement, place, not_mailable, also_known_as: Vec::new(), recipient, key };
        Ok((Judged::Statement(Box::new(read)), self.rounded))
    }

    fn totals(&mut self, map: &ColumnMap) -> Result<Amounts, Trouble> {
        let mut amounts = [None; 10];
        for ((amount, added), into) in map.totals.iter().zip(&self.totals).zip(&mut amounts) {
            let Some((amount, exact)) = amount.as_ref().and_then(|amount| Some((amount, added_up(amount, added)?))) else { continue };
            let cents = exact.to_cents(self.rounding, &mut self.rounded);
            *into = Some(cents.map_err(|error| unfit(map, amount, error, self.line))?);
        }
        Ok(as_amounts(amounts))
    }

    /// The member, with the name as it is shown. A map without names gives one without.
    fn named_member(&mut self, map: &ColumnMap) -> Result<Member, Trouble> {
        let Common { mut member, middle_name, suffix } = std::mem::take(&mut self.common);
        let missing = |text: &Text, what: &str| {
            let field = text.first_of.first().map(|slot| map.columns[*slot].name.clone()).unwrap_or_default();
            Trouble { reason: reason::MEMBER_MISSING, field, line: self.line, expected: format!("the member's {what}") }
        };
        if member.id.is_empty() {
            return Err(missing(&map.member.id, "id"));
        }
        if member.name.is_empty() {
            let parts = [&member.given_name, &middle_name, &member.family_name, &suffix];
            let parts: Vec<&str> = parts.into_iter().map(Private::reveal).filter(|part| !part.is_empty()).collect();
            member.name = parts.join(" ").into();
        }
        let required = [&map.member.name, &map.member.family_name, &map.member.given_name].into_iter().flatten();
        let mut required = required.filter(|text| text.first_of.iter().any(|slot| !map.columns[*slot].optional));
        match required.next() {
            Some(text) if member.name.is_empty() => Err(missing(text, "name")),
            _ => Ok(member),
        }
    }
}

fn amount_of(said: Said) -> Exact {
    if let Said::Amount(exact) = said { exact } else { Exact::ZERO }
}

/// The sum of the terms; `None` where one of them is not stated.
fn added_up(amount: &Amount, added: &[Added]) -> Option<Exact> {
    let part = |(term, added): (&crate::column_map::Term, &Added)| match added {
        Added { any: true, blank: false, sum } => Some(*sum),
        Added { sum, .. } if term.absent_is_zero => Some(*sum),
        _ => None,
    };
    amount.terms.iter().zip(added).map(part).sum()
}

fn unfit(map: &ColumnMap, amount: &Amount, error: AmountError, line: u64) -> Trouble {
    let columns = amount.terms.iter().flat_map(|term| match &term.source {
        TermSource::Same(slot) => vec![*slot],
        TermSource::Sum(slots) => slots.clone(),
        TermSource::Constant(_) => Vec::new(),
    });
    let names: Vec<&str> = columns.map(|slot| map.columns[slot].name.as_str()).take(3).collect();
    let expected = format!("{error} (for {})", amount.key);
    Trouble { reason: error.reason(), field: names.join(" + "), line, expected }
}

fn differs(row: &Row<'_>, source: &TermSource, key: &str) -> Trouble {
    let slot = if let TermSource::Same(slot) = source { *slot } else { 0 };
    row.trouble(reason::CLAIM_ROWS_DIFFER, slot, format!("the same amount in each row of the claim (for {key})"))
}

fn as_amounts(all: [Option<Cents>; 10]) -> Amounts {
    const _: () = assert!(AMOUNT_NAMES.len() == 10);
    let [billed, allowed, discount, plan_paid, deductible, coinsurance, copay, not_covered, other_insurance, member_owes] = all;
    Amounts { billed, allowed, discount, plan_paid, deductible, coinsurance, copay, not_covered, other_insurance, member_owes }
}

/// The first row that states it decides.
fn fill(into: &mut Private, text: Option<&Text>, row: &Row<'_>) -> Result<(), Trouble> {
    if let (true, Some(text)) = (into.is_empty(), text) {
        *into = row.text(text)?.into();
    }
    Ok(())
}

fn word<T: Copy>(into: &mut Option<T>, word: Option<&Word<T>>, row: &Row<'_>) -> Result<(), Trouble> {
    if let (None, Some(word)) = (&into, word) {
        *into = row.word(word)?;
    }
    Ok(())
}

fn date(slot: Option<Slot>, row: &Row<'_>) -> Result<Option<Date>, Trouble> {
    slot.map_or(Ok(None), |slot| row.date(slot))
}

fn earliest(one: Option<Date>, other: Option<Date>) -> Option<Date> {
    one.into_iter().chain(other).min()
}
