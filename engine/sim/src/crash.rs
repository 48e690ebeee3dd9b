//! When the engine's machine loses its power, its disk fails, or its operator loses patience.
//!
//! Every point is drawn from the seed alone and counted from the start of a life, so that no run is needed to find it. The draws are
//! spread evenly over orders of magnitude: the first polls of a start are as likely as those of a long delivery. A life that is through
//! before its point is crashed as it stands.

use crate::fault::Fault;
use std::collections::BTreeSet;
use std::time::Duration;
use testkit::Random;
use world::simulated::{CrashPoint, DiskFailure};

const SORT_CRASH: u64 = 101;
/// About what a life of 2,000 rows counts to; a point beyond it is a crash at rest.
const CHANGES_MAX: u64 = 3_000;
const READS_MAX: u64 = 4_000;
const POLLS_MAX: u64 = 60_000;
/// On a disk that is nearly full.
const ROOM_MAX: u64 = 4 << 20;
const NETWORK_BYTES_MAX: u64 = 20_000_000;
const SPAN_MAX: Duration = Duration::from_secs(300);
/// In these a start is surely still recovering.
const RECOVERY_CHANGES: u64 = 60;
const RECOVERY_POLLS: u64 = 150;
const DOWN_MAX: Duration = Duration::from_secs(30);

/// What ends a life before its time, and when, counted from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The power fails where the machine's own counters say.
    Power(CrashPoint),
    /// The power fails after this much virtual time.
    After(Duration),
    /// The power fails when a receiver has taken so many messages of this life, before the engine can know of the last one.
    Taken(u64),
    /// The power fails with a write that says something particular.
    Said(Saying),
    /// The disk fails in the `later`th operation of a kind, and in those after it, `times` in all. The machine stays up; whether the engine
    /// stops by itself, depends on what it needed.
    DiskFails {
        /// The kind.
        what: DiskFailure,
        /// From 1.
        later: u64,
        /// How often.
        times: u32,
    },
    /// From this moment on the disk holds so many bytes more and no others, until the life ends.
    DiskFull {
        /// Since the start.
        after: Duration,
        /// Bytes.
        room: u64,
    },
    /// An operator stops the engine after this much virtual time.
    Stop(Duration),
}

/// Where the power fails, told by what the journal writes: so that the moments are met that last a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saying {
    /// The kind of a frame, as `engine/journal/src/format.rs` numbers them.
    pub kind: u8,
    /// In so many changes of the disk, from 1, the write of the first such frame itself.
    pub later: u64,
}

impl Saying {
    const BATCH_COMMIT: u8 = 18;
    const OPERATOR: u8 = 25;
    const MOVED: u8 = 28;

    fn draw(random: &mut Random) -> Self {
        let kind = *random.pick(&[Self::BATCH_COMMIT, Self::BATCH_COMMIT, Self::OPERATOR, Self::MOVED]);
        Self { kind, later: random.between(1, 4) }
    }
}

impl Ending {
    /// The virtual time of those that have one.
    pub(crate) const fn after(self) -> Option<Duration> {
        match self {
            Self::Power(_) | Self::Taken(_) | Self::Said(_) | Self::DiskFails { .. } => None,
            Self::After(span) | Self::DiskFull { after: span, .. } | Self::Stop(span) => Some(span),
        }
    }

    /// Whether the disk is to blame where the engine gives up.
    pub(crate) const fn is_of_disk(self) -> bool {
        matches!(self, Self::DiskFails { .. } | Self::DiskFull { .. })
    }

    /// Reads that fail at most.
    pub(crate) const fn failed_reads_max(self) -> u64 {
        match self {
            Self::DiskFails { what: DiskFailure::Read, times, .. } => times as u64,
            _ => 0,
        }
    }

    /// Whether the machine loses its memory.
    pub(crate) const fn is_crash(self) -> bool {
        matches!(self, Self::Power(_) | Self::After(_) | Self::Taken(_) | Self::Said(_))
    }
}

/// How the lives of a run end, all but the last, and how long the machine is down after each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CrashPlan {
    /// In order.
    pub endings: Vec<(Ending, Duration)>,
}

impl CrashPlan {
    /// So many crashes, and between them what else the seed's faults bring.
    pub(crate) fn new(seed: u64, crashes: u32, rows: u64, faults: &BTreeSet<Fault>) -> Self {
        let mut random = Random::of(seed, SORT_CRASH, 0);
        let mut endings: Vec<Ending> = Vec::new();
        for number in 0..crashes {
            // Some of the later ones come while the crash before is recovered from.
            let is_recovering = number > 0 && random.chance(400);
            endings.push(if is_recovering { early(&mut random) } else { anywhere(&mut random, rows) });
        }
        // Drawn by itself, so that the draws above mean what they meant.
        let mut more = Random::of(seed, SORT_CRASH, 1);
        if crashes > 0 && more.chance(400) {
            endings.insert(more.below(endings.len() as u64) as usize, Ending::Said(Saying::draw(&mut more)));
        }
        for fault in faults {
            let Some(gentle) = gentle(*fault, &mut random) else { continue };
            endings.insert(random.below(endings.len() as u64 + 1) as usize, gentle);
        }
        let with_pause = endings.into_iter().map(|ending| (ending, Duration::from_nanos(random.below(nanos(DOWN_MAX)))));
        Self { endings: with_pause.collect() }
    }
}

/// What a fault does to a life, where it ends one.
fn gentle(fault: Fault, random: &mut Random) -> Option<Ending> {
    let fails = |what, later_max, random: &mut Random| {
        let times = *random.pick(&[1, 1, 2, if what == DiskFailure::Read { 20 } else { 1_000 }]);
        Some(Ending::DiskFails { what, later: magnitude(random, later_max), times })
    };
    match fault {
        Fault::ReadFails => fails(DiskFailure::Read, READS_MAX, random),
        Fault::WriteFails => fails(DiskFailure::Write, CHANGES_MAX / 2, random),
        Fault::SyncFails => fails(DiskFailure::Sync, CHANGES_MAX / 2, random),
        Fault::DiskFull => Some(Ending::DiskFull { after: span(random), room: magnitude(random, ROOM_MAX) }),
        Fault::Operator => Some(Ending::Stop(span(random))),
        _ => None,
    }
}

fn early(random: &mut Random) -> Ending {
    Ending::Power(match random.chance(500) {
        true => CrashPoint::DiskChange(random.between(1, RECOVERY_CHANGES)),
        false => CrashPoint::Poll(random.between(1, RECOVERY_POLLS)),
    })
}

fn anywhere(random: &mut Random, rows: u64) -> Ending {
    match random.below(9) {
        0 | 1 => Ending::Power(CrashPoint::DiskChange(magnitude(random, CHANGES_MAX))),
        2 | 3 => Ending::Power(CrashPoint::Poll(magnitude(random, POLLS_MAX))),
        4 | 5 => Ending::Power(CrashPoint::NetworkByte(magnitude(random, NETWORK_BYTES_MAX))),
        6 | 7 => Ending::Taken(random.between(1, rows.div_ceil(4).max(1))),
        _ => Ending::After(span(random)),
    }
}

fn span(random: &mut Random) -> Duration {
    Duration::from_nanos(magnitude(random, nanos(SPAN_MAX)))
}

/// A number up to `max`, every order of magnitude as likely as the next.
pub(crate) fn magnitude(random: &mut Random, max: u64) -> u64 {
    let bits = random.between(1, u64::from(u64::BITS - max.leading_zeros()));
    random.between(1 << (bits - 1), (1 << bits) - 1).min(max)
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
