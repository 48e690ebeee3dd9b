//! Below the reserve senders are told "not now"; what was accepted is settled; with space back jobs are taken again, without a restart.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]
mod support;

use journal::JournalError;
use model::record::{BatchOpen, Record};
use model::stage::JournaledJob;
use model::{State, StreamName, Timestamp, Transactional};
use std::time::Duration;
use support::{Open, Place, commit, data, end, intent, key};
use world::simulated::Simulation;

const HOST: &str = "engine";
const SEGMENT: u64 = 16 * 1024;
const PLENTY: u64 = 1 << 30;
/// Longer than a look at the disk is good for.
const A_LOOK: Duration = Duration::from_millis(300);

fn place(simulation: &Simulation, reserve_segments: u64) -> Place {
    let mut place = Place::simulated(simulation.world());
    place.segment_bytes = SEGMENT;
    place.reserve_bytes = reserve_segments * SEGMENT;
    place
}

/// Leaves so many bytes free.
fn leave(simulation: &Simulation, place: &Place, free: u64) {
    simulation.set_disk_capacity(HOST, PLENTY);
    let used = PLENTY - place.world.disk().free_bytes(&place.dir).unwrap();
    simulation.set_disk_capacity(HOST, used + free);
}

async fn rolling(open: &Open, batch: model::BatchId, row: u64) -> Result<JournaledJob<Transactional>, JournalError> {
    open.journal().append_rolling(open.job(batch, row)).await?.await
}

/// Jobs until the journal says no.
async fn until_refused(open: &Open, batch: model::BatchId) -> (Vec<JournaledJob<Transactional>>, JournalError) {
    let mut accepted = Vec::new();
    loop {
        match rolling(open, batch, accepted.len() as u64 + 1).await {
            Ok(job) => accepted.push(job),
            Err(error) => return (accepted, error),
        }
        assert!(accepted.len() < 100_000, "nobody says no");
    }
}

#[test]
fn every_door_says_not_now_and_opens_again_when_there_is_space() {
    let simulation = Simulation::new(1);
    let place = place(&simulation, 4);
    simulation.run(async {
        let open = place.open().await;
        let (rolling_batch, file) = (open.open_batch(true).await, open.open_batch(false).await);
        open.journal().append(open.job(file, 1)).await.unwrap();
        let kept = rolling(&open, rolling_batch, 2).await.unwrap();

        leave(&simulation, &place, 4 * SEGMENT - 1);
        place.world.sleep(A_LOOK).await;
        let refused = |what: &str, error: JournalError| {
            assert!(error.is_not_now(), "{what}: {error}");
            let JournalError::NearlyFull { free, reserve } = error else { panic!("{what}: {error}") };
            assert_eq!((free, reserve), (4 * SEGMENT - 1, 5 * SEGMENT), "{what}");
        };
        refused("append_rolling", rolling(&open, rolling_batch, 3).await.unwrap_err());
        refused("append", open.journal().append(open.job(file, 2)).await.unwrap_err());
        refused("commit", open.journal().commit_batch(commit(file, 1)).await.unwrap_err());
        let (batch, stream) = (open.journal().new_batch_id(), StreamName::Transactional);
        let opening = BatchOpen {
            batch,
            tenant: open.tenant,
            stream,
            file_sha256: None,
            format: "ndjson".to_owned(),
            at: Timestamp(1),
            rolling: true,
        };
        refused("open_batch", open.journal().open_batch(opening).await.unwrap_err());
        let message = rolling(&open, rolling_batch, 3).await.unwrap_err().to_string();
        assert!(message.contains("again later") && message.contains("reserve"), "{message}");

        // What was accepted is settled.
        open.intent(kept.id, 1).await;
        open.outcome(kept.id, 1, State::Delivered).await;
        assert!(!open.journal().is_poisoned());

        // A little more than the reserve is not enough to begin again; a segment more is.
        leave(&simulation, &place, 5 * SEGMENT - 1);
        place.world.sleep(A_LOOK).await;
        assert!(rolling(&open, rolling_batch, 3).await.unwrap_err().is_not_now());
        leave(&simulation, &place, 5 * SEGMENT);
        place.world.sleep(A_LOOK).await;
        rolling(&open, rolling_batch, 3).await.unwrap();
        assert_eq!(open.journal().commit_batch(commit(file, 1)).await.unwrap().len(), 1, "the file's batch goes on where it was");
        open.close().await;
    });
}

