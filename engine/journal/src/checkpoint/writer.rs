//! Writes one checkpoint: items into chunks, chunks into the file beside its place, and the rename at the end.

use super::stored::{self, END, End, ItemFault};
use super::{CheckpointHeader, path_of, unfinished};
use crate::bounds::{CHECKPOINT_CHUNK_PLAIN_BYTES, CHUNK_HEADER_BYTES};
use crate::cipher::FrameCipher;
use crate::error::{DiskError, JournalError};
use crate::format::crc32c;
use model::{BatchId, JobId};
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;
use world::{Disk, DiskFile, OpenMode};
use zstd::bulk::Compressor;

/// Fast: most of what shrinks is what heads of one batch have in common.
const ZSTD_LEVEL: i32 = 1;
/// Bytes after which a sync comes in between, so that the last one does not hold up the disk.
const SYNC_BYTES: u64 = 8 * 1024 * 1024;

pub(super) struct CheckpointWriter<'disk> {
    disk: &'disk dyn Disk,
    folder: PathBuf,
    header: CheckpointHeader,
    encoded: [u8; crate::bounds::CHECKPOINT_HEADER_BYTES],
    cipher: Arc<FrameCipher>,
    file: Arc<dyn DiskFile>,
    written: u64,
    unsynced: u64,
    number: u32,
    items: Vec<u8>,
    compressor: Compressor<'static>,
    end: End,
}

impl<'disk> CheckpointWriter<'disk> {
    pub(super) fn new(
        disk: &'disk dyn Disk,
        folder: PathBuf,
        header: CheckpointHeader,
        cipher: Arc<FrameCipher>,
    ) -> Result<Self, JournalError> {
        let path = unfinished(&folder, header.covered.through);
        let file = disk.open(&path, OpenMode::Create).map_err(DiskError::new("create", &path))?;
        file.set_len(0).map_err(DiskError::new("cut", &path))?;
        let encoded = header.encode();
        file.write_all_at(&encoded, 0).map_err(DiskError::new("write", &path))?;
        let compressor = Compressor::new(ZSTD_LEVEL).map_err(|_| JournalError::Internal("zstd has no context"))?;
        let written = encoded.len() as u64;
        Ok(Self {
            disk,
            folder,
            header,
            encoded,
            cipher,
            file,
            written,
            unsynced: written,
            number: 0,
            items: Vec::new(),
            compressor,
            end: End::default(),
        })
    }

    pub(super) fn summary(&mut self, summary: &stored::Summary) -> Result<(), JournalError> {
        self.put(stored::SUMMARY, summary)
    }

    pub(super) fn batch(&mut self, id: BatchId, entry: &crate::recovery::standing::BatchEntry) -> Result<(), JournalError> {
        self.end.batches += 1;
        self.put(stored::BATCH, &(id, entry))
    }

    pub(super) fn job(&mut self, id: JobId, job: &crate::recovery::standing::JobStanding) -> Result<(), JournalError> {
        self.end.jobs += 1;
        stored::put_job(id, job, &mut self.items).map_err(refused)?;
        self.fill()
    }

    /// A job as another checkpoint has it.
    pub(super) fn job_as_it_is(&mut self, bytes: &[u8]) -> Result<(), JournalError> {
        self.end.jobs += 1;
        let length = u32::try_from(bytes.len()).map_err(|_| refused(ItemFault))?;
        self.items.extend_from_slice(&length.to_le_bytes());
        self.items.push(stored::JOB);
        self.items.extend_from_slice(bytes);
        self.fill()
    }

    /// Bytes of the file so far.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Makes it durable, then gives it its name.
    pub(super) fn finish(mut self) -> Result<u64, JournalError> {
        let end = self.end;
        self.put(END, &end)?;
        let rest = std::mem::take(&mut self.items);
        self.chunk(&rest, true)?;
        let from = unfinished(&self.folder, self.header.covered.through);
        let to = path_of(&self.folder, self.header.covered.through);
        self.file.sync_all().map_err(DiskError::new("sync", &from))?;
        self.disk.rename(&from, &to).map_err(DiskError::new("rename", &from))?;
        self.disk.sync_dir(&self.folder).map_err(DiskError::new("sync", &self.folder))?;
        Ok(self.written)
    }

    fn put(&mut self, kind: u8, value: &impl Serialize) -> Result<(), JournalError> {
        stored::put(kind, value, &mut self.items).map_err(refused)?;
        self.fill()
    }

    fn fill(&mut self) -> Result<(), JournalError> {
        while self.items.len() > CHECKPOINT_CHUNK_PLAIN_BYTES {
            let rest = self.items.split_off(CHECKPOINT_CHUNK_PLAIN_BYTES);
            let full = std::mem::replace(&mut self.items, rest);
            self.chunk(&full, false)?;
        }
        Ok(())
    }

    fn chunk(&mut self, plain: &[u8], is_last: bool) -> Result<(), JournalError> {
        let mut sealed = self.compressor.compress(plain).map_err(|_| JournalError::Internal("zstd refused a chunk"))?;
        let mut header = [0u8; CHUNK_HEADER_BYTES];
        header[8..12].copy_from_slice(&self.number.to_le_bytes());
        header[12] = u8::from(is_last);
        let refused = |_| JournalError::Internal("AES-GCM refused a chunk");
        self.cipher.seal_whole(nonce(&self.header, self.number), &about(&self.encoded, &header), &mut sealed).map_err(refused)?;
        let length = CHUNK_HEADER_BYTES + sealed.len();
        header[4..8].copy_from_slice(&(length as u32).to_le_bytes());
        sealed.splice(..0, header);
        let crc = crc32c(&sealed[4..]);
        sealed[..4].copy_from_slice(&crc.to_le_bytes());
        let path = unfinished(&self.folder, self.header.covered.through);
        self.number = self.number.checked_add(1).ok_or(JournalError::Internal("a checkpoint has no number left for a chunk"))?;
        self.file.write_all_at(&sealed, self.written).map_err(DiskError::new("write", &path))?;
        self.written += sealed.len() as u64;
        self.unsynced += sealed.len() as u64;
        if self.unsynced >= SYNC_BYTES {
            self.file.sync_data().map_err(DiskError::new("sync", &path))?;
            self.unsynced = 0;
        }
        Ok(())
    }
}

/// NIST SP 800-38D section 8.2.1, the deterministic construction: fixed field (epoch) and invocation field (number of the chunk).
pub(super) fn nonce(header: &CheckpointHeader, number: u32) -> [u8; 12] {
    let mut bytes = [0u8; 12];
    bytes[..4].copy_from_slice(&header.epoch.to_le_bytes());
    bytes[4..].copy_from_slice(&(header.first_number + u64::from(number)).to_le_bytes());
    bytes
}

/// The header ‖ number ‖ last.
pub(super) fn about(header: &[u8; crate::bounds::CHECKPOINT_HEADER_BYTES], chunk: &[u8; CHUNK_HEADER_BYTES]) -> Vec<u8> {
    [&header[..], &chunk[8..]].concat()
}

fn refused(_: ItemFault) -> JournalError {
    JournalError::Internal("postcard refused an item of a checkpoint")
}
