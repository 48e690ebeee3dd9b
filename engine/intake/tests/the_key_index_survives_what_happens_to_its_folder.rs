//! The key index against a record that is the truth: crashes at every change of its disk, damage, deletion, time. What binds is known, what
//! does not bind is not, and where that cannot be said nothing is said.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use intake::{Binding, Day, KeyEntry, KeyIndex, KeyIndexError, KeyIndexKeeper, KeyIndexSettings, Repeat, Replay};
use model::record::{BatchCommit, BatchOpen, Head, Intake, Record};
use model::{BatchId, BundleId, Fingerprint, MoneySummary, Protection, StreamName, TenantId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testkit::Random;
use world::World;
use world::simulated::Simulation;

const HOST: &str = "engine";
const FOLDER: &str = "/keys";
const RUN_KEYS: usize = 4;
const HORIZON_DAYS: u64 = 730;
const DAY_MS: u64 = 86_400_000;
const TODAY: u64 = 20_000;

/// The record, as a journal keeps it: everything in it is durable. Shared with the index as its watermark.
#[derive(Clone, Default)]
struct Journal {
    records: Arc<Mutex<Vec<Record>>>,
    durable: Arc<AtomicU64>,
}

impl Journal {
    /// Positions count from 1.
    fn append(&self, record: Record) {
        let mut records = self.records.lock().unwrap();
        records.push(record);
        self.durable.store(records.len() as u64, Ordering::SeqCst);
    }

    fn behind(&self, position: u64) -> Vec<Record> {
        self.records.lock().unwrap()[position as usize..].to_vec()
    }

    /// Every key that binds, with its content and batch.
    fn binding(&self) -> BTreeMap<(TenantId, Fingerprint), (Fingerprint, BatchId)> {
        let records = self.behind(0);
        let binds: BTreeSet<BatchId> = records
            .iter()
            .filter_map(|record| match record {
                Record::BatchOpen(open) if open.rolling => Some(open.batch),
                Record::BatchCommit(commit) => Some(commit.batch),
                _ => None,
            })
            .collect();
        let heads = records.iter().filter_map(|record| if let Record::Head(head) = record { Some(head) } else { None });
        heads.filter(|head| binds.contains(&head.batch)).map(|head| ((head.tenant, head.key), (head.content, head.batch))).collect()
    }
}

fn settings() -> KeyIndexSettings {
    let horizon = Duration::from_millis(HORIZON_DAYS * DAY_MS);
    KeyIndexSettings { folder: PathBuf::from(FOLDER), record: [7; 16], horizon, run_keys: RUN_KEYS }
}

fn fingerprint(number: u64, sort: u8) -> Fingerprint {
    let mut bytes = [sort; 16];
    bytes[..8].copy_from_slice(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
    Fingerprint(bytes)
}

fn entry(number: u64, tenant: u16, batch: BatchId, day: u64) -> KeyEntry {
    let (key, content) = (fingerprint(number, 1), fingerprint(number, 2));
    KeyEntry { tenant: TenantId(tenant), key, content, batch, day: Day(day as u16), job: None, row: None }
}

fn head(entry: &KeyEntry) -> Record {
    Record::Head(Head {
        batch: entry.batch,
        tenant: entry.tenant,
        row: 1,
        key: entry.key,
        content: entry.content,
        recipient: None,
        destination: None,
        bundle: BundleId([0; 32]),
        protection: Protection::TlsVerified,
        priority: 1,
        due: Timestamp(u64::from(entry.day.0) * DAY_MS + 5),
        deadline: Timestamp(u64::MAX),
        statements: 1,
        money: MoneySummary::default(),
        held: None,
        presentation: model::Presentation::default(),
        supersedes: None,
        further: Vec::new(),
        language_unmet: false,
    })
}

fn open(batch: BatchId, rolling: bool) -> Record {
    let (tenant, stream) = (TenantId(1), StreamName::Transactional);
    Record::BatchOpen(BatchOpen { batch, tenant, stream, file_sha256: None, format: "ndjson".to_owned(), at: Timestamp(0), rolling })
}

fn commit(batch: BatchId) -> Record {
    Record::BatchCommit(BatchCommit { batch, at: Timestamp(0), intake: Intake::default(), held: false })
}

/// A start: opens the folder and follows the record.
fn start(world: &World, journal: &Journal) -> Result<(Arc<Mutex<KeyIndex>>, KeyIndexKeeper, Started), KeyIndexError> {
    let durable = Arc::clone(&journal.durable);
    let opened = KeyIndex::open(world.disk(), settings(), move || durable.load(Ordering::SeqCst))?;
    let index = Arc::new(Mutex::new(opened.index));
    let mut keeper = KeyIndexKeeper::new(world.clone(), Arc::clone(&index));
    let mut followed = follow(&index, &mut keeper, journal, opened.position)?;
    while index.lock().unwrap().is_damaged() {
        index.lock().unwrap().begin_rebuild();
        followed = follow(&index, &mut keeper, journal, 0)?;
    }
    Ok((index, keeper, Started { position: opened.position, followed, given_up: opened.given_up.map(|error| error.to_string()) }))
}

struct Started {
    position: u64,
    followed: usize,
    given_up: Option<String>,
}

fn follow(index: &Mutex<KeyIndex>, keeper: &mut KeyIndexKeeper, journal: &Journal, from: u64) -> Result<usize, KeyIndexError> {
    // Rolling batches opened before the place are known from elsewhere.
    let opens = journal.records.lock().unwrap()[..from as usize].to_vec();
    let rolling = opens.iter().filter_map(|record| if let Record::BatchOpen(open) = record { Some(open) } else { None });
    let mut replay = Replay::new(rolling.filter(|open| open.rolling).map(|open| open.batch).collect(), Day(TODAY as u16));
    let behind = journal.behind(from);
    for (chunk, records) in behind.chunks(3).enumerate() {
        replay.see(&mut index.lock().unwrap(), from + chunk as u64 * 3, records.iter().map(|record| (None, record)));
        match keeper.work_off() {
            Err(KeyIndexError::Damaged { .. }) => assert!(index.lock().unwrap().is_damaged()),
            other => other?,
        }
    }
    replay.finish(&mut index.lock().unwrap());
    Ok(behind.len())
}

/// The index says what the record says, for every key there ever was and for strangers.
fn check(index: &Mutex<KeyIndex>, journal: &Journal, what: &str) {
    try_check(index, journal, what).unwrap();
}

fn try_check(index: &Mutex<KeyIndex>, journal: &Journal, what: &str) -> Result<(), KeyIndexError> {
    let binding = journal.binding();
    let mut index = index.lock().unwrap();
    for record in journal.behind(0) {
        let Record::Head(head) = record else { continue };
        let asked = KeyEntry {
            tenant: head.tenant,
            key: head.key,
            content: head.content,
            batch: BatchId::new(1, 9999),
            day: Day(TODAY as u16),
            job: None,
            row: None,
        };
        let expected = binding.get(&(head.tenant, head.key));
        match (index.look_up(&asked)?, expected) {
            (None, None) => {}
            (Some(Repeat::Same(known)), Some((content, batch))) if (known.content, known.batch) == (*content, *batch) => {}
            (found, expected) => panic!("{what}: {:?} gives {found:?}, the record {expected:?}", head.key),
        }
        let conflict = index.look_up(&KeyEntry { content: Fingerprint([0; 16]), ..asked })?;
        assert_eq!(matches!(conflict, Some(Repeat::Conflict(_))), expected.is_some(), "{what}: other content is a conflict");
        let elsewhere = index.look_up(&KeyEntry { tenant: TenantId(77), ..asked })?;
        assert_eq!(elsewhere, None, "{what}: another tenant sees it");
    }
    Ok(())
}

/// A day at the doors: files that are committed, given up or left open, single jobs, two tenants; the disk is served now and then.
fn work(random: &mut Random, journal: &Journal, index: &Mutex<KeyIndex>, keeper: &mut KeyIndexKeeper) -> Result<(), KeyIndexError> {
    let batch_number = |journal: &Journal| journal.durable.load(Ordering::SeqCst) + 1;
    let rolling = BatchId::new(2, batch_number(journal));
    journal.append(open(rolling, true));
    for _ in 0..random.between(3, 6) {
        let batch = BatchId::new(1, batch_number(journal));
        let tenant = random.between(1, 2) as u16;
        journal.append(open(batch, false));
        for _ in 0..random.between(1, 14) {
            let key = entry(random.between(0, u64::MAX - 1), tenant, batch, TODAY);
            assert_eq!(index.lock().unwrap().look_up(&key)?, None);
            index.lock().unwrap().reserve(&key, Binding::WithBatch);
            assert!(matches!(index.lock().unwrap().look_up(&key)?, Some(Repeat::Same(_))), "pending keys keep repeats out");
            journal.append(head(&key));
            if random.between(0, 3) == 0 {
                keeper.work_off()?;
            }
            if random.between(0, 2) == 0 {
                let single = entry(random.between(0, u64::MAX - 1), tenant, rolling, TODAY);
                index.lock().unwrap().reserve(&single, Binding::ByItself);
                if random.between(0, 4) == 0 {
                    index.lock().unwrap().give_back(single.tenant, &single.key);
                } else {
                    journal.append(head(&single));
                    index.lock().unwrap().bind(single.tenant, &single.key);
                }
            }
        }
        match random.between(0, 3) {
            0 => index.lock().unwrap().discard(batch),
            1 => {}
            _ => {
                journal.append(commit(batch));
                index.lock().unwrap().commit(batch);
            }
        }
        keeper.work_off()?;
    }
    keeper.write_all()
}

fn simulation(seed: u64) -> Simulation {
    let simulation = Simulation::new(seed);
    simulation.set_wall(Timestamp(TODAY * DAY_MS + 12 * 3_600_000));
    simulation
}

/// In the simulated machine.
fn live<T: Send + 'static>(simulation: &Simulation, life: impl FnOnce(World) -> T + Send + 'static) -> Option<T> {
    let world = simulation.world_of(HOST);
    let (tell, told) = world::channel::oneshot();
    let inside = world.clone();
    world.spawn_thread("keys", move || async move {
        let _ = tell.send(life(inside));
    });
    simulation.run(told)
}

#[test]
fn a_crash_at_any_change_of_the_disk_loses_no_key_and_binds_none_that_does_not() {
    let mut crashes = 0;
    for seed in 0..60 {
        let simulation = simulation(seed);
        let journal = Journal::default();
        let mut random = Random::new(seed);
        // Each life crashes a little later than the one before, so that every kind of change is met.
        for life in 0..12 {
            let (record, mut random_of_life) = (journal.clone(), Random::new(seed * 100 + life));
            simulation.crash_host_in_disk_change(HOST, random.between(1, 30 + 25 * life));
            live(&simulation, move |world| {
                let Ok((index, mut keeper, _)) = start(&world, &record) else { return };
                // A disk that crashes under it says no; the thread ends there.
                if try_check(&index, &record, &format!("seed {seed}, life {life}")).is_err() {
                    return;
                }
                let _ = work(&mut random_of_life, &record, &index, &mut keeper);
            });
            simulation.crash_host_in_disk_change(HOST, u64::MAX / 2);
        }
        crashes += simulation.crashes_of(HOST);
        let record = journal.clone();
        let calm = live(&simulation, move |world| {
            let (index, ..) = start(&world, &record).unwrap();
            check(&index, &record, &format!("seed {seed}, at the end"));
        });
        assert!(calm.is_some());
    }
    assert!(crashes > 200, "{crashes} crashes");
}

#[test]
fn a_clean_stop_leaves_nothing_to_follow_and_merges_leave_few_runs() {
    let simulation = simulation(1);
    let journal = Journal::default();
    for life in 0..20 {
        let record = journal.clone();
        let (started, runs) = live(&simulation, move |world| {
            let (index, mut keeper, started) = start(&world, &record).unwrap();
            work(&mut Random::new(life), &record, &index, &mut keeper).unwrap();
            (started, runs(&world))
        })
        .unwrap();
        assert_eq!(started.given_up, None);
        // A batch that was left open holds the position back; there are few of them at the end of a day.
        assert!(life == 0 || started.position > 0 || started.followed < 400, "life {life}: {}", started.followed);
        assert!(runs <= 24, "life {life}: {runs} runs");
    }
}

fn runs(world: &World) -> usize {
    let paths = world.disk().read_dir(Path::new(FOLDER)).unwrap();
    paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "keys")).count()
}

