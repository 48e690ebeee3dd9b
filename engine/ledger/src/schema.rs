//! The tables, drawn before they are filled.
//!
//! ```text
//! position          one row: the last event applied, and how many findings there are
//! words             id ↔ text: domains, causes, hold reasons, each stored once
//! batches           one row a batch: whose, when, what an operator did, and when its content was destroyed
//! batch_parts       rows and money by disposition, as the commit states them
//! batch_reasons     rows by reason code
//! batch_states      jobs, statements and money by state: kept in step with `jobs`, so that a report reads 12 rows
//! jobs              one narrow row a job
//! grouped_rows      one row for each statement behind the first of a job; none for most jobs
//! superseded_rows   one row for each statement that left its job for a newer version of it
//! paper             one row for each job that was exported for printing, and when its content could go
//! attempts          one narrow row an attempt
//! adjustments       what changed after `delivered`
//! operator_actions  who did what
//! findings          what was not applied
//! ```
//! Ids are stored as their 64 bits. `jobs` is clustered by id, which grows: inserts append. Its one index is by batch and
//! never moves when a state changes. WAL with `synchronous = NORMAL`: a power cut may lose the last transactions,
//! never half of one, and the record has them.

use crate::LedgerError;
use rusqlite::Connection;

/// Raised when a table changes. Where one joined, an older file is given it; any other is refused, deleted by the operator and rebuilt.
pub(crate) const LAYOUT: i64 = 5;
/// The tables that joined an earlier layout, by the layout that lacks them.
const JOINED: [(i64, &str); 3] = [(2, "grouped_rows"), (3, "paper"), (4, "superseded_rows")];

const TABLES: &str = "
CREATE TABLE position (only INTEGER PRIMARY KEY CHECK (only = 0), event INTEGER, findings INTEGER NOT NULL);
INSERT INTO position VALUES (0, NULL, 0);
CREATE TABLE words (id INTEGER PRIMARY KEY, word TEXT NOT NULL UNIQUE);
CREATE TABLE batches (
    id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, stream TEXT NOT NULL, format TEXT NOT NULL, rolling INTEGER NOT NULL,
    opened_at INTEGER NOT NULL, committed_at INTEGER, discarded_at INTEGER, closed_at INTEGER,
    held INTEGER NOT NULL DEFAULT 0, cancelled INTEGER NOT NULL DEFAULT 0, source_records INTEGER NOT NULL DEFAULT 0,
    uncertain INTEGER NOT NULL DEFAULT 0, content_destroyed_at INTEGER, content_destroyed_cause TEXT);
CREATE TABLE batch_parts (
    batch INTEGER NOT NULL, part INTEGER NOT NULL, rows INTEGER NOT NULL,
    billed INTEGER NOT NULL, plan_paid INTEGER NOT NULL, member_owes INTEGER NOT NULL, PRIMARY KEY (batch, part)) WITHOUT ROWID;
CREATE TABLE batch_reasons (
    batch INTEGER NOT NULL, reason TEXT NOT NULL, rows INTEGER NOT NULL, PRIMARY KEY (batch, reason)) WITHOUT ROWID;
CREATE TABLE batch_states (
    batch INTEGER NOT NULL, state INTEGER NOT NULL, jobs INTEGER NOT NULL, statements INTEGER NOT NULL,
    billed INTEGER NOT NULL, plan_paid INTEGER NOT NULL, member_owes INTEGER NOT NULL, PRIMARY KEY (batch, state)) WITHOUT ROWID;
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY, batch INTEGER NOT NULL, tenant INTEGER NOT NULL, row INTEGER NOT NULL, state INTEGER NOT NULL, held INTEGER,
    uncertain INTEGER NOT NULL, statements INTEGER NOT NULL, billed INTEGER NOT NULL, plan_paid INTEGER NOT NULL,
    member_owes INTEGER NOT NULL, destination INTEGER, attempts INTEGER NOT NULL, cause INTEGER, code INTEGER, updated_at INTEGER NOT NULL);
CREATE INDEX jobs_of_batch ON jobs (batch);
CREATE TABLE grouped_rows (
    job INTEGER NOT NULL, row INTEGER NOT NULL, billed INTEGER NOT NULL, plan_paid INTEGER NOT NULL, member_owes INTEGER NOT NULL,
    PRIMARY KEY (job, row)) WITHOUT ROWID;
