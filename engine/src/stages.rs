//! How long each step of a delivery takes: what workers and shards record into, and reports read.
//!
//! One lock for all steps, held for nanoseconds; nothing here decides anything.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use telemetry::{Latencies, LatencySummary};

/// Payload read back and decrypted.
pub const READ: &str = "read";
/// Template filled and MIME assembled.
pub const RENDER: &str = "render";
/// DKIM signatures.
pub const SEAL: &str = "seal";
/// MX and address look-up of a destination.
pub const RESOLVE: &str = "resolve";
/// TCP, greeting, EHLO, STARTTLS of a connection.
pub const CONNECT: &str = "connect";
/// Intent appended → synced.
pub const COMMIT: &str = "commit";
/// Message bound to a connection → the receiver's answer to the final dot.
pub const CONVERSATION: &str = "conversation";
/// Taken from the queue → answered: everything this engine and the receiver do with one message.
pub const DELIVERY: &str = "delivery";

/// Latencies by step.
#[derive(Default)]
pub struct StageTimes {
    latencies: Mutex<Latencies>,
}

impl StageTimes {
    /// Records one span.
    pub fn record(&self, stage: &'static str, span: Duration) {
        self.latencies.lock().unwrap_or_else(PoisonError::into_inner).record(stage, span);
    }

    /// Percentiles of every step so far.
    pub fn snapshot(&self) -> Vec<LatencySummary> {
        self.latencies.lock().unwrap_or_else(PoisonError::into_inner).snapshot()
    }
}
