//! Who is next within a limit group.
//!
//! Priority bands, the most urgent first. A band that was passed over [`SKIPPED_MAX`] times while it had jobs gets one
//! turn, so nothing starves. Within a band tenants take turns; within a tenant its lines do.

use crate::line::{Line, RING_TURN};
use crate::slab::{List, Slab, Slot};
use model::TenantId;
use std::collections::VecDeque;

/// How often a band with jobs is passed over before it gets one turn: at least 3 % for everyone.
pub const SKIPPED_MAX: u32 = 31;

/// One limit group's waiting lines.
#[derive(Debug, Default)]
pub(crate) struct Group {
    /// Sorted by priority; a band stays when it is empty.
    bands: Vec<Band>,
    /// Jobs in the lines that have turns here.
    pub(crate) ready: u64,
    /// It is in the queue's list of groups whose lanes must be woken.
    pub(crate) announced: bool,
}

#[derive(Debug)]
struct Band {
    priority: u8,
    skipped: u32,
    turns: VecDeque<Turn>,
}

/// A tenant's turn: its lines, the next one first. Never empty.
#[derive(Debug)]
struct Turn {
    tenant: TenantId,
    lines: List,
}

impl Group {
    /// Gives a line its place at the end of its tenant's lines.
    pub(crate) fn link(&mut self, lines: &mut Slab<Line>, line: Slot) {
        let Line { priority, tenant, length, .. } = lines[line];
        self.ready += u64::from(length);
        let band = self.band_mut(priority);
        let at = band.turns.iter().position(|turn| turn.tenant == tenant).unwrap_or_else(|| {
            band.turns.push_back(Turn { tenant, lines: List::default() });
            band.turns.len() - 1
        });
        band.turns[at].lines.push_back(lines, RING_TURN, line);
    }

    /// Takes a line out of its turns.
    pub(crate) fn unlink(&mut self, lines: &mut Slab<Line>, line: Slot) {
        let Line { priority, tenant, length, .. } = lines[line];
        self.ready -= u64::from(length);
        let band = self.band_mut(priority);
        let at = band.turns.iter().position(|turn| turn.tenant == tenant).expect("a linked line has its tenant's turn");
        band.turns[at].lines.remove(lines, RING_TURN, line);
        if band.turns[at].lines.is_empty() {
            band.turns.remove(at);
        }
        if band.turns.is_empty() {
            band.skipped = 0;
        }
    }

    /// The line whose turn it is; it goes to the end of its tenant's lines, its tenant to the end of the band.
    pub(crate) fn next(&mut self, lines: &mut Slab<Line>) -> Option<Slot> {
        let band = self.next_band()?;
        let mut turn = band.turns.pop_front().expect("a band that is next has turns");
        let line = turn.lines.pop_front(lines, RING_TURN).expect("a turn has lines");
        turn.lines.push_back(lines, RING_TURN, line);
        band.turns.push_back(turn);
        Some(line)
    }

    fn next_band(&mut self) -> Option<&mut Band> {
        let urgent = self.bands.iter().position(|band| !band.turns.is_empty())?;
        let starved = self.bands.iter().skip(urgent + 1).position(|band| !band.turns.is_empty() && band.skipped >= SKIPPED_MAX);
        let chosen = starved.map_or(urgent, |beyond| urgent + 1 + beyond);
        for (at, band) in self.bands.iter_mut().enumerate().skip(urgent + 1) {
            if at != chosen && !band.turns.is_empty() {
                band.skipped += 1;
            }
        }
        self.bands[chosen].skipped = 0;
        Some(&mut self.bands[chosen])
    }

    fn band_mut(&mut self, priority: u8) -> &mut Band {
        let at = match self.bands.binary_search_by_key(&priority, |band| band.priority) {
            Ok(at) => at,
            Err(at) => {
                self.bands.insert(at, Band { priority, skipped: 0, turns: VecDeque::new() });
                at
            }
        };
        &mut self.bands[at]
    }
}
