//! What a journal is made of, in numbers: read-only, with and without the key, while an engine runs and when it is down.
//!
//! Frame headers are in the clear (kind, job, attempt, tenant, key number), so most of it needs no key. What a job's state is stands under
//! the cipher: without the key a segment says how many of its jobs were answered at least once, with it how many still need it.
//!
//! Nothing here is a judgement. Bytes that are no frame are counted as such; [`crate::Findings`](crate::Finding) are a matter of recovery
//! and verification.

use crate::bounds::SEGMENT_HEADER_BYTES;
use crate::census::Census;
use crate::checkpoint::{self, Covered};
use crate::error::{DiskError, JournalError};
use crate::format::{FrameHeader, FrameKind, LogKind, RecordPosition};
use crate::frame::padded;
use crate::journal_dir::JournalDir;
use crate::key_ring::KeyRing;
use crate::segment::{self, Step};
use crate::walk::{Met, Walk};
use model::{JobId, State, StreamName};
use serde::{Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use world::OpenMode;

/// A journal in numbers.
#[derive(Debug, Clone, Serialize)]
pub struct JournalStats {
    /// Whose it is.
    pub stream: StreamName,
    /// Number of the last start; `None` where the epoch file is absent or damaged.
    pub last_start: Option<u32>,
    /// The truth: heads, intents, outcomes.
    pub record: LogStats,
    /// Payloads.
    pub work: LogStats,
    /// What decided the bytes of messages.
    pub bundles: FolderStats,
    /// The record summed up, so that a start need not read it all.
    pub checkpoints: FolderStats,
    /// How old the newest checkpoint is; `None` where there is none.
    pub newest_checkpoint: Option<CheckpointStats>,
    /// Jobs by state; `None` without the key.
    pub jobs: Option<JobStats>,
}

/// One log.
#[derive(Debug, Clone, Default, Serialize)]
pub struct LogStats {
    /// Its segments in use, by number.
    pub segments: Vec<SegmentStats>,
    /// Segments made ahead of need.
    pub prepared: FolderStats,
}

/// Files of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct FolderStats {
    /// How many.
    pub files: u64,
    /// Their lengths together.
    pub bytes: u64,
}

/// A checkpoint, and what came after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CheckpointStats {
    /// The last record segment that it covers.
    pub through: u32,
    /// Position of the last frame that it covers.
    #[serde(serialize_with = "text")]
    pub position: RecordPosition,
    /// Record segments behind it: what a start reads beside it.
    pub segments_behind: u64,
    /// Their headers and frames, in bytes.
    pub bytes_behind: u64,
}

/// Frames of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct FrameStats {
    /// How many.
    pub frames: u64,
    /// Their bytes, headers and padding included.
    pub bytes: u64,
}

/// One segment.
#[derive(Debug, Clone, Serialize)]
pub struct SegmentStats {
    /// Its number, as in its name.
    pub number: u32,
    /// Length of its file.
    pub file_bytes: u64,
    /// Its header, its whole frames, and its index where it is full.
    pub used_bytes: u64,
    /// Its index alone.
    pub index_bytes: u64,
    /// What is neither used nor room for frames: damage, or the torn end of a crash. While an engine writes, also what it is writing.
    pub other_bytes: u64,
    /// Frames by kind.
    pub frames: BTreeMap<&'static str, FrameStats>,
    /// Position of its first frame.
    #[serde(serialize_with = "as_text")]
    pub first: Option<RecordPosition>,
    /// Position of its last frame.
    #[serde(serialize_with = "as_text")]
    pub last: Option<RecordPosition>,
    /// The starts that wrote in it.
    pub starts: BTreeSet<u32>,
    /// Jobs whose payload is in it.
    pub jobs: u64,
    /// Of these, jobs of which the record has an outcome. An outcome may mean "try again".
    pub answered: u64,
    /// Of these, jobs that are not settled; `None` without the key.
    pub live: Option<u64>,
}

/// All jobs the record knows.
#[derive(Debug, Clone, Default, Serialize)]
pub struct JobStats {
    /// Heads in the record, those of discarded batches included.
    pub heads: u64,
    /// Jobs of batches whose commit is not there yet.
    pub arriving: u64,
    /// Jobs that are not settled, by state.
    pub live: BTreeMap<&'static str, u64>,
    /// Jobs that are settled, by the state they settled in.
    pub settled: BTreeMap<&'static str, u64>,
    /// Batches that are not closed.
    pub batches_open: u64,
    /// Batches that were not discarded.
    pub batches: u64,
    /// Position of the last record that could be read.
    #[serde(serialize_with = "text")]
    pub last: RecordPosition,
}

/// Told while files are read: bytes done, and bytes in all.
pub type OnProgress<'a> = &'a mut dyn FnMut(u64, u64);

