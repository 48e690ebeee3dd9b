//! Records of an invented journal, for the stories beside it.

#![allow(dead_code, clippy::unwrap_used, reason = "each story uses a part of it; it is test code")]

use model::ids::{BundleId, Fingerprint};
use model::record::*;
use model::state::{Disposition, HoldReason};
use model::*;
use std::net::{IpAddr, Ipv4Addr};

/// Events with their positions, as a tail gives them.
#[derive(Default)]
pub(crate) struct History {
    pub(crate) events: Vec<(u64, FrameKey, Record)>,
}

pub(crate) const NO_JOB: FrameKey = FrameKey { job: None, message: MessageVersion(0), attempt: 0 };

pub(crate) fn batch(number: u64) -> BatchId {
    BatchId::new(1, number)
}

pub(crate) fn job(number: u64) -> JobId {
    JobId::new(1, number)
}

pub(crate) fn key(id: JobId, attempt: u16) -> FrameKey {
    FrameKey { job: Some(id), message: MessageVersion(0), attempt }
}

pub(crate) fn money_of(number: u64) -> MoneySummary {
    let cents = number.cast_signed();
    MoneySummary { billed: Cents(10_000 + cents), plan_paid: Cents(7_000 + cents), member_owes: Cents(2_000 - cents % 50) }
}

impl History {
    pub(crate) fn push(&mut self, key: FrameKey, record: Record) {
        // Positions have gaps: frames of the work log take numbers too.
        let position = self.events.last().map_or(10, |(position, _, _)| position + 3);
        self.events.push((position, key, record));
    }

    pub(crate) fn open(&mut self, id: BatchId, rolling: bool) {
        let (tenant, stream) = (TenantId(1), StreamName::Transactional);
        let file_sha256 = (!rolling).then_some([7; 32]);
        let open = BatchOpen { batch: id, tenant, stream, file_sha256, format: "ndjson".into(), at: Timestamp(1_000), rolling };
        self.push(NO_JOB, Record::BatchOpen(open));
    }

    pub(crate) fn head(&mut self, of: BatchId, number: u64, held: Option<HoldReason>) {
        let head = Head {
            batch: of,
            tenant: TenantId(1),
            row: number,
            key: Fingerprint([1; 16]),
            content: Fingerprint([2; 16]),
            recipient: None,
            destination: Some(Destination::parse("mail.example").unwrap()),
            bundle: BundleId([3; 32]),
            protection: Protection::TlsVerified,
            priority: 0,
            due: Timestamp(1_000),
            deadline: Timestamp(9_000_000),
            statements: 1,
            money: money_of(number),
            held,
            presentation: model::Presentation::default(),
            supersedes: None,
            further: Vec::new(),
            language_unmet: false,
        };
        self.push(key(job(number), 0), Record::Head(head));
    }

    /// The head that came last is of these rows too.
    pub(crate) fn grouped_with(&mut self, rows: &[u64]) {
        let Some((_, _, Record::Head(head))) = self.events.last_mut() else { panic!("a head") };
        for row in rows {
            let of = Fingerprint([*row as u8; 16]);
            head.add_row(HeadRow { row: *row, key: of, content: of, money: money_of(*row), supersedes: None });
        }
    }

    pub(crate) fn narrowed(&mut self, number: u64, rows: &[u64]) {
        let to = model::stage::Locator { segment: 1, offset: 64 };
        self.push(key(job(number), 0), Record::Narrowed(Narrowing { at: Timestamp(6_000), rows: rows.to_vec(), to }));
    }

    /// Commits a batch whose accepted statements are `accepted`, with `rejected` more that were not.
    pub(crate) fn commit(&mut self, id: BatchId, accepted: impl Iterator<Item = u64>, rejected: u64) {
        let mut intake = Intake::default();
        accepted.for_each(|number| intake.count(Disposition::Accepted, money_of(number), None));
        (0..rejected).for_each(|number| intake.count(Disposition::Rejected, money_of(number), Some("amount_malformed")));
        intake.source_records = intake.read.rows;
        self.push(NO_JOB, Record::BatchCommit(BatchCommit { batch: id, at: Timestamp(2_000), intake, held: false }));
    }

    pub(crate) fn intent(&mut self, number: u64, attempt: u16) {
        let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let intent = Intent { bundle: BundleId([3; 32]), address_version: 1, date: Timestamp(3_000), sha256: [4; 32], source: None, peer };
        self.push(key(job(number), attempt), Record::Intent(intent));
    }

    pub(crate) fn outcome(&mut self, number: u64, attempt: u16, state: State, code: Option<u16>) {
        self.push(key(job(number), attempt), Record::Outcome(end(state, code, "answered")));
    }

    pub(crate) fn not_sent(&mut self, number: u64, attempt: u16, state: State) {
        self.push(key(job(number), attempt), Record::NotSent(end(state, Some(450), "greylisted")));
    }

    pub(crate) fn change(&mut self, number: u64, state: State, cause: &str) {
        let change = StateChange { at: Timestamp(5_000), state, held: None, due: None, cause: cause.into() };
        self.push(key(job(number), 0), Record::Change(change));
    }

    pub(crate) fn delivered(&mut self, number: u64) {
        self.intent(number, 1);
        self.outcome(number, 1, State::Delivered, Some(250));
    }
}

pub(crate) fn end(state: State, code: Option<u16>, cause: &str) -> AttemptEnd {
    AttemptEnd {
        at: Timestamp(4_000),
        state,
        held: None,
        due: None,
        code,
        enhanced: EnhancedCode::parse("2.0.0"),
        cause: cause.into(),
        source: None,
        peer: None,
        proof: None,
    }
}
