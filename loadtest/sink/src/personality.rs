//! How a site treats its senders. One struct, so that traits can be combined; [`Personality::default`] is a quick receiver.

use std::time::Duration;

/// How a site treats its senders.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Personality {
    /// Waited before the greeting and before the answer to the final dot.
    pub delay: Duration,
    /// `451 4.7.1` for a pair of sender and recipient until this long after its first try.
    pub greylist: Option<Duration>,
    /// Of 1000 local parts, how many are answered `550 5.1.1`.
    pub unknown_per_mille: u16,
    /// Mailboxes that are full.
    pub full: Option<Full>,
    /// A limit on messages, per source address.
    pub rate: Option<RateLimit>,
    /// `421 4.7.0` for a connection beyond this many open ones from one source address.
    pub connections_per_source_max: Option<u32>,
    /// `421 4.3.2` for the next MAIL after this many messages on a connection.
    pub messages_per_connection_max: Option<u32>,
    /// Connections lost after the final dot.
    pub drops: Option<Drops>,
    /// Spells in which it refuses everybody.
    pub storm: Option<Storm>,
    /// What STARTTLS leads to.
    pub tls: TlsOffer,
}

/// Spells in which a site refuses everybody at one point of the conversation: an overloaded filter, a full disk, a mistaken rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Storm {
    /// From the beginning of one to the beginning of the next; the first begins at once.
    pub every: Duration,
    /// How long each lasts.
    pub lasts: Duration,
    /// Where it refuses.
    pub at: StormAt,
    /// 5xx instead of 4xx. At the greeting and at MAIL it is 4xx all the same: no site turns away everybody for good.
    pub permanent: bool,
}

/// Where in the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StormAt {
    /// Instead of the greeting.
    Greeting,
    /// On MAIL.
    Mail,
    /// On RCPT.
    Recipient,
    /// On the final dot.
    FinalDot,
}

/// Mailboxes that are full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    /// Of 1000 local parts.
    pub per_mille: u16,
    /// `452 4.2.2` until this long after the first try; `None` = `552 5.2.2` for good.
    pub empties_after: Option<Duration>,
}

/// At most `messages` final dots in any window, per source address. A dot beyond it counts as a violation, and counts for the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// How many.
    pub messages: u32,
    /// In any span of this length.
    pub window: Duration,
    /// Beyond it: `421 4.7.28` and the connection closes, else `451 4.7.1`.
    pub closes: bool,
}

/// Connections lost after the final dot, instead of an answer. A Message-ID meets this at most once, so that a resend gets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drops {
    /// Of 1000 messages.
    pub per_mille: u16,
    /// Of 1000 such losses, how many come after the message was accepted.
    pub accepted_per_mille: u16,
}

/// What STARTTLS leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsOffer {
    /// A certificate of the sandbox's CA for the host that is asked for.
    #[default]
    Verified,
    /// STARTTLS is not offered; mail is taken without TLS.
    None,
    /// A certificate of the sandbox's CA for another host.
    WrongName,
    /// A certificate for the right host, of a CA that nobody trusts.
    Untrusted,
}

impl Personality {
    /// Takes everything at once.
    pub fn quick() -> Self {
        Self::default()
    }

    /// Answers after a delay.
    pub fn slow(delay: Duration) -> Self {
        Self { delay, ..Self::default() }
    }

    /// Takes a pair of sender and recipient only after this long.
    pub fn greylisting(span: Duration) -> Self {
        Self { greylist: Some(span), ..Self::default() }
    }

    /// Does not know a share of its local parts.
    pub fn refusing(per_mille: u16) -> Self {
        Self { unknown_per_mille: per_mille, ..Self::default() }
    }

    /// A share of the mailboxes is full, for a time or for good.
    pub fn full(per_mille: u16, empties_after: Option<Duration>) -> Self {
        Self { full: Some(Full { per_mille, empties_after }), ..Self::default() }
    }

    /// Closes on a source that sends more than `messages` in any `window`.
    pub fn rate_limited(messages: u32, window: Duration) -> Self {
        Self { rate: Some(RateLimit { messages, window, closes: true }), ..Self::default() }
    }

    /// Refuses connections beyond this many from one source.
    pub fn connection_limited(connections: u32) -> Self {
        Self { connections_per_source_max: Some(connections), ..Self::default() }
    }

    /// Closes a connection after this many messages.
    pub fn closing(messages: u32) -> Self {
        Self { messages_per_connection_max: Some(messages), ..Self::default() }
    }

    /// Loses the connection after the final dot for a share of messages, half of them accepted.
    pub fn dropping(per_mille: u16) -> Self {
        Self { drops: Some(Drops { per_mille, accepted_per_mille: 500 }), ..Self::default() }
    }

    /// Refuses everybody now and then.
    pub fn storming(storm: Storm) -> Self {
        Self { storm: Some(storm), ..Self::default() }
    }

    /// Quick, with this TLS.
    pub fn with_tls(tls: TlsOffer) -> Self {
        Self { tls, ..Self::default() }
    }
}
