//! A journal that is not the one that was written last refuses to start: an older copy, a clone, a backup, an empty folder. An operator's
//! word starts it once, and everything in it counts as possibly sent. No crash in any start makes a journal look like that.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

mod support;

use journal::{JournalError, RESTORED_MARK, Stale, StaleSign};
use model::record::{Record, StateChange};
use model::state::HoldReason;
use model::{JobId, State};
use std::collections::BTreeSet;
use std::path::Path;
use support::{Open, Place, commit, end};
use world::simulated::Simulation;

const HOST: &str = "engine";

async fn refusal(place: &Place) -> Stale {
    match place.try_open().await {
        Err(JournalError::Stale(stale)) => *stale,
        Err(error) => panic!("another error: {error}"),
        Ok(_) => panic!("it opened"),
    }
}

fn put_in_place_of(place: &Place, copy: &Place) {
    std::fs::remove_dir_all(place.journal_dir()).unwrap();
    std::fs::rename(copy.journal_dir(), place.journal_dir()).unwrap();
}

fn records(open: &mut Open) -> Vec<(Option<JobId>, Record)> {
    open.opened.tail.next(10_000).unwrap().into_iter().map(|(_, key, record)| (key.job, record)).collect()
}

#[test]
fn an_older_copy_refuses_and_by_an_operators_word_everything_counts_as_possibly_sent() {
    let place = Place::new();
    world::block_on(async {
        let open = place.open().await;
        let jobs: Vec<JobId> = open.batch(6).await.iter().map(|job| job.id).collect();
        open.intent(jobs[0], 1).await;
        open.outcome(jobs[1], 1, State::Delivered).await;
        let mut held = end(State::Held);
        held.held = Some(HoldReason::MemberMismatch);
        open.record(jobs[2], 1, Record::Outcome(held)).await;
        open.outcome(jobs[3], 1, State::Bounced).await;
        let undecided = open.open_batch(false).await;
        open.journal().append(open.job(undecided, 50)).await.unwrap();
        open.journal().sync().await.unwrap();
        let old = place.copy();
        open.journal().commit_batch(commit(undecided, 1)).await.unwrap();
        open.close().await;
        let open = place.open().await;
        let lost: Vec<JobId> = open.batch(3).await.iter().map(|job| job.id).collect();
        open.close().await;
        put_in_place_of(&place, &old);
        drop(old);

        let stale = refusal(&place).await;
        assert_eq!(stale.signs, [StaleSign::Older { directory: 1, ring: 2 }, StaleSign::Elsewhere]);
        let text = stale.to_string();
        assert!(text.contains("--restored --reason") && text.contains("older copy") && text.contains("copied"), "{text}");
        assert_eq!(refusal(&place).await, stale, "a refusal changes nothing");

        let mut open = place.try_open_restored().await.unwrap();
        assert!(open.opened.restored);
        let states: Vec<(JobId, State)> = open.opened.recovered.jobs.iter().map(|job| (job.job.id, job.state)).collect();
        let expected = [(0, State::Uncertain), (2, State::Held), (3, State::Bounced), (4, State::Uncertain), (5, State::Uncertain)];
        assert_eq!(states, expected.map(|(row, state)| (jobs[row], state)), "what waits for a person waits on");
        let records = records(&mut open);
        let marked: BTreeSet<JobId> = records
            .iter()
            .filter_map(|(job, record)| match record {
                Record::Change(change) if change.cause == StateChange::RESTORED => *job,
                _ => None,
            })
            .collect();
        assert_eq!(marked.len(), 5, "and it too may have been sent");
        let Some((None, Record::Restored(restoration))) = records.last() else { panic!("{:?}", records.last()) };
        assert_eq!((restoration.by.as_str(), restoration.reason.as_str(), restoration.uncertain), ("ada", "disk lost", 5));
        assert_eq!((restoration.directory_epoch, restoration.known_epoch), (1, 2));
        let new: Vec<JobId> = open.batch(1).await.iter().map(|job| job.id).collect();
        assert!(new[0] > lost[2], "no number of the lost time is given again: {} {}", new[0], lost[2]);
        open.close().await;

        for _ in 0..2 {
            let open = place.open().await;
            assert!(!open.opened.restored);
            assert_eq!(open.states().len(), 6);
            let batch = open.opened.recovered.batches.iter().find(|batch| batch.open.batch == undecided).unwrap();
            assert_eq!(batch.commit, None, "its commit may have been lost: it is neither queued nor given up");
            assert!(open.opened.recovered.discarded.is_empty());
            open.close().await;
        }
        let again = place.try_open_restored().await;
        assert!(matches!(again, Err(JournalError::NotStale(_))), "nobody leaves it in a unit file");
    });
}

#[test]
fn a_clone_is_known_by_its_directory_even_where_everything_was_copied() {
    let place = Place::new();
    world::block_on(async {
        let open = place.open().await;
        open.batch(2).await;
        open.close().await;
        let elsewhere = tempfile::tempdir().unwrap();
        copy_tree(&place.dir, elsewhere.path());
        let keys = journal::KeyRing::open(&place.world, &elsewhere.path().join("ring"), &place.source()).unwrap();
        let mut config = place.config();
        config.dir = elsewhere.path().join("journal");
        let result = journal::open::<model::Transactional>(place.world.clone(), config, keys).await;
        let Err(JournalError::Stale(stale)) = result else { panic!("{result:?}") };
        assert_eq!(stale.signs, [StaleSign::Elsewhere]);
        // The original, under another name, is the original.
        let moved = place.dir.join("moved");
        std::fs::rename(place.journal_dir(), &moved).unwrap();
        let mut config = place.config();
        config.dir = moved;
        assert!(journal::open::<model::Transactional>(place.world.clone(), config, place.ring()).await.is_ok());
    });
}

