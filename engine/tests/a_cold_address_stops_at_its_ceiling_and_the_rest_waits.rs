//! A pool of two addresses. The one that began its warm-up today sends its ceiling and not one more; the other may not send yet, so
//! the rest of the batch waits. After a kill -9 the ceiling is remembered: what waits leaves from the other alone, once that is warm.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic, and lives by the real calendar")]

mod support;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use sink::{Personality, Sandbox, SandboxConfig, SiteConfig};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{Installation, wait_until};
use testkit::{Batch, Options};
use world::World;

const COLD: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));
/// Day 1 in configs/pools/warmup.toml.
const CEILING: usize = 200;
const ROWS: usize = 240;
/// Long for the machine, never reached by the story.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long nothing more may come from an address at its ceiling.
const QUIET: Duration = Duration::from_millis(700);

/// How many messages were taken from each address.
type Taken = Arc<Mutex<BTreeMap<IpAddr, usize>>>;

fn receivers() -> (Sandbox, Taken) {
    let taken = Taken::default();
    let books = Arc::clone(&taken);
    let note: sink::OnDelivery = Box::new(move |delivered| *books.lock().unwrap().entry(delivered.source).or_default() += 1);
    let sites = vec![SiteConfig::new("one", Personality::quick(), 1), SiteConfig::new("two", Personality::quick(), 1)];
    let sandbox = world::block_on(async { Sandbox::start_with(&World::real(), SandboxConfig::new(8, sites), Some(note)) }).unwrap();
    (sandbox, taken)
}

fn total(taken: &Taken) -> usize {
    taken.lock().unwrap().values().sum()
}

/// Today in UTC; not in the last minutes of it, because the story is about one day.
fn today() -> Date {
    let now = || Timestamp::now().to_zoned(TimeZone::UTC);
    while now().date() != (now() + 3.minutes()).date() {
        std::thread::sleep(Duration::from_secs(1));
    }
    now().date()
}

fn installation(sandbox: &Sandbox, today: Date) -> Installation {
    let (dns, port, tomorrow) = (sandbox.dns_address(), sandbox.smtp_port(), today + 1.day());
    let installation = Installation::new(&format!(
        "\n[streams.transactional]\nprotection = \"tls_verified\"\nretry = [\"1s\"]\ndrain = \"10s\"\npool = \"statements\"\n\n\
         [tls]\nca_file = \"ca.pem\"\n\n[dns]\nservers = [\"{dns}\"]\nsmtp_port = {port}\nallow_loopback = true\n\n\
         [pools.statements]\nehlo_name = \"o1.mail.lakeside.example\"\naddresses = [\n    {{ ip = \"{COLD}\", warmup_started = \"{today}\" }},\n    \
         {{ ip = \"{OTHER}\", warmup_started = \"{tomorrow}\" }},\n]\n"
    ));
    std::fs::write(installation.path("ca.pem"), sandbox.ca_pem()).unwrap();
    installation
}

fn leased(installation: &Installation) -> u64 {
    let text = std::fs::read(installation.path("state/ledger/transactional.addresses.json")).unwrap();
    let saved: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let cold = saved["addresses"].as_array().unwrap().iter().find(|entry| entry["ip"] == COLD.to_string()).unwrap().clone();
    cold["leased"].as_u64().unwrap()
}

#[test]
fn until_the_other_may_send() {
    let (sandbox, taken) = receivers();
    let today = today();
    let installation = installation(&sandbox, today);
    let batch =
        Batch::new(Options { seed: 11, rows: ROWS as u64, lines: 1..=3, destinations: sandbox.destination_names(), ..Options::default() });
    let files = installation.write_835("statements", &batch);
    assert_eq!(files.expected.accepted.rows, ROWS as u64);

    let service = installation.start_service("info");
    let following = installation.start(&mut installation.send_command(&files));
    assert!(wait_until(PATIENCE, || total(&taken) >= CEILING), "only {:?} arrived: {}", taken.lock().unwrap(), service.log());
    std::thread::sleep(QUIET);
    assert_eq!(*taken.lock().unwrap(), BTreeMap::from([(COLD, CEILING)]), "the ceiling, and nothing from an address before its day");
    assert!(service.log().contains("may send nothing more today"), "an operator is told: {}", service.log());
    assert_eq!(leased(&installation), CEILING as u64);

    // Killed, not stopped; the other address is warm now.
    service.kill();
    drop(following);
    let tomorrow = today + 1.day();
    installation.rewrite_config(|text| text.replace(&format!(", warmup_started = \"{tomorrow}\""), ""));
    let service = installation.start_service("info");
    assert!(wait_until(PATIENCE, || total(&taken) >= ROWS), "only {:?} arrived: {}", taken.lock().unwrap(), service.log());
    let listed = || installation.run(&mut installation.verb(&["batch", "list"])).json_after(0);
    assert!(wait_until(PATIENCE, || listed()[0]["active"] == 0), "{}", listed());
    assert_eq!(*taken.lock().unwrap(), BTreeMap::from([(COLD, CEILING), (OTHER, ROWS - CEILING)]));
    assert_eq!(sandbox.report().surplus, 0, "nobody got a message twice");

    // A stop in order gives back what was leased and not sent.
    service.terminate();
    assert_eq!(service.wait(Duration::from_secs(30)).code, Some(0));
    assert_eq!(leased(&installation), CEILING as u64);
    let text = std::fs::read_to_string(installation.path("state/ledger/transactional.addresses.json")).unwrap();
    assert!(text.contains(&format!("\"leased\":{}", ROWS - CEILING)), "{text}");
}
