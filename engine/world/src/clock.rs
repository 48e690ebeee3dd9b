//! Time: what the clock shows, and waiting for it.
//!
//! [`Sleep`] is `Unpin` and `Send`, so that it can be kept in a struct and polled by reference.

use futures_util::future::BoxFuture;
use model::{Monotonic, Timestamp};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A clock on the wall and one for intervals.
pub trait Clock: Send + Sync {
    /// Nanoseconds since the world began; never runs backwards.
    fn monotonic(&self) -> Monotonic;
    /// Milliseconds since 1970; may jump.
    fn wall(&self) -> Timestamp;
    /// A timer for a moment of [`Clock::monotonic`].
    fn sleep_until(&self, at: Monotonic) -> Sleep;
}

/// Waits for a moment. Dropping it takes the timer back.
pub struct Sleep(BoxFuture<'static, ()>);

impl Sleep {
    /// Wraps what a clock waits with.
    pub(crate) fn new(timer: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Box::pin(timer))
    }
}

impl Future for Sleep {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(context)
    }
}

impl std::fmt::Debug for Sleep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sleep")
    }
}

/// The time allowed has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("took longer than allowed")]
pub struct Elapsed;
