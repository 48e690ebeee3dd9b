//! The thread that sums the record up: checkpoints, compaction, and the end of the evidence term.
//!
//! It works on closed record segments alone, behind everybody's back: the writer never waits for it, and what it does can end at any byte.
//! It leaves the record as it is, or exchanges a file for another that says the same, or removes what a checkpoint covers and the term has
//! passed for. A journal whose record is damaged it leaves alone.
//!
//! When it is due: when as many closed segments lie behind the last checkpoint as the configuration says, and they have at least as many
//! bytes as that checkpoint. So what checkpoints write is never more than the record itself.

use crate::bounds::{CHECKPOINTS_KEPT, CHUNK_NUMBERS};
use crate::checkpoint::{self, CheckpointHeader, CheckpointReader, Covered, Delta, Item, MergeFault, Merged, Target};
use crate::compaction::{self, Packed, Packer};
use crate::error::{DiskError, JournalError};
use crate::format::{Form, HeaderRead, JournalId, LogKind};
use crate::key_ring::{KeyHandle, KeyRing};
use crate::recovery::{RecordEnd, Seen};
use crate::segment;
use crate::survey::{LogDir, UsedSegment};
use crate::writer::Shared;
use model::{BatchId, StreamName, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
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
    /// The sequence of the next block, within this start.
    pub(crate) next_sequence: u64,
    /// Segments up to this one are compacted, or are to stay as they are.
    pub(crate) packed: u32,
    /// How long record segments are kept.
    pub(crate) evidence_kept: Duration,
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
        let swept = checkpoint::sweep(self.world.disk(), &self.folder()).and_then(|()| compaction::sweep(&self.record()));
        if let Err(error) = swept {
            tracing::warn!(stream = %self.stream, %error, "what a crash left unfinished could not be removed");
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
        if let Err(pause) = self.compact().await {
            return pause;
        }
        self.forget().await.err().unwrap_or(Pause::Idle)
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
        // In the place of a damaged one the next comes as soon as it can.
        let bytes = if self.damaged.is_empty() { bytes } else { 0 };
        let segments = self.due(covered, bytes)?.ok_or(Pause::Idle)?;
        let (delta, covered) = self.read(covered, &segments).await?;
        let Some(merged) = self.merge(before.map(|(reader, _)| reader), delta, covered).await? else { return Ok(()) };
        // It stands where a damaged one stood.
        self.damaged.remove(&covered.through);
        tracing::debug!(stream = %self.stream, through = covered.through, bytes = merged.bytes, "checkpoint");
        self.shared.bytes_written.fetch_add(merged.bytes, Ordering::Relaxed);
        self.retire().await
    }

    /// The segments that the next checkpoint covers more than the last.
    fn due(&self, covered: Option<Covered>, bytes: u64) -> Result<Option<Vec<UsedSegment>>, Pause> {
        let record = self.record();
        let behind = |number: &u32| covered.is_none_or(|covered| *number > covered.through) && *number <= self.closed;
        let numbers: Vec<u32> = segment::numbers(record.disk, &record.path)?.into_iter().filter(behind).collect();
        let first = covered.map(|covered| covered.through + 1).or(numbers.first().copied()).unwrap_or_default();
        let mut segments = Vec::new();
        let mut have = 0;
        for (expected, number) in (first..).zip(numbers) {
            if number != expected {
                return Err(Pause::Damaged);
            }
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
    async fn retire(&mut self) -> Result<(), Pause> {
        let (disk, folder) = (self.world.disk(), self.folder());
        let numbers = checkpoint::numbers(disk, &folder)?;
        let whole: Vec<u32> = numbers.iter().copied().filter(|number| !self.damaged.contains(number)).collect();
        let Some(oldest_kept) = whole.len().checked_sub(CHECKPOINTS_KEPT).map(|at| whole[at]) else { return Ok(()) };
        for number in numbers {
            if number < oldest_kept || self.damaged.contains(&number) {
                let path = checkpoint::path_of(&folder, number);
                self.when_nothing_is_held(|| disk.remove_file(&path).map_err(DiskError::new("remove", &path))).await?;
                self.damaged.remove(&number);
            }
        }
        Ok(disk.sync_dir(&folder).map_err(DiskError::new("sync", &folder))?)
    }

    /// Compacts what the newest checkpoint covers.
    async fn compact(&mut self) -> Result<(), Pause> {
        let Some((mut newest, _)) = self.newest()? else { return Ok(()) };
        let through = newest.covered().through;
        let numbers = segment::numbers(self.world.disk(), &self.record().path)?;
        let numbers: Vec<u32> = numbers.into_iter().filter(|number| *number > self.packed && *number <= through).collect();
        if numbers.is_empty() {
            return Ok(());
        }
        let given_up = match newest.given_up() {
            Ok(given_up) => given_up,
            Err(fault) => {
                tracing::warn!(stream = %self.stream, through, %fault, "a checkpoint is damaged; the one before it serves");
                self.damaged.insert(through);
                return Ok(());
            }
        };
        for number in numbers {
            self.compact_one(number, &given_up).await?;
            self.packed = number;
            self.breathe().await?;
        }
        Ok(())
    }

    async fn compact_one(&mut self, number: u32, given_up: &BTreeSet<BatchId>) -> Result<(), Pause> {
        let path = self.dir.join(LogKind::Record.as_str());
        let record = LogDir { disk: self.world.disk(), path, journal: self.journal, stream: self.stream, log: LogKind::Record };
        let Some(used) = self.used(&record, number)? else { return Ok(()) };
        let Some(header) = used.header.filter(|header| header.form == Form::Plain) else { return Ok(()) };
        let mut next_sequence = self.next_sequence;
        let mut packer = Packer { record: &record, keys: &self.keys, epoch: self.epoch, next_sequence: &mut next_sequence, given_up };
        let packed = packer.pack(&used, header);
        self.next_sequence = next_sequence;
        let (from, bytes) = match packed? {
            Packed::Ready { path, bytes } => (path, bytes),
            Packed::LeftAlone(reason) => {
                tracing::warn!(stream = %self.stream, segment = number, reason, "a record segment is left as it is");
                return Ok(());
            }
        };
        self.shared.bytes_written.fetch_add(bytes, Ordering::Relaxed);
        let to = segment::path_of(&record.path, number);
        self.when_nothing_is_held(|| {
            record.disk.rename(&from, &to).map_err(DiskError::new("rename", &from))?;
            record.disk.sync_dir(&record.path).map_err(DiskError::new("sync", &record.path))
        })
        .await
    }

    /// Removes the oldest segments whose term is over, as far as both checkpoints cover them.
    async fn forget(&mut self) -> Result<(), Pause> {
        let newest = self.newest()?;
        let disk = self.world.disk();
        let whole = checkpoint::numbers(disk, &self.folder())?.into_iter().filter(|number| !self.damaged.contains(number));
        let whole: Vec<u32> = whole.collect();
        let Some(covered) = whole.len().checked_sub(CHECKPOINTS_KEPT).map(|at| whole[at]) else { return Ok(()) };
        let Some((mut newest, _)) = newest else { return Ok(()) };
        let Ok(Some(Item::Summary(summary))) = newest.next() else { return Ok(()) };
        let latest: BTreeMap<u32, Timestamp> = summary.segments.into_iter().collect();
        let now = self.world.wall();
        let path = self.record().path;
        let is_over = |number: &u32| *number <= covered && latest.get(number).is_some_and(|latest| now.since(*latest) > self.evidence_kept);
        let over: Vec<u32> = segment::numbers(disk, &path)?.into_iter().take_while(is_over).collect();
        for number in &over {
            let path = segment::path_of(&path, *number);
            self.when_nothing_is_held(|| disk.remove_file(&path).map_err(DiskError::new("remove", &path))).await?;
        }
        if let Some(last) = over.last() {
            disk.sync_dir(&path).map_err(DiskError::new("sync", &path))?;
            tracing::info!(stream = %self.stream, segments = over.len(), last, "record segments were removed: their evidence term is over");
        }
        Ok(())
    }

    /// Takes something away or replaces it, at a moment when nobody holds everything in place.
    async fn when_nothing_is_held(&self, change: impl Fn() -> Result<(), DiskError>) -> Result<(), Pause> {
        loop {
            {
                let _replacing = self.shared.replacing.lock().unwrap_or_else(PoisonError::into_inner);
                if self.shared.holds.load(Ordering::Acquire) == 0 {
                    return Ok(change()?);
                }
            }
            self.breathe().await?;
        }
    }

    /// Lets others go first, and waits while somebody reads the directory ([`crate::keeper::Hold`]);
    /// says where the journal ends or has failed.
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
