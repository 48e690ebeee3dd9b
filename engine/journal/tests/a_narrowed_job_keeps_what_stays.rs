//! Some statements of a waiting job give way: what is left of it is one frame of the record and a payload of its own, before and after a
//! restart, where both payloads lie in one segment, and when they are moved. A job that is settled, or does not bind yet, is not narrowed.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

mod support;

use journal::JournalError;
use model::record::{Head, Record};
use model::stage::{Job, JobData};
use model::{BatchId, JobId, State, Timestamp, Transactional};
use std::time::Duration;
use support::{Open, Place, commit, data_without, end, grouped_job, key};

fn grouped(open: &Open, batch: BatchId) -> Job<Transactional> {
    grouped_job(&open.keys, open.tenant, batch, 1..=3)
}

/// Takes a row out; what the job is then.
async fn narrow(open: &Open, id: JobId, job: &Job<Transactional>, row: u64) -> Result<(Head, JobData), JournalError> {
    let data = data_without(job, row);
    let at = open.journal().narrow((id, model::MessageVersion(0)), Timestamp(9), vec![row], &data).await?.await?;
    assert_eq!(open.opened.reader.payload(id, at).unwrap(), data);
    Ok((job.head.without(&[row]).unwrap(), data))
}

fn expect_recovered(open: &Open, id: JobId, head: &Head, data: &JobData) {
    let found = open.opened.recovered.jobs.iter().find(|found| found.job.id == id).unwrap();
    assert_eq!((&*found.job.head, found.state), (head, State::Queued));
    assert_eq!(open.opened.reader.payload(id, found.job.locator).unwrap(), *data);
    assert!(open.opened.recovered.findings.is_empty(), "{:?}", open.opened.recovered.findings);
}

#[test]
fn the_rest_of_it_waits_as_before() {
    let place = Place::new();
    world::block_on(async {
        let open = place.open().await;
        let batch = open.open_batch(false).await;
        let job = grouped(&open, batch);
        let id = open.journal().append(job.clone()).await.unwrap();
        let early = narrow(&open, id, &job, 2).await;
        assert!(matches!(early, Err(JournalError::Misuse(_))), "its batch may be given up yet: {early:?}");
        open.journal().commit_batch(commit(batch, 3)).await.unwrap();

        // The first row of it, and then another one: one statement is left.
        let (head, data) = narrow(&open, id, &job, 1).await.unwrap();
        assert_eq!((head.row, head.statements, head.further.len()), (2, 2, 1));
        open.close().await;
        let open = place.open().await;
        expect_recovered(&open, id, &head, &data);
        let (head, data) = narrow(&open, id, &Job::new(head, data), 3).await.unwrap();
        assert_eq!((head.row, head.statements, head.further.len()), (2, 1, 0));
        open.close().await;
        let open = place.open().await;
        expect_recovered(&open, id, &head, &data);

        // Settled, nothing of it is left to give way.
        open.journal().record(key(id, 1), Record::Outcome(end(State::Delivered))).await.unwrap().await.unwrap();
        let late = open.journal().narrow((id, model::MessageVersion(0)), Timestamp(9), vec![head.row], &data).await.unwrap().await;
        assert!(matches!(late, Err(JournalError::Misuse(_))), "{late:?}");
        open.close().await;
    });
}

#[test]
fn when_its_segment_is_emptied_the_later_payload_moves() {
    let mut place = Place::new();
    place.segment_bytes = 32 * 1024;
    world::block_on(async {
        let open = place.open().await;
        let batch = open.open_batch(true).await;
        let job = grouped(&open, batch);
        let id = open.journal().append_rolling(job.clone()).await.unwrap().await.unwrap().id;
        let (head, data) = narrow(&open, id, &job, 2).await.unwrap();
        let lies_in = || place.segments("work").first().cloned().unwrap();
        let first = lies_in();
        for _ in 0..3 {
            for done in open.batch(300).await {
                open.journal().record(key(done.id, 1), Record::Outcome(end(State::Delivered))).await.unwrap().await.unwrap();
            }
        }
        for _ in 0..500 {
            if !first.exists() {
                break;
            }
            place.world.sleep(Duration::from_millis(10)).await;
        }
        assert!(!first.exists(), "its segment was emptied");
        open.close().await;
        let open = place.open().await;
        expect_recovered(&open, id, &head, &data);
        open.close().await;
    });
}
