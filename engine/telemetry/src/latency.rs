//! How long each stage takes: one histogram per stage, owned by one thread, merged by whoever reports.
//!
//! Values are nanoseconds with two significant digits (an error of at most 1 %), from 1 ns to one hour; longer spans count as
//! one hour. A histogram takes about 50 KiB.

use hdrhistogram::Histogram;
use model::Monotonic;
use serde::Serialize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const NANOSECONDS_MAX: u64 = 3_600_000_000_000;
const SIGNIFICANT_DIGITS: u8 = 2;

/// One thread's latencies by stage. Not shared: recording takes no lock.
#[derive(Debug, Clone, Default)]
pub struct Latencies {
    /// In the order of first use. There are a dozen; a scan is faster than a map.
    stages: Vec<(&'static str, Histogram<u64>)>,
}

impl Latencies {
    /// No stages yet; each comes with its first value.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one span to a stage.
    pub fn record(&mut self, stage: &'static str, span: Duration) {
        let nanoseconds = u64::try_from(span.as_nanos()).unwrap_or(NANOSECONDS_MAX);
        self.stage(stage).saturating_record(nanoseconds);
    }

    /// Adds everything another thread recorded.
    pub fn merge(&mut self, other: &Self) {
        for (stage, histogram) in &other.stages {
            self.stage(stage).add(histogram).expect("all histograms here have the same range");
        }
    }

    /// Forgets all values, keeps the memory.
    pub fn clear(&mut self) {
        for (_, histogram) in &mut self.stages {
            histogram.reset();
        }
    }

    /// The figures of each stage that has values, by name.
    pub fn snapshot(&self) -> Vec<LatencySummary> {
        let with_values = self.stages.iter().filter(|(_, histogram)| !histogram.is_empty());
        let mut summaries: Vec<_> = with_values.map(|(stage, histogram)| LatencySummary::of(stage, histogram)).collect();
        summaries.sort_by_key(|summary| summary.stage);
        summaries
    }

    fn stage(&mut self, stage: &'static str) -> &mut Histogram<u64> {
        let index = self.stages.iter().position(|(name, _)| *name == stage).unwrap_or_else(|| {
            let histogram = Histogram::new_with_max(NANOSECONDS_MAX, SIGNIFICANT_DIGITS).expect("the range and the digits are valid");
            self.stages.push((stage, histogram));
            self.stages.len() - 1
        });
        &mut self.stages[index].1
    }
}

/// The figures of one stage. Spans are nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LatencySummary {
    /// The stage's name.
    pub stage: &'static str,
    /// How many spans were recorded.
    pub count: u64,
    /// Their mean.
    pub mean_ns: u64,
    /// Half were no longer than this.
    pub p50_ns: u64,
    /// 90 of 100 were no longer.
    pub p90_ns: u64,
    /// 99 of 100 were no longer.
    pub p99_ns: u64,
    /// 999 of 1,000 were no longer.
    pub p999_ns: u64,
    /// The longest.
    pub max_ns: u64,
}

impl LatencySummary {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a mean lies between values that fit")]
    fn of(stage: &'static str, histogram: &Histogram<u64>) -> Self {
        Self {
            stage,
            count: histogram.len(),
            mean_ns: histogram.mean() as u64,
            p50_ns: histogram.value_at_quantile(0.5),
            p90_ns: histogram.value_at_quantile(0.9),
            p99_ns: histogram.value_at_quantile(0.99),
            p999_ns: histogram.value_at_quantile(0.999),
            max_ns: histogram.max(),
        }
    }
}

/// Where threads leave their latencies for whoever reports. A thread does so once in a while, not per message.
#[derive(Debug, Clone, Default)]
pub struct SharedLatencies(Arc<Mutex<Latencies>>);

impl SharedLatencies {
    /// Nothing recorded yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes over what a thread recorded and leaves it empty.
    pub fn absorb(&self, own: &mut Latencies) {
        self.lock().merge(own);
        own.clear();
    }

    /// The figures of what was taken over so far.
    pub fn snapshot(&self) -> Vec<LatencySummary> {
        self.lock().snapshot()
    }

    fn lock(&self) -> MutexGuard<'_, Latencies> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows one message through the stages: each lap ends one stage and begins the next.
#[derive(Debug, Clone, Copy)]
pub struct StageClock {
    start: Monotonic,
    lap: Monotonic,
}

impl StageClock {
    /// Begins the first stage at `now`.
    pub const fn start(now: Monotonic) -> Self {
        Self { start: now, lap: now }
    }

    /// Ends a stage at `now`, records it and begins the next.
    pub fn lap(&mut self, now: Monotonic, stage: &'static str, into: &mut Latencies) {
        into.record(stage, now.since(self.lap));
        self.lap = now;
    }

    /// Records the time since the start, under a name of its own.
    pub fn total(&self, now: Monotonic, stage: &'static str, into: &mut Latencies) {
        into.record(stage, now.since(self.start));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: u64, expected: u64) -> bool {
        value.abs_diff(expected) * 100 <= expected
    }

    #[test]
    fn percentiles_are_within_one_percent() {
        let mut latencies = Latencies::new();
        for micros in 1..=1000 {
            latencies.record("render", Duration::from_micros(micros));
        }
        let [summary] = latencies.snapshot()[..] else { panic!("one stage") };
        assert_eq!((summary.stage, summary.count), ("render", 1000));
        assert!(near(summary.p50_ns, 500_000), "{summary:?}");
        assert!(near(summary.p90_ns, 900_000), "{summary:?}");
        assert!(near(summary.p99_ns, 990_000), "{summary:?}");
        assert!(near(summary.max_ns, 1_000_000), "{summary:?}");
    }

    #[test]
    fn threads_hand_over_what_they_recorded_once() {
        let (shared, mut one, mut two) = (SharedLatencies::new(), Latencies::new(), Latencies::new());
        one.record("seal", Duration::from_micros(300));
        two.record("seal", Duration::from_micros(300));
        two.record("parse", Duration::from_secs(1_000_000));
        shared.absorb(&mut one);
        shared.absorb(&mut two);
        shared.absorb(&mut two);
        let figures = shared.snapshot();
        assert_eq!(figures.iter().map(|summary| (summary.stage, summary.count)).collect::<Vec<_>>(), [("parse", 1), ("seal", 2)]);
        assert!(near(figures[0].max_ns, NANOSECONDS_MAX), "longer than an hour counts as an hour");
        assert!(one.snapshot().is_empty());
    }

    #[test]
    fn a_clock_gives_each_stage_its_share_and_the_whole_its_sum() {
        let (mut latencies, mut clock) = (Latencies::new(), StageClock::start(Monotonic(1_000)));
        clock.lap(Monotonic(1_100), "render", &mut latencies);
        clock.lap(Monotonic(1_160), "seal", &mut latencies);
        clock.total(Monotonic(1_160), "whole", &mut latencies);
        let spans: Vec<_> = latencies.snapshot().iter().map(|summary| (summary.stage, summary.max_ns)).collect();
        assert_eq!(spans, [("render", 100), ("seal", 60), ("whole", 160)]);
        let json = serde_json::to_value(latencies.snapshot()).unwrap();
        assert_eq!(json[0]["p50_ns"], 100);
    }
}