impl JournalDir {
    /// Counts everything. Reads both logs once, and the record once more where there are keys.
    ///
    /// # Errors
    /// [`JournalError::Disk`], and with keys [`JournalError::Foreign`].
    pub fn stats(&self, keys: Option<&KeyRing>, progress: OnProgress<'_>) -> Result<JournalStats, JournalError> {
        let mut count = Count::begin(self, keys.is_some(), progress)?;
        count.log(LogKind::Work)?;
        count.log(LogKind::Record)?;
        let census = keys.map(|keys| count.census(keys)).transpose()?;
        let Count { mut work, mut record, payloads, answered, .. } = count;
        for used in &mut work.segments {
            let jobs = payloads.get(&used.number).into_iter().flatten();
            used.answered = jobs.filter(|job| answered.get(job) == Some(&true)).count() as u64;
        }
        let jobs = census.map(|census| jobs_of(&census, &mut work));
        let newest_checkpoint = self.newest_checkpoint(&record)?;
        work.prepared = count_unused(&work, self, LogKind::Work)?;
        record.prepared = count_unused(&record, self, LogKind::Record)?;
        Ok(JournalStats {
            stream: self.stream,
            last_start: self.epoch,
            record,
            work,
            bundles: folder(self, &self.dir.join("bundles"))?,
            checkpoints: folder(self, &checkpoint::folder(&self.dir))?,
            newest_checkpoint,
            jobs,
        })
    }

    fn newest_checkpoint(&self, record: &LogStats) -> Result<Option<CheckpointStats>, JournalError> {
        let covered = checkpoint::newest_covered(self.world.disk(), &checkpoint::folder(&self.dir), self.id, self.stream)?;
        let age = |Covered { through, position }| {
            let behind = || record.segments.iter().filter(|used| used.number > through);
            let bytes_behind = behind().map(|used| used.used_bytes).sum();
            CheckpointStats { through, position, segments_behind: behind().count() as u64, bytes_behind }
        };
        Ok(covered.map(age))
    }

    /// Length of all segment files, in bytes: what a reader of the whole journal has before it.
    ///
    /// # Errors
    /// [`JournalError::Disk`].
    pub fn bytes(&self) -> Result<u64, JournalError> {
        let (work, record) = (folder(self, &self.log(LogKind::Work).path)?, folder(self, &self.log(LogKind::Record).path)?);
        Ok(work.bytes + record.bytes)
    }
}

impl LogStats {
    /// Length of all its files, those made ahead of need included.
    pub fn file_bytes(&self) -> u64 {
        self.segments.iter().map(|used| used.file_bytes).sum::<u64>() + self.prepared.bytes
    }

    /// Headers, whole frames and indexes.
    pub fn used_bytes(&self) -> u64 {
        self.segments.iter().map(|used| used.used_bytes).sum()
    }

    /// Damage and torn ends.
    pub fn other_bytes(&self) -> u64 {
        self.segments.iter().map(|used| used.other_bytes).sum()
    }

    /// Frames by kind, over all segments.
    pub fn frames(&self) -> BTreeMap<&'static str, FrameStats> {
        let mut sums: BTreeMap<&'static str, FrameStats> = BTreeMap::new();
        for (kind, frames) in self.segments.iter().flat_map(|used| &used.frames) {
            let sum = sums.entry(kind).or_default();
            sum.frames += frames.frames;
            sum.bytes += frames.bytes;
        }
        sums
    }

    /// The starts that wrote in it.
    pub fn starts(&self) -> BTreeSet<u32> {
        self.segments.iter().flat_map(|used| used.starts.iter().copied()).collect()
    }

    /// Positions of its oldest and newest frame.
    pub fn span(&self) -> Option<(RecordPosition, RecordPosition)> {
        let first = self.segments.iter().filter_map(|used| used.first).min()?;
        Some((first, self.segments.iter().filter_map(|used| used.last).max()?))
    }
}

/// A count under way.
struct Count<'a> {
    place: &'a JournalDir,
    work: LogStats,
    record: LogStats,
    /// Jobs of each work segment.
    payloads: BTreeMap<u32, Vec<JobId>>,
    /// Jobs that have a payload, and whether the record has an outcome of them.
    answered: BTreeMap<JobId, bool>,
    progress: OnProgress<'a>,
    done: u64,
    total: u64,
}

impl<'a> Count<'a> {
    fn begin(place: &'a JournalDir, with_key: bool, progress: OnProgress<'a>) -> Result<Self, JournalError> {
        let record = folder(place, &place.log(LogKind::Record).path)?.bytes;
        let total = place.bytes()? + if with_key { record } else { 0 };
        let (work, record) = (LogStats::default(), LogStats::default());
        Ok(Self { place, work, record, payloads: BTreeMap::new(), answered: BTreeMap::new(), progress, done: 0, total })
    }

    fn log(&mut self, log: LogKind) -> Result<(), JournalError> {
        let mut walk = Walk::new(self.place, log, None);
        let mut segments: Vec<SegmentStats> = Vec::new();
        while let Some(met) = walk.next()? {
            match met {
                Met::Segment(entered) => {
                    let file_bytes = entered.file.len().map_err(DiskError::new("measure", &entered.path))?;
                    let salt = self.place.log(log).name(entered.number).salt();
                    let end = segment::end_of_frames(&*entered.file, salt).map_err(DiskError::new("read", &entered.path))?;
                    self.done += file_bytes;
                    (self.progress)(self.done.min(self.total), self.total);
                    segments.push(SegmentStats::begin(entered.number, file_bytes, file_bytes.saturating_sub(end)));
                }
                Met::Step(step) => {
                    let used = segments.last_mut().expect("a step comes after its segment");
                    used.take(step);
                    if let Step::Frame { header, .. } = step {
                        self.note_job(log, used.number, &header);
                    }
                }
            }
        }
        *(if log == LogKind::Work { &mut self.work } else { &mut self.record }) = LogStats { segments, prepared: FolderStats::default() };
        Ok(())
    }

