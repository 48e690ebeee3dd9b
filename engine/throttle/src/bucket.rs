//! One rate limit: GCRA on whole nanoseconds.
//!
//! The receiver reads "N per W" as *any* window of length W. A bucket that gives a burst of B at once and then one
//! each interval T lets at most `⌊B + W/T⌋` through in a closed window of length W. So T is the smallest whole
//! number of nanoseconds with `B + W/T < N + 1`, W being a little longer than the receiver's window: what leaves here evenly
//! arrives there with jitter, and the limit holds as the receiver counts it (invariant 8).
//!
//! The surprise: a bucket starts *drained*, as if its burst had just been spent. Whatever an earlier process did
//! under the same limit, the two together still hold it; the price is one interval at start.

use crate::units::Rate;
use model::Monotonic;

/// The receiver counts at its own end of the line: an even flow arrives squeezed by as much as delays vary. The window
/// is held longer by a sixteenth, half a second at most.
const GUARD_SHARE: u64 = 16;
const GUARD_NS_MAX: u64 = 500_000_000;

/// The state of one rate limit. 32 bytes, no allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// Nanoseconds from one to the next at the steady rate.
    interval: u64,
    /// How much earlier than steady a spend may come: (burst − 1) intervals.
    tolerance: u64,
    /// GCRA's theoretical arrival time: when the next spend would come at the steady rate.
    next_steady: u64,
    /// 1 = as configured; n = n times slower and without burst.
    divisor: u64,
}

impl Bucket {
    /// A bucket whose burst counts as just spent: safe after a restart or a reload.
    pub fn drained(rate: Rate, now: Monotonic) -> Self {
        let mut bucket = Self::full(rate, now);
        bucket.next_steady = now.0.saturating_add(bucket.tolerance).saturating_add(bucket.interval);
        bucket
    }

    /// A bucket with its whole burst at hand: only where nothing was sent within the last window.
    pub fn full(rate: Rate, now: Monotonic) -> Self {
        let window = u64::try_from(rate.window().as_nanos()).unwrap_or(u64::MAX / 4);
        let window = window + (window / GUARD_SHARE).min(GUARD_NS_MAX);
        // B + W/T < N + 1  ⇔  T > W / (N + 1 − B); `burst <= count` keeps the divisor above zero.
        let interval = window / u64::from(rate.count() - rate.burst() + 1) + 1;
        let tolerance = interval.saturating_mul(u64::from(rate.burst() - 1));
        Self { interval, tolerance, next_steady: now.0, divisor: 1 }
    }

    /// The first moment at which a spend conforms, when `ahead` others are spent before it as early as they can.
    pub fn not_before(&self, now: Monotonic, ahead: u32) -> Monotonic {
        let steady = self.next_steady.max(now.0).saturating_add(self.interval_now().saturating_mul(u64::from(ahead)));
        Monotonic(steady.saturating_sub(self.tolerance_now()).max(now.0))
    }

    /// Whether a spend conforms now.
    pub fn conforms(&self, now: Monotonic) -> bool {
        self.next_steady.saturating_sub(self.tolerance_now()) <= now.0
    }

    /// Takes one now. Called when the last byte is written, never earlier.
    ///
    /// # Errors
    /// The moment before which it does not conform; nothing is taken then.
    pub fn spend(&mut self, now: Monotonic) -> Result<(), Monotonic> {
        if !self.conforms(now) {
            return Err(self.not_before(now, 0));
        }
        self.next_steady = self.next_steady.max(now.0).saturating_add(self.interval_now());
        Ok(())
    }

    /// Makes it `divisor` times slower and takes the burst away; 1 gives back what is configured. Slower is always
    /// within the limit, so this may change at any time.
    pub fn set_divisor(&mut self, divisor: u32) {
        self.divisor = u64::from(divisor.max(1));
    }

    fn interval_now(&self) -> u64 {
        self.interval.saturating_mul(self.divisor)
    }

