//! How one job stands: what a correction asks about the version before it.

use crate::{Ledger, LedgerError, grouped};
use model::{BatchId, Cents, JobId, MoneySummary, State};
use rusqlite::OptionalExtension;

/// One statement of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatementPlace {
    /// Its place in the payload, from 0.
    pub place: usize,
    /// What it adds up to.
    pub money: MoneySummary,
}

/// A job of a batch that is binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobStanding {
    /// Its batch.
    pub batch: BatchId,
    /// Its state.
    pub state: State,
    /// What its statements add up to.
    pub money: MoneySummary,
    /// Statements in it.
    pub statements: u16,
    /// The one of the row that was asked about; `None` where it has no such row.
    pub statement: Option<StatementPlace>,
    /// Whether it may have been sent without our knowing.
    pub uncertain: bool,
    /// What happened last, in a stable word: of a job that goes on paper, why.
    pub cause: Option<String>,
}

impl Ledger {
    /// How a job stands, and its statement of a row; `None` where it is not known, or its batch is not binding.
    ///
    /// # Errors
    /// [`LedgerError::Sqlite`].
    pub fn job_standing(&self, job: JobId, row: u64) -> Result<Option<JobStanding>, LedgerError> {
        let id = job.to_bits().cast_signed();
        let mut query = self.connection.prepare_cached(
            "SELECT jobs.batch, jobs.state, jobs.billed, jobs.plan_paid, jobs.member_owes, jobs.statements, words.word, jobs.row,
                    jobs.uncertain
             FROM jobs JOIN batches ON batches.id = jobs.batch LEFT JOIN words ON words.id = jobs.cause
             WHERE jobs.id = ?1 AND (batches.rolling OR batches.committed_at IS NOT NULL) AND batches.discarded_at IS NULL",
        )?;
        let found = query.query_row([id], |row| {
            let cents = |column| row.get(column).map(Cents);
            let state: u8 = row.get(1)?;
            let batch = BatchId::from_bits(row.get::<_, i64>(0)?.cast_unsigned());
            let money = MoneySummary { billed: cents(2)?, plan_paid: cents(3)?, member_owes: cents(4)? };
            Ok((batch, state, money, row.get(5)?, row.get(6)?, row.get::<_, i64>(7)?.cast_unsigned(), row.get(8)?))
        });
        let Some((batch, state, money, statements, cause, first, uncertain)) = found.optional()? else { return Ok(None) };
        let Some(state) = State::ALL.get(usize::from(state)).copied() else { return Ok(None) };
        let rows = grouped::read(&self.connection, id, first, money)?;
        let statement = rows.iter().position(|of| of.row == row).map(|place| StatementPlace { place, money: rows[place].money });
        Ok(Some(JobStanding { batch, state, money, statements, statement, uncertain, cause }))
    }
}
