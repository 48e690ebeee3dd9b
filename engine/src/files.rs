//! The file door: a batch file becomes a committed batch, or nothing (invariant 2).
//!
//! Works on its own thread, pull by pull, so that a file of any size takes the same memory, and the journal's
//! bounded channel slows it down. The file is hashed while it is read, and the hash must be the one the batch was
//! opened under: a file that changes under our hands is refused. The same file handed in again while its batch is not
//! closed is that batch, not a second one.

use crate::accounts::Accounts;
use crate::engine::{AcceptError, Accepted, KnownBatch, KnownBatches, Tenant, lock};
use crate::plants::Misassembly;
use crate::receipts::Receipt;
use crate::rejects::RejectFile;
use crate::repeats::Repeats;
use crate::settings::DeliverySettings;
use crate::shard::{Arrival, ToShard};
use aws_lc_rs::digest::{Context, SHA256};
use intake::{Admission, AdmissionSettings, Admitted, Binding, Contacts, Fingerprints, Format, InputProfile};
use journal::{CommittedJobs, Journal, JournalError, KeyError, KeyRing};
use model::record::{BatchCommit, BatchOpen};
use model::reject::Refusal;
use model::state::Disposition;
use model::{BatchId, Fingerprint, MoneySummary, State, Stream, StreamName, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use world::channel::Sender;
use world::{Plant, World};

/// After a read of the journal that failed; doubled from time to time.
const READ_PAUSE_MIN: Duration = Duration::from_millis(100);
const READ_PAUSE_MAX: Duration = Duration::from_secs(5);
/// Bytes read from a file at once.
const READ_BYTES: usize = 256 * 1024;
/// What jobs get that do not say otherwise; 0 is the most urgent.
const PRIORITY: u8 = 1;
/// Jobs that travel to the shard at once.
const ARRIVALS_CHUNK: usize = 1024;

/// Of so many rows one is dropped, where the simulator asks for it.
const DROPPED_OF: u64 = 50;

/// A file to accept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRequest {
    /// The file; absolute where it travels to another process.
    pub path: PathBuf,
    /// Its contact file; `None` takes the tenant's.
    pub members: Option<PathBuf>,
    /// How to read it; `None` asks the file.
    pub format: Option<String>,
    /// Whose it is; `None` where the configuration has one tenant.
    pub tenant: Option<String>,
    /// Its stream.
    pub stream: StreamName,
}

/// What the file door works with.
pub(crate) struct FileContext<S: Stream> {
    pub(crate) world: World,
    pub(crate) journal: Journal<S>,
    pub(crate) keys: KeyRing,
    pub(crate) tenant: Tenant,
    pub(crate) repeats: Repeats,
    pub(crate) known: KnownBatches,
    pub(crate) settings: Arc<DeliverySettings>,
    pub(crate) shard: Sender<ToShard<S>>,
    pub(crate) accounts: Accounts,
    pub(crate) results: Option<PathBuf>,
    /// `test` or `live`, for the receipt.
    pub(crate) environment: &'static str,
}

/// The tenant's index key, as intake asks for it.
pub(crate) struct TenantFingerprints {
    keys: KeyRing,
    tenant: TenantId,
}

impl TenantFingerprints {
    /// Makes sure that the index key is there.
    pub(crate) fn new(keys: KeyRing, tenant: TenantId) -> Result<Self, KeyError> {
        keys.fingerprint(tenant, "probe", &[])?;
        Ok(Self { keys, tenant })
    }
}

impl Fingerprints for TenantFingerprints {
    fn fingerprint(&self, label: &str, parts: &[&[u8]]) -> Fingerprint {
        self.keys.fingerprint(self.tenant, label, parts).expect("the index key was read when the door was opened, and stays in memory")
    }
}

/// Accepts a file whole, or not at all.
pub(crate) async fn accept<S: Stream>(context: FileContext<S>, request: FileRequest) -> Result<Accepted, AcceptError> {
    let hash = hash_of(&request.path)?;
    if let Some(batch) = unfinished(&context, hash) {
        return Ok(Accepted { batch, resumed: true, findings: 0 });
    }
    let format =
        request.format.as_deref().map(str::parse::<Format>).transpose().map_err(|error| AcceptError::Unknown(error.to_string()))?;
    let contacts = contacts(&request, &context.tenant)?;
    let (reader, hashing) = hashing_reader(&request.path)?;
    let profile = InputProfile { format, ..InputProfile::default() };
    let mut rows = intake::open(&profile, &file_name(&request.path), reader)?;
    let batch = context.journal.new_batch_id();
    let now = context.world.wall();
    context
        .journal
        .open_batch(BatchOpen {
            batch,
            tenant: context.tenant.id,
            stream: S::NAME,
            file_sha256: Some(hash),
            format: rows.format().to_string(),
            at: now,
            rolling: false,
        })
        .await?;
    let read = read_rows(&context, &request, batch, &mut rows, contacts).await;
    let unchanged = hashing.borrow().clone().finish().as_ref() == hash;
    let commit = match read {
        Ok(commit) if unchanged => commit,
        Ok(_) => return Err(give_up(&context, batch, changed(&request.path).into()).await),
        Err(error) => return Err(give_up(&context, batch, error).await),
    };
    let jobs = match context.journal.commit(commit.clone()).await {
        Ok(jobs) => jobs,
        Err(error) => return Err(give_up(&context, batch, error.into()).await),
    };
    context.repeats.lock().commit(batch);
    let known = KnownBatch { stream: S::NAME, tenant: context.tenant.id, file_sha256: Some(hash), closed: false };
    lock(&context.known).insert(batch, known);
    if let Some(results) = &context.results {
        let file = file_name(&request.path);
        Receipt { file: &file, sha256: hash, environment: context.environment, commit: &commit }.write(&context.world, results);
    }
    hand_over_all(&context, batch, jobs).await;
    Ok(Accepted { batch, resumed: false, findings: rows.findings_count() })
}

