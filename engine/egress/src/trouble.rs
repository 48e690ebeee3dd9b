//! What can go wrong between us and a receiver, in one file: scope × severity.
//!
//! The scope says what else the trouble touches (this receiver's host, the whole site, this message, ourselves); the severity
//! says whether waiting helps. Replies are not judged here, that is `outcome`'s; this is for what comes without a reply.
//!
//! | trouble | scope | severity |
//! |---|---|---|
//! | refused, unreachable, time-out, lost, misbehaved | host | temporary |
//! | no STARTTLS, certificate | host | hold: the message takes another way or waits for a person |
//! | handshake | host | temporary |
//! | too large | message | permanent (5.3.4) |
//! | malformed | message | hold: rendered wrongly |
//! | source address | ours | temporary |
//! | stopped at the gate | ours | temporary |

use model::EnhancedCode;
use std::fmt;
use std::io;

/// Where in an attempt something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// TCP.
    Connect,
    /// STARTTLS and the handshake.
    Tls,
    /// The greeting and EHLO.
    Greeting,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA, and the content before the final dot.
    Data,
    /// The final dot.
    FinalDot,
}

impl Phase {
    /// A stable word for records and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Greeting => "greeting",
            Self::Mail => "mail",
            Self::Rcpt => "rcpt",
            Self::Data => "data",
            Self::FinalDot => "final_dot",
        }
    }
}

impl From<smtp::Phase> for Phase {
    fn from(phase: smtp::Phase) -> Self {
        match phase {
            smtp::Phase::Greeting | smtp::Phase::Ehlo => Self::Greeting,
            smtp::Phase::StartTls => Self::Tls,
            smtp::Phase::Mail | smtp::Phase::Quit => Self::Mail,
            smtp::Phase::Rcpt => Self::Rcpt,
            smtp::Phase::Data => Self::Data,
            smtp::Phase::FinalDot => Self::FinalDot,
        }
    }
}

/// What else the trouble touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// This host of the receiver; another one may do better.
    Host,
    /// The destination as a whole.
    Destination,
    /// This message alone; the connection may go on.
    Message,
    /// Us: the operator has something to look at.
    Ours,
}

/// Whether waiting helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Try again later.
    Temporary,
    /// It will not change.
    Permanent,
    /// Not without a decision: another protection, or a person.
    Hold,
}

/// How TLS failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsTrouble {
    /// The certificate does not chain to a trusted root, has expired, or names another host.
    Certificate,
    /// No common version or suite, an alert, a lost connection, a time-out.
    Handshake,
}

/// What went wrong without a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Trouble {
    /// Nobody listens there.
    #[error("the receiver refused the connection")]
    ConnectionRefused,
    /// No route, or no answer from the network.
    #[error("the receiver's network cannot be reached")]
    Unreachable,
    /// Our source address is not on this machine, of the wrong family, or has no port left.
    #[error("our source address cannot be used: check the pool's addresses against this machine's")]
    SourceUnavailable,
    /// The phase took longer than its limit.
    #[error("the receiver did not answer in time")]
    Timeout,
    /// The connection ended.
    #[error("the connection was lost")]
    ConnectionLost,
    /// The receiver broke the protocol.
    #[error("the receiver broke the SMTP protocol")]
    PeerMisbehaved,
    /// The receiver does not offer what the message requires, or the connection is weaker than that.
    #[error("the receiver does not offer the required protection")]
    ProtectionUnavailable,
    /// TLS was begun and failed.
    #[error("TLS with the receiver failed ({0:?})")]
    TlsFailed(TlsTrouble),
    /// The message is larger than the receiver said it takes. Nothing was sent.
    #[error("the message is larger than the receiver takes")]
    TooLarge,
    /// The message has a bare CR or LF. Nothing was sent.
    #[error("the message has a bare CR or LF: the render stage made it wrongly")]
    Malformed,
    /// The gate said no before the last byte.
    #[error("we stopped before the last byte")]
    Stopped,
}

