//! What can go wrong with the ledger, named by who must act.

use std::path::PathBuf;

/// The ledger cannot be read or written. Nothing is lost by it: the record is the truth.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Operator: the folder is not there or not ours.
    #[error("{}: the ledger cannot be created: {cause}; create its folder or change [paths] ledger", path.display())]
    Create {
        /// The ledger's file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// Operator: a ledger of another version.
    #[error("the ledger has layout {found}, this engine writes layout {expected}; delete the file, it is rebuilt from the record")]
    Layout {
        /// What the file says.
        found: i64,
        /// What this engine writes.
        expected: i64,
    },
    /// Operator: its pages do not fit together.
    #[error("the ledger is damaged: {0}; `sealpost ledger rebuild` makes it anew from the record")]
    Damaged(String),
    /// We or the disk: SQLite refused.
    #[error("the ledger failed: {0}; if it persists, stop the engine and delete the file, it is rebuilt from the record")]
    Sqlite(#[from] rusqlite::Error),
}
