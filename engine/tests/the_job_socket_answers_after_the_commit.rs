//! Single jobs by the Unix socket: each line is answered in order, after its commit. Whatever was answered with `accepted` survives
//! a SIGKILL right after the answer and arrives, a second copy only where it was announced as uncertain; a repeat, a changed
//! repeat, nonsense and an endless line are told apart.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use serde_json::Value;
use sink::{Delivered, Personality, Sandbox, SandboxConfig, SiteConfig};
use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{Door, Installation, wait_until};
use testkit::{Batch, Options};
use world::World;

const ROWS: u64 = 200;

type Arrivals = Arc<Mutex<BTreeMap<String, u64>>>;

fn start() -> (Installation, Sandbox, Arrivals) {
    let arrivals = Arrivals::default();
    let seen = Arc::clone(&arrivals);
    let count = Box::new(move |delivered: &Delivered<'_>| {
        let recipient = delivered.recipients[0].reveal().to_owned();
        *seen.lock().unwrap().entry(recipient).or_default() += 1;
    });
    let site = SiteConfig::new("quick", Personality::quick(), 1);
    let sandbox = Sandbox::start_with(&World::real(), SandboxConfig::new(4, vec![site]), Some(count)).unwrap();
    let installation = Installation::new(&format!(
        "\n[streams.transactional]\nretry = [\"1s\"]\n\n[tls]\nca_file = \"ca.pem\"\n\n\
         [dns]\nservers = [\"{}\"]\nsmtp_port = {}\nallow_loopback = true\n",
        sandbox.dns_address(),
        sandbox.smtp_port()
    ));
    std::fs::write(installation.path("ca.pem"), sandbox.ca_pem()).unwrap();
    (installation, sandbox, arrivals)
}

#[test]
fn answers_in_order_and_keeps_its_word_after_a_kill() {
    let (installation, sandbox, arrivals) = start();
    let batch = Batch::new(Options { rows: ROWS, lines: 1..=4, destinations: sandbox.destination_names(), ..Options::default() });
    let lines: Vec<String> = batch.rows().map(|row| row.to_json(true)).collect();
    let socket = installation.path("state/run/jobs.sock");

    // All at once, answered in order; killed at the last answer.
    let service = installation.start_service("info");
    let mut door = Door::open(&socket);
    door.hand_in(&(lines.join("\n") + "\n"));
    let answers: Vec<Value> = (0..ROWS).map(|_| door.answer()).collect();
    let killed = service.kill();
    assert_eq!(killed.code, None, "{killed:?}");
    let mut ids = std::collections::BTreeSet::new();
    for (at, answer) in answers.iter().enumerate() {
        assert_eq!(answer["row"], at as u64 + 1, "{answer}");
        assert_eq!((&answer["accepted"], &answer["state"]), (&true.into(), &"queued".into()), "{answer}");
        assert_eq!(answer["batch_id"], answers[0]["batch_id"]);
        assert!(ids.insert(answer["job_id"].as_str().unwrap().to_owned()), "an id stands twice");
    }

    // After the restart all of them are delivered, and the keys are still known.
    let service = installation.start_service("info");
    let all_there = || arrivals.lock().unwrap().len() as u64 == ROWS;
    assert!(wait_until(Duration::from_secs(60), all_there), "{} of {ROWS} arrived", arrivals.lock().unwrap().len());
    let mut door = Door::open(&socket);
    repeats_are_told(&mut door, &batch, &answers);
    nonsense_is_told(&mut door);
    a_new_job_is_still_taken(&mut door, &batch);
    an_endless_line_ends_the_connection(&socket);

    let batch_id = answers[0]["batch_id"].as_str().unwrap();
    let through = || {
        let shown = installation.run(&mut installation.verb(&["batch", "show", batch_id])).json_after(0);
        support::number(&shown, "states/delivered") == ROWS as i64 && shown["balanced"] == true
    };
    assert!(wait_until(Duration::from_secs(20), through), "the books of the streamed batch");
    service.terminate();
    assert_eq!(service.wait(Duration::from_secs(60)).code, Some(0));

    let shown = installation.run(&mut installation.verb(&["batch", "show", batch_id])).json_after(0);
    let announced = support::number(&shown, "uncertain");
    let counted = world::block_on(sandbox.stop());
    assert_eq!(counted.distinct, ROWS + 1, "{counted:?}");
    assert!(counted.surplus as i64 <= announced, "{} doubles, {announced} announced", counted.surplus);
}

fn repeats_are_told(door: &mut Door, batch: &Batch, answers: &[Value]) {
    let row = batch.row(3);
    let again = door.ask(&row.to_json(true));
    assert_eq!((&again["accepted"], &again["disposition"], &again["reason"]), (&false.into(), &"duplicate".into(), &"duplicate".into()));
    assert!(again["expected"].as_str().unwrap().contains(answers[2]["batch_id"].as_str().unwrap()), "it says which batch has it: {again}");
    // The same key with another content.
    let mut changed: Value = serde_json::from_str(&row.to_json(true)).unwrap();
    changed["provider"] = "Another Invented Clinic".into();
    let conflict = door.ask(&changed.to_string());
    assert_eq!((&conflict["accepted"], &conflict["reason"]), (&false.into(), &"key_conflict".into()), "{conflict}");
    assert!(!conflict["action"].as_str().unwrap().is_empty());
}

fn nonsense_is_told(door: &mut Door) {
    for (line, reason) in [("{\"key\":", "json_invalid"), ("no json at all", "json_invalid"), ("{}", "field_missing")] {
        let answer = door.ask(line);
        assert_eq!((&answer["accepted"], &answer["reason"]), (&false.into(), &reason.into()), "{line}: {answer}");
        assert!(answer["expected"].as_str().is_some() && answer["action"].as_str().is_some(), "{answer}");
    }
}

fn a_new_job_is_still_taken(door: &mut Door, batch: &Batch) {
    // A batch has no end of its own: one row more.
    let answer = door.ask(&batch.row(ROWS + 1).to_json(true));
    assert_eq!(answer["accepted"], true, "{answer}");
}

/// After a line without an end nothing that follows can be told apart: it is refused, and the door closes.
fn an_endless_line_ends_the_connection(socket: &Path) {
    let mut door = Door::open(socket);
    let long = "x".repeat(model::limits::NDJSON_LINE_BYTES_MAX + 10);
    // The door may close before all of it is written.
    let _ = door.stream.write_all(long.as_bytes());
    let _ = door.stream.write_all(b"\n{}\n");
    let answer = door.answer();
    assert_eq!((&answer["accepted"], &answer["reason"]), (&false.into(), &"line_too_long".into()), "{answer}");
    let mut rest = String::new();
    let ended = door.answers.read_line(&mut rest);
    assert!(matches!(ended, Ok(0) | Err(_)), "nothing follows: {rest}");
}
