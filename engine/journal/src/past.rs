//! The shapes that earlier versions wrote, read for ever.
//!
//! * A head (frame kind 17, and the end of a job in a checkpoint) is followed by what joined later: first [`HeadAddition`], then the rows
//!   behind the first one, where statements were grouped ([`HeadRow`]), then whether its language is unmet. Earlier versions wrote nothing
//!   there, and then each means its defaults.
//! * A payload of the encodings 1 to 5 has dates as text, and each amount says whether it is stated (`past/plain.rs`).
//! * A payload of the encodings 1, 2 and 3 has a statement without [`model::statement::Particulars`], a recipient without language, and no
//!   [`Presentation`].
//!
//! Fields are in the order of the bytes. Nothing here is ever changed; a new shape joins.

mod plain;

use model::record::{Head, HeadRow};
use model::stage::{JobData, Payload};
use model::state::HoldReason;
use model::statement::{Amounts, ClaimStatus, LiabilityRule, Member, Note, Particulars, StatementKind};
use model::{
    BatchId, BundleId, Date, Destination, Fingerprint, JobId, Mailbox, MoneySummary, Presentation, Private, Protection, Recipient,
    Statement, TenantId, Timestamp,
};
use plain::{PlainAmounts, PlainLine, PlainMember, PlainParticulars};
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

/// What joined the head first.
#[derive(Default, Serialize, Deserialize)]
struct HeadAddition {
    presentation: Presentation,
    supersedes: Option<JobId>,
}

/// Reads what begins with a `T` and ends with a head, of any version. `None` where the bytes are something else.
pub(crate) fn before_a_head<'bytes, T: Deserialize<'bytes>>(bytes: &'bytes [u8]) -> Option<(T, Head)> {
    let ((front, head), rest) = postcard::take_from_bytes::<(T, HeadV1)>(bytes).ok()?;
    let (addition, rest) = joined::<HeadAddition>(rest)?;
    let (further, rest) = joined::<Vec<HeadRow>>(rest)?;
    let (language_unmet, rest) = joined::<bool>(rest)?;
    rest.is_empty().then(|| (front, Head { language_unmet, ..head.with(addition, further) }))
}

/// What joined later; its default where the writer did not know it.
fn joined<'bytes, T: Default + Deserialize<'bytes>>(bytes: &'bytes [u8]) -> Option<(T, &'bytes [u8])> {
    if bytes.is_empty() { Some((T::default(), bytes)) } else { postcard::take_from_bytes(bytes).ok() }
}

impl HeadV1 {
    fn with(self, addition: HeadAddition, further: Vec<HeadRow>) -> Head {
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
            further,
            language_unmet: false,
        }
    }
}

/// The content of a job in the encodings 1, 2 and 3.
#[derive(Serialize, Deserialize)]
pub(crate) struct JobDataV1 {
    recipient: Option<RecipientV1>,
    payload: PastPayload<StatementV1>,
    bundle: BundleId,
    protection: Protection,
}

#[derive(Serialize, Deserialize)]
struct RecipientV1 {
    mailbox: Mailbox,
    name: Private,
    address_version: u32,
}

/// What a job sends, with statements of one of the past shapes.
#[derive(Serialize, Deserialize)]
enum PastPayload<S> {
    Statements(Vec<S>),
    Templated { template: String, variables: BTreeMap<String, Private>, authorization: Private },
}

impl<S: Into<Statement>> From<PastPayload<S>> for Payload {
    fn from(past: PastPayload<S>) -> Self {
        match past {
            PastPayload::Statements(statements) => Self::Statements(statements.into_iter().map(S::into).collect()),
            PastPayload::Templated { template, variables, authorization } => Self::Templated { template, variables, authorization },
        }
    }
}

#[cfg(test)]
impl<S: From<Statement>> From<Payload> for PastPayload<S> {
    fn from(payload: Payload) -> Self {
        match payload {
            Payload::Statements(statements) => Self::Statements(statements.into_iter().map(S::from).collect()),
            Payload::Templated { template, variables, authorization } => Self::Templated { template, variables, authorization },
        }
    }
}

#[derive(Serialize, Deserialize)]
struct StatementV1 {
    kind: StatementKind,
    claim_number: Private,
    #[serde(with = "PlainMember")]
    member: Member,
    status: ClaimStatus,
    payer: Option<Private>,
    provider: Option<Private>,
    service_from: Option<Date>,
    service_to: Option<Date>,
    #[serde(with = "PlainAmounts")]
    totals: Amounts,
    liability_rule: LiabilityRule,
    lines: Vec<PlainLine>,
    notes: Vec<Note>,
}

/// The content of a job in the encodings 4 and 5.
#[derive(Serialize, Deserialize)]
pub(crate) struct JobDataV2 {
    recipient: Option<Recipient>,
    payload: PastPayload<StatementV2>,
    bundle: BundleId,
    protection: Protection,
    presentation: Presentation,
}

/// What joined a statement stands behind all that was there before.
#[derive(Serialize, Deserialize)]
struct StatementV2 {
    before: StatementV1,
    #[serde(with = "PlainParticulars")]
    particulars: Particulars,
}

