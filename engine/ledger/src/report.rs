//! The report of a batch: both equations of invariant 3, in rows and in money.
//!
//! It counts statements, not jobs: a job may hold several. Its JSON is what `sealpost send` prints, with
//! `elapsed_ms` added by the caller who knows it.

use crate::job::state_in;
use crate::{Ledger, LedgerError};
use model::state::Disposition;
use model::{BatchId, Cents, MoneySummary, State, Timestamp};
use rusqlite::{OptionalExtension, Row};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use std::collections::BTreeMap;

/// The reason code of messages whose language the templates lack.
pub const LANGUAGE_UNMET: &str = "language_unmet";
/// Number of the part `read` in `batch_parts`; the others are their [`Disposition`].
pub(crate) const READ: u8 = 7;
// No disposition may have the number of `read`.
const _: () = assert!(Disposition::ALL.len() == READ as usize);

/// How the statements read split at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Parts<T> {
    /// All of them.
    pub read: T,
    /// Not understood or not consistent.
    pub rejected: T,
    /// Accepted before.
    pub duplicate: T,
    /// Joined with another row.
    pub merged: T,
    /// Of a kind that is not mailed.
    pub not_mailable: T,
    /// Nobody to send it to.
    pub no_address: T,
    /// Not agreed to e-mail.
    pub no_consent: T,
    /// Became (part of) a job.
    pub accepted: T,
}

/// One value for each state; serializes as an object with every state, zeros included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct States<T>([T; State::ALL.len()]);

/// Sums of one kind of money, split as the statements are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Split {
    /// At the door.
    #[serde(flatten)]
    pub parts: Parts<Cents>,
    /// By state.
    #[serde(flatten)]
    pub states: States<Cents>,
}

/// The money of a batch, in cents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct MoneySplit {
    /// What the providers charged.
    pub billed: Split,
    /// What the plan paid.
    pub plan_paid: Split,
    /// What the members owe.
    pub member_owes: Split,
}

/// Everything a batch became.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BatchReport {
    /// Which batch.
    #[serde(serialize_with = "as_text")]
    pub batch_id: BatchId,
    /// Whether its closing is in the record.
    pub closed: bool,
    /// Records the source has.
    pub source_records: u64,
    /// Statements by disposition.
    pub statements: Parts<u64>,
    /// Rows by reason code, for what was not simply accepted.
    pub reasons: BTreeMap<String, u64>,
    /// Accepted statements by state.
    pub states: States<u64>,
    /// Money, split the same way.
    pub money_cents: MoneySplit,
    /// Whether both equations of invariant 3 hold, in rows and in each kind of money.
    pub balanced: bool,
    /// When the key of its content was destroyed: from then on what it said cannot be read any more, from no copy of the journal. In
    /// milliseconds since 1970; `null` while it is there.
    pub content_destroyed_at: Option<Timestamp>,
    /// Why: `settled`, `discarded`, `operator`.
    pub content_destroyed_cause: Option<String>,
    /// Statements that may have been sent twice or were never answered for: those that are uncertain, and those that once were.
    pub uncertain: u64,
}

impl<T: Copy> States<T> {
    /// The value of a state.
    pub fn get(&self, state: State) -> T {
        self.0[state as usize]
    }

    /// The values in the order of [`State::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (State, T)> + '_ {
        State::ALL.into_iter().map(|state| (state, self.get(state)))
    }

    fn set(&mut self, state: State, value: T) {
        self.0[state as usize] = value;
    }
}

impl<T: Copy + Serialize> Serialize for States<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(State::ALL.len()))?;
        for (state, value) in self.iter() {
            map.serialize_entry(state.as_str(), &value)?;
        }
        map.end()
    }
}

impl BatchReport {
    /// Statements that a person must look at (exit code 5 of `send`).
    pub fn needs_a_person(&self) -> u64 {
        self.states.iter().filter(|(state, _)| state.needs_a_person()).map(|(_, count)| count).sum()
    }

