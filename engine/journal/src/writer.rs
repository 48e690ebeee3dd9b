//! The one writer of a stream: a loop that takes many operations, writes each log once, syncs each log once, and answers.
//!
//! While a sync runs, operations pile up and become the next group; no timer is needed for that. Within a group the work log is written and
//! synced before the record is written, so that no head ever refers to a payload that is not durable. Jobs of a file batch
//! ask for no sync of their own: their commit does.
//!
//! The first write or sync that fails poisons the journal: everybody who waits and everybody who comes later gets the error. What is
//! on disk is then only known again after a restart (the kernel drops dirty pages after a failed sync, so trying again would lie).

mod group;

use crate::bounds::{BUFFER_BYTES_MAX, FRAME_PLAIN_BYTES_MAX, GROUP_OPERATIONS_MAX, SEQUENCE_END, UNSYNCED_BYTES_MAX};
use crate::error::{DiskError, JournalError};
use crate::format::{FrameHeader, FrameKind, JournalId, LogKind, RecordPosition};
use crate::frame::{self, Unfinished};
use crate::keeper::Errand;
use crate::key_ring::{KeyHandle, KeyRing};
use crate::live::{Batch, BatchSlot, Batches, HeadPlace, LiveJob, LiveJobs, Phase};
use crate::log::LogWriter;
use crate::payload::{self, PayloadEncoder, PayloadFault};
use crate::record;
use group::Answers;
pub(crate) use group::Operation;
use model::record::{FrameKey, Record};
use model::stage::Locator;
use model::{BatchId, JobId, MessageVersion, Stream, TenantId};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use world::channel::{Receiver, Sender, TrySendError};
use world::{LockGuard, ThreadHandle, World};

/// What handles, tails and the writer share.
#[derive(Default)]
pub(crate) struct Shared {
    /// Position of the last durable record.
    pub(crate) durable: AtomicU64,
    /// Bytes of headers and frames written since the start.
    pub(crate) bytes_written: AtomicU64,
    /// The first failure.
    pub(crate) poison: OnceLock<Arc<str>>,
    /// The sequence number that the next job gets.
    pub(crate) next_job: AtomicU64,
    /// The sequence number that the next batch gets.
    pub(crate) next_batch: AtomicU64,
}

impl Shared {
    pub(crate) fn check(&self) -> Result<(), JournalError> {
        match self.poison.get() {
            Some(what) => Err(JournalError::Poisoned(what.clone())),
            None => Ok(()),
        }
    }
}

/// What becomes of one operation that went wrong.
enum Fault {
    /// It is refused; the journal goes on.
    Refused(JournalError),
    /// The disk failed: the journal is poisoned.
    Fatal(JournalError),
}

impl From<DiskError> for Fault {
    fn from(error: DiskError) -> Self {
        Self::Fatal(JournalError::Disk(error))
    }
}

impl From<JournalError> for Fault {
    fn from(error: JournalError) -> Self {
        Self::Refused(error)
    }
}

/// Everything the writer begins with; recovery fills it in.
pub(crate) struct WriterParts {
    pub(crate) world: World,
    pub(crate) journal: JournalId,
    pub(crate) epoch: u32,
    pub(crate) commit_delay_max: Duration,
    pub(crate) keys: KeyRing,
    pub(crate) installation: KeyHandle,
    pub(crate) work: LogWriter,
    pub(crate) record: LogWriter,
    pub(crate) keeper: Sender<Errand>,
    /// Ends with the writer: nothing of the journal is held by anybody once the writer is gone.
    pub(crate) keeper_thread: ThreadHandle,
    pub(crate) shared: Arc<Shared>,
    pub(crate) batches: Batches,
    pub(crate) jobs: LiveJobs,
    /// Live jobs by work segment.
    pub(crate) segments: BTreeMap<u32, u64>,
    /// False where the record is damaged or the directory is a clone: then nothing that a start found is ever removed.
    pub(crate) may_reclaim: bool,
    /// Held for as long as anything may be written.
    pub(crate) _lock: Box<dyn LockGuard>,
}

