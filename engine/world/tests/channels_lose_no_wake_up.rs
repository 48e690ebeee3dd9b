//! Channels under many threads, with futures that are dropped while they wait, and step by step with counted wake-ups.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use futures_util::FutureExt;
use futures_util::future::{Either, select};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use world::channel::{Receiver, Sender, Signal, TrySendError, bounded, oneshot};
use world::{World, block_on};

const VALUES_PER_SENDER: u64 = 20_000;

/// Longer than any of this takes on a busy machine: where it passes, somebody sleeps for ever.
const PATIENCE: Duration = Duration::from_secs(60);

async fn send_all(sender: Sender<u64>, first: u64) {
    for value in first..first + VALUES_PER_SENDER {
        let mut value = value;
        // Every third value tries without waiting first.
        if value.is_multiple_of(3) {
            match sender.try_send(value) {
                Ok(()) => continue,
                Err(error) => value = error.into_inner(),
            }
        }
        sender.send(value).await.unwrap();
    }
}

/// Receives until the channel closes; gives up and begins anew as often as another turn comes first.
async fn sum_impatiently(receiver: Receiver<u64>) -> (u64, u64) {
    let (mut count, mut sum) = (0, 0);
    let mut many = Vec::new();
    loop {
        if count % 5 == 0 {
            if receiver.recv_many(&mut many, 3).await == 0 {
                return (count, sum);
            }
        } else {
            match select(pin!(receiver.recv()), pin!(tokio::task::yield_now())).await {
                Either::Left((Some(value), _)) => many.push(value),
                Either::Left((None, _)) => return (count, sum),
                Either::Right(_) => {}
            }
        }
        count += many.len() as u64;
        sum += many.drain(..).sum::<u64>();
    }
}

fn every_value_arrives_once(senders: u64, receivers: usize, capacity: usize) {
    let world = World::real();
    let (sender, receiver) = bounded(capacity);
    let mut threads = Vec::new();
    for index in 0..senders {
        let (sender, timer) = (sender.clone(), world.clone());
        threads.push(world.spawn_thread("sender", move || async move {
            timer.timeout(PATIENCE, send_all(sender, index * VALUES_PER_SENDER)).await.expect("a sender sleeps for ever");
        }));
    }
    drop(sender);
    let mut sums = Vec::new();
    for _ in 0..receivers {
        let (receiver, timer) = (receiver.clone(), world.clone());
        let (answer, sum) = oneshot();
        sums.push(sum);
        threads.push(world.spawn_thread("receiver", move || async move {
            let sum = timer.timeout(PATIENCE, sum_impatiently(receiver)).await.expect("a receiver sleeps for ever");
            answer.send(sum).unwrap();
        }));
    }
    let values = senders * VALUES_PER_SENDER;
    block_on(async {
        let mut total = (0, 0);
        for sum in sums {
            let (count, sum) = sum.await.unwrap();
            total = (total.0 + count, total.1 + sum);
        }
        assert_eq!(total, (values, values * (values - 1) / 2));
        for thread in threads {
            thread.join().await.unwrap();
        }
    });
}

#[test]
fn many_to_many_through_one_place() {
    every_value_arrives_once(4, 4, 1);
}

#[test]
fn many_to_one_through_three_places() {
    every_value_arrives_once(4, 1, 3);
}

#[test]
fn one_to_many_through_a_hundred_places() {
    every_value_arrives_once(1, 4, 100);
}

#[test]
fn senders_that_give_up_let_others_pass() {
    let world = World::real();
    let (sender, receiver) = bounded::<u64>(1);
    let mut threads = Vec::new();
    for _ in 0..3 {
        let (sender, timer) = (sender.clone(), world.clone());
        threads.push(world.spawn_thread("sender", move || async move {
            let work = async {
                let mut sent = 0;
                while sent < 5_000 {
                    // Dropped while waiting, woken or not: the value was not sent.
                    if let Either::Left((Ok(()), _)) = select(pin!(sender.send(sent)), pin!(tokio::task::yield_now())).await {
                        sent += 1;
                    }
                }
            };
            timer.timeout(PATIENCE, work).await.expect("a sender sleeps for ever");
        }));
    }
    drop(sender);
    block_on(async {
        let mut count = 0;
        while world.timeout(PATIENCE, receiver.recv()).await.expect("the receiver sleeps for ever").is_some() {
            count += 1;
        }
        assert_eq!(count, 15_000);
        for thread in threads {
            thread.join().await.unwrap();
        }
    });
}

/// Counts how often it was woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A future that is polled by hand.
struct ByHand<F> {
    future: Pin<Box<F>>,
    count: Arc<Count>,
}

impl<F: Future> ByHand<F> {
    fn new(future: F) -> Self {
        Self { future: Box::pin(future), count: Arc::default() }
    }

