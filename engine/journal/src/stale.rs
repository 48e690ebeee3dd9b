//! Is this the journal that was here last time?
//!
//! A journal that was put back from a backup, or copied, looks whole: its jobs are queued, its keys open them. Sending from it would send
//! again what went out after the copy was made, and two that run would give the same nonces twice. So four things are compared at each
//! start, before anything is changed:
//!
//! ```text
//! the directory says               the key ring, outside it, says      it is stale where
//! <dir>/epoch: last start          last start of this stream           the directory is behind, or does not say it although there are segments,
//!                                                                      or is empty
//! <dir>/epoch: journal id          journal id                          they differ
//! inode of <dir>, now and then     inode of <dir>, then                they differ: a copy, or moved to another file system
//! <dir>/restored-from-backup                                           it is there: a backup carries it, and so does a restoration that a crash cut short
//! ```
//!
//! The order of a start (epoch file, then ring; each durable before the next) makes that a crash at any moment leaves nothing of this. What
//! it cannot see: a copy of the whole machine, inodes and key ring included, that runs beside the original.
//!
//! An operator who knows that nothing newer exists says so once, by name and with a reason ([`Vouch`]); [`crate::restore`] is what follows.

use crate::backup::RESTORED_MARK;
use crate::epoch::{self, EpochFile};
use crate::error::{DiskError, JournalError};
use crate::format::LogKind;
use crate::key_ring::KeyRing;
use crate::segment;
use model::StreamName;
use std::fmt;
use std::path::{Path, PathBuf};
use world::{Disk, World};

/// One reason to take a journal for an old or foreign copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StaleSign {
    /// It carries the mark of a backup.
    Marked,
    /// Its last start is before the last that the key ring knows.
    Older {
        /// The last start of the directory.
        directory: u32,
        /// The last start that the key ring knows.
        ring: u32,
    },
    /// The directory is another one than at its last start.
    Elsewhere,
    /// The key ring knows another journal.
    Another,
    /// There are segments, but nothing says of which start.
    NoEpoch,
    /// There is nothing in it, and the key ring knows its past.
    Empty {
        /// The last start that the key ring knows.
        ring: u32,
    },
}

impl fmt::Display for StaleSign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Marked => write!(f, "it carries the mark of a backup or of a restoration that did not end (the file {RESTORED_MARK})"),
            Self::Older { directory, ring } => {
                write!(f, "its last start is {directory}, and the key ring knows start {ring}: it is an older copy")
            }
            Self::Elsewhere => {
                f.write_str("its directory is not the one of its last start: it was copied, or moved to another file system")
            }
            Self::Another => f.write_str("the key ring knows another journal of this stream"),
            Self::NoEpoch => f.write_str("its file `epoch` is missing or damaged, although there are segments"),
            Self::Empty { ring } => write!(f, "it is empty, and the key ring knows start {ring}: is its file system mounted?"),
        }
    }
}

/// A journal that is not taken for what it was, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stale {
    /// Its directory.
    pub dir: PathBuf,
    /// Its stream.
    pub stream: StreamName,
    /// What was found; never empty.
    pub signs: Vec<StaleSign>,
    /// The last start that the directory knows; 0 where it knows none.
    pub directory_epoch: u32,
    /// The last start that is known outside it; 0 where none is.
    pub known_epoch: u32,
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dir, stream, signs, .. } = self;
        let signs: Vec<String> = signs.iter().map(ToString::to_string).collect();
        write!(
            f,
            "the {stream} journal in {} is not the one that was written last: {}. Jobs that it shows as waiting may have been sent since it was copied, \
             and a start would send them again, so nothing was started and nothing changed. Put the newest journal in its place. Where this one \
             is the newest there is, start it once with `--restored --reason TEXT`: each job that is not settled then counts as possibly sent",
            dir.display(),
            signs.join("; ")
        )
    }
}

