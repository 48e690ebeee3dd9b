//! The stage that seals: DKIM signatures, and which protection a message requires on its way.
//!
//! A [`Signer`] takes a rendered message and gives a sealed one. It promises that
//!
//! - the two signatures (RSA-2048 or larger, RFC 6376; Ed25519, RFC 8463) share one body hash, so the second
//!   costs microseconds, and the RSA one, which every verifier knows, stands first;
//! - the same message under the same keys gives the same bytes: `t=` is the message's `Date`, RSA is PKCS#1 v1.5 and
//!   Ed25519 is deterministic;
//! - the body is neither copied nor changed: [`SealedMessage::signatures`](model::stage::SealedMessage) are header
//!   fields to be sent before it;
//! - a message that cannot be signed comes back whole, with the reason ([`NotSealed`]), and is never sent bare.
//!
//! It leaves to others: reading key files (the wiring, through `world`), what the message says (`render`),
//! TLS itself (`egress`). Which protection a message requires is decided in [`protection`] and enforced there.
//!
//! The surprise: there is no `l=` and there never will be. A signature over a part of the body lets a
//! stranger append the rest (RFC 6376 section 8.2).

pub mod config;
pub mod dkim;
mod error;
pub mod protection;

pub use dkim::keys::{DkimKeys, NewKeys, new_keys};
pub use dkim::signature::Signer;
pub use error::{KeyError, NotSealed, SealError};
