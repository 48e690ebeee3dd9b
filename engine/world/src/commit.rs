//! Making bytes durable in order: several files, one call.
//!
//! A [`Committer`] writes and syncs each [`DurableWrite`] before it begins the next one. That is what [`DiskFile::write_all_at`] and
//! [`DiskFile::sync_data`] do one after the other, and a disk need not have anything better: [`crate::Disk::committer`] gives one only
//! where the system has a way of its own ([`CommitMethod`]). Which is faster is for the caller to measure.

use crate::disk::DiskFile;
use std::fmt;
use std::io;

/// A way to write and sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CommitMethod {
    /// pwrite, then fdatasync. Every disk has it.
    Pwrite,
    /// pwritev2 with `RWF_DSYNC`: both in one call, for one file.
    Pwritev2,
    /// io_uring: linked write and fsync of all files in one submission.
    IoUring,
}

impl CommitMethod {
    /// As it is typed and logged.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pwrite => "pwrite",
            Self::Pwritev2 => "pwritev2",
            Self::IoUring => "io_uring",
        }
    }
}

impl fmt::Display for CommitMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Bytes for a place in a file.
#[derive(Clone, Copy)]
pub struct DurableWrite<'a> {
    /// The file.
    pub file: &'a dyn DiskFile,
    /// What is written; where it is empty the file is only synced.
    pub bytes: &'a [u8],
    /// Where, in bytes from the start of the file.
    pub offset: u64,
    /// The file has bytes from earlier writes that no sync has covered: they become durable too.
    pub has_unsynced: bool,
}

/// Which write could not be made durable. Those before it are; those after it were not begun.
#[derive(Debug)]
pub struct CommitFault {
    /// Its place among the writes, from 0.
    pub write: usize,
    /// `write` or `sync`.
    pub action: &'static str,
    /// What the system said.
    pub source: io::Error,
}

/// Writes and syncs in order.
pub trait Committer: Send {
    /// Its way.
    fn method(&self) -> CommitMethod;

    /// Makes the writes durable, each before the next one is begun. Blocks the thread.
    ///
    /// # Errors
    /// [`CommitFault`]. After a failed sync nothing of that file since its last good sync may be relied on.
    fn commit(&mut self, writes: &[DurableWrite<'_>]) -> Result<(), CommitFault>;
}

/// pwrite, then fdatasync.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pwrite;

impl Committer for Pwrite {
    fn method(&self) -> CommitMethod {
        CommitMethod::Pwrite
    }

    fn commit(&mut self, writes: &[DurableWrite<'_>]) -> Result<(), CommitFault> {
        for (index, write) in writes.iter().enumerate() {
            let fault = |action| move |source| CommitFault { write: index, action, source };
            if !write.bytes.is_empty() {
                write.file.write_all_at(write.bytes, write.offset).map_err(fault("write"))?;
            }
            write.file.sync_data().map_err(fault("sync"))?;
        }
        Ok(())
    }
}
