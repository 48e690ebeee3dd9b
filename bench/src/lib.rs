//! What each stage costs for one message: criterion benches, one file a stage, and the budgets they are held to.
//!
//! ```text
//! cargo bench -p bench                      every stage, a few seconds a figure
//! cargo bench -p bench --bench seal         one stage; its bare signature is the yardstick of all others
//! cargo bench -p bench --bench seal -- both one figure of it
//! cargo run -p bench --bin budgets          medians of the latest runs, beside their budgets, as signatures
//! cargo test -p bench --benches             each figure's work once, to see that it still runs
//! ```
//!
//! One message everywhere: the statement of an invented member with 15 service lines, about 32 KB as it leaves.
//!
//! # Budgets
//!
//! For one core of the machine on which one RSA-2048 signature of aws-lc-rs takes 276 µs:
//!
//! | stage | what is measured | budget |
//! |---|---|---|
//! | intake | one claim of an 835, or one NDJSON job: read, checked, admitted | 15 µs, encoding for the journal included |
//! | render | templates filled, `multipart/alternative`, quoted-printable, hash | 25 + 12 µs |
//! | seal | body hash, RSA-2048 and Ed25519 signature | 320 µs |
//! | journal | payload, head, intent and outcome, in groups of 256 | 8 µs of CPU |
//! | smtp | the conversation of one message on a reused connection | 40 µs, system calls and TLS included |
//! | queue, throttle | from pushed to finished; permit and spend | 5 µs together |
//! | all | file to 250, with what has no bench here (TLS 8, record and ledger 15, metrics 2) | 450 µs; 130 µs without DKIM |
//!
//! # How figures are read
//!
//! - **Medians.** The mean of a machine that does something else now and then says something about the something else.
//! - **As signatures.** Another machine has another clock: `budgets` divides each median by that of `seal/bare`, and compares with the
//!   budget divided by 276 µs. Run `seal` in the same sitting. A ratio that moves by a tenth is news; a microsecond is not.
//! - **What is waited for is not CPU.** `journal/append` is CPU of the whole process. `journal/commit` and `journal/recovery` are time on the
//!   wall and contain the disk; a commit is read beside the bare write and sync of the same run.
//! - **Alone.** No other build, no other load: two cores are few.
//!
//! It leaves to others: the whole engine and its latencies (`loadtest`), memory (`queue`'s own stories).

mod inputs;

pub use inputs::{FROM_DOMAIN, Message, ROWS, batch, bundle, delivery, job_data, message, mx_envelope, now};

use criterion::Criterion;
use std::time::Duration;

/// Criterion with short spans and the command line's wishes: a figure takes about four seconds.
pub fn criterion() -> Criterion {
    Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3)).sample_size(50).configure_from_args()
}
