//! Each kind of damage to the record or the work log has a word of its own, and a consequence: whom the lost frame was about may have been
//! sent and is uncertain, everybody else is as before.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

mod support;

use journal::{Finding, JournalError, LogKind};
use model::State;
use model::record::{Record, StateChange};
use model::state::HoldReason;
use model::{JobId, Timestamp};
use std::path::{Path, PathBuf};
use support::{Place, RawFrame, data, raw_frames};

const HEAD: u8 = 17;
const INTENT: u8 = 21;
const OUTCOME: u8 = 23;

/// Six jobs: 1 and 2 never tried, 3 tried and not answered, 4 tried and put off, 5 held, 6 delivered. All in one segment of the record.
async fn history(place: &Place) {
    let open = place.open().await;
    let jobs: Vec<JobId> = open.batch(6).await.iter().map(|job| job.id).collect();
    let held =
        StateChange { at: Timestamp(5), state: State::Held, held: Some(HoldReason::OperatorHold), due: None, cause: "operator".into() };
    open.record(jobs[4], 0, Record::Change(held)).await;
    for at in [2, 3, 5] {
        open.intent(jobs[at], 1).await;
    }
    open.outcome(jobs[3], 1, State::Queued).await;
    open.outcome(jobs[5], 1, State::Delivered).await;
    open.batch(1).await;
    open.close().await;
}

/// The states without damage.
const WHOLE: [(u64, State); 6] =
    [(1, State::Queued), (2, State::Queued), (3, State::Uncertain), (4, State::Queued), (5, State::Held), (7, State::Queued)];

fn but(changes: &[(u64, State)]) -> Vec<(u64, State)> {
    let mut states: Vec<(u64, State)> = WHOLE.into_iter().filter(|(job, _)| changes.iter().all(|(changed, _)| changed != job)).collect();
    states.extend(changes);
    states.sort_by_key(|(job, _)| *job);
    states
}

fn record(place: &Place) -> PathBuf {
    place.segments("record")[0].clone()
}

/// The frames of a kind, in their order.
fn frames(path: &Path, kind: u8) -> Vec<RawFrame> {
    raw_frames(path).into_iter().filter(|frame| frame.kind == kind).collect()
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

/// Gives a changed frame the checksum that it would have in this segment: whoever can write files can do that.
fn check_sum(bytes: &mut [u8], at: usize) {
    let length = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
    let salt = u32::from_le_bytes(bytes[20..24].try_into().unwrap());
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &bytes[at + 4..at + length]) as u32 ^ salt;
    bytes[at..at + 4].copy_from_slice(&crc.to_le_bytes());
}

/// Opens it and checks the states and what is told. What is told comes again at the next start; what was uncertain is.
async fn check(place: &Place, states: &[(u64, State)], is_told: impl Fn(&[Finding]) -> bool) {
    for _ in 0..2 {
        let open = place.open().await;
        let findings = &open.opened.recovered.findings;
        assert!(is_told(findings), "{findings:?}");
        assert_eq!(open.states(), states, "{findings:?}");
        for finding in findings {
            let text = finding.to_string();
            assert!(text.len() > 40, "it says where, what it means and what to do: {text}");
        }
        for job in &open.opened.recovered.jobs {
            assert_eq!(open.opened.reader.payload(job.job.id, job.job.locator).unwrap(), data(job.job.head.row));
        }
        open.close().await;
    }
}

