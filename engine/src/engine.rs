//! The engine: both streams at work, and what doors and verbs may ask of it.
//!
//! Composition only. It promises that a batch is accepted by one path whatever door it came through, that
//! reports cover everything durable when they were asked for, and that stopping follows the
//! order of `engine/README.md`.

mod error;
mod tenant;

pub use error::{AcceptError, EngineError};
pub(crate) use tenant::Tenant;

use crate::accounts::Accounts;
use crate::contact_store::ContactStore;
use crate::contacts::{ContactBook, TenantMembers};
use crate::control::Progress;
use crate::door::RollingBatch;
use crate::files::{self, FileRequest};
use crate::gating::{Door, GateFolder};
use crate::memory;
use crate::pipeline::{self, Common, Past, Pipeline};
use crate::projection::ProjectionError;
use crate::restoration;
use crate::settings::{EngineSettings, TenantSettings};
use crate::source::Source;
use crate::stages::StageTimes;
use futures_util::future::Either;
use journal::{JournalError, KeyRing, Vouch};
use ledger::{BatchReport, JobFilter, JobLine};
use model::record::{FrameKey, Record};
use model::{BatchId, Marketing, MessageVersion, State, Stream, StreamName, TenantId, Timestamp, Transactional};
use render::Bundle;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use world::World;
use world::channel::Signal;

/// What a connection of a door has left to answer in, after the doors closed.
const CONNECTION_GRACE: Duration = Duration::from_secs(1);

/// A batch that is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// Its id.
    pub batch: BatchId,
    /// The same file was accepted before, and its batch goes on.
    pub resumed: bool,
    /// Damage of the file that belongs to no row (counts that do not fit, an envelope without end); each stands in the reject file.
    pub findings: u64,
    /// A gate holds it: nothing leaves before somebody releases it.
    pub held: bool,
}

/// A batch of this installation, as far as doors must know it.
#[derive(Debug, Clone)]
pub(crate) struct KnownBatch {
    pub(crate) stream: StreamName,
    pub(crate) tenant: TenantId,
    pub(crate) file_sha256: Option<[u8; 32]>,
    pub(crate) opened_at: Timestamp,
    pub(crate) closed: bool,
}

/// The batch that a file became.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchOfFile {
    pub(crate) id: BatchId,
    pub(crate) closed: bool,
    pub(crate) cancelled: bool,
}

/// Batches by id.
pub(crate) type KnownBatches = Arc<Mutex<BTreeMap<BatchId, KnownBatch>>>;

/// Batches that were cancelled: what never left of them may be handed in again.
type CancelledBatches = Mutex<BTreeMap<(StreamName, TenantId), BTreeSet<BatchId>>>;

/// Both streams at work.
pub struct Engine {
    world: World,
    keys: KeyRing,
    tenants: BTreeMap<String, Tenant>,
    known: KnownBatches,
    cancelled: CancelledBatches,
    accounts: Accounts,
    times: Arc<StageTimes>,
    results: Option<PathBuf>,
    gates: GateFolder,
    /// Folders of the journals and of the key ring.
    kept_in: (PathBuf, PathBuf),
    sockets: PathBuf,
    environment: &'static str,
    stopping: Signal,
    /// The rolling batch of the hour, by tenant.
    rolling: tokio::sync::Mutex<BTreeMap<TenantId, RollingBatch>>,
    /// What each tenant goes by.
    contacts: ContactBook,
    transactional: Pipeline<Transactional>,
    marketing: Option<Pipeline<Marketing>>,
}

impl Engine {
    /// Opens keys and journals, recovers, and starts to deliver what is due.
    ///
    /// # Errors
    /// [`EngineError`]; nothing was sent.
    pub async fn start(world: World, settings: EngineSettings) -> Result<Self, EngineError> {
        Self::start_as(world, settings, None, false).await
    }

    /// As [`Engine::start`], for an order about what lies still: nothing is delivered, and what a past life left under way stays as it is until
    /// the next start.
    ///
    /// # Errors
    /// As [`Engine::start`].
    pub async fn start_resting(world: World, settings: EngineSettings) -> Result<Self, EngineError> {
        Self::start_as(world, settings, None, true).await
    }

    /// As [`Engine::start`], where an operator says that journals were put back from a copy and nothing newer exists: whatever in them is not settled
    /// counts as possibly sent.
    ///
    /// # Errors
    /// As [`Engine::start`]; [`EngineError::NothingRestored`] where each journal is the one that was written last.
    pub async fn start_restored(world: World, settings: EngineSettings, vouch: Vouch) -> Result<Self, EngineError> {
        Self::start_as(world, settings, Some(vouch), false).await
    }

