//! May this lane send one more now?
//!
//! A *lane* is a limit group × a source address × a stream. This crate keeps what a receiver allows each lane
//! and answers three questions: may it open a connection, may it begin a message, may it write the final dot.
//!
//! ```text
//! configs/destinations/*.toml ─► Shaping ─► Limits (each value with file and line) ─► Lane ─► Permit | Wait
//!                                                                    Budget ─► Lease (ceilings that cross lanes)
//! ```
//!
//! It promises (invariant 8):
//! - "N per W" holds in *any* window of length W, as the receiver counts it: at the final dot. A permit to begin
//!   is not a spend; [`Lane::spend`] is.
//! - A new lane starts as if it had just spent its burst, so a restart or a reload never gives more than the limit.
//! - Every limit can say which line of which file it comes from ([`explain`]).
//!
//! It leaves to others: what a reply means (`outcome`), which address to use (`ipreputation`), who is next (`queue`).
//! It does no I/O and has no clock; the caller hands in the time.

pub mod bucket;
pub mod budget;
pub mod config;
pub mod error;
pub mod explain;
pub mod lane;
pub mod limits;
pub mod shaping;
pub mod units;

pub use bucket::Bucket;
pub use budget::{Budget, Lease};
pub use error::ShapingError;
pub use explain::explain;
pub use lane::{Lane, SuspendReason, Wait};
pub use limits::{Limits, Provenance, Sourced};
pub use shaping::{Finding, GroupName, Shaping};
pub use units::Rate;
