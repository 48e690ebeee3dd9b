//! What is wrong with a disk: errors that come once or go on, reads that give less.
//!
//! A write that fails may have written its beginning. What a sync that fails should have written is lost, as Linux loses it.

use crate::simulated::random::Random;
use std::io::{Error, Result};

/// `EIO` of Linux.
const INPUT_OUTPUT_ERROR: i32 = 5;

/// What a disk does all the time. [`DiskWeather::default`] is a good disk: every read is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DiskWeather {
    /// Reads that give less than they could, of 100.
    pub short_reads_percent: u8,
}

impl DiskWeather {
    /// How much of a read of `len` bytes is given.
    pub(super) fn read_len(&self, len: usize, random: &mut Random) -> usize {
        let is_short = len > 1 && self.short_reads_percent > 0 && random.chance(self.short_reads_percent);
        if is_short { 1 + random.index(len) } else { len }
    }
}

/// What fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskFailure {
    /// Reading a file.
    Read,
    /// Writing a file.
    Write,
    /// Making a file's bytes durable.
    Sync,
}

/// Failures that lie ahead, by kind.
#[derive(Debug, Default)]
pub(super) struct Failures([Ahead; 3]);

#[derive(Debug, Default)]
struct Ahead {
    /// Operations that still succeed.
    good: u64,
    /// And then fail.
    bad: u32,
}

impl Failures {
    /// The `later`th operation from now (1 is the next one) and those after it fail, `times` in all; 0 forgets what was set.
    pub(super) fn set(&mut self, what: DiskFailure, later: u64, times: u32) {
        self.0[what as usize] = Ahead { good: later.saturating_sub(1), bad: times };
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Counts an operation.
    pub(super) fn check(&mut self, what: DiskFailure) -> Result<()> {
        let ahead = &mut self.0[what as usize];
        if ahead.bad == 0 {
            return Ok(());
        }
        if ahead.good > 0 {
            ahead.good -= 1;
            return Ok(());
        }
        ahead.bad -= 1;
        Err(Error::from_raw_os_error(INPUT_OUTPUT_ERROR))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_come_when_they_are_due_and_as_often_as_said() {
        let mut failures = Failures::default();
        failures.set(DiskFailure::Write, 3, 2);
        let ends: Vec<bool> = (0..6).map(|_| failures.check(DiskFailure::Write).is_ok()).collect();
        assert_eq!(ends, [true, true, false, false, true, true]);
        assert!(failures.check(DiskFailure::Read).is_ok());
        failures.set(DiskFailure::Sync, 1, 1);
        failures.clear();
        assert!(failures.check(DiskFailure::Sync).is_ok());
    }
}
