//! Ceilings that cross lanes and shards: an address's day, a tenant's pace.
//!
//! Such a ceiling is one atomic word; lanes take from it in chunks ([`Lease`]) so that the word is touched once per
//! chunk, not once per message. What a lease does not use goes back when it is dropped. Its owner saves
//! [`Budget::counted`] and restores it at start: what was leased at a crash counts as spent, so the ceiling holds.
//!
//! The word carries the number of its period (a day), so a lease of yesterday gives nothing back to today.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const COUNT_BITS: u32 = 40;
const COUNT_MAX: u64 = (1 << COUNT_BITS) - 1;

/// A ceiling for one period. Shared by `Arc`.
#[derive(Debug)]
pub struct Budget {
    /// Period (24 bits) ‖ leased or spent (40 bits).
    word: AtomicU64,
    /// The ceiling of the current period.
    ceiling: AtomicU64,
}

/// Some of a [`Budget`], owned by one lane. Unused units go back when it is dropped.
#[derive(Debug)]
pub struct Lease {
    budget: Arc<Budget>,
    period: u64,
    left: u64,
}

impl Budget {
    /// A ceiling (up to 2^40 − 1) for a period, with what an earlier process counted as spent in it.
    pub fn restore(period: u32, ceiling: u64, counted: u64) -> Arc<Self> {
        let word = pack(u64::from(period), counted.min(COUNT_MAX));
        Arc::new(Self { word: AtomicU64::new(word), ceiling: AtomicU64::new(ceiling.min(COUNT_MAX)) })
    }

    /// Begins another period with its own ceiling; the same period again only changes the ceiling.
    pub fn renew(&self, period: u32, ceiling: u64) {
        self.ceiling.store(ceiling.min(COUNT_MAX), Ordering::Release);
        let next = pack(u64::from(period), 0);
        // Only a change of period resets the count.
        let _same_period = self
            .word
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| if unpack(word).0 == unpack(next).0 { None } else { Some(next) });
    }

    /// Takes up to `most` units; `None` where nothing is left of the period.
    pub fn lease(self: &Arc<Self>, most: u64) -> Option<Lease> {
        let ceiling = self.ceiling.load(Ordering::Acquire);
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            let (period, counted) = unpack(word);
            let units = ceiling.saturating_sub(counted).min(most);
            if units == 0 {
                return None;
            }
            match self.word.compare_exchange_weak(word, pack(period, counted + units), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(Lease { budget: Arc::clone(self), period, left: units }),
                Err(newer) => word = newer,
            }
        }
    }

    /// Leased or spent in this period: what must be saved so that a crash counts leases as spent.
    pub fn counted(&self) -> u64 {
        unpack(self.word.load(Ordering::Acquire)).1
    }

    /// The ceiling of this period.
    pub fn ceiling(&self) -> u64 {
        self.ceiling.load(Ordering::Acquire)
    }

    /// What can still be leased in this period.
    pub fn left(&self) -> u64 {
        self.ceiling().saturating_sub(self.counted())
    }

    fn give_back(&self, period: u64, units: u64) {
        let _another_period = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
            let (current, counted) = unpack(word);
            (current == period).then(|| pack(current, counted.saturating_sub(units)))
        });
    }
}

impl Lease {
    /// Uses one unit; false where the lease is used up, or the period it belongs to is over.
    pub fn take(&mut self) -> bool {
        let (period, _) = unpack(self.budget.word.load(Ordering::Acquire));
        if self.left == 0 || period != self.period {
            return false;
        }
        self.left -= 1;
        true
    }

    /// Gives one used unit back: the message was not sent after all.
    pub fn put_back(&mut self) {
        self.left += 1;
    }

    /// Units not used yet.
    pub fn left(&self) -> u64 {
        self.left
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.left > 0 {
            self.budget.give_back(self.period, self.left);
        }
    }
}

fn pack(period: u64, counted: u64) -> u64 {
    (period << COUNT_BITS) | counted
}

fn unpack(word: u64) -> (u64, u64) {
    (word >> COUNT_BITS, word & COUNT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_share_a_ceiling_and_unused_ones_go_back() {
        let budget = Budget::restore(1, 100, 0);
        let mut first = budget.lease(60).unwrap();
        let second = budget.lease(60).unwrap();
        assert_eq!((first.left(), second.left()), (60, 40));
        assert!(budget.lease(1).is_none(), "nothing is left to lease");
        for _ in 0..10 {
            assert!(first.take());
        }
        drop(first);
        drop(second);
        assert_eq!((budget.counted(), budget.left()), (10, 90));
    }

    #[test]
    fn a_crash_counts_leases_as_spent() {
        let budget = Budget::restore(1, 100, 0);
        let lease = budget.lease(64).unwrap();
        let saved = budget.counted();
        std::mem::forget(lease);
        assert_eq!(Budget::restore(1, 100, saved).left(), 36);
    }

    #[test]
    fn a_lease_of_yesterday_is_worth_nothing_today() {
        let budget = Budget::restore(1, 100, 0);
        let mut lease = budget.lease(10).unwrap();
        budget.renew(2, 50);
        assert!(!lease.take());
        drop(lease);
        assert_eq!(budget.left(), 50);
        budget.renew(2, 70);
        assert_eq!(budget.left(), 70, "a new ceiling in the same period keeps the count");
    }

    #[test]
    fn many_takers_never_pass_the_ceiling() {
        let budget = Budget::restore(3, 1_000, 0);
        let used: usize = std::thread::scope(|scope| {
            let takers: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let mut used = 0;
                        while let Some(mut lease) = budget.lease(7) {
                            while lease.take() {
                                used += 1;
                            }
                        }
                        used
                    })
                })
                .collect();
            takers.into_iter().map(|taker| taker.join().unwrap()).sum()
        });
        assert_eq!(used, 1_000);
    }
}
