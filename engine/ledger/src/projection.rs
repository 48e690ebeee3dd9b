//! Events become rows.
//!
//! An attempt that ends without an intent before it (no connection, a refusal before the message was bound) passes through
//! `in_flight` in one step. An intent that never ended, and an outcome without a reply, mark the job as uncertain for good: the set that
//! may have been sent twice stays known even after the job was delivered (invariant 10).

use crate::finding::{self, Found};
use crate::grouped::GroupedRow;
use crate::job::{JobRow, Touched};
use crate::words::Words;
use crate::{LedgerError, schema};
use model::record::{AttemptEnd, BatchCommit, BatchOpen, BatchVerb, FrameKey, Head, OperatorAction, Part, Record};
use model::record::{HeadRow, KeyDestruction, Narrowing, StateChange};
use model::state::{Disposition, HoldReason};
use model::{BatchId, EnhancedCode, JobId, State, Timestamp};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The projection: one connection to its file.
#[derive(Debug)]
pub struct Ledger {
    pub(crate) connection: Connection,
    words: Words,
    position: Option<u64>,
}

/// What one call of [`Ledger::apply`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Applied {
    /// Events that were applied, those that became findings included.
    pub events: u64,
    /// Events that lay at or before the position.
    pub skipped: u64,
    /// Of the applied: findings.
    pub findings: u64,
}

/// What a ledger says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// The last event applied; `None` before the first.
    pub position: Option<u64>,
    /// Events that were not applied, because they did not fit.
    pub findings: u64,
}

impl Ledger {
    /// Opens the ledger in a file and creates it (mode 0600) where there is none.
    ///
    /// # Errors
    /// [`LedgerError::Create`] where the folder refuses, [`LedgerError::Layout`] where another version wrote the file.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let created = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        created.map_err(|cause| LedgerError::Create { path: path.to_owned(), cause })?;
        Self::start(Connection::open(path)?)
    }

    /// A ledger that ends with the process: for tests and the simulator.
    ///
    /// # Errors
    /// [`LedgerError::Sqlite`] where SQLite has no memory.
    pub fn open_in_memory() -> Result<Self, LedgerError> {
        Self::start(Connection::open_in_memory()?)
    }

    /// Opens a ledger to ask it, while another process may be writing it; `None` where there is no file. Changes nothing.
    ///
    /// # Errors
    /// [`LedgerError::Layout`], [`LedgerError::Sqlite`].
    pub fn open_to_read(path: &Path) -> Result<Option<Self>, LedgerError> {
        if !path.exists() {
            return Ok(None);
        }
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if found != schema::LAYOUT {
            return Err(LedgerError::Layout { found, expected: schema::LAYOUT });
        }
        let words = Words::load(&connection)?;
        let position: Option<i64> = connection.query_row("SELECT event FROM position", [], |row| row.get(0))?;
        Ok(Some(Self { connection, words, position: position.map(i64::cast_unsigned) }))
    }

    /// Reads the position of a ledger that another process may be writing, and has SQLite look through its pages; `None` where there is no
    /// file. Changes nothing.
    ///
    /// # Errors
    /// [`LedgerError::Layout`], [`LedgerError::Damaged`], [`LedgerError::Sqlite`].
    pub fn look(path: &Path) -> Result<Option<Look>, LedgerError> {
        if !path.exists() {
            return Ok(None);
        }
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if found != schema::LAYOUT {
            return Err(LedgerError::Layout { found, expected: schema::LAYOUT });
        }
        let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if verdict != "ok" {
            return Err(LedgerError::Damaged(verdict));
        }
        let (event, findings): (Option<i64>, i64) =
            connection.query_row("SELECT event, findings FROM position", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Some(Look { position: event.map(i64::cast_unsigned), findings: findings.cast_unsigned() }))
    }

    /// Ends it with everything in its one file.
    ///
    /// # Errors
    /// [`LedgerError::Sqlite`].
    pub fn close(self) -> Result<(), LedgerError> {
        let Self { connection, .. } = self;
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        connection.close().map_err(|(_, error)| LedgerError::Sqlite(error))
    }

    fn start(mut connection: Connection) -> Result<Self, LedgerError> {
        schema::prepare(&mut connection)?;
        let words = Words::load(&connection)?;
        let position: Option<i64> = connection.query_row("SELECT event FROM position", [], |row| row.get(0))?;
        Ok(Self { connection, words, position: position.map(i64::cast_unsigned) })
    }

    /// The position of the last event applied; `None` before the first.
    pub fn position(&self) -> Option<u64> {
        self.position
    }

    /// Applies events in the order of their positions, in one transaction. Events at or before [`Ledger::position`] are skipped,
    /// so the same slice may come twice.
    ///
    /// # Errors
    /// [`LedgerError::Sqlite`]; then nothing of the slice was applied.
    pub fn apply(&mut self, events: &[(u64, FrameKey, Record)]) -> Result<Applied, LedgerError> {
        let mut applied = Applied::default();
        let mut position = self.position;
        let result = (|| {
            let transaction = self.connection.transaction()?;
            let mut pass = Pass { connection: &transaction, words: &mut self.words, touched: Touched::default(), batches: BTreeMap::new() };
            for (at, key, record) in events {
                if position.is_some_and(|position| *at <= position) {
                    applied.skipped += 1;
                    continue;
                }
                position = Some(*at);
                applied.events += 1;
                if let Some(found) = pass.event(*at, *key, record)? {
                    pass.note(*at, found)?;
                    applied.findings += 1;
                }
            }
            pass.touched.flush(&transaction)?;
            transaction
                .prepare_cached("UPDATE position SET event = ?1, findings = findings + ?2")?
                .execute(params![position.map(u64::cast_signed), applied.findings.cast_signed()])?;
            transaction.commit()
        })();
        match result {
            Ok(()) => self.words.keep(),
            Err(error) => {
                self.words.forget();
                return Err(error.into());
            }
        }
        self.position = position;
        Ok(applied)
    }
}

