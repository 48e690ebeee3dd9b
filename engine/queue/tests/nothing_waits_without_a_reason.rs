//! Why is this message not sent yet? Its time, its lane, its destination, its batch; and what each of them needs to go on.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod story;

use model::{BatchId, Destination, JobId};
use queue::{GroupId, PushError, Queue, QueueState, Scope, Standing};
use story::{Jobs, at, journaled, number, push, resolve_all, said, take_all};

const GROUP: GroupId = GroupId(3);

fn standing(queue: &Jobs, number: u64) -> Standing {
    queue.view(JobId::new(0, number)).unwrap().standing
}

#[test]
fn a_job_says_where_it_stands_from_push_to_finish() {
    let mut queue = Queue::new(at(0));
    let mut job = said(1, "a.example");
    job.due = at(60);
    push(&mut queue, &job);
    assert_eq!(standing(&queue, 1), Standing::Scheduled { due: at(60) });
    assert!(queue.next_wake().unwrap() <= at(60));
    queue.advance(at(60));
    assert_eq!(standing(&queue, 1), Standing::Unresolved);
    resolve_all(&mut queue, GROUP);
    assert_eq!(standing(&queue, 1), Standing::WaitsForLane { group: 3, ready: 1 });
    assert_eq!(queue.newly_ready(), [GROUP]);
    let delivery = queue.take(GROUP, at(60)).unwrap();
    assert_eq!(standing(&queue, 1), Standing::InFlight);
    assert!(queue.view(JobId::new(0, 1)).unwrap().to_string().contains("an attempt is under way"));
    queue.finish(delivery.clone());
    assert_eq!((queue.view(JobId::new(0, 1)), queue.len()), (None, 0));
    queue.finish(delivery);
    assert_eq!((queue.len(), queue.in_flight()), (0, 0), "finishing twice does no harm");
}

#[test]
fn a_held_batch_waits_and_goes_on_in_its_order() {
    let mut queue = Queue::new(at(0));
    let held = Scope::Batch(BatchId::new(0, 1));
    queue.suspend(held);
    for number in 1..=3 {
        push(&mut queue, &said(number, "a.example"));
    }
    let mut other = said(9, "a.example");
    other.batch = 2;
    push(&mut queue, &other);
    resolve_all(&mut queue, GROUP);
    assert_eq!(standing(&queue, 2), Standing::BatchHeld);
    assert_eq!((queue.ready(GROUP), take_all(&mut queue, GROUP, at(0))), (1, vec![9]));
    queue.resume(held);
    assert_eq!(take_all(&mut queue, GROUP, at(0)), [1, 2, 3]);
}

#[test]
fn a_suspended_destination_waits_alone() {
    let mut queue = Queue::new(at(0));
    push(&mut queue, &said(1, "down.example"));
    push(&mut queue, &said(2, "up.example"));
    resolve_all(&mut queue, GROUP);
    let down = queue.destination(&Destination::parse("down.example").unwrap());
    queue.suspend(Scope::Destination(down));
    assert_eq!(standing(&queue, 1), Standing::DestinationSuspended);
    assert_eq!(take_all(&mut queue, GROUP, at(0)), [2]);
    queue.resume(Scope::Destination(down));
    assert_eq!(take_all(&mut queue, GROUP, at(0)), [1]);
}

#[test]
fn an_mx_change_moves_the_line_with_all_its_jobs() {
    let mut queue = Queue::new(at(0));
    for number in 1..=100 {
        push(&mut queue, &said(number, "a.example"));
    }
    let destination = queue.unresolved(10)[0];
    queue.set_home(destination, GROUP);
    assert_eq!(queue.ready(GROUP), 100);
    queue.set_home(destination, GroupId(7));
    assert_eq!((queue.ready(GROUP), queue.ready(GroupId(7))), (0, 100));
    assert!(queue.take(GROUP, at(0)).is_none());
    assert_eq!(number(&queue.take(GroupId(7), at(0)).unwrap()), 1);
}

