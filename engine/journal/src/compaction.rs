//! Compaction: a closed record segment exchanged for one that says the same in a fraction of the bytes.
//!
//! The records of a window are packed into blocks ([`crate::block`]), tenant by tenant. Heads of batches that were given up go, and what
//! was said about their jobs with them; everything that a projection is made of stays, position for position. The new file is written
//! beside the old, synced, read back and held against the old one, and then renamed over it: at any moment there is one of the two, whole.
//! A segment in which anything is damaged, out of order or not to be opened is left as it is, for whoever mends it.

use crate::block::{self, BlockRecord, Unpacked, Unpacker};
use crate::bounds::{
    BLOCK_PLAIN_BYTES, BLOCK_RECORDS_BYTES_MAX, BLOCK_RECORDS_MAX, SEGMENT_HEADER_BYTES, SEQUENCE_END, WINDOW_BYTES, WINDOW_RECORDS,
};
use crate::error::{DiskError, JournalError};
use crate::format::{Form, FrameHeader, FrameKind, RecordPosition, SegmentHeader, VERSION};
use crate::frame;
use crate::key_ring::KeyRing;
use crate::record::{self, Decoded};
use crate::segment::{self, Scanner, Step};
use crate::survey::{LogDir, UsedSegment};
use aws_lc_rs::digest::{Context, SHA256};
use model::record::FrameKey;
use model::{BatchId, JobId, MessageVersion, TenantId};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use world::{DiskFile, OpenMode};

/// A file that is being written. A crash leaves it; the next start removes it.
const UNFINISHED: &str = "compacting";

/// What packing a segment gave.
#[derive(Debug)]
pub(crate) enum Packed {
    /// It lies beside the plain one, durable, and may take its place.
    Ready { path: PathBuf, bytes: u64 },
    /// The segment is to stay as it is.
    LeftAlone(&'static str),
}

/// Packs segments of the record.
pub(crate) struct Packer<'a> {
    pub(crate) record: &'a LogDir<'a>,
    pub(crate) keys: &'a KeyRing,
    pub(crate) epoch: u32,
    /// The sequence of the next block, within this start.
    pub(crate) next_sequence: &'a mut u64,
    /// Batches that were given up.
    pub(crate) given_up: &'a BTreeSet<BatchId>,
}

/// The records of one tenant in a window, under one key.
type Row = BTreeMap<(TenantId, u32), Vec<BlockRecord>>;

/// What goes from the plain segment into the new one.
struct Packing {
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    written: u64,
    rows: Row,
    records: usize,
    bytes: usize,
    through: RecordPosition,
    digest: Context,
    /// Jobs of batches that were given up.
    gone: BTreeSet<JobId>,
}