    fn note_job(&mut self, log: LogKind, segment: u32, header: &FrameHeader) {
        let Some(job) = header.key.job else { return };
        match (log, header.kind) {
            (LogKind::Work, _) => {
                self.payloads.entry(segment).or_default().push(job);
                self.answered.insert(job, false);
            }
            (LogKind::Record, FrameKind::Outcome) => {
                if let Some(answered) = self.answered.get_mut(&job) {
                    *answered = true;
                }
            }
            _ => {}
        }
    }

    fn census(&mut self, keys: &KeyRing) -> Result<Census, JournalError> {
        // Statistics do not judge; verification does.
        let counted = self.place.count(keys, &mut Vec::new(), |_| {})?;
        (self.progress)(self.total, self.total);
        Ok(counted.census)
    }
}

impl SegmentStats {
    fn begin(number: u32, file_bytes: u64, index_bytes: u64) -> Self {
        Self {
            number,
            file_bytes,
            used_bytes: SEGMENT_HEADER_BYTES as u64 + index_bytes,
            index_bytes,
            other_bytes: 0,
            frames: BTreeMap::new(),
            first: None,
            last: None,
            starts: BTreeSet::new(),
            jobs: 0,
            answered: 0,
            live: None,
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Frame { header, length, .. } => {
                let bytes = padded(length) as u64;
                self.used_bytes += bytes;
                let of_kind = self.frames.entry(header.kind.as_str()).or_default();
                of_kind.frames += 1;
                of_kind.bytes += bytes;
                // Blocks are numbered in a range of their own: their place in the order is that of what is in them.
                if header.kind != FrameKind::Block {
                    let position = header.position();
                    self.first = Some(self.first.map_or(position, |first| first.min(position)));
                    self.last = Some(self.last.map_or(position, |last| last.max(position)));
                }
                self.starts.insert(header.epoch);
                self.jobs += u64::from(header.kind.log() == LogKind::Work);
            }
            Step::Damage { bytes, .. } => self.other_bytes += bytes,
            Step::End { offset, torn } => {
                if torn {
                    self.other_bytes += self.file_bytes.saturating_sub(offset + self.index_bytes);
                }
            }
        }
    }
}

fn jobs_of(census: &Census, work: &mut LogStats) -> JobStats {
    let (batches_open, batches) = census.batches();
    let settled = census.settled.iter().map(|(state, jobs)| (state.as_str(), *jobs)).collect();
    let mut jobs = JobStats { heads: census.heads, settled, batches_open, batches, last: census.last, ..JobStats::default() };
    let mut by_segment: BTreeMap<u32, u64> = BTreeMap::new();
    for (_, job) in census.live() {
        *by_segment.entry(job.locator.segment).or_default() += 1;
        if job.binds {
            *jobs.live.entry(State::as_str(job.state)).or_default() += 1;
        } else {
            jobs.arriving += 1;
        }
    }
    for used in &mut work.segments {
        used.live = Some(by_segment.get(&used.number).copied().unwrap_or(0).min(used.jobs));
    }
    jobs
}

/// What lies in the folder of a log and is no segment in use.
fn count_unused(log: &LogStats, place: &JournalDir, kind: LogKind) -> Result<FolderStats, JournalError> {
    let all = folder(place, &place.log(kind).path)?;
    let (files, bytes) = (log.segments.len() as u64, log.segments.iter().map(|used| used.file_bytes).sum::<u64>());
    Ok(FolderStats { files: all.files.saturating_sub(files), bytes: all.bytes.saturating_sub(bytes) })
}

/// The files of a folder; none where it is absent. One that goes meanwhile does not count.
pub(crate) fn folder(place: &JournalDir, path: &Path) -> Result<FolderStats, JournalError> {
    let disk = place.world.disk();
    let mut stats = FolderStats::default();
    if !disk.exists(path) {
        return Ok(stats);
    }
    for entry in disk.read_dir(path).map_err(DiskError::new("list", path))? {
        let Ok(file) = disk.open(&entry, OpenMode::Read) else { continue };
        let Ok(bytes) = file.len() else { continue };
        stats.files += 1;
        stats.bytes += bytes;
    }
    Ok(stats)
}

/// As it is shown to people: numbers beyond 2^53 are not safe in JSON.
pub(crate) fn text<S: Serializer>(position: &RecordPosition, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(position)
}

fn as_text<S: Serializer>(position: &Option<RecordPosition>, serializer: S) -> Result<S::Ok, S::Error> {
    match position {
        Some(position) => serializer.collect_str(position),
        None => serializer.serialize_none(),
    }
}
