//! One value, once: the answer to a request that travels through a channel.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A channel for one value. The receiver learns `None` where the sender goes without sending.
pub fn oneshot<T>() -> (OneSender<T>, OneReceiver<T>) {
    let slot = Arc::new(Slot(Mutex::new(State { value: None, waker: None, sender_alive: true, receiver_alive: true })));
    (OneSender { slot: slot.clone() }, OneReceiver { slot })
}

struct Slot<T>(Mutex<State<T>>);

struct State<T> {
    value: Option<T>,
    waker: Option<Waker>,
    sender_alive: bool,
    receiver_alive: bool,
}

impl<T> Slot<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sending side.
pub struct OneSender<T> {
    slot: Arc<Slot<T>>,
}

impl<T> OneSender<T> {
    /// Sends the value.
    ///
    /// # Errors
    /// The value, where the receiver is gone.
    pub fn send(self, value: T) -> Result<(), T> {
        let mut state = self.slot.lock();
        if !state.receiver_alive {
            return Err(value);
        }
        state.value = Some(value);
        // Waking is left to the drop of `self`.
        Ok(())
    }

    /// True where the receiver is gone: nobody wants the answer.
    pub fn is_closed(&self) -> bool {
        !self.slot.lock().receiver_alive
    }
}

impl<T> Drop for OneSender<T> {
    fn drop(&mut self) {
        let mut state = self.slot.lock();
        state.sender_alive = false;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The receiving side: a future of the value, or `None` where the sender went without sending.
pub struct OneReceiver<T> {
    slot: Arc<Slot<T>>,
}

impl<T> OneReceiver<T> {
    /// The value where it has come.
    pub fn try_recv(&mut self) -> Option<T> {
        self.slot.lock().value.take()
    }
}

impl<T> Future for OneReceiver<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let mut state = self.slot.lock();
        if let Some(value) = state.value.take() {
            return Poll::Ready(Some(value));
        }
        if !state.sender_alive {
            return Poll::Ready(None);
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl<T> Drop for OneReceiver<T> {
    fn drop(&mut self) {
        let mut state = self.slot.lock();
        state.receiver_alive = false;
        // Dropped outside the lock: its own drop may send elsewhere.
        let (value, waker) = (state.value.take(), state.waker.take());
        drop(state);
        drop((value, waker));
    }
}

impl<T> std::fmt::Debug for OneSender<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OneSender")
    }
}

impl<T> std::fmt::Debug for OneReceiver<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OneReceiver")
    }
}
