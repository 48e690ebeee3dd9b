//! The jobs of one batch that stand in a state, with their heads and the places of their payloads: for an operator's verb that needs
//! contents of jobs which are in no queue.
//!
//! The engine keeps eight bytes of such a job, so it is asked of the record: from the newest whole checkpoint, or from its beginning.
//! Nothing is locked or changed. What the engine writes meanwhile is seen or not; whoever must see something waits for its sync first.

use crate::checkpoint::{self, CheckpointFault, CheckpointReader, Covered, Item};
use crate::error::JournalError;
use crate::format::LogKind;
use crate::journal_dir::JournalDir;
use crate::key_ring::KeyRing;
use crate::recovery;
use crate::recovery::standing::{Events, JobChange, JobStanding};
use model::record::Head;
use model::stage::{Durable, JournaledJob, Locator};
use model::{BatchId, JobId, MessageVersion, State, Stream};
use std::collections::BTreeMap;
use std::sync::Arc;
use world::OpenMode;

/// A job, and where its payload lies.
#[derive(Debug, Clone)]
pub struct PlacedJob {
    /// Its id.
    pub id: JobId,
    /// What the record keeps of it.
    pub head: Arc<Head>,
    /// Where its payload lies, or lay: a reader of the running engine knows where it was moved to.
    pub locator: Locator,
    /// Its message version.
    pub message: MessageVersion,
    /// Its attempts.
    pub attempts: u16,
}

impl PlacedJob {
    /// The job as it is queued: what was read back from the record is durable.
    pub fn journaled<S: Stream>(&self) -> JournaledJob<S> {
        JournaledJob::new(self.id, self.locator, Arc::clone(&self.head), Durable::attest())
    }
}

impl JournalDir {
    /// The jobs of a batch that stand in `state` and are not settled, in the order of their ids.
    ///
    /// # Errors
    /// [`JournalError`]: the record cannot be read.
    pub fn jobs_in(&self, keys: &KeyRing, batch: BatchId, state: State) -> Result<Vec<PlacedJob>, JournalError> {
        let dir = self.log(LogKind::Record);
        // Before the record: what the checkpoint covers is in it by now.
        let (covered, mut jobs) = self.jobs_of_checkpoint(keys, batch)?;
        // What is damaged is told by those who judge the journal.
        let mut findings = Vec::new();
        let surveyed = dir.survey(OpenMode::Read, &mut findings)?.used;
        recovery::read_record(&dir, keys, None, &surveyed, &mut findings, |seen| {
            if covered.is_some_and(|covered| seen.position <= covered.position) {
                return;
            }
            let Some((id, event)) = Events::of(self.stream, seen).job else { return };
            if let JobChange::Begins(_, head) = &event.change
                && head.batch != batch
            {
                return;
            }
            if let Some(job) = JobStanding::after(jobs.remove(&id), event) {
                jobs.insert(id, job);
            }
        })?;
        let placed = |(id, job): (JobId, JobStanding)| {
            let JobStanding { head, locator, message, attempts, .. } = job;
            PlacedJob { id, head, locator, message, attempts }
        };
        Ok(jobs.into_iter().filter(|(_, job)| job.state == state).map(placed).collect())
    }

    fn jobs_of_checkpoint(&self, keys: &KeyRing, batch: BatchId) -> Result<(Option<Covered>, BTreeMap<JobId, JobStanding>), JournalError> {
        let (disk, folder) = (self.world.disk(), checkpoint::folder(&self.dir));
        for through in checkpoint::numbers(disk, &folder)?.into_iter().rev() {
            // Exchanged for a newer one meanwhile, or damaged: the one before it, or the record itself, says the same.
            if let Ok((covered, jobs)) = self.jobs_through(keys, batch, through) {
                return Ok((Some(covered), jobs));
            }
        }
        Ok((None, BTreeMap::new()))
    }

    fn jobs_through(
        &self,
        keys: &KeyRing,
        batch: BatchId,
        through: u32,
    ) -> Result<(Covered, BTreeMap<JobId, JobStanding>), CheckpointFault> {
        let folder = checkpoint::folder(&self.dir);
        let mut reader = CheckpointReader::open(self.world.disk(), &folder, through, self.id, self.stream, keys)?;
        let mut jobs = BTreeMap::new();
        while let Some(item) = reader.next()? {
            if let Item::Job(id, job) = item
                && job.head.batch == batch
            {
                jobs.insert(id, job);
            }
        }
        Ok((reader.covered(), jobs))
    }
}
