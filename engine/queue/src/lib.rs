//! What is due when, and who is next.
//!
//! One [`Queue`] per shard and stream; it is not shared and needs no lock. It knows every accepted job that is not
//! settled by 64 bytes (job, locator, times, links) and hands out the next one of a limit group when a lane asks.
//!
//! ```text
//! push ─► due later: wheel ─► due now: line (destination, batch, priority) ─► take(group) ─► in flight ─► finish
//!              ▲                    │ unresolved, held or suspended: the line waits outside      │
//!              └────────────────────┴──────────────── put_back ◄────────────────────────────────┘
//! ```
//!
//! It promises:
//! - a job waits without a source address; any lane of its limit group may take it;
//! - most urgent first, but a less urgent band gets at least one in [`fairness::SKIPPED_MAX`] + 1; within a band tenants
//!   take turns, then lines (so a small batch is not stuck behind a large one), then first come, first served;
//! - a job past its deadline comes out of [`Queue::advance`] and is never handed to a lane; one in flight is left alone;
//! - holding a batch, suspending a destination, an MX change: constant in the number of jobs;
//! - the same calls give the same answers: nothing depends on a hash seed.
//!
//! A job costs 64 bytes and 10 to 13 of index; a line that is not empty costs about 90 more, which only shows where
//! nearly every job has a destination of its own.
//!
//! It leaves to others: durability (`journal`), the receiver's limits (`throttle`), what follows an attempt
//! (`outcome`), DNS (`egress`). It has no clock; the caller hands in the time.

mod batch;
mod destination;
mod entry;
pub mod error;
pub mod fairness;
mod index;
mod line;
mod queue;
mod slab;
pub mod view;
mod wheel;

pub use error::PushError;
pub use queue::{GroupId, Queue, QueueState, Scope, Waiting};
pub use view::{Standing, View};
