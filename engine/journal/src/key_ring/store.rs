//! The key ring's bytes: two copies of one small file.
//!
//! ```text
//!  0        8     10    12            16           24        40       72                    end-4   end
//! ┌────────┬─────┬─────┬─────────────┬────────────┬─────────┬────────┬─────────────────────┬───────┐
//! │ magic  │ ver │ 0 0 │ body length │ generation │ ring id │  MAC   │ body (postcard)     │ crc   │
//! └────────┴─────┴─────┴─────────────┴────────────┴─────────┴────────┴─────────────────────┴───────┘
//! ver         2; version 1 (without ages, homes and destructions) is read for ever, and written as 2 by the first change
//! generation  rises with each write: of two whole copies the newer one counts
//! ring id     random, made with the ring: the salt of every derivation, so that one key-encryption key serves several rings
//! MAC         HMAC-SHA-256 of bytes 0..40 and the body under a key derived from the key-encryption key: the wrong
//!             key, and a change by somebody without it, are noticed before any key is unwrapped
//! crc         CRC-32C of everything before: damage is told apart from a wrong key
//! ```
//!
//! Each change writes both copies by atomic replace with a sync of the directory, one after the other, so that at any moment one
//! of them is whole, and a deleted key is in neither when the change returns. What a crash leaves of two copies that differ (by a
//! generation, or by the key they are under) is made equal by the next opening. What a file system or a backup keeps of the
//! replaced files is beyond this: there, changing the key-encryption key and destroying the old one helps.

use super::source::KeySecret;
use super::wrap::Kek;
use crate::bounds::RING_BYTES_MAX;
use crate::error::{DiskError, KeyError};
use crate::format::{JournalId, crc32c, u16_at, u32_at, u64_at};
use model::{BatchId, StreamName, Timestamp};
use serde::{Deserialize, Serialize};
use std::path::Path;
use world::Disk;

const MAGIC: [u8; 8] = *b"sealring";
const VERSION: u16 = 2;
const VERSION_FIRST: u16 = 1;
const FIXED_BYTES: usize = 72;
const CRC_BYTES: usize = 4;
/// Room that most rings fit in.
const RING_BYTES_USUAL: usize = 16 * 1024;
const COPIES: [&str; 2] = ["ring.a", "ring.b"];

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Purpose {
    /// A tenant's frames in the record of a stream.
    Record(StreamName),
    /// A tenant's lookup hashes.
    Index,
    /// The content of one batch.
    Batch(StreamName, BatchId),
    /// Bundles of a stream. They belong to the installation.
    Bundles(StreamName),
    /// Checkpoints of a stream's record. They belong to the installation.
    Checkpoint(StreamName),
    /// A tenant's sealed files: what came in, contacts, what gates remember.
    Files,
}

/// 32 bytes wrapped by AES-KW (RFC 3394): 40 bytes, in two parts because serde knows arrays up to 32.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct Wrapped(pub(super) [u8; 32], pub(super) [u8; 8]);

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct KeyEntry {
    pub(super) id: u32,
    pub(super) tenant: u16,
    pub(super) purpose: Purpose,
    pub(super) wrapped: Wrapped,
    /// When it was made; unknown for keys of version 1.
    pub(super) made: Option<Timestamp>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct TenantEntry {
    pub(super) id: u16,
    pub(super) name: String,
}

/// What the ring remembers of a stream's journal, outside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JournalEntry {
    pub(crate) stream: StreamName,
    /// Its last start.
    pub(crate) epoch: u32,
    /// Where it lives; unknown until its first start under version 2.
    pub(crate) home: Option<Home>,
    /// Numbers of jobs and batches below these are not given any more:
    /// they may have been given after the copy was made that the journal was put back from.
    pub(crate) first_job: u64,
    pub(crate) first_batch: u64,
}

/// Which journal, in which directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Home {
    pub(crate) journal: JournalId,
    /// [`Disk::identity`] of its directory.
    pub(crate) directory: u64,
}

/// Why a content key went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum DestructionCause {
    Settled,
    Discarded,
    Operator,
}

impl DestructionCause {
    /// The word in the record.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Discarded => "discarded",
            Self::Operator => "operator",
        }
    }
}