    /// Statements the engine still works on.
    pub fn active(&self) -> u64 {
        self.states.iter().filter(|(state, _)| state.is_active()).map(|(_, count)| count).sum()
    }

    fn is_balanced(&self) -> bool {
        let rows = equations_hold(&self.statements, &self.states, self.source_records);
        rows && [&self.money_cents.billed, &self.money_cents.plan_paid, &self.money_cents.member_owes]
            .into_iter()
            .all(|split| equations_hold(&split.parts, &split.states, split.parts.read))
    }
}

impl Ledger {
    /// The report of a batch as the ledger knows it now; `None` where it knows no such batch. A batch without its commit, or
    /// a discarded one, has nothing in it.
    ///
    /// # Errors
    /// [`LedgerError::Sqlite`].
    pub fn batch_report(&self, batch: BatchId) -> Result<Option<BatchReport>, LedgerError> {
        let Some(base) = self.report_base(batch)? else { return Ok(None) };
        let mut report = BatchReport {
            batch_id: batch,
            closed: base.closed,
            source_records: base.source_records,
            statements: Parts::default(),
            reasons: BTreeMap::new(),
            states: States::default(),
            money_cents: MoneySplit::default(),
            balanced: true,
            content_destroyed_at: base.content_destroyed_at,
            content_destroyed_cause: base.content_destroyed_cause,
            uncertain: base.uncertain,
        };
        if base.counts {
            self.read_states(&mut report)?;
            if base.committed {
                self.read_parts(&mut report)?;
            } else {
                count_heads_as_read(&mut report);
                self.read_reasons(&mut report)?;
            }
        }
        report.balanced = report.is_balanced();
        Ok(Some(report))
    }

    fn report_base(&self, batch: BatchId) -> Result<Option<Base>, LedgerError> {
        let mut query = self.connection.prepare_cached(
            "SELECT closed_at IS NOT NULL, committed_at IS NOT NULL, rolling AND discarded_at IS NULL, source_records, uncertain,
                    content_destroyed_at, content_destroyed_cause
             FROM batches WHERE id = ?1",
        )?;
        let base = query.query_row([bits(batch)], |row| {
            let committed: bool = row.get(1)?;
            Ok(Base {
                closed: row.get(0)?,
                committed,
                counts: committed || row.get(2)?,
                source_records: row.get::<_, i64>(3)?.cast_unsigned(),
                uncertain: row.get::<_, i64>(4)?.cast_unsigned(),
                content_destroyed_at: row.get::<_, Option<i64>>(5)?.map(|at| Timestamp(at.cast_unsigned())),
                content_destroyed_cause: row.get(6)?,
            })
        });
        Ok(base.optional()?)
    }

    fn read_parts(&self, report: &mut BatchReport) -> Result<(), LedgerError> {
        let mut query =
            self.connection.prepare_cached("SELECT part, rows, billed, plan_paid, member_owes FROM batch_parts WHERE batch = ?1")?;
        let mut rows = query.query([bits(report.batch_id)])?;
        while let Some(row) = rows.next()? {
            let part: u8 = row.get(0)?;
            let sums = money(row, 2)?;
            *part_mut(&mut report.statements, part) = row.get::<_, i64>(1)?.cast_unsigned();
            *part_mut(&mut report.money_cents.billed.parts, part) = sums.billed;
            *part_mut(&mut report.money_cents.plan_paid.parts, part) = sums.plan_paid;
            *part_mut(&mut report.money_cents.member_owes.parts, part) = sums.member_owes;
        }
        self.read_reasons(report)
    }

    fn read_reasons(&self, report: &mut BatchReport) -> Result<(), LedgerError> {
        let mut query = self.connection.prepare_cached("SELECT reason, rows FROM batch_reasons WHERE batch = ?1")?;
        let mut rows = query.query([bits(report.batch_id)])?;
        while let Some(row) = rows.next()? {
            report.reasons.insert(row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned());
        }
        Ok(())
    }

