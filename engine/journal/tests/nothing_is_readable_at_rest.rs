//! Neither content nor keys can be read from what lies on disk, and no nonce comes twice under one key (invariants 5 and 6).
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

mod support;

use journal::{JournalError, PayloadError};
use model::record::Record;
use model::{BundleId, State, Timestamp};
use std::collections::BTreeMap;
use support::{CLAIM, DESTINATION, LOCAL_PART, NAME, Place, about_a_batch, data, raw_frames};

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window.eq_ignore_ascii_case(text.as_bytes()))
}

#[test]
fn no_name_address_or_claim_number_is_in_any_file() {
    let place = Place::new();
    world::block_on(async {
        let open = place.open().await;
        let jobs = open.batch(50).await;
        open.journal().store_bundle(BundleId([8; 32]), b"Dear Zebulon Quackenbush, this is a template").await.unwrap();
        let rolling = open.open_batch(true).await;
        open.journal().append_rolling(open.job(rolling, 51)).await.unwrap().await.unwrap();
        open.intent(jobs[0].id, 1).await;
        open.outcome(jobs[0].id, 1, State::Delivered).await;
        open.close().await;
    });
    let files = place.files();
    assert!(files.len() > 6, "{files:?}");
    for path in files {
        let bytes = std::fs::read(&path).unwrap();
        for text in [NAME, "Quackenbush", LOCAL_PART, CLAIM, DESTINATION, "TST0000", "Office visit", "9921", "accepted"] {
            assert!(!contains(&bytes, text), "{} holds {text}", path.display());
        }
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0, "{}", path.display());
    }
    // The search itself finds what is there.
    assert!(contains(format!("{:?}", data(1).bundle).as_bytes(), "0101") && contains(b"x zebulon quackenbush", NAME));
    assert!(!format!("{:?}", data(1)).contains("Quackenbush"));
}

#[test]
fn a_destroyed_key_takes_the_content_with_it() {
    let place = Place::new();
    world::block_on(async {
        let open = place.open().await;
        let (gone, kept) = (open.batch(2).await, open.batch(1).await);
        let batch = gone[0].head.batch;
        let before = place.copy();
        let refused = open.journal().destroy_batch_key(batch).await;
        assert!(matches!(refused, Err(JournalError::StillNeeded { jobs: 2, .. })), "unsent mail cannot be shredded");
        open.outcome(gone[0].id, 1, State::Delivered).await;
        open.outcome(gone[1].id, 1, State::Bounced).await;
        assert!(open.journal().destroy_batch_key(batch).await.is_err(), "a bounced job is a case: its content is needed");
        let cancelled = model::record::StateChange { at: Timestamp(1), state: State::Cancelled, held: None, due: None, cause: "x".into() };
        open.record(gone[1].id, 0, Record::Change(cancelled)).await;
        assert!(open.opened.reader.payload(gone[0].id, gone[0].locator).is_ok());
        open.journal().destroy_batch_key(batch).await.unwrap();
        let error = open.opened.reader.payload(gone[0].id, gone[0].locator).unwrap_err();
        assert!(matches!(error, PayloadError::KeyDestroyed(_)), "{error}");
        assert_eq!(open.opened.reader.payload(kept[0].id, kept[0].locator).unwrap(), data(1));
        open.close().await;

        // After a restart it is still gone, though the ciphertext may still be there.
        let open = place.open().await;
        let error = open.opened.reader.payload(gone[0].id, gone[0].locator).unwrap_err();
        assert!(matches!(error, PayloadError::KeyDestroyed(_)), "{error}");
        assert_eq!(open.opened.reader.payload(kept[0].id, kept[0].locator).unwrap(), data(1));
        open.close().await;
        // And the ring of before would have opened it: it was the key that went.
        let open = before.open().await;
        assert_eq!(open.opened.reader.payload(gone[0].id, gone[0].locator).unwrap(), data(1));
        open.close().await;
    });
}

