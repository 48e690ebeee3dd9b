//! A message of several statements gives one of them up for its newer version, and keeps the others.
//!
//! What stays is written to the journal as the job's payload of now, with the word of which rows are gone, in one frame: before it the message is
//! what it was, behind it it is the others'. Nobody may be sending it meanwhile ([`crate::superseding`] took it out of its queue). Where a receiver put
//! it off, its bytes are frozen: what stays is a new version of the message (invariant 4). Where it may have arrived, it is not narrowed.

use crate::files::TenantFingerprints;
use intake::correction;
use journal::{Journal, JournalError, KeyRing, PayloadError, Reader, RecoveredJob, Ticket};
use model::record::HeadRow;
use model::stage::{JobData, Locator, Payload};
use model::{JobId, MessageVersion, Statement, Stream, Timestamp};
use std::collections::BTreeMap;

/// Why a message was not narrowed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NarrowingError {
    /// What it holds cannot be read: it cannot be sent either.
    #[error("its content cannot be read: {0}")]
    Payload(#[from] PayloadError),
    /// What it holds is not what the books say of it.
    #[error("its content has no such statements")]
    Content,
    /// The journal refuses.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Where the content of a job lies, and which version its message is from now on.
pub(crate) type Lies = (Locator, MessageVersion);

/// Takes rows, each with its place in the payload, out of a job. The ticket says, when that is durable, where its payload lies now.
pub(crate) async fn narrow<S: Stream>(
    journal: &Journal<S>,
    reader: &Reader,
    at: Timestamp,
    job: JobId,
    (locator, message): Lies,
    rows: &BTreeMap<u64, usize>,
) -> Result<Ticket<Locator>, NarrowingError> {
    let data = without(reader.payload(job, locator)?, rows).ok_or(NarrowingError::Content)?;
    Ok(journal.narrow((job, message), at, rows.keys().copied().collect(), &data).await?)
}

/// What stays; `None` where these are not some of its statements.
fn without(data: JobData, rows: &BTreeMap<u64, usize>) -> Option<JobData> {
    let Payload::Statements(mut statements) = data.payload else { return None };
    let stay = statements.len().checked_sub(rows.len()).filter(|stay| *stay > 0)?;
    let mut place = 0;
    statements.retain(|_| {
        place += 1;
        !rows.values().any(|gone| *gone + 1 == place)
    });
    (statements.len() == stay).then_some(JobData { payload: Payload::Statements(statements), ..data })
}

/// The rows of a job, with their places, whose newer versions are in jobs of committed batches: a crash came between the commit and the word
/// about them. Nothing where a content cannot be read.
pub(crate) fn left_over<'r, S: Stream>(
    reader: &Reader,
    keys: &KeyRing,
    older: &'r RecoveredJob<S>,
    newer: impl Iterator<Item = &'r RecoveredJob<S>>,
) -> BTreeMap<u64, usize> {
    let mut gone = BTreeMap::new();
    let Ok(fingerprints) = TenantFingerprints::new(keys.clone(), older.job.head.tenant) else { return gone };
    let before = statements(reader, older);
    for job in newer {
        for (row, statement) in job.job.head.rows().zip(statements(reader, job)).filter(|(row, _)| row.supersedes == Some(older.job.id)) {
            let is_before = |(row_before, before): &(HeadRow, &Statement)| {
                correction::is_before((before, &row_before.key), (&statement, &row.key), &fingerprints)
            };
            let mut rows = older.job.head.rows().zip(&before).enumerate();
            gone.extend(rows.find(|(_, of)| is_before(of)).map(|(place, (row, _))| (row.row, place)));
        }
    }
    gone
}

/// What a job tells; nothing where it cannot be read.
fn statements<S: Stream>(reader: &Reader, job: &RecoveredJob<S>) -> Vec<Statement> {
    match reader.payload(job.job.id, job.job.locator) {
        Ok(JobData { payload: Payload::Statements(statements), .. }) => statements,
        Ok(_) => Vec::new(),
        Err(error) => {
            tracing::error!(target: "sealpost::journal", job = %job.job.id, %error, "a content cannot be read; what corrects it, or it corrects, is not found");
            Vec::new()
        }
    }
}
