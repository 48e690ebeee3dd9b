//! The handle that stages hold: operations go to the writer, answers come back after the sync.

use crate::bundle::Bundles;
use crate::committed::CommittedJobs;
use crate::error::JournalError;
use crate::format::{JournalId, RecordPosition};
use crate::journal_dir::JournalDir;
use crate::keeper::{Errand, Hold};
use crate::key_ring::KeyRing;
use crate::payload::{EncodedPayload, PayloadEncoders, PayloadFault};
use crate::space::Space;
use crate::ticket::Ticket;
use crate::writer::{Operation, Shared};
use model::limits::PAYLOAD_BYTES_MAX;
use model::record::{BatchCommit, BatchOpen, FrameKey, Record};
use model::stage::{Job, JobData, JournaledJob, Locator};
use model::{BatchId, BundleId, JobId, MessageVersion, Stream, Timestamp};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use world::World;
use world::channel::Sender;

/// A handle on the journal of one stream. Cheap to clone; the writer ends when the last clone is gone or one closes it.
pub struct Journal<S: Stream> {
    pub(crate) inner: Arc<JournalInner>,
    pub(crate) operations: Sender<Operation<S>>,
}

pub(crate) struct JournalInner {
    pub(crate) world: World,
    pub(crate) dir: PathBuf,
    pub(crate) id: JournalId,
    pub(crate) epoch: u32,
    pub(crate) node: u16,
    pub(crate) keys: KeyRing,
    pub(crate) keeper: Sender<Errand>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) bundles: Arc<Bundles>,
    pub(crate) encoders: PayloadEncoders,
    pub(crate) space: Arc<Space>,
}

impl<S: Stream> Clone for Journal<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), operations: self.operations.clone() }
    }
}

impl<S: Stream> std::fmt::Debug for Journal<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").field("stream", &S::NAME).finish_non_exhaustive()
    }
}

/// Tells the last durable position of a journal, without holding it open.
#[derive(Clone)]
pub struct Watermark {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Watermark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Watermark").field(&self.position()).finish()
    }
}

impl Watermark {
    /// Position of the last durable record.
    pub fn position(&self) -> RecordPosition {
        RecordPosition(self.shared.durable.load(Ordering::Acquire))
    }

    /// The same, as long as whoever waited for what is durable was told so. `None` once the journal is poisoned: a group may have failed
    /// after a part of it was durable, and then its jobs were refused, and are there at the next start.
    pub fn answered(&self) -> Option<RecordPosition> {
        self.shared.poison.get().is_none().then(|| self.position())
    }
}

impl<S: Stream> Journal<S> {
    /// An id for a batch that was never given before on this machine.
    pub fn new_batch_id(&self) -> BatchId {
        BatchId::new(self.inner.node, self.inner.shared.next_batch.fetch_add(1, Ordering::Relaxed))
    }

    /// Opens a batch: makes the key its content will be under, syncs it, then appends the opening. Durable when it returns.
    ///
    /// # Errors
    /// [`JournalError`]: the batch is known, the tenant is not, not now (no room), the disk, poisoned, closed.
    pub async fn open_batch(&self, open: BatchOpen) -> Result<(), JournalError> {
        let (answer, key) = Ticket::new();
        let errand = Errand::MakeKey { tenant: open.tenant, batch: open.batch, answer };
        self.admit()?;
        self.inner.keeper.send(errand).await.map_err(|_| JournalError::Closed)?;
        let key = key.await?;
        let (answer, ticket) = Ticket::new();
        self.send(Operation::OpenBatch { open: Box::new(open), key, answer }).await?;
        ticket.await
    }

    /// Appends a job to an open file batch. Durable, and a job at all, only by the batch's commit; a job that cannot be
    /// appended makes that commit fail. Waits while the writer is behind.
    ///
    /// # Errors
    /// [`JournalError`]: not now (no room), poisoned, closed.
    pub async fn append(&self, job: Job<S>) -> Result<JobId, JournalError> {
        let id = self.new_job_id();
        self.append_as(id, job).await?;
        Ok(id)
    }

