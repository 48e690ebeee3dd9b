//! The record, read by itself: what the durable log says of each job, without asking ledger or engine.

use crate::installation::{key_source, places};
use journal::{JournalConfig, KeyRing, Opened};
use model::record::Record;
use model::{BatchId, JobId, State, StreamName, Transactional};
use std::collections::{BTreeMap, BTreeSet};
use world::World;

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
}

impl RecordHistory {
    /// Opens the journal once more, after the engine's last life, and reads it from its first frame.
    pub(crate) async fn read(world: &World, segment_bytes: u64) -> Result<Self, String> {
        let places = places();
        let keys = KeyRing::open(world, &places.key_ring, &key_source()).map_err(|error| error.to_string())?;
        let dir = places.journal.join(StreamName::Transactional.as_str());
        let config = JournalConfig { segment_bytes, ..JournalConfig::new(dir) };
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
            records.into_iter().for_each(|(_, key, record)| history.add(key.job, record));
        }
        history.jobs.retain(|_, job| history.committed.contains(&job.batch));
        journal.close().await;
        drop(journal);
        writer.join().await.map_err(|error| error.to_string())?;
        Ok(history)
    }

    fn add(&mut self, job: Option<JobId>, record: Record) {
        match record {
            Record::BatchOpen(open) => drop(self.opened.insert(open.batch)),
            Record::BatchCommit(commit) => drop(self.committed.insert(commit.batch)),
            Record::BatchDiscard { .. }
            | Record::BatchClose { .. }
            | Record::Operator(_)
            | Record::KeyDestroyed(_)
            | Record::Restored(_) => {}
            Record::Head(head) => {
                let first = if head.held.is_some() { State::Held } else { State::Queued };
                let history = JobHistory { batch: head.batch, row: head.row, states: vec![first], frozen: BTreeSet::new() };
                if let Some(job) = job {
                    self.jobs.insert(job, history);
                }
            }
            Record::Intent(intent) => self.step(job, State::InFlight, Some(intent.sha256)),
            Record::NotSent(end) | Record::Outcome(end) => self.step(job, end.state, None),
            Record::Change(change) => self.step(job, change.state, None),
        }
    }

    fn step(&mut self, job: Option<JobId>, to: State, frozen: Option<[u8; 32]>) {
        if let Some(history) = job.and_then(|job| self.jobs.get_mut(&job)) {
            history.states.push(to);
            history.frozen.extend(frozen);
        }
    }
}
