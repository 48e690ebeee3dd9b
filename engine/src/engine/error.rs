//! Why the engine cannot start, and why it does not accept a batch.

use crate::contact_store::ContactStoreError;
use crate::pipeline::StartError;
use crate::projection::ProjectionError;
use intake::KeyIndexError;
use journal::{JournalError, KeyError, Stale};
use model::reject::Refusal;
use render::TemplateError;
use std::path::PathBuf;

/// Why the engine cannot start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The key ring cannot be opened.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// A stream cannot start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A tenant's bundle cannot be stored.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A tenant's templates cannot be read.
    #[error(transparent)]
    Templates(#[from] TemplateError),
    /// Journals that are old copies, clones or empty.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; also: "))]
    Stale(Vec<Stale>),
    /// An operator's word that nothing asked for.
    #[error(
        "nothing was restored here: each journal is the one that was written last. Start without --restored, and leave it out of unit files and scripts"
    )]
    NothingRestored,
    /// A folder cannot be made.
    #[error("{path}: {error}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
}

impl EngineError {
    /// Whether a journal is an old copy, a clone or empty.
    pub fn is_stale(&self) -> bool {
        matches!(self, Self::Stale(_) | Self::Start(StartError::Journal(JournalError::Stale(_))))
    }

    /// Whether another process owns the journal.
    pub fn is_locked(&self) -> bool {
        matches!(self, Self::Keys(KeyError::Locked(_)) | Self::Start(StartError::Journal(JournalError::Locked(_))))
    }
}

/// Why a batch was not accepted. Nothing of it binds.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// The file cannot be a batch.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The request names something this installation does not have.
    #[error("{0}")]
    Unknown(String),
    /// A file cannot be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// A file of results cannot be written.
    #[error("{path}: {error}; the batch was not accepted")]
    Unwritable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The journal said no; the batch was not accepted.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A key cannot be had.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// Our own counts do not add up (invariant 3).
    #[error(
        "{file}: the counts of its rows do not balance; the batch was not accepted; this is a fault of sealpost: report it with the output of `sealpost check-batch`"
    )]
    Unbalanced {
        /// The file's name.
        file: String,
    },
    /// Whether a row is a repeat is not known now.
    #[error(transparent)]
    Repeats(#[from] KeyIndexError),
    /// Contact data cannot be stored, or not be read back.
    #[error(transparent)]
    Contacts(Box<ContactStoreError>),
    /// How an earlier version stands is not known now.
    #[error("a row corrects an earlier statement, and how that one stands is not known: {0}; hand it in again")]
    Standing(Box<ProjectionError>),
    /// The intake thread ended.
    #[error("the intake of this file stopped; the log says why; the batch was not accepted")]
    Stopped,
}

impl AcceptError {
    /// Nothing is wrong with what was handed in: the same may be handed in again later.
    pub fn is_not_now(&self) -> bool {
        matches!(self, Self::Journal(error) if error.is_not_now())
    }
}