    async fn start_as(world: World, settings: EngineSettings, vouch: Option<Vouch>, is_resting: bool) -> Result<Self, EngineError> {
        make_folders(&world, &settings)?;
        let keys = KeyRing::open(&world, &settings.places.key_ring, &settings.key_source)?;
        restoration::check(&world, &settings, &keys, vouch.as_ref())?;
        let mut tenants = BTreeMap::new();
        let mut signers = BTreeMap::new();
        for tenant in &settings.tenants {
            let id = keys.tenant(&tenant.name)?;
            signers.insert(id, Arc::clone(&tenant.signer));
            tenants.insert(tenant.name.clone(), Tenant::new(id, tenant.clone())?);
        }
        let environment = settings.environment.name();
        let common = Common {
            keys: keys.clone(),
            signers: Arc::new(signers),
            environment: Arc::new(settings.environment.clone()),
            contacts: contact_book(&world, &settings, &keys, &tenants),
            templates: Arc::new(tenants.values().map(|tenant| (tenant.id, tenant.shelf.clone())).collect()),
            vouch,
            is_resting,
            accounts: Accounts::default(),
            times: Arc::new(StageTimes::default()),
        };
        let (known, cancelled) = (KnownBatches::default(), CancelledBatches::default());
        let (mut transactional, past) =
            pipeline::start::<Transactional>(&world, &settings, settings.transactional.clone(), &common).await?;
        remember(&known, &cancelled, StreamName::Transactional, past);
        let mut marketing = match &settings.marketing {
            Some(delivery) => {
                let (pipeline, past) = pipeline::start::<Marketing>(&world, &settings, delivery.clone(), &common).await?;
                remember(&known, &cancelled, StreamName::Marketing, past);
                Some(pipeline)
            }
            None => None,
        };
        for tenant in &settings.tenants {
            for bundle in tenant.upcoming.iter().map(|(_, bundle)| bundle).chain([&tenant.bundle]) {
                let archive = bundle.to_archive();
                transactional.journal.store_bundle(bundle.id(), &archive).await?;
                if let Some(marketing) = &marketing {
                    marketing.journal.store_bundle(bundle.id(), &archive).await?;
                }
            }
        }
        transactional.ready().await?;
        if let Some(marketing) = &mut marketing {
            marketing.ready().await?;
        }
        memory::give_back_soon(&world);
        let (common_world, keys_of_gates) = (world.clone(), keys.clone());
        Ok(Self {
            world,
            keys,
            tenants,
            known,
            cancelled,
            accounts: common.accounts,
            times: common.times,
            results: settings.places.results,
            gates: GateFolder::new(common_world, keys_of_gates, settings.places.gates),
            kept_in: (settings.places.journal, settings.places.key_ring),
            sockets: settings.places.sockets,
            environment,
            stopping: Signal::new(),
            rolling: tokio::sync::Mutex::default(),
            contacts: common.contacts,
            transactional,
            marketing,
        })
    }

