//! Bit rot, a copied frame, a foreign file: each is noticed, told, and costs no more than itself.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

mod support;

use journal::{Finding, JournalError, LogKind, PayloadError};
use model::State;
use std::path::Path;
use support::{Place, data, raw_frames};

const BATCH_OPEN: u8 = 16;
const HEAD: u8 = 17;
const COMMIT: u8 = 18;

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_damaged_head_costs_its_job_alone() {
    let place = Place::new();
    world::block_on(async {
        let open = place.open().await;
        let jobs = open.batch(20).await;
        open.close().await;
        let record = place.segments("record")[0].clone();
        let heads: Vec<_> = raw_frames(&record).into_iter().filter(|frame| frame.kind == HEAD).collect();
        for (index, at) in [(7, heads[7].offset + 60), (7, heads[7].offset + 5), (0, heads[0].offset)] {
            let copy = place.copy();
            flip(&copy.segments("record")[0], at);
            let open = copy.open().await;
            let recovered = &open.opened.recovered;
            let expected: Vec<_> = jobs.iter().enumerate().filter(|(at, _)| *at != index).map(|(_, job)| job.clone()).collect();
            assert_eq!(recovered.jobs.iter().map(|job| job.job.clone()).collect::<Vec<_>>(), expected);
            assert!(
                matches!(recovered.findings[..], [Finding::Damage { log: LogKind::Record, segment: 1, .. }]),
                "{:?}",
                recovered.findings
            );
            // Nothing that the damage may have named is given up.
            for job in &jobs {
                assert_eq!(open.opened.reader.payload(job.id, job.locator).unwrap(), data(job.head.row));
            }
            open.close().await;
        }
    });
}

#[test]
fn a_damaged_commit_leaves_its_batch_to_a_person() {
    let place = Place::new();
    world::block_on(async {
        let open = place.open().await;
        let jobs = open.batch(5).await;
        let later = open.batch(1).await;
        open.close().await;
        let record = place.segments("record")[0].clone();
        let commit = raw_frames(&record).into_iter().find(|frame| frame.kind == COMMIT).unwrap();
        flip(&record, commit.offset + 50);
        for _ in 0..2 {
            let open = place.open().await;
            let recovered = &open.opened.recovered;
            assert!(recovered.discarded.is_empty(), "its jobs may have been accepted");
            assert!(recovered.batches[0].commit.is_none() && !recovered.batches[0].open.rolling);
            assert_eq!(recovered.jobs.len(), 1, "and they may not: they are not queued");
            assert_eq!(recovered.jobs[0].job, later[0]);
            assert_eq!(open.opened.reader.payload(jobs[2].id, jobs[2].locator).unwrap(), data(3), "nothing was destroyed");
            open.close().await;
        }
    });
}

#[test]
fn a_damaged_opening_costs_no_committed_job() {
    let place = Place::new();
    world::block_on(async {
        let open = place.open().await;
        let jobs = open.batch(5).await;
        open.close().await;
        let record = place.segments("record")[0].clone();
        let opening = raw_frames(&record).into_iter().find(|frame| frame.kind == BATCH_OPEN).unwrap();
        flip(&record, opening.offset + 50);
        let open = place.open().await;
        assert_eq!(open.opened.recovered.jobs.iter().map(|job| job.job.clone()).collect::<Vec<_>>(), jobs);
        open.close().await;
    });
}

#[test]
fn a_damaged_payload_is_told_by_its_reader_alone() {
    let place = Place::new();
    world::block_on(async {
        let open = place.open().await;
        let jobs = open.batch(3).await;
        let work = place.segments("work")[0].clone();
        flip(&work, jobs[1].locator.offset as usize + 70);
        let read = |index: usize| open.opened.reader.payload(jobs[index].id, jobs[index].locator);
        assert_eq!(read(0).unwrap(), data(1));
        let error = read(1).unwrap_err();
        assert!(matches!(error, PayloadError::Damaged { .. }), "{error}");
        assert_eq!(read(2).unwrap(), data(3));
        // A locator that went stale is not damage.
        let error = open.opened.reader.payload(jobs[0].id, jobs[2].locator).unwrap_err();
        assert!(matches!(error, PayloadError::WrongJob(_)), "{error}");
        open.close().await;
    });
}