pub(crate) struct Writer<S: Stream> {
    parts: WriterParts,
    next_sequence: u64,
    encoder: PayloadEncoder,
    /// Position of the last record in the buffer or behind it.
    last_record: RecordPosition,
    answers: Answers<S>,
    /// What the next good sync gives reason for.
    errands: VecDeque<Errand>,
    /// Work segments from before this start are left alone below this number, where nothing may be reclaimed.
    reclaim_from: u32,
}

impl<S: Stream> Writer<S> {
    pub(crate) fn new(parts: WriterParts) -> Result<Self, JournalError> {
        let encoder = PayloadEncoder::new().map_err(|_| JournalError::Internal("zstd has no context"))?;
        let reclaim_from = if parts.may_reclaim { 0 } else { parts.work.number() };
        let last_record = RecordPosition(parts.shared.durable.load(Ordering::Acquire));
        let answers = Answers::default();
        Ok(Self { parts, next_sequence: 0, encoder, last_record, answers, errands: VecDeque::new(), reclaim_from })
    }

    /// Serves until the last handle is gone or one closes the journal.
    pub(crate) async fn run(mut self, inbox: Receiver<Operation<S>>) {
        if let Err(error) = self.prepare().await {
            self.poison(&error);
        }
        let mut operations = Vec::with_capacity(GROUP_OPERATIONS_MAX);
        while inbox.recv_many(&mut operations, GROUP_OPERATIONS_MAX).await > 0 {
            self.wait_for_company(&inbox, &mut operations).await;
            if self.serve(&mut operations).await {
                break;
            }
        }
        // What nobody waits for is durable too before the journal is gone. After a failure nothing is written any more.
        if self.parts.shared.poison.get().is_none()
            && let Err(error) = self.flush(true)
        {
            self.poison(&error.into());
        }
        self.run_errands();
        // Where the keeper is gone already, its join says so.
        let _ = self.parts.keeper.send(Errand::End).await;
        if let Err(error) = self.parts.keeper_thread.join().await {
            tracing::error!(%error, "the journal's keeper ended before its time");
        }
    }

    async fn prepare(&mut self) -> Result<(), JournalError> {
        self.parts.work.prepare_next().await?;
        self.parts.record.prepare_next().await
    }

    /// Frames that nobody waits for may wait for others. Whoever waits is served at once.
    async fn wait_for_company(&self, inbox: &Receiver<Operation<S>>, operations: &mut Vec<Operation<S>>) {
        let delay = self.parts.commit_delay_max;
        let is_patient = operations.iter().all(Operation::is_patient) && operations.iter().any(Operation::needs_sync);
        if delay.is_zero() || operations.len() >= GROUP_OPERATIONS_MAX || !is_patient {
            return;
        }
        let deadline = self.parts.world.monotonic() + delay;
        loop {
            let left = deadline - self.parts.world.monotonic();
            if left.is_zero() {
                return;
            }
            let room = GROUP_OPERATIONS_MAX - operations.len();
            let before = operations.len();
            match self.parts.world.timeout(left, inbox.recv_many(operations, room)).await {
                Ok(taken) if taken > 0 && taken < room && operations[before..].iter().all(Operation::is_patient) => {}
                _ => return,
            }
        }
    }

    /// One group. True where the journal is to end.
    async fn serve(&mut self, operations: &mut Vec<Operation<S>>) -> bool {
        let mut must_sync = false;
        let mut ends = false;
        for operation in operations.drain(..) {
            must_sync |= operation.needs_sync();
            ends |= matches!(operation, Operation::Close { .. });
            self.take(operation).await;
        }
        if self.parts.shared.poison.get().is_none()
            && let Err(error) = self.flush(must_sync)
        {
            self.poison(&error.into());
        }
        match self.parts.shared.poison.get() {
            Some(what) => self.answers.fail(&JournalError::Poisoned(what.clone())),
            None if must_sync => {
                self.answers.succeed();
                self.run_errands();
            }
            None => debug_assert!(self.answers.is_empty(), "an answer waits for a sync"),
        }
        ends
    }

