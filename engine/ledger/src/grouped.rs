//! The rows of jobs that hold several statements, and those that gave way.
//!
//! A job of one statement has no line here: its row stands in `jobs`. Of a job of several the first row stands there too, and
//! `grouped_rows` has those behind it with their money; the first one's is what is left of the job's. A row that gave way to a newer
//! version of its statement is moved to `superseded_rows`, and the job is one of fewer statements.

use crate::job::JobRow;
use crate::report::money;
use model::MoneySummary;
use rusqlite::{Connection, params};

/// One row of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GroupedRow {
    pub(crate) row: u64,
    pub(crate) money: MoneySummary,
}

/// All rows of a job whose first row and sums these are, in the order of its payload.
pub(crate) fn read(connection: &Connection, id: i64, first: u64, total: MoneySummary) -> Result<Vec<GroupedRow>, rusqlite::Error> {
    let mut query =
        connection.prepare_cached("SELECT row, billed, plan_paid, member_owes FROM grouped_rows WHERE job = ?1 ORDER BY row")?;
    let further = query.query_map([id], |row| Ok(GroupedRow { row: row.get::<_, i64>(0)?.cast_unsigned(), money: money(row, 1)? }))?;
    let mut rows = vec![GroupedRow { row: first, money: total }];
    for row in further {
        let row = row?;
        rows[0].money -= row.money;
        rows.push(row);
    }
    Ok(rows)
}

/// Writes the rows of a job behind the first, in the place of those that are there.
pub(crate) fn write(connection: &Connection, id: i64, rows: &[GroupedRow]) -> Result<(), rusqlite::Error> {
    let mut insert = connection
        .prepare_cached("INSERT OR REPLACE INTO grouped_rows (job, row, billed, plan_paid, member_owes) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    rows.iter().skip(1).try_for_each(|GroupedRow { row, money, .. }| {
        insert.execute(params![id, row.cast_signed(), money.billed.0, money.plan_paid.0, money.member_owes.0]).map(drop)
    })
}

/// Writes what a narrowed job is now, and the rows that left it, each with whether the job was in doubt by then.
pub(crate) fn narrow(connection: &Connection, id: i64, job: &JobRow, gone: &[(GroupedRow, bool)]) -> Result<(), rusqlite::Error> {
    connection.prepare_cached("DELETE FROM grouped_rows WHERE job = ?1")?.execute([id])?;
    let money = job.money;
    connection
        .prepare_cached("UPDATE jobs SET row = ?2, statements = ?3, billed = ?4, plan_paid = ?5, member_owes = ?6 WHERE id = ?1")?
        .execute(params![id, job.row.cast_signed(), job.statements, money.billed.0, money.plan_paid.0, money.member_owes.0])?;
    let mut insert = connection.prepare_cached(
        "INSERT OR REPLACE INTO superseded_rows (job, row, uncertain, billed, plan_paid, member_owes) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    gone.iter().try_for_each(|(GroupedRow { row, money, .. }, uncertain)| {
        insert.execute(params![id, row.cast_signed(), uncertain, money.billed.0, money.plan_paid.0, money.member_owes.0]).map(drop)
    })
}
