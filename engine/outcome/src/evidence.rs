//! What is known of how an attempt ended.

use crate::cause::Cause;
use model::Reply;

/// How far the conversation was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// DNS and TCP.
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
    /// All of them, in order.
    pub const ALL: [Self; 7] = [Self::Connect, Self::Tls, Self::Greeting, Self::Mail, Self::Rcpt, Self::Data, Self::FinalDot];

    /// Its word in rules.
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

/// What went wrong without a reply. The words are those of `egress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trouble {
    /// Nobody listens there.
    ConnectionRefused,
    /// No route.
    Unreachable,
    /// Our source address cannot be used.
    SourceUnavailable,
    /// No answer in time.
    Timeout,
    /// The connection ended.
    ConnectionLost,
    /// What came is no SMTP.
    PeerMisbehaved,
    /// The receiver does not offer what the message requires.
    ProtectionUnavailable,
    /// Its certificate does not convince.
    TlsCertificate,
    /// The handshake failed.
    TlsHandshake,
    /// The message is larger than the receiver said it takes.
    TooLarge,
    /// We made a message that cannot be sent.
    Malformed,
    /// We stopped before the last byte.
    Stopped,
    /// DNS gave no answer.
    DnsFailed,
    /// The domain does not exist, or has neither MX nor address.
    DestinationUnknown,
    /// The domain says that it takes no mail (RFC 7505).
    NullMx,
}

impl Trouble {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::ConnectionRefused,
        Self::Unreachable,
        Self::SourceUnavailable,
        Self::Timeout,
        Self::ConnectionLost,
        Self::PeerMisbehaved,
        Self::ProtectionUnavailable,
        Self::TlsCertificate,
        Self::TlsHandshake,
        Self::TooLarge,
        Self::Malformed,
        Self::Stopped,
        Self::DnsFailed,
        Self::DestinationUnknown,
        Self::NullMx,
    ];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConnectionRefused => "connection_refused",
            Self::Unreachable => "unreachable",
            Self::SourceUnavailable => "source_unavailable",
            Self::Timeout => "timeout",
            Self::ConnectionLost => "connection_lost",
            Self::PeerMisbehaved => "peer_misbehaved",
            Self::ProtectionUnavailable => "protection_unavailable",
            Self::TlsCertificate => "tls_certificate",
            Self::TlsHandshake => "tls_handshake",
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::Stopped => "stopped",
            Self::DnsFailed => "dns_failed",
            Self::DestinationUnknown => "destination_unknown",
            Self::NullMx => "null_mx",
        }
    }

    /// The trouble with this word.
    pub fn from_name(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trouble| trouble.as_str() == word)
    }

    /// The cause it is.
    pub const fn cause(self) -> Cause {
        match self {
            Self::ConnectionRefused => Cause::ConnectionRefused,
            Self::Unreachable => Cause::Unreachable,
            Self::SourceUnavailable => Cause::SourceUnavailable,
            Self::Timeout => Cause::TimedOut,
            Self::ConnectionLost => Cause::ConnectionLost,
            Self::PeerMisbehaved => Cause::PeerMisbehaved,
            Self::ProtectionUnavailable | Self::TlsCertificate => Cause::ProtectionUnavailable,
            Self::TlsHandshake => Cause::TlsFailed,
            Self::TooLarge => Cause::MessageTooLarge,
            Self::Malformed => Cause::Malformed,
            Self::Stopped => Cause::Stopped,
            Self::DnsFailed => Cause::DnsFailed,
            Self::DestinationUnknown => Cause::DestinationUnknown,
            Self::NullMx => Cause::NullMx,
        }
    }
}

/// How an attempt ended. Either a reply or a trouble is known; where both are, the reply counts.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// How far it came.
    pub phase: Phase,
    /// What the receiver said last.
    pub reply: Option<&'a Reply>,
    /// What went wrong without a reply.
    pub trouble: Option<Trouble>,
    /// Whether the final dot was, even partly, handed to the network.
    pub last_byte_written: bool,
    /// The receiver's MX hosts, in order of preference: whose rules apply.
    pub mx_hosts: &'a [String],
}
