//! A batch waits because its receivers cannot be reached: what a queued job costs in memory, and how long a restart takes to its first
//! delivery and until all jobs are schedulable, after a SIGKILL.
//!
//! A small number of jobs is a story of every day. The measurement is the same with a million and the release build:
//!
//! ```text
//! cargo build --release -p sealpost
//! SEALPOST_BINARY=target/release/sealpost cargo test -p sealpost --test a_million_queued_jobs_fit_and_come_back -- --ignored --nocapture
//! ```
//!
//! It prints one line of JSON. `SEALPOST_JOBS`, `SEALPOST_LINES` (service lines of a statement) and `SEALPOST_DESTINATIONS` change its
//! size. Everything is loopback, lies in a folder that goes with it, and ends by itself.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test may panic, a measurement prints and looks at the real clock"
)]

mod support;

use serde_json::{Value, json};
use sink::{Personality, Sandbox, SandboxConfig, SiteConfig};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::{Installation, Running, free_port, wait_until};
use testkit::{Batch, Options};
use world::World;

/// No step of the measurement takes longer.
const STEP_MAX: Duration = Duration::from_secs(900);
/// How long memory may take to settle: the ledger follows, and what is free is given back twelve seconds after a start or a batch.
const SETTLE: Duration = Duration::from_secs(20);
/// Where nobody looks at the memory.
const SETTLE_FEW: Duration = Duration::from_secs(2);
const FEW: u64 = 10_000;

struct Size {
    jobs: u64,
    lines: u16,
    destinations: u64,
}

impl Size {
    fn from_environment() -> Self {
        let number = |name: &str, default| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
        Self {
            jobs: number("SEALPOST_JOBS", 1_000_000),
            lines: number("SEALPOST_LINES", 2) as u16,
            destinations: number("SEALPOST_DESTINATIONS", 1_000),
        }
    }
}

/// Memory of a process, in bytes: what `/proc/PID/status` says.
#[derive(Debug, Clone, Copy)]
struct Memory {
    resident: u64,
    peak: u64,
}

impl Memory {
    fn of(service: &Running) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{}/status", service.id())).unwrap();
        let fields: BTreeMap<&str, &str> = status.lines().filter_map(|line| line.split_once(':')).collect();
        let bytes = |name: &str| fields[name].trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024;
        Self { resident: bytes("VmRSS"), peak: bytes("VmHWM") }
    }
}

fn route(to: &str) -> String {
    format!("[routes]\n\"*\" = {{ to = \"{to}\", plaintext = true }}\n")
}

fn installation(to: &str) -> Installation {
    let streams = "\n[streams.transactional]\nprotection = \"plaintext_loopback\"\nretry = [\"1h\"]\ndrain = \"1s\"\n\n";
    let installation = Installation::new(&format!("{streams}{}", route(to)));
    installation.rewrite_config(|config| config.replace("segment = \"1MiB\"", "segment = \"64MiB\""));
    installation
}

/// Starts the service and tells when its doors opened: everything of the past is schedulable then.
fn start(installation: &Installation) -> (Running, Duration) {
    let mut command: Command = installation.verb(&["run"]);
    command.args(["--log", "info"]);
    let started = Instant::now();
    let mut service = installation.start(&mut command);
    let door = installation.path("state/run/control.sock");
    let mut ended = false;
    let is_open = wait_until(STEP_MAX, || {
        ended = service.poll().is_some();
        ended || UnixStream::connect(&door).is_ok()
    });
    assert!(is_open && !ended, "the service does not open its doors: {}", service.log());
    (service, started.elapsed())
}

/// Hands the file over and waits until all its jobs are queued; the seconds until it was accepted.
fn hand_over(installation: &Installation, file: &Path, jobs: u64) -> Duration {
    let started = Instant::now();
    let mut door = UnixStream::connect(installation.path("state/run/control.sock")).unwrap();
    door.set_read_timeout(Some(STEP_MAX)).unwrap();
    let request = json!({
        "verb": "send",
        "file": { "path": file, "members": null, "format": null, "tenant": null, "stream": "transactional" },
        "deadline_ms": null,
    });
    writeln!(door, "{request}").unwrap();
    let mut accepted = None;
    for line in BufReader::new(door).lines() {
        let answer: Value = serde_json::from_str(&line.unwrap()).unwrap();
        match answer["answer"].as_str().unwrap() {
            "accepted" => accepted = Some(started.elapsed()),
            "progress" if answer["queued"].as_i64().unwrap() + answer["in_flight"].as_i64().unwrap() == jobs as i64 => {
                return accepted.unwrap();
            }
            "progress" => assert!(started.elapsed() < STEP_MAX, "{answer}"),
            _ => panic!("{answer}"),
        }
    }
    panic!("the door closed");
}

