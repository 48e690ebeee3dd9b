//! A claims system streams jobs into `sealpost run`, which is killed with SIGKILL again and again, in the middle of the stream. What has no
//! answer is handed in again, as such a system would: a repeat that the engine knows is a duplicate, any other is accepted. At the end
//! every job arrived, and whatever arrived twice was announced as uncertain.
//!
//! `SEALPOST_KILLS` sets how many kills (8 unless set).
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test may panic, print and look at the real clock"
)]

mod support;

use serde_json::Value;
use sink::{Delivered, Personality, Sandbox, SandboxConfig, SiteConfig};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::{Door, Installation, Running, number, wait_until};
use testkit::{Batch, Options, Random};
use world::World;

/// Jobs between two kills.
const JOBS_A_LIFE: u64 = 120;

type Arrivals = Arc<Mutex<BTreeMap<String, u64>>>;

/// Hands in jobs until all are answered or the engine is gone. Gives the numbers of those that are answered.
fn stream(door: &mut Door, jobs: &[(u64, String)]) -> BTreeSet<u64> {
    let mut writer = door.stream.try_clone().unwrap();
    let text: String = jobs.iter().map(|(_, line)| format!("{line}\n")).collect();
    let writing = std::thread::spawn(move || {
        // The engine may be gone before all is written.
        let _ = std::io::Write::write_all(&mut writer, text.as_bytes());
    });
    let mut answered = BTreeSet::new();
    for (number, _) in jobs {
        let Some(answer) = door.next() else { break };
        let is_known = answer["accepted"] == true || answer["disposition"] == "duplicate";
        assert!(is_known, "{answer}");
        answered.insert(*number);
    }
    writing.join().unwrap();
    answered
}

/// Kills it from another thread, some time from now.
fn kill_later(service: Running, delay: Duration) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        std::thread::sleep(delay);
        assert_eq!(service.kill().code, None, "it lived until the kill");
    })
}

#[test]
fn and_a_repeat_is_never_sent_twice() {
    let kills: u64 = std::env::var("SEALPOST_KILLS").map_or(8, |text| text.parse().expect("SEALPOST_KILLS is a number"));
    let arrivals = Arrivals::default();
    let seen = Arc::clone(&arrivals);
    let count = Box::new(move |delivered: &Delivered<'_>| {
        *seen.lock().unwrap().entry(delivered.recipients[0].reveal().to_owned()).or_default() += 1;
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
    let socket = installation.path("state/run/jobs.sock");
    let rows = (kills + 1) * JOBS_A_LIFE;
    let batch = Batch::new(Options { rows, lines: 1..=4, destinations: sandbox.destination_names(), ..Options::default() });
    let mut open: Vec<(u64, String)> = batch.rows().enumerate().map(|(at, row)| (at as u64, row.to_json(true))).collect();

    let mut random = Random::of(31, 4, 1);
    let mut batches = BTreeSet::new();
    // An undisturbed life tells how long its jobs take on this machine; each later one is killed within twice that.
    let mut span = Duration::ZERO;
    for life in 0..=kills {
        let service = installation.start_service("warn");
        let mut door = Door::open(&socket);
        let due = open.iter().filter(|(number, _)| *number < (life + 1) * JOBS_A_LIFE).cloned().collect::<Vec<_>>();
        let started = Instant::now();
        let delay = Duration::from_micros(random.below(1 + 2 * span.as_micros() as u64));
        let (killing, calm) = if life > 0 { (Some(kill_later(service, delay)), None) } else { (None, Some(service)) };
        let answered = stream(&mut door, &due);
        open.retain(|(number, _)| !answered.contains(number));
        if let Some(killing) = killing {
            killing.join().unwrap();
        }
        if let Some(calm) = calm {
            span = started.elapsed();
            assert_eq!(calm.kill().code, None);
        }
    }
    let unanswered = open.len();
    let service = installation.start_service("warn");
    let mut door = Door::open(&socket);
    let answered = stream(&mut door, &open);
    assert_eq!(answered.len(), unanswered, "nothing disturbs the last life");

    let all_there = || arrivals.lock().unwrap().len() as u64 == rows;
    assert!(wait_until(Duration::from_secs(120), all_there), "{} of {rows} arrived", arrivals.lock().unwrap().len());
    let list = installation.run(&mut installation.verb(&["batch", "list"])).json_after(0);
    for line in list.as_array().or_else(|| list["batches"].as_array()).unwrap() {
        batches.insert(line["batch_id"].as_str().unwrap().to_owned());
    }
    let books = || -> Vec<Value> {
        let show = |id: &String| installation.run(&mut installation.verb(&["batch", "show", id])).json();
        batches.iter().map(show).collect()
    };
    let delivered = || books().iter().map(|book| number(book, "states/delivered")).sum::<i64>() as u64;
    assert!(wait_until(Duration::from_secs(30), || delivered() == rows), "{} of {rows} in the books", delivered());
    let books = books();
    assert!(books.iter().all(|book| book["balanced"] == true), "{books:?}");
    let announced: i64 = books.iter().map(|book| number(book, "uncertain")).sum();
    service.terminate();
    assert_eq!(service.wait(Duration::from_secs(60)).code, Some(0));

    let counted = world::block_on(sandbox.stop());
    println!("{kills} kills, {rows} jobs, {} doubles, {announced} announced, {unanswered} handed in once more at the end", counted.surplus);
    assert_eq!(counted.distinct, rows, "{counted:?}");
    assert!(counted.surplus as i64 <= announced, "{} doubles, {announced} announced", counted.surplus);
    assert_eq!((counted.misrouted, counted.violations), (0, 0), "{counted:?}");
}
