//! The operating system's clocks, and tokio's timers.

use crate::clock::{Clock, Sleep};
use model::{Monotonic, Timestamp};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub(super) struct SystemClock {
    start: Instant,
}

impl SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one place where the monotonic clock is read")]
    pub(super) fn start() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn monotonic(&self) -> Monotonic {
        Monotonic(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    #[allow(clippy::disallowed_methods, reason = "the one place where the wall clock is read")]
    fn wall(&self) -> Timestamp {
        // A machine set before 1970 has no time worth telling from 1970.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn sleep_until(&self, at: Monotonic) -> Sleep {
        let deadline = self.start + Duration::from_nanos(at.0);
        // Made on the first poll, so that a sleep may be created outside an executor.
        Sleep::new(async move { tokio::time::sleep_until(deadline.into()).await })
    }
}