fn remove_folder(world: &World) {
    for path in world.disk().read_dir(Path::new(FOLDER)).unwrap() {
        world.disk().remove_file(&path).unwrap();
    }
}

#[test]
fn a_deleted_folder_is_made_again_from_the_record() {
    let simulation = simulation(2);
    let journal = Journal::default();
    for life in 0..3 {
        let record = journal.clone();
        live(&simulation, move |world| {
            let (index, mut keeper, started) = start(&world, &record).unwrap();
            assert_eq!((started.position, started.followed), (0, record.behind(0).len()));
            check(&index, &record, "after the folder was deleted");
            work(&mut Random::new(life), &record, &index, &mut keeper).unwrap();
            remove_folder(&world);
        })
        .unwrap();
    }
}

#[test]
fn damage_is_noticed_and_answered_by_a_rebuild_never_by_not_known() {
    for seed in 0..40 {
        let simulation = simulation(seed);
        let journal = Journal::default();
        let record = journal.clone();
        let files = live(&simulation, move |world| {
            let (index, mut keeper, _) = start(&world, &record).unwrap();
            work(&mut Random::new(seed), &record, &index, &mut keeper).unwrap();
            world.disk().read_dir(Path::new(FOLDER)).unwrap()
        })
        .unwrap();
        let mut random = Random::new(seed);
        let file = &files[random.between(0, files.len() as u64 - 1) as usize];
        let length = simulation.world_of(HOST).disk().open(file, world::OpenMode::Read).unwrap().len().unwrap();
        // Half of them in the first block, where entries lie.
        let offset = random.between(0, if seed % 2 == 0 { length.min(200) } else { length } - 1);
        simulation.flip_bit(HOST, file, offset, random.between(0, 7) as u8).unwrap();
        let record = journal.clone();
        live(&simulation, move |world| {
            let (index, mut keeper, started) = start(&world, &record).unwrap();
            let heads = record.behind(0);
            let keys = heads.iter().filter_map(|record| if let Record::Head(head) = record { Some(head) } else { None });
            let asked = keys.map(|head| KeyEntry {
                tenant: head.tenant,
                key: head.key,
                content: head.content,
                batch: head.batch,
                day: Day(TODAY as u16),
                job: None,
                row: None,
            });
            let answers: Vec<_> = asked.map(|asked| index.lock().unwrap().look_up(&asked)).collect();
            let refused = answers.iter().any(Result::is_err);
            assert!(started.given_up.is_none() || !refused, "a start that rebuilt it is whole");
            if refused {
                assert!(index.lock().unwrap().is_damaged());
                index.lock().unwrap().begin_rebuild();
                follow(&index, &mut keeper, &record, 0).unwrap();
            }
            check(&index, &record, &format!("seed {seed} after damage"));
            keeper.write_all().unwrap();
        })
        .unwrap();
        let record = journal.clone();
        live(&simulation, move |world| {
            let (index, _, started) = start(&world, &record).unwrap();
            assert_eq!(started.given_up, None);
            check(&index, &record, "the start after the rebuild");
        })
        .unwrap();
    }
}

