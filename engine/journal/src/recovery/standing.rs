//! How one batch and one job stand after the frames about them: the rules of the replay, one event at a time.
//!
//! A start applies them to everything it keeps in memory; a checkpoint applies them to what the checkpoint before it says, one job after
//! the other. Both give the same because there is one set of rules, and because a job's standing depends on frames about this job alone.

use super::{RecoveredBatch, RecoveredJob, Seen};
use crate::format::RecordPosition;
use crate::record::Decoded;
use model::record::{AttemptEnd, BatchCommit, BatchOpen, BatchVerb, FrameKey, Head, Intent, Record, StateChange};
use model::stage::{Durable, JournaledJob, Locator};
use model::state::HoldReason;
use model::{BatchId, JobId, MessageVersion, State, Stream, StreamName, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a frame says about a batch.
#[derive(Debug, Clone)]
pub(crate) enum BatchEvent {
    Open(BatchOpen, RecordPosition),
    /// A head names it.
    Named {
        tenant: TenantId,
        stream: StreamName,
        position: RecordPosition,
    },
    Commit(Box<BatchCommit>),
    Discard,
    Close,
    Ordered(BatchVerb),
    /// The journal was put back from a copy.
    TrackLost,
}

impl BatchEvent {
    /// Whether it shows that the number was given.
    pub(crate) fn names(&self) -> bool {
        matches!(self, Self::Open(..) | Self::Named { .. })
    }
}

/// What a frame says about a job.
#[derive(Debug, Clone)]
pub(crate) struct JobEvent {
    pub(crate) attempt: u16,
    pub(crate) message: MessageVersion,
    pub(crate) change: JobChange,
}

#[derive(Debug, Clone)]
pub(crate) enum JobChange {
    Begins(Locator, Box<Head>),
    /// Its payload was moved.
    LiesAt(Locator),
    /// These rows are no part of it any more; the payload of the others lies there.
    Narrows(Locator, Vec<u64>),
    Intent(Box<Intent>),
    Moves {
        state: State,
        held: Option<HoldReason>,
        due: Option<Timestamp>,
        is_settled: bool,
    },
}

/// What one frame says, taken apart.
#[derive(Debug, Clone, Default)]
pub(crate) struct Events {
    pub(crate) batch: Option<(BatchId, BatchEvent)>,
    pub(crate) job: Option<(JobId, JobEvent)>,
    /// The journal was put back from a copy here: see [`BatchEntry::lose_track`].
    pub(crate) is_restoration: bool,
}

impl Events {
    pub(crate) fn of(stream: StreamName, seen: Seen) -> Self {
        let Seen { position, key, decoded } = seen;
        let about_batch = |batch, event| Self { batch: Some((batch, event)), ..Self::default() };
        let record = match decoded {
            Decoded::Head(_, _) if key.job.is_none() => return Self::default(),
            Decoded::Head(locator, head) => {
                let batch = Some((head.batch, BatchEvent::Named { tenant: head.tenant, stream, position }));
                return Self { batch, ..Self::about_job(key, JobChange::Begins(locator, head)) };
            }
            Decoded::Moved(moved) => return Self::about_job(key, JobChange::LiesAt(moved.to)),
            Decoded::Record(record) => *record,
            // Whom it was about depends on how all jobs stand.
            Decoded::Lost(_) => return Self::default(),
        };
        match record {
            Record::BatchOpen(open) => about_batch(open.batch, BatchEvent::Open(open, position)),
            Record::BatchCommit(commit) => about_batch(commit.batch, BatchEvent::Commit(Box::new(commit))),
            Record::BatchDiscard { batch, .. } => about_batch(batch, BatchEvent::Discard),
            Record::BatchClose { batch, .. } => about_batch(batch, BatchEvent::Close),
            Record::Operator(action) => about_batch(action.batch, BatchEvent::Ordered(action.verb)),
            Record::Intent(intent) => Self::about_job(key, JobChange::Intent(Box::new(intent))),
            Record::NotSent(AttemptEnd { state, held, due, .. }) | Record::Outcome(AttemptEnd { state, held, due, .. }) => {
                Self::about_job(key, JobChange::Moves { state, held, due, is_settled: state.is_settled() })
            }
            Record::Change(change) => {
                let is_settled = change.is_settling();
                let StateChange { state, held, due, .. } = change;
                Self::about_job(key, JobChange::Moves { state, held, due, is_settled })
            }
            // Evidence; the changes that go with a restoration are frames of their own.
            Record::Narrowed(narrowing) => Self::about_job(key, JobChange::Narrows(narrowing.to, narrowing.rows)),
            Record::Restored(_) => Self { is_restoration: true, ..Self::default() },
            Record::KeyDestroyed(_) => Self::default(),
            // It comes with its place, above.
            Record::Head(_) => Self::default(),
        }
    }

    fn about_job(key: FrameKey, change: JobChange) -> Self {
        let event = JobEvent { attempt: key.attempt, message: key.message, change };
        Self { job: key.job.map(|job| (job, event)), ..Self::default() }
    }
}

/// How a batch stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BatchStanding {
    pub(crate) open: BatchOpen,
    pub(crate) opened_at: RecordPosition,
    pub(crate) commit: Option<BatchCommit>,
    pub(crate) held: bool,
    pub(crate) cancelled: bool,
    pub(crate) closed: bool,
    /// The journal was put back from a copy while it was open: its commit may have been lost with what came after the copy.
    pub(crate) fate_unknown: bool,
}

impl BatchStanding {
    fn begin(open: BatchOpen, opened_at: RecordPosition) -> Self {
        Self { open, opened_at, commit: None, held: false, cancelled: false, closed: false, fate_unknown: false }
    }

