//! Payloads by locator, read by pread on workers.
//!
//! What comes back was checked twice: the checksum says that the bytes are whole, the tag that they are this job's, in this journal. A
//! locator that went stale is told apart from damage, and where the payload was moved its new place is read. Clones share the open files;
//! scratch buffers are each clone's own.

use crate::bounds::{FRAME_BYTES_MAX, READ_AHEAD_BYTES};
use crate::bundle::Bundles;
use crate::error::{DiskError, KeyError, PayloadError};
use crate::format::{FrameKind, JournalId, LogKind, SegmentName, stated_length};
use crate::frame::{self, NoFrame};
use crate::key_ring::KeyRing;
use crate::payload::PayloadDecoder;
use crate::recovery::trouble::owner;
use crate::segment;
use crate::writer::Shared;
use model::stage::{JobData, Locator};
use model::{BundleId, JobId, StreamName};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use world::{DiskFile, OpenMode, Plant, World};

/// Open segment files that are kept: the jobs of one hour lie in few segments.
const OPEN_FILES_MAX: usize = 64;

/// Segment files that readers have open. The keeper takes a removed one out, or its bytes would stay on disk for as long as it is open.
#[derive(Default)]
pub(crate) struct OpenFiles(Mutex<BTreeMap<u32, Arc<dyn DiskFile>>>);

impl OpenFiles {
    pub(crate) fn forget(&self, number: u32) {
        self.lock().remove(&number);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, Arc<dyn DiskFile>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads payloads and bundles of one stream. Cheap to clone: give each worker its own.
pub struct Reader {
    shared: Arc<ReaderShared>,
    scratch: Mutex<Scratch>,
}

struct ReaderShared {
    world: World,
    work_dir: PathBuf,
    journal: JournalId,
    stream: StreamName,
    keys: KeyRing,
    bundles: Arc<Bundles>,
    files: Arc<OpenFiles>,
    writer: Arc<Shared>,
}

#[derive(Default)]
struct Scratch {
    frame: Vec<u8>,
    decoder: PayloadDecoder,
}

impl Clone for Reader {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), scratch: Mutex::default() }
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("stream", &self.shared.stream).finish_non_exhaustive()
    }
}

impl Reader {
    #[allow(clippy::too_many_arguments, reason = "each is a part of the journal that readers share")]
    pub(crate) fn new(
        world: World,
        dir: &Path,
        journal: JournalId,
        stream: StreamName,
        keys: KeyRing,
        bundles: Arc<Bundles>,
        files: Arc<OpenFiles>,
        writer: Arc<Shared>,
    ) -> Self {
        let work_dir = dir.join(LogKind::Work.as_str());
        let shared = ReaderShared { world, work_dir, journal, stream, keys, bundles, files, writer };
        Self { shared: Arc::new(shared), scratch: Mutex::default() }
    }

    /// The content of a job. Blocks the thread for one pread, or two where the payload is large.
    ///
    /// # Errors
    /// [`PayloadError`]: damaged, key destroyed, another job's, reclaimed, or the disk.
    pub fn payload(&self, job: JobId, locator: Locator) -> Result<JobData, PayloadError> {
        match self.scratch.try_lock() {
            Ok(mut scratch) => self.find(job, locator, &mut scratch),
            Err(TryLockError::Poisoned(poisoned)) => self.find(job, locator, &mut poisoned.into_inner()),
            // Two threads on one clone: the second brings its own.
            Err(TryLockError::WouldBlock) => self.find(job, locator, &mut Scratch::default()),
        }
    }

    /// Reads at the given place, and where that fails at the one the payload was moved to.
    fn find(&self, job: JobId, locator: Locator, scratch: &mut Scratch) -> Result<JobData, PayloadError> {
        let mut at = locator;
        loop {
            match self.read(job, at, scratch) {
                Ok(data) => return Ok(data),
                // Each turn is another move of the same job, and those are rare.
                Err(error) => match self.shared.writer.relocated.get(job) {
                    Some(moved) if moved != at => at = moved,
                    _ => return Err(error),
                },
            }
        }
    }

