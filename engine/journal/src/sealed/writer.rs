//! Sealing: bytes go in, a whole file comes out under its name, or none.

use super::header::{FileCipher, HEADER_BYTES, Header, SALT_BYTES};
use super::{CHUNK_BYTES, SealedError, SealedFor};
use crate::bounds::TAG_BYTES;
use crate::error::DiskError;
use crate::key_ring::KeyRing;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use world::{DiskFile, OpenMode, World};
use zeroize::Zeroize;

/// A file that was sealed, durable under its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealedFile {
    /// Bytes that were sealed.
    pub plain_bytes: u64,
    /// Bytes on disk.
    pub file_bytes: u64,
}

/// Seals what is written to it. Dropped before [`SealedWriter::finish`], it leaves nothing.
pub struct SealedWriter {
    world: World,
    path: PathBuf,
    temporary: PathBuf,
    file: Arc<dyn DiskFile>,
    header: Header,
    cipher: FileCipher,
    /// The chunk that is being filled: up to `CHUNK_BYTES`, sealed only when it is known whether another one follows.
    chunk: Vec<u8>,
    number: u64,
    offset: u64,
    is_finished: bool,
}

impl SealedWriter {
    /// Begins a file. It lies beside its place, as `.NAME.sealing`, until it is finished; one that a crash left there is overwritten.
    ///
    /// # Errors
    /// [`SealedError::Purpose`], the key ring, the disk.
    pub fn create(keys: &KeyRing, path: &Path, what: SealedFor<'_>) -> Result<Self, SealedError> {
        let world = keys.world().clone();
        let key = keys.file_key(what.tenant)?;
        let mut salt = [0; SALT_BYTES];
        world.fill_random(&mut salt);
        let header = Header::new(what, &key, salt)?;
        let cipher = FileCipher::new(&key, &header)?;
        let temporary = temporary_beside(path)?;
        let file = world.disk().open(&temporary, OpenMode::Create).map_err(DiskError::new("create", &temporary))?;
        file.set_len(0).map_err(DiskError::new("empty", &temporary))?;
        let chunk = Vec::with_capacity(CHUNK_BYTES + TAG_BYTES);
        let offset = HEADER_BYTES as u64;
        Ok(Self { world, path: path.to_owned(), temporary, file, header, cipher, chunk, number: 0, offset, is_finished: false })
    }

    /// Ends the file and gives it its name. Durable when it returns.
    ///
    /// # Errors
    /// The disk; then nothing is under the name but what was there before.
    pub fn finish(mut self) -> Result<SealedFile, SealedError> {
        self.put_chunk(true)?;
        let bytes = self.header.encode(&self.cipher)?;
        self.file.write_all_at(&bytes, 0).map_err(DiskError::new("write", &self.temporary))?;
        self.file.sync_all().map_err(DiskError::new("sync", &self.temporary))?;
        self.world.disk().rename(&self.temporary, &self.path).map_err(DiskError::new("rename", &self.temporary))?;
        self.is_finished = true;
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        self.world.disk().sync_dir(parent).map_err(DiskError::new("sync", parent))?;
        Ok(SealedFile { plain_bytes: self.header.length, file_bytes: self.offset })
    }

    fn put_chunk(&mut self, is_last: bool) -> Result<(), SealedError> {
        self.header.length += self.chunk.len() as u64;
        self.cipher.seal(self.number, is_last, &mut self.chunk)?;
        self.file.write_all_at(&self.chunk, self.offset).map_err(DiskError::new("write", &self.temporary))?;
        self.offset += self.chunk.len() as u64;
        self.number += 1;
        self.chunk.clear();
        Ok(())
    }
}

impl Write for SealedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        // Only now is it known that the full chunk is not the last one.
        if self.chunk.len() == CHUNK_BYTES {
            self.put_chunk(false).map_err(SealedError::into_io)?;
        }
        let taken = bytes.len().min(CHUNK_BYTES - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    /// Nothing: what is written counts when the file is finished.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for SealedWriter {
    fn drop(&mut self) {
        self.chunk.zeroize();
        if !self.is_finished {
            // What stays of it holds nothing readable, and the next writer of the name overwrites it.
            let _ = self.world.disk().remove_file(&self.temporary);
        }
    }
}

fn temporary_beside(path: &Path) -> Result<PathBuf, SealedError> {
    let name = path.file_name().ok_or_else(|| SealedError::Internal("the path names no file".into()))?;
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(".sealing");
    Ok(path.with_file_name(temporary))
}
