//! The file door: a batch file becomes a committed batch, or nothing (invariant 2).
//!
//! Works on its own thread, pull by pull, so that a file of any size takes the same memory, and the journal's
//! bounded channel slows it down. The file is hashed while it is read, and the hash must be the one the batch was
//! opened under: a file that changes under our hands is refused. The same file handed in again while its batch is not
//! closed is that batch, not a second one.

use crate::accounts::{Accounts, BatchProgress};
use crate::contacts::{ContactBook, InForce};
use crate::engine::{AcceptError, Accepted, KnownBatch, KnownBatches, Tenant, lock};
use crate::gating::{GateKeeper, Verdict};
use crate::input::Input;
use crate::openpgp;
use crate::plants::Misassembly;
use crate::receipts::Receipt;
use crate::rejects::RejectFile;
use crate::repeats::Repeats;
use crate::settings::DeliverySettings;
use crate::shard::{Arrival, Order, ToShard};
pub(crate) use crate::source::file_name;
use crate::source::{SharedHash, Source, finished, unreadable};
use crate::superseding::{Corrector, Superseded};
use crate::wording::{LANGUAGE_UNMET, WordingFound};
use intake::gates::{Pairs, Present, Subject};
use intake::{
    Admission, AdmissionSettings, Admitted, Binding, Contacts, Day, Earlier, Fingerprints, Grouping, KeyEntry, MANIFEST_BYTES_MAX,
    Manifest, Row, TakenOut,
};
use journal::{CommittedJobs, Journal, JournalError, KeyError, KeyRing};
use model::record::{BatchCommit, BatchOpen, BatchVerb, Head};
use model::reject::Refusal;
use model::stage::{Job, JournaledJob};
use model::state::Disposition;
use model::{BatchId, BundleId, Fingerprint, Mailbox, MoneySummary, State, Stream, StreamName, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
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

/// How long the first messages of a batch may take before the rest is held regardless.
const CANARY_WAIT_MAX: Duration = Duration::from_secs(60);
const CANARY_LOOK_EVERY: Duration = Duration::from_millis(50);

/// Of so many rows one is dropped, where the simulator asks for it.
const DROPPED_OF: u64 = 50;

/// A file to accept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRequest {
    /// The file; absolute where it travels to another process.
    pub path: PathBuf,
    /// Its contact file; `None` takes the tenant's.
    pub members: Option<PathBuf>,
    /// How to read it, where that is not what the tenant's configuration says.
    #[serde(default)]
    pub input: Input,
    /// Whose it is; `None` where the configuration has one tenant.
    pub tenant: Option<String>,
    /// Its stream.
    pub stream: StreamName,
    /// What the file must come to ([`intake::Manifest`]).
    #[serde(default)]
    pub manifest: Option<PathBuf>,
}

