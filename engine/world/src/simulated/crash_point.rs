//! Where a host's power fails: counted by what it does, so that every moment of its life can be reached from a number.

use std::sync::atomic::{AtomicU64, Ordering};

/// Where a host crashes, counted from now; 1 is the next one. Each is one moment that the code under test can be interrupted at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashPoint {
    /// In the middle of this change of its disk: a write, sync, create, rename, removal or directory sync. Whether that change still took
    /// effect is drawn by lot.
    DiskChange(u64),
    /// After this poll of one of its tasks: at an await point.
    Poll(u64),
    /// With this byte of its connections, either way: it is sent or read, the ones behind it are not. Unix sockets count too.
    NetworkByte(u64),
}

/// Counts down to a crash. Zero is none.
#[derive(Debug, Default)]
pub(super) struct Countdown(AtomicU64);

impl Countdown {
    pub(super) fn set(&self, later: u64) {
        self.0.store(later.max(1), Ordering::SeqCst);
    }

    pub(super) fn clear(&self) {
        self.0.store(0, Ordering::SeqCst);
    }

    /// Counts `by` further; how many of them were left, where that was enough.
    pub(super) fn count(&self, by: u64) -> Option<u64> {
        let left = self.0.load(Ordering::SeqCst);
        if left == 0 {
            return None;
        }
        self.0.store(left.saturating_sub(by), Ordering::SeqCst);
        (by >= left).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::Countdown;

    #[test]
    fn it_is_reached_once_and_says_where() {
        let countdown = Countdown::default();
        assert_eq!(countdown.count(100), None);
        countdown.set(10);
        assert_eq!([countdown.count(9), countdown.count(5), countdown.count(5)], [None, Some(1), None]);
        countdown.set(3);
        countdown.clear();
        assert_eq!(countdown.count(3), None);
    }
}
