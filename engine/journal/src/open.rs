//! A start: lock, raise the epoch, read the record, begin to write.
//!
//! The order matters. The lock comes first, so that no two processes raise one epoch. The epoch file is raised before the key ring's copy:
//! a crash between the two leaves the directory ahead, which is harmless, and never behind, which would look like a clone. Both are synced
//! before the first frame. What the crash left uncommitted is discarded last, by ordinary operations.

use crate::archivist::{Archivist, NEWS_MAX};
use crate::bounds::{BATCHES_SKIPPED, BLOCK_SEQUENCE_FIRST, JOBS_SKIPPED};
use crate::bundle::Bundles;
use crate::checkpoint;
use crate::commit_method;
use crate::config::JournalConfig;
use crate::epoch::{self, EpochFile};
use crate::error::{DiskError, Finding, JournalError, KeyError};
use crate::footer::{self, Trailer};
use crate::format::{JournalId, LogKind, RecordPosition};
use crate::journal::{Journal, JournalInner};
use crate::keeper::{ERRANDS_MAX, Errand, Keeper};
use crate::key_ring::{BatchKey, DestructionCause, FirstNumbers, Home, INSTALLATION, KeyHandle, KeyRing};
use crate::live::{Batch, Batches, LiveJob, LiveJobs, Phase};
use crate::log::{LogWriter, OpenSegment};
use crate::moving::Occupancy;
use crate::notices::{Destroyed, notices};
use crate::payload::PayloadEncoders;
use crate::reader::{OpenFiles, Reader};
use crate::record::Decoded;
use crate::recovery::{self, Misreading, Recovered, Replay};
use crate::restore::{self, Vouched};
use crate::segment;
use crate::space::Space;
use crate::stale::{self, Vouch};
use crate::survey::{self, LogDir, UsedSegment};
use crate::tail::Tail;
use crate::writer::{Shared, Writer, WriterParts};
use model::record::Record;
use model::{BatchId, Stream, StreamName};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use world::channel::bounded;
use world::{LockGuard, Plant, ThreadHandle, World};

/// The reason that a batch is discarded with at a start.
const NO_COMMIT: &str = "no_commit";

/// An open journal.
#[derive(Debug)]
pub struct Opened<S: Stream> {
    /// The handle to write with.
    pub journal: Journal<S>,
    /// Reads payloads and bundles.
    pub reader: Reader,
    /// Gives the durable records in order, from the first.
    pub tail: Tail,
    /// What the engine must go on with.
    pub recovered: Recovered<S>,
    /// The journal was put back from a copy: projections that remember more than it does must begin anew.
    pub restored: bool,
    /// The writer's thread; ends after the last handle is gone or one closed the journal.
    pub writer: ThreadHandle,
}

/// Opens the journal of a stream, or makes it on first use. Blocks the thread while it reads the record.
///
/// # Errors
/// [`JournalError`]: what cannot work in the configuration, a directory in use or of another stream or an old copy
/// ([`JournalError::Stale`]), the key ring, the disk. Damage to frames is no error: see [`Recovered::findings`].
pub async fn open<S: Stream>(world: World, config: JournalConfig, keys: KeyRing) -> Result<Opened<S>, JournalError> {
    open_as(world, config, keys, None).await
}

/// Opens a journal that was put back from a copy, by an operator's word: everything in it that is not settled counts as possibly sent.
///
/// # Errors
/// As [`open`]; [`JournalError::NotStale`] where the journal is the one that was written last.
pub async fn open_restored<S: Stream>(world: World, config: JournalConfig, keys: KeyRing, vouch: Vouch) -> Result<Opened<S>, JournalError> {
    open_as(world, config, keys, Some(vouch)).await
}

