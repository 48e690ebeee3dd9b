//! The one writer of a stream: a loop that takes many operations, writes each log once, syncs each log once, and answers.
//!
//! While a sync runs, operations pile up and become the next group; no timer is needed for that. Frames that nobody waits for wait a little
//! for company, sealed (`writer/waiting.rs`). Within a group the work log is written and
//! synced before the record is written, so that no head ever refers to a payload that is not durable. Jobs of a file batch
//! ask for no sync of their own: their commit does.
//!
//! The first write or sync that fails poisons the journal: everybody who waits and everybody who comes later gets the error. What is
//! on disk is then only known again after a restart (the kernel drops dirty pages after a failed sync, so trying again would lie).

mod destruction;
mod frames;
mod group;
mod moves;
mod operations;
mod waiting;

use crate::bounds::{BUFFER_BYTES_MAX, GROUP_OPERATIONS_MAX, UNSYNCED_BYTES_MAX};
use crate::error::{DiskError, JournalError};
use crate::format::{JournalId, RecordPosition};
use crate::keeper::Errand;
use crate::key_ring::{KeyHandle, KeyRing};
use crate::live::{Batches, LiveJobs};
use crate::log::LogWriter;
use crate::moving::{Emptying, Occupancy, Relocated};
use crate::notices::NoticeBoard;
use crate::patience::Patience;
use crate::space::Space;
use group::Answers;
pub(crate) use group::Operation;
use model::record::Record;
use model::{Monotonic, Stream};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use world::channel::{Receiver, Sender, TrySendError};
use world::{Committer, LockGuard, Plant, ThreadHandle, World};

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
    /// While it is not zero, nothing is taken away.
    pub(crate) holds: AtomicUsize,
    /// Where payloads lie that were moved since the start.
    pub(crate) relocated: Relocated,
    /// Held while a file of the record is exchanged or removed.
    pub(crate) replacing: Mutex<()>,
    /// The writer has ended: what works behind it ends too.
    pub(crate) ending: AtomicBool,
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

impl Fault {
    /// A frame that must have a place had none.
    fn fatal_where_full(self) -> Self {
        match self {
            Self::Refused(error) if error.is_not_now() => Self::Fatal(JournalError::NoPlace(Box::new(error))),
            other => other,
        }
    }
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
    /// A way to write and sync both logs in one call, where there is a faster one than pwrite and fdatasync.
    pub(crate) committer: Option<Box<dyn Committer>>,
    pub(crate) space: Arc<Space>,
    pub(crate) keys: KeyRing,
    pub(crate) installation: KeyHandle,
    pub(crate) work: LogWriter,
    pub(crate) record: LogWriter,
    pub(crate) keeper: Sender<Errand>,
    /// Ends with the writer: nothing of the journal is held by anybody once the writer is gone.
    pub(crate) keeper_thread: ThreadHandle,
    pub(crate) shared: Arc<Shared>,
    /// What the keeper tells.
    pub(crate) notices: NoticeBoard,
    pub(crate) batches: Batches,
    pub(crate) jobs: LiveJobs,
    /// Live jobs by work segment.
    pub(crate) segments: BTreeMap<u32, u64>,
    /// How much of the closed work segments is live.
    pub(crate) occupancy: Occupancy,
    /// False where the record is damaged or the directory is a clone: then nothing that a start found is ever removed.
    pub(crate) may_reclaim: bool,
    /// Held for as long as anything may be written.
    pub(crate) _lock: Box<dyn LockGuard>,
}

pub(crate) struct Writer<S: Stream> {
    parts: WriterParts,
    next_sequence: u64,
    /// Position of the last record in the buffer or behind it.
    last_record: RecordPosition,
    answers: Answers<S>,
    /// What the next good sync gives reason for.
    errands: VecDeque<Errand>,
    /// Something in the buffers waits for a sync.
    needs_sync: bool,
    /// When the patience of what waits ends.
    due: Option<Monotonic>,
    patience: Patience,
    /// Destroyed keys whose frames the next good sync covers.
    noting: Vec<u32>,
    /// The segment whose last jobs are being moved.
    emptying: Option<Emptying>,
    /// Work segments from before this start are left alone below this number, where nothing may be reclaimed.
    reclaim_from: u32,
}

impl<S: Stream> Writer<S> {
    pub(crate) fn new(parts: WriterParts) -> Result<Self, JournalError> {
        let reclaim_from = if parts.may_reclaim { 0 } else { parts.work.number() };
        let last_record = RecordPosition(parts.shared.durable.load(Ordering::Acquire));
        let answers = Answers::default();
        let patience = Patience::new(parts.commit_delay_max);
        Ok(Self {
            parts,
            next_sequence: 0,
            last_record,
            answers,
            errands: VecDeque::new(),
            needs_sync: false,
            due: None,
            patience,
            noting: Vec::new(),
            emptying: None,
            reclaim_from,
        })
    }

