//! From a reply or a trouble to cause, scope, severity and action.
//!
//! Rules are data (`configs/bounces/*.toml`). The most telling one decides: a provider's own, then an enhanced code, then a
//! text, then an enhanced code that receivers use for anything (5.7.1), then a code; among equals the first.
//! What no rule knows falls back to the code's class.
//!
//! Three things are law here, whatever the rules say:
//! - basic and enhanced code may contradict each other; [`severity_of`] says who wins;
//! - before RCPT a refusal is not about the message or its recipient, so its scope is the lane's;
//! - a positive reply to the final dot is acceptance.

pub(crate) mod matching;
pub(crate) mod rule;

use crate::cause::{Cause, Scope, Severity};
use crate::config;
use crate::decision::Action;
use crate::error::RulesError;
use crate::evidence::{Evidence, Phase, Trouble};
use model::{EnhancedCode, Reply};
use rule::Rule;
use std::fmt;
use std::time::Duration;

/// How long a lane pauses after a 5yz before RCPT that has no rule of its own.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_secs(15 * 60);
/// The same after a 4yz instead of a greeting.
const PAUSE_AFTER_NOT_NOW: Duration = Duration::from_secs(60);

/// What an end of an attempt is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Why.
    pub cause: Cause,
    /// What it touches.
    pub scope: Scope,
    /// Whether waiting helps.
    pub severity: Severity,
    /// What to do to the lane.
    pub action: Option<Action>,
    /// This connection is of no more use.
    pub close_connection: bool,
    /// An operator must look: it does not get better by itself.
    pub page: bool,
    /// `file:line` of the rule that decided; `None` for what is built in.
    pub rule: Option<String>,
}

/// Something in the files that is no error, and not what its author meant either.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// `file:line`.
    pub place: String,
    /// What it is and what to do.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// All rules, the most specific first.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    rules: Vec<Rule>,
    undated: Vec<Finding>,
}

impl Rules {
    /// Reads rules from `(path, text)` pairs.
    ///
    /// # Errors
    /// The first thing that is wrong, with file, line and what was expected.
    pub fn from_files<P: AsRef<str>, T: AsRef<str>>(files: &[(P, T)]) -> Result<Self, RulesError> {
        let mut all = Self::default();
        for (path, text) in files {
            let file = config::read(path.as_ref(), text.as_ref())?;
            if file.is_undated {
                let message = "states a provider's replies without `dated` and `sources`; add both".to_owned();
                all.undated.push(Finding { place: format!("{}:1", path.as_ref()), message });
            }
            all.rules.extend(file.rules);
        }
        // Stable: among equals the order of files and lines stays.
        all.rules.sort_by_key(|rule| rule.matching.rank());
        Ok(all)
    }

    /// Rules that an earlier one covers, so that they never decide, and files without a date.
    pub fn validate(&self) -> Vec<Finding> {
        let dead = self.rules.iter().enumerate().filter_map(|(at, rule)| {
            let earlier = self.rules[..at].iter().find(|earlier| earlier.matching.covers(&rule.matching))?;
            let message = format!("this rule never decides: the one at {} covers it; remove it or make it narrower", earlier.place());
            Some(Finding { place: rule.place(), message })
        });
        self.undated.iter().cloned().chain(dead).collect()
    }

    /// What an end of an attempt is. Evidence without reply and trouble counts as a lost connection.
    pub fn classify(&self, evidence: &Evidence<'_>) -> Verdict {
        match (evidence.reply, evidence.trouble) {
            (Some(reply), _) if reply.is_positive() && evidence.phase == Phase::FinalDot => {
                Verdict::built_in(Cause::Accepted, Severity::Permanent)
            }
            (Some(reply), _) => self.classify_reply(evidence, reply),
            (None, trouble) => self.classify_trouble(evidence, trouble.unwrap_or(Trouble::ConnectionLost)),
        }
    }

