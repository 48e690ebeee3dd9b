//! Seeds, the virtual clock, threads and tasks, standstill.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use model::{Monotonic, Timestamp};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use world::channel::{Signal, bounded};
use world::simulated::Simulation;
use world::{ConnectRequest, OpenMode, World};

const DOOR: &str = "10.0.0.1:25";

/// A bit of everything: two hosts, a connection, a channel, timers, a disk, random bytes, a crash.
fn run_everything(seed: u64) -> (Vec<u64>, u64, u64) {
    let simulation = Simulation::new(seed);
    let (engine, sink) = (simulation.world_of("engine"), simulation.world_of("sink"));
    let door: SocketAddr = DOOR.parse().unwrap();
    let echo = sink.clone();
    sink.spawn_thread("echo", move || async move {
        let mut listener = echo.net().listen(door).unwrap();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            echo.spawn_local(async move {
                let mut byte = [0];
                while stream.read_exact(&mut byte).await.is_ok() && stream.write_all(&byte).await.is_ok() {}
            });
        }
    });
    let (sender, receiver) = bounded(3);
    for worker in 0..4_u8 {
        let (world, sender) = (engine.clone(), sender.clone());
        engine.spawn_thread("worker", move || async move { work(world, worker, door, sender).await });
    }
    drop(sender);
    let order = simulation.run(async {
        let mut order = Vec::new();
        while let Some(value) = receiver.recv().await {
            order.push(value);
            if order.len() == 9 {
                simulation.crash_host("engine");
            }
        }
        order
    });
    (order, simulation.trace_hash(), simulation.steps())
}

async fn work(world: World, worker: u8, door: SocketAddr, sender: world::channel::Sender<u64>) {
    world.disk().create_dir_all(Path::new("/data")).unwrap();
    let path = format!("/data/{worker}");
    let file = world.disk().open(Path::new(&path), OpenMode::Create).unwrap();
    // The sink may not have opened its door yet.
    let mut stream = loop {
        if let Ok(stream) = world.net().connect(ConnectRequest { target: door, source: None }).await {
            break stream;
        }
    };
    for round in 0..10 {
        let mut random = [0; 2];
        world.fill_random(&mut random);
        world.sleep(Duration::from_micros(u64::from(random[0]))).await;
        stream.write_all(&random).await.unwrap();
        let mut echoed = [0; 2];
        stream.read_exact(&mut echoed).await.unwrap();
        assert_eq!(echoed, random);
        file.write_all_at(&random, round * 2).unwrap();
        sender.send(u64::from(worker) * 100 + round).await.unwrap();
    }
}

#[test]
fn one_seed_gives_one_run_and_another_seed_another() {
    let runs: Vec<_> = (0..20).map(|seed| (run_everything(seed), run_everything(seed))).collect();
    assert!(runs.iter().all(|(first, second)| first == second));
    let orders: BTreeSet<_> = runs.iter().map(|(run, _)| run.0.clone()).collect();
    let hashes: BTreeSet<_> = runs.iter().map(|(run, _)| run.1).collect();
    assert!(orders.len() > 10, "seeds change what is observed");
    assert_eq!(hashes.len(), 20);
}

#[test]
fn the_trace_tells_apart_what_code_adds_to_it() {
    let traced = |event: &[u8]| {
        let simulation = Simulation::new(1);
        simulation.world().trace(event);
        simulation.trace_hash()
    };
    assert_eq!(traced(b"delivered 7"), traced(b"delivered 7"));
    assert_ne!(traced(b"delivered 7"), traced(b"delivered 8"));
    assert_ne!(traced(b""), traced(b"\0"));
}

#[test]
fn the_latest_events_say_when_and_what() {
    let simulation = Simulation::new(1);
    let world = simulation.world();
    simulation.run_for(Duration::from_millis(1_500));
    world.disk().create_dir_all(Path::new("/data")).unwrap();
    world.trace(b"accepted 7\n");
    simulation.crash();
    assert_eq!(
        simulation.latest_events(),
        ["engine: create_dir_all", "accepted 7\\n", "engine: crash"].map(|event| format!("step 2, 1.5s: {event}"))
    );
}

#[test]
fn timers_ring_in_order_at_their_moment_and_take_no_real_time() {
    for seed in 0..20 {
        let simulation = Simulation::new(seed);
        let world = simulation.world();
        let rung = Rc::new(RefCell::new(Vec::new()));
        for days in [3, 1, 2] {
            let (world, rung) = (world.clone(), rung.clone());
            simulation.world().spawn_local(async move {
                world.sleep(Duration::from_secs(days * 86_400)).await;
                rung.borrow_mut().push((days, world.monotonic().0));
            });
        }
        simulation.run_for(Duration::from_secs(10 * 86_400));
        let day = 86_400_000_000_000;
        assert_eq!(*rung.borrow(), [(1, day), (2, 2 * day), (3, 3 * day)]);
        assert_eq!(simulation.now(), Monotonic(10 * day));
    }
}

