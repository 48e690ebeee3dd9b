//! Counters and gauges: a description, a handle to count with, and the registry that lists them.
//!
//! A [`Metric`] is a constant of the crate that counts. Its full name is built here, `sealpost_<name>_<unit>` and `_total` for
//! a counter, so that no metric lacks its unit. Labels name streams, limit groups, phases: never a person.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a metric counts. The last word of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
    /// Source records handed in.
    Rows,
    /// Batches.
    Batches,
    /// Jobs.
    Jobs,
    /// Messages.
    Messages,
    /// Attempts.
    Attempts,
    /// TCP connections.
    Connections,
    /// Group commits.
    Commits,
    /// Source addresses.
    Addresses,
    /// Things that went wrong.
    Errors,
    /// Anything else that happens.
    Events,
}

impl Unit {
    /// Its word in a metric's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Seconds => "seconds",
            Self::Rows => "rows",
            Self::Batches => "batches",
            Self::Jobs => "jobs",
            Self::Messages => "messages",
            Self::Attempts => "attempts",
            Self::Connections => "connections",
            Self::Commits => "commits",
            Self::Addresses => "addresses",
            Self::Errors => "errors",
            Self::Events => "events",
        }
    }
}

/// What a metric is called, means, and asks of whoever sees it move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Stage first, then what: `journal_written`. Lower-case letters, digits and `_`; no unit.
    pub name: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// What it is, in one sentence.
    pub help: &'static str,
    /// What to do when it moves, in one sentence.
    pub when_it_moves: &'static str,
}

/// Whether a value only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
}

/// A value that only grows. Clones count together; counting is one relaxed atomic addition.
#[derive(Debug, Clone, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `amount`.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A value that rises and falls. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Gauge(Arc<AtomicI64>);

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Adds `amount`, which may be negative.
    pub fn add(&self, amount: i64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// The value now.
    pub fn value(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Label names and values, in the order given.
pub(crate) type Labels = Vec<(&'static str, String)>;

#[derive(Debug, Clone)]
pub(crate) enum Value {
    Counter(Counter),
    Gauge(Gauge),
}

#[derive(Debug, Clone)]
pub(crate) struct Family {
    pub(crate) metric: Metric,
    pub(crate) kind: Kind,
    pub(crate) values: BTreeMap<Labels, Value>,
}

/// All metrics of one process, made once and handed to the stages. Clones are the same registry.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    families: Arc<Mutex<BTreeMap<String, Family>>>,
}

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// The counter of a metric and labels; the same one each time. Keep it: looking it up takes a lock.
    ///
    /// # Panics
    /// Where the metric's description is not complete, or its name already means something else: both are errors of ours
    /// that the first start shows.
    pub fn counter(&self, metric: Metric, labels: &[(&'static str, &str)]) -> Counter {
        match self.value(metric, Kind::Counter, labels, || Value::Counter(Counter::default())) {
            Value::Counter(counter) => counter,
            Value::Gauge(_) => unreachable!("families hold one kind"),
        }
    }

    /// The gauge of a metric and labels; the same one each time.
    ///
    /// # Panics
    /// As [`Registry::counter`].
    pub fn gauge(&self, metric: Metric, labels: &[(&'static str, &str)]) -> Gauge {
        match self.value(metric, Kind::Gauge, labels, || Value::Gauge(Gauge::default())) {
            Value::Gauge(gauge) => gauge,
            Value::Counter(_) => unreachable!("families hold one kind"),
        }
    }

    fn value(&self, metric: Metric, kind: Kind, labels: &[(&'static str, &str)], make: impl FnOnce() -> Value) -> Value {
        let name = full_name(metric, kind);
        let labels: Labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let mut families = self.lock();
        let family = families.entry(name).or_insert_with(|| Family { metric, kind, values: BTreeMap::new() });
        assert!(family.metric == metric && family.kind == kind, "two metrics are called `{}`", metric.name);
        family.values.entry(labels).or_insert_with(make).clone()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Family>> {
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn full_name(metric: Metric, kind: Kind) -> String {
    let Metric { name, unit, help, when_it_moves } = metric;
    let name_fits = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    assert!(name_fits, "the metric name `{name}` has other characters than a-z, 0-9 and _");
    assert!(!help.is_empty() && !when_it_moves.is_empty(), "the metric `{name}` does not say what it is and what to do when it moves");
    let total = if kind == Kind::Counter { "_total" } else { "" };
    format!("sealpost_{name}_{}{total}", unit.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: Metric = Metric { name: "journal_written", unit: Unit::Bytes, help: "Written.", when_it_moves: "Nothing." };

    #[test]
    fn one_metric_and_labels_are_one_counter() {
        let registry = Registry::new();
        registry.counter(WRITTEN, &[("stream", "marketing")]).add(2);
        registry.clone().counter(WRITTEN, &[("stream", "marketing")]).increment();
        assert_eq!(registry.counter(WRITTEN, &[("stream", "marketing")]).value(), 3);
        assert_eq!(registry.counter(WRITTEN, &[]).value(), 0);
    }

    #[test]
    #[should_panic(expected = "what to do when it moves")]
    fn a_metric_that_does_not_say_what_to_do_is_refused() {
        Registry::new().gauge(Metric { when_it_moves: "", ..WRITTEN }, &[]);
    }

    #[test]
    #[should_panic(expected = "two metrics are called")]
    fn a_name_means_one_thing() {
        let registry = Registry::new();
        registry.counter(WRITTEN, &[]);
        registry.counter(Metric { help: "Something else.", ..WRITTEN }, &[]);
    }
}
