//! The key ring's bytes: two copies of one small file.
//!
//! ```text
//!  0        8     10    12            16           24        40       72                    end-4   end
//! ┌────────┬─────┬─────┬─────────────┬────────────┬─────────┬────────┬─────────────────────┬───────┐
//! │ magic  │ ver │ 0 0 │ body length │ generation │ ring id │  MAC   │ body (postcard)     │ crc   │
//! └────────┴─────┴─────┴─────────────┴────────────┴─────────┴────────┴─────────────────────┴───────┘
//! generation  rises with each write: of two whole copies the newer one counts
//! ring id     random, made with the ring: the salt of every derivation, so that one key-encryption key serves several rings
//! MAC         HMAC-SHA-256 of bytes 0..40 and the body under a key derived from the key-encryption key: the wrong
//!             key, and a change by somebody without it, are noticed before any key is unwrapped
//! crc         CRC-32C of everything before: damage is told apart from a wrong key
//! ```
//!
//! Each change writes both copies by atomic replace with a sync of the directory, one after the other, so that at any moment one
//! of them is whole, and a deleted key is in neither when the change returns. What a file system or a backup keeps of the
//! replaced files is beyond this: there, deleting the key-encryption key helps.

use super::wrap::Kek;
use crate::bounds::RING_BYTES_MAX;
use crate::error::{DiskError, KeyError};
use crate::format::{crc32c, u16_at, u32_at, u64_at};
use model::{BatchId, StreamName};
use serde::{Deserialize, Serialize};
use std::path::Path;
use world::Disk;

const MAGIC: [u8; 8] = *b"sealring";
const VERSION: u16 = 1;
const FIXED_BYTES: usize = 72;
const CRC_BYTES: usize = 4;
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
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct TenantEntry {
    pub(super) id: u16,
    pub(super) name: String,
}

/// Everything the ring keeps.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Body {
    /// The id that the next key gets. Never goes back, so that no number names two keys.
    pub(super) next_key: u32,
    pub(super) tenants: Vec<TenantEntry>,
    /// By rising id.
    pub(super) keys: Vec<KeyEntry>,
    /// The last start of each stream's journal.
    pub(super) epochs: Vec<(StreamName, u32)>,
}

/// One whole copy.
pub(super) struct Copy {
    pub(super) generation: u64,
    pub(super) ring: [u8; 16],
    pub(super) body: Body,
}

/// Reads the newer whole copy; `None` where there is no ring yet.
pub(super) fn read(
    disk: &dyn Disk,
    dir: &Path,
    kek: &mut dyn FnMut([u8; 16]) -> Result<Kek, KeyError>,
) -> Result<Option<(Copy, Kek)>, KeyError> {
    let mut files = Vec::new();
    let mut wholes: Vec<Vec<u8>> = Vec::new();
    for name in COPIES {
        let path = dir.join(name);
        if !disk.exists(&path) {
            continue;
        }
        files.push(name);
        let bytes = disk.read_to_vec(&path, RING_BYTES_MAX).map_err(DiskError::new("read", &path))?;
        if is_whole(&bytes) {
            wholes.push(bytes);
        }
    }
    if files.is_empty() {
        return Ok(None);
    }
    wholes.sort_by_key(|bytes| std::cmp::Reverse(u64_at(bytes, 16)));
    let newest = wholes.first().ok_or_else(|| KeyError::Damaged(dir.to_owned()))?;
    let mut ring = [0u8; 16];
    ring.copy_from_slice(&newest[24..40]);
    let kek = kek(ring)?;
    let body = &newest[FIXED_BYTES..newest.len() - CRC_BYTES];
    if !kek.is_mac(&newest[..40], body, &newest[40..72]) {
        return Err(KeyError::WrongKey(dir.to_owned()));
    }
    let body = postcard::from_bytes(body).map_err(|_| KeyError::Damaged(dir.to_owned()))?;
    Ok(Some((Copy { generation: u64_at(newest, 16), ring, body }, kek)))
}

fn is_whole(bytes: &[u8]) -> bool {
    bytes.len() >= FIXED_BYTES + CRC_BYTES
        && bytes[..8] == MAGIC
        && u16_at(bytes, 8) == VERSION
        && u32_at(bytes, 12) as usize == bytes.len() - FIXED_BYTES - CRC_BYTES
        && crc32c(&bytes[..bytes.len() - CRC_BYTES]) == u32_at(bytes, bytes.len() - CRC_BYTES)
}

/// Replaces both copies. Durable when it returns.
pub(super) fn write(disk: &dyn Disk, dir: &Path, kek: &Kek, copy: &Copy) -> Result<(), KeyError> {
    let mut bytes = Vec::with_capacity(FIXED_BYTES + 64 * (copy.body.keys.len() + copy.body.tenants.len() + 1));
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.resize(FIXED_BYTES, 0);
    let mut bytes = postcard::to_extend(&copy.body, bytes).map_err(|_| KeyError::Internal("postcard refused the ring"))?;
    let length = bytes.len() - FIXED_BYTES;
    if bytes.len() + CRC_BYTES > RING_BYTES_MAX {
        return Err(KeyError::Exhausted("another key"));
    }
    bytes[12..16].copy_from_slice(&(length as u32).to_le_bytes());
    bytes[16..24].copy_from_slice(&copy.generation.to_le_bytes());
    bytes[24..40].copy_from_slice(&copy.ring);
    let mac = kek.mac(&bytes[..40], &bytes[FIXED_BYTES..]);
    bytes[40..72].copy_from_slice(mac.as_ref());
    let crc = crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    for name in COPIES {
        let path = dir.join(name);
        disk.write_atomic(&path, &bytes).map_err(DiskError::new("replace", &path))?;
    }
    Ok(())
}