async fn open_as<S: Stream>(world: World, config: JournalConfig, keys: KeyRing, vouch: Option<Vouch>) -> Result<Opened<S>, JournalError> {
    config.check()?;
    let place = Place::take(&world, &config)?;
    let vouched = place.vouched::<S>(&keys, vouch)?;
    let mut findings = Vec::new();
    let directory = place.epoch_file()?;
    let (ring_epoch, known) = (keys.epoch(S::NAME), directory.epoch);
    if vouched.is_some() {
        findings.push(Finding::StaleJournal { directory: known, ring: ring_epoch });
    }

    let record_dir = place.log_dir::<S>(directory.journal, LogKind::Record);
    let work_dir = place.log_dir::<S>(directory.journal, LogKind::Work);
    let record_segments = record_dir.segments(&mut findings)?;
    let work_segments = work_dir.segments(&mut findings)?;
    let checkpoints = checkpoint::folder(&config.dir);
    let mut damaged_checkpoints = BTreeSet::new();
    let loaded = checkpoint::load(world.disk(), &checkpoints, directory.journal, S::NAME, &keys, &mut damaged_checkpoints, &mut findings)?;
    let of_checkpoint = loaded.as_ref().map(|loaded| loaded.epoch);
    let (mut replay, covered) = loaded.map_or((Replay::default(), None), |loaded| (loaded.replay, Some(loaded.covered)));
    let is_behind = |used: &UsedSegment| covered.is_none_or(|covered| used.number > covered.through);
    let (covered_segments, behind): (Vec<_>, Vec<_>) = record_segments.into_iter().partition(|used| !is_behind(used));
    recovery::tell_missing(&record_dir, &covered_segments, covered, &mut findings);
    let mut misreading = Misreading::new(&world);
    let mut destructions = Vec::new();
    let record_end = recovery::read_record(&record_dir, &keys, covered, &behind, &mut findings, |seen| {
        if let Decoded::Record(record) = &seen.decoded
            && let Record::KeyDestroyed(gone) = &**record
        {
            destructions.push(gone.key);
        }
        misreading.pass(seen).into_iter().for_each(|seen| replay.see(S::NAME, seen));
    })?;
    keys.destructions_are_recorded(destructions);
    let work_end = work_segments.last().map(|last| work_dir.end_of(last)).transpose()?;
    if let (Some(last), Some(end)) = (work_segments.last(), &work_end) {
        tell_of_work(&work_dir, last, end, &mut findings)?;
    }
    // A segment that is missing may be put back: nothing else gets its number.
    let (missing_of_record, missing_of_work) = (last_missing(LogKind::Record, &findings), last_missing(LogKind::Work, &findings));

    let seen = [of_checkpoint, Some(record_end.last.epoch), work_end.as_ref().map(|end| end.epoch)].into_iter().flatten();
    let of_headers = covered_segments.iter().chain(&behind).chain(&work_segments).filter_map(|used| used.header.map(|header| header.epoch));
    let last_epoch = seen.chain(of_headers).max().unwrap_or(0).max(known).max(ring_epoch);
    let last_epoch = if world.is_planted(Plant::EpochNotRaised) { last_epoch.saturating_sub(1) } else { last_epoch };
    let epoch = last_epoch.checked_add(1).ok_or(KeyError::Exhausted("another start of the journal"))?;
    let epoch = epoch.saturating_add(if vouched.is_some() { restore::epochs_skipped(&world) } else { 0 });
    let first = first_numbers(&keys, &replay, &config, S::NAME, vouched.is_some());
    place.raise::<S>(&keys, directory.journal, epoch, first)?;

    let record = record_dir.open_end(
        behind.last().map(|last| (last, &record_end.last)),
        config.segment_bytes,
        epoch,
        next_number(&behind, covered.map(|covered| covered.through).max(missing_of_record)),
    )?;
    let shared = Shared { durable: AtomicU64::new(record_end.last.position.0), ..Shared::default() };
    let known_keys = keys.batch_keys(S::NAME);
    let ring_batches = known_keys.iter().filter(|key| key.batch.node() == config.node).map(|key| key.batch.sequence() + 1);
    let next_batch = ring_batches.max().unwrap_or(1).max(first.batch);
    shared.next_batch.store(next_batch, std::sync::atomic::Ordering::Relaxed);
    shared.next_job.store(first.job, std::sync::atomic::Ordering::Relaxed);

    // In an old copy everything after its last frame is missing.
    let damaged_after = if vouched.is_some() { Some(RecordPosition(u64::MAX)) } else { record_end.damaged_after };
    // Payloads and keys of batches whose fate is not known are kept for the person who decides.
    let may_reclaim = damaged_after.is_none() && !replay.has_unknown_fates();
    let mut recovered = replay.finish::<S>(damaged_after, findings);
    let mut live = Live::of(&recovered, &keys)?;
    let findings = &mut recovered.findings;
    let is_there = |number: u32| work_segments.binary_search_by_key(&number, |used| used.number).is_ok();
    let gone = live.segments.iter().filter(|(number, _)| !is_there(**number));
    findings.extend(gone.map(|(segment, jobs)| Finding::PayloadsMissing { segment: *segment, jobs: *jobs }));
    // A locator names a segment for as long as its job lives: a number is never given again while any head names it.
    let work = work_dir.open_end(
        work_segments.last().zip(work_end.as_ref()),
        config.segment_bytes,
        epoch,
        next_number(&work_segments, live.segments.keys().last().copied().max(missing_of_work)),
    )?;
    if may_reclaim {
        reclaim(&work_dir, &work_segments, &live, work.name.number)?;
        let record_segments: Vec<_> = covered_segments.into_iter().chain(behind).collect();
        record_dir.complete(&record_segments, &record, |_| true, findings)?;
        let trailers = work_dir.complete(&work_segments, &work, |number| live.segments.contains_key(&number), findings)?;
        let numbers: Vec<u32> = work_segments.iter().map(|used| used.number).filter(|number| *number != work.name.number).collect();
        live.settle_in(&numbers, &trailers);
        keys.destroy_batch_keys(S::NAME, &live.batches_over(&known_keys, &recovered))?;
    }
    let ends = Ends { work, record, damaged_checkpoints };
    start(place, config, keys, directory.journal, epoch, shared, ends, live, may_reclaim, recovered, vouched).await
}

