//! A few jobs that wait for long do not keep the segments of the thousands that were delivered: their payloads are moved, encrypted anew,
//! and whoever knows the old place still reads them.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

mod support;

use model::State;
use model::record::Record;
use model::stage::JournaledJob;
use model::{JobId, Transactional};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use support::{Open, Place, data, end, key, raw_frames};

const JOBS: u64 = 10_000;
/// One in so many stays.
const STAYS: u64 = 500;
const SEGMENT_BYTES: u64 = 32 * 1024;
const MOVED: u8 = 28;

fn stays(id: JobId) -> bool {
    id.sequence().is_multiple_of(STAYS)
}

/// Bytes of the work log, and how many files it has.
fn held(place: &Place) -> (u64, usize) {
    let files = place.segments("work");
    // One may go while it is looked at.
    (files.iter().filter_map(|path| path.metadata().ok()).map(|file| file.len()).sum(), files.len())
}

/// Delivers all of them, many to a sync.
async fn deliver(open: &Open, jobs: &[JobId]) {
    for some in jobs.chunks(500) {
        let mut tickets = Vec::new();
        for id in some {
            tickets.push(open.journal().record(key(*id, 1), Record::Outcome(end(State::Delivered))).await.unwrap());
        }
        for ticket in tickets {
            ticket.await.unwrap();
        }
    }
}

/// Waits until the work log is no larger than that.
async fn shrinks_to(place: &Place, bytes: u64) {
    for _ in 0..500 {
        if held(place).0 <= bytes {
            return;
        }
        place.world.sleep(Duration::from_millis(10)).await;
    }
    panic!("the work log still has {} bytes in {} files", held(place).0, held(place).1);
}

fn check(open: &Open, jobs: &[JournaledJob<Transactional>]) {
    let reader = open.opened.reader.clone();
    for job in jobs {
        assert_eq!(reader.payload(job.id, job.locator).unwrap(), data(job.head.row), "{}", job.id);
    }
}

fn new_place() -> Place {
    let mut place = Place::new();
    place.segment_bytes = SEGMENT_BYTES;
    place
}

/// Ten files of a thousand rows, and all but one in five hundred delivered.
async fn history(place: &Place, open: &Open) -> Vec<JournaledJob<Transactional>> {
    let mut old = Vec::new();
    for _ in 0..10 {
        let jobs = open.batch(JOBS / 10).await;
        assert!(held(place).0 > 8 * SEGMENT_BYTES, "each file fills many segments");
        let (stay, go): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| stays(job.id));
        deliver(open, &go.iter().map(|job| job.id).collect::<Vec<_>>()).await;
        old.extend(stay);
    }
    old
}

#[test]
fn disk_use_falls_while_it_runs_and_every_payload_is_still_read() {
    let place = new_place();
    world::block_on(async {
        let open = place.open().await;
        let old = history(&place, &open).await;
        assert_eq!(old.len() as u64, JOBS / STAYS);
        // The segment being written, the one prepared behind it, and one, with its index, that is not worth emptying yet.
        shrinks_to(&place, 4 * SEGMENT_BYTES).await;
        check(&open, &old);
        let lies_in: BTreeSet<u32> = old.iter().map(|job| job.locator.segment).collect();
        assert!(lies_in.len() > 10, "they lay far apart");

        // What was moved is settled like anything else.
        deliver(&open, &[old[0].id]).await;
        open.close().await;
        let moved = place.segments("record").iter().flat_map(|path| raw_frames(path)).filter(|frame| frame.kind == MOVED).count();
        // Those in the last segments lie where they lay.
        assert!(moved >= old.len() - 3, "{moved}");

        let open = place.open().await;
        let recovered = &open.opened.recovered;
        assert!(recovered.findings.is_empty(), "{:?}", recovered.findings);
        let ids: Vec<JobId> = recovered.jobs.iter().map(|job| job.job.id).collect();
        assert_eq!(ids, old[1..].iter().map(|job| job.id).collect::<Vec<_>>());
        check(&open, &recovered.jobs.iter().map(|job| job.job.clone()).collect::<Vec<_>>());
        let places: BTreeMap<JobId, u32> = recovered.jobs.iter().map(|job| (job.job.id, job.job.locator.segment)).collect();
        let moved = old[1..].iter().filter(|job| places[&job.id] > job.locator.segment).count();
        assert!(moved >= old.len() - 3, "recovery gives the new places: {moved}");
        deliver(&open, &ids).await;
        shrinks_to(&place, 2 * SEGMENT_BYTES).await;
        open.close().await;
    });
}

/// What a start finds nearly empty it empties too, also where the process that left it so died before it could.
#[test]
fn a_start_goes_on_with_it() {
    let place = new_place();
    world::block_on(async {
        let open = place.open().await;
        // While somebody copies the directory nothing goes, and so nothing is known as closed and nothing is moved.
        let hold = open.journal().hold().await.unwrap();
        let jobs = open.batch(2_000).await;
        let (old, go): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| stays(job.id));
        deliver(&open, &go.iter().map(|job| job.id).collect::<Vec<_>>()).await;
        let full = held(&place).0;
        assert!(full > 15 * SEGMENT_BYTES);
        let copy = place.copy();
        drop(hold);
        open.close().await;

        let open = copy.open().await;
        shrinks_to(&copy, 4 * SEGMENT_BYTES).await;
        check(&open, &old);
        check(&open, &open.opened.recovered.jobs.iter().map(|job| job.job.clone()).collect::<Vec<_>>());
        assert_eq!(open.opened.recovered.jobs.len(), old.len());
        open.close().await;
    });
}

/// Moving goes round: what was moved is moved again when the segment it came to is old, and the first place still leads to it.
#[test]
fn a_job_may_be_moved_many_times() {
    let place = new_place();
    world::block_on(async {
        let open = place.open().await;
        let first = open.batch(1).await;
        for _ in 0..6 {
            let jobs = open.batch(300).await;
            deliver(&open, &jobs.iter().map(|job| job.id).collect::<Vec<_>>()).await;
            shrinks_to(&place, 4 * SEGMENT_BYTES).await;
            check(&open, &first);
        }
        open.close().await;
        let moves = place.segments("record").iter().flat_map(|path| raw_frames(path)).filter(|frame| frame.kind == MOVED).count();
        assert!(moves >= 3, "{moves}");
    });
}

/// A payload that does not open is not written again as something else, and keeps nobody but its own segment.
#[test]
fn a_damaged_payload_stays_where_it_is() {
    let place = new_place();
    world::block_on(async {
        let open = place.open().await;
        let jobs = open.batch(2_000).await;
        let (old, go): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| stays(job.id));
        let file = place.journal_dir().join(format!("work/{:08}.seg", old[0].locator.segment));
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[old[0].locator.offset as usize + 60] ^= 1;
        std::fs::write(&file, bytes).unwrap();
        deliver(&open, &go.iter().map(|job| job.id).collect::<Vec<_>>()).await;
        shrinks_to(&place, 4 * SEGMENT_BYTES).await;
        assert!(file.exists(), "what is left of it may be of use to a person");
        assert!(matches!(open.opened.reader.payload(old[0].id, old[0].locator), Err(journal::PayloadError::Damaged { .. })));
        check(&open, &old[1..]);
        deliver(&open, &[old[0].id]).await;
        shrinks_to(&place, 4 * SEGMENT_BYTES).await;
        open.close().await;
    });
}