impl Packer<'_> {
    /// Writes the compacted form of a plain segment beside it.
    pub(crate) fn pack(&mut self, used: &UsedSegment, header: SegmentHeader) -> Result<Packed, JournalError> {
        let disk = self.record.disk;
        let path = unfinished(&self.record.path, used.number);
        let file = disk.open(&path, OpenMode::Create).map_err(DiskError::new("create", &path))?;
        file.set_len(0).map_err(DiskError::new("cut", &path))?;
        let header = SegmentHeader { version: VERSION, form: Form::Compacted, ..header };
        file.write_all_at(&header.encode(), 0).map_err(DiskError::new("write", &path))?;
        let mut packing = Packing {
            file,
            path,
            written: SEGMENT_HEADER_BYTES as u64,
            rows: Row::new(),
            records: 0,
            bytes: 0,
            through: RecordPosition::default(),
            digest: Context::new(&SHA256),
            gone: BTreeSet::new(),
        };
        if let Some(reason) = self.read(used, &mut packing)? {
            disk.remove_file(&packing.path).map_err(DiskError::new("remove", &packing.path))?;
            return Ok(Packed::LeftAlone(reason));
        }
        packing.file.sync_all().map_err(DiskError::new("sync", &packing.path))?;
        if self.read_back(used.number, &packing)? != packing.digest.clone().finish().as_ref() {
            disk.remove_file(&packing.path).map_err(DiskError::new("remove", &packing.path))?;
            return Err(JournalError::Internal("a compacted segment does not read back as the plain one"));
        }
        Ok(Packed::Ready { path: packing.path, bytes: packing.written })
    }

    /// Goes through the plain segment. Gives the reason where it is to stay.
    fn read(&mut self, used: &UsedSegment, packing: &mut Packing) -> Result<Option<&'static str>, JournalError> {
        let path = segment::path_of(&self.record.path, used.number);
        let error = || DiskError::new("read", &path);
        let salt = self.record.name(used.number).salt();
        let mut scanner = Scanner::new(used.file.clone(), salt, SEGMENT_HEADER_BYTES as u64).map_err(error())?;
        loop {
            let (offset, header, length) = match scanner.step().map_err(error())? {
                Step::Frame { offset, header, length } => (offset, header, length),
                Step::Damage { .. } | Step::End { torn: true, .. } => return Ok(Some("it is damaged")),
                Step::End { .. } => break,
            };
            if header.position() <= packing.through {
                return Ok(Some("a frame in it is out of order"));
            }
            packing.through = header.position();
            let Ok(Some(cipher)) = self.keys.cipher(header.key_id) else { return Ok(Some("a key of it is gone")) };
            let Ok(plain) = frame::open_in_place(scanner.frame_mut(offset, length), self.record.journal, &cipher) else {
                return Ok(Some("a frame in it does not open"));
            };
            if self.goes(&header, plain, &mut packing.gone) {
                continue;
            }
            packing.take(&header, plain);
            if (packing.records >= WINDOW_RECORDS || packing.bytes >= WINDOW_BYTES) && !self.write_window(packing, salt)? {
                return Ok(Some("a record in it is too large for a block"));
            }
        }
        Ok((!self.write_window(packing, salt)?).then_some("a record in it is too large for a block"))
    }

    /// Whether nobody needs a record any more.
    fn goes(&self, header: &FrameHeader, plain: &[u8], gone: &mut BTreeSet<JobId>) -> bool {
        let Some(job) = header.key.job.filter(|_| !self.given_up.is_empty()) else { return false };
        if header.kind == FrameKind::Head
            && let Ok(Decoded::Head(_, head)) = record::decode(header.kind, header.encoding, plain)
            && self.given_up.contains(&head.batch)
        {
            gone.insert(job);
        }
        gone.contains(&job)
    }

    /// Writes what has been gathered. False where it does not fit.
    fn write_window(&mut self, packing: &mut Packing, salt: u32) -> Result<bool, JournalError> {
        let mut blocks: Vec<(TenantId, u32, Vec<BlockRecord>)> = Vec::new();
        for ((tenant, key_id), records) in std::mem::take(&mut packing.rows) {
            let mut bytes = 0;
            for record in records {
                bytes += record.bytes.len();
                match blocks.last_mut() {
                    Some((of, under, last))
                        if *of == tenant && *under == key_id && last.len() < BLOCK_RECORDS_MAX && bytes <= BLOCK_PLAIN_BYTES =>
                    {
                        last.push(record);
                    }
                    _ => {
                        bytes = record.bytes.len();
                        blocks.push((tenant, key_id, vec![record]));
                    }
                }
            }
        }
        if blocks.is_empty() {
            // All of it went: the end of the segment is told all the same.
            let (tenant, key_id) = packing_owner(self.keys, self.record.stream)?;
            blocks.push((tenant, key_id, Vec::new()));
        }
        let Ok(mut follow) = u16::try_from(blocks.len() - 1) else { return Ok(false) };
        let mut out = Vec::new();
        for (tenant, key_id, records) in blocks {
            if records.iter().map(|record| record.bytes.len()).sum::<usize>() + 64 * BLOCK_RECORDS_MAX > BLOCK_RECORDS_BYTES_MAX {
                return Ok(false);
            }
            let Some(plain) = block::encode(packing.through, &records) else { return Ok(false) };
            if !self.seal(&mut out, tenant, key_id, follow, &plain, salt)? {
                return Ok(false);
            }
            follow = follow.saturating_sub(1);
        }
        packing.file.write_all_at(&out, packing.written).map_err(DiskError::new("write", &packing.path))?;
        packing.written += out.len() as u64;
        (packing.records, packing.bytes) = (0, 0);
        Ok(true)
    }

    fn seal(
        &mut self,
        out: &mut Vec<u8>,
        tenant: TenantId,
        key_id: u32,
        follow: u16,
        plain: &[u8],
        salt: u32,
    ) -> Result<bool, JournalError> {
        let sequence = *self.next_sequence;
        if sequence >= SEQUENCE_END {
            return Err(JournalError::Internal("all block numbers of this start are given"));
        }
        *self.next_sequence += 1;
        let key = FrameKey { job: None, message: MessageVersion(0), attempt: follow };
        let (epoch, kind, encoding) = (self.epoch, FrameKind::Block, block::ENCODING);
        let header = FrameHeader { sequence, epoch, kind, fresh: true, encoding, key, tenant, key_id };
        let cipher = self.keys.cipher(key_id)?.ok_or(JournalError::Internal("a key that was there is gone"))?;
        let start = frame::begin(out, &header);
        out.extend_from_slice(plain);
        Ok(frame::finish(out, start, self.record.journal, &cipher, salt).is_ok())
    }

    /// The digest of what the new file says.
    fn read_back(&self, number: u32, packing: &Packing) -> Result<Vec<u8>, JournalError> {
        let error = || DiskError::new("read", &packing.path);
        let salt = self.record.name(number).salt();
        let scanner = Scanner::new(packing.file.clone(), salt, SEGMENT_HEADER_BYTES as u64).map_err(error())?;
        let mut unpacker = Unpacker::new(scanner, self.record.journal, self.keys.clone());
        let (mut digest, mut through) = (Context::new(&SHA256), RecordPosition::default());
        loop {
            match unpacker.next().map_err(error())? {
                Unpacked::Record(record) => add(&mut digest, &record),
                Unpacked::Through(position) => through = position,
                Unpacked::End { torn: false, .. } if through == packing.through => return Ok(digest.finish().as_ref().to_vec()),
                _ => return Ok(Vec::new()),
            }
        }
    }
}

