//! A full segment ends in an index. Where it is missing, torn or damaged, nothing is lost and nothing is told: a start makes it again.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

mod support;

use model::State;
use std::path::{Path, PathBuf};
use support::{Place, data, frames_in};

/// The trailer at the end of a segment, read without any of the journal's own code: (frames, entries, end, first, last).
fn trailer(path: &Path) -> Option<(u32, u32, u32, u64, u64)> {
    let bytes = std::fs::read(path).unwrap();
    let bytes = &bytes[bytes.len().checked_sub(64)?..];
    let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    bytes.starts_with(b"sealindx").then(|| (u32_at(20), u32_at(24), u32_at(28), u64_at(32), u64_at(40)))
}

/// All segments but the last, which is being written, and the one prepared behind it.
fn full(place: &Place, log: &str) -> Vec<PathBuf> {
    let mut used: Vec<PathBuf> = place.segments(log);
    used.retain(|path| std::fs::read(path).unwrap().iter().any(|byte| *byte != 0));
    used.pop();
    used
}

async fn history(place: &Place) {
    let open = place.open().await;
    let jobs = open.batch(120).await;
    for job in &jobs {
        open.intent(job.id, 1).await;
        if job.id.sequence().is_multiple_of(3) {
            open.outcome(job.id, 1, State::Delivered).await;
        }
    }
    open.close().await;
}

/// Opens it and sees that nothing is missing and that each full segment has its index.
async fn check(place: &Place, what: &str) {
    let open = place.open().await;
    let recovered = &open.opened.recovered;
    assert!(recovered.findings.is_empty(), "{what}: {:?}", recovered.findings);
    assert_eq!(recovered.jobs.len(), 80, "{what}");
    for job in &recovered.jobs {
        assert_eq!(open.opened.reader.payload(job.job.id, job.job.locator).unwrap(), data(job.job.head.row), "{what}");
    }
    open.close().await;
    for log in ["work", "record"] {
        for path in full(place, log) {
            let bytes = std::fs::read(&path).unwrap();
            let frames = frames_in(&bytes);
            let position = |at: usize| (u64::from(frames[at].epoch) << 40) | frames[at].sequence;
            let entries = if log == "work" { frames.len() } else { 0 };
            let end = frames.last().map(|last| last.offset + last.bytes).unwrap();
            let expected = (frames.len() as u32, entries as u32, end as u32, position(0), position(frames.len() - 1));
            assert_eq!(trailer(&path), Some(expected), "{what}: {}", path.display());
            assert_eq!(bytes.len(), end + 16 * entries + 64, "{what}: {}", path.display());
        }
    }
}

fn new_place() -> Place {
    let mut place = Place::new();
    place.segment_bytes = 8 * 1024;
    place
}

#[test]
fn a_full_segment_has_one() {
    let place = new_place();
    world::block_on(async {
        history(&place).await;
        assert!(full(&place, "work").len() >= 2 && full(&place, "record").len() >= 2);
        check(&place, "as it was left").await;
    });
}

#[test]
fn a_missing_torn_or_damaged_one_is_made_again() {
    let place = new_place();
    world::block_on(async {
        history(&place).await;
        for log in ["work", "record"] {
            for (what, change) in [
                ("missing", (|bytes, end| bytes.truncate(end)) as fn(&mut Vec<u8>, usize)),
                ("cut", |bytes, _| bytes.truncate(bytes.len() - 20)),
                ("flipped in its trailer", |bytes, _| *bytes.iter_mut().nth_back(40).unwrap() ^= 1),
                ("flipped in its first byte", |bytes, end| bytes[end] ^= 1),
                ("zeros", |bytes, end| bytes[end..].fill(0)),
                ("followed by zeros", |bytes, _| bytes.extend([0; 512])),
                ("half of it on disk", |bytes, end| {
                    let half = (bytes.len() + end) / 2;
                    bytes[half..].fill(0);
                }),
            ] {
                let copy = place.copy();
                for path in full(&copy, log) {
                    let mut bytes = std::fs::read(&path).unwrap();
                    let end = trailer(&path).unwrap().2 as usize;
                    change(&mut bytes, end);
                    std::fs::write(&path, bytes).unwrap();
                }
                // In the work log an entry is not looked at by a start.
                if !(log == "work" && what == "flipped in its first byte") {
                    check(&copy, &format!("{log}: {what}")).await;
                }
            }
        }
    });
}