/// What a transaction knows about a batch.
#[derive(Debug, Clone, Copy)]
struct Standing {
    opened_at: u64,
    is_binding: bool,
    is_discarded: bool,
    is_rolling: bool,
}

/// One transaction.
struct Pass<'a> {
    connection: &'a Connection,
    words: &'a mut Words,
    touched: Touched,
    batches: BTreeMap<BatchId, Standing>,
}

type Query<T> = Result<T, rusqlite::Error>;

impl Pass<'_> {
    fn event(&mut self, position: u64, key: FrameKey, record: &Record) -> Query<Option<Found>> {
        match record {
            Record::BatchOpen(open) => self.open_batch(open),
            Record::Head(head) => self.head(key, head),
            Record::BatchCommit(commit) => self.commit_batch(commit),
            Record::BatchDiscard { batch, at, .. } => self.discard_batch(*batch, *at),
            Record::BatchClose { batch, at } => self.close_batch(*batch, *at),
            Record::Intent(_) => self.intent(key),
            Record::NotSent(end) => self.attempt_end(position, key, end, false),
            Record::Outcome(end) => self.attempt_end(position, key, end, true),
            Record::Change(change) if change.is_paper_mark() => self.paper_mark(key, change),
            Record::Change(change) => {
                let step = Step { at: change.at, to: change.state, held: change.held, cause: &change.cause, attempt: None };
                self.step(position, key, &step)
            }
            Record::Narrowed(narrowing) => self.narrow(key, narrowing),
            Record::Operator(action) => self.operator(position, action),
            // Evidence that changes no sum.
            Record::KeyDestroyed(gone) => self.destroy_content(gone),
            // Evidence; the changes that go with it are records of their own.
            Record::Restored(_) => Ok(None),
        }
    }

    fn open_batch(&mut self, open: &BatchOpen) -> Query<Option<Found>> {
        self.connection
            .prepare_cached(
                "INSERT INTO batches (id, tenant, stream, format, rolling, opened_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (id) DO NOTHING",
            )?
            .execute(params![bits(open.batch), open.tenant.0, open.stream.as_str(), open.format, open.rolling, open.at.0.cast_signed()])?;
        Ok(None)
    }

    fn head(&mut self, key: FrameKey, head: &Head) -> Query<Option<Found>> {
        let Some(id) = key.job else { return Ok(Some(Found::about_job(finding::FRAME_WITHOUT_JOB, None))) };
        let Some(standing) = self.standing(head.batch)?.filter(|standing| !standing.is_discarded) else {
            return Ok(Some(Found { job: Some(id), ..Found::about_batch(finding::UNKNOWN_BATCH, head.batch) }));
        };
        if self.touched.job(self.connection, id)?.is_some() {
            return Ok(Some(Found::about_job(finding::REPEATED_HEAD, Some(id))));
        }
        let held = self.hold_word(head.held)?;
        let paper =
            head.presentation.paper.filter(|_| head.held.is_none()).map(|reason| self.words.number(self.connection, reason.as_str()));
        let paper = paper.transpose()?;
        let destination = match &head.destination {
            Some(destination) => Some(self.words.number(self.connection, destination.as_str())?),
            None => None,
        };
        let row = JobRow {
            batch: head.batch,
            tenant: head.tenant.0,
            row: head.row,
            state: head.first_state(),
            held,
            uncertain: false,
            statements: head.statements,
            money: head.money,
            destination,
            attempts: 0,
            cause: held.or(paper),
            code: None,
            updated_at: standing.opened_at,
            is_new: true,
        };
        self.touched.insert(id, row);
        // The commit of a file says how many; a rolling batch has none.
        if head.language_unmet && standing.is_rolling {
            self.connection
                .prepare_cached(
                    "INSERT INTO batch_reasons (batch, reason, rows) VALUES (?1, ?2, 1) ON CONFLICT (batch, reason) DO UPDATE SET rows = rows + 1",
                )?
                .execute(params![bits(head.batch), crate::report::LANGUAGE_UNMET])?;
        }
        if !head.further.is_empty() {
            self.touched.insert_grouped(id, head.rows().map(|HeadRow { row, money, .. }| GroupedRow { row, money }).collect());
        }
        Ok(None)
    }

    fn commit_batch(&mut self, commit: &BatchCommit) -> Query<Option<Found>> {
        let changed = self
            .connection
            .prepare_cached("UPDATE batches SET committed_at = ?2, held = ?3, source_records = ?4 WHERE id = ?1 AND discarded_at IS NULL")?
            .execute(params![bits(commit.batch), commit.at.0.cast_signed(), commit.held, commit.intake.source_records.cast_signed()])?;
        if changed == 0 {
            return Ok(Some(Found::about_batch(finding::UNKNOWN_BATCH, commit.batch)));
        }
        self.batches.remove(&commit.batch);
        let mut intake = commit.intake.clone();
        self.write_part(commit.batch, crate::report::READ, intake.read)?;
        for disposition in Disposition::ALL {
            let part = *intake.part_mut(disposition);
            self.write_part(commit.batch, disposition as u8, part)?;
        }
        for (reason, rows) in &intake.reasons {
            self.connection
                .prepare_cached("INSERT OR REPLACE INTO batch_reasons (batch, reason, rows) VALUES (?1, ?2, ?3)")?
                .execute(params![bits(commit.batch), reason, rows.cast_signed()])?;
        }
        Ok(None)
    }

    fn write_part(&self, batch: BatchId, part: u8, sums: Part) -> Query<()> {
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO batch_parts (batch, part, rows, billed, plan_paid, member_owes) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                bits(batch),
                part,
                sums.rows.cast_signed(),
                sums.money.billed.0,
                sums.money.plan_paid.0,
                sums.money.member_owes.0
            ])?;
        Ok(())
    }

    fn discard_batch(&mut self, batch: BatchId, at: Timestamp) -> Query<Option<Found>> {
        match self.standing(batch)? {
            None => return Ok(Some(Found::about_batch(finding::UNKNOWN_BATCH, batch))),
            Some(standing) if standing.is_binding => return Ok(Some(Found::about_batch(finding::DISCARD_AFTER_COMMIT, batch))),
            Some(_) => {}
        }
        self.connection
            .prepare_cached("UPDATE batches SET discarded_at = ?2 WHERE id = ?1")?
            .execute(params![bits(batch), at.0.cast_signed()])?;
        self.batches.remove(&batch);
        self.touched.discard(self.connection, batch)?;
        Ok(None)
    }

    fn close_batch(&mut self, batch: BatchId, at: Timestamp) -> Query<Option<Found>> {
        let mut close = self.connection.prepare_cached("UPDATE batches SET closed_at = ?2 WHERE id = ?1")?;
        let changed = close.execute(params![bits(batch), at.0.cast_signed()])?;
        Ok((changed == 0).then(|| Found::about_batch(finding::UNKNOWN_BATCH, batch)))
    }

    /// The first word counts: after a crash the same may be said twice. A key that was made for a batch which never opened belongs to none.
    fn destroy_content(&mut self, gone: &KeyDestruction) -> Query<Option<Found>> {
        self.connection
            .prepare_cached(
                "UPDATE batches SET content_destroyed_at = ?2, content_destroyed_cause = ?3 WHERE id = ?1 AND content_destroyed_at IS NULL",
            )?
            .execute(params![bits(gone.batch), gone.at.0.cast_signed(), gone.cause])?;
        Ok(None)
    }

    fn operator(&mut self, position: u64, action: &OperatorAction) -> Query<Option<Found>> {
        if self.standing(action.batch)?.is_none() {
            return Ok(Some(Found::about_batch(finding::UNKNOWN_BATCH, action.batch)));
        }
        let (verb, change) = match action.verb {
            BatchVerb::Hold => ("hold", Some("UPDATE batches SET held = 1 WHERE id = ?1")),
            BatchVerb::Release => ("release", Some("UPDATE batches SET held = 0 WHERE id = ?1")),
            BatchVerb::Cancel => ("cancel", Some("UPDATE batches SET cancelled = 1 WHERE id = ?1")),
            BatchVerb::Paper => ("paper", None),
        };
        if let Some(change) = change {
            self.connection.prepare_cached(change)?.execute([bits(action.batch)])?;
        }
        self.connection
            .prepare_cached("INSERT INTO operator_actions (event, batch, verb, at, by, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute(params![position.cast_signed(), bits(action.batch), verb, action.at.0.cast_signed(), action.by, action.reason])?;
        Ok(None)
    }

    fn intent(&mut self, key: FrameKey) -> Query<Option<Found>> {
        let Some(id) = key.job else { return Ok(Some(Found::about_job(finding::FRAME_WITHOUT_JOB, None))) };
        let Some(job) = self.touched.job(self.connection, id)? else {
            return Ok(Some(Found::about_job(finding::UNKNOWN_JOB, Some(id))));
        };
        let from = job.state;
        if from == State::InFlight {
            let newly = !std::mem::replace(&mut job.uncertain, true);
            let row = job.clone();
            if newly {
                self.touched.add_uncertain(&row);
            }
            return Ok(Some(not_allowed(finding::INTENT_WHILE_IN_FLIGHT, id, from, State::InFlight)));
        }
        if !from.may_become(State::InFlight) {
            return Ok(Some(not_allowed(finding::NOT_ALLOWED, id, from, State::InFlight)));
        }
        job.state = State::InFlight;
        let row = job.clone();
        self.touched.moved(&row, from);
        Ok(None)
    }

    fn attempt_end(&mut self, position: u64, key: FrameKey, end: &AttemptEnd, sent: bool) -> Query<Option<Found>> {
        let step = Step { at: end.at, to: end.state, held: end.held, cause: &end.cause, attempt: Some((end, sent)) };
        self.step(position, key, &step)
    }

    fn step(&mut self, position: u64, key: FrameKey, step: &Step<'_>) -> Query<Option<Found>> {
        let Some(id) = key.job else { return Ok(Some(Found::about_job(finding::FRAME_WITHOUT_JOB, None))) };
        let held = self.hold_word(step.held)?;
        let cause = self.words.number(self.connection, step.cause)?;
        let Some(job) = self.touched.job(self.connection, id)? else {
            return Ok(Some(Found::about_job(finding::UNKNOWN_JOB, Some(id))));
        };
        let from = job.state;
        if !step.is_allowed(from) {
            return Ok(Some(not_allowed(finding::NOT_ALLOWED, id, from, step.to)));
        }
        let newly_uncertain = step.leaves_doubt(from) && !std::mem::replace(&mut job.uncertain, true);
        (job.state, job.held, job.cause, job.updated_at) = (step.to, held, Some(cause), step.at.0);
        if let Some((end, _)) = step.attempt {
            job.attempts = job.attempts.max(key.attempt);
            job.code = end.code;
        }
        let row = job.clone();
        self.touched.moved(&row, from);
        if newly_uncertain {
            self.touched.add_uncertain(&row);
        }
        if let Some((end, sent)) = step.attempt {
            self.write_attempt(id, key, end, cause, sent)?;
        }
        if from == State::Delivered && step.to != from {
            self.write_adjustment(position, id, &row, from, cause)?;
        }
        Ok(None)
    }

    /// Statements left it, for newer versions of theirs. It stands where it stood.
    fn narrow(&mut self, key: FrameKey, narrowing: &Narrowing) -> Query<Option<Found>> {
        let Some(id) = key.job else { return Ok(Some(Found::about_job(finding::FRAME_WITHOUT_JOB, None))) };
        let Some(job) = self.touched.job(self.connection, id)? else {
            return Ok(Some(Found::about_job(finding::UNKNOWN_JOB, Some(id))));
        };
        if !matches!(job.state, State::Queued | State::Held) {
            return Ok(Some(not_allowed(finding::NOT_ALLOWED, id, job.state, State::Superseded)));
        }
        job.updated_at = narrowing.at.0;
        let is_narrowed = self.touched.narrow(self.connection, id, &narrowing.rows)?;
        Ok((!is_narrowed).then(|| Found::about_job(finding::UNKNOWN_ROW, Some(id))))
    }

    /// It was exported, or its paper is on its way. Nothing else of the job changes.
    fn paper_mark(&mut self, key: FrameKey, change: &StateChange) -> Query<Option<Found>> {
        let Some(id) = key.job else { return Ok(Some(Found::about_job(finding::FRAME_WITHOUT_JOB, None))) };
        let Some(job) = self.touched.job(self.connection, id)? else {
            return Ok(Some(Found::about_job(finding::UNKNOWN_JOB, Some(id))));
        };
        if job.state != State::ToPaper {
            return Ok(Some(not_allowed(finding::NOT_ALLOWED, id, job.state, State::ToPaper)));
        }
        // The first export counts: after a crash the same may be said twice.
        let settled_at = (change.cause == StateChange::PAPER_SETTLED).then(|| change.at.0.cast_signed());
        self.connection
            .prepare_cached(
                "INSERT INTO paper (job, exported_at, settled_at) VALUES (?1, ?2, ?3)
                 ON CONFLICT (job) DO UPDATE SET settled_at = coalesce(settled_at, ?3)",
            )?
            .execute(params![id.to_bits().cast_signed(), change.at.0.cast_signed(), settled_at])?;
        Ok(None)
    }

    fn write_attempt(&self, id: JobId, key: FrameKey, end: &AttemptEnd, cause: i64, sent: bool) -> Query<()> {
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO attempts (job, message, attempt, at, state, code, enhanced, cause, sent)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                id.to_bits().cast_signed(),
                key.message.0,
                key.attempt,
                end.at.0.cast_signed(),
                end.state as u8,
                end.code,
                end.enhanced.map(packed),
                cause,
                sent
            ])?;
        Ok(())
    }

    fn write_adjustment(&self, position: u64, id: JobId, row: &JobRow, from: State, cause: i64) -> Query<()> {
        self.connection
            .prepare_cached(
                "INSERT INTO adjustments (event, batch, job, at, from_state, to_state, statements, billed, plan_paid, member_owes, cause)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(params![
                position.cast_signed(),
                bits(row.batch),
                id.to_bits().cast_signed(),
                row.updated_at.cast_signed(),
                from as u8,
                row.state as u8,
                row.statements,
                row.money.billed.0,
                row.money.plan_paid.0,
                row.money.member_owes.0,
                cause
            ])?;
        Ok(())
    }

    fn note(&self, position: u64, found: Found) -> Query<()> {
        self.connection
            .prepare_cached("INSERT INTO findings (event, code, job, batch, from_state, to_state) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute(params![
                position.cast_signed(),
                found.code,
                found.job.map(|job| job.to_bits().cast_signed()),
                found.batch.map(bits),
                found.from.map(|state| state as u8),
                found.to.map(|state| state as u8)
            ])?;
        Ok(())
    }

    fn hold_word(&mut self, held: Option<HoldReason>) -> Query<Option<i64>> {
        held.map(|reason| self.words.number(self.connection, reason.as_str())).transpose()
    }

    fn standing(&mut self, batch: BatchId) -> Query<Option<Standing>> {
        if let Some(standing) = self.batches.get(&batch) {
            return Ok(Some(*standing));
        }
        let mut query = self.connection.prepare_cached(
            "SELECT opened_at, rolling OR committed_at IS NOT NULL, discarded_at IS NOT NULL, rolling FROM batches WHERE id = ?1",
        )?;
        let standing = query
            .query_row([bits(batch)], |row| {
                let opened_at = row.get::<_, i64>(0)?.cast_unsigned();
                Ok(Standing { opened_at, is_binding: row.get(1)?, is_discarded: row.get(2)?, is_rolling: row.get(3)? })
            })
            .optional()?;
        if let Some(standing) = standing {
            self.batches.insert(batch, standing);
        }
        Ok(standing)
    }
}

