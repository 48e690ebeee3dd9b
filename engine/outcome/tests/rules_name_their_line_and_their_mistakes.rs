//! The shipped rules parse, are dated and have no dead ones; a typing mistake is an error with a suggestion.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod shipped;

use outcome::{Cause, Phase, Rules};
use shipped::{answered, files, hosts, reply};

#[test]
fn shipped_rules_have_no_findings() {
    let findings = Rules::from_files(&files()).unwrap().validate();
    assert!(findings.is_empty(), "{findings:#?}");
}

#[test]
fn mistakes_name_file_line_and_what_to_do() {
    let error = |rule: &str| Rules::from_files(&[("own.toml", format!("[[rule]]\n{rule}"))]).unwrap_err().to_string();
    assert_eq!(error("codes = [\"421\"]\ncauze = \"refused\"\n"), "own.toml:3: unknown key 'cauze': did you mean 'cause'?");
    assert_eq!(
        error("codes = [\"421\"]\ncause = \"rate_limit\"\n"),
        "own.toml:3: unknown cause 'rate_limit': did you mean 'rate_limited'?"
    );
    assert!(error("codes = [\"250\"]\ncause = \"refused\"\n").starts_with("own.toml:2: '250': expected a reply code"));
    assert!(error("enhanced = [\"5.7\"]\ncause = \"refused\"\n").contains("expected an enhanced code"));
    assert!(error("cause = \"refused\"\n").contains("either codes, enhanced or text"));
    assert!(error("codes = [\"421\"]\ntrouble = [\"timeout\"]\ncause = \"refused\"\n").contains("state one of the two"));
    assert!(error("codes = [\"421\"]\n").contains("needs a cause"));
    assert!(error("codes = [\"421\"]\ncause = \"refused\"\nslow = 4\n").starts_with("own.toml:4: state for how long"));
    assert!(error("codes = [\"421\"]\ncause = \"refused\"\nslow = 4\nspan = \"1h\"\nsuspend = \"1h\"\n").contains("state one of suspend"));
    assert!(error("codes = [\"421\"]\ncause = \"refused\"\nsuspend = \"soon\"\n").starts_with("own.toml:4: expected a span"));
    assert!(error("codes = [\"421\"]\ncause = \"refused\"\nconnections = 0\nspan = \"1h\"\n").contains("at least 1"));
}

#[test]
fn dead_rules_are_found() {
    let text = "mx_suffixes = [\"a.example\"]\n[[rule]]\ntext = [\"slow\"]\ncause = \"rate_limited\"\n\n[[rule]]\ncodes = [\"421\"]\ntext = [\"slow down\"]\ncause = \"refused\"\n";
    let findings = Rules::from_files(&[("a.toml", text)]).unwrap().validate();
    let found: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("a.toml:1: ") && found[0].contains("`dated`"));
    assert_eq!(found[1], "a.toml:6: this rule never decides: the one at a.toml:2 covers it; remove it or make it narrower");
}

#[test]
fn a_providers_rule_is_for_its_hosts_alone() {
    let text = "dated = \"2026-11-22\"\nsources = [\"x\"]\nmx_suffixes = [\"a.example\"]\n[[rule]]\ncodes = [\"5yz\"]\ncause = \"blocked_reputation\"\n";
    let rules = Rules::from_files(&[("a.toml", text)]).unwrap();
    let answer = reply("550 no");
    let at = |mx: &str| rules.classify(&answered(Phase::Rcpt, &answer, &hosts(mx)));
    assert_eq!((at("mx.a.example").cause, at("mx.a.example").rule), (Cause::BlockedReputation, Some("a.toml:4".to_owned())));
    assert_eq!((at("mx.b.example").cause, at("mx.b.example").rule), (Cause::Refused, None));
}
