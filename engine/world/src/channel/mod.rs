//! Channels between tasks, on any thread and under any executor.
//!
//! [`bounded`] is the queue between stages: full means wait, all the way back to intake. [`oneshot`] carries one answer.
//! [`Signal`] is a flag that many await: shutdown. All of them wake in the order of waiting, so that a simulated run repeats.
//!
//! They promise: no wake-up is lost, also when a waiting future is dropped after it was woken; what is left in a channel whose
//! receivers are gone is dropped at once, so that answers waiting inside it are seen to be lost.

mod bounded;
mod oneshot;
mod signal;
mod waiters;

pub use bounded::{Closed, Receiver, Sender, TrySendError, bounded};
pub use oneshot::{OneReceiver, OneSender, oneshot};
pub use signal::Signal;
