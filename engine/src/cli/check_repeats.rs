//! What a check knows of earlier batches: the installation's own index of keys, and its books.
//!
//! Everything is read and nothing is changed, beside a running engine and without one: the runs of the index, and the record behind them. What an
//! engine is accepting at this moment is not in it yet. Without an installation, rows are compared with the rows of their own file alone.

use super::Trouble;
use crate::config::Config;
use crate::superseding::{Superseded, after_it_went};
use intake::{Admission, Admitted, Day, Earlier, Fingerprints, KeyIndex, KeyIndexSettings, Replay, Row};
use journal::{JournalDir, KeyRing, RecordPosition};
use ledger::Ledger;
use model::record::Record;
use model::stage::Job;
use model::{BatchId, JobId, State, Stream, TenantId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use world::World;

/// Records followed at once.
const FRAMES_MAX: usize = 4096;

/// Earlier batches, as far as they are known.
pub(super) struct Repeats {
    keys: KeyIndex,
    ledger: Option<Ledger>,
    cancelled: BTreeSet<BatchId>,
    superseded: Superseded,
}

impl Repeats {
    /// No earlier batch is known.
    pub(super) fn none() -> Self {
        Self { keys: KeyIndex::in_memory(), ledger: None, cancelled: BTreeSet::new(), superseded: Superseded::default() }
    }

    /// What the installation knows; nothing where it never accepted anything.
    ///
    /// # Errors
    /// Where its index, its record or its books cannot be read.
    pub(super) fn of<S: Stream>(
        world: &World,
        config: &Config,
        (keys, tenant): (&KeyRing, TenantId),
        now: Timestamp,
    ) -> Result<Self, Trouble> {
        let Some(dir) = JournalDir::look(world, &config.paths.journal.join(S::NAME.as_str()), S::NAME).map_err(Trouble::failed)? else {
            return Ok(Self::none());
        };
        let ledger = Ledger::open_to_read(&config.paths.ledger.join(format!("{}.sqlite", S::NAME))).map_err(Trouble::failed)?;
        let batches = ledger.as_ref().map(Ledger::batches).transpose().map_err(Trouble::failed)?.unwrap_or_default();
        let named = |is_it: fn(&ledger::BatchLine) -> bool| -> BTreeSet<BatchId> {
            batches.iter().filter(|line| is_it(line)).filter_map(|line| line.batch_id.parse().ok()).collect()
        };
        let ours: BTreeSet<BatchId> =
            batches.iter().filter(|line| line.tenant == tenant.0).filter_map(|line| line.batch_id.parse().ok()).collect();
        let cancelled = named(|line| line.cancelled).intersection(&ours).copied().collect();
        let settings = KeyIndexSettings {
            folder: config.paths.index.join(S::NAME.as_str()),
            record: dir.identity(),
            horizon: config.horizon,
            run_keys: usize::MAX,
        };
        let mut opened = KeyIndex::look(world.disk(), settings).map_err(Trouble::failed)?;
        let mut tail = dir.tail(keys.clone()).of_keys();
        tail.seek(RecordPosition(opened.position));
        let mut replay = Replay::new(named(|line| line.rolling), Day::of(now));
        loop {
            let position = tail.position();
            let records: Vec<(Option<JobId>, Record)> =
                tail.next(FRAMES_MAX).map_err(Trouble::failed)?.into_iter().map(|(_, key, record)| (key.job, record)).collect();
            if records.is_empty() {
                break;
            }
            replay.see(&mut opened.index, position.0, records.iter().map(|(job, record)| (*job, record)));
        }
        replay.finish(&mut opened.index);
        Ok(Self { keys: opened.index, ledger, cancelled, superseded: Superseded::default() })
    }

    /// Cancelled batches of the tenant.
    pub(super) fn cancelled(&self) -> BTreeSet<BatchId> {
        self.cancelled.clone()
    }

    /// What would become of a row; true where it takes the place of an earlier row of its file, which stands for it.
    ///
    /// # Errors
    /// Where index or books cannot be read.
    pub(super) fn admit<S: Stream>(
        &mut self,
        admission: &mut Admission<S>,
        row: Row,
        fingerprints: &dyn Fingerprints,
    ) -> Result<(Admitted<S>, bool), Trouble> {
        while let Some(job) = admission.in_doubt(&row, &mut self.keys, fingerprints).map_err(Trouble::failed)? {
            let standing = self.standing(job, 0)?;
            let may_have_left = standing.is_none_or(|standing| standing.state != State::Cancelled || standing.uncertain);
            admission.judge(job, may_have_left);
        }
        let mut admitted = admission.admit(row, &mut self.keys, fingerprints).map_err(Trouble::failed)?;
        let is_own = match (&mut admitted, admission.earlier()) {
            (Admitted::Job(job), Some(earlier)) => self.correct(earlier, job)?,
            _ => false,
        };
        Ok((admitted, is_own))
    }

    /// Rows that correct an earlier statement, by what would become of that one.
    pub(super) fn reasons(&self) -> &BTreeMap<String, u64> {
        &self.superseded.reasons
    }

    fn correct<S: Stream>(&mut self, earlier: Earlier, job: &mut Job<S>) -> Result<bool, Trouble> {
        let Some(known) = earlier.known else {
            self.superseded.count("corrects");
            return Ok(false);
        };
        if known.batch == job.head.batch {
            self.superseded.count("supersedes");
            return Ok(true);
        }
        let Some(id) = known.job else { return Ok(false) };
        match self.standing(id, known.row.map_or(0, u64::from))? {
            None => {}
            Some(standing) if matches!(standing.state, State::Queued | State::Held) => self.superseded.count("supersedes"),
            Some(standing) => after_it_went(&standing, earlier.reversed, job, &mut self.superseded),
        }
        Ok(false)
    }

    fn standing(&self, job: JobId, row: u64) -> Result<Option<ledger::JobStanding>, Trouble> {
        let asked = self.ledger.as_ref().map(|ledger| ledger.job_standing(job, row));
        Ok(asked.transpose().map_err(Trouble::failed)?.flatten())
    }
}
