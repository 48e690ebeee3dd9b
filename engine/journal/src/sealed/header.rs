//! The header, and the file's own key.

use super::{CHUNK_BYTES, PURPOSE_BYTES_MAX, SealedError, SealedFor};
use crate::bounds::TAG_BYTES;
use crate::cipher::{FrameCipher, KEY_BYTES};
use crate::error::KeyError;
use crate::format::{crc32c, u16_at, u32_at, u64_at};
use crate::key_ring::FileKey;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use model::TenantId;
use std::path::Path;
use zeroize::Zeroizing;

pub(super) const HEADER_BYTES: usize = 128;
pub(super) const SALT_BYTES: usize = 32;
const MAGIC: [u8; 8] = *b"sealfile";
const VERSION: u16 = 1;
const NAME_CHECK_BYTES: usize = 16;
const KEY_LABEL: &[u8] = b"sealpost sealed file 1: key";
const NAME_LABEL: &[u8] = b"sealpost sealed file 1: name ";
/// The header's tag has a nonce that no chunk can have.
const HEADER_NONCE: [u8; 12] = [0xff; 12];

const PURPOSE_AT: usize = 72;
const TAG_AT: usize = 104;
const CRC_AT: usize = 124;
const _: () = assert!(PURPOSE_AT + 1 + PURPOSE_BYTES_MAX == TAG_AT, "the drawing");
const _: () = assert!(CRC_AT + 4 == HEADER_BYTES, "the drawing");

/// What the header says.
pub(super) struct Header {
    pub(super) tenant: TenantId,
    pub(super) key: u32,
    /// Bytes before encryption.
    pub(super) length: u64,
    pub(super) salt: [u8; SALT_BYTES],
    pub(super) name_check: [u8; NAME_CHECK_BYTES],
    pub(super) purpose: String,
    tag: [u8; TAG_BYTES],
}

/// The keys of one file.
pub(super) struct FileCipher {
    cipher: FrameCipher,
    about: [u8; 16 + TAG_AT - 24],
}

impl Header {
    pub(super) fn new(what: SealedFor<'_>, key: &FileKey, salt: [u8; SALT_BYTES]) -> Result<Self, SealedError> {
        if what.purpose.is_empty() || what.purpose.len() > PURPOSE_BYTES_MAX || !what.purpose.is_ascii() {
            return Err(SealedError::Purpose);
        }
        let name_check = name_check(key, &salt, what.name)?;
        let purpose = what.purpose.to_owned();
        Ok(Self { tenant: what.tenant, key: key.id, length: 0, salt, name_check, purpose, tag: [0; TAG_BYTES] })
    }

    /// Reads a header whose checksum fits. It is authentic after [`FileCipher::check`].
    pub(super) fn decode(bytes: &[u8; HEADER_BYTES], path: &Path) -> Result<Self, SealedError> {
        if bytes[..8] != MAGIC {
            return Err(SealedError::NotSealed(path.to_owned()));
        }
        if crc32c(&bytes[..CRC_AT]) != u32_at(bytes, CRC_AT) {
            return Err(SealedError::HeaderDamaged(path.to_owned()));
        }
        let found = u16_at(bytes, 8);
        if found > VERSION {
            return Err(SealedError::Newer { path: path.to_owned(), found, known: VERSION });
        }
        let purpose = &bytes[PURPOSE_AT + 1..TAG_AT];
        let purpose = purpose.get(..usize::from(bytes[PURPOSE_AT])).and_then(|text| std::str::from_utf8(text).ok());
        let purpose = purpose.ok_or_else(|| SealedError::HeaderForged(path.to_owned()))?;
        let mut header = Self {
            tenant: TenantId(u16_at(bytes, 10)),
            key: u32_at(bytes, 12),
            length: u64_at(bytes, 16),
            salt: [0; SALT_BYTES],
            name_check: [0; NAME_CHECK_BYTES],
            purpose: purpose.to_owned(),
            tag: [0; TAG_BYTES],
        };
        header.salt.copy_from_slice(&bytes[24..56]);
        header.name_check.copy_from_slice(&bytes[56..PURPOSE_AT]);
        header.tag.copy_from_slice(&bytes[TAG_AT..TAG_AT + TAG_BYTES]);
        Ok(header)
    }