    fn read_states(&self, report: &mut BatchReport) -> Result<(), LedgerError> {
        let mut query = self
            .connection
            .prepare_cached("SELECT state, statements, billed, plan_paid, member_owes FROM batch_states WHERE batch = ?1")?;
        let mut rows = query.query([bits(report.batch_id)])?;
        while let Some(row) = rows.next()? {
            let state = state_in(row, 0)?;
            let sums = money(row, 2)?;
            report.states.set(state, row.get::<_, i64>(1)?.cast_unsigned());
            report.money_cents.billed.states.set(state, sums.billed);
            report.money_cents.plan_paid.states.set(state, sums.plan_paid);
            report.money_cents.member_owes.states.set(state, sums.member_owes);
        }
        Ok(())
    }
}

/// Three neighbouring columns of money.
pub(crate) fn money(row: &Row<'_>, first: usize) -> Result<MoneySummary, rusqlite::Error> {
    Ok(MoneySummary { billed: Cents(row.get(first)?), plan_paid: Cents(row.get(first + 1)?), member_owes: Cents(row.get(first + 2)?) })
}

struct Base {
    closed: bool,
    committed: bool,
    counts: bool,
    source_records: u64,
    uncertain: u64,
    content_destroyed_at: Option<Timestamp>,
    content_destroyed_cause: Option<String>,
}

/// A rolling batch has no commit: what is in it was read and accepted one by one, and what was refused was refused at the door.
fn count_heads_as_read(report: &mut BatchReport) {
    let accepted = report.states.iter().map(|(_, count)| count).sum();
    (report.source_records, report.statements.read, report.statements.accepted) = (accepted, accepted, accepted);
    let money = &mut report.money_cents;
    for split in [&mut money.billed, &mut money.plan_paid, &mut money.member_owes] {
        let sum = split.states.iter().map(|(_, amount)| amount).sum();
        (split.parts.read, split.parts.accepted) = (sum, sum);
    }
}

fn part_mut<T>(parts: &mut Parts<T>, part: u8) -> &mut T {
    match Disposition::ALL.get(usize::from(part)) {
        None => &mut parts.read,
        Some(Disposition::Rejected) => &mut parts.rejected,
        Some(Disposition::Duplicate) => &mut parts.duplicate,
        Some(Disposition::Merged) => &mut parts.merged,
        Some(Disposition::NotMailable) => &mut parts.not_mailable,
        Some(Disposition::NoAddress) => &mut parts.no_address,
        Some(Disposition::NoConsent) => &mut parts.no_consent,
        Some(Disposition::Accepted) => &mut parts.accepted,
    }
}

/// Invariant 3, in one kind of count.
fn equations_hold<T: Copy + PartialEq + std::iter::Sum>(parts: &Parts<T>, states: &States<T>, source: T) -> bool {
    let dispositions =
        [parts.rejected, parts.duplicate, parts.merged, parts.not_mailable, parts.no_address, parts.no_consent, parts.accepted];
    let read: T = dispositions.into_iter().sum();
    let accepted: T = states.iter().map(|(_, value)| value).sum();
    read == parts.read && source == parts.read && accepted == parts.accepted
}

fn as_text<S: Serializer>(batch: &BatchId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(batch)
}

fn bits(batch: BatchId) -> i64 {
    batch.to_bits().cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_missing_statement_or_cent_unbalances() {
        let mut parts = Parts { read: 5u64, rejected: 1, accepted: 4, ..Parts::default() };
        let mut states = States::default();
        states.set(State::Delivered, 3u64);
        states.set(State::Held, 1);
        assert!(equations_hold(&parts, &states, 5));
        assert!(!equations_hold(&parts, &states, 6));
        parts.rejected = 0;
        assert!(!equations_hold(&parts, &states, 5));
        parts.rejected = 1;
        states.set(State::Held, 0);
        assert!(!equations_hold(&parts, &states, 5));
    }

    #[test]
    fn a_disposition_is_stored_under_its_place_in_the_equation() {
        for (place, disposition) in Disposition::ALL.into_iter().enumerate() {
            assert_eq!(disposition as usize, place);
        }
    }
}