/// What the file door works with.
pub(crate) struct FileContext<S: Stream> {
    pub(crate) world: World,
    pub(crate) journal: Journal<S>,
    pub(crate) keys: KeyRing,
    pub(crate) tenant: Tenant,
    pub(crate) repeats: Repeats,
    pub(crate) known: KnownBatches,
    /// Batches of the tenant that were cancelled.
    pub(crate) cancelled: BTreeSet<BatchId>,
    pub(crate) settings: Arc<DeliverySettings>,
    pub(crate) shard: Sender<ToShard<S>>,
    pub(crate) corrector: Corrector<S>,
    pub(crate) accounts: Accounts,
    pub(crate) results: Option<PathBuf>,
    pub(crate) contacts: ContactBook,
    /// `test` or `live`, for the receipt.
    pub(crate) environment: &'static str,
    pub(crate) gates: GateKeeper,
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
pub(crate) async fn accept<S: Stream>(context: FileContext<S>, request: FileRequest, source: Source) -> Result<Accepted, AcceptError> {
    let hash = source.sha256()?;
    if let Some(batch) = unfinished(&context, hash) {
        return Ok(Accepted { batch, resumed: true, findings: 0, held: false });
    }
    let manifest = manifest(&request)?;
    manifest.check_before(&source.name(), &hash, context.world.wall())?;
    let contacts = contacts(&request, &context)?;
    let (reader, hashing) = opened(&context.tenant, &source)?;
    let profile = request.input.clone().or(&context.tenant.settings.input).profile().map_err(AcceptError::Unknown)?;
    let mut rows = intake::open(&profile, &source.name(), reader)?;
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
    let file = OpenFile { name: source.name(), batch, manifest, contacts };
    let mut superseded = Superseded::default();
    let read = read_rows(&context, file, &mut rows, &mut superseded).await;
    let unchanged = finished(&hashing) == hash;
    let (commit, verdict, pairs) = match read {
        Ok(read) if unchanged => read,
        Ok(_) => return Err(give_up(&context, batch, &superseded, changed(source.path()).into()).await),
        Err(error) => return Err(give_up(&context, batch, &superseded, error).await),
    };
    let jobs = match context.journal.commit(commit.clone()).await {
        Ok(jobs) => jobs,
        Err(error) => return Err(give_up(&context, batch, &superseded, error.into()).await),
    };
    context.repeats.lock().commit(batch);
    let known = KnownBatch { stream: S::NAME, tenant: context.tenant.id, file_sha256: Some(hash), opened_at: now, closed: false };
    lock(&context.known).insert(batch, known);
    context.gates.committed(batch, &verdict, &pairs, context.results.as_deref());
    // Handing over may take as long as a canary.
    drop(pairs);
    if let Some(results) = &context.results {
        let file = source.name();
        Receipt { file: &file, sha256: hash, environment: context.environment, commit: &commit, rounding: rows.rounding() }
            .write(&context.world, results);
    }
    if let Err(error) = context.corrector.settle(&superseded, batch).await {
        // Poisoned: nothing leaves any more, and the next start reads what supersedes what.
        tracing::error!(target: "sealpost::journal", %batch, %error, "accepted; what it corrects is superseded at the next start");
        return Ok(Accepted { batch, resumed: false, findings: rows.findings_count(), held: verdict.held });
    }
    hand_over_all(&context, batch, jobs, &verdict, &superseded).await;
    Ok(Accepted { batch, resumed: false, findings: rows.findings_count(), held: verdict.held })
}

/// A reader of the file's content: as it is, or out of an OpenPGP message; and the hash of the bytes as they came.
fn opened(tenant: &Tenant, source: &Source) -> Result<(Box<dyn BufRead>, SharedHash), AcceptError> {
    let (reader, hashing) = source.hashing_reader();
    if !openpgp::is_openpgp(source.reader()) {
        return Ok((Box::new(reader), hashing));
    }
    let Some(key) = &tenant.settings.openpgp else {
        return Err(AcceptError::Refused(Refusal {
            file: source.name(),
            reason: "openpgp_no_key",
            expected: "expected a file that is not encrypted: this tenant has no OpenPGP key".to_owned(),
            action: "write openpgp = { key_file = ... } into the tenant's section, and hand the file in again".to_owned(),
        }));
    };
    Ok((key.open(&source.name(), source.bytes(), reader)?, hashing))
}

/// What the rows of an open batch are read with.
struct OpenFile {
    name: String,
    batch: BatchId,
    manifest: Manifest,
    contacts: Option<InForce>,
}

/// Every row: a job into the journal, or a count with its reason; rejects into their file. Then the totals and the gates.
async fn read_rows<S: Stream>(
    context: &FileContext<S>,
    file: OpenFile,
    rows: &mut intake::Rows<'_>,
    superseded: &mut Superseded,
) -> Result<(BatchCommit, Verdict, Pairs), AcceptError> {
    let OpenFile { name, batch, manifest, contacts } = file;
    let mut rejects = RejectFile::new(context.results.as_deref(), batch);
    let now = context.world.wall();
    let fingerprints = TenantFingerprints::new(context.keys.clone(), context.tenant.id)?;
    let templates = context.tenant.templates_at(now);
    let settings = admission_settings(&context.tenant, templates.bundle, &context.settings, batch, now, name.clone(), Binding::WithBatch);
    let seen = contacts.as_ref().map(InForce::seen);
    let mut admission = Admission::<S>::new(settings, contacts.map(|known| known.contacts)).after_cancelled(context.cancelled.clone());
    let world = &context.world;
    let mut plants = Misassembly::default();
    let mut pairs = Pairs::default();
    let mut wording = WordingFound::default();
    let mut grouping = Grouping::<S>::new(context.tenant.settings.group_by);
    for row in rows.by_ref() {
        let row = row?;
        if world.is_planted(Plant::RejectDropped) && matches!(row, intake::Row::Rejected { .. }) {
            continue;
        }
        if world.is_planted(Plant::DuplicateAdmitted) {
            context.repeats.lock().discard(batch);
        }
        let subject = match &row {
            Row::Statement(read) => {
                manifest.check_kind(&name, read.place.row, read.statement.kind)?;
                Some(Subject::of(read, &fingerprints))
            }
            _ => None,
        };
        context.corrector.judge_cancelled(&mut admission, &row, &context.repeats, &fingerprints).await?;
        // The lock is held for one row: two doors of a tenant take turns, and no key is accepted twice.
        let admitted = admission.admit(row, &mut context.repeats.lock(), &fingerprints)?;
        if let Some(subject) = subject {
            pairs.add(subject, address_of(&admitted));
        }
        let earlier = admission.earlier();
        match admitted {
            Admitted::Job(mut job) => {
                if let Some(earlier) = earlier {
                    correct(context, earlier, &mut job, &mut grouping, superseded).await?;
                }
                // The books count rows: a message made of a template is one, though intake counts no statement in it.
                job.head.statements = job.head.statements.max(1);
                give_time(&mut job.head, &manifest, context.settings.lifetime);
                wording.look_at(&mut job, &templates.wording);
                plants.spoil(world, &mut job);
                if world.is_planted(Plant::RowDropped) && job.head.row.is_multiple_of(DROPPED_OF) {
                    continue;
                }
                let located = located(&job.head);
                let placed = grouping.take(*job, || context.journal.new_job_id());
                context.repeats.lock().locate(&located, Binding::WithBatch, placed.id);
                for (id, job) in placed.closed {
                    context.journal.append_as(id, job).await?;
                }
            }
            Admitted::Not { reject, .. } => rejects.add(&reject)?,
        }
    }
    while let Some((id, job)) = grouping.close_next() {
        context.journal.append_as(id, job).await?;
    }
    rows.findings().iter().try_for_each(|finding| rejects.add(finding))?;
    rejects.finish()?;
    let mut intake = admission.finish(rows.source_records());
    for finding in rows.findings() {
        *intake.reasons.entry(finding.reason.clone()).or_default() += 1;
    }
    let grouped = grouping.reasons().map(|(reason, count)| (reason.to_owned(), count));
    for (reason, rows) in superseded.reasons.clone().into_iter().chain(grouped) {
        *intake.reasons.entry(reason).or_default() += rows;
    }
    if wording.language_unmet > 0 {
        intake.reasons.insert(LANGUAGE_UNMET.to_owned(), wording.language_unmet);
    }
    wording.say(batch);
    if world.is_planted(Plant::RowCountedTwice) {
        intake.source_records += 1;
        intake.count(Disposition::Rejected, MoneySummary::default(), None);
    }
    // A batch whose rows we lost count of is not accepted, whoever's fault it is.
    if !intake.is_balanced() {
        return Err(AcceptError::Unbalanced { file: name });
    }
    manifest.check_totals(&name, &intake)?;
    let present = Present { intake: &intake, file_findings: rows.findings_count(), contacts: seen, pairs: &pairs, now };
    let verdict = context.gates.judge(&present);
    Ok((BatchCommit { batch, at: now, intake, held: verdict.held }, verdict, pairs))
}

/// A row that corrects another one. One of the same file is taken out of the message that is put together, where it is not complete yet.
async fn correct<S: Stream>(
    context: &FileContext<S>,
    mut earlier: Earlier,
    job: &mut Job<S>,
    grouping: &mut Grouping<S>,
    superseded: &mut Superseded,
) -> Result<(), AcceptError> {
    if let Some(known) = &mut earlier.known
        && known.batch == job.head.batch
        && let Some(id) = known.job
    {
        match grouping.take_out(id, &known.content, || context.journal.new_job_id()) {
            TakenOut::Alone => {}
            TakenOut::Job(closed) => {
                let (id, before) = *closed;
                known.job = Some(id);
                context.journal.append_as(id, before).await?;
            }
            TakenOut::InGroup => {
                context.corrector.follow(earlier, job, superseded);
                return Ok(());
            }
        }
    }
    context.corrector.weigh(earlier, job, Binding::WithBatch, superseded).await
}

/// The key of a job, by which the index finds it when its number is known.
pub(crate) fn located(head: &Head) -> KeyEntry {
    let Head { tenant, key, content, batch, due, row, .. } = *head;
    KeyEntry { tenant, key, content, batch, day: Day::of(due), job: None, row: u32::try_from(row).ok() }
}

/// Where a row goes, for the gates.
fn address_of<S: Stream>(admitted: &Admitted<S>) -> Option<(&Mailbox, Fingerprint)> {
    let Admitted::Job(job) = admitted else { return None };
    Some((&job.data.recipient.as_ref()?.mailbox, job.head.recipient?))
}

/// Not before, and not after, as the manifest says.
fn give_time(head: &mut Head, manifest: &Manifest, lifetime: Duration) {
    if let Some(not_before) = manifest.not_before.filter(|not_before| *not_before > head.due) {
        head.due = not_before;
        head.deadline = not_before + lifetime;
    }
    if let Some(expires) = manifest.expires {
        head.deadline = head.deadline.min(expires);
    }
}

/// The manifest of a request; one that expects nothing where there is none.
fn manifest(request: &FileRequest) -> Result<Manifest, AcceptError> {
    let Some(path) = &request.manifest else { return Ok(Manifest::default()) };
    let file = File::open(path).map_err(|error| unreadable(path, error))?;
    let mut bytes = Vec::new();
    file.take(MANIFEST_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, error))?;
    Ok(Manifest::parse(&bytes, &file_name(path))?)
}