#[test]
fn a_frame_that_comes_again_is_passed_over() {
    let place = Place::new();
    world::block_on(async {
        let open = place.open().await;
        let job = open.batch(1).await[0].id;
        open.intent(job, 1).await;
        open.outcome(job, 1, State::Delivered).await;
        open.close().await;
        // Somebody puts a copy of the intent behind the outcome, to have the message sent again.
        let record = place.segments("record")[0].clone();
        let frames = raw_frames(&record);
        let (intent, end) = (frames[frames.len() - 2], frames[frames.len() - 1]);
        let mut bytes = std::fs::read(&record).unwrap();
        bytes.copy_within(intent.offset..intent.offset + intent.bytes, end.offset + end.bytes);
        std::fs::write(&record, bytes).unwrap();
        let open = place.open().await;
        assert!(open.opened.recovered.jobs.is_empty());
        assert!(matches!(open.opened.recovered.findings[..], [Finding::Replayed { .. }]));
        open.close().await;
    });
}

#[test]
fn frames_and_files_of_elsewhere_are_noticed() {
    let (place, other) = (Place::new(), Place::new());
    world::block_on(async {
        for place in [&place, &other] {
            let open = place.open().await;
            open.batch(3).await;
            open.close().await;
        }
        let (ours, theirs) = (place.segments("record")[0].clone(), other.segments("record")[0].clone());
        // One frame of another journal in the place of ours: same length, valid there.
        let copy = place.copy();
        let frame = raw_frames(&ours)[2];
        let mut bytes = std::fs::read(&ours).unwrap();
        let foreign = std::fs::read(&theirs).unwrap();
        bytes[frame.offset..frame.offset + frame.bytes].copy_from_slice(&foreign[frame.offset..frame.offset + frame.bytes]);
        std::fs::write(&copy.segments("record")[0], bytes).unwrap();
        let open = copy.open().await;
        assert_eq!(open.opened.recovered.jobs.len(), 2);
        assert!(matches!(open.opened.recovered.findings[..], [Finding::Damage { .. }]));
        open.close().await;
        // A whole file of another journal, and one under another number.
        let copy = place.copy();
        std::fs::write(&copy.segments("record")[0], &foreign).unwrap();
        assert!(matches!(copy.try_open().await, Err(JournalError::Foreign { .. })));
        let copy = place.copy();
        let renamed = copy.journal_dir().join("record/00000007.seg");
        std::fs::rename(&copy.segments("record")[0], renamed).unwrap();
        assert!(matches!(copy.try_open().await, Err(JournalError::Foreign { .. })));
        // A damaged header costs nothing.
        let copy = place.copy();
        flip(&copy.segments("record")[0], 30);
        let open = copy.open().await;
        assert_eq!(open.opened.recovered.jobs.len(), 3);
        assert!(matches!(open.opened.recovered.findings[..], [Finding::SegmentHeader { .. }]));
        open.close().await;
    });
}

#[test]
fn a_missing_segment_is_told() {
    let mut place = Place::new();
    place.segment_bytes = 16 * 1024;
    world::block_on(async {
        let open = place.open().await;
        open.batch(600).await;
        open.close().await;
        assert!(place.segments("record").len() > 3);
        std::fs::remove_file(&place.segments("record")[1]).unwrap();
        let open = place.open().await;
        assert!(open.opened.recovered.findings.contains(&Finding::SegmentMissing { log: LogKind::Record, segment: 2 }));
        assert!(!open.opened.recovered.jobs.is_empty());
        open.close().await;
    });
}
