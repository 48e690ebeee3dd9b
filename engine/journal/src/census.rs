//! What became of all jobs, counted while the record is read: for those who look, not for those who go on.
//!
//! The rules are recovery's own ([`crate::recovery::standing`]), and where there is a checkpoint it is believed as a start believes it:
//! what it says is compared with the record for as long as that is there. Of a job that is not settled only its state, its batch and the
//! place of its payload are kept, so that a census of a large queue fits beside the engine that serves it.

use crate::checkpoint::{self, CheckpointFault, CheckpointReader, Covered, Item};
use crate::error::{Finding, JournalError};
use crate::format::{LogKind, RecordPosition};
use crate::journal_dir::JournalDir;
use crate::key_ring::KeyRing;
use crate::recovery::standing::{BatchEntry, Events, JobChange, JobStanding};
use crate::recovery::{self, Seen};
use model::record::Head;
use model::stage::Locator;
use model::{BatchId, JobId, State};
use std::collections::BTreeMap;
use std::sync::Arc;
use world::OpenMode;

/// Batches and jobs as the record read so far leaves them.
#[derive(Default)]
pub(crate) struct Census {
    /// Heads seen, those of discarded batches included.
    pub(crate) heads: u64,
    /// Jobs that settled, by the state they settled in. A bounce that came later does not move them.
    pub(crate) settled: BTreeMap<State, u64>,
    pub(crate) last: RecordPosition,
    batches: BTreeMap<BatchId, BatchEntry>,
    jobs: BTreeMap<JobId, JobStanding>,
    /// One head stands for all of its batch.
    heads_of: BTreeMap<BatchId, Arc<Head>>,
}

/// A job that is not settled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Live {
    pub(crate) state: State,
    pub(crate) locator: Locator,
    /// Its batch is committed or rolling. Otherwise it is arriving: no job yet.
    pub(crate) binds: bool,
}

/// All batches and jobs, counted from the whole record, and beside it from the newest checkpoint and what is behind it.
pub(crate) struct Counted {
    /// As a start sees them: from the checkpoint where there is one.
    pub(crate) census: Census,
    /// Where the record ends.
    pub(crate) last: RecordPosition,
    /// Jobs of which the checkpoint says something else than the record, and what the checkpoint covers.
    pub(crate) disputed: Option<(Covered, Vec<JobId>)>,
}

impl JournalDir {
    /// Reads the whole record. `each` sees what it says.
    pub(crate) fn count(&self, keys: &KeyRing, findings: &mut Vec<Finding>, mut each: impl FnMut(&Seen)) -> Result<Counted, JournalError> {
        let dir = self.log(LogKind::Record);
        // Before the record: what the checkpoint covers is in it by now.
        let seed = self.seed(keys, findings)?;
        let (covered, mut seeded) = seed.map_or((None, Census::default()), |(covered, census)| (Some(covered), census));
        let surveyed = dir.survey(OpenMode::Read, findings)?.used;
        let mut full = Census::default();
        let end = recovery::read_record(&dir, keys, None, &surveyed, findings, |seen| {
            each(&seen);
            let position = seen.position;
            let events = Events::of(self.stream, seen);
            if covered.is_some_and(|covered| position > covered.position) {
                seeded.take(position, events.clone());
            }
            full.take(position, events);
        })?;
        let last = end.last.position;
        // Segments whose term was over: what they said is in the checkpoint.
        findings.retain(|finding| !matches!((finding, covered), (Finding::BeginningMissing { log: LogKind::Record, segment }, Some(covered)) if *segment <= covered.through.saturating_add(1)));
        let Some(covered) = covered else { return Ok(Counted { census: full, last, disputed: None }) };
        // Where the record's first years are gone on purpose, the checkpoint alone knows their jobs.
        let is_complete = surveyed.first().is_none_or(|first| first.number == 1);
        let disputed = is_complete.then(|| (covered, full.differs_from(&seeded)));
        (seeded.heads, seeded.settled) = (full.heads, full.settled);
        Ok(Counted { census: seeded, last, disputed })
    }

