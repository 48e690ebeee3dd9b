//! The operating system's files.

use crate::commit::{CommitMethod, Committer};
use crate::disk::{Disk, DiskFile, LockGuard, OpenMode, parent_of};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Readable and writable for the engine's user alone.
const FILE_MODE: u32 = 0o600;
/// The same for directories.
const DIRECTORY_MODE: u32 = 0o700;
/// Zeros written at a time when a file is preallocated.
const ZEROS_BYTES: usize = 256 * 1024;
/// What a write past the page cache must begin and end at, in memory and in the file: a page, which is a multiple of every usual block.
const DIRECT_ALIGN: u64 = 4096;

pub(super) struct FileSystem;

impl Disk for FileSystem {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(OpenFile(open(path, mode)?)))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let missing: Vec<&Path> = path.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists()).collect();
        DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(path)?;
        // Outermost first: a directory is durable once the one that holds it is synced.
        missing.into_iter().rev().try_for_each(|made| self.sync_dir(parent_of(made)))
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let mut entries = std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
        entries.sort();
        Ok(entries)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn identity(&self, path: &Path) -> io::Result<u64> {
        Ok(std::fs::metadata(path)?.ino())
    }

    fn lock_exclusive(&self, path: &Path) -> io::Result<Box<dyn LockGuard>> {
        let file = open(path, OpenMode::Create)?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(Locked { _file: file })),
            Err(TryLockError::WouldBlock) => {
                Err(io::Error::new(io::ErrorKind::WouldBlock, format!("{} is locked by another process", path.display())))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn committer(&self, method: CommitMethod) -> io::Result<Box<dyn Committer>> {
        super::commit::committer(method)
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let status = rustix::fs::statvfs(path)?;
        Ok(status.f_bavail.saturating_mul(status.f_frsize))
    }
}

fn open(path: &Path, mode: OpenMode) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).mode(FILE_MODE);
    match mode {
        OpenMode::Read => &mut options,
        OpenMode::ReadWrite => options.write(true),
        OpenMode::Create => options.write(true).create(true),
        OpenMode::CreateNew => options.write(true).create_new(true),
    };
    options.open(path)
}

struct OpenFile(File);

impl DiskFile for OpenFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buf, offset)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buf, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.0.sync_all()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.0.as_fd())
    }

    fn preallocate_zeroed(&self, len: u64) -> io::Result<()> {
        let zeros = Zeros::new();
        let start = self.len()?;
        let aligned = start.next_multiple_of(DIRECT_ALIGN).min(len);
        zeros.write(&self.0, start..aligned)?;
        let rest = zeros.write_past_the_cache(&self.0, aligned..len - len % DIRECT_ALIGN)?;
        zeros.write(&self.0, rest..len)?;
        self.0.sync_all()
    }
}

/// Zeros that lie where a device can read them.
struct Zeros(Vec<u8>);

impl Zeros {
    fn new() -> Self {
        Self(vec![0; ZEROS_BYTES + DIRECT_ALIGN as usize])
    }

    fn step(&self, span: &Range<u64>) -> &[u8] {
        let from = self.0.as_ptr().align_offset(DIRECT_ALIGN as usize);
        &self.0[from..from + usize::try_from(span.end - span.start).map_or(ZEROS_BYTES, |left| left.min(ZEROS_BYTES))]
    }

    fn write(&self, file: &File, mut span: Range<u64>) -> io::Result<()> {
        while !span.is_empty() {
            let step = self.step(&span);
            file.write_all_at(step, span.start)?;
            span.start += step.len() as u64;
        }
        Ok(())
    }

    /// From memory to the device (`O_DIRECT`): the page cache would copy each page and keep what nobody reads. Gives where it stopped: at
    /// the beginning where the file system cannot do it.
    fn write_past_the_cache(&self, file: &File, mut span: Range<u64>) -> io::Result<u64> {
        let flags = fcntl_getfl(file)?;
        if fcntl_setfl(file, flags | OFlags::DIRECT).is_err() {
            return Ok(span.start);
        }
        let written = self.write(file, span.start..span.end);
        // What comes later is of any length, and goes through the cache.
        fcntl_setfl(file, flags)?;
        match written {
            Ok(()) => span.start = span.end.max(span.start),
            // A device that asks for more than pages.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
            Err(error) => return Err(error),
        }
        Ok(span.start)
    }
}

/// The lock is the open file's (flock); closing it releases it.
struct Locked {
    _file: File,
}

impl LockGuard for Locked {}