    fn classify_reply(&self, evidence: &Evidence<'_>, reply: &Reply) -> Verdict {
        let text = reply.text.reveal().to_ascii_lowercase();
        let severity = severity_of(reply);
        let rule = self.rules.iter().find(|rule| rule.matching.matches(evidence, &text));
        let mut verdict = rule.map_or_else(|| fallback(evidence.phase, severity), |rule| Verdict::from_rule(rule, severity));
        // RFC 5321 section 3.8: "A server may send 421 ... if it is about to close the connection."
        verdict.close_connection |= reply.code == 421;
        keep_off_the_message(&mut verdict, evidence.phase);
        verdict
    }

    fn classify_trouble(&self, evidence: &Evidence<'_>, trouble: Trouble) -> Verdict {
        let evidence = Evidence { trouble: Some(trouble), ..*evidence };
        let cause = trouble.cause();
        let severity = match trouble {
            Trouble::DestinationUnknown | Trouble::NullMx | Trouble::TooLarge | Trouble::Malformed => Severity::Permanent,
            _ => Severity::Temporary,
        };
        let rule = self.rules.iter().find(|rule| rule.matching.matches(&evidence, ""));
        rule.map_or_else(|| Verdict::built_in(cause, severity), |rule| Verdict::from_rule(rule, severity))
    }
}

impl Verdict {
    fn from_rule(rule: &Rule, severity: Severity) -> Self {
        Self {
            cause: rule.cause,
            scope: rule.scope.unwrap_or(rule.cause.usual_scope()),
            severity: rule.severity.unwrap_or(severity),
            action: rule.action,
            close_connection: rule.close_connection,
            page: rule.page,
            rule: Some(rule.place()),
        }
    }

    fn built_in(cause: Cause, severity: Severity) -> Self {
        Self { cause, scope: cause.usual_scope(), severity, action: None, close_connection: false, page: false, rule: None }
    }
}

/// Whether a reply is for good.
///
/// RFC 5321 section 4.2.1 gives that to the first digit of the basic code, RFC 3463 section 2 to the class of the enhanced
/// one, which must agree. Where they do not, the more detailed statement wins, except where believing it would cost a
/// statement that a retry could deliver:
/// - 5yz with 4.x.y (full mailboxes, rate limits): temporary;
/// - 4yz with 5.x.y: permanent only where it is about the address (5.1.0 to 5.1.3, 5.1.6, 5.1.10) or a closed mailbox
///   (5.2.1); else temporary.
///
/// A positive reply where none was due is temporary: the conversation is confused, the message is not to blame.
pub fn severity_of(reply: &Reply) -> Severity {
    let about_address = |code: EnhancedCode| matches!((code.subject, code.detail), (1, 0..=3 | 6 | 10) | (2, 1));
    match (reply.code / 100, reply.enhanced) {
        (5, Some(code)) if code.class == 4 => Severity::Temporary,
        (4, Some(code)) if code.class == 5 && about_address(code) => Severity::Permanent,
        (5, _) => Severity::Permanent,
        _ => Severity::Temporary,
    }
}

/// What no rule knows: by phase and class alone.
fn fallback(phase: Phase, severity: Severity) -> Verdict {
    let scope = if phase == Phase::Rcpt { Scope::Recipient } else { Scope::Message };
    Verdict { scope, ..Verdict::built_in(Cause::Refused, severity) }
}

/// Before RCPT the receiver does not know the recipient, and of the message at most its size: what it refuses is us. The
/// message waits, and the lane pauses, so that the next one is not refused the same way at once.
/// (RFC 5321 section 3.1: a 554 greeting refuses the connection, not a message.)
fn keep_off_the_message(verdict: &mut Verdict, phase: Phase) {
    let is_before_rcpt = matches!(phase, Phase::Connect | Phase::Tls | Phase::Greeting | Phase::Mail);
    let is_about_size = phase == Phase::Mail && verdict.cause == Cause::MessageTooLarge;
    if !is_before_rcpt || is_about_size {
        return;
    }
    if !verdict.scope.is_between_us() {
        verdict.scope = Scope::Lane;
    }
    let pause = match (verdict.severity, phase) {
        (Severity::Permanent, _) => Some(PAUSE_AFTER_REFUSAL),
        (Severity::Temporary, Phase::Connect | Phase::Greeting) => Some(PAUSE_AFTER_NOT_NOW),
        (Severity::Temporary, _) => None,
    };
    verdict.action = verdict.action.or(pause.map(Action::Suspend));
}
