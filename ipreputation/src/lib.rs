//! Source addresses, pools, warm-up: from which of our addresses may a stream's mail leave today?
//!
//! ```text
//! [pools.NAME] + configs/pools/warmup.toml ─► Pools ─► choose(stream, group, now) ─► SourceAddress | CeilingsReached
//!                                              └────► lease(address, units, now)   the day's ceiling, in chunks
//! ```
//!
//! It promises:
//! - an address serves one stream: marketing cannot spoil the reputation of statements (invariant 9);
//! - a cold address never sends more in a day than its warm-up allows, a crash included: what was leased counts as spent;
//! - a limit group keeps to its address while the ceilings stand, so that a receiver sees few of them; what a cold address
//!   may not take goes to the others, in proportion to what they may still send;
//! - an address that was idle for long warms up again, because receivers forget.
//!
//! A stream without a pool leaves the address to the kernel: loopback and development. The receiver's own limits are
//! `throttle`'s. No I/O, no clock, no randomness.

pub mod address;
pub mod config;
pub mod error;
pub mod explain;
pub mod pool;
pub mod selection;
pub mod warmup;

pub use address::{AddressUse, Day, SourceAddress};
pub use config::{AddressConfig, PoolConfig, PoolsConfig};
pub use error::{PoolsError, WarmupError};
pub use pool::{CeilingsReached, Pools};
pub use warmup::Warmup;