    fn poll(&mut self) -> Poll<F::Output> {
        let waker = Waker::from(self.count.clone());
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    fn woken(&self) -> usize {
        self.count.0.load(Ordering::SeqCst)
    }
}

#[test]
fn a_woken_receiver_that_goes_away_wakes_the_next() {
    let (sender, receiver) = bounded(4);
    let (mut first, mut second) = (ByHand::new(receiver.recv()), ByHand::new(receiver.recv()));
    assert!(first.poll().is_pending() && second.poll().is_pending());
    sender.try_send(1).unwrap();
    assert_eq!((first.woken(), second.woken()), (1, 0), "one value, one wake-up, in the order of waiting");
    drop(first);
    assert_eq!(second.woken(), 1);
    assert_eq!(second.poll(), Poll::Ready(Some(1)));
}

#[test]
fn a_woken_sender_that_goes_away_wakes_the_next() {
    let (sender, receiver) = bounded(1);
    sender.try_send(0).unwrap();
    let (mut first, mut second) = (ByHand::new(sender.send(1)), ByHand::new(sender.send(2)));
    assert!(first.poll().is_pending() && second.poll().is_pending());
    assert_eq!(receiver.try_recv(), Some(0));
    assert_eq!((first.woken(), second.woken()), (1, 0));
    drop(first);
    assert_eq!(second.woken(), 1);
    assert!(second.poll().is_ready());
    assert_eq!(receiver.try_recv(), Some(2));
}

#[test]
fn a_receiver_woken_in_vain_keeps_its_place() {
    let (sender, receiver) = bounded(4);
    let (mut first, mut second) = (ByHand::new(receiver.recv()), ByHand::new(receiver.recv()));
    assert!(first.poll().is_pending() && second.poll().is_pending());
    sender.try_send(1).unwrap();
    assert_eq!(receiver.try_recv(), Some(1), "another came first");
    assert!(first.poll().is_pending());
    sender.try_send(2).unwrap();
    assert_eq!((first.woken(), second.woken()), (2, 0));
}

#[test]
fn a_channel_without_receivers_gives_values_back_and_drops_what_it_held() {
    let (sender, receiver) = bounded(1);
    let (inside, mut answer) = oneshot::<()>();
    sender.try_send(inside).unwrap();
    let (waiting_value, _unused) = oneshot();
    let mut waiting = ByHand::new(sender.send(waiting_value));
    assert!(waiting.poll().is_pending());
    drop(receiver);
    assert_eq!(answer.poll_unpin(&mut Context::from_waker(Waker::noop())), Poll::Ready(None), "the lost answer is seen");
    assert_eq!(waiting.woken(), 1);
    assert!(matches!(waiting.poll(), Poll::Ready(Err(_))));
    assert!(sender.is_closed());
    assert!(matches!(sender.try_send(oneshot().0), Err(TrySendError::Closed(_))));
}

#[test]
fn a_channel_without_senders_gives_out_what_it_holds_and_then_closes() {
    let (sender, receiver) = bounded(4);
    sender.try_send(1).unwrap();
    sender.try_send(2).unwrap();
    let clone = sender.clone();
    drop(sender);
    assert!(!receiver.is_closed());
    drop(clone);
    let mut values = Vec::new();
    assert_eq!(receiver.recv_many(&mut values, 10).now_or_never(), Some(2));
    assert_eq!(receiver.recv_many(&mut values, 10).now_or_never(), Some(0));
    assert_eq!(values, [1, 2]);
}

#[test]
fn one_value_goes_through_a_oneshot_and_either_end_sees_the_other_go() {
    let (sender, mut receiver) = oneshot();
    assert_eq!(receiver.try_recv(), None);
    sender.send(7).unwrap();
    assert_eq!(receiver.now_or_never(), Some(Some(7)));
    let (sender, receiver) = oneshot::<u8>();
    let mut waiting = ByHand::new(receiver);
    assert!(waiting.poll().is_pending());
    drop(sender);
    assert_eq!((waiting.woken(), waiting.poll()), (1, Poll::Ready(None)));
    let (sender, receiver) = oneshot();
    drop(receiver);
    assert!(sender.is_closed());
    assert_eq!(sender.send(8), Err(8));
}

#[test]
fn a_signal_wakes_everybody_once_and_stays_set() {
    let signal = Signal::new();
    let (mut first, mut second) = (ByHand::new(signal.wait()), ByHand::new(signal.clone().wait()));
    assert!(first.poll().is_pending() && second.poll().is_pending());
    signal.set();
    signal.set();
    assert_eq!((first.woken(), second.woken()), (1, 1));
    assert!(first.poll().is_ready() && second.poll().is_ready());
    assert_eq!(signal.wait().now_or_never(), Some(()));
}
