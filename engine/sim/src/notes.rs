//! What people outside the machine remember over its crashes: the operator and the claims system.
//!
//! An operator who was told "accepted" believes it, and so do the checkers: whatever stands here was promised.

use model::{BatchId, JobId, Monotonic};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a line of the job socket was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// It is this job.
    Job(JobId),
    /// It is no job: a repeat, a reject, no address.
    NoJob,
}

/// An order that was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Obeyed {
    /// When the engine said so.
    pub from: Monotonic,
    /// When the operator took it back; `None` where he never did.
    pub until: Option<Monotonic>,
    /// Whether the batch was cancelled, not held.
    pub is_cancel: bool,
}

/// All of it.
#[derive(Debug, Clone, Default)]
pub struct Remembered {
    /// Batches of the parcels that were accepted, by parcel.
    pub batches: BTreeMap<usize, BatchId>,
    /// What the lines of the job socket were answered, by line.
    pub answers: BTreeMap<usize, Answered>,
    /// Orders that the engine said it obeyed, by parcel.
    pub obeyed: Vec<(usize, Obeyed)>,
    /// Parcels that may be held: ordered and perhaps obeyed, not released.
    pub held: Vec<usize>,
    /// The file that grows has grown.
    pub has_grown: bool,
    /// Parcels that may be cancelled.
    pub cancelled: Vec<usize>,
}

/// Shared with every life.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes(Arc<Mutex<Remembered>>);

impl Notes {
    /// Reads or writes; short, and never across an await.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut Remembered) -> R) -> R {
        work(&mut self.lock())
    }

    pub(crate) fn all(&self) -> Remembered {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
