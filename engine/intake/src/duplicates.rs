//! Has this key been accepted before? (invariant 2)
//!
//! One index per tenant. Keys of an open batch are *pending*: they already keep a second row with the same key out, of this batch or
//! of another one that is open at the same time, but they bind only with the commit. A discarded batch leaves no trace, so that its file
//! can be handed in again and its rows do not count as duplicates of themselves.
//!
//! The index holds keyed fingerprints only. It is rebuilt from the record at start ([`KeyIndex::remember`]).

use model::{BatchId, Fingerprint};
use std::collections::{BTreeMap, HashMap};

/// The keys of one tenant.
#[derive(Debug, Default)]
pub struct KeyIndex {
    // Only looked up, never walked: the map's order reaches nothing.
    known: HashMap<Fingerprint, Known>,
    pending: BTreeMap<BatchId, Vec<Fingerprint>>,
}

/// What is known about a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The fingerprint of the content it was accepted with.
    pub content: Fingerprint,
    /// The batch that has it.
    pub batch: BatchId,
}

/// What a key that is there already means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// The same content: a duplicate.
    Same(Known),
    /// Other content: a conflict.
    Conflict(Known),
}

impl KeyIndex {
    /// An empty index.
    pub fn new() -> Self {
        Self::default()
    }

    /// Learns a key that binds, from the record (`RecoveredKey`). The first one stays.
    pub fn remember(&mut self, key: Fingerprint, content: Fingerprint, batch: BatchId) {
        self.known.entry(key).or_insert(Known { content, batch });
    }

    /// Whether a row with this key and content was seen before, in any batch that was not discarded, pending ones included.
    pub fn look_up(&self, key: &Fingerprint, content: &Fingerprint) -> Option<Repeat> {
        let known = *self.known.get(key)?;
        Some(if known.content == *content { Repeat::Same(known) } else { Repeat::Conflict(known) })
    }

    /// Notes a key for an open batch.
    pub fn reserve(&mut self, key: Fingerprint, content: Fingerprint, batch: BatchId) {
        self.known.insert(key, Known { content, batch });
        self.pending.entry(batch).or_default().push(key);
    }

    /// Gives back one key of an open batch: its row could not be made durable.
    pub fn give_back(&mut self, key: &Fingerprint, batch: BatchId) {
        if let Some(keys) = self.pending.get_mut(&batch)
            && let Some(at) = keys.iter().rposition(|pending| pending == key)
        {
            keys.swap_remove(at);
            self.known.remove(key);
        }
    }

    /// The batch is committed: its keys bind. For a rolling batch, call it as its heads become durable.
    pub fn commit(&mut self, batch: BatchId) {
        self.pending.remove(&batch);
    }

    /// The batch is discarded: its keys were never seen.
    pub fn discard(&mut self, batch: BatchId) {
        for key in self.pending.remove(&batch).unwrap_or_default() {
            self.known.remove(&key);
        }
    }

    /// Keys known, pending ones included.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// True where no key is known.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Fingerprint = Fingerprint([1; 16]);
    const CONTENT: Fingerprint = Fingerprint([2; 16]);
    const OTHER: Fingerprint = Fingerprint([3; 16]);

    #[test]
    fn a_discarded_batch_leaves_no_trace_and_a_committed_one_binds() {
        let (first, second) = (BatchId::new(1, 1), BatchId::new(1, 2));
        let mut index = KeyIndex::new();
        index.reserve(KEY, CONTENT, first);
        let known = Known { content: CONTENT, batch: first };
        assert_eq!(index.look_up(&KEY, &CONTENT), Some(Repeat::Same(known)));
        index.discard(first);
        assert_eq!(index.look_up(&KEY, &CONTENT), None);
        index.reserve(KEY, CONTENT, second);
        index.commit(second);
        index.discard(second);
        assert_eq!(index.look_up(&KEY, &OTHER), Some(Repeat::Conflict(Known { content: CONTENT, batch: second })));
    }

    #[test]
    fn a_row_that_could_not_be_stored_gives_its_key_back() {
        let batch = BatchId::new(1, 1);
        let mut index = KeyIndex::new();
        index.remember(OTHER, CONTENT, batch);
        index.reserve(KEY, CONTENT, batch);
        index.give_back(&KEY, batch);
        index.give_back(&OTHER, batch);
        assert_eq!((index.look_up(&KEY, &CONTENT), index.len()), (None, 1));
    }
}
