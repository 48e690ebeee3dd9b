//! The record, frame by frame, becomes the state of batches and jobs.

use super::standing::{BatchEntry, BatchStanding, Events, JobChange, JobEvent, JobStanding};
use super::{Recovered, Seen};
use crate::bounds::GROUP_OPERATIONS_MAX;
use crate::error::Finding;
use crate::format::RecordPosition;
use crate::record::{Decoded, Destinations, Lost};
use model::record::FrameKey;
use model::{BatchId, JobId, Stream, StreamName};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

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
    /// The last frames about jobs that bind. That a frame was lost is known only some frames later, by the end of its group.
    recent: VecDeque<(JobId, RecordPosition)>,
    /// Jobs that are uncertain because a frame was lost, and of which nothing was told since.
    doubted: BTreeSet<JobId>,
}

/// More frames than one group can have.
const RECENT_MAX: usize = 4 * GROUP_OPERATIONS_MAX;

impl Replay {
    /// Takes the next frame.
    pub(crate) fn see(&mut self, stream: StreamName, seen: Seen) {
        let position = seen.position;
        if let Decoded::Lost(lost) = seen.decoded {
            return self.doubt(position, seen.key, lost);
        }
        let Events { batch, job, is_restoration } = Events::of(stream, seen);
        if is_restoration {
            self.batches.values_mut().for_each(BatchEntry::lose_track);
        }
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
            if !self.doubted.is_empty() && !matches!(event.change, JobChange::LiesAt(_)) {
                self.doubted.remove(&id);
            }
            self.see_job(id, event);
            self.remember(id, position);
        }
    }

    fn remember(&mut self, id: JobId, position: RecordPosition) {
        // Of a batch that does not bind nothing can have been sent.
        if self.jobs.get(&id).is_some_and(|job| self.binds(&job.head.batch)) {
            if self.recent.len() >= RECENT_MAX {
                self.recent.pop_front();
            }
            self.recent.push_back((id, position));
        }
    }

    fn binds(&self, batch: &BatchId) -> bool {
        self.batches.get(batch).and_then(|entry| entry.standing.as_ref()).is_some_and(BatchStanding::binds)
    }

    /// A frame behind this position was lost.
    fn doubt(&mut self, after: RecordPosition, key: FrameKey, lost: Lost) {
        // A later frame about a job says how it stands, whatever was lost before.
        let told: BTreeSet<JobId> = self.recent.iter().filter(|(_, position)| *position > after).map(|(id, _)| *id).collect();
        let candidates: Vec<JobId> = match (lost, key.job) {
            (Lost::Frame, Some(job)) => vec![job],
            // About a batch or the journal: no job was sent by it.
            (Lost::Frame, None) => Vec::new(),
            (Lost::Anyone, _) => self.jobs.iter().filter(|(_, job)| self.binds(&job.head.batch)).map(|(id, _)| *id).collect(),
        };
        for id in candidates {
            if !told.contains(&id)
                && let Some(job) = self.jobs.get_mut(&id)
                && job.doubt(key.attempt)
            {
                self.doubted.insert(id);
            }
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

    /// Whether there are batches that a restoration left undecided.
    pub(crate) fn has_unknown_fates(&self) -> bool {
        self.batches.values().filter_map(|entry| entry.standing.as_ref()).any(|batch| batch.fate_unknown && !batch.binds())
    }

    /// Sums up. `damaged_after` is the last position behind which something of the record is missing.
    pub(crate) fn finish<S: Stream>(self, damaged_after: Option<RecordPosition>, findings: Vec<Finding>) -> Recovered<S> {
        let Self { batches, jobs, doubted, .. } = self;
        let mut findings = findings;
        if !doubted.is_empty() {
            findings.push(Finding::Doubted { jobs: doubted.len() as u64 });
        }
        let mut batches: BTreeMap<BatchId, BatchStanding> =
            batches.into_iter().filter_map(|(id, entry)| Some((id, entry.standing?))).collect();
        let is_lost =
            |batch: &BatchStanding| !batch.binds() && !batch.fate_unknown && damaged_after.is_none_or(|damage| damage < batch.opened_at);
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
