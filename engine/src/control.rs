//! The control door: what an operator asks of the engine, the same whether it runs as a service or for one verb.
//!
//! Over the control socket each request is one line of JSON and each answer is one line of JSON; the last
//! answer ends the exchange. The socket's folder is 0700: who may open it is decided by the file system.

use crate::backup::{BackupRequest, BackupTrouble, Manifest};
use crate::contacts::MembersAsk;
use crate::door;
use crate::engine::{AcceptError, Engine, no_marketing};
use crate::files::FileRequest;
use crate::orders::Obeyed;
use crate::paper::{PaperAsk, PaperTold, PaperTrouble};
use crate::pipeline::stream_made;
use futures_util::future::Either;
use journal::{JournalError, Pace};
use journal::{RingOverview, Rotated, Rotation};
use ledger::{JobFilter, JobLine};
use model::record::BatchVerb;
use model::{BatchId, State, StreamName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use world::World;
use world::channel::{Receiver, Sender, Signal};

/// After a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// A request may name two paths and a reason, or hold a public key ([`crate::paper_key::PAPER_KEY_BYTES_MAX`]) as numbers; nothing sensible is longer.
const REQUEST_BYTES_MAX: usize = 256 * 1024;
/// How long a cancelled batch is waited for.
const CANCEL_WAIT_MAX: Duration = Duration::from_secs(10);
/// Progress is told this often.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// What an operator asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Request {
    /// Accept a file and follow its batch until it is closed, or until `deadline_ms` has passed.
    Send {
        /// The file and how to read it.
        file: FileRequest,
        /// How long to follow, in milliseconds; `None` follows to the end.
        deadline_ms: Option<u64>,
    },
    /// All batches.
    List,
    /// One batch.
    Show {
        /// Which.
        batch: String,
    },
    /// Its jobs, a page at a time.
    Rows {
        /// Which batch.
        batch: String,
        /// Which of them.
        filter: JobFilter,
    },
    /// Hold, release or cancel a batch.
    Order {
        /// Which.
        batch: String,
        /// What.
        order: BatchVerb,
        /// Why.
        reason: String,
        /// Who.
        by: String,
    },
    /// Write out what goes on paper of a batch, or settle it.
    Paper {
        /// Which batch.
        batch: String,
        /// What.
        ask: PaperAsk,
        /// Who.
        by: String,
    },
    /// Put the key ring under another key-encryption key.
    RotateKeys {
        /// Which.
        rotation: Rotation,
    },
    /// What is in the key ring.
    ShowKeys,
    /// Import, show or date the contact data of a tenant.
    Members {
        /// Whose; `None` where the configuration has one tenant.
        tenant: Option<String>,
        /// What.
        ask: MembersAsk,
        /// Who.
        by: String,
    },
    /// Take over what was activated or retired.
    Templates {
        /// Whose; `None` where the configuration has one tenant.
        tenant: Option<String>,
    },
    /// Copy the journals into a folder, as they are at one moment.
    Backup {
        /// Where, and what.
        backup: BackupRequest,
    },
}

