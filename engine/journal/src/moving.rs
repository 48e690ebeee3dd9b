//! Moving old jobs, so that a few of them do not pin gigabytes.
//!
//! A work segment goes when its last job is settled. A job that waits for days in a segment of a hundred thousand would keep the
//! whole of it. So the writer appends the payload of such a job again, encrypted anew with a number of its own, and says in
//! the record where it lies now; then the old segment goes.
//!
//! The steps, and what a crash between them leaves:
//!
//! ```text
//! writer  a closed segment is nearly settled: asks the keeper what lies in it
//! keeper  reads its index (or scans it)
//! writer  asks for the frames of the jobs that are live in it, a few at a time
//! keeper  reads their bytes as they lie
//! writer  opens each, appends its payload to the work log          crash: a payload that nothing names; the old place holds
//! writer  syncs the work log, appends the frame `Moved`, syncs     crash: the one or the other place holds, and both are there
//! writer  tells readers the new place, has the old segment removed crash: the start removes it
//! ```
//!
//! Ids never change and a [`Locator`] that somebody keeps (the queue) may go stale: [`Relocated`] says where the payload of a job is
//! now. It is asked only where the old place is gone or holds something else, so it costs nothing as long as nothing was moved. It
//! forgets a job when the job is settled. After a restart recovery gives the new places.

use crate::error::DiskError;
use crate::footer::Entry;
use model::JobId;
use model::stage::Locator;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};

/// A segment may be emptied when at most one in this many of its jobs is live: so moving costs at most an eighth of what was written.
const LIVE_PART: u64 = 8;
/// Nothing is moved while the closed segments hold at most this many times what is live in them.
const HELD_PER_LIVE: u64 = 4;
/// Payloads that are moved at once: the commits of everybody else wait behind them.
pub(crate) const MOVED_AT_ONCE: usize = 64;
/// Bytes of payloads that are moved at once, beyond the first.
pub(crate) const MOVED_BYTES_AT_ONCE: u64 = 256 * 1024;

/// Where payloads that were moved lie. Shared by the writer and all readers.
#[derive(Default)]
pub(crate) struct Relocated {
    places: RwLock<BTreeMap<JobId, Locator>>,
    /// So that nobody takes the lock while nothing was moved.
    count: AtomicUsize,
}

impl Relocated {
    pub(crate) fn get(&self, job: JobId) -> Option<Locator> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.places.read().unwrap_or_else(PoisonError::into_inner).get(&job).copied()
    }

    pub(crate) fn insert(&self, job: JobId, at: Locator) {
        let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
        places.insert(job, at);
        self.count.store(places.len(), Ordering::Release);
    }

    /// The job is settled: nobody reads its payload any more.
    pub(crate) fn forget(&self, job: JobId) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
        places.remove(&job);
        self.count.store(places.len(), Ordering::Release);
    }
}

/// What the keeper tells the writer.
pub(crate) enum News {
    /// A work segment was left and indexed.
    Closed { segment: u32, jobs: u64, bytes: u64 },
    /// What lies in a segment.
    Listed { segment: u32, entries: Result<Vec<Entry>, DiskError> },
    /// The frames that were asked for, as they lie; those that cannot be read are missing.
    Fetched { segment: u32, frames: Vec<(Entry, Vec<u8>)> },
}

/// A closed segment with live jobs.
#[derive(Debug, Clone, Copy)]
struct Closed {
    bytes: u64,
    jobs: u64,
    live: u64,
}

impl Closed {
    /// An estimate: its jobs are about equally large.
    fn live_bytes(&self) -> u64 {
        self.bytes * self.live / self.jobs.max(1)
    }

    fn is_sparse(&self) -> bool {
        self.live > 0 && self.live * LIVE_PART <= self.jobs
    }
}

/// How much of the closed work segments is live, and which segment should be emptied next.
#[derive(Debug, Default)]
pub(crate) struct Occupancy {
    closed: BTreeMap<u32, Closed>,
    /// Those that few jobs keep.
    sparse: BTreeSet<u32>,
    held_bytes: u64,
    live_bytes: u64,
}

impl Occupancy {
    /// A segment was left with so many live jobs.
    pub(crate) fn close(&mut self, segment: u32, jobs: u64, bytes: u64, live: u64) {
        self.remove(segment);
        self.put(segment, Closed { bytes, jobs, live });
    }

