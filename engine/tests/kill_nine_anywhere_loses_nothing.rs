//! `sealpost send` is killed with SIGKILL again and again, at moments spread over reading, commit and delivery, and started
//! again with the same file: every accepted statement arrives, nothing counts as its own duplicate, and whatever arrives
//! twice was announced as uncertain.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test may panic, print and look at the real clock"
)]

mod support;

use serde_json::Value;
use sink::{Delivered, Personality, Sandbox, SandboxConfig, SiteConfig};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::{BatchFiles, Installation, number};
use testkit::{Batch, Options, Random, RowKind};
use world::World;

/// Kills, each in a batch of its own; every third batch is killed a second time while it recovers.
const MOMENTS: u32 = 12;
const ROWS: u64 = 150;
/// Tries to bring one batch to its end.
const SENDS_MAX: u32 = 6;

type Arrivals = Arc<Mutex<BTreeMap<String, u64>>>;

fn batch(seed: u64, destinations: &[String]) -> Batch {
    Batch::new(Options {
        seed,
        rows: ROWS,
        lines: 1..=5,
        destinations: destinations.to_vec(),
        duplicate_per_mille: 30,
        mismatched_per_mille: 20,
        unbalanced_per_mille: 20,
        ..Options::default()
    })
}

fn sections(sandbox: &Sandbox) -> String {
    format!(
        "\n[streams.transactional]\nretry = [\"1s\"]\n\n[tls]\nca_file = \"ca.pem\"\n\n\
         [dns]\nservers = [\"{}\"]\nsmtp_port = {}\nallow_loopback = true\n",
        sandbox.dns_address(),
        sandbox.smtp_port()
    )
}

#[test]
fn at_twelve_moments() {
    let world = World::real();
    let arrivals = Arrivals::default();
    let seen = Arc::clone(&arrivals);
    let count = Box::new(move |delivered: &Delivered<'_>| {
        for recipient in delivered.recipients {
            *seen.lock().unwrap().entry(recipient.reveal().to_owned()).or_default() += 1;
        }
    });
    let sites =
        vec![SiteConfig::new("quick", Personality::quick(), 3), SiteConfig::new("slow", Personality::slow(Duration::from_millis(10)), 1)];
    let sandbox = Sandbox::start_with(&world, SandboxConfig::new(12, sites), Some(count)).unwrap();
    let installation = Installation::new(&sections(&sandbox));
    std::fs::write(installation.path("ca.pem"), sandbox.ca_pem()).unwrap();
    // Slow enough that a batch is under way for a while.
    std::fs::write(
        installation.path("limits.toml"),
        "[default]\nconnections = 8\nconnect_rate = \"2000/s\"\nmessages_per_connection = 40\nrates = [\"400/s\"]\n",
    )
    .unwrap();
    let destinations = sandbox.destination_names();

    // Two undisturbed lives tell how long a life is; the first one also makes the journal.
    let mut batches = Vec::new();
    let mut life = Duration::MAX;
    let mut uncertain = 0;
    for seed in [1000, 1001] {
        let calm = batch(seed, &destinations);
        let files = installation.write_835(&format!("calm-{seed}"), &calm);
        let started = Instant::now();
        let report = installation.send(&files).json_after(5);
        life = life.min(started.elapsed());
        uncertain += number(&report, "uncertain");
        batches.push(calm);
    }
    assert_eq!(uncertain, 0);

    let mut random = Random::of(77, 1, 1);
    let (mut kills, mut late) = (0, 0);
    for moment in 0..MOMENTS {
        let next = batch(u64::from(moment) + 1, &destinations);
        let files = installation.write_835(&format!("batch-{moment}"), &next);
        // Evenly over the life, with a little chance.
        let part_us = life.as_micros() as u64 / u64::from(MOMENTS);
        let mut delays = vec![Duration::from_micros(part_us * u64::from(moment) + random.below(part_us))];
        if moment % 3 == 2 {
            delays.push(Duration::from_micros(random.below(life.as_micros() as u64 / 2)));
        }
        let mut told = None;
        for delay in delays {
            let (killed, report) = kill_after(&installation, &files, delay);
            if killed {
                kills += 1
            } else {
                late += 1
            }
            told = report;
            if told.is_some() {
                break;
            }
        }
        let report = told.unwrap_or_else(|| until_done(&installation, &files));
        uncertain += number(&report, "uncertain");
        expect_the_books_of(&report, &files, moment);
        batches.push(next);
    }
    println!("{kills} kills in {MOMENTS} batches of {ROWS} rows ({late} came after the end), a calm life took {life:?}");

    let counted = world::block_on(sandbox.stop());
    let arrivals = arrivals.lock().unwrap();
    let mut surplus = 0;
    let mut due: BTreeMap<String, u64> = BTreeMap::new();
    for row in batches.iter().flat_map(Batch::rows).filter(|row| row.kind == RowKind::Plain) {
        *due.entry(row.person.email.reveal().to_owned()).or_default() += 1;
    }
    for (address, expected) in &due {
        let arrived = arrivals.get(address).copied().unwrap_or(0);
        assert!(arrived >= *expected, "an accepted statement did not arrive");
        surplus += arrived - expected;
    }
    assert_eq!(arrivals.len(), due.len(), "somebody got a message who is owed none");
    println!("{} messages arrived, {surplus} of them a second time; {uncertain} were announced as uncertain", counted.accepted);
    assert!(surplus as i64 <= uncertain, "{surplus} doubles, {uncertain} announced");
    assert_eq!(counted.surplus, surplus, "a second copy has the Message-ID of the first");
    assert_eq!(counted.distinct, due.values().sum::<u64>());
    assert_eq!((counted.misrouted, counted.violations), (0, 0), "{counted:?}");
    // How long a life is varies with the machine: some kills come too late, but not most of them.
    assert!(kills >= MOMENTS / 2, "too few kills came before the end: {kills}");
}