/// One copy per trouble: what is done to the frame, and what must come of it.
#[test]
fn a_lost_frame_makes_its_own_job_uncertain_and_no_other() {
    let place = Place::new();
    world::block_on(async {
        history(&place).await;
        check(&place, &WHOLE, |found| found.is_empty()).await;
        let (intents, outcomes) = (frames(&record(&place), INTENT), frames(&record(&place), OUTCOME));
        let flip = |at: usize| move |bytes: &mut Vec<u8>| bytes[at] ^= 4;
        let damage = |found: &[Finding]| matches!(found, [Finding::Damage { log: LogKind::Record, segment: 1, .. }]);
        let and_doubt = |found: &[Finding]| matches!(found, [Finding::Damage { .. }, Finding::Doubted { jobs: 1 }]);

        // The intent of job 6, which was delivered since: the later word holds.
        let copy = place.copy();
        change(&record(&copy), flip(intents[2].offset + 50));
        check(&copy, &WHOLE, damage).await;
        // The outcome of job 6: its last word is an intent.
        let copy = place.copy();
        change(&record(&copy), flip(outcomes[1].offset + 50));
        check(&copy, &but(&[(6, State::Uncertain)]), damage).await;
        // The intent of job 3, of which nothing else tells. In its content, its checksum, its length, its kind.
        for at in [60, 0, 4, 20] {
            let copy = place.copy();
            change(&record(&copy), flip(intents[0].offset + at));
            check(&copy, &WHOLE, and_doubt).await;
        }
        // The outcome of job 4.
        let copy = place.copy();
        change(&record(&copy), flip(outcomes[0].offset + 50));
        check(&copy, &but(&[(4, State::Uncertain)]), damage).await;
        // The head of job 1: it is lost, and nobody else is.
        let copy = place.copy();
        change(&record(&copy), flip(frames(&record(&place), HEAD)[0].offset + 50));
        let without: Vec<_> = WHOLE.into_iter().skip(1).collect();
        check(&copy, &without, damage).await;
    });
}

#[test]
fn where_nobody_can_tell_whose_frame_it_was_all_that_waited_are_uncertain() {
    let place = Place::new();
    world::block_on(async {
        history(&place).await;
        let intents = frames(&record(&place), INTENT);
        // A whole sector: the intents of jobs 3 and 4, headers and all.
        let copy = place.copy();
        change(&record(&copy), |bytes| bytes[intents[0].offset..intents[2].offset].fill(0x5a));
        // Job 4 was answered later, job 5 is held, job 7 came later: they are as they were.
        let uncertain = but(&[(1, State::Uncertain), (2, State::Uncertain), (3, State::Uncertain)]);
        check(&copy, &uncertain, |found| matches!(found, [Finding::Damage { .. }, Finding::Doubted { jobs: 3 }])).await;
    });
}

#[test]
fn frames_that_were_put_there_are_told_by_where_they_are_from() {
    let (place, other) = (Place::new(), Place::new());
    world::block_on(async {
        history(&place).await;
        history(&other).await;
        let intent = frames(&record(&place), INTENT)[0];
        let span = intent.offset..intent.offset + intent.bytes;
        let theirs = std::fs::read(record(&other)).unwrap();

        // Of another segment of this journal: its checksum tells which.
        let copy = place.copy();
        let work = std::fs::read(&place.segments("work")[0]).unwrap();
        let payload = raw_frames(&place.segments("work")[0])[0];
        change(&record(&copy), |bytes| {
            let length = payload.bytes.min(bytes.len() - intent.offset);
            bytes[intent.offset..intent.offset + length].copy_from_slice(&work[payload.offset..payload.offset + length]);
        });
        let misplaced =
            Finding::Misplaced { log: LogKind::Record, segment: 1, offset: intent.offset as u64, of_log: LogKind::Work, of_segment: 1 };
        let open = copy.open().await;
        assert!(open.opened.recovered.findings.contains(&misplaced), "{:?}", open.opened.recovered.findings);
        open.close().await;

        // Of another journal, as it is: no checksum of ours.
        let copy = place.copy();
        change(&record(&copy), |bytes| bytes[span.clone()].copy_from_slice(&theirs[span.clone()]));
        check(&copy, &WHOLE, |found| matches!(found, [Finding::Damage { .. }, Finding::Doubted { jobs: 1 }])).await;

        // Of another journal with a checksum that holds here, and ours with other content: whole, and not authentic.
        for of_theirs in [true, false] {
            let copy = place.copy();
            change(&record(&copy), |bytes| {
                match of_theirs {
                    true => bytes[span.clone()].copy_from_slice(&theirs[span.clone()]),
                    false => bytes[intent.offset + 60] ^= 1,
                }
                check_sum(bytes, intent.offset);
            });
            let is_told = |found: &[Finding]| {
                let of_key = |key: &u32| *key == intent.key_id;
                matches!(found, [Finding::NotAuthentic { segment: 1, frames: 1, key, .. }, Finding::Doubted { jobs: 1 }] if of_key(key))
            };
            check(&copy, &WHOLE, is_told).await;
        }

        // Under a key that the ring does not have.
        let copy = place.copy();
        change(&record(&copy), |bytes| {
            bytes[intent.offset + 36..intent.offset + 40].copy_from_slice(&9_999u32.to_le_bytes());
            check_sum(bytes, intent.offset);
        });
        let is_told = |found: &[Finding]| matches!(found, [Finding::KeyGone { frames: 1, key: 9_999, .. }, Finding::Doubted { jobs: 1 }]);
        check(&copy, &WHOLE, is_told).await;
    });
}

