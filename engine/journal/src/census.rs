//! What became of all jobs, counted while the record is read: for those who look, not for those who go on.
//!
//! The rules are recovery's own ([`crate::recovery::standing`]). Of a job that is not settled only its state, its batch and the place of its payload
//! are kept, so that a census of a large queue fits beside the engine that serves it.

use crate::format::RecordPosition;
use crate::recovery::Seen;
use crate::recovery::standing::{BatchEntry, Events, JobChange, JobStanding};
use model::record::Head;
use model::stage::Locator;
use model::{BatchId, JobId, State, StreamName};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Batches and jobs as the record read so far leaves them.
#[derive(Default)]
pub(crate) struct Census {
    /// Heads seen, those of discarded batches included.
    pub(crate) heads: u64,
    /// Jobs that settled, by the state they settled in. A bounce that came later does not move them.
    pub(crate) settled: BTreeMap<State, u64>,
    pub(crate) last: RecordPosition,
    batches: BTreeMap<BatchId, BatchEntry>,
    jobs: BTreeMap<JobId, JobStanding>,
    /// One head stands for all of its batch.
    heads_of: BTreeMap<BatchId, Arc<Head>>,
}

/// A job that is not settled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Live {
    pub(crate) state: State,
    pub(crate) locator: Locator,
    /// Its batch is committed or rolling. Otherwise it is arriving: no job yet.
    pub(crate) binds: bool,
}

impl Census {
    pub(crate) fn see(&mut self, stream: StreamName, seen: Seen) {
        self.last = self.last.max(seen.position);
        let Events { batch, job } = Events::of(stream, seen);
        if let Some((id, event)) = batch {
            self.batches.entry(id).or_default().take(id, event);
        }
        let Some((id, event)) = job else { return };
        let state = match &event.change {
            JobChange::Moves { state, .. } => Some(*state),
            JobChange::Begins(..) | JobChange::Intent(_) | JobChange::LiesAt(_) => None,
        };
        let known = self.jobs.remove(&id);
        let was_known = known.is_some();
        self.heads += u64::from(matches!(event.change, JobChange::Begins(..)));
        match JobStanding::after(known, event) {
            Some(mut job) => {
                job.head = self.heads_of.entry(job.head.batch).or_insert(job.head).clone();
                self.jobs.insert(id, job);
            }
            None => {
                if let Some(state) = state.filter(|_| was_known) {
                    *self.settled.entry(state).or_default() += 1;
                }
            }
        }
    }

    /// The jobs that are not settled, without those of discarded batches.
    pub(crate) fn live(&self) -> impl Iterator<Item = (JobId, Live)> {
        self.jobs.iter().filter_map(|(id, job)| {
            let standing = self.batches.get(&job.head.batch)?.standing.as_ref()?;
            Some((*id, Live { state: job.state, locator: job.locator, binds: standing.binds() }))
        })
    }

    /// Batches that are open for jobs or have a job that is not settled, and all that were not discarded.
    pub(crate) fn batches(&self) -> (u64, u64) {
        let standing = || self.batches.values().filter_map(|entry| entry.standing.as_ref());
        (standing().filter(|batch| !batch.closed).count() as u64, standing().count() as u64)
    }
}
