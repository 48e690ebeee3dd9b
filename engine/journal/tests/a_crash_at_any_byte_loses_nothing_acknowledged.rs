//! Every prefix of the files that a crash could leave recovers to exactly what that prefix says.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

mod support;

use journal::Finding;
use model::State;
use std::path::Path;
use support::{Place, RawFrame, data, raw_frames};

const HEAD: u8 = 17;
const COMMIT: u8 = 18;
const INTENT: u8 = 21;
const OUTCOME: u8 = 23;

/// Jobs, intents and outcomes, in one record segment, then the process dies.
async fn history(place: &Place) {
    let open = place.open().await;
    let rolling = open.open_batch(true).await;
    let mut jobs = open.batch(3).await;
    jobs.push(open.journal().append_rolling(open.job(rolling, 9)).await.unwrap().await.unwrap());
    for job in &jobs {
        open.intent(job.id, 1).await;
        open.outcome(job.id, 1, State::Delivered).await;
    }
    jobs.extend(open.batch(2).await);
    open.intent(jobs[5].id, 1).await;
    open.close().await;
}

/// What a prefix of the record says, worked out from the kinds of its frames alone: how many jobs are not settled, and how many of them
/// end in an intent. The history above is known, so counting is enough.
fn expected(frames: &[RawFrame]) -> (usize, usize) {
    let count = |kind| frames.iter().filter(|frame| frame.kind == kind).count();
    let mut heads = 0;
    let mut open_heads = 0;
    for frame in frames {
        match frame.kind {
            // The fourth head is the rolling batch's and binds at once.
            HEAD if count(COMMIT) >= 1 && heads + open_heads == 3 => heads += 1,
            HEAD => open_heads += 1,
            COMMIT => heads += std::mem::take(&mut open_heads),
            _ => {}
        }
    }
    (heads - count(OUTCOME), count(INTENT) - count(OUTCOME))
}

fn cut(path: &Path, at: usize, zeros: bool) {
    let length = std::fs::metadata(path).unwrap().len();
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(at as u64).unwrap();
    if zeros {
        file.set_len(length).unwrap();
    }
}

#[test]
fn the_record_cut_at_every_frame_and_inside_each() {
    let place = Place::new();
    world::block_on(async {
        history(&place).await;
        let record = place.segments("record")[0].clone();
        let frames = raw_frames(&record);
        assert_eq!(frames.iter().filter(|frame| frame.kind == INTENT).count(), 5);
        for (index, frame) in frames.iter().enumerate() {
            for inside in [0, 39, frame.bytes - 8] {
                let zeros = (index + inside) % 2 == 0;
                let copy = place.copy();
                let file = copy.segments("record")[0].clone();
                cut(&file, frame.offset + inside, zeros);
                let open = copy.open().await;
                let recovered = &open.opened.recovered;
                let uncertain = recovered.jobs.iter().filter(|job| job.state == State::Uncertain).count();
                assert_eq!((recovered.jobs.len(), uncertain), expected(&frames[..index]), "frame {index}, {inside} bytes, {zeros}");
                assert_eq!(recovered.findings.iter().filter(|found| !matches!(found, Finding::TornTail { .. })).count(), 0);
                assert_eq!(recovered.findings.len(), usize::from(inside > 0), "{:?}", recovered.findings);
                for job in &recovered.jobs {
                    let row = job.job.head.row;
                    assert_eq!(open.opened.reader.payload(job.job.id, job.job.locator).unwrap(), data(row));
                }
                // It goes on, and what is appended is found behind the cut.
                let more = open.batch(1).await;
                let before = recovered.jobs.len();
                open.close().await;
                let open = copy.open().await;
                assert_eq!(open.opened.recovered.jobs.len(), before + 1);
                assert_eq!(open.opened.recovered.jobs.last().unwrap().job, more[0]);
                assert!(open.opened.recovered.findings.is_empty(), "a torn tail is told once: {:?}", open.opened.recovered.findings);
                open.close().await;
            }
        }
    });
}

#[test]
fn an_uncommitted_tail_of_the_work_log_is_cut_off_and_not_found_again() {
    let place = Place::new();
    world::block_on(async {
        history(&place).await;
        let work = place.segments("work")[0].clone();
        let frames = raw_frames(&work);
        let last = frames.last().unwrap();
        for inside in [1, 41, last.bytes - 8] {
            let copy = place.copy();
            // A payload that was being written when the power went: its head never was.
            let end = last.offset + last.bytes;
            let bytes = std::fs::read(&work).unwrap();
            let file = copy.segments("work")[0].clone();
            let mut torn = bytes.clone();
            torn[end..end + inside].copy_from_slice(&bytes[last.offset..last.offset + inside]);
            std::fs::write(&file, torn).unwrap();
            let open = copy.open().await;
            assert!(matches!(open.opened.recovered.findings[..], [Finding::TornTail { .. }]), "{:?}", open.opened.recovered.findings);
            let jobs = open.batch(2).await;
            assert_ne!(jobs[0].locator.segment, 1);
            assert_eq!(open.opened.reader.payload(jobs[1].id, jobs[1].locator).unwrap(), data(2));
            open.close().await;
            let open = copy.open().await;
            assert!(open.opened.recovered.findings.is_empty());
            open.close().await;
        }
    });
}
