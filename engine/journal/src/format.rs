//! The bytes on disk: segments, frames, nonces, keys, the index at a segment's end.
//!
//! A stream has two logs, **work** (payloads, reclaimed when settled) and **record** (the truth, kept), both as a
//! row of segment files `NNNNNNNN.seg` in one format. All numbers are little-endian. A segment is a header, then frames, then, once it is
//! full, an index ([`crate::footer`]); between the last frame and the end of a segment that is being written lie zeros.
//!
//! ```text
//! segment header, 64 bytes
//!  0        8   10  11  12      16      20      24              40              48     49       57     58         60    64
//! ┌────────┬───┬───┬───┬───────┬───────┬───────┬───────────────┬───────────────┬──────┬────────┬──────┬──────────┬─────┐
//! │ magic  │ver│str│log│number │ epoch │ salt  │  journal id   │first sequence │begun │ before │ form │ reserved │ crc │
//! └────────┴───┴───┴───┴───────┴───────┴───────┴───────────────┴───────────────┴──────┴────────┴──────┴──────────┴─────┘
//! magic           "sealpost": the file is ours
//! ver             format version: 2. Version 1 had zeros in `before` and `form`, and no index; it is read for ever and never written to again.
//!                 Bytes 0..10 and the crc mean the same in every version, so that a version of the future is told apart from damage
//! str, log        stream (1 transactional, 2 marketing) and log (1 work, 2 record): a file in the wrong folder is noticed
//! number          the segment's number, as in its name: a renamed file is noticed
//! epoch           the start that made the segment
//! salt            CRC-32C of (journal id, stream, log, number). It is mixed into each frame's checksum, so that a frame of
//!                 another segment is no frame here. It can be computed again: a damaged header costs no frame
//! journal id      random, made with the journal
//! first sequence  of its first frame: a tail finds its place by the headers alone
//! begun           1 by a start, after a crash perhaps; 2 because the segment before it was full, and then that one was durable as a whole
//! before          position of the last frame of the log before this segment, 0 where there was none or it is not known: a segment that is
//!                 missing, or was cut between two frames, is noticed by the one after it
//! form            0 frames as they were written; 1 compacted: rewritten, many records to a frame
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
//! kind            1 statement, 2 templated; from 16 on the record, [`FrameKind`]: a reader can pass over what it does not want. The top bit says *fresh*:
//!                 all frames before this one in the log were durable when it was made. It tells a hole that a power failure tore into the
//!                 last group (nothing of it was acknowledged) from damage to what was durable (a fresh frame follows it)
//! enc.            version of the encoding under the cipher
//! attempt         from 1; 0 where the frame is about no attempt
//! job             id of the job; 0, which is no id, where the frame is about none
//! message         message version
//! tenant          whose it is; 0 is the installation itself
//! key id          which key of the ring opens it; a deleted key's number never comes back
//!
//! position, 64 bits                    nonce, 12 bytes               additional data, 48 bytes
//!  63       40                   0      0       4              12     0               16                                  48
//! ┌───────────┬───────────────────┐    ┌───────┬──────────────┐     ┌───────────────┬───────────────────────────────────┐
//! │   epoch   │     sequence      │    │ epoch │   sequence   │     │  journal id   │ bytes 8..40 of the frame's header │
//! └───────────┴───────────────────┘    └───────┴──────────────┘     └───────────────┴───────────────────────────────────┘
//! ```
//!
//! The cipher is AES-256-GCM ([`crate::cipher`]). In the nonce both numbers stand as in the header. Where a frame lies is not part of the
//! additional data; the checksum's salt binds it to its segment, and only whoever has the key can make a frame that opens.

mod segment_header;

pub(crate) use segment_header::{Begun, Form, HeaderRead, SegmentHeader, SegmentName, VERSION, stream_code};

use crate::bounds::{EPOCH_MAX, FRAME_BYTES_MAX, FRAME_BYTES_MIN, FRAME_HEADER_BYTES, POSITION_SEQUENCE_BITS};
use crc_fast::CrcAlgorithm::Crc32Iscsi;
use model::record::{FrameKey, Record};
use model::{JobId, MessageVersion, TenantId};
use serde::{Deserialize, Serialize};

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

    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Work => 1,
            Self::Record => 2,
        }
    }

    pub(crate) const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Work),
            2 => Some(Self::Record),
            _ => None,
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

