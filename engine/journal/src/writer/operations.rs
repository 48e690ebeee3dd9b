//! What each operation means for batches and jobs.
//!
//! An operation is refused here, before any frame of it is made, or it is appended as a whole.

use super::group::{self, Accepted};
use super::{Fault, Writer, frames, settles};
use crate::error::JournalError;
use crate::keeper::Errand;
use crate::key_ring::{DestructionCause, INSTALLATION, KeyHandle};
use crate::live::{Batch, BatchSlot, HeadPlace, LiveJob, Phase};
use crate::payload::EncodedPayload;
use model::record::{BatchOpen, FrameKey, Head, Narrowing, Record};
use model::stage::Locator;
use model::{BatchId, JobId, MessageVersion, Stream, TenantId, Timestamp};
use std::sync::Arc;
use world::Plant;

/// The key of frames about a batch.
const NO_JOB: FrameKey = FrameKey { job: None, message: MessageVersion(0), attempt: 0 };

impl<S: Stream> Writer<S> {
    pub(super) async fn open_batch(&mut self, open: BatchOpen, content: KeyHandle) -> Result<(), Fault> {
        if self.parts.batches.slot(open.batch).is_some() {
            return Err(JournalError::BatchKnown(open.batch).into());
        }
        if open.stream != S::NAME {
            return Err(JournalError::Misuse("a batch of another stream").into());
        }
        let record_key = self.parts.keys.record_key(open.tenant, S::NAME).map_err(JournalError::from)?;
        let (batch, tenant, rolling) = (open.batch, open.tenant, open.rolling);
        self.put_record(NO_JOB, tenant, &record_key, &Record::BatchOpen(open)).await?;
        self.parts.batches.insert(Batch {
            id: batch,
            tenant,
            rolling,
            phase: Phase::Open,
            closed: false,
            content: Some(content),
            record: record_key,
            live: 0,
            heads: Vec::new(),
            failed: None,
        });
        Ok(())
    }

    pub(super) async fn append(&mut self, id: JobId, head: &Head, payload: Result<EncodedPayload, JournalError>) -> Result<(), Fault> {
        let slot = self.open_slot(head.batch, head.tenant, false)?;
        let (locator, head) = self.put_job(slot, id, head, &payload?).await?;
        let batch = self.parts.batches.get_mut(slot).expect("looked up above");
        batch.heads.push(HeadPlace { job: id, segment: head.0, offset: head.1 });
        self.make_live(slot, id, locator);
        Ok(())
    }

    pub(super) async fn append_rolling(
        &mut self,
        id: JobId,
        head: Arc<Head>,
        payload: Result<EncodedPayload, JournalError>,
    ) -> Result<Accepted, Fault> {
        let slot = self.open_slot(head.batch, head.tenant, true)?;
        let (locator, _) = self.put_job(slot, id, &head, &payload?).await?;
        self.make_live(slot, id, locator);
        Ok(Accepted { id, locator, head })
    }

    /// Narrows a job that is not settled: `payload` is of the statements that stay.
    pub(super) async fn narrow(
        &mut self,
        (id, message): (JobId, MessageVersion),
        at: Timestamp,
        rows: Vec<u64>,
        payload: Result<EncodedPayload, JournalError>,
    ) -> Result<Locator, Fault> {
        let live = self.parts.jobs.get(id).ok_or(JournalError::Misuse("a job is narrowed that is settled, or never was"))?;
        let batch = self.parts.batches.get(live.batch).expect("a live job has its batch");
        if !batch.rolling && batch.phase != Phase::Committed {
            return Err(JournalError::Misuse("a job is narrowed that does not bind yet").into());
        }
        let (tenant, record_key) = (batch.tenant, batch.record.clone());
        let to = self.put_payload(live.batch, id, &payload?).await?;
        self.put_record(FrameKey { message, ..frames::about(id) }, tenant, &record_key, &Record::Narrowed(Narrowing { at, rows, to }))
            .await?;
        self.lies_now_at(id, live, to);
        Ok(to)
    }

