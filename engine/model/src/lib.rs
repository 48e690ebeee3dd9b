//! The words of sealpost.
//!
//! Every crate speaks with these types and none of them does I/O. They promise that a value which
//! exists is valid (a [`Cents`] came from exact decimals, a [`Destination`] is a lower-case A-label),
//! that units are in the type, and that nothing personal prints: `Debug` of a name, an address or a
//! claim number shows stars.
//!
//! The journey of a record is the journey of a type, see [`stage`]; the words of the durable record
//! are in [`record`]; every limit on what comes from outside is in [`limits`].

mod civil_day;
pub mod ids;
pub mod language;
pub mod limits;
pub mod money;
pub mod nearest;
pub mod presentation;
pub mod protection;
pub mod recipient;
pub mod record;
pub mod redact;
pub mod reject;
pub mod reply;
pub mod stage;
pub mod state;
pub mod statement;
pub mod stream;
pub mod time;

pub use ids::{BatchId, BundleId, Fingerprint, JobId, MessageVersion, TenantId, hex};
pub use language::{LanguageTag, LanguageTagError};
pub use money::{Cents, MoneySummary};
pub use presentation::{Detail, DetailReason, PaperReason, Presentation};
pub use protection::Protection;
pub use recipient::{Destination, Mailbox, Recipient};
pub use redact::Private;
pub use reply::{EnhancedCode, Reply};
pub use state::State;
pub use statement::Statement;
pub use stream::{Marketing, Stream, StreamName, Transactional};
pub use time::{Monotonic, Timestamp};

/// A civil date: a service date or birth date, never shifted by a time zone.
pub use jiff::civil::Date;