/// What the engine answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// The batch is committed (or was before): it is on disk.
    Accepted {
        /// Its id.
        batch: String,
        /// The same file was accepted before and its batch goes on.
        resumed: bool,
        /// Damage of the file that belongs to no row; each stands in the reject file.
        findings: u64,
    },
    /// How far it is.
    Progress(Progress),
    /// The books of a batch.
    Report {
        /// Its stream.
        stream: StreamName,
        /// The books, as `ledger::BatchReport` serializes them.
        report: serde_json::Value,
        /// Statements that a person must look at.
        needs_a_person: u64,
        /// `test` or `live`.
        environment: String,
        /// Since the request, in milliseconds.
        elapsed_ms: u64,
    },
    /// All batches.
    Batches {
        /// As `ledger::BatchLine` serializes them.
        batches: serde_json::Value,
    },
    /// A page of a batch's jobs.
    Rows {
        /// As `ledger::JobLine` serializes them.
        rows: serde_json::Value,
        /// Where the next page begins, where there may be one.
        next: Option<String>,
    },
    /// An order was carried out on so many waiting jobs.
    Ordered {
        /// How many.
        jobs: u64,
        /// What a cancelled batch had sent before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        left: Option<Left>,
        /// Of a release: what was held because a denial had no words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wording: Option<WordedAgain>,
    },
    /// The tenant's templates are those that are activated.
    TemplatesTaken,
    /// What goes on paper was written out, or settled.
    Paper {
        /// How much of it.
        told: PaperTold,
    },
    /// The key ring is under another key-encryption key.
    Rotated {
        /// How.
        rotated: Rotated,
    },
    /// What is in the key ring.
    Keys {
        /// Nothing secret.
        overview: Box<RingOverview>,
    },
    /// What was asked of a tenant's contact data.
    Members {
        /// As [`MembersAsk`] says; readable where a member was asked for.
        found: serde_json::Value,
    },
    /// How far a backup is, in bytes.
    Copying {
        /// Copied.
        done: u64,
        /// In all, about.
        total: u64,
    },
    /// The backup is whole.
    BackedUp {
        /// What is in it; its files stand in the manifest alone.
        manifest: Box<Manifest>,
    },
    /// The batch was refused as a whole: exit code 4.
    Refused {
        /// Why, and what to do.
        message: String,
    },
    /// The request cannot be understood or names nothing we know: exit code 2.
    Unknown {
        /// What was expected.
        message: String,
    },
    /// Nothing is wrong with the request, and there is no room for it now: exit code 6.
    NotNow {
        /// Why, and what to do.
        message: String,
    },
    /// Something of ours failed: exit code 1.
    Failed {
        /// What, and what to do.
        message: String,
    },
}

/// What a release did with jobs that were held because a denial had no words, in messages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WordedAgain {
    /// They have words now, and go.
    pub released: u64,
    /// Still held, by the code that has no words; empty for a claim that is denied without a reason.
    pub still_held: BTreeMap<String, u64>,
}

/// What became of a batch that was cancelled, in statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Left {
    /// Stopped for good: nothing of them left.
    pub cancelled: u64,
    /// Delivered before.
    pub delivered: u64,
    /// Being sent at this moment: they have an intent on disk.
    pub in_flight: u64,
    /// Sent perhaps, the answer is lost.
    pub uncertain: u64,
    /// Anything else: bounced, expired, on paper.
    pub other: u64,
}

/// How far a batch is, in jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Jobs the engine knows of the batch in this life.
    pub total: i64,
    /// Waiting.
    pub queued: i64,
    /// Under way.
    pub in_flight: i64,
    /// Delivered.
    pub delivered: i64,
    /// Ended otherwise, or with a person.
    pub other: i64,
}

impl Progress {
    /// Jobs the engine still works on.
    pub fn active(&self) -> i64 {
        self.queued + self.in_flight
    }
}

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

/// Where the control socket lies.
pub fn socket_path(folder: &Path) -> PathBuf {
    folder.join("control.sock")
}