impl Packing {
    fn take(&mut self, header: &FrameHeader, plain: &[u8]) {
        let (position, key, kind, encoding) = (header.position(), header.key, header.kind, header.encoding);
        let record = BlockRecord { position, key, kind, encoding, bytes: plain.to_vec() };
        add(&mut self.digest, &record);
        self.records += 1;
        self.bytes += plain.len();
        self.rows.entry((header.tenant, header.key_id)).or_default().push(record);
    }
}

fn packing_owner(keys: &KeyRing, stream: model::StreamName) -> Result<(TenantId, u32), JournalError> {
    let tenant = crate::key_ring::INSTALLATION;
    Ok((tenant, keys.record_key(tenant, stream)?.id))
}

fn add(digest: &mut Context, record: &BlockRecord) {
    let BlockRecord { position, key, kind, encoding, bytes } = record;
    digest.update(&position.0.to_le_bytes());
    digest.update(&key.job.map_or(0, JobId::to_bits).to_le_bytes());
    digest.update(&key.message.0.to_le_bytes());
    digest.update(&key.attempt.to_le_bytes());
    digest.update(&[*kind as u8, *encoding]);
    digest.update(&(bytes.len() as u64).to_le_bytes());
    digest.update(bytes);
}

fn unfinished(record_dir: &Path, number: u32) -> PathBuf {
    segment::path_of(record_dir, number).with_extension(UNFINISHED)
}

/// Removes what crashes left of compactions that were never finished.
pub(crate) fn sweep(record: &LogDir<'_>) -> Result<(), DiskError> {
    for path in record.disk.read_dir(&record.path).map_err(DiskError::new("list", &record.path))? {
        if path.extension().is_some_and(|extension| extension == UNFINISHED) {
            record.disk.remove_file(&path).map_err(DiskError::new("remove", &path))?;
        }
    }
    Ok(())
}