    async fn take(&mut self, operation: Operation<S>) {
        if let Err(error) = self.parts.shared.check() {
            operation.fail(error);
            return;
        }
        let result = match operation {
            Operation::OpenBatch { open, key, answer } => {
                let result = self.open_batch(*open, key).await;
                self.answers.unit(result, answer)
            }
            Operation::Append { id, job } => {
                let batch = job.head.batch;
                let result = self.append(id, *job).await;
                self.remember_failure(batch, result)
            }
            Operation::AppendRolling { id, job, answer } => {
                let result = self.append_rolling(id, *job).await;
                self.answers.job(result, answer)
            }
            Operation::Commit { commit, answer } => {
                let batch = commit.batch;
                let result = self.commit(batch, Record::BatchCommit(*commit)).await;
                self.answers.batch(result, answer)
            }
            Operation::Discard { batch, at, reason, answer } => {
                let result = self.discard(batch, Record::BatchDiscard { batch, at, reason }).await;
                self.answers.unit(result, answer)
            }
            Operation::Record { key, record, answer } => {
                let result = self.record(key, &record).await;
                self.answers.unit(result, answer)
            }
            Operation::DestroyKey { batch, answer } => {
                self.destroy_key(batch, answer);
                Ok(())
            }
            Operation::Sync { answer } | Operation::Close { answer } => self.answers.unit(Ok(()), answer),
        };
        if let Err(error) = result {
            self.poison(&error);
        }
    }

    // ---- operations ----

