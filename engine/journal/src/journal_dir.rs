//! A journal's directory, looked at from outside.
//!
//! For those who read and never write: statistics, inspection, verification, backup, projections that are made anew. Nothing is locked,
//! made or changed, so an engine that has the journal goes on; what it writes meanwhile is seen or not. A tail that is being written looks
//! like a torn one: whoever judges tails must know whether an engine runs.

use crate::epoch;
use crate::error::{DiskError, JournalError};
use crate::format::{JournalId, LogKind};
use crate::key_ring::KeyRing;
use crate::survey::{self, LogDir};
use crate::tail::Tail;
use crate::writer::Shared;
use model::StreamName;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use world::{LockGuard, World};

/// A journal's directory, for reading.
#[derive(Clone)]
pub struct JournalDir {
    pub(crate) world: World,
    pub(crate) dir: PathBuf,
    pub(crate) stream: StreamName,
    pub(crate) id: JournalId,
    /// What the epoch file says; `None` where it is absent or damaged.
    pub(crate) epoch: Option<u32>,
}

impl std::fmt::Debug for JournalDir {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "JournalDir({})", self.dir.display())
    }
}

impl JournalDir {
    /// Looks at the journal of a stream; `None` where there is none.
    ///
    /// # Errors
    /// [`JournalError::Disk`].
    pub fn look(world: &World, dir: &Path, stream: StreamName) -> Result<Option<Self>, JournalError> {
        let disk = world.disk();
        let logs = [LogKind::Record, LogKind::Work].map(|log| dir.join(log.as_str()));
        if !logs.iter().all(|log| disk.exists(log)) {
            return Ok(None);
        }
        let (id, epoch) = match epoch::read(disk, &dir.join("epoch"))? {
            Some(file) => (Some(file.journal), Some(file.epoch)),
            None => (survey::stated_journal(disk, &logs)?, None),
        };
        let look = |id| Self { world: world.clone(), dir: dir.to_owned(), stream, id, epoch };
        Ok(id.map(look))
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Whose it is.
    pub fn stream(&self) -> StreamName {
        self.stream
    }

    /// Names this journal for good, as [`crate::Journal::identity`].
    pub fn identity(&self) -> [u8; 16] {
        self.id.0
    }

    /// Keeps every engine out for as long as the guard lives. For work that must not meet a writer.
    ///
    /// # Errors
    /// [`JournalError::Locked`] where an engine has it; [`JournalError::Disk`].
    pub fn lock(&self) -> Result<Box<dyn LockGuard>, JournalError> {
        self.world.disk().lock_exclusive(&self.dir.join("lock")).map_err(|error| match error.kind() {
            std::io::ErrorKind::WouldBlock => JournalError::Locked(self.dir.clone()),
            _ => JournalError::Disk(DiskError::new("lock", &self.dir)(error)),
        })
    }

    /// All records in order, as projections see them. For a journal that nobody writes: whatever is whole on disk is given.
    pub fn tail(&self, keys: KeyRing) -> Tail {
        // There is no writer to say what is durable.
        let shared = Shared { durable: AtomicU64::new(u64::MAX), ..Shared::default() };
        Tail::new(self.world.clone(), &self.dir, self.id, self.stream, keys, Arc::new(shared))
    }

    pub(crate) fn log(&self, log: LogKind) -> LogDir<'_> {
        LogDir { disk: self.world.disk(), path: self.dir.join(log.as_str()), journal: self.id, stream: self.stream, log }
    }
}