/// What all rows of a batch share.
pub(crate) fn admission_settings(
    tenant: &Tenant,
    bundle: BundleId,
    delivery: &DeliverySettings,
    batch: BatchId,
    now: Timestamp,
    file: String,
    binding: Binding,
) -> AdmissionSettings {
    AdmissionSettings {
        tenant: tenant.id,
        batch,
        bundle,
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
async fn give_up<S: Stream>(context: &FileContext<S>, batch: BatchId, superseded: &Superseded, error: AcceptError) -> AcceptError {
    match context.journal.discard_batch(batch, context.world.wall(), "refused").await {
        Ok(()) if context.world.is_planted(Plant::DiscardedKeysCount) => {}
        Ok(()) => {
            context.repeats.lock().discard(batch);
            context.corrector.put_back(superseded).await;
        }
        // Perhaps it is committed, and only the answer was lost: its keys stay until the next start reads what became of it.
        Err(refused) => {
            tracing::error!(target: "sealpost::journal", %batch, error = %refused, "cannot be discarded now; the next start discards it");
        }
    }
    error
}

/// Sends committed jobs to the shard. A disk that cannot be read for a while is waited for: without it these jobs would lie still until the
/// next start. A batch that a gate holds is suspended before its first job arrives; a canary goes before that.
async fn hand_over_all<S: Stream>(
    context: &FileContext<S>,
    batch: BatchId,
    mut jobs: CommittedJobs<S>,
    verdict: &Verdict,
    superseded: &Superseded,
) {
    let mut canary = verdict.canary;
    if verdict.held && canary.is_none() {
        hold(context, batch).await;
    }
    let mut pause = READ_PAUSE_MIN;
    while let Err(error) = hand_over(context, batch, &mut jobs, &mut canary, superseded).await {
        if context.shard.is_closed() {
            tracing::warn!(target: "sealpost::journal", %batch, %error, "accepted, but not all of its jobs could be read back; the next start queues them");
            return;
        }
        tracing::error!(target: "sealpost::journal", %batch, %error, "accepted, but its jobs cannot be read back now; tried again until they can");
        context.world.sleep(pause).await;
        pause = (pause * 2).min(READ_PAUSE_MAX);
    }
}

/// Sends what is left of them, a portion at a time; those that are held or go on paper are only counted. `canary` is how many still go before the batch is held.
async fn hand_over<S: Stream>(
    context: &FileContext<S>,
    batch: BatchId,
    jobs: &mut CommittedJobs<S>,
    canary: &mut Option<u64>,
    superseded: &Superseded,
) -> Result<(), JournalError> {
    let progress = context.accounts.batch(batch);
    loop {
        if *canary == Some(0) {
            wait_for_canary(context, &progress).await;
            hold(context, batch).await;
            *canary = None;
        }
        let room = canary.and_then(|left| usize::try_from(left).ok()).unwrap_or(ARRIVALS_CHUNK);
        let portion = jobs.next(room.min(ARRIVALS_CHUNK))?;
        if portion.is_empty() {
            return Ok(());
        }
        *canary = canary.map(|left| left.saturating_sub(portion.len() as u64));
        arrive(context, &progress, &portion, superseded).await;
    }
}

async fn arrive<S: Stream>(context: &FileContext<S>, progress: &BatchProgress, portion: &[JournaledJob<S>], superseded: &Superseded) {
    let mut chunk = Vec::with_capacity(portion.len());
    // What was corrected further down in the file is settled, and counted, already.
    for job in portion.iter().filter(|job| !superseded.has(job.id)) {
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

/// Until the canary's messages were tried, or long enough: one that a receiver put off must not keep the batch from being held.
async fn wait_for_canary<S: Stream>(context: &FileContext<S>, progress: &BatchProgress) {
    let started = context.world.monotonic();
    while progress.active() > 0 && context.world.monotonic() - started < CANARY_WAIT_MAX {
        context.world.sleep(CANARY_LOOK_EVERY).await;
    }
}

async fn hold<S: Stream>(context: &FileContext<S>, batch: BatchId) {
    let (done, answer) = world::channel::oneshot();
    // A shard that is gone is stopping; the commit says that the batch is held, and the next start holds it.
    if context.shard.send(ToShard::Order(Order { batch, verb: BatchVerb::Hold, done })).await.is_ok() {
        let _ = answer.await;
    }
}

/// The batch of the same file that is not closed yet.
fn unfinished<S: Stream>(context: &FileContext<S>, hash: [u8; 32]) -> Option<BatchId> {
    let tenant = context.tenant.id;
    let known = lock(&context.known);
    let is_its = |batch: &KnownBatch| batch.stream == S::NAME && batch.tenant == tenant && batch.file_sha256 == Some(hash);
    known.iter().find(|(_, batch)| is_its(batch) && !batch.closed).map(|(id, _)| *id)
}

/// What the batch brings along, else what its tenant goes by.
fn contacts<S: Stream>(request: &FileRequest, context: &FileContext<S>) -> Result<Option<InForce>, AcceptError> {
    match &request.members {
        // The tenant's own file, named once more, is the tenant's data.
        Some(path) if context.tenant.settings.members.as_ref() != Some(path) => {
            InForce::of_file(path).map(|read| Some(read.for_one_batch()))
        }
        _ => context.contacts.newest(context.tenant.id),
    }
}

/// Reads a contact file.
///
/// # Errors
/// Where it cannot be read, or is none.
pub(crate) fn read_contacts(path: &Path) -> Result<Contacts, AcceptError> {
    let file = File::open(path).map_err(|error| unreadable(path, error))?;
    Ok(Contacts::read(BufReader::with_capacity(READ_BYTES, file), &file_name(path))?)
}

fn changed(path: &Path) -> Refusal {
    Refusal {
        file: file_name(path),
        reason: "changed_while_reading",
        expected: "the same bytes from the first read to the last".to_owned(),
        action: "write the file under another name and rename it when it is complete".to_owned(),
    }
}
