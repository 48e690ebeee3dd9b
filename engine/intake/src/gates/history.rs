//! What is remembered of the last cycles of a tenant's stream: numbers, and pairs as keyed fingerprints.
//!
//! A member's address outlives a cycle in which the member does not occur: nights differ in who is in them. The tables are bounded; what
//! was not seen for longest goes first. Encoded it is for a sealed file: the fingerprints are keyed, but who shares an address with whom
//! is nobody's business either.

use super::Pairs;
use super::pairs::PairRow;
use model::{MoneySummary, Timestamp};
use serde::{Deserialize, Serialize};

/// Cycles whose numbers are kept.
const CYCLES_MAX: usize = 24;
/// Entries of each table: 20 bytes each.
const ENTRIES_MAX: usize = 2_000_000;
/// Claims and habits that were not seen for so many cycles are forgotten.
const CYCLES_KEPT: u32 = 60;
const VERSION: u8 = 1;

/// The numbers of one cycle.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cycle {
    /// When it was judged.
    pub at: Timestamp,
    /// Statements read.
    pub rows: u64,
    /// What they add up to.
    pub money: MoneySummary,
    /// Statements without an address.
    pub no_address: u64,
    /// Rows of the contact data.
    pub contacts: Option<u64>,
    /// How many addresses resembled their member's name, of how many.
    pub resemblance: (u64, u64),
    /// How many members came with something that was theirs before (a provider), of how many that were known.
    pub habit: (u64, u64),
}

/// A keyed fingerprint cut to eight bytes: enough to tell millions apart, too few to be a way back.
pub(super) type Short = [u8; 8];

/// What the last cycles were. `Default` is the time before the first one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct History {
    version: u8,
    /// Cycles learned so far.
    number: u32,
    cycles: Vec<Cycle>,
    /// Member → address, by rising member.
    pub(super) addresses: Vec<(Short, Short, u32)>,
    /// Claim → member id, by rising claim.
    pub(super) claims: Vec<(Short, Short, u32)>,
    /// Member and provider together, rising.
    pub(super) habits: Vec<(Short, u32)>,
}

/// The bytes are not a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the history of the gates cannot be read: it is of a later version of sealpost, or damaged; remove the file, and the next cycle begins a new one"
)]
pub struct HistoryError;

impl History {
    /// The numbers of the last cycles, the newest last.
    pub fn cycles(&self) -> &[Cycle] {
        &self.cycles
    }

    /// Takes in a cycle that was sent.
    pub fn learn(&mut self, cycle: Cycle, pairs: &Pairs) {
        self.version = VERSION;
        self.number = self.number.saturating_add(1);
        self.cycles.push(cycle);
        let surplus = self.cycles.len().saturating_sub(CYCLES_MAX);
        self.cycles.drain(..surplus);
        let number = self.number;
        let rows = pairs.rows();
        let known = |row: &PairRow| row.address.map(|address| (row.member, address, number));
        merge(&mut self.addresses, rows.iter().filter_map(known).collect(), |entry| entry.0, |entry| entry.2);
        merge(&mut self.claims, rows.iter().map(|row| (row.claim, row.id, number)).collect(), |entry| entry.0, |entry| entry.2);
        merge(
            &mut self.habits,
            rows.iter().filter_map(|row| row.habit).map(|habit| (habit, number)).collect(),
            |entry| entry.0,
            |entry| entry.1,
        );
        let oldest = number.saturating_sub(CYCLES_KEPT);
        self.claims.retain(|entry| entry.2 >= oldest);
        self.habits.retain(|entry| entry.1 >= oldest);
    }

    /// Takes in cycles that were kept apart until somebody released them.
    pub fn absorb(&mut self, later: Self) {
        self.version = VERSION;
        let before = self.number;
        self.number = before.saturating_add(later.number);
        let number = |seen: u32| before.saturating_add(seen);
        self.cycles.extend(later.cycles);
        let surplus = self.cycles.len().saturating_sub(CYCLES_MAX);
        self.cycles.drain(..surplus);
        let moved = |entries: Vec<(Short, Short, u32)>| entries.into_iter().map(|(key, value, seen)| (key, value, number(seen))).collect();
        merge(&mut self.addresses, moved(later.addresses), |entry| entry.0, |entry| entry.2);
        merge(&mut self.claims, moved(later.claims), |entry| entry.0, |entry| entry.2);
        merge(
            &mut self.habits,
            later.habits.into_iter().map(|(key, seen)| (key, number(seen))).collect(),
            |entry| entry.0,
            |entry| entry.1,
        );
    }

    /// Its bytes, for a sealed file.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("vectors of numbers can be encoded")
    }

    /// Reads what [`History::encode`] wrote.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, HistoryError> {
        let history: Self = postcard::from_bytes(bytes).map_err(|_| HistoryError)?;
        (history.version <= VERSION).then_some(history).ok_or(HistoryError)
    }

    pub(super) fn address_of(&self, member: &Short) -> Option<&Short> {
        let at = self.addresses.binary_search_by(|entry| entry.0.cmp(member)).ok()?;
        Some(&self.addresses[at].1)
    }

    pub(super) fn id_of(&self, claim: &Short) -> Option<&Short> {
        let at = self.claims.binary_search_by(|entry| entry.0.cmp(claim)).ok()?;
        Some(&self.claims[at].1)
    }

    pub(super) fn has_habit(&self, habit: &Short) -> bool {
        self.habits.binary_search_by(|entry| entry.0.cmp(habit)).is_ok()
    }
}

/// Puts newer entries over older ones of the same key; beyond the bound, what was not seen for longest goes.
fn merge<E: Copy>(table: &mut Vec<E>, mut newer: Vec<E>, key: impl Fn(&E) -> Short, seen: impl Fn(&E) -> u32) {
    newer.append(table);
    // Stable: of equal keys the first one is the newest.
    newer.sort_by_key(|entry| key(entry));
    newer.dedup_by(|later, first| key(later) == key(first));
    if newer.len() > ENTRIES_MAX {
        let mut moments: Vec<u32> = newer.iter().map(&seen).collect();
        moments.sort_unstable();
        let oldest_kept = moments[newer.len() - ENTRIES_MAX];
        newer.retain(|entry| seen(entry) >= oldest_kept);
        newer.truncate(ENTRIES_MAX);
    }
    *table = newer;
}
