//! A claim is judged and becomes a statement, or a reject.
//!
//! The equations (X12 RFI 2601, 2548, 680):
//! ```text
//! claim   CLP03 - all CAS of claim and lines = CLP04      else rejected: claim_unbalanced
//! member  CLP05 = all PR (not in reversals)               else rejected: member_share_unbalanced
//! line    SVC02 - CAS of the line = SVC03                 else shown, never mailed: line_unbalanced
//! lines   CLP03 = all SVC02, where each is stated         else shown, never mailed: line_unbalanced
//! ```
//! Claim-level CAS that merely repeat the line-level ones are left aside. A claim that closes has no remainder, so a part that no CAS
//! names is nothing ($0), not unknown; the same holds for a line that closes.

use super::adjustment::Part;
use super::claim::{Adjustment, Claim, Line, Person};
use crate::{ReadStatement, Row, reason, validate};
use model::reject::{Place, Reject};
use model::statement::{Amounts, ClaimStatus, LiabilityRule, Member, Particulars, ServiceLine, Statement, StatementKind};
use model::{Cents, Date, MoneySummary, Private};

/// What the header of the transaction set says about all its claims.
#[derive(Default)]
pub(crate) struct Header {
    /// N1*PR.
    pub(crate) payer: Option<Private>,
    /// N1*PE.
    pub(crate) payee: Option<Private>,
    /// The CUR segment that says that amounts are not US dollars.
    pub(crate) other_currency: Option<u64>,
}

/// Judges a whole claim.
pub(crate) fn judge(claim: Claim, header: &Header, file: &str) -> Row {
    let money = claim.money();
    if let Some(trouble) = claim.trouble {
        return rejected(&claim, file, money, trouble.reason, trouble.field, trouble.segment, trouble.expected.to_owned());
    }
    if let Some(segment) = header.other_currency {
        return rejected(&claim, file, money, reason::CURRENCY_OTHER, "CUR02", segment, "USD".to_owned());
    }
    let Some((member, also_known_as)) = member_of(&claim) else {
        let expected = "NM1*QC, else NM1*IL, with a name and an id (NM109)".to_owned();
        return rejected(&claim, file, money, reason::MEMBER_MISSING, "NM1", claim.segment, expected);
    };
    match Balance::of(&claim) {
        Ok(balance) => accepted(claim, header, member, also_known_as, &balance),
        Err(unbalanced) => {
            let Unbalanced { reason, field, segment, expected } = unbalanced;
            rejected(&claim, file, money, reason, field, segment, expected)
        }
    }
}

/// Rejects a claim whose end is not there.
pub(crate) fn judge_truncated(claim: &Claim, file: &str, segment: u64) -> Row {
    let expected = "the claim to be followed by a whole CLP, LX, PLB or SE".to_owned();
    rejected(claim, file, claim.money(), reason::TRUNCATED, "CLP", segment, expected)
}

/// Rejects a claim that stands outside of any transaction set.
pub(crate) fn judge_outside(claim: &Claim, file: &str) -> Row {
    let expected = "an ST segment before the first CLP".to_owned();
    rejected(claim, file, claim.money(), reason::OUTSIDE_TRANSACTION, "CLP", claim.segment, expected)
}

fn rejected(
    claim: &Claim,
    file: &str,
    money: MoneySummary,
    reason: &'static str,
    field: &'static str,
    segment: u64,
    expected: String,
) -> Row {
    let place = Place { row: claim.row, line: None, segment: Some(segment), field: Some(field.to_owned()) };
    let reject = Reject { file: file.to_owned(), place, reason: reason.to_owned(), expected, action: reason::action(reason).to_owned() };
    Row::Rejected { reject, money }
}

fn accepted(mut claim: Claim, header: &Header, member: Member, also_known_as: Vec<Member>, balance: &Balance) -> Row {
    let status = status_of(&claim.status);
    let place = Place { row: claim.row, line: None, segment: Some(claim.segment), field: None };
    let (lines, lines_balance) = service_lines(&mut claim);
    let not_mailable = validate::not_mailable(status, balance.rule)
        .or_else(|| claim.adjustment_unreadable.map(|_| reason::ADJUSTMENT_UNREADABLE))
        .or_else(|| (!lines_balance || !balance.lines_add_up).then_some(reason::LINE_UNBALANCED));
    let mut totals = balance.totals;
    totals.allowed = allowed_of(&lines, balance);
    let (service_from, service_to) = service_dates(&claim, &lines);
    let statement = Statement {
        kind: StatementKind::Eob,
        claim_number: claim.number,
        member,
        status,
        payer: header.payer.clone(),
        provider: claim.provider.or_else(|| header.payee.clone()),
        service_from,
        service_to,
        totals,
        liability_rule: balance.rule,
        lines,
        notes: claim.notes,
        particulars: Particulars { program: claim.program, ..Particulars::default() },
    };
    Row::Statement(Box::new(ReadStatement { statement, place, not_mailable, also_known_as, recipient: None, key: None }))
}

