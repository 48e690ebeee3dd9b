//! Why the key index cannot say whether a key is known. The rows wait for it: "not known" would send twice.

use std::io;
use std::path::{Path, PathBuf};

/// No answer; nothing was accepted.
#[derive(Debug, thiserror::Error)]
pub enum KeyIndexError {
    /// The disk said no.
    #[error("the key index cannot {what} {path}: {error}; nothing was accepted, hand the rows in again when the disk works")]
    Disk {
        /// What was tried.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A file of it is damaged. The index is only a projection: it is made again from the record.
    #[error("the key index is damaged at {path} ({what}); it is rebuilt from the record, hand the rows in again in a few minutes")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What does not fit.
        what: &'static str,
    },
    /// It is being made again from the record.
    #[error("the key index is being rebuilt from the record; hand the rows in again in a few minutes")]
    Rebuilding,
    /// Its keys pile up in memory because they cannot be written.
    #[error("the key index cannot write to {path}, and its memory is full; free the disk, then hand the rows in again")]
    Behind {
        /// Its folder.
        path: PathBuf,
    },
}

impl KeyIndexError {
    pub(super) fn disk(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Disk { what, path: path.to_path_buf(), error }
    }

    pub(super) fn damaged(path: &Path, what: &'static str) -> Self {
        Self::Damaged { path: path.to_path_buf(), what }
    }
}
