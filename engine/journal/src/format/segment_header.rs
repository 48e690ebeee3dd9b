//! The first 64 bytes of a segment file: whose it is, what came before it, how its frames lie.
//!
//! Drawn in [`crate::format`]. Both versions decode; only the present one is ever written anew.

use super::{JournalId, LogKind, RecordPosition, crc32c, u16_at, u32_at, u64_at};
use crate::bounds::SEGMENT_HEADER_BYTES;
use model::StreamName;

const MAGIC: [u8; 8] = *b"sealpost";
/// The format version that new segments get.
pub(crate) const VERSION: u16 = 2;

pub(crate) const fn stream_code(stream: StreamName) -> u8 {
    match stream {
        StreamName::Transactional => 1,
        StreamName::Marketing => 2,
    }
}

const fn stream_from_code(code: u8) -> Option<StreamName> {
    match code {
        1 => Some(StreamName::Transactional),
        2 => Some(StreamName::Marketing),
        _ => None,
    }
}

/// The identity of a segment: everything that its salt comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentName {
    pub(crate) journal: JournalId,
    pub(crate) stream: StreamName,
    pub(crate) log: LogKind,
    pub(crate) number: u32,
}

impl SegmentName {
    /// What is mixed into the checksum of the segment's frames.
    pub(crate) fn salt(&self) -> u32 {
        let mut bytes = [0u8; 22];
        bytes[..16].copy_from_slice(&self.journal.0);
        bytes[16] = stream_code(self.stream);
        bytes[17] = self.log.code();
        bytes[18..].copy_from_slice(&self.number.to_le_bytes());
        crc32c(&bytes)
    }
}

/// Why a segment was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begun {
    /// By a start.
    Start = 1,
    /// The one before it was full, and durable as a whole.
    Roll = 2,
}

/// How the frames of a segment lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As they were written.
    Plain = 0,
    /// Rewritten: many records to a frame, without those that nobody needs.
    Compacted = 1,
}

/// The first 64 bytes of a segment file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// 1 or 2.
    pub(crate) version: u16,
    pub(crate) name: SegmentName,
    pub(crate) epoch: u32,
    pub(crate) first_sequence: u64,
    pub(crate) begun: Begun,
    /// The last frame of the log before this segment; `None` where there was none or nobody knows.
    pub(crate) before: Option<RecordPosition>,
    pub(crate) form: Form,
}

/// What the first bytes of a file say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderRead {
    /// A segment in use.
    Valid(SegmentHeader),
    /// All zero: prepared, never used.
    Unused,
    /// A whole header of a format version that this code does not know.
    Later(u16),
    /// None of these.
    Damaged,
}

impl SegmentHeader {
    /// The header of a plain segment in the present version.
    pub(crate) const fn new(name: SegmentName, epoch: u32, first_sequence: u64, begun: Begun, before: Option<RecordPosition>) -> Self {
        Self { version: VERSION, name, epoch, first_sequence, begun, before, form: Form::Plain }
    }

