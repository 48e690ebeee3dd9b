//! What the journal costs. Run by hand: `cargo test --release -p journal --test measures -- --ignored --nocapture --test-threads=1`.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

mod support;

use model::stage::{Job, Payload};
use model::{State, Transactional};
use std::time::Duration;
use support::{Open, Place};

const MIB: u64 = 1024 * 1024;

/// Jobs as they are in life: an invented statement of 15 service lines each.
fn typical(open: &Open, batch: model::BatchId, rows: u64) -> Vec<Job<Transactional>> {
    let invented = testkit::Batch::new(testkit::Options { rows, lines: 15..=15, ..testkit::Options::default() });
    let with_statement = |(row, mut job): (testkit::Row, Job<Transactional>)| {
        job.data.payload = Payload::Statements(vec![row.statement]);
        job
    };
    invented.rows().zip((1..=rows).map(|row| open.job(batch, row))).map(with_statement).collect()
}

/// Nanoseconds that all threads of this process have spent on a core.
fn cpu_nanoseconds() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let of_task = |path: std::path::PathBuf| std::fs::read_to_string(path.join("schedstat")).unwrap_or_default();
    let first = |text: String| text.split(' ').next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0);
    tasks.map(|entry| first(of_task(entry.unwrap().path()))).sum()
}

fn place() -> Place {
    let mut place = Place::new();
    place.segment_bytes = 64 * MIB;
    place
}

async fn settled() {
    world::World::real().sleep(Duration::from_millis(500)).await;
}

/// Jobs by groups of 256: payload, head, intent, outcome.
#[test]
#[ignore = "a measurement"]
fn four_frames_a_job_in_groups_of_256() {
    let place = place();
    world::block_on(async {
        let open = place.open().await;
        let batch = open.open_batch(true).await;
        settled().await;
        let rows = typical(&open, batch, 256 * 40);
        let encoded: usize = rows.iter().take(100).map(|job| postcard::to_stdvec(&job.data).unwrap().len()).sum::<usize>() / 100;
        let (jobs, before, bytes) = (rows.len() as u64, cpu_nanoseconds(), open.journal().bytes_written());
        let start = place.world.monotonic();
        let mut ids = Vec::new();
        let mut tickets = Vec::new();
        for group in rows.chunks(256) {
            for job in group {
                tickets.push(open.journal().append_rolling(job.clone()).await.unwrap());
            }
            for ticket in tickets.drain(..) {
                ids.push(ticket.await.unwrap().id);
            }
        }
        let (heads_cpu, heads_bytes, heads_time) =
            (cpu_nanoseconds() - before, open.journal().bytes_written() - bytes, place.world.monotonic() - start);
        let (before, bytes, start) = (cpu_nanoseconds(), open.journal().bytes_written(), place.world.monotonic());
        for group in ids.chunks(256) {
            two_records(&open, group).await;
        }
        let (cpu, written, time) = (cpu_nanoseconds() - before, open.journal().bytes_written() - bytes, place.world.monotonic() - start);
        println!("payload as postcard: {encoded} bytes");
        println!(
            "payload + head: {:.2} µs CPU a job, {} bytes, {:.0} jobs/s",
            per(heads_cpu, jobs),
            heads_bytes / jobs,
            rate(jobs, heads_time)
        );
        println!("intent + outcome: {:.2} µs CPU a job, {} bytes, {:.0} jobs/s", per(cpu, jobs), written / jobs, rate(jobs, time));
        println!("sum: {:.2} µs CPU and {} bytes a job", per(heads_cpu + cpu, jobs), (heads_bytes + written) / jobs);
        open.close().await;
    });
}

async fn two_records(open: &Open, group: &[model::JobId]) {
    let mut tickets = Vec::new();
    for id in group {
        let record = model::record::Record::Intent(support::intent(1));
        tickets.push(open.journal().record(support::key(*id, 1), record).await.unwrap());
    }
    for id in group {
        let record = model::record::Record::Outcome(support::end(State::Delivered));
        tickets.push(open.journal().record(support::key(*id, 1), record).await.unwrap());
    }
    for ticket in tickets {
        ticket.await.unwrap();
    }
}

/// A file of 100,000 rows: append, commit, restart, read.
#[test]
#[ignore = "a measurement"]
fn a_hundred_thousand_jobs_from_file_to_restart() {
    const ROWS: u64 = 100_000;
    let place = place();
    world::block_on(async {
        let open = place.open().await;
        settled().await;
        let batch = open.open_batch(false).await;
        let rows = typical(&open, batch, ROWS);
        let (before, start) = (cpu_nanoseconds(), place.world.monotonic());
        for job in rows {
            open.journal().append(job).await.unwrap();
        }
        let appended = place.world.monotonic() - start;
        let jobs = open.journal().commit_batch(support::commit(batch, ROWS)).await.unwrap();
        let (cpu, time) = (cpu_nanoseconds() - before, place.world.monotonic() - start);
        println!("append + commit: {:.2} µs CPU a job, {:.0} jobs/s, commit {:?}", per(cpu, ROWS), rate(ROWS, time), time - appended);
        println!("{} bytes a job", open.journal().bytes_written() / ROWS);
        let (before, start) = (cpu_nanoseconds(), place.world.monotonic());
        for job in &jobs {
            std::hint::black_box(open.opened.reader.payload(job.id, job.locator).unwrap());
        }
        println!("read: {:.2} µs CPU a payload, {:?}", per(cpu_nanoseconds() - before, ROWS), place.world.monotonic() - start);
        open.close().await;
        drop(jobs);
        let start = place.world.monotonic();
        let open = place.open().await;
        let time = place.world.monotonic() - start;
        println!("recovered {} jobs in {time:?}", open.opened.recovered.jobs.len());
        assert_eq!(open.opened.recovered.jobs.len() as u64, ROWS);
        open.close().await;
    });
}

/// One streamed job at a time: what a client waits for.
#[test]
#[ignore = "a measurement"]
fn one_job_at_a_time() {
    let place = place();
    world::block_on(async {
        let open = place.open().await;
        let batch = open.open_batch(true).await;
        settled().await;
        let mut spans = Vec::new();
        for row in 1..=2000 {
            let job = open.job(batch, row);
            let start = place.world.monotonic();
            open.journal().append_rolling(job).await.unwrap().await.unwrap();
            spans.push(place.world.monotonic() - start);
        }
        spans.sort();
        println!("append to durable: p50 {:?}, p99 {:?}", spans[1000], spans[1980]);
        open.close().await;
    });
}

fn per(nanoseconds: u64, jobs: u64) -> f64 {
    nanoseconds as f64 / 1000.0 / jobs as f64
}

fn rate(jobs: u64, time: Duration) -> f64 {
    jobs as f64 / time.as_secs_f64()
}
