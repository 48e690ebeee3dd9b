//! The job door: a Unix socket that takes NDJSON jobs and answers each row after its commit.
//!
//! A line in, a line out, in order: `{"row":1,"accepted":true,"job_id":"j1-2a"}`, or `"accepted":false` with disposition,
//! reason, what was expected and what to do. *Accepted means durable*: the answer follows the sync. Jobs of one
//! hour belong to a rolling batch. Rows are admitted in the order of their lines; up to
//! [`PENDING_MAX`] of a connection wait for their commit together, then the door stops reading: that is the backpressure.

use crate::engine::{AcceptError, Engine, KnownBatch, Tenant};
use crate::files::{TenantFingerprints, admission_settings, located};
use crate::pipeline::Pipeline;
use crate::shard::{Arrival, ToShard};
use crate::superseding::Superseded;
use crate::wording::WordingFound;
use intake::{Admission, Admitted, Binding, Format};
use journal::{JournalError, Ticket};
use model::limits::NDJSON_LINE_BYTES_MAX;
use model::record::BatchOpen;
use model::reject::Reject;
use model::stage::JournaledJob;
use model::state::HoldReason;
use model::{BatchId, Fingerprint, PaperReason, State, Stream, TenantId, Timestamp, Transactional};
use serde::Serialize;
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use world::channel::{Receiver, Sender, Signal};

/// Rows of one connection that may wait for their commit.
const PENDING_MAX: usize = 1024;
const HOUR_MS: u64 = 3_600_000;
/// After a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The word for this door where rejects name a file.
const SOURCE: &str = "jobs.sock";

/// Where the job socket lies.
pub fn socket_path(folder: &Path) -> PathBuf {
    folder.join(SOURCE)
}

/// What a row is answered.
#[derive(Debug, Serialize)]
struct Answer {
    row: u64,
    accepted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    job_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch_id: Option<String>,
    /// `held` where the job waits for a person, `to_paper` where it must not go by e-mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disposition: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<String>,
}

/// A row on its way to its answer.
enum Pending<S: Stream> {
    Commit { row: u64, key: (TenantId, Fingerprint), batch: BatchId, superseded: Superseded, ticket: Ticket<JournaledJob<S>> },
    Answered(Answer),
}

/// The rolling batch of a tenant and hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RollingBatch {
    hour: u64,
    batch: BatchId,
}

