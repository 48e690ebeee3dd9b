//! What the ring knows of the journals: which one is where, and how often it was started.
//!
//! It lies outside them, so that a journal that is older than it was, or elsewhere, does not look like itself.

use super::KeyRing;
use super::store::{Home, JournalEntry};
use crate::bounds::EPOCH_MAX;
use crate::error::KeyError;
use model::StreamName;

impl KeyRing {
    /// What is known of a stream's journal; `None` before its first start.
    pub(crate) fn journal(&self, stream: StreamName) -> Option<JournalEntry> {
        self.read(|state| state.body.journals.iter().find(|entry| entry.stream == stream).cloned())
    }

    /// The last start of a stream's journal that the ring knows; 0 before the first.
    pub(crate) fn epoch(&self, stream: StreamName) -> u32 {
        self.journal(stream).map_or(0, |entry| entry.epoch)
    }

    /// Remembers a start, synced when it returns. Numbers of jobs and batches below `first` are given no more; they never go back.
    pub(crate) fn remember_start(&self, stream: StreamName, epoch: u32, home: Home, first: FirstNumbers) -> Result<(), KeyError> {
        if epoch > EPOCH_MAX {
            return Err(KeyError::Exhausted("another start of the journal"));
        }
        self.change(|_, body| {
            let known = body.journals.iter().position(|entry| entry.stream == stream).map(|at| body.journals.swap_remove(at));
            let (first_job, first_batch) = known.map_or((0, 0), |entry| (entry.first_job, entry.first_batch));
            let (first_job, first_batch) = (first_job.max(first.job), first_batch.max(first.batch));
            body.journals.push(JournalEntry { stream, epoch, home: Some(home), first_job, first_batch });
            Ok(())
        })
    }
}

/// The first sequence numbers that may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct FirstNumbers {
    pub(crate) job: u64,
    pub(crate) batch: u64,
}