/// What jobs and batches may be numbered from.
fn first_numbers(keys: &KeyRing, replay: &Replay, config: &JournalConfig, stream: StreamName, is_restored: bool) -> FirstNumbers {
    let known = keys.journal(stream).map_or((0, 0), |known| (known.first_job, known.first_batch));
    let (job, batch) = (replay.next_job(config.node).max(known.0), replay.next_batch(config.node).max(known.1));
    if is_restored { FirstNumbers { job: job + JOBS_SKIPPED, batch: batch + BATCHES_SKIPPED } } else { FirstNumbers { job, batch } }
}

struct Ends {
    work: OpenSegment,
    record: OpenSegment,
    damaged_checkpoints: BTreeSet<u32>,
}

#[allow(clippy::too_many_arguments, reason = "one call site; each is a part of the start")]
async fn start<S: Stream>(
    place: Place<'_>,
    config: JournalConfig,
    keys: KeyRing,
    id: JournalId,
    epoch: u32,
    shared: Shared,
    ends: Ends,
    live: Live,
    may_reclaim: bool,
    mut recovered: Recovered<S>,
    vouched: Option<Vouched>,
) -> Result<Opened<S>, JournalError> {
    let world = place.world.clone();
    let shared = Arc::new(shared);
    let bundles = Arc::new(Bundles::new(world.clone(), &config.dir, keys.bundle_key(S::NAME)?));
    bundles.create_dir()?;
    // Read before the keeper begins: what it destroys it tells itself.
    let unrecorded = keys.unrecorded_destructions(S::NAME);
    let (keeper, errands) = bounded(ERRANDS_MAX);
    let (notices, board) = notices();
    let (operations, inbox) = bounded(config.channel_capacity);
    let log = |segment: OpenSegment| {
        let dir = config.dir.join(segment.name.log.as_str());
        LogWriter::new(&dir, segment, config.segment_bytes, keeper.clone())
    };
    let space = Arc::new(Space::new(&config.dir, config.segment_bytes, config.reserve_bytes, config.quota_bytes));
    space.count(&world);
    let installation: KeyHandle = keys.record_key(INSTALLATION, S::NAME)?;
    let checkpoint_key = keys.checkpoint_key(S::NAME)?;
    let files = Arc::new(OpenFiles::default());
    let keeper_of = Keeper {
        world: world.clone(),
        dir: config.dir.clone(),
        stream: S::NAME,
        segment_bytes: config.segment_bytes,
        keys: keys.clone(),
        files: files.clone(),
        shared: shared.clone(),
        notices: notices.clone(),
        journal: id,
        archivist: may_reclaim.then(|| {
            let archivist = Archivist {
                world: world.clone(),
                dir: config.dir.clone(),
                journal: id,
                stream: S::NAME,
                epoch,
                keys: keys.clone(),
                key: checkpoint_key,
                shared: shared.clone(),
                every: config.checkpoint_every_segments,
                closed: ends.record.name.number.saturating_sub(1),
                damaged: ends.damaged_checkpoints,
                next_number: 0,
                next_sequence: BLOCK_SEQUENCE_FIRST,
                packed: 0,
                evidence_kept: config.evidence_kept,
            };
            let (news, closed) = bounded(NEWS_MAX);
            (news, world.spawn_thread(&format!("archivist-{}", S::NAME), move || archivist.run(closed)))
        }),
        space: space.clone(),
    };
    let keeper_thread = world.spawn_thread(&format!("keeper-{}", S::NAME), move || keeper_of.run(errands));
    let parts = WriterParts {
        world: world.clone(),
        journal: id,
        epoch,
        commit_delay_max: config.commit_delay_max,
        committer: commit_method::choose(&world, &config.dir, S::NAME, config.commit_method),
        space: space.clone(),
        keys: keys.clone(),
        installation,
        work: log(ends.work),
        record: log(ends.record),
        keeper: keeper.clone(),
        keeper_thread,
        shared: shared.clone(),
        notices: board,
        batches: live.batches,
        jobs: live.jobs,
        segments: live.segments,
        occupancy: live.occupancy,
        may_reclaim,
        _lock: place.lock,
    };
    let writer = Writer::<S>::new(parts)?;
    let writer = world.spawn_thread(&format!("journal-{}", S::NAME), move || writer.run(inbox));

    for segment in live.uncounted {
        keeper.send(Errand::Count { segment }).await.map_err(|_| JournalError::Closed)?;
    }
    let inner = JournalInner {
        world: world.clone(),
        dir: config.dir.clone(),
        id,
        epoch,
        node: config.node,
        keys: keys.clone(),
        keeper,
        shared: shared.clone(),
        bundles: bundles.clone(),
        encoders: PayloadEncoders::default(),
        space: space.clone(),
    };
    let journal = Journal { inner: Arc::new(inner), operations };
    for batch in &recovered.discarded {
        journal.discard_batch(*batch, world.wall(), NO_COMMIT).await?;
    }
    // A crash came between a key's end and its frame, or the line above made it end.
    notices.tell(unrecorded.into_iter().map(|destruction| Destroyed { destruction, answers: Vec::new() }).collect());
    let restored = vouched.is_some();
    if let Some(vouched) = vouched {
        restore::note(&world, &journal, &mut recovered, vouched).await?;
        stale::unmark(world.disk(), &config.dir)?;
    }
    let reader = Reader::new(world.clone(), &config.dir, id, S::NAME, keys.clone(), bundles, files, shared.clone());
    let tail = Tail::new(world, &config.dir, id, S::NAME, keys, shared);
    Ok(Opened { journal, reader, tail, recovered, restored, writer })
}

