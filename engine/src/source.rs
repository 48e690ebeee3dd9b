//! A file that was handed in, opened once: what is hashed, read and sealed are the same bytes, whatever becomes of its name.
//!
//! Nothing is written over it, and its name is not followed again. In a drop folder no link is followed at all, and a file that has a
//! second name somewhere else, or another owner, is not taken: somebody could still write into it, or put a foreign file there.

use crate::engine::AcceptError;
use aws_lc_rs::digest::{Context, SHA256};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes read from a file at once.
const READ_BYTES: usize = 256 * 1024;

/// An open file of somebody else's making.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    path: PathBuf,
    file: Arc<File>,
    inode: (u64, u64),
    bytes: u64,
}

pub(crate) type SharedHash = Arc<Mutex<Context>>;

impl Source {
    /// Opens a file that an operator named.
    pub(crate) fn open(path: &Path) -> Result<Self, AcceptError> {
        // Asked before it is opened: opening a pipe would wait for somebody who writes into it.
        if !std::fs::metadata(path).map_err(|error| unreadable(path, error))?.is_file() {
            return Err(not_a_file(path));
        }
        Self::of(path, File::open(path).map_err(|error| unreadable(path, error))?)
    }

    /// Opens a file that lies in a drop folder.
    pub(crate) fn open_dropped(path: &Path) -> Result<Self, AcceptError> {
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
        let flags = i32::try_from(flags.bits()).map_err(|_| unreadable(path, io::Error::other("flags of open")))?;
        let opened = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path);
        let source = Self::of(path, opened.map_err(|error| unreadable(path, no_link(error)))?)?;
        let about = source.file.metadata().map_err(|error| unreadable(path, error))?;
        if about.nlink() != 1 {
            return Err(unreadable(path, io::Error::other("it has another name somewhere (a hard link): copy it into the folder instead")));
        }
        let ours = rustix::process::geteuid().as_raw();
        if about.uid() != ours && about.uid() != 0 {
            return Err(unreadable(path, io::Error::other("it belongs to another user: only this engine's user and root may drop files")));
        }
        Ok(source)
    }

    fn of(path: &Path, file: File) -> Result<Self, AcceptError> {
        let about = file.metadata().map_err(|error| unreadable(path, error))?;
        if !about.is_file() {
            return Err(not_a_file(path));
        }
        Ok(Self { path: path.to_owned(), file: Arc::new(file), inode: (about.dev(), about.ino()), bytes: about.len() })
    }

    /// Its name without its folder: all that rejects and records may show.
    pub(crate) fn name(&self) -> String {
        file_name(&self.path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// SHA-256 of its bytes.
    pub(crate) fn sha256(&self) -> Result<[u8; 32], AcceptError> {
        let (mut reader, hash) = self.hashing_reader();
        io::copy(&mut reader, &mut io::sink()).map_err(|error| unreadable(&self.path, error))?;
        Ok(finished(&hash))
    }

    /// A reader from its beginning that hashes what passes.
    pub(crate) fn hashing_reader(&self) -> (BufReader<Hashing>, SharedHash) {
        let hash = Arc::new(Mutex::new(Context::new(&SHA256)));
        (BufReader::with_capacity(READ_BYTES, Hashing { reader: self.reader(), hash: Arc::clone(&hash) }), hash)
    }

    /// A reader from its beginning; readers do not disturb each other.
    pub(crate) fn reader(&self) -> SourceReader {
        SourceReader { file: Arc::clone(&self.file), at: 0 }
    }

    /// Its size when it was opened, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether its name still leads to it.
    pub(crate) fn is_still_named(&self) -> bool {
        std::fs::symlink_metadata(&self.path).is_ok_and(|about| (about.dev(), about.ino()) == self.inode)
    }
}

/// What a reader of [`Source::hashing_reader`] has hashed.
pub(crate) fn finished(hash: &SharedHash) -> [u8; 32] {
    hash.lock().unwrap_or_else(PoisonError::into_inner).clone().finish().as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// Reads by position.
#[derive(Debug)]
pub(crate) struct SourceReader {
    file: Arc<File>,
    at: u64,
}

impl Read for SourceReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for SourceReader {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        let at = match to {
            io::SeekFrom::Start(at) => Some(at),
            io::SeekFrom::Current(by) => self.at.checked_add_signed(by),
            io::SeekFrom::End(by) => self.file.metadata()?.len().checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "before the beginning"))?;
        Ok(self.at)
    }
}

/// Hashes what is read. `Debug` shows neither.
pub(crate) struct Hashing {
    reader: SourceReader,
    hash: SharedHash,
}

impl std::fmt::Debug for Hashing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hashing")
    }
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.hash.lock().unwrap_or_else(PoisonError::into_inner).update(&buffer[..count]);
        Ok(count)
    }
}

/// The name without its folder.
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| "batch".to_owned(), |name| name.to_string_lossy().into_owned())
}

pub(crate) fn unreadable(path: &Path, error: io::Error) -> AcceptError {
    AcceptError::Unreadable { path: path.to_path_buf(), error }
}

fn not_a_file(path: &Path) -> AcceptError {
    unreadable(path, io::Error::other("not a regular file: it must be read twice; write the batch into a file first"))
}

/// ELOOP is what O_NOFOLLOW says of a symbolic link.
fn no_link(error: io::Error) -> io::Error {
    if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
        return io::Error::other("it is a symbolic link, and none is followed here: copy the file into the folder instead");
    }
    error
}