fn copy_tree(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy_tree(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

#[test]
fn every_other_sign_refuses_by_itself() {
    type Spoil = fn(&Place);
    type IsSign = fn(&StaleSign) -> bool;
    let cases: [(Spoil, IsSign); 5] = [
        (|place| std::fs::write(place.journal_dir().join(RESTORED_MARK), "any").unwrap(), |sign| *sign == StaleSign::Marked),
        (|place| std::fs::remove_file(place.journal_dir().join("epoch")).unwrap(), |sign| *sign == StaleSign::NoEpoch),
        (|place| std::fs::write(place.journal_dir().join("epoch"), "damaged").unwrap(), |sign| *sign == StaleSign::NoEpoch),
        (|place| std::fs::remove_dir_all(place.journal_dir()).unwrap(), |sign| *sign == StaleSign::Empty { ring: 1 }),
        (
            |place| {
                let other = Place::new();
                world::block_on(async { other.open().await.close().await });
                std::fs::copy(other.journal_dir().join("epoch"), place.journal_dir().join("epoch")).map(drop).unwrap();
            },
            |sign| *sign == StaleSign::Another,
        ),
    ];
    for (spoil, is_expected) in cases {
        let place = Place::new();
        let jobs = world::block_on(async {
            let open = place.open().await;
            let jobs = open.batch(2).await.len();
            open.close().await;
            jobs
        });
        spoil(&place);
        world::block_on(async {
            let stale = refusal(&place).await;
            assert!(is_expected(&stale.signs[0]), "{stale:?}");
            // A foreign epoch file is no way in: its segments are another's.
            let Ok(open) = place.try_open_restored().await else { return assert_eq!(stale.signs[0], StaleSign::Another) };
            let found = open.states();
            assert!(found.len() == jobs || matches!(stale.signs[0], StaleSign::Empty { .. }));
            assert!(found.iter().all(|(_, state)| *state == State::Uncertain), "{found:?}");
            open.close().await;
            place.open().await.close().await;
        });
    }
}

/// A start, some work, and a clean end or whatever the crash leaves.
async fn live(place: &Place) -> Result<(), JournalError> {
    let open = place.try_open().await?;
    let batch = open.journal().new_batch_id();
    let (tenant, stream, format) = (open.tenant, model::StreamName::Transactional, "ndjson".to_owned());
    let opening = model::record::BatchOpen { batch, tenant, stream, file_sha256: None, format, at: model::Timestamp(1), rolling: true };
    open.journal().open_batch(opening).await?;
    open.journal().append_rolling(open.job(batch, 1)).await?.await?;
    open.journal().close().await;
    Ok(())
}

#[test]
fn no_crash_in_any_start_makes_a_journal_look_stale() {
    let starts = 3;
    for change in 1..=60 {
        for seed in 0..6 {
            let simulation = Simulation::new(seed * 1000 + change);
            let place = Place::simulated(simulation.world());
            for start in 0..starts {
                // The first-ever start is crashed at each of its changes, and so is each one that follows a crash.
                simulation.crash_host_in_disk_change(HOST, change);
                let result = simulation.run(live(&place));
                assert!(!matches!(result, Err(JournalError::Stale(_))), "seed {seed}, change {change}, start {start}: {result:?}");
                simulation.crash_host(HOST);
            }
            simulation.run(live(&place)).unwrap();
        }
    }
}

#[test]
fn a_crash_in_a_restoration_leaves_nothing_that_is_sent_again() {
    let (mut refused, mut done) = (0, 0);
    for change in 1..=90 {
        for seed in 0..4 {
            let simulation = Simulation::new(seed * 1000 + change);
            let place = Place::simulated(simulation.world());
            let jobs = simulation.run(async {
                let open = place.open().await;
                let jobs = open.batch(5).await.len();
                open.close().await;
                place.world.disk().write_atomic(&place.journal_dir().join(RESTORED_MARK), b"copied").unwrap();
                jobs
            });
            simulation.crash_host_in_disk_change(HOST, change);
            let answered = simulation.run(async { place.try_open_restored().await.is_ok() });
            simulation.crash_host(HOST);
            let states = simulation.run(async {
                match place.try_open().await {
                    Ok(open) => {
                        done += 1;
                        open.states()
                    }
                    Err(JournalError::Stale(_)) => {
                        assert!(!answered, "what was answered is done");
                        refused += 1;
                        place.try_open_restored().await.unwrap().states()
                    }
                    Err(error) => panic!("seed {seed}, change {change}: {error}"),
                }
            });
            assert_eq!(states.len(), jobs, "seed {seed}, change {change}");
            assert!(states.iter().all(|(_, state)| *state == State::Uncertain), "seed {seed}, change {change}: {states:?}");
        }
    }
    assert!(refused > 40 && done > 40, "both are seen: {refused} refused, {done} done");
}