/// The directory, locked.
struct Place<'world> {
    world: &'world World,
    dir: PathBuf,
    lock: Box<dyn LockGuard>,
}

impl<'world> Place<'world> {
    fn take(world: &'world World, config: &JournalConfig) -> Result<Self, JournalError> {
        let disk = world.disk();
        let dir = config.dir.clone();
        for path in [dir.clone(), dir.join(LogKind::Work.as_str()), dir.join(LogKind::Record.as_str()), checkpoint::folder(&dir)] {
            disk.create_dir_all(&path).map_err(DiskError::new("create", &path))?;
        }
        let lock = disk.lock_exclusive(&dir.join("lock")).map_err(|error| match error.kind() {
            std::io::ErrorKind::WouldBlock => JournalError::Locked(dir.clone()),
            _ => JournalError::Disk(DiskError::new("lock", &dir)(error)),
        })?;
        Ok(Self { world, dir, lock })
    }

    /// Whether the journal is the one that was written last, or an operator's word stands for it.
    /// Then it is marked before anything is changed.
    fn vouched<S: Stream>(&self, keys: &KeyRing, vouch: Option<Vouch>) -> Result<Option<Vouched>, JournalError> {
        match (stale::look_for_staleness(self.world, &self.dir, S::NAME, keys)?, vouch) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(JournalError::NotStale(self.dir.clone())),
            (Some(stale), None) => Err(JournalError::Stale(Box::new(stale))),
            (Some(stale), Some(vouch)) => {
                stale::mark(self.world.disk(), &self.dir)?;
                Ok(Some(Vouched { stale, vouch }))
            }
        }
    }

    fn log_dir<S: Stream>(&self, journal: JournalId, log: LogKind) -> LogDir<'world> {
        LogDir { disk: self.world.disk(), path: self.dir.join(log.as_str()), journal, stream: S::NAME, log }
    }

    fn epoch_path(&self) -> PathBuf {
        self.dir.join("epoch")
    }

    /// What the directory knows of itself; a new identity where it is new.
    fn epoch_file(&self) -> Result<EpochFile, JournalError> {
        let disk = self.world.disk();
        if let Some(file) = epoch::read(disk, &self.epoch_path())? {
            return Ok(file);
        }
        let dirs = [LogKind::Record, LogKind::Work].map(|log| self.dir.join(log.as_str()));
        let journal = match survey::stated_journal(disk, &dirs)? {
            Some(journal) => journal,
            None => {
                let mut id = [0u8; 16];
                self.world.fill_random(&mut id);
                JournalId(id)
            }
        };
        Ok(EpochFile { journal, epoch: 0, directory: None })
    }

    fn raise<S: Stream>(&self, keys: &KeyRing, journal: JournalId, epoch: u32, first: FirstNumbers) -> Result<(), JournalError> {
        if epoch > crate::bounds::EPOCH_MAX {
            return Err(KeyError::Exhausted("another start of the journal").into());
        }
        let disk = self.world.disk();
        let directory = disk.identity(&self.dir).map_err(DiskError::new("look at", &self.dir))?;
        epoch::write(disk, &self.epoch_path(), journal, epoch, directory)?;
        Ok(keys.remember_start(S::NAME, epoch, Home { journal, directory }, first)?)
    }
}

