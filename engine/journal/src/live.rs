//! What the writer knows of jobs and batches that are not settled.
//!
//! A job costs 8 bytes here (its batch and its work segment), in pages that go when all their jobs are settled: ten million
//! queued jobs are 80 MB. An open batch remembers 16 bytes more per job until its commit, and no content.

use crate::error::JournalError;
use crate::key_ring::KeyHandle;
use model::{BatchId, JobId, TenantId};
use std::collections::BTreeMap;
use std::num::NonZeroU32;

/// Jobs of one page.
const PAGE_JOBS: u64 = 512;

/// A batch's place in [`Batches`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchSlot(NonZeroU32);

impl BatchSlot {
    fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// What is remembered of a job that is not settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LiveJob {
    pub(crate) segment: u32,
    pub(crate) batch: BatchSlot,
}

struct Page {
    live: u32,
    jobs: Box<[Option<LiveJob>]>,
}

/// The jobs that are not settled.
#[derive(Default)]
pub(crate) struct LiveJobs {
    pages: BTreeMap<u64, Page>,
}

impl LiveJobs {
    pub(crate) fn insert(&mut self, id: JobId, job: LiveJob) {
        let (page, place) = place_of(id);
        let page = self.pages.entry(page).or_insert_with(|| Page { live: 0, jobs: vec![None; PAGE_JOBS as usize].into() });
        if page.jobs[place].replace(job).is_none() {
            page.live += 1;
        }
    }

    pub(crate) fn get(&self, id: JobId) -> Option<LiveJob> {
        let (page, place) = place_of(id);
        self.pages.get(&page)?.jobs[place]
    }

    pub(crate) fn remove(&mut self, id: JobId) -> Option<LiveJob> {
        let (number, place) = place_of(id);
        let page = self.pages.get_mut(&number)?;
        let job = page.jobs[place].take()?;
        page.live -= 1;
        if page.live == 0 {
            self.pages.remove(&number);
        }
        Some(job)
    }
}

fn place_of(id: JobId) -> (u64, usize) {
    (id.to_bits() / PAGE_JOBS, (id.to_bits() % PAGE_JOBS) as usize)
}

/// How far a batch has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Takes jobs.
    Open,
    /// Takes none any more.
    Committed,
}

/// Where a frame lies in the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeadPlace {
    pub(crate) job: JobId,
    pub(crate) segment: u32,
    pub(crate) offset: u32,
}

/// A batch that is open or has jobs that are not settled.
pub(crate) struct Batch {
    pub(crate) id: BatchId,
    pub(crate) tenant: TenantId,
    pub(crate) rolling: bool,
    pub(crate) phase: Phase,
    pub(crate) closed: bool,
    /// Under what its content is; `None` where it was destroyed.
    pub(crate) content: Option<KeyHandle>,
    /// Under what its records are.
    pub(crate) record: KeyHandle,
    /// Jobs that are not settled.
    pub(crate) live: u64,
    /// The heads of a batch that is not committed yet.
    pub(crate) heads: Vec<HeadPlace>,
    /// The first job that could not be appended: its commit will say so.
    pub(crate) failed: Option<JournalError>,
}

/// The batches that are open or have jobs that are not settled.
#[derive(Default)]
pub(crate) struct Batches {
    slots: Vec<Option<Batch>>,
    free: Vec<BatchSlot>,
    by_id: BTreeMap<BatchId, BatchSlot>,
}

impl Batches {
    pub(crate) fn insert(&mut self, batch: Batch) -> BatchSlot {
        let id = batch.id;
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.slots.push(None);
                let count = u32::try_from(self.slots.len()).ok().and_then(NonZeroU32::new);
                BatchSlot(count.expect("memory ends long before four billion batches"))
            }
        };
        self.slots[slot.index()] = Some(batch);
        self.by_id.insert(id, slot);
        slot
    }

    pub(crate) fn slot(&self, id: BatchId) -> Option<BatchSlot> {
        self.by_id.get(&id).copied()
    }

    pub(crate) fn get(&self, slot: BatchSlot) -> Option<&Batch> {
        self.slots[slot.index()].as_ref()
    }

    pub(crate) fn get_mut(&mut self, slot: BatchSlot) -> Option<&mut Batch> {
        self.slots[slot.index()].as_mut()
    }

    pub(crate) fn by_id(&self, id: BatchId) -> Option<&Batch> {
        self.get(self.slot(id)?)
    }

    pub(crate) fn remove(&mut self, slot: BatchSlot) -> Option<Batch> {
        let batch = self.slots[slot.index()].take()?;
        self.by_id.remove(&batch.id);
        self.free.push(slot);
        Some(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_job_costs_eight_bytes_and_an_empty_page_none() {
        assert_eq!(size_of::<Option<LiveJob>>(), 8);
        assert!(size_of::<HeadPlace>() <= 16);
        let mut jobs = LiveJobs::default();
        let job = LiveJob { segment: 3, batch: BatchSlot(NonZeroU32::MIN) };
        for sequence in 1..=2000 {
            jobs.insert(JobId::new(1, sequence), job);
        }
        assert_eq!(jobs.get(JobId::new(1, 2000)), Some(job));
        assert_eq!(jobs.get(JobId::new(2, 1)), None);
        for sequence in 1..=2000 {
            assert_eq!(jobs.remove(JobId::new(1, sequence)), Some(job));
            assert_eq!(jobs.remove(JobId::new(1, sequence)), None);
        }
        assert!(jobs.pages.is_empty());
    }
}