CREATE TABLE superseded_rows (
    job INTEGER NOT NULL, row INTEGER NOT NULL, uncertain INTEGER NOT NULL, billed INTEGER NOT NULL, plan_paid INTEGER NOT NULL,
    member_owes INTEGER NOT NULL, PRIMARY KEY (job, row)) WITHOUT ROWID;
CREATE TABLE paper (job INTEGER PRIMARY KEY, exported_at INTEGER NOT NULL, settled_at INTEGER);
CREATE TABLE attempts (
    job INTEGER NOT NULL, message INTEGER NOT NULL, attempt INTEGER NOT NULL, at INTEGER NOT NULL, state INTEGER NOT NULL,
    code INTEGER, enhanced INTEGER, cause INTEGER NOT NULL, sent INTEGER NOT NULL, PRIMARY KEY (job, message, attempt)) WITHOUT ROWID;
CREATE TABLE adjustments (
    event INTEGER PRIMARY KEY, batch INTEGER NOT NULL, job INTEGER NOT NULL, at INTEGER NOT NULL, from_state INTEGER NOT NULL,
    to_state INTEGER NOT NULL, statements INTEGER NOT NULL, billed INTEGER NOT NULL, plan_paid INTEGER NOT NULL,
    member_owes INTEGER NOT NULL, cause INTEGER NOT NULL);
CREATE INDEX adjustments_of_batch ON adjustments (batch);
CREATE TABLE operator_actions (
    event INTEGER PRIMARY KEY, batch INTEGER NOT NULL, verb TEXT NOT NULL, at INTEGER NOT NULL, by TEXT NOT NULL, reason TEXT NOT NULL);
CREATE INDEX operator_actions_of_batch ON operator_actions (batch);
CREATE TABLE findings (
    id INTEGER PRIMARY KEY, event INTEGER NOT NULL, code TEXT NOT NULL, job INTEGER, batch INTEGER, from_state INTEGER, to_state INTEGER);
";

/// Statements kept prepared: more than there are in this crate.
const PREPARED_MAX: usize = 64;

/// Makes a connection ready: settings, and the tables where the file is new.
pub(crate) fn prepare(connection: &mut Connection) -> Result<(), LedgerError> {
    connection.set_prepared_statement_cache_capacity(PREPARED_MAX);
    // A checkpoint every 16 MiB instead of 4: a page that changes often is written to the file less often.
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 4096;
         PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY;",
    )?;
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    match found {
        LAYOUT => Ok(()),
        0 => create(connection, TABLES),
        found if JOINED.iter().any(|(layout, _)| *layout == found) => {
            let lacking = JOINED.iter().filter(|(layout, _)| *layout >= found).map(|(_, name)| table(name));
            create(connection, &lacking.collect::<String>())
        }
        found => Err(LedgerError::Layout { found, expected: LAYOUT }),
    }
}

/// The statement that makes one table.
fn table(name: &str) -> &'static str {
    let is_its = |statement: &&str| statement.trim_start().strip_prefix("CREATE TABLE ").is_some_and(|rest| rest.starts_with(name));
    TABLES.split_inclusive(';').find(is_its).expect("each table has its statement")
}

fn create(connection: &mut Connection, tables: &str) -> Result<(), LedgerError> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(tables)?;
    transaction.pragma_update(None, "user_version", LAYOUT)?;
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drawing_names_every_table() {
        let manual = include_str!("schema.rs").split("use crate").next().unwrap();
        for line in TABLES.lines().filter_map(|line| line.strip_prefix("CREATE TABLE ")) {
            let table = line.split(' ').next().unwrap();
            assert!(manual.contains(&format!("//! {table} ")), "{table} is not in the drawing");
        }
    }

    #[test]
    fn an_older_file_is_given_the_tables_that_joined() {
        let mut connection = Connection::open_in_memory().unwrap();
        let without = JOINED.iter().fold(TABLES.to_owned(), |tables, (_, joined)| tables.replace(table(joined), ""));
        connection.execute_batch(&without).unwrap();
        connection.pragma_update(None, "user_version", 2).unwrap();
        assert!(connection.prepare("SELECT * FROM grouped_rows").is_err());
        prepare(&mut connection).unwrap();
        prepare(&mut connection).unwrap();
        for (_, joined) in JOINED {
            assert!(connection.prepare(&format!("SELECT * FROM {joined}")).is_ok(), "{joined}");
        }
    }

    #[test]
    fn another_layout_is_refused_with_what_to_do() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        let error = prepare(&mut connection).unwrap_err();
        assert!(error.to_string().contains("delete the file"), "{error}");
    }
}