/// A key that is gone and whose destruction the record may not have yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DestroyedEntry {
    pub(super) stream: StreamName,
    pub(super) batch: BatchId,
    pub(super) key: u32,
    pub(super) at: Timestamp,
    pub(super) cause: DestructionCause,
}

/// Everything the ring keeps.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Body {
    /// The id that the next key gets. Never goes back, so that no number names two keys.
    pub(super) next_key: u32,
    pub(super) tenants: Vec<TenantEntry>,
    /// By rising id.
    pub(super) keys: Vec<KeyEntry>,
    pub(super) journals: Vec<JournalEntry>,
    pub(super) destroyed: Vec<DestroyedEntry>,
    /// When it came under its key-encryption key; unknown for rings of version 1.
    pub(super) wrapped_at: Option<Timestamp>,
}

/// The body of version 1.
#[derive(Serialize, Deserialize)]
struct FirstBody {
    next_key: u32,
    tenants: Vec<TenantEntry>,
    keys: Vec<FirstKeyEntry>,
    epochs: Vec<(StreamName, u32)>,
}

#[derive(Serialize, Deserialize)]
struct FirstKeyEntry {
    id: u32,
    tenant: u16,
    purpose: Purpose,
    wrapped: Wrapped,
}

impl From<FirstBody> for Body {
    fn from(first: FirstBody) -> Self {
        let FirstBody { next_key, tenants, keys, epochs } = first;
        let key = |FirstKeyEntry { id, tenant, purpose, wrapped }| KeyEntry { id, tenant, purpose, wrapped, made: None };
        let journal = |(stream, epoch)| JournalEntry { stream, epoch, home: None, first_job: 0, first_batch: 0 };
        Self {
            next_key,
            tenants,
            keys: keys.into_iter().map(key).collect(),
            journals: epochs.into_iter().map(journal).collect(),
            destroyed: Vec::new(),
            wrapped_at: None,
        }
    }
}

/// One whole copy.
pub(super) struct Copy {
    pub(super) generation: u64,
    pub(super) ring: [u8; 16],
    pub(super) body: Body,
}

/// What lies in the directory.
pub(super) struct Found {
    pub(super) copy: Copy,
    pub(super) kek: Kek,
    /// Which of the secrets it is under.
    pub(super) under: usize,
    /// The other copy is missing, damaged, older or under another key.
    pub(super) is_uneven: bool,
}

/// Reads the newest whole copy that one of `secrets` opens; `None` where there is no ring yet.
pub(super) fn read(disk: &dyn Disk, dir: &Path, secrets: &[KeySecret]) -> Result<Option<Found>, KeyError> {
    let mut is_there = false;
    let mut wholes: Vec<Vec<u8>> = Vec::new();
    for name in COPIES {
        let path = dir.join(name);
        if !disk.exists(&path) {
            continue;
        }
        is_there = true;
        let bytes = disk.read_to_vec(&path, RING_BYTES_MAX).map_err(DiskError::new("read", &path))?;
        if is_whole(&bytes) {
            wholes.push(bytes);
        }
    }
    if !is_there {
        return Ok(None);
    }
    wholes.sort_by_key(|bytes| std::cmp::Reverse(u64_at(bytes, 16)));
    let newest = wholes.first().map(|bytes| u64_at(bytes, 16)).ok_or_else(|| KeyError::Damaged(dir.to_owned()))?;
    if let Some(found) = wholes.iter().map(|bytes| u16_at(bytes, 8)).find(|version| *version > VERSION) {
        return Err(KeyError::Newer { dir: dir.to_owned(), found, known: VERSION });
    }
    for bytes in &wholes {
        for (under, secret) in secrets.iter().enumerate() {
            let mut ring = [0u8; 16];
            ring.copy_from_slice(&bytes[24..40]);
            let kek = Kek::new(secret.bytes(), ring)?;
            let body = &bytes[FIXED_BYTES..bytes.len() - CRC_BYTES];
            if kek.is_mac(&bytes[..40], body, &bytes[40..72]) {
                let body = decode(u16_at(bytes, 8), body, dir)?;
                let is_uneven = wholes.len() < COPIES.len() || wholes.iter().any(|other| other != bytes);
                return Ok(Some(Found { copy: Copy { generation: newest, ring, body }, kek, under, is_uneven }));
            }
        }
    }
    Err(KeyError::WrongKey(dir.to_owned()))
}

