//! A copy of a journal that is consistent, though an engine may go on writing.
//!
//! What makes it consistent: while it is made, nothing is taken away ([`crate::Journal::hold`]); and it ends at one position, a sync point
//! of the writer. Of both logs every frame up to that position is copied, and none behind it. A payload is durable, and has a lower
//! position, before any head that names it, so each job of the copy has its payload. Segments that were full by then are copied as they
//! are; the segment that holds the position is cut behind it.
//!
//! Where nobody writes there is no such position: then all is copied as it lies, a torn tail included, and the next start judges it.
//!
//! What is not copied: prepared segments, the lock, projections (they are made anew from the record).
//!
//! Each copy carries the mark [`RESTORED_MARK`]: whoever puts it in place must say so at the first start, because everything that was sent
//! after the copy was made is not in it.

use crate::error::{DiskError, JournalError, KeyError};
use crate::format::{LogKind, RecordPosition};
use crate::journal_dir::JournalDir;
use crate::segment::{self, Scanner, Step};
use crate::survey::UsedSegment;
use aws_lc_rs::digest;
use model::hex;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use world::{DiskFile, LockGuard, OpenMode, World};

/// The file that makes a copy refuse to start before somebody says that it was put back. It lies in the journal's directory.
pub const RESTORED_MARK: &str = "restored-from-backup";
/// What is read, hashed and written at once, in bytes. A stop or a pace is heeded in between.
const PIECE_BYTES: usize = 1024 * 1024;

/// A file of a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiedFile {
    /// Its path within the copy, with `/`.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its content, in hexadecimal.
    pub sha256: String,
}

/// A copy of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedJournal {
    /// The last position that it covers.
    pub position: RecordPosition,
    /// Its files.
    pub files: Vec<CopiedFile>,
}

/// Why a copy was not made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BackupError {
    /// Somebody asked it to stop.
    #[error("the backup was stopped before its end; what is in the folder is of no use: delete it")]
    Stopped,
    /// Operator: the disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Operator: the journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// How far a copy is, and how fast it may go. Shared with whoever watches it.
#[derive(Debug, Default)]
pub struct Pace {
    /// Bytes copied.
    pub done: AtomicU64,
    /// Bytes in all, as far as it is known.
    pub total: AtomicU64,
    /// Set to end it early.
    pub stop: AtomicBool,
    /// Bytes a second at most; `None` as fast as it goes.
    pub limit: Option<u64>,
}

/// Copies files into a folder.
pub struct Copier {
    world: World,
    root: PathBuf,
    pace: Arc<Pace>,
    began: model::Monotonic,
    piece: Vec<u8>,
}

impl Copier {
    /// Copies below `root`, which must exist.
    pub fn new(world: &World, root: &Path, pace: Arc<Pace>) -> Self {
        Self { world: world.clone(), root: root.to_owned(), pace, began: world.monotonic(), piece: vec![0; PIECE_BYTES] }
    }

    /// Copies a journal into the folder `to` below the root. `until` is the last position to copy, with everything held in place; `None`
    /// where nobody writes. Durable when it returns.
    ///
    /// # Errors
    /// [`BackupError`]; then what was copied is of no use.
    pub async fn journal(&mut self, from: &JournalDir, to: &str, until: Option<RecordPosition>) -> Result<CopiedJournal, BackupError> {
        let mut files = Vec::new();
        let mut position = until.unwrap_or_default();
        for log in [LogKind::Record, LogKind::Work] {
            let last = self.log(from, log, to, until, &mut files).await?;
            if until.is_none() {
                position = position.max(last);
            }
        }
        for folder in ["bundles", "checkpoints"] {
            self.folder(&from.dir.join(folder), &format!("{to}/{folder}"), |_| true, &mut files).await?;
        }
        files.extend(self.whole(&from.dir.join("epoch"), &format!("{to}/epoch")).await?);
        files.push(self.write(&format!("{to}/{RESTORED_MARK}"), mark_text(position).as_bytes())?);
        Ok(CopiedJournal { position, files })
    }

    /// Copies the key ring's files into the folder `to` below the root. While an engine uses the ring each of its files is replaced as a
    /// whole, so each copy is whole. Durable when it returns.
    ///
    /// # Errors
    /// [`BackupError`].
    pub async fn key_ring(&mut self, from: &Path, to: &str) -> Result<Vec<CopiedFile>, BackupError> {
        let mut files = Vec::new();
        self.folder(from, to, |name| name != "lock", &mut files).await?;
        Ok(files)
    }

