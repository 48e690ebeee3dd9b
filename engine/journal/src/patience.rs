//! How long frames that nobody waits for wait for company.
//!
//! A sync costs the same for one frame as for a thousand, so outcomes and changes wait a little for others. How long pays follows
//! from two measurements. A commit that takes long is worth a longer wait: patient frames wait [`SYNCS`] times as long as a sync takes, so
//! that commits made for them alone keep the disk busy for a fifth of the time at most. And a wait in which nobody comes is worth nothing:
//! where operations come further apart than that, the frame is committed at once.
//!
//! Never longer than the configured bound, the clock's own lateness included. Whoever waits for an answer never waits here: an operation
//! that is not patient ends the wait and takes the others along ([`crate::writer`]).

use model::Monotonic;
use std::time::Duration;

/// A wait is so many syncs long.
const SYNCS: u32 = 4;
/// Below this no sync is counted: its system calls cost CPU even where the disk is memory.
const SYNC_MIN: Duration = Duration::from_micros(50);
/// A timer may ring so much late ([`world::World::sleep`]).
const TIMER_RESOLUTION: Duration = Duration::from_millis(1);
/// What is measured now weighs so much against what was measured before: one part in so many.
const WEIGHT: u32 = 8;

/// What was measured, and what follows.
#[derive(Debug)]
pub(crate) struct Patience {
    max: Duration,
    sync: Duration,
    /// Between two operations.
    gap: Duration,
    last: Option<Monotonic>,
}

impl Patience {
    pub(crate) fn new(max: Duration) -> Self {
        // Until something was measured nobody is expected.
        Self { max, sync: SYNC_MIN, gap: Duration::MAX, last: None }
    }

    /// So many operations have come together.
    pub(crate) fn came(&mut self, now: Monotonic, count: usize) {
        let Ok(count @ 1..) = u32::try_from(count) else { return };
        if let Some(last) = self.last.replace(now) {
            // After an idle hour the first few that come say more than the hour.
            let idle = (now - last).min(self.max.saturating_mul(SYNCS));
            self.gap = match self.gap {
                Duration::MAX => idle / count,
                gap => (0..count.min(4 * WEIGHT)).fold(gap, |gap, _| average(gap, idle / count)),
            };
        }
    }

    /// A commit has taken so long.
    pub(crate) fn synced(&mut self, took: Duration) {
        self.sync = average(self.sync, took);
    }

    /// How long a patient frame that comes now waits.
    pub(crate) fn span(&self) -> Duration {
        let bound = self.max.saturating_sub(TIMER_RESOLUTION);
        let span = (self.sync.max(SYNC_MIN) * SYNCS).min(bound);
        if self.gap <= span { span } else { Duration::ZERO }
    }
}

fn average(before: Duration, now: Duration) -> Duration {
    (before * (WEIGHT - 1) + now) / WEIGHT
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: Duration = Duration::from_millis(20);

    /// Operations that come `gap` apart, on a disk that syncs in `sync`.
    fn measured(gap: Duration, sync: Duration) -> Patience {
        let mut patience = Patience::new(MAX);
        let mut now = Monotonic(1);
        for _ in 0..100 {
            now = now + gap;
            patience.came(now, 1);
            patience.synced(sync);
        }
        patience
    }

    fn micros(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    #[test]
    fn nobody_waits_before_anything_was_measured_or_where_nobody_comes() {
        assert_eq!(Patience::new(MAX).span(), Duration::ZERO);
        assert_eq!(measured(micros(100_000), micros(200)).span(), Duration::ZERO);
        assert_eq!(measured(micros(1_000), micros(200)).span(), Duration::ZERO);
    }

    #[test]
    fn the_wait_follows_the_sync_and_stays_within_the_bound() {
        let close = |span: Duration, wanted: Duration| span.abs_diff(wanted) < wanted / 100;
        assert!(close(measured(micros(100), micros(200)).span(), micros(800)));
        assert!(close(measured(micros(100), micros(2_000)).span(), micros(8_000)));
        assert_eq!(measured(micros(100), micros(50_000)).span(), MAX - TIMER_RESOLUTION);
        assert_eq!(measured(micros(10), micros(0)).span(), SYNC_MIN * SYNCS, "a disk that costs nothing costs CPU");
    }

    #[test]
    fn a_bound_that_no_timer_can_keep_is_no_wait() {
        for max in [Duration::ZERO, micros(200), TIMER_RESOLUTION] {
            let mut patience = Patience::new(max);
            for at in 0..100 {
                patience.came(Monotonic(at), 1);
            }
            assert_eq!(patience.span(), Duration::ZERO);
        }
    }

    #[test]
    fn a_burst_after_an_idle_hour_is_seen_at_once() {
        let mut patience = measured(micros(100), micros(200));
        let hour = Monotonic(1) + Duration::from_secs(3_600);
        patience.came(hour, 1);
        assert_eq!(patience.span(), Duration::ZERO, "one that comes alone does not wait");
        patience.came(hour + micros(50), 64);
        patience.came(hour + micros(100), 64);
        assert!(patience.span() > Duration::ZERO);
    }
}