    async fn open_batch(&mut self, open: model::record::BatchOpen, content: KeyHandle) -> Result<(), Fault> {
        if self.parts.batches.slot(open.batch).is_some() {
            return Err(JournalError::BatchKnown(open.batch).into());
        }
        if open.stream != S::NAME {
            return Err(JournalError::Misuse("a batch of another stream").into());
        }
        let record_key = self.parts.keys.record_key(open.tenant, S::NAME).map_err(JournalError::from)?;
        let (batch, tenant, rolling) = (open.batch, open.tenant, open.rolling);
        self.put_record(FrameKey { job: None, message: MessageVersion(0), attempt: 0 }, tenant, &record_key, &Record::BatchOpen(open))
            .await?;
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

    async fn append(&mut self, id: JobId, job: model::stage::Job<S>) -> Result<(), Fault> {
        let slot = self.open_slot(job.head.batch, job.head.tenant, false)?;
        let (locator, head) = self.put_job(slot, id, &job).await?;
        let batch = self.parts.batches.get_mut(slot).expect("looked up above");
        batch.heads.push(HeadPlace { job: id, segment: head.0, offset: head.1 });
        self.make_live(slot, id, locator);
        Ok(())
    }

    async fn append_rolling(&mut self, id: JobId, job: model::stage::Job<S>) -> Result<group::Accepted, Fault> {
        let slot = self.open_slot(job.head.batch, job.head.tenant, true)?;
        let (locator, _) = self.put_job(slot, id, &job).await?;
        self.make_live(slot, id, locator);
        Ok(group::Accepted { id, locator, head: Arc::new(job.head) })
    }

    async fn commit(&mut self, id: BatchId, commit: Record) -> Result<Vec<HeadPlace>, Fault> {
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
        self.flush(true)?;
        self.put_record(FrameKey { job: None, message: MessageVersion(0), attempt: 0 }, tenant, &key, &commit).await?;
        let batch = self.parts.batches.get_mut(slot).expect("as above");
        batch.phase = Phase::Committed;
        Ok(std::mem::take(&mut batch.heads))
    }

    async fn discard(&mut self, id: BatchId, discard: Record) -> Result<(), Fault> {
        let slot = self.parts.batches.slot(id).ok_or(JournalError::BatchNotOpen(id))?;
        let batch = self.parts.batches.get(slot).expect("a slot that is named is in use");
        // A job that is binding can be cancelled or held, never forgotten.
        if batch.phase != Phase::Open || batch.rolling {
            return Err(JournalError::BatchNotOpen(id).into());
        }
        let (tenant, key) = (batch.tenant, batch.record.clone());
        self.put_record(FrameKey { job: None, message: MessageVersion(0), attempt: 0 }, tenant, &key, &discard).await?;
        let batch = self.parts.batches.remove(slot).expect("as above");
        for head in batch.heads {
            if let Some(job) = self.parts.jobs.remove(head.job) {
                self.leave_segment(job.segment);
            }
        }
        self.errands.push_back(Errand::DestroyKey { batch: id, answer: None });
        Ok(())
    }

    async fn record(&mut self, key: FrameKey, record: &Record) -> Result<(), Fault> {
        match record {
            Record::Intent(_) | Record::NotSent(_) | Record::Outcome(_) | Record::Change(_) => {
                let job = key.job.filter(|job| job.to_bits() != 0).ok_or(JournalError::Misuse("a record about a job names none"))?;
                let (tenant, cipher) = self.owner_of(job);
                self.put_record(key, tenant, &cipher, record).await?;
                if state_after(record).is_some_and(model::State::is_settled) {
                    self.settle(job);
                }
                Ok(())
            }
            Record::Operator(action) => self.record_of_batch(key, action.batch, record).await,
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

    async fn record_of_batch(&mut self, key: FrameKey, batch: BatchId, record: &Record) -> Result<(), Fault> {
        let (tenant, cipher) = match self.parts.batches.by_id(batch) {
            Some(batch) => (batch.tenant, batch.record.clone()),
            None => (crate::key_ring::INSTALLATION, self.parts.installation.clone()),
        };
        self.put_record(key, tenant, &cipher, record).await.map(drop)
    }

    fn destroy_key(&mut self, id: BatchId, answer: group::Answer<()>) {
        if let Err(error) = self.may_destroy(id) {
            // Whoever asked may have gone.
            let _ = answer.send(Err(error));
            return;
        }
        let slot = self.parts.batches.slot(id);
        if let Some(batch) = slot.and_then(|slot| self.parts.batches.get_mut(slot)) {
            batch.content = None;
        }
        self.errands.push_back(Errand::DestroyKey { batch: id, answer: Some(answer) });
    }

    fn may_destroy(&self, id: BatchId) -> Result<(), JournalError> {
        match self.parts.batches.by_id(id) {
            None => Ok(()),
            Some(batch) if batch.phase == Phase::Open => Err(JournalError::StillNeeded { batch: id, jobs: batch.live }),
            Some(batch) if batch.live > 0 => Err(JournalError::StillNeeded { batch: id, jobs: batch.live }),
            Some(_) => Ok(()),
        }
    }

    // ---- what is live ----

    fn open_slot(&self, id: BatchId, tenant: TenantId, rolling: bool) -> Result<BatchSlot, JournalError> {
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

    fn make_live(&mut self, slot: BatchSlot, id: JobId, locator: Locator) {
        self.parts.jobs.insert(id, LiveJob { segment: locator.segment, batch: slot });
        *self.parts.segments.entry(locator.segment).or_default() += 1;
        self.parts.batches.get_mut(slot).expect("a slot that is named is in use").live += 1;
    }

    /// Whose a job is. One that settled long ago belongs to the installation: its record holds evidence and no content.
    fn owner_of(&self, job: JobId) -> (TenantId, KeyHandle) {
        let batch = self.parts.jobs.get(job).and_then(|job| self.parts.batches.get(job.batch));
        match batch {
            Some(batch) => (batch.tenant, batch.record.clone()),
            None => (crate::key_ring::INSTALLATION, self.parts.installation.clone()),
        }
    }

    fn settle(&mut self, id: JobId) {
        let Some(job) = self.parts.jobs.remove(id) else { return };
        self.leave_segment(job.segment);
        if let Some(batch) = self.parts.batches.get_mut(job.batch) {
            batch.live -= 1;
            self.retire(job.batch);
        }
    }

    fn leave_segment(&mut self, segment: u32) {
        let Some(live) = self.parts.segments.get_mut(&segment) else { return };
        *live -= 1;
        if *live == 0 {
            self.parts.segments.remove(&segment);
            self.reclaim(segment);
        }
    }

    fn reclaim(&mut self, segment: u32) {
        // The segment being written is never empty for good; it is looked at again when it is full.
        if segment != self.parts.work.number() && segment >= self.reclaim_from {
            self.errands.push_back(Errand::Remove { number: segment });
        }
    }

    /// A closed batch without live jobs needs neither a place in memory nor its content key.
    fn retire(&mut self, slot: BatchSlot) {
        let Some(batch) = self.parts.batches.get(slot) else { return };
        let is_over = batch.closed && batch.live == 0 && (batch.rolling || batch.phase == Phase::Committed);
        if is_over && let Some(batch) = self.parts.batches.remove(slot) {
            self.errands.push_back(Errand::DestroyKey { batch: batch.id, answer: None });
        }
    }

    fn remember_failure(&mut self, batch: BatchId, result: Result<(), Fault>) -> Result<(), JournalError> {
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

    // ---- frames ----

    fn next_header(&mut self, kind: FrameKind, encoding: u8, key: FrameKey, tenant: TenantId, key_id: u32) -> Result<FrameHeader, Fault> {
        let sequence = self.next_sequence;
        if sequence >= SEQUENCE_END {
            return Err(Fault::Fatal(JournalError::Internal("all frame numbers of this start are given: restart")));
        }
        self.next_sequence += 1;
        let fresh = self.log(kind.log()).is_durable();
        Ok(FrameHeader { sequence, epoch: self.parts.epoch, kind, fresh, encoding, key, tenant, key_id })
    }

    /// Payload and head. Gives the payload's locator and the head's place.
    async fn put_job(&mut self, slot: BatchSlot, id: JobId, job: &model::stage::Job<S>) -> Result<(Locator, (u32, u32)), Fault> {
        let batch = self.parts.batches.get(slot).expect("a slot that is named is in use");
        let (tenant, record_key) = (batch.tenant, batch.record.clone());
        let content = batch.content.clone().ok_or(JournalError::Keys(crate::error::KeyError::Destroyed))?;
        let key = FrameKey { job: Some(id), message: MessageVersion(0), attempt: 0 };

        let header = self.next_header(payload::kind_of(&job.data), 0, key, tenant, content.id)?;
        let log = &mut self.parts.work;
        let start = frame::begin(&mut log.buffer, &header);
        let encoded = self.encoder.encode(&job.data, &mut log.buffer);
        if let Ok(encoding) = encoded {
            frame::set_encoding(&mut log.buffer, start, encoding);
        }
        let (segment, offset) = self.finish(LogKind::Work, start, header.sequence, &content, encoded.map(drop).map_err(refusal)).await?;
        let locator = Locator { segment, offset };

        let header = self.next_header(FrameKind::Head, record::ENCODING, key, tenant, record_key.id)?;
        let log = &mut self.parts.record;
        let start = frame::begin(&mut log.buffer, &header);
        let encoded = record::encode_head(locator, &job.head, &mut log.buffer).map_err(|_| refused_record());
        let place = self.finish(LogKind::Record, start, header.sequence, &record_key, encoded).await?;
        self.last_record = header.position();
        Ok((locator, place))
    }

    async fn put_record(&mut self, key: FrameKey, tenant: TenantId, cipher: &KeyHandle, record: &Record) -> Result<(), Fault> {
        let header = self.next_header(FrameKind::of(record), record::ENCODING, key, tenant, cipher.id)?;
        let log = &mut self.parts.record;
        let start = frame::begin(&mut log.buffer, &header);
        let encoded = record::encode(record, &mut log.buffer).map_err(|_| refused_record());
        self.finish(LogKind::Record, start, header.sequence, cipher, encoded).await?;
        self.last_record = header.position();
        Ok(())
    }

    /// Seals the frame at `start`, makes room for it, and says where it will lie. A frame that cannot be leaves nothing behind.
    async fn finish(
        &mut self,
        log: LogKind,
        start: usize,
        sequence: u64,
        key: &KeyHandle,
        encoded: Result<(), JournalError>,
    ) -> Result<(u32, u32), Fault> {
        let journal = self.parts.journal;
        let end = self.log(log);
        let salt = end.salt();
        let max = end.frame_bytes_max();
        let sealed = encoded.and_then(|()| frame::finish(&mut end.buffer, start, journal, &key.cipher, salt).map_err(unfinished));
        let bytes = end.buffer.len() - start;
        let fits = sealed.and(if bytes <= max { Ok(()) } else { Err(JournalError::TooLarge { bytes, max }) });
        if let Err(error) = fits {
            end.buffer.truncate(start);
            return Err(error.into());
        }
        if end.overflows() {
            let frame = end.take_from(start);
            self.roll(log, frame, sequence).await?;
            return Ok((self.log(log).number(), crate::bounds::SEGMENT_HEADER_BYTES as u32));
        }
        let place = (end.number(), end.offset_of(start));
        if end.buffer.len() >= BUFFER_BYTES_MAX {
            self.flush(false)?;
        }
        Ok(place)
    }

    fn log(&mut self, kind: LogKind) -> &mut LogWriter {
        match kind {
            LogKind::Work => &mut self.parts.work,
            LogKind::Record => &mut self.parts.record,
        }
    }

    async fn roll(&mut self, log: LogKind, frame: Vec<u8>, sequence: u64) -> Result<(), Fault> {
        // A full segment is durable as a whole before the next one begins, and payloads before the heads that name them.
        self.flush(true)?;
        let epoch = self.parts.epoch;
        let left = self.log(log).number();
        self.log(log).roll(frame, epoch, sequence).await.map_err(Fault::Fatal)?;
        if log == LogKind::Work && !self.parts.segments.contains_key(&left) {
            self.reclaim(left);
        }
        Ok(())
    }

    // ---- the disk ----

    /// Writes what is buffered, and syncs it where asked. The order is the promise: payloads are durable before any head is written.
    fn flush(&mut self, sync: bool) -> Result<(), DiskError> {
        let parts = &mut self.parts;
        let writes_record = sync || parts.record.buffer.len() >= BUFFER_BYTES_MAX;
        if sync || writes_record || parts.work.buffer.len() >= BUFFER_BYTES_MAX {
            let bytes = parts.work.write()?;
            parts.shared.bytes_written.fetch_add(bytes, Ordering::Relaxed);
        }
        if sync || writes_record || parts.work.unsynced >= UNSYNCED_BYTES_MAX {
            parts.work.sync()?;
        }
        if writes_record {
            let bytes = parts.record.write()?;
            parts.shared.bytes_written.fetch_add(bytes, Ordering::Relaxed);
        }
        if sync {
            parts.record.sync()?;
            parts.shared.durable.store(self.last_record.0, Ordering::Release);
        }
        Ok(())
    }

    fn poison(&mut self, error: &JournalError) {
        let what: Arc<str> = error.to_string().into();
        if self.parts.shared.poison.set(what.clone()).is_ok() {
            tracing::error!(stream = %S::NAME, %error, "the journal failed and takes nothing more");
        }
        // Their reason never became durable.
        for errand in self.errands.drain(..) {
            if let Errand::DestroyKey { answer: Some(answer), .. } = errand {
                let _ = answer.send(Err(JournalError::Poisoned(what.clone())));
            }
        }
    }

    /// Hands on what has become true. What the keeper has no room for now goes with the next sync.
    fn run_errands(&mut self) {
        while let Some(errand) = self.errands.pop_front() {
            match self.parts.keeper.try_send(errand) {
                Ok(()) => {}
                Err(TrySendError::Full(errand)) => {
                    self.errands.push_front(errand);
                    return;
                }
                Err(TrySendError::Closed(_)) => {}
            }
        }
    }
}

/// The state a record about a job puts it in.
pub(crate) fn state_after(record: &Record) -> Option<model::State> {
    match record {
        Record::NotSent(end) | Record::Outcome(end) => Some(end.state),
        Record::Change(change) => Some(change.state),
        _ => None,
    }
}

fn refusal(fault: PayloadFault) -> JournalError {
    match fault {
        PayloadFault::TooLarge(bytes) => JournalError::TooLarge { bytes, max: model::limits::PAYLOAD_BYTES_MAX },
        PayloadFault::Encoder(what) => JournalError::Internal(what),
    }
}

fn refused_record() -> JournalError {
    JournalError::Internal("postcard refused a record")
}

fn unfinished(fault: Unfinished) -> JournalError {
    match fault {
        Unfinished::TooLarge(bytes) => JournalError::TooLarge { bytes, max: FRAME_PLAIN_BYTES_MAX },
        Unfinished::Cipher(_) => JournalError::Internal("AES-GCM refused to seal"),
    }
}
