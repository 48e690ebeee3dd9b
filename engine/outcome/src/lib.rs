//! What the reply means, and what follows from it.
//!
//! ```text
//! Evidence (phase, reply or trouble, last byte?) ─► classify: cause · scope · severity · action (configs/bounces/*.toml)
//!                              + Standing (attempts, deadline, schedule) ─► Decision: state · due · cause · feedback
//! ```
//!
//! It promises:
//! - one stable word for every end of an attempt ([`Cause`]), and the line of the rule that gave it;
//! - what is wrong between us and the receiver (a lane's reputation, our DNS, our signatures) never bounces a member's
//!   statement: the message waits for better times, up to its deadline (scope × severity, [`Scope`], [`Severity`]);
//! - a connection lost after the last byte is `uncertain` and nothing else (invariant 10);
//! - a permanent failure is `bounced`, a case for a person, never an automatic resend (invariant 11).
//!
//! It leaves to others: sending (`egress`), waiting (`queue`), holding a lane back (`throttle`). No I/O, no clock, no
//! randomness: time and jitter are handed in.

pub mod cause;
pub mod classify;
mod config;
pub mod decision;
pub mod error;
pub mod evidence;
pub mod retry;
mod units;

pub use cause::{Cause, Scope, Severity};
pub use classify::{Finding, Rules, Verdict};
pub use decision::{Action, Decision, Feedback, Standing, UncertainRule};
pub use error::RulesError;
pub use evidence::{Evidence, Phase, Trouble};
pub use retry::RetrySchedule;