#[test]
fn a_disk_that_fills_up_lets_everything_settle_and_goes_on_without_a_restart() {
    for seed in 0..4 {
        let simulation = Simulation::new(seed);
        let place = place(&simulation, 6);
        simulation.run(async {
            let open = place.open().await;
            let batch = open.open_batch(true).await;
            leave(&simulation, &place, 12 * SEGMENT);
            let (accepted, error) = until_refused(&open, batch).await;
            assert!(error.is_not_now(), "{error}");
            assert!(accepted.len() > 50, "{}", accepted.len());
            // The heads of the last jobs may have needed a segment of the record.
            assert!(place.world.disk().free_bytes(&place.dir).unwrap() >= 5 * SEGMENT, "jobs left the reserve alone");

            // Two frames for each: several segments of the record, made of the reserve.
            for job in &accepted {
                open.intent(job.id, 1).await;
                open.outcome(job.id, 1, State::Delivered).await;
            }
            assert!(!open.journal().is_poisoned());

            leave(&simulation, &place, PLENTY / 2);
            place.world.sleep(A_LOOK).await;
            let later = rolling(&open, batch, 1_000_000).await.unwrap();
            assert_eq!(open.opened.reader.payload(later.id, later.locator).unwrap(), data(1_000_000));
            open.close().await;
            let open = place.open().await;
            assert_eq!(open.opened.recovered.findings, []);
            assert_eq!(open.opened.recovered.jobs.len(), 1, "the later one; the others are settled");
            open.close().await;
        });
    }
}

#[test]
fn a_segment_that_cannot_be_made_stops_nobody_while_there_is_room_in_the_one_before() {
    let simulation = Simulation::new(5);
    let mut place = place(&simulation, 0);
    place.segment_bytes = 64 * 1024;
    simulation.run(async {
        let open = place.open().await;
        let batch = open.open_batch(true).await;
        let first = rolling(&open, batch, 1).await.unwrap();
        // Others have taken everything: no reserve, nothing free.
        leave(&simulation, &place, 0);
        let (accepted, error) = until_refused(&open, batch).await;
        assert!(error.is_not_now(), "{error}");
        assert!(accepted.len() > 50, "the prepared work segments are used up: {}", accepted.len());
        open.intent(first.id, 1).await;
        open.outcome(first.id, 1, State::Delivered).await;
        assert!(!open.journal().is_poisoned());

        // The record goes on to the end of what is prepared. Then what happened has no place, and the journal stops.
        let mut settled = 0;
        let stopped = loop {
            let job = &accepted[settled % accepted.len()];
            let ticket = match open.journal().record(key(job.id, 1), Record::Intent(intent(1))).await {
                Ok(ticket) => ticket,
                Err(error) => break error,
            };
            match ticket.await {
                Ok(()) => settled += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(stopped, JournalError::Poisoned(_)), "{stopped}");
        assert!(stopped.to_string().contains("start again"), "{stopped}");
        assert!(settled > 300, "{settled}");
        open.close().await;

        leave(&simulation, &place, PLENTY / 2);
        let open = place.open().await;
        assert_eq!(open.opened.recovered.findings, []);
        assert_eq!(open.opened.recovered.jobs.len(), accepted.len());
        open.close().await;
    });
}

#[test]
fn a_quota_gives_the_same_answer_and_reclaim_lifts_it() {
    let simulation = Simulation::new(6);
    let mut place = place(&simulation, 0);
    place.quota_bytes = Some(8 * SEGMENT);
    simulation.run(async {
        let open = place.open().await;
        let batch = open.open_batch(true).await;
        let (accepted, error) = until_refused(&open, batch).await;
        assert!(error.is_not_now(), "{error}");
        let JournalError::OverQuota { used, quota } = error else { panic!("{error}") };
        assert!(used > 6 * SEGMENT && quota == 8 * SEGMENT, "{used}");
        // Delivered jobs give their segments back.
        for job in &accepted {
            open.outcome(job.id, 1, State::Delivered).await;
        }
        place.world.sleep(A_LOOK).await;
        rolling(&open, batch, 1_000_000).await.unwrap();
        open.close().await;
    });
}

#[test]
fn a_job_of_a_file_that_finds_no_segment_fails_its_commit_and_not_the_journal() {
    let simulation = Simulation::new(7);
    let place = place(&simulation, 0);
    simulation.run(async {
        let open = place.open().await;
        let settled = open.batch(1).await;
        let file = open.open_batch(false).await;
        leave(&simulation, &place, 0);
        let mut rows = 0;
        // The look is a quarter of a second old for all of them: what says no is the missing segment.
        while rows < 500 && open.journal().append(open.job(file, rows + 1)).await.is_ok() {
            rows += 1;
        }
        let error = open.journal().commit_batch(commit(file, rows)).await.unwrap_err();
        assert!(error.is_not_now(), "{error}");
        open.record(settled[0].id, 1, Record::Outcome(end(State::Delivered))).await;
        open.journal().discard_batch(file, Timestamp(9), "refused").await.unwrap();
        leave(&simulation, &place, PLENTY / 2);
        place.world.sleep(A_LOOK).await;
        assert_eq!(open.batch(3).await.len(), 3);
        open.close().await;
    });
}