#[test]
fn the_wall_clock_follows_the_virtual_one_and_can_be_set() {
    let simulation = Simulation::new(1);
    let world = simulation.world();
    let start = world.wall();
    simulation.run_for(Duration::from_millis(1_500));
    assert_eq!(world.wall().since(start), Duration::from_millis(1_500));
    simulation.set_wall(Timestamp(5_000));
    simulation.run_for(Duration::from_secs(1));
    assert_eq!(world.wall(), Timestamp(6_000));
}

#[test]
fn a_timeout_works_on_the_virtual_clock() {
    let simulation = Simulation::new(3);
    let world = simulation.world();
    simulation.run(async {
        assert!(world.timeout(Duration::from_secs(5), std::future::pending::<()>()).await.is_err());
        assert_eq!(world.monotonic(), Monotonic(5_000_000_000));
        assert_eq!(world.timeout(Duration::from_secs(5), world.sleep(Duration::from_secs(4))).await, Ok(()));
    });
}

#[test]
fn a_thread_ends_with_its_tasks_and_an_aborted_task_is_dropped() {
    let simulation = Simulation::new(1);
    let world = simulation.world();
    let (held, aborted) = (Signal::new(), Signal::new());
    struct SetOnDrop(Signal);
    impl Drop for SetOnDrop {
        fn drop(&mut self) {
            self.0.set();
        }
    }
    let thread = world.spawn_thread("short", {
        let (world, held, aborted) = (world.clone(), SetOnDrop(held.clone()), SetOnDrop(aborted.clone()));
        move || async move {
            world.spawn_local(async move {
                let _held = held;
                std::future::pending::<()>().await;
            });
            let task = world.spawn_local(async move {
                let _held = aborted;
                std::future::pending::<()>().await;
            });
            world.sleep(Duration::from_secs(1)).await;
            assert!(!task.is_finished());
            task.abort();
            task.ended().await;
        }
    });
    simulation.run(async {
        aborted.wait().await;
        thread.join().await.unwrap();
        assert!(held.is_set());
    });
}

#[test]
#[should_panic(expected = "stands still after")]
fn a_standstill_is_a_panic_and_not_a_hang() {
    let simulation = Simulation::new(1);
    let (_sender, receiver) = bounded::<()>(1);
    simulation.run(async { receiver.recv().await });
}

#[test]
#[should_panic(expected = "wakes itself for ever")]
fn going_in_circles_is_a_panic_and_not_a_hang() {
    let simulation = Simulation::new(1);
    simulation.set_step_limit(1_000);
    let world = simulation.world();
    let idle = world.clone();
    world.spawn_local(async move {
        loop {
            idle.sleep(Duration::ZERO).await;
            tokio::task::yield_now().await;
        }
    });
    simulation.run_for(Duration::from_secs(1));
}

#[test]
#[should_panic(expected = "a finding")]
fn a_panic_in_a_task_ends_the_run() {
    let simulation = Simulation::new(1);
    simulation.world().spawn_thread("faulty", || async { panic!("a finding") });
    simulation.run_for(Duration::from_secs(1));
}

/// The channel under every order the seeds choose: each value once, in order for each sender, and the end seen.
#[test]
fn channels_keep_their_promises_under_seeded_scheduling() {
    for seed in 0..300 {
        let simulation = Simulation::new(seed);
        let world = simulation.world();
        let (sender, receiver) = bounded(1 + usize::try_from(seed % 3).unwrap());
        for first in [0, 100, 200] {
            let sender = sender.clone();
            world.spawn_thread("sender", move || async move {
                for value in first..first + 10 {
                    sender.send(value).await.unwrap();
                }
            });
        }
        drop(sender);
        let seen = Rc::new(RefCell::new(Vec::new()));
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let (receiver, seen, world) = (receiver.clone(), seen.clone(), world.clone());
                simulation.world().spawn_local(async move {
                    let mut own = Vec::new();
                    // Gives up now and then while it waits.
                    loop {
                        match world.timeout(Duration::ZERO, receiver.recv()).await {
                            Ok(Some(value)) => own.push(value),
                            Ok(None) => break,
                            Err(_) => {
                                if receiver.recv_many(&mut own, 2).await == 0 {
                                    break;
                                }
                            }
                        }
                    }
                    assert!([0, 100, 200].iter().all(|first| own.iter().filter(|value| *value / 100 == first / 100).is_sorted()));
                    seen.borrow_mut().extend(own);
                })
            })
            .collect();
        drop(receiver);
        simulation.run(async {
            for reader in readers {
                reader.ended().await;
            }
        });
        let mut seen = seen.borrow().clone();
        seen.sort_unstable();
        assert_eq!(seen, (0..10).chain(100..110).chain(200..210).collect::<Vec<_>>(), "seed {seed}");
    }
}
