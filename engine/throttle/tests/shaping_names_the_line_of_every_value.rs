//! The shipped provider rules parse, are dated, have no dead entries, equal the built-in defaults where they restate
//! them, and every effective value names its file and line. A typing mistake is an error with a suggestion.

#![allow(clippy::unwrap_used, reason = "a test may")]

use model::{Monotonic, StreamName};
use std::path::Path;
use std::time::Duration;
use throttle::limits::{Limits, Sourced};
use throttle::{Lane, Shaping, SuspendReason, explain};

/// `configs/destinations/*.toml`, sorted, with paths as an operator sees them.
fn shipped() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/destinations");
    let mut names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names.into_iter().map(|name| (format!("configs/destinations/{name}"), std::fs::read_to_string(folder.join(&name)).unwrap())).collect()
}

fn hosts(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn shipped_rules_have_no_findings() {
    let shaping = Shaping::from_files(&shipped()).unwrap();
    let findings = shaping.validate();
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn shipped_default_equals_what_is_built_in() {
    let shaping = Shaping::from_files(&shipped()).unwrap();
    let (typed, built_in) = (shaping.limits("mx.nobody-knows.example", ""), Limits::default());
    assert_eq!(typed.connections.value, built_in.connections.value);
    assert_eq!(typed.messages_per_connection.unwrap().value, built_in.messages_per_connection.unwrap().value);
    assert_eq!(typed.connect_rate.unwrap().value, built_in.connect_rate.unwrap().value);
    let values = |rates: &[Sourced<throttle::Rate>]| rates.iter().map(|rate| rate.value).collect::<Vec<_>>();
    assert_eq!(values(&typed.rates), values(&built_in.rates));
    assert_eq!(typed.messages_in_hand.value, built_in.messages_in_hand.value);
    assert_eq!(typed.recovery_divisor.value, built_in.recovery_divisor.value);
    assert_eq!(typed.recovery_step.value, built_in.recovery_step.value);
    assert_eq!(typed.ipv6.value, built_in.ipv6.value);
}

#[test]
fn families_are_known_by_their_mx() {
    let shaping = Shaping::from_files(&shipped()).unwrap();
    for (mx, family) in [
        ("gmail-smtp-in.l.google.com", "google"),
        ("ASPMX.L.GOOGLE.COM.", "google"),
        ("mta5.am0.yahoodns.net", "yahoodns"),
        ("outlook-com.olc.protection.outlook.com", "outlook"),
        ("example-org.mail.protection.outlook.com", "office365"),
        ("example-org.a-v1.mx.microsoft", "office365"),
        ("mx01.mail.icloud.com", "icloud"),
        ("mx1.comcast.net", "comcast"),
        ("eu-smtp-inbound-1.mimecast.com", "mimecast"),
        ("notgoogle.com", "the-site"),
        ("mx.example.org", "the-site"),
    ] {
        assert_eq!(shaping.limit_group("the-site", &hosts(&[mx])).as_str(), family, "{mx}");
    }
    assert_eq!(
        shaping.limit_group("s", &hosts(&["mx.example.org", "aspmx.l.google.com"])).as_str(),
        "google",
        "any of its hosts counts there"
    );
}

#[test]
fn google_gets_five_connections_and_says_from_which_line() {
    let files = shipped();
    let shaping = Shaping::from_files(&files).unwrap();
    let limits = shaping.limits("google", "");
    assert_eq!((limits.connections.value, limits.messages_per_connection.as_ref().unwrap().value), (5, 50));
    let from = limits.connections.from.to_string();
    let (file, line) = from.rsplit_once(':').unwrap();
    let (_, text) = files.iter().find(|(path, _)| path == file).unwrap();
    assert_eq!(text.lines().nth(line.parse::<usize>().unwrap() - 1).unwrap().trim(), "connections = 5");
}

#[test]
fn a_destinations_own_value_wins_and_a_later_file_wins() {
    let shipped =
        "dated = \"2026-11-22\"\nsources = [\"x\"]\n[group.big]\nmx_suffixes = [\"big.example\"]\nconnections = 5\nrates = [\"20/1m\"]\n";
    let own = "[group.big]\nconnections = 3\n[destination.\"slow.example\"]\nrates = [\"1/1m\"]\n";
    let shaping = Shaping::from_files(&[("shipped.toml", shipped), ("own.toml", own)]).unwrap();
    let limits = shaping.limits("big", "slow.example");
    assert_eq!(limits.connections.from.to_string(), "own.toml:2");
    assert_eq!((limits.connections.value, limits.rates[0].value.to_string()), (3, "1/1m".to_owned()));
    assert_eq!(shaping.limits("big", "other.example").rates[0].from.to_string(), "shipped.toml:6");
    assert_eq!(shaping.limits("big", "").messages_in_hand.from.to_string(), "built in");
}

#[test]
fn mistakes_name_file_line_and_what_to_do() {
    let error = |text: &str| Shaping::from_files(&[("own.toml", text)]).unwrap_err().to_string();
    assert_eq!(error("[group.g]\n\nconections = 5\n"), "own.toml:3: unknown key 'conections': did you mean 'connections'?");
    assert!(error("[groups.g]\nconnections = 5\n").contains("did you mean 'group'?"));
    assert!(error("[default]\nrates = [\"100/s\",\n \"20\"]\n").starts_with("own.toml:3: '20': expected a rate such as 100/s"));
    assert!(error("[default]\nconnections = 0\n").starts_with("own.toml:2: expected at least 1"));
    assert!(error("[default]\nconnections = -1\n").starts_with("own.toml:2: "));
    assert!(error("[default]\nmx_suffixes = [\"a.example\"]\n").contains("[group.NAME]"));
    assert!(error("[group.g]\ntls = \"maybe\"\n").contains("\"encrypted\" or \"verified\""));
    assert!(error("[default]\nrecovery_step = \"soon\"\n").contains("expected a span"));
    assert!(error("[default\n").starts_with("own.toml:1: "));
}

#[test]
fn dead_entries_are_found() {
    let dated = "dated = \"2026-11-22\"\nsources = [\"x\"]\n";
    let one = format!("{dated}[group.a]\nmx_suffixes = [\"a.example\", \"mx.a.example\"]\n[site.\"mx9.a.example\"]\nconnections = 1\n");
    let two = format!("{dated}[group.b]\nmx_suffixes = [\"a.example\"]\n");
    let undated = "[group.c]\nmx_suffixes = [\"c.example\"]\n".to_owned();
    let shaping = Shaping::from_files(&[("one.toml", one), ("two.toml", two), ("three.toml", undated)]).unwrap();
    let found: Vec<String> = shaping.validate().iter().map(ToString::to_string).collect();
    let expect =
        |start: &str, part: &str| assert!(found.iter().any(|f| f.starts_with(start) && f.contains(part)), "{start} {part} in {found:#?}");
    expect("one.toml:4:", "'mx.a.example' changes nothing");
    expect("two.toml:4:", "group 'a' already has it");
    expect("two.toml:4:", "group 'b' can never match");
    expect("one.toml:6:", "site 'mx9.a.example' can never match");
    expect("three.toml:1:", "`dated`");
    assert_eq!(found.len(), 5, "{found:#?}");
}

#[test]
fn explains_why_a_lane_waits() {
    let text = "[group.google]\nmx_suffixes = [\"google.com\"]\nconnections = 1\nrates = [\"20/1m\"]\n";
    let shaping = Shaping::from_files(&[("google.toml", text)]).unwrap();
    let mut lane = Lane::new(shaping.limits("google", ""), Monotonic(0));
    lane.connected(Monotonic(0));
    let source = Some("203.0.113.5".parse().unwrap());
    assert_eq!(
        explain("google", source, StreamName::Transactional, &lane, Monotonic(0)),
        "google/203.0.113.5 transactional: 1 of 1 connections in use (google.toml:3); next message allowed in 2.8 s by '20/1m' (google.toml:4)"
    );
    let hours = Monotonic(0) + Duration::from_secs(7_200);
    lane.suspend(hours, SuspendReason::Receiver("rate_limited".to_owned()));
    let line = explain("google", None, StreamName::Marketing, &lane, Monotonic(0));
    assert!(line.starts_with("google/any address marketing: suspended for 120 min: the receiver said rate_limited;"), "{line}");
    let idle = Lane::quiet_since(shaping.limits("google", ""), hours, Monotonic(0));
    assert!(explain("google", source, StreamName::Transactional, &idle, hours).ends_with("may send now"));
}
