//! What the key index costs. Run by hand: `cargo test --release -p intake --test measures -- --ignored --nocapture`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement prints, and looks at the real clock"
)]

use intake::{Binding, Day, KeyEntry, KeyIndex, KeyIndexKeeper, KeyIndexSettings, RUN_KEYS_DEFAULT, Replay};
use model::{BatchId, Fingerprint, TenantId, Timestamp};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use testkit::Random;
use world::World;

const KEYS: u64 = 4_000_000;
const PER_BATCH: u64 = 250_000;

fn entry(number: u64, day: u16) -> KeyEntry {
    let mut random = Random::of(1, 2, number);
    let mut key = [0; 16];
    key[..8].copy_from_slice(&random.next_u64().to_le_bytes());
    key[8..].copy_from_slice(&random.next_u64().to_le_bytes());
    KeyEntry {
        tenant: TenantId(1),
        key: Fingerprint(key),
        content: Fingerprint(key),
        batch: BatchId::new(1, number / PER_BATCH + 1),
        day: Day(day),
        job: Some(model::JobId::new(1, number + 1)),
        row: u32::try_from(number % PER_BATCH + 1).ok(),
    }
}

/// CPU time of this process, all threads.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let ticks: u64 = after_name.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

fn folder_bytes(folder: &Path) -> u64 {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

#[test]
#[ignore = "a measurement"]
fn millions_of_keys_looked_up_reserved_committed_and_brought_to_disk() {
    let (world, folder) = (World::real(), tempfile::tempdir().unwrap());
    let settings = || KeyIndexSettings {
        folder: folder.path().to_owned(),
        record: [1; 16],
        horizon: Duration::from_secs(730 * 86_400),
        run_keys: RUN_KEYS_DEFAULT,
    };
    let day = Day::of(Timestamp(world.wall().0));
    let opened = KeyIndex::open(world.disk(), settings(), || 1).unwrap();
    let index = Arc::new(Mutex::new(opened.index));
    Replay::new(BTreeSet::new(), day).finish(&mut index.lock().unwrap());
    let mut keeper = KeyIndexKeeper::new(world.clone(), Arc::clone(&index));
    let (started, used) = (Instant::now(), cpu());
    let mut foreground = Duration::ZERO;
    for number in 0..KEYS {
        let entry = entry(number, day.0);
        let begun = Instant::now();
        assert_eq!(index.lock().unwrap().look_up(&entry).unwrap(), None);
        index.lock().unwrap().reserve(&entry, Binding::WithBatch);
        if (number + 1) % PER_BATCH == 0 {
            index.lock().unwrap().commit(entry.batch);
        }
        foreground += begun.elapsed();
        if number % 32_768 == 0 {
            keeper.work_off().unwrap();
        }
    }
    keeper.write_all().unwrap();
    let (wall, all) = (started.elapsed(), cpu() - used);
    let mut random = Random::new(9);
    let begun = Instant::now();
    let asked = 200_000;
    for _ in 0..asked {
        assert!(index.lock().unwrap().look_up(&entry(random.below(KEYS), day.0)).unwrap().is_some());
    }
    let repeat = begun.elapsed();
    let per_key = |span: Duration| span.as_nanos() as f64 / KEYS as f64 / 1e3;
    println!(
        "keys {KEYS}: look-up and reserve {:.2} us, CPU with runs and merges {:.2} us, wall {:.2} us a key; a repeat found {:.2} us; {:.1} bytes on disk, {:.2} resident a key",
        per_key(foreground),
        per_key(all),
        per_key(wall),
        repeat.as_nanos() as f64 / f64::from(asked) / 1e3,
        folder_bytes(folder.path()) as f64 / KEYS as f64,
        index.lock().unwrap().resident_bytes() as f64 / KEYS as f64,
    );
}