    pub(crate) fn first_position(&self) -> RecordPosition {
        RecordPosition::new(self.epoch, self.first_sequence)
    }

    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0u8; SEGMENT_HEADER_BYTES];
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&self.version.to_le_bytes());
        bytes[10] = stream_code(self.name.stream);
        bytes[11] = self.name.log.code();
        bytes[12..16].copy_from_slice(&self.name.number.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.name.salt().to_le_bytes());
        bytes[24..40].copy_from_slice(&self.name.journal.0);
        bytes[40..48].copy_from_slice(&self.first_sequence.to_le_bytes());
        bytes[48] = self.begun as u8;
        // In version 1 these were reserved, and a header of it says neither.
        bytes[49..57].copy_from_slice(&self.before.map_or(0, |before| before.0).to_le_bytes());
        bytes[57] = self.form as u8;
        let crc = crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; SEGMENT_HEADER_BYTES]) -> HeaderRead {
        if bytes.iter().all(|byte| *byte == 0) {
            return HeaderRead::Unused;
        }
        if bytes[..8] != MAGIC || crc32c(&bytes[..60]) != u32_at(bytes, 60) {
            return HeaderRead::Damaged;
        }
        let version = u16_at(bytes, 8);
        if version > VERSION {
            return HeaderRead::Later(version);
        }
        match Self::decode_known(version, bytes) {
            // Everything else follows from these fields: the same header must come out again.
            Some(header) if header.encode() == *bytes => HeaderRead::Valid(header),
            _ => HeaderRead::Damaged,
        }
    }

    fn decode_known(version: u16, bytes: &[u8; SEGMENT_HEADER_BYTES]) -> Option<Self> {
        let mut journal = [0u8; 16];
        journal.copy_from_slice(&bytes[24..40]);
        let name = SegmentName {
            journal: JournalId(journal),
            stream: stream_from_code(bytes[10])?,
            log: LogKind::from_code(bytes[11])?,
            number: u32_at(bytes, 12),
        };
        let begun = match bytes[48] {
            1 => Begun::Start,
            2 => Begun::Roll,
            _ => return None,
        };
        let (before, form) = match (version, u64_at(bytes, 49), bytes[57]) {
            (1, 0, 0) => (None, Form::Plain),
            (2, before, form) => (
                (before != 0).then_some(RecordPosition(before)),
                match form {
                    0 => Form::Plain,
                    1 => Form::Compacted,
                    _ => return None,
                },
            ),
            _ => return None,
        };
        Some(Self { version, name, epoch: u32_at(bytes, 16), first_sequence: u64_at(bytes, 40), begun, before, form })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> SegmentName {
        SegmentName { journal: JournalId(*b"0123456789abcdef"), stream: StreamName::Marketing, log: LogKind::Record, number: 0x0102_0304 }
    }

    /// Holds the drawing to the bytes.
    #[test]
    fn a_segment_header_is_as_it_is_drawn() {
        let before = Some(RecordPosition(0x0a0b_0c0c_99aa_bbcc));
        let header =
            SegmentHeader { form: Form::Compacted, ..SegmentHeader::new(name(), 0x0a0b_0c0d, 0x1122_3344_5566_7788, Begun::Roll, before) };
        let bytes = header.encode();
        assert_eq!(bytes.len(), 64);
        assert_eq!(&bytes[0..8], b"sealpost");
        assert_eq!(&bytes[8..10], [2, 0]);
        assert_eq!(bytes[10], 2, "marketing");
        assert_eq!(bytes[11], 2, "record");
        assert_eq!(&bytes[12..16], [4, 3, 2, 1]);
        assert_eq!(&bytes[16..20], [0x0d, 0x0c, 0x0b, 0x0a]);
        assert_eq!(&bytes[20..24], name().salt().to_le_bytes());
        assert_eq!(&bytes[24..40], b"0123456789abcdef");
        assert_eq!(&bytes[40..48], [0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11]);
        assert_eq!(bytes[48], 2, "begun because the one before was full");
        assert_eq!(&bytes[49..57], [0xcc, 0xbb, 0xaa, 0x99, 0x0c, 0x0c, 0x0b, 0x0a]);
        assert_eq!(bytes[57], 1, "compacted");
        assert_eq!(&bytes[58..60], [0; 2]);
        assert_eq!(&bytes[60..64], crc32c(&bytes[..60]).to_le_bytes());
        assert_eq!(SegmentHeader::decode(&bytes), HeaderRead::Valid(header));
    }

    /// The drawing of version 1: zeros where version 2 has `before` and `form`.
    #[test]
    fn a_header_of_version_1_is_read_as_it_was_written() {
        let header = SegmentHeader { version: 1, ..SegmentHeader::new(name(), 7, 9, Begun::Start, None) };
        let mut bytes = header.encode();
        assert_eq!((&bytes[8..10], &bytes[49..60]), (&[1, 0][..], &[0; 11][..]));
        assert_eq!(SegmentHeader::decode(&bytes), HeaderRead::Valid(header));
        bytes[57] = 1;
        assert_eq!(SegmentHeader::decode(&checked(bytes)), HeaderRead::Damaged, "version 1 knew no forms");
    }

    #[test]
    fn a_header_of_the_future_is_told_apart_from_damage() {
        let mut bytes = SegmentHeader::new(name(), 7, 9, Begun::Start, None).encode();
        bytes[8] = 3;
        // Whatever else stands in it.
        bytes[48] = 77;
        assert_eq!(SegmentHeader::decode(&bytes), HeaderRead::Damaged, "its checksum must hold");
        assert_eq!(SegmentHeader::decode(&checked(bytes)), HeaderRead::Later(3));
        bytes[8] = 0;
        assert_eq!(SegmentHeader::decode(&checked(bytes)), HeaderRead::Damaged, "there was no version 0");
    }

    fn checked(mut bytes: [u8; SEGMENT_HEADER_BYTES]) -> [u8; SEGMENT_HEADER_BYTES] {
        let crc = crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    #[test]
    fn any_flipped_bit_of_a_segment_header_is_noticed() {
        let bytes = SegmentHeader::new(name(), 7, 9, Begun::Start, Some(RecordPosition(5))).encode();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHeader::decode(&flipped), HeaderRead::Damaged, "bit {bit}");
        }
        assert_eq!(SegmentHeader::decode(&[0; 64]), HeaderRead::Unused);
    }

    #[test]
    fn no_two_segments_share_a_salt_by_accident() {
        let salts: std::collections::BTreeSet<u32> = (0..1000).map(|number| SegmentName { number, ..name() }.salt()).collect();
        assert_eq!(salts.len(), 1000);
        assert_ne!(SegmentName { log: LogKind::Work, ..name() }.salt(), name().salt());
    }
}
