//! The control socket: one request a connection, answers until the last one ends the exchange.
//!
//! The socket's folder is 0700: who may open it is decided by the file system. Lines from outside are bounded; a connection that breaks
//! ends what works for it, and nothing that was accepted.

use super::{Answer, Request, obey};
use crate::door;
use crate::engine::Engine;
use journal::JournalError;
use model::BatchId;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use world::World;
use world::channel::{Receiver, Signal};

/// After a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// A request may name two paths and a reason, or hold a public key ([`crate::paper_key::PAPER_KEY_BYTES_MAX`]) as numbers; nothing
/// sensible is longer.
const REQUEST_BYTES_MAX: usize = 256 * 1024;

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