/// A change of one job.
struct Step<'a> {
    at: Timestamp,
    to: State,
    held: Option<HoldReason>,
    cause: &'a str,
    /// The attempt that ended, and whether its last byte was written; `None` for a change without an attempt.
    attempt: Option<(&'a AttemptEnd, bool)>,
}

impl Step<'_> {
    /// Another cause or due time in the same state is no change of state. An attempt may end before its intent was needed.
    fn is_allowed(&self, from: State) -> bool {
        let ends_before_intent =
            matches!(self.attempt, Some((_, false))) && from.may_become(State::InFlight) && State::InFlight.may_become(self.to);
        from.may_become(self.to) || ends_before_intent || (from == self.to && from != State::InFlight && self.attempt.is_none())
    }

    /// Whether the message may have arrived without our knowing: no reply to the last byte, or an intent that never ended.
    fn leaves_doubt(&self, from: State) -> bool {
        let unanswered = matches!(self.attempt, Some((end, true)) if end.code.is_none());
        let never_ended = self.attempt.is_none() && from == State::InFlight;
        // What waits for a person in a journal that was put back may have been released and sent after the copy was made.
        let is_restored = self.cause == StateChange::RESTORED;
        unanswered || never_ended || is_restored || self.to == State::Uncertain
    }
}

fn not_allowed(code: &'static str, job: JobId, from: State, to: State) -> Found {
    Found { code, job: Some(job), batch: None, from: Some(from), to: Some(to) }
}

fn bits(batch: BatchId) -> i64 {
    batch.to_bits().cast_signed()
}

/// 5.7.26 → 5007026.
fn packed(code: EnhancedCode) -> i64 {
    i64::from(code.class) * 1_000_000 + i64::from(code.subject) * 1_000 + i64::from(code.detail)
}