impl From<JobDataV2> for JobData {
    fn from(past: JobDataV2) -> Self {
        let JobDataV2 { recipient, payload, bundle, protection, presentation } = past;
        let payload = payload.into();
        Self { recipient, payload, bundle, protection, presentation }
    }
}

impl From<StatementV2> for Statement {
    fn from(past: StatementV2) -> Self {
        Self { particulars: past.particulars, ..Self::from(past.before) }
    }
}

impl From<JobDataV1> for JobData {
    fn from(past: JobDataV1) -> Self {
        let JobDataV1 { recipient, payload, bundle, protection } = past;
        let payload = payload.into();
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
        let (lines, particulars) = (lines.into_iter().map(|line| line.0).collect(), Particulars::default());
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
    JobDataV1 { recipient, payload: payload.into(), bundle, protection }
}

/// What the versions before this one would have made of a job's content.
#[cfg(test)]
pub(crate) fn as_v2(data: &JobData) -> JobDataV2 {
    let JobData { recipient, payload, bundle, protection, presentation } = data.clone();
    JobDataV2 { recipient, payload: payload.into(), bundle, protection, presentation }
}

#[cfg(test)]
impl From<Statement> for StatementV2 {
    fn from(statement: Statement) -> Self {
        Self { particulars: statement.particulars.clone(), before: StatementV1::from(statement) }
    }
}

#[cfg(test)]
impl From<Statement> for StatementV1 {
    fn from(statement: Statement) -> Self {
        let Statement { kind, claim_number, member, status, payer, provider, service_from, service_to, .. } = statement;
        let Statement { totals, liability_rule, lines, notes, .. } = statement;
        let lines = lines.into_iter().map(PlainLine).collect();
        Self { kind, claim_number, member, status, payer, provider, service_from, service_to, totals, liability_rule, lines, notes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::FrameKind;
    use crate::record::{self, Decoded};
    use model::stage::Locator;

    fn head(further: Vec<HeadRow>) -> Head {
        let mut head = HeadV1 {
            batch: BatchId::new(1, 2),
            tenant: TenantId(3),
            row: 4,
            key: Fingerprint([5; 16]),
            content: Fingerprint([6; 16]),
            recipient: None,
            destination: None,
            bundle: BundleId([7; 32]),
            protection: Protection::TlsVerified,
            priority: 1,
            due: Timestamp(8),
            deadline: Timestamp(9),
            statements: 1,
            money: MoneySummary::default(),
            held: None,
        }
        .with(HeadAddition { presentation: Presentation::default(), supersedes: Some(JobId::new(1, 10)) }, Vec::new());
        further.into_iter().for_each(|row| head.add_row(row));
        head
    }

    fn encoded(head: &Head) -> Vec<u8> {
        let mut bytes = Vec::new();
        record::encode_head(Locator { segment: 1, offset: 64 }, head, &mut bytes).unwrap();
        bytes
    }

    fn decoded(bytes: &[u8]) -> Option<Head> {
        match record::decode(FrameKind::Head, record::ENCODING, bytes) {
            Ok(Decoded::Head(_, head)) => Some(*head),
            _ => None,
        }
    }

    #[test]
    fn a_head_of_each_past_is_read_and_one_row_costs_one_byte() {
        let money = MoneySummary { billed: model::Cents(11), ..MoneySummary::default() };
        let row = |number: u8| {
            let of = Fingerprint([number; 16]);
            HeadRow { row: u64::from(number), key: of, content: of, money, supersedes: (number == 21).then(|| JobId::new(1, 12)) }
        };
        let alone = head(Vec::new());
        let bytes = encoded(&alone);
        assert_eq!(decoded(&bytes), Some(alone.clone()));
        // The version before knew nothing of languages.
        let (last, before) = bytes.split_last().unwrap();
        assert_eq!((*last, decoded(before)), (0, Some(alone.clone())));
        // The one before that wrote all but the rows behind the first.
        let (last, before) = before.split_last().unwrap();
        assert_eq!((*last, decoded(before)), (0, Some(alone.clone())));
        // The first versions knew neither presentation nor what it supersedes.
        let addition = postcard::to_stdvec(&HeadAddition { presentation: alone.presentation, supersedes: alone.supersedes }).unwrap();
        let first = decoded(&before[..before.len() - addition.len()]).unwrap();
        assert_eq!(first, Head { supersedes: None, ..alone });
        let grouped = head(vec![row(20), row(21)]);
        assert_eq!(grouped.rows().map(|row| (row.row, row.money.billed.0)).collect::<Vec<_>>(), [(4, 0), (20, 11), (21, 11)]);
        assert_eq!(decoded(&encoded(&grouped)), Some(grouped.clone()));
        let unmet = Head { language_unmet: true, ..grouped.clone() };
        assert_eq!(decoded(&encoded(&unmet)), Some(unmet));
        let mut bytes = encoded(&grouped);
        bytes.push(0);
        assert_eq!(decoded(&bytes), None, "nothing may follow it");
        bytes.truncate(bytes.len() - 3);
        assert_eq!(decoded(&bytes), None, "nor may a part of it be missing");
    }
}
