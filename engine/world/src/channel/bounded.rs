//! A bounded queue with many senders and many receivers.
//!
//! Values lie in crossbeam's `ArrayQueue` (no lock on the way); only a side that must wait touches a mutex. Waiting sides are woken
//! in order, one per value or free place, and a woken side that finds more to do wakes the next.

use super::waiters::{Place, Waiters};
use crossbeam::queue::ArrayQueue;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

/// A channel for up to `capacity` values.
///
/// # Panics
/// Where `capacity` is zero.
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared {
        queue: ArrayQueue::new(capacity),
        senders: AtomicUsize::new(1),
        receivers: AtomicUsize::new(1),
        waiting_senders: Waiters::default(),
        waiting_receivers: Waiters::default(),
    });
    (Sender { shared: shared.clone() }, Receiver { shared })
}

struct Shared<T> {
    queue: ArrayQueue<T>,
    senders: AtomicUsize,
    receivers: AtomicUsize,
    waiting_senders: Waiters,
    waiting_receivers: Waiters,
}

impl<T> Shared<T> {
    fn push(&self, value: T) -> Result<(), TrySendError<T>> {
        if self.receivers.load(Ordering::SeqCst) == 0 {
            return Err(TrySendError::Closed(value));
        }
        self.queue.push(value).map_err(TrySendError::Full)?;
        self.waiting_receivers.wake(1);
        // The last receiver may have gone between the look and the push, and its clearing with it.
        if self.receivers.load(Ordering::SeqCst) == 0 {
            self.clear();
        }
        Ok(())
    }

    fn pop(&self) -> Option<T> {
        let value = self.queue.pop()?;
        self.waiting_senders.wake(1);
        Some(value)
    }

    /// As [`Shared::pop`], and says when no value will ever come.
    fn pop_or_closed(&self) -> Poll<Option<T>> {
        if let Some(value) = self.pop() {
            return Poll::Ready(Some(value));
        }
        if self.senders.load(Ordering::SeqCst) > 0 {
            return Poll::Pending;
        }
        // The last sender may have pushed after the first look and before it went.
        Poll::Ready(self.pop())
    }

    fn clear(&self) {
        while self.queue.pop().is_some() {}
    }
}

/// The sending side. Clones send into the same channel; it closes when the last one is dropped.
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Sends, waiting while the channel is full. Dropping the future before it is done drops the value unsent.
    ///
    /// # Errors
    /// [`Closed`] with the value where no receiver is left.
    pub async fn send(&self, value: T) -> Result<(), Closed<T>> {
        Sending { shared: &self.shared, value: Some(value), place: None }.await
    }

    /// Sends where there is room now.
    ///
    /// # Errors
    /// [`TrySendError`] with the value.
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        self.shared.push(value)
    }

    /// True where no receiver is left.
    pub fn is_closed(&self) -> bool {
        self.shared.receivers.load(Ordering::SeqCst) == 0
    }

    /// Values in the channel now.
    pub fn len(&self) -> usize {
        self.shared.queue.len()
    }

    /// True where no value is in the channel now.
    pub fn is_empty(&self) -> bool {
        self.shared.queue.is_empty()
    }

    /// Values that fit.
    pub fn capacity(&self) -> usize {
        self.shared.queue.capacity()
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.senders.fetch_add(1, Ordering::SeqCst);
        Self { shared: self.shared.clone() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if self.shared.senders.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.shared.waiting_receivers.wake_all();
        }
    }
}

