//! One key as the index keeps it: 56 bytes, in memory and on disk.
//!
//! ```text
//! 0        2       18        34      42    44    52    56
//! ┌────────┬───────┬─────────┬───────┬─────┬─────┬─────┐
//! │ tenant │  key  │ content │ batch │ day │ job │ row │
//! └────────┴───────┴─────────┴───────┴─────┴─────┴─────┘
//! tenant   big-endian, so that entries sort by tenant and key as bytes
//! key      the keyed fingerprint of the idempotency key
//! content  the keyed fingerprint of the content: tells a repeat from a conflict
//! batch    who has it, little-endian
//! day      of admission, days since 1970 (UTC), little-endian: what the horizon counts from
//! job      which job it became, little-endian: what a correction asks about; 0 until that is known
//! row      of the batch, which tells apart the statements of one job, little-endian; 0 where it is beyond 32 bits
//! ```
//!
//! No value of a row stands here, so nothing needs a cipher, and shredding a batch takes nothing away.

use model::{BatchId, Fingerprint, JobId, TenantId, Timestamp};
use std::hash::{BuildHasherDefault, Hasher};

/// Bytes of an entry.
pub(super) const ENTRY_BYTES: usize = 56;
/// Bytes of it that name the key: tenant and fingerprint.
pub(super) const NAME_BYTES: usize = 18;
const CONTENT_AT: usize = NAME_BYTES;
const BATCH_AT: usize = CONTENT_AT + 16;
const DAY_AT: usize = BATCH_AT + 8;
const JOB_AT: usize = DAY_AT + 2;
const ROW_AT: usize = JOB_AT + 8;
const DAY_MS: u64 = 86_400_000;

const _: () = assert!(ROW_AT + 4 == ENTRY_BYTES);

/// Days since 1970 (UTC); good until 2149.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub u16);

impl Day {
    /// The day of a moment.
    pub fn of(at: Timestamp) -> Self {
        Self(u16::try_from(at.0 / DAY_MS).unwrap_or(u16::MAX))
    }
}

/// A key, what it was accepted with, and by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyEntry {
    /// Whose key.
    pub tenant: TenantId,
    /// The keyed fingerprint of the key.
    pub key: Fingerprint,
    /// The keyed fingerprint of the content it was accepted with.
    pub content: Fingerprint,
    /// The batch that has it.
    pub batch: BatchId,
    /// The day of its admission.
    pub day: Day,
    /// The job it became; `None` until the journal has given it a number.
    pub job: Option<JobId>,
    /// The row it came from, from 1; `None` where it is not known, or beyond 32 bits.
    pub row: Option<u32>,
}

/// What is looked for: tenant and key, as they sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name(pub(super) [u8; NAME_BYTES]);

impl Name {
    pub(super) fn new(tenant: TenantId, key: &Fingerprint) -> Self {
        let mut bytes = [0; NAME_BYTES];
        bytes[..2].copy_from_slice(&tenant.0.to_be_bytes());
        bytes[2..].copy_from_slice(&key.0);
        Self(bytes)
    }

    /// The first eight bytes, which sort as the name does.
    pub(super) fn prefix(&self) -> u64 {
        u64::from_be_bytes(*self.0.first_chunk().expect("a name has 18 bytes"))
    }
}

/// Fingerprints are random already: eight of their bytes are hash enough, and the same in every run.
#[derive(Default)]
pub(super) struct NameHasher(u64);

impl Hasher for NameHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.rchunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 = (self.0.rotate_left(29) ^ u64::from_le_bytes(word)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        }
    }
}

impl std::hash::Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.0);
    }
}

pub(super) type NameHash = BuildHasherDefault<NameHasher>;

impl KeyEntry {
    pub(super) fn name(&self) -> Name {
        Name::new(self.tenant, &self.key)
    }

    pub(super) fn encode(&self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..NAME_BYTES].copy_from_slice(&self.name().0);
        bytes[CONTENT_AT..BATCH_AT].copy_from_slice(&self.content.0);
        bytes[BATCH_AT..DAY_AT].copy_from_slice(&self.batch.to_bits().to_le_bytes());
        bytes[DAY_AT..JOB_AT].copy_from_slice(&self.day.0.to_le_bytes());
        bytes[JOB_AT..ROW_AT].copy_from_slice(&job_bytes(self.job));
        bytes[ROW_AT..].copy_from_slice(&row_bytes(self.row));
        bytes
    }

    pub(super) fn decode(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let (mut batch, mut job) = ([0; 8], [0; 8]);
        batch.copy_from_slice(&bytes[BATCH_AT..DAY_AT]);
        job.copy_from_slice(&bytes[JOB_AT..ROW_AT]);
        Self {
            tenant: TenantId(u16::from_be_bytes([bytes[0], bytes[1]])),
            key: fingerprint(&bytes[2..CONTENT_AT]),
            content: fingerprint(&bytes[CONTENT_AT..BATCH_AT]),
            batch: BatchId::from_bits(u64::from_le_bytes(batch)),
            day: Day(u16::from_le_bytes([bytes[DAY_AT], bytes[DAY_AT + 1]])),
            job: job_of(job),
            row: row_of(*bytes.last_chunk().expect("an entry ends with its row")),
        }
    }
}

/// Job numbers begin at 1, so 0 says that there is none.
pub(super) fn job_bytes(job: Option<JobId>) -> [u8; 8] {
    job.map_or(0, JobId::to_bits).to_le_bytes()
}

pub(super) fn job_of(bytes: [u8; 8]) -> Option<JobId> {
    Some(u64::from_le_bytes(bytes)).filter(|bits| *bits != 0).map(JobId::from_bits)
}

/// Rows are counted from 1, so 0 says that it is not known.
pub(super) fn row_bytes(row: Option<u32>) -> [u8; 4] {
    row.unwrap_or(0).to_le_bytes()
}

pub(super) fn row_of(bytes: [u8; 4]) -> Option<u32> {
    Some(u32::from_le_bytes(bytes)).filter(|row| *row != 0)
}

fn fingerprint(bytes: &[u8]) -> Fingerprint {
    Fingerprint(*bytes.first_chunk().expect("the layout leaves 16 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_as_drawn_and_sort_by_tenant_and_key() {
        let entry = KeyEntry {
            tenant: TenantId(0x0102),
            key: Fingerprint([3; 16]),
            content: Fingerprint([4; 16]),
            batch: BatchId::from_bits(0x0B0A),
            day: Day(0x0D0C),
            job: Some(JobId::from_bits(0x0F0E)),
            row: Some(0x1110),
        };
        let bytes = entry.encode();
        assert_eq!(bytes[..3], [1, 2, 3]);
        assert_eq!((bytes[17], bytes[18], bytes[33], bytes[34], bytes[35], bytes[42], bytes[43]), (3, 4, 4, 0x0A, 0x0B, 0x0C, 0x0D));
        assert_eq!(bytes[44..], [0x0E, 0x0F, 0, 0, 0, 0, 0, 0, 0x10, 0x11, 0, 0]);
        assert_eq!(KeyEntry::decode(&bytes), entry);
        assert!(Name::new(TenantId(1), &Fingerprint([255; 16])) < Name::new(TenantId(256), &Fingerprint([0; 16])));
    }
}