/// The lines with their own adjustments, and whether each that can be checked adds up.
fn service_lines(claim: &mut Claim) -> (Vec<ServiceLine>, bool) {
    let mut all_balance = true;
    let mut lines = Vec::with_capacity(claim.lines.len());
    // Adjustments stand in the order of the file: the claim's first, then line by line.
    let of_claim = claim.adjustments.iter().take_while(|adjustment| adjustment.line.is_none()).count();
    let mut rest = &claim.adjustments[of_claim..];
    for (at, line) in std::mem::take(&mut claim.lines).into_iter().enumerate() {
        let own = rest.iter().take_while(|adjustment| adjustment.line.map(usize::from) == Some(at)).count();
        let (of_line, after) = rest.split_at(own);
        rest = after;
        let (line, balances) = service_line(line, of_line, claim.service_from, claim.service_to);
        all_balance &= balances;
        lines.push(line);
    }
    debug_assert!(rest.is_empty(), "every adjustment belongs to the claim or to one of its lines");
    (lines, all_balance)
}

/// The claim's dates; where it has none, from the first to the last of its lines.
fn service_dates(claim: &Claim, lines: &[ServiceLine]) -> (Option<Date>, Option<Date>) {
    let first_of_lines = || lines.iter().filter_map(|line| line.service_from).min();
    let last_of_lines = || lines.iter().filter_map(|line| line.service_to.or(line.service_from)).max();
    let (from, to) = match (claim.service_from, claim.service_to) {
        (None, None) => (first_of_lines(), last_of_lines()),
        (None, to) => (first_of_lines(), to),
        stated => stated,
    };
    (from, to.filter(|to| Some(*to) != from))
}

fn service_line(line: Line, adjustments: &[Adjustment], claim_from: Option<Date>, claim_to: Option<Date>) -> (ServiceLine, bool) {
    let sums = Sums::of(adjustments.iter());
    let unbalanced = matches!((line.billed, line.paid), (Some(billed), Some(paid)) if billed - sums.total() != paid);
    let closes = line.billed.is_some() && line.paid.is_some() && !unbalanced;
    let mut amounts = sums.amounts(closes);
    amounts.billed = line.billed;
    amounts.plan_paid = line.paid;
    let derived = line.paid.filter(|_| closes).map(|paid| paid + sums.deductible + sums.coinsurance + sums.copay);
    amounts.allowed = line.allowed.or(derived);
    // A line without dates has those of its claim (DTM in 2110 is for what differs).
    let own = line.service_from.is_some() || line.service_to.is_some();
    let (from, to) = if own { (line.service_from, line.service_to) } else { (claim_from, claim_to) };
    let service = ServiceLine {
        service_from: from,
        service_to: to.filter(|to| Some(*to) != from),
        code: line.code,
        modifiers: line.modifiers,
        description: line.description,
        amounts,
        notes: line.notes,
    };
    (service, !unbalanced)
}

/// The claim's allowed amount: the sum of the lines', where the lines are all there is, each states what was billed, and no more is allowed
/// than that; else what the plan and the member's three parts make together.
fn allowed_of(lines: &[ServiceLine], balance: &Balance) -> Option<Cents> {
    let of_lines = || lines.iter().map(|line| line.amounts.allowed).sum::<Option<Cents>>();
    let lines_are_all = !lines.is_empty() && !balance.has_claim_level && lines.iter().all(|line| line.amounts.billed.is_some());
    let is_within_bill = |sum: &Cents| balance.totals.billed.is_none_or(|billed| sum.0.abs() <= billed.0.abs());
    let sum = if lines_are_all { of_lines().filter(is_within_bill) } else { None };
    sum.or_else(|| Some(balance.totals.plan_paid? + balance.sums.deductible + balance.sums.coinsurance + balance.sums.copay))
}