    pub(super) async fn commit(&mut self, id: BatchId, commit: Record) -> Result<Vec<HeadPlace>, Fault> {
        let slot = self.parts.batches.slot(id).ok_or(JournalError::BatchNotOpen(id))?;
        let batch = self.parts.batches.get_mut(slot).expect("a slot that is named is in use");
        if batch.phase != Phase::Open {
            return Err(JournalError::BatchNotOpen(id).into());
        }
        if let Some(error) = &batch.failed {
            return Err(error.clone().into());
        }
        let (tenant, key) = (batch.tenant, batch.record.clone());
        // A write that a power failure tears may keep its end and lose its middle: a commit is written only when its heads are durable.
        if !self.parts.world.is_planted(Plant::CommitBeforeHeads) {
            self.flush(true)?;
        }
        self.put_record(NO_JOB, tenant, &key, &commit).await?;
        let batch = self.parts.batches.get_mut(slot).expect("as above");
        batch.phase = Phase::Committed;
        if self.parts.world.is_planted(Plant::KeyDestroyedEarly) {
            self.errands.push_back(Errand::DestroyKey { batch: id, cause: DestructionCause::Settled, answer: None });
        }
        Ok(std::mem::take(&mut batch.heads))
    }

    pub(super) async fn discard(&mut self, id: BatchId, discard: Record) -> Result<(), Fault> {
        let slot = self.parts.batches.slot(id).ok_or(JournalError::BatchNotOpen(id))?;
        let batch = self.parts.batches.get(slot).expect("a slot that is named is in use");
        // A job that is binding can be cancelled or held, never forgotten.
        if batch.phase != Phase::Open || batch.rolling {
            return Err(JournalError::BatchNotOpen(id).into());
        }
        let (tenant, key) = (batch.tenant, batch.record.clone());
        self.put_record(NO_JOB, tenant, &key, &discard).await?;
        let batch = self.parts.batches.remove(slot).expect("as above");
        for head in batch.heads {
            if let Some(job) = self.parts.jobs.remove(head.job) {
                self.parts.shared.relocated.forget(head.job);
                self.leave_segment(job.segment);
            }
        }
        self.errands.push_back(Errand::DestroyKey { batch: id, cause: DestructionCause::Discarded, answer: None });
        Ok(())
    }

    pub(super) async fn record(&mut self, key: FrameKey, record: &Record) -> Result<(), Fault> {
        match record {
            Record::Intent(_) | Record::NotSent(_) | Record::Outcome(_) | Record::Change(_) => {
                let job = key.job.filter(|job| job.to_bits() != 0).ok_or(JournalError::Misuse("a record about a job names none"))?;
                let (tenant, cipher) = self.owner_of(job);
                self.put_record(key, tenant, &cipher, record).await?;
                if settles(record) {
                    self.settle(job);
                }
                Ok(())
            }
            Record::Operator(action) => self.record_of_batch(key, action.batch, record).await,
            Record::KeyDestroyed(destruction) => self.record_of_batch(key, destruction.batch, record).await,
            Record::Restored(_) => {
                let installation = self.parts.installation.clone();
                self.put_record(key, INSTALLATION, &installation, record).await
            }
            Record::BatchClose { batch, .. } => {
                self.record_of_batch(key, *batch, record).await?;
                if let Some(slot) = self.parts.batches.slot(*batch) {
                    self.parts.batches.get_mut(slot).expect("a slot that is named is in use").closed = true;
                    self.retire(slot);
                }
                Ok(())
            }
            _ => Err(JournalError::Misuse("batches and heads have operations of their own").into()),
        }
    }

    pub(super) async fn record_of_batch(&mut self, key: FrameKey, batch: BatchId, record: &Record) -> Result<(), Fault> {
        let (tenant, cipher) = match self.parts.batches.by_id(batch) {
            Some(batch) => (batch.tenant, batch.record.clone()),
            None => (INSTALLATION, self.parts.installation.clone()),
        };
        self.put_record(key, tenant, &cipher, record).await.map(drop)
    }

    pub(super) fn destroy_key(&mut self, id: BatchId, answer: group::Answer<()>) {
        if let Err(error) = self.may_destroy(id) {
            // Whoever asked may have gone.
            let _ = answer.send(Err(error));
            return;
        }
        let slot = self.parts.batches.slot(id);
        if let Some(batch) = slot.and_then(|slot| self.parts.batches.get_mut(slot)) {
            batch.content = None;
        }
        self.errands.push_back(Errand::DestroyKey { batch: id, cause: DestructionCause::Operator, answer: Some(answer) });
    }

    pub(super) fn may_destroy(&self, id: BatchId) -> Result<(), JournalError> {
        match self.parts.batches.by_id(id) {
            None => Ok(()),
            Some(batch) if batch.phase == Phase::Open => Err(JournalError::StillNeeded { batch: id, jobs: batch.live }),
            Some(batch) if batch.live > 0 => Err(JournalError::StillNeeded { batch: id, jobs: batch.live }),
            Some(_) => Ok(()),
        }
    }
}

