//! The typed statement: what the member will be told, whatever format it came in.
//!
//! Every amount is `Option<Cents>`: `None` says that the source does not state it (invariant 14). The
//! structs derive a plain serde form without skipped or untagged fields, because the same form is
//! encoded compactly into journal payloads. Only dates ([`civil_day`]) and amounts (`amounts`) have a
//! form of their own there: a sixth of a payload would be dates as text,
//! and flags of amounts that are not stated.

mod amounts;

use crate::{Cents, MoneySummary, Private, civil_day};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// What kind of statement this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatementKind {
    /// Explanation of Benefits: not a bill.
    Eob,
    /// Billing statement: this is a bill.
    Bill,
}

/// What kind of service a claim is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimType {
    /// Professional, inpatient, outpatient.
    Medical,
    /// Medicines.
    Pharmacy,
    /// Teeth.
    Dental,
    /// Eyes.
    Vision,
}

/// Whether the provider has a contract with the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// It has.
    InNetwork,
    /// It has none.
    OutOfNetwork,
}

/// Whose programme pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Program {
    /// A plan of an employer or of the individual market.
    Commercial,
    /// Medicare Part C: 42 CFR 422.111(k).
    MedicareAdvantage,
    /// Medicare Part D: 42 CFR 423.128(e).
    MedicarePartD,
    /// Medicare Parts A and B.
    OriginalMedicare,
    /// Medicaid.
    Medicaid,
    /// The Children's Health Insurance Program.
    Chip,
}

/// Who got the plan's money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaidTo {
    /// The provider.
    Provider,
    /// The member.
    Member,
}

/// What an accumulator counts towards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccumulatorKind {
    /// The deductible.
    Deductible,
    /// The most a member pays in a plan year.
    OutOfPocketMaximum,
}

/// Whose costs an accumulator counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccumulatorScope {
    /// One person's.
    Individual,
    /// The whole family's.
    Family,
}

/// How far a member is towards a limit of the plan year.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accumulator {
    /// Towards what.
    pub kind: AccumulatorKind,
    /// Whose costs count.
    pub scope: AccumulatorScope,
    /// For which providers; `None` where the source makes no difference.
    pub network: Option<Network>,
    /// The limit.
    pub limit: Option<Cents>,
    /// What counts towards it so far.
    pub used: Option<Cents>,
    /// First day of the plan year.
    #[serde(with = "civil_day")]
    pub from: Option<Date>,
    /// Last day of the plan year.
    #[serde(with = "civil_day")]
    pub to: Option<Date>,
}

/// What a billing statement has and an EOB has not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Bill {
    /// The account that is billed.
    pub account: Option<Private>,
    /// The day by which to pay.
    #[serde(with = "civil_day")]
    pub due_on: Option<Date>,
    /// What was open before.
    pub previous_balance: Option<Cents>,
    /// What was paid since.
    pub payments: Option<Cents>,
    /// What joined since.
    pub new_charges: Option<Cents>,
    /// What is to be paid now.
    pub balance: Option<Cents>,
}

/// One of the three sums that are kept of every statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangedAmount {
    /// What the provider charged.
    Billed,
    /// What the plan paid.
    PlanPaid,
    /// What the member owes.
    MemberOwes,
}

/// An amount that an earlier statement of the same claim told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AmountChange {
    /// Which.
    pub which: ChangedAmount,
    /// What the earlier statement said.
    pub before: Cents,
    /// What this one says.
    pub after: Cents,
}

/// That an earlier statement of the same claim was sent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Correction {
    /// What is different; empty where none of the sums is.
    pub changes: Vec<AmountChange>,
}

/// What only some sources state. Nothing here is ever invented: what is not stated is absent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Particulars {
    /// What kind of service the claim is for.
    pub claim_type: Option<ClaimType>,
    /// Whether the provider is in the plan's network.
    pub network: Option<Network>,
    /// Whose programme pays.
    pub program: Option<Program>,
    /// Who got the plan's money.
    pub paid_to: Option<PaidTo>,
    /// How far the member is towards the limits of the plan year.
    pub accumulators: Vec<Accumulator>,
    /// What makes it a bill; [`StatementKind::Bill`] has it.
    pub bill: Option<Bill>,
    /// The statement corrects one that was sent. Admission says so, never a source.
    pub correction: Option<Correction>,
}

