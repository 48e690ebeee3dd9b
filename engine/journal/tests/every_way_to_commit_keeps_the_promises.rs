//! The same story by pwrite, by pwritev2, by io_uring, and by whichever a start finds to be the fastest: on a real disk.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]
mod support;

use model::State;
use model::stage::JournaledJob;
use model::{JobId, Transactional};
use support::{Open, Place, commit, data};
use world::CommitMethod;

const WAYS: [Option<CommitMethod>; 4] = [None, Some(CommitMethod::Pwrite), Some(CommitMethod::Pwritev2), Some(CommitMethod::IoUring)];

fn place(way: Option<CommitMethod>) -> Place {
    let mut place = Place::new();
    place.commit_method = way;
    place
}

/// Many at once, so that groups are large, and segments are rolled in both logs.
async fn stream(open: &Open, rows: u64) -> Vec<JournaledJob<Transactional>> {
    let batch = open.open_batch(true).await;
    let mut tickets = Vec::new();
    for row in 1..=rows {
        tickets.push(open.journal().append_rolling(open.job(batch, row)).await.unwrap());
    }
    let mut jobs = Vec::new();
    for ticket in tickets {
        jobs.push(ticket.await.unwrap());
    }
    jobs
}

#[test]
fn what_was_accepted_comes_back_after_a_power_failure_by_every_way() {
    for way in WAYS {
        let place = place(way);
        world::block_on(async {
            let open = place.open().await;
            let streamed = stream(&open, 400).await;
            let filed = open.batch(300).await;
            for job in &streamed[..10] {
                open.intent(job.id, 1).await;
            }
            for job in &streamed[..5] {
                open.outcome(job.id, 1, State::Delivered).await;
            }
            let uncommitted = open.open_batch(false).await;
            open.journal().append(open.job(uncommitted, 1)).await.unwrap();
            // What is on disk now, as a machine finds it that lost its power here.
            let after = place.copy();
            open.close().await;

            let open = after.open().await;
            assert!(open.opened.recovered.findings.is_empty(), "{way:?}: {:?}", open.opened.recovered.findings);
            let expected = |id: JobId| match streamed.iter().position(|job| job.id == id) {
                Some(0..5) => None,
                Some(5..10) => Some(State::Uncertain),
                _ => Some(State::Queued),
            };
            let all: Vec<_> = streamed.iter().chain(&filed).filter_map(|job| Some((job.id.sequence(), expected(job.id)?))).collect();
            assert_eq!(open.states(), all, "{way:?}");
            for (job, row) in streamed.iter().zip(1u64..).skip(5).chain(filed.iter().zip(1u64..)) {
                assert_eq!(open.opened.reader.payload(job.id, job.locator).unwrap(), data(row), "{way:?}");
            }
            open.close().await;
        });
    }
}

#[test]
fn a_batch_larger_than_any_buffer_is_written_by_every_way() {
    for way in WAYS {
        let mut place = place(way);
        place.segment_bytes = 1 << 20;
        world::block_on(async {
            let open = place.open().await;
            let batch = open.open_batch(false).await;
            for row in 1..=5000 {
                open.journal().append(open.job(batch, row)).await.unwrap();
            }
            let jobs = open.journal().commit_batch(commit(batch, 5000)).await.unwrap();
            assert_eq!(jobs.len(), 5000);
            assert!(place.segments("work").len() > 2, "{way:?}: several segments");
            open.close().await;
            let open = place.open().await;
            assert_eq!(open.opened.recovered.jobs.len(), 5000, "{way:?}");
            assert_eq!(open.opened.reader.payload(jobs[4999].id, jobs[4999].locator).unwrap(), data(5000));
            open.close().await;
        });
    }
}