/// Every row: a job into the journal, or a count with its reason; rejects into their file.
async fn read_rows<S: Stream>(
    context: &FileContext<S>,
    request: &FileRequest,
    batch: BatchId,
    rows: &mut intake::Rows<'_>,
    contacts: Option<Contacts>,
) -> Result<BatchCommit, AcceptError> {
    let mut rejects = RejectFile::new(context.results.as_deref(), batch);
    let now = context.world.wall();
    let fingerprints = TenantFingerprints::new(context.keys.clone(), context.tenant.id)?;
    let settings = admission_settings(&context.tenant, &context.settings, batch, now, file_name(&request.path), Binding::WithBatch);
    let mut admission = Admission::<S>::new(settings, contacts.map(Arc::new));
    let world = &context.world;
    let mut plants = Misassembly::default();
    for row in rows.by_ref() {
        let row = row?;
        if world.is_planted(Plant::RejectDropped) && matches!(row, intake::Row::Rejected { .. }) {
            continue;
        }
        if world.is_planted(Plant::DuplicateAdmitted) {
            context.repeats.lock().discard(batch);
        }
        // The lock is held for one row: two doors of a tenant take turns, and no key is accepted twice.
        let admitted = admission.admit(row, &mut context.repeats.lock(), &fingerprints)?;
        match admitted {
            Admitted::Job(mut job) => {
                // The books count rows: a message made of a template is one, though intake counts no statement in it.
                job.head.statements = job.head.statements.max(1);
                plants.spoil(world, &mut job);
                if world.is_planted(Plant::RowDropped) && job.head.row.is_multiple_of(DROPPED_OF) {
                    continue;
                }
                context.journal.append(*job).await?;
            }
            Admitted::Not { reject, .. } => rejects.add(&reject)?,
        }
    }
    rows.findings().iter().try_for_each(|finding| rejects.add(finding))?;
    rejects.finish()?;
    let mut intake = admission.finish(rows.source_records());
    for finding in rows.findings() {
        *intake.reasons.entry(finding.reason.clone()).or_default() += 1;
    }
    if world.is_planted(Plant::RowCountedTwice) {
        intake.source_records += 1;
        intake.count(Disposition::Rejected, MoneySummary::default(), None);
    }
    // A batch whose rows we lost count of is not accepted, whoever's fault it is.
    if !intake.is_balanced() {
        return Err(AcceptError::Unbalanced { file: file_name(&request.path) });
    }
    Ok(BatchCommit { batch, at: now, intake, held: false })
}

/// What all rows of a batch share.
pub(crate) fn admission_settings(
    tenant: &Tenant,
    delivery: &DeliverySettings,
    batch: BatchId,
    now: Timestamp,
    file: String,
    binding: Binding,
) -> AdmissionSettings {
    AdmissionSettings {
        tenant: tenant.id,
        batch,
        bundle: tenant.settings.bundle.id(),
        protection: delivery.protection,
        lifetime: delivery.lifetime,
        now,
        priority: PRIORITY,
        file,
        binding,
        members: Arc::clone(&tenant.settings.member_settings),
    }
}

/// The batch is discarded: nothing of it binds.
async fn give_up<S: Stream>(context: &FileContext<S>, batch: BatchId, error: AcceptError) -> AcceptError {
    match context.journal.discard_batch(batch, context.world.wall(), "refused").await {
        Ok(()) if context.world.is_planted(Plant::DiscardedKeysCount) => {}
        Ok(()) => context.repeats.lock().discard(batch),
        // Perhaps it is committed, and only the answer was lost: its keys stay until the next start reads what became of it.
        Err(refused) => {
            tracing::error!(target: "sealpost::journal", %batch, error = %refused, "cannot be discarded now; the next start discards it");
        }
    }
    error
}

