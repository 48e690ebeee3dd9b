//! How opening a connection and delivering a message can end.

use crate::site::Target;
use crate::trouble::{Phase, Severity, Trouble};
use model::Reply;

/// Why there is no connection. Nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectFailure {
    /// The receiver said no, in the greeting, to EHLO or to STARTTLS.
    Answered {
        /// Where it was tried.
        target: Target,
        /// [`Phase::Greeting`] or [`Phase::Tls`].
        phase: Phase,
        /// What it said.
        reply: Reply,
    },
    /// There was no reply to judge.
    Broken {
        /// Where it was tried.
        target: Target,
        /// How far it came.
        phase: Phase,
        /// What went wrong.
        trouble: Trouble,
    },
}

impl ConnectFailure {
    /// Where it was tried.
    pub fn target(&self) -> &Target {
        match self {
            Self::Answered { target, .. } | Self::Broken { target, .. } => target,
        }
    }

    /// How far it came.
    pub fn phase(&self) -> Phase {
        match self {
            Self::Answered { phase, .. } | Self::Broken { phase, .. } => *phase,
        }
    }

    /// What the receiver said.
    pub fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Answered { reply, .. } => Some(reply),
            Self::Broken { .. } => None,
        }
    }

    /// What went wrong, where there was no reply.
    pub fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::Answered { .. } => None,
            Self::Broken { trouble, .. } => Some(*trouble),
        }
    }

    /// Whether waiting helps; a reply is judged by its first digit alone.
    pub fn severity(&self) -> Severity {
        match self {
            Self::Answered { reply, .. } if reply.is_permanent() => Severity::Permanent,
            Self::Answered { .. } => Severity::Temporary,
            Self::Broken { trouble, .. } => trouble.severity(),
        }
    }
}

/// How one message ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The receiver answered: accepted only where the phase is [`Phase::FinalDot`] and the reply positive.
    Answered {
        /// Which command was answered.
        phase: Phase,
        /// What was said.
        reply: Reply,
        /// Whether the final dot was written.
        last_byte_written: bool,
    },
    /// There is no answer.
    Broken {
        /// How far it came.
        phase: Phase,
        /// What went wrong.
        trouble: Trouble,
        /// Whether the final dot was, even partly, handed to the network: then the message is `uncertain`.
        last_byte_written: bool,
    },
}

impl Delivery {
    /// The receiver took responsibility.
    pub fn is_accepted(&self) -> bool {
        matches!(self, Self::Answered { phase: Phase::FinalDot, reply, .. } if reply.is_positive())
    }

    /// Whether the final dot was, even partly, handed to the network.
    pub fn last_byte_written(&self) -> bool {
        match self {
            Self::Answered { last_byte_written, .. } | Self::Broken { last_byte_written, .. } => *last_byte_written,
        }
    }
}