    /// What the newest whole checkpoint says.
    fn seed(&self, keys: &KeyRing, findings: &mut Vec<Finding>) -> Result<Option<(Covered, Census)>, JournalError> {
        let (disk, folder) = (self.world.disk(), checkpoint::folder(&self.dir));
        for through in checkpoint::numbers(disk, &folder)?.into_iter().rev() {
            match self.seed_from(keys, through) {
                Ok(seed) => return Ok(Some(seed)),
                // An engine exchanged it for a newer one meanwhile.
                Err(_) if !disk.exists(&checkpoint::path_of(&folder, through)) => {}
                Err(fault) => findings.push(Finding::CheckpointDamaged { through, what: fault.to_string() }),
            }
        }
        Ok(None)
    }

    fn seed_from(&self, keys: &KeyRing, through: u32) -> Result<(Covered, Census), CheckpointFault> {
        let folder = checkpoint::folder(&self.dir);
        let mut reader = CheckpointReader::open(self.world.disk(), &folder, through, self.id, self.stream, keys)?;
        let mut census = Census { last: reader.covered().position, ..Census::default() };
        while let Some(item) = reader.next()? {
            match item {
                Item::Batch(id, entry) => drop(census.batches.insert(id, *entry)),
                Item::Job(id, job) => census.keep(id, job),
                Item::Summary(_) | Item::End(_) => {}
            }
        }
        Ok((reader.covered(), census))
    }
}

impl Census {
    fn take(&mut self, position: RecordPosition, events: Events) {
        self.last = self.last.max(position);
        let Events { batch, job, is_restoration } = events;
        if is_restoration {
            self.batches.values_mut().for_each(BatchEntry::lose_track);
        }
        if let Some((id, event)) = batch {
            self.batches.entry(id).or_default().take(id, event);
        }
        let Some((id, event)) = job else { return };
        let state = match &event.change {
            JobChange::Moves { state, .. } => Some(*state),
            JobChange::Begins(..) | JobChange::Intent(_) | JobChange::LiesAt(_) | JobChange::Narrows(..) => None,
        };
        let known = self.jobs.remove(&id);
        let was_known = known.is_some();
        self.heads += u64::from(matches!(event.change, JobChange::Begins(..)));
        match JobStanding::after(known, event) {
            Some(job) => self.keep(id, job),
            None => {
                if let Some(state) = state.filter(|_| was_known) {
                    *self.settled.entry(state).or_default() += 1;
                }
            }
        }
    }

    fn keep(&mut self, id: JobId, mut job: JobStanding) {
        job.head = self.heads_of.entry(job.head.batch).or_insert(job.head).clone();
        self.jobs.insert(id, job);
    }

    /// Jobs that stand otherwise there than here, or are known to one alone.
    fn differs_from(&self, other: &Self) -> Vec<JobId> {
        let facts = |census: &Self| -> BTreeMap<JobId, (State, Locator, bool)> {
            census.live().map(|(id, job)| (id, (job.state, job.locator, job.binds))).collect()
        };
        let (here, there) = (facts(self), facts(other));
        let mut differing: Vec<JobId> = here.iter().filter(|(id, facts)| there.get(id) != Some(facts)).map(|(id, _)| *id).collect();
        differing.extend(there.keys().filter(|id| !here.contains_key(id)));
        differing
    }

    /// The jobs that are not settled, without those of discarded batches.
    pub(crate) fn live(&self) -> impl Iterator<Item = (JobId, Live)> {
        self.jobs.iter().filter_map(|(id, job)| {
            let standing = self.batches.get(&job.head.batch)?.standing.as_ref()?;
            Some((*id, Live { state: job.state, locator: job.locator, binds: standing.binds() }))
        })
    }

    /// Batches that are open for jobs or have a job that is not settled, and all that were not discarded.
    pub(crate) fn batches(&self) -> (u64, u64) {
        let standing = || self.batches.values().filter_map(|entry| entry.standing.as_ref());
        (standing().filter(|batch| !batch.closed).count() as u64, standing().count() as u64)
    }
}