/// Sends committed jobs to the shard. A disk that cannot be read for a while is waited for: without it these jobs would lie still until the
/// next start.
async fn hand_over_all<S: Stream>(context: &FileContext<S>, batch: BatchId, mut jobs: CommittedJobs<S>) {
    let mut pause = READ_PAUSE_MIN;
    while let Err(error) = hand_over(context, batch, &mut jobs).await {
        if context.shard.is_closed() {
            tracing::warn!(target: "sealpost::journal", %batch, %error, "accepted, but not all of its jobs could be read back; the next start queues them");
            return;
        }
        tracing::error!(target: "sealpost::journal", %batch, %error, "accepted, but its jobs cannot be read back now; tried again until they can");
        context.world.sleep(pause).await;
        pause = (pause * 2).min(READ_PAUSE_MAX);
    }
}

/// Sends what is left of them, a portion at a time; those that are held or go on paper are only counted.
async fn hand_over<S: Stream>(context: &FileContext<S>, batch: BatchId, jobs: &mut CommittedJobs<S>) -> Result<(), JournalError> {
    let progress = context.accounts.batch(batch);
    loop {
        let portion = jobs.next(ARRIVALS_CHUNK)?;
        if portion.is_empty() {
            return Ok(());
        }
        let mut chunk = Vec::with_capacity(portion.len());
        for job in &portion {
            match (job.head.first_state(), Arrival::fresh(job)) {
                (State::Queued, Ok(arrival)) => {
                    // Counted before the shard sees it: whoever follows the batch must never see it without jobs.
                    progress.enter(State::Queued);
                    chunk.push(arrival);
                }
                (State::Queued, Err(_)) => progress.enter(State::Held),
                (other, _) => progress.enter(other),
            }
        }
        // A shard that is gone is stopping; the jobs are durable and come back at the next start.
        let _ = context.shard.send(ToShard::Jobs(chunk)).await;
    }
}

/// The batch of the same file that is not closed yet.
fn unfinished<S: Stream>(context: &FileContext<S>, hash: [u8; 32]) -> Option<BatchId> {
    let tenant = context.tenant.id;
    let known = lock(&context.known);
    known
        .iter()
        .find(|(_, batch)| !batch.closed && batch.stream == S::NAME && batch.tenant == tenant && batch.file_sha256 == Some(hash))
        .map(|(id, _)| *id)
}

fn contacts(request: &FileRequest, tenant: &Tenant) -> Result<Option<Contacts>, AcceptError> {
    request.members.as_deref().or(tenant.settings.members.as_deref()).map(read_contacts).transpose()
}

/// Reads a contact file.
///
/// # Errors
/// Where it cannot be read, or is none.
pub(crate) fn read_contacts(path: &Path) -> Result<Contacts, AcceptError> {
    let file = File::open(path).map_err(|error| unreadable(path, error))?;
    Ok(Contacts::read(BufReader::with_capacity(READ_BYTES, file), &file_name(path))?)
}

fn hash_of(path: &Path) -> Result<[u8; 32], AcceptError> {
    let (mut reader, hash) = hashing_reader(path)?;
    io::copy(&mut reader, &mut io::sink()).map_err(|error| unreadable(path, error))?;
    let digest = hash.borrow().clone().finish();
    Ok(digest.as_ref().try_into().expect("SHA-256 has 32 bytes"))
}

type SharedHash = Rc<RefCell<Context>>;

/// A reader that hashes what passes.
fn hashing_reader(path: &Path) -> Result<(Box<dyn io::BufRead>, SharedHash), AcceptError> {
    // Asked before it is opened: opening a pipe would wait for somebody who writes into it.
    if !std::fs::metadata(path).map_err(|error| unreadable(path, error))?.is_file() {
        return Err(unreadable(path, io::Error::other("not a regular file: it must be read twice; write the batch into a file first")));
    }
    let file = File::open(path).map_err(|error| unreadable(path, error))?;
    let hash = Rc::new(RefCell::new(Context::new(&SHA256)));
    let reader = BufReader::with_capacity(READ_BYTES, Hashing { file, hash: Rc::clone(&hash) });
    Ok((Box::new(reader), hash))
}

struct Hashing {
    file: File,
    hash: SharedHash,
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.hash.borrow_mut().update(&buffer[..count]);
        Ok(count)
    }
}

fn changed(path: &Path) -> Refusal {
    Refusal {
        file: file_name(path),
        reason: "changed_while_reading",
        expected: "the same bytes from the first read to the last".to_owned(),
        action: "write the file under another name and rename it when it is complete".to_owned(),
    }
}

/// The name without its folder: all that rejects and records may show.
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| "batch".to_owned(), |name| name.to_string_lossy().into_owned())
}

fn unreadable(path: &Path, error: io::Error) -> AcceptError {
    AcceptError::Unreadable { path: path.to_path_buf(), error }
}
