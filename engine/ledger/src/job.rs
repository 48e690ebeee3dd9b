//! One job as the ledger keeps it, and the rows of a transaction that are still in memory.
//!
//! A transaction of some thousand events touches most jobs two or three times (head, intent, outcome). So rows are changed in
//! memory and written once, in the order of their ids, at the end; sums by state move with them.

use crate::grouped::{self, GroupedRow};
use model::{BatchId, JobId, MoneySummary, State};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// One row of `jobs`.
#[derive(Debug, Clone)]
pub(crate) struct JobRow {
    pub(crate) batch: BatchId,
    pub(crate) tenant: u16,
    pub(crate) row: u64,
    pub(crate) state: State,
    pub(crate) held: Option<i64>,
    pub(crate) uncertain: bool,
    pub(crate) statements: u16,
    pub(crate) money: MoneySummary,
    pub(crate) destination: Option<i64>,
    pub(crate) attempts: u16,
    pub(crate) cause: Option<i64>,
    pub(crate) code: Option<u16>,
    pub(crate) updated_at: u64,
    /// Not in the table yet.
    pub(crate) is_new: bool,
}

/// Sums of `batch_states`, as a difference to what the table says.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    jobs: i64,
    statements: i64,
    money: MoneySummary,
}

/// The rows touched by a transaction.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    jobs: BTreeMap<i64, JobRow>,
    sums: BTreeMap<(BatchId, State), Sums>,
    uncertain: BTreeMap<BatchId, i64>,
    /// The rows of jobs of several statements that are new, or were narrowed.
    grouped: BTreeMap<i64, Vec<GroupedRow>>,
    /// Jobs that were narrowed, and the rows that left them; true where the job was uncertain by then.
    narrowed: BTreeMap<i64, Vec<(GroupedRow, bool)>>,
}

impl Touched {
    /// The row of a job, from memory or from the table; `None` where there is none.
    pub(crate) fn job(&mut self, connection: &Connection, id: JobId) -> Result<Option<&mut JobRow>, rusqlite::Error> {
        let key = id.to_bits().cast_signed();
        match self.jobs.entry(key) {
            Entry::Occupied(known) => Ok(Some(known.into_mut())),
            Entry::Vacant(place) => Ok(read(connection, key)?.map(|row| place.insert(row))),
        }
    }

    /// Adds a job.
    pub(crate) fn insert(&mut self, id: JobId, row: JobRow) {
        self.move_sums(&row, None, Some(row.state));
        self.jobs.insert(id.to_bits().cast_signed(), row);
    }

    /// The rows of a new job of several statements.
    pub(crate) fn insert_grouped(&mut self, id: JobId, rows: Vec<GroupedRow>) {
        self.grouped.insert(id.to_bits().cast_signed(), rows);
    }

    /// Takes these rows out of a job, for newer versions of their statements. False where it has not all of them, or no others.
    pub(crate) fn narrow(&mut self, connection: &Connection, id: JobId, rows: &[u64]) -> Result<bool, rusqlite::Error> {
        let key = id.to_bits().cast_signed();
        let Some(job) = self.job(connection, id)?.cloned() else { return Ok(false) };
        let all = match self.grouped.get(&key) {
            Some(rows) => rows.clone(),
            None => grouped::read(connection, key, job.row, job.money)?,
        };
        let (gone, stay): (Vec<_>, Vec<_>) = all.into_iter().partition(|row| rows.contains(&row.row));
        let Some(first) = stay.first().filter(|_| !gone.is_empty() && gone.len() == rows.len()) else { return Ok(false) };
        let mut job = JobRow { row: first.row, statements: u16::try_from(stay.len()).unwrap_or(u16::MAX), ..job };
        for row in &gone {
            job.money -= row.money;
            let from = self.sums.entry((job.batch, job.state)).or_default();
            from.statements -= 1;
            from.money -= row.money;
            let to = self.sums.entry((job.batch, State::Superseded)).or_default();
            to.statements += 1;
            to.money += row.money;
        }
        let uncertain = job.uncertain;
        self.jobs.insert(key, job);
        self.narrowed.entry(key).or_default().extend(gone.into_iter().map(|row| (row, uncertain)));
        self.grouped.insert(key, stay);
        Ok(true)
    }

    /// Moves the sums of a job whose row now says `row.state`.
    pub(crate) fn moved(&mut self, row: &JobRow, from: State) {
        if from != row.state {
            self.move_sums(row, Some(from), Some(row.state));
        }
    }

    /// Counts statements that may have been sent twice, or were sent and never answered.
    pub(crate) fn add_uncertain(&mut self, row: &JobRow) {
        *self.uncertain.entry(row.batch).or_default() += i64::from(row.statements);
    }

    /// Forgets a discarded batch: its rows and sums, in memory and in the tables.
    pub(crate) fn discard(&mut self, connection: &Connection, batch: BatchId) -> Result<(), rusqlite::Error> {
        self.jobs.retain(|_, row| row.batch != batch);
        self.sums.retain(|(of, _), _| *of != batch);
        self.uncertain.remove(&batch);
        let id = batch.to_bits().cast_signed();
        self.grouped.retain(|job, _| self.jobs.contains_key(job));
        connection.prepare_cached("DELETE FROM grouped_rows WHERE job IN (SELECT id FROM jobs WHERE batch = ?1)")?.execute([id])?;
        connection.prepare_cached("DELETE FROM jobs WHERE batch = ?1")?.execute([id])?;
        connection.prepare_cached("DELETE FROM batch_states WHERE batch = ?1")?.execute([id])?;
        Ok(())
    }

