//! A copy that is made while jobs settle and come has every job of its moment, with its payload and its keys, and none that came later.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use journal::{BackupError, Copier, JournalDir, KeyRing, Pace, RESTORED_MARK, Severity, file_sha256};
use model::record::Record;
use model::{State, StreamName};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use support::*;

const JOBS: u64 = 600;

async fn deliver(open: &Open, jobs: &[model::stage::JournaledJob<model::Transactional>]) {
    for job in jobs {
        drop(open.journal().record(key(job.id, 1), Record::Intent(intent(1))).await.unwrap());
        drop(open.journal().record(key(job.id, 1), Record::Outcome(end(State::Delivered))).await.unwrap());
    }
    open.journal().sync().await.unwrap();
}

fn copy_of(place: &Place) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    std::fs::copy(place.dir.join("kek"), to.path().join("kek")).unwrap();
    to
}

#[test]
fn what_comes_after_the_moment_is_not_in_it_and_what_was_there_is() {
    let place = Place::new();
    world::block_on(async {
        let open = place.open().await;
        open.journal().store_bundle(model::BundleId([1; 32]), b"what decides the bytes").await.unwrap();
        let jobs = open.batch(JOBS).await;
        let (first, second) = jobs.split_at(JOBS as usize / 2);
        deliver(&open, first).await;

        // The moment.
        let hold = open.journal().hold().await.unwrap();
        open.journal().sync().await.unwrap();
        let until = open.journal().durable();

        // What comes after it: the rest settles, another batch comes, and segments fill.
        deliver(&open, second).await;
        let later = open.batch(JOBS).await;
        deliver(&open, &later[..10]).await;

        let to = copy_of(&place);
        let pace = Arc::new(Pace::default());
        let mut copier = Copier::new(&place.world, to.path(), pace.clone());
        let copied = copier.journal(&open.journal().place(), "journal", Some(until)).await.unwrap();
        let ring = copier.key_ring(&place.dir.join("ring"), "ring").await.unwrap();
        drop(hold);
        assert_eq!(copied.position, until);
        let sizes: u64 = copied.files.iter().chain(&ring).map(|file| file.bytes).sum();
        assert!(pace.done.load(Ordering::Relaxed) > 0 && pace.done.load(Ordering::Relaxed) <= sizes);
        for file in copied.files.iter().chain(&ring) {
            let (bytes, sha256) = file_sha256(&place.world, &to.path().join(&file.path), |_| {}).unwrap();
            assert_eq!((bytes, &sha256), (file.bytes, &file.sha256), "{}", file.path);
        }

        // The original goes on: what was held goes now.
        deliver(&open, &later[10..]).await;
        open.close().await;

        let copy = place.at(to.path());
        let keys = KeyRing::open_to_read(&copy.world, &copy.dir.join("ring"), &copy.source()).unwrap();
        let dir = JournalDir::look(&copy.world, &copy.journal_dir(), StreamName::Transactional).unwrap().unwrap();
        let found = dir.verify(Some(&keys), false, &mut |_, _| {}).unwrap();
        assert!(found.flaws.is_empty(), "{:#?}", found.flaws);
        assert_eq!((found.live_jobs, found.bundles, found.last), (JOBS / 2, 1, until));
        assert!(found.payloads >= JOBS / 2 && found.with_key, "{found:?}");
        let stats = dir.stats(Some(&keys), &mut |_, _| {}).unwrap();
        let counted = stats.jobs.unwrap();
        assert_eq!((counted.live["queued"], counted.settled["delivered"], counted.heads), (JOBS / 2, JOBS / 2, JOBS));
        drop(keys);

        // Put in place by somebody who says so.
        assert!(copy.journal_dir().join(RESTORED_MARK).exists());
        assert!(matches!(copy.try_open().await, Err(journal::JournalError::Stale(_))));
        let open = copy.try_open_restored().await.unwrap();
        let findings = &open.opened.recovered.findings;
        assert!(matches!(findings[..], [journal::Finding::StaleJournal { directory: 1, ring: 1 }]), "{findings:?}");
        let waiting: Vec<_> = open.opened.recovered.jobs.iter().map(|job| job.job.clone()).collect();
        assert_eq!(waiting, second);
        for (job, row) in waiting.iter().zip(JOBS / 2 + 1..) {
            assert_eq!(open.opened.reader.payload(job.id, job.locator).unwrap(), data(row));
        }
        open.batch(3).await;
        open.close().await;
    });
}