    /// The world it lives in.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// `test` or `live`.
    pub fn environment(&self) -> &'static str {
        self.environment
    }

    /// How long each step took so far.
    pub fn times(&self) -> &StageTimes {
        &self.times
    }

    /// Bytes the journals wrote in this life.
    pub fn journal_bytes(&self) -> u64 {
        self.transactional.journal.bytes_written() + self.marketing.as_ref().map_or(0, |pipeline| pipeline.journal.bytes_written())
    }

    /// Folder of the sockets.
    pub fn sockets(&self) -> &std::path::Path {
        &self.sockets
    }

    /// Whether it is stopping, or a journal refuses.
    pub fn is_stopping(&self) -> bool {
        self.stopping.is_set()
            || self.transactional.journal.is_poisoned()
            || self.marketing.as_ref().is_some_and(|pipeline| pipeline.journal.is_poisoned())
    }

    /// Accepts a file: when this returns, the batch is on disk and its jobs are on their way.
    ///
    /// # Errors
    /// [`AcceptError`]; then nothing of the file was accepted.
    pub async fn accept_file(&self, request: FileRequest) -> Result<Accepted, AcceptError> {
        let source = Source::open(&request.path)?;
        self.accept_source(request, source, Door::Command, self.results.clone()).await
    }

    /// Accepts an open file; rejects and receipt go into `results`.
    pub(crate) async fn accept_source(
        &self,
        request: FileRequest,
        source: Source,
        door: Door,
        results: Option<PathBuf>,
    ) -> Result<Accepted, AcceptError> {
        match (request.stream, &self.marketing) {
            (StreamName::Transactional, _) => self.accept_into(&self.transactional, request, source, door, results).await,
            (StreamName::Marketing, Some(pipeline)) => self.accept_into(pipeline, request, source, door, results).await,
            (StreamName::Marketing, None) => Err(no_marketing()),
        }
    }

    async fn accept_into<S: Stream>(
        &self,
        pipeline: &Pipeline<S>,
        request: FileRequest,
        source: Source,
        door: Door,
        results: Option<PathBuf>,
    ) -> Result<Accepted, AcceptError> {
        let tenant = self.tenant(&request.tenant)?.clone();
        let gates = self.gates.keeper(tenant.id, S::NAME, Arc::clone(&tenant.settings.gates), door);
        let cancelled = self.cancelled(S::NAME, tenant.id);
        let context = files::FileContext {
            world: self.world.clone(),
            journal: pipeline.journal.clone(),
            keys: self.keys.clone(),
            tenant,
            repeats: pipeline.repeats.clone(),
            known: Arc::clone(&self.known),
            cancelled,
            settings: Arc::clone(&pipeline.settings),
            shard: pipeline.shard.clone(),
            corrector: pipeline.corrector(&self.accounts),
            accounts: self.accounts.clone(),
            results,
            contacts: self.contacts.clone(),
            environment: self.environment,
            gates,
        };
        let reading = move || async move { files::accept(context, request, source).await };
        let accepted = self.world.apart(&format!("intake-{}", S::NAME), reading).await.ok_or(AcceptError::Stopped)?;
        memory::give_back_soon(&self.world);
        accepted
    }

    /// The tenant of a request; where only one is configured it need not be named.
    pub(crate) fn tenant(&self, name: &Option<String>) -> Result<&Tenant, AcceptError> {
        let names = || self.tenants.keys().cloned().collect::<Vec<_>>().join(", ");
        match name {
            Some(name) => self
                .tenants
                .get(name)
                .ok_or_else(|| AcceptError::Unknown(format!("there is no tenant '{name}'; configured are: {}", names()))),
            None if self.tenants.len() == 1 => self.tenants.values().next().ok_or(AcceptError::Stopped),
            None => Err(AcceptError::Unknown(format!("name the tenant with --tenant; configured are: {}", names()))),
        }
    }

    /// Live counts of a batch.
    pub fn progress(&self, batch: BatchId) -> Progress {
        let jobs = self.accounts.batch(batch);
        let (queued, in_flight, delivered) = (jobs.jobs(State::Queued), jobs.jobs(State::InFlight), jobs.jobs(State::Delivered));
        let total = jobs.total();
        Progress { total, queued, in_flight, delivered, other: total - queued - in_flight - delivered }
    }

    /// The books of a batch. `closed` says whether it is through: no job of it is active.
    ///
    /// # Errors
    /// Where the ledger does not answer.
    pub async fn report(&self, stream: StreamName, batch: BatchId) -> Result<BatchReport, ProjectionError> {
        match (stream, &self.marketing) {
            (StreamName::Marketing, Some(pipeline)) => report_of(pipeline, batch).await,
            _ => report_of(&self.transactional, batch).await,
        }
    }

    /// All batches, newest last.
    ///
    /// # Errors
    /// Where the ledger does not answer.
    pub async fn batches(&self) -> Result<serde_json::Value, ProjectionError> {
        let mut all = batches_of(&self.transactional).await?;
        if let Some(marketing) = &self.marketing {
            all.extend(batches_of(marketing).await?);
        }
        Ok(serde_json::Value::Array(all))
    }

    /// A page of a batch's rows: each statement with its message.
    ///
    /// # Errors
    /// Where the ledger does not answer.
    pub async fn rows(&self, stream: StreamName, batch: BatchId, filter: JobFilter) -> Result<Vec<JobLine>, ProjectionError> {
        match (stream, &self.marketing) {
            (StreamName::Marketing, Some(pipeline)) => rows_of(pipeline, batch, filter).await,
            _ => rows_of(&self.transactional, batch, filter).await,
        }
    }

    /// The stream a batch belongs to.
    ///
    /// # Errors
    /// None now; the answer may have to ask the ledger later.
    pub async fn stream_of(&self, batch: BatchId) -> Result<Option<StreamName>, ProjectionError> {
        Ok(lock(&self.known).get(&batch).map(|known| known.stream))
    }

    /// What doors know of a batch.
    pub(crate) fn known(&self, batch: BatchId) -> Option<KnownBatch> {
        lock(&self.known).get(&batch).cloned()
    }

    /// What was held may have waited for days: its members' data is looked at before the first message leaves.
    pub(crate) fn look_at_contacts(&self) {
        for tenant in self.tenants.values() {
            if let Err(error) = self.contacts.newest(tenant.id) {
                tracing::error!(target: "sealpost::intake", tenant = %tenant.settings.name, %error, "contact data cannot be read; its messages wait");
            }
        }
    }

    /// Records that a batch's report was given and no job of it is active.
    ///
    /// # Errors
    /// Where the journal refuses; the next start closes it then.
    pub async fn close_batch(&self, batch: BatchId) -> Result<(), JournalError> {
        let open = lock(&self.known).get(&batch).filter(|known| !known.closed).map(|known| known.stream);
        let Some(stream) = open else { return Ok(()) };
        let key = FrameKey { job: None, message: MessageVersion(0), attempt: 0 };
        let record = Record::BatchClose { batch, at: self.world.wall() };
        match (stream, &self.marketing) {
            (StreamName::Marketing, Some(pipeline)) => pipeline.journal.record(key, record).await?.await?,
            _ => self.transactional.journal.record(key, record).await?.await?,
        }
        if let Some(known) = lock(&self.known).get_mut(&batch) {
            known.closed = true;
        }
        Ok(())
    }

    /// Says that the engine is about to stop: whoever follows a batch is told how far it is.
    pub fn announce_stop(&self) {
        self.stopping.set();
    }

    /// A connection of a door, until its end or a moment after `stop`: nobody who only listens keeps the engine from draining.
    pub(crate) async fn until_stopped<T>(&self, stop: Signal, connection: impl Future<Output = T> + Unpin) -> Option<T> {
        let patience = std::pin::pin!(async {
            stop.wait().await;
            self.world.sleep(CONNECTION_GRACE).await;
        });
        match futures_util::future::select(connection, patience).await {
            Either::Left((ended, _)) => Some(ended),
            Either::Right(_) => None,
        }
    }

    /// Stops: no new work, what is under way is finished or left, the journals are closed.
    pub async fn stop(self) {
        self.stopping.set();
        self.transactional.stop().await;
        if let Some(marketing) = self.marketing {
            marketing.stop().await;
        }
    }

    pub(crate) fn rolling(&self) -> &tokio::sync::Mutex<BTreeMap<TenantId, RollingBatch>> {
        &self.rolling
    }

    /// The newest batch of a file with this hash that was ever committed here.
    pub(crate) fn batch_of_file(&self, tenant: TenantId, stream: StreamName, sha256: &[u8; 32]) -> Option<BatchOfFile> {
        let known = lock(&self.known);
        let same = |batch: &KnownBatch| batch.stream == stream && batch.tenant == tenant && batch.file_sha256.as_ref() == Some(sha256);
        let (id, batch) = known.iter().rev().find(|(_, batch)| same(batch))?;
        Some(BatchOfFile { id: *id, closed: batch.closed, cancelled: self.cancelled(batch.stream, batch.tenant).contains(id) })
    }

    /// A batch is cancelled.
    pub(crate) fn note_cancelled(&self, batch: BatchId) {
        if let Some(KnownBatch { stream, tenant, .. }) = lock(&self.known).get(&batch) {
            lock(&self.cancelled).entry((*stream, *tenant)).or_default().insert(batch);
        }
    }

    /// The cancelled batches of a tenant.
    pub(crate) fn cancelled(&self, stream: StreamName, tenant: TenantId) -> BTreeSet<BatchId> {
        lock(&self.cancelled).get(&(stream, tenant)).cloned().unwrap_or_default()
    }

    /// Tenants and streams that files may be dropped for.
    pub(crate) fn tenants_and_streams(&self) -> Vec<(String, StreamName)> {
        let streams = [Some(StreamName::Transactional), self.marketing.as_ref().map(|_| StreamName::Marketing)];
        let streams: Vec<StreamName> = streams.into_iter().flatten().collect();
        self.tenants.keys().flat_map(|tenant| streams.iter().map(move |stream| (tenant.clone(), *stream))).collect()
    }

    /// Whose a batch is.
    pub(crate) fn tenant_of(&self, batch: BatchId) -> Option<&Tenant> {
        let id = lock(&self.known).get(&batch)?.tenant;
        self.tenants.values().find(|tenant| tenant.id == id)
    }

    /// Tenants by their names.
    pub(crate) fn tenants(&self) -> &BTreeMap<String, Tenant> {
        &self.tenants
    }

    /// Puts a bundle into each journal, synced when it returns.
    pub(crate) async fn store_bundle(&self, bundle: &Bundle) -> Result<(), JournalError> {
        let archive = bundle.to_archive();
        self.transactional.journal.store_bundle(bundle.id(), &archive).await?;
        if let Some(marketing) = &self.marketing {
            marketing.journal.store_bundle(bundle.id(), &archive).await?;
        }
        Ok(())
    }

    pub(crate) fn know(&self, batch: BatchId, known: KnownBatch) {
        lock(&self.known).insert(batch, known);
    }

    /// What each tenant goes by.
    pub(crate) fn contacts(&self) -> &ContactBook {
        &self.contacts
    }

    pub(crate) fn transactional(&self) -> &Pipeline<Transactional> {
        &self.transactional
    }

    pub(crate) fn marketing(&self) -> Option<&Pipeline<Marketing>> {
        self.marketing.as_ref()
    }

    /// Folders of the journals and of the key ring.
    pub(crate) fn kept_in(&self) -> (&std::path::Path, &std::path::Path) {
        (&self.kept_in.0, &self.kept_in.1)
    }

    pub(crate) fn gates(&self) -> &GateFolder {
        &self.gates
    }

    pub(crate) fn keys(&self) -> &KeyRing {
        &self.keys
    }

    pub(crate) fn accounts(&self) -> &Accounts {
        &self.accounts
    }
}

