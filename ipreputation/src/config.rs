//! `[pools.NAME]` as it is typed.
//!
//! ```toml
//! [pools.statements]
//! stream = "transactional"
//! addresses = [
//!     { ip = "203.0.113.5", ehlo = "mx5.example.com" },                                  # warm
//!     { ip = "203.0.113.6", ehlo = "mx6.example.com", warmup_started = "2026-11-01" },   # still warming up
//! ]
//! ```

use model::StreamName;
use serde::Deserialize;
use std::collections::BTreeMap;

/// All pools, by name.
pub type PoolsConfig = BTreeMap<String, PoolConfig>;

/// One pool.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolConfig {
    /// Whose mail leaves from it.
    pub stream: StreamName,
    /// Its addresses; none leaves the choice to the kernel.
    #[serde(default)]
    pub addresses: Vec<AddressConfig>,
}

/// One address.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddressConfig {
    /// IPv4 or IPv6.
    pub ip: String,
    /// The name in EHLO.
    pub ehlo: String,
    /// The first day of its warm-up (UTC), such as `2026-11-01`; without it the address is warm.
    #[serde(default)]
    pub warmup_started: Option<String>,
}
