//! When the engine's machine loses its power, its disk a sync, or its operator patience.
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

/// What ends a life before its time, and when, counted from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashPoint {
    /// The power fails in the middle of this change of the disk, from 1.
    DiskChange(u64),
    /// The power fails after this much virtual time.
    After(Duration),
    /// The disk refuses the first sync after this much virtual time: the engine must stop by itself. The machine stays up.
    SyncFails(Duration),
    /// An operator stops the engine after this much virtual time.
    Stop(Duration),
}

impl CrashPoint {
    /// The virtual time of those that have one.
    pub(crate) const fn after(self) -> Option<Duration> {
        match self {
            Self::DiskChange(_) => None,
            Self::After(span) | Self::SyncFails(span) | Self::Stop(span) => Some(span),
        }
    }
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
        let point = |number: u32, random: &mut Random| match random.below(if number == 0 { 8 } else { 10 }) {
            0 | 1 => CrashPoint::DiskChange(random.between(1, rehearsal.accepted_changes)),
            2 | 3 => CrashPoint::DiskChange(random.between(rehearsal.accepted_changes + 1, rehearsal.ended_changes)),
            4 | 5 => CrashPoint::After(random_span(random, busy)),
            6 => CrashPoint::SyncFails(random_span(random, busy)),
            7 => CrashPoint::Stop(random_span(random, busy)),
            _ => CrashPoint::DiskChange(random.between(1, RECOVERY_CHANGES)),
        };
        let crashes = (0..crashes).map(|number| (point(number, &mut random), random_span(&mut random, Duration::from_secs(30))));
        Self { crashes: crashes.collect() }
    }
}

fn random_span(random: &mut Random, longest: Duration) -> Duration {
    Duration::from_nanos(random.below(u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX)))
}
