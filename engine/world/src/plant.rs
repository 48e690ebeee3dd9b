//! Planted bugs: deliberate faults behind a switch of the simulator, the proof that its checkers see.
//!
//! A checker that never found anything proves nothing. Each [`Plant`] is a mistake as people make it; a line of production code asks
//! [`World::is_planted`](crate::World::is_planted) and does the wrong thing where the answer is yes. The crate `sim` runs seeds with one plant each
//! and demands a finding; its manual (`engine/sim/PLANTS.md`) keeps the table of what was found where.
//!
//! It promises that no real engine can have one: without the cargo feature `planted` the question is a constant `false`, and the
//! compiler drops the site; with it, only a simulated world on which `Simulation::plant` was called says yes. [`World::real`](crate::World::real) has
//! no way to be told.

/// Makes the enum, its list and its names from one place.
macro_rules! plants {
    ($($(#[doc = $doc:literal])+ $plant:ident = $name:literal,)+) => {
        /// A deliberate fault. Each line says what is broken, then which invariant it breaks, and which checker should see it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Plant {
            $($(#[doc = $doc])+ $plant,)+
        }

        impl Plant {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$plant,)+];

            /// Its name on a command line.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$plant => $name,)+
                }
            }

            /// What is broken, in one sentence.
            pub fn what(self) -> &'static str {
                match self {
                    $(Self::$plant => concat!($($doc),+).trim(),)+
                }
            }
        }
    };
}

plants! {
    /// The record is not synced: what was answered may be gone (1, 10; `nothing_lost`, `nothing_sent_twice_unless_uncertain`).
    SkipRecordSync = "skip-record-sync",
    /// The work log is not synced: a committed job may have no payload (1; `nothing_lost`).
    SkipWorkSync = "skip-work-sync",
}

impl Plant {
    /// The plant of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|plant| plant.name() == name)
    }

    /// Its bit in a set of plants.
    #[cfg(feature = "planted")]
    pub(crate) const fn bit(self) -> u64 {
        1 << self as u8
    }
}

const _: () = assert!(Plant::ALL.len() <= 64, "a set of plants is 64 bits");

impl std::fmt::Display for Plant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::World;
    use std::collections::BTreeSet;

    #[test]
    fn the_real_world_has_no_planted_bug() {
        let world = World::real();
        assert!(Plant::ALL.iter().all(|plant| !world.is_planted(*plant) && !world.host("another").is_planted(*plant)));
    }

    #[cfg(feature = "planted")]
    #[test]
    fn a_simulated_world_has_what_was_planted_on_it_and_no_more() {
        let (sick, sound) = (crate::simulated::Simulation::new(1), crate::simulated::Simulation::new(1));
        sick.plant(Plant::SkipWorkSync);
        assert!(sick.world().is_planted(Plant::SkipWorkSync));
        assert!(!sick.world().is_planted(Plant::SkipRecordSync));
        assert!(Plant::ALL.iter().all(|plant| !sound.world().is_planted(*plant)));
    }

    #[test]
    fn each_has_a_name_of_its_own_and_says_what_it_breaks() {
        let names: BTreeSet<&str> = Plant::ALL.iter().map(|plant| plant.name()).collect();
        assert_eq!(names.len(), Plant::ALL.len());
        for plant in Plant::ALL {
            assert_eq!(Plant::from_name(plant.name()), Some(*plant));
            assert!(plant.what().ends_with(").") && plant.what().contains('`'), "{plant}: {}", plant.what());
        }
        assert_eq!(Plant::from_name("none"), None);
    }
}
