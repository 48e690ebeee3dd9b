//! A batch through the true engine in a simulated world: whatever the seed and wherever the power fails, nothing is lost, doubles are
//! known, every row is accounted for, nothing is readable, limits hold; and the same seed is the same run.

use sim::{Effort, Installation, Phase, simulate};
use std::collections::BTreeSet;

/// Bounded, so that two slow cores are through in a minute; `sim --seeds 0..10000` is the campaign.
const SEEDS: std::ops::Range<u64> = 1_000..1_020;
const ROWS: u64 = 300;

#[test]
fn twenty_seeds_with_three_crashes_each() {
    let installation = Installation::new().unwrap();
    let mut phases = BTreeSet::new();
    for seed in SEEDS {
        let effort = Effort { rows: ROWS, ..Effort::default() };
        let run = simulate(&installation, seed, &effort);
        assert!(run.findings.is_empty(), "sim --seed {seed} --rows {ROWS}: {:#?}", run.findings);
        assert!(run.crashes >= u64::from(effort.crashes), "seed {seed} crashed {} times", run.crashes);
        phases.extend(run.phases);
    }
    // Otherwise this story tells less than it says.
    assert_eq!(phases, BTreeSet::from([Phase::Intake, Phase::Delivery, Phase::Recovery, Phase::Rest]));
}

#[test]
fn a_whole_seed_is_the_same_run_each_time() {
    let run = simulate(&Installation::new().unwrap(), 42, &Effort { twice: true, ..Effort::default() });
    assert!(run.findings.is_empty(), "sim --seed 42 --twice: {:#?}", run.findings);
}

#[test]
fn seeds_that_once_failed_stay_good() {
    let installation = Installation::new().unwrap();
    let mut lines = 0;
    for line in include_str!("../seeds.txt").lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        let mut numbers = line.split_whitespace().map(|word| word.parse::<u64>());
        let mut next = || numbers.next().and_then(Result::ok).unwrap_or_else(|| panic!("expected `seed crashes rows why`: {line}"));
        let (seed, crashes, rows) = (next(), next() as u32, next());
        let run = simulate(&installation, seed, &Effort { rows, crashes, ..Effort::default() });
        assert!(run.findings.is_empty(), "{line}: {:#?}", run.findings);
        lines += 1;
    }
    assert!(lines > 0, "seeds.txt has no seed");
}

#[test]
fn another_seed_is_another_run() {
    let installation = Installation::new().unwrap();
    let run = |seed| simulate(&installation, seed, &Effort { rows: 20, crashes: 0, ..Effort::default() });
    let (one, other) = (run(1), run(2));
    assert_ne!(one.trace_hash, other.trace_hash);
    assert_eq!(one.trace_hash, run(1).trace_hash);
}
