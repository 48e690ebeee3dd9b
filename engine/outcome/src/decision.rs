//! From evidence and standing to what happens next.
//!
//! | what it is | decision |
//! |---|---|
//! | positive reply to the final dot | `delivered` |
//! | last byte written, no reply | `uncertain`: resend later, or held for a person (invariant 10) |
//! | temporary, or trouble between us and the receiver | `queued`, due by the schedule; `expired` where the deadline leaves no room |
//! | the required protection is not to be had | `held`: protection_unavailable (invariant 7) |
//! | permanent for this message, recipient or destination | `bounced`: a case for a person (invariant 11) |
//! | we made a message that cannot be sent | `held`: unrenderable |

use crate::cause::{Cause, Scope, Severity};
use crate::classify::{Rules, Verdict};
use crate::evidence::Evidence;
use crate::retry::RetrySchedule;
use model::state::HoldReason;
use model::{State, Timestamp};
use std::time::Duration;

/// After so many handshakes that failed the message is held: it is not the network.
const TLS_ATTEMPTS_MAX: u16 = 3;

/// What to do with a message that may have been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UncertainRule {
    /// Send it again, the same bytes with the same Message-ID, flagged.
    Resend,
    /// Leave it to a person.
    Hold,
}

/// Where the job stands as the attempt ends.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// The present.
    pub now: Timestamp,
    /// Attempts that had ended before this one.
    pub attempts: u16,
    /// It expires after this moment.
    pub deadline: Timestamp,
    /// When to try again.
    pub retry: &'a RetrySchedule,
    /// What to do where the answer is lost.
    pub uncertain: UncertainRule,
    /// Any number, drawn by the caller.
    pub jitter: u64,
}

/// What a lane is to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Stop for this long.
    Suspend(Duration),
    /// Go this many times slower for this long.
    Slow {
        /// How many times.
        factor: u32,
        /// How long.
        span: Duration,
    },
    /// Keep to this for this long, beside the usual limits.
    Cap {
        /// So many messages in any such window.
        messages: Option<(u32, Duration)>,
        /// So many connections.
        connections: Option<u32>,
        /// How long.
        span: Duration,
    },
}

/// What the end of an attempt asks of its lane, connection or site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feedback {
    /// Whom the action is for: a lane, or with [`Scope::Site`] every lane to these hosts.
    pub scope: Scope,
    /// What to do.
    pub action: Option<Action>,
    /// This connection is of no more use.
    pub close_connection: bool,
    /// An operator must look: it does not get better by itself.
    pub page: bool,
}

/// What happens next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The state the job is in now. Always one an attempt may lead to.
    pub state: State,
    /// Why it is held; with [`State::Uncertain`] it stays there for a person.
    pub held: Option<HoldReason>,
    /// When it is due again: with [`State::Queued`], and with [`State::Uncertain`] where it is to be sent again.
    pub due: Option<Timestamp>,
    /// Why, in a stable word.
    pub cause: Cause,
    /// What it touches.
    pub scope: Scope,
    /// What its lane is to do.
    pub feedback: Option<Feedback>,
    /// `file:line` of the rule that decided; `None` for what is built in.
    pub rule: Option<String>,
}

impl Rules {
    /// Decides what follows the end of an attempt.
    pub fn decide(&self, evidence: &Evidence<'_>, standing: &Standing<'_>) -> Decision {
        if evidence.last_byte_written && evidence.reply.is_none() {
            return uncertain(standing);
        }
        let verdict = self.classify(evidence);
        let (state, held, due) = match verdict.cause {
            Cause::Accepted => (State::Delivered, None, None),
            Cause::Malformed => (State::Held, Some(HoldReason::Unrenderable), None),
            Cause::ProtectionUnavailable => (State::Held, Some(HoldReason::ProtectionUnavailable), None),
            Cause::TlsFailed if standing.attempts + 1 >= TLS_ATTEMPTS_MAX => (State::Held, Some(HoldReason::ProtectionUnavailable), None),
            // We stopped it ourselves: nothing was learned, so there is nothing to wait for.
            Cause::Stopped => (State::Queued, None, Some(standing.now)),
            _ if verdict.severity == Severity::Permanent && !verdict.scope.is_between_us() => (State::Bounced, None, None),
            _ => later(standing),
        };
        Decision { state, held, due, cause: verdict.cause, scope: verdict.scope, feedback: feedback(&verdict), rule: verdict.rule }
    }
}

fn later(standing: &Standing<'_>) -> (State, Option<HoldReason>, Option<Timestamp>) {
    match standing.retry.next_due(standing.now, standing.attempts, standing.deadline, standing.jitter) {
        Some(due) => (State::Queued, None, Some(due)),
        None => (State::Expired, None, None),
    }
}

/// RFC 5321 section 4.5.3.2.6: losing the reply to the final dot "can result in the delivery of multiple copies".
fn uncertain(standing: &Standing<'_>) -> Decision {
    let due = match standing.uncertain {
        UncertainRule::Resend => standing.retry.next_due(standing.now, standing.attempts, standing.deadline, standing.jitter),
        UncertainRule::Hold => None,
    };
    // It may have arrived, so it cannot simply expire: without a resend a person decides.
    let held = if due.is_none() { Some(HoldReason::UncertainHold) } else { None };
    let feedback = Feedback { scope: Scope::Connection, action: None, close_connection: true, page: false };
    Decision {
        state: State::Uncertain,
        held,
        due,
        cause: Cause::AnswerLost,
        scope: Cause::AnswerLost.usual_scope(),
        feedback: Some(feedback),
        rule: None,
    }
}

fn feedback(verdict: &Verdict) -> Option<Feedback> {
    let asks = verdict.action.is_some() || verdict.close_connection || verdict.page;
    asks.then_some(Feedback {
        scope: verdict.scope,
        action: verdict.action,
        close_connection: verdict.close_connection,
        page: verdict.page,
    })
}
