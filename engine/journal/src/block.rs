//! Blocks: many records in one frame, as compacted segments hold them.
//!
//! ```text
//! a block, under the cipher of a frame of kind 32, encoding 1
//!  0         8          12       16
//! ┌─────────┬──────────┬────────┬──────────────────────────┐
//! │ through │ records  │ length │ the records, zstd        │
//! └─────────┴──────────┴────────┴──────────────────────────┘
//! through         position of the last frame of the plain segment that the window covers, gone ones too
//! records         how many there are: 1,024 at most; none where all of a window went
//! length          of the records before compression
//! a record        postcard: how much the position and the job's id are more than those of the record before, message, attempt, kind,
//!                 encoding, and the bytes that its own frame held
//! ```
//!
//! All records of a block are of one tenant and under that tenant's record key, so that deleting it does what it did. Tenants take turns in
//! the record, so blocks are made over a *window* of it, one row of blocks per tenant; the header's field *attempt* counts the blocks of
//! the window that follow. A reader takes a window's blocks together and gives the records by their positions: in the order in which
//! they were written. A block that is damaged costs its own records and no others.
//!
//! A block's own position says when it was compacted and nothing about the order of records: its sequence has bit 39 set, which the writer
//! never uses, and counts by itself within a start, so that no nonce comes twice.

use crate::bounds::{BLOCK_RECORDS_BYTES_MAX, BLOCK_RECORDS_MAX};
use crate::format::{FrameHeader, FrameKind, JournalId, RecordPosition, u32_at, u64_at};
use crate::frame;
use crate::key_ring::KeyRing;
use crate::record::{self, Decoded};
use crate::recovery::trouble::Unread;
use crate::segment::{Scanner, Step};
use model::record::FrameKey;
use model::{JobId, MessageVersion};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::io;

/// Version 1 of the encoding of blocks.
pub(crate) const ENCODING: u8 = 1;
const FIXED_BYTES: usize = 16;
/// Evidence lies for years: a little more work than for what lies for hours.
const ZSTD_LEVEL: i32 = 3;

/// One record as its own frame held it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BlockRecord {
    pub(crate) position: RecordPosition,
    pub(crate) key: FrameKey,
    pub(crate) kind: FrameKind,
    pub(crate) encoding: u8,
    pub(crate) bytes: Vec<u8>,
}

impl BlockRecord {
    pub(crate) fn decode(&self) -> Option<Decoded> {
        record::decode(self.kind, self.encoding, &self.bytes).ok()
    }
}

/// What a block holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) through: RecordPosition,
    pub(crate) records: Vec<BlockRecord>,
}

#[derive(Serialize, Deserialize)]
struct Stored<'bytes> {
    position_more: u64,
    job_more: i64,
    message: u16,
    attempt: u16,
    kind: u8,
    encoding: u8,
    bytes: &'bytes [u8],
}

/// Encodes a block; `None` where something refuses.
pub(crate) fn encode(through: RecordPosition, records: &[BlockRecord]) -> Option<Vec<u8>> {
    let (mut plain, mut position, mut job) = (Vec::new(), 0, 0);
    for record in records {
        let of_job = record.key.job.map_or(0, JobId::to_bits);
        let stored = Stored {
            position_more: record.position.0.checked_sub(position)?,
            job_more: of_job.wrapping_sub(job).cast_signed(),
            message: record.key.message.0,
            attempt: record.key.attempt,
            kind: record.kind as u8,
            encoding: record.encoding,
            bytes: &record.bytes,
        };
        plain = postcard::to_extend(&stored, plain).ok()?;
        (position, job) = (record.position.0, of_job);
    }
    let mut out = Vec::with_capacity(FIXED_BYTES + plain.len() / 2);
    out.extend_from_slice(&through.0.to_le_bytes());
    out.extend_from_slice(&u32::try_from(records.len()).ok()?.to_le_bytes());
    out.extend_from_slice(&u32::try_from(plain.len()).ok()?.to_le_bytes());
    out.extend_from_slice(&zstd::bulk::compress(&plain, ZSTD_LEVEL).ok()?);
    Some(out)
}

/// Decodes what [`encode`] wrote; `None` where it is something else.
pub(crate) fn decode(encoding: u8, bytes: &[u8]) -> Option<Block> {
    if encoding != ENCODING || bytes.len() < FIXED_BYTES {
        return None;
    }
    let (through, count, length) = (RecordPosition(u64_at(bytes, 0)), u32_at(bytes, 8) as usize, u32_at(bytes, 12) as usize);
    if count > BLOCK_RECORDS_MAX || length > BLOCK_RECORDS_BYTES_MAX {
        return None;
    }
    let plain = zstd::bulk::decompress(&bytes[FIXED_BYTES..], length).ok().filter(|plain| plain.len() == length)?;
    let (mut rest, mut position, mut job) = (&plain[..], 0u64, 0u64);
    let mut records = Vec::with_capacity(count);
    for _ in 0..count {
        let (stored, after) = postcard::take_from_bytes::<Stored<'_>>(rest).ok()?;
        rest = after;
        position = position.checked_add(stored.position_more)?;
        job = job.wrapping_add(stored.job_more.cast_unsigned());
        records.push(BlockRecord {
            position: RecordPosition(position),
            key: FrameKey {
                job: (job != 0).then(|| JobId::from_bits(job)),
                message: MessageVersion(stored.message),
                attempt: stored.attempt,
            },
            kind: FrameKind::from_code(stored.kind)?,
            encoding: stored.encoding,
            bytes: stored.bytes.to_vec(),
        });
    }
    rest.is_empty().then_some(Block { through, records })
}

