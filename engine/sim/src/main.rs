//! `sim`: runs seeds and prints one line of JSON for each; exits 1 where something was found.

use clap::Parser;
use sim::{Effort, Installation, Phase, Run, simulate};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::Range;
use std::process::ExitCode;

/// Run a batch through the engine in a simulated world, crash it, and judge what is left.
#[derive(Debug, Parser)]
#[command(
    name = "sim",
    after_help = "One line of JSON a seed: trace hash, report, findings. Exit codes: 0 nothing found, 1 a finding, 2 a wrong argument.\n\
                  A seed with a finding belongs into engine/sim/seeds.txt: the tests run that list again."
)]
struct Arguments {
    /// One seed.
    #[arg(long, conflicts_with = "seeds", required_unless_present = "seeds")]
    seed: Option<u64>,
    /// Seeds from A up to, but without, B.
    #[arg(long, value_name = "A..B", value_parser = range)]
    seeds: Option<Range<u64>>,
    /// Crashes of the engine's machine.
    #[arg(long, default_value_t = 1)]
    crashes: u32,
    /// Rows of the batch.
    #[arg(long, default_value_t = 60)]
    statements: u64,
    /// Make each run again, and compare.
    #[arg(long)]
    twice: bool,
    /// Show the latest events of a run with findings.
    #[arg(long)]
    events: bool,
    /// Print seeds with findings alone, and a last line with how many there were and how long it took.
    #[arg(long)]
    quiet: bool,
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let expected = || format!("'{text}' is no range of seeds; write 0..100");
    let (from, to) = text.split_once("..").ok_or_else(expected)?;
    Ok(from.parse().map_err(|_| expected())?..to.parse().map_err(|_| expected())?)
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let effort = Effort { statements: arguments.statements, crashes: arguments.crashes, twice: arguments.twice };
    let seeds = arguments.seeds.or(arguments.seed.map(|seed| seed..seed.saturating_add(1))).unwrap_or(0..0);
    match all(seeds, &effort, arguments.quiet, arguments.events) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            let _ = writeln!(io::stderr(), "sim: {error}");
            ExitCode::from(1)
        }
    }
}

/// Runs all seeds; the number of those with findings.
fn all(seeds: Range<u64>, effort: &Effort, quiet: bool, events: bool) -> Result<u64, Box<dyn std::error::Error>> {
    let installation = Installation::new()?;
    let clock = world::World::real();
    let (mut out, mut found, mut crashes) = (io::stdout().lock(), 0, 0);
    let mut phases: BTreeMap<Phase, u64> = BTreeMap::new();
    let count = seeds.end.saturating_sub(seeds.start);
    for seed in seeds {
        let mut run: Run = simulate(&installation, seed, effort);
        if !events {
            run.latest_events.clear();
        }
        found += u64::from(!run.findings.is_empty());
        crashes += run.crashes;
        run.phases.iter().for_each(|phase| *phases.entry(*phase).or_default() += 1);
        if !quiet || !run.findings.is_empty() {
            writeln!(out, "{}", serde_json::to_string(&run)?)?;
        }
    }
    if quiet {
        let elapsed_ms = clock.monotonic().0 / 1_000_000;
        let sum = serde_json::json!({
            "seeds": count, "with_findings": found, "crashes": crashes, "phases": phases, "elapsed_ms": elapsed_ms,
        });
        writeln!(out, "{sum}")?;
    }
    Ok(found)
}
