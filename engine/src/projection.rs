//! The ledger's thread: follows the durable record and answers questions about it.
//!
//! Off the hot path: nothing waits for it but reports. It promises that an answer covers everything
//! that was durable when the question was asked.

use journal::{JournalError, RecordPosition, Tail};
use ledger::{Ledger, LedgerError};
use model::record::{FrameKey, Record};
use std::time::Duration;
use world::channel::{Receiver, Sender};
use world::{Plant, World};

/// Frames applied in one transaction.
const FRAMES_MAX: usize = 4096;
/// How often the ledger looks for new frames while nobody asks.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Of so many records one is passed over, where the simulator asks for it.
const MISSED_OF: u64 = 50;

type Question = Box<dyn FnOnce(&mut Ledger) + Send>;

/// Something to ask once everything up to `covering` is in the ledger.
struct Ask {
    covering: RecordPosition,
    question: Question,
}

/// Asks the ledger. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Projection {
    asks: Sender<Ask>,
}

/// Why the ledger did not answer.
#[derive(Debug, thiserror::Error)]
pub enum ProjectionError {
    /// Its thread ended; the log says why. The record is whole, and the ledger can be rebuilt from it.
    #[error("the ledger has stopped; see the log, and rebuild it from the record if it is damaged")]
    Stopped,
    /// The record has no such batch.
    #[error("the record has no batch {0}")]
    NoSuchBatch(model::BatchId),
    /// The journal refuses.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// SQLite said no.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Projection {
    /// Starts to follow; the thread ends when the last clone is gone.
    pub(crate) fn start(world: &World, name: &str, ledger: Ledger, tail: Tail) -> (Self, world::ThreadHandle) {
        let (asks, asked) = world::channel::bounded(64);
        let seam = world.clone();
        let thread = world.spawn_thread(name, move || follow(seam, ledger, tail, asked));
        (Self { asks }, thread)
    }

    /// Asks, covering everything that is durable up to a position.
    pub(crate) async fn ask<T, F>(&self, covering: RecordPosition, question: F) -> Result<T, ProjectionError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Ledger) -> Result<T, LedgerError> + Send + 'static,
    {
        let (reply, answer) = world::channel::oneshot();
        let question: Question = Box::new(move |ledger| {
            // Whoever asked may have gone.
            let _ = reply.send(question(ledger));
        });
        self.asks.send(Ask { covering, question }).await.map_err(|_| ProjectionError::Stopped)?;
        Ok(answer.await.ok_or(ProjectionError::Stopped)??)
    }
}

async fn follow(world: World, mut ledger: Ledger, mut tail: Tail, asked: Receiver<Ask>) {
    if let Err(error) = serve(&world, &mut ledger, &mut tail, &asked).await {
        tracing::error!(target: "sealpost::ledger", %error, "the ledger stops; delivery goes on, reports do not");
    }
}

async fn serve(world: &World, ledger: &mut Ledger, tail: &mut Tail, asked: &Receiver<Ask>) -> Result<(), FollowError> {
    if let Some(position) = ledger.position() {
        tail.seek(RecordPosition(position));
    }
    loop {
        catch_up(world, ledger, tail, None)?;
        let ask = match world.timeout(LOOK_EVERY, asked.recv()).await {
            Ok(Some(ask)) => ask,
            Ok(None) => return catch_up(world, ledger, tail, None),
            Err(_elapsed) => continue,
        };
        catch_up(world, ledger, tail, Some(ask.covering))?;
        (ask.question)(ledger);
    }
}

/// Applies what is durable, at least up to `covering`.
fn catch_up(world: &World, ledger: &mut Ledger, tail: &mut Tail, covering: Option<RecordPosition>) -> Result<(), FollowError> {
    loop {
        let mut frames: Vec<(u64, FrameKey, Record)> =
            tail.next(FRAMES_MAX)?.into_iter().map(|(position, key, record)| (position.0, key, record)).collect();
        let Some((last, _, _)) = frames.last() else { return Ok(()) };
        let reached = *last;
        if world.is_planted(Plant::RecordMissed) {
            frames.retain(|(position, _, _)| position % MISSED_OF != 0);
        }
        ledger.apply(&frames)?;
        if frames.len() < FRAMES_MAX && covering.is_none_or(|covering| reached >= covering.0) {
            return Ok(());
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}