#[test]
fn a_journal_is_not_read_with_the_keys_of_another() {
    let (place, other) = (Place::new(), Place::new());
    world::block_on(async {
        history(&place).await;
        history(&other).await;
        std::fs::remove_dir_all(place.dir.join("ring")).unwrap();
        std::fs::create_dir(place.dir.join("ring")).unwrap();
        for file in ["kek", "ring/ring.a", "ring/ring.b"] {
            std::fs::copy(other.dir.join(file), place.dir.join(file)).unwrap();
        }
        let before = std::fs::read(record(&place)).unwrap();
        // The ring knows another journal; and where somebody makes it know this one, its keys still open nothing here.
        assert!(matches!(place.try_open().await, Err(JournalError::Stale(_))));
        journal::adopt(&place.world, &place.journal_dir(), model::StreamName::Transactional, &place.ring()).unwrap();
        let error = place.try_open().await.err().unwrap();
        assert!(matches!(error, JournalError::WrongRing { .. }), "{error}");
        assert_eq!(std::fs::read(record(&place)).unwrap(), before, "nothing was changed");
    });
}

#[test]
fn a_segment_of_a_later_version_is_refused_by_its_own_error() {
    let place = Place::new();
    world::block_on(async {
        history(&place).await;
        for log in ["record", "work"] {
            let copy = place.copy();
            change(&copy.segments(log)[0], |bytes| {
                bytes[8] = 3;
                let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &bytes[..60]) as u32;
                bytes[60..64].copy_from_slice(&crc.to_le_bytes());
            });
            let error = copy.try_open().await.err().unwrap();
            assert!(matches!(error, JournalError::LaterVersion { version: 3, known: 2, .. }), "{error}");
            assert!(error.to_string().contains("upgrade, do not downgrade"));
        }
    });
}

/// Many segments: 300 jobs, then intents, in segments of 8 KiB.
async fn long_history() -> Place {
    let mut place = Place::new();
    place.segment_bytes = 8 * 1024;
    let open = place.open().await;
    for _ in 0..3 {
        let jobs = open.batch(60).await;
        for job in jobs.iter().step_by(2) {
            open.intent(job.id, 1).await;
            open.outcome(job.id, 1, State::Delivered).await;
        }
    }
    open.close().await;
    assert!(place.segments("record").len() > 5 && place.segments("work").len() > 3);
    // No checkpoint speaks for what is missing here.
    let _ = std::fs::remove_dir_all(place.journal_dir().join("checkpoints"));
    place
}

async fn told(place: &Place) -> Vec<Finding> {
    let open = place.open().await;
    let findings = open.opened.recovered.findings.clone();
    open.close().await;
    findings
}

fn number(path: &Path) -> u32 {
    path.file_stem().unwrap().to_str().unwrap().parse().unwrap()
}

