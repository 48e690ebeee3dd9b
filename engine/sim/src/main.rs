//! `sim`: runs seeds and says what each came to; exits 1 where something was found.

use clap::Parser;
use sim::{Effort, Hunt, Installation, Phase, Run, hunt, simulate};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::Range;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use world::channel::{Receiver, bounded};
use world::{Plant, World, block_on};

#[global_allocator]
static ALLOCATOR: allocator::Allocator = allocator::Allocator;

const HELP: &str = "\
A seed decides everything: the batch, the receivers and their temper, the network, the faults, and where the engine's machine loses its \
power. The same seed gives the same run, to the last byte (its trace hash says so).

Examples:
  sim --seed 42                       one seed: 2,000 rows, 3 crashes
  sim --seed 42 --events              and what happened last, where something was found
  sim --seed 42 --log info            with what the engine logs; the hours are those of this machine
  sim --seed 42 --twice               run it again and compare
  sim --seed 42 --rows 60 --crashes 1 the same seed made small: another run, for looking closely
  sim --seeds 0..10000 --jobs 2 --quiet
  sim --plant skip-record-sync --seed 3   the same seed with a planted bug: it must be found
  sim --plants --jobs 2                   every planted bug, each until it is found, as a table

A seed with a finding belongs into engine/sim/seeds.txt: the tests run that list again.
Exit codes: 0 nothing found, 1 a finding, 2 a wrong argument.";

/// Findings of a seed that are printed; one mistake may cost every statement.
const FINDINGS_SHOWN: usize = 12;
/// What a planted bug must be found in.
const HUNT_SEEDS: Range<u64> = 0..1_000;
/// Most bugs do not need large batches, and a thousand seeds of small ones are run in minutes.
const HUNT_ROWS: u64 = 200;

/// Run batches through the engine in a simulated world, crash it, and judge what is left.
#[derive(Debug, Parser)]
#[command(name = "sim", after_help = HELP)]
struct Arguments {
    /// One seed.
    #[arg(long, value_name = "N", conflicts_with = "seeds", required_unless_present_any = ["seeds", "plants"])]
    seed: Option<u64>,
    /// Seeds from A up to, but without, B.
    #[arg(long, value_name = "A..B", value_parser = range)]
    seeds: Option<Range<u64>>,
    /// Steps of the scheduler (polls of a task) after which a run counts as going in circles.
    #[arg(long, value_name = "M", default_value_t = Effort::default().steps_max)]
    steps: u64,
    /// Rows of a seed [default: 2000; 200 with --plants].
    #[arg(long)]
    rows: Option<u64>,
    /// Crashes of the engine's machine.
    #[arg(long, default_value_t = Effort::default().crashes)]
    crashes: u32,
    /// Threads; each runs one seed at a time.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
    /// Break this on purpose; `--plants --json` names them all.
    #[arg(long, value_name = "NAME", value_parser = plant, conflicts_with = "plants")]
    plant: Option<Plant>,
    /// Look for every planted bug, each until a checker that is there for it finds it: 1,000 seeds of 200 rows, unless told otherwise.
    /// Prints plant, seed, checkers, seconds; exits 1 where one is not found.
    #[arg(long, conflicts_with_all = ["twice", "events", "quiet", "seed"])]
    plants: bool,
    /// Make each run again, and compare.
    #[arg(long)]
    twice: bool,
    /// Show the latest events of a run with findings.
    #[arg(long)]
    events: bool,
    /// The engine's log on standard error, of these targets and levels (`info`, or `sealpost::journal=debug`).
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// Print seeds with findings alone; the sum comes last either way.
    #[arg(long)]
    quiet: bool,
    /// One line of JSON a seed, and one for the sum.
    #[arg(long)]
    json: bool,
}

impl Arguments {
    fn effort(&self, rows: u64) -> Effort {
        let rows = self.rows.unwrap_or(rows);
        Effort { rows, crashes: self.crashes, steps_max: self.steps, twice: self.twice, plant: self.plant }
    }
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let expected = || format!("'{text}' is no range of seeds; write 0..100");
    let (from, to) = text.split_once("..").ok_or_else(expected)?;
    let range = from.parse().map_err(|_| expected())?..to.parse().map_err(|_| expected())?;
    if range.is_empty() { Err(format!("'{text}' holds no seed: the second number is the first one that is not run")) } else { Ok(range) }
}

