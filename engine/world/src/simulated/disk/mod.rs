//! The simulated disk: one per host, in memory, with a crash that loses what was not synced.
//!
//! Operations take no virtual time; a disk that is busy is waited for beforehand ([`crate::World::disk_turn`]). A crash may be set to
//! happen in the middle of them ([`DiskState::crash_at`]): between a write and its sync, between a rename and the sync of its directory.

mod content;
mod names;
mod trouble;

pub use trouble::{DiskFailure, DiskWeather};

use super::host::Host;
use super::random::Random;
use super::scheduler::Scheduler;
use crate::disk::{Disk, DiskFile, LockGuard, OpenMode, parent_of};
use content::Content;
use names::{Entry, FileId, Names};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use trouble::Failures;

/// What a new disk holds: more than any test writes.
const CAPACITY_BYTES: u64 = 1 << 40;

/// Bytes on their way to a disk, whether or not they get there.
#[derive(Debug)]
pub struct Written<'w> {
    /// Names the file for good: no other file of this disk ever has this number.
    pub file: u64,
    /// Where they go.
    pub offset: u64,
    /// What they are.
    pub bytes: &'w [u8],
}

/// Sees all writes of a disk, each before it is made; may say that the host crashes in the so-and-so-manieth change of the disk from here
/// (1 is this write).
pub type WriteWatch = Box<dyn FnMut(&Written<'_>) -> Option<u64> + Send>;

pub(super) struct DiskState {
    names: Names,
    files: BTreeMap<FileId, Content>,
    next_file: u64,
    locks: BTreeSet<PathBuf>,
    capacity: u64,
    /// The longest time before a group of writes.
    delay_max: Duration,
    weather: DiskWeather,
    failures: Failures,
    operations: u64,
    crash_at: Option<u64>,
    watch: Option<WriteWatch>,
    random: Random,
}

impl DiskState {
    pub(super) fn new(random: Random) -> Self {
        Self {
            names: Names::default(),
            files: BTreeMap::new(),
            next_file: 0,
            locks: BTreeSet::new(),
            capacity: CAPACITY_BYTES,
            delay_max: Duration::ZERO,
            weather: DiskWeather::default(),
            failures: Failures::default(),
            operations: 0,
            crash_at: None,
            watch: None,
            random,
        }
    }

    /// Loses what was not synced, as the seed says; releases all locks.
    pub(super) fn crash(&mut self) {
        self.names.crash(&mut self.random);
        let named = self.names.files();
        self.files.retain(|file, _| named.contains(file));
        for content in self.files.values_mut() {
            content.crash(&mut self.random);
        }
        self.locks.clear();
        self.crash_at = None;
    }

    /// Nobody is left who holds one.
    pub(super) fn release_locks(&mut self) {
        self.locks.clear();
        self.crash_at = None;
    }

    /// Changing operations so far.
    pub(super) fn operations(&self) -> u64 {
        self.operations
    }

    /// The host crashes in its changing operation of this number.
    pub(super) fn crash_at(&mut self, operation: u64) {
        self.crash_at = Some(operation);
    }

    pub(super) fn forget_crash(&mut self) {
        self.crash_at = None;
    }

    pub(super) fn watch_writes(&mut self, watch: WriteWatch) {
        self.watch = Some(watch);
    }

    pub(super) fn fail(&mut self, what: DiskFailure, later: u64, times: u32) {
        self.failures.set(what, later, times);
    }

    pub(super) fn forget_failures(&mut self) {
        self.failures.clear();
    }

    pub(super) fn set_weather(&mut self, weather: DiskWeather) {
        self.weather = weather;
    }

    pub(super) fn set_delay(&mut self, longest: Duration) {
        self.delay_max = longest;
    }

    /// How long the disk is busy now; nothing is drawn where it never is.
    pub(super) fn delay(&mut self) -> Option<Duration> {
        if self.delay_max.is_zero() {
            return None;
        }
        let longest = u64::try_from(self.delay_max.as_nanos()).unwrap_or(u64::MAX);
        Some(Duration::from_nanos(self.random.below(longest)))
    }

    pub(super) fn set_capacity(&mut self, bytes: u64) {
        self.capacity = bytes;
    }

    pub(super) fn flip_bit(&mut self, path: &Path, offset: u64, bit: u8) -> Result<()> {
        let file = self.file_at(path)?;
        self.content(file)?.flip_bit(offset, bit);
        Ok(())
    }

    fn file_at(&self, path: &Path) -> Result<FileId> {
        match self.names.get(path) {
            Some(Entry::File(file)) => Ok(file),
            Some(Entry::Directory) => Err(ErrorKind::IsADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn content(&mut self, file: FileId) -> Result<&mut Content> {
        self.files.get_mut(&file).ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn directory(&self, path: &Path) -> Result<()> {
        match self.names.get(path) {
            Some(Entry::Directory) => Ok(()),
            Some(Entry::File(_)) => Err(ErrorKind::NotADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn open(&mut self, path: &Path, mode: OpenMode) -> Result<FileId> {
        match (self.file_at(path), mode) {
            (Ok(_), OpenMode::CreateNew) => Err(ErrorKind::AlreadyExists.into()),
            (Ok(file), _) => Ok(file),
            (Err(error), OpenMode::Create | OpenMode::CreateNew) if error.kind() == ErrorKind::NotFound => self.create(path),
            (Err(error), _) => Err(error),
        }
    }

    fn create(&mut self, path: &Path) -> Result<FileId> {
        self.directory(parent_of(path))?;
        self.next_file += 1;
        let file = FileId(self.next_file);
        self.files.insert(file, Content::default());
        self.names.link(path, file);
        Ok(file)
    }

    pub(super) fn used(&self) -> u64 {
        self.files.values().map(Content::len).sum()
    }

    /// Room for a file to have `len` bytes.
    fn reserve(&mut self, file: FileId, len: u64) -> Result<()> {
        let more = len.saturating_sub(self.content(file)?.len());
        if more > 0 && self.used() + more > self.capacity {
            return Err(ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn sync(&mut self, file: FileId) -> Result<()> {
        if let Err(error) = self.failures.check(DiskFailure::Sync) {
            self.content(file)?.fail_sync();
            return Err(error);
        }
        self.content(file)?.sync();
        Ok(())
    }

    fn read(&mut self, file: FileId, buf: &mut [u8], offset: u64) -> Result<usize> {
        self.failures.check(DiskFailure::Read)?;
        let len = self.weather.read_len(buf.len(), &mut self.random);
        Ok(self.content(file)?.read(&mut buf[..len], offset))
    }

    fn write(&mut self, file: FileId, bytes: &[u8], offset: u64) -> Result<()> {
        self.reserve(file, offset + bytes.len() as u64)?;
        let failure = self.failures.check(DiskFailure::Write);
        let written = if failure.is_ok() { bytes.len() } else { self.random.index(bytes.len() + 1) };
        self.content(file)?.write(&bytes[..written], offset);
        failure
    }
}

/// A host's disk as its tasks use it.
#[derive(Clone)]
pub(super) struct SimulatedDisk {
    pub(super) host: Arc<Host>,
    pub(super) scheduler: Arc<Scheduler>,
}

impl SimulatedDisk {
    fn look<T>(&self, incarnation: u64, look: impl FnOnce(&mut DiskState) -> Result<T>) -> Result<T> {
        self.host.check(incarnation)?;
        look(&mut self.host.disk())
    }

    /// An operation that changes the disk, and in which the host may crash: before it took effect, or after and before it returned.
    fn change<T>(&self, incarnation: u64, what: &str, operate: impl FnOnce(&mut DiskState) -> Result<T>) -> Result<T> {
        self.host.check(incarnation)?;
        self.scheduler.trace(format!("{}: {what}", self.host.name).as_bytes());
        let mut disk = self.host.disk();
        disk.operations += 1;
        if disk.crash_at.is_none_or(|at| disk.operations < at) {
            return operate(&mut disk);
        }
        if disk.random.chance(50) {
            let _ = operate(&mut disk);
        }
        // The scheduler drops its tasks after this poll; until then nothing they do has effect.
        self.host.go_down();
        self.host.check(incarnation)?;
        Err(Error::other("the simulated host crashed"))
    }
}

impl Disk for SimulatedDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> Result<Arc<dyn DiskFile>> {
        let incarnation = self.host.incarnation();
        let creates = matches!(mode, OpenMode::Create | OpenMode::CreateNew) && !self.exists(path);
        let file = match creates {
            true => self.change(incarnation, "create", |disk| disk.open(path, mode))?,
            false => self.look(incarnation, |disk| disk.open(path, mode))?,
        };
        Ok(Arc::new(SimulatedFile { disk: self.clone(), incarnation, file, writable: mode != OpenMode::Read }))
    }

    fn create_dir_all(&self, path: &Path) -> Result<()> {
        self.change(self.host.incarnation(), "create_dir_all", |disk| {
            if path.ancestors().any(|path| matches!(disk.names.get(path), Some(Entry::File(_)))) {
                return Err(ErrorKind::NotADirectory.into());
            }
            disk.names.make_directories(path);
            Ok(())
        })
    }

    fn read_dir(&self, path: &Path) -> Result<Vec<PathBuf>> {
        self.look(self.host.incarnation(), |disk| {
            disk.directory(path)?;
            Ok(disk.names.children(path))
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.change(self.host.incarnation(), "rename", |disk| {
            let file = disk.file_at(from)?;
            disk.directory(parent_of(to))?;
            if disk.names.get(to) == Some(Entry::Directory) {
                return Err(ErrorKind::IsADirectory.into());
            }
            disk.names.rename(from, to, file);
            Ok(())
        })
    }

    fn remove_file(&self, path: &Path) -> Result<()> {
        self.change(self.host.incarnation(), "remove_file", |disk| {
            disk.file_at(path)?;
            disk.names.unlink(path);
            Ok(())
        })
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        self.change(self.host.incarnation(), "sync_dir", |disk| {
            disk.directory(path)?;
            disk.names.sync(path);
            Ok(())
        })
    }

    fn exists(&self, path: &Path) -> bool {
        self.look(self.host.incarnation(), |disk| Ok(disk.names.get(path).is_some())).unwrap_or(false)
    }

    fn identity(&self, path: &Path) -> Result<u64> {
        self.look(self.host.incarnation(), |disk| disk.names.identity(path).ok_or_else(|| ErrorKind::NotFound.into()))
    }

    fn lock_exclusive(&self, path: &Path) -> Result<Box<dyn LockGuard>> {
        let incarnation = self.host.incarnation();
        self.look(incarnation, |disk| {
            disk.open(path, OpenMode::Create)?;
            if disk.locks.insert(path.to_owned()) { Ok(()) } else { Err(ErrorKind::WouldBlock.into()) }
        })?;
        Ok(Box::new(SimulatedLock { disk: self.clone(), incarnation, path: path.to_owned() }))
    }

    fn free_bytes(&self, _path: &Path) -> Result<u64> {
        self.look(self.host.incarnation(), |disk| Ok(disk.capacity.saturating_sub(disk.used())))
    }
}

struct SimulatedFile {
    disk: SimulatedDisk,
    incarnation: u64,
    file: FileId,
    writable: bool,
}

impl SimulatedFile {
    fn change(&self, what: &str, operate: impl FnOnce(&mut DiskState) -> Result<()>) -> Result<()> {
        if !self.writable {
            return Err(Error::new(ErrorKind::PermissionDenied, "the file was opened for reading"));
        }
        self.disk.change(self.incarnation, what, operate)
    }
}

impl DiskFile for SimulatedFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        self.disk.look(self.incarnation, |disk| disk.read(self.file, buf, offset))
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        self.disk.scheduler.trace_bytes(bytes);
        {
            let mut disk = self.disk.host.disk();
            let doom = disk.watch.as_mut().and_then(|watch| watch(&Written { file: self.file.0, offset, bytes }));
            if let Some(later) = doom {
                let at = disk.operations() + later.max(1);
                disk.crash_at(at);
            }
        }
        self.change(&format!("write {} {offset}", self.file.0), |disk| disk.write(self.file, bytes, offset))
    }

    fn sync_data(&self) -> Result<()> {
        // Syncing what others wrote is allowed through a handle for reading too.
        self.disk.change(self.incarnation, "sync", |disk| disk.sync(self.file))
    }

    fn sync_all(&self) -> Result<()> {
        self.sync_data()
    }

    fn len(&self) -> Result<u64> {
        self.disk.look(self.incarnation, |disk| Ok(disk.content(self.file)?.len()))
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.change("set_len", |disk| {
            disk.reserve(self.file, len)?;
            disk.content(self.file)?.set_len(len);
            Ok(())
        })
    }

    fn preallocate_zeroed(&self, len: u64) -> Result<()> {
        self.change("preallocate", |disk| {
            disk.reserve(self.file, len)?;
            let content = disk.content(self.file)?;
            content.set_len(len.max(content.len()));
            disk.sync(self.file)
        })
    }
}

struct SimulatedLock {
    disk: SimulatedDisk,
    incarnation: u64,
    path: PathBuf,
}

impl LockGuard for SimulatedLock {}

impl Drop for SimulatedLock {
    fn drop(&mut self) {
        // A lock from before a crash is released already.
        let _ = self.disk.look(self.incarnation, |disk| Ok(disk.locks.remove(&self.path)));
    }
}
