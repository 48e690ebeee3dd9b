//! The bytes on disk: segment header and frame header.
//!
//! A stream has two logs, **work** (payloads, reclaimed when settled) and **record** (the truth, kept), both as a
//! row of segment files `NNNNNNNN.seg` in one format. All numbers are little-endian.
//!
//! ```text
//! segment header, 64 bytes
//!  0        8   10  11  12      16      20      24              40              48     49         60    64
//! ┌────────┬────┬───┬───┬───────┬───────┬───────┬───────────────┬───────────────┬──────┬──────────┬─────┐
//! │ magic  │ver │str│log│number │ epoch │ salt  │  journal id   │first sequence │begun │ reserved │ crc │
//! └────────┴────┴───┴───┴───────┴───────┴───────┴───────────────┴───────────────┴──────┴──────────┴─────┘
//! magic           "sealpost": the file is ours
//! ver             format version, 1
//! str, log        stream (1 transactional, 2 marketing) and log (1 work, 2 record): a file in the wrong folder is noticed
//! number          the segment's number, as in its name: a renamed file is noticed
//! epoch           the start that made the segment
//! salt            CRC-32C of (journal id, stream, log, number). It is mixed into each frame's checksum, so that a frame of
//!                 another segment is no frame here. It can be computed again: a damaged header costs no frame
//! journal id      random, made with the journal
//! first sequence  of its first frame: a tail finds its place by the headers alone
//! begun           1 by a start, after a crash perhaps; 2 because the segment before it was full, and then that one was durable as a whole
//! reserved        zero
//! crc             CRC-32C of bytes 0..60
//!
//! frame, 40 bytes of header, aligned to 8
//!  0     4        8          16      20   21   22      24    32       34      36       40
//! ┌─────┬────────┬──────────┬───────┬────┬────┬───────┬─────┬────────┬───────┬────────┬────────────┬────────┬─────────┐
//! │ crc │ length │ sequence │ epoch │kind│enc.│attempt│ job │message │tenant │ key id │ ciphertext │ tag 16 │ pad 0…7 │
//! └─────┴────────┴──────────┴───────┴────┴────┴───────┴─────┴────────┴───────┴────────┴────────────┴────────┴─────────┘
//! crc             CRC-32C of bytes 4..length, xor the segment's salt. First, so that it covers the rest in one run
//! length          of the frame without padding: a reader hops by it; 0 is the unwritten end
//! sequence        counts the frames of one start over both logs, from 0
//! epoch           the start. (epoch, sequence) is the nonce, and in that order the position
//! kind            statement, templated, or the kind of record: a reader can pass over what it does not want. The top bit says *fresh*:
//!                 all frames before this one in the log were durable when it was made. It tells a hole that a power failure tore into the
//!                 last group (nothing of it was acknowledged) from damage to what was durable (a fresh frame follows it)
//! enc.            version of the encoding under the cipher
//! attempt         from 1; 0 where the frame is about no attempt
//! job             id of the job; 0, which is no id, where the frame is about none
//! message         message version
//! tenant          whose it is; 0 is the installation itself
//! key id          which key of the ring opens it; a deleted key's number never comes back
//! ```
//!
//! Bytes 8..40 of the frame are authenticated with the ciphertext, together with the journal id ([`crate::cipher`]). Where a frame
//! lies is not part of it.

use crate::bounds::{EPOCH_MAX, FRAME_BYTES_MAX, FRAME_BYTES_MIN, FRAME_HEADER_BYTES, POSITION_SEQUENCE_BITS, SEGMENT_HEADER_BYTES};
use crc_fast::CrcAlgorithm::Crc32Iscsi;
use model::record::{FrameKey, Record};
use model::{JobId, MessageVersion, StreamName, TenantId};
use serde::{Deserialize, Serialize};

const MAGIC: [u8; 8] = *b"sealpost";
const VERSION: u16 = 1;
/// The top bit of a frame's kind.
const FRESH: u8 = 0x80;

