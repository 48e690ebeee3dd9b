//! A closed segment of the record is exchanged for its compacted form: the same records, at the same places, in the same order, in a
//! fraction of the bytes. Heads of batches that were given up are all that goes.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

mod support;

use journal::{KeyRing, RecordPosition, Tail, open};
use model::record::{BatchOpen, FrameKey, Record};
use model::{BatchId, JobId, State, StreamName, TenantId, Timestamp, Transactional};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;
use support::{NO_CHECKPOINTS, Open, Place, commit};
use world::simulated::Simulation;

type Told = Vec<(RecordPosition, FrameKey, Record)>;

fn place(simulation: &Simulation) -> Place {
    let mut place = Place::simulated(simulation.world());
    place.segment_bytes = 8 * 1024;
    place
}

/// Two tenants whose jobs alternate, a batch that is given up, and some that are delivered.
async fn history(open: &Open) -> Vec<JobId> {
    let other = open.keys.tenant("beta").unwrap();
    let mut jobs = Vec::new();
    for round in 0..6u64 {
        let mine = open.open_batch(false).await;
        let theirs = batch_of(open, other).await;
        let given_up = open.open_batch(false).await;
        for row in 1..=15 {
            let row = round * 100 + row;
            open.journal().append(open.job(mine, row)).await.unwrap();
            open.journal().append(support::job(&open.keys, other, theirs, row)).await.unwrap();
            open.journal().append(open.job(given_up, row)).await.unwrap();
        }
        open.journal().discard_batch(given_up, Timestamp(9), "refused").await.unwrap();
        for batch in [mine, theirs] {
            jobs.extend(open.journal().commit_batch(commit(batch, 15)).await.unwrap().iter().map(|job| job.id));
        }
        for job in jobs.iter().rev().take(20) {
            open.intent(*job, 1).await;
            open.outcome(*job, 1, if job.sequence() % 3 == 0 { State::Queued } else { State::Delivered }).await;
        }
    }
    jobs
}

async fn batch_of(open: &Open, tenant: TenantId) -> BatchId {
    let batch = open.journal().new_batch_id();
    let (stream, format, at) = (StreamName::Transactional, "ndjson".to_owned(), Timestamp(1));
    open.journal().open_batch(BatchOpen { batch, tenant, stream, file_sha256: None, format, at, rolling: false }).await.unwrap();
    batch
}

fn all(tail: &mut Tail) -> Told {
    let mut told = Vec::new();
    loop {
        // An odd number, so that a call ends in the middle of a block.
        let next = tail.next(37).unwrap();
        if next.is_empty() {
            return told;
        }
        told.extend(next);
    }
}

/// Without what was said of jobs of batches that were given up.
fn needed(told: Told) -> Told {
    let given_up: BTreeSet<BatchId> = told
        .iter()
        .filter_map(|(_, _, record)| if let Record::BatchDiscard { batch, .. } = record { Some(*batch) } else { None })
        .collect();
    let goes = |record: &Record| matches!(record, Record::Head(head) if given_up.contains(&head.batch));
    told.into_iter().filter(|(_, _, record)| !goes(record)).collect()
}

fn record_files(place: &Place) -> Vec<(PathBuf, u8, u64)> {
    let disk = place.world.disk();
    let paths = disk.read_dir(&place.journal_dir().join("record")).unwrap();
    let one = |path: PathBuf| {
        let bytes = disk.read_to_vec(&path, 1 << 24).unwrap();
        (path, bytes[57], bytes.len() as u64)
    };
    paths.into_iter().map(one).collect()
}

async fn wait(place: &Place) {
    place.world.sleep(Duration::from_secs(60)).await;
}

/// The journal as it was written; then as it is after everything closed was compacted.
async fn before_and_after(place: &mut Place, meanwhile: impl AsyncFn(&mut Open)) -> (Told, Told) {
    place.checkpoint_every_segments = NO_CHECKPOINTS;
    let mut open = place.open().await;
    history(&open).await;
    let plain = all(&mut open.opened.tail);
    open.close().await;
    place.checkpoint_every_segments = 1;
    let mut open = place.open().await;
    meanwhile(&mut open).await;
    open.close().await;
    let mut open = place.open().await;
    let compacted = all(&mut open.opened.tail);
    open.close().await;
    (plain, compacted)
}