/// The receiving side. Clones share the values; the channel closes when the last one is dropped.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Receiver<T> {
    /// The next value, waiting for one. `None` once the channel is empty and no sender is left.
    pub async fn recv(&self) -> Option<T> {
        Receiving { shared: &self.shared, place: None }.await
    }

    /// The next value where there is one now.
    pub fn try_recv(&self) -> Option<T> {
        self.shared.pop()
    }

    /// Waits for one value, then takes what is there, up to `max`, at the end of `into`.
    /// Returns how many it took; 0 once the channel is empty and no sender is left.
    ///
    /// # Panics
    /// Where `max` is zero.
    pub async fn recv_many(&self, into: &mut Vec<T>, max: usize) -> usize {
        assert!(max > 0, "recv_many with max 0 could not tell empty from closed");
        let Some(first) = self.recv().await else { return 0 };
        into.push(first);
        let mut taken = 1;
        while taken < max
            && let Some(value) = self.shared.queue.pop()
        {
            into.push(value);
            taken += 1;
        }
        // `recv` has woken a sender for the first place.
        self.shared.waiting_senders.wake(taken - 1);
        taken
    }

    /// True where no sender is left; values may still be inside.
    pub fn is_closed(&self) -> bool {
        self.shared.senders.load(Ordering::SeqCst) == 0
    }

    /// Values in the channel now.
    pub fn len(&self) -> usize {
        self.shared.queue.len()
    }

    /// True where no value is in the channel now.
    pub fn is_empty(&self) -> bool {
        self.shared.queue.is_empty()
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.shared.receivers.fetch_add(1, Ordering::SeqCst);
        Self { shared: self.shared.clone() }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        if self.shared.receivers.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.shared.clear();
            self.shared.waiting_senders.wake_all();
        }
    }
}

impl<T> std::fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<T> std::fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// No receiver is left; the value comes back.
#[derive(thiserror::Error)]
#[error("the channel's receivers are gone")]
pub struct Closed<T>(pub T);

/// The value could not be sent now; it comes back.
#[derive(thiserror::Error)]
pub enum TrySendError<T> {
    /// The channel is full: wait, or tell the sender "not now".
    #[error("the channel is full")]
    Full(T),
    /// No receiver is left.
    #[error("the channel's receivers are gone")]
    Closed(T),
}

impl<T> TrySendError<T> {
    /// The value that was not sent.
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(value) | Self::Closed(value) => value,
        }
    }
}

// Not derived: values may hold what must not print, and need no `Debug`.
impl<T> std::fmt::Debug for Closed<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Closed(..)")
    }
}

impl<T> std::fmt::Debug for TrySendError<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if matches!(self, Self::Full(_)) { "Full(..)" } else { "Closed(..)" })
    }
}

struct Sending<'a, T> {
    shared: &'a Shared<T>,
    value: Option<T>,
    place: Option<Place>,
}

// The value is never pinned.
impl<T> Unpin for Sending<'_, T> {}

impl<T> Sending<'_, T> {
    fn attempt(&mut self) -> Poll<Result<(), Closed<T>>> {
        let Some(value) = self.value.take() else { return Poll::Pending };
        match self.shared.push(value) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(TrySendError::Closed(value)) => Poll::Ready(Err(Closed(value))),
            Err(TrySendError::Full(value)) => {
                self.value = Some(value);
                Poll::Pending
            }
        }
    }
}

impl<T> Future for Sending<'_, T> {
    type Output = Result<(), Closed<T>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Poll::Ready(done) = this.attempt() {
            return Poll::Ready(done);
        }
        this.shared.waiting_senders.wait(&mut this.place, context.waker());
        this.attempt()
    }
}

impl<T> Drop for Sending<'_, T> {
    fn drop(&mut self) {
        let waited = self.place.is_some();
        self.shared.waiting_senders.leave(&mut self.place);
        // Woken and unserved, or served with room to spare: the next one may go.
        if waited && !self.shared.queue.is_full() {
            self.shared.waiting_senders.wake(1);
        }
    }
}

struct Receiving<'a, T> {
    shared: &'a Shared<T>,
    place: Option<Place>,
}

impl<T> Future for Receiving<'_, T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let this = &mut *self;
        if let Poll::Ready(done) = this.shared.pop_or_closed() {
            return Poll::Ready(done);
        }
        this.shared.waiting_receivers.wait(&mut this.place, context.waker());
        this.shared.pop_or_closed()
    }
}

impl<T> Drop for Receiving<'_, T> {
    fn drop(&mut self) {
        let waited = self.place.is_some();
        self.shared.waiting_receivers.leave(&mut self.place);
        // Woken and unserved, or served with values left: the next one may go.
        if waited && !self.shared.queue.is_empty() {
            self.shared.waiting_receivers.wake(1);
        }
    }
}
