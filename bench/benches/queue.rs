//! A job's way through the queue while many others wait: pushed, taken, finished.
//!
//! 100,000 jobs stand, of 1, 1,000 or 100,000 destinations; each step adds one and takes the next one out, so that their number stays.
#![allow(clippy::unwrap_used, reason = "a measurement may panic")]

use bench::{criterion, now};
use criterion::{BenchmarkId, Criterion};
use model::record::Head;
use model::stage::{Durable, JournaledJob, Locator};
use model::{
    BatchId, BundleId, Destination, Fingerprint, JobId, MessageVersion, MoneySummary, Protection, TenantId, Timestamp, Transactional,
};
use queue::{GroupId, Queue, QueueState};
use std::hint::black_box;
use std::sync::Arc;

const STANDING: u64 = 100_000;
const HOME: GroupId = GroupId(0);

fn head(number: u64, destinations: u64) -> Arc<Head> {
    Arc::new(Head {
        batch: BatchId::new(1, 1),
        tenant: TenantId(1),
        row: number,
        key: Fingerprint([0; 16]),
        content: Fingerprint([0; 16]),
        recipient: None,
        destination: Destination::parse(&format!("d{}.example", number % destinations)).ok(),
        bundle: BundleId([0; 32]),
        protection: Protection::TlsVerified,
        priority: 1,
        due: now(),
        deadline: Timestamp(u64::MAX),
        statements: 1,
        money: MoneySummary::default(),
        held: None,
        presentation: model::Presentation::default(),
        supersedes: None,
        further: Vec::new(),
        language_unmet: false,
    })
}

fn job(number: u64, heads: &[Arc<Head>]) -> JournaledJob<Transactional> {
    let head = Arc::clone(&heads[number as usize % heads.len()]);
    // The word is the journal's alone; here is none, and nothing leaves.
    JournaledJob::new(JobId::new(1, number), Locator { segment: 0, offset: 0 }, head, Durable::attest())
}

fn main() {
    let mut criterion = criterion();
    push_take_finish(&mut criterion);
    criterion.final_summary();
}

fn push_take_finish(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("queue/push_take_finish");
    let state = QueueState { attempts: 0, due: now(), message: MessageVersion(0), frozen: false };
    for destinations in [1, 1_000, STANDING] {
        let heads: Vec<_> = (0..STANDING).map(|number| head(number, destinations)).collect();
        let mut queue = Queue::new(now());
        let mut number = 0;
        while number < STANDING {
            queue.push(&job(number, &heads), state).unwrap();
            number += 1;
        }
        for destination in queue.unresolved(usize::MAX) {
            queue.set_home(destination, HOME);
        }
        group.bench_function(BenchmarkId::new("destinations", destinations), |bencher| {
            bencher.iter(|| {
                queue.push(&job(number, &heads), state).unwrap();
                number += 1;
                let delivery = queue.take(HOME, now()).unwrap();
                queue.finish(black_box(delivery));
            });
        });
        assert_eq!(queue.len() as u64, STANDING);
    }
    group.finish();
}
