//! The order of the stages, for one stream: the only place that knows it.
//!
//! ```text
//! doors ─► journal thread ─► shard thread ◄─► prepare workers
//!              │                 └─ connection tasks ─► journal (intent, outcome)
//!              └─► ledger thread (follows the durable record)
//! ```
//!
//! Every arrow is a bounded channel: full means wait, back to the door. What a crash left behind comes back
//! in [`recover`]: nothing is lost, and what may have been sent is marked before anything moves.

use crate::accounts::Accounts;
use crate::claims::Claims;
use crate::contacts::ContactBook;
use crate::environment::Environment;
use crate::narrowing::{self, NarrowingError};
use crate::prepare::{self, Frozen, Preparer};
use crate::projection::Projection;
use crate::renderers::{Renderers, StreamRenderers};
use crate::repeats::{Repeats, RepeatsError, RepeatsThread};
use crate::restoration;
use crate::settings::{DeliverySettings, EngineSettings};
use crate::shard::{self, Arrival, Order, ShardContext, ToShard};
use crate::stages::StageTimes;
use crate::superseding::{CORRECTED, Corrector};
use crate::templates::TemplateShelves;
use journal::bounds::RESERVE_SEGMENTS;
use journal::{Journal, JournalConfig, JournalError, KeyRing, Opened, Reader, Recovered, RecoveredBatch, RecoveredJob, Vouch};
use ledger::{Ledger, LedgerError};
use model::record::{BatchVerb, FrameKey, Record, StateChange};
use model::state::HoldReason;
use model::{BatchId, JobId, MessageVersion, State, Stream, StreamName, TenantId};
use outcome::UncertainRule;
use queue::Waiting;
use seal::Signer;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use world::channel::Sender;
use world::{Plant, ThreadHandle, World};

/// The bit of a node that is set in the ids of marketing.
const NODE_MARKETING: u16 = 1 << 15;
/// Messages that may be with the workers at once, for each worker.
const PREPARING_PER_WORKER: usize = 64;
/// Jobs that travel to the shard at once.
const ARRIVALS_CHUNK: usize = 1024;

