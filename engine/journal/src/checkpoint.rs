//! Checkpoints: what the record says up to some segment, summed up, so that a start need not read it from its first frame.
//!
//! A checkpoint is one sealed file, `<dir>/checkpoints/NNNNNNNN.ckpt`, named by the last record segment it covers. It is written beside
//! its place, synced, renamed, and the folder is synced: it is there as a whole or not at all. The newest two are kept. A start reads the
//! newest that is whole and the record behind it; one that is damaged costs time and never data, because the one before it, or the record
//! itself, says the same. It promises that what recovery gives is the same with and without it.
//!
//! All numbers are little-endian.
//!
//! ```text
//! header, 64 bytes
//!  0        8   10  11  12      16      20       24          40         48             56         60    64
//! ┌────────┬────┬───┬───┬───────┬───────┬────────┬────────────┬──────────┬──────────────┬──────────┬─────┐
//! │ magic  │ver │str│ 0 │through│ epoch │ key id │ journal id │ position │ first number │ reserved │ crc │
//! └────────┴────┴───┴───┴───────┴───────┴────────┴────────────┴──────────┴──────────────┴──────────┴─────┘
//! magic           "sealckpt"
//! ver             format version, 1
//! str             stream, as in a segment
//! through         the last record segment it covers, as in its name
//! epoch           the start that wrote it
//! key id          of the stream's checkpoint key in the ring: it seals checkpoints and nothing else
//! journal id      a checkpoint of another journal is none here
//! position        of the last frame it covers
//! first number    of its first chunk, counted over all checkpoints of the start
//! reserved        zero
//! crc             CRC-32C of bytes 0..60
//!
//! chunk, at most 1 MiB, one behind the other
//!  0     4        8        12      16
//! ┌─────┬────────┬────────┬───────┬────────────┬────────┐
//! │ crc │ length │ number │ last  │ ciphertext │ tag 16 │
//! └─────┴────────┴────────┴───────┴────────────┴────────┘
//! crc             CRC-32C of bytes 4..length: damage is found without the key
//! length          of the chunk
//! number          from 0
//! last            1 in the last chunk, else 0
//! ```
//!
//! AES-256-GCM. The nonce is epoch (u32) ‖ first number + number (u64): the epoch is raised and synced before anything is written, and the
//! count never goes back within a start, so it never comes twice (invariant 5). Additional data: the whole header ‖ number ‖ last. A
//! chunk in another place, of another checkpoint, one too many, one missing in the middle or at the end: none of them opens as a whole.
//!
//! Each chunk is compressed by itself (zstd). What they hold together is one row of items, cut anywhere: length u32, kind u8, postcard.
//!
//! ```text
//! 1 summary       first: highest numbers given, and of each segment covered the latest moment that is told in it
//! 2 batch         by rising id, each batch that is known, closed ones too
//! 3 job           by rising id, each job that is not settled and not of a discarded batch
//! 4 end           last: how many batches and jobs there are
//! ```
//!
//! Idempotency keys are not in it: they are a projection of the record with a place of their own.
//!
//! The surprise: a damaged record is never summed up. What is missing must be told at each start, so the record is read from the last
//! checkpoint before the damage for as long as it is there.

mod delta;
mod merge;
mod reader;
mod stored;
mod writer;

pub(crate) use delta::Delta;
pub(crate) use merge::{MergeFault, Merged, Target, merge};
pub(crate) use reader::{CheckpointFault, CheckpointReader};
pub(crate) use stored::Item;

use crate::bounds::CHECKPOINT_HEADER_BYTES;
use crate::error::{DiskError, Finding};
use crate::format::{JournalId, RecordPosition, crc32c, stream_code, u32_at, u64_at};
use crate::key_ring::KeyRing;
use crate::recovery::Replay;
use model::StreamName;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use world::{Disk, OpenMode};

const MAGIC: [u8; 8] = *b"sealckpt";
const VERSION: u16 = 1;
const FOLDER: &str = "checkpoints";
const SUFFIX: &str = ".ckpt";
/// A file that is being written. A crash leaves it; the next start removes it.
const UNFINISHED: &str = ".unfinished";

