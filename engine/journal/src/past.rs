//! The shapes that earlier versions wrote, read for ever.
//!
//! * A head (frame kind 17, and the end of a job in a checkpoint) is followed by what joined later ([`HeadAddition`]); the first versions
//!   wrote nothing there, and then it means its defaults.
//! * A payload of the encodings 1, 2 and 3 has a statement without [`model::statement::Particulars`], a recipient without language, and no
//!   [`Presentation`].
//!
//! Fields are in the order of the bytes. Nothing here is ever changed; a new shape joins.

use model::record::Head;
use model::stage::{JobData, Payload};
use model::state::HoldReason;
use model::statement::{Amounts, ClaimStatus, LiabilityRule, Member, Note, Particulars, ServiceLine, StatementKind};
use model::{
    BatchId, BundleId, Date, Destination, Fingerprint, JobId, Mailbox, MoneySummary, Presentation, Private, Protection, Recipient,
    Statement, TenantId, Timestamp,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A head as the first versions wrote it.
#[derive(Deserialize)]
struct HeadV1 {
    batch: BatchId,
    tenant: TenantId,
    row: u64,
    key: Fingerprint,
    content: Fingerprint,
    recipient: Option<Fingerprint>,
    destination: Option<Destination>,
    bundle: BundleId,
    protection: Protection,
    priority: u8,
    due: Timestamp,
    deadline: Timestamp,
    statements: u16,
    money: MoneySummary,
    held: Option<HoldReason>,
}

/// What joined the head.
#[derive(Default, Serialize, Deserialize)]
struct HeadAddition {
    presentation: Presentation,
    supersedes: Option<JobId>,
}

/// Reads what begins with a `T` and ends with a head, of any version. `None` where the bytes are something else.
pub(crate) fn before_a_head<'bytes, T: Deserialize<'bytes>>(bytes: &'bytes [u8]) -> Option<(T, Head)> {
    let ((front, head), rest) = postcard::take_from_bytes::<(T, HeadV1)>(bytes).ok()?;
    let (addition, rest) = if rest.is_empty() { (HeadAddition::default(), rest) } else { postcard::take_from_bytes(rest).ok()? };
    rest.is_empty().then(|| (front, head.with(addition)))
}

impl HeadV1 {
    fn with(self, addition: HeadAddition) -> Head {
        let Self { batch, tenant, row, key, content, recipient, destination, bundle, protection, .. } = self;
        let Self { priority, due, deadline, statements, money, held, .. } = self;
        let HeadAddition { presentation, supersedes } = addition;
        Head {
            batch,
            tenant,
            row,
            key,
            content,
            recipient,
            destination,
            bundle,
            protection,
            priority,
            due,
            deadline,
            statements,
            money,
            held,
            presentation,
            supersedes,
        }
    }
}

/// The content of a job in the encodings 1, 2 and 3.
#[derive(Serialize, Deserialize)]
pub(crate) struct JobDataV1 {
    recipient: Option<RecipientV1>,
    payload: PayloadV1,
    bundle: BundleId,
    protection: Protection,
}

#[derive(Serialize, Deserialize)]
struct RecipientV1 {
    mailbox: Mailbox,
    name: Private,
    address_version: u32,
}

#[derive(Serialize, Deserialize)]
enum PayloadV1 {
    Statements(Vec<StatementV1>),
    Templated { template: String, variables: BTreeMap<String, Private>, authorization: Private },
}

#[derive(Serialize, Deserialize)]
struct StatementV1 {
    kind: StatementKind,
    claim_number: Private,
    member: Member,
    status: ClaimStatus,
    payer: Option<Private>,
    provider: Option<Private>,
    service_from: Option<Date>,
    service_to: Option<Date>,
    totals: Amounts,
    liability_rule: LiabilityRule,
    lines: Vec<ServiceLine>,
    notes: Vec<Note>,
}

impl From<JobDataV1> for JobData {
    fn from(past: JobDataV1) -> Self {
        let JobDataV1 { recipient, payload, bundle, protection } = past;
        let payload = match payload {
            PayloadV1::Statements(statements) => Payload::Statements(statements.into_iter().map(Statement::from).collect()),
            PayloadV1::Templated { template, variables, authorization } => Payload::Templated { template, variables, authorization },
        };
        Self { recipient: recipient.map(Recipient::from), payload, bundle, protection, presentation: Presentation::default() }
    }
}

impl From<RecipientV1> for Recipient {
    fn from(past: RecipientV1) -> Self {
        let RecipientV1 { mailbox, name, address_version } = past;
        Self { mailbox, name, address_version, language: None, on_behalf_of: false }
    }
}

impl From<StatementV1> for Statement {
    fn from(past: StatementV1) -> Self {
        let StatementV1 { kind, claim_number, member, status, payer, provider, service_from, service_to, .. } = past;
        let StatementV1 { totals, liability_rule, lines, notes, .. } = past;
        let particulars = Particulars::default();
        Self {
            kind,
            claim_number,
            member,
            status,
            payer,
            provider,
            service_from,
            service_to,
            totals,
            liability_rule,
            lines,
            notes,
            particulars,
        }
    }
}

/// What the first versions would have made of a job's content; what they did not know is left out.
#[cfg(test)]
pub(crate) fn as_v1(data: &JobData) -> JobDataV1 {
    let JobData { recipient, payload, bundle, protection, presentation: _ } = data.clone();
    let recipient = recipient.map(|Recipient { mailbox, name, address_version, .. }| RecipientV1 { mailbox, name, address_version });
    let payload = match payload {
        Payload::Statements(statements) => PayloadV1::Statements(statements.into_iter().map(StatementV1::from).collect()),
        Payload::Templated { template, variables, authorization } => PayloadV1::Templated { template, variables, authorization },
    };
    JobDataV1 { recipient, payload, bundle, protection }
}

#[cfg(test)]
impl From<Statement> for StatementV1 {
    fn from(statement: Statement) -> Self {
        let Statement { kind, claim_number, member, status, payer, provider, service_from, service_to, .. } = statement;
        let Statement { totals, liability_rule, lines, notes, .. } = statement;
        Self { kind, claim_number, member, status, payer, provider, service_from, service_to, totals, liability_rule, lines, notes }
    }
}
