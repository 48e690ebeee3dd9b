//! Job id → slot, in 10 to 13 bytes a job.
//!
//! Open addressing over (tag, slot): the id itself is compared in the slab, but only where 32 bits of its hash agree, so
//! a look-up touches the slab once. The table is split into [`PARTS`] parts that grow on their own, by a quarter, so no single push
//! pays for moving a million ids, and little of what is there is empty. A tag's place is its share of the part, not a mask: a part has any
//! length. The hash has no seed: ids are given by us, not by a sender.

use crate::entry::Entry;
use crate::slab::{Slab, Slot};
use model::JobId;

const PARTS_BITS: u32 = 8;
const PARTS: usize = 1 << PARTS_BITS;

/// The lower half of the hash, which also says where to look first; and the slot.
#[derive(Debug, Clone, Copy)]
struct Place {
    tag: u32,
    slot: Slot,
}

/// One part: at most 4/5 full.
#[derive(Debug, Clone, Default)]
struct Part {
    places: Vec<Option<Place>>,
    used: usize,
}

/// The whole table.
#[derive(Debug)]
pub(crate) struct JobIndex {
    parts: Vec<Part>,
}

// Table and entry together stay under the 96 bytes of DESIGN section 7 even where a part has just doubled.
const _: () = assert!(size_of::<Option<Place>>() == 8);

impl JobIndex {
    pub(crate) fn new() -> Self {
        Self { parts: vec![Part::default(); PARTS] }
    }

    pub(crate) fn find(&self, entries: &Slab<Entry>, job: JobId) -> Option<Slot> {
        let (part, tag) = hash(job);
        let part = &self.parts[part];
        part.find(entries, job, tag).and_then(|at| part.places[at]).map(|place| place.slot)
    }

    /// Adds a job that is not in the table.
    pub(crate) fn insert(&mut self, job: JobId, slot: Slot) {
        let (part, tag) = hash(job);
        let part = &mut self.parts[part];
        if (part.used + 1) * 5 > part.places.len() * 4 {
            part.grow();
        }
        part.put(Place { tag, slot });
        part.used += 1;
    }

    pub(crate) fn remove(&mut self, entries: &Slab<Entry>, job: JobId) {
        let (part, tag) = hash(job);
        let part = &mut self.parts[part];
        if let Some(at) = part.find(entries, job, tag) {
            part.close_gap(at);
            part.used -= 1;
        }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let places: usize = self.parts.iter().map(|part| part.places.capacity()).sum();
        places * size_of::<Option<Place>>() + self.parts.capacity() * size_of::<Part>()
    }
}

impl Part {
    /// Where a tag looks first.
    fn home(&self, tag: u32) -> usize {
        ((u64::from(tag) * self.places.len() as u64) >> u32::BITS) as usize
    }

    fn after(&self, at: usize) -> usize {
        if at + 1 == self.places.len() { 0 } else { at + 1 }
    }

    /// Steps from one place to another, going round.
    fn steps(&self, from: usize, to: usize) -> usize {
        if to >= from { to - from } else { to + self.places.len() - from }
    }

    fn find(&self, entries: &Slab<Entry>, job: JobId, tag: u32) -> Option<usize> {
        if self.places.is_empty() {
            return None;
        }
        let mut at = self.home(tag);
        while let Some(place) = self.places[at] {
            if place.tag == tag && entries[place.slot].job == job {
                return Some(at);
            }
            at = self.after(at);
        }
        None
    }

    fn put(&mut self, place: Place) {
        let mut at = self.home(place.tag);
        while self.places[at].is_some() {
            at = self.after(at);
        }
        self.places[at] = Some(place);
    }

    fn grow(&mut self) {
        let larger = vec![None; (self.places.len() + self.places.len() / 4).max(8)];
        let old = std::mem::replace(&mut self.places, larger);
        for place in old.into_iter().flatten() {
            self.put(place);
        }
    }

    /// Empties a place and moves up what would not be found over the gap.
    fn close_gap(&mut self, mut gap: usize) {
        self.places[gap] = None;
        let mut at = self.after(gap);
        while let Some(place) = self.places[at] {
            // It may move where the gap lies on its way from home to here, going round.
            if self.steps(self.home(place.tag), at) >= self.steps(gap, at) {
                self.places[gap] = Some(place);
                self.places[at] = None;
                gap = at;
            }
            at = self.after(at);
        }
    }
}

/// Fibonacci hashing, folded: consecutive ids spread over parts (the highest bits) and tags (the lower half).
fn hash(job: JobId) -> (usize, u32) {
    let product = job.to_bits().wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let folded = product ^ (product >> 29);
    ((folded >> (u64::BITS - PARTS_BITS)) as usize, folded as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    proptest::proptest! {
        #[test]
        fn finds_exactly_what_is_in_it(steps in proptest::collection::vec((proptest::bool::ANY, 0u64..300), 1..800)) {
            let (mut entries, mut index, mut naive) = (Slab::new(), JobIndex::new(), BTreeMap::new());
            let batch = Slot::from_number(0).unwrap();
            for (add, number) in steps {
                // One node in the high bits, so that several ids share a part.
                let job = JobId::new(1, number * 4096);
                if add && !naive.contains_key(&job) {
                    let mut entry = Entry::husk(batch);
                    entry.job = job;
                    let slot = entries.insert(entry);
                    index.insert(job, slot);
                    naive.insert(job, slot);
                } else if !add && let Some(slot) = naive.remove(&job) {
                    index.remove(&entries, job);
                    entries.remove(slot, Entry::husk(batch));
                }
            }
            for number in 0..300 {
                let job = JobId::new(1, number * 4096);
                proptest::prop_assert_eq!(index.find(&entries, job), naive.get(&job).copied());
            }
        }
    }
}