#[test]
fn a_segment_that_is_missing_or_cut_is_noticed_by_the_others() {
    world::block_on(async {
        let place = long_history().await;
        let log = LogKind::Record;
        let used = |place: &Place| {
            let mut used = place.segments("record");
            used.retain(|path| std::fs::read(path).unwrap().iter().any(|byte| *byte != 0));
            used
        };
        assert!(told(&place.copy()).await.is_empty());

        let copy = place.copy();
        std::fs::remove_file(&used(&copy)[0]).unwrap();
        assert!(told(&copy).await.contains(&Finding::BeginningMissing { log, segment: 2 }));

        let copy = place.copy();
        std::fs::remove_file(&used(&copy)[2]).unwrap();
        assert!(told(&copy).await.contains(&Finding::SegmentMissing { log, segment: 3 }));

        // The last one: the one before it has an index, so another one followed. Its number stays free, for the file may be found again.
        let copy = place.copy();
        let last = used(&copy).pop().unwrap();
        std::fs::remove_file(&last).unwrap();
        let missing = Finding::SegmentMissing { log, segment: number(&last) };
        assert!(told(&copy).await.contains(&missing));
        assert!(!last.exists());
        assert!(told(&copy).await.contains(&missing), "as long as it is missing");
        std::fs::copy(place.journal_dir().join("record").join(last.file_name().unwrap()), &last).unwrap();
        assert!(!told(&copy).await.contains(&missing), "until it is put back");

        // Cut exactly between two frames: nothing in the file itself tells.
        let copy = place.copy();
        let third = used(&copy)[2].clone();
        let cut = raw_frames(&third).last().unwrap().offset;
        change(&third, |bytes| bytes.truncate(cut));
        let findings = told(&copy).await;
        assert!(findings.contains(&Finding::CutShort { log, segment: 3, offset: cut as u64 }), "{findings:?}");
        assert!(findings.iter().all(|found| matches!(found, Finding::CutShort { .. } | Finding::Doubted { .. })), "{findings:?}");
    });
}

#[test]
fn a_missing_work_segment_is_told_with_the_jobs_in_it() {
    world::block_on(async {
        let place = long_history().await;
        let open = place.open().await;
        let of = |segment: u32| open.opened.recovered.jobs.iter().filter(|job| job.job.locator.segment == segment).count() as u64;
        let (segment, jobs) = (2, of(2));
        let live = open.opened.recovered.jobs.len();
        open.close().await;
        assert!(jobs > 0);
        std::fs::remove_file(place.journal_dir().join("work/00000002.seg")).unwrap();
        let open = place.open().await;
        let findings = &open.opened.recovered.findings;
        assert_eq!(findings[..], [Finding::PayloadsMissing { segment, jobs }]);
        assert_eq!(open.opened.recovered.jobs.len(), live, "they are not forgotten");
        let lost = open.opened.recovered.jobs.iter().filter(|job| open.opened.reader.payload(job.job.id, job.job.locator).is_err()).count();
        assert_eq!(lost as u64, jobs, "and no other payload is affected");
        open.close().await;
    });
}

/// What a reader says of a payload that is not the one that was written there.
#[test]
fn a_payload_that_was_replaced_is_told_from_one_that_is_damaged() {
    world::block_on(async {
        let place = long_history().await;
        let open = place.open().await;
        let jobs = &open.opened.recovered.jobs;
        let in_segment = |segment: u32| jobs.iter().find(|job| job.job.locator.segment == segment).map(|job| job.job.clone()).unwrap();
        let (ours, other) = (in_segment(1), in_segment(2));
        let file = |segment: u32| place.journal_dir().join(format!("work/{segment:08}.seg"));
        let whole = std::fs::read(file(1)).unwrap();
        let at = ours.locator.offset as usize;
        let says = |what: &str| {
            let error = open.opened.reader.payload(ours.id, ours.locator).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
            assert_eq!(open.opened.reader.payload(other.id, other.locator).unwrap(), data(other.head.row), "nobody else is affected");
        };
        let theirs = std::fs::read(file(2)).unwrap();
        let frame = raw_frames(&file(2)).into_iter().find(|frame| frame.offset == other.locator.offset as usize).unwrap();
        change(&file(1), |bytes| bytes[at..at + frame.bytes].copy_from_slice(&theirs[frame.offset..frame.offset + frame.bytes]));
        says("a frame of another segment of this journal lies there");
        // With a checksum that holds here it is another job's.
        change(&file(1), |bytes| check_sum(bytes, at));
        says("belongs to another job");
        std::fs::write(file(1), &whole).unwrap();
        change(&file(1), |bytes| bytes[at + 60] ^= 1);
        says("the checksum does not hold");
        change(&file(1), |bytes| check_sum(bytes, at));
        says("it is not authentic");
        std::fs::write(file(1), &whole).unwrap();
        assert_eq!(open.opened.reader.payload(ours.id, ours.locator).unwrap(), data(ours.head.row));
        open.close().await;
    });
}