/// A marketing request where this installation has no such stream.
pub(crate) fn no_marketing() -> AcceptError {
    AcceptError::Unknown("this configuration has no marketing stream; add [streams.marketing] enabled = true".to_owned())
}

/// The lock of a map that cannot be left half-written: a panic while it was held changes nothing about what it holds.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

async fn report_of<S: Stream>(pipeline: &Pipeline<S>, batch: BatchId) -> Result<BatchReport, ProjectionError> {
    // Outcomes are appended without waiting; a report waits for them.
    pipeline.journal.sync().await?;
    let found = pipeline.projection.ask(pipeline.journal.durable(), move |ledger| ledger.batch_report(batch)).await?;
    found.ok_or(ProjectionError::NoSuchBatch(batch))
}

async fn rows_of<S: Stream>(pipeline: &Pipeline<S>, batch: BatchId, filter: JobFilter) -> Result<Vec<JobLine>, ProjectionError> {
    pipeline.journal.sync().await?;
    pipeline.projection.ask(pipeline.journal.durable(), move |ledger| ledger.rows(batch, &filter)).await
}

pub(crate) async fn jobs_of<S: Stream>(pipeline: &Pipeline<S>, batch: BatchId, filter: JobFilter) -> Result<Vec<JobLine>, ProjectionError> {
    pipeline.journal.sync().await?;
    pipeline.projection.ask(pipeline.journal.durable(), move |ledger| ledger.page(batch, &filter)).await
}

