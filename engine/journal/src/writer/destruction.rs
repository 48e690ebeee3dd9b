//! Keys that are gone are written down: after the ring, in the record.
//!
//! The keeper destroys a key and rings; the writer appends the frame and syncs it as one more reason for a group. At the end of the journal
//! the keeper is asked to finish first, so that a clean stop leaves no destruction for the next start.

use super::{Operation, Writer};
use crate::error::JournalError;
use crate::keeper::Errand;
use crate::writer::Fault;
use futures_util::future::{Either, select};
use model::record::{FrameKey, Record};
use model::{MessageVersion, Stream};
use std::pin::pin;
use world::channel::{Receiver, oneshot};

/// The key of frames about a batch.
const NO_JOB: FrameKey = FrameKey { job: None, message: MessageVersion(0), attempt: 0 };

impl<S: Stream> Writer<S> {
    /// Waits for operations, or for the keeper's bell. False where no operation will ever come again.
    pub(super) async fn wait(&self, inbox: &Receiver<Operation<S>>, operations: &mut Vec<Operation<S>>, max: usize) -> bool {
        let taking = pin!(inbox.recv_many(operations, max));
        let ringing = pin!(self.parts.notices.bell.recv());
        match select(taking, ringing).await {
            Either::Left((taken, _)) => taken > 0,
            Either::Right(_) => true,
        }
    }

    /// Appends what the keeper told. True where that asks for a sync.
    pub(super) async fn note_destroyed(&mut self) -> bool {
        let mut noted = false;
        for destroyed in self.parts.notices.take() {
            let key = destroyed.destruction.key;
            let record = Record::KeyDestroyed(destroyed.destruction);
            let result = match self.parts.shared.check() {
                Ok(()) => self.record(NO_JOB, &record).await,
                Err(error) => Err(Fault::Refused(error)),
            };
            match result {
                Ok(()) => {
                    noted = true;
                    self.noting.push(key);
                    self.answers.extend_units(destroyed.answers);
                }
                // The ring keeps it for the next start.
                Err(Fault::Refused(error)) => destroyed.answers.into_iter().for_each(|answer| drop(answer.send(Err(error.clone())))),
                Err(Fault::Fatal(error)) => {
                    self.poison(&error);
                    let poisoned = JournalError::Poisoned(error.to_string().into());
                    destroyed.answers.into_iter().for_each(|answer| drop(answer.send(Err(poisoned.clone()))));
                }
            }
        }
        noted
    }

    /// The sync that covers them was good.
    pub(super) fn destructions_are_durable(&mut self) {
        if !self.noting.is_empty() {
            self.parts.keys.destructions_are_recorded(self.noting.drain(..));
        }
    }

    /// Has the keeper do all it was asked, and writes down what came of it.
    pub(super) async fn finish_errands(&mut self) {
        while let Some(errand) = self.errands.pop_front() {
            // A keeper that is gone says so by its join.
            let _ = self.parts.keeper.send(errand).await;
        }
        let (answer, done) = oneshot();
        if self.parts.keeper.send(Errand::Look { answer: Some(answer) }).await.is_ok() {
            let _ = done.await;
        }
        if self.note_destroyed().await {
            match self.flush(true) {
                Ok(()) => {
                    self.answers.succeed();
                    self.destructions_are_durable();
                }
                Err(error) => self.poison(&error.into()),
            }
        }
    }
}