#[test]
fn with_the_same_records_in_the_same_order() {
    let simulation = Simulation::new(1);
    let mut place = place(&simulation);
    simulation.run(async move {
        let before: std::cell::RefCell<Vec<(PathBuf, u8, u64)>> = std::cell::RefCell::default();
        let dir = place.journal_dir();
        let world = place.world.clone();
        let (plain, compacted) = before_and_after(&mut place, async |open| {
            let _ = (&dir, &world, &open.keys);
            world.sleep(Duration::from_secs(60)).await;
        })
        .await;
        before.borrow_mut().clear();
        assert!(plain.len() > 300);
        let (plain, compacted) = (needed(plain), compacted);
        assert_eq!(compacted[..plain.len()], plain[..], "what follows is what later starts said");
        let files = record_files(&place);
        assert!(files.iter().filter(|(_, form, _)| *form == 1).count() >= 5, "{files:?}");
        assert!(files.iter().any(|(_, form, _)| *form == 0), "the one that is being written");
        let gone = needed(compacted.clone()).len();
        assert_eq!(gone, compacted.len(), "no head of a batch that was given up is left");
    });
}

#[test]
fn wherever_a_tail_begins() {
    let simulation = Simulation::new(2);
    let mut place = place(&simulation);
    simulation.run(async move {
        let world = place.world.clone();
        let (plain, _) = before_and_after(&mut place, async |_| world.sleep(Duration::from_secs(60)).await).await;
        let plain = needed(plain);
        let mut open = place.open().await;
        for (at, (position, _, _)) in plain.iter().enumerate().step_by(7) {
            open.opened.tail.seek(*position);
            let rest = all(&mut open.opened.tail);
            assert_eq!(rest[..plain.len() - at - 1], plain[at + 1..]);
        }
        open.close().await;
    });
}

#[test]
fn and_a_tail_that_is_in_the_middle_of_a_segment_goes_on() {
    let simulation = Simulation::new(3);
    let mut place = place(&simulation);
    simulation.run(async move {
        let world = place.world.clone();
        let told = std::cell::RefCell::new(Told::new());
        let (plain, _) = before_and_after(&mut place, async |open| {
            // Before the archivist had its turn.
            told.borrow_mut().extend(open.opened.tail.next(33).unwrap());
            world.sleep(Duration::from_secs(60)).await;
            told.borrow_mut().extend(all(&mut open.opened.tail));
        })
        .await;
        assert_eq!(needed(told.into_inner())[..needed(plain.clone()).len()], needed(plain)[..]);
    });
}

#[test]
fn recovery_reads_it_without_any_checkpoint() {
    let simulation = Simulation::new(4);
    let mut place = place(&simulation);
    simulation.run(async move {
        let world = place.world.clone();
        before_and_after(&mut place, async |_| world.sleep(Duration::from_secs(60)).await).await;
        let open = place.open().await;
        let with = (open.opened.recovered.batches.clone(), open.opened.recovered.jobs.clone());
        open.close().await;
        let disk = place.world.disk();
        let folder = place.journal_dir().join("checkpoints");
        for path in disk.read_dir(&folder).unwrap() {
            disk.remove_file(&path).unwrap();
        }
        place.checkpoint_every_segments = NO_CHECKPOINTS;
        let open = place.open().await;
        assert!(open.opened.recovered.findings.is_empty(), "{:?}", open.opened.recovered.findings);
        assert_eq!((open.opened.recovered.batches.clone(), open.opened.recovered.jobs.clone()), with);
        assert!(with.1.len() > 50);
        open.close().await;
    });
}

/// A batch may take so long that its first heads are compacted before its commit, which reads them back.
#[test]
fn a_batch_whose_first_heads_are_compacted_commits() {
    let simulation = Simulation::new(5);
    let mut place = place(&simulation);
    simulation.run(async move {
        place.checkpoint_every_segments = 1;
        let open = place.open().await;
        let batch = open.open_batch(false).await;
        for row in 1..=200 {
            open.journal().append(open.job(batch, row)).await.unwrap();
        }
        open.journal().sync().await.unwrap();
        wait(&place).await;
        assert!(record_files(&place).iter().filter(|(_, form, _)| *form == 1).count() >= 3);
        let jobs = open.journal().commit_batch(commit(batch, 200)).await.unwrap();
        let rows: Vec<u64> = jobs.iter().map(|job| job.head.row).collect();
        assert_eq!(rows, (1..=200).collect::<Vec<_>>());
        for job in &jobs {
            assert_eq!(open.opened.reader.payload(job.id, job.locator).unwrap(), support::data(job.head.row));
        }
        open.close().await;
    });
}