/// Serves the job socket until `stop`. A connection that is open then is given a moment to end; it holds the engine until it does.
///
/// # Errors
/// Where the socket cannot be opened.
pub async fn serve(engine: Rc<Engine>, path: PathBuf, stop: Signal) -> io::Result<()> {
    let world = engine.world().clone();
    let mut door = world.net().listen_unix(&path)?;
    let accepting = async {
        loop {
            let stream = match door.accept().await {
                Ok(stream) => stream,
                Err(error) => {
                    // No file descriptor is free, perhaps: time for a connection to end. The door stays open.
                    tracing::warn!(target: "sealpost::intake", %error, "a connection to the job socket could not be accepted");
                    world.sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let (engine, stopped) = (Rc::clone(&engine), stop.clone());
            world.spawn_local(async move {
                let converse = pin!(converse(&engine, stream));
                if let Some(Err(error)) = engine.until_stopped(stopped, converse).await {
                    tracing::info!(target: "sealpost::intake", %error, "a job connection ended early");
                }
            });
        }
    };
    futures_util::future::select(pin!(accepting), pin!(stop.wait())).await;
    Ok(())
}

async fn converse(engine: &Rc<Engine>, stream: world::BoxStream) -> io::Result<()> {
    let (read, write) = tokio::io::split(stream);
    let (pending, answered) = world::channel::bounded(PENDING_MAX);
    let reading = read_rows(engine, BufReader::new(read), pending);
    let answering = answer_rows(engine, write, answered);
    let (read, answered) = futures_util::future::join(reading, answering).await;
    read.and(answered)
}

async fn read_rows(
    engine: &Engine,
    mut reader: BufReader<impl tokio::io::AsyncRead + Unpin>,
    pending: Sender<Pending<Transactional>>,
) -> io::Result<()> {
    let mut line = Vec::new();
    let mut row = 0;
    loop {
        line.clear();
        // One byte more than allowed tells a line that is too long; the reader of the format says so.
        let taken = (&mut reader).take(NDJSON_LINE_BYTES_MAX as u64 + 2).read_until(b'\n', &mut line).await?;
        if taken == 0 {
            return Ok(());
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        row += 1;
        let too_long = line.len() > NDJSON_LINE_BYTES_MAX && !line.ends_with(b"\n");
        let next = admit(engine, row, &line).await.unwrap_or_else(|error| Pending::Answered(refused(row, &error)));
        if pending.send(next).await.is_err() || too_long {
            // After a line without an end nothing that follows can be told apart.
            return Ok(());
        }
    }
}

/// Admits one line and appends its job; the commit is waited for elsewhere.
async fn admit(engine: &Engine, row: u64, line: &[u8]) -> Result<Pending<Transactional>, AcceptError> {
    let tenant = engine.tenant(&None)?;
    let pipeline = engine.transactional();
    let batch = rolling(engine, tenant, pipeline).await?;
    let contacts = engine.contacts().in_force(tenant.id)?.map(|known| known.contacts);
    let fingerprints = TenantFingerprints::new(engine.keys().clone(), tenant.id)?;
    let now = engine.world().wall();
    let templates = tenant.templates_at(now);
    let settings = admission_settings(tenant, templates.bundle, &pipeline.settings, batch, now, SOURCE.to_owned(), Binding::ByItself);
    let mut rows = intake::open(&Format::Ndjson.into(), SOURCE, Box::new(Cursor::new(line)))?;
    let Some(read) = rows.next() else { return Ok(Pending::Answered(nothing(row))) };
    let cancelled = engine.cancelled(Transactional::NAME, tenant.id);
    let mut admission = Admission::<Transactional>::new(settings, contacts).after_cancelled(cancelled);
    let read = read?;
    let corrector = pipeline.corrector(engine.accounts());
    corrector.judge_cancelled(&mut admission, &read, &pipeline.repeats, &fingerprints).await?;
    let admitted = admission.admit(read, &mut pipeline.repeats.lock(), &fingerprints)?;
    match admitted {
        Admitted::Job(mut job) => {
            let mut superseded = Superseded::default();
            if let Some(earlier) = admission.earlier() {
                let weighed = corrector.weigh(earlier, &mut job, Binding::ByItself, &mut superseded).await;
                if let Err(error) = weighed {
                    pipeline.repeats.lock().give_back(tenant.id, &job.head.key);
                    return Err(error);
                }
            }
            job.head.row = row;
            let mut wording = WordingFound::default();
            wording.look_at(&mut job, &templates.wording);
            wording.say(batch);
            let key = job.head.key;
            match pipeline.journal.append_rolling(*job).await {
                Ok(ticket) => Ok(Pending::Commit { row, key: (tenant.id, key), batch, superseded, ticket }),
                Err(error) => {
                    pipeline.repeats.lock().give_back(tenant.id, &key);
                    corrector.put_back(&superseded).await;
                    Err(error.into())
                }
            }
        }
        Admitted::Not { disposition, reason, reject } => {
            Ok(Pending::Answered(Answer { disposition: Some(disposition.as_str()), reason: Some(reason), ..rejected(row, reject) }))
        }
    }
}

/// The rolling batch of this hour; opened with the first job of the hour.
async fn rolling<S: Stream>(engine: &Engine, tenant: &Tenant, pipeline: &Pipeline<S>) -> Result<BatchId, AcceptError> {
    let at: Timestamp = engine.world().wall();
    let hour = at.0 / HOUR_MS;
    // Held over the opening, so that two connections do not open two batches.
    let mut open_now = engine.rolling().lock().await;
    if let Some(current) = open_now.get(&tenant.id).filter(|current| current.hour == hour) {
        return Ok(current.batch);
    }
    let batch = pipeline.journal.new_batch_id();
    let format = Format::Ndjson.to_string();
    let open = BatchOpen { batch, tenant: tenant.id, stream: S::NAME, file_sha256: None, format, at, rolling: true };
    pipeline.journal.open_batch(open).await?;
    engine.know(batch, KnownBatch { stream: S::NAME, tenant: tenant.id, file_sha256: None, opened_at: at, closed: false });
    open_now.insert(tenant.id, RollingBatch { hour, batch });
    Ok(batch)
}

/// Whether jobs of this socket may still come into a batch.
pub(crate) async fn is_receiving(engine: &Engine, batch: BatchId) -> bool {
    engine.rolling().lock().await.values().any(|rolling| rolling.batch == batch)
}

/// Answers in order. Whoever is gone is not answered, but what is durable goes to the shard all the same: nothing else would take it there
/// before the next start.
async fn answer_rows(
    engine: &Rc<Engine>,
    mut write: impl tokio::io::AsyncWrite + Unpin,
    pending: Receiver<Pending<Transactional>>,
) -> io::Result<()> {
    let mut taken = Vec::new();
    let mut lines = Vec::new();
    let mut told = Ok(());
    while pending.recv_many(&mut taken, PENDING_MAX).await > 0 {
        lines.clear();
        for one in taken.drain(..) {
            let answer = match one {
                Pending::Answered(answer) => answer,
                Pending::Commit { row, key, batch, superseded, ticket } => {
                    committed(engine, row, key, batch, &superseded, ticket.await).await
                }
            };
            serde_json::to_writer(&mut lines, &answer)?;
            lines.push(b'\n');
        }
        if told.is_ok() {
            told = tell(&mut write, &lines).await;
        }
    }
    told?;
    write.shutdown().await
}

async fn tell(write: &mut (impl tokio::io::AsyncWrite + Unpin), lines: &[u8]) -> io::Result<()> {
    write.write_all(lines).await?;
    write.flush().await
}

/// The job is on disk, or is not a job: its answer, and its way to the shard.
async fn committed(
    engine: &Engine,
    row: u64,
    (tenant, key): (TenantId, Fingerprint),
    batch: BatchId,
    superseded: &Superseded,
    outcome: Result<JournaledJob<Transactional>, JournalError>,
) -> Answer {
    let job = match outcome {
        Ok(job) => job,
        Err(error) => {
            engine.transactional().repeats.lock().give_back(tenant, &key);
            engine.transactional().corrector(engine.accounts()).put_back(superseded).await;
            return refused(row, &error.into());
        }
    };
    {
        let mut keys = engine.transactional().repeats.lock();
        keys.locate(&located(&job.head), Binding::ByItself, job.id);
        keys.bind(tenant, &key);
    }
    let settled = engine.transactional().corrector(engine.accounts()).settle(superseded, batch).await;
    let state = job.head.first_state();
    let answer = Answer {
        accepted: true,
        job_id: Some(job.id.to_string()),
        batch_id: Some(batch.to_string()),
        state: Some(state.as_str()),
        reason: job.head.held.map(HoldReason::as_str).or(job.head.presentation.paper.map(PaperReason::as_str)).map(str::to_owned),
        ..blank(row)
    };
    engine.accounts().batch(batch).enter(state);
    if let Err(error) = settled {
        // Poisoned: the job is durable, and the next start reads what it supersedes.
        tracing::error!(target: "sealpost::journal", %batch, %error, "what a job corrects is superseded at the next start");
        return answer;
    }
    if state == State::Queued {
        // A shard that is gone is stopping; the job is durable and comes back at the next start.
        let arrival = Arrival::fresh(&job).into_iter().collect();
        let _ = engine.transactional().shard.send(ToShard::Jobs(arrival)).await;
    }
    answer
}

fn blank(row: u64) -> Answer {
    Answer {
        row,
        accepted: false,
        job_id: None,
        batch_id: None,
        state: None,
        disposition: None,
        reason: None,
        field: None,
        expected: None,
        action: None,
    }
}

fn nothing(row: u64) -> Answer {
    Answer { reason: Some("empty_line".to_owned()), ..blank(row) }
}

fn rejected(row: u64, reject: Reject) -> Answer {
    Answer {
        reason: Some(reject.reason),
        field: reject.place.field,
        expected: Some(reject.expected),
        action: Some(reject.action),
        ..blank(row)
    }
}

/// Not the row's fault: the sender keeps it and tries again.
fn refused(row: u64, error: &AcceptError) -> Answer {
    let action = "keep the row and hand it in again; nothing of it was accepted".to_owned();
    Answer { reason: Some("not_now".to_owned()), expected: Some(error.to_string()), action: Some(action), ..blank(row) }
}
