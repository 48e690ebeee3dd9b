//! Urgent mail goes first, a flood starves nobody, tenants and batches take turns, and each line is first come, first served.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod story;

use queue::fairness::SKIPPED_MAX;
use queue::{GroupId, Queue};
use story::{at, number, push, resolve_all, said, take_all};

const GROUP: GroupId = GroupId(0);

#[test]
fn first_come_first_served_in_one_line() {
    let mut queue = Queue::new(at(0));
    for number in 1..=5 {
        push(&mut queue, &said(number, "a.example"));
    }
    resolve_all(&mut queue, GROUP);
    assert_eq!(take_all(&mut queue, GROUP, at(0)), [1, 2, 3, 4, 5]);
}

#[test]
fn the_urgent_go_first_and_the_others_still_get_their_share() {
    let mut queue = Queue::new(at(0));
    for number in 0..1_000 {
        let mut job = said(number, "a.example");
        job.priority = if number < 500 { 9 } else { 0 };
        push(&mut queue, &job);
    }
    resolve_all(&mut queue, GROUP);
    let order = take_all(&mut queue, GROUP, at(0));
    let first_others: Vec<usize> = order.iter().enumerate().filter(|(_, number)| **number < 500).map(|(at, _)| at).take(3).collect();
    let period = SKIPPED_MAX as usize + 1;
    assert_eq!(first_others, [period - 1, 2 * period - 1, 3 * period - 1]);
    assert!(order[..500].iter().filter(|number| **number >= 500).count() >= 480);
}

#[test]
fn a_small_tenant_is_not_behind_a_large_one() {
    let mut queue = Queue::new(at(0));
    for number in 0..1_000 {
        push(&mut queue, &said(number, "a.example"));
    }
    for number in 1_000..1_010 {
        let mut job = said(number, "a.example");
        (job.tenant, job.batch) = (2, 2);
        push(&mut queue, &job);
    }
    resolve_all(&mut queue, GROUP);
    let order = take_all(&mut queue, GROUP, at(0));
    let last_of_small = order.iter().rposition(|number| *number >= 1_000).unwrap();
    assert_eq!(last_of_small, 19, "every second turn is theirs");
}

#[test]
fn a_small_batch_and_a_small_destination_are_not_behind_large_ones() {
    let mut queue = Queue::new(at(0));
    for number in 0..300 {
        push(&mut queue, &said(number, "large.example"));
    }
    let mut small_batch = said(300, "large.example");
    small_batch.batch = 2;
    push(&mut queue, &small_batch);
    push(&mut queue, &said(301, "small.example"));
    resolve_all(&mut queue, GROUP);
    let order = take_all(&mut queue, GROUP, at(0));
    assert_eq!(order[..4], [0, 300, 301, 1]);
}

#[test]
fn one_that_is_put_back_joins_the_end() {
    let mut queue = Queue::new(at(0));
    for number in 1..=3 {
        push(&mut queue, &said(number, "a.example"));
    }
    resolve_all(&mut queue, GROUP);
    let first = queue.take(GROUP, at(0)).unwrap();
    assert_eq!((number(&first), first.attempts), (1, 0));
    assert!(queue.put_back(first, at(0), 1, true).is_none());
    assert_eq!((queue.take(GROUP, at(0)).unwrap().attempts, queue.take(GROUP, at(0)).unwrap().attempts), (0, 0));
    let again = queue.take(GROUP, at(0)).unwrap();
    assert_eq!((number(&again), again.attempts, again.frozen), (1, 1, true));
}
