//! The start number of a journal: raised and synced before the first frame of a start, never given twice (invariant 5).
//!
//! `<dir>/epoch`, 40 bytes, replaced atomically:
//!
//! ```text
//!  0        8               24      28          36    40
//! ┌────────┬───────────────┬───────┬───────────┬─────┐
//! │ magic  │  journal id   │ epoch │ directory │ crc │
//! └────────┴───────────────┴───────┴───────────┴─────┘
//! directory  identity (inode) of the directory that the file was written in: a copy of it has another
//! ```
//!
//! The first version had 32 bytes and no `directory`; it is read for ever. The key ring keeps the same numbers: a directory that is behind
//! them, or elsewhere, is an old copy or a clone ([`crate::stale`]). The next start is beyond both, and beyond every epoch
//! seen in a segment's header.

use crate::error::DiskError;
use crate::format::{JournalId, crc32c, u32_at, u64_at};
use std::path::Path;
use world::Disk;

const MAGIC: [u8; 8] = *b"sealepc2";
const BYTES: usize = 40;
const FIRST_MAGIC: [u8; 8] = *b"sealepch";
const FIRST_BYTES: usize = 32;

/// What the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EpochFile {
    pub(crate) journal: JournalId,
    pub(crate) epoch: u32,
    /// `None` in the first version.
    pub(crate) directory: Option<u64>,
}

/// Reads it; `None` where it is absent or damaged.
pub(crate) fn read(disk: &dyn Disk, path: &Path) -> Result<Option<EpochFile>, DiskError> {
    if !disk.exists(path) {
        return Ok(None);
    }
    let bytes = match disk.read_to_vec(path, BYTES) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => return Ok(None),
        Err(error) => return Err(DiskError::new("read", path)(error)),
    };
    let directory = match bytes.len() {
        BYTES if bytes[..8] == MAGIC => Some(u64_at(&bytes, 28)),
        FIRST_BYTES if bytes[..8] == FIRST_MAGIC => None,
        _ => return Ok(None),
    };
    let (content, crc) = bytes.split_at(bytes.len() - 4);
    if crc32c(content) != u32_at(crc, 0) {
        return Ok(None);
    }
    let mut journal = [0u8; 16];
    journal.copy_from_slice(&bytes[8..24]);
    Ok(Some(EpochFile { journal: JournalId(journal), epoch: u32_at(&bytes, 24), directory }))
}

/// Replaces it. Durable when it returns.
pub(crate) fn write(disk: &dyn Disk, path: &Path, journal: JournalId, epoch: u32, directory: u64) -> Result<(), DiskError> {
    let mut bytes = [0u8; BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..24].copy_from_slice(&journal.0);
    bytes[24..28].copy_from_slice(&epoch.to_le_bytes());
    bytes[28..36].copy_from_slice(&directory.to_le_bytes());
    let crc = crc32c(&bytes[..36]);
    bytes[36..].copy_from_slice(&crc.to_le_bytes());
    disk.write_atomic(path, &bytes).map_err(DiskError::new("replace", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use world::World;

    #[test]
    fn both_versions_are_read_and_damage_is_none() {
        let (world, folder) = (World::real(), tempfile::tempdir().unwrap());
        let path = folder.path().join("epoch");
        write(world.disk(), &path, JournalId([3; 16]), 7, 99).unwrap();
        let file = EpochFile { journal: JournalId([3; 16]), epoch: 7, directory: Some(99) };
        assert_eq!(read(world.disk(), &path).unwrap(), Some(file));
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[30] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(read(world.disk(), &path).unwrap(), None);

        let mut first = [FIRST_MAGIC.as_slice(), &[3; 16], &7u32.to_le_bytes()].concat();
        first.extend_from_slice(&crc32c(&first).to_le_bytes());
        std::fs::write(&path, &first).unwrap();
        assert_eq!(read(world.disk(), &path).unwrap(), Some(EpochFile { directory: None, ..file }));
        std::fs::write(&path, &first[..31]).unwrap();
        assert_eq!(read(world.disk(), &path).unwrap(), None);
    }
}
