//! Which runs the index is made of, and how far of the record they cover: one small file, replaced atomically.
//!
//! ```text
//!  0       8     10   12    16               32         40       48     52
//! ┌───────┬─────┬────┬─────┬────────────────┬──────────┬────────┬──────┬─────────────────┬─────┐
//! │ magic │ ver │ 0  │  0  │ record         │ position │ next   │ runs │ number 8 × runs │ crc │
//! └───────┴─────┴────┴─────┴────────────────┴──────────┴────────┴──────┴─────────────────┴─────┘
//! magic     "sealkidx"
//! record    whose projection this is: the journal's identity
//! position  each key of a record up to here that binds is in one of the runs
//! next      the number that the next run gets; files of no run that stands here are left-overs of a crash
//! crc       CRC-32C of everything before it
//! ```

use super::error::KeyIndexError;
use super::run::crc32c;
use std::path::{Path, PathBuf};
use world::Disk;

const MAGIC: [u8; 8] = *b"sealkidx";
const VERSION: u16 = 3;
const FIXED_BYTES: usize = 52;
/// More runs than merging ever leaves.
const RUNS_MAX: usize = 4096;
const BYTES_MAX: usize = FIXED_BYTES + RUNS_MAX * 8 + 4;

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) record: [u8; 16],
    pub(super) position: u64,
    pub(super) next_run: u64,
    pub(super) runs: Vec<u64>,
}

pub(super) fn path_of(folder: &Path) -> PathBuf {
    folder.join("manifest")
}

impl Manifest {
    /// `None` where there is none yet.
    pub(super) fn read(disk: &dyn Disk, folder: &Path) -> Result<Option<Self>, KeyIndexError> {
        let path = path_of(folder);
        if !disk.exists(&path) {
            return Ok(None);
        }
        let bytes = match disk.read_to_vec(&path, BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => return Err(KeyIndexError::damaged(&path, "too long")),
            Err(error) => return Err(KeyIndexError::disk("read", &path)(error)),
        };
        Self::decode(&bytes).map(Some).ok_or_else(|| KeyIndexError::damaged(&path, "it does not fit its checksum"))
    }

    pub(super) fn write(&self, disk: &dyn Disk, folder: &Path) -> Result<(), KeyIndexError> {
        let path = path_of(folder);
        disk.write_atomic(&path, &self.encode()).map_err(KeyIndexError::disk("write", &path))
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; FIXED_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.record);
        bytes[32..40].copy_from_slice(&self.position.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.next_run.to_le_bytes());
        bytes[48..52].copy_from_slice(&(self.runs.len() as u32).to_le_bytes());
        self.runs.iter().for_each(|run| bytes.extend_from_slice(&run.to_le_bytes()));
        let crc = crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let fixed = bytes.get(..FIXED_BYTES)?;
        let word = |at: usize| u64::from_le_bytes(*fixed[at..].first_chunk().expect("the layout leaves 8 bytes"));
        let runs = bytes.get(FIXED_BYTES..bytes.len().checked_sub(4)?)?;
        let manifest = Self {
            record: *fixed[16..].first_chunk()?,
            position: word(32),
            next_run: word(40),
            runs: runs.as_chunks::<8>().0.iter().map(|run| u64::from_le_bytes(*run)).collect(),
        };
        // Everything follows from these fields: the same bytes must come out again.
        (manifest.encode() == bytes).then_some(manifest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let manifest = Manifest { record: [5; 16], position: 77, next_run: 9, runs: vec![3, 8] };
        let bytes = manifest.encode();
        assert_eq!((bytes.len(), bytes[16], bytes[32], bytes[40], bytes[48], bytes[52], bytes[60]), (72, 5, 77, 9, 2, 3, 8));
        assert_eq!(Manifest::decode(&bytes), Some(manifest));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Manifest::decode(&flipped), None, "bit {bit}");
        }
        (0..bytes.len()).for_each(|length| assert_eq!(Manifest::decode(&bytes[..length]), None));
    }
}