    /// The archive of a bundle, as it was stored.
    ///
    /// # Errors
    /// [`PayloadError::NoSuchBundle`], [`PayloadError::BundleDamaged`], or the disk.
    pub fn bundle(&self, id: BundleId) -> Result<Vec<u8>, PayloadError> {
        self.shared.bundles.read(id)
    }

    fn read(&self, job: JobId, locator: Locator, scratch: &mut Scratch) -> Result<JobData, PayloadError> {
        let damaged = |what| PayloadError::Damaged { job, segment: locator.segment, offset: locator.offset, what };
        let file = self.file(job, locator.segment)?;
        let Scratch { frame: bytes, decoder } = scratch;
        self.fetch(&*file, locator, bytes)?;

        let name = SegmentName { journal: self.shared.journal, stream: self.shared.stream, log: LogKind::Work, number: locator.segment };
        let parsed = frame::parse(bytes, name.salt()).map_err(|fault| match fault {
            NoFrame::Short(_) => damaged("the frame is cut off"),
            NoFrame::Invalid if owner(bytes, self.shared.journal, self.shared.stream).is_some() => {
                damaged("a frame of another segment of this journal lies there")
            }
            NoFrame::Invalid => damaged("the checksum does not hold"),
        })?;
        if parsed.header.key.job != Some(job) && !self.shared.world.is_planted(Plant::LocatorUnchecked) {
            return Err(PayloadError::WrongJob(job));
        }
        if !matches!(parsed.header.kind, FrameKind::Statement | FrameKind::Templated) {
            return Err(damaged("the frame is no payload"));
        }
        let cipher = match self.shared.keys.cipher(parsed.header.key_id) {
            Ok(Some(cipher)) => cipher,
            Ok(None) | Err(KeyError::Destroyed) => return Err(PayloadError::KeyDestroyed(job)),
            Err(_) => return Err(damaged("its key cannot be unwrapped")),
        };
        let plain =
            frame::open_in_place(&mut bytes[..parsed.length], self.shared.journal, &cipher).map_err(|_| damaged("it is not authentic"))?;
        let data = decoder.decode(parsed.header.encoding, plain).map_err(|_| damaged("it does not decode"));
        plain.fill(0);
        data
    }

    /// Reads the frame's bytes: a guess that mostly holds, and the rest where it does not.
    fn fetch(&self, file: &dyn DiskFile, locator: Locator, bytes: &mut Vec<u8>) -> Result<(), PayloadError> {
        let path = || segment::path_of(&self.shared.work_dir, locator.segment);
        let error = |error| PayloadError::Disk(DiskError::new("read", &path())(error));
        let offset = u64::from(locator.offset);
        bytes.resize(READ_AHEAD_BYTES, 0);
        let mut have = read_up_to(file, bytes, offset).map_err(error)?;
        let stated = bytes[..have].first_chunk().and_then(stated_length).unwrap_or(0);
        if stated > have {
            bytes.resize(stated.min(FRAME_BYTES_MAX), 0);
            have += read_up_to(file, &mut bytes[have..], offset + have as u64).map_err(error)?;
        }
        bytes.truncate(have);
        Ok(())
    }

    fn file(&self, job: JobId, number: u32) -> Result<Arc<dyn DiskFile>, PayloadError> {
        let mut files = self.shared.files.lock();
        if let Some(file) = files.get(&number) {
            return Ok(file.clone());
        }
        let path = segment::path_of(&self.shared.work_dir, number);
        let file = self.shared.world.disk().open(&path, OpenMode::Read).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => PayloadError::Reclaimed(job),
            _ => PayloadError::Disk(DiskError::new("open", &path)(error)),
        })?;
        if files.len() >= OPEN_FILES_MAX {
            files.pop_first();
        }
        files.insert(number, file.clone());
        Ok(file)
    }
}

fn read_up_to(file: &dyn DiskFile, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < bytes.len() {
        match file.read_at(&mut bytes[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