fn next_number(segments: &[UsedSegment], at_least: Option<u32>) -> u32 {
    let last = segments.last().map(|last| last.number).max(at_least);
    last.map_or(1, |last| last.saturating_add(1))
}

fn tell_of_work(dir: &LogDir<'_>, last: &UsedSegment, end: &survey::SegmentEnd, findings: &mut Vec<Finding>) -> Result<(), DiskError> {
    let (log, segment) = (LogKind::Work, last.number);
    findings.extend(end.damage.iter().map(|hole| Finding::Damage { log, segment, offset: hole.offset, bytes: hole.bytes }));
    let path = segment::path_of(&dir.path, segment);
    // Only a segment that another one follows has an index.
    if footer::read_trailer(&*last.file, dir.name(segment).salt()).map_err(DiskError::new("read", &path))?.is_some() {
        findings.push(Finding::SegmentMissing { log, segment: segment.saturating_add(1) });
    } else if end.torn || !end.holes.is_empty() {
        let offset = end.holes.first().map_or(end.offset, |hole| hole.offset);
        findings.push(Finding::TornTail { log, segment, offset });
    }
    Ok(())
}

fn last_missing(of: LogKind, findings: &[Finding]) -> Option<u32> {
    let missing = findings.iter().filter_map(|finding| match finding {
        Finding::SegmentMissing { log, segment } if *log == of => Some(*segment),
        _ => None,
    });
    missing.max()
}

/// Removes work segments without a live job.
fn reclaim(dir: &LogDir<'_>, segments: &[UsedSegment], live: &Live, current: u32) -> Result<(), JournalError> {
    for used in segments {
        if used.number != current && !live.segments.contains_key(&used.number) {
            dir.remove(&segment::path_of(&dir.path, used.number))?;
        }
    }
    Ok(())
}

