//! The record, read by itself: what the durable log says of each job, without asking ledger or engine.

use crate::installation::{TENANT, places};
use journal::{JournalConfig, KeyRing, Opened};
use model::record::Record;
use model::{BatchId, Fingerprint, JobId, State, Stream, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use world::World;

/// The node of all simulated engines, and the bit that marks the ids of marketing.
const NODE: u16 = 1;
const NODE_MARKETING: u16 = 1 << 15;
/// No run opens so many batches.
const BATCHES_MAX: u64 = 200;
/// Records read at once.
const RECORDS_MAX: usize = 4096;

/// What became of one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobHistory {
    /// Its batch.
    pub batch: BatchId,
    /// The row it came from.
    pub row: u64,
    /// The rows behind it, where its member's were grouped.
    pub further: Vec<u64>,
    /// The keyed hash of the key it was handed in under.
    pub key: Fingerprint,
    /// Its states in order, the first one at the door.
    pub states: Vec<State>,
    /// The hashes that its intents froze; never more than one.
    pub frozen: BTreeSet<[u8; 32]>,
    /// When it was due again, by its latest frame.
    pub due: Option<Timestamp>,
    /// Attempts that ended before the moment for which they were put back.
    pub too_early: u64,
    /// An intent was followed by another one, or by a change: what told of its end was torn off by a crash.
    pub has_unended_intent: bool,
}

impl JobHistory {
    /// Its rows.
    pub fn rows(&self) -> impl Iterator<Item = u64> + '_ {
        std::iter::once(self.row).chain(self.further.iter().copied())
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.states.last().copied().unwrap_or(State::Queued)
    }

    /// Whether the record says anywhere that it may have been sent.
    pub fn was_uncertain(&self) -> bool {
        self.has_unended_intent || self.states.contains(&State::Uncertain)
    }
}

/// The whole record of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordHistory {
    /// Every job of a batch that was committed, or is rolling.
    pub jobs: BTreeMap<JobId, JobHistory>,
    /// Batches that were committed.
    pub committed: BTreeSet<BatchId>,
    /// Batches of streamed jobs.
    pub rolling: BTreeSet<BatchId>,
    /// Jobs that a start would have to go on with.
    pub left_to_do: Vec<State>,
    /// What recovery found wrong.
    pub damage: Vec<String>,
    /// Batches that were closed.
    pub closed: BTreeSet<BatchId>,
    /// Closed batches without a job that is not settled whose content key was still there after the last stop.
    pub keys_kept: BTreeSet<BatchId>,
}

/// How keys that were handed in stand in the record.
pub(crate) fn fingerprints<'k>(keys: &KeyRing, stated: impl Iterator<Item = &'k str>) -> Result<BTreeMap<Fingerprint, usize>, String> {
    let tenant = keys.tenant(TENANT).map_err(|error| error.to_string())?;
    let hash = |key: &str| keys.fingerprint(tenant, "key.stated", &[key.as_bytes()]).map_err(|error| error.to_string());
    let mut found = BTreeMap::new();
    for (number, key) in stated.enumerate() {
        // The first line with a key is the one that counts; the others repeat it.
        found.entry(hash(key)?).or_insert(number);
    }
    Ok(found)
}

impl RecordHistory {
    /// Opens a journal once more, after the engine's last life, and reads it from its first frame.
    pub(crate) async fn read<S: Stream>(world: &World, keys: &KeyRing, segment_bytes: u64) -> Result<Self, String> {
        let dir = places().journal.join(S::NAME.as_str());
        let config = JournalConfig { segment_bytes, ..JournalConfig::new(dir) };
        // Asked first: a start deletes what the stop before it forgot.
        let numbers =
            [NODE, NODE | NODE_MARKETING].into_iter().flat_map(|node| (1..BATCHES_MAX).map(move |number| BatchId::new(node, number)));
        let kept: BTreeSet<BatchId> = numbers.filter(|batch| keys.has_content_key(S::NAME, *batch)).collect();
        let opened = journal::open::<S>(world.clone(), config, keys.clone()).await.map_err(|error| error.to_string())?;
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
        let Self { jobs, committed, rolling, .. } = &mut history;
        jobs.retain(|_, job| committed.contains(&job.batch) || rolling.contains(&job.batch));
        let is_over = |batch: &&BatchId| history.jobs.values().all(|job| job.batch != **batch || job.state().is_settled());
        history.keys_kept = kept.intersection(&history.closed).filter(is_over).copied().collect();
        journal.close().await;
        drop(journal);
        writer.join().await.map_err(|error| error.to_string())?;
        Ok(history)
    }

    fn add(&mut self, job: Option<JobId>, record: Record) {
        match record {
            Record::BatchOpen(open) if open.rolling => drop(self.rolling.insert(open.batch)),
            Record::BatchCommit(commit) => drop(self.committed.insert(commit.batch)),
            Record::BatchClose { batch, .. } => drop(self.closed.insert(batch)),
            Record::BatchOpen(_) | Record::BatchDiscard { .. } | Record::Operator(_) | Record::KeyDestroyed(_) | Record::Restored(_) => {}
            Record::Head(head) => {
                let first = head.first_state();
                let history = JobHistory {
                    batch: head.batch,
                    row: head.row,
                    further: head.further.iter().map(|further| further.row).collect(),
                    key: head.key,
                    states: vec![first],
                    frozen: BTreeSet::new(),
                    due: None,
                    too_early: 0,
                    has_unended_intent: false,
                };
                if let Some(job) = job {
                    self.jobs.insert(job, history);
                }
            }
            // No scenario corrects a statement.
            Record::Narrowed(_) => self.damage.push("a statement left its message, though nothing was corrected".to_owned()),
            Record::Intent(intent) => {
                self.notice_unended(job);
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
                self.notice_unended(job);
                if let Some(history) = job.and_then(|job| self.jobs.get_mut(&job)) {
                    history.due = change.due;
                }
                self.step(job, change.state, None);
            }
        }
    }

    fn notice_unended(&mut self, job: Option<JobId>) {
        if let Some(history) = job.and_then(|job| self.jobs.get_mut(&job)) {
            history.has_unended_intent |= history.state() == State::InFlight;
        }
    }

    fn step(&mut self, job: Option<JobId>, to: State, frozen: Option<[u8; 32]>) {
        if let Some(history) = job.and_then(|job| self.jobs.get_mut(&job)) {
            history.states.push(to);
            history.frozen.extend(frozen);
        }
    }
}
