//! How an address goes with a name: most people's address has a part of their name in it.
//!
//! Nobody's address is judged by it. But where a column is shifted, the addresses of a whole stretch of rows resemble the names of the rows
//! beside theirs, and that is seen even in the first batch ever. Names and addresses are kept for a few rows only, folded, in memory.

use super::history::Short;
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use unicode_normalization::UnicodeNormalization;

/// How far a column may be shifted to be found without a history.
const OFFSET_MAX: usize = 3;
/// Rows that are looked at together.
const STRETCH_ROWS: u64 = 64;
/// A stretch looks shifted where so many addresses resemble the names beside theirs ...
const SHIFTED_HITS: u64 = 12;
/// ... and at most one of so many resembles its own.
const SHIFTED_RATIO: u64 = 4;
/// Shorter parts of a name are in too many addresses.
const PART_CHARS_MIN: usize = 3;

/// Lower-case letters of a name's parts, or of the part of an address before its `@`. Never shown.
#[derive(Default, Clone, PartialEq, Eq)]
pub(super) struct Folded(Vec<String>);

impl std::fmt::Debug for Folded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Folded")
    }
}

impl Folded {
    /// The parts of a name, the given one first.
    pub(super) fn of_name(given: &str, family: &str, whole: &str) -> Self {
        let mut parts = fold(&format!("{given} {family}"));
        if parts.is_empty() {
            // "FAMILY, GIVEN" or "Given Family".
            parts = match whole.split_once(',') {
                Some((family, given)) => fold(&format!("{given} {family}")),
                None => fold(whole),
            };
        }
        Self(parts)
    }

    pub(super) fn of_address(address: &str) -> Self {
        let local = address.rsplit_once('@').map_or(address, |(local, _)| local);
        Self(vec![fold(local).concat()])
    }

    /// The first part; empty where there is none.
    pub(super) fn first(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// The first and the last part: what stays when a second name comes or goes.
    pub(super) fn ends(&self) -> String {
        format!("{} {}", self.first(), self.0.last().map_or("", String::as_str))
    }

    /// The last part that is no generation (Jr, III): what families have in common, mostly. A hash: it is only ever compared.
    pub(super) fn family(&self) -> u64 {
        let is_generation = |part: &str| matches!(part, "jr" | "sr" | "ii" | "iii" | "iv");
        let mut hasher = DefaultHasher::new();
        self.0.iter().rev().find(|part| !is_generation(part)).hash(&mut hasher);
        hasher.finish()
    }

    fn shares_a_part_with(&self, other: &Self) -> bool {
        self.0.iter().any(|part| other.0.contains(part))
    }

    /// Whether an address has a part of this name in it.
    fn is_in(&self, address: &Self) -> bool {
        let local = address.first();
        self.0.iter().any(|part| part.len() >= PART_CHARS_MIN && local.contains(part.as_str()))
    }
}

fn fold(text: &str) -> Vec<String> {
    let plain: String = text.nfd().filter(|c| !unicode_normalization::char::is_combining_mark(*c)).flat_map(char::to_lowercase).collect();
    plain.split(|c: char| !c.is_alphabetic()).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

#[derive(Debug)]
struct Seen {
    member: Short,
    address: Short,
    name: Folded,
    local: Folded,
}

/// Counts, over the rows of a batch, how addresses resemble their own member's name and those of the rows beside it.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    last: VecDeque<Seen>,
    own: u64,
    of: u64,
    stretch: Stretch,
    shifted_stretches: u64,
}

#[derive(Debug, Default, Clone, Copy)]
struct Stretch {
    rows: u64,
    /// The address of this row and the name some rows before: the column moved down.
    down: [Beside; OFFSET_MAX],
    /// The name of this row and the address some rows before: the column moved up.
    up: [Beside; OFFSET_MAX],
}

/// Two rows of people who share no part of their names: families stand together.
#[derive(Debug, Default, Clone, Copy)]
struct Beside {
    /// The address resembles its own member's name.
    own: u64,
    /// It resembles the other one's.
    other: u64,
}

impl Neighbours {
    pub(super) fn add(&mut self, member: Short, name: Folded, local: Folded, address: Short) {
        let is_own = name.is_in(&local);
        self.of += 1;
        self.own += u64::from(is_own);
        self.stretch.rows += 1;
        for (at, before) in self.last.iter().enumerate() {
            if before.member == member || before.address == address || name.shares_a_part_with(&before.name) {
                continue;
            }
            self.stretch.down[at].count(is_own, before.name.is_in(&local));
            self.stretch.up[at].count(before.name.is_in(&before.local), name.is_in(&before.local));
        }
        self.last.push_front(Seen { member, address, name, local });
        self.last.truncate(OFFSET_MAX);
        if self.stretch.rows == STRETCH_ROWS {
            self.shifted_stretches += u64::from(self.stretch.is_shifted());
            self.stretch = Stretch::default();
        }
    }

    /// How many addresses resemble their own member's name, of how many.
    pub(super) fn own(&self) -> (u64, u64) {
        (self.own, self.of)
    }

    /// Stretches in which the addresses belong to the rows beside them.
    pub(super) fn shifted_stretches(&self) -> u64 {
        self.shifted_stretches + u64::from(self.stretch.is_shifted())
    }
}

impl Stretch {
    fn is_shifted(&self) -> bool {
        self.down.iter().chain(&self.up).any(|beside| beside.other >= SHIFTED_HITS && beside.own * SHIFTED_RATIO <= beside.other)
    }
}

impl Beside {
    fn count(&mut self, is_own: bool, is_other: bool) {
        self.own += u64::from(is_own);
        self.other += u64::from(is_other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_in_an_address_across_accents_and_case() {
        let name = |given, family| Folded::of_name(given, family, "");
        let address = Folded::of_address;
        assert!(name("José", "NÚÑEZ").is_in(&address("jose.nunez@mail.example")));
        assert!(name("Ada", "Example").is_in(&address("a.example77@mail.example")));
        assert!(!name("Al", "Wu").is_in(&address("al.wu@mail.example")), "too short to mean anything");
        assert!(!name("Ada", "Example").is_in(&address("ben@ada.example")), "the domain does not count");
        assert_eq!(Folded::of_name("", "", "SAMPLE, BEN").first(), "ben");
        let family = |whole| Folded::of_name("", "", whole).family();
        assert!(family("Ben Sample Jr.") == family("SAMPLE, ADA") && family("Ben Sample") != family("Ben Mock"));
        assert_eq!(format!("{:?}", name("Ada", "Example")), "Folded");
    }
}