/// How the claim was processed. X12 CLP02 (external code list 1.0.17 of 005010X221A1) and its kin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimStatus {
    /// 1: processed as primary.
    ProcessedPrimary,
    /// 2: processed as secondary.
    ProcessedSecondary,
    /// 3: processed as tertiary.
    ProcessedTertiary,
    /// 4: denied.
    Denied,
    /// 19, 20, 21: processed and forwarded to another payer.
    Forwarded,
    /// 22: reversal of an earlier payment. Never mailed alone.
    Reversal,
    /// 23: not our claim, forwarded. Never mailed.
    NotOurClaim,
    /// 25: predetermination, no payment. Never mailed.
    Predetermination,
    /// A code this engine does not know. Never mailed.
    Unknown,
}

/// Where the member's share comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LiabilityRule {
    /// The source states it (CLP05, `member_owes`).
    Stated,
    /// The sum of all PR adjustments; the source's arithmetic closes without a remainder.
    SumOfPatientResponsibility,
    /// deductible + coinsurance + copay + not covered, all of them stated.
    SumOfParts,
    /// It can neither be read nor completely derived: `liability_unknown`, never shown as $0.
    Unknown,
}

/// The amounts of a statement or of one service line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Amounts {
    /// What the provider charged.
    pub billed: Option<Cents>,
    /// What the plan allows for it.
    pub allowed: Option<Cents>,
    /// What the provider writes off under its contract.
    pub discount: Option<Cents>,
    /// What the plan paid.
    pub plan_paid: Option<Cents>,
    /// The member's deductible.
    pub deductible: Option<Cents>,
    /// The member's coinsurance.
    pub coinsurance: Option<Cents>,
    /// The member's copay.
    pub copay: Option<Cents>,
    /// What the plan does not cover.
    pub not_covered: Option<Cents>,
    /// What another insurer paid.
    pub other_insurance: Option<Cents>,
    /// What the member owes.
    pub member_owes: Option<Cents>,
}

/// The person the statement is about.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Member {
    /// The plan's member id.
    pub id: Private,
    /// The name as it is shown: given, middle, family, suffix.
    pub name: Private,
    /// Given name, for the join with the contact file; empty where the source has only `name`.
    pub given_name: Private,
    /// Family name, for the join with the contact file; empty where the source has only `name`.
    pub family_name: Private,
    /// Birth date, where the source has one.
    #[serde(with = "civil_day")]
    pub birth_date: Option<Date>,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ServiceLine {
    /// First day of service.
    #[serde(with = "civil_day")]
    pub service_from: Option<Date>,
    /// Last day of service, where it is another one.
    #[serde(with = "civil_day")]
    pub service_to: Option<Date>,
    /// Procedure or revenue code with its qualifier, such as `HC:99213`.
    pub code: Option<Private>,
    /// Modifiers of the code.
    pub modifiers: Vec<Private>,
    /// What it is in words, where the source says so.
    pub description: Option<Private>,
    /// The amounts.
    pub amounts: Amounts,
    /// Positions (from 0) in [`Statement::notes`].
    pub notes: Vec<u16>,
}

/// Where a note's code comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoteKind {
    /// Claim adjustment group and reason code, such as `CO-45` (CARC).
    Adjustment,
    /// Remittance advice remark code, such as `N130` (RARC).
    Remark,
    /// A sentence of the plan for the member.
    Message,
}

/// A reason, remark or sentence about the claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// What kind of code it is.
    pub kind: NoteKind,
    /// The code; empty for a plain message.
    pub code: Private,
    /// The plan's own words for the member, where the source has them.
    pub text: Option<Private>,
}

/// One Explanation of Benefits, or one bill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// What it is.
    pub kind: StatementKind,
    /// The payer's number of the claim (835 CLP07, else CLP01).
    pub claim_number: Private,
    /// Who it is about.
    pub member: Member,
    /// How the claim was processed.
    pub status: ClaimStatus,
    /// The plan's name, where the source has it.
    pub payer: Option<Private>,
    /// Who provided the service.
    pub provider: Option<Private>,
    /// First day of service.
    #[serde(with = "civil_day")]
    pub service_from: Option<Date>,
    /// Last day of service, where it is another one.
    #[serde(with = "civil_day")]
    pub service_to: Option<Date>,
    /// The sums.
    pub totals: Amounts,
    /// Where `totals.member_owes` comes from.
    pub liability_rule: LiabilityRule,
    /// The services.
    pub lines: Vec<ServiceLine>,
    /// The notes that lines and claim refer to.
    pub notes: Vec<Note>,
    /// What only some sources state.
    pub particulars: Particulars,
}

impl Statement {
    /// The three sums of the reconciliation; what is not stated counts as nothing there.
    pub fn money(&self) -> MoneySummary {
        MoneySummary {
            billed: self.totals.billed.unwrap_or_default(),
            plan_paid: self.totals.plan_paid.unwrap_or_default(),
            member_owes: self.totals.member_owes.unwrap_or_default(),
        }
    }
}