#[test]
fn a_damaged_segment_is_left_as_it_is() {
    let simulation = Simulation::new(6);
    let mut place = place(&simulation);
    simulation.run(async move {
        place.checkpoint_every_segments = NO_CHECKPOINTS;
        let open = place.open().await;
        history(&open).await;
        open.close().await;
        let (second, _, _) = record_files(&place)[1].clone();
        let file = place.world.disk().open(&second, world::OpenMode::ReadWrite).unwrap();
        file.write_all_at(&[0xff; 8], 4000).unwrap();
        file.sync_all().unwrap();
        place.checkpoint_every_segments = 1;
        let open = place.open().await;
        assert!(!open.opened.recovered.findings.is_empty());
        wait(&place).await;
        open.close().await;
        assert!(record_files(&place).iter().all(|(_, form, _)| *form == 0));
        assert!(place.world.disk().read_dir(&place.journal_dir().join("checkpoints")).unwrap().is_empty());
    });
}

/// A block that is damaged costs its own records, and is told.
#[test]
fn damage_to_a_block_costs_no_other() {
    let simulation = Simulation::new(7);
    let mut place = place(&simulation);
    simulation.run(async move {
        let world = place.world.clone();
        let (plain, _) = before_and_after(&mut place, async |_| world.sleep(Duration::from_secs(60)).await).await;
        let plain = needed(plain);
        let (path, form, _) = record_files(&place)[2].clone();
        assert_eq!(form, 1);
        let bytes = place.world.disk().read_to_vec(&path, 1 << 24).unwrap();
        let frame = support::frames_in(&bytes)[1];
        let file = place.world.disk().open(&path, world::OpenMode::ReadWrite).unwrap();
        file.write_all_at(&[bytes[frame.offset + 50] ^ 1], frame.offset as u64 + 50).unwrap();
        file.sync_all().unwrap();
        let keys = KeyRing::open(&place.world, &place.dir.join("ring"), &place.source()).unwrap();
        let opened = open::<Transactional>(place.world.clone(), place.config(), keys).await.unwrap();
        let mut tail = opened.tail;
        let told = all(&mut tail);
        let left: BTreeSet<RecordPosition> = told.iter().map(|(position, _, _)| *position).collect();
        let lost = plain.iter().filter(|(position, _, _)| !left.contains(position)).count();
        assert!((1..60).contains(&lost), "{lost}");
        assert!(told.is_sorted_by_key(|(position, _, _)| *position));
        opened.journal.close().await;
        opened.writer.join().await.unwrap();
    });
}

#[test]
fn segments_whose_term_is_over_go_and_what_is_live_goes_on() {
    let simulation = Simulation::new(8);
    let mut place = place(&simulation);
    simulation.run(async move {
        place.checkpoint_every_segments = 1;
        let open = place.open().await;
        let jobs = history(&open).await;
        wait(&place).await;
        open.close().await;
        let many = record_files(&place).len();
        assert!(many > 8);
        // What the history tells lies at the beginning of time.
        place.evidence_kept = Duration::from_secs(1);
        let open = place.open().await;
        let live = open.states();
        let batch = open.open_batch(true).await;
        for row in 1..=80 {
            open.journal().append_rolling(open.job(batch, 1000 + row)).await.unwrap().await.unwrap();
        }
        wait(&place).await;
        open.close().await;
        let files = record_files(&place);
        assert!(files.len() < many, "{files:?}");
        let mut open = place.open().await;
        assert!(open.opened.recovered.findings.is_empty(), "{:?}", open.opened.recovered.findings);
        let states = open.states();
        assert!(live.iter().all(|job| states.contains(job)), "a job outlives its evidence");
        let told = all(&mut open.opened.tail);
        assert!(!told.iter().any(|(_, key, _)| key.job == Some(jobs[0])), "its evidence is gone");
        assert!(told.len() > 80);
        open.close().await;
    });
}
