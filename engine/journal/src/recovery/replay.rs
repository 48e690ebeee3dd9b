//! The record, frame by frame, becomes the state of batches and jobs.

use super::standing::{BatchEntry, BatchStanding, Events, JobChange, JobEvent, JobStanding};
use super::{Recovered, Seen};
use crate::error::Finding;
use crate::format::RecordPosition;
use crate::record::Destinations;
use model::{BatchId, JobId, Stream, StreamName};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// The highest numbers that were given, by node.
pub(crate) type Maxima = BTreeMap<u16, u64>;

/// What has been read so far.
#[derive(Default)]
pub(crate) struct Replay {
    batches: BTreeMap<BatchId, BatchEntry>,
    jobs: BTreeMap<JobId, JobStanding>,
    destinations: Destinations,
    jobs_max: Maxima,
    batches_max: Maxima,
}

impl Replay {
    /// Takes the next frame.
    pub(crate) fn see(&mut self, stream: StreamName, seen: Seen) {
        let Events { batch, job } = Events::of(stream, seen);
        if let Some((id, event)) = batch {
            if event.names() {
                raise(&mut self.batches_max, id.node(), id.sequence());
            }
            let entry = self.batches.entry(id).or_default();
            entry.take(id, event);
            if entry.is_empty() {
                self.batches.remove(&id);
            }
        }
        if let Some((id, event)) = job {
            self.see_job(id, event);
        }
    }

    fn see_job(&mut self, id: JobId, event: JobEvent) {
        match (event.change, self.jobs.entry(id)) {
            (JobChange::Begins(locator, mut head), entry) => {
                raise(&mut self.jobs_max, id.node(), id.sequence());
                self.destinations.share(&mut head);
                entry.insert_entry(JobStanding::begin(locator, *head));
            }
            (change, Entry::Occupied(mut entry)) => {
                if !entry.get_mut().take(JobEvent { change, ..event }) {
                    entry.remove();
                }
            }
            (_, Entry::Vacant(_)) => {}
        }
    }

    /// Takes what a checkpoint says of a batch.
    pub(crate) fn put_batch(&mut self, id: BatchId, entry: BatchEntry) {
        self.batches.insert(id, entry);
    }

    /// Takes what a checkpoint says of a job.
    pub(crate) fn put_job(&mut self, id: JobId, mut job: JobStanding) {
        self.destinations.share_of(&mut job.head);
        self.jobs.insert(id, job);
    }

    /// Takes what a checkpoint says of the numbers that were given.
    pub(crate) fn put_maxima(&mut self, jobs: Maxima, batches: Maxima) {
        (self.jobs_max, self.batches_max) = (jobs, batches);
    }

    /// The first sequence number of a job that was never given on this machine.
    pub(crate) fn next_job(&self, node: u16) -> u64 {
        self.jobs_max.get(&node).map_or(1, |max| max + 1)
    }

    /// The first sequence number of a batch that was never given on this machine.
    pub(crate) fn next_batch(&self, node: u16) -> u64 {
        self.batches_max.get(&node).map_or(1, |max| max + 1)
    }

    /// Sums up. `damaged_after` is the last position behind which something of the record is missing.
    pub(crate) fn finish<S: Stream>(self, damaged_after: Option<RecordPosition>, findings: Vec<Finding>) -> Recovered<S> {
        let Self { batches, jobs, .. } = self;
        let mut batches: BTreeMap<BatchId, BatchStanding> =
            batches.into_iter().filter_map(|(id, entry)| Some((id, entry.standing?))).collect();
        let is_lost = |batch: &BatchStanding| !batch.binds() && damaged_after.is_none_or(|damage| damage < batch.opened_at);
        let discarded: Vec<BatchId> = batches.iter().filter(|(_, batch)| is_lost(batch)).map(|(id, _)| *id).collect();
        batches.retain(|_, batch| !is_lost(batch));
        let binds = |id: &BatchId| batches.get(id).is_some_and(BatchStanding::binds);
        let jobs = jobs.into_iter().filter(|(_, job)| binds(&job.head.batch)).map(|(id, job)| job.recovered(id)).collect();
        let batches = batches.into_values().map(BatchStanding::recovered).collect();
        Recovered { batches, jobs, discarded, findings }
    }
}

pub(crate) fn raise(maxima: &mut Maxima, node: u16, sequence: u64) {
    let max = maxima.entry(node).or_default();
    *max = (*max).max(sequence);
}