#[test]
fn an_index_of_another_journal_or_of_a_later_one_is_given_up() {
    let simulation = simulation(5);
    let journal = Journal::default();
    let record = journal.clone();
    live(&simulation, move |world| {
        let (index, mut keeper, _) = start(&world, &record).unwrap();
        work(&mut Random::new(1), &record, &index, &mut keeper).unwrap();
        let durable = Arc::clone(&record.durable);
        let other = KeyIndexSettings { record: [8; 16], ..settings() };
        let opened = KeyIndex::open(world.disk(), other, move || durable.load(Ordering::SeqCst)).unwrap();
        assert!(opened.given_up.unwrap().to_string().contains("another journal"));
        assert_eq!(opened.position, 0);
    })
    .unwrap();
    // The journal was put back from a copy: the index knows keys that no record vouches for.
    let early = Journal::default();
    early.append(open(BatchId::new(1, 1), true));
    let later = journal.clone();
    live(&simulation, move |world| {
        let (index, mut keeper, _) = start(&world, &later).unwrap();
        work(&mut Random::new(2), &later, &index, &mut keeper).unwrap();
        let (index, _, started) = start(&world, &early).unwrap();
        assert!(started.given_up.unwrap().contains("put back from a copy"));
        assert!(index.lock().unwrap().is_empty());
    })
    .unwrap();
}

