//! A timer wheel of four levels of 256 slots over whole milliseconds: 0.25 s, 65 s, 4.7 h, 50 days; beyond that one list.
//!
//! A time's level is the highest byte in which it differs from the present, so nothing ever wraps, the first level with
//! anything in it holds the next event, and a timer's place can be computed again when it must be taken out. A slot of
//! a higher level is spread over the lower ones when its time begins. Timers of the same millisecond fire in the order
//! in which they were set.

use crate::entry::Entry;
use crate::slab::{List, Slab, Slot};

const LEVELS: usize = 4;
const SLOTS: usize = 256;

/// Where a timer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cell {
    At { level: usize, slot: usize },
    Far,
}

/// A wheel over one ring of the entries.
#[derive(Debug)]
pub(crate) struct Wheel {
    ring: usize,
    now: u64,
    lists: Box<[[List; SLOTS]; LEVELS]>,
    /// One bit per slot that has a list.
    occupied: [[u64; SLOTS / 64]; LEVELS],
    /// What lies in another 50 days than the present.
    far: List,
}

impl Wheel {
    pub(crate) fn new(ring: usize, now: u64) -> Self {
        let lists = Box::new([[List::default(); SLOTS]; LEVELS]);
        Self { ring, now, lists, occupied: [[0; SLOTS / 64]; LEVELS], far: List::default() }
    }

    /// Sets a timer. Its time must lie in the future.
    pub(crate) fn insert(&mut self, entries: &mut Slab<Entry>, slot: Slot) {
        let time = entries[slot].time(self.ring);
        debug_assert!(time > self.now, "a timer in the past never fires");
        match self.cell(time) {
            Cell::At { level, slot: at } => {
                self.lists[level][at].push_back(entries, self.ring, slot);
                self.occupied[level][at / 64] |= 1 << (at % 64);
            }
            Cell::Far => self.far.push_back(entries, self.ring, slot),
        }
    }

    /// Takes out a timer that is set.
    pub(crate) fn remove(&mut self, entries: &mut Slab<Entry>, slot: Slot) {
        match self.cell(entries[slot].time(self.ring)) {
            Cell::At { level, slot: at } => {
                self.lists[level][at].remove(entries, self.ring, slot);
                if self.lists[level][at].is_empty() {
                    self.vacate(level, at);
                }
            }
            Cell::Far => self.far.remove(entries, self.ring, slot),
        }
    }

    /// Moves to `now` and collects what fires on the way, in order of time. Going back does nothing.
    pub(crate) fn advance(&mut self, entries: &mut Slab<Entry>, now: u64, fired: &mut Vec<Slot>) {
        while let Some((event, cell)) = self.next_event().filter(|(event, _)| *event <= now) {
            self.now = event;
            let mut list = match cell {
                Cell::At { level, slot } => {
                    self.vacate(level, slot);
                    std::mem::take(&mut self.lists[level][slot])
                }
                Cell::Far => std::mem::take(&mut self.far),
            };
            while let Some(slot) = list.pop_front(entries, self.ring) {
                if entries[slot].time(self.ring) == event { fired.push(slot) } else { self.insert(entries, slot) }
            }
        }
        self.now = self.now.max(now);
    }

    /// When to advance next: exact within a quarter of a second, earlier than needed beyond that.
    pub(crate) fn next_wake(&self) -> Option<u64> {
        self.next_event().map(|(event, _)| event)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        size_of::<[[List; SLOTS]; LEVELS]>()
    }

    fn cell(&self, time: u64) -> Cell {
        let level = (63 - (time ^ self.now).max(1).leading_zeros() as usize) / 8;
        if level < LEVELS { Cell::At { level, slot: (time >> (8 * level)) as usize & (SLOTS - 1) } } else { Cell::Far }
    }

    fn vacate(&mut self, level: usize, slot: usize) {
        self.occupied[level][slot / 64] &= !(1 << (slot % 64));
    }

    fn next_event(&self) -> Option<(u64, Cell)> {
        for level in 0..LEVELS {
            let present = (self.now >> (8 * level)) as usize & (SLOTS - 1);
            if let Some(slot) = self.next_occupied(level, present + 1) {
                let above = self.now >> (8 * (level + 1)) << (8 * (level + 1));
                return Some((above | ((slot as u64) << (8 * level)), Cell::At { level, slot }));
            }
        }
        let next_turn = ((self.now >> (8 * LEVELS)) + 1) << (8 * LEVELS);
        (!self.far.is_empty()).then_some((next_turn, Cell::Far))
    }

    fn next_occupied(&self, level: usize, from: usize) -> Option<usize> {
        (from / 64..SLOTS / 64).find_map(|word| {
            let skip = if word == from / 64 { from % 64 } else { 0 };
            let bits = self.occupied[level][word] & (u64::MAX << skip);
            (bits != 0).then(|| word * 64 + bits.trailing_zeros() as usize)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::RING_WAIT;
    use model::{JobId, Timestamp};

    fn entry(number: u64, due: u64) -> Entry {
        let mut entry = Entry::husk(Slot::from_number(0).unwrap());
        (entry.job, entry.due) = (JobId::new(0, number), Timestamp(due));
        entry
    }

    proptest::proptest! {
        /// Against a sorted list: everything fires at its time, in order, whatever the jumps and removals.
        #[test]
        fn fires_what_a_sorted_list_fires(
            start in proptest::prelude::prop_oneof![0u64..1000, (1u64 << 32) - 500..(1u64 << 32) + 500, 1_790_000_000_000u64..1_790_000_100_000],
            steps in proptest::collection::vec((0u8..4, 0u64..40, 0u64..1000), 1..300),
        ) {
            let mut entries = Slab::new();
            let mut wheel = Wheel::new(RING_WAIT, start);
            let mut naive: Vec<(u64, u64, Slot)> = Vec::new();
            let (mut now, mut number) = (start, 0u64);
            for (what, shift, low) in steps {
                let span = (1u64 << shift) + low;
                match what {
                    0 | 1 => {
                        let slot = entries.insert(entry(number, now + span));
                        wheel.insert(&mut entries, slot);
                        naive.push((now + span, number, slot));
                        number += 1;
                    }
                    2 if !naive.is_empty() => {
                        let (_, _, slot) = naive.remove(span as usize % naive.len());
                        wheel.remove(&mut entries, slot);
                        entries.remove(slot, Entry::husk(Slot::from_number(0).unwrap()));
                    }
                    _ => {
                        now += span;
                        let mut fired = Vec::new();
                        wheel.advance(&mut entries, now, &mut fired);
                        naive.sort();
                        let expected: Vec<_> = naive.iter().filter(|(due, _, _)| *due <= now).map(|(_, _, slot)| *slot).collect();
                        naive.retain(|(due, _, _)| *due > now);
                        proptest::prop_assert_eq!(&fired, &expected);
                        for slot in fired {
                            entries.remove(slot, Entry::husk(Slot::from_number(0).unwrap()));
                        }
                    }
                }
                let earliest = naive.iter().map(|(due, _, _)| *due).min();
                proptest::prop_assert_eq!(wheel.next_wake().is_some(), earliest.is_some());
                if let (Some(wake), Some(earliest)) = (wheel.next_wake(), earliest) {
                    proptest::prop_assert!(wake > now && wake <= earliest, "never late, never stuck");
                }
            }
        }
    }
}
