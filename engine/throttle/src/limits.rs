//! What one lane may do, each value with the line it comes from.

use crate::units::Rate;
use model::Protection;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Where a value was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// The file as it was handed in; `None` for a value built into the engine.
    pub place: Option<(Arc<str>, u32)>,
}

impl Provenance {
    /// A value that no file states.
    pub const BUILT_IN: Self = Self { place: None };

    /// A line (from 1) of a file.
    pub fn line(file: &Arc<str>, line: u32) -> Self {
        Self { place: Some((Arc::clone(file), line)) }
    }
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some((file, line)) => write!(f, "{file}:{line}"),
            None => f.write_str("built in"),
        }
    }
}

/// A value and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Where it was typed.
    pub from: Provenance,
}

impl<T> Sourced<T> {
    /// A value no file states.
    pub const fn built_in(value: T) -> Self {
        Self { value, from: Provenance::BUILT_IN }
    }
}

/// The limits of one lane: what the receiver allows one of our addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Open connections at once.
    pub connections: Sourced<u32>,
    /// Messages on one connection before it is closed; `None` where the receiver sets no bound.
    pub messages_per_connection: Option<Sourced<u32>>,
    /// New connections per window; attempts count, whether they succeed or not.
    pub connect_rate: Option<Sourced<Rate>>,
    /// Messages per window. All of them hold at once.
    pub rates: Vec<Sourced<Rate>>,
    /// Messages that may be prepared ahead for each allowed connection, so that it never waits for rendering.
    pub messages_in_hand: Sourced<u32>,
    /// The least protection this receiver asks for; raises what a message requires, never lowers it.
    pub tls: Option<Sourced<Protection>>,
    /// Whether its IPv6 addresses may be used.
    pub ipv6: Sourced<bool>,
    /// After a suspension the lane begins this many times slower ...
    pub recovery_divisor: Sourced<u32>,
    /// ... and doubles its pace each time this span passes.
    pub recovery_step: Sourced<Duration>,
}

/// For whoever no rule names: 10 connections, 100 new ones a minute, 100 messages each, 100 messages a second.
impl Default for Limits {
    fn default() -> Self {
        let rate =
            |count, seconds| Sourced::built_in(Rate::new(count, Duration::from_secs(seconds)).expect("count and window are above zero"));
        Self {
            connections: Sourced::built_in(10),
            messages_per_connection: Some(Sourced::built_in(100)),
            connect_rate: Some(rate(100, 60)),
            rates: vec![rate(100, 1)],
            messages_in_hand: Sourced::built_in(4),
            tls: None,
            ipv6: Sourced::built_in(true),
            recovery_divisor: Sourced::built_in(8),
            recovery_step: Sourced::built_in(Duration::from_secs(300)),
        }
    }
}
