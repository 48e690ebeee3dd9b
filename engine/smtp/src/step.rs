//! The words between [`crate::Conversation`] and its caller: where it is, what comes next, what the peer did wrong.

use crate::ReplyError;
use model::Reply;

/// Where in the conversation something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// The 220 a server begins with.
    Greeting,
    /// EHLO or HELO.
    Ehlo,
    /// STARTTLS, before the handshake.
    StartTls,
    /// MAIL, and an RSET before it.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA, and the content up to the final dot.
    Data,
    /// The final dot.
    FinalDot,
    /// QUIT.
    Quit,
}

/// Whether the conversation goes through STARTTLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartTls {
    /// Without TLS the conversation does not go on.
    Required,
    /// Never: loopback only (invariant 7, held by the caller).
    Never,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Flush the output, read, receive.
    Read,
    /// Do the TLS handshake, then [`crate::Conversation::tls_established`].
    Handshake,
    /// TLS is required, and this server does not offer it. Close.
    NoStartTls,
    /// Greeting, EHLO or STARTTLS was refused, or 421 came between messages. Close.
    Refused {
        /// Where.
        phase: Phase,
        /// With what.
        reply: Reply,
    },
    /// A transaction may begin.
    Ready,
    /// The server said 354: write the content and the final dot, then [`crate::Conversation::content_sent`].
    SendContent,
    /// The transaction was answered; given once.
    Ended {
        /// At which command.
        phase: Phase,
        /// With what: positive only at [`Phase::FinalDot`].
        reply: Reply,
    },
    /// Nothing more can be said. Close.
    Closed,
}

/// The server broke the protocol: close, and blame the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PeerMisbehaved {
    /// What came is no reply.
    #[error("the receiver sent what is no SMTP reply: {0}")]
    NoReply(#[from] ReplyError),
    /// Bytes came with the answer to STARTTLS, before the handshake.
    #[error("the receiver, or someone between, sent bytes behind its answer to STARTTLS")]
    BytesBeforeTls,
    /// A reply that has no meaning at this place.
    #[error("the receiver answered {code} at {phase:?}, where that code has no meaning")]
    UnexpectedCode {
        /// Where.
        phase: Phase,
        /// The reply code.
        code: u16,
    },
    /// A reply to nothing that was asked.
    #[error("the receiver sent a reply that nothing asked for")]
    Unsolicited,
}

/// The message is larger than the server takes (RFC 1870): nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message has {octets} octets, the receiver takes {octets_max}")]
pub struct TooLarge {
    /// Octets of the message.
    pub octets: u64,
    /// The limit the server announced.
    pub octets_max: u64,
}
