//! A run: scenario, lives and crashes, verdict.

use crate::checkers;
use crate::crash::CrashPlan;
use crate::evidence::Finding;
use crate::fault::Fault;
use crate::installation::Installation;
use crate::scenario::Scenario;
use crate::stage::{ENGINE, Phase, Stage};
use ledger::BatchReport;
use serde::{Serialize, Serializer};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use world::Plant;
use world::simulated::Simulation;

/// How hard a seed is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// Rows of the batch.
    pub rows: u64,
    /// Crashes of the engine's machine.
    pub crashes: u32,
    /// Steps of the scheduler after which a run is taken to be going in circles.
    pub steps_max: u64,
    /// Whether the run is made again, and must be the same.
    pub twice: bool,
    /// What is broken on purpose.
    pub plant: Option<Plant>,
}

impl Default for Effort {
    /// What a seed is worth: 2,000 rows, 3 crashes, once, and ten times the steps that this takes.
    fn default() -> Self {
        Self { rows: 2_000, crashes: 3, steps_max: 3_000_000, twice: false, plant: None }
    }
}

/// What a run came to.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    /// Its seed.
    pub seed: u64,
    /// The hash of everything that happened.
    #[serde(serialize_with = "as_hex")]
    pub trace_hash: u64,
    /// Crashes of the engine's machine.
    pub crashes: u64,
    /// What the engine was at in each.
    pub phases: Vec<Phase>,
    /// Steps of the scheduler.
    pub steps: u64,
    /// Virtual time, in milliseconds.
    pub virtual_ms: u64,
    /// The kinds of fault it met, besides its receivers' tempers.
    pub faults: BTreeSet<Fault>,
    /// The engine's reports, where it came to them.
    pub reports: Vec<BatchReport>,
    /// Messages that came more than once.
    pub doubled: u64,
    /// What must not be.
    pub findings: Vec<Finding>,
    /// The latest events of a run with findings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub latest_events: Vec<String>,
}

/// Runs a seed.
pub fn simulate(installation: &Installation, seed: u64, effort: &Effort) -> Run {
    let first = one_run(installation, seed, effort);
    if effort.twice { compared(first, &one_run(installation, seed, effort)) } else { first }
}

/// The same seed, the same run.
fn compared(mut first: Run, second: &Run) -> Run {
    if (first.trace_hash, first.steps, &first.reports) != (second.trace_hash, second.steps, &second.reports) {
        let (one, other) = (first.steps, second.steps);
        first.findings.push(Finding::new("the_same_seed_is_the_same_run", format!("two runs differ: {one} and {other} steps")));
    }
    first
}

fn one_run(installation: &Installation, seed: u64, effort: &Effort) -> Run {
    let simulation = Simulation::new(seed);
    simulation.set_step_limit(effort.steps_max);
    effort.plant.into_iter().for_each(|plant| simulation.plant(plant));
    let scenario = Scenario::new(seed, effort.rows);
    let faults = scenario.faults.clone();
    let plan = CrashPlan::new(seed, effort.crashes, effort.rows, &faults);
    let stage = catch_unwind(AssertUnwindSafe(|| Stage::set(installation, &simulation, scenario)));
    let mut stage = match stage {
        Ok(Ok(stage)) => stage,
        Ok(Err(error)) => return failed(&simulation, seed, error),
        Err(panic) => return failed(&simulation, seed, panic_text(&*panic)),
    };
    // A panic in any task ends the run and is a finding; its message has no value of a person, like every message of the engine.
    let played = catch_unwind(AssertUnwindSafe(|| stage.play(&plan)));
    let mut findings = std::mem::take(&mut stage.findings);
    let reports = match played {
        Ok(Some(evidence)) => {
            findings.extend(checkers::check(&evidence));
            evidence.reports.into_values().map(|(_, report)| report).collect()
        }
        Ok(None) => Vec::new(),
        Err(panic) => {
            findings.push(Finding::new("nothing_panics", panic_text(&*panic)));
            Vec::new()
        }
    };
    Run {
        seed,
        trace_hash: simulation.trace_hash(),
        crashes: simulation.crashes_of(ENGINE),
        phases: std::mem::take(&mut stage.phases),
        steps: simulation.steps(),
        virtual_ms: simulation.now().0 / 1_000_000,
        doubled: stage.sandbox.report().doubled,
        faults,
        reports,
        latest_events: if findings.is_empty() { Vec::new() } else { simulation.latest_events() },
        findings,
    }
}

fn failed(simulation: &Simulation, seed: u64, error: String) -> Run {
    Run {
        seed,
        trace_hash: simulation.trace_hash(),
        crashes: 0,
        phases: Vec::new(),
        steps: simulation.steps(),
        virtual_ms: 0,
        faults: BTreeSet::new(),
        reports: Vec::new(),
        doubled: 0,
        findings: vec![Finding::new("the_stage_is_set", error)],
        latest_events: simulation.latest_events(),
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without a message").to_owned()
}

fn as_hex<S: Serializer>(hash: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format!("{hash:016x}"))
}