#[test]
fn a_destination_that_does_not_resolve_is_asked_for_again_later() {
    let mut queue = Queue::new(at(0));
    push(&mut queue, &said(1, "a.example"));
    let destination = queue.unresolved(10)[0];
    assert!(queue.unresolved(10).is_empty(), "it is named once");
    queue.resolve_later(destination, at(30));
    queue.advance(at(29));
    assert!(queue.unresolved(10).is_empty());
    assert_eq!(queue.next_wake(), Some(at(30)));
    queue.advance(at(30));
    assert_eq!(queue.unresolved(10), [destination]);
}

#[test]
fn what_passes_its_deadline_comes_out_wherever_it_waited() {
    let mut queue = Queue::new(at(0));
    let mut due_later = said(1, "a.example");
    (due_later.due, due_later.deadline) = (at(500), at(100));
    let mut unresolved = said(2, "b.example");
    unresolved.deadline = at(100);
    let mut in_flight = said(3, "c.example");
    in_flight.deadline = at(100);
    for job in [&due_later, &unresolved, &in_flight] {
        push(&mut queue, job);
    }
    let c = queue.destination(&Destination::parse("c.example").unwrap());
    queue.set_home(c, GROUP);
    let flying = queue.take(GROUP, at(0)).unwrap();
    assert!(queue.advance(at(100)).is_empty(), "at the deadline itself it may still go");
    let expired = queue.advance(model::Timestamp(at(100).0 + 1));
    assert_eq!(expired.iter().map(number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(queue.len(), 1, "one in flight is left alone");
    assert!(queue.put_back(flying, at(200), 1, false).is_none());
    assert_eq!(standing(&queue, 3), Standing::Late);
    assert_eq!(queue.advance(at(101)).iter().map(number).collect::<Vec<_>>(), [3]);
    assert!(queue.is_empty());
}

#[test]
fn a_cancelled_batch_leaves_nothing_behind() {
    let mut queue = Queue::new(at(0));
    let mut later = said(2, "a.example");
    later.due = at(50);
    push(&mut queue, &said(1, "a.example"));
    push(&mut queue, &later);
    push(&mut queue, &said(3, "a.example"));
    let mut other = said(4, "a.example");
    other.batch = 2;
    push(&mut queue, &other);
    resolve_all(&mut queue, GROUP);
    let flying = queue.take(GROUP, at(0)).unwrap();
    assert_eq!(number(&flying), 1);
    let mut cancelled: Vec<u64> = queue.cancel(BatchId::new(0, 1)).iter().map(number).collect();
    cancelled.sort_unstable();
    assert_eq!(cancelled, [2, 3]);
    let back = queue.put_back(flying, at(10), 1, false);
    assert_eq!(back.map(|delivery| number(&delivery)), Some(1), "it comes back to be recorded");
    assert_eq!((queue.len(), take_all(&mut queue, GROUP, at(60))), (1, vec![4]));
    assert!(queue.cancel(BatchId::new(0, 99)).is_empty());
}

#[test]
fn draining_hands_out_nothing_more() {
    let mut queue = Queue::new(at(0));
    push(&mut queue, &said(1, "a.example"));
    push(&mut queue, &said(2, "a.example"));
    resolve_all(&mut queue, GROUP);
    let flying = queue.take(GROUP, at(0)).unwrap();
    queue.drain();
    assert!(queue.take(GROUP, at(0)).is_none());
    assert_eq!(queue.in_flight(), 1);
    queue.finish(flying);
    assert_eq!((queue.in_flight(), queue.len()), (0, 1));
}

#[test]
fn a_job_cannot_be_queued_twice_or_without_a_destination() {
    let mut queue = Queue::new(at(0));
    push(&mut queue, &said(1, "a.example"));
    let state = QueueState { attempts: 0, due: at(0), message: model::MessageVersion(0), frozen: false };
    assert_eq!(queue.push(&journaled(&said(1, "a.example")), state), Err(PushError::AlreadyQueued(JobId::new(0, 1))));
    let mut held = journaled(&said(2, "a.example"));
    std::sync::Arc::make_mut(&mut held.head).destination = None;
    assert_eq!(queue.push(&held, state), Err(PushError::NoDestination(JobId::new(0, 2))));
}
