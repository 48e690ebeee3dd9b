//! The control door: what an operator asks of the engine, the same whether it runs as a service or for one verb.
//!
//! Over the control socket ([`socket`]) each request is one line of JSON and each answer is one line of JSON ([`words`]); the last
//! answer ends the exchange. Here a request is carried out.

mod socket;
mod words;

pub use socket::{ask, socket_path};
pub(crate) use socket::{close_reported, serve, tell};
pub use words::{Answer, Left, Progress, Request, WordedAgain};

use crate::backup::{BackupRequest, BackupTrouble, Manifest};
use crate::contacts::MembersAsk;
use crate::engine::{AcceptError, Engine, no_marketing};
use crate::files::FileRequest;
use crate::orders::Obeyed;
use crate::paper::PaperTrouble;
use crate::pipeline::stream_made;
use futures_util::future::Either;
use journal::Pace;
use ledger::{JobFilter, JobLine};
use model::record::BatchVerb;
use model::{BatchId, State, StreamName};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use world::channel::Sender;

/// How long a cancelled batch is waited for.
const CANCEL_WAIT_MAX: Duration = Duration::from_secs(10);
/// Progress is told this often.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// Carries a request out; answers go into `answers`, the last one ends it.
pub(crate) async fn obey(engine: &Engine, request: Request, answers: &Sender<Answer>) {
    let last = match request {
        Request::Send { file, deadline_ms } => send(engine, file, deadline_ms.map(Duration::from_millis), answers).await,
        Request::List => match engine.batches().await {
            Ok(batches) => Answer::Batches { batches },
            Err(error) => failed(error),
        },
        Request::Show { batch } => match known(engine, &batch).await {
            Ok((batch, stream)) => report(engine, batch, stream, 0).await,
            Err(answer) => answer,
        },
        Request::Rows { batch, filter } => match known(engine, &batch).await {
            Ok((batch, stream)) => match engine.rows(stream, batch, filter.clone()).await {
                Ok(rows) => page_of(rows, &filter),
                Err(error) => failed(error),
            },
            Err(answer) => answer,
        },
        Request::RotateKeys { rotation } => match engine.keys().rotate(&rotation) {
            Ok(rotated) => {
                tracing::info!(target: "sealpost", keys = rotated.keys, source = %rotated.source, "the key ring is under another key-encryption key");
                Answer::Rotated { rotated }
            }
            Err(error) => failed(error),
        },
        Request::Members { tenant, ask, by } => members(engine, &tenant, &ask, by),
        Request::Templates { tenant } => templates(engine, &tenant).await,
        Request::ShowKeys => Answer::Keys { overview: Box::new(engine.keys().overview()) },
        Request::Order { batch, order, reason, by } => match known(engine, &batch).await {
            Ok((batch, stream)) => match engine.order(stream, batch, order, by, reason).await {
                Ok(obeyed) if order == BatchVerb::Cancel => cancelled(engine, stream, batch, obeyed.jobs).await,
                Ok(obeyed) => ordered(obeyed),
                Err(error) => failed(error),
            },
            Err(answer) => answer,
        },
        Request::Paper { batch, ask, by } => match known(engine, &batch).await {
            Ok((batch, stream)) => match engine.paper(stream, batch, ask, by).await {
                Ok(told) => Answer::Paper { told },
                Err(error @ (PaperTrouble::Key(_) | PaperTrouble::File { .. } | PaperTrouble::Stream(_) | PaperTrouble::Contacts(_))) => {
                    Answer::Unknown { message: error.to_string() }
                }
                Err(error) => failed(error),
            },
            Err(answer) => answer,
        },
        Request::Backup { backup } => back_up(engine, backup, answers).await,
    };
    // Whoever asked may have gone; what was accepted stays accepted.
    let _ = answers.send(last).await;
}

