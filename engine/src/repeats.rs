//! The key index of a stream at work: it catches up with the record before the doors open, then a thread of its own brings it to disk.
//!
//! Deliveries wait for none of it. Where the index is damaged it is made again from the record while the engine runs; until then the doors
//! say "not now", because "not known" would send twice.

use crate::engine::lock;
use crate::settings::{EngineSettings, IdempotencySettings};
use intake::{Day, KeyIndex, KeyIndexError, KeyIndexKeeper, KeyIndexSettings, Replay};
use journal::{Journal, JournalError, RecordPosition, Tail};
use model::record::Record;
use model::{BatchId, JobId, Stream};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use world::channel::{OneReceiver, Receiver};
use world::{Plant, ThreadHandle, World};

/// Records followed at once.
const FRAMES_MAX: usize = 4096;
/// How often the thread looks by itself: keys of single jobs grow old, and a disk that said no may say yes.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// After a disk said no.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

/// Why an index is not ready.
#[derive(Debug, thiserror::Error)]
pub enum RepeatsError {
    /// Its folder cannot be used.
    #[error(transparent)]
    Index(#[from] KeyIndexError),
    /// The record cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Its thread ended; the log says why.
    #[error("the key index stopped before it had read the record; the log says why")]
    Stopped,
}

/// The idempotency keys of a stream. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Repeats {
    index: Arc<Mutex<KeyIndex>>,
}

/// The thread of an index.
pub(crate) struct RepeatsThread {
    thread: ThreadHandle,
    ready: OneReceiver<Result<(), RepeatsError>>,
}

impl Repeats {
    /// Opens the index of a stream and lets its thread follow the record from where the index knows it. `rolling` are the rolling batches
    /// of past lives.
    ///
    /// # Errors
    /// Where the folder cannot be used.
    pub(crate) fn start<S: Stream>(
        world: &World,
        settings: &EngineSettings,
        journal: &Journal<S>,
        tail: Tail,
        rolling: BTreeSet<BatchId>,
    ) -> Result<(Self, RepeatsThread), RepeatsError> {
        let IdempotencySettings { horizon, run_keys } = settings.idempotency;
        let folder = settings.places.index.join(S::NAME.as_str());
        let of_index = KeyIndexSettings { folder, record: journal.identity(), horizon, run_keys };
        let durable = journal.watermark();
        // Keys of jobs that were refused by a failing journal are given back though a part of them may be durable: from then on the index
        // on disk claims to know no more of the record than it did, and the next start follows it from there.
        let opened = KeyIndex::open(world.disk(), of_index, move || durable.answered().map_or(0, |position| position.0))?;
        if let Some(why) = opened.given_up {
            tracing::warn!(target: "sealpost::intake", stream = %S::NAME, %why, "the key index is made again from the record");
        }
        let mut index = opened.index;
        let (wake, woken) = world::channel::bounded(1);
        index.wakes(wake);
        let index = Arc::new(Mutex::new(index));
        let keeper = KeyIndexKeeper::new(world.clone(), Arc::clone(&index));
        let follower = Follower { world: world.clone(), index: Arc::clone(&index), keeper, tail, rolling, is_due: false };
        let (tell, ready) = world::channel::oneshot();
        let thread = world.spawn_thread(&format!("keys-{}", S::NAME), move || async move {
            follower.run(RecordPosition(opened.position), woken, tell).await;
        });
        Ok((Self { index }, RepeatsThread { thread, ready }))
    }

    /// One owner orders the keys of a stream: whoever holds this lock (invariant: no key is accepted twice).
    pub(crate) fn lock(&self) -> MutexGuard<'_, KeyIndex> {
        lock(&self.index)
    }

    /// Ends the index: what is in memory goes to disk, so that the next start has nothing to follow.
    pub(crate) async fn stop(self, thread: RepeatsThread) {
        self.lock().close();
        let _ = thread.thread.join().await;
    }
}

impl RepeatsThread {
    /// Waits until the index knows what the record says.
    ///
    /// # Errors
    /// Where it could not be read or written.
    pub(crate) async fn ready(&mut self) -> Result<(), RepeatsError> {
        (&mut self.ready).await.ok_or(RepeatsError::Stopped)?
    }
}

struct Follower {
    world: World,
    index: Arc<Mutex<KeyIndex>>,
    keeper: KeyIndexKeeper,
    tail: Tail,
    rolling: BTreeSet<BatchId>,
    /// It was given up and is not whole again.
    is_due: bool,
}

impl Follower {
    async fn run(mut self, from: RecordPosition, woken: Receiver<()>, tell: world::channel::OneSender<Result<(), RepeatsError>>) {
        let caught_up = self.catch_up(from);
        let is_ready = caught_up.is_ok();
        // Whoever started it may have gone.
        let _ = tell.send(caught_up);
        if !is_ready {
            return;
        }
        loop {
            let closed = matches!(self.world.timeout(LOOK_EVERY, woken.recv()).await, Ok(None));
            if self.is_due || lock(&self.index).is_damaged() {
                self.rebuild();
            }
            let worked = if closed { self.keeper.write_all() } else { self.keeper.work_off() };
            if let Err(error) = worked {
                tracing::warn!(target: "sealpost::intake", %error, "the key index could not be written; its keys stay in memory");
                if !closed {
                    // Whatever wakes: a disk that said no is given time. Asked again at once it would be asked for ever.
                    self.world.sleep(REFUSED_PAUSE).await;
                }
            }
            if closed {
                return;
            }
        }
    }

    fn rebuild(&mut self) {
        tracing::warn!(target: "sealpost::intake", "the key index is damaged and made again from the record; until then the doors say \"not now\"");
        lock(&self.index).begin_rebuild();
        let made = self.catch_up(RecordPosition::default());
        self.is_due = made.is_err();
        match made {
            Ok(()) => tracing::info!(target: "sealpost::intake", "the key index is whole again"),
            Err(error) => {
                tracing::error!(target: "sealpost::intake", %error, "the key index cannot be made again now; nothing is accepted")
            }
        }
    }

    /// Follows the record; again from its start where a merge comes upon damage.
    fn catch_up(&mut self, from: RecordPosition) -> Result<(), RepeatsError> {
        self.follow(from)?;
        while lock(&self.index).is_damaged() {
            tracing::warn!(target: "sealpost::intake", "the key index is damaged and made again from the record");
            lock(&self.index).begin_rebuild();
            self.follow(RecordPosition::default())?;
        }
        Ok(())
    }

    fn follow(&mut self, from: RecordPosition) -> Result<(), RepeatsError> {
        let mut replay = Replay::new(self.rolling.clone(), Day::of(self.world.wall()));
        self.tail.seek(from);
        loop {
            let position = self.tail.position();
            let records: Vec<(Option<JobId>, Record)> =
                self.tail.next(FRAMES_MAX)?.into_iter().map(|(_, key, record)| (key.job, record)).collect();
            if records.is_empty() || self.world.is_planted(Plant::KeysForgotten) {
                break;
            }
            replay.see(&mut lock(&self.index), position.0, records.iter().map(|(job, record)| (*job, record)));
            match self.keeper.work_off() {
                // Seen to when all is read.
                Err(KeyIndexError::Damaged { .. }) => {}
                other => other?,
            }
        }
        replay.finish(&mut lock(&self.index));
        Ok(())
    }
}