    /// Writes a small file of our own. Durable when it returns.
    ///
    /// # Errors
    /// [`BackupError::Disk`].
    pub fn write(&self, to: &str, bytes: &[u8]) -> Result<CopiedFile, BackupError> {
        let path = self.root.join(to);
        self.world.disk().write_atomic(&path, bytes).map_err(DiskError::new("write", &path))?;
        Ok(CopiedFile { path: to.to_owned(), bytes: bytes.len() as u64, sha256: hex(digest::digest(&digest::SHA256, bytes).as_ref()) })
    }

    async fn log(
        &mut self,
        from: &JournalDir,
        log: LogKind,
        to: &str,
        until: Option<RecordPosition>,
        files: &mut Vec<CopiedFile>,
    ) -> Result<RecordPosition, BackupError> {
        let dir = from.log(log);
        let folder = format!("{to}/{log}");
        self.make(&folder)?;
        // Damage is no reason not to copy what is left; verification tells of it.
        let used = dir.survey(OpenMode::Read, &mut Vec::new())?.used;
        let is_behind = |used: &UsedSegment| {
            let first = used.header.map(|header| header.first_position());
            until.zip(first).is_some_and(|(until, first)| first > until)
        };
        let used: Vec<UsedSegment> = used.into_iter().filter(|used| !is_behind(used)).collect();
        let mut last = RecordPosition::default();
        for (index, segment) in used.iter().enumerate() {
            let path = segment::path_of(&dir.path, segment.number);
            let bytes = if index + 1 == used.len() {
                let salt = dir.name(segment.number).salt();
                let end = end_of(&segment.file, salt, until).map_err(DiskError::new("read", &path))?;
                last = end.1;
                end.0
            } else {
                segment.file.len().map_err(DiskError::new("measure", &path))?
            };
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            files.push(self.copy(&segment.file, &path, bytes, &format!("{folder}/{name}")).await?);
        }
        self.sync(&folder)?;
        Ok(last)
    }

    /// All files of a folder; nothing where it is absent. Names that begin with a dot are somebody's half-done work.
    async fn folder(
        &mut self,
        from: &Path,
        to: &str,
        wanted: impl Fn(&str) -> bool,
        files: &mut Vec<CopiedFile>,
    ) -> Result<(), BackupError> {
        let world = self.world.clone();
        if !world.disk().exists(from) {
            return Ok(());
        }
        self.make(to)?;
        for path in world.disk().read_dir(from).map_err(DiskError::new("list", from))? {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if !name.starts_with('.') && wanted(name) {
                files.extend(self.whole(&path, &format!("{to}/{name}")).await?);
            }
        }
        self.sync(to)
    }

    /// A file as it is; `None` where there is none.
    async fn whole(&mut self, from: &Path, to: &str) -> Result<Option<CopiedFile>, BackupError> {
        let file = match self.world.disk().open(from, OpenMode::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(DiskError::new("open", from)(error).into()),
        };
        let bytes = file.len().map_err(DiskError::new("measure", from))?;
        self.copy(&file, from, bytes, to).await.map(Some)
    }

    /// The first `bytes` of a file, or what is left of it: a keeper may have cut zeros off its end.
    async fn copy(&mut self, file: &Arc<dyn DiskFile>, from: &Path, bytes: u64, to: &str) -> Result<CopiedFile, BackupError> {
        let path = self.root.join(to);
        let copy = self.world.disk().open(&path, OpenMode::CreateNew).map_err(DiskError::new("create", &path))?;
        let mut hash = digest::Context::new(&digest::SHA256);
        let mut done = 0;
        while done < bytes {
            let room = self.piece.len().min(usize::try_from(bytes - done).unwrap_or(usize::MAX));
            let read = match file.read_at(&mut self.piece[..room], done) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(DiskError::new("read", from)(error).into()),
            };
            copy.write_all_at(&self.piece[..read], done).map_err(DiskError::new("write", &path))?;
            hash.update(&self.piece[..read]);
            done += read as u64;
            self.breathe(read as u64).await?;
        }
        copy.sync_all().map_err(DiskError::new("sync", &path))?;
        Ok(CopiedFile { path: to.to_owned(), bytes: done, sha256: hex(hash.finish().as_ref()) })
    }

    /// Between two pieces: whoever else is on this thread goes on, a stop is heeded, and the pace is kept.
    async fn breathe(&self, copied: u64) -> Result<(), BackupError> {
        let done = self.pace.done.fetch_add(copied, Ordering::Relaxed) + copied;
        if self.pace.stop.load(Ordering::Relaxed) {
            return Err(BackupError::Stopped);
        }
        if let Some(limit) = self.pace.limit {
            let due = Duration::from_millis(done.saturating_mul(1000) / limit.max(1));
            let spent = self.world.monotonic().since(self.began);
            if due > spent {
                self.world.sleep(due - spent).await;
            }
        }
        Ok(())
    }

    fn make(&self, folder: &str) -> Result<(), BackupError> {
        let path = self.root.join(folder);
        Ok(self.world.disk().create_dir_all(&path).map_err(DiskError::new("create", &path))?)
    }

    fn sync(&self, folder: &str) -> Result<(), BackupError> {
        let path = self.root.join(folder);
        Ok(self.world.disk().sync_dir(&path).map_err(DiskError::new("sync", &path))?)
    }
}

