//! What can be wrong with pools and the warm-up schedule. The operator must act.

use model::StreamName;
use std::net::IpAddr;

/// Pools that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PoolsError {
    /// Not an address.
    #[error("[pools.{pool}] address '{typed}': expected an IPv4 or IPv6 address such as 203.0.113.5")]
    Address {
        /// The pool.
        pool: String,
        /// What was typed.
        typed: String,
    },
    /// Not a host name.
    #[error("[pools.{pool}] ehlo '{typed}': expected a full host name, the one the address's reverse DNS gives")]
    EhloName {
        /// The pool.
        pool: String,
        /// What was typed.
        typed: String,
    },
    /// Not a date.
    #[error("[pools.{pool}] warmup_started '{typed}': expected a date such as 2026-11-01")]
    WarmupStarted {
        /// The pool.
        pool: String,
        /// What was typed.
        typed: String,
    },
    /// The same address twice.
    #[error("[pools.{pool}] {ip} stands twice; remove one")]
    Twice {
        /// The pool where it stands again.
        pool: String,
        /// The address.
        ip: IpAddr,
    },
    /// One address for both streams.
    #[error("[pools.{pool}] {ip} already serves the {stream} stream; streams never share an address, give this pool its own")]
    SharedByStreams {
        /// The pool where it stands again.
        pool: String,
        /// The address.
        ip: IpAddr,
        /// The stream that has it.
        stream: StreamName,
    },
    /// More addresses than ids.
    #[error("more than 65,535 addresses in all pools")]
    TooMany,
}

/// A warm-up schedule that cannot be used. Displays as `file:line: what`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {message}")]
pub struct WarmupError {
    /// The file as it was handed in.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// What is wrong and what was expected.
    pub message: String,
}