fn plant(name: &str) -> Result<Plant, String> {
    Plant::from_name(name).ok_or_else(|| {
        let names: Vec<&str> = Plant::ALL.iter().map(|plant| plant.name()).collect();
        format!("there is no plant '{name}'; there are: {}", names.join(", "))
    })
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(Err(error)) = arguments.log.as_ref().map(|filter| telemetry::logging::start(false, filter)) {
        let _ = writeln!(io::stderr(), "sim: {error}");
        return ExitCode::from(2);
    }
    let result = if arguments.plants { hunt_all(&arguments) } else { all(&arguments) };
    match result {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            let _ = writeln!(io::stderr(), "sim: {error}");
            ExitCode::from(1)
        }
    }
}

/// What all seeds came to.
#[derive(Debug, Default, serde::Serialize)]
struct Sum {
    seeds: u64,
    with_findings: u64,
    crashes: u64,
    phases: BTreeMap<Phase, u64>,
    steps: u64,
    elapsed_ms: u64,
}

impl Sum {
    fn add(&mut self, run: &Run) {
        self.seeds += 1;
        self.with_findings += u64::from(!run.findings.is_empty());
        self.crashes += run.crashes;
        self.steps += run.steps;
        run.phases.iter().for_each(|phase| *self.phases.entry(*phase).or_default() += 1);
    }
}

/// Runs all seeds; the number of those with findings.
fn all(arguments: &Arguments) -> Result<u64, Box<dyn std::error::Error>> {
    let seeds = arguments.seeds.clone().or(arguments.seed.map(|seed| seed..seed.saturating_add(1))).unwrap_or(0..0);
    let clock = World::real();
    let (runs, gone) = start(&clock, arguments, seeds.clone())?;
    let (mut out, mut sum) = (io::stdout().lock(), Sum::default());
    let mut early = BTreeMap::new();
    for seed in seeds {
        // Threads finish in any order; what is printed does not show it.
        while !early.contains_key(&seed) {
            let Some(run) = block_on(runs.recv()) else { break };
            early.insert(run.seed, run);
        }
        let Some(run) = early.remove(&seed) else { break };
        sum.add(&run);
        if !arguments.quiet || !run.findings.is_empty() {
            print(&mut out, arguments, run).inspect_err(|_| gone.store(true, Ordering::Relaxed))?;
        }
    }
    sum.elapsed_ms = clock.monotonic().0 / 1_000_000;
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(&sum)?)?;
    } else {
        let (Sum { seeds, with_findings, crashes, steps, elapsed_ms, .. }, phases) = (&sum, serde_json::to_string(&sum.phases)?);
        writeln!(out, "{seeds} seeds, {with_findings} with findings, {crashes} crashes {phases}, {steps} steps, {elapsed_ms} ms")?;
    }
    Ok(sum.with_findings)
}

/// Looks for every plant; the number of those that nobody found.
fn hunt_all(arguments: &Arguments) -> Result<u64, Box<dyn std::error::Error>> {
    let (effort, seeds) = (arguments.effort(HUNT_ROWS), arguments.seeds.clone().unwrap_or(HUNT_SEEDS));
    let (world, installation, next) = (World::real(), Arc::new(Installation::new()?), Arc::new(AtomicUsize::new(0)));
    // A planted bug may end in a panic, which is a finding like any other: the table tells it.
    std::panic::set_hook(Box::new(|_| {}));
    let (finished, hunts) = bounded(64);
    for number in 0..arguments.jobs {
        let (installation, next, finished, seeds) = (installation.clone(), next.clone(), finished.clone(), seeds.clone());
        world.spawn_thread(&format!("sim-{number}"), move || async move {
            while let Some(plant) = Plant::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
                if finished.send(apart(|| hunt(&installation, *plant, seeds.clone(), &effort)).await).await.is_err() {
                    return;
                }
            }
        });
    }
    drop(finished);
    let (mut out, mut early, mut not_found) = (io::stdout().lock(), BTreeMap::new(), 0);
    for plant in Plant::ALL {
        while !early.contains_key(plant) {
            let Some(hunt) = block_on(hunts.recv()) else { break };
            early.insert(hunt.plant, hunt);
        }
        let Some(hunt) = early.remove(plant) else { break };
        not_found += u64::from(!hunt.is_good());
        print_hunt(&mut out, arguments, &hunt)?;
    }
    if !arguments.json {
        let (all, elapsed_ms) = (Plant::ALL.len() as u64, world.monotonic().0 / 1_000_000);
        writeln!(out, "{all} plants, {} found, {not_found} not found, {elapsed_ms} ms", all - not_found)?;
    }
    Ok(not_found)
}

