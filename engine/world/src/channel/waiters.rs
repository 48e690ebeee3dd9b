//! Who waits: tasks in the order they came, each woken at most once per turn.
//!
//! The rule that loses no wake-up has two halves. A waiter registers, *then* looks again. A notifier changes the state, *then*
//! looks for waiters. A sequentially consistent fence stands between the two steps on both sides, so one of them sees the other.
//! A waiter that goes away looks once more and wakes the next, in case the wake-up it had was not used ([`Waiters::leave`]).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// A place in the order of waiting. It is kept when its holder is woken in vain and waits again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(u64);

/// The waiting tasks, oldest first.
#[derive(Default)]
pub(super) struct Waiters {
    /// Sorted by place.
    waiting: Mutex<VecDeque<(Place, Waker)>>,
    /// Length of `waiting`, so that nobody takes the lock where nobody waits.
    count: AtomicUsize,
    next: AtomicU64,
}

impl Waiters {
    /// Registers, or renews the waker of a place. The caller must look at the state again afterwards.
    pub(super) fn wait(&self, place: &mut Option<Place>, waker: &Waker) {
        let mut waiting = self.lock();
        let own = *place.get_or_insert_with(|| Place(self.next.fetch_add(1, Ordering::Relaxed)));
        match waiting.binary_search_by_key(&own, |(place, _)| *place) {
            Ok(index) => waiting[index].1.clone_from(waker),
            Err(index) => waiting.insert(index, (own, waker.clone())),
        }
        self.count.store(waiting.len(), Ordering::SeqCst);
        drop(waiting);
        fence(Ordering::SeqCst);
    }

    /// Gives the place up. The caller then looks at the state and wakes the next where there is something left for it:
    /// the wake-up that it may have had was for that.
    pub(super) fn leave(&self, place: &mut Option<Place>) {
        let Some(own) = place.take() else { return };
        let mut waiting = self.lock();
        let found = waiting.binary_search_by_key(&own, |(place, _)| *place);
        // The waker is dropped after the lock: it may be the last owner of a task.
        let waker = found.ok().and_then(|index| waiting.remove(index));
        self.count.store(waiting.len(), Ordering::SeqCst);
        drop(waiting);
        drop(waker);
    }

    /// Wakes up to `most` of the longest waiting. The caller must have changed the state before.
    pub(super) fn wake(&self, most: usize) {
        fence(Ordering::SeqCst);
        for _ in 0..most {
            if self.count.load(Ordering::SeqCst) == 0 {
                return;
            }
            let mut waiting = self.lock();
            let first = waiting.pop_front();
            self.count.store(waiting.len(), Ordering::SeqCst);
            drop(waiting);
            match first {
                Some((_, waker)) => waker.wake(),
                None => return,
            }
        }
    }

    /// Wakes everybody.
    pub(super) fn wake_all(&self) {
        let mut waiting = self.lock();
        let all = std::mem::take(&mut *waiting);
        self.count.store(0, Ordering::SeqCst);
        drop(waiting);
        for (_, waker) in all {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Place, Waker)>> {
        // No code of others runs under the lock but `Waker::clone`; the list is whole even if that panics.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
