//! One life of the engine, as people see it: start, hand everything in, wait until nothing is active, take the reports, stop.
//!
//! It runs as a thread of the engine's machine and dies with it. What it tells, it tells to the [`Notes`], which do not.

use crate::claims_system;
use crate::growing;
use crate::notes::Notes;
use crate::orders::{self, PlannedOrder};
use crate::parcel::{Door, ParcelFiles};
use futures_util::future::{Either, join, select, try_join_all};
use ledger::BatchReport;
use model::{BatchId, StreamName};
use sealpost::door;
use sealpost::engine::Engine;
use sealpost::files::FileRequest;
use sealpost::settings::EngineSettings;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use world::World;
use world::channel::{Sender, Signal};

/// How often people look.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Connections of the doors end within this after a stop.
const GONE_MAX: Duration = Duration::from_secs(5);

/// A parcel, ready to be handed in.
#[derive(Debug, Clone)]
pub(crate) struct Errand {
    pub(crate) door: Door,
    pub(crate) after: Duration,
    pub(crate) files: ParcelFiles,
    /// Somebody still writes into its file when it is handed in first.
    pub(crate) is_growing: bool,
    /// For the job socket.
    pub(crate) lines: Arc<Vec<String>>,
}

impl Errand {
    fn stream(&self) -> StreamName {
        if self.door == Door::Marketing { StreamName::Marketing } else { StreamName::Transactional }
    }
}

/// What people were told beforehand.
#[derive(Debug, Clone)]
pub(crate) struct Orders {
    pub(crate) seed: u64,
    /// By parcel.
    pub(crate) errands: Arc<Vec<Errand>>,
    /// Of this life.
    pub(crate) orders: Vec<PlannedOrder>,
    /// Give up after this long: something is still active then.
    pub(crate) longest: Duration,
    /// Stop the engine when it is set.
    pub(crate) stop: Signal,
    pub(crate) notes: Notes,
    /// Told when something is accepted.
    pub(crate) tell: Sender<()>,
}

/// The books of all batches.
pub(crate) type Reports = BTreeMap<BatchId, (StreamName, BatchReport)>;

/// How a life ended that no crash ended.
#[derive(Debug)]
pub(crate) enum LifeEnd {
    /// Nothing is active any more.
    Done(Reports),
    /// The engine stopped accepting: a disk said no.
    Poisoned,
    /// It was told to stop, and did.
    Stopped,
    /// It cannot go on; one sentence.
    Failed(String),
}

/// Lives until nothing is active, or until `longest` has passed.
pub(crate) async fn live(world: World, settings: EngineSettings, orders: Orders) -> LifeEnd {
    let engine = match Engine::start(world.clone(), settings).await {
        Ok(engine) => Rc::new(engine),
        Err(error) => return LifeEnd::Failed(format!("the engine does not start: {error}")),
    };
    let closing = Signal::new();
    let path = door::socket_path(engine.sockets());
    let doors = world.spawn_local({
        let (engine, closing) = (Rc::clone(&engine), closing.clone());
        // The claims system meets an error of it as a door that does not open.
        async move { drop(door::serve(engine, path, closing).await) }
    });
    let end = deliver(&engine, &orders).await;
    engine.announce_stop();
    closing.set();
    let gone = async {
        while Rc::strong_count(&engine) > 1 {
            world.sleep(LOOK_EVERY).await;
        }
    };
    let _ = world.timeout(GONE_MAX, pin!(gone)).await;
    drop(doors);
    match Rc::try_unwrap(engine) {
        Ok(engine) => engine.stop().await,
        Err(_) => return LifeEnd::Failed("a connection of the job door does not end".to_owned()),
    }
    end
}

async fn deliver(engine: &Engine, orders: &Orders) -> LifeEnd {
    let work = pin!(everything(engine, orders));
    let watch = pin!(watch(engine, orders));
    let streams: Vec<StreamName> = orders.errands.iter().map(Errand::stream).collect();
    let giving = pin!(orders::give(engine, &orders.orders, &streams, &orders.notes));
    match select(work, select(watch, giving)).await {
        Either::Left((Ok(reports), _)) => LifeEnd::Done(reports),
        Either::Left((Err(end), _)) | Either::Right((Either::Left((end, _)), _)) => end,
        Either::Right((Either::Right(((), _)), _)) => LifeEnd::Failed("the operator gave a last order".to_owned()),
    }
}

