//! The states of a job and the dispositions of a row (invariant 3).
//!
//! A row that was read ends in exactly one [`Disposition`]; a job that was accepted is in exactly one
//! [`State`]. Which change is allowed is one table, [`State::may_become`].

use serde::{Deserialize, Serialize};
use std::fmt;

/// What became of a row at the door.
/// read = rejected + duplicate + merged + not_mailable + no_address + no_consent + accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// Not understood or not consistent; it is in the reject file.
    Rejected,
    /// The same statement was accepted before.
    Duplicate,
    /// Joined with another row into one statement.
    Merged,
    /// Understood, and of a kind that is not mailed (a reversal alone, a predetermination).
    NotMailable,
    /// Nobody to send it to.
    NoAddress,
    /// The person has not agreed to e-mail.
    NoConsent,
    /// It became (part of) a job.
    Accepted,
}

impl Disposition {
    /// All of them, in the order of the equation.
    pub const ALL: [Self; 7] =
        [Self::Rejected, Self::Duplicate, Self::Merged, Self::NotMailable, Self::NoAddress, Self::NoConsent, Self::Accepted];

    /// The name used in reports and frames.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Duplicate => "duplicate",
            Self::Merged => "merged",
            Self::NotMailable => "not_mailable",
            Self::NoAddress => "no_address",
            Self::NoConsent => "no_consent",
            Self::Accepted => "accepted",
        }
    }
}

/// Where an accepted job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum State {
    /// Waits for its time, its lane or its destination.
    Queued = 0,
    /// An attempt is under way.
    InFlight = 1,
    /// The last byte was written and the answer is not known (invariant 10).
    Uncertain = 2,
    /// Waits for a person.
    Held = 3,
    /// Takes another way (pickup).
    Diverted = 4,
    /// The receiver took responsibility (250 to the final dot).
    Delivered = 5,
    /// Refused for good.
    Bounced = 6,
    /// Its lifetime ended before it could be delivered.
    Expired = 7,
    /// Not sent: the address is on the suppression list.
    Suppressed = 8,
    /// Stopped by an operator before it left.
    Cancelled = 9,
    /// A corrected statement took its place.
    Superseded = 10,
    /// Goes out on paper.
    ToPaper = 11,
}

impl State {
    /// All of them, in the order of the equation of invariant 3.
    pub const ALL: [Self; 12] = [
        Self::Queued,
        Self::InFlight,
        Self::Uncertain,
        Self::Held,
        Self::Diverted,
        Self::Delivered,
        Self::Bounced,
        Self::Expired,
        Self::Suppressed,
        Self::Cancelled,
        Self::Superseded,
        Self::ToPaper,
    ];

    /// The name used in reports and frames.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::InFlight => "in_flight",
            Self::Uncertain => "uncertain",
            Self::Held => "held",
            Self::Diverted => "diverted",
            Self::Delivered => "delivered",
            Self::Bounced => "bounced",
            Self::Expired => "expired",
            Self::Suppressed => "suppressed",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
            Self::ToPaper => "to_paper",
        }
    }

    /// The state with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether the engine still has work to do for a job in this state. A batch closes when no job is active.
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Queued | Self::InFlight | Self::Diverted)
    }

    /// Whether a person has something to do (exit code 5 of `send`).
    pub const fn needs_a_person(self) -> bool {
        matches!(self, Self::Uncertain | Self::Held | Self::Bounced | Self::Expired | Self::Suppressed)
    }

    /// Whether the payload can go: nothing will ever be rendered from it again. What goes on paper is kept until an operator says that it
    /// went ([`crate::record::StateChange::is_settling`]).
    pub const fn is_settled(self) -> bool {
        matches!(self, Self::Delivered | Self::Cancelled | Self::Superseded)
    }

    /// The one table of allowed changes. A bounce after `delivered` is allowed: it posts a dated adjustment. What was queued becomes
    /// uncertain where its journal was put back from a copy: nobody knows what was sent after the copy was made.
    pub const fn may_become(self, next: Self) -> bool {
        use State::*;
        match self {
            Queued => {
                matches!(next, InFlight | Uncertain | Held | Diverted | Bounced | Expired | Suppressed | Cancelled | Superseded | ToPaper)
            }
            InFlight => matches!(next, Queued | Uncertain | Held | Diverted | Delivered | Bounced | Expired | Suppressed),
            Uncertain => matches!(next, Queued | Held | Delivered | Bounced | Cancelled | ToPaper),
            Held => matches!(next, Queued | Expired | Suppressed | Cancelled | Superseded | ToPaper),
            Diverted => matches!(next, Delivered | Held | Expired | ToPaper),
            Delivered => matches!(next, Bounced),
            Bounced | Expired | Suppressed => matches!(next, Held | ToPaper),
            // Nothing of it left by e-mail; a correction in the same batch takes its place.
            ToPaper => matches!(next, Superseded),
            Cancelled | Superseded => false,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a job is held. Typed, because each asks a person for something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldReason {
    /// The contact file has the id, but under another name and birth date, or more than once.
    MemberMismatch,
    /// An operator holds the batch.
    OperatorHold,
    /// No receiver at the destination offers the required protection.
    ProtectionUnavailable,
    /// The attempt may have been sent twice, and policy says `hold`.
    UncertainHold,
    /// Rendering again did not give the frozen bytes.
    FrozenHashDiffers,
    /// It cannot be rendered: a template or size limit.
    Unrenderable,
    /// `environment = test` and the recipient is not on the allow list.
    NotAllowListed,
    /// Its payload cannot be read back.
    PayloadDamaged,
    /// A denial has no words for the member.
    ReasonUnworded,
    /// The contact data has no address for the member any more, or another one than the message that may have been sent.
    ContactChanged,
}

impl HoldReason {
    /// The name used in reports and frames.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MemberMismatch => "member_mismatch",
            Self::OperatorHold => "operator_hold",
            Self::ProtectionUnavailable => "protection_unavailable",
            Self::UncertainHold => "uncertain_hold",
            Self::FrozenHashDiffers => "frozen_hash_differs",
            Self::Unrenderable => "unrenderable",
            Self::NotAllowListed => "not_allow_listed",
            Self::PayloadDamaged => "payload_damaged",
            Self::ReasonUnworded => "reason_unworded",
            Self::ContactChanged => "contact_changed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_read_back() {
        for state in State::ALL {
            assert_eq!(State::from_name(state.as_str()), Some(state));
            assert_eq!(serde_json::to_string(&state).unwrap(), format!("\"{state}\""));
        }
    }

    #[test]
    fn a_message_that_left_is_never_queued_again_by_itself() {
        for state in [State::Delivered, State::Bounced, State::Expired, State::Cancelled, State::Superseded, State::ToPaper] {
            assert!(!state.may_become(State::Queued), "{state}");
            assert!(!state.is_active());
        }
    }

    #[test]
    fn only_what_the_engine_would_send_by_itself_becomes_uncertain() {
        let may: Vec<State> = State::ALL.into_iter().filter(|state| state.may_become(State::Uncertain)).collect();
        assert_eq!(may, [State::Queued, State::InFlight]);
    }

    #[test]
    fn an_uncertain_message_is_not_active_but_needs_a_decision() {
        assert!(!State::Uncertain.is_active() && State::Uncertain.needs_a_person());
    }
}