/// What is live.
impl<S: Stream> Writer<S> {
    pub(super) fn open_slot(&self, id: BatchId, tenant: TenantId, rolling: bool) -> Result<BatchSlot, JournalError> {
        let slot = self.parts.batches.slot(id).ok_or(JournalError::BatchNotOpen(id))?;
        let batch = self.parts.batches.get(slot).expect("a slot that is named is in use");
        if batch.rolling != rolling {
            return Err(JournalError::WrongBatchKind(id));
        }
        if batch.phase != Phase::Open || batch.closed {
            return Err(JournalError::BatchNotOpen(id));
        }
        if batch.tenant != tenant {
            return Err(JournalError::Misuse("a job of another tenant than its batch"));
        }
        Ok(slot)
    }

    pub(super) fn make_live(&mut self, slot: BatchSlot, id: JobId, locator: Locator) {
        self.parts.jobs.insert(id, LiveJob { segment: locator.segment, batch: slot });
        *self.parts.segments.entry(locator.segment).or_default() += 1;
        self.parts.batches.get_mut(slot).expect("a slot that is named is in use").live += 1;
    }

    /// The payload of a live job has another place. Where it was the last one in its segment, that goes with the next good sync.
    pub(super) fn lies_now_at(&mut self, id: JobId, before: LiveJob, to: Locator) {
        self.parts.jobs.insert(id, LiveJob { segment: to.segment, ..before });
        *self.parts.segments.entry(to.segment).or_default() += 1;
        self.leave_segment(before.segment);
    }

    /// Whose a job is. One that settled long ago belongs to the installation: its record holds evidence and no content.
    pub(super) fn owner_of(&self, job: JobId) -> (TenantId, KeyHandle) {
        let batch = self.parts.jobs.get(job).and_then(|job| self.parts.batches.get(job.batch));
        match batch {
            Some(batch) => (batch.tenant, batch.record.clone()),
            None => (INSTALLATION, self.parts.installation.clone()),
        }
    }

    pub(super) fn settle(&mut self, id: JobId) {
        let Some(job) = self.parts.jobs.remove(id) else { return };
        self.parts.shared.relocated.forget(id);
        self.leave_segment(job.segment);
        if let Some(batch) = self.parts.batches.get_mut(job.batch) {
            batch.live -= 1;
            self.retire(job.batch);
        }
    }

    pub(super) fn leave_segment(&mut self, segment: u32) {
        let Some(live) = self.parts.segments.get_mut(&segment) else { return };
        *live -= 1;
        self.parts.occupancy.set_live(segment, *live);
        if *live == 0 || (*live == 1 && self.parts.world.is_planted(Plant::LiveSegmentReclaimed)) {
            self.parts.segments.remove(&segment);
            self.parts.occupancy.remove(segment);
            self.reclaim(segment);
        }
    }

    pub(super) fn reclaim(&mut self, segment: u32) {
        // The segment being written is never empty for good; it is looked at again when it is full.
        if segment != self.parts.work.number() && segment >= self.reclaim_from {
            self.errands.push_back(Errand::Remove { number: segment });
        }
    }

    /// A closed batch without live jobs needs neither a place in memory nor its content key.
    pub(super) fn retire(&mut self, slot: BatchSlot) {
        let Some(batch) = self.parts.batches.get(slot) else { return };
        let is_over = batch.closed && batch.live == 0 && (batch.rolling || batch.phase == Phase::Committed);
        if is_over && let Some(batch) = self.parts.batches.remove(slot) {
            self.errands.push_back(Errand::DestroyKey { batch: batch.id, cause: DestructionCause::Settled, answer: None });
        }
    }

    pub(super) fn remember_failure(&mut self, batch: BatchId, result: Result<(), Fault>) -> Result<(), JournalError> {
        match result {
            Ok(()) => Ok(()),
            Err(Fault::Fatal(error)) => Err(error),
            Err(Fault::Refused(error)) => {
                let slot = self.parts.batches.slot(batch);
                if let Some(batch) = slot.and_then(|slot| self.parts.batches.get_mut(slot))
                    && batch.phase == Phase::Open
                {
                    batch.failed.get_or_insert(error);
                }
                Ok(())
            }
        }
    }
}