#[test]
fn a_key_is_forgotten_after_the_horizon_and_not_before() {
    let simulation = simulation(6);
    let journal = Journal::default();
    live(&simulation, move |world| {
        let batch = BatchId::new(1, 1);
        journal.append(open(batch, false));
        let (index, mut keeper, _) = start(&world, &journal).unwrap();
        for number in 0..20 {
            let key = entry(number, 1, batch, TODAY - HORIZON_DAYS + number - 10);
            index.lock().unwrap().reserve(&key, Binding::WithBatch);
            journal.append(head(&key));
        }
        journal.append(commit(batch));
        index.lock().unwrap().commit(batch);
        let known = |index: &Mutex<KeyIndex>| -> Vec<u64> {
            (0..20).filter(|number| index.lock().unwrap().look_up(&entry(*number, 1, batch, TODAY)).unwrap().is_some()).collect()
        };
        let expected: Vec<u64> = (10..20).collect();
        assert_eq!(known(&index), expected, "in memory");
        keeper.write_all().unwrap();
        assert_eq!(known(&index), expected, "on disk");
        keeper.work_off().unwrap();
        assert_eq!(known(&index), expected, "merged");
        remove_folder(&world);
        let (index, ..) = start(&world, &journal).unwrap();
        assert_eq!(known(&index), expected, "rebuilt");
        assert_eq!(index.lock().unwrap().len(), 10, "what is past the horizon costs nothing");
    })
    .unwrap();
}

