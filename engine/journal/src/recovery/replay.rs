//! The record, frame by frame, becomes the state of batches and jobs.

use super::{Recovered, RecoveredBatch, RecoveredJob, RecoveredKey, Seen};
use crate::error::Finding;
use crate::format::RecordPosition;
use crate::record::Destinations;
use model::record::{AttemptEnd, BatchCommit, BatchOpen, BatchVerb, FrameKey, Head, Intent, Record, StateChange};
use model::stage::{Durable, JournaledJob, Locator};
use model::state::HoldReason;
use model::{BatchId, JobId, MessageVersion, State, Stream, StreamName, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

struct ReplayedBatch {
    open: BatchOpen,
    opened_at: RecordPosition,
    commit: Option<BatchCommit>,
    held: bool,
    cancelled: bool,
    closed: bool,
}

impl ReplayedBatch {
    fn binds(&self) -> bool {
        self.open.rolling || self.commit.is_some()
    }
}

struct ReplayedJob {
    head: Arc<Head>,
    locator: Locator,
    state: State,
    held: Option<HoldReason>,
    attempts: u16,
    message: MessageVersion,
    due: Timestamp,
    frozen: Option<Box<Intent>>,
}

/// What has been read so far.
#[derive(Default)]
pub(crate) struct Replay {
    batches: BTreeMap<BatchId, ReplayedBatch>,
    discarded_before: BTreeSet<BatchId>,
    jobs: BTreeMap<JobId, ReplayedJob>,
    keys: Vec<RecoveredKey>,
    destinations: Destinations,
    jobs_max: BTreeMap<u16, u64>,
    batches_max: BTreeMap<u16, u64>,
}

impl Replay {
    /// Takes the next frame.
    pub(crate) fn see(&mut self, stream: StreamName, seen: Seen) {
        let Seen { position, key, decoded } = seen;
        match decoded.record {
            Record::BatchOpen(open) => self.open(open, position),
            Record::Head(head) => {
                if let (Some(job), Some(locator)) = (key.job, decoded.locator) {
                    self.head(stream, job, locator, head, position);
                }
            }
            Record::BatchCommit(commit) => {
                if let Some(batch) = self.batches.get_mut(&commit.batch) {
                    batch.held = commit.held;
                    batch.commit = Some(commit);
                }
            }
            Record::BatchDiscard { batch, .. } => {
                self.batches.remove(&batch);
                self.discarded_before.insert(batch);
            }
            Record::BatchClose { batch, .. } => {
                if let Some(batch) = self.batches.get_mut(&batch) {
                    batch.closed = true;
                }
            }
            Record::Operator(action) => {
                if let Some(batch) = self.batches.get_mut(&action.batch) {
                    match action.verb {
                        BatchVerb::Hold => batch.held = true,
                        BatchVerb::Release => batch.held = false,
                        BatchVerb::Cancel => batch.cancelled = true,
                    }
                }
            }
            Record::Intent(intent) => self.intent(key, intent),
            Record::NotSent(end) | Record::Outcome(end) => self.end(key, end),
            Record::Change(change) => self.change(key, change),
            // Evidence; the changes that go with a restoration are frames of their own.
            Record::KeyDestroyed(_) | Record::Restored(_) => {}
        }
    }

    /// The first sequence number of a job that was never given on this machine.
    pub(crate) fn next_job(&self, node: u16) -> u64 {
        self.jobs_max.get(&node).map_or(1, |max| max + 1)
    }

    /// The first sequence number of a batch that was never given on this machine.
    pub(crate) fn next_batch(&self, node: u16) -> u64 {
        self.batches_max.get(&node).map_or(1, |max| max + 1)
    }

    /// Batches that a start before this one, or the engine, gave up.
    pub(crate) fn was_discarded(&self, batch: BatchId) -> bool {
        self.discarded_before.contains(&batch)
    }

    fn open(&mut self, open: BatchOpen, position: RecordPosition) {
        raise(&mut self.batches_max, open.batch.node(), open.batch.sequence());
        let batch = ReplayedBatch { opened_at: position, commit: None, held: false, cancelled: false, closed: false, open };
        self.batches.insert(batch.open.batch, batch);
    }

    fn head(&mut self, stream: StreamName, id: JobId, locator: Locator, mut head: Head, position: RecordPosition) {
        raise(&mut self.jobs_max, id.node(), id.sequence());
        if !self.batches.contains_key(&head.batch) && !self.was_discarded(head.batch) {
            // Its opening was damaged. Whether it was rolling nobody knows, so only a commit makes it bind.
            let (batch, tenant) = (head.batch, head.tenant);
            let format = "unknown".to_owned();
            self.open(BatchOpen { batch, tenant, stream, file_sha256: None, format, at: Timestamp(0), rolling: false }, position);
        }
        self.destinations.share(&mut head);
        self.keys.push(RecoveredKey { tenant: head.tenant, key: head.key, content: head.content, job: id, batch: head.batch });
        let job = ReplayedJob {
            state: if head.held.is_some() { State::Held } else { State::Queued },
            held: head.held,
            attempts: 0,
            message: MessageVersion(0),
            due: head.due,
            frozen: None,
            locator,
            head: Arc::new(head),
        };
        self.jobs.insert(id, job);
    }

    fn intent(&mut self, key: FrameKey, intent: Intent) {
        let Some(job) = self.job(key) else { return };
        job.frozen.get_or_insert_with(|| Box::new(intent));
        // Until another word follows, its last byte may have been written.
        job.state = State::Uncertain;
        job.held = None;
    }

    fn end(&mut self, key: FrameKey, end: AttemptEnd) {
        if let Some(job) = self.job(key) {
            job.moves(end.state, end.held, end.due);
        }
        self.forget_settled(key, end.state);
    }

    fn change(&mut self, key: FrameKey, change: StateChange) {
        if let Some(job) = self.job(key) {
            job.moves(change.state, change.held, change.due);
        }
        self.forget_settled(key, change.state);
    }

    fn job(&mut self, key: FrameKey) -> Option<&mut ReplayedJob> {
        let job = self.jobs.get_mut(&key.job?)?;
        job.attempts = job.attempts.max(key.attempt);
        if key.message > job.message {
            job.message = key.message;
            job.frozen = None;
        }
        Some(job)
    }

    fn forget_settled(&mut self, key: FrameKey, state: State) {
        if state.is_settled()
            && let Some(id) = key.job
        {
            self.jobs.remove(&id);
        }
    }

    /// Sums up. `damaged_after` is the last position behind which something of the record is missing.
    pub(crate) fn finish<S: Stream>(self, damaged_after: Option<RecordPosition>, findings: Vec<Finding>) -> Recovered<S> {
        let Self { mut batches, jobs, mut keys, .. } = self;
        let is_lost = |batch: &ReplayedBatch| !batch.binds() && damaged_after.is_none_or(|damage| damage < batch.opened_at);
        let discarded: Vec<BatchId> = batches.iter().filter(|(_, batch)| is_lost(batch)).map(|(id, _)| *id).collect();
        batches.retain(|_, batch| !is_lost(batch));
        let binds = |id: &BatchId| batches.get(id).is_some_and(ReplayedBatch::binds);
        keys.retain(|key| binds(&key.batch));
        let jobs = jobs.into_iter().filter(|(_, job)| binds(&job.head.batch)).map(|(id, job)| job.recovered(id)).collect();
        let batches = batches.into_values().map(ReplayedBatch::recovered).collect();
        Recovered { batches, jobs, keys, discarded, findings }
    }
}

impl ReplayedBatch {
    fn recovered(self) -> RecoveredBatch {
        let Self { open, commit, held, cancelled, closed, .. } = self;
        RecoveredBatch { open, commit, held, cancelled, closed }
    }
}

impl ReplayedJob {
    fn moves(&mut self, state: State, held: Option<HoldReason>, due: Option<Timestamp>) {
        self.state = state;
        self.held = held;
        self.due = due.unwrap_or(self.due);
    }

    fn recovered<S: Stream>(self, id: JobId) -> RecoveredJob<S> {
        let Self { head, locator, state, held, attempts, message, due, frozen } = self;
        // An attempt that ended with the process and had no intent sent nothing.
        let state = if state == State::InFlight { State::Queued } else { state };
        let job = JournaledJob::new(id, locator, head, Durable::attest());
        RecoveredJob { job, state, held, attempts, message, due, frozen: frozen.map(|intent| *intent) }
    }
}

fn raise(maxima: &mut BTreeMap<u16, u64>, node: u16, sequence: u64) {
    let max = maxima.entry(node).or_default();
    *max = (*max).max(sequence);
}
