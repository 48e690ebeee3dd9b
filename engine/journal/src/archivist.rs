//! The thread that sums the record up: checkpoints, compaction, and the end of the evidence term.
//!
//! It works on closed record segments alone, behind everybody's back: the writer never waits for it, and what it does can end at any byte.
//! It leaves the record as it is, or exchanges a file for another that says the same, or removes what a checkpoint covers and the term has
//! passed for. A journal whose record is damaged it leaves alone.
//!
//! When it is due: when as many closed segments lie behind the last checkpoint as the configuration says, and they have at least as many
//! bytes as that checkpoint. So what checkpoints write is never more than the record itself.

use crate::bounds::{CHECKPOINTS_KEPT, CHUNK_NUMBERS};
use crate::checkpoint::{self, CheckpointHeader, CheckpointReader, Covered, Delta, MergeFault, Merged, Target};
use crate::error::{DiskError, JournalError};
use crate::format::{HeaderRead, JournalId, LogKind};
use crate::key_ring::{KeyHandle, KeyRing};
use crate::recovery::{RecordEnd, Seen};
use crate::segment;
use crate::survey::{LogDir, UsedSegment};
use crate::writer::Shared;
use model::StreamName;
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use world::channel::Receiver;
use world::{OpenMode, Plant, World};

/// News of closed segments that wait at most; one that finds no room is told by the next.
pub(crate) const NEWS_MAX: usize = 64;
/// Between two stretches of work, so that it never has a core or a disk to itself.
const BREATH: Duration = Duration::from_millis(1);
/// How often it looks whether the directory is still held.
const WHILE_HELD: Duration = Duration::from_millis(100);

pub(crate) struct Archivist {
    pub(crate) world: World,
    /// The journal's directory.
    pub(crate) dir: PathBuf,
    pub(crate) journal: JournalId,
    pub(crate) stream: StreamName,
    pub(crate) epoch: u32,
    pub(crate) keys: KeyRing,
    /// Under what checkpoints are.
    pub(crate) key: KeyHandle,
    pub(crate) shared: Arc<Shared>,
    /// Closed segments that make a checkpoint due.
    pub(crate) every: u32,
    /// The last segment that is closed.
    pub(crate) closed: u32,
    /// Checkpoints that a start or a merge found damaged, by the segment they go through.
    pub(crate) damaged: BTreeSet<u32>,
    /// The nonce of the next chunk, within this start.
    pub(crate) next_number: u64,
}

/// Why it stops for now.
enum Pause {
    /// There is nothing to do, or no more of it.
    Idle,
    /// The journal ends.
    Ending,
    /// The record is damaged: it is left alone until the next start.
    Damaged,
    /// The disk or a key refused; the next closed segment tries again.
    Failed(JournalError),
}

impl From<JournalError> for Pause {
    fn from(error: JournalError) -> Self {
        Self::Failed(error)
    }
}

impl From<DiskError> for Pause {
    fn from(error: DiskError) -> Self {
        Self::Failed(error.into())
    }
}

impl Archivist {
    pub(crate) async fn run(mut self, news: Receiver<u32>) {
        if let Err(error) = checkpoint::sweep(self.world.disk(), &self.folder()) {
            tracing::warn!(stream = %self.stream, %error, "unfinished checkpoints could not be removed");
        }
        loop {
            match self.work().await {
                Pause::Idle => {}
                Pause::Ending => return,
                Pause::Damaged => {
                    tracing::warn!(
                        stream = %self.stream,
                        "the record is damaged: no checkpoint is made over it and nothing in it is compacted; `sealpost journal verify` says where"
                    );
                    return;
                }
                Pause::Failed(error) => {
                    tracing::warn!(stream = %self.stream, %error, "the record could not be summed up; the next closed segment tries again");
                }
            }
            match news.recv().await {
                Some(closed) => self.closed = self.closed.max(closed),
                None => return,
            }
        }
    }