/// What a checkpoint covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Covered {
    /// The last record segment.
    pub(crate) through: u32,
    /// The position of its last frame.
    pub(crate) position: RecordPosition,
}

/// The first 64 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CheckpointHeader {
    pub(crate) journal: JournalId,
    pub(crate) stream: StreamName,
    pub(crate) covered: Covered,
    pub(crate) epoch: u32,
    pub(crate) key_id: u32,
    pub(crate) first_number: u64,
}

impl CheckpointHeader {
    pub(crate) fn encode(&self) -> [u8; CHECKPOINT_HEADER_BYTES] {
        let mut bytes = [0u8; CHECKPOINT_HEADER_BYTES];
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[10] = stream_code(self.stream);
        bytes[12..16].copy_from_slice(&self.covered.through.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.key_id.to_le_bytes());
        bytes[24..40].copy_from_slice(&self.journal.0);
        bytes[40..48].copy_from_slice(&self.covered.position.0.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.first_number.to_le_bytes());
        let crc = crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// `None` where the bytes are no header of this journal and stream.
    pub(crate) fn decode(bytes: &[u8; CHECKPOINT_HEADER_BYTES], journal: JournalId, stream: StreamName) -> Option<Self> {
        let covered = Covered { through: u32_at(bytes, 12), position: RecordPosition(u64_at(bytes, 40)) };
        let (epoch, key_id, first_number) = (u32_at(bytes, 16), u32_at(bytes, 20), u64_at(bytes, 48));
        let header = Self { journal, stream, covered, epoch, key_id, first_number };
        // Everything else follows from these fields: the same header must come out again.
        (header.encode() == *bytes).then_some(header)
    }
}

/// The folder of a stream's checkpoints.
pub(crate) fn folder(journal_dir: &Path) -> PathBuf {
    journal_dir.join(FOLDER)
}

/// The file of the checkpoint that covers the record through this segment.
pub(crate) fn path_of(folder: &Path, through: u32) -> PathBuf {
    folder.join(format!("{through:08}{SUFFIX}"))
}

fn unfinished(folder: &Path, through: u32) -> PathBuf {
    folder.join(format!("{through:08}{UNFINISHED}"))
}

/// The segments through which there are checkpoints, rising.
pub(crate) fn numbers(disk: &dyn Disk, folder: &Path) -> Result<Vec<u32>, DiskError> {
    if !disk.exists(folder) {
        return Ok(Vec::new());
    }
    let paths = disk.read_dir(folder).map_err(DiskError::new("list", folder))?;
    let number = |path: &PathBuf| {
        let name = path.file_name()?.to_str()?.strip_suffix(SUFFIX)?;
        (name.len() == 8 && name.bytes().all(|byte| byte.is_ascii_digit())).then(|| name.parse().ok())?
    };
    let mut numbers: Vec<u32> = paths.iter().filter_map(number).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// What the newest checkpoint covers, by its header alone; `None` where there is none whose header holds.
pub(crate) fn newest_covered(disk: &dyn Disk, folder: &Path, journal: JournalId, stream: StreamName) -> Result<Option<Covered>, DiskError> {
    for through in numbers(disk, folder)?.into_iter().rev() {
        let path = path_of(folder, through);
        let mut bytes = [0u8; CHECKPOINT_HEADER_BYTES];
        // One that goes meanwhile is none.
        let read = disk.open(&path, OpenMode::Read).and_then(|file| file.read_exact_at(&mut bytes, 0));
        if let Some(header) = read.ok().and_then(|()| CheckpointHeader::decode(&bytes, journal, stream)) {
            return Ok(Some(header.covered));
        }
    }
    Ok(None)
}

/// Everything that the newest whole checkpoint says.
pub(crate) struct Loaded {
    pub(crate) replay: Replay,
    pub(crate) covered: Covered,
    /// The start that wrote it.
    pub(crate) epoch: u32,
}

/// Reads the newest checkpoint that is whole, if there is any. Those that are of no use are told,
/// and `damaged` gets what they went through.
pub(crate) fn load(
    disk: &dyn Disk,
    folder: &Path,
    journal: JournalId,
    stream: StreamName,
    keys: &KeyRing,
    damaged: &mut BTreeSet<u32>,
    findings: &mut Vec<Finding>,
) -> Result<Option<Loaded>, DiskError> {
    for through in numbers(disk, folder)?.into_iter().rev() {
        match load_one(disk, folder, through, journal, stream, keys) {
            Ok(loaded) => return Ok(Some(loaded)),
            Err(fault) => {
                damaged.insert(through);
                findings.push(Finding::CheckpointDamaged { through, what: fault.to_string() });
            }
        }
    }
    Ok(None)
}

fn load_one(
    disk: &dyn Disk,
    folder: &Path,
    through: u32,
    journal: JournalId,
    stream: StreamName,
    keys: &KeyRing,
) -> Result<Loaded, CheckpointFault> {
    let mut reader = CheckpointReader::open(disk, folder, through, journal, stream, keys)?;
    let mut replay = Replay::default();
    while let Some(item) = reader.next()? {
        match item {
            Item::Summary(summary) => replay.put_maxima(summary.jobs_max, summary.batches_max),
            Item::Batch(id, entry) => replay.put_batch(id, *entry),
            Item::Job(id, job) => replay.put_job(id, job),
            Item::End(_) => {}
        }
    }
    Ok(Loaded { replay, covered: reader.covered(), epoch: reader.epoch() })
}

/// Removes what crashes left of checkpoints that were never finished.
pub(crate) fn sweep(disk: &dyn Disk, folder: &Path) -> Result<(), DiskError> {
    for path in disk.read_dir(folder).map_err(DiskError::new("list", folder))? {
        if path.to_str().is_some_and(|path| path.ends_with(UNFINISHED)) {
            disk.remove_file(&path).map_err(DiskError::new("remove", &path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOURNAL: JournalId = JournalId(*b"0123456789abcdef");

    fn header() -> CheckpointHeader {
        CheckpointHeader {
            journal: JOURNAL,
            stream: StreamName::Marketing,
            covered: Covered { through: 0x0102_0304, position: RecordPosition(0x1122_3344_5566_7788) },
            epoch: 0x0a0b_0c0d,
            key_id: 0x0506_0708,
            first_number: 0x2122_2324_2526_2728,
        }
    }

    /// Holds the first drawing to the bytes.
    #[test]
    fn a_header_is_as_it_is_drawn() {
        let bytes = header().encode();
        assert_eq!(bytes.len(), 64);
        assert_eq!(&bytes[0..8], b"sealckpt");
        assert_eq!(&bytes[8..10], [1, 0]);
        assert_eq!(&bytes[10..12], [2, 0], "marketing");
        assert_eq!(&bytes[12..16], [4, 3, 2, 1]);
        assert_eq!(&bytes[16..20], [0x0d, 0x0c, 0x0b, 0x0a]);
        assert_eq!(&bytes[20..24], [8, 7, 6, 5]);
        assert_eq!(&bytes[24..40], b"0123456789abcdef");
        assert_eq!(&bytes[40..48], [0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11]);
        assert_eq!(&bytes[48..56], [0x28, 0x27, 0x26, 0x25, 0x24, 0x23, 0x22, 0x21]);
        assert_eq!(&bytes[56..60], [0; 4]);
        assert_eq!(&bytes[60..64], crc32c(&bytes[..60]).to_le_bytes());
        assert_eq!(CheckpointHeader::decode(&bytes, JOURNAL, StreamName::Marketing), Some(header()));
    }

    #[test]
    fn any_flipped_bit_of_a_header_is_noticed_and_another_journals_is_none() {
        let bytes = header().encode();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(CheckpointHeader::decode(&flipped, JOURNAL, StreamName::Marketing), None, "bit {bit}");
        }
        assert_eq!(CheckpointHeader::decode(&bytes, JournalId([0; 16]), StreamName::Marketing), None);
        assert_eq!(CheckpointHeader::decode(&bytes, JOURNAL, StreamName::Transactional), None);
    }
}
