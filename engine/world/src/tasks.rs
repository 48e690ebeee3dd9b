//! Threads and tasks, by handle.
//!
//! A thread is an executor of its own; a task lives on one thread for good, so it may hold what is not `Send`.
//! Dropping a handle neither stops nor waits.

use crate::channel::Signal;
use futures_util::future::{BoxFuture, LocalBoxFuture};
use std::sync::Arc;

/// What a thread runs: called on it, polled on it.
pub type Start = Box<dyn FnOnce() -> LocalBoxFuture<'static, ()> + Send>;

/// Where threads and tasks come from.
pub trait Tasks: Send + Sync {
    /// See [`crate::World::spawn_thread`].
    fn spawn_thread(&self, name: &str, start: Start) -> ThreadHandle;
    /// See [`crate::World::spawn_local`].
    fn spawn_local(&self, task: LocalBoxFuture<'static, ()>) -> TaskHandle;
}

/// A thread that was started.
pub struct ThreadHandle {
    name: String,
    ended: BoxFuture<'static, Result<(), ThreadPanicked>>,
}

impl ThreadHandle {
    pub(crate) fn new(name: &str, ended: BoxFuture<'static, Result<(), ThreadPanicked>>) -> Self {
        Self { name: name.to_owned(), ended }
    }

    /// The name it was started with.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Waits until the thread is gone.
    ///
    /// # Errors
    /// [`ThreadPanicked`] where one of its tasks panicked, or its simulated host crashed.
    pub async fn join(self) -> Result<(), ThreadPanicked> {
        self.ended.await
    }
}

impl std::fmt::Debug for ThreadHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ThreadHandle").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A thread ended before its work was done. The panic itself went to the panic hook.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("thread `{name}` panicked; its work is unfinished, stop the process and start it again")]
pub struct ThreadPanicked {
    /// The name it was started with.
    pub name: String,
}

/// A task that was started. Dropping the handle leaves the task running.
#[derive(Clone)]
pub struct TaskHandle {
    control: Arc<dyn TaskControl>,
    ended: Signal,
}

/// How a task is stopped: real and simulated differ.
pub(crate) trait TaskControl: Send + Sync {
    fn abort(self: Arc<Self>);
}

impl TaskHandle {
    pub(crate) fn new(control: Arc<dyn TaskControl>, ended: Signal) -> Self {
        Self { control, ended }
    }

    /// Drops the task's future at its next turn. Nothing happens where it is done.
    pub fn abort(&self) {
        self.control.clone().abort();
    }

    /// True once its future is done or dropped.
    pub fn is_finished(&self) -> bool {
        self.ended.is_set()
    }

    /// Waits until its future is done or dropped, by [`TaskHandle::abort`] or with its thread.
    pub async fn ended(&self) {
        self.ended.wait().await;
    }
}

impl std::fmt::Debug for TaskHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TaskHandle").field("finished", &self.is_finished()).finish_non_exhaustive()
    }
}

/// Sets a signal when dropped: kept inside a task's future, so that every way to end is seen.
pub(crate) struct SetOnDrop(pub(crate) Signal);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.set();
    }
}