impl JournalDir {
    /// Bytes that a copy of it takes, as it is now.
    ///
    /// # Errors
    /// [`JournalError::Disk`].
    pub fn backup_bytes(&self) -> Result<u64, JournalError> {
        let mut bytes = 0;
        for log in [LogKind::Record, LogKind::Work] {
            let dir = self.log(log);
            let used = dir.survey(OpenMode::Read, &mut Vec::new())?.used;
            for (index, segment) in used.iter().enumerate() {
                let path = segment::path_of(&dir.path, segment.number);
                bytes += if index + 1 == used.len() {
                    // The rest of it is room for frames to come.
                    end_of(&segment.file, dir.name(segment.number).salt(), None).map_err(DiskError::new("read", &path))?.0
                } else {
                    segment.file.len().map_err(DiskError::new("measure", &path))?
                };
            }
        }
        for folder in ["bundles", "checkpoints"] {
            bytes += crate::stats::folder(self, &self.dir.join(folder))?.bytes;
        }
        Ok(bytes)
    }

    /// The journal's id, in hexadecimal: copies of one journal have the same.
    pub fn id(&self) -> String {
        hex(&self.id.0)
    }

    /// Number of the last start, where the epoch file says it.
    pub fn last_start(&self) -> Option<u32> {
        self.epoch
    }
}

/// Keeps every engine away from a key ring for as long as the guard lives.
///
/// # Errors
/// [`KeyError::Locked`] where an engine has it; [`KeyError::Disk`].
pub fn lock_key_ring(world: &World, dir: &Path) -> Result<Box<dyn LockGuard>, KeyError> {
    world.disk().lock_exclusive(&dir.join("lock")).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => KeyError::Locked(dir.to_owned()),
        _ => KeyError::Disk(DiskError::new("lock", dir)(error)),
    })
}

/// SHA-256 of a file, in hexadecimal, and its length. Reads in pieces; `each` is told of each.
///
/// # Errors
/// [`DiskError`].
pub fn file_sha256(world: &World, path: &Path, mut each: impl FnMut(u64)) -> Result<(u64, String), DiskError> {
    let file = world.disk().open(path, OpenMode::Read).map_err(DiskError::new("open", path))?;
    let mut hash = digest::Context::new(&digest::SHA256);
    let (mut piece, mut done) = (vec![0; PIECE_BYTES], 0);
    loop {
        match file.read_at(&mut piece, done) {
            Ok(0) => return Ok((done, hex(hash.finish().as_ref()))),
            Ok(read) => {
                hash.update(&piece[..read]);
                done += read as u64;
                each(read as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(DiskError::new("read", path)(error)),
        }
    }
}

/// How much of the last segment belongs to the copy, and the position of the last frame in that.
fn end_of(file: &Arc<dyn DiskFile>, salt: u32, until: Option<RecordPosition>) -> io::Result<(u64, RecordPosition)> {
    let mut scanner = Scanner::new(file.clone(), salt, crate::bounds::SEGMENT_HEADER_BYTES as u64)?;
    let mut last = RecordPosition::default();
    loop {
        match scanner.step()? {
            Step::Frame { offset, header, .. } => {
                if until.is_some_and(|until| header.position() > until) {
                    return Ok((offset, last));
                }
                last = last.max(header.position());
            }
            Step::Damage { .. } => {}
            // What the writer is at now lies behind the position. Where nobody writes, a crash tore it,
            // and it is kept for the start to judge.
            Step::End { torn: true, .. } if until.is_none() => return Ok((file.len()?, last)),
            Step::End { offset, .. } => return Ok((offset, last)),
        }
    }
}

fn mark_text(position: RecordPosition) -> String {
    format!(
        "This is a copy of a journal, made by `sealpost journal backup`; its last position is {position}.\n\
         What was sent after it was made is not in it. Where it is put back, the engine does not start\n\
         before it is told so: `sealpost run --restored --reason TEXT`. Then everything that was not settled in it\n\
         becomes uncertain, and nothing of it is sent again unless the configuration says so.\n"
    )
}
