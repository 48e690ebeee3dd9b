//! Frames on a real disk, in groups of 256 that are waited for: a job's payload and head; its intent and outcome.
//!
//! Time on the wall, the disk included; the figure is that of one job, its share of the commit. A run writes some hundred
//! megabytes into the folder for temporary files, which is what it measures: see that it is on the disk you mean.
#![allow(clippy::unwrap_used, reason = "a measurement may panic")]

use bench::{ROWS, bundle, criterion, job_data};
use criterion::{Criterion, SamplingMode};
use journal::{Journal, JournalConfig, KeyRing, KeySource, Opened, new_key_file};
use model::record::{AttemptEnd, BatchOpen, FrameKey, Head, Intent, Record};
use model::stage::{Job, JobData};
use model::{BatchId, BundleId, JobId, MessageVersion, MoneySummary, State, StreamName, TenantId, Timestamp, Transactional};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;
use world::World;

const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

/// An open journal with a rolling batch.
struct Place {
    world: World,
    keys: KeyRing,
    tenant: TenantId,
    opened: Opened<Transactional>,
    batch: BatchId,
    data: Vec<JobData>,
    row: u64,
}

impl Place {
    async fn open(folder: &Path) -> Self {
        let world = World::real();
        let key = folder.join("key");
        new_key_file(&world, &key).unwrap();
        let keys = KeyRing::open(&world, &folder.join("ring"), &KeySource::File(key)).unwrap();
        let tenant = keys.tenant("lakeside").unwrap();
        let config = JournalConfig {
            dir: folder.join("journal"),
            node: 1,
            segment_bytes: SEGMENT_BYTES,
            commit_delay_max: Duration::from_micros(200),
            channel_capacity: 8192,
        };
        let opened = journal::open::<Transactional>(world.clone(), config, keys.clone()).await.unwrap();
        let batch = opened.journal.new_batch_id();
        let (stream, format) = (StreamName::Transactional, "ndjson".to_owned());
        let open = BatchOpen { batch, tenant, stream, file_sha256: None, format, at: Timestamp(1), rolling: true };
        opened.journal.open_batch(open).await.unwrap();
        let bundle = bundle();
        let data = (1..=ROWS).map(|number| job_data(number, &bundle)).collect();
        Self { world, keys, tenant, opened, batch, data, row: 0 }
    }

    fn journal(&self) -> &Journal<Transactional> {
        &self.opened.journal
    }

    fn job(&mut self) -> Job<Transactional> {
        self.row += 1;
        let data = self.data[(self.row % ROWS) as usize].clone();
        let fingerprint = |label: &str| self.keys.fingerprint(self.tenant, label, &[&self.row.to_le_bytes()]).unwrap();
        let head = Head {
            batch: self.batch,
            tenant: self.tenant,
            row: self.row,
            key: fingerprint("key"),
            content: fingerprint("content"),
            recipient: Some(fingerprint("address")),
            destination: data.recipient.as_ref().map(|recipient| recipient.mailbox.destination().clone()),
            bundle: data.bundle,
            protection: data.protection,
            priority: 1,
            due: Timestamp(10),
            deadline: Timestamp(u64::MAX),
            statements: 1,
            money: MoneySummary::default(),
            held: None,
        };
        Job::new(head, data)
    }

    /// Appends `count` jobs and waits for their commit.
    async fn append(&mut self, count: u64) -> (Duration, Vec<JobId>) {
        // Jobs are built before the clock runs: intake has its own figure.
        let jobs: Vec<_> = (0..count).map(|_| self.job()).collect();
        let start = self.world.monotonic();
        let mut tickets = Vec::with_capacity(jobs.len());
        for job in jobs {
            tickets.push(self.journal().append_rolling(job).await.unwrap());
        }
        let mut ids = Vec::with_capacity(tickets.len());
        for ticket in tickets {
            ids.push(ticket.await.unwrap().id);
        }
        (self.world.monotonic() - start, ids)
    }

    /// Records intent and outcome of these jobs and waits for their commit.
    async fn attempt(&self, ids: &[JobId]) -> Duration {
        let start = self.world.monotonic();
        let mut tickets = Vec::with_capacity(2 * ids.len());
        for id in ids {
            let key = FrameKey { job: Some(*id), message: MessageVersion(0), attempt: 1 };
            tickets.push(self.journal().record(key, Record::Intent(intent())).await.unwrap());
            tickets.push(self.journal().record(key, Record::Outcome(outcome())).await.unwrap());
        }
        for ticket in tickets {
            ticket.await.unwrap();
        }
        self.world.monotonic() - start
    }
}

fn intent() -> Intent {
    let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
    Intent { bundle: BundleId([1; 32]), address_version: 0, date: Timestamp(20), sha256: [2; 32], source: None, peer }
}

fn outcome() -> AttemptEnd {
    AttemptEnd {
        at: Timestamp(30),
        state: State::Delivered,
        held: None,
        due: None,
        code: Some(250),
        enhanced: None,
        cause: "accepted".to_owned(),
        source: None,
        peer: None,
        proof: None,
    }
}

/// The groups that make `jobs` jobs.
fn groups(jobs: u64) -> impl Iterator<Item = u64> {
    (0..jobs.div_ceil(ROWS)).map(move |group| ROWS.min(jobs - group * ROWS))
}

fn main() {
    let mut criterion = criterion();
    frames(&mut criterion);
    criterion.final_summary();
}

fn frames(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let mut place = world::block_on(Place::open(folder.path()));
    let mut group = criterion.benchmark_group("journal/group_of_256");
    // Few samples of many groups: a sample of one job would be a commit of one job.
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.bench_function("payload_and_head", |bencher| {
        bencher.iter_custom(|jobs| {
            world::block_on(async {
                let mut span = Duration::ZERO;
                for count in groups(jobs) {
                    span += place.append(count).await.0;
                }
                span
            })
        });
    });
    group.bench_function("intent_and_outcome", |bencher| {
        bencher.iter_custom(|jobs| {
            world::block_on(async {
                let mut span = Duration::ZERO;
                for count in groups(jobs) {
                    let (_, ids) = place.append(count).await;
                    span += place.attempt(&ids).await;
                }
                span
            })
        });
    });
    group.finish();
    world::block_on(async {
        let Opened { journal, reader, tail, writer, .. } = place.opened;
        journal.close().await;
        writer.join().await.unwrap();
        drop((journal, reader, tail));
    });
}
