//! What the engine says about itself: stage latencies, counters and gauges as Prometheus text, logs.
//!
//! It promises: recording costs nanoseconds (a histogram of one's own, a relaxed atomic); every metric carries its unit in its
//! name, its meaning, and what to do when it moves, or it cannot be registered; logs go to stderr and show stars where a
//! person would stand, because the words of `model` print so.
//!
//! It leaves to others: reading the clock (spans come in as values), serving the text over HTTP, choosing what to measure.
//! There are no statics: who counts holds the counter. Library crates emit `tracing` events and never call [`logging::start`].

pub mod exposition;
pub mod latency;
pub mod logging;
pub mod metric;

pub use latency::{Latencies, LatencySummary, SharedLatencies, StageClock};
pub use metric::{Counter, Gauge, Metric, Registry, Unit};
