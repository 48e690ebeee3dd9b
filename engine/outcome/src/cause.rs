//! Why an attempt ended as it did: a stable word, what it touches, and whether waiting helps.

use std::fmt;

/// What a trouble touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// This message: its content or size.
    Message,
    /// This mailbox.
    Recipient,
    /// This connection; another one may do better at once.
    Connection,
    /// This source address at this limit group.
    Lane,
    /// The receiving domain.
    Destination,
    /// The receiver's hosts as a whole.
    Site,
}

/// Whether waiting helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Try again later.
    Temporary,
    /// The same message to the same address will fail again.
    Permanent,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Message, Self::Recipient, Self::Connection, Self::Lane, Self::Destination, Self::Site];

    /// Its word in rules and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Recipient => "recipient",
            Self::Connection => "connection",
            Self::Lane => "lane",
            Self::Destination => "destination",
            Self::Site => "site",
        }
    }

    /// True where the trouble lies between us and the receiver, not in the message or its recipient.
    pub const fn is_between_us(self) -> bool {
        matches!(self, Self::Connection | Self::Lane | Self::Site)
    }
}

impl Severity {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Temporary, Self::Permanent];

    /// Its word in rules and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Temporary => "temporary",
            Self::Permanent => "permanent",
        }
    }
}

macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident = $word:literal in $scope:ident,)+) => {
        /// Why an attempt ended as it did. The words are stable: records, reports and webhooks carry them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Cause {
            $($(#[$doc])* $name,)+
        }

        impl Cause {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Its stable word.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }

            /// What it touches where no rule says otherwise.
            pub const fn usual_scope(self) -> Scope {
                match self {
                    $(Self::$name => Scope::$scope,)+
                }
            }
        }
    };
}

causes! {
    /// The receiver took responsibility.
    Accepted = "accepted" in Message,
    /// No such mailbox.
    MailboxUnknown = "mailbox_unknown" in Recipient,
    /// The mailbox exists and takes nothing: disabled, suspended, frozen.
    MailboxDisabled = "mailbox_disabled" in Recipient,
    /// The mailbox is full.
    MailboxFull = "mailbox_full" in Recipient,
    /// The person has moved to another address.
    MailboxMoved = "mailbox_moved" in Recipient,
    /// The recipient is refused for another reason.
    RecipientRefused = "recipient_refused" in Recipient,
    /// First contact: come back later.
    Greylisted = "greylisted" in Recipient,
    /// Too much, too fast.
    RateLimited = "rate_limited" in Lane,
    /// Too many connections at once.
    TooManyConnections = "too_many_connections" in Lane,
    /// Our address or its reputation is not wanted.
    BlockedReputation = "blocked_reputation" in Lane,
    /// Our address has no fitting reverse name.
    ReverseDnsRefused = "reverse_dns_refused" in Lane,
    /// SPF, DKIM or DMARC did not convince.
    AuthenticationRefused = "authentication_refused" in Lane,
    /// Our sender's domain is not believed.
    SenderRefused = "sender_refused" in Lane,
    /// The receiver does not carry mail for this destination.
    RelayingRefused = "relaying_refused" in Destination,
    /// The content looks unwanted.
    ContentRefused = "content_refused" in Message,
    /// The message is too large.
    MessageTooLarge = "message_too_large" in Message,
    /// A rule of the receiver, not explained.
    PolicyRefused = "policy_refused" in Message,
    /// The receiver does not understand us.
    ProtocolRefused = "protocol_refused" in Connection,
    /// The receiver asks for TLS.
    TlsRequired = "tls_required" in Connection,
    /// The receiver has trouble of its own.
    ReceiverTrouble = "receiver_trouble" in Site,
    /// The receiver's disk is full.
    ReceiverFull = "receiver_full" in Site,
    /// Mail runs in a circle there.
    RoutingLoop = "routing_loop" in Destination,
    /// Refused without a reason we know.
    Refused = "refused" in Message,
    /// The domain does not exist or takes no mail.
    DestinationUnknown = "destination_unknown" in Destination,
    /// The domain says that it takes no mail (RFC 7505).
    NullMx = "null_mx" in Destination,
    /// Its DNS gives no answer.
    DnsFailed = "dns_failed" in Destination,
    /// Nobody listens there.
    ConnectionRefused = "connection_refused" in Site,
    /// No route to it.
    Unreachable = "unreachable" in Site,
    /// It did not answer in time.
    TimedOut = "timed_out" in Connection,
    /// The connection ended before the last byte.
    ConnectionLost = "connection_lost" in Connection,
    /// What it said is no SMTP.
    PeerMisbehaved = "peer_misbehaved" in Connection,
    /// TLS was begun and failed.
    TlsFailed = "tls_failed" in Connection,
    /// Nobody there offers the protection the message requires.
    ProtectionUnavailable = "protection_unavailable" in Destination,
    /// The last byte was written and the answer is lost.
    AnswerLost = "answer_lost" in Message,
    /// Our own address cannot be used.
    SourceUnavailable = "source_unavailable" in Lane,
    /// We made a message that cannot be sent.
    Malformed = "malformed" in Message,
    /// We stopped before the last byte: held, cancelled, shutting down, or a limit.
    Stopped = "stopped" in Connection,
}

impl Cause {
    /// The cause with this word.
    pub fn from_name(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|cause| cause.as_str() == word)
    }

    /// True where the address itself is wrong for good: it must be verified through another channel before it is used again.
    pub const fn says_address_is_dead(self) -> bool {
        matches!(self, Self::MailboxUnknown | Self::MailboxMoved | Self::DestinationUnknown | Self::NullMx)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_unique_and_read_back() {
        for cause in Cause::ALL {
            assert_eq!(Cause::from_name(cause.as_str()), Some(*cause));
        }
        assert_eq!(Cause::from_name("sunspots"), None);
    }
}
