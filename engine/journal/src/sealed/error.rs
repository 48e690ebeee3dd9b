//! What can be wrong with a sealed file, told apart.

use super::PURPOSE_BYTES_MAX;
use crate::error::{DiskError, KeyError};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why a file was not sealed, or does not open. None of its content is in here.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SealedError {
    /// Operator: the disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Operator: the key ring.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// We: a purpose that a header has no room for.
    #[error("a purpose has 1 to {PURPOSE_BYTES_MAX} bytes of ASCII")]
    Purpose,
    /// Operator: no sealed file.
    #[error("{} is no file that sealpost sealed", .0.display())]
    NotSealed(PathBuf),
    /// Operator: made by a later version of sealpost.
    #[error("{} has version {found} of the format of sealed files, this sealpost knows {known}: upgrade, do not downgrade", path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: u16,
        /// Ours.
        known: u16,
    },
    /// Operator: the header's checksum does not fit: damage, not forgery.
    #[error("the header of {} is damaged: restore the file from a copy", .0.display())]
    HeaderDamaged(PathBuf),
    /// Operator: the header's checksum fits and its tag does not: somebody wrote it who has no key, or it is another installation's.
    #[error("the header of {} was not written under this key ring: it is another installation's, or somebody changed it", .0.display())]
    HeaderForged(PathBuf),
    /// Sender, operator: another tenant's.
    #[error("{} belongs to tenant {found}, not to tenant {asked}", path.display())]
    WrongTenant {
        /// Which file.
        path: PathBuf,
        /// Whose it was asked as.
        asked: u16,
        /// Whose it is.
        found: u16,
    },
    /// We, operator: a file for another purpose stands in its place.
    #[error("{} was sealed as '{found}', not as '{asked}'", path.display())]
    WrongPurpose {
        /// Which file.
        path: PathBuf,
        /// What it was asked as.
        asked: String,
        /// What it is.
        found: String,
    },
    /// Operator: another file stands in its place.
    #[error("{} was sealed under another name: files changed places, or it was renamed; give it its name back", .0.display())]
    WrongName(PathBuf),
    /// Nobody: the key was deleted on purpose.
    #[error("the key of {} was destroyed: its content is gone for good", .0.display())]
    KeyDestroyed(PathBuf),
    /// Operator: bytes are missing at the end.
    #[error("{} was cut: it has {found} of {expected} bytes; restore it from a copy", path.display())]
    Truncated {
        /// Which file.
        path: PathBuf,
        /// Bytes it has.
        found: u64,
        /// Bytes it had.
        expected: u64,
    },
    /// Operator: bytes were added at the end.
    #[error("{} has {found} bytes where {expected} were sealed: something was appended to it", path.display())]
    Longer {
        /// Which file.
        path: PathBuf,
        /// Bytes it has.
        found: u64,
        /// Bytes it had.
        expected: u64,
    },
    /// Operator: a chunk stands where another belongs.
    #[error("{} has chunk {found} where chunk {expected} belongs: its parts were put in another order", path.display())]
    Moved {
        /// Which file.
        path: PathBuf,
        /// The place, from 0.
        expected: u64,
        /// Which chunk stands there.
        found: u64,
    },
    /// Operator: bytes were changed.
    #[error("chunk {chunk} of {} is damaged: restore the file from a copy", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Which chunk, from 0.
        chunk: u64,
    },
    /// We: more than the caller takes.
    #[error("{} holds {bytes} bytes, at most {max} are read at once", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// What it holds.
        bytes: u64,
        /// What fits.
        max: usize,
    },
    /// We: a cipher refused what cannot fail, or a stream broke off.
    #[error("internal failure of a sealed file: {0}")]
    Internal(Arc<str>),
}

impl SealedError {
    /// What stands behind an error of [`std::io::Read`] or [`std::io::Write`] on a sealed file.
    pub fn from_io(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(known) => known,
            Err(other) => Self::Internal(other.to_string().into()),
        }
    }

    /// For [`std::io::Read`] and [`std::io::Write`]; [`SealedError::from_io`] gets it back.
    pub(super) fn into_io(self) -> io::Error {
        let kind = match &self {
            Self::Disk(error) => error.source.kind(),
            _ => io::ErrorKind::InvalidData,
        };
        io::Error::new(kind, self)
    }
}
