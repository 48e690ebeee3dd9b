//! Invented members and batches, for tests, the demo and the load test.
//!
//! Everything follows from a seed: row *i* of a [`Batch`] is the same in every run, in every format and in whatever
//! order it is asked for. So the 835 file, the contact file and the expected totals of one batch can be written
//! separately, each in one pass and in bounded memory, and still agree.
//!
//! It promises amounts that balance to the cent (billed = discount + not covered + allowed, allowed = plan paid +
//! deductible + coinsurance + copay), envelopes with right counts, and an [`Expected`] that says where each row must end.
//! Names are built so that nobody can bear them, member ids begin with `TST`, and addresses lie only in the
//! destinations that the caller hands in.
//!
//! It reads no clock and no randomness of the machine, and it opens no file: writers take any `io::Write`.
//!
//! ```
//! use testkit::{Batch, Options};
//! let batch = Batch::new(Options { rows: 100, duplicate_per_mille: 50, ..Options::default() });
//! let mut file = Vec::new();
//! let expected = batch.write_x12_835(&mut file)?;
//! assert_eq!(expected.source_records, 100);
//! # std::io::Result::Ok(())
//! ```

mod batch;
mod contacts;
mod expected;
mod ndjson;
mod person;
mod random;
mod statement;
mod templated;
mod x12_835;

pub use batch::{Batch, Options, Row, RowKind};
pub use expected::Expected;
pub use person::Person;
pub use random::Random;
