//! What the writer is asked, and whom it answers after the sync.

use crate::error::JournalError;
use crate::key_ring::KeyHandle;
use crate::live::HeadPlace;
use crate::payload::EncodedPayload;
use crate::writer::Fault;
use model::record::{BatchCommit, BatchOpen, FrameKey, Head, Record};
use model::stage::{Durable, JournaledJob, Locator};
use model::{BatchId, JobId, MessageVersion, Stream, Timestamp};
use std::sync::Arc;
use world::channel::OneSender;

pub(super) type Answer<T> = OneSender<Result<T, JournalError>>;

/// One operation. What has an answer is answered after the sync that covers it.
pub(crate) enum Operation<S: Stream> {
    OpenBatch {
        open: Box<BatchOpen>,
        key: KeyHandle,
        answer: Answer<()>,
    },
    Append {
        id: JobId,
        head: Box<Head>,
        payload: Result<EncodedPayload, JournalError>,
    },
    AppendRolling {
        id: JobId,
        head: Arc<Head>,
        payload: Result<EncodedPayload, JournalError>,
        answer: Answer<JournaledJob<S>>,
    },
    Narrow {
        id: JobId,
        message: MessageVersion,
        at: Timestamp,
        rows: Vec<u64>,
        payload: Result<EncodedPayload, JournalError>,
        answer: Answer<Locator>,
    },
    Commit {
        commit: Box<BatchCommit>,
        answer: Answer<Vec<HeadPlace>>,
    },
    Discard {
        batch: BatchId,
        at: Timestamp,
        reason: String,
        answer: Answer<()>,
    },
    Record {
        key: FrameKey,
        record: Box<Record>,
        answer: Answer<()>,
    },
    DestroyKey {
        batch: BatchId,
        answer: Answer<()>,
    },
    Sync {
        answer: Answer<()>,
    },
    Close {
        answer: Answer<()>,
    },
}

impl<S: Stream> Operation<S> {
    /// Jobs of a file batch are covered by their commit; everything else asks for a sync of its own group.
    pub(super) fn needs_sync(&self) -> bool {
        !matches!(self, Self::Append { .. })
    }

    /// Whether it may wait for company: nobody stands still behind it.
    pub(super) fn is_patient(&self) -> bool {
        match self {
            Self::Append { .. } => true,
            Self::Record { record, .. } => matches!(**record, Record::NotSent(_) | Record::Outcome(_) | Record::Change(_)),
            _ => false,
        }
    }

    pub(super) fn fail(self, error: JournalError) {
        // Whoever asked may have gone; the journal's state is the same.
        match self {
            Self::OpenBatch { answer, .. }
            | Self::Discard { answer, .. }
            | Self::Record { answer, .. }
            | Self::DestroyKey { answer, .. }
            | Self::Sync { answer }
            | Self::Close { answer } => drop(answer.send(Err(error))),
            Self::AppendRolling { answer, .. } => drop(answer.send(Err(error))),
            Self::Narrow { answer, .. } => drop(answer.send(Err(error))),
            Self::Commit { answer, .. } => drop(answer.send(Err(error))),
            Self::Append { .. } => {}
        }
    }
}

/// A job that is in the buffer and becomes a [`JournaledJob`] by the sync.
pub(super) struct Accepted {
    pub(super) id: JobId,
    pub(super) locator: Locator,
    pub(super) head: Arc<Head>,
}

/// Who waits for the next sync.
pub(super) struct Answers<S: Stream> {
    units: Vec<Answer<()>>,
    jobs: Vec<(Accepted, Answer<JournaledJob<S>>)>,
    places: Vec<(Locator, Answer<Locator>)>,
    batches: Vec<(Vec<HeadPlace>, Answer<Vec<HeadPlace>>)>,
}

impl<S: Stream> Default for Answers<S> {
    fn default() -> Self {
        Self { units: Vec::new(), jobs: Vec::new(), places: Vec::new(), batches: Vec::new() }
    }
}

impl<S: Stream> Answers<S> {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.units.len() + self.jobs.len() + self.places.len() + self.batches.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Remembers whom to answer. Refusals are answered at once; a fatal fault comes back.
    pub(super) fn unit(&mut self, result: Result<(), Fault>, answer: Answer<()>) -> Result<(), JournalError> {
        if let Some(((), answer)) = sort(result, answer)? {
            self.units.push(answer);
        }
        Ok(())
    }

    /// Remembers more of them to answer.
    pub(super) fn extend_units(&mut self, answers: Vec<Answer<()>>) {
        self.units.extend(answers);
    }

    pub(super) fn job(&mut self, result: Result<Accepted, Fault>, answer: Answer<JournaledJob<S>>) -> Result<(), JournalError> {
        self.jobs.extend(sort(result, answer)?);
        Ok(())
    }

    pub(super) fn place(&mut self, result: Result<Locator, Fault>, answer: Answer<Locator>) -> Result<(), JournalError> {
        self.places.extend(sort(result, answer)?);
        Ok(())
    }

    pub(super) fn batch(&mut self, result: Result<Vec<HeadPlace>, Fault>, answer: Answer<Vec<HeadPlace>>) -> Result<(), JournalError> {
        self.batches.extend(sort(result, answer)?);
        Ok(())
    }

    /// After the sync. Whoever came last is who could not wait any longer, and is answered first; patient ones came before.
    pub(super) fn succeed(&mut self) {
        self.answer_batches();
        for answer in self.units.drain(..).rev() {
            let _ = answer.send(Ok(()));
        }
        for (place, answer) in self.places.drain(..) {
            let _ = answer.send(Ok(place));
        }
        self.answer_jobs();
    }

    pub(super) fn answer_jobs(&mut self) {
        for (job, answer) in self.jobs.drain(..) {
            let _ = answer.send(Ok(JournaledJob::new(job.id, job.locator, job.head, Durable::attest())));
        }
    }

    pub(super) fn answer_batches(&mut self) {
        for (heads, answer) in self.batches.drain(..) {
            let _ = answer.send(Ok(heads));
        }
    }

    /// After a failure.
    pub(super) fn fail(&mut self, error: &JournalError) {
        for answer in self.units.drain(..) {
            let _ = answer.send(Err(error.clone()));
        }
        for (_, answer) in self.jobs.drain(..) {
            let _ = answer.send(Err(error.clone()));
        }
        for (_, answer) in self.places.drain(..) {
            let _ = answer.send(Err(error.clone()));
        }
        for (_, answer) in self.batches.drain(..) {
            let _ = answer.send(Err(error.clone()));
        }
    }
}

fn sort<T, A>(result: Result<T, Fault>, answer: Answer<A>) -> Result<Option<(T, Answer<A>)>, JournalError> {
    match result {
        Ok(value) => Ok(Some((value, answer))),
        Err(Fault::Refused(error)) => {
            // Whoever asked may have gone.
            let _ = answer.send(Err(error));
            Ok(None)
        }
        Err(Fault::Fatal(error)) => {
            let _ = answer.send(Err(JournalError::Poisoned(error.to_string().into())));
            Err(error)
        }
    }
}
