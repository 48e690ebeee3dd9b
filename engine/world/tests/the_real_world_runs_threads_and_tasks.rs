//! Threads, tasks, timers and the end of each, in the real world.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use world::channel::{Signal, bounded, oneshot};
use world::{Elapsed, World, block_on};

#[test]
fn a_thread_runs_tasks_that_are_not_send_and_join_waits_for_it() {
    let world = World::real();
    let (sum, answer) = oneshot();
    let thread = world.spawn_thread("adder", {
        let world = world.clone();
        move || async move {
            let total = Rc::new(Cell::new(0));
            let tasks: Vec<_> = (1..=3)
                .map(|term| {
                    let (total, timer) = (total.clone(), world.clone());
                    world.spawn_local(async move {
                        timer.sleep(Duration::from_millis(term)).await;
                        total.set(total.get() + term);
                    })
                })
                .collect();
            for task in &tasks {
                task.ended().await;
            }
            sum.send((total.get(), std::thread::current().name().map(str::to_owned))).unwrap();
        }
    });
    let answer = block_on(async {
        thread.join().await.unwrap();
        answer.await
    });
    assert_eq!(answer, Some((6, Some("adder".to_owned()))));
}

#[test]
fn a_panic_in_a_task_ends_its_thread_and_join_says_so() {
    let world = World::real();
    let thread = world.spawn_thread("fails", {
        let world = world.clone();
        move || async move {
            world.spawn_local(async { panic!("on purpose") });
            std::future::pending::<()>().await;
        }
    });
    let error = block_on(thread.join()).unwrap_err();
    assert_eq!(error.name, "fails");
}

#[test]
fn an_aborted_task_is_dropped_and_a_dropped_handle_leaves_the_task_running() {
    block_on(async {
        let world = World::real();
        let (kept, go) = (Signal::new(), Signal::new());
        let waiting = world.spawn_local(std::future::pending());
        drop(world.spawn_local({
            let (kept, go) = (kept.clone(), go.clone());
            async move {
                go.wait().await;
                kept.set();
            }
        }));
        assert!(!waiting.is_finished());
        waiting.abort();
        waiting.ended().await;
        go.set();
        kept.wait().await;
    });
}

#[test]
fn a_timeout_ends_what_waits_and_lets_pass_what_is_done() {
    block_on(async {
        let world = World::real();
        let before = world.monotonic();
        let late = world.timeout(Duration::from_millis(20), std::future::pending::<()>()).await;
        assert_eq!(late, Err(Elapsed));
        assert!(world.monotonic().since(before) >= Duration::from_millis(20));
        assert_eq!(world.timeout(Duration::ZERO, async { 7 }).await, Ok(7));
    });
}

#[test]
fn random_bytes_differ_and_the_wall_clock_is_of_this_century() {
    let world = World::real();
    let (mut one, mut two) = ([0; 32], [0; 32]);
    world.fill_random(&mut one);
    world.fill_random(&mut two);
    assert_ne!(one, two);
    assert!(world.wall().as_seconds() > 1_700_000_000);
}

#[test]
fn a_thread_drops_its_tasks_when_it_ends() {
    let world = World::real();
    let (sender, receiver) = bounded::<()>(1);
    let thread = world.spawn_thread("short", {
        let world = world.clone();
        move || async move {
            world.spawn_local(async move {
                let _held = sender;
                std::future::pending::<()>().await;
            });
        }
    });
    block_on(async {
        thread.join().await.unwrap();
        assert_eq!(receiver.recv().await, None, "the sender went with the task that held it");
    });
}
