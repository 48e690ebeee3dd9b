//! The typed statement: what the member will be told, whatever format it came in.
//!
//! Every amount is `Option<Cents>`: `None` says that the source does not state it (invariant 14). The
//! structs derive a plain serde form without skipped or untagged fields, because the same form is
//! encoded compactly into journal payloads.

use crate::{Cents, MoneySummary, Private};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// What kind of statement this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatementKind {
    /// Explanation of Benefits: not a bill.
    Eob,
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
    pub birth_date: Option<Date>,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ServiceLine {
    /// First day of service.
    pub service_from: Option<Date>,
    /// Last day of service, where it is another one.
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

/// One Explanation of Benefits.
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
    pub service_from: Option<Date>,
    /// Last day of service, where it is another one.
    pub service_to: Option<Date>,
    /// The sums.
    pub totals: Amounts,
    /// Where `totals.member_owes` comes from.
    pub liability_rule: LiabilityRule,
    /// The services.
    pub lines: Vec<ServiceLine>,
    /// The notes that lines and claim refer to.
    pub notes: Vec<Note>,
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
