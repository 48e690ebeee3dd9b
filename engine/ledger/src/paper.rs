//! What goes on paper, as the ledger knows it: why, and whether it was exported.

use crate::{Ledger, LedgerError};
use model::{BatchId, JobId, Timestamp};
use rusqlite::params;

/// A job of a batch that goes on paper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaperJob {
    /// Which.
    pub job: JobId,
    /// Why: a word of [`model::PaperReason`].
    pub reason: Option<String>,
    /// Its statements.
    pub statements: u16,
    /// When it was exported first.
    pub exported_at: Option<Timestamp>,
    /// When an operator said that the paper is on its way: from then on its content may be gone.
    pub settled_at: Option<Timestamp>,
}

impl Ledger {
    /// The jobs of a batch that go on paper, in the order of their ids.
    ///
    /// # Errors
    /// [`LedgerError::Sqlite`].
    pub fn paper(&self, batch: BatchId) -> Result<Vec<PaperJob>, LedgerError> {
        let mut query = self.connection.prepare_cached(
            "SELECT jobs.id, words.word, jobs.statements, paper.exported_at, paper.settled_at
             FROM jobs LEFT JOIN words ON words.id = jobs.cause LEFT JOIN paper ON paper.job = jobs.id
             WHERE jobs.batch = ?1 AND jobs.state = ?2 ORDER BY jobs.id",
        )?;
        let moment = |at: Option<i64>| at.map(|at| Timestamp(at.cast_unsigned()));
        let jobs = query.query_map(params![batch.to_bits().cast_signed(), model::State::ToPaper as u8], |row| {
            Ok(PaperJob {
                job: JobId::from_bits(row.get::<_, i64>(0)?.cast_unsigned()),
                reason: row.get(1)?,
                statements: row.get(2)?,
                exported_at: moment(row.get(3)?),
                settled_at: moment(row.get(4)?),
            })
        })?;
        Ok(jobs.collect::<Result<_, _>>()?)
    }
}
