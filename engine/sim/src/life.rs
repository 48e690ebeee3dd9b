//! One life of the engine, as an operator sees it: start, hand the file in, wait until nothing is active, take the report, stop.
//!
//! It runs as a thread of the engine's machine and dies with it.

use crate::notebook::Notebook;
use futures_util::future::{Either, select};
use ledger::BatchReport;
use model::record::BatchVerb;
use model::{BatchId, StreamName};
use sealpost::engine::{AcceptError, Accepted, Engine};
use sealpost::files::FileRequest;
use sealpost::settings::EngineSettings;
use std::fmt::Display;
use std::fs::File;
use std::future::poll_fn;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use world::World;
use world::channel::{Sender, Signal};

/// How long a batch is held.
const HELD_FOR: Duration = Duration::from_secs(30);
/// So many turns are taken without a pause by whoever writes into a file that is handed in.
const GROW_TURNS: u32 = 50;
const GROW_PAUSE: Duration = Duration::from_micros(100);
/// How often the operator looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The files of a batch on the real disk: input, not state.
#[derive(Debug, Clone)]
pub(crate) struct BatchFiles {
    pub(crate) batch: PathBuf,
    pub(crate) contacts: PathBuf,
    /// Bytes of the batch file.
    pub(crate) bytes: u64,
    /// Somebody still writes into it when it is handed in first.
    pub(crate) is_growing: bool,
}

/// What the operator was told beforehand.
#[derive(Debug, Clone)]
pub(crate) struct Orders {
    /// Give up after this long: a batch is still active then.
    pub(crate) longest: Duration,
    /// Stop the engine when it is set.
    pub(crate) stop: Signal,
    /// What to do with the batch, and how long after it was accepted. One that is held is released again.
    pub(crate) batch: Option<(BatchVerb, Duration)>,
    pub(crate) notebook: Notebook,
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
    let request = FileRequest {
        path: files.batch.clone(),
        members: Some(files.contacts.clone()),
        format: None,
        tenant: None,
        stream: StreamName::Transactional,
    };
    let accepted = accept(engine, &files, request, &orders.notebook).await?;
    orders.notebook.accepted(accepted.batch);
    let _ = tell.try_send(());
    wait(engine, accepted.batch, orders).await?;
    let report = reported(engine, accepted.batch).await?;
    engine.close_batch(accepted.batch).await.map_err(|error| refused(engine, "the batch cannot be closed", error))?;
    Ok(report)
}

/// Hands the file in. One that grows under the engine's hands is refused, and handed in again as it was.
async fn accept(engine: &Engine, files: &BatchFiles, request: FileRequest, notebook: &Notebook) -> Result<Accepted, LifeEnd> {
    let restore = || {
        let file = File::options().write(true).open(&files.batch);
        file.and_then(|file| file.set_len(files.bytes)).map_err(|error| LifeEnd::Failed(format!("the batch file: {error}")))
    };
    restore()?;
    if files.is_growing && notebook.first_growth() {
        let growing = pin!(grow(engine, &files.batch));
        let accepting = pin!(engine.accept_file(request.clone()));
        let first = match select(accepting, growing).await {
            Either::Left((answer, _)) => answer,
            Either::Right(((), accepting)) => accepting.await,
        };
        restore()?;
        match first {
            Ok(accepted) => return Ok(accepted),
            Err(AcceptError::Refused(refusal)) if refusal.reason == "changed_while_reading" => {}
            Err(error) => return Err(refused(engine, "the file is not accepted", error)),
        }
    }
    engine.accept_file(request).await.map_err(|error| refused(engine, "the file is not accepted", error))
}

/// Writes a line end more into the file, some time after its batch was opened.
async fn grow(engine: &Engine, path: &Path) {
    let before = engine.journal_bytes();
    let mut turns = 0u32;
    while engine.journal_bytes() == before {
        turns += 1;
        // Ready tasks take turns without any time; a disk that is busy needs some.
        if turns.is_multiple_of(GROW_TURNS) { engine.world().sleep(GROW_PAUSE).await } else { yield_once().await }
    }
    let grown = File::options().append(true).open(path).and_then(|mut file| file.write_all(b"\n"));
    debug_assert!(grown.is_ok(), "the batch file cannot be written: {grown:?}");
}

async fn yield_once() {
    let mut is_first = true;
    poll_fn(|context| {
        if std::mem::take(&mut is_first) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}

async fn reported(engine: &Engine, batch: BatchId) -> Result<BatchReport, LifeEnd> {
    let report = engine.report(StreamName::Transactional, batch).await;
    report.map_err(|error| refused(engine, "there is no report", error))
}

/// An engine whose journal refuses says no to everything; what else it refuses must not be refused.
fn refused(engine: &Engine, what: &str, error: impl Display) -> LifeEnd {
    if engine.is_stopping() { LifeEnd::Poisoned } else { LifeEnd::Failed(format!("{what}: {error}")) }
}

async fn order(engine: &Engine, batch: BatchId, verb: BatchVerb) -> Result<u64, LifeEnd> {
    let given = engine.order(StreamName::Transactional, batch, verb, "operator".to_owned(), "simulated".to_owned()).await;
    given.map_err(|error| refused(engine, "an order is refused", error))
}

async fn wait(engine: &Engine, batch: BatchId, orders: &Orders) -> Result<(), LifeEnd> {
    let world = engine.world().clone();
    let started = world.monotonic();
    let mut release_at =
        orders.batch.filter(|(verb, _)| *verb == BatchVerb::Hold && orders.notebook.is_ordered()).map(|_| started + HELD_FOR);
    loop {
        let progress = engine.progress(batch);
        if progress.active() == 0 {
            return Ok(());
        }
        let now = world.monotonic();
        if let Some((verb, after)) = orders.batch.filter(|(_, after)| !orders.notebook.is_ordered() && now.since(started) >= *after) {
            orders.notebook.ordered();
            order(engine, batch, verb).await?;
            release_at = (verb == BatchVerb::Hold).then(|| now + HELD_FOR);
        }
        if release_at.take_if(|at| *at <= now).is_some() {
            order(engine, batch, BatchVerb::Release).await?;
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
