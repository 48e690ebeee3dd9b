//! What `sealpost statements` prints: each statement as it was understood, before anything is sent.
//!
//! The caller asked for personal data by name and gets it; amounts are whole cents, and what the source does not state is `null`.

use crate::{ReadStatement, Row};
use model::record::Intake;
use model::reject::Place;
use model::state::Disposition;
use model::statement::{Amounts, ClaimStatus, LiabilityRule, NoteKind, ServiceLine, Statement};
use model::{Cents, Date};
use serde::Serialize;

/// A statement for reading.
#[derive(Debug, Serialize)]
pub struct StatementView<'a> {
    /// The payer's number of the claim.
    pub claim_number: &'a str,
    /// Whom it is about.
    pub member: MemberView<'a>,
    /// How the claim was processed.
    pub status: ClaimStatus,
    /// The plan.
    pub payer: Option<&'a str>,
    /// Who provided the service.
    pub provider: Option<&'a str>,
    /// First day of service.
    pub service_from: Option<Date>,
    /// Last day of service, where it is another one.
    pub service_to: Option<Date>,
    /// The sums, in cents.
    pub totals: AmountsView,
    /// Where the member's share comes from.
    pub liability_rule: LiabilityRule,
    /// Whether it explains or bills, kind of service, network, programme, payee, limits of the year; in cents, `null` where not stated.
    pub particulars: &'a model::statement::Particulars,
    /// The services.
    pub lines: Vec<LineView<'a>>,
    /// The notes; lines refer to them by position.
    pub notes: Vec<NoteView<'a>>,
    /// Whether it would be mailed.
    pub mailable: bool,
    /// Why not, where it would not: a code of [`crate::reason`].
    pub reason: Option<&'static str>,
    /// Where it stands.
    pub source: SourceView<'a>,
}

/// Whom a statement is about.
#[derive(Debug, Serialize)]
pub struct MemberView<'a> {
    /// The plan's member id.
    pub id: &'a str,
    /// The name as it is shown.
    pub name: &'a str,
}

/// Amounts in cents.
#[derive(Debug, Clone, Copy, Serialize)]
#[allow(missing_docs, reason = "the names are those of model::statement::Amounts")]
pub struct AmountsView {
    pub billed: Option<i64>,
    pub allowed: Option<i64>,
    pub discount: Option<i64>,
    pub plan_paid: Option<i64>,
    pub deductible: Option<i64>,
    pub coinsurance: Option<i64>,
    pub copay: Option<i64>,
    pub not_covered: Option<i64>,
    pub other_insurance: Option<i64>,
    pub member_owes: Option<i64>,
}

/// One service.
#[derive(Debug, Serialize)]
pub struct LineView<'a> {
    /// First day of service.
    pub service_from: Option<Date>,
    /// Last day of service, where it is another one.
    pub service_to: Option<Date>,
    /// Procedure or revenue code with its qualifier.
    pub code: Option<&'a str>,
    /// Modifiers of the code.
    pub modifiers: Vec<&'a str>,
    /// What it is in words.
    pub description: Option<&'a str>,
    /// The amounts, in cents.
    #[serde(flatten)]
    pub amounts: AmountsView,
    /// Positions of its notes, from 0.
    pub notes: &'a [u16],
}

/// A reason, remark or sentence.
#[derive(Debug, Serialize)]
pub struct NoteView<'a> {
    /// What kind of code it is.
    pub kind: NoteKind,
    /// The code; empty for a plain sentence.
    pub code: &'a str,
    /// The plan's own words.
    pub text: Option<&'a str>,
}

/// Where a statement stands.
#[derive(Debug, Serialize)]
pub struct SourceView<'a> {
    /// The file's name.
    pub file: &'a str,
    /// Row (claim or line) of the file, from 1.
    pub row: u64,
    /// Line of a text file, from 1.
    pub line: Option<u64>,
    /// Segment of an X12 file, from 1.
    pub segment: Option<u64>,
}

impl<'a> StatementView<'a> {
    /// The view of a statement that was read from the file of this name.
    pub fn of(read: &'a ReadStatement, file: &'a str) -> Self {
        let statement: &Statement = &read.statement;
        let Place { row, line, segment, .. } = read.place;
        Self {
            claim_number: statement.claim_number.reveal(),
            member: MemberView { id: statement.member.id.reveal(), name: statement.member.name.reveal() },
            status: statement.status,
            payer: statement.payer.as_ref().map(|name| name.reveal()),
            provider: statement.provider.as_ref().map(|name| name.reveal()),
            service_from: statement.service_from,
            service_to: statement.service_to,
            totals: AmountsView::of(&statement.totals),
            liability_rule: statement.liability_rule,
            particulars: &statement.particulars,
            lines: statement.lines.iter().map(LineView::of).collect(),
            notes: statement
                .notes
                .iter()
                .map(|note| NoteView { kind: note.kind, code: note.code.reveal(), text: note.text.as_ref().map(|text| text.reveal()) })
                .collect(),
            mailable: read.not_mailable.is_none(),
            reason: read.not_mailable,
            source: SourceView { file, row, line, segment },
        }
    }
}

impl<'a> LineView<'a> {
    fn of(line: &'a ServiceLine) -> Self {
        Self {
            service_from: line.service_from,
            service_to: line.service_to,
            code: line.code.as_ref().map(|code| code.reveal()),
            modifiers: line.modifiers.iter().map(|modifier| modifier.reveal()).collect(),
            description: line.description.as_ref().map(|words| words.reveal()),
            amounts: AmountsView::of(&line.amounts),
            notes: &line.notes,
        }
    }
}

impl AmountsView {
    fn of(amounts: &Amounts) -> Self {
        let cents = |amount: Option<Cents>| amount.map(|amount| amount.0);
        Self {
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
}

/// Counts rows as far as they can be judged without contacts and keys: what `sealpost check` reports.
/// What could be mailed counts as accepted.
pub fn count(row: &Row, intake: &mut Intake) {
    let (disposition, reason) = match row {
        Row::Rejected { reject, .. } => (Disposition::Rejected, Some(reject.reason.as_str())),
        Row::Statement(read) => match read.not_mailable {
            Some(reason) => (Disposition::NotMailable, Some(reason)),
            None => (Disposition::Accepted, None),
        },
        Row::Templated(_) => (Disposition::Accepted, None),
    };
    intake.count(disposition, row.money(), reason);
}
