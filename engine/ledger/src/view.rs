//! What can be looked up: batches, their jobs, what was adjusted, what operators did, what did not fit.

use crate::finding::Finding;
use crate::grouped::{self, GroupedRow};
use crate::job::state_in;
use crate::report::money;
use crate::{Ledger, LedgerError};
use model::{BatchId, Cents, JobId, MoneySummary, State};
use rusqlite::{Row, params};
use serde::{Deserialize, Serialize};

/// The cause of rows that left their message.
const CORRECTED: &str = "corrected";

/// One batch in a list. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BatchLine {
    /// Its id, as text.
    pub batch_id: String,
    /// Number of its tenant.
    pub tenant: u16,
    /// Its stream.
    pub stream: String,
    /// Its format.
    pub format: String,
    /// Whether it is a rolling batch of streamed jobs.
    pub rolling: bool,
    /// When it was opened.
    pub opened_at_ms: u64,
    /// When it became binding.
    pub committed_at_ms: Option<u64>,
    /// When it was given up.
    pub discarded_at_ms: Option<u64>,
    /// When it was closed.
    pub closed_at_ms: Option<u64>,
    /// Whether an operator holds it.
    pub held: bool,
    /// Whether an operator cancelled it.
    pub cancelled: bool,
    /// Records of its source.
    pub source_records: u64,
    /// Jobs that are in it, in any state.
    pub jobs: u64,
    /// Jobs the engine still works on.
    pub active: u64,
}

/// Which jobs of a batch are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct JobFilter {
    /// In this state alone.
    pub state: Option<State>,
    /// Held for this, or last moved by this: a stable word.
    pub reason: Option<String>,
    /// After this job: the last one of the page before.
    pub after: Option<JobId>,
    /// At most so many; of rows a few more, so that the rows of one job stand on one page.
    pub limit: u32,
}

/// One job in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobLine {
    /// Its id, as text.
    pub job_id: String,
    /// The row it came from.
    pub row: u64,
    /// Where it stands.
    pub state: State,
    /// Why it is held.
    pub held: Option<String>,
    /// Whether it may have been sent twice or was never answered for.
    pub uncertain: bool,
    /// Statements in it; 1 in a line of [`Ledger::rows`].
    pub statements: u16,
    /// Statements in the message: more than one where rows of a member were grouped; 0 where it left its message for a newer version.
    pub message_statements: u16,
    /// What the providers charged.
    pub billed_cents: Cents,
    /// What the plan paid.
    pub plan_paid_cents: Cents,
    /// What the member owes.
    pub member_owes_cents: Cents,
    /// The receiving domain.
    pub destination: Option<String>,
    /// Attempts that ended.
    pub attempts: u16,
    /// What happened last, in a stable word.
    pub cause: Option<String>,
    /// The last reply code.
    pub code: Option<u16>,
    /// When that was, in milliseconds since 1970.
    pub updated_at_ms: u64,
}

/// A dated change of what had been reported as delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Adjustment {
    /// The job, as text.
    pub job_id: String,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// What it was.
    pub from: State,
    /// What it became.
    pub to: State,
    /// Statements that move.
    pub statements: u16,
    /// What the providers charged for them.
    pub billed_cents: Cents,
    /// What the plan paid.
    pub plan_paid_cents: Cents,
    /// What the members owe.
    pub member_owes_cents: Cents,
    /// Why, in a stable word.
    pub cause: String,
}

/// Who did what to a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OperatorLine {
    /// `hold`, `release`, `cancel`, `paper`.
    pub verb: String,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// The operator's login name.
    pub by: String,
    /// Why, in the operator's words.
    pub reason: String,
}

impl JobLine {
    /// The same for one row of it.
    fn part(&self, row: GroupedRow) -> Self {
        let MoneySummary { billed: billed_cents, plan_paid: plan_paid_cents, member_owes: member_owes_cents } = row.money;
        Self { row: row.row, statements: 1, billed_cents, plan_paid_cents, member_owes_cents, ..self.clone() }
    }
}

