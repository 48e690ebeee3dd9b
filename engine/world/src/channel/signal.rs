//! A flag that is set once and that many await: shutdown, the end of a task.

use super::waiters::{Place, Waiters};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

/// Set once, seen by every clone.
#[derive(Clone, Default)]
pub struct Signal {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    set: AtomicBool,
    waiting: Waiters,
}

impl Signal {
    /// A signal that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets it and wakes everybody who waits. Setting it again changes nothing.
    pub fn set(&self) {
        if !self.shared.set.swap(true, Ordering::SeqCst) {
            self.shared.waiting.wake_all();
        }
    }

    /// True once it was set.
    pub fn is_set(&self) -> bool {
        self.shared.set.load(Ordering::SeqCst)
    }

    /// Waits until it is set; at once where it is. The future owns its share and is `Unpin`.
    pub fn wait(&self) -> Wait {
        Wait { signal: self.clone(), place: None }
    }
}

impl std::fmt::Debug for Signal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Signal").field(&self.is_set()).finish()
    }
}

/// Waits for a [`Signal`].
pub struct Wait {
    signal: Signal,
    place: Option<Place>,
}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.signal.is_set() {
            return Poll::Ready(());
        }
        this.signal.shared.waiting.wait(&mut this.place, context.waker());
        if this.signal.is_set() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        // Everybody is woken together: there is no wake-up to pass on.
        self.signal.shared.waiting.leave(&mut self.place);
    }
}

impl std::fmt::Debug for Wait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wait")
    }
}
