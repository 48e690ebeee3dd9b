//! An ExplanationOfBenefit becomes a statement; what other resources of the file say is filled in when they are known.

use super::amounts::{self, ToCents, exact};
use super::coding::{self, ReasonCode};
use super::elements::{BenefitBalance, Concept, Eob, Identifier, Item, Period, Reference, Text};
use super::references::{self, Known, Person, day, days, display, plain, shown};
use super::{Outcome, Wrong};
use crate::amount::{Rounded, Rounding};
use crate::{ReadStatement, Row, reason, validate};
use model::limits::{NOTES_MAX, SERVICE_LINES_MAX};
use model::reject::Place;
use model::statement::{
    Accumulator, ClaimStatus, LiabilityRule, Member, Note, NoteKind, PaidTo, Particulars, Program, ServiceLine, Statement, StatementKind,
};
use model::{Date, MoneySummary, Private};
use std::collections::{BTreeMap, BTreeSet};

/// Balances of one claim that are read.
const ACCUMULATORS_MAX: usize = 64;

/// A statement of which something may still be learnt from resources that follow.
pub(super) struct Draft {
    pub(super) statement: Statement,
    pub(super) place: Place,
    not_mailable: Option<&'static str>,
    /// The day for which the member's name is looked up.
    created: Option<Date>,
    patient: Who,
    provider: Option<String>,
    insurer: Option<String>,
    coverage: Option<String>,
}

/// The patient, as far as the claim itself says.
#[derive(Default)]
struct Who {
    reference: Option<String>,
    /// What the reference itself says: an identifier, a name.
    id: Option<Private>,
    name: Option<Private>,
    found: Option<std::sync::Arc<Person>>,
    is_ambiguous: bool,
    /// The coverage's subscriber id, where the coverage is this patient's.
    subscriber_id: Option<Private>,
}

/// Reads a claim.
pub(super) fn read(eob: &Eob<'_>, place: Place, cents: &mut ToCents<'_>) -> Result<Draft, Wrong> {
    check_modifiers(eob)?;
    let outcome = outcome_of(eob)?;
    check_limits(eob)?;
    let claim_number = claim_number(eob)?;
    let amounts = match (amounts::read(eob, cents), outcome) {
        (Ok(amounts), _) => amounts,
        // What is not final may have no amounts yet: it is counted as what it is.
        (Err(wrong), Outcome::NotFinal(_)) if wrong.reason == reason::AMOUNTS_ABSENT => {
            amounts::Claim::nothing(eob.item.len() + eob.add_item.len())
        }
        (Err(wrong), _) => return Err(wrong),
    };
    let mut notes = Notes::read(eob)?;
    let lines = lines(eob, &amounts.lines, &mut notes)?;
    for adjudication in eob.adjudication.iter().chain(&eob.total) {
        adjudication.reason.iter().for_each(|reason| {
            notes.reasons(reason);
        });
    }
    let contained = contained(eob);
    let status = status_of(eob, amounts.totals.other_insurance.is_some_and(|paid| paid.0 > 0));
    let (service_from, service_to) = service_dates(eob, &lines)?;
    let particulars = particulars(eob, &amounts, cents)?;
    let not_mailable = match outcome {
        Outcome::NotFinal(reason) => Some(reason),
        Outcome::Final => {
            validate::not_mailable(status, LiabilityRule::Stated).or(amounts.doubt).or_else(|| validate::not_mailable(status, amounts.rule))
        }
    };
    let statement = Statement {
        kind: StatementKind::Eob,
        claim_number,
        member: Member::default(),
        status,
        payer: display(eob.insurer.as_ref()),
        provider: provider(eob),
        service_from,
        service_to,
        totals: amounts.totals,
        liability_rule: amounts.rule,
        lines,
        notes: notes.list,
        particulars,
    };
    let coverage = eob.insurance.iter().find(|insurance| insurance.focal == Some(true)).or(eob.insurance.first());
    let mut draft = Draft {
        statement,
        place,
        not_mailable,
        created: eob.created.as_ref().and_then(|created| day(created.as_str())),
        patient: who(eob.patient.as_ref())?,
        provider: target(eob.provider.as_ref()),
        insurer: target(eob.insurer.as_ref()),
        coverage: target(coverage.and_then(|insurance| insurance.coverage.as_ref())),
    };
    if let Some(named) = coverage.and_then(|insurance| insurance.coverage.as_ref()?.display.as_ref())
        && draft.statement.particulars.program.is_none()
    {
        draft.statement.particulars.program = coding::program_of_text(named.as_str());
    }
    draft.learn(|reference| contained.get(reference));
    Ok(draft)
}