fn decode(version: u16, body: &[u8], dir: &Path) -> Result<Body, KeyError> {
    let damaged = |_| KeyError::Damaged(dir.to_owned());
    match version {
        VERSION_FIRST => postcard::from_bytes::<FirstBody>(body).map(Body::from).map_err(damaged),
        _ => postcard::from_bytes(body).map_err(damaged),
    }
}

fn is_whole(bytes: &[u8]) -> bool {
    bytes.len() >= FIXED_BYTES + CRC_BYTES
        && bytes[..8] == MAGIC
        && u16_at(bytes, 8) >= VERSION_FIRST
        && u32_at(bytes, 12) as usize == bytes.len() - FIXED_BYTES - CRC_BYTES
        && crc32c(&bytes[..bytes.len() - CRC_BYTES]) == u32_at(bytes, bytes.len() - CRC_BYTES)
}

/// Replaces both copies. Durable when it returns.
pub(super) fn write(disk: &dyn Disk, dir: &Path, kek: &Kek, copy: &Copy) -> Result<(), KeyError> {
    let bytes = encode(kek, copy.generation, copy.ring, VERSION, &copy.body)?;
    for name in COPIES {
        let path = dir.join(name);
        disk.write_atomic(&path, &bytes).map_err(DiskError::new("replace", &path))?;
    }
    Ok(())
}

fn encode(kek: &Kek, generation: u64, ring: [u8; 16], version: u16, body: &impl Serialize) -> Result<Vec<u8>, KeyError> {
    let mut bytes = Vec::with_capacity(RING_BYTES_USUAL);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&version.to_le_bytes());
    bytes.resize(FIXED_BYTES, 0);
    let mut bytes = postcard::to_extend(body, bytes).map_err(|_| KeyError::Internal("postcard refused the ring"))?;
    let length = bytes.len() - FIXED_BYTES;
    if bytes.len() + CRC_BYTES > RING_BYTES_MAX {
        return Err(KeyError::Exhausted("another key"));
    }
    bytes[12..16].copy_from_slice(&(length as u32).to_le_bytes());
    bytes[16..24].copy_from_slice(&generation.to_le_bytes());
    bytes[24..40].copy_from_slice(&ring);
    let mac = kek.mac(&bytes[..40], &bytes[FIXED_BYTES..]);
    bytes[40..72].copy_from_slice(mac.as_ref());
    let crc = crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use world::World;

    #[test]
    fn version_1_is_read_and_a_later_one_is_told() {
        let (world, folder) = (World::real(), tempfile::tempdir().unwrap());
        let secret = KeySecret::random(&world);
        let kek = Kek::new(secret.bytes(), [7; 16]).unwrap();
        let wrapped = kek.wrap(3, &[9; 32]).unwrap();
        let first = FirstBody {
            next_key: 12,
            tenants: vec![TenantEntry { id: 3, name: "a".to_owned() }],
            keys: vec![FirstKeyEntry { id: 11, tenant: 3, purpose: Purpose::Index, wrapped }],
            epochs: vec![(StreamName::Marketing, 5)],
        };
        let put = |version| {
            let bytes = encode(&kek, 4, [7; 16], version, &first).unwrap();
            COPIES.iter().for_each(|copy| std::fs::write(folder.path().join(copy), &bytes).unwrap());
            read(world.disk(), folder.path(), std::slice::from_ref(&secret))
        };
        let found = put(VERSION_FIRST).unwrap().unwrap();
        let body = found.copy.body;
        assert!(!found.is_uneven);
        assert_eq!((body.next_key, body.keys[0].id, body.keys[0].made, body.wrapped_at), (12, 11, None, None));
        assert_eq!(found.kek.unwrap(3, &body.keys[0].wrapped).unwrap()[..], [9; 32]);
        let marketing = JournalEntry { stream: StreamName::Marketing, epoch: 5, home: None, first_job: 0, first_batch: 0 };
        assert_eq!(body.journals, [marketing]);
        let error = put(VERSION + 1).err().unwrap();
        assert!(matches!(error, KeyError::Newer { found: 3, known: 2, .. }), "{error}");
    }
}