fn print_hunt(out: &mut impl Write, arguments: &Arguments, hunt: &Hunt) -> Result<(), Box<dyn std::error::Error>> {
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(hunt)?)?;
        return Ok(());
    }
    let Hunt { plant, seed, seeds, checkers, elapsed_ms, .. } = hunt;
    let seed = seed.map_or_else(|| format!("none of {seeds}"), |seed| format!("seed {seed}"));
    let verdict = if hunt.is_good() { "found" } else { "MISSED" };
    let checkers: Vec<&str> = checkers.iter().copied().collect();
    let (seconds, tenths) = (elapsed_ms / 1_000, elapsed_ms % 1_000 / 100);
    writeln!(out, "{plant:<26} {verdict:<7} {seed:<13} {seconds:>4}.{tenths} s  {}", checkers.join(", "))?;
    out.flush()?;
    Ok(())
}

/// Starts the threads, which take seeds in turn until there are none, or until nobody listens.
fn start(world: &World, arguments: &Arguments, seeds: Range<u64>) -> Result<(Receiver<Run>, Arc<AtomicBool>), Box<dyn std::error::Error>> {
    let effort = arguments.effort(Effort::default().rows);
    let (installation, next, gone) =
        (Arc::new(Installation::new()?), Arc::new(AtomicU64::new(seeds.start)), Arc::new(AtomicBool::new(false)));
    let (finished, runs) = bounded(64);
    for number in 0..arguments.jobs {
        let (installation, next, gone, finished) = (installation.clone(), next.clone(), gone.clone(), finished.clone());
        world.spawn_thread(&format!("sim-{number}"), move || async move {
            while !gone.load(Ordering::Relaxed) {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds.end || finished.send(apart(|| simulate(&installation, seed, &effort)).await).await.is_err() {
                    return;
                }
            }
        });
    }
    Ok((runs, gone))
}

/// Runs a simulation outside of tokio's budget for tasks: all tasks of a simulated world would share the one of this thread's, and stand
/// still when it is spent.
async fn apart<R>(run: impl FnOnce() -> R) -> R {
    tokio::task::unconstrained(async { run() }).await
}

fn print(out: &mut impl Write, arguments: &Arguments, mut run: Run) -> Result<(), Box<dyn std::error::Error>> {
    if !arguments.events {
        run.latest_events.clear();
    }
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(&run)?)?;
        return Ok(());
    }
    let Run { seed, trace_hash, crashes, steps, virtual_ms, doubled, .. } = &run;
    let (phases, faults) = (serde_json::to_string(&run.phases)?, serde_json::to_string(&run.faults)?);
    let verdict = if run.findings.is_empty() { "ok" } else { "FOUND" };
    writeln!(
        out,
        "seed {seed}: {verdict}, trace {trace_hash:016x}, {steps} steps, {virtual_ms} ms virtual, {crashes} crashes {phases}, {doubled} doubled, {faults}"
    )?;
    for finding in run.findings.iter().take(FINDINGS_SHOWN) {
        writeln!(out, "  {}: {}", finding.checker, finding.what)?;
    }
    if run.findings.len() > FINDINGS_SHOWN {
        writeln!(out, "  and {} more (--json shows all)", run.findings.len() - FINDINGS_SHOWN)?;
    }
    for event in &run.latest_events {
        writeln!(out, "    {event}")?;
    }
    Ok(())
}
