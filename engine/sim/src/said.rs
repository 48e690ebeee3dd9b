//! Listens to what the journal writes, and says when the power is to fail.

use crate::crash::Saying;
use std::sync::{Arc, Mutex, PoisonError};

/// Shared with the disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said(Arc<Mutex<Option<Saying>>>);

impl Said {
    /// What to wait for from now on.
    pub(crate) fn wait_for(&self, saying: Option<Saying>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = saying;
    }

    /// Frames of these kinds are being written: in how many changes of the disk it crashes, where it does.
    pub(crate) fn hear(&self, kinds: &[u8]) -> Option<u64> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.take_if(|saying| kinds.contains(&saying.kind)).map(|saying| saying.later)
    }
}