#[test]
fn a_closed_and_settled_batch_loses_its_key_and_its_segments_by_itself() {
    let mut place = Place::new();
    place.segment_bytes = 16 * 1024;
    world::block_on(async {
        let open = place.open().await;
        let jobs = open.batch(400).await;
        let kept = open.batch(1).await;
        let segments = place.segments("work").len();
        assert!(segments > 3, "{segments}");
        let close = Record::BatchClose { batch: jobs[0].head.batch, at: Timestamp(9) };
        open.journal().record(about_a_batch(), close).await.unwrap().await.unwrap();
        for job in &jobs {
            open.outcome(job.id, 1, State::Delivered).await;
        }
        open.close().await;
        let left = place.segments("work");
        assert!(left.len() < segments && left.len() <= 3, "{left:?}");

        let open = place.open().await;
        assert_eq!(open.opened.recovered.jobs.len(), 1);
        assert_eq!(open.binding_keys().len(), 401, "repeats are known for what was settled too");
        assert_eq!(open.opened.reader.payload(kept[0].id, kept[0].locator).unwrap(), data(1));
        let error = open.opened.reader.payload(jobs[0].id, jobs[0].locator).unwrap_err();
        assert!(matches!(error, PayloadError::Reclaimed(_)), "{error}");
        let error = open.opened.reader.payload(jobs[399].id, jobs[399].locator).unwrap_err();
        assert!(matches!(error, PayloadError::KeyDestroyed(_)), "{error}");
        open.close().await;
    });
}

/// All frames of both logs, over many starts, some of which lose what they wrote: no (key, epoch, sequence) twice, whatever became of it.
#[test]
fn no_nonce_comes_twice_under_one_key() {
    let place = Place::new();
    let mut seen: BTreeMap<(u32, u32, u64), Vec<u8>> = BTreeMap::new();
    let mut frames = 0;
    let mut collect = |place: &Place| {
        for path in place.segments("work").into_iter().chain(place.segments("record")) {
            let bytes = std::fs::read(&path).unwrap();
            for frame in raw_frames(&path) {
                // Without the checksum, which knows the segment.
                let content = bytes[frame.offset + 4..frame.offset + frame.bytes].to_vec();
                let before = seen.insert((frame.key_id, frame.epoch, frame.sequence), content.clone());
                assert!(before.is_none_or(|before| before == content), "{path:?} {frame:?}");
                frames += 1;
            }
        }
    };
    world::block_on(async {
        for round in 0..6 {
            let before: Vec<(std::path::PathBuf, Vec<u8>)> = if round == 0 {
                Vec::new()
            } else {
                let logs = place.segments("work").into_iter().chain(place.segments("record"));
                logs.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
            };
            let open = place.open().await;
            let jobs = open.batch(20).await;
            open.intent(jobs[0].id, 1).await;
            let rolling = open.open_batch(true).await;
            open.journal().append_rolling(open.job(rolling, 7)).await.unwrap().await.unwrap();
            open.close().await;
            collect(&place);
            if round % 2 == 1 {
                // The disk loses everything this start wrote to the logs; epoch file and ring were synced before.
                for path in place.segments("work").into_iter().chain(place.segments("record")) {
                    std::fs::remove_file(path).unwrap();
                }
                for (path, bytes) in before {
                    std::fs::write(path, bytes).unwrap();
                }
            }
        }
    });
    assert!(frames > 6 * 40 && seen.len() > 6 * 40, "{frames} {}", seen.len());
}

/// The directory goes back in time, epoch file included, while the ring does not: it is noticed, nothing is destroyed in it, and the next
/// start is beyond all of them.
#[test]
fn a_copy_of_an_old_directory_is_noticed() {
    let place = Place::new();
    world::block_on(async {
        let open = place.open().await;
        let batch = open.open_batch(false).await;
        open.journal().append(open.job(batch, 1)).await.unwrap();
        open.batch(1).await;
        let old = place.copy();
        open.journal().commit_batch(support::commit(batch, 1)).await.unwrap();
        open.close().await;
        let open = place.open().await;
        open.batch(1).await;
        open.close().await;
        let epochs =
            |place: &Place| place.segments("record").iter().flat_map(|path| raw_frames(path)).map(|frame| frame.epoch).max().unwrap();
        let newest = epochs(&place);

        std::fs::remove_dir_all(place.journal_dir()).unwrap();
        std::fs::rename(old.journal_dir(), place.journal_dir()).unwrap();
        assert!(epochs(&place) < newest);
        assert!(matches!(place.try_open().await, Err(journal::JournalError::Stale(_))));
        let open = place.try_open_restored().await.unwrap();
        let recovered = &open.opened.recovered;
        assert!(matches!(recovered.findings[..], [journal::Finding::StaleJournal { directory: 1, ring: 2 }]), "{:?}", recovered.findings);
        assert!(recovered.discarded.is_empty(), "its commit may be in the newer copy");
        open.batch(1).await;
        open.close().await;
        assert!(epochs(&place) > newest);
    });
}