/// The sums of a claim that is rejected, as far as they can be read; a fraction of a cent is rounded here, for no member sees it.
pub(super) fn money_of(eob: &Eob<'_>) -> MoneySummary {
    let mut rounded = Rounded::default();
    let mut cents = ToCents { rounding: Rounding::HalfEven, rounded: &mut rounded };
    let totals = amounts::read(eob, &mut cents).map(|claim| claim.totals).unwrap_or_default();
    MoneySummary {
        billed: totals.billed.unwrap_or_default(),
        plan_paid: totals.plan_paid.unwrap_or_default(),
        member_owes: totals.member_owes.unwrap_or_default(),
    }
}

/// Elements that change the meaning of what they stand in, and that nobody here knows.
fn check_modifiers(eob: &Eob<'_>) -> Result<(), Wrong> {
    let unknown = |field: &str| Err(Wrong::new(reason::MODIFIER_UNKNOWN, field, "no element that changes the meaning of the others"));
    // FHIR R4 section 2.4.0.1: "implementations SHALL NOT process … unless they understand" it.
    if eob.implicit_rules.is_some() {
        return unknown("implicitRules");
    }
    if eob.modifier_extension.is_some() {
        return unknown("modifierExtension");
    }
    let of_amounts = |list: &[super::elements::Adjudication<'_>]| list.iter().any(|one| one.modifier_extension.is_some());
    let of_items = |list: &[Item<'_>]| list.iter().any(|item| item.modifier_extension.is_some() || of_amounts(&item.adjudication));
    if of_items(&eob.item) || of_items(&eob.add_item) {
        return unknown("item.modifierExtension");
    }
    if of_amounts(&eob.total) || of_amounts(&eob.adjudication) {
        return unknown("total.modifierExtension");
    }
    Ok(())
}

/// Whether the claim is final. FHIR R4 explanationofbenefit-status and remittance-outcome.
fn outcome_of(eob: &Eob<'_>) -> Result<Outcome, Wrong> {
    let status = required(eob.status.as_ref(), "status")?;
    let outcome = required(eob.outcome.as_ref(), "outcome")?;
    let not_final = match (status, outcome) {
        ("cancelled", _) => reason::STATUS_CANCELLED,
        ("draft", _) => reason::STATUS_DRAFT,
        ("entered-in-error", _) => reason::STATUS_ENTERED_IN_ERROR,
        ("active", "error") => reason::OUTCOME_ERROR,
        ("active", "queued") => reason::OUTCOME_QUEUED,
        // A Basis resource of an outcome that could have amounts is refused for having none.
        ("active", "partial") if !has_amounts(eob) => return Ok(Outcome::Final),
        ("active", "partial") => reason::OUTCOME_PARTIAL,
        ("active", "complete") => return Ok(Outcome::Final),
        ("active", _) => return Err(Wrong::new(reason::VALUE_UNKNOWN, "outcome", "complete, partial, queued or error")),
        _ => return Err(Wrong::new(reason::VALUE_UNKNOWN, "status", "active, cancelled, draft or entered-in-error")),
    };
    Ok(Outcome::NotFinal(not_final))
}

fn has_amounts(eob: &Eob<'_>) -> bool {
    let any =
        |list: &[super::elements::Adjudication<'_>]| list.iter().any(|one| one.amount.as_ref().is_some_and(|money| money.value.is_some()));
    let of_items = |list: &[Item<'_>]| list.iter().any(|item| any(&item.adjudication));
    let payment = eob.payment.as_ref().and_then(|payment| payment.amount.as_ref()).is_some_and(|money| money.value.is_some());
    payment || any(&eob.total) || any(&eob.adjudication) || of_items(&eob.item) || of_items(&eob.add_item)
}

fn required<'a>(text: Option<&'a Text<'_>>, field: &str) -> Result<&'a str, Wrong> {
    text.map(Text::as_str).ok_or_else(|| Wrong::new(reason::FIELD_MISSING, field, format!("{field}, which R4 requires")))
}

fn check_limits(eob: &Eob<'_>) -> Result<(), Wrong> {
    if eob.item.len() + eob.add_item.len() > SERVICE_LINES_MAX {
        return Err(Wrong::new(reason::TOO_MANY_LINES, "item", format!("at most {SERVICE_LINES_MAX} items")));
    }
    Ok(())
}

/// The payer's number of the claim: the identifier that CARIN calls `uc` (unique claim), else the first. Numbers of a group of claims,
/// of a prescription or of a control system are not the claim's.
fn claim_number(eob: &Eob<'_>) -> Result<Private, Wrong> {
    let rank = |identifier: &Identifier<'_>| {
        let system = identifier.system.as_ref().map_or("", Text::as_str);
        let is_unique = identifier
            .kind
            .iter()
            .flat_map(|kind| &kind.coding)
            .any(|coding| coding.system() == "http://hl7.org/fhir/us/carin-bb/CodeSystem/C4BBIdentifierType" && coding.code() == "uc");
        let variable = system.rsplit('/').next().unwrap_or_default();
        match variable {
            "claim-group" | "rx_srvc_rfrnc_num" | "clm_cntl_num" | "CLM-CNTL-NUM" => 3,
            "clm_id" | "pde_id" => 0,
            _ if is_unique => 1,
            _ => 2,
        }
    };
    let stated = eob.identifier.iter().filter_map(|identifier| Some((rank(identifier), shown(identifier.value.as_ref()?)?)));
    let best = stated.min_by_key(|(rank, _)| *rank).map(|(_, number)| number);
    best.ok_or_else(|| Wrong::new(reason::CLAIM_NUMBER_MISSING, "identifier", "an identifier with the claim's number"))
}

/// How it was processed. FHIR has no code for it: what is used is taken as a claim, what the payer denied as denied.
fn status_of(eob: &Eob<'_>, another_insurer_paid: bool) -> ClaimStatus {
    if matches!(eob.usage.as_ref().map(Text::as_str), Some("preauthorization" | "predetermination")) {
        return ClaimStatus::Predetermination;
    }
    let of_payment = eob.payment.as_ref().and_then(|payment| payment.kind.as_ref()).and_then(coding::status_code);
    // Medicare's "carrier claim payment denial code": 0 is denied.
    let is_denied = eob.extension.iter().any(|extension| {
        let variable = extension.url.as_ref().map_or("", Text::as_str).rsplit('/').next().unwrap_or_default();
        matches!(variable, "carr_clm_pmt_dnl_cd" | "CLM-CARR-PMT-DNL-CD")
            && extension.value_coding.as_ref().is_some_and(|coding| coding.code() == "0")
    });
    match (of_payment == Some("denied") || is_denied, another_insurer_paid) {
        (true, _) => ClaimStatus::Denied,
        (false, true) => ClaimStatus::ProcessedSecondary,
        (false, false) => ClaimStatus::ProcessedPrimary,
    }
}

/// Who provided the service: by name, else the member of the care team who rendered it.
fn provider(eob: &Eob<'_>) -> Option<Private> {
    let rendered = |codes: &[&str]| {
        let of_role = eob
            .care_team
            .iter()
            .find(|member| member.role.iter().flat_map(|role| &role.coding).any(|coding| codes.contains(&coding.code())));
        of_role.and_then(|member| display(member.provider.as_ref()))
    };
    display(eob.provider.as_ref()).or_else(|| rendered(&["rendering", "performing"])).or_else(|| rendered(&["primary"]))
}

fn target(reference: Option<&Reference<'_>>) -> Option<String> {
    Some(reference?.reference.as_ref()?.as_str().to_owned())
}

fn who(patient: Option<&Reference<'_>>) -> Result<Who, Wrong> {
    let Some(patient) = patient else {
        return Err(Wrong::new(reason::MEMBER_MISSING, "patient", "a reference to the patient"));
    };
    let id = patient.identifier.as_ref().and_then(|identifier| shown(identifier.value.as_ref()?));
    let who = Who { reference: target(Some(patient)), id, name: display(Some(patient)), ..Who::default() };
    if who.reference.is_none() && who.id.is_none() {
        return Err(Wrong::new(reason::MEMBER_MISSING, "patient", "a reference to the patient, or an identifier"));
    }
    Ok(who)
}

/// What the claim contains, by `#id`.
fn contained(eob: &Eob<'_>) -> BTreeMap<String, Known> {
    let read = eob.contained.iter().filter_map(|resource| {
        let (_, id, known) = references::read(resource.get(), true)?;
        Some((format!("#{}", id?.trim_start_matches('#')), known))
    });
    let mut by_id = BTreeMap::new();
    for (id, known) in read {
        by_id.entry(id).and_modify(|there| *there = Known::Ambiguous).or_insert(known);
    }
    by_id
}

/// From the first to the last day of the items; without, the claim's billable period.
fn service_dates(eob: &Eob<'_>, lines: &[ServiceLine]) -> Result<(Option<Date>, Option<Date>), Wrong> {
    let from = lines.iter().filter_map(|line| line.service_from).min();
    let to = lines.iter().filter_map(|line| line.service_to.or(line.service_from)).max();
    let (from, to) = match from {
        Some(_) => (from, to),
        None => period(eob.billable_period.as_ref(), "billablePeriod")?,
    };
    Ok((from, to.filter(|to| Some(*to) != from)))
}

/// The days of a period. A year or a month alone is a date to FHIR but no day; what is no date at all is an error.
fn period(period: Option<&Period<'_>>, field: &str) -> Result<(Option<Date>, Option<Date>), Wrong> {
    let Some(stated) = period else { return Ok((None, None)) };
    for (text, name) in [(&stated.start, "start"), (&stated.end, "end")] {
        check_date(text.as_ref(), || format!("{field}.{name}"))?;
    }
    let (from, to) = days(Some(stated));
    match (from, to) {
        (Some(from), Some(to)) if to < from => Err(Wrong::new(reason::DATE_MALFORMED, field, "an end that is not before the start")),
        days => Ok(days),
    }
}

fn check_date(text: Option<&Text<'_>>, field: impl Fn() -> String) -> Result<Option<Date>, Wrong> {
    let Some(text) = text.map(Text::as_str) else { return Ok(None) };
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    // FHIR R4 section 2.24.0.1: "a date, date-time or partial date … YYYY, YYYY-MM".
    let is_partial = digits(text, 4) || text.split_once('-').is_some_and(|(year, month)| digits(year, 4) && digits(month, 2));
    match day(text) {
        Some(day) => Ok(Some(day)),
        None if is_partial => Ok(None),
        None => Err(Wrong::new(reason::DATE_MALFORMED, field(), "a date such as 2026-11-30")),
    }
}

fn lines(eob: &Eob<'_>, amounts: &[model::statement::Amounts], notes: &mut Notes) -> Result<Vec<ServiceLine>, Wrong> {
    let items = eob.item.iter().map(|item| (item, "item")).chain(eob.add_item.iter().map(|item| (item, "addItem")));
    let mut lines = Vec::with_capacity(amounts.len());
    for (at, ((item, list), amounts)) in items.zip(amounts).enumerate() {
        let (from, to) = match &item.serviced_period {
            Some(stated) => period(Some(stated), &format!("{list}[{at}].servicedPeriod"))?,
            None => (check_date(item.serviced_date.as_ref(), || format!("{list}[{at}].servicedDate"))?, None),
        };
        // Each number once: a list that repeats one must not multiply the notes it stands for.
        let numbers: BTreeSet<u64> = item.note_number.iter().copied().collect();
        let mut own: Vec<u16> = numbers.iter().filter_map(|number| notes.by_number.get(number)).flatten().copied().collect();
        for reason in item.adjudication.iter().filter_map(|adjudication| adjudication.reason.as_ref()) {
            own.extend(notes.reasons(reason));
        }
        own.sort_unstable();
        own.dedup();
        let revenue = item.revenue.as_ref();
        lines.push(ServiceLine {
            service_from: from,
            service_to: to.filter(|to| Some(*to) != from),
            code: coding::service_code(&item.product_or_service)
                .or_else(|| coding::service_code(revenue?))
                .or_else(|| coding::other_service_code(&item.product_or_service))
                .map(Private::from),
            modifiers: item.modifier.iter().filter_map(modifier).collect(),
            description: description(&item.product_or_service).or_else(|| description(revenue?)),
            amounts: *amounts,
            notes: own,
        });
    }
    if notes.list.len() > NOTES_MAX {
        return Err(Wrong::new(reason::TOO_MANY_NOTES, "processNote", format!("at most {NOTES_MAX} notes")));
    }
    Ok(lines)
}

/// The first code; units that Medicare puts beside drug codes are none.
fn modifier(concept: &Concept<'_>) -> Option<Private> {
    let coding = concept.coding.iter().find(|coding| {
        !coding.code().is_empty()
            && coding.system() != "http://unitsofmeasure.org"
            && !coding.system().ends_with("rev_cntr_ndc_qty_qlfr_cd")
    });
    Some(plain(coding?.code()).into())
}

/// What a service is in words. A display is somebody's wording of the code, so the text goes first.
fn description(concept: &Concept<'_>) -> Option<Private> {
    let absent = |system: &str| system == "http://terminology.hl7.org/CodeSystem/data-absent-reason";
    let displayed = || concept.coding.iter().filter(|coding| !absent(coding.system())).find_map(|coding| shown(coding.display.as_ref()?));
    concept.text.as_ref().and_then(shown).or_else(displayed)
}

/// The notes of a claim.
#[derive(Default)]
struct Notes {
    list: Vec<Note>,
    by_number: BTreeMap<u64, Vec<u16>>,
    codes: BTreeMap<(bool, String), u16>,
}

impl Notes {
    /// The process notes. C4BB: "payment denial explanation to a member". What is meant for an operator's printer is not for members.
    fn read(eob: &Eob<'_>) -> Result<Self, Wrong> {
        if eob.process_note.len() > NOTES_MAX {
            return Err(Wrong::new(reason::TOO_MANY_NOTES, "processNote", format!("at most {NOTES_MAX} notes")));
        }
        let mut notes = Self::default();
        for stated in &eob.process_note {
            let is_for_operator = stated.kind.as_ref().is_some_and(|kind| kind.as_str() == "printoper");
            let text = stated.text.as_ref().filter(|_| !is_for_operator).and_then(shown);
            let Some(text) = text else { continue };
            let at = notes.push(Note { kind: NoteKind::Message, code: Private::default(), text: Some(text) });
            notes.by_number.entry(stated.number.unwrap_or(0)).or_default().push(at);
        }
        Ok(notes)
    }

    fn push(&mut self, note: Note) -> u16 {
        // Bounded by the check against NOTES_MAX that follows; until then the last position stands for all beyond.
        let at = u16::try_from(self.list.len()).unwrap_or(u16::MAX);
        self.list.push(note);
        at
    }

    /// The positions of the reasons and remarks that a concept names, each note once.
    fn reasons(&mut self, concept: &Concept<'_>) -> Vec<u16> {
        let mut positions = Vec::new();
        for reason in coding::reasons(concept) {
            let (kind, code) = match reason {
                ReasonCode::Adjustment(code) => (NoteKind::Adjustment, code),
                ReasonCode::Remark(code) => (NoteKind::Remark, code),
            };
            let key = (kind == NoteKind::Remark, code);
            let at = match self.codes.get(&key) {
                Some(at) => *at,
                None => {
                    let at = self.push(Note { kind, code: key.1.as_str().into(), text: None });
                    self.codes.insert(key, at);
                    at
                }
            };
            positions.push(at);
        }
        positions
    }
}

fn particulars(eob: &Eob<'_>, amounts: &amounts::Claim, cents: &mut ToCents<'_>) -> Result<Particulars, Wrong> {
    let kind = eob.kind.as_ref();
    let stated_payee = eob.payee.as_ref().and_then(|payee| payee.kind.as_ref()).and_then(coding::paid_to);
    Ok(Particulars {
        claim_type: kind.and_then(coding::claim_type),
        network: network(eob),
        program: kind.and_then(coding::program_of_type),
        paid_to: stated_payee.or_else(|| amounts.is_paid_to_member.then_some(PaidTo::Member)),
        accumulators: accumulators(eob, cents)?,
        ..Particulars::default()
    })
}

/// How the claim was paid: in network or not. CARIN's `benefitpaymentstatus` of the claim, else of all items alike,
/// else the billing provider's.
fn network(eob: &Eob<'_>) -> Option<model::statement::Network> {
    let of_list = |list: &[super::elements::Adjudication<'_>], discriminator: &str| {
        list.iter().find_map(|adjudication| coding::payer_status(adjudication, discriminator)).and_then(coding::network_of_status)
    };
    let of_items = || {
        let mut statuses = eob.item.iter().map(|item| of_list(&item.adjudication, "benefitpaymentstatus"));
        let first = statuses.next()??;
        statuses.all(|status| status == Some(first)).then_some(first)
    };
    of_list(&eob.adjudication, "benefitpaymentstatus").or_else(of_items).or_else(|| of_list(&eob.adjudication, "billingnetworkstatus"))
}

fn accumulators(eob: &Eob<'_>, cents: &mut ToCents<'_>) -> Result<Vec<Accumulator>, Wrong> {
    let (from, to) = period(eob.benefit_period.as_ref(), "benefitPeriod")?;
    let mut found = Vec::new();
    let counts = |balance: &&BenefitBalance<'_>| {
        balance.excluded != Some(true) && balance.modifier_extension.is_none() && coding::is_of_the_year(balance.term.as_ref())
    };
    for balance in eob.benefit_balance.iter().filter(counts) {
        let Some(scope) = balance.unit.as_ref().and_then(coding::accumulator_scope) else { continue };
        for financial in &balance.financial {
            let Some(kind) = coding::accumulator_kind(&financial.kind) else { continue };
            let limit = exact(financial.allowed_money.as_ref(), || "benefitBalance.financial.allowedMoney".to_owned())?;
            let used = exact(financial.used_money.as_ref(), || "benefitBalance.financial.usedMoney".to_owned())?;
            found.push(Accumulator {
                kind,
                scope,
                network: balance.network.as_ref().and_then(coding::accumulator_network),
                limit: cents.of(limit, || "benefitBalance.financial.allowedMoney".to_owned())?,
                used: cents.of(used, || "benefitBalance.financial.usedMoney".to_owned())?,
                from,
                to,
            });
        }
    }
    found.truncate(ACCUMULATORS_MAX);
    Ok(found)
}

impl Draft {
    /// Takes what the resources that are known say. Nothing that the claim itself states is replaced.
    pub(super) fn learn<'k>(&mut self, find: impl Fn(&str) -> Option<&'k Known>) {
        let look_up = |reference: &Option<String>| reference.as_deref().and_then(&find);
        if let Some(Known::Coverage(facts)) = look_up(&self.coverage) {
            let program: Option<Program> = facts.program;
            self.statement.particulars.program = self.statement.particulars.program.or(program);
            let is_of_patient =
                facts.beneficiary.as_ref().is_none_or(|beneficiary| self.patient.reference.as_deref() == Some(beneficiary.reveal()));
            if self.patient.subscriber_id.is_none() && is_of_patient {
                self.patient.subscriber_id.clone_from(&facts.subscriber_id);
            }
            if self.statement.payer.is_none() {
                self.statement.payer.clone_from(&facts.payer);
            }
        }
        for (reference, name) in [(&self.provider, &mut self.statement.provider), (&self.insurer, &mut self.statement.payer)] {
            if let (None, Some(Known::Named(known))) = (&name, look_up(reference)) {
                *name = Some(known.clone());
            }
        }
        match look_up(&self.patient.reference) {
            Some(Known::Person(person)) => self.patient.found = Some(std::sync::Arc::clone(person)),
            Some(Known::Ambiguous) => self.patient.is_ambiguous = true,
            _ => {}
        }
    }

    /// Whether the patient is still to be learnt.
    pub(super) fn awaits_patient(&self) -> bool {
        self.patient.found.is_none() && self.patient.reference.is_some()
    }

    /// The row, with all that was learnt; what is wrong with it and its money, where a text cannot be shown.
    pub(super) fn into_row(mut self) -> Result<Row, (Wrong, MoneySummary)> {
        let also_known_as = self.settle_member();
        self.check_texts().map_err(|wrong| (wrong, self.statement.money()))?;
        let Self { statement, place, not_mailable, .. } = self;
        Ok(Row::Statement(Box::new(ReadStatement { statement, place, not_mailable, also_known_as, recipient: None, key: None })))
    }

    /// Who the member is, and what else it is known by.
    fn settle_member(&mut self) -> Vec<Member> {
        let who = std::mem::take(&mut self.patient);
        let (mut member, mut others) = match who.found.filter(|_| !who.is_ambiguous) {
            Some(person) => person.as_member(self.created),
            None => (Member { name: who.name.clone().unwrap_or_default(), ..Member::default() }, Vec::new()),
        };
        // `#id` leads into the claim itself; every other reference ends in the id that the patient has at the sender.
        let outside = who.reference.as_deref().filter(|reference| !reference.starts_with('#'));
        let logical = outside.map(|reference| reference.rsplit(['/', ':']).next().unwrap_or_default().into());
        let mut ids = vec![std::mem::take(&mut member.id)];
        ids.extend([who.id, who.subscriber_id, logical].into_iter().flatten());
        ids.retain(|id: &Private| !id.is_empty());
        let known: Vec<Private> = others.iter().map(|other| other.id.clone()).collect();
        for id in ids.iter().skip(1).filter(|id| !known.contains(id) && **id != ids[0]) {
            others.push(Member { id: id.clone(), ..member.clone() });
        }
        member.id = ids.into_iter().next().unwrap_or_default();
        if member.name.is_empty() && self.not_mailable.is_none() {
            self.not_mailable = Some(if who.is_ambiguous { reason::PATIENT_AMBIGUOUS } else { reason::MEMBER_UNNAMED });
        }
        // Without a name and a birth date there is nothing to compare: no id alone finds an address.
        if member.name.is_empty() {
            others.clear();
        }
        self.statement.member = member;
        others
    }

    /// Texts that a person reads: bounded, without control characters.
    fn check_texts(&self) -> Result<(), Wrong> {
        let statement = &self.statement;
        let check = |text: &Private, field: &dyn Fn() -> String| {
            let expected = || match validate::check_text(text.reveal()) {
                Err(reason::TEXT_TOO_LONG) => "at most 1,000 bytes",
                _ => "no control characters",
            };
            validate::check_text(text.reveal()).map_err(|reason| Wrong::new(reason, field(), expected()))
        };
        check(&statement.claim_number, &|| "identifier.value".to_owned())?;
        check(&statement.member.id, &|| "patient.identifier".to_owned())?;
        check(&statement.member.name, &|| "patient.name".to_owned())?;
        for (text, field) in [(&statement.payer, "insurer"), (&statement.provider, "provider")] {
            text.iter().try_for_each(|text| check(text, &|| field.to_owned()))?;
        }
        for (at, line) in statement.lines.iter().enumerate() {
            let field = || format!("item[{at}].productOrService");
            line.code.iter().chain(&line.description).try_for_each(|text| check(text, &field))?;
            line.modifiers.iter().try_for_each(|text| check(text, &|| format!("item[{at}].modifier")))?;
        }
        for (at, note) in statement.notes.iter().enumerate() {
            check(&note.code, &|| "adjudication.reason".to_owned())?;
            note.text.iter().try_for_each(|text| check(text, &|| format!("processNote[{at}].text")))?;
        }
        Ok(())
    }
}
