//! How far of the record the index knows, and how far what lies on disk covers it.

use super::{KeyIndex, Origin, Part, Table};

/// Asks for the last durable position of the record.
type Durable = Box<dyn Fn() -> u64 + Send + Sync>;

/// Places of the record by which keys are dated.
pub(super) struct Reached {
    durable: Durable,
    /// While the record is followed: everything up to here was seen.
    replayed: Option<u64>,
}

impl std::fmt::Debug for Reached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reached").field("replayed", &self.replayed).finish_non_exhaustive()
    }
}

impl Reached {
    pub(super) fn new(durable: Durable) -> Self {
        Self { durable, replayed: None }
    }

    /// There is no record.
    pub(super) fn nothing() -> Self {
        Self::new(Box::new(|| 0))
    }

    /// What is durable now. The head of a key that is reserved now comes behind it.
    pub(super) fn live(&self) -> u64 {
        (self.durable)()
    }

    pub(super) fn replay(&mut self, at: Option<u64>) {
        self.replayed = at;
    }

    pub(super) fn of(&self, origin: Origin) -> u64 {
        match origin {
            Origin::Live => self.live(),
            Origin::Record => self.all(),
        }
    }

    /// Every key of the record up to here is known.
    pub(super) fn all(&self) -> u64 {
        // A key of the record is known before its head is durable: it was reserved first.
        self.replayed.unwrap_or_else(|| self.live())
    }
}

impl KeyIndex {
    /// Each key of the record up to here that binds is in a run. What is pending, or in memory alone, holds it back.
    pub(super) fn covered(&self) -> u64 {
        // Asked for first: what becomes durable while this looks around is not claimed.
        let all = self.reached.all();
        let tables = self.bound.since().into_iter().chain(self.rolling.since());
        let pending = self.pending.values().map(|pending| pending.since);
        let frozen = self.parts.iter().filter_map(|part| if let Part::Frozen(frozen) = part { Some(frozen.since) } else { None });
        tables.chain(pending).chain(frozen).fold(all, u64::min)
    }

    /// Lets keys of rolling batches grow old, see [`super::Rolling`].
    pub(super) fn turn(&mut self) {
        self.rolling.turn();
    }

    /// Whether keys wait in memory for longer than so many frames of the record.
    pub(super) fn is_late(table: &Table, reached: u64, frames: u64) -> bool {
        table.since().is_some_and(|since| reached.saturating_sub(since) > frames)
    }
}
