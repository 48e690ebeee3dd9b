//! What the stories share: jobs by a few words, and a clock in seconds.

#![allow(dead_code, clippy::unwrap_used, reason = "each story uses what it needs")]

use model::ids::Fingerprint;
use model::record::Head;
use model::stage::{DueDelivery, Durable, JournaledJob, Locator};
use model::{BatchId, BundleId, Destination, JobId, MessageVersion, MoneySummary, Protection, TenantId, Timestamp, Transactional};
use queue::{Queue, QueueState};
use std::sync::Arc;

pub(crate) type Jobs = Queue<Transactional>;

/// What a story says of a job; the rest does not matter to the queue.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) number: u64,
    pub(crate) batch: u64,
    pub(crate) tenant: u16,
    pub(crate) destination: String,
    pub(crate) priority: u8,
    pub(crate) due: Timestamp,
    pub(crate) deadline: Timestamp,
}

pub(crate) fn said(number: u64, destination: &str) -> Said {
    Said { number, batch: 1, tenant: 1, destination: destination.to_owned(), priority: 5, due: at(0), deadline: at(100_000) }
}

pub(crate) fn at(seconds: u64) -> Timestamp {
    Timestamp(1_790_000_000_000 + seconds * 1000)
}

pub(crate) fn journaled(said: &Said) -> JournaledJob<Transactional> {
    let head = Head {
        batch: BatchId::new(0, said.batch),
        tenant: TenantId(said.tenant),
        row: said.number,
        key: Fingerprint([0; 16]),
        content: Fingerprint([0; 16]),
        recipient: None,
        destination: Some(Destination::parse(&said.destination).unwrap()),
        bundle: BundleId([0; 32]),
        protection: Protection::TlsVerified,
        priority: said.priority,
        due: said.due,
        deadline: said.deadline,
        statements: 1,
        money: MoneySummary::default(),
        held: None,
        presentation: model::Presentation::default(),
        supersedes: None,
        further: Vec::new(),
        language_unmet: false,
    };
    let locator = Locator { segment: 1, offset: u32::try_from(said.number).unwrap() };
    JournaledJob::new(JobId::new(0, said.number), locator, Arc::new(head), Durable::attest())
}

pub(crate) fn push(queue: &mut Jobs, said: &Said) {
    let state = QueueState { attempts: 0, due: said.due, message: MessageVersion(0), frozen: false };
    queue.push(&journaled(said), state).unwrap();
}

pub(crate) fn number(delivery: &DueDelivery<Transactional>) -> u64 {
    delivery.job.sequence()
}

/// Resolves everything that asks to one group.
pub(crate) fn resolve_all(queue: &mut Jobs, group: queue::GroupId) {
    for destination in queue.unresolved(usize::MAX) {
        queue.set_home(destination, group);
    }
}

/// Takes until nothing comes; the jobs' numbers, in order. They stay in flight.
pub(crate) fn take_all(queue: &mut Jobs, group: queue::GroupId, now: Timestamp) -> Vec<u64> {
    std::iter::from_fn(|| queue.take(group, now)).map(|delivery| number(&delivery)).collect()
}
