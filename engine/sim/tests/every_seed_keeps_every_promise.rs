//! A batch through the true engine in a simulated world: whatever the seed and wherever the power fails, nothing is lost, doubles are
//! known, every row is accounted for, nothing is readable, limits hold; and the same seed is the same run.

use sim::{Effort, Installation, Phase, simulate};
use std::collections::BTreeSet;

const SEEDS: std::ops::Range<u64> = 1_000..1_020;
const STATEMENTS: u64 = 50;

#[test]
fn twenty_seeds_with_up_to_three_crashes_each() {
    let installation = Installation::new().unwrap();
    let mut phases = BTreeSet::new();
    for seed in SEEDS {
        let crashes = 1 + (seed % 3) as u32;
        let run = simulate(&installation, seed, &Effort { statements: STATEMENTS, crashes, twice: true });
        assert!(run.findings.is_empty(), "sim --seed {seed} --crashes {crashes} --statements {STATEMENTS}: {:#?}", run.findings);
        phases.extend(run.phases);
    }
    // Otherwise this story tells less than it says.
    assert_eq!(phases, BTreeSet::from([Phase::Intake, Phase::Delivery, Phase::Recovery]));
}

#[test]
fn seeds_that_once_failed_stay_good() {
    let installation = Installation::new().unwrap();
    let mut lines = 0;
    for line in include_str!("../seeds.txt").lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        let mut numbers = line.split_whitespace().map(|word| word.parse::<u64>());
        let mut next = || numbers.next().and_then(Result::ok).unwrap_or_else(|| panic!("expected `seed crashes statements why`: {line}"));
        let (seed, crashes, statements) = (next(), next() as u32, next());
        let run = simulate(&installation, seed, &Effort { statements, crashes, twice: true });
        assert!(run.findings.is_empty(), "{line}: {:#?}", run.findings);
        lines += 1;
    }
    assert!(lines > 0, "seeds.txt has no seed");
}

#[test]
fn another_seed_is_another_run() {
    let installation = Installation::new().unwrap();
    let run = |seed| simulate(&installation, seed, &Effort { statements: 20, crashes: 0, twice: false });
    let (one, other) = (run(1), run(2));
    assert_ne!(one.trace_hash, other.trace_hash);
    assert_eq!(one.trace_hash, run(1).trace_hash);
}