impl Trouble {
    /// What else it touches.
    pub const fn scope(self) -> Scope {
        match self {
            Self::ConnectionRefused
            | Self::Unreachable
            | Self::Timeout
            | Self::ConnectionLost
            | Self::PeerMisbehaved
            | Self::ProtectionUnavailable
            | Self::TlsFailed(_) => Scope::Host,
            Self::TooLarge | Self::Malformed => Scope::Message,
            Self::SourceUnavailable | Self::Stopped => Scope::Ours,
        }
    }

    /// Whether waiting helps.
    pub const fn severity(self) -> Severity {
        match self {
            Self::ProtectionUnavailable | Self::TlsFailed(TlsTrouble::Certificate) | Self::Malformed => Severity::Hold,
            Self::TooLarge => Severity::Permanent,
            Self::ConnectionRefused
            | Self::Unreachable
            | Self::Timeout
            | Self::ConnectionLost
            | Self::PeerMisbehaved
            | Self::TlsFailed(TlsTrouble::Handshake)
            | Self::SourceUnavailable
            | Self::Stopped => Severity::Temporary,
        }
    }

    /// A stable word for records and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConnectionRefused => "connection_refused",
            Self::Unreachable => "unreachable",
            Self::SourceUnavailable => "source_unavailable",
            Self::Timeout => "timeout",
            Self::ConnectionLost => "connection_lost",
            Self::PeerMisbehaved => "peer_misbehaved",
            Self::ProtectionUnavailable => "protection_unavailable",
            Self::TlsFailed(TlsTrouble::Certificate) => "tls_certificate",
            Self::TlsFailed(TlsTrouble::Handshake) => "tls_handshake",
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::Stopped => "stopped",
        }
    }

    /// The enhanced code a delivery report gives for it (RFC 3463).
    pub const fn enhanced(self) -> EnhancedCode {
        let (class, subject, detail) = match self {
            // X.4.1 no answer from host, X.4.2 bad connection, X.4.4 unable to route, X.4.7 delivery time expired.
            Self::ConnectionRefused | Self::Timeout => (4, 4, 1),
            Self::ConnectionLost | Self::Stopped => (4, 4, 2),
            Self::Unreachable | Self::SourceUnavailable => (4, 4, 4),
            // X.5.0 protocol status.
            Self::PeerMisbehaved => (4, 5, 0),
            // RFC 7672 and Postfix practice: X.7.5 cryptographic failure, X.7.4 security features not supported.
            Self::ProtectionUnavailable => (4, 7, 4),
            Self::TlsFailed(_) => (4, 7, 5),
            // RFC 3463 section 3.4: X.3.4 message too big for system.
            Self::TooLarge => (5, 3, 4),
            // X.6.0 media error.
            Self::Malformed => (5, 6, 0),
        };
        EnhancedCode { class, subject, detail }
    }

    /// What an error of connecting means.
    pub(crate) fn from_connect(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::ConnectionRefused,
            io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse | io::ErrorKind::InvalidInput | io::ErrorKind::PermissionDenied => {
                Self::SourceUnavailable
            }
            io::ErrorKind::TimedOut => Self::Timeout,
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Self::ConnectionLost,
            _ => Self::Unreachable,
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_agrees_with_the_severity() {
        use TlsTrouble::{Certificate, Handshake};
        let all = [
            Trouble::ConnectionRefused,
            Trouble::Unreachable,
            Trouble::SourceUnavailable,
            Trouble::Timeout,
            Trouble::ConnectionLost,
            Trouble::PeerMisbehaved,
            Trouble::ProtectionUnavailable,
            Trouble::TlsFailed(Certificate),
            Trouble::TlsFailed(Handshake),
            Trouble::TooLarge,
            Trouble::Malformed,
            Trouble::Stopped,
        ];
        let mut words = std::collections::BTreeSet::new();
        for trouble in all {
            assert!(words.insert(trouble.as_str()), "{trouble:?} shares its word");
            match trouble.severity() {
                Severity::Temporary => assert_eq!(trouble.enhanced().class, 4, "{trouble:?}"),
                Severity::Permanent => assert_eq!(trouble.enhanced().class, 5, "{trouble:?}"),
                Severity::Hold => {}
            }
        }
    }
}