    /// Serves until the last handle is gone or one closes the journal.
    pub(crate) async fn run(mut self, inbox: Receiver<Operation<S>>) {
        if let Err(error) = self.prepare().await {
            self.poison(&error);
        }
        self.consider_moving();
        let mut operations = Vec::with_capacity(GROUP_OPERATIONS_MAX);
        while self.next(&inbox, &mut operations).await {
            if self.serve(&mut operations).await {
                break;
            }
            self.heed_news().await;
        }
        // What nobody waits for is durable too before the journal is gone. After a failure nothing is written any more.
        self.commit_group(true).await;
        self.finish_errands().await;
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

    /// One group, or a part of one that waits for company. True where the journal is to end.
    async fn serve(&mut self, operations: &mut Vec<Operation<S>>) -> bool {
        let mut somebody_waits = self.note_destroyed().await;
        let mut ends = false;
        self.needs_sync |= somebody_waits;
        for operation in operations.drain(..) {
            self.needs_sync |= operation.needs_sync();
            somebody_waits |= !operation.is_patient();
            ends |= matches!(operation, Operation::Close { .. });
            self.take(operation).await;
        }
        if self.needs_sync && !somebody_waits && self.may_wait() {
            return ends;
        }
        self.due = None;
        let must_sync = std::mem::take(&mut self.needs_sync);
        self.commit_group(must_sync).await;
        ends
    }

    /// Writes what there is, syncs it where asked, and answers.
    async fn commit_group(&mut self, must_sync: bool) {
        let begun = self.parts.world.monotonic();
        if must_sync {
            if self.parts.world.is_planted(Plant::AckBatchBeforeSync) {
                self.answers.answer_batches();
            }
            if self.parts.world.is_planted(Plant::AckJobBeforeSync) {
                self.answers.answer_jobs();
            }
            self.parts.world.disk_turn().await;
        }
        if self.parts.shared.poison.get().is_none()
            && let Err(error) = self.flush(must_sync)
        {
            self.poison(&error.into());
        }
        match self.parts.shared.poison.get() {
            Some(what) => self.answers.fail(&JournalError::Poisoned(what.clone())),
            None if must_sync => {
                self.patience.synced(self.parts.world.monotonic() - begun);
                self.answers.succeed();
                self.destructions_are_durable();
                self.run_errands();
            }
            None => debug_assert!(self.answers.is_empty(), "an answer waits for a sync"),
        }
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
            Operation::Append { id, head, payload } => {
                let batch = head.batch;
                let result = self.append(id, &head, payload).await;
                self.remember_failure(batch, result)
            }
            Operation::AppendRolling { id, head, payload, answer } => {
                let result = self.append_rolling(id, head, payload).await;
                self.answers.job(result, answer)
            }
            Operation::Narrow { id, message, at, rows, payload, answer } => {
                let result = self.narrow((id, message), at, rows, payload).await;
                self.answers.place(result, answer)
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
                // What happened cannot be told "not now": without a place for it nothing is known any more.
                let result = self.record(key, &record).await.map_err(Fault::fatal_where_full);
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

    /// Writes what is buffered, and syncs it where asked. The order is the promise: payloads are durable before any head is written.
    fn flush(&mut self, sync: bool) -> Result<(), DiskError> {
        if sync && self.parts.committer.is_some() {
            return self.commit_both_logs();
        }
        let writes_record = sync || self.parts.record.buffer.len() >= BUFFER_BYTES_MAX;
        if self.parts.world.is_planted(Plant::HeadsBeforePayloads) {
            self.flush_record(sync, writes_record)?;
        }
        let parts = &mut self.parts;
        if sync || writes_record || parts.work.buffer.len() >= BUFFER_BYTES_MAX {
            let bytes = parts.work.write()?;
            parts.shared.bytes_written.fetch_add(bytes, Ordering::Relaxed);
        }
        if sync || writes_record || parts.work.unsynced >= UNSYNCED_BYTES_MAX {
            sync_log(&parts.world, &mut parts.work, Plant::SkipWorkSync)?;
        }
        self.flush_record(sync, writes_record)
    }

    /// As [`Writer::flush`] with a sync, both logs in one call: the record is begun when the work log is durable.
    fn commit_both_logs(&mut self) -> Result<(), DiskError> {
        let parts = &mut self.parts;
        let Some(committer) = &mut parts.committer else { return Ok(()) };
        parts.work.pad();
        parts.record.pad();
        let logs = [&parts.work, &parts.record];
        let (logs, writes): (Vec<_>, Vec<_>) = logs.into_iter().filter_map(|log| Some((log, log.pending()?))).unzip();
        committer.commit(&writes).map_err(|fault| logs[fault.write].error(fault.action)(fault.source))?;
        let bytes = parts.work.made_durable() + parts.record.made_durable();
        parts.shared.bytes_written.fetch_add(bytes, Ordering::Relaxed);
        parts.shared.durable.store(self.last_record.0, Ordering::Release);
        Ok(())
    }

    fn flush_record(&mut self, sync: bool, write: bool) -> Result<(), DiskError> {
        let parts = &mut self.parts;
        if write {
            let bytes = parts.record.write()?;
            parts.shared.bytes_written.fetch_add(bytes, Ordering::Relaxed);
        }
        if sync {
            sync_log(&parts.world, &mut parts.record, Plant::SkipRecordSync)?;
            parts.shared.durable.store(self.last_record.0, Ordering::Release);
        }
        Ok(())
    }

    fn poison(&mut self, error: &JournalError) {
        let what: Arc<str> = error.to_string().into();
        if self.parts.shared.poison.set(what.clone()).is_ok() {
            tracing::error!(target: "sealpost::journal", stream = %S::NAME, %error, "the journal stopped: nothing more is accepted or sent. Look after the disk (space, dmesg, its health), then start again");
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

/// Makes what was written to a log durable.
fn sync_log(world: &World, log: &mut LogWriter, skip: Plant) -> Result<(), DiskError> {
    if world.is_planted(skip) {
        log.unsynced = 0;
    }
    match log.sync() {
        Err(_) if world.is_planted(Plant::FailedSyncIgnored) => log.unsynced = 0,
        result => result?,
    }
    Ok(())
}

/// The state a record about a job puts it in.
pub(crate) fn settles(record: &Record) -> bool {
    match record {
        Record::NotSent(end) | Record::Outcome(end) => end.state.is_settled(),
        Record::Change(change) => change.is_settling(),
        _ => false,
    }
}
