//! The ledger: accounting and search, as a SQLite projection of the record.
//!
//! It reads `record` events in order and keeps what a report needs: batches, jobs with their state and money, attempts,
//! what operators did, and dated adjustments for bounces that come after `delivered`. It promises:
//!
//! * **It can be thrown away.** Delete the file and apply the record from the start: the same rows come out.
//! * **Each event counts once.** [`Ledger::apply`] is one transaction that carries the position of its last event; what lies at or
//!   before the position is skipped.
//! * **Nothing slips.** A change that [`model::State::may_become`] does not allow, an event about an unknown job, a head without its
//!   batch: each is a [`Finding`], counted, and not applied.
//! * **Nothing personal.** Ids, states, sums, receiving domains, reply codes. No name, no address, no claim number, no
//!   fingerprint.
//! * **What is not committed does not count.** Heads of a batch without its commit are in no report, unless the batch is rolling.
//!
//! It leaves to others: tailing the record, deciding when to apply, and the time a report took. One process
//! opens it for writing; WAL lets others read meanwhile. It is off the hot path: nothing waits for it but reports.
//!
//! ```
//! # use ledger::Ledger;
//! let mut ledger = Ledger::open_in_memory()?;
//! assert_eq!(ledger.position(), None);
//! ledger.apply(&[])?;
//! # Ok::<(), ledger::LedgerError>(())
//! ```

mod error;
mod finding;
mod grouped;
mod job;
mod paper;
mod projection;
mod report;
mod schema;
mod standing;
mod view;
mod words;

pub use error::LedgerError;
pub use finding::Finding;
pub use paper::PaperJob;
pub use projection::{Applied, Ledger, Look};
pub use report::{BatchReport, LANGUAGE_UNMET, MoneySplit, Parts, Split, States};
pub use standing::{JobStanding, StatementPlace};
pub use view::{Adjustment, BatchLine, JobFilter, JobLine, OperatorLine};