async fn batches_of<S: Stream>(pipeline: &Pipeline<S>) -> Result<Vec<serde_json::Value>, ProjectionError> {
    let lines = pipeline.projection.ask(pipeline.journal.durable(), |ledger| ledger.batches()).await?;
    Ok(lines.iter().filter_map(|line| serde_json::to_value(line).ok()).collect())
}

fn contact_book(world: &World, settings: &EngineSettings, keys: &KeyRing, tenants: &BTreeMap<String, Tenant>) -> ContactBook {
    let members = |tenant: &Tenant| {
        let TenantSettings { name, members, member_settings, .. } = &tenant.settings;
        (tenant.id, TenantMembers { name: name.clone(), file: members.clone(), settings: Arc::clone(member_settings) })
    };
    let store = settings.places.contacts.clone().map(|folder| ContactStore::new(world.clone(), keys.clone(), folder));
    ContactBook::new(world.clone(), store, tenants.values().map(members).collect())
}

fn make_folders(world: &World, settings: &EngineSettings) -> Result<(), EngineError> {
    let places = &settings.places;
    let folders = [
        Some(&places.journal),
        Some(&places.key_ring),
        Some(&places.index),
        places.ledger.as_ref(),
        places.results.as_ref(),
        places.gates.as_ref(),
    ];
    for path in folders.into_iter().flatten() {
        world.disk().create_dir_all(path).map_err(|error| EngineError::Folder { path: path.clone(), error })?;
    }
    Ok(())
}

fn remember(known: &KnownBatches, cancelled: &CancelledBatches, stream: StreamName, past: Past) {
    for batch in past.batches {
        let open = batch.open;
        if batch.cancelled {
            lock(cancelled).entry((stream, open.tenant)).or_default().insert(open.batch);
        }
        let entry = KnownBatch { stream, tenant: open.tenant, file_sha256: open.file_sha256, opened_at: open.at, closed: batch.closed };
        lock(known).insert(open.batch, entry);
    }
}
