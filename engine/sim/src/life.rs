//! One life of the engine, as an operator sees it: start, hand the file in, wait until nothing is active, take the report, stop.
//!
//! It runs as a thread of the engine's machine and dies with it.

use futures_util::future::select;
use ledger::BatchReport;
use model::{BatchId, StreamName};
use sealpost::engine::Engine;
use sealpost::files::FileRequest;
use sealpost::settings::EngineSettings;
use std::fmt::Display;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;
use world::World;
use world::channel::{Sender, Signal};

/// How often the operator looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The files of a batch on the real disk: input, not state.
#[derive(Debug, Clone)]
pub(crate) struct BatchFiles {
    pub(crate) batch: PathBuf,
    pub(crate) contacts: PathBuf,
}

/// What the operator was told beforehand.
#[derive(Debug, Clone)]
pub(crate) struct Orders {
    /// Give up after this long: a batch is still active then.
    pub(crate) longest: Duration,
    /// Stop the engine when it is set.
    pub(crate) stop: Signal,
}

/// How a life ended that no crash ended.
#[derive(Debug)]
pub(crate) enum LifeEnd {
    /// Nothing is active any more.
    Done(Box<BatchReport>),
    /// The engine stopped accepting: a disk said no.
    Poisoned,
    /// It was told to stop, and did.
    Stopped,
    /// It cannot go on; one sentence.
    Failed(String),
}

/// Lives until nothing of the batch is active, or until `longest` has passed.
pub(crate) async fn live(world: World, settings: EngineSettings, files: BatchFiles, orders: Orders, tell: Sender<()>) -> LifeEnd {
    let engine = match Engine::start(world, settings).await {
        Ok(engine) => engine,
        Err(error) => return LifeEnd::Failed(format!("the engine does not start: {error}")),
    };
    let end = deliver(&engine, files, &orders, tell).await;
    engine.stop().await;
    end
}

async fn deliver(engine: &Engine, files: BatchFiles, orders: &Orders, tell: Sender<()>) -> LifeEnd {
    match closed_batch(engine).await {
        Ok(Some(batch)) => return reported(engine, batch).await.map_or_else(|end| end, |report| LifeEnd::Done(Box::new(report))),
        Ok(None) => {}
        Err(end) => return end,
    }
    match hand_in(engine, files, orders, tell).await {
        Ok(report) => LifeEnd::Done(Box::new(report)),
        Err(end) => end,
    }
}

/// The batch of an earlier life whose closing the crash hid from the operator.
async fn closed_batch(engine: &Engine) -> Result<Option<BatchId>, LifeEnd> {
    let batches = engine.batches().await.map_err(|error| refused(engine, "the batches cannot be listed", error))?;
    let closed = batches.as_array().into_iter().flatten().find(|batch| batch["closed_at_ms"].is_u64());
    Ok(closed.and_then(|batch| batch["batch_id"].as_str()?.parse().ok()))
}

async fn hand_in(engine: &Engine, files: BatchFiles, orders: &Orders, tell: Sender<()>) -> Result<BatchReport, LifeEnd> {
    let request =
        FileRequest { path: files.batch, members: Some(files.contacts), format: None, tenant: None, stream: StreamName::Transactional };
    let accepted = engine.accept_file(request).await.map_err(|error| refused(engine, "the file is not accepted", error))?;
    let _ = tell.try_send(());
    wait(engine, accepted.batch, orders).await?;
    let report = reported(engine, accepted.batch).await?;
    engine.close_batch(accepted.batch).await.map_err(|error| refused(engine, "the batch cannot be closed", error))?;
    Ok(report)
}

async fn reported(engine: &Engine, batch: BatchId) -> Result<BatchReport, LifeEnd> {
    let report = engine.report(StreamName::Transactional, batch).await;
    report.map_err(|error| refused(engine, "there is no report", error))
}

/// An engine whose journal refuses says no to everything; what else it refuses must not be refused.
fn refused(engine: &Engine, what: &str, error: impl Display) -> LifeEnd {
    if engine.is_stopping() { LifeEnd::Poisoned } else { LifeEnd::Failed(format!("{what}: {error}")) }
}

async fn wait(engine: &Engine, batch: BatchId, orders: &Orders) -> Result<(), LifeEnd> {
    let world = engine.world().clone();
    let started = world.monotonic();
    loop {
        let progress = engine.progress(batch);
        if progress.active() == 0 {
            return Ok(());
        }
        if engine.is_stopping() {
            return Err(LifeEnd::Poisoned);
        }
        if orders.stop.is_set() {
            return Err(LifeEnd::Stopped);
        }
        if world.monotonic().since(started) > orders.longest {
            return Err(LifeEnd::Failed(format!("after {:?} the batch is still active: {progress:?}", orders.longest)));
        }
        // An order is obeyed at once, in the middle of whatever is under way.
        select(world.sleep(LOOK_EVERY), pin!(orders.stop.wait())).await;
    }
}
