//! What can go wrong, named by who must act.
//!
//! [`KeyError`] is the operator's: a key file or its configuration. [`SealError`] is ours or the operator's: a
//! message that the render stage should not have made, or a sender domain without a key.

use model::stage::RenderedMessage;
use model::stream::Stream;

/// A key cannot be used. The operator must act. Never carries key material.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text is no PEM block of a private key that this engine reads.
    #[error("{domain}: the {algorithm} key is not PEM: expected {expected}")]
    NotPem {
        /// The signing domain.
        domain: String,
        /// `RSA` or `Ed25519`.
        algorithm: &'static str,
        /// Which blocks are read.
        expected: &'static str,
    },
    /// The key was read and refused: damaged, of another algorithm, or too small.
    #[error("{domain}: the {algorithm} key is refused ({reason}): expected {expected}")]
    Refused {
        /// The signing domain.
        domain: String,
        /// `RSA` or `Ed25519`.
        algorithm: &'static str,
        /// The reason in one word, as the cryptographic library gives it.
        reason: String,
        /// What would be accepted.
        expected: &'static str,
    },
    /// A domain or selector is not a DNS name (RFC 6376 section 3.1).
    #[error("`{name}` is not a {what}: expected labels of letters, digits, `-` and `_`, at most 63 octets each, joined by dots")]
    Name {
        /// `domain` or `selector`.
        what: &'static str,
        /// The text.
        name: String,
    },
    /// Both keys of a domain have one selector: their records would share one DNS name, which RFC 6376 section 3.6.2.2 leaves undefined.
    #[error("{domain}: both keys have the selector `{selector}`; give each its own")]
    OneSelector {
        /// The signing domain.
        domain: String,
        /// The selector that both have.
        selector: String,
    },
    /// Two sets of keys are for the same domain.
    #[error("{domain}: two sets of DKIM keys; keep one")]
    TwoSets {
        /// The signing domain.
        domain: String,
    },
    /// A key file cannot be read.
    #[error("{domain}: cannot read the key file `{path}`: {reason}")]
    Unreadable {
        /// The signing domain.
        domain: String,
        /// The file.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// The system could not make a key.
    #[error("the cryptographic library could not make a key")]
    NotMade,
}

/// A message cannot be signed. Carries no part of the message but the sender's domain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// No set of keys is for the domain of the `From` field, or a parent of it. The operator must act.
    #[error("no DKIM key is for the author domain {domain}: add one under [[dkim]], and publish its records first")]
    NoKey {
        /// Domain of the `From` field.
        domain: String,
    },
    /// RFC 5322 section 3.6: exactly one `From` field with an address. We must act: the render stage made it.
    #[error("the message has {found} usable From fields; RFC 5322 asks for exactly one")]
    From {
        /// How many have an address with a domain.
        found: usize,
    },
    /// The header section cannot be split into fields. We must act.
    #[error("the header section is damaged at octet {at}: expected `name: value` lines ending in CRLF")]
    Header {
        /// Offset of the line that is no field.
        at: usize,
    },
    /// `body_offset` does not point behind the empty line. We must act.
    #[error("body_offset is {offset}, which is not behind the empty line after the header")]
    BodyOffset {
        /// What it is.
        offset: usize,
    },
    /// The cryptographic library refused to sign. We must act.
    #[error("the cryptographic library refused to sign for {domain}")]
    Refused {
        /// The signing domain.
        domain: String,
    },
}

/// A message that was not sealed, whole, so that its delivery can be held.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct NotSealed<S: Stream> {
    /// The message as it came.
    pub rendered: RenderedMessage<S>,
    /// Why.
    pub reason: SealError,
}