    /// Writes everything.
    pub(crate) fn flush(self, connection: &Connection) -> Result<(), rusqlite::Error> {
        for (id, gone) in &self.narrowed {
            self.jobs.get(id).map_or(Ok(()), |job| grouped::narrow(connection, *id, job, gone))?;
        }
        write_jobs(connection, self.jobs)?;
        self.grouped.iter().try_for_each(|(id, rows)| grouped::write(connection, *id, rows))?;
        write_sums(connection, self.sums)?;
        let mut uncertain = connection.prepare_cached("UPDATE batches SET uncertain = uncertain + ?2 WHERE id = ?1")?;
        for (batch, statements) in self.uncertain {
            uncertain.execute(params![batch.to_bits().cast_signed(), statements])?;
        }
        Ok(())
    }

    fn move_sums(&mut self, row: &JobRow, from: Option<State>, to: Option<State>) {
        if let Some(from) = from {
            let sums = self.sums.entry((row.batch, from)).or_default();
            sums.jobs -= 1;
            sums.statements -= i64::from(row.statements);
            sums.money -= row.money;
        }
        if let Some(to) = to {
            let sums = self.sums.entry((row.batch, to)).or_default();
            sums.jobs += 1;
            sums.statements += i64::from(row.statements);
            sums.money += row.money;
        }
    }
}

/// The state in a column.
pub(crate) fn state_in(row: &Row<'_>, column: usize) -> Result<State, rusqlite::Error> {
    let number: i64 = row.get(column)?;
    let state = usize::try_from(number).ok().and_then(|at| State::ALL.get(at).copied());
    state.ok_or(rusqlite::Error::IntegralValueOutOfRange(column, number))
}

fn read(connection: &Connection, id: i64) -> Result<Option<JobRow>, rusqlite::Error> {
    let mut statement = connection.prepare_cached(
        "SELECT batch, tenant, row, state, held, uncertain, statements, billed, plan_paid, member_owes, destination, attempts, cause,
                code, updated_at FROM jobs WHERE id = ?1",
    )?;
    statement
        .query_row([id], |row| {
            Ok(JobRow {
                batch: BatchId::from_bits(row.get::<_, i64>(0)?.cast_unsigned()),
                tenant: row.get(1)?,
                row: row.get::<_, i64>(2)?.cast_unsigned(),
                state: state_in(row, 3)?,
                held: row.get(4)?,
                uncertain: row.get(5)?,
                statements: row.get(6)?,
                money: crate::report::money(row, 7)?,
                destination: row.get(10)?,
                attempts: row.get(11)?,
                cause: row.get(12)?,
                code: row.get(13)?,
                updated_at: row.get::<_, i64>(14)?.cast_unsigned(),
                is_new: false,
            })
        })
        .optional()
}

fn write_jobs(connection: &Connection, jobs: BTreeMap<i64, JobRow>) -> Result<(), rusqlite::Error> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO jobs (id, batch, tenant, row, state, held, uncertain, statements, billed, plan_paid, member_owes, destination, attempts,
                           cause, code, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    )?;
    let mut update = connection.prepare_cached(
        "UPDATE jobs SET state = ?2, held = ?3, uncertain = ?4, attempts = ?5, cause = ?6, code = ?7, updated_at = ?8 WHERE id = ?1",
    )?;
    for (id, job) in jobs {
        let (state, updated_at) = (job.state as u8, job.updated_at.cast_signed());
        if job.is_new {
            insert.execute(params![
                id,
                job.batch.to_bits().cast_signed(),
                job.tenant,
                job.row.cast_signed(),
                state,
                job.held,
                job.uncertain,
                job.statements,
                job.money.billed.0,
                job.money.plan_paid.0,
                job.money.member_owes.0,
                job.destination,
                job.attempts,
                job.cause,
                job.code,
                updated_at,
            ])?;
        } else {
            update.execute(params![id, state, job.held, job.uncertain, job.attempts, job.cause, job.code, updated_at])?;
        }
    }
    Ok(())
}

fn write_sums(connection: &Connection, sums: BTreeMap<(BatchId, State), Sums>) -> Result<(), rusqlite::Error> {
    let mut upsert = connection.prepare_cached(
        "INSERT INTO batch_states (batch, state, jobs, statements, billed, plan_paid, member_owes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (batch, state) DO UPDATE SET jobs = jobs + ?3, statements = statements + ?4, billed = billed + ?5,
                                                  plan_paid = plan_paid + ?6, member_owes = member_owes + ?7",
    )?;
    for ((batch, state), sums) in sums {
        let money = sums.money;
        upsert.execute(params![
            batch.to_bits().cast_signed(),
            state as u8,
            sums.jobs,
            sums.statements,
            money.billed.0,
            money.plan_paid.0,
            money.member_owes.0,
        ])?;
    }
    Ok(())
}
