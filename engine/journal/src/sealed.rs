//! Files sealed under a tenant's key: what came in, contacts, what gates remember (invariant 5).
//!
//! It promises: a file that opens is, byte for byte, what was sealed, whole, for this tenant, for this purpose and under this name; what
//! does not open says what was done to it. It is on disk, name included, when [`SealedWriter::finish`] returns, and no part of it is
//! under its name before. Memory is flat: one chunk. It leaves to others where files lie and when they go.
//!
//! ```text
//!  0       8     10       12       16       24     56           72                 104          120   124   128
//! ┌───────┬─────┬────────┬────────┬────────┬──────┬────────────┬──────────────────┬────────────┬─────┬─────┬──────────────────────┐
//! │ magic │ ver │ tenant │ key id │ length │ salt │ name check │ purpose (length, │ header tag │  0  │ crc │ chunks of 64 KiB,    │
//! │       │     │        │        │ plain  │      │            │ ASCII, zeros)    │            │     │     │ each with a tag (16) │
//! └───────┴─────┴────────┴────────┴────────┴──────┴────────────┴──────────────────┴────────────┴─────┴─────┴──────────────────────┘
//! salt        random: the file's own key is HKDF-SHA-256 of the tenant's key with it, so no nonce comes twice under one key
//! name check  derived from that key and the name, so that two files cannot change places; the name itself may be personal
//! header tag  AES-256-GCM of nothing over bytes 0..104: the length, which is known last, is authentic too
//! crc         CRC-32C of bytes 0..124: damage is told apart from forgery
//! chunk       AES-256-GCM; nonce = 0 0 0 ‖ number (u64, big endian) ‖ 1 for the last one, else 0 (the STREAM construction of Hoang,
//!             Reyhanitabar, Rogaway, Vizár 2015); additional data = bytes 0..16 and 24..104 of the header. A file of nothing has one chunk of nothing
//! ```
//!
//! The surprise: the key ring's rotation changes nothing here, for only the ring's wrapping of the tenant's key changes; and
//! [`crate::KeyRing::destroy_files`] ends all files of a tenant at once.

mod error;
mod header;
mod reader;
mod writer;

pub use error::SealedError;
pub use reader::SealedReader;
pub use writer::{SealedFile, SealedWriter};

use crate::error::DiskError;
use crate::key_ring::KeyRing;
use header::{HEADER_BYTES, Header};
use model::TenantId;
use std::io::{Read, Write};
use std::path::Path;
use world::OpenMode;
use zeroize::Zeroizing;

/// Bytes that are encrypted together.
pub const CHUNK_BYTES: usize = 64 * 1024;
/// The longest purpose.
pub const PURPOSE_BYTES_MAX: usize = 31;

/// What a file is bound to: it opens for exactly this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealedFor<'a> {
    /// Whose it is.
    pub tenant: TenantId,
    /// What it is for: ASCII, at most [`PURPOSE_BYTES_MAX`] bytes, such as `contacts`.
    pub purpose: &'a str,
    /// Which of them: a name that its owner knows when it is opened. It is not stored.
    pub name: &'a str,
}

/// What a file says of itself before it is opened. Nobody vouches for it until it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedLabel {
    /// Whose it says it is.
    pub tenant: TenantId,
    /// What it says it is for.
    pub purpose: String,
    /// Bytes that were sealed.
    pub bytes: u64,
}

/// Seals bytes into a file, replacing one that is there: after a crash the old or the new one is there, whole.
///
/// # Errors
/// As [`SealedWriter::create`] and [`SealedWriter::finish`].
pub fn seal_bytes(keys: &KeyRing, path: &Path, what: SealedFor<'_>, bytes: &[u8]) -> Result<SealedFile, SealedError> {
    let mut writer = SealedWriter::create(keys, path, what)?;
    writer.write_all(bytes).map_err(SealedError::from_io)?;
    writer.finish()
}

/// The whole of a sealed file.
///
/// # Errors
/// As [`SealedReader::open`]; [`SealedError::TooLarge`] beyond `max` bytes.
pub fn open_bytes(keys: &KeyRing, path: &Path, what: SealedFor<'_>, max: usize) -> Result<Zeroizing<Vec<u8>>, SealedError> {
    let mut reader = SealedReader::open(keys, path, what)?;
    let bytes = usize::try_from(reader.plain_bytes()).unwrap_or(usize::MAX);
    if bytes > max {
        return Err(SealedError::TooLarge { path: path.to_owned(), bytes: reader.plain_bytes(), max });
    }
    let mut plain = Zeroizing::new(vec![0; bytes]);
    reader.read_exact(&mut plain).map_err(SealedError::from_io)?;
    Ok(plain)
}

/// What a file says of itself; `None` where it is no sealed file at all.
///
/// # Errors
/// The disk; a header that is damaged, unfinished or of a later version.
pub fn label(keys: &KeyRing, path: &Path) -> Result<Option<SealedLabel>, SealedError> {
    let file = keys.world().disk().open(path, OpenMode::Read).map_err(DiskError::new("open", path))?;
    let mut bytes = [0; HEADER_BYTES];
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(DiskError::new("read", path)(error).into()),
    }
    match Header::decode(&bytes, path) {
        Ok(header) => Ok(Some(SealedLabel { tenant: header.tenant, purpose: header.purpose, bytes: header.length })),
        Err(SealedError::NotSealed(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
