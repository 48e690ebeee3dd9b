//! Keys that go, and the proof that they went.
//!
//! A destruction is two writes: the ring without the key, then a frame in the record that says so. The ring remembers, by the same write
//! that takes the key out, that the frame is still to come; what it remembers at a start is written then. So the record may say
//! twice that a key is gone, and never that one is gone which is not.

use super::KeyRing;
use super::store::{DestroyedEntry, DestructionCause, KeyEntry, Purpose};
use crate::error::KeyError;
use model::record::KeyDestruction;
use model::{BatchId, StreamName};
use world::Plant;

impl KeyRing {
    /// Deletes the content keys of these batches, in both copies, in one write. Gives what went and is to be recorded; a batch without a
    /// key gives nothing.
    pub(crate) fn destroy_batch_keys(
        &self,
        stream: StreamName,
        batches: &[(BatchId, DestructionCause)],
    ) -> Result<Vec<KeyDestruction>, KeyError> {
        let goes = |key: &KeyEntry| match key.purpose {
            Purpose::Batch(of, batch) if of == stream => batches.iter().find(|(named, _)| *named == batch).copied(),
            _ => None,
        };
        let is_there = self.read(|state| state.body.keys.iter().any(|key| goes(key).is_some()));
        if !is_there || self.shared.world.is_planted(Plant::KeyKept) {
            return Ok(Vec::new());
        }
        let at = self.shared.world.wall();
        let gone = self.change(|_, body| {
            let entry = |key: &KeyEntry| goes(key).map(|(batch, cause)| DestroyedEntry { stream, batch, key: key.id, at, cause });
            let gone: Vec<DestroyedEntry> = body.keys.iter().filter_map(entry).collect();
            body.keys.retain(|key| goes(key).is_none());
            body.destroyed.extend(gone.iter().cloned());
            Ok(gone)
        })?;
        let mut state = self.write_state();
        for entry in &gone {
            state.ciphers.remove(&entry.key);
        }
        Ok(gone.iter().map(DestroyedEntry::record).collect())
    }

    /// Destructions of a stream that the record may not have yet.
    pub(crate) fn unrecorded_destructions(&self, stream: StreamName) -> Vec<KeyDestruction> {
        self.read(|state| {
            let missing = state.body.destroyed.iter().filter(|entry| entry.stream == stream && !state.recorded.contains(&entry.key));
            missing.map(DestroyedEntry::record).collect()
        })
    }

    /// The record has them, durably: the next change of the ring forgets them.
    pub(crate) fn destructions_are_recorded(&self, keys: impl IntoIterator<Item = u32>) {
        self.write_state().recorded.extend(keys);
    }
}

impl DestroyedEntry {
    fn record(&self) -> KeyDestruction {
        KeyDestruction { batch: self.batch, key: self.key, at: self.at, cause: self.cause.as_str().to_owned() }
    }
}