    fn tolerance_now(&self) -> u64 {
        if self.divisor == 1 { self.tolerance } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    /// What the receiver counts: the most spends in any closed window of the given length.
    fn most_in_any_window(spends: &[u64], window: u64) -> usize {
        spends.iter().enumerate().map(|(i, start)| spends[i..].iter().take_while(|at| **at - start <= window).count()).max().unwrap_or(0)
    }

    #[test]
    fn jitter_on_the_way_does_not_pass_the_limit_at_the_receiver() {
        let rate = rate("4/10s");
        let mut bucket = Bucket::full(rate, Monotonic(0));
        let (mut arrivals, mut now) = (Vec::new(), Monotonic(0));
        while arrivals.len() < 200 {
            match bucket.spend(now) {
                // Delays that swing between nothing and 400 ms.
                Ok(()) => arrivals.push(now.0 + 400_000_000 * (arrivals.len() as u64 * 7 % 5) / 4),
                Err(later) => now = later,
            }
        }
        arrivals.sort_unstable();
        assert!(most_in_any_window(&arrivals, 10_000_000_000) <= 4);
    }

    #[test]
    fn an_eager_sender_reaches_the_limit_and_never_passes_it() {
        let rate = rate("20/1m burst 5");
        let mut bucket = Bucket::full(rate, Monotonic(0));
        let mut spends = Vec::new();
        let mut now = Monotonic(0);
        while spends.len() < 200 {
            match bucket.spend(now) {
                Ok(()) => spends.push(now.0),
                Err(later) => now = later,
            }
        }
        assert_eq!(most_in_any_window(&spends, 60_000_000_000), 20, "the limit is used up, and not passed");
    }

    #[test]
    fn one_a_minute_means_more_than_a_minute_apart() {
        let mut bucket = Bucket::full(rate("1/1m"), Monotonic(0));
        assert_eq!(bucket.spend(Monotonic(0)), Ok(()));
        assert_eq!(bucket.spend(Monotonic(60_000_000_000)), Err(Monotonic(60_500_000_001)));
        assert_eq!(bucket.spend(Monotonic(60_500_000_001)), Ok(()));
    }

    #[test]
    fn a_restart_in_the_middle_of_a_burst_holds_the_limit() {
        let rate = rate("10/1s burst 4");
        let mut spends = Vec::new();
        let mut now = Monotonic(0);
        for _restart in 0..50 {
            let mut bucket = Bucket::drained(rate, now);
            for _ in 0..3 {
                while let Err(later) = bucket.spend(now) {
                    now = later;
                }
                spends.push(now.0);
            }
        }
        assert!(most_in_any_window(&spends, 1_000_000_000) <= 10);
    }

    #[test]
    fn says_when_the_third_from_now_may_go() {
        let bucket = Bucket::full(rate("2/1s burst 1"), Monotonic(0));
        let interval = Duration::from_nanos(531_250_001);
        assert_eq!(bucket.not_before(Monotonic(0), 0), Monotonic(0));
        assert_eq!(bucket.not_before(Monotonic(0), 2), Monotonic(0) + interval * 2);
    }

    proptest::proptest! {
        /// Whatever the pauses, slow-downs and restarts: no window holds more than N.
        #[test]
        fn no_window_ever_holds_more_than_the_limit(
            count in 1u32..40,
            burst_share in 0u32..=100,
            window_ms in 1u64..5_000,
            steps in proptest::collection::vec((0u64..2_000_000_000, 0u8..20), 1..400),
        ) {
            let burst = (count * burst_share / 100).max(1);
            let window = Duration::from_millis(window_ms);
            let rate = Rate::with_burst(count, window, burst).unwrap();
            let mut now = Monotonic(7);
            let mut bucket = Bucket::full(rate, now);
            let mut spends = Vec::new();
            for (pause, what) in steps {
                match what {
                    0 => bucket = Bucket::drained(rate, now),
                    1 => bucket.set_divisor(4),
                    2 => bucket.set_divisor(1),
                    // Mostly come back exactly when allowed: the tightest the bucket lets through.
                    3..=15 => now = bucket.not_before(now, 0),
                    _ => now = Monotonic(now.0 + pause),
                }
                if bucket.spend(now).is_ok() {
                    spends.push(now.0);
                }
            }
            let most = most_in_any_window(&spends, u64::try_from(window.as_nanos()).unwrap());
            proptest::prop_assert!(most <= count as usize, "{most} in a window, {count} allowed");
        }
    }
}
