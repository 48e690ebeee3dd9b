//! The start number of a journal: raised and synced before the first frame of a start, never given twice (invariant 5).
//!
//! `<dir>/epoch`, 32 bytes, replaced atomically:
//!
//! ```text
//!  0        8               24      28    32
//! ┌────────┬───────────────┬───────┬─────┐
//! │ magic  │  journal id   │ epoch │ crc │
//! └────────┴───────────────┴───────┴─────┘
//! ```
//!
//! The key ring keeps the same number: a directory that is behind it is a clone or an old copy. The next start is beyond both, and
//! beyond every epoch seen in a segment's header.

use crate::error::DiskError;
use crate::format::{JournalId, crc32c, u32_at};
use std::path::Path;
use world::Disk;

const MAGIC: [u8; 8] = *b"sealepch";
const BYTES: usize = 32;

/// What the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EpochFile {
    pub(crate) journal: JournalId,
    pub(crate) epoch: u32,
}

/// Reads it; `None` where it is absent or damaged, and the segments must say who they are.
pub(crate) fn read(disk: &dyn Disk, path: &Path) -> Result<Option<EpochFile>, DiskError> {
    if !disk.exists(path) {
        return Ok(None);
    }
    let bytes = match disk.read_to_vec(path, BYTES) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => return Ok(None),
        Err(error) => return Err(DiskError::new("read", path)(error)),
    };
    if bytes.len() != BYTES || bytes[..8] != MAGIC || crc32c(&bytes[..28]) != u32_at(&bytes, 28) {
        return Ok(None);
    }
    let mut journal = [0u8; 16];
    journal.copy_from_slice(&bytes[8..24]);
    Ok(Some(EpochFile { journal: JournalId(journal), epoch: u32_at(&bytes, 24) }))
}

/// Replaces it. Durable when it returns.
pub(crate) fn write(disk: &dyn Disk, path: &Path, file: &EpochFile) -> Result<(), DiskError> {
    let mut bytes = [0u8; BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..24].copy_from_slice(&file.journal.0);
    bytes[24..28].copy_from_slice(&file.epoch.to_le_bytes());
    let crc = crc32c(&bytes[..28]);
    bytes[28..].copy_from_slice(&crc.to_le_bytes());
    disk.write_atomic(path, &bytes).map_err(DiskError::new("replace", path))
}
