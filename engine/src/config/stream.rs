//! `[streams.transactional]` and `[streams.marketing]`: how each stream delivers. They share nothing (invariant 9).

use super::document::Section;
use super::units;
use model::Protection;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);
const WORKERS_DEFAULT: u64 = 2;
const DEADLINE_DEFAULT: Duration = Duration::from_secs(72 * 3_600);
const DRAIN_DEFAULT: Duration = Duration::from_secs(30);
/// Minutes between attempts, as `outcome` has them; the last one repeats until the deadline. RFC 5321 section 4.5.4.1: "the retry interval
/// SHOULD be at least 30 minutes"; the short ones at the start are for greylisting.
const RETRY_MINUTES: [u64; 6] = [1, 5, 15, 60, 120, 240];

/// What is done with a message that may have been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uncertain {
    /// It is sent again: same bytes, same Message-ID, flagged.
    Resend,
    /// A person decides.
    Hold,
}

/// How one stream delivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// Threads that read, render and sign.
    pub workers: usize,
    /// How long a job lives.
    pub deadline: Duration,
    /// Spans between attempts; the last one repeats. Never empty.
    pub retry: Vec<Duration>,
    /// What is done with a message that may have been sent.
    pub uncertain: Uncertain,
    /// The pool its source addresses come from; `None` lets the kernel choose.
    pub pool: Option<String>,
    /// What its messages require on their way.
    pub protection: Protection,
    /// How long stopping waits for what is under way.
    pub drain: Duration,
}

/// The words for a required protection.
pub(super) const PROTECTIONS: [(&str, Protection); 3] = [
    ("tls_verified", Protection::TlsVerified),
    ("tls_encrypted", Protection::TlsEncrypted),
    ("plaintext_loopback", Protection::PlaintextLoopback),
];

/// Both streams; marketing is off unless it says so.
pub(super) fn streams(section: Section<'_>, requirement: Protection) -> (Stream, Option<Stream>) {
    let (transactional, is_on) = stream(section.section("transactional"), true, requirement);
    if !is_on {
        section.wrong("transactional", "the transactional stream cannot be switched off; remove `enabled`");
    }
    let (marketing, marketing_is_on) = stream(section.section("marketing"), false, requirement);
    section.finish();
    (transactional, marketing_is_on.then_some(marketing))
}

fn stream(section: Section<'_>, on_by_default: bool, requirement: Protection) -> (Stream, bool) {
    let is_on = section.flag("enabled").unwrap_or(on_by_default);
    let minute = Duration::from_secs(60);
    let deadline = section.span("deadline", minute..=24 * 30 * HOUR).unwrap_or(DEADLINE_DEFAULT);
    let stream = Stream {
        workers: section.number("workers", 1..=256).unwrap_or(WORKERS_DEFAULT) as usize,
        deadline,
        retry: retry(&section),
        uncertain: section.word("uncertain", &[("resend", Uncertain::Resend), ("hold", Uncertain::Hold)]).unwrap_or(Uncertain::Resend),
        pool: section.text("pool"),
        protection: section.word("protection", &PROTECTIONS).unwrap_or(requirement),
        drain: section.span("drain", Duration::from_secs(1)..=HOUR).unwrap_or(DRAIN_DEFAULT),
    };
    section.finish();
    (stream, is_on)
}

fn retry(section: &Section<'_>) -> Vec<Duration> {
    let at_least_a_second = |text: &str| units::parse_span(text).filter(|span| span.as_millis() >= 1_000);
    let Some(typed) = section.list("retry", &format!("{}, of a second or more", units::SPAN_EXPECTED), at_least_a_second) else {
        return RETRY_MINUTES.map(|minutes| Duration::from_secs(60 * minutes)).to_vec();
    };
    if typed.is_empty() {
        section.wrong("retry", "expected at least one span: a deferred message is tried again until its deadline");
    }
    if !typed.is_sorted() {
        section.wrong("retry", "expected spans that grow: a receiver that defers wants less of us, not more");
    }
    typed
}
