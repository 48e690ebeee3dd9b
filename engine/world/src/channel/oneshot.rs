//! One value, once: the answer to a request that travels through a channel.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A channel for one value. The receiver learns `None` where the sender goes without sending.
pub fn oneshot<T>() -> (OneSender<T>, OneReceiver<T>) {
    let slot = Arc::new(Slot(Mutex::new(State { value: None, waker: None, sender_alive: true, receiver_alive: true })));
    (OneSender { slot: Some(slot.clone()) }, OneReceiver { slot: Some(slot) })
}

struct Slot<T>(Mutex<State<T>>);

struct State<T> {
    value: Option<T>,
    waker: Option<Waker>,
    sender_alive: bool,
    receiver_alive: bool,
}

impl<T> Slot<T> {
    /// Nothing comes after this.
    fn end(&self, value: Option<T>) -> Result<(), T> {
        let mut state = self.lock();
        state.sender_alive = false;
        if !state.receiver_alive {
            return value.map_or(Ok(()), Err);
        }
        state.value = value;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sending side.
pub struct OneSender<T> {
    /// `None` once it has sent.
    slot: Option<Arc<Slot<T>>>,
}

impl<T> OneSender<T> {
    /// Sends the value.
    ///
    /// # Errors
    /// The value, where the receiver is gone.
    pub fn send(mut self, value: T) -> Result<(), T> {
        match self.slot.take() {
            Some(slot) => slot.end(Some(value)),
            None => Err(value),
        }
    }

    /// True where the receiver is gone: nobody wants the answer.
    pub fn is_closed(&self) -> bool {
        self.slot.as_ref().is_none_or(|slot| !slot.lock().receiver_alive)
    }
}

impl<T> Drop for OneSender<T> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            let _ = slot.end(None);
        }
    }
}

/// The receiving side: a future of the value, or `None` where the sender went without sending.
pub struct OneReceiver<T> {
    /// `None` once the value is taken.
    slot: Option<Arc<Slot<T>>>,
}

impl<T> OneReceiver<T> {
    /// The value where it has come.
    pub fn try_recv(&mut self) -> Option<T> {
        let value = self.slot.as_ref()?.lock().value.take();
        if value.is_some() {
            self.slot = None;
        }
        value
    }
}

impl<T> Future for OneReceiver<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let Some(slot) = &self.slot else { return Poll::Ready(None) };
        let mut state = slot.lock();
        let value = state.value.take();
        if value.is_none() && state.sender_alive {
            state.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        drop(state);
        // The sender is done with it too: nobody needs to be told that this side goes.
        self.slot = None;
        Poll::Ready(value)
    }
}

impl<T> Drop for OneReceiver<T> {
    fn drop(&mut self) {
        let Some(slot) = self.slot.take() else { return };
        let mut state = slot.lock();
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