fn write_batch(installation: &Installation, size: &Size) -> std::path::PathBuf {
    let batch = Batch::new(Options {
        rows: size.jobs,
        lines: size.lines..=size.lines,
        destinations: (1..=size.destinations).map(|number| format!("d{number:05}.example")).collect(),
        ..Options::default()
    });
    let path = installation.path("batch.ndjson");
    let mut into = BufWriter::with_capacity(1 << 20, File::create(&path).unwrap());
    batch.write_ndjson_with_recipients(&mut into).unwrap();
    into.flush().unwrap();
    path
}

fn folder_bytes(path: &Path) -> u64 {
    let entries = std::fs::read_dir(path).into_iter().flatten().map(|entry| entry.unwrap());
    entries.map(|entry| if entry.path().is_dir() { folder_bytes(&entry.path()) } else { entry.metadata().unwrap().len() }).sum()
}

fn seconds(span: Duration) -> f64 {
    (span.as_secs_f64() * 1e3).round() / 1e3
}

/// The whole course; what it measured.
fn measure(size: &Size) -> Value {
    let first_delivery = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&first_delivery);
    let note = Box::new(move |_: &sink::Delivered<'_>| {
        seen.lock().unwrap().get_or_insert_with(Instant::now);
    });
    let sites = vec![SiteConfig::new("quick", Personality::quick(), 1)];
    let sandbox = Sandbox::start_with(&World::real(), SandboxConfig::new(1, sites), Some(note)).unwrap();
    let receiver = sandbox.address_of("quick").unwrap().to_string();
    let nobody = format!("127.0.0.1:{}", free_port());
    let installation = installation(&nobody);

    let settle = if size.jobs < FEW { SETTLE_FEW } else { SETTLE };
    let (service, first_start) = start(&installation);
    std::thread::sleep(settle);
    let idle = Memory::of(&service);
    let file = write_batch(&installation, size);
    let file_bytes = std::fs::metadata(&file).unwrap().len();
    let accepted_after = hand_over(&installation, &file, size.jobs);
    std::fs::remove_file(&file).unwrap();
    std::thread::sleep(settle);
    let queued = Memory::of(&service);
    service.kill();
    let state = installation.path("state");
    let (journal_bytes, index_bytes) = (folder_bytes(&state.join("journal")), folder_bytes(&state.join("index")));

    // Nobody can be reached: what a restart leaves in memory.
    let (service, unreachable_start) = start(&installation);
    std::thread::sleep(settle);
    let restarted = Memory::of(&service);
    service.kill();

    // The receivers are back.
    installation.rewrite_config(|config| config.replace(&route(&nobody), &route(&receiver)));
    let started = Instant::now();
    let (service, schedulable_after) = start(&installation);
    assert!(wait_until(STEP_MAX, || first_delivery.lock().unwrap().is_some()), "nothing is delivered: {}", service.log());
    let first_delivery_after = first_delivery.lock().unwrap().unwrap() - started;
    service.kill();

    let per_job = |memory: Memory| (memory.resident as f64 - idle.resident as f64) / size.jobs as f64;
    json!({
        "jobs": size.jobs,
        "service_lines": size.lines,
        "destinations": size.destinations,
        "file_bytes": file_bytes,
        "journal_bytes": journal_bytes,
        "index_bytes": index_bytes,
        "first_start_s": seconds(first_start),
        "accepted_after_s": seconds(accepted_after),
        "resident_idle_bytes": idle.resident,
        "resident_queued_bytes": queued.resident,
        "resident_restarted_bytes": restarted.resident,
        "resident_bytes_per_job": per_job(queued),
        "resident_bytes_per_job_after_restart": per_job(restarted),
        "peak_while_accepting_bytes": queued.peak,
        "peak_of_restart_bytes": restarted.peak,
        "restart_all_schedulable_s": seconds(schedulable_after),
        "restart_all_schedulable_unreachable_s": seconds(unreachable_start),
        "restart_first_delivery_s": seconds(first_delivery_after),
    })
}

#[test]
#[ignore = "a measurement"]
fn measured() {
    println!("{}", measure(&Size::from_environment()));
}

#[test]
fn a_few_thousand() {
    let measured = measure(&Size { jobs: 3_000, lines: 1, destinations: 40 });
    // Everything that was accepted was there again: a start counts it before its doors open, and delivery began.
    assert!(measured["restart_first_delivery_s"].as_f64().unwrap() < 30.0, "{measured}");
    assert!(measured["index_bytes"].as_u64().is_some(), "{measured}");
}
