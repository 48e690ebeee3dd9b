//! OpenPGP (RFC 9580): files that come encrypted to a tenant's key, opened in memory alone, while they are read.
//!
//! It promises that nothing counts as whole which is not authenticated to its end: the batch of a file that was changed or cut is given
//! up before its commit. Encryption without integrity protection (the old tag 9) is not opened. It leaves to others: wrappings inside
//! (`intake`), sealing what came in. Who signed a file is not looked at: who may drop files is decided by the folders.
//!
//! Secret keys and their passphrases come from files of mode 0600, or the passphrase from the environment.

use crate::source::{Hashing, SourceReader};
use intake::wrapping::WrappingLimits;
use model::reject::Refusal;
use pgp::composed::{Deserializable, Message, SignedSecretKey};
use pgp::types::Password;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const READ_BYTES: usize = 256 * 1024;
const KEY_BYTES_MAX: u64 = 1 << 20;
/// A message in a message in a message is nobody's batch.
const LAYERS_MAX: usize = 4;
/// The ratio is not judged before so many bytes have come out.
const RATIO_FROM_BYTES: u64 = 64 << 20;

/// Where a tenant's secret key lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenPgpFiles {
    /// The secret key, armored or not; mode 0600.
    pub key_file: PathBuf,
    /// What opens it, where it is locked.
    pub passphrase: Option<Passphrase>,
}

/// Where a passphrase comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passphrase {
    /// The first line of a file of mode 0600.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
}

/// A tenant's secret key. `Debug` shows nothing.
pub struct OpenPgpKey {
    key: SignedSecretKey,
    password: Password,
}

impl fmt::Debug for OpenPgpKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpenPgpKey")
    }
}

impl OpenPgpKey {
    /// Reads a key and tries its passphrase.
    ///
    /// # Errors
    /// One sentence: what is wrong with which file, and what to do.
    pub fn load(files: &OpenPgpFiles) -> Result<Self, String> {
        let path = files.key_file.display();
        let bytes = secret_file(&files.key_file)?;
        let (key, _) = SignedSecretKey::from_reader_single(&bytes[..])
            .map_err(|_| format!("{path}: expected an OpenPGP secret key, as `gpg --export-secret-keys --armor` writes it"))?;
        key.verify_bindings().map_err(|_| format!("{path}: its parts are not bound to each other: export the key again"))?;
        let password = match &files.passphrase {
            None => Password::empty(),
            Some(Passphrase::File(file)) => first_line(&secret_file(file)?),
            Some(Passphrase::Environment(name)) => {
                let typed = std::env::var(name)
                    .map_err(|_| format!("the environment variable {name} is not set: it holds the passphrase of {path}"))?;
                first_line(&Zeroizing::new(typed.into_bytes()))
            }
        };
        let opens = key.primary_key.unlock(&password, |_, _| Ok(()));
        if !matches!(opens, Ok(Ok(()))) {
            return Err(format!("{path}: the passphrase does not open it; write openpgp.passphrase_file or passphrase_environment"));
        }
        Ok(Self { key, password })
    }

    /// A reader of what is in an encrypted file of `bytes`.
    ///
    /// # Errors
    /// [`Refusal`]: it is not for this key, or no message.
    pub(crate) fn open(&self, file: &str, bytes: u64, reader: BufReader<Hashing>) -> Result<Box<dyn BufRead>, Refusal> {
        let refuse = |reason, expected: &str, action: &str| Refusal {
            file: file.to_owned(),
            reason,
            expected: expected.to_owned(),
            action: action.to_owned(),
        };
        let damaged = |_| refuse("openpgp_damaged", "expected a whole OpenPGP message", "ask the sender for the file again");
        let (message, _) = Message::from_reader(reader).map_err(damaged)?;
        let mut message = message.decrypt(&self.password, &self.key).map_err(|_| {
            refuse(
                "openpgp_other_key",
                "expected a message that is encrypted to this tenant's key, with integrity protection",
                "give the sender the tenant's public key, and have the file encrypted to it again",
            )
        })?;
        for _ in 0..LAYERS_MAX {
            if !message.is_compressed() {
                break;
            }
            message = message.decompress().map_err(damaged)?;
        }
        let bytes_max = bytes.saturating_mul(WrappingLimits::default().ratio_max).max(RATIO_FROM_BYTES);
        Ok(Box::new(BufReader::with_capacity(READ_BYTES, Opened { message, left: bytes_max })))
    }
}

/// What comes out of a message, bounded.
struct Opened {
    message: Message<'static>,
    left: u64,
}

impl Read for Opened {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.message.read(buffer)?;
        let too_large = || io::Error::new(io::ErrorKind::InvalidData, "the message unpacks to far more than a batch of its size would");
        self.left = self.left.checked_sub(count as u64).ok_or_else(too_large)?;
        Ok(count)
    }
}

/// Whether a file begins as an OpenPGP message that is encrypted to a key: RFC 9580 sections 4.2 and 6.2.
pub(crate) fn is_openpgp(mut reader: SourceReader) -> bool {
    let mut start = [0; 27];
    let mut read = 0;
    while read < start.len() {
        match reader.read(&mut start[read..]) {
            Ok(0) | Err(_) => break,
            Ok(count) => read += count,
        }
    }
    begins_as_message(&start[..read])
}

fn begins_as_message(start: &[u8]) -> bool {
    match start {
        // A public-key encrypted session key (1), new and old form; its version is 3 or 6.
        [0xc1, ..] => true,
        [0x84, _, 3, ..] | [0x85, _, _, 3, ..] => true,
        _ => start.starts_with(b"-----BEGIN PGP MESSAGE-----"),
    }
}

fn secret_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let at = |error: io::Error| format!("{}: {error}", path.display());
    let file = std::fs::File::open(path).map_err(at)?;
    let mode = file.metadata().map_err(at)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!("{} can be read by others (mode {mode:o}): chmod 600 it", path.display()));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(KEY_BYTES_MAX).read_to_end(&mut bytes).map_err(at)?;
    Ok(bytes)
}

fn first_line(bytes: &[u8]) -> Password {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or(&[]);
    Password::from(line.strip_suffix(b"\r").unwrap_or(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_known_by_its_first_bytes() {
        for start in [&b"\xc1\xc0\x4c\x03"[..], b"\x85\x01\x0c\x03\x00", b"\x84\x5e\x03\x00", b"-----BEGIN PGP MESSAGE-----"] {
            assert!(begins_as_message(start));
        }
        for start in
            [&b"ISA*00*"[..], b"{\"a\":1}", b"\x1f\x8b\x08\x00", b"PK\x03\x04", b"-----BEGIN PGP PUBLIC KEY BLOCK", b"", b"\xef\xbb\xbfid"]
        {
            assert!(!begins_as_message(start));
        }
    }
}
