//! Opening: nothing is given out that is not authentic, in its place.

use super::header::{FileCipher, HEADER_BYTES, Header};
use super::{CHUNK_BYTES, SealedError, SealedFor};
use crate::bounds::TAG_BYTES;
use crate::error::DiskError;
use crate::key_ring::KeyRing;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use world::{DiskFile, OpenMode};
use zeroize::Zeroize;

/// Chunks that are tried to tell a moved one from a damaged one: 256 MiB of file.
const TRIED_MAX: u64 = 4096;
const SEALED_CHUNK_BYTES: usize = CHUNK_BYTES + TAG_BYTES;

/// Reads a sealed file from its beginning. Length, tenant, purpose and name are checked when it opens, each chunk when it is read.
pub struct SealedReader {
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    header: Header,
    cipher: FileCipher,
    /// The opened chunk, and how far it was given out.
    chunk: Vec<u8>,
    plain: usize,
    given: usize,
    /// The chunk that comes next.
    next: u64,
}

impl SealedReader {
    /// Opens a file for what it was sealed for.
    ///
    /// # Errors
    /// [`SealedError`], each kind for one thing that is wrong.
    pub fn open(keys: &KeyRing, path: &Path, what: SealedFor<'_>) -> Result<Self, SealedError> {
        let file = keys.world().disk().open(path, OpenMode::Read).map_err(DiskError::new("open", path))?;
        let found = file.len().map_err(DiskError::new("measure", path))?;
        if found < HEADER_BYTES as u64 {
            return Err(SealedError::NotSealed(path.to_owned()));
        }
        let mut bytes = [0; HEADER_BYTES];
        file.read_exact_at(&mut bytes, 0).map_err(DiskError::new("read", path))?;
        let header = Header::decode(&bytes, path)?;
        if header.tenant != what.tenant {
            return Err(SealedError::WrongTenant { path: path.to_owned(), asked: what.tenant.0, found: header.tenant.0 });
        }
        if header.purpose != what.purpose {
            return Err(SealedError::WrongPurpose { path: path.to_owned(), asked: what.purpose.to_owned(), found: header.purpose });
        }
        let key = keys.file_key_of(header.tenant, header.key)?.ok_or_else(|| SealedError::KeyDestroyed(path.to_owned()))?;
        let cipher = FileCipher::new(&key, &header)?;
        let forged = || SealedError::HeaderForged(path.to_owned());
        if !cipher.check(&header)? {
            return Err(forged());
        }
        if !header.is_named(&key, what.name)? {
            return Err(SealedError::WrongName(path.to_owned()));
        }
        let expected = header.file_bytes().ok_or_else(forged)?;
        match found.cmp(&expected) {
            std::cmp::Ordering::Less => return Err(SealedError::Truncated { path: path.to_owned(), found, expected }),
            std::cmp::Ordering::Greater => return Err(SealedError::Longer { path: path.to_owned(), found, expected }),
            std::cmp::Ordering::Equal => {}
        }
        Ok(Self { path: path.to_owned(), file, header, cipher, chunk: Vec::new(), plain: 0, given: 0, next: 0 })
    }

    /// Bytes that were sealed.
    pub fn plain_bytes(&self) -> u64 {
        self.header.length
    }

    fn next_chunk(&mut self) -> Result<(), SealedError> {
        self.plain = 0;
        self.given = 0;
        self.read_sealed(self.next)?;
        let (number, is_last) = (self.next, self.next + 1 == self.header.chunks());
        match self.cipher.open(number, is_last, &mut self.chunk).map(<[u8]>::len) {
            Some(plain) => self.plain = plain,
            None => return Err(self.diagnose(number)),
        }
        self.next += 1;
        Ok(())
    }

    fn read_sealed(&mut self, number: u64) -> Result<(), SealedError> {
        let start = number * CHUNK_BYTES as u64;
        let plain = usize::try_from(self.header.length - start).unwrap_or(usize::MAX).min(CHUNK_BYTES);
        self.chunk.resize(plain + TAG_BYTES, 0);
        let offset = HEADER_BYTES as u64 + number * SEALED_CHUNK_BYTES as u64;
        self.file.read_exact_at(&mut self.chunk, offset).map_err(DiskError::new("read", &self.path))?;
        Ok(())
    }

    /// What became of a chunk that does not open: another one of the same file, or bytes that were changed.
    fn diagnose(&mut self, number: u64) -> SealedError {
        let chunks = self.header.chunks();
        for other in (0..chunks.min(TRIED_MAX)).filter(|other| *other != number) {
            // The trial before decrypted the bytes to nonsense.
            if let Err(error) = self.read_sealed(number) {
                return error;
            }
            if self.cipher.open(other, other + 1 == chunks, &mut self.chunk).is_some() {
                self.chunk.zeroize();
                return SealedError::Moved { path: self.path.clone(), expected: number, found: other };
            }
        }
        SealedError::Damaged { path: self.path.clone(), chunk: number }
    }
}

impl Read for SealedReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        while self.given == self.plain {
            if self.next == self.header.chunks() {
                return Ok(0);
            }
            self.next_chunk().map_err(SealedError::into_io)?;
        }
        let count = into.len().min(self.plain - self.given);
        into[..count].copy_from_slice(&self.chunk[self.given..][..count]);
        self.given += count;
        Ok(count)
    }
}

impl Drop for SealedReader {
    fn drop(&mut self) {
        self.chunk.zeroize();
    }
}