impl Ledger {
    /// All batches, the newest first.
    ///
    /// # Errors
    /// [`LedgerError::Sqlite`].
    pub fn batches(&self) -> Result<Vec<BatchLine>, LedgerError> {
        let mut query = self.connection.prepare_cached(
            "SELECT id, tenant, stream, format, rolling, opened_at, committed_at, discarded_at, closed_at, held, cancelled, source_records,
                    (SELECT coalesce(sum(jobs), 0) FROM batch_states WHERE batch = batches.id),
                    (SELECT coalesce(sum(jobs), 0) FROM batch_states WHERE batch = batches.id AND state IN (?1, ?2, ?3))
             FROM batches ORDER BY opened_at DESC, id DESC",
        )?;
        let active: Vec<u8> = State::ALL.into_iter().filter(|state| state.is_active()).map(|state| state as u8).collect();
        let lines = query.query_map(rusqlite::params_from_iter(active), batch_line)?.collect::<Result<_, _>>()?;
        Ok(lines)
    }

    /// Jobs of a batch in the order of their ids, at most `limit`; of one state where `state` says so.
    ///
    /// # Errors
    /// [`LedgerError::Sqlite`].
    pub fn jobs(&self, batch: BatchId, state: Option<State>, limit: u32) -> Result<Vec<JobLine>, LedgerError> {
        let mut query = self.connection.prepare_cached(
            "SELECT jobs.id, row, state, held.word, uncertain, statements, billed, plan_paid, member_owes, destination.word, attempts,
                    cause.word, code, updated_at
             FROM jobs
             LEFT JOIN words AS held ON held.id = jobs.held
             LEFT JOIN words AS destination ON destination.id = jobs.destination
             LEFT JOIN words AS cause ON cause.id = jobs.cause
             WHERE batch = ?1 AND (?2 IS NULL OR state = ?2) ORDER BY jobs.id LIMIT ?3",
        )?;
        let bits = batch.to_bits().cast_signed();
        let lines = query.query_map(params![bits, state.map(|state| state as u8), limit], job_line)?.collect::<Result<_, _>>()?;
        Ok(lines)
    }

    /// A page of a batch's jobs, in the order of their ids.
    ///
    /// # Errors
    /// [`LedgerError::Sqlite`].
    pub fn page(&self, batch: BatchId, of: &JobFilter) -> Result<Vec<JobLine>, LedgerError> {
        self.page_with(batch, of, false)
    }

    /// `with_narrowed` adds jobs of which a row gave way, however they stand.
    fn page_with(&self, batch: BatchId, of: &JobFilter, with_narrowed: bool) -> Result<Vec<JobLine>, LedgerError> {
        let mut query = self.connection.prepare_cached(
            "SELECT jobs.id, row, state, held.word, uncertain, statements, billed, plan_paid, member_owes, destination.word, attempts,
                    cause.word, code, updated_at
             FROM jobs
             LEFT JOIN words AS held ON held.id = jobs.held
             LEFT JOIN words AS destination ON destination.id = jobs.destination
             LEFT JOIN words AS cause ON cause.id = jobs.cause
             WHERE batch = ?1 AND (?4 IS NULL OR jobs.id > ?4)
                   AND ((?2 IS NULL OR state = ?2) AND (?3 IS NULL OR held.word = ?3 OR cause.word = ?3)
                        OR (?6 AND EXISTS (SELECT 1 FROM superseded_rows WHERE job = jobs.id)))
             ORDER BY jobs.id LIMIT ?5",
        )?;
        let after = of.after.map(|job| job.to_bits().cast_signed());
        let values = params![batch.to_bits().cast_signed(), of.state.map(|state| state as u8), of.reason, after, of.limit, with_narrowed];
        let lines = query.query_map(values, job_line)?.collect::<Result<_, _>>()?;
        Ok(lines)
    }

