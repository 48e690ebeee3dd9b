//! A batch file that somebody still writes when it is handed in: it is refused, and handed in again as it was. Nothing of the first try
//! may count (invariant 2).

use crate::parcel::ParcelFiles;
use futures_util::future::{Either, select};
use sealpost::engine::{AcceptError, Accepted, Engine};
use sealpost::files::FileRequest;
use std::fs::File;
use std::future::poll_fn;
use std::io::{self, Write};
use std::path::Path;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// So many turns the writer takes without a pause: ready tasks take turns without any time, a disk that is busy needs some.
const TURNS: u32 = 50;
const PAUSE: Duration = Duration::from_micros(100);
/// A file that is accepted before anybody wrote into it does not grow any more.
const TURNS_MAX: u32 = 100_000;

/// Hands the file in while it grows, and again where it was refused for that.
pub(crate) async fn accept(engine: &Engine, files: &ParcelFiles, request: FileRequest) -> Result<Accepted, AcceptError> {
    let growing = pin!(grow(engine, &files.batch));
    let accepting = pin!(engine.accept_file(request.clone()));
    let first = match select(accepting, growing).await {
        Either::Left((answer, _)) => answer,
        Either::Right(((), accepting)) => accepting.await,
    };
    restore(files);
    match first {
        Err(AcceptError::Refused(refusal)) if refusal.reason == "changed_while_reading" => engine.accept_file(request).await,
        other => other,
    }
}

/// As it was written first: also where a crash came while it was longer.
pub(crate) fn restore(files: &ParcelFiles) {
    let restored = File::options().write(true).open(&files.batch).and_then(|file| file.set_len(files.bytes));
    restored.expect("the folder of a run's files is its own");
}

/// Writes one line end more, some time after the batch was opened.
async fn grow(engine: &Engine, path: &Path) {
    let before = engine.journal_bytes();
    let mut turns = 0;
    while engine.journal_bytes() == before && turns < TURNS_MAX {
        turns += 1;
        if turns % TURNS == 0 { engine.world().sleep(PAUSE).await } else { yield_once().await }
    }
    let grown: io::Result<()> = File::options().append(true).open(path).and_then(|mut file| file.write_all(b"\n"));
    grown.expect("the folder of a run's files is its own");
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
