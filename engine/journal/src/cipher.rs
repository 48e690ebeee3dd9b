//! AES-256-GCM over frames: nonce and additional data.
//!
//! The nonce is start epoch (u32) ‖ frame sequence (u64), so it never comes twice under one key: the epoch is raised and synced
//! before the first frame of a start, and the sequence counts over both logs of the stream (invariant 5). A lost write makes no
//! number come again, because the start after the crash has another epoch.
//!
//! Additional data: journal id ‖ bytes 8..40 of the frame header (sequence, epoch, kind, encoding, attempt, job, message, tenant,
//! key id). Never an offset: a frame that is moved by compaction stays readable only because it is encrypted anew, with its new sequence.

use crate::bounds::{FRAME_HEADER_BYTES, TAG_BYTES};
use crate::format::JournalId;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use std::fmt;

/// Length of every secret key here, in bytes.
pub(crate) const KEY_BYTES: usize = 32;
const AUTHENTICATED_HEADER: std::ops::Range<usize> = 8..FRAME_HEADER_BYTES;
const AAD_BYTES: usize = 16 + FRAME_HEADER_BYTES - 8;

/// The cipher refused: not authentic, or (sealing) an internal failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CipherError;

/// A key that is ready for use. `Debug` shows nothing.
pub(crate) struct FrameCipher {
    key: LessSafeKey,
}

impl fmt::Debug for FrameCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FrameCipher")
    }
}

impl FrameCipher {
    pub(crate) fn new(key: &[u8; KEY_BYTES]) -> Result<Self, CipherError> {
        let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| CipherError)?;
        Ok(Self { key: LessSafeKey::new(key) })
    }

    /// Encrypts in place and gives the tag. `header` is the encoded frame header.
    pub(crate) fn seal(
        &self,
        journal: JournalId,
        header: &[u8; FRAME_HEADER_BYTES],
        plain: &mut [u8],
    ) -> Result<[u8; TAG_BYTES], CipherError> {
        let tag = self.key.seal_in_place_separate_tag(nonce(header), aad(journal, header), plain).map_err(|_| CipherError)?;
        tag.as_ref().try_into().map_err(|_| CipherError)
    }

    /// Decrypts ciphertext ‖ tag in place.
    pub(crate) fn open<'frame>(
        &self,
        journal: JournalId,
        header: &[u8; FRAME_HEADER_BYTES],
        sealed: &'frame mut [u8],
    ) -> Result<&'frame mut [u8], CipherError> {
        self.key.open_in_place(nonce(header), aad(journal, header), sealed).map_err(|_| CipherError)
    }

    /// Seals something that is no frame (a bundle) under a key that seals nothing else, with a random nonce.
    pub(crate) fn seal_whole(&self, nonce: [u8; 12], about: &[u8], bytes: &mut Vec<u8>) -> Result<(), CipherError> {
        self.key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(about), bytes).map_err(|_| CipherError)
    }

    /// Opens what [`FrameCipher::seal_whole`] sealed.
    pub(crate) fn open_whole<'bytes>(&self, nonce: [u8; 12], about: &[u8], sealed: &'bytes mut [u8]) -> Result<&'bytes [u8], CipherError> {
        let plain = self.key.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(about), sealed).map_err(|_| CipherError)?;
        Ok(plain)
    }
}

/// NIST SP 800-38D section 8.2.1, the deterministic construction: fixed field (epoch) and invocation field (sequence).
fn nonce(header: &[u8; FRAME_HEADER_BYTES]) -> Nonce {
    let mut bytes = [0u8; 12];
    bytes[..4].copy_from_slice(&header[16..20]);
    bytes[4..].copy_from_slice(&header[8..16]);
    Nonce::assume_unique_for_key(bytes)
}

fn aad(journal: JournalId, header: &[u8; FRAME_HEADER_BYTES]) -> Aad<[u8; AAD_BYTES]> {
    let mut bytes = [0u8; AAD_BYTES];
    bytes[..16].copy_from_slice(&journal.0);
    bytes[16..].copy_from_slice(&header[AUTHENTICATED_HEADER]);
    Aad::from(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds the drawings of nonce and additional data to the bytes.
    #[test]
    fn nonce_and_additional_data_are_as_they_are_drawn() {
        let header: [u8; FRAME_HEADER_BYTES] = std::array::from_fn(|at| at as u8);
        let nonce = nonce(&header);
        let bytes = nonce.as_ref();
        assert_eq!(bytes.len(), 12);
        assert_eq!(bytes[..4], header[16..20], "epoch");
        assert_eq!(bytes[4..], header[8..16], "sequence");
        let aad = aad(JournalId([9; 16]), &header);
        let bytes = aad.as_ref();
        assert_eq!(bytes.len(), 48);
        assert_eq!(bytes[..16], [9; 16]);
        assert_eq!(bytes[16..], header[8..40]);
    }
}
