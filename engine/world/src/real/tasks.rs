//! Operating system threads, each with a single-threaded tokio executor.
//!
//! A panic in one task would leave the others of its thread waiting for it for ever. So it ends the thread, and
//! whoever joins it decides.

use crate::channel::{Signal, oneshot};
use crate::tasks::{SetOnDrop, Start, TaskControl, TaskHandle, Tasks, ThreadHandle, ThreadPanicked};
use futures_util::FutureExt;
use futures_util::future::{Either, LocalBoxFuture, select};
use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::ThreadId;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

/// Runs a future on the calling thread until it is done: for `main` and for tests. Its tasks are dropped with it; a panic in one of
/// them is printed and ends that task alone.
///
/// # Panics
/// Where the system gives no event queue, or from inside another executor.
pub fn block_on<F: Future>(future: F) -> F::Output {
    executor().block_on(future)
}

fn executor() -> LocalRuntime {
    Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .expect("the system gives a thread its event queue (epoll)")
}

/// For each running thread, the signal that one of its tasks panicked.
type Panics = Arc<Mutex<HashMap<ThreadId, Signal>>>;

#[derive(Default)]
pub(super) struct Threads {
    panics: Panics,
}

impl Tasks for Threads {
    fn spawn_thread(&self, name: &str, start: Start) -> ThreadHandle {
        let panics = self.panics.clone();
        let (ending, ended) = oneshot::<()>();
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            run_thread(&panics, start);
            // Dropped unsent by a panic.
            let _ = ending.send(());
        });
        let thread = thread.expect("the operating system gives a thread; raise the limit on threads of this user");
        let name = name.to_owned();
        let ended = {
            let name = name.clone();
            async move {
                let finished = ended.await;
                // Nothing but the thread's own end is left to wait for.
                let _ = thread.join();
                finished.ok_or(ThreadPanicked { name })
            }
        };
        ThreadHandle::new(&name, ended.boxed())
    }

    #[allow(clippy::disallowed_methods, reason = "the one place where tasks are spawned")]
    fn spawn_local(&self, task: LocalBoxFuture<'static, ()>) -> TaskHandle {
        let ended = Signal::new();
        let guard = SetOnDrop(ended.clone());
        let panics = self.panics.clone();
        let spawned = tokio::task::spawn_local(async move {
            let _guard = guard;
            if let Err(panic) = AssertUnwindSafe(task).catch_unwind().await {
                end_this_thread(&panics);
                std::panic::resume_unwind(panic);
            }
        });
        TaskHandle::new(Arc::new(Abort(spawned.abort_handle())), ended)
    }
}

fn run_thread(panics: &Panics, start: Start) {
    let id = std::thread::current().id();
    let panicked = Signal::new();
    lock(panics).insert(id, panicked.clone());
    let whole = executor().block_on(async move {
        match select(start(), pin!(panicked.wait())).await {
            Either::Left(_) => !panicked.is_set(),
            Either::Right(_) => false,
        }
    });
    lock(panics).remove(&id);
    assert!(whole, "a task of this thread panicked");
}

fn end_this_thread(panics: &Panics) {
    if let Some(signal) = lock(panics).get(&std::thread::current().id()) {
        signal.set();
    }
}

fn lock(panics: &Panics) -> std::sync::MutexGuard<'_, HashMap<ThreadId, Signal>> {
    panics.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Abort(tokio::task::AbortHandle);

impl TaskControl for Abort {
    fn abort(self: Arc<Self>) {
        self.0.abort();
    }
}