    /// The header's bytes, with its tag: written last, when the length is known.
    pub(super) fn encode(&self, cipher: &FileCipher) -> Result<[u8; HEADER_BYTES], SealedError> {
        let mut bytes = self.fields();
        let tag = cipher.header_tag(&bytes)?;
        bytes[TAG_AT..TAG_AT + TAG_BYTES].copy_from_slice(&tag);
        let crc = crc32c(&bytes[..CRC_AT]);
        bytes[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        Ok(bytes)
    }

    fn fields(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[10..12].copy_from_slice(&self.tenant.0.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.key.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.length.to_le_bytes());
        bytes[24..56].copy_from_slice(&self.salt);
        bytes[56..PURPOSE_AT].copy_from_slice(&self.name_check);
        bytes[PURPOSE_AT] = self.purpose.len() as u8;
        bytes[PURPOSE_AT + 1..][..self.purpose.len()].copy_from_slice(self.purpose.as_bytes());
        bytes
    }

    /// Chunks of the file; at least one.
    pub(super) fn chunks(&self) -> u64 {
        self.length.div_ceil(CHUNK_BYTES as u64).max(1)
    }

    /// Bytes of the whole file; `None` where the length cannot be true.
    pub(super) fn file_bytes(&self) -> Option<u64> {
        let tags = self.chunks().checked_mul(TAG_BYTES as u64)?;
        self.length.checked_add(tags)?.checked_add(HEADER_BYTES as u64)
    }

    /// Whether the header was sealed under this name.
    pub(super) fn is_named(&self, key: &FileKey, name: &str) -> Result<bool, SealedError> {
        Ok(name_check(key, &self.salt, name)? == self.name_check)
    }
}

impl FileCipher {
    pub(super) fn new(key: &FileKey, header: &Header) -> Result<Self, SealedError> {
        let mut secret = Zeroizing::new([0; KEY_BYTES]);
        derive(key, &header.salt, &[KEY_LABEL], &mut secret[..])?;
        let cipher = FrameCipher::new(&secret).map_err(|_| refused())?;
        let fields = header.fields();
        let mut about = [0; 16 + TAG_AT - 24];
        about[..16].copy_from_slice(&fields[..16]);
        about[16..].copy_from_slice(&fields[24..TAG_AT]);
        Ok(Self { cipher, about })
    }

    /// Whether the header is authentic, its length included.
    pub(super) fn check(&self, header: &Header) -> Result<bool, SealedError> {
        Ok(self.header_tag(&header.fields())? == header.tag)
    }

    fn header_tag(&self, fields: &[u8; HEADER_BYTES]) -> Result<[u8; TAG_BYTES], SealedError> {
        let mut nothing = Vec::with_capacity(TAG_BYTES);
        self.cipher.seal_whole(HEADER_NONCE, &fields[..TAG_AT], &mut nothing).map_err(|_| refused())?;
        nothing.as_slice().try_into().map_err(|_| refused())
    }

    /// Encrypts a chunk in place and appends its tag.
    pub(super) fn seal(&self, number: u64, is_last: bool, chunk: &mut Vec<u8>) -> Result<(), SealedError> {
        self.cipher.seal_whole(nonce(number, is_last), &self.about, chunk).map_err(|_| refused())
    }

    /// Decrypts a chunk in place; `None` where it is not that chunk.
    pub(super) fn open<'bytes>(&self, number: u64, is_last: bool, sealed: &'bytes mut [u8]) -> Option<&'bytes [u8]> {
        self.cipher.open_whole(nonce(number, is_last), &self.about, sealed).ok()
    }
}

fn nonce(number: u64, is_last: bool) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&number.to_be_bytes());
    nonce[11] = u8::from(is_last);
    nonce
}

fn name_check(key: &FileKey, salt: &[u8; SALT_BYTES], name: &str) -> Result<[u8; NAME_CHECK_BYTES], SealedError> {
    let mut check = [0; NAME_CHECK_BYTES];
    derive(key, salt, &[NAME_LABEL, name.as_bytes()], &mut check)?;
    Ok(check)
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn derive(key: &FileKey, salt: &[u8; SALT_BYTES], info: &[&[u8]], out: &mut [u8]) -> Result<(), SealedError> {
    let root = Salt::new(HKDF_SHA256, salt).extract(&key.secret[..]);
    let filled = root.expand(info, Length(out.len())).and_then(|material| material.fill(out));
    filled.map_err(|_| KeyError::Internal("HKDF refused a derivation").into())
}

fn refused() -> SealedError {
    SealedError::Internal("AES-GCM refused a chunk".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_as_it_is_drawn() {
        let key = FileKey { id: 0x0403_0201, secret: Zeroizing::new([5; KEY_BYTES]) };
        let what = SealedFor { tenant: TenantId(0x0807), purpose: "contacts", name: "x" };
        let header = Header { length: 0x11, ..Header::new(what, &key, [9; SALT_BYTES]).unwrap() };
        let cipher = FileCipher::new(&key, &header).unwrap();
        let bytes = header.encode(&cipher).unwrap();
        assert_eq!(bytes[..12], *b"sealfile\x01\x00\x07\x08");
        assert_eq!((u32_at(&bytes, 12), u64_at(&bytes, 16)), (0x0403_0201, 0x11));
        assert_eq!(bytes[24..56], [9; 32]);
        assert_eq!(bytes[72..104], *b"\x08contacts\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        assert_eq!(bytes[120..124], [0; 4]);
        assert_eq!(nonce(0x0102, true), [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 1]);
        let again = Header::decode(&bytes, Path::new("x")).unwrap();
        assert!(cipher.check(&again).unwrap() && again.is_named(&key, "x").unwrap() && !again.is_named(&key, "y").unwrap());
    }
}
