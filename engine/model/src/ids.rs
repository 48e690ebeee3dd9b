//! Names of things: jobs, batches, tenants, bundles, fingerprints.
//!
//! A [`JobId`] is 16 bits of node and 48 bits of sequence, so that several machines can give ids
//! without asking each other. Ids never carry meaning beyond that, and a journal position is never an id.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

const SEQUENCE_BITS: u32 = 48;
const SEQUENCE_MAX: u64 = (1 << SEQUENCE_BITS) - 1;

/// The text is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} such as {example}")]
pub struct IdError {
    expected: &'static str,
    example: &'static str,
}

macro_rules! node_sequence_id {
    ($(#[$doc:meta])* $name:ident, $letter:literal, $noun:literal, $example:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(u64);

        impl $name {
            /// Builds an id from a node (0..=65535) and a sequence number (48 bits; higher bits are cut).
            pub const fn new(node: u16, sequence: u64) -> Self {
                Self(((node as u64) << SEQUENCE_BITS) | (sequence & SEQUENCE_MAX))
            }
            /// The id as the 64 bits a frame stores.
            pub const fn to_bits(self) -> u64 {
                self.0
            }
            /// The id from the 64 bits a frame stores.
            pub const fn from_bits(bits: u64) -> Self {
                Self(bits)
            }
            /// The machine that gave the id.
            pub const fn node(self) -> u16 {
                (self.0 >> SEQUENCE_BITS) as u16
            }
            /// The number within the machine.
            pub const fn sequence(self) -> u64 {
                self.0 & SEQUENCE_MAX
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($letter, "{:x}-{:x}"), self.node(), self.sequence())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let error = IdError { expected: $noun, example: $example };
                let (node, sequence) = text
                    .strip_prefix($letter)
                    .and_then(|rest| rest.split_once('-'))
                    .ok_or(error.clone())?;
                let node = u16::from_str_radix(node, 16).map_err(|_| error.clone())?;
                let sequence = u64::from_str_radix(sequence, 16).map_err(|_| error.clone())?;
                if sequence > SEQUENCE_MAX {
                    return Err(error);
                }
                Ok(Self::new(node, sequence))
            }
        }
    };
}

node_sequence_id!(
    /// One job: one or more statements to one recipient. Shown as `j<node>-<sequence>` in hex.
    JobId, "j", "a job id", "j1-2a"
);
node_sequence_id!(
    /// One batch: what a client handed in at once. Shown as `b<node>-<sequence>` in hex.
    BatchId, "b", "a batch id", "b1-2a"
);

/// A tenant's number in this installation. The name belongs to the config, the number to the key ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TenantId(pub u16);

/// Counts the message versions of a job: a change of address or protection makes a new one. Starts at 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageVersion(pub u16);

/// SHA-256 over everything that decides a message's bytes (template, partials, strings, images, renderer version).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BundleId(pub [u8; 32]);

impl fmt::Display for BundleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for BundleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0[..6], f)
    }
}

/// 128 bits of a keyed hash (HMAC-SHA-256 under the tenant's deletable index key) of a lookup value:
/// an idempotency key, an address, a member. Says nothing without the key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(pub [u8; 16]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0[..4], f)
    }
}

/// Bytes as hexadecimal digits, lower case: a hash in a report.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        for half in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(half), 16).unwrap_or_default());
        }
        text
    })
}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_their_text() {
        let id = JobId::new(0xffff, SEQUENCE_MAX);
        assert_eq!(id.to_string().parse::<JobId>().unwrap(), id);
        assert_eq!(BatchId::new(1, 42).to_string(), "b1-2a");
        assert!("j1-2a".parse::<BatchId>().is_err());
        assert!("b1".parse::<BatchId>().unwrap_err().to_string().contains("b1-2a"));
    }
}