/// What an [`Unpacker`] comes upon.
#[derive(Debug)]
pub(crate) enum Unpacked {
    /// The next record, in the order of their positions.
    Record(BlockRecord),
    /// Everything up to here was given.
    Through(RecordPosition),
    /// A frame that does not open, or is no block.
    Unreadable { offset: u64, why: Unread },
    /// A block that comes again, or earlier than the one before it.
    OutOfOrder { offset: u64 },
    /// Bytes that are no frame, and then a frame.
    Damage { offset: u64, bytes: u64 },
    /// `torn` where something lies behind the last frame.
    End { offset: u64, torn: bool },
}

/// Gives the records of a compacted segment as they were written.
pub(crate) struct Unpacker {
    scanner: Scanner,
    journal: JournalId,
    keys: KeyRing,
    window: Vec<BlockRecord>,
    through: RecordPosition,
    /// How many blocks of the window follow, by the last one.
    follow: Option<u16>,
    ready: VecDeque<Unpacked>,
    last: Option<RecordPosition>,
    /// The highest epoch of its frames.
    pub(crate) epoch: u32,
}

impl Unpacker {
    pub(crate) fn new(scanner: Scanner, journal: JournalId, keys: KeyRing) -> Self {
        let (window, ready) = (Vec::new(), VecDeque::new());
        Self { scanner, journal, keys, window, through: RecordPosition(0), follow: None, ready, last: None, epoch: 0 }
    }

    pub(crate) fn next(&mut self) -> io::Result<Unpacked> {
        loop {
            if let Some(next) = self.ready.pop_front() {
                return Ok(next);
            }
            match self.scanner.step()? {
                Step::Frame { offset, header, length } => self.frame(offset, header, length),
                Step::Damage { offset, bytes } => self.ready.push_back(Unpacked::Damage { offset, bytes }),
                Step::End { offset, torn } => {
                    self.flush();
                    self.ready.push_back(Unpacked::End { offset, torn });
                }
            }
        }
    }

    fn frame(&mut self, offset: u64, header: FrameHeader, length: usize) {
        if self.last.is_some_and(|last| header.position() <= last) {
            self.ready.push_back(Unpacked::OutOfOrder { offset });
            return;
        }
        self.last = Some(header.position());
        self.epoch = self.epoch.max(header.epoch);
        let bytes = self.scanner.frame_mut(offset, length);
        let block = match open(self.journal, &self.keys, &header, bytes) {
            Ok(block) => block,
            Err(why) => {
                self.ready.push_back(Unpacked::Unreadable { offset, why });
                return;
            }
        };
        // Within a window the count falls; the last blocks of the one before may be lost.
        if self.follow.is_some_and(|follow| header.key.attempt >= follow) {
            self.flush();
        }
        self.follow = Some(header.key.attempt);
        self.through = self.through.max(block.through);
        self.window.extend(block.records);
        if header.key.attempt == 0 {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.follow.take().is_some() {
            self.window.sort_by_key(|record| record.position);
            self.ready.extend(self.window.drain(..).map(Unpacked::Record));
            self.ready.push_back(Unpacked::Through(self.through));
        }
    }
}

/// Opens a frame of kind block.
pub(crate) fn open(journal: JournalId, keys: &KeyRing, header: &FrameHeader, bytes: &mut [u8]) -> Result<Block, Unread> {
    if header.kind != FrameKind::Block {
        return Err(Unread::Unknown);
    }
    let key = header.key_id;
    let cipher = keys.cipher(key).map_err(|_| Unread::KeyUnusable(key))?.ok_or(Unread::KeyGone(key))?;
    let plain = frame::open_in_place(bytes, journal, &cipher).map_err(|_| Unread::NotAuthentic(key))?;
    decode(header.encoding, plain).ok_or(Unread::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn records() -> impl Strategy<Value = Vec<BlockRecord>> {
        let one = (1u64..1000, any::<u64>(), any::<u16>(), any::<u16>(), prop::sample::select(FrameKind::ALL.to_vec()), any::<u8>());
        let with_bytes = (one, prop::collection::vec(any::<u8>(), 0..40));
        prop::collection::vec(with_bytes, 0..50).prop_map(|all| {
            let mut position = 1 << 40;
            let record = |((more, job, message, attempt, kind, encoding), bytes)| {
                position += more;
                let job = (job != 0).then(|| JobId::from_bits(job));
                let key = FrameKey { job, message: MessageVersion(message), attempt };
                BlockRecord { position: RecordPosition(position), key, kind, encoding, bytes }
            };
            all.into_iter().map(record).collect()
        })
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_out_again(records in records(), through in any::<u64>()) {
            let bytes = encode(RecordPosition(through), &records).unwrap();
            prop_assert_eq!(decode(ENCODING, &bytes), Some(Block { through: RecordPosition(through), records }));
        }

        #[test]
        fn decoding_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(ENCODING, &bytes);
        }
    }

    /// Holds the drawing to the bytes.
    #[test]
    fn a_block_is_as_it_is_drawn() {
        let key = FrameKey { job: Some(JobId::from_bits(3)), message: MessageVersion(1), attempt: 2 };
        let record = BlockRecord { position: RecordPosition(5), key, kind: FrameKind::Intent, encoding: 1, bytes: vec![7, 8] };
        let bytes = encode(RecordPosition(0x0102), &[record]).unwrap();
        assert_eq!(bytes[0..8], [2, 1, 0, 0, 0, 0, 0, 0], "through");
        assert_eq!(bytes[8..12], [1, 0, 0, 0], "records");
        let plain = zstd::bulk::decompress(&bytes[16..], 100).unwrap();
        assert_eq!(bytes[12..16], (plain.len() as u32).to_le_bytes(), "length");
        // 3 more is 6 in zigzag.
        assert_eq!(plain, [5, 6, 1, 2, FrameKind::Intent as u8, 1, 2, 7, 8]);
    }
}