/// Why a pipeline cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The journal cannot be opened.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// What belonged to a journal that was put back cannot be set aside.
    #[error("the ledger and the key index of before the restoration cannot be set aside: {0}")]
    Aside(#[from] std::io::Error),
    /// The ledger cannot be opened.
    #[error("the ledger cannot be opened: {0}; it can be deleted, the next start rebuilds it from the record")]
    Ledger(#[from] LedgerError),
    /// The index of idempotency keys cannot be opened or brought up to date.
    #[error(transparent)]
    Repeats(#[from] RepeatsError),
}

/// The stream whose journal made a batch, by the node in its id.
pub(crate) const fn stream_made(batch: BatchId) -> StreamName {
    if batch.node() & NODE_MARKETING == 0 { StreamName::Transactional } else { StreamName::Marketing }
}

/// The node as it stands in a stream's ids. Each journal counts for itself, so without the highest bit the first batches of both streams,
/// their reject files and their Message-IDs would have one name. The configuration leaves that bit free.
const fn node_of(node: u16, stream: StreamName) -> u16 {
    match stream {
        StreamName::Transactional => node,
        StreamName::Marketing => node | NODE_MARKETING,
    }
}

/// One stream at work.
pub(crate) struct Pipeline<S: Stream> {
    pub(crate) journal: Journal<S>,
    pub(crate) projection: Projection,
    pub(crate) repeats: Repeats,
    pub(crate) shard: Sender<ToShard<S>>,
    pub(crate) settings: Arc<DeliverySettings>,
    /// Of contents that are in no queue.
    pub(crate) reader: Reader,
    /// Jobs that somebody decides about just now.
    pub(crate) claims: Claims,
    keys: KeyRing,
    /// What a past life left under way lies still: it is in no queue.
    pub(crate) is_resting: bool,
    world: World,
    shard_thread: ThreadHandle,
    workers: Vec<ThreadHandle>,
    writer: ThreadHandle,
    ledger_thread: ThreadHandle,
    repeats_thread: RepeatsThread,
}

/// What the doors need of a past life.
pub(crate) struct Past {
    pub(crate) batches: Vec<RecoveredBatch>,
}

/// What all pipelines share without sharing work.
pub(crate) struct Common {
    pub(crate) keys: KeyRing,
    pub(crate) signers: Arc<BTreeMap<TenantId, Arc<Signer>>>,
    pub(crate) environment: Arc<Environment>,
    /// What is known of each tenant's members.
    pub(crate) contacts: ContactBook,
    /// What each tenant's templates are.
    pub(crate) templates: TemplateShelves,
    /// Nothing is delivered or put right: what a past life left stays as it is.
    pub(crate) is_resting: bool,
    /// An operator's word for journals that were put back from a copy.
    pub(crate) vouch: Option<Vouch>,
    pub(crate) accounts: Accounts,
    pub(crate) times: Arc<StageTimes>,
}

/// Opens the journal of a stream, starts its threads and puts back what was under way.
pub(crate) async fn start<S: Stream>(
    world: &World,
    settings: &EngineSettings,
    delivery: DeliverySettings,
    common: &Common,
) -> Result<(Pipeline<S>, Past), StartError> {
    let config = JournalConfig {
        dir: settings.places.journal.join(S::NAME.as_str()),
        node: node_of(settings.node, S::NAME),
        segment_bytes: settings.segment_bytes,
        commit_delay_max: settings.journal.commit_delay_max,
        reserve_bytes: settings.journal.reserve_bytes.unwrap_or(RESERVE_SEGMENTS * settings.segment_bytes),
        quota_bytes: settings.journal.quota_bytes,
        commit_method: settings.journal.commit_method,
        channel_capacity: 8192,
        checkpoint_every_segments: settings.journal.checkpoint_every_segments,
        evidence_kept: settings.journal.evidence_kept,
    };
    let Opened { journal, reader, tail, recovered, restored, writer } = open_journal::<S>(world, settings, config, common).await?;
    let rolling = recovered.batches.iter().filter(|found| found.open.rolling).map(|found| found.open.batch).collect();
    let (repeats, repeats_thread) = Repeats::start(world, settings, &journal, tail.of_keys(), rolling)?;
    let ledger = match &settings.places.ledger {
        Some(folder) => Ledger::open(&folder.join(format!("{}.sqlite", S::NAME)))?,
        None => Ledger::open_in_memory()?,
    };
    let (projection, ledger_thread) = Projection::start(world, &format!("ledger-{}", S::NAME), ledger, tail);
    let delivery = Arc::new(delivery);
    let (shard, shard_thread, workers) = start_shard(world, settings, &delivery, common, &journal, &reader);
    let pipeline = Pipeline {
        journal,
        projection,
        repeats,
        shard,
        settings: delivery,
        reader,
        claims: Claims::default(),
        keys: common.keys.clone(),
        is_resting: common.is_resting,
        world: world.clone(),
        shard_thread,
        workers,
        writer,
        ledger_thread,
        repeats_thread,
    };
    let past = match common.is_resting {
        true => Past { batches: recovered.batches },
        false => recover(&pipeline, recovered, restored, &common.accounts).await?,
    };
    Ok((pipeline, past))
}

/// By an operator's word where it was given and this journal is one that needs it; the other stream's may be what it was.
async fn open_journal<S: Stream>(
    world: &World,
    settings: &EngineSettings,
    config: JournalConfig,
    common: &Common,
) -> Result<Opened<S>, StartError> {
    let (world, keys) = (world.clone(), common.keys.clone());
    if let Some(vouch) = &common.vouch
        && let Some(stale) = journal::look_for_staleness(&world, &config.dir, S::NAME, &keys)?
    {
        tracing::warn!(target: "sealpost::journal", by = %vouch.by, reason = %vouch.reason, signs = ?stale.signs, "a journal that was put back from a copy is taken on; what is not settled in it counts as possibly sent");
        restoration::set_projections_aside(&world, &settings.places, S::NAME)?;
        return Ok(journal::open_restored::<S>(world, config, keys, vouch.clone()).await?);
    }
    Ok(journal::open::<S>(world, config, keys).await?)
}

fn start_shard<S: Stream>(
    world: &World,
    settings: &EngineSettings,
    delivery: &Arc<DeliverySettings>,
    common: &Common,
    journal: &Journal<S>,
    reader: &Reader,
) -> (Sender<ToShard<S>>, ThreadHandle, Vec<ThreadHandle>) {
    let preparing_max = PREPARING_PER_WORKER * delivery.workers;
    let (shard, inbox) = world::channel::bounded(preparing_max + 64);
    let (slices, work) = world::channel::bounded(preparing_max);
    let renderers = Arc::new(StreamRenderers::new(reader.clone(), settings.compiled.clone()));
    let workers = (0..delivery.workers)
        .map(|number| {
            let preparer = Preparer {
                world: world.clone(),
                reader: reader.clone(),
                signers: Arc::clone(&common.signers),
                environment: Arc::clone(&common.environment),
                contacts: common.contacts.clone(),
                templates: Arc::clone(&common.templates),
                times: Arc::clone(&common.times),
                renderers: Renderers::new(Arc::clone(&renderers)),
            };
            let (work, shard) = (work.clone(), shard.clone());
            world.spawn_thread(&format!("prepare-{}-{number}", S::NAME), move || prepare::run(preparer, work, shard))
        })
        .collect();
    let context = ShardContext {
        world: world.clone(),
        journal: journal.clone(),
        resolver: Arc::clone(&settings.resolver),
        tls: Arc::clone(&settings.tls),
        shaping: Arc::clone(&settings.shaping),
        rules: Arc::clone(&settings.rules),
        settings: Arc::clone(delivery),
        address_file: settings.places.ledger.as_ref().map(|folder| folder.join(format!("{}.addresses.json", S::NAME))),
        accounts: common.accounts.clone(),
        times: Arc::clone(&common.times),
        workers: slices,
        preparing_max,
    };
    let thread = world.spawn_thread(&format!("shard-{}", S::NAME), move || shard::run(context, inbox));
    (shard, thread, workers)
}

/// Puts back what a past life left: uncertain ones marked first, held batches suspended before their jobs arrive.
async fn recover<S: Stream>(
    pipeline: &Pipeline<S>,
    recovered: Recovered<S>,
    restored: bool,
    accounts: &Accounts,
) -> Result<Past, StartError> {
    let Recovered { batches, mut jobs, discarded, findings } = recovered;
    for finding in &findings {
        tracing::warn!(target: "sealpost::journal", %finding, "found while recovering");
    }
    if !discarded.is_empty() {
        tracing::info!(target: "sealpost::journal", batches = discarded.len(), "batches without a commit were discarded; hand their files in again");
    }
    let forgets = |plant| pipeline.world.is_planted(plant);
    for batch in batches.iter().filter(|batch| batch.held && !forgets(Plant::HoldForgotten)) {
        pipeline.order(batch.open.batch, BatchVerb::Hold).await;
    }
    let mut arrivals = Vec::new();
    let superseded = give_way(pipeline, &mut jobs).await?;
    for job in jobs {
        if superseded.contains(&job.job.id) {
            let key = FrameKey { job: Some(job.job.id), message: job.message, attempt: job.attempts };
            pipeline.note(key, State::Superseded, None, CORRECTED).await?;
            accounts.batch(job.job.head.batch).enter(State::Superseded);
            continue;
        }
        if let Some(arrival) = readmit(pipeline, job, restored, accounts).await? {
            accounts.batch(arrival.job.batch()).enter(State::Queued);
            arrivals.push(arrival);
        }
        if arrivals.len() == ARRIVALS_CHUNK {
            pipeline.arrive(std::mem::take(&mut arrivals)).await;
        }
    }
    pipeline.arrive(arrivals).await;
    // A crash may have come between the order and its last job.
    for batch in batches.iter().filter(|batch| batch.cancelled && !batch.closed && !forgets(Plant::CancelForgotten)) {
        pipeline.order(batch.open.batch, BatchVerb::Cancel).await;
    }
    Ok(Past { batches })
}

/// A crash may have come between the commit of a correction and the word about the version before it. Those that give way as a whole are
/// named; messages that give way in part are narrowed here.
async fn give_way<S: Stream>(pipeline: &Pipeline<S>, jobs: &mut [RecoveredJob<S>]) -> Result<BTreeSet<JobId>, StartError> {
    let mut newer: BTreeMap<JobId, Vec<usize>> = BTreeMap::new();
    for (at, job) in jobs.iter().enumerate() {
        job.job.head.rows().filter_map(|row| row.supersedes).for_each(|older| newer.entry(older).or_default().push(at));
    }
    let mut superseded = BTreeSet::new();
    for at in 0..jobs.len() {
        let job = &jobs[at];
        let id = job.job.id;
        let Some(newer) = newer.get(&id).filter(|_| matches!(job.state, State::Queued | State::Held)) else { continue };
        let rows = narrowing::left_over(&pipeline.reader, &pipeline.keys, job, newer.iter().map(|at| &jobs[*at]));
        if !rows.is_empty() && rows.len() == usize::from(job.job.head.statements) {
            superseded.insert(id);
        } else if !rows.is_empty() {
            let message = MessageVersion(job.message.0 + u16::from(job.frozen.is_some()));
            let lies = (job.job.locator, message);
            match narrowing::narrow(&pipeline.journal, &pipeline.reader, pipeline.world.wall(), id, lies, &rows).await {
                Ok(ticket) => {
                    jobs[at].job.locator = ticket.await?;
                    (jobs[at].message, jobs[at].frozen) = (message, None);
                }
                Err(NarrowingError::Journal(error)) => return Err(error.into()),
                Err(error) => {
                    tracing::error!(target: "sealpost::journal", job = %id, %error, "a message keeps a statement that was corrected");
                }
            }
        }
    }
    Ok(superseded)
}

/// Decides about one recovered job (invariant 10).
async fn readmit<S: Stream>(
    pipeline: &Pipeline<S>,
    recovered: RecoveredJob<S>,
    restored: bool,
    accounts: &Accounts,
) -> Result<Option<Arrival<S>>, StartError> {
    let RecoveredJob { job, state, attempts, message, due, frozen, .. } = recovered;
    let key = FrameKey { job: Some(job.id), message, attempt: attempts };
    let at = pipeline.world.wall();
    let frozen = frozen.as_deref().map(Frozen::from);
    let batch = job.head.batch;
    // Held jobs have no place in the queue, and perhaps no destination.
    let queued = move || {
        let waiting =
            Waiting::of(&job).inspect_err(|error| tracing::error!(target: "sealpost::queue", %error, "a recovered job cannot wait"));
        waiting.ok().map(|job| Arrival { attempts, due: due.max(at), message, frozen, job })
    };
    match state {
        State::Queued => Ok(queued()),
        State::Held if pipeline.world.is_planted(Plant::HeldForgotten) => Ok(queued()),
        State::InFlight | State::Uncertain if pipeline.world.is_planted(Plant::ResendUnannounced) => Ok(queued()),
        State::InFlight | State::Uncertain => {
            // A restoration has said so of each job already, with its own cause.
            if !restored {
                pipeline.note(key, State::Uncertain, None, "engine_stopped").await?;
            }
            match pipeline.settings.uncertain {
                UncertainRule::Resend => {
                    // One without a destination stays in doubt: nothing can be sent.
                    let Some(arrival) = queued() else {
                        accounts.batch(batch).enter(State::Uncertain);
                        return Ok(None);
                    };
                    pipeline.note(key, State::Queued, None, "resend").await?;
                    Ok(Some(arrival))
                }
                UncertainRule::Hold => {
                    accounts.batch(batch).enter(State::Uncertain);
                    Ok(None)
                }
            }
        }
        other => {
            accounts.batch(batch).enter(other);
            Ok(None)
        }
    }
}

impl<S: Stream> Pipeline<S> {
    /// Sends jobs to the shard, in chunks.
    pub(crate) async fn arrive(&self, arrivals: Vec<Arrival<S>>) {
        let mut rest = arrivals;
        while !rest.is_empty() {
            let tail = rest.split_off(rest.len().min(ARRIVALS_CHUNK));
            // A shard that is gone is stopping; the jobs are durable and come back at the next start.
            let _ = self.shard.send(ToShard::Jobs(rest)).await;
            rest = tail;
        }
    }

    /// Who looks at what a new version of a statement means for the older one.
    pub(crate) fn corrector(&self, accounts: &Accounts) -> Corrector<S> {
        Corrector {
            world: self.world.clone(),
            journal: self.journal.clone(),
            reader: self.reader.clone(),
            keys: self.keys.clone(),
            projection: self.projection.clone(),
            shard: self.shard.clone(),
            accounts: accounts.clone(),
            claims: self.claims.clone(),
        }
    }

    /// Waits until repeats are told apart: the doors open then. What is queued is delivered meanwhile.
    pub(crate) async fn ready(&mut self) -> Result<(), StartError> {
        Ok(self.repeats_thread.ready().await?)
    }

    /// Gives an order to the shard; the number of jobs it touched.
    pub(crate) async fn order(&self, batch: BatchId, verb: BatchVerb) -> u64 {
        let (done, answer) = world::channel::oneshot();
        if self.shard.send(ToShard::Order(Order { batch, verb, done })).await.is_err() {
            return 0;
        }
        answer.await.unwrap_or(0)
    }

    async fn note(&self, key: FrameKey, state: State, held: Option<HoldReason>, cause: &str) -> Result<(), JournalError> {
        let at = self.world.wall();
        let due = (state == State::Queued).then_some(at);
        let change = StateChange { at, state, held, due, cause: cause.to_owned() };
        self.journal.record(key, Record::Change(change)).await.map(drop)
    }

    /// Stops in the order of `engine/README.md`: shard, workers, journal, key index, ledger.
    pub(crate) async fn stop(self) {
        let Self {
            journal,
            projection,
            repeats,
            shard,
            settings,
            reader: _,
            claims: _,
            keys: _,
            is_resting: _,
            world,
            shard_thread,
            workers,
            writer,
            ledger_thread,
            repeats_thread,
        } = self;
        let _ = shard.send(ToShard::Drain).await;
        drop(shard);
        if world.timeout(settings.drain, shard_thread.join()).await.is_err() {
            tracing::warn!(target: "sealpost", stream = %S::NAME, "draining took too long; what is under way becomes uncertain");
        }
        for worker in workers {
            let _ = world.timeout(Duration::from_secs(5), worker.join()).await;
        }
        journal.close().await;
        drop(journal);
        let _ = writer.join().await;
        repeats.stop(repeats_thread).await;
        drop(projection);
        let _ = ledger_thread.join().await;
    }
}