impl Claim {
    fn money(&self) -> MoneySummary {
        MoneySummary {
            billed: self.billed.unwrap_or_default(),
            plan_paid: self.paid.unwrap_or_default(),
            member_owes: self.member_owes.unwrap_or_default(),
        }
    }
}

/// Sums of adjustments by part.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    discount: Cents,
    not_covered: Cents,
    other_insurance: Cents,
    deductible: Cents,
    coinsurance: Cents,
    copay: Cents,
    /// All of group PR: deductible, coinsurance, copay and the member's part of what is not covered.
    of_member: Cents,
    /// Which parts any adjustment named.
    named: [bool; 6],
}

impl Sums {
    fn of<'a>(adjustments: impl Iterator<Item = &'a Adjustment>) -> Self {
        let mut sums = Self::default();
        for adjustment in adjustments {
            let part = match adjustment.part {
                Part::Discount => &mut sums.discount,
                Part::NotCovered => &mut sums.not_covered,
                Part::OtherInsurance => &mut sums.other_insurance,
                Part::Deductible => &mut sums.deductible,
                Part::Coinsurance => &mut sums.coinsurance,
                Part::Copay => &mut sums.copay,
            };
            *part += adjustment.amount;
            sums.named[adjustment.part as usize] = true;
            if adjustment.of_member {
                sums.of_member += adjustment.amount;
            }
        }
        sums
    }

    fn total(&self) -> Cents {
        self.discount + self.not_covered + self.other_insurance + self.deductible + self.coinsurance + self.copay
    }

    /// The parts as amounts. Where the arithmetic closes, what is not named is nothing; else it is not stated.
    fn amounts(&self, closes: bool) -> Amounts {
        let stated = |part: Part, amount: Cents| (closes || self.named[part as usize]).then_some(amount);
        Amounts {
            discount: stated(Part::Discount, self.discount),
            not_covered: stated(Part::NotCovered, self.not_covered),
            other_insurance: stated(Part::OtherInsurance, self.other_insurance),
            deductible: stated(Part::Deductible, self.deductible),
            coinsurance: stated(Part::Coinsurance, self.coinsurance),
            copay: stated(Part::Copay, self.copay),
            member_owes: closes.then_some(self.of_member),
            ..Amounts::default()
        }
    }
}

/// A claim whose arithmetic closes.
struct Balance {
    totals: Amounts,
    sums: Sums,
    rule: LiabilityRule,
    /// Adjustments at claim level count.
    has_claim_level: bool,
    /// The lines' charges add up to the claim's, as far as they are stated.
    lines_add_up: bool,
}

struct Unbalanced {
    reason: &'static str,
    field: &'static str,
    segment: u64,
    expected: String,
}

impl Balance {
    fn of(claim: &Claim) -> Result<Self, Unbalanced> {
        let billed = claim.billed.unwrap_or_default();
        let paid = claim.paid.unwrap_or_default();
        let all = Sums::of(claim.adjustments.iter());
        let has_claim_level = claim.adjustments.iter().any(|adjustment| adjustment.line.is_none());
        let (sums, has_claim_level) = if billed - all.total() == paid {
            (all, has_claim_level)
        } else {
            let of_lines = Sums::of(claim.adjustments.iter().filter(|adjustment| adjustment.line.is_some()));
            if billed - of_lines.total() != paid || !claim_level_repeats_lines(&claim.adjustments) {
                return Err(unbalanced(claim, billed, paid, all.total()));
            }
            (of_lines, false)
        };
        let is_reversal = status_of(&claim.status) == ClaimStatus::Reversal;
        if let Some(owes) = claim.member_owes
            && owes != sums.of_member
            && !is_reversal
        {
            let expected = format!("CLP05 to be the sum of the PR adjustments, {}, but it is {owes}", sums.of_member);
            return Err(Unbalanced { reason: reason::MEMBER_SHARE_UNBALANCED, field: "CLP05", segment: claim.segment, expected });
        }
        let mut totals = sums.amounts(true);
        totals.billed = claim.billed;
        totals.plan_paid = claim.paid;
        totals.member_owes = claim.member_owes.or(Some(sums.of_member));
        let rule = if claim.member_owes.is_some() { LiabilityRule::Stated } else { LiabilityRule::SumOfPatientResponsibility };
        let charges: Option<Cents> = claim.lines.iter().map(|line| line.billed).sum();
        let lines_add_up = claim.lines.is_empty() || charges.is_none_or(|charges| charges == billed);
        Ok(Self { totals, sums, rule, has_claim_level, lines_add_up })
    }
}

