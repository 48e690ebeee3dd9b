//! Which contact data it is: a number that follows its bytes.

use std::io::Read;

/// The bit of a version that says: these contacts came with one batch and are not what the tenant goes by.
pub(super) const ONE_OFF: u32 = 1 << 31;

/// The version of contact data: 31 bits of the SHA-256 of its bytes, never 0.
#[derive(Clone)]
pub struct VersionHash(aws_lc_rs::digest::Context);

impl Default for VersionHash {
    fn default() -> Self {
        Self(aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256))
    }
}

impl VersionHash {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The version.
    pub fn finish(self) -> u32 {
        let digest = self.0.finish();
        let start = digest.as_ref().first_chunk::<4>().expect("SHA-256 has 32 bytes");
        (u32::from_be_bytes(*start) & !ONE_OFF).max(1)
    }
}

/// Passes a reader through and takes the version of what passes.
pub(super) struct Hashed<R> {
    reader: R,
    hash: VersionHash,
}

impl<R> Hashed<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, hash: VersionHash::default() }
    }

    /// The version of what has passed.
    pub(super) fn version(self) -> u32 {
        self.hash.finish()
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}
