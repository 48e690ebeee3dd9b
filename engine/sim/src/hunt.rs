//! The proof that the checkers see: each planted bug is looked for, seed after seed, until somebody finds it.
//!
//! A plant that no seed of a thousand shows says that a checker or the scenario is too weak, not that the code is good. What was found
//! where is kept in `engine/sim/PLANTS.md`.

use crate::installation::Installation;
use crate::run::{Effort, simulate};
use serde::{Serialize, Serializer};
use std::collections::BTreeSet;
use std::ops::Range;
use world::{Plant, World};

/// What a hunt came to.
#[derive(Debug, Clone, Serialize)]
pub struct Hunt {
    /// What was planted.
    #[serde(serialize_with = "as_name")]
    pub plant: Plant,
    /// The first seed that showed it; `None` where none did.
    pub seed: Option<u64>,
    /// Seeds that were run.
    pub seeds: u64,
    /// The checkers that saw it in that seed.
    pub checkers: BTreeSet<&'static str>,
    /// What the first of them saw.
    pub first: Option<String>,
    /// Time that passed, in milliseconds.
    pub elapsed_ms: u64,
}

impl Hunt {
    /// Whether it was found, and by a checker that is there for it ([`Plant::what`] names them). A crash of the whole engine alone
    /// would show that something is wrong, but not that anybody looks for this.
    pub fn is_good(&self) -> bool {
        self.checkers.iter().any(|checker| self.plant.what().contains(&format!("`{checker}`")))
    }
}

/// Looks for one plant in these seeds, until the checkers that are there for it have found it where the sound code shows nothing.
pub fn hunt(installation: &Installation, plant: Plant, seeds: Range<u64>, effort: &Effort) -> Hunt {
    let clock = World::real();
    let effort = Effort { plant: Some(plant), twice: false, ..*effort };
    let mut hunt = Hunt { plant, seed: None, seeds: 0, checkers: BTreeSet::new(), first: None, elapsed_ms: 0 };
    for seed in seeds {
        let run = simulate(installation, seed, &effort);
        hunt.seeds += 1;
        // What the sound code shows too is no proof of anything.
        if run.findings.is_empty() || !simulate(installation, seed, &Effort { plant: None, ..effort }).findings.is_empty() {
            continue;
        }
        let checkers: BTreeSet<&'static str> = run.findings.iter().map(|finding| finding.checker).collect();
        let found = Hunt { seed: Some(seed), checkers, first: run.findings.into_iter().next().map(|finding| finding.what), ..hunt.clone() };
        let is_good = found.is_good();
        if is_good || hunt.seed.is_none() {
            hunt = found;
        }
        if is_good {
            break;
        }
    }
    hunt.elapsed_ms = clock.monotonic().0 / 1_000_000;
    hunt
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn as_name<S: Serializer>(plant: &Plant, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(plant.name())
}
