//! Reads one checkpoint, item by item, and says whether it is whole. Never more than two chunks are in memory.

use super::stored::{self, End, Item, ItemFault};
use super::writer::{about, nonce};
use super::{CheckpointHeader, Covered, path_of};
use crate::bounds::{CHECKPOINT_CHUNK_BYTES_MAX, CHECKPOINT_CHUNK_PLAIN_BYTES, CHECKPOINT_HEADER_BYTES, CHUNK_HEADER_BYTES, TAG_BYTES};
use crate::cipher::FrameCipher;
use crate::error::DiskError;
use crate::format::{JournalId, crc32c, u32_at};
use crate::key_ring::KeyRing;
use model::{BatchId, StreamName};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use world::{Disk, DiskFile, OpenMode};
use zstd::bulk::Decompressor;

/// Why a checkpoint is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckpointFault {
    /// Its bytes are not what was written, or its key is gone.
    #[error("{0}")]
    Damaged(&'static str),
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl From<ItemFault> for CheckpointFault {
    fn from(_: ItemFault) -> Self {
        Self::Damaged("an item does not decode")
    }
}

pub(crate) struct CheckpointReader {
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    header: CheckpointHeader,
    encoded: [u8; CHECKPOINT_HEADER_BYTES],
    cipher: Arc<FrameCipher>,
    decompressor: Decompressor<'static>,
    /// Where the next chunk begins.
    at: u64,
    number: u32,
    is_at_end: bool,
    items: Vec<u8>,
    /// What of `items` was given.
    given: usize,
    seen: End,
    has_ended: bool,
}

impl CheckpointReader {
    pub(crate) fn open(
        disk: &dyn Disk,
        folder: &Path,
        through: u32,
        journal: JournalId,
        stream: StreamName,
        keys: &KeyRing,
    ) -> Result<Self, CheckpointFault> {
        let path = path_of(folder, through);
        let file = disk.open(&path, OpenMode::Read).map_err(DiskError::new("open", &path))?;
        let mut encoded = [0u8; CHECKPOINT_HEADER_BYTES];
        file.read_exact_at(&mut encoded, 0).map_err(|error| fault(error, &path))?;
        let header = CheckpointHeader::decode(&encoded, journal, stream).filter(|header| header.covered.through == through);
        let header = header.ok_or(CheckpointFault::Damaged("the header does not hold"))?;
        let cipher = keys.cipher(header.key_id).ok().flatten().ok_or(CheckpointFault::Damaged("its key is gone"))?;
        let decompressor = Decompressor::new().map_err(|_| CheckpointFault::Damaged("zstd has no context"))?;
        Ok(Self {
            path,
            file,
            header,
            encoded,
            cipher,
            decompressor,
            at: CHECKPOINT_HEADER_BYTES as u64,
            number: 0,
            is_at_end: false,
            items: Vec::new(),
            given: 0,
            seen: End::default(),
            has_ended: false,
        })
    }

    pub(crate) fn covered(&self) -> Covered {
        self.header.covered
    }

    /// Of the file.
    pub(crate) fn bytes(&self) -> Result<u64, DiskError> {
        self.file.len().map_err(DiskError::new("measure", &self.path))
    }

    /// The start that wrote it.
    pub(crate) fn epoch(&self) -> u32 {
        self.header.epoch
    }

    /// The batches that were given up. Reads up to the first job.
    pub(crate) fn given_up(&mut self) -> Result<BTreeSet<BatchId>, CheckpointFault> {
        let mut given_up = BTreeSet::new();
        while let Some((kind, bytes)) = self.next_raw()? {
            match stored::item_before_jobs(kind, bytes)? {
                Some(Item::Batch(id, entry)) if entry.was_discarded && entry.standing.is_none() => drop(given_up.insert(id)),
                Some(_) => {}
                None => break,
            }
        }
        Ok(given_up)
    }

    /// The next item; `None` after the end, and then all of it was whole.
    pub(crate) fn next(&mut self) -> Result<Option<Item>, CheckpointFault> {
        match self.next_raw()? {
            Some((kind, bytes)) => Ok(Some(stored::item(kind, bytes)?)),
            None => Ok(None),
        }
    }

    /// The next item as it is stored.
    pub(super) fn next_raw(&mut self) -> Result<Option<(u8, &[u8])>, CheckpointFault> {
        let Some(length) = self.stated_length()? else {
            let whole = self.is_at_end && self.has_ended && self.given == self.items.len();
            return if whole { Ok(None) } else { Err(CheckpointFault::Damaged("it ends before its end")) };
        };
        let start = self.given;
        self.given += length;
        let item = &self.items[start..start + length];
        let (kind, bytes) = (item[4], &item[stored::ITEM_HEADER_BYTES..]);
        match kind {
            _ if self.has_ended => return Err(CheckpointFault::Damaged("it goes on behind its end")),
            stored::BATCH => self.seen.batches += 1,
            stored::JOB => self.seen.jobs += 1,
            stored::END => {
                let Item::End(end) = stored::item(kind, bytes)? else { return Err(ItemFault.into()) };
                self.has_ended = end == self.seen;
                if !self.has_ended {
                    return Err(CheckpointFault::Damaged("its count does not hold"));
                }
            }
            _ => {}
        }
        Ok(Some((kind, bytes)))
    }

    /// The length of the next item, header included, once all of it is in `items`.
    fn stated_length(&mut self) -> Result<Option<usize>, CheckpointFault> {
        loop {
            let left = self.items.len() - self.given;
            let stated = (left >= 4).then(|| stored::ITEM_HEADER_BYTES + u32_at(&self.items, self.given) as usize);
            match stated {
                Some(length) if length <= left => return Ok(Some(length)),
                _ if self.is_at_end => return Ok(None),
                _ => self.read_chunk()?,
            }
        }
    }

    fn read_chunk(&mut self) -> Result<(), CheckpointFault> {
        self.items.drain(..self.given);
        self.given = 0;
        let mut header = [0u8; CHUNK_HEADER_BYTES];
        self.file.read_exact_at(&mut header, self.at).map_err(|error| fault(error, &self.path))?;
        let length = u32_at(&header, 4) as usize;
        if !(CHUNK_HEADER_BYTES + TAG_BYTES..=CHECKPOINT_CHUNK_BYTES_MAX).contains(&length) {
            return Err(CheckpointFault::Damaged("a chunk states a length that none has"));
        }
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, self.at).map_err(|error| fault(error, &self.path))?;
        if crc32c(&bytes[4..]) != u32_at(&bytes, 0) {
            return Err(CheckpointFault::Damaged("the checksum of a chunk does not hold"));
        }
        if u32_at(&bytes, 8) != self.number {
            return Err(CheckpointFault::Damaged("a chunk is in another's place"));
        }
        let about = about(&self.encoded, &header);
        let plain = self
            .cipher
            .open_whole(nonce(&self.header, self.number), &about, &mut bytes[CHUNK_HEADER_BYTES..])
            .map_err(|_| CheckpointFault::Damaged("a chunk is not authentic"))?;
        let plain = self
            .decompressor
            .decompress(plain, CHECKPOINT_CHUNK_PLAIN_BYTES)
            .map_err(|_| CheckpointFault::Damaged("a chunk does not unpack"))?;
        self.items.extend_from_slice(&plain);
        self.at += length as u64;
        self.number += 1;
        self.is_at_end = header[12] == 1;
        Ok(())
    }
}

fn fault(error: io::Error, path: &Path) -> CheckpointFault {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => CheckpointFault::Damaged("it is cut off"),
        _ => CheckpointFault::Disk(DiskError::new("read", path)(error)),
    }
}