/// Serves the control socket until `stop`.
pub(crate) async fn serve(engine: std::rc::Rc<Engine>, path: PathBuf, stop: Signal) -> std::io::Result<()> {
    let world = engine.world().clone();
    let mut door = world.net().listen_unix(&path)?;
    let accepting = {
        let (world, stop) = (world.clone(), stop.clone());
        async move {
            loop {
                let stream = match door.accept().await {
                    Ok(stream) => stream,
                    Err(error) => {
                        // No file descriptor is free, perhaps: time for a connection to end. The door stays open.
                        tracing::warn!(target: "sealpost::control", %error, "a connection to the control socket could not be accepted");
                        world.sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                };
                let engine = std::rc::Rc::clone(&engine);
                let stopped = stop.clone();
                world.spawn_local(async move {
                    let exchange = std::pin::pin!(exchange(&engine, stream));
                    if let Some(Err(error)) = engine.until_stopped(stopped, exchange).await {
                        tracing::info!(target: "sealpost::control", %error, "an operator's connection ended early");
                    }
                });
            }
        }
    };
    futures_util::future::select(std::pin::pin!(accepting), std::pin::pin!(stop.wait())).await;
    Ok(())
}

async fn exchange(engine: &Engine, stream: world::BoxStream) -> std::io::Result<()> {
    let (read, mut write) = tokio::io::split(stream);
    let Some(line) = read_line(&mut BufReader::new(read), REQUEST_BYTES_MAX).await? else { return Ok(()) };
    let (answers, told) = world::channel::bounded(16);
    let working = async {
        match serde_json::from_str::<Request>(&line) {
            Ok(request) => obey(engine, request, &answers).await,
            Err(error) => {
                let _ = answers.send(Answer::Unknown { message: format!("the request is not understood: {error}") }).await;
            }
        }
        drop(answers);
    };
    let telling = async {
        // Gone with the connection, so that whoever works for it sees that nobody listens.
        let told = told;
        let mut last = None;
        while let Some(answer) = told.recv().await {
            write_line(&mut write, &answer).await?;
            last = Some(answer);
        }
        // Before the end of the exchange: whoever read it may hand the same file in again.
        if let Some(answer) = &last {
            close_reported(engine, answer).await.map_err(std::io::Error::other)?;
        }
        write.shutdown().await
    };
    futures_util::future::join(working, telling).await.1
}

/// The report reached its reader: the batch may close. Not while a door still puts jobs into it.
///
/// # Errors
/// Where the journal refuses.
pub(crate) async fn close_reported(engine: &Engine, answer: &Answer) -> Result<(), JournalError> {
    if let Answer::Report { report, .. } = answer
        && report["closed"].as_bool() == Some(true)
        && let Some(batch) = report["batch_id"].as_str().and_then(|text| text.parse::<BatchId>().ok())
        && !door::is_receiving(engine, batch).await
    {
        engine.close_batch(batch).await?;
    }
    Ok(())
}

/// Asks a running engine; answers go to `each`, the last one is returned.
///
/// # Errors
/// Where nobody listens at `path`, or the connection breaks.
pub async fn ask(world: &World, path: &Path, request: &Request, mut each: impl FnMut(&Answer)) -> std::io::Result<Answer> {
    let stream = world.net().connect_unix(path).await?;
    let (read, mut write) = tokio::io::split(stream);
    write_line(&mut write, request).await?;
    let mut reader = BufReader::new(read);
    let mut last = None;
    while let Some(line) = read_line(&mut reader, 16 * REQUEST_BYTES_MAX).await? {
        let answer: Answer = serde_json::from_str(&line).map_err(std::io::Error::other)?;
        each(&answer);
        last = Some(answer);
    }
    last.ok_or_else(|| std::io::Error::other("the engine ended the exchange without an answer"))
}

async fn write_line(write: &mut (impl tokio::io::AsyncWrite + Unpin), value: &impl Serialize) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(value).map_err(std::io::Error::other)?;
    line.push(b'\n');
    write.write_all(&line).await?;
    write.flush().await
}

async fn read_line(reader: &mut (impl tokio::io::AsyncBufRead + Unpin), bytes_max: usize) -> std::io::Result<Option<String>> {
    let mut line = Vec::new();
    let mut limited = tokio::io::AsyncReadExt::take(reader, bytes_max as u64 + 1);
    limited.read_until(b'\n', &mut line).await?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.len() > bytes_max {
        return Err(std::io::Error::other(format!("a line is longer than {bytes_max} bytes")));
    }
    String::from_utf8(line).map(Some).map_err(std::io::Error::other)
}

/// Tells answers of a verb that runs in this process.
pub(crate) async fn tell(told: Receiver<Answer>, mut each: impl FnMut(&Answer)) -> Option<Answer> {
    let mut last = None;
    while let Some(answer) = told.recv().await {
        each(&answer);
        last = Some(answer);
    }
    last
}
