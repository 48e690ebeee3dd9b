//! The simulated disk across crashes, its faults, and hosts that crash alone.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;
use world::simulated::{CrashPoint, DiskFailure, DiskWeather, Simulation};
use world::{Disk, OpenMode, World};

fn at(name: &str) -> PathBuf {
    Path::new("/data").join(name)
}

fn started(seed: u64) -> (Simulation, World) {
    let simulation = Simulation::new(seed);
    let world = simulation.world();
    world.disk().create_dir_all(Path::new("/data")).unwrap();
    (simulation, world)
}

fn text(disk: &dyn Disk, name: &str) -> Option<String> {
    disk.read_to_vec(&at(name), 1_000_000).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[test]
fn synced_bytes_survive_every_crash_and_unsynced_ones_some() {
    let mut found = BTreeSet::new();
    for seed in 0..100 {
        let (simulation, world) = started(seed);
        let file = world.disk().open(&at("log"), OpenMode::CreateNew).unwrap();
        file.write_all_at(b"synced ", 0).unwrap();
        file.sync_data().unwrap();
        world.disk().sync_dir(Path::new("/data")).unwrap();
        file.write_all_at(b"unsynced", 7).unwrap();
        simulation.crash();
        let text = text(world.disk(), "log").unwrap();
        assert!(text.starts_with("synced "), "seed {seed}: {text:?}");
        found.insert(text);
        assert!(file.write_all_at(b"from before the crash", 0).is_err());
        assert!(file.len().is_err());
    }
    assert!(found.contains("synced ") && found.contains("synced unsynced") && found.len() > 4, "{found:?}");
}

#[test]
fn names_are_durable_after_the_sync_of_their_directory_and_not_before() {
    let mut found = BTreeSet::new();
    for seed in 0..100 {
        let (simulation, world) = started(seed);
        let disk = world.disk();
        for name in ["kept", "renamed", "removed"] {
            disk.open(&at(name), OpenMode::CreateNew).unwrap();
        }
        disk.sync_dir(Path::new("/data")).unwrap();
        disk.open(&at("new"), OpenMode::CreateNew).unwrap();
        disk.rename(&at("renamed"), &at("target")).unwrap();
        disk.remove_file(&at("removed")).unwrap();
        simulation.crash();
        let names: Vec<_> = disk.read_dir(Path::new("/data")).unwrap();
        assert!(names.contains(&at("kept")));
        assert!(names.contains(&at("renamed")) != names.contains(&at("target")), "a rename is done or not: {names:?}");
        found.insert(names);
    }
    assert!(found.len() >= 6, "{found:?}");
}

#[test]
fn an_atomic_write_shows_the_old_or_the_new_whole_wherever_it_is_cut() {
    let mut found = BTreeSet::new();
    for seed in 0..40 {
        for change in 1..=7 {
            let (simulation, world) = started(seed);
            world.disk().write_atomic(&at("keys"), &[b'a'; 3_000]).unwrap();
            simulation.crash_host_in_disk_change("engine", change);
            let writer = world.clone();
            world.spawn_thread("writer", move || async move {
                let written = writer.disk().write_atomic(&at("keys"), &[b'b'; 2_000]);
                assert_eq!(written.is_ok(), change == 7, "the write makes six changes: {written:?}");
                std::future::pending::<()>().await;
            });
            simulation.run_for(Duration::from_secs(1));
            assert_eq!(simulation.crashes_of("engine"), u64::from(change < 7), "seed {seed} change {change}");
            simulation.crash();
            let text = text(world.disk(), "keys").unwrap();
            assert!(text == "a".repeat(3_000) || text == "b".repeat(2_000), "seed {seed} change {change}: {text:?}");
            found.insert((change, text.len()));
            // A writer after the crash is not disturbed by what the last one left.
            world.disk().write_atomic(&at("keys"), b"third").unwrap();
        }
    }
    assert!(found.contains(&(1, 3_000)) && found.contains(&(7, 2_000)) && found.contains(&(6, 2_000)), "{found:?}");
}

#[test]
fn a_crash_drops_tasks_and_releases_locks_of_that_host_alone() {
    let simulation = Simulation::new(5);
    for host in ["engine", "sink"] {
        let world = simulation.world_of(host);
        world.disk().create_dir_all(Path::new("/data")).unwrap();
        world.spawn_thread("holder", {
            let world = world.clone();
            move || async move {
                let lock = world.disk().lock_exclusive(&at("lock")).unwrap();
                world.sleep(Duration::from_secs(60)).await;
                drop(lock);
                world.disk().write_atomic(&at("done"), b"yes").unwrap();
            }
        });
    }
    simulation.run_for(Duration::from_secs(1));
    let (engine, sink) = (simulation.world_of("engine"), simulation.world_of("sink"));
    assert_eq!(engine.disk().lock_exclusive(&at("lock")).map(|_| ()).unwrap_err().kind(), ErrorKind::WouldBlock);
    simulation.crash_host("engine");
    engine.disk().lock_exclusive(&at("lock")).unwrap();
    assert_eq!(sink.disk().lock_exclusive(&at("lock")).map(|_| ()).unwrap_err().kind(), ErrorKind::WouldBlock);
    simulation.run_for(Duration::from_secs(60));
    assert_eq!((text(engine.disk(), "done"), text(sink.disk(), "done")), (None, Some("yes".to_owned())));
}

#[test]
fn join_says_that_a_host_crashed_and_the_host_starts_again() {
    let simulation = Simulation::new(5);
    let world = simulation.world();
    let sleeper = world.clone();
    let thread = world.spawn_thread("sleeper", move || async move { sleeper.sleep(Duration::from_secs(60)).await });
    simulation.run(async {
        simulation.crash_host("engine");
        assert_eq!(thread.join().await.unwrap_err().name, "sleeper");
        world.spawn_thread("again", || async {}).join().await.unwrap();
    });
}

/// Writes when it is dropped, as code that "saves on the way out" would.
struct LastWord(World);

impl Drop for LastWord {
    fn drop(&mut self) {
        assert!(self.0.disk().write_atomic(&at("last-word"), b"").is_err());
        self.0.spawn_local(async { unreachable!("a host that crashes starts nothing") });
    }
}

#[test]
fn a_crashing_host_has_no_last_word() {
    let (simulation, world) = started(1);
    let word = LastWord(world.clone());
    world.spawn_thread("speaker", move || async move {
        let _word = word;
        std::future::pending::<()>().await;
    });
    simulation.run_for(Duration::from_secs(1));
    simulation.crash();
    simulation.run_for(Duration::from_secs(1));
    assert_eq!(text(world.disk(), "last-word"), None);
}

#[test]
fn a_failed_sync_loses_what_it_should_have_written() {
    let (simulation, world) = started(2);
    let file = world.disk().open(&at("log"), OpenMode::CreateNew).unwrap();
    file.set_len(3).unwrap();
    file.sync_all().unwrap();
    world.disk().sync_dir(Path::new("/data")).unwrap();
    simulation.fail_syncs("engine", 1);
    file.write_all_at(b"abc", 0).unwrap();
    assert!(file.sync_data().is_err());
    assert!(file.sync_data().is_ok(), "the kernel takes the pages for clean");
    simulation.crash();
    assert_eq!(text(world.disk(), "log").unwrap(), "\0\0\0");
}

#[test]
fn a_full_disk_refuses_to_grow_and_a_bad_one_turns_bits() {
    let (simulation, world) = started(2);
    simulation.set_disk_capacity("engine", 10_000);
    let file = world.disk().open(&at("log"), OpenMode::CreateNew).unwrap();
    file.preallocate_zeroed(6_000).unwrap();
    assert_eq!(world.disk().free_bytes(Path::new("/data")).unwrap(), 4_000);
    assert_eq!(file.preallocate_zeroed(10_001).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(file.write_all_at(&[1; 2], 9_999).unwrap_err().kind(), ErrorKind::StorageFull);
    file.write_all_at(&[1; 2], 9_998).unwrap();
    simulation.flip_bit("engine", &at("log"), 5_000, 3).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 5_000).unwrap();
    assert_eq!(byte, [8]);
}

#[test]
fn the_simulated_disk_refuses_what_the_real_one_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let simulation = Simulation::new(1);
    for world in [World::real(), simulation.world()] {
        let (disk, root) = (world.disk(), folder.path());
        disk.create_dir_all(root).unwrap();
        let open = |name: &str, mode| disk.open(&root.join(name), mode).map(|_| ()).map_err(|error| error.kind());
        assert_eq!(open("a", OpenMode::Read), Err(ErrorKind::NotFound));
        assert_eq!(open("a", OpenMode::ReadWrite), Err(ErrorKind::NotFound));
        assert_eq!(open("absent/a", OpenMode::Create), Err(ErrorKind::NotFound));
        assert_eq!(open("a", OpenMode::CreateNew), Ok(()));
        assert_eq!(open("a", OpenMode::CreateNew), Err(ErrorKind::AlreadyExists));
        assert_eq!(open("a/b", OpenMode::Create), Err(ErrorKind::NotADirectory));
        assert_eq!(disk.rename(&root.join("b"), &root.join("c")).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(disk.remove_file(&root.join("b")).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(disk.read_dir(&root.join("b")).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(disk.sync_dir(&root.join("b")).unwrap_err().kind(), ErrorKind::NotFound);
        let file = disk.open(&root.join("a"), OpenMode::Read).unwrap();
        assert!(file.write_all_at(b"x", 0).is_err(), "opened for reading");
        assert_eq!(file.read_at(&mut [0; 4], 10).unwrap(), 0);
        assert_eq!(disk.read_dir(root).unwrap(), [root.join("a")]);
    }
}

#[test]
fn what_a_killed_process_wrote_is_still_read_and_its_locks_are_free() {
    let (simulation, world) = started(1);
    let file = world.disk().open(&at("log"), OpenMode::CreateNew).unwrap();
    file.write_all_at(b"not synced", 0).unwrap();
    let lock = world.disk().lock_exclusive(&at("lock")).unwrap();
    simulation.kill_processes("engine");
    assert_eq!(simulation.crashes_of("engine"), 0, "the machine stays up");
    assert_eq!(text(world.disk(), "log").as_deref(), Some("not synced"));
    assert!(file.write_all_at(b"from beyond", 0).is_err());
    world.disk().lock_exclusive(&at("lock")).unwrap();
    drop(lock);
}

#[test]
fn reads_give_less_and_fail_when_they_shall() {
    let (simulation, world) = started(1);
    let file = world.disk().open(&at("log"), OpenMode::CreateNew).unwrap();
    file.write_all_at(&[7; 4096], 0).unwrap();
    simulation.set_disk_weather("engine", DiskWeather { short_reads_percent: 50 });
    let lengths: BTreeSet<usize> = (0..50).map(|_| file.read_at(&mut [0; 4096], 0).unwrap()).collect();
    assert!(lengths.contains(&4096) && lengths.len() > 5, "{lengths:?}");
    file.read_exact_at(&mut [0; 4096], 0).unwrap();
    simulation.set_disk_weather("engine", DiskWeather::default());
    simulation.fail_disk("engine", DiskFailure::Read, 2, 1);
    assert_eq!(file.read_at(&mut [0; 16], 0).unwrap(), 16);
    assert_eq!(file.read_at(&mut [0; 16], 0).unwrap_err().raw_os_error(), Some(5));
    simulation.fail_disk("engine", DiskFailure::Write, 1, 9);
    assert!(file.write_all_at(b"x", 0).is_err());
    simulation.forget_disk_failures("engine");
    file.write_all_at(b"x", 0).unwrap();
}

#[test]
fn a_machine_crashes_at_the_poll_or_byte_that_was_said() {
    let (simulation, world) = started(1);
    simulation.crash_host_at("engine", CrashPoint::Poll(5));
    let seam = world.clone();
    let count = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counter = count.clone();
    world.spawn_thread("counting", move || async move {
        loop {
            counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            seam.sleep(Duration::from_secs(1)).await;
        }
    });
    simulation.run_for(Duration::from_secs(60));
    assert_eq!((count.load(std::sync::atomic::Ordering::SeqCst), simulation.crashes_of("engine")), (5, 1));
    simulation.crash_host_at("engine", CrashPoint::Poll(5));
    simulation.forget_crash_points("engine");
    simulation.power_switch("engine").off();
    simulation.run_for(Duration::from_secs(1));
    assert_eq!(simulation.crashes_of("engine"), 2);
}