/// Starts a send and kills it. Whether it was still alive, and its report where it had told it: then the batch may be closed,
/// and the same file is a new one full of duplicates.
fn kill_after(installation: &Installation, files: &BatchFiles, delay: Duration) -> (bool, Option<Value>) {
    let started = Instant::now();
    let mut running = installation.start(&mut installation.send_command(files));
    let ended = support::wait_until(delay.saturating_sub(started.elapsed()), || running.poll().is_some());
    let said = running.kill();
    assert!(!ended || said.code == Some(5), "{said:#?}");
    (!ended, serde_json::from_str(&said.stdout).ok())
}

/// Sends the same file again until its batch is closed.
fn until_done(installation: &Installation, files: &BatchFiles) -> Value {
    for _ in 0..SENDS_MAX {
        let ended = installation.send(files);
        let report = ended.json_after(5);
        if report["closed"] == true {
            return report;
        }
    }
    panic!("not closed after {SENDS_MAX} sends");
}

fn expect_the_books_of(report: &Value, files: &BatchFiles, moment: u32) {
    let expected = files.expected;
    assert_eq!(report["balanced"], true, "moment {moment}: {report}");
    let counts = [
        ("source_records", expected.source_records),
        ("statements/read", expected.read.rows),
        ("statements/duplicate", expected.duplicate.rows),
        ("statements/rejected", expected.rejected.rows),
        ("statements/accepted", expected.accepted.rows),
        ("states/held", expected.held.rows),
        ("states/delivered", expected.accepted.rows - expected.held.rows),
        ("states/queued", 0),
        ("states/in_flight", 0),
        ("states/uncertain", 0),
    ];
    for (name, count) in counts {
        assert_eq!(number(report, name), count as i64, "moment {moment}: {name}: {report}");
    }
    assert_eq!(number(report, "money_cents/billed/accepted"), expected.accepted.money.billed.0, "moment {moment}");
    assert_eq!(
        number(report, "money_cents/member_owes/delivered"),
        (expected.accepted.money.member_owes - expected.held.money.member_owes).0,
        "moment {moment}"
    );
}