impl std::fmt::Display for RecordPosition {
    /// Start and sequence: `3.1042`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.start(), self.sequence())
    }
}

impl std::str::FromStr for RecordPosition {
    type Err = &'static str;

    /// Reads what `Display` writes.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected start.sequence, such as 3.1042";
        let (start, sequence) = text.split_once('.').ok_or(EXPECTED)?;
        let start: u32 = start.parse().map_err(|_| EXPECTED)?;
        let sequence: u64 = sequence.parse().map_err(|_| EXPECTED)?;
        if start > EPOCH_MAX || sequence >= crate::bounds::SEQUENCE_END { Err(EXPECTED) } else { Ok(Self::new(start, sequence)) }
    }
}

impl RecordPosition {
    /// The start that wrote the frame.
    pub const fn start(self) -> u32 {
        (self.0 >> POSITION_SEQUENCE_BITS) as u32
    }

    /// The frame's number within its start.
    pub const fn sequence(self) -> u64 {
        self.0 & (crate::bounds::SEQUENCE_END - 1)
    }

    pub(crate) const fn new(epoch: u32, sequence: u64) -> Self {
        Self(((epoch as u64) << POSITION_SEQUENCE_BITS) | sequence)
    }

    /// Epoch and sequence.
    pub(crate) const fn parts(self) -> (u32, u64) {
        ((self.0 >> POSITION_SEQUENCE_BITS) as u32, self.0 & (crate::bounds::SEQUENCE_END - 1))
    }

    /// Before the first frame.
    pub(crate) const fn is_start(self) -> bool {
        self.0 == 0
    }
}

/// CRC-32C (Castagnoli), as RFC 3720 section 12.1 uses it.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::checksum(Crc32Iscsi, bytes) as u32
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
    /// A payload was moved: to the journal itself alone.
    Moved = 28,
    Narrowed = 29,
    /// Many records, in a compacted segment.
    Block = 32,
}

impl FrameKind {
    pub(crate) const ALL: [Self; 17] = [
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
        Self::Moved,
        Self::Narrowed,
        Self::Block,
    ];

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == code)
    }

    /// Its word, for people and programs.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Statement => "statement",
            Self::Templated => "templated",
            Self::BatchOpen => "batch_open",
            Self::Head => "head",
            Self::BatchCommit => "batch_commit",
            Self::BatchDiscard => "batch_discard",
            Self::BatchClose => "batch_close",
            Self::Intent => "intent",
            Self::NotSent => "not_sent",
            Self::Outcome => "outcome",
            Self::Change => "change",
            Self::Operator => "operator",
            Self::KeyDestroyed => "key_destroyed",
            Self::Restored => "restored",
            Self::Moved => "moved",
            Self::Narrowed => "narrowed",
            Self::Block => "block",
        }
    }

    pub(crate) fn log(self) -> LogKind {
        match self {
            Self::Statement | Self::Templated => LogKind::Work,
            _ => LogKind::Record,
        }
    }

    /// Whether an index of idempotency keys is made of it.
    pub(crate) fn concerns_keys(self) -> bool {
        matches!(self, Self::BatchOpen | Self::Head | Self::BatchCommit | Self::BatchDiscard)
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
            Record::Narrowed(_) => Self::Narrowed,
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
    fn a_position_is_read_as_it_is_written() {
        let position = RecordPosition::new(3, 1042);
        assert_eq!(position.to_string(), "3.1042");
        assert_eq!("3.1042".parse(), Ok(position));
        for wrong in ["3", "3.", ".1", "3.x", "8388608.0", "1.1099511627776", "-1.2"] {
            assert!(wrong.parse::<RecordPosition>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn positions_rise_with_the_epoch_and_stay_positive() {
        assert!(RecordPosition::new(2, 0) > RecordPosition::new(1, crate::bounds::SEQUENCE_END - 1));
        assert!(i64::try_from(RecordPosition::new(EPOCH_MAX, crate::bounds::SEQUENCE_END - 1).0).is_ok());
    }
}
