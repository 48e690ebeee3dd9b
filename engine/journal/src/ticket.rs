//! The answer to come: resolves after the sync that covers what was asked for.

use crate::error::JournalError;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use world::channel::{OneReceiver, OneSender, oneshot};

/// A future of the result. Dropping it changes nothing: what was asked for happens all the same.
#[must_use = "what was asked for is durable only once the ticket says so; `drop` it to say that nobody waits"]
pub struct Ticket<T> {
    answer: OneReceiver<Result<T, JournalError>>,
}

impl<T> Ticket<T> {
    pub(crate) fn new() -> (OneSender<Result<T, JournalError>>, Self) {
        let (sender, answer) = oneshot();
        (sender, Self { answer })
    }
}

impl<T> std::fmt::Debug for Ticket<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ticket")
    }
}

impl<T> Future for Ticket<T> {
    type Output = Result<T, JournalError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // A writer that went without an answer has closed.
        Pin::new(&mut self.answer).poll(context).map(|answer| answer.unwrap_or(Err(JournalError::Closed)))
    }
}
