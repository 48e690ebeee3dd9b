//! The journal: jobs become durable, encrypted, recoverable.
//!
//! One per stream. It promises: what it says is accepted is on disk, encrypted, and comes back after any crash (invariants 1, 5, 10, 12); a
//! batch is all or nothing (2); a deleted key destroys content (6). It leaves to others: what a job says (intake), when it is due
//! (queue), and what the record adds up to (ledger).
//!
//! ```text
//! <dir>/work/NNNNNNNN.seg     payloads, encrypted; a segment goes when all its jobs are settled, or the last few were moved out of it
//! <dir>/record/NNNNNNNN.seg   the truth: batches, heads, intents, outcomes; kept
//! <dir>/checkpoints/NNNNNNNN.ckpt   the record through segment NNNNNNNN summed up, sealed; the newest two
//! <dir>/bundles/<hex>         what decided the bytes of messages, sealed
//! <dir>/epoch                 number of the last start, and in which directory it was
//! <dir>/restored-from-backup  the mark of a copy: no start without an operator's word
//! <dir>/lock                  held by the process that writes
//! <anywhere>                  files sealed under a tenant's key ([`sealed`]): what came in, contacts
//! <key ring>/ring.a, ring.b   wrapped keys and tenants, outside the journal, shared by the streams
//! ```
//!
//! The way of a job: [`Journal::open_batch`] makes the batch's key; [`Journal::append`] and [`Journal::commit_batch`] (a file), or
//! [`Journal::append_rolling`] (a stream), make it durable; [`Journal::record`] says what becomes of it. One writer thread per stream does
//! all writing: it takes what has piled up, writes each log once, syncs each log once, answers. A second thread makes segments
//! and keys ahead of need. [`Reader`]s read payloads on workers, a [`Tail`] reads the record for projections, [`open`] recovers.
//!
//! The surprise: appended jobs of a file batch are not jobs yet. Only [`Journal::commit_batch`] gives them back as
//! [`model::stage::JournaledJob`], and a restart before it forgets them.
//!
//! I/O goes through [`world::Disk`]: one contiguous write and one sync per log and group, by the way that a start measured to be the
//! fastest here (`commit_method`: io_uring, pwritev2, or pwrite and fdatasync).
//! A nearly full disk lets no job in and everything settle (`space`).

mod archivist;
mod backup;
mod block;
pub mod bounds;
mod bundle;
mod census;
mod checkpoint;
mod cipher;
mod commit_method;
mod committed;
mod compaction;
mod config;
mod encoder;
mod epoch;
mod error;
mod finding;
mod footer;
mod format;
mod frame;
#[cfg(any(test, fuzzing))]
#[cfg_attr(test, allow(dead_code, unreachable_pub, reason = "fuzzers use all of it"))]
pub mod fuzzing;
mod inspect;
mod journal;
mod journal_dir;
mod keeper;
mod key_ring;
mod live;
mod log;
mod moving;
mod notices;
mod open;
mod past;
mod patience;

mod payload;
mod places;
mod reader;
mod record;
mod recovery;
mod restore;
pub mod sealed;
mod segment;
mod space;
mod stale;
mod stats;
mod survey;
mod tail;
mod ticket;
mod verify;
mod walk;
mod writer;

pub use backup::{BackupError, CopiedFile, CopiedJournal, Copier, Pace, RESTORED_MARK, file_sha256, lock_key_ring};
pub use committed::CommittedJobs;
pub use config::JournalConfig;
pub use error::{DiskError, Finding, JournalError, KeyError, PayloadError};
pub use format::{LogKind, RecordPosition};
pub use inspect::{Content, Field, FieldValue, Inspected, InspectedFrame, Inspection, Selection, Thing};
pub use journal::{Journal, Watermark};
pub use journal_dir::JournalDir;
pub use keeper::Hold;
pub use key_ring::{KeyRing, KeySecret, KeySource, KeysOverview, RingOverview, Rotated, Rotation, TenantOverview, new_key_file};
pub use open::{Opened, open, open_restored};
pub use payload::PayloadMeter;
pub use places::PlacedJob;
pub use reader::Reader;
pub use recovery::{Recovered, RecoveredBatch, RecoveredJob};
#[doc(hidden)]
pub use stale::adopt;
pub use stale::{Stale, StaleSign, Vouch, look_for_staleness};
pub use stats::{CheckpointStats, FolderStats, FrameStats, JobStats, JournalStats, LogStats, OnProgress, SegmentStats};
pub use tail::Tail;
pub use ticket::Ticket;
pub use verify::{Flaw, Severity, Verification};