/// What the writer must know of the past.
#[derive(Default)]
struct Live {
    batches: Batches,
    jobs: LiveJobs,
    segments: BTreeMap<u32, u64>,
    occupancy: Occupancy,
    /// Closed work segments without an index: how many jobs they hold nobody knows yet.
    uncounted: Vec<u32>,
}

impl Live {
    fn of<S: Stream>(recovered: &Recovered<S>, keys: &KeyRing) -> Result<Self, JournalError> {
        let mut live = Self::default();
        let mut counts: BTreeMap<BatchId, u64> = BTreeMap::new();
        for job in &recovered.jobs {
            *counts.entry(job.job.head.batch).or_default() += 1;
        }
        let content: BTreeMap<BatchId, u32> = keys.batch_keys(S::NAME).iter().map(|key| (key.batch, key.id)).collect();
        for found in &recovered.batches {
            let (open, jobs) = (&found.open, counts.get(&found.open.batch).copied().unwrap_or(0));
            if found.closed && jobs == 0 {
                continue;
            }
            let committed = found.commit.is_some();
            // Neither rolling nor committed, in a damaged record: it takes no jobs, and nobody discards it but a person.
            let phase = if committed || !open.rolling { Phase::Committed } else { Phase::Open };
            let id = content.get(&open.batch).copied();
            live.batches.insert(Batch {
                id: open.batch,
                tenant: open.tenant,
                rolling: open.rolling,
                phase,
                closed: found.closed,
                content: id.map(|id| handle(keys, id)).transpose()?.flatten(),
                record: keys.record_key(open.tenant, S::NAME)?,
                live: jobs,
                heads: Vec::new(),
                failed: None,
            });
        }
        for batch in &recovered.discarded {
            live.insert_given_up::<S>(*batch, keys)?;
        }
        for job in &recovered.jobs {
            let (id, segment) = (job.job.id, job.job.locator.segment);
            let batch = live.batches.slot(job.job.head.batch).expect("each recovered job is of a recovered batch");
            live.jobs.insert(id, LiveJob { segment, batch });
            *live.segments.entry(segment).or_default() += 1;
        }
        Ok(live)
    }

    /// Sums up how much of the closed work segments is live.
    fn settle_in(&mut self, closed: &[u32], trailers: &BTreeMap<u32, Trailer>) {
        for number in closed {
            let Some(live) = self.segments.get(number) else { continue };
            match trailers.get(number) {
                Some(trailer) => {
                    let bytes = u64::from(trailer.end) + trailer.footer_bytes();
                    self.occupancy.close(*number, u64::from(trailer.entries), bytes, *live);
                }
                None => self.uncounted.push(*number),
            }
        }
    }

    /// A batch that the writer is about to discard: open, and without jobs.
    fn insert_given_up<S: Stream>(&mut self, batch: BatchId, keys: &KeyRing) -> Result<(), JournalError> {
        let tenant = keys.batch_keys(S::NAME).iter().find(|key| key.batch == batch).map_or(INSTALLATION, |key| key.tenant);
        self.batches.insert(Batch {
            id: batch,
            tenant,
            rolling: false,
            phase: Phase::Open,
            closed: false,
            content: None,
            record: keys.record_key(tenant, S::NAME)?,
            live: 0,
            heads: Vec::new(),
            failed: None,
        });
        Ok(())
    }

    /// Batches whose content key is not needed any more: discarded, never opened, or closed and settled.
    fn batches_over<S: Stream>(&self, with_key: &[BatchKey], recovered: &Recovered<S>) -> Vec<(BatchId, DestructionCause)> {
        let is_over = |batch: &BatchId| self.batches.by_id(*batch).is_none() || recovered.discarded.contains(batch);
        let is_settled = |batch: BatchId| recovered.batches.iter().any(|known| known.open.batch == batch);
        let cause = |batch| if is_settled(batch) { DestructionCause::Settled } else { DestructionCause::Discarded };
        with_key.iter().map(|key| key.batch).filter(is_over).map(|batch| (batch, cause(batch))).collect()
    }
}

fn handle(keys: &KeyRing, id: u32) -> Result<Option<KeyHandle>, JournalError> {
    Ok(keys.cipher(id)?.map(|cipher| KeyHandle { id, cipher }))
}
