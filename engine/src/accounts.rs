//! Live counts of each batch: what the progress bar shows and what says that a batch is through.
//!
//! The truth is the record; the final report comes from the ledger. These counters only spare the
//! hot path a query: shards add and subtract, watchers read.

use model::{BatchId, State};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

/// Jobs of one batch by state.
#[derive(Debug, Default)]
pub struct BatchProgress {
    jobs: [AtomicI64; State::ALL.len()],
}

impl BatchProgress {
    /// Jobs in a state now.
    pub fn jobs(&self, state: State) -> i64 {
        self.jobs[state as usize].load(Ordering::Relaxed)
    }

    /// Counts a new job.
    pub fn enter(&self, state: State) {
        self.jobs[state as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Moves a job. The table of allowed changes is asserted here, in the pair with the ledger's check.
    pub fn step(&self, from: State, to: State) {
        debug_assert!(from == to || from.may_become(to), "{from} may not become {to}");
        self.jobs[from as usize].fetch_sub(1, Ordering::Relaxed);
        self.jobs[to as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Jobs the engine still works on.
    pub fn active(&self) -> i64 {
        State::ALL.into_iter().filter(|state| state.is_active()).map(|state| self.jobs(state)).sum()
    }

    /// All jobs.
    pub fn total(&self) -> i64 {
        State::ALL.into_iter().map(|state| self.jobs(state)).sum()
    }
}

/// The counters of all batches the engine knows.
#[derive(Debug, Clone, Default)]
pub struct Accounts {
    batches: Arc<Mutex<BTreeMap<BatchId, Arc<BatchProgress>>>>,
}

impl Accounts {
    /// The counters of a batch; made on first sight.
    pub fn batch(&self, batch: BatchId) -> Arc<BatchProgress> {
        let mut batches = self.batches.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(batches.entry(batch).or_default())
    }
}
