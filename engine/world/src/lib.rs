//! The seam to the outside: clock, disk, network, randomness, tasks, timers, channels and programs.
//!
//! Everything that can differ between two runs comes through a [`World`]. The real one
//! ([`World::real`]) is threads, files and sockets; the simulated one ([`simulated::Simulation`]) is one
//! thread, a seeded scheduler and a virtual clock, so that a failing run can be had again from its seed.
//! The rest of the code is the same in both, and clippy's `disallowed-methods` keeps it from going around.
//!
//! What it promises: a [`World`] is `Send + Sync` and cheap to clone; a task spawned with
//! [`World::spawn_local`] stays on its thread; a thread in which any task panics ends and says so
//! ([`ThreadHandle::join`]); [`channel`]s are bounded and lose no wake-up.
//!
//! What it leaves to others: retry, time limits, formats. It is deliberately without a general file
//! system or socket API: only what the engine needs is here, so that all of it can be simulated.

pub mod channel;
pub mod clock;
pub mod commit;
pub mod disk;
pub mod entropy;
pub mod net;
pub mod plant;
pub mod process;
mod real;
pub mod simulated;
pub mod tasks;

pub use clock::{Clock, Elapsed, Sleep};
pub use commit::{CommitFault, CommitMethod, Committer, DurableWrite};
pub use disk::{Disk, DiskFile, LockGuard, OpenMode};
pub use entropy::Entropy;
pub use futures_util::future::{BoxFuture, LocalBoxFuture};
pub use net::{BoxStream, ByteStream, ConnectRequest, Datagrams, Listener, Net, UnixDoor};
pub use plant::Plant;
pub use process::{ProcessEnd, ProcessRequest, Processes};
pub use real::block_on;
pub use tasks::{TaskHandle, Tasks, ThreadHandle, ThreadPanicked};

use model::{Monotonic, Timestamp};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// The outside, as the engine sees it. Clone it freely; every clone is the same world.
#[derive(Clone)]
pub struct World {
    parts: Arc<Parts>,
}

/// What a world is made of. [`real`] and [`simulated`] each fill it in.
pub(crate) struct Parts {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) net: Arc<dyn Net>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) tasks: Arc<dyn Tasks>,
    pub(crate) processes: Arc<dyn Processes>,
    pub(crate) hosts: Arc<dyn Hosts>,
}

/// Which machine of a world a handle stands on, and the trace that two runs are compared by.
pub(crate) trait Hosts: Send + Sync {
    /// The same world, seen from another machine; `None` where there is only one.
    fn on(&self, host: &str) -> Option<World>;
    /// Adds an event to the trace.
    fn trace(&self, event: &[u8]);
    /// How long the disk is busy before the next group of writes.
    fn disk_delay(&self) -> Option<Duration> {
        None
    }
    /// Whether the simulator broke this on purpose. A world that says nothing else is sound.
    #[cfg(feature = "planted")]
    fn is_planted(&self, _plant: Plant) -> bool {
        false
    }
}

impl World {
    /// The real world: operating system clock, files, sockets and threads.
    ///
    /// Readings of [`World::monotonic`] count from this call, so compare only readings of clones of one world.
    pub fn real() -> Self {
        real::world()
    }

    pub(crate) fn from_parts(parts: Parts) -> Self {
        Self { parts: Arc::new(parts) }
    }

    /// Nanoseconds since this world began; never runs backwards.
    pub fn monotonic(&self) -> Monotonic {
        self.parts.clock.monotonic()
    }

    /// The time on the wall. It may jump; measure spans with [`World::monotonic`].
    pub fn wall(&self) -> Timestamp {
        self.parts.clock.wall()
    }

    /// Done after `span`. The real clock's timers have a resolution of one millisecond and never ring early.
    pub fn sleep(&self, span: Duration) -> Sleep {
        self.sleep_until(self.monotonic() + span)
    }

    /// Done once [`World::monotonic`] has reached `at`; at once where it has passed.
    pub fn sleep_until(&self, at: Monotonic) -> Sleep {
        self.parts.clock.sleep_until(at)
    }

