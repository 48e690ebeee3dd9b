//! Intake: a batch arrives and becomes jobs.
//!
//! ```text
//! bytes ─► formats ─► Row ─► admission ─► Job<S> (accepted) or a disposition with a reason
//!          X12 835           │   ▲   ▲
//!          NDJSON, FHIR R4   │   │   └─ duplicates: has this key been accepted before?
//!          CSV, fixed width  │   └───── members: whose address is it? (id and name or birth date)
//!                            └────────► counted: rows and money (invariant 3)
//! ```
//!
//! It promises
//! * that every record of a file comes out as exactly one [`Row`]: a statement, a templated message, or a reject that says
//!   where, what was expected and what to do, and never a value of the record but the arithmetic;
//! * that memory does not grow with the file: a reader is passed through a window of a few hundred kilobytes;
//! * that an amount is exact or absent: no float, no zero for what is not stated (invariant 14);
//! * that a statement gets an address only by member id *and* name or birth date (invariant 13);
//! * that the counts balance, in rows and in money.
//!
//! It leaves to others: making jobs durable (`journal`), what a message looks like (`render`), where files come from and
//! go to, and the clock. It does no I/O beyond reading from the reader it is given, and the folder of the key index.
//!
//! The one surprise: damage that belongs to no single record (a count in a trailer that does not fit, an interchange that is not
//! closed) is not a row. It is a finding, see [`Rows::findings`]; a batch with findings deserves a person's look before it is committed.
//!
//! ```
//! use intake::{InputProfile, Row, open};
//! let file = b"ST*835*1~BPR*I*0~N1*PR*Example Plan~CLP*A*4*10*0*10*12*C1~NM1*QC*1*EXAMPLE*ADA****MI*M1~CAS*PR*96*10~SE*7*1~";
//! let mut rows = open(&InputProfile::default(), "a.835", Box::new(&file[..]))?;
//! let Some(Ok(Row::Statement(read))) = rows.next() else { panic!("one claim") };
//! assert_eq!(read.statement.totals.member_owes, Some(model::Cents(1_000)));
//! assert_eq!((rows.next(), rows.source_records(), rows.findings().len()), (None, 1, 0));
//! # Ok::<(), model::reject::Refusal>(())
//! ```

pub mod addressing;
pub mod admission;
mod again;
pub mod amount;
pub mod authority;
pub mod check;
pub mod column_map;
mod content;
pub mod correction;
pub mod duplicates;
pub mod error;
pub mod formats;
/// What fuzzers throw bytes at. Compiled for them and for tests.
#[cfg(any(test, fuzzing))]
pub mod fuzzing {
    pub use crate::formats::ndjson::fuzzing::ndjson_line;
}
pub mod gates;
pub mod grouping;
pub mod manifest;
pub mod members;
pub mod presentation;
mod profile;
pub mod reason;
mod row;
mod validate;
mod window;
pub mod wrapping;

pub use addressing::{Addressed, Addressing, MemberSettings, NoAddressRule};
pub use admission::{Admission, AdmissionSettings, Admitted, Fingerprints};
pub use amount::{Rounded, Rounding};
pub use authority::{AuthoritySettings, ConsentRule};
pub use check::StatementView;
pub use column_map::ColumnMap;
pub use correction::Earlier;
pub use duplicates::{
    Binding, Day, KeyEntry, KeyIndex, KeyIndexError, KeyIndexKeeper, KeyIndexSettings, Known, OpenedKeyIndex, RUN_KEYS_DEFAULT, Repeat,
    Replay,
};
pub use error::Undetected;
pub use formats::{Format, Rows, Verdict, detect, open};
pub use grouping::{GroupBy, Grouping, Placed, TakenOut};
pub use manifest::{MANIFEST_BYTES_MAX, Manifest, Totals};
pub use members::{Contacts, Join, PostalAddress, PostalWay, VersionHash};
pub use presentation::DetailSettings;
pub use profile::InputProfile;
pub use row::{InlineRecipient, ReadStatement, ReadTemplated, Row};
pub use wrapping::{Wrapping, WrappingError, WrappingLimits};