    /// As [`Self::append`], under a number of [`Self::new_job_id`]; once for each number. Jobs may come in any order of their numbers.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub async fn append_as(&self, id: JobId, job: Job<S>) -> Result<(), JournalError> {
        self.admit()?;
        let payload = self.encode(&job.data);
        self.send(Operation::Append { id, head: Box::new(job.head), payload }).await
    }

    /// Appends a job to a rolling batch. The ticket resolves after its sync: only then may the sender be told "accepted".
    ///
    /// # Errors
    /// [`JournalError`]: not now (no room), poisoned, closed. What is wrong with the job or its batch comes by the ticket.
    pub async fn append_rolling(&self, job: Job<S>) -> Result<Ticket<JournaledJob<S>>, JournalError> {
        self.admit()?;
        let (answer, ticket) = Ticket::new();
        let payload = self.encode(&job.data);
        self.send(Operation::AppendRolling { id: self.new_job_id(), head: Arc::new(job.head), payload, answer }).await?;
        Ok(ticket)
    }

    /// Takes the statements of some rows out of a job that binds and is not settled; `data` is the job with those that stay, at least one.
    /// Nobody may be reading its payload: what a reader finds at the place of before is what was. `message` is its version from now on: a newer one
    /// where an intent froze the bytes of the one before. The ticket says, after the sync, where it lies now.
    ///
    /// # Errors
    /// [`JournalError`]: poisoned, closed. That the job does not bind or is settled, that its batch's key is gone, or that there is no room comes by
    /// the ticket.
    pub async fn narrow(
        &self,
        (id, message): (JobId, MessageVersion),
        at: Timestamp,
        rows: Vec<u64>,
        data: &JobData,
    ) -> Result<Ticket<Locator>, JournalError> {
        let (answer, ticket) = Ticket::new();
        let payload = self.encode(data);
        self.send(Operation::Narrow { id, message, at, rows, payload, answer }).await?;
        Ok(ticket)
    }

    /// Commits a batch: durable with all its jobs when it returns, and then all of them may be queued. They are read back from
    /// disk, in portions, on the thread that asks for them. A rolling batch gives no jobs here; it gave them one by one.
    ///
    /// # Errors
    /// [`JournalError`]: not open, the first error of one of its jobs, not now (no room), the disk, poisoned, closed. Then the batch is not
    /// committed, or (poisoned) the next start tells whether it is.
    pub async fn commit(&self, commit: BatchCommit) -> Result<CommittedJobs<S>, JournalError> {
        self.admit()?;
        let (answer, ticket) = Ticket::new();
        self.send(Operation::Commit { commit: Box::new(commit), answer }).await?;
        Ok(CommittedJobs::open(self.inner.clone(), ticket.await?))
    }

    /// As [`Self::commit`], with all jobs at once: for batches that are small.
    ///
    /// # Errors
    /// As [`Self::commit`] and [`CommittedJobs::next`].
    pub async fn commit_batch(&self, commit: BatchCommit) -> Result<Vec<JournaledJob<S>>, JournalError> {
        self.commit(commit).await?.next(usize::MAX)
    }

    /// Gives an uncommitted file batch up: its rows never counted, its content key goes.
    ///
    /// # Errors
    /// [`JournalError`]: not open, rolling, poisoned, closed.
    pub async fn discard_batch(&self, batch: BatchId, at: Timestamp, reason: &str) -> Result<(), JournalError> {
        let (answer, ticket) = Ticket::new();
        self.send(Operation::Discard { batch, at, reason: reason.to_owned(), answer }).await?;
        ticket.await
    }

    /// Appends an intent, outcome, not-sent, change, operator action or batch close. The ticket resolves after the sync.
    ///
    /// A job whose new state is settled gives up its payload; its segment goes when all jobs in it have.
    ///
    /// # Errors
    /// [`JournalError`]: poisoned, closed. A record that does not belong here is refused by the ticket.
    pub async fn record(&self, key: FrameKey, record: Record) -> Result<Ticket<()>, JournalError> {
        let (answer, ticket) = Ticket::new();
        self.send(Operation::Record { key, record: Box::new(record), answer }).await?;
        Ok(ticket)
    }

    /// Destroys the content of a batch by deleting its key from both copies of the key ring. Batches that are closed and settled
    /// lose theirs by themselves.
    ///
    /// # Errors
    /// [`JournalError::StillNeeded`] while the batch is open or has a job that is not settled: unsent mail cannot be shredded.
    pub async fn destroy_batch_key(&self, batch: BatchId) -> Result<(), JournalError> {
        let (answer, ticket) = Ticket::new();
        self.send(Operation::DestroyKey { batch, answer }).await?;
        ticket.await
    }

    /// Returns when everything that was handed in before is durable.
    ///
    /// # Errors
    /// [`JournalError`]: poisoned, closed.
    pub async fn sync(&self) -> Result<(), JournalError> {
        let (answer, ticket) = Ticket::new();
        self.send(Operation::Sync { answer }).await?;
        ticket.await
    }

    /// Syncs everything and ends the writer. Later operations get [`JournalError::Closed`].
    pub async fn close(&self) {
        let (answer, ticket) = Ticket::new();
        if self.operations.send(Operation::Close { answer }).await.is_ok() {
            // Closed already is as good.
            let _ = ticket.await;
        }
    }

    /// Keeps everything where it is for as long as the guard lives, so that files can be copied while the journal is written.
    ///
    /// # Errors
    /// [`JournalError::Closed`].
    pub async fn hold(&self) -> Result<Hold, JournalError> {
        Hold::take(self.inner.shared.clone(), self.inner.keeper.clone()).await
    }

    /// Its directory, for those who read it from outside.
    pub fn place(&self) -> JournalDir {
        let JournalInner { world, dir, id, epoch, .. } = &*self.inner;
        JournalDir { world: world.clone(), dir: dir.clone(), stream: S::NAME, id: *id, epoch: Some(*epoch) }
    }

    /// Names this journal for good, over restarts and moves: what a projection of it is marked with.
    pub fn identity(&self) -> [u8; 16] {
        self.inner.id.0
    }

    /// See [`Watermark`].
    pub fn watermark(&self) -> Watermark {
        Watermark { shared: self.inner.shared.clone() }
    }

    /// Position of the last durable record.
    pub fn durable(&self) -> RecordPosition {
        RecordPosition(self.inner.shared.durable.load(Ordering::Acquire))
    }

    /// True once a write or sync has failed: nothing is accepted any more.
    pub fn is_poisoned(&self) -> bool {
        self.inner.shared.poison.get().is_some()
    }

    /// Bytes of frames, segment headers, checkpoints and compacted segments written since the start.
    pub fn bytes_written(&self) -> u64 {
        self.inner.shared.bytes_written.load(Ordering::Relaxed)
    }

    /// Stores a bundle, synced when it returns; nothing happens where it is there. Blocks the thread for a few syncs.
    ///
    /// # Errors
    /// [`JournalError::TooLarge`], [`JournalError::Disk`].
    pub async fn store_bundle(&self, id: BundleId, archive: &[u8]) -> Result<(), JournalError> {
        self.inner.shared.check()?;
        self.inner.bundles.store(id, archive)
    }

    /// A job number that nobody had: for a job that is put together before it is appended. One that is never used is missed by nobody.
    pub fn new_job_id(&self) -> JobId {
        JobId::new(self.inner.node, self.inner.shared.next_job.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether there is room for more.
    fn admit(&self) -> Result<(), JournalError> {
        self.inner.shared.check()?;
        self.inner.space.admit(&self.inner.world)
    }

    /// Encoded here, on the caller's thread: the writer has only to seal. What cannot be encoded is the operation's answer.
    fn encode(&self, data: &JobData) -> Result<EncodedPayload, JournalError> {
        self.inner.encoders.encode(data).map_err(|fault| match fault {
            PayloadFault::TooLarge(bytes) => JournalError::TooLarge { bytes, max: PAYLOAD_BYTES_MAX },
            PayloadFault::Encoder(what) => JournalError::Internal(what),
        })
    }

    async fn send(&self, operation: Operation<S>) -> Result<(), JournalError> {
        self.inner.shared.check()?;
        self.operations.send(operation).await.map_err(|_| JournalError::Closed)
    }
}