/// An operator's word that a stale journal is the newest there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouch {
    /// The operator's login name.
    pub by: String,
    /// Why, in the operator's words.
    pub reason: String,
}

/// Whether the journal of a stream in `dir` is stale. Changes nothing and takes no lock; `keys` is open,
/// so nobody else starts it meanwhile.
///
/// # Errors
/// [`JournalError::Disk`].
pub fn look_for_staleness(world: &World, dir: &Path, stream: StreamName, keys: &KeyRing) -> Result<Option<Stale>, JournalError> {
    let disk = world.disk();
    let path = dir.join("epoch");
    let file = epoch::read(disk, &path)?;
    let identity = if disk.exists(dir) { Some(disk.identity(dir).map_err(DiskError::new("look at", dir))?) } else { None };
    let known = keys.journal(stream);
    let ring = known.as_ref().map_or(0, |known| known.epoch);
    let mut signs = Vec::new();
    if disk.exists(&dir.join(RESTORED_MARK)) {
        signs.push(StaleSign::Marked);
    }
    match &file {
        Some(EpochFile { epoch, .. }) if *epoch < ring => signs.push(StaleSign::Older { directory: *epoch, ring }),
        Some(_) => {}
        None if ring == 0 => {}
        None if has_segments(disk, dir)? => signs.push(StaleSign::NoEpoch),
        None => signs.push(StaleSign::Empty { ring }),
    }
    let home = known.and_then(|known| known.home);
    if let Some(file) = &file {
        if home.is_some_and(|home| home.journal != file.journal) {
            signs.push(StaleSign::Another);
        }
        let last = [file.directory, home.map(|home| home.directory)].into_iter().flatten();
        if last.into_iter().any(|last| identity != Some(last)) {
            signs.push(StaleSign::Elsewhere);
        }
    }
    let directory_epoch = file.map_or(0, |file| file.epoch);
    Ok((!signs.is_empty()).then(|| Stale { dir: dir.to_owned(), stream, signs, directory_epoch, known_epoch: ring }))
}

fn has_segments(disk: &dyn Disk, dir: &Path) -> Result<bool, JournalError> {
    for log in [LogKind::Record, LogKind::Work] {
        let folder = dir.join(log.as_str());
        if disk.exists(&folder) && !segment::numbers(disk, &folder)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Sets the mark: until it is taken off, every start refuses without an operator's word. Durable when it returns.
pub(crate) fn mark(disk: &dyn Disk, dir: &Path) -> Result<(), DiskError> {
    let path = dir.join(RESTORED_MARK);
    if disk.exists(&path) {
        return Ok(());
    }
    disk.write_atomic(&path, b"a restoration is under way\n").map_err(DiskError::new("write", &path))
}

/// Takes the mark off. Durable when it returns.
pub(crate) fn unmark(disk: &dyn Disk, dir: &Path) -> Result<(), DiskError> {
    let path = dir.join(RESTORED_MARK);
    disk.remove_file(&path).map_err(DiskError::new("remove", &path))?;
    disk.sync_dir(dir).map_err(DiskError::new("sync", dir))
}

/// Takes a copied directory for the one of its last start, as an image of the disk would be. For tests that copy what a crash would leave.
#[doc(hidden)]
pub fn adopt(world: &World, dir: &Path, stream: StreamName, keys: &KeyRing) -> Result<(), JournalError> {
    let disk = world.disk();
    let path = dir.join("epoch");
    let Some(file) = epoch::read(disk, &path)? else { return Ok(()) };
    let directory = disk.identity(dir).map_err(DiskError::new("look at", dir))?;
    epoch::write(disk, &path, file.journal, file.epoch, directory)?;
    if keys.journal(stream).is_some() {
        let home = crate::key_ring::Home { journal: file.journal, directory };
        keys.remember_start(stream, keys.epoch(stream), home, crate::key_ring::FirstNumbers::default())?;
    }
    Ok(())
}
