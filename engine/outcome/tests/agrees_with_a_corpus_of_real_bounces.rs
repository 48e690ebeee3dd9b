//! Real bounces that others have labelled (`bounce-sisimai`): their class, their reason, and whether the address is dead.
//!
//! The corpus is read from `SEALPOST_CORPUS` (default `../shared/data` beside the workspace) and is not part of the project.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod shipped;

use outcome::{Cause, Phase, Severity};
use shipped::{answered, reply, rules};
use std::path::{Path, PathBuf};

struct Labelled {
    file: String,
    line: String,
    phase: Phase,
    reason: String,
    is_permanent: bool,
    is_dead: bool,
}

fn corpus() -> Option<PathBuf> {
    let root = std::env::var_os("SEALPOST_CORPUS").map(PathBuf::from);
    let root = root.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"));
    let folder = root.join("bounce-sisimai");
    folder.join("expected.tsv").is_file().then_some(folder)
}

/// The replies in the diagnostic fields of a report, unfolded, in order.
fn diagnostics(text: &str) -> Vec<String> {
    let unfolded = text.replace("\r\n", "\n").replace("\n ", " ").replace("\n\t", " ");
    unfolded
        .lines()
        .filter(|line| line.to_ascii_lowercase().starts_with("diagnostic-code:"))
        .filter_map(|line| line.split_once(';'))
        .map(|(_, reply)| reply.trim().to_owned())
        .collect()
}

/// The reply in a diagnostic, from its code on: `host x said: 550 5.1.1 ...` too.
fn reply_in(diagnostic: &str) -> Option<String> {
    let starts_reply = |text: &str| {
        let bytes = text.as_bytes();
        bytes.len() > 4
            && matches!(bytes[0], b'4' | b'5')
            && bytes[1].is_ascii_digit()
            && bytes[2].is_ascii_digit()
            && matches!(bytes[3], b' ' | b'-')
    };
    let after_said = diagnostic.split_once("said: ").map(|(_, reply)| reply.trim());
    [Some(diagnostic), after_said].into_iter().flatten().find(|text| starts_reply(text)).map(str::to_owned)
}

fn labelled(folder: &Path) -> Vec<Labelled> {
    let table = std::fs::read_to_string(folder.join("expected.tsv")).unwrap();
    let mut found = Vec::new();
    for row in table.lines().skip(1) {
        let cells: Vec<&str> = row.split('\t').collect();
        let [file, index, status, code, reason, hard, ..] = cells[..] else { continue };
        let Ok(bytes) = std::fs::read(folder.join(file)) else { continue };
        let text = String::from_utf8_lossy(&bytes);
        let Some(line) = diagnostics(&text).get(index.parse::<usize>().unwrap()).and_then(|text| reply_in(text)) else { continue };
        // A line cut by its transfer encoding says nothing; a label about another code is about another reply.
        if line.ends_with('=') || !line.starts_with(code) || code.is_empty() {
            continue;
        }
        let phase = if line.contains("end of DATA") { Phase::FinalDot } else { Phase::Rcpt };
        found.push(Labelled {
            file: file.to_owned(),
            phase,
            reason: reason.to_owned(),
            is_permanent: status.starts_with('5'),
            is_dead: hard == "true",
            line,
        });
    }
    found
}

/// The causes of ours that fit a reason of theirs.
fn fitting(reason: &str) -> &'static [Cause] {
    use Cause::*;
    match reason {
        "userunknown" => &[MailboxUnknown],
        "filtered" => &[MailboxUnknown, MailboxDisabled, RecipientRefused, PolicyRefused],
        "mailboxfull" => &[MailboxFull],
        "suspend" => &[MailboxDisabled],
        "hasmoved" => &[MailboxMoved],
        "hostunknown" => &[DestinationUnknown],
        "norelaying" => &[RelayingRefused],
        "requireptr" => &[ReverseDnsRefused],
        "authfailure" => &[AuthenticationRefused],
        "blocked" | "badreputation" => &[BlockedReputation, RateLimited],
        "spamdetected" | "virusdetected" | "contenterror" => &[ContentRefused],
        "mesgtoobig" | "exceedlimit" => &[MessageTooLarge],
        "toomanyconn" | "speeding" => &[TooManyConnections, RateLimited],
        "rejected" => &[SenderRefused, PolicyRefused, RateLimited, AuthenticationRefused],
        "systemerror" | "expired" | "networkerror" | "mailererror" => &[ReceiverTrouble, RoutingLoop],
        "systemfull" => &[ReceiverFull],
        "policyviolation" | "securityerror" | "notcompliantrfc" => &[PolicyRefused, ContentRefused, AuthenticationRefused, ProtocolRefused],
        _ => &[],
    }
}

#[test]
fn class_reason_and_dead_addresses_agree_with_the_labels() {
    let Some(folder) = corpus() else {
        println!("SKIPPED: no bounce-sisimai below SEALPOST_CORPUS or ../shared/data");
        return;
    };
    let (rules, all) = (rules(), labelled(&folder));
    assert!(all.len() > 100, "only {} labelled replies were read", all.len());
    let (mut class, mut reason, mut reasons, mut dead_found, mut dead, mut dead_wrong) = (0, 0, 0, 0, 0, 0);
    for one in &all {
        let answer = reply(&one.line);
        let by_code = outcome::classify::severity_of(&answer);
        let verdict = rules.classify(&answered(one.phase, &answer, &[]));
        class += usize::from((by_code == Severity::Permanent) == one.is_permanent);
        let fitting = fitting(&one.reason);
        reasons += usize::from(!fitting.is_empty());
        let fits = fitting.contains(&verdict.cause);
        reason += usize::from(fits);
        if !fits && !fitting.is_empty() && std::env::var_os("SHOW_DIFFERENCES").is_some() {
            println!("{}: {} but {} ({:?}): {}", one.file, one.reason, verdict.cause, verdict.rule, one.line);
        }
        let we_say_dead = verdict.severity == Severity::Permanent && verdict.cause.says_address_is_dead();
        dead += usize::from(one.is_dead);
        dead_found += usize::from(one.is_dead && we_say_dead);
        // "filtered" is their word for an address that is refused in a way that also unknown users are.
        dead_wrong += usize::from(!one.is_dead && we_say_dead && one.reason != "filtered");
    }
    let percent = |part: usize, whole: usize| part as f64 * 100.0 / whole as f64;
    println!("{} replies: class {:.1} %, reason {:.1} % of {reasons}", all.len(), percent(class, all.len()), percent(reason, reasons));
    println!("dead addresses: {dead_found} of {dead} found, {dead_wrong} said wrongly");
    assert!(percent(class, all.len()) >= 98.0);
    assert!(percent(reason, reasons) >= 85.0);
    assert!(percent(dead_found, dead) >= 90.0);
    assert!(dead_wrong * 50 <= all.len());
}
