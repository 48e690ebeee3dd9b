//! `sealpost demo`: the whole journey on invented data, into a sandbox world of its own.
//!
//! An 835 and an NDJSON batch are made, accepted, delivered under throttles to receivers of every temper, and reconciled
//! against what the receivers counted themselves. The sandbox is another process, so that the CPU shown is the engine's.

use super::output::say;
use super::{Exit, Outcome, Trouble, report};
use crate::config::Config;
use crate::control::{self, Answer, Request};
use crate::engine::Engine;
use crate::files::FileRequest;
use clap::Args;
use indicatif::MultiProgress;
use model::{BatchId, StreamName};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use testkit::{Batch, Options};
use world::World;

/// What stands in the demo's configuration beside paths and addresses.
const CONFIG: &str = include_str!("demo.toml");
/// The receivers' limits as the demo's engine knows them.
const LIMITS: &str = include_str!("demo-limits.toml");
const DOMAIN: &str = "mail.lakeside.example";
const DEADLINE_MS: u64 = 55_000;

/// Deliver invented statements into a sandbox world, and show the books.
#[derive(Debug, Args)]
#[command(
    after_help = "Nothing leaves this machine: receivers and their DNS listen on 127.0.0.0/8. Members, claims and amounts are invented.\n\n\
                        Exit codes: 0 every batch balances and agrees with what the receivers counted · 1 it does not."
)]
pub(super) struct Arguments {
    /// How many statements, split over an 835 and an NDJSON batch.
    #[arg(long, default_value_t = 20_000)]
    statements: u64,
    /// Folder for configuration, batches, journal and samples. Default: a new one among the system's temporary files.
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

pub(super) fn run(arguments: Arguments, json: bool) -> Outcome {
    let world = World::real();
    let dir = arguments.dir.unwrap_or_else(|| std::env::temp_dir().join(format!("sealpost-demo-{}", std::process::id())));
    world.disk().create_dir_all(&dir).map_err(Trouble::failed)?;
    let mut sandbox = SandboxProcess::start(&dir)?;
    let config_file = write_installation(&world, &dir, &sandbox)?;
    say(json, &format!("environment test · 15 kinds of receivers on loopback · {} invented destinations", sandbox.destinations.len()));
    let batches = write_batches(&dir, arguments.statements, &sandbox.destinations)?;
    let config = Config::load(&config_file).map_err(Trouble::usage)?;
    write_sample(&config, &batches[0], &dir)?;
    let outcome = world::block_on(deliver(&world, config, &batches, json))?;
    let counted = sandbox.stop()?;
    let agrees = print(&outcome, &counted, &dir, &config_file, json);
    Ok(if agrees { Exit::Done } else { Exit::Failed })
}

/// A batch and its contact file.
struct BatchFiles {
    batch: PathBuf,
    members: PathBuf,
}

/// What the engine says of the run.
struct Delivered {
    reports: Vec<(Value, u64)>,
    latencies: Vec<telemetry::LatencySummary>,
    cpu_ms: u64,
    journal_bytes: u64,
    elapsed_ms: u64,
}

async fn deliver(world: &World, config: Config, batches: &[BatchFiles], json: bool) -> Result<Delivered, Trouble> {
    let settings = config.into_settings(world).map_err(Trouble::usage)?;
    let engine = Engine::start(world.clone(), settings).await.map_err(Trouble::failed)?;
    let (cpu_before, started) = (cpu_ms(), world.monotonic());
    let bars = MultiProgress::new();
    let follow = |files: &BatchFiles| {
        let file = FileRequest {
            manifest: None,
            path: files.batch.clone(),
            members: Some(files.members.clone()),
            input: crate::input::Input::default(),
            tenant: None,
            stream: StreamName::Transactional,
        };
        follow(&engine, file, super::progress::Bar::among(&bars, json))
    };
    let answers = futures_util::future::join_all(batches.iter().map(follow)).await;
    let elapsed_ms = u64::try_from((world.monotonic() - started).as_millis()).unwrap_or(u64::MAX);
    let cpu_ms = cpu_ms().saturating_sub(cpu_before);
    let latencies = engine.times().snapshot();
    let journal_bytes = engine.journal_bytes();
    let mut reports = Vec::new();
    for answer in answers {
        match answer {
            Some(Answer::Report { report, elapsed_ms, .. }) => {
                if let Some(batch) = report["batch_id"].as_str().and_then(|text| text.parse::<BatchId>().ok()) {
                    engine.close_batch(batch).await.map_err(Trouble::failed)?;
                }
                reports.push((report, elapsed_ms));
            }
            Some(other) => return Err(super::send::trouble_of(other)),
            None => return Err(Trouble::failed("the engine gave no answer")),
        }
    }
    engine.stop().await;
    Ok(Delivered { reports, latencies, cpu_ms, journal_bytes, elapsed_ms })
}

async fn follow(engine: &Engine, file: FileRequest, mut bar: super::progress::Bar) -> Option<Answer> {
    let (answers, told) = world::channel::bounded(16);
    let working = async {
        control::obey(engine, Request::Send { file, deadline_ms: Some(DEADLINE_MS) }, &answers).await;
        drop(answers);
    };
    let last = futures_util::future::join(working, control::tell(told, |answer| bar.show(answer))).await.1;
    bar.finish();
    last
}

/// Keys, limits and configuration of the demo.
fn write_installation(world: &World, dir: &Path, sandbox: &SandboxProcess) -> Result<PathBuf, Trouble> {
    let keys = dir.join("keys");
    world.disk().create_dir_all(&keys).map_err(Trouble::failed)?;
    let key = keys.join("key-encryption.key");
    if !key.exists() {
        journal::new_key_file(world, &key).map_err(Trouble::failed)?;
        let made = seal::new_keys(DOMAIN, "sealpost-rsa", "sealpost-ed25519").map_err(Trouble::failed)?;
        write(&keys.join("sealpost-rsa.pem"), made.rsa_pem.as_bytes())?;
        write(&keys.join("sealpost-ed25519.pem"), made.ed25519_pem.as_bytes())?;
    }
    write(&dir.join("limits.toml"), LIMITS.as_bytes())?;
    let text = CONFIG.replace("127.0.0.1:53", &sandbox.dns).replace("smtp_port = 25", &format!("smtp_port = {}", sandbox.port));
    let path = dir.join("sealpost.toml");
    write(&path, text.as_bytes())?;
    Ok(path)
}

fn write_batches(dir: &Path, statements: u64, destinations: &[String]) -> Result<Vec<BatchFiles>, Trouble> {
    let of_835 = statements * 3 / 5;
    let mut files = Vec::new();
    for (number, rows, name) in [(1, of_835, "remittance.835"), (2, statements - of_835, "statements.ndjson")] {
        let batch = Batch::new(Options {
            seed: number,
            rows,
            destinations: destinations.to_vec(),
            without_contact_per_mille: 5,
            mismatched_per_mille: 2,
            duplicate_per_mille: 5,
            unbalanced_per_mille: 3,
            reversal_per_mille: 3,
            ..Options::default()
        });
        let (path, members) = (dir.join(name), dir.join(format!("contacts-{number}.csv")));
        let mut into = create(&path)?;
        let written = if number == 1 { batch.write_x12_835(&mut into) } else { batch.write_ndjson(&mut into) };
        written.and_then(|_| into.flush()).map_err(Trouble::failed)?;
        let mut into = create(&members)?;
        batch.write_contacts(&mut into).and_then(|_| into.flush()).map_err(Trouble::failed)?;
        files.push(BatchFiles { batch: path, members });
    }
    Ok(files)
}

/// The first statement as its member would see it.
fn write_sample(config: &Config, files: &BatchFiles, dir: &Path) -> Result<(), Trouble> {
    let contacts = crate::files::read_contacts(&files.members).map_err(Trouble::failed)?;
    let rows = super::statements::open(&files.batch, &intake::InputProfile::default())?;
    let sample = super::preview::Request {
        tenant: &config.tenants[0],
        templates: &config.paths.templates,
        contacts: Some(&contacts),
        out: &dir.join("sample"),
        first: 1,
    };
    super::preview::write_messages(&World::real(), &sample, rows).map(drop)
}

/// The sandbox as a child process; closing its standard input ends it.
struct SandboxProcess {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<std::process::ChildStdout>,
    dns: String,
    port: u64,
    destinations: Vec<String>,
}

impl SandboxProcess {
    fn start(dir: &Path) -> Result<Self, Trouble> {
        let program = std::env::current_exe().map_err(Trouble::failed)?;
        let mut child = Command::new(program)
            .args(["sandbox", "--ca-file"])
            .arg(dir.join("sandbox-ca.pem"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| Trouble::failed(format!("the sandbox cannot start: {error}")))?;
        let input = child.stdin.take();
        let output = child.stdout.take().ok_or_else(|| Trouble::failed("the sandbox has no output"))?;
        let mut process = Self { child, input, output: BufReader::new(output), dns: String::new(), port: 0, destinations: Vec::new() };
        let ready = process.line()?;
        process.dns = ready["dns"].as_str().unwrap_or_default().to_owned();
        process.port = ready["port"].as_u64().unwrap_or(0);
        process.destinations =
            ready["destinations"].as_array().into_iter().flatten().filter_map(|name| Some(name.as_str()?.to_owned())).collect();
        Ok(process)
    }

    /// Ends it; what it counted.
    fn stop(&mut self) -> Result<Value, Trouble> {
        drop(self.input.take());
        let report = self.line();
        let _ = self.child.wait();
        report
    }

    fn line(&mut self) -> Result<Value, Trouble> {
        let mut line = String::new();
        self.output.read_line(&mut line).map_err(Trouble::failed)?;
        serde_json::from_str(&line).map_err(|error| Trouble::failed(format!("the sandbox ended early: {error}")))
    }
}

impl Drop for SandboxProcess {
    fn drop(&mut self) {
        drop(self.input.take());
        // It ends by itself when its input closes; this only collects it.
        let _ = self.child.wait();
    }
}

/// Prints the books; whether everything balances and agrees with the receivers.
fn print(outcome: &Delivered, counted: &Value, dir: &Path, config: &Path, json: bool) -> bool {
    let sum = |path: &[&str]| -> u64 {
        let of = |report: &Value| path.iter().fold(report, |value, key| &value[*key]).as_u64().unwrap_or(0);
        outcome.reports.iter().map(|(report, _)| of(report)).sum()
    };
    let (delivered, uncertain) = (sum(&["states", "delivered"]), sum(&["uncertain"]));
    let balanced = outcome.reports.iter().all(|(report, _)| report["balanced"].as_bool() == Some(true));
    let (distinct, surplus) = (counted["distinct"].as_u64().unwrap_or(0), counted["surplus"].as_u64().unwrap_or(0));
    // Every delivered statement is one message here; what was taken twice, or taken and not known to be, was announced as uncertain.
    let agrees = distinct >= delivered && distinct <= delivered + uncertain && surplus <= uncertain;
    let per_message_us = outcome.cpu_ms * 1_000 / delivered.max(1);
    let summary = serde_json::json!({
        "balanced": balanced, "agrees_with_receivers": agrees, "delivered": delivered, "uncertain": uncertain,
        "receivers": { "distinct": distinct, "surplus": surplus, "violations": counted["violations"], "misrouted": counted["misrouted"],
                       "accepted_without_tls": counted["sites"].as_array().into_iter().flatten().map(|site| site["accepted_without_tls"].as_u64().unwrap_or(0)).sum::<u64>() },
        "elapsed_ms": outcome.elapsed_ms, "cpu_us_per_message": per_message_us, "journal_bytes_per_message": outcome.journal_bytes / delivered.max(1),
        "latencies": outcome.latencies, "reports": outcome.reports.iter().map(|(report, _)| report).collect::<Vec<_>>(), "config": config, "dir": dir,
    });
    report::print_demo(&summary, &outcome.reports, json);
    balanced && agrees
}

/// CPU time of this process so far (proc(5): utime and stime, in ticks of 10 ms).
fn cpu_ms() -> u64 {
    const TICK_MS: u64 = 10;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program stands in brackets and may have blanks; the fields counted here come after it.
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    after_name.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() * TICK_MS
}

fn create(path: &Path) -> Result<BufWriter<File>, Trouble> {
    File::create(path).map(BufWriter::new).map_err(|error| Trouble::failed(format!("{}: {error}", path.display())))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Trouble> {
    super::preview::write(path, bytes)
}

fn say(json: bool, line: &str) {
    if !json {
        say!("{line}");
    }
}