#[test]
fn without_a_writer_all_is_copied_as_it_lies() {
    let place = Place::new();
    world::block_on(async {
        let open = place.open().await;
        let jobs = open.batch(100).await;
        open.close().await;
        let dir = JournalDir::look(&place.world, &place.journal_dir(), StreamName::Transactional).unwrap().unwrap();
        let _lock = dir.lock().unwrap();
        let to = copy_of(&place);
        let mut copier = Copier::new(&place.world, to.path(), Arc::default());
        let copied = copier.journal(&dir, "journal", None).await.unwrap();
        copier.key_ring(&place.dir.join("ring"), "ring").await.unwrap();
        assert!(copied.position.sequence() >= 200);
        let copy = place.at(to.path());
        let open = copy.try_open_restored().await.unwrap();
        assert_eq!(open.opened.recovered.jobs.iter().map(|job| job.job.clone()).collect::<Vec<_>>(), jobs);
        open.close().await;
    });
}

#[test]
fn a_stop_is_heeded_and_a_pace_is_kept() {
    let place = Place::new();
    world::block_on(async {
        let open = place.open().await;
        open.batch(100).await;
        let hold = open.journal().hold().await.unwrap();
        let until = open.journal().durable();
        let to = tempfile::tempdir().unwrap();
        let pace = Arc::new(Pace::default());
        pace.stop.store(true, Ordering::Relaxed);
        let stopped = Copier::new(&place.world, to.path(), pace).journal(&open.journal().place(), "journal", Some(until)).await;
        assert!(matches!(stopped, Err(BackupError::Stopped)), "{stopped:?}");

        let to = tempfile::tempdir().unwrap();
        let pace = Arc::new(Pace { limit: Some(200_000), ..Pace::default() });
        let before = place.world.monotonic();
        Copier::new(&place.world, to.path(), pace.clone()).journal(&open.journal().place(), "journal", Some(until)).await.unwrap();
        let spent = place.world.monotonic().since(before);
        let least = pace.done.load(Ordering::Relaxed) * 1000 / 200_000;
        assert!(spent.as_millis() as u64 >= least && least > 100, "{spent:?} for {least} ms");
        drop(hold);
        open.close().await;
    });
}

#[test]
fn a_verification_names_what_is_wrong_and_whom_it_costs() {
    let place = Place::new();
    let keys = || KeyRing::open_to_read(&place.world, &place.dir.join("ring"), &place.source()).unwrap();
    let verify = || {
        let dir = JournalDir::look(&place.world, &place.journal_dir(), StreamName::Transactional).unwrap().unwrap();
        (dir.verify(Some(&keys()), false, &mut |_, _| {}).unwrap(), dir.verify(None, false, &mut |_, _| {}).unwrap())
    };
    world::block_on(async {
        let open = place.open().await;
        let jobs = open.batch(300).await;
        open.close().await;

        // Heads name a bundle that nobody stored: that is a flaw of its own, and the only one.
        let (with_key, without) = verify();
        assert_eq!(with_key.flaws.len(), 1, "{:#?}", with_key.flaws);
        assert!(with_key.flaws[0].place.starts_with("bundles/") && !with_key.is_whole());
        assert!(without.is_whole() && without.flaws.is_empty() && without.frames == with_key.frames, "{without:#?}");
        let open = place.open().await;
        open.journal().store_bundle(model::BundleId([1; 32]), b"what decides the bytes").await.unwrap();
        open.close().await;
        assert!(verify().0.flaws.is_empty());

        // One payload's bytes change: its job is named, and no other.
        let hit = &jobs[7];
        let segment = place.journal_dir().join("work").join(format!("{:08}.seg", hit.locator.segment));
        let whole = std::fs::read(&segment).unwrap();
        let mut bytes = whole.clone();
        bytes[hit.locator.offset as usize + 60] ^= 1;
        std::fs::write(&segment, &bytes).unwrap();
        let (with_key, without) = verify();
        let told: Vec<_> = with_key.flaws.iter().filter(|flaw| flaw.meaning.contains(&hit.id.to_string())).collect();
        assert_eq!(told.len(), 1, "{:#?}", with_key.flaws);
        assert_eq!(told[0].place, format!("work {}@{}", hit.locator.segment, hit.locator.offset));
        assert!(told[0].severity == Severity::Damage && !told[0].remedy.is_empty());
        assert_eq!(with_key.live_jobs, 299);
        assert!(without.flaws.iter().any(|flaw| flaw.place.starts_with("work ")), "a checksum needs no key: {:#?}", without.flaws);
        assert!(with_key.flaws.iter().all(|flaw| !flaw.meaning.contains(NAME) && !flaw.meaning.contains(CLAIM)));

        // Its segment is gone.
        std::fs::remove_file(&segment).unwrap();
        let of_segment = jobs.iter().filter(|job| job.locator.segment == hit.locator.segment).count();
        let (with_key, _) = verify();
        assert_eq!(with_key.live_jobs as usize, 300 - of_segment, "{:#?}", with_key.flaws);
        std::fs::write(&segment, &whole).unwrap();
        assert!(verify().0.flaws.is_empty());

        // A torn tail is what a crash leaves: a note.
        let record = place.segments("record")[0].clone();
        let mut bytes = std::fs::read(&record).unwrap();
        let end = raw_frames(&record).last().map(|frame| frame.offset + frame.bytes).unwrap();
        bytes[end..end + 16].fill(0xaa);
        std::fs::write(&record, bytes).unwrap();
        let (with_key, _) = verify();
        assert!(with_key.is_whole() && with_key.flaws.len() == 1, "{:#?}", with_key.flaws);
        assert_eq!(with_key.flaws[0].severity, Severity::Note);
    });
}