    /// A page of a batch's rows: as [`Self::page`], with a line of its own for each statement of a message that holds several, and for each
    /// that left its message for a newer version. A page that has fewer than `limit` lines is the last.
    ///
    /// # Errors
    /// [`LedgerError::Sqlite`].
    pub fn rows(&self, batch: BatchId, of: &JobFilter) -> Result<Vec<JobLine>, LedgerError> {
        let limit = usize::try_from(of.limit).unwrap_or(usize::MAX);
        let with_narrowed =
            of.state.is_none_or(|state| state == State::Superseded) && of.reason.as_deref().is_none_or(|word| word == CORRECTED);
        let mut lines = Vec::new();
        for job in self.page_with(batch, of, with_narrowed)? {
            let at = lines.len();
            if with_narrowed {
                self.gone(&job, &mut lines)?;
            }
            let is_asked_for = of.state.is_none_or(|state| state == job.state)
                && of.reason.as_ref().is_none_or(|word| job.held.as_ref() == Some(word) || job.cause.as_ref() == Some(word));
            if is_asked_for {
                self.parts(job, &mut lines)?;
            }
            lines[at..].sort_by_key(|line| line.row);
            if lines.len() >= limit {
                break;
            }
        }
        Ok(lines)
    }

    /// A line for each statement of a job.
    fn parts(&self, job: JobLine, lines: &mut Vec<JobLine>) -> Result<(), LedgerError> {
        if job.statements <= 1 {
            lines.push(job);
            return Ok(());
        }
        let total = MoneySummary { billed: job.billed_cents, plan_paid: job.plan_paid_cents, member_owes: job.member_owes_cents };
        for row in grouped::read(&self.connection, bits_of(&job), job.row, total)? {
            lines.push(job.part(row));
        }
        Ok(())
    }

    /// A line for each statement that left a job.
    fn gone(&self, job: &JobLine, lines: &mut Vec<JobLine>) -> Result<(), LedgerError> {
        let mut query =
            self.connection.prepare_cached("SELECT row, billed, plan_paid, member_owes, uncertain FROM superseded_rows WHERE job = ?1")?;
        let gone = query
            .query_map([bits_of(job)], |row| Ok((GroupedRow { row: unsigned(row, 0)?, money: money(row, 1)? }, row.get::<_, bool>(4)?)))?;
        for row in gone {
            let (row, uncertain) = row?;
            let (state, held, code, cause) = (State::Superseded, None, None, Some(CORRECTED.to_owned()));
            lines.push(JobLine { state, held, code, cause, uncertain, message_statements: 0, ..job.part(row) });
        }
        Ok(())
    }

    /// What changed in a batch after it had been reported as delivered, in order.
    ///
    /// # Errors
    /// [`LedgerError::Sqlite`].
    pub fn adjustments(&self, batch: BatchId) -> Result<Vec<Adjustment>, LedgerError> {
        let mut query = self.connection.prepare_cached(
            "SELECT job, at, from_state, to_state, statements, billed, plan_paid, member_owes, word
             FROM adjustments JOIN words ON words.id = cause WHERE batch = ?1 ORDER BY event",
        )?;
        let lines = query.query_map([batch.to_bits().cast_signed()], adjustment)?.collect::<Result<_, _>>()?;
        Ok(lines)
    }

    /// What operators did to a batch, in order.
    ///
    /// # Errors
    /// [`LedgerError::Sqlite`].
    pub fn operator_actions(&self, batch: BatchId) -> Result<Vec<OperatorLine>, LedgerError> {
        let mut query =
            self.connection.prepare_cached("SELECT verb, at, by, reason FROM operator_actions WHERE batch = ?1 ORDER BY event")?;
        let lines = query
            .query_map([batch.to_bits().cast_signed()], |row| {
                Ok(OperatorLine { verb: row.get(0)?, at_ms: unsigned(row, 1)?, by: row.get(2)?, reason: row.get(3)? })
            })?
            .collect::<Result<_, _>>()?;
        Ok(lines)
    }