    async fn work(&mut self) -> Pause {
        loop {
            match self.next_checkpoint().await {
                Ok(()) => {}
                Err(Pause::Idle) => break,
                Err(pause) => return pause,
            }
        }
        Pause::Idle
    }

    fn folder(&self) -> PathBuf {
        checkpoint::folder(&self.dir)
    }

    fn record(&self) -> LogDir<'_> {
        let path = self.dir.join(LogKind::Record.as_str());
        LogDir { disk: self.world.disk(), path, journal: self.journal, stream: self.stream, log: LogKind::Record }
    }

    /// The newest checkpoint that is not known to be damaged, and its bytes.
    fn newest(&mut self) -> Result<Option<(CheckpointReader, u64)>, Pause> {
        let folder = self.folder();
        for through in checkpoint::numbers(self.world.disk(), &folder)?.into_iter().rev() {
            if self.damaged.contains(&through) {
                continue;
            }
            match CheckpointReader::open(self.world.disk(), &folder, through, self.journal, self.stream, &self.keys) {
                Ok(reader) => {
                    let bytes = reader.bytes()?;
                    return Ok(Some((reader, bytes)));
                }
                Err(fault) => {
                    tracing::warn!(stream = %self.stream, through, %fault, "a checkpoint is damaged; the one before it serves");
                    self.damaged.insert(through);
                }
            }
        }
        Ok(None)
    }

    /// Makes the next checkpoint that is due; [`Pause::Idle`] where none is.
    async fn next_checkpoint(&mut self) -> Result<(), Pause> {
        let before = self.newest()?;
        let (covered, bytes) = before.as_ref().map_or((None, 0), |(reader, bytes)| (Some(reader.covered()), *bytes));
        let segments = self.due(covered, bytes)?.ok_or(Pause::Idle)?;
        let (delta, covered) = self.read(covered, &segments).await?;
        let Some(merged) = self.merge(before.map(|(reader, _)| reader), delta, covered).await? else { return Ok(()) };
        // It stands where a damaged one stood.
        self.damaged.remove(&covered.through);
        tracing::debug!(stream = %self.stream, through = covered.through, bytes = merged.bytes, "checkpoint");
        self.shared.bytes_written.fetch_add(merged.bytes, Ordering::Relaxed);
        self.retire()
    }

    /// The segments that the next checkpoint covers more than the last.
    fn due(&self, covered: Option<Covered>, bytes: u64) -> Result<Option<Vec<UsedSegment>>, Pause> {
        let record = self.record();
        let behind = |number: &u32| covered.is_none_or(|covered| *number > covered.through) && *number <= self.closed;
        let numbers: Vec<u32> = segment::numbers(record.disk, &record.path)?.into_iter().filter(behind).collect();
        let mut expected = covered.map(|covered| covered.through + 1).or(numbers.first().copied()).unwrap_or_default();
        let mut segments = Vec::new();
        let mut have = 0;
        for number in numbers {
            if number != expected {
                return Err(Pause::Damaged);
            }
            expected += 1;
            let used = self.used(&record, number)?.ok_or(Pause::Damaged)?;
            let path = segment::path_of(&record.path, number);
            have += used.file.len().map_err(DiskError::new("measure", &path))?;
            segments.push(used);
            if segments.len() >= self.every as usize && have >= bytes {
                return Ok(Some(segments));
            }
        }
        Ok(None)
    }

    /// A segment whose header holds.
    fn used(&self, record: &LogDir<'_>, number: u32) -> Result<Option<UsedSegment>, Pause> {
        let path = segment::path_of(&record.path, number);
        let file = match record.disk.open(&path, OpenMode::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(DiskError::new("open", &path)(error).into()),
        };
        match segment::read_header(&*file).map_err(DiskError::new("read", &path))? {
            HeaderRead::Valid(header) if header.name == record.name(number) => Ok(Some(UsedSegment { number, file, header: Some(header) })),
            _ => Ok(None),
        }
    }

    /// Where the simulator asks for it, a checkpoint does not learn of one job in eight.
    fn forgets(&self, seen: &Seen) -> bool {
        seen.key.job.is_some_and(|job| job.sequence().is_multiple_of(8)) && self.world.is_planted(Plant::CheckpointForgets)
    }

    /// What the segments say.
    async fn read(&self, after: Option<Covered>, segments: &[UsedSegment]) -> Result<(Delta, Covered), Pause> {
        let record = self.record();
        let mut end = RecordEnd::after(after);
        let (mut delta, mut findings) = (Delta::default(), Vec::new());
        let last = segments.last().ok_or(Pause::Idle)?.number;
        let then = self.used(&record, last.saturating_add(1))?.ok_or(Pause::Damaged)?;
        for (index, used) in segments.iter().enumerate() {
            delta.enter(used.number);
            let next = segments.get(index + 1).unwrap_or(&then);
            end.go_through(&record, &self.keys, used, Some(next), &mut findings, &mut |seen| {
                if !self.forgets(&seen) {
                    delta.take(self.stream, seen);
                }
            })?;
            if !findings.is_empty() || end.damaged_after.is_some() {
                return Err(Pause::Damaged);
            }
            self.breathe().await?;
        }
        Ok((delta, Covered { through: last, position: end.last.position }))
    }

    async fn merge(&mut self, before: Option<CheckpointReader>, delta: Delta, covered: Covered) -> Result<Option<Merged>, Pause> {
        let folder = self.folder();
        let first_number = self.next_number;
        self.next_number += CHUNK_NUMBERS;
        let (journal, stream, epoch, key_id) = (self.journal, self.stream, self.epoch, self.key.id);
        let first_segment = segment::numbers(self.world.disk(), &self.record().path)?.first().copied().unwrap_or_default();
        let target = Target {
            disk: self.world.disk(),
            folder: &folder,
            header: CheckpointHeader { journal, stream, covered, epoch, key_id, first_number },
            key: self.key.clone(),
            first_segment,
        };
        let old = before.as_ref().map(|before| before.covered().through);
        match checkpoint::merge(target, before, delta, || async { self.breathe().await.is_ok() }).await {
            Ok(merged) => Ok(Some(merged)),
            Err(MergeFault::Stopped) => Err(Pause::Ending),
            Err(MergeFault::Write(error)) => Err(error.into()),
            Err(MergeFault::Before(fault)) => {
                tracing::warn!(stream = %self.stream, through = old, %fault, "a checkpoint is damaged; the one before it serves");
                self.damaged.extend(old);
                Ok(None)
            }
        }
    }

    /// Removes checkpoints that newer ones have made needless.
    fn retire(&mut self) -> Result<(), Pause> {
        let (disk, folder) = (self.world.disk(), self.folder());
        let numbers = checkpoint::numbers(disk, &folder)?;
        let whole: Vec<u32> = numbers.iter().copied().filter(|number| !self.damaged.contains(number)).collect();
        let Some(oldest_kept) = whole.len().checked_sub(CHECKPOINTS_KEPT).map(|at| whole[at]) else { return Ok(()) };
        for number in numbers {
            if number < oldest_kept || self.damaged.contains(&number) {
                let path = checkpoint::path_of(&folder, number);
                disk.remove_file(&path).map_err(DiskError::new("remove", &path))?;
                self.damaged.remove(&number);
            }
        }
        Ok(disk.sync_dir(&folder).map_err(DiskError::new("sync", &folder))?)
    }

    /// Lets others go first, and waits while somebody reads the directory ([`crate::keeper::Hold`]); says where the journal ends or has failed.
    async fn breathe(&self) -> Result<(), Pause> {
        self.world.sleep(BREATH).await;
        loop {
            if self.shared.ending.load(Ordering::Acquire) || self.shared.poison.get().is_some() {
                return Err(Pause::Ending);
            }
            if self.shared.holds.load(Ordering::Acquire) == 0 {
                return Ok(());
            }
            self.world.sleep(WHILE_HELD).await;
        }
    }
}