fn ordered(obeyed: Obeyed) -> Answer {
    let Obeyed { jobs, worded, unworded } = obeyed;
    let wording = (worded > 0 || !unworded.is_empty()).then_some(WordedAgain { released: worded, still_held: unworded });
    Answer::Ordered { jobs, left: None, wording }
}

async fn templates(engine: &Engine, tenant: &Option<String>) -> Answer {
    let tenant = match engine.tenant(tenant) {
        Ok(tenant) => tenant.id,
        Err(error) => return Answer::Unknown { message: error.to_string() },
    };
    match engine.look_at_templates(Some(tenant)).await {
        Ok(()) => Answer::TemplatesTaken,
        Err(error) => failed(format!("{error}; the templates of before stay in use")),
    }
}

fn members(engine: &Engine, tenant: &Option<String>, ask: &MembersAsk, by: String) -> Answer {
    let found = engine.tenant(tenant).and_then(|tenant| engine.contacts().carry_out(tenant.id, ask, by));
    match found {
        Ok(found) => Answer::Members { found },
        Err(AcceptError::Refused(refusal)) => Answer::Refused { message: refusal.to_string() },
        Err(error @ (AcceptError::Unknown(_) | AcceptError::Unreadable { .. })) => Answer::Unknown { message: error.to_string() },
        Err(error) => failed(error),
    }
}

async fn send(engine: &Engine, file: FileRequest, deadline: Option<Duration>, answers: &Sender<Answer>) -> Answer {
    let world = engine.world().clone();
    let started = world.monotonic();
    let stream = file.stream;
    let accepted = match engine.accept_file(file).await {
        Ok(accepted) => accepted,
        Err(AcceptError::Refused(refusal)) => return Answer::Refused { message: refusal.to_string() },
        Err(error @ (AcceptError::Unknown(_) | AcceptError::Unreadable { .. })) => return Answer::Unknown { message: error.to_string() },
        Err(error) if error.is_not_now() => return Answer::NotNow { message: error.to_string() },
        Err(error) => return failed(error),
    };
    let batch = accepted.batch;
    let _ = answers.send(Answer::Accepted { batch: batch.to_string(), resumed: accepted.resumed, findings: accepted.findings }).await;
    loop {
        let progress = engine.progress(batch);
        // A gate holds it: there is nothing to follow before somebody decides.
        let is_over = progress.active() == 0 || accepted.held;
        let is_late = deadline.is_some_and(|deadline| world.monotonic() - started >= deadline);
        if is_over || is_late || engine.is_stopping() {
            break;
        }
        let _ = answers.try_send(Answer::Progress(progress));
        world.sleep(PROGRESS_EVERY).await;
    }
    let _ = answers.send(Answer::Progress(engine.progress(batch))).await;
    let elapsed_ms = u64::try_from((world.monotonic() - started).as_millis()).unwrap_or(u64::MAX);
    report(engine, batch, stream, elapsed_ms).await
}

/// Waits until what was under way without an intent has stopped too, then says what left.
async fn cancelled(engine: &Engine, stream: StreamName, batch: BatchId, jobs: u64) -> Answer {
    let world = engine.world();
    let started = world.monotonic();
    while engine.progress(batch).active() > 0 && world.monotonic() - started < CANCEL_WAIT_MAX && !engine.is_stopping() {
        world.sleep(PROGRESS_EVERY).await;
    }
    match engine.report(stream, batch).await {
        Ok(report) => {
            let count = |state| report.states.get(state);
            let (cancelled, delivered) = (count(State::Cancelled), count(State::Delivered));
            let (in_flight, uncertain) = (count(State::InFlight), count(State::Uncertain));
            let all: u64 = report.states.iter().map(|(_, statements)| statements).sum();
            let other = all - cancelled - delivered - in_flight - uncertain;
            Answer::Ordered { jobs, left: Some(Left { cancelled, delivered, in_flight, uncertain, other }), wording: None }
        }
        Err(error) => failed(error),
    }
}

