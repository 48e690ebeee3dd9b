//! The kinds of fault a seed meets, drawn so that each seed has at least five besides its receivers' tempers.

use serde::Serialize;
use std::collections::BTreeSet;
use testkit::Random;

const SORT_FAULTS: u64 = 103;
const FAULTS_MIN: u64 = 5;
const FAULTS_MAX: u64 = 9;

/// A kind of fault. Lost replies, greylisting, full mailboxes, limits and receivers that close early are tempers: every seed has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Connections are reset at some byte, either way.
    ConnectionsReset,
    /// Connections are reset at some moment, whatever they are at.
    ConnectionsTorn,
    /// Connections fall silent from some byte on, one way or both: replies are lost, connections are half open.
    ConnectionsSilent,
    /// Connections are refused.
    ConnectionsRefused,
    /// Requests to connect are never answered.
    ConnectionsUnanswered,
    /// Some connections are slow.
    ConnectionsSlow,
    /// A receiver says "not now" to everybody, for spells.
    TemporaryStorms,
    /// A receiver says "never" to everybody, for spells.
    PermanentStorms,
    /// Name servers do not answer, for spells.
    NameServersFail,
    /// Reads give less than they could.
    ShortReads,
    /// The disk is busy before each group of writes: groups grow.
    BusyDisk,
    /// A read fails.
    ReadFails,
    /// A write fails, perhaps half done.
    WriteFails,
    /// A sync fails.
    SyncFails,
    /// The disk is full for a while.
    DiskFull,
    /// The wall clock jumps while the machine is down.
    ClockJumps,
    /// Each life has other settings.
    Reload,
    /// An operator holds, releases and cancels batches, and stops the engine.
    Operator,
}

impl Fault {
    /// All kinds.
    pub const ALL: [Self; 18] = [
        Self::ConnectionsReset,
        Self::ConnectionsTorn,
        Self::ConnectionsSilent,
        Self::ConnectionsRefused,
        Self::ConnectionsUnanswered,
        Self::ConnectionsSlow,
        Self::TemporaryStorms,
        Self::PermanentStorms,
        Self::NameServersFail,
        Self::ShortReads,
        Self::BusyDisk,
        Self::ReadFails,
        Self::WriteFails,
        Self::SyncFails,
        Self::DiskFull,
        Self::ClockJumps,
        Self::Reload,
        Self::Operator,
    ];
}

/// The faults of a seed.
pub(crate) fn draw(seed: u64) -> BTreeSet<Fault> {
    let mut random = Random::of(seed, SORT_FAULTS, 0);
    let mut left = Fault::ALL.to_vec();
    let count = random.between(FAULTS_MIN, FAULTS_MAX);
    (0..count).map(|_| left.swap_remove(random.below(left.len() as u64) as usize)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_seed_has_five_kinds_and_every_kind_has_its_seeds() {
        assert!((0..200).all(|seed| draw(seed).len() as u64 >= FAULTS_MIN));
        let all: BTreeSet<Fault> = (0..50).flat_map(draw).collect();
        assert_eq!(all.len(), Fault::ALL.len());
    }
}
