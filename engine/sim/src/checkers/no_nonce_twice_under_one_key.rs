//! Invariant 5: no nonce seals twice under one key, counting every byte that was ever given to the disk, lost ones included.
//!
//! Reads the drawing of `engine/journal/src/format.rs` by itself. A frame written a second time, byte for byte, is the same frame: a start
//! writes the end of a log again. Another frame under its key and nonce gives both away.

use crate::evidence::Finding;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use world::simulated::Written;

const NAME: &str = "no_nonce_twice_under_one_key";
const MAGIC: &[u8] = b"sealpost";
const SEGMENT_HEADER_BYTES: usize = 64;
const FRAME_HEADER_BYTES: usize = 40;
const KIND_AT: usize = 20;
const FRAME_BYTES_MIN: usize = FRAME_HEADER_BYTES + 16;

/// Key id, epoch, sequence.
type SealedUnder = (u32, u32, u64);

/// Every frame that was ever written; shared with the disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Nonces(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    /// What each segment mixes into its checksums.
    salts: BTreeMap<u64, u32>,
    /// A checksum of what was sealed. Only looked up, never walked.
    frames: HashMap<SealedUnder, u64>,
    repeated: Vec<SealedUnder>,
}

impl Nonces {
    /// Looks at bytes on their way to the disk; gives the kinds of the frames in them.
    pub(crate) fn note(&self, written: &Written<'_>) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).note(written)
    }

    pub(crate) fn check(&self) -> Vec<Finding> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.frames.is_empty() {
            return vec![Finding::new(NAME, "no frame was ever written: this checker sees nothing")];
        }
        let finding = |(key, epoch, sequence): &SealedUnder| {
            Finding::new(NAME, format!("key {key} sealed two frames under the nonce {epoch}/{sequence}"))
        };
        seen.repeated.iter().map(finding).collect()
    }
}

impl Seen {
    fn note(&mut self, written: &Written<'_>) -> Vec<u8> {
        let mut kinds = Vec::new();
        let mut rest = written.bytes;
        if written.offset == 0 && rest.starts_with(MAGIC) && rest.len() >= SEGMENT_HEADER_BYTES {
            self.salts.insert(written.file, u32_at(rest, 20));
            rest = &rest[SEGMENT_HEADER_BYTES..];
        }
        let Some(salt) = self.salts.get(&written.file).copied() else { return kinds };
        while let Some(frame) = whole_frame(rest, salt) {
            self.frame(frame);
            kinds.push(frame[KIND_AT]);
            rest = &rest[frame.len().next_multiple_of(8).min(rest.len())..];
        }
        kinds
    }

    fn frame(&mut self, frame: &[u8]) {
        let under = (u32_at(frame, 36), u32_at(frame, 16), u64_at(frame, 8));
        // Without its own checksum, which another segment salts otherwise.
        let sealed = crc64(&frame[8..]);
        let first = *self.frames.entry(under).or_insert(sealed);
        if first != sealed && !self.repeated.contains(&under) {
            self.repeated.push(under);
        }
    }
}

/// The frame at the start of these bytes, where there is one. A write begins and ends at the bounds of frames.
fn whole_frame(bytes: &[u8], salt: u32) -> Option<&[u8]> {
    if bytes.len() < FRAME_BYTES_MIN {
        return None;
    }
    let length = usize::try_from(u32_at(bytes, 4)).ok().filter(|length| *length >= FRAME_BYTES_MIN)?;
    let frame = bytes.get(..length)?;
    (crc32c(&frame[4..]) ^ salt == u32_at(frame, 0)).then_some(frame)
}

fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

fn crc64(bytes: &[u8]) -> u64 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |chunk| u32::from_le_bytes(*chunk))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: u32 = 0x5a17_0000;

    fn header() -> Vec<u8> {
        let mut bytes = vec![0; SEGMENT_HEADER_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[20..24].copy_from_slice(&SALT.to_le_bytes());
        bytes
    }

    fn frame(key: u32, epoch: u32, sequence: u64, sealed: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; FRAME_HEADER_BYTES];
        bytes.extend_from_slice(sealed);
        let length = bytes.len() as u32;
        bytes[4..8].copy_from_slice(&length.to_le_bytes());
        bytes[8..16].copy_from_slice(&sequence.to_le_bytes());
        bytes[16..20].copy_from_slice(&epoch.to_le_bytes());
        bytes[36..40].copy_from_slice(&key.to_le_bytes());
        let crc = crc32c(&bytes[4..]) ^ SALT;
        bytes[..4].copy_from_slice(&crc.to_le_bytes());
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    }

    fn findings(writes: &[(u64, Vec<u8>)]) -> usize {
        let nonces = Nonces::default();
        for (offset, bytes) in writes {
            nonces.note(&Written { file: 7, offset: *offset, bytes });
        }
        nonces.check().len()
    }

    #[test]
    fn the_same_frame_again_is_none_and_another_one_is() {
        let first = [header(), frame(1, 1, 5, &[1; 21]), frame(1, 1, 6, &[2; 40])].concat();
        assert_eq!(findings(&[(0, first.clone())]), 0);
        assert_eq!(findings(&[(0, first.clone()), (300, frame(1, 1, 5, &[1; 21]))]), 0, "the same bytes");
        assert_eq!(findings(&[(0, first.clone()), (300, frame(1, 1, 5, &[3; 21]))]), 1);
        assert_eq!(findings(&[(0, first.clone()), (300, frame(2, 1, 5, &[3; 21]))]), 0, "another key");
        assert_eq!(findings(&[(0, first.clone()), (300, frame(1, 2, 5, &[3; 21]))]), 0, "another epoch");
        let behind = [frame(3, 1, 7, &[4; 16]), frame(1, 1, 6, &[9; 40])].concat();
        assert_eq!(findings(&[(0, first), (300, behind)]), 1, "not only the first frame of a write is looked at");
    }

    #[test]
    fn a_checker_that_sees_nothing_says_so() {
        assert_eq!(findings(&[(0, vec![0; 4096])]), 1);
    }
}