/// What else may end a life.
async fn watch(engine: &Engine, orders: &Orders) -> LifeEnd {
    let world = engine.world();
    let started = world.monotonic();
    loop {
        if engine.is_stopping() {
            return LifeEnd::Poisoned;
        }
        if orders.stop.is_set() {
            return LifeEnd::Stopped;
        }
        if world.monotonic().since(started) > orders.longest {
            let batches = orders.notes.with(|notes| notes.batches.clone());
            let progress: Vec<_> = batches.values().map(|batch| engine.progress(*batch)).filter(|progress| progress.active() > 0).collect();
            return LifeEnd::Failed(format!("after {:?} something is still active: {progress:?}", orders.longest));
        }
        // An order is obeyed at once, in the middle of whatever is under way.
        select(world.sleep(LOOK_EVERY), pin!(orders.stop.wait())).await;
    }
}

async fn everything(engine: &Engine, orders: &Orders) -> Result<Reports, LifeEnd> {
    let files = orders.errands.iter().enumerate().filter(|(_, errand)| errand.door.is_file());
    let files = try_join_all(files.map(|(number, errand)| hand_in(engine, number, errand, orders)));
    let lines = async {
        let socket = door::socket_path(engine.sockets());
        for errand in orders.errands.iter().filter(|errand| errand.door == Door::Socket) {
            engine.world().sleep(errand.after).await;
            claims_system::hand_in(engine.world(), &socket, &errand.lines, &orders.notes, orders.seed).await;
        }
    };
    join(files, lines).await.0?;
    let mut reports = Reports::new();
    for (batch, stream) in batches(engine).await? {
        while engine.progress(batch).active() > 0 {
            engine.world().sleep(LOOK_EVERY).await;
        }
        let report = engine.report(stream, batch).await;
        reports.insert(batch, (stream, report.map_err(|error| refused(engine, "there is no report", error))?));
    }
    for batch in orders.notes.with(|notes| notes.batches.clone()).into_values() {
        engine.close_batch(batch).await.map_err(|error| refused(engine, "the batch cannot be closed", error))?;
    }
    Ok(reports)
}

/// Every batch that was not given up.
async fn batches(engine: &Engine) -> Result<Vec<(BatchId, StreamName)>, LifeEnd> {
    let batches = engine.batches().await.map_err(|error| refused(engine, "the batches cannot be listed", error))?;
    let kept = batches
        .as_array()
        .into_iter()
        .flatten()
        .filter(|batch| batch["discarded_at_ms"].is_null() && (batch["rolling"] == true || !batch["committed_at_ms"].is_null()));
    let named = kept.filter_map(|batch| {
        let marketing = batch["stream"] == StreamName::Marketing.as_str();
        Some((batch["batch_id"].as_str()?.parse().ok()?, if marketing { StreamName::Marketing } else { StreamName::Transactional }))
    });
    Ok(named.collect())
}

/// A file, unless an earlier life closed its batch.
async fn hand_in(engine: &Engine, number: usize, errand: &Errand, orders: &Orders) -> Result<(), LifeEnd> {
    let notes = &orders.notes;
    engine.world().sleep(errand.after).await;
    if let Some(batch) = notes.with(|notes| notes.batches.get(&number).copied())
        && is_closed(engine, batch).await?
    {
        return Ok(());
    }
    let request = FileRequest {
        manifest: None,
        path: errand.files.batch.clone(),
        members: errand.files.contacts.clone(),
        input: sealpost::input::Input::default(),
        tenant: None,
        stream: errand.stream(),
    };
    growing::restore(&errand.files);
    let grows = errand.is_growing && !notes.with(|notes| std::mem::replace(&mut notes.has_grown, true));
    let accepted = if grows { growing::accept(engine, &errand.files, request).await } else { engine.accept_file(request).await };
    let accepted = accepted.map_err(|error| refused(engine, "a file is not accepted", error))?;
    let before = notes.with(|notes| notes.batches.insert(number, accepted.batch));
    let _ = orders.tell.try_send(());
    if before.is_some_and(|before| before != accepted.batch) {
        return Err(LifeEnd::Failed(format!("parcel {number} was accepted as {before:?} and again as {}", accepted.batch)));
    }
    Ok(())
}

async fn is_closed(engine: &Engine, batch: BatchId) -> Result<bool, LifeEnd> {
    let batches = engine.batches().await.map_err(|error| refused(engine, "the batches cannot be listed", error))?;
    let name = batch.to_string();
    Ok(batches.as_array().into_iter().flatten().any(|line| line["batch_id"] == *name && line["closed_at_ms"].is_u64()))
}

/// An engine whose journal refuses says no to everything; what else it refuses must not be refused.
fn refused(engine: &Engine, what: &str, error: impl Display) -> LifeEnd {
    if engine.is_stopping() { LifeEnd::Poisoned } else { LifeEnd::Failed(format!("{what}: {error}")) }
}