    /// Whether its jobs count.
    pub(crate) fn binds(&self) -> bool {
        self.open.rolling || self.commit.is_some()
    }

    pub(crate) fn recovered(self) -> RecoveredBatch {
        let Self { open, commit, held, cancelled, closed, .. } = self;
        RecoveredBatch { open, commit, held, cancelled, closed }
    }
}

/// What is known of a batch's number.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BatchEntry {
    /// A start before this one, or the engine, gave it up.
    pub(crate) was_discarded: bool,
    pub(crate) standing: Option<BatchStanding>,
}

impl BatchEntry {
    pub(crate) fn take(&mut self, id: BatchId, event: BatchEvent) {
        match (event, &mut self.standing) {
            (BatchEvent::Open(open, position), standing) => *standing = Some(BatchStanding::begin(open, position)),
            (BatchEvent::Named { tenant, stream, position }, standing @ None) if !self.was_discarded => {
                // Its opening was damaged. Whether it was rolling nobody knows, so only a commit makes it bind.
                let format = "unknown".to_owned();
                let open = BatchOpen { batch: id, tenant, stream, file_sha256: None, format, at: Timestamp(0), rolling: false };
                *standing = Some(BatchStanding::begin(open, position));
            }
            (BatchEvent::Discard, standing) => {
                *standing = None;
                self.was_discarded = true;
            }
            (BatchEvent::Commit(commit), Some(batch)) => {
                batch.held = commit.held;
                batch.commit = Some(*commit);
            }
            (BatchEvent::TrackLost, Some(_)) => self.lose_track(),
            (BatchEvent::Close, Some(batch)) => batch.closed = true,
            (BatchEvent::Ordered(BatchVerb::Hold), Some(batch)) => batch.held = true,
            (BatchEvent::Ordered(BatchVerb::Release), Some(batch)) => batch.held = false,
            (BatchEvent::Ordered(BatchVerb::Cancel), Some(batch)) => batch.cancelled = true,
            (BatchEvent::Named { .. } | BatchEvent::TrackLost | BatchEvent::Commit(_) | BatchEvent::Close | BatchEvent::Ordered(_), _) => {}
        }
    }

    /// What happened to it after the copy was made is not known; a batch that counts already counts.
    pub(crate) fn lose_track(&mut self) {
        if let Some(batch) = &mut self.standing
            && !batch.binds()
        {
            batch.fate_unknown = true;
        }
    }

    /// Nothing is known of it: an order or a close came for a batch that never was.
    pub(crate) fn is_empty(&self) -> bool {
        !self.was_discarded && self.standing.is_none()
    }
}

/// How a job that is not settled stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobStanding {
    pub(crate) head: Arc<Head>,
    pub(crate) locator: Locator,
    pub(crate) state: State,
    pub(crate) held: Option<HoldReason>,
    pub(crate) attempts: u16,
    pub(crate) message: MessageVersion,
    pub(crate) due: Timestamp,
    pub(crate) frozen: Option<Box<Intent>>,
}

impl JobStanding {
    pub(crate) fn begin(locator: Locator, head: Head) -> Self {
        Self {
            state: head.first_state(),
            held: head.held,
            attempts: 0,
            message: MessageVersion(0),
            due: head.due,
            frozen: None,
            locator,
            head: Arc::new(head),
        }
    }

    /// Takes the next event about a job; `None` where it is settled or was never known.
    pub(crate) fn after(before: Option<Self>, event: JobEvent) -> Option<Self> {
        if let JobChange::Begins(locator, head) = event.change {
            return Some(Self::begin(locator, *head));
        }
        let mut job = before?;
        job.take(event).then_some(job)
    }

    /// Takes the next event. False where the job is settled by it.
    pub(crate) fn take(&mut self, event: JobEvent) -> bool {
        let JobEvent { attempt, message, change } = event;
        self.attempts = self.attempts.max(attempt);
        if message > self.message {
            self.message = message;
            self.frozen = None;
        }
        match change {
            JobChange::Begins(locator, head) => *self = Self::begin(locator, *head),
            JobChange::LiesAt(locator) => self.locator = locator,
            JobChange::Narrows(locator, rows) => {
                self.locator = locator;
                // One row stays at least. A census, which keeps one head for all jobs of a batch, finds no such rows in it.
                if let Some(head) = self.head.without(&rows) {
                    self.head = Arc::new(head);
                }
            }
            JobChange::Intent(intent) => {
                self.frozen.get_or_insert(intent);
                // Until another word follows, its last byte may have been written.
                self.state = State::Uncertain;
                self.held = None;
            }
            JobChange::Moves { state, held, due, is_settled } => {
                self.state = state;
                self.held = held;
                self.due = due.unwrap_or(self.due);
                return !is_settled;
            }
        }
        true
    }

    /// A frame about it was lost, which may have been an intent. True where that changes how it stands: whatever else is known of it holds.
    pub(crate) fn doubt(&mut self, attempt: u16) -> bool {
        self.attempts = self.attempts.max(attempt);
        let is_queued = matches!(self.state, State::Queued | State::InFlight);
        if is_queued {
            self.state = State::Uncertain;
        }
        is_queued
    }

    pub(crate) fn recovered<S: Stream>(self, id: JobId) -> RecoveredJob<S> {
        let Self { head, locator, state, held, attempts, message, due, frozen } = self;
        // An attempt that ended with the process and had no intent sent nothing.
        let state = if state == State::InFlight { State::Queued } else { state };
        let job = JournaledJob::new(id, locator, head, Durable::attest());
        RecoveredJob { job, state, held, attempts, message, due, frozen }
    }
}
