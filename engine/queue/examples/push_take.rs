//! How long a job's way through the queue takes: `cargo run --release -p queue --example push_take`.
//!
//! Pushes a million jobs, takes and finishes them all; then the same with a retry an hour later for each.

#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::expect_used, reason = "a measurement, not part of the engine")]

use model::ids::Fingerprint;
use model::record::Head;
use model::stage::{Durable, JournaledJob, Locator};
use model::{BatchId, BundleId, Destination, JobId, MessageVersion, MoneySummary, Protection, TenantId, Timestamp, Transactional};
use queue::{GroupId, Queue, QueueState};
use std::sync::Arc;
use std::time::Instant;

const JOBS: u64 = 1_000_000;

fn main() {
    for destinations in [1, 1_000, 100_000, JOBS] {
        let jobs: Vec<_> = (0..JOBS).map(|number| job(number, destinations)).collect();
        let start = Timestamp(1_790_000_000_000);
        let state = QueueState { attempts: 0, due: start, message: MessageVersion(0), frozen: false };
        let mut queue = Queue::new(start);
        let clock = Instant::now();
        for job in &jobs {
            queue.push(job, state).expect("ids are unique");
        }
        let pushed = clock.elapsed();
        for destination in queue.unresolved(usize::MAX) {
            queue.set_home(destination, GroupId(0));
        }
        let bytes = queue.memory_bytes() as u64 / JOBS;
        let clock = Instant::now();
        while let Some(delivery) = queue.take(GroupId(0), start) {
            let _cancelled = queue.put_back(delivery, Timestamp(start.0 + 3_600_000), 1, true);
        }
        let retried = clock.elapsed();
        let clock = Instant::now();
        let later = Timestamp(start.0 + 3_600_000);
        queue.advance(later);
        let fired = clock.elapsed();
        let clock = Instant::now();
        while let Some(delivery) = queue.take(GroupId(0), later) {
            queue.finish(delivery);
        }
        let finished = clock.elapsed();
        let each = |span: std::time::Duration| span.as_nanos() as u64 / JOBS;
        println!(
            "{destinations:>8} destinations: push {} ns, take + put back {} ns, timer {} ns, take + finish {} ns; {bytes} bytes a job",
            each(pushed),
            each(retried),
            each(fired),
            each(finished)
        );
    }
}

fn job(number: u64, destinations: u64) -> JournaledJob<Transactional> {
    let head = Head {
        batch: BatchId::new(0, number / 100_000),
        tenant: TenantId(1),
        row: number,
        key: Fingerprint([0; 16]),
        content: Fingerprint([0; 16]),
        recipient: None,
        destination: Destination::parse(&format!("d{}.example", number % destinations)).ok(),
        bundle: BundleId([0; 32]),
        protection: Protection::TlsVerified,
        priority: 5,
        due: Timestamp(0),
        deadline: Timestamp(1_790_400_000_000),
        statements: 1,
        money: MoneySummary::default(),
        held: None,
        presentation: model::Presentation::default(),
        supersedes: None,
        further: Vec::new(),
        language_unmet: false,
    };
    JournaledJob::new(JobId::new(0, number), Locator { segment: 0, offset: 0 }, Arc::new(head), Durable::attest())
}
