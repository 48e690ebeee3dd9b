//! Keys in memory: a table that grows, and the sorted entries it becomes when it is full and waits to be written.

use super::entry::{Day, KeyEntry, Name, NameHash, job_bytes, job_of, row_bytes, row_of};
use model::{BatchId, Fingerprint, JobId, TenantId};
use std::collections::HashMap;

/// Without its name: bytes alone, so that a place in the table has 56 and no padding.
#[derive(Debug, Clone, Copy)]
struct Value {
    content: [u8; 16],
    batch: [u8; 8],
    day: [u8; 2],
    job: [u8; 8],
    row: [u8; 4],
}

/// Keys by name.
#[derive(Debug, Default)]
pub(super) struct Table {
    // Only looked up, or sorted before it is walked: the map's order reaches nothing.
    values: HashMap<Name, Value, NameHash>,
    /// A place of the record before the head of each key in it; meaningless while it is empty.
    since: u64,
}

impl Table {
    /// Adds an entry whose head lies behind `since` in the record. The first of a name stays.
    pub(super) fn insert(&mut self, entry: &KeyEntry, since: u64) {
        self.since = if self.values.is_empty() { since } else { self.since.min(since) };
        let value = Value {
            content: entry.content.0,
            batch: entry.batch.to_bits().to_le_bytes(),
            day: entry.day.0.to_le_bytes(),
            job: job_bytes(entry.job),
            row: row_bytes(entry.row),
        };
        self.values.entry(entry.name()).or_insert(value);
    }

    pub(super) fn find(&self, name: &Name) -> Option<KeyEntry> {
        self.values.get(name).map(|value| value.entry(name))
    }

    /// Notes which job a key became.
    pub(super) fn locate(&mut self, name: &Name, job: JobId) {
        if let Some(value) = self.values.get_mut(name) {
            value.job = job_bytes(Some(job));
        }
    }

    pub(super) fn remove(&mut self, name: &Name) -> Option<KeyEntry> {
        self.values.remove(name).map(|value| value.entry(name))
    }

    /// Takes over everything of another table.
    pub(super) fn absorb(&mut self, other: Self) {
        let since = other.since;
        other.values.iter().for_each(|(name, value)| self.insert(&value.entry(name), since));
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// See the field; `None` where it is empty.
    pub(super) fn since(&self) -> Option<u64> {
        (!self.values.is_empty()).then_some(self.since)
    }

    /// Sorts what is in it, and leaves it empty.
    pub(super) fn freeze(&mut self, number: u64) -> Frozen {
        let Self { values, since } = std::mem::take(self);
        let mut entries: Vec<KeyEntry> = values.iter().map(|(name, value)| value.entry(name)).collect();
        entries.sort_unstable_by_key(KeyEntry::name);
        Frozen { number, since, entries }
    }
}

impl Value {
    fn entry(&self, name: &Name) -> KeyEntry {
        KeyEntry {
            tenant: TenantId(u16::from_be_bytes([name.0[0], name.0[1]])),
            key: Fingerprint(*name.0[2..].first_chunk().expect("a name has 18 bytes")),
            content: Fingerprint(self.content),
            batch: BatchId::from_bits(u64::from_le_bytes(self.batch)),
            day: Day(u16::from_le_bytes(self.day)),
            job: job_of(self.job),
            row: row_of(self.row),
        }
    }
}

/// A full table on its way to disk.
#[derive(Debug)]
pub(super) struct Frozen {
    /// The number of the run it becomes.
    pub(super) number: u64,
    pub(super) since: u64,
    /// Sorted by name, each once.
    pub(super) entries: Vec<KeyEntry>,
}

impl Frozen {
    pub(super) fn find(&self, name: &Name) -> Option<KeyEntry> {
        self.entries.binary_search_by(|entry| entry.name().cmp(name)).ok().map(|at| self.entries[at])
    }
}
