//! Files and directories, with what is durable and what is not said out loud.
//!
//! Bytes are durable after [`DiskFile::sync_data`]; a name (created, renamed, removed) after [`Disk::sync_dir`] of
//! its directory. The simulated disk loses or tears everything else at a crash, so code that forgets a sync is found.
//! Calls block the thread. Files are created 0600 and directories 0700: what lies here belongs to the engine alone.

use crate::commit::{CommitMethod, Committer};
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How a file is opened. A created file has mode 0600.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// Reading; the file must exist.
    Read,
    /// Reading and writing; the file must exist.
    ReadWrite,
    /// Reading and writing; made empty where it does not exist.
    Create,
    /// Reading and writing; it must not exist (`AlreadyExists` otherwise).
    CreateNew,
}

/// A file system.
pub trait Disk: Send + Sync {
    /// Opens a file.
    ///
    /// # Errors
    /// What the file system says: `NotFound`, `AlreadyExists`, `PermissionDenied` ...
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;

    /// Makes a directory (0700) and those above it. What it makes is durable when it returns.
    ///
    /// # Errors
    /// What the file system says.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;

    /// The full paths of a directory's entries, sorted.
    ///
    /// # Errors
    /// What the file system says.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<PathBuf>>;

    /// Gives a file another name, replacing a file that has it. Durable after [`Disk::sync_dir`].
    ///
    /// # Errors
    /// What the file system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file. Durable after [`Disk::sync_dir`].
    ///
    /// # Errors
    /// What the file system says.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// What the file system says.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// True where a file or directory has this path.
    fn exists(&self, path: &Path) -> bool;

    /// A number that names a directory for as long as it exists: its inode. A copy of the directory has another; the same directory under
    /// another name keeps it.
    ///
    /// # Errors
    /// `NotFound`, and what else the file system says.
    fn identity(&self, path: &Path) -> io::Result<u64>;

    /// Locks a file (made where absent) against other processes and other callers of this one.
    ///
    /// # Errors
    /// `WouldBlock` where another holds it; else what the file system says.
    fn lock_exclusive(&self, path: &Path) -> io::Result<Box<dyn LockGuard>>;

    /// Bytes that an unprivileged writer may still use on the file system of `path`.
    ///
    /// # Errors
    /// What the file system says.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;

    /// A way to write and sync several files in order.
    ///
    /// # Errors
    /// `Unsupported` where this disk has no such way, or what the system says where it refuses.
    fn committer(&self, method: CommitMethod) -> io::Result<Box<dyn Committer>> {
        match method {
            CommitMethod::Pwrite => Ok(Box::new(crate::commit::Pwrite)),
            _ => Err(io::Error::new(io::ErrorKind::Unsupported, format!("this disk has no {method}"))),
        }
    }

    /// The whole file.
    ///
    /// # Errors
    /// `FileTooLarge` beyond `max` bytes; else what the file system says.
    fn read_to_vec(&self, path: &Path, max: usize) -> io::Result<Vec<u8>> {
        let file = self.open(path, OpenMode::Read)?;
        let len = usize::try_from(file.len()?).unwrap_or(usize::MAX);
        if len > max {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("{} has {len} bytes, at most {max} fit", path.display())));
        }
        let mut bytes = vec![0; len];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    /// Replaces a file so that after a crash either the old or the new content is there, whole: a temporary file beside it, synced,
    /// renamed over it, the directory synced. Durable when it returns. Two writers of one path must not run at once.
    ///
    /// # Errors
    /// What the file system says; the old content is then untouched.
    fn write_atomic(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let parent = parent_of(path);
        let temporary = temporary_beside(path)?;
        // One left by a crash has no value; it must not lend its tail to the new one either.
        let file = self.open(&temporary, OpenMode::Create)?;
        file.set_len(0)?;
        file.write_all_at(bytes, 0)?;
        file.sync_all()?;
        self.rename(&temporary, path)?;
        self.sync_dir(parent)
    }
}

/// The directory that holds `path`; `.` for a bare name.
pub fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}

fn temporary_beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?;
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(".new");
    Ok(path.with_file_name(temporary))
}

/// An open file, read and written by position so that several may share it.
pub trait DiskFile: Send + Sync {
    /// Reads up to `buf.len()` bytes at `offset`; 0 at the end of the file.
    ///
    /// # Errors
    /// What the disk says.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`, growing the file where needed. Durable after [`DiskFile::sync_data`].
    ///
    /// # Errors
    /// What the disk says; then any part may have been written.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes the content and the length durable (fdatasync).
    ///
    /// # Errors
    /// What the disk says. After an error nothing written since the last good sync may be relied on, not even
    /// after a later sync that succeeds: the kernel has given those pages up.
    fn sync_data(&self) -> io::Result<()>;

    /// As [`DiskFile::sync_data`], and the times and modes (fsync).
    ///
    /// # Errors
    /// As [`DiskFile::sync_data`].
    fn sync_all(&self) -> io::Result<()>;

    /// The length in bytes.
    ///
    /// # Errors
    /// What the disk says.
    fn len(&self) -> io::Result<u64>;

    /// True where the file has no bytes.
    ///
    /// # Errors
    /// What the disk says.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Cuts or grows (with zeros) to `len` bytes.
    ///
    /// # Errors
    /// What the disk says.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Grows the file to `len` bytes with zeros that are really written and synced, so that a later write within it changes no
    /// metadata and its fdatasync is one write. Existing bytes stay.
    ///
    /// # Errors
    /// `StorageFull` and what else the disk says.
    fn preallocate_zeroed(&self, len: u64) -> io::Result<()>;

    /// The operating system's handle, where it has one.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Fills all of `buf` from `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` where the file ends before.
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let mut done = 0;
        while done < buf.len() {
            match self.read_at(&mut buf[done..], offset + done as u64) {
                Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file ends before the bytes asked for")),
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// A lock that is held; dropping it releases it.
pub trait LockGuard: Send + Sync {}
