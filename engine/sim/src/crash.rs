//! When the engine's machine loses its power.
//!
//! Points are drawn from a rehearsal, a run of the same seed without crashes, so that they fall into every phase:
//! while the batch is taken in, after its commit, while it is delivered, and while an earlier crash is recovered from.

use crate::life::Milestones;
use std::time::Duration;
use testkit::Random;

const SORT_CRASH: u64 = 101;
/// Changes of the disk in which a start is surely still recovering.
const RECOVERY_CHANGES: u64 = 60;
/// A rehearsal may be through before anybody looks.
const BUSY_MIN: Duration = Duration::from_secs(1);

/// One moment, counted from the start of a life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashPoint {
    /// In the middle of this change of the disk, from 1.
    DiskChange(u64),
    /// After this much virtual time.
    After(Duration),
}

/// The crashes of a run, one a life, and how long the machine is down after each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CrashPlan {
    /// In order.
    pub crashes: Vec<(CrashPoint, Duration)>,
}

impl CrashPlan {
    /// So many crashes of a run that went as the rehearsal did.
    pub(crate) fn new(seed: u64, crashes: u32, rehearsal: &Milestones) -> Self {
        let mut random = Random::of(seed, SORT_CRASH, 0);
        let busy = rehearsal.busy.max(BUSY_MIN);
        let point = |number: u32, random: &mut Random| match random.below(if number == 0 { 3 } else { 4 }) {
            0 => CrashPoint::DiskChange(random.between(1, rehearsal.accepted_changes)),
            1 => CrashPoint::DiskChange(random.between(rehearsal.accepted_changes + 1, rehearsal.ended_changes)),
            2 => CrashPoint::After(random_span(random, busy)),
            _ => CrashPoint::DiskChange(random.between(1, RECOVERY_CHANGES)),
        };
        let crashes = (0..crashes).map(|number| (point(number, &mut random), random_span(&mut random, Duration::from_secs(30))));
        Self { crashes: crashes.collect() }
    }
}

fn random_span(random: &mut Random, longest: Duration) -> Duration {
    Duration::from_nanos(random.below(u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX)))
}