    /// Waits for `future`, but no longer than `span`. A future that is ready at once costs no timer.
    ///
    /// # Errors
    /// [`Elapsed`] where `span` passed first; the future is dropped.
    pub async fn timeout<F: Future>(&self, span: Duration, future: F) -> Result<F::Output, Elapsed> {
        let deadline = self.monotonic() + span;
        let mut future = pin!(future);
        let mut timer: Option<Sleep> = None;
        poll_fn(|context| {
            // The future comes first: work that finished together with the timer counts as done.
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready(Ok(output));
            }
            let timer = timer.get_or_insert_with(|| self.sleep_until(deadline));
            pin!(timer).poll(context).map(|()| Err(Elapsed))
        })
        .await
    }

    /// Fills `bytes` from the operating system's entropy (aws-lc-rs), or from the seed of the simulation.
    pub fn fill_random(&self, bytes: &mut [u8]) {
        self.parts.entropy.fill(bytes);
    }

    /// A thread of its own with a single-threaded executor. `start` runs on it; what it returns need not be `Send`.
    ///
    /// The thread ends when that future is done, and its other tasks are dropped with it. A panic in any of its
    /// tasks ends it too. In the simulation it is a group of tasks of the one thread there is.
    ///
    /// # Panics
    /// Where the operating system gives no thread: the engine starts its threads once, at start.
    pub fn spawn_thread<F, Fut>(&self, name: &str, start: F) -> ThreadHandle
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        self.parts.tasks.spawn_thread(name, Box::new(move || Box::pin(start())))
    }

    /// Does work that may take long on a thread of its own, and gives what it came to; `None` where the thread ended without an answer.
    /// The thread has ended when this returns.
    ///
    /// # Panics
    /// As [`World::spawn_thread`].
    pub async fn apart<T, F, Fut>(&self, name: &str, work: F) -> Option<T>
    where
        T: Send + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = T> + 'static,
    {
        let (reply, answer) = channel::oneshot();
        // Whoever asked may have gone.
        let thread = self.spawn_thread(name, move || async move { drop(reply.send(work().await)) });
        let answer = answer.await;
        let _ = thread.join().await;
        answer
    }

    /// A task on the current thread's executor. Dropping the handle leaves it running.
    ///
    /// # Panics
    /// Outside a thread of this world ([`World::spawn_thread`], [`block_on`]).
    pub fn spawn_local(&self, task: impl Future<Output = ()> + 'static) -> TaskHandle {
        self.parts.tasks.spawn_local(Box::pin(task))
    }

    /// Files and directories.
    pub fn disk(&self) -> &dyn Disk {
        &*self.parts.disk
    }

    /// Sockets.
    pub fn net(&self) -> &dyn Net {
        &*self.parts.net
    }

    /// Runs a program to its end. Blocks the thread.
    ///
    /// # Errors
    /// As [`Processes::run`].
    pub fn run_process(&self, request: &ProcessRequest<'_>) -> std::io::Result<ProcessEnd> {
        self.parts.processes.run(request)
    }

    /// This world seen from the machine `host`, with a disk of its own that crashes on its own. The real world has one machine.
    #[must_use]
    pub fn host(&self, host: &str) -> Self {
        self.parts.hosts.on(host).unwrap_or_else(|| self.clone())
    }

    /// Adds an event to the trace by which two runs of a seed are compared. Nothing happens in the real world.
    pub fn trace(&self, event: &[u8]) {
        self.parts.hosts.trace(event);
    }

    /// Waits until the disk is free for a group of writes and their sync. The real disk lets its caller wait inside the call, so this is
    /// over at once; a simulated one is busy for as long as `Simulation::set_disk_delay` allows, and everybody else goes on meanwhile.
    pub async fn disk_turn(&self) {
        if let Some(span) = self.parts.hosts.disk_delay() {
            self.sleep(span).await;
        }
    }

    /// Whether the simulator broke this on purpose, to see whether its checkers notice. Never in the real world.
    #[cfg(feature = "planted")]
    pub fn is_planted(&self, plant: Plant) -> bool {
        self.parts.hosts.is_planted(plant)
    }

    /// Whether the simulator broke this on purpose: never in this build, so that each site is compiled away.
    #[cfg(not(feature = "planted"))]
    #[inline(always)]
    pub const fn is_planted(&self, _plant: Plant) -> bool {
        false
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

const _: () = {
    const fn assert_send_sync<T: Send + Sync>() {}
    assert_send_sync::<World>();
};
