//! What does not fit: events that the ledger did not apply, because applying them would hide something.

use model::{BatchId, JobId};
use serde::Serialize;

/// One event that was not applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Position of the event in the record.
    pub position: u64,
    /// A stable code, see [`Finding::ALL_CODES`].
    pub code: String,
    /// The job, as text.
    pub job: Option<String>,
    /// The batch, as text.
    pub batch: Option<String>,
    /// The state the job was in.
    pub from: Option<String>,
    /// The state the event asked for.
    pub to: Option<String>,
}

impl Finding {
    /// Every code there is.
    pub const ALL_CODES: [&'static str; 8] = [
        NOT_ALLOWED,
        UNKNOWN_JOB,
        UNKNOWN_BATCH,
        UNKNOWN_ROW,
        REPEATED_HEAD,
        FRAME_WITHOUT_JOB,
        INTENT_WHILE_IN_FLIGHT,
        DISCARD_AFTER_COMMIT,
    ];
}

/// The table of allowed changes does not have it.
pub(crate) const NOT_ALLOWED: &str = "change_not_allowed";
/// No head of this job came before.
pub(crate) const UNKNOWN_JOB: &str = "unknown_job";
/// No opening of this batch came before, or it was discarded.
pub(crate) const UNKNOWN_BATCH: &str = "unknown_batch";
/// A statement left a job that has no such row, or no other.
pub(crate) const UNKNOWN_ROW: &str = "unknown_row";
/// A second head of one job.
pub(crate) const REPEATED_HEAD: &str = "repeated_head";
/// An event about a job whose frame names none.
pub(crate) const FRAME_WITHOUT_JOB: &str = "frame_without_job";
/// A second attempt began while the first had no end: the first counts as uncertain.
pub(crate) const INTENT_WHILE_IN_FLIGHT: &str = "intent_while_in_flight";

/// A batch that is binding cannot be given up.
pub(crate) const DISCARD_AFTER_COMMIT: &str = "discard_after_commit";

/// A finding before it has its place in the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub(crate) code: &'static str,
    pub(crate) job: Option<JobId>,
    pub(crate) batch: Option<BatchId>,
    pub(crate) from: Option<model::State>,
    pub(crate) to: Option<model::State>,
}

impl Found {
    pub(crate) const fn about_job(code: &'static str, job: Option<JobId>) -> Self {
        Self { code, job, batch: None, from: None, to: None }
    }

    pub(crate) const fn about_batch(code: &'static str, batch: BatchId) -> Self {
        Self { code, job: None, batch: Some(batch), from: None, to: None }
    }
}