#[test]
fn a_disk_that_takes_nothing_costs_memory_and_then_answers_but_no_key() {
    let simulation = simulation(7);
    let journal = Journal::default();
    let inside = journal.clone();
    let (index, full) = live(&simulation, move |world| {
        let (index, keeper, _) = start(&world, &inside).unwrap();
        (index, (world, keeper))
    })
    .unwrap();
    let (world, mut keeper) = full;
    simulation.set_disk_capacity(HOST, 1);
    let batch = BatchId::new(1, 1);
    journal.append(open(batch, false));
    let mut reserved = 0;
    let refused = loop {
        let key = entry(reserved, 1, batch, TODAY);
        match index.lock().unwrap().look_up(&key) {
            Err(error) => break error,
            Ok(found) => assert_eq!(found, None),
        }
        index.lock().unwrap().reserve(&key, Binding::WithBatch);
        journal.append(head(&key));
        reserved += 1;
        assert!(keeper.work_off().is_err() || reserved <= RUN_KEYS as u64);
    };
    assert!(matches!(refused, KeyIndexError::Behind { .. }), "{refused}");
    simulation.set_disk_capacity(HOST, 1 << 30);
    keeper.work_off().unwrap();
    journal.append(commit(batch));
    index.lock().unwrap().commit(batch);
    check(&index, &journal, "after the disk took it");
    drop(world);
}
