//! The record, read by itself: what the durable log says of each job, without asking ledger or engine.

use crate::installation::{key_source, places};
use journal::{JournalConfig, KeyRing, Opened, RecordPosition};
use model::record::{BatchVerb, Record};
use model::{BatchId, JobId, State, StreamName, Timestamp, Transactional};
use std::collections::{BTreeMap, BTreeSet};
use world::World;

/// The node of all simulated engines.
const NODE: u16 = 1;
/// No run opens so many batches.
const BATCHES_MAX: u64 = 100;
/// Records read at once.
const RECORDS_MAX: usize = 4096;

/// What became of one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobHistory {
    /// Its batch.
    pub batch: BatchId,
    /// The row it came from.
    pub row: u64,
    /// Its states in order, the first one at the door.
    pub states: Vec<State>,
    /// The hashes that its intents froze; never more than one.
    pub frozen: BTreeSet<[u8; 32]>,
    /// When it was due again, by its latest frame.
    pub due: Option<Timestamp>,
    /// Attempts that ended before the moment for which they were put back.
    pub too_early: u64,
}

impl JobHistory {
    /// Where it stands.
    pub fn state(&self) -> State {
        self.states.last().copied().unwrap_or(State::Queued)
    }

    /// Whether the record says anywhere that it may have been sent.
    pub fn was_uncertain(&self) -> bool {
        self.states.contains(&State::Uncertain)
    }
}

/// The whole record of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordHistory {
    /// Every job of a batch that was committed.
    pub jobs: BTreeMap<JobId, JobHistory>,
    /// Batches that were committed.
    pub committed: BTreeSet<BatchId>,
    /// Batches that were opened.
    pub opened: BTreeSet<BatchId>,
    /// Jobs that a start would have to go on with.
    pub left_to_do: Vec<State>,
    /// What recovery found wrong.
    pub damage: Vec<String>,
    /// What operators ordered, and with which start of the engine.
    pub orders: Vec<(BatchVerb, u32)>,
    /// Attempts of jobs whose batch was held or cancelled before the start of the engine that made them.
    pub disobeyed: u64,
    /// Batches that were closed.
    pub closed: BTreeSet<BatchId>,
    /// Closed batches without a job that is not settled whose content key is still there after the last stop.
    pub keys_kept: Vec<BatchId>,
}

impl RecordHistory {
    /// Opens the journal once more, after the engine's last life, and reads it from its first frame.
    pub(crate) async fn read(world: &World, segment_bytes: u64) -> Result<Self, String> {
        let places = places();
        let keys = KeyRing::open(world, &places.key_ring, &key_source()).map_err(|error| error.to_string())?;
        let dir = places.journal.join(StreamName::Transactional.as_str());
        let config = JournalConfig { segment_bytes, ..JournalConfig::new(dir) };
        // A start would delete what the stop before it forgot.
        let ring = keys.clone();
        let kept = |batch: &BatchId| ring.has_content_key(StreamName::Transactional, *batch);
        let kept: BTreeSet<BatchId> = (1..BATCHES_MAX).map(|number| BatchId::new(NODE, number)).filter(kept).collect();
        let opened = journal::open::<Transactional>(world.clone(), config, keys).await.map_err(|error| error.to_string())?;
        let Opened { journal, mut tail, recovered, writer, .. } = opened;
        let mut history = Self {
            left_to_do: recovered.jobs.iter().map(|job| job.state).filter(|state| state.is_active()).collect(),
            damage: recovered.findings.iter().map(ToString::to_string).collect(),
            ..Self::default()
        };
        loop {
            let records = tail.next(RECORDS_MAX).map_err(|error| error.to_string())?;
            if records.is_empty() {
                break;
            }
            records.into_iter().for_each(|(position, key, record)| history.add(position, key.job, record));
        }
        history.jobs.retain(|_, job| history.committed.contains(&job.batch));
        let is_over = |batch: &&BatchId| history.jobs.values().all(|job| job.batch != **batch || job.state().is_settled());
        history.keys_kept = kept.intersection(&history.closed).filter(is_over).copied().collect();
        journal.close().await;
        drop(journal);
        writer.join().await.map_err(|error| error.to_string())?;
        Ok(history)
    }

    fn add(&mut self, position: RecordPosition, job: Option<JobId>, record: Record) {
        match record {
            Record::BatchOpen(open) => drop(self.opened.insert(open.batch)),
            Record::BatchCommit(commit) => drop(self.committed.insert(commit.batch)),
            Record::BatchClose { batch, .. } => drop(self.closed.insert(batch)),
            Record::Operator(action) => self.orders.push((action.verb, position.start())),
            Record::BatchDiscard { .. } | Record::KeyDestroyed(_) | Record::Restored(_) => {}
            Record::Head(head) => {
                let first = if head.held.is_some() { State::Held } else { State::Queued };
                let history =
                    JobHistory { batch: head.batch, row: head.row, states: vec![first], frozen: BTreeSet::new(), due: None, too_early: 0 };
                if let Some(job) = job {
                    self.jobs.insert(job, history);
                }
            }
            Record::Intent(intent) => {
                self.disobeyed += u64::from(self.is_stopped_before(position.start()));
                self.step(job, State::InFlight, Some(intent.sha256));
            }
            Record::NotSent(end) | Record::Outcome(end) => {
                if let Some(history) = job.and_then(|job| self.jobs.get_mut(&job)) {
                    history.too_early += u64::from(history.due.is_some_and(|due| end.at < due));
                    history.due = end.due;
                }
                self.step(job, end.state, None);
            }
            Record::Change(change) => {
                if let Some(history) = job.and_then(|job| self.jobs.get_mut(&job)) {
                    history.due = change.due;
                }
                self.step(job, change.state, None);
            }
        }
    }

    /// Whether the latest order to the batch, there is one, holds or cancels it, and is older than this start. In the start that was told,
    /// a few messages are on their way.
    fn is_stopped_before(&self, start: u32) -> bool {
        self.orders.last().is_some_and(|(verb, at)| *verb != BatchVerb::Release && *at < start)
    }

    fn step(&mut self, job: Option<JobId>, to: State, frozen: Option<[u8; 32]>) {
        if let Some(history) = job.and_then(|job| self.jobs.get_mut(&job)) {
            history.states.push(to);
            history.frozen.extend(frozen);
        }
    }
}
