//! When to try again: a schedule that grows, with jitter, up to the deadline.

use crate::units::parse_span;
use model::Timestamp;
use std::str::FromStr;
use std::time::Duration;

/// The jitter adds up to a quarter, in this many steps.
const JITTER_STEPS: u64 = 1024;
/// The last try comes this long before the deadline, so that it can still go.
const LAST_TRY_MARGIN: Duration = Duration::from_secs(30);

/// The delays after the first, second, ... attempt; the last one repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetrySchedule {
    /// Never empty.
    delays: Vec<Duration>,
}

/// The text is not a schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{typed}' is not a retry schedule: expected spans such as \"1m, 5m, 15m, 1h\", none shorter than the one before")]
pub struct RetryScheduleError {
    typed: String,
}

impl RetrySchedule {
    /// After so many attempts that have ended (this one not counted), when the next one is due: the delay, lengthened by
    /// 0 to 25 % by `jitter` (any number; the caller draws it). `None` where that is too late for the deadline; a try
    /// that would fall behind it comes shortly before it instead.
    pub fn next_due(&self, now: Timestamp, attempts: u16, deadline: Timestamp, jitter: u64) -> Option<Timestamp> {
        let delay = self.delays[usize::from(attempts).min(self.delays.len() - 1)];
        let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX / 4);
        let due = Timestamp(now.0.saturating_add(delay_ms).saturating_add(delay_ms / 4 * (jitter % JITTER_STEPS) / JITTER_STEPS));
        if due <= deadline {
            return Some(due);
        }
        // A last try is worth it only where it is not sooner than the shortest delay.
        let last = Timestamp(deadline.0.saturating_sub(u64::try_from(LAST_TRY_MARGIN.as_millis()).unwrap_or(0)));
        (last >= now + self.delays[0]).then_some(last)
    }
}

/// 1, 5, 15 minutes, 1, 2, 4 hours, then every 4 hours.
impl Default for RetrySchedule {
    fn default() -> Self {
        Self { delays: [1, 5, 15, 60, 120, 240].map(|minutes| Duration::from_secs(minutes * 60)).to_vec() }
    }
}

impl FromStr for RetrySchedule {
    type Err = RetryScheduleError;

    fn from_str(text: &str) -> Result<Self, RetryScheduleError> {
        let error = || RetryScheduleError { typed: text.to_owned() };
        let delays: Vec<Duration> = text
            .split(',')
            .map(|part| part.trim().trim_end_matches("..."))
            .filter(|part| !part.is_empty())
            .map(parse_span)
            .collect::<Result<_, _>>()
            .map_err(|_| error())?;
        if delays.is_empty() || !delays.is_sorted() { Err(error()) } else { Ok(Self { delays }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400_000;

    #[test]
    fn delays_grow_and_the_last_one_repeats() {
        let schedule: RetrySchedule = "1m, 5m, 1h, ...".parse().unwrap();
        let due = |attempts| schedule.next_due(Timestamp(0), attempts, Timestamp(DAY), 0).unwrap().0;
        assert_eq!([due(0), due(1), due(2), due(9)], [60_000, 300_000, 3_600_000, 3_600_000]);
    }

    #[test]
    fn the_deadline_bounds_it() {
        let schedule = RetrySchedule::default();
        let deadline = Timestamp(600_000);
        assert_eq!(schedule.next_due(Timestamp(0), 5, deadline, 0), Some(Timestamp(570_000)), "a last try just before it");
        assert_eq!(schedule.next_due(Timestamp(570_000), 6, deadline, 0), None, "and then no more");
        assert_eq!(schedule.next_due(Timestamp(700_000), 0, deadline, 0), None);
    }

    #[test]
    fn refuses_what_is_no_growing_schedule() {
        for text in ["", "...", "5", "1h, 5m", "1m; 5m", "soon"] {
            assert!(text.parse::<RetrySchedule>().is_err(), "{text}");
        }
        assert_eq!("1m, 5m, 15m, 1h, 2h, 4h".parse::<RetrySchedule>().unwrap(), RetrySchedule::default());
    }

    proptest::proptest! {
        #[test]
        fn jitter_lengthens_by_a_quarter_at_most(attempts in 0u16.., jitter in 0u64.., now in 0u64..10_000_000_000_000) {
            let schedule = RetrySchedule::default();
            let plain = schedule.next_due(Timestamp(now), attempts, Timestamp(u64::MAX), 0).unwrap().0 - now;
            let jittered = schedule.next_due(Timestamp(now), attempts, Timestamp(u64::MAX), jitter).unwrap().0 - now;
            proptest::prop_assert!(jittered >= plain && jittered <= plain + plain / 4);
        }
    }
}
