//! What [`crate::Receiver`] tells its caller: what the client wants, and what it did wrong.

use crate::request::COMMAND_LINE_BYTES_MAX;
use crate::{EhloName, RequestError};
use model::Mailbox;

/// What the client wants, or did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// EHLO or HELO. Accepting lists the offers.
    Hello {
        /// What the client calls itself.
        name: EhloName,
        /// Whether it said EHLO.
        extended: bool,
    },
    /// MAIL FROM.
    Mail {
        /// `None` is the null reverse-path.
        sender: Option<Mailbox>,
        /// The SIZE parameter, in octets.
        size: Option<u64>,
    },
    /// RCPT TO.
    Recipient {
        /// To whom.
        mailbox: Mailbox,
    },
    /// DATA, with at least one accepted recipient. Accepting says 354.
    Data,
    /// The whole content, dots undone. Give the buffer back by [`crate::Receiver::recycle`] to save the allocation.
    Message(Vec<u8>),
    /// STARTTLS. Accepting says 220; then [`crate::Receiver::wants_tls`].
    StartTls,
    /// RSET; answered.
    Reset,
    /// QUIT; answered. The machine is finished once its output is written.
    Quit,
    /// The client did what it must not; answered.
    Fault(Fault),
}

impl Event {
    /// Whether the machine waits for [`crate::Receiver::accept`] or [`crate::Receiver::answer`].
    pub fn needs_answer(&self) -> bool {
        !matches!(self, Self::Reset | Self::Quit | Self::Fault(_))
    }
}

/// What a client did wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A command that could not be read.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A command line longer than the limit.
    #[error("command line longer than {COMMAND_LINE_BYTES_MAX} octets")]
    LineTooLong,
    /// A command line that ended in LF without CR.
    #[error("command line ends in a bare LF")]
    BareLineFeed,
    /// Content with a bare CR or LF (smuggling); refused.
    #[error("message content has a bare CR or LF")]
    BareLineEndInContent,
    /// A message larger than announced; refused.
    #[error("message is larger than the limit")]
    Oversized,
    /// A command out of order.
    #[error("command out of order")]
    Sequence,
    /// MAIL before STARTTLS where TLS is required.
    #[error("TLS is required first")]
    TlsRequired,
    /// Something came in the same bytes behind STARTTLS; thrown away.
    #[error("bytes were sent behind STARTTLS before the handshake")]
    PipelinedStartTls,
}