#[test]
fn a_checkpoint_goes_along_and_must_say_what_the_record_says() {
    let mut place = Place::new();
    (place.segment_bytes, place.checkpoint_every_segments) = (16 * 1024, 2);
    world::block_on(async {
        let open = place.open().await;
        open.journal().store_bundle(model::BundleId([1; 32]), b"what decides the bytes").await.unwrap();
        let jobs = open.batch(JOBS).await;
        deliver(&open, &jobs[..JOBS as usize / 2]).await;
        let folder = place.journal_dir().join("checkpoints");
        let checkpoints = || {
            std::fs::read_dir(&folder).map_or(0, |entries| {
                entries.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "ckpt")).count()
            })
        };
        let end = place.world.monotonic() + std::time::Duration::from_secs(20);
        while checkpoints() == 0 && place.world.monotonic() < end {
            place.world.sleep(std::time::Duration::from_millis(20)).await;
        }
        assert!(checkpoints() > 0, "the record was summed up");

        let hold = open.journal().hold().await.unwrap();
        open.journal().sync().await.unwrap();
        let until = open.journal().durable();
        deliver(&open, &jobs[JOBS as usize / 2..]).await;
        open.batch(JOBS).await;
        let to = copy_of(&place);
        let mut copier = Copier::new(&place.world, to.path(), Arc::default());
        copier.journal(&open.journal().place(), "journal", Some(until)).await.unwrap();
        copier.key_ring(&place.dir.join("ring"), "ring").await.unwrap();
        drop(hold);
        open.close().await;

        let copy = place.at(to.path());
        let keys = KeyRing::open_to_read(&copy.world, &copy.dir.join("ring"), &copy.source()).unwrap();
        let dir = JournalDir::look(&copy.world, &copy.journal_dir(), StreamName::Transactional).unwrap().unwrap();
        let stats = dir.stats(Some(&keys), &mut |_, _| {}).unwrap();
        let newest = stats.newest_checkpoint.unwrap();
        assert!(newest.position <= until && newest.segments_behind > 0, "{newest:?}");
        assert_eq!(stats.jobs.unwrap().live["queued"], JOBS / 2);
        let found = dir.verify(Some(&keys), false, &mut |_, _| {}).unwrap();
        assert!(found.flaws.is_empty() && found.live_jobs == JOBS / 2, "{:#?}", found.flaws);

        // A damaged one costs nothing.
        let newest = copy.journal_dir().join("checkpoints").join(format!("{:08}.ckpt", newest.through));
        let mut bytes = std::fs::read(&newest).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(&newest, bytes).unwrap();
        let found = dir.verify(Some(&keys), false, &mut |_, _| {}).unwrap();
        assert!(found.is_whole() && found.flaws.len() == 1 && found.live_jobs == JOBS / 2, "{:#?}", found.flaws);
        assert!(found.flaws[0].place.starts_with("checkpoints/"), "{:#?}", found.flaws);
    });
}
