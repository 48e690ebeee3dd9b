//! What an operator wrote down on paper: it outlives every crash of the machine.

use model::BatchId;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Shared between the operators of all lives.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notebook(Arc<Mutex<Notes>>);

#[derive(Debug, Default)]
struct Notes {
    told: BTreeSet<BatchId>,
    is_ordered: bool,
    has_seen_growth: bool,
}

impl Notebook {
    /// "Batch so-and-so is accepted."
    pub(crate) fn accepted(&self, batch: BatchId) {
        self.lock().told.insert(batch);
    }

    /// All batches that were said to be accepted.
    pub(crate) fn told(&self) -> BTreeSet<BatchId> {
        self.lock().told.clone()
    }

    /// An order is being given. Whether it arrived is not on paper.
    pub(crate) fn ordered(&self) {
        self.lock().is_ordered = true;
    }

    /// Whether the order was given, in this life or an earlier one.
    pub(crate) fn is_ordered(&self) -> bool {
        self.lock().is_ordered
    }

    /// True once: whether the file is to grow while it is handed in.
    pub(crate) fn first_growth(&self) -> bool {
        !std::mem::replace(&mut self.lock().has_seen_growth, true)
    }

    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