/// A page as an answer.
pub(crate) fn page_of(rows: Vec<JobLine>, filter: &JobFilter) -> Answer {
    let is_full = u32::try_from(rows.len()).is_ok_and(|rows| rows >= filter.limit);
    let next = rows.last().filter(|_| is_full).map(|row| row.job_id.clone());
    match serde_json::to_value(rows) {
        Ok(rows) => Answer::Rows { rows, next },
        Err(error) => failed(error),
    }
}

/// The answer where a batch is not known.
pub(crate) fn no_batch(text: &str) -> Answer {
    Answer::Unknown { message: format!("there is no batch '{text}'; `sealpost batch list` names all") }
}

/// Ends early where nobody follows it any more, or the engine is to stop: half a backup is of no use to anybody.
async fn back_up(engine: &Engine, request: BackupRequest, answers: &Sender<Answer>) -> Answer {
    let pace = Arc::new(Pace { limit: request.bytes_per_second, ..Pace::default() });
    let _stop = StopOnDrop(Arc::clone(&pace));
    let mut working = std::pin::pin!(engine.back_up(request, Arc::clone(&pace)));
    let made = loop {
        match futures_util::future::select(working.as_mut(), engine.world().sleep(PROGRESS_EVERY)).await {
            Either::Left((made, _)) => break made,
            Either::Right(_) => {
                let (done, total) = (pace.done.load(Ordering::Relaxed), pace.total.load(Ordering::Relaxed));
                let _ = answers.try_send(Answer::Copying { done, total });
                if answers.is_closed() || engine.is_stopping() {
                    pace.stop.store(true, Ordering::Relaxed);
                }
            }
        }
    };
    match made {
        Ok(manifest) => Answer::BackedUp { manifest: Box::new(Manifest { files: Vec::new(), ..manifest }) },
        Err(error @ (BackupTrouble::NotEmpty(_) | BackupTrouble::Inside { .. })) => Answer::Unknown { message: error.to_string() },
        Err(error) => failed(error),
    }
}

/// An exchange that is given up must not leave a copy running.
struct StopOnDrop(Arc<Pace>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

async fn report(engine: &Engine, batch: BatchId, stream: StreamName, elapsed_ms: u64) -> Answer {
    match engine.report(stream, batch).await {
        Ok(report) => {
            let needs_a_person = report.needs_a_person();
            match serde_json::to_value(&report) {
                Ok(mut report) => {
                    // `closed` in the ledger is the closing frame, which follows this report; here it says that nothing is active.
                    report["closed"] = (engine.progress(batch).active() == 0).into();
                    if let Some(found) = engine.gates().found(batch) {
                        report["gates"] = found.as_json();
                    }
                    Answer::Report { stream, report, needs_a_person, environment: engine.environment().to_owned(), elapsed_ms }
                }
                Err(error) => failed(error),
            }
        }
        Err(error) => failed(error),
    }
}

/// The batch with this id, and its stream.
async fn known(engine: &Engine, text: &str) -> Result<(BatchId, StreamName), Answer> {
    let batch: BatchId =
        text.parse().map_err(|error: model::ids::IdError| Answer::Unknown { message: format!("'{text}' is no batch: {error}") })?;
    match engine.stream_of(batch).await {
        Ok(Some(stream)) => Ok((batch, stream)),
        // Its journal is not open: nothing of it may be answered, or done, in another stream's name.
        Ok(None) if stream_made(batch) == StreamName::Marketing && engine.marketing().is_none() => {
            Err(Answer::Unknown { message: format!("{batch} is a batch of the marketing stream: {}", no_marketing()) })
        }
        Ok(None) => Err(Answer::Unknown { message: format!("there is no batch {batch}; `sealpost batch list` names all") }),
        Err(error) => Err(failed(error)),
    }
}

fn failed(error: impl std::fmt::Display) -> Answer {
    Answer::Failed { message: error.to_string() }
}