    /// How many events did not fit. Anything but zero means that a stage and the table of allowed changes disagree.
    ///
    /// # Errors
    /// [`LedgerError::Sqlite`].
    pub fn findings_count(&self) -> Result<u64, LedgerError> {
        let count: i64 = self.connection.query_row("SELECT findings FROM position", [], |row| row.get(0))?;
        Ok(count.cast_unsigned())
    }

    /// The latest events that did not fit, the newest first.
    ///
    /// # Errors
    /// [`LedgerError::Sqlite`].
    pub fn findings(&self, limit: u32) -> Result<Vec<Finding>, LedgerError> {
        let mut query = self
            .connection
            .prepare_cached("SELECT event, code, job, batch, from_state, to_state FROM findings ORDER BY id DESC LIMIT ?1")?;
        let lines = query.query_map([limit], finding)?.collect::<Result<_, _>>()?;
        Ok(lines)
    }
}

fn bits_of(job: &JobLine) -> i64 {
    job.job_id.parse::<JobId>().map_or(0, |id| id.to_bits().cast_signed())
}

fn batch_line(row: &Row<'_>) -> Result<BatchLine, rusqlite::Error> {
    Ok(BatchLine {
        batch_id: BatchId::from_bits(unsigned(row, 0)?).to_string(),
        tenant: row.get(1)?,
        stream: row.get(2)?,
        format: row.get(3)?,
        rolling: row.get(4)?,
        opened_at_ms: unsigned(row, 5)?,
        committed_at_ms: optional(row, 6)?,
        discarded_at_ms: optional(row, 7)?,
        closed_at_ms: optional(row, 8)?,
        held: row.get(9)?,
        cancelled: row.get(10)?,
        source_records: unsigned(row, 11)?,
        jobs: unsigned(row, 12)?,
        active: unsigned(row, 13)?,
    })
}

fn job_line(row: &Row<'_>) -> Result<JobLine, rusqlite::Error> {
    let sums = money(row, 6)?;
    Ok(JobLine {
        job_id: JobId::from_bits(unsigned(row, 0)?).to_string(),
        row: unsigned(row, 1)?,
        state: state_in(row, 2)?,
        held: row.get(3)?,
        uncertain: row.get(4)?,
        statements: row.get(5)?,
        message_statements: row.get(5)?,
        billed_cents: sums.billed,
        plan_paid_cents: sums.plan_paid,
        member_owes_cents: sums.member_owes,
        destination: row.get(9)?,
        attempts: row.get(10)?,
        cause: row.get(11)?,
        code: row.get(12)?,
        updated_at_ms: unsigned(row, 13)?,
    })
}

fn adjustment(row: &Row<'_>) -> Result<Adjustment, rusqlite::Error> {
    let sums = money(row, 5)?;
    Ok(Adjustment {
        job_id: JobId::from_bits(unsigned(row, 0)?).to_string(),
        at_ms: unsigned(row, 1)?,
        from: state_in(row, 2)?,
        to: state_in(row, 3)?,
        statements: row.get(4)?,
        billed_cents: sums.billed,
        plan_paid_cents: sums.plan_paid,
        member_owes_cents: sums.member_owes,
        cause: row.get(8)?,
    })
}

fn finding(row: &Row<'_>) -> Result<Finding, rusqlite::Error> {
    let state = |column| -> Result<Option<String>, rusqlite::Error> {
        let number: Option<u8> = row.get(column)?;
        number.map(|_| state_in(row, column).map(|state| state.to_string())).transpose()
    };
    Ok(Finding {
        position: unsigned(row, 0)?,
        code: row.get(1)?,
        job: optional(row, 2)?.map(|bits| JobId::from_bits(bits).to_string()),
        batch: optional(row, 3)?.map(|bits| BatchId::from_bits(bits).to_string()),
        from: state(4)?,
        to: state(5)?,
    })
}

fn unsigned(row: &Row<'_>, column: usize) -> Result<u64, rusqlite::Error> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

fn optional(row: &Row<'_>, column: usize) -> Result<Option<u64>, rusqlite::Error> {
    Ok(row.get::<_, Option<i64>>(column)?.map(i64::cast_unsigned))
}