/// Names a journal directory for good: 16 random bytes, made with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct JournalId(pub [u8; 16]);

/// Which of a stream's two logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogKind {
    /// Payloads.
    Work,
    /// The truth: heads, intents, outcomes.
    Record,
}

impl LogKind {
    /// Its folder.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Work => "work",
            Self::Record => "record",
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Work => 1,
            Self::Record => 2,
        }
    }
}

impl std::fmt::Display for LogKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The place of a frame in the order of the record: start epoch above frame sequence. Rises over restarts, never negative as `i64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecordPosition(pub u64);

impl RecordPosition {
    pub(crate) const fn new(epoch: u32, sequence: u64) -> Self {
        Self(((epoch as u64) << POSITION_SEQUENCE_BITS) | sequence)
    }
}

/// CRC-32C (Castagnoli), as RFC 3720 section 12.1 uses it.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::checksum(Crc32Iscsi, bytes) as u32
}

const fn stream_code(stream: StreamName) -> u8 {
    match stream {
        StreamName::Transactional => 1,
        StreamName::Marketing => 2,
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

/// The first 64 bytes of a segment file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) name: SegmentName,
    pub(crate) epoch: u32,
    pub(crate) first_sequence: u64,
    pub(crate) begun: Begun,
}

/// What the first bytes of a file say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderRead {
    /// A segment in use.
    Valid(SegmentHeader),
    /// All zero: prepared, never used.
    Unused,
    /// Neither.
    Damaged,
}

impl SegmentHeader {
    pub(crate) fn first_position(&self) -> RecordPosition {
        RecordPosition::new(self.epoch, self.first_sequence)
    }

    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0u8; SEGMENT_HEADER_BYTES];
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[10] = stream_code(self.name.stream);
        bytes[11] = self.name.log.code();
        bytes[12..16].copy_from_slice(&self.name.number.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.name.salt().to_le_bytes());
        bytes[24..40].copy_from_slice(&self.name.journal.0);
        bytes[40..48].copy_from_slice(&self.first_sequence.to_le_bytes());
        bytes[48] = self.begun as u8;
        let crc = crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; SEGMENT_HEADER_BYTES]) -> HeaderRead {
        if bytes.iter().all(|byte| *byte == 0) {
            return HeaderRead::Unused;
        }
        let stream = match bytes[10] {
            1 => StreamName::Transactional,
            2 => StreamName::Marketing,
            _ => return HeaderRead::Damaged,
        };
        let log = match bytes[11] {
            1 => LogKind::Work,
            2 => LogKind::Record,
            _ => return HeaderRead::Damaged,
        };
        let begun = match bytes[48] {
            1 => Begun::Start,
            2 => Begun::Roll,
            _ => return HeaderRead::Damaged,
        };
        let mut journal = [0u8; 16];
        journal.copy_from_slice(&bytes[24..40]);
        let name = SegmentName { journal: JournalId(journal), stream, log, number: u32_at(bytes, 12) };
        let header = Self { name, epoch: u32_at(bytes, 16), first_sequence: u64_at(bytes, 40), begun };
        // Everything else follows from these fields: the same header must come out again.
        if header.encode() == *bytes { HeaderRead::Valid(header) } else { HeaderRead::Damaged }
    }
}

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum FrameKind {
    /// Payload: statements of one member.
    Statement = 1,
    /// Payload: a named template with variables.
    Templated = 2,
    BatchOpen = 16,
    Head = 17,
    BatchCommit = 18,
    BatchDiscard = 19,
    BatchClose = 20,
    Intent = 21,
    NotSent = 22,
    Outcome = 23,
    Change = 24,
    Operator = 25,
    KeyDestroyed = 26,
    Restored = 27,
}

impl FrameKind {
    pub(crate) const ALL: [Self; 14] = [
        Self::Statement,
        Self::Templated,
        Self::BatchOpen,
        Self::Head,
        Self::BatchCommit,
        Self::BatchDiscard,
        Self::BatchClose,
        Self::Intent,
        Self::NotSent,
        Self::Outcome,
        Self::Change,
        Self::Operator,
        Self::KeyDestroyed,
        Self::Restored,
    ];

    fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == code)
    }

    pub(crate) fn log(self) -> LogKind {
        match self {
            Self::Statement | Self::Templated => LogKind::Work,
            _ => LogKind::Record,
        }
    }

    pub(crate) fn of(record: &Record) -> Self {
        match record {
            Record::BatchOpen(_) => Self::BatchOpen,
            Record::Head(_) => Self::Head,
            Record::BatchCommit(_) => Self::BatchCommit,
            Record::BatchDiscard { .. } => Self::BatchDiscard,
            Record::BatchClose { .. } => Self::BatchClose,
            Record::Intent(_) => Self::Intent,
            Record::NotSent(_) => Self::NotSent,
            Record::Outcome(_) => Self::Outcome,
            Record::Change(_) => Self::Change,
            Record::Operator(_) => Self::Operator,
            Record::KeyDestroyed(_) => Self::KeyDestroyed,
            Record::Restored(_) => Self::Restored,
        }
    }
}

/// The first 40 bytes of a frame, without checksum and length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) sequence: u64,
    pub(crate) epoch: u32,
    pub(crate) kind: FrameKind,
    pub(crate) fresh: bool,
    pub(crate) encoding: u8,
    pub(crate) key: FrameKey,
    pub(crate) tenant: TenantId,
    pub(crate) key_id: u32,
}

impl FrameHeader {
    pub(crate) fn position(&self) -> RecordPosition {
        RecordPosition::new(self.epoch, self.sequence)
    }

    /// Checksum and length stay zero; they are known when the frame is finished.
    pub(crate) fn encode(&self) -> [u8; FRAME_HEADER_BYTES] {
        let mut bytes = [0u8; FRAME_HEADER_BYTES];
        bytes[8..16].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[20] = self.kind as u8 | if self.fresh { FRESH } else { 0 };
        bytes[21] = self.encoding;
        bytes[22..24].copy_from_slice(&self.key.attempt.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.key.job.map_or(0, JobId::to_bits).to_le_bytes());
        bytes[32..34].copy_from_slice(&self.key.message.0.to_le_bytes());
        bytes[34..36].copy_from_slice(&self.tenant.0.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.key_id.to_le_bytes());
        bytes
    }

    /// `None` where a field has a value that no writer wrote.
    pub(crate) fn decode(bytes: &[u8; FRAME_HEADER_BYTES]) -> Option<Self> {
        let job = u64_at(bytes, 24);
        let epoch = u32_at(bytes, 16);
        let sequence = u64_at(bytes, 8);
        if epoch == 0 || epoch > EPOCH_MAX || sequence >= crate::bounds::SEQUENCE_END {
            return None;
        }
        Some(Self {
            sequence,
            epoch,
            kind: FrameKind::from_code(bytes[20] & !FRESH)?,
            fresh: bytes[20] & FRESH != 0,
            encoding: bytes[21],
            key: FrameKey {
                job: (job != 0).then(|| JobId::from_bits(job)),
                message: MessageVersion(u16_at(bytes, 32)),
                attempt: u16_at(bytes, 22),
            },
            tenant: TenantId(u16_at(bytes, 34)),
            key_id: u32_at(bytes, 36),
        })
    }
}

/// The length a frame's bytes state; `None` where no frame has such a length.
pub(crate) fn stated_length(header: &[u8; FRAME_HEADER_BYTES]) -> Option<usize> {
    let length = u32_at(header, 4) as usize;
    (FRAME_BYTES_MIN..=FRAME_BYTES_MAX).contains(&length).then_some(length)
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | (u64::from(u32_at(bytes, at + 4)) << 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> SegmentName {
        SegmentName { journal: JournalId(*b"0123456789abcdef"), stream: StreamName::Marketing, log: LogKind::Record, number: 0x0102_0304 }
    }

    /// Holds the first drawing to the bytes.
    #[test]
    fn a_segment_header_is_as_it_is_drawn() {
        let header = SegmentHeader { name: name(), epoch: 0x0a0b_0c0d, first_sequence: 0x1122_3344_5566_7788, begun: Begun::Roll };
        let bytes = header.encode();
        assert_eq!(bytes.len(), 64);
        assert_eq!(&bytes[0..8], b"sealpost");
        assert_eq!(&bytes[8..10], [1, 0]);
        assert_eq!(bytes[10], 2, "marketing");
        assert_eq!(bytes[11], 2, "record");
        assert_eq!(&bytes[12..16], [4, 3, 2, 1]);
        assert_eq!(&bytes[16..20], [0x0d, 0x0c, 0x0b, 0x0a]);
        assert_eq!(&bytes[20..24], name().salt().to_le_bytes());
        assert_eq!(&bytes[24..40], b"0123456789abcdef");
        assert_eq!(&bytes[40..48], [0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11]);
        assert_eq!(bytes[48], 2, "begun because the one before was full");
        assert_eq!(&bytes[49..60], [0; 11]);
        assert_eq!(&bytes[60..64], crc32c(&bytes[..60]).to_le_bytes());
        assert_eq!(SegmentHeader::decode(&bytes), HeaderRead::Valid(header));
    }

    /// Holds the second drawing to the bytes.
    #[test]
    fn a_frame_header_is_as_it_is_drawn() {
        let header = FrameHeader {
            sequence: 0x00_0000_5566_7788,
            epoch: 0x0b_0c0d,
            kind: FrameKind::Outcome,
            fresh: true,
            encoding: 1,
            key: FrameKey { job: Some(JobId::new(0x1234, 0x5678)), message: MessageVersion(3), attempt: 2 },
            tenant: TenantId(0x0506),
            key_id: 0x0708_090a,
        };
        let bytes = header.encode();
        assert_eq!(bytes.len(), 40);
        assert_eq!(&bytes[0..8], [0; 8], "checksum and length come last");
        assert_eq!(&bytes[8..16], [0x88, 0x77, 0x66, 0x55, 0, 0, 0, 0]);
        assert_eq!(&bytes[16..20], [0x0d, 0x0c, 0x0b, 0]);
        assert_eq!(bytes[20], 0x80 | 23);
        assert_eq!(bytes[21], 1);
        assert_eq!(&bytes[22..24], [2, 0]);
        assert_eq!(&bytes[24..32], [0x78, 0x56, 0, 0, 0, 0, 0x34, 0x12]);
        assert_eq!(&bytes[32..34], [3, 0]);
        assert_eq!(&bytes[34..36], [6, 5]);
        assert_eq!(&bytes[36..40], [0x0a, 0x09, 0x08, 0x07]);
        assert_eq!(FrameHeader::decode(&bytes), Some(header));
    }

    #[test]
    fn the_checksum_is_castagnoli() {
        // RFC 3720 appendix B.4 gives 0xe3069283 for "123456789" under CRC-32C.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn any_flipped_bit_of_a_segment_header_is_noticed() {
        let bytes = SegmentHeader { name: name(), epoch: 7, first_sequence: 9, begun: Begun::Start }.encode();
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

    #[test]
    fn positions_rise_with_the_epoch_and_stay_positive() {
        assert!(RecordPosition::new(2, 0) > RecordPosition::new(1, crate::bounds::SEQUENCE_END - 1));
        assert!(i64::try_from(RecordPosition::new(EPOCH_MAX, crate::bounds::SEQUENCE_END - 1).0).is_ok());
    }
}