fn unbalanced(claim: &Claim, billed: Cents, paid: Cents, adjusted: Cents) -> Unbalanced {
    if let Some(segment) = claim.adjustment_unreadable {
        let expected = "a group CO, OA, PI or PR, a reason and an exact decimal amount".to_owned();
        return Unbalanced { reason: reason::AMOUNT_MALFORMED, field: "CAS", segment, expected };
    }
    // REQUIRED: the operator is shown the arithmetic. Amounts alone name nobody; `model::reject::Reject::expected` allows them here.
    let expected = format!("billed - adjustments = paid, but CLP03 {billed} - CAS {adjusted} = {}, and CLP04 is {paid}", billed - adjusted);
    Unbalanced { reason: reason::CLAIM_UNBALANCED, field: "CLP03", segment: claim.segment, expected }
}

/// Whether the claim-level adjustments are, code by code, the sums of the line-level ones.
fn claim_level_repeats_lines(adjustments: &[Adjustment]) -> bool {
    let codes = adjustments.iter().map(|adjustment| usize::from(adjustment.note) + 1).max().unwrap_or(0);
    let mut difference = vec![Cents::ZERO; codes];
    for adjustment in adjustments {
        let sum = &mut difference[usize::from(adjustment.note)];
        if adjustment.line.is_some() {
            *sum += adjustment.amount;
        } else {
            *sum -= adjustment.amount;
        }
    }
    difference.iter().all(|difference| *difference == Cents::ZERO)
}

/// CLP02, claim status (external code list of 005010X221A1).
fn status_of(code: &[u8]) -> ClaimStatus {
    match code {
        b"1" => ClaimStatus::ProcessedPrimary,
        b"2" => ClaimStatus::ProcessedSecondary,
        b"3" => ClaimStatus::ProcessedTertiary,
        b"4" => ClaimStatus::Denied,
        b"19" | b"20" | b"21" => ClaimStatus::Forwarded,
        b"22" => ClaimStatus::Reversal,
        b"23" => ClaimStatus::NotOurClaim,
        b"25" => ClaimStatus::Predetermination,
        _ => ClaimStatus::Unknown,
    }
}

/// The member and the names it is also known by. The patient (QC); where the patient's id is missing, the insured's (IL); where the
/// patient's name is missing, the insured as a whole.
fn member_of(claim: &Claim) -> Option<(Member, Vec<Member>)> {
    let insured = claim.insured.as_ref();
    let mut person = match &claim.patient {
        Some(patient) if patient.has_name() => patient.clone(),
        Some(patient) => {
            let mut insured = insured?.clone();
            if insured.id.is_empty() {
                insured.id.clone_from(&patient.id);
            }
            insured
        }
        None => insured?.clone(),
    };
    if person.id.is_empty() {
        person.id = insured.map(|insured| insured.id.clone()).unwrap_or_default();
    }
    if person.id.is_empty() || !person.has_name() {
        return None;
    }
    // NM1*74 corrects the insured where there is an NM1*IL, else the patient.
    let is_insured = insured.is_some_and(|insured| claim.patient.as_ref().is_none_or(|patient| !patient.has_name()) && insured.has_name());
    let also_known_as = match &claim.corrected {
        Some(corrected) if insured.is_none() || is_insured => {
            let overlaid = overlay(&person, corrected);
            if overlaid == person { Vec::new() } else { vec![as_member(&overlaid)] }
        }
        _ => Vec::new(),
    };
    Some((as_member(&person), also_known_as))
}

fn overlay(person: &Person, corrected: &Person) -> Person {
    let pick = |new: &String, old: &String| if new.is_empty() { old.clone() } else { new.clone() };
    Person {
        family: pick(&corrected.family, &person.family),
        given: pick(&corrected.given, &person.given),
        middle: pick(&corrected.middle, &person.middle),
        suffix: pick(&corrected.suffix, &person.suffix),
        id: pick(&corrected.id, &person.id),
    }
}

fn as_member(person: &Person) -> Member {
    Member {
        id: person.id.as_str().into(),
        name: person.shown_name().into(),
        given_name: person.given.as_str().into(),
        family_name: person.family.as_str().into(),
        birth_date: None,
    }
}