    /// So many of its jobs are live now.
    pub(crate) fn set_live(&mut self, segment: u32, live: u64) {
        let Some(closed) = self.closed.get(&segment).copied() else { return };
        let was_stuck = closed.is_sparse() && !self.sparse.contains(&segment);
        self.remove(segment);
        self.put(segment, Closed { live, ..closed });
        if was_stuck {
            self.sparse.remove(&segment);
        }
    }

    /// The segment is gone.
    pub(crate) fn remove(&mut self, segment: u32) {
        if let Some(closed) = self.closed.remove(&segment) {
            self.held_bytes -= closed.bytes;
            self.live_bytes -= closed.live_bytes();
            self.sparse.remove(&segment);
        }
    }

    /// What is in it cannot be moved: it stays until its jobs are settled.
    pub(crate) fn give_up(&mut self, segment: u32) {
        self.sparse.remove(&segment);
    }

    /// The oldest segment that should be emptied, if any should.
    pub(crate) fn next(&self) -> Option<u32> {
        let is_wasteful = self.held_bytes > self.live_bytes.saturating_mul(HELD_PER_LIVE);
        self.sparse.first().copied().filter(|_| is_wasteful)
    }

    fn put(&mut self, segment: u32, closed: Closed) {
        self.held_bytes += closed.bytes;
        self.live_bytes += closed.live_bytes();
        if closed.is_sparse() {
            self.sparse.insert(segment);
        }
        self.closed.insert(segment, closed);
    }
}

/// A segment that is being emptied.
pub(crate) struct Emptying {
    pub(crate) segment: u32,
    /// The jobs that were live in it when it was listed and are not asked for yet, last first.
    pub(crate) left: Vec<Entry>,
}

impl Emptying {
    /// The next few.
    pub(crate) fn take(&mut self) -> Vec<Entry> {
        let mut taken = Vec::new();
        let mut bytes = 0;
        while let Some(entry) = self.left.pop_if(|_| taken.len() < MOVED_AT_ONCE && bytes < MOVED_BYTES_AT_ONCE) {
            bytes += u64::from(entry.length);
            taken.push(entry);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_sparse_segment_goes_first_and_only_where_it_pays() {
        let mut occupancy = Occupancy::default();
        occupancy.close(1, 100, 10_000, 13);
        occupancy.close(2, 100, 10_000, 12);
        occupancy.close(3, 100, 10_000, 1);
        assert_eq!(occupancy.next(), Some(2), "segment 1 has more than an eighth");
        occupancy.close(4, 100, 10_000, 100);
        assert_eq!(occupancy.next(), None, "40 kB hold 12.6 kB that are live");
        occupancy.set_live(4, 20);
        occupancy.set_live(1, 3);
        assert_eq!(occupancy.next(), Some(1));
        occupancy.remove(1);
        occupancy.remove(2);
        assert_eq!(occupancy.next(), Some(3));
        for segment in [3, 4] {
            occupancy.remove(segment);
        }
        assert_eq!((occupancy.next(), occupancy.held_bytes, occupancy.live_bytes), (None, 0, 0));
    }

    #[test]
    fn what_cannot_be_moved_is_not_tried_for_ever() {
        let mut occupancy = Occupancy::default();
        occupancy.close(1, 100, 10_000, 2);
        occupancy.give_up(1);
        assert_eq!(occupancy.next(), None);
        occupancy.set_live(1, 1);
        assert_eq!(occupancy.next(), None);
        occupancy.remove(1);
        assert_eq!(occupancy.held_bytes, 0);
    }

    #[test]
    fn a_few_are_moved_at_once_and_a_large_one_alone() {
        let entry = |number, length| Entry { job: JobId::new(1, number), offset: 64, length };
        let mut emptying = Emptying { segment: 1, left: (0..100).map(|number| entry(number, 500)).collect() };
        assert_eq!((emptying.take().len(), emptying.take().len(), emptying.take().len()), (64, 36, 0));
        emptying.left = vec![entry(1, 4_000_000), entry(2, 4_000_000)];
        assert_eq!((emptying.take().len(), emptying.take().len()), (1, 1));
    }

    #[test]
    fn a_relocation_is_known_until_it_is_forgotten() {
        let relocated = Relocated::default();
        let (job, at) = (JobId::new(1, 7), |segment| Locator { segment, offset: 64 });
        assert_eq!(relocated.get(job), None);
        relocated.insert(job, at(2));
        relocated.insert(job, at(3));
        assert_eq!(relocated.get(job), Some(at(3)));
        relocated.forget(job);
        assert_eq!(relocated.get(job), None);
    }
}
