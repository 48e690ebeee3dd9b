//! One address for many: does a single mailbox get the statements of people who have nothing to do with each other?
//!
//! A list filled down, or a placeholder in the contact data, does that, and no history is needed to see it. A family shares an address, so
//! family names are counted, not members. A home or an agent may well have an address for many: where more of them had it
//! before than come to it now, it is known. The first time it is not, and a person looks.

use super::history::Short;
use super::{History, Pairs};

/// So many family names come to one address at once in no family.
const FAMILIES_MIN: u64 = 8;

/// An address that many get who did not have it before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Crowd {
    /// Family names of those who come to it.
    pub(super) families: u64,
    /// Members of the last cycles who had it.
    pub(super) before: u64,
}

/// The largest crowd that is more than a family and more than those who had the address before.
pub(super) fn largest(pairs: &Pairs, history: &History) -> Option<Crowd> {
    let mut owned: Vec<Short> = history.addresses.iter().map(|entry| entry.1).collect();
    owned.sort_unstable();
    let mut coming: Vec<(Short, u64)> = pairs
        .rows()
        .iter()
        .filter_map(|row| {
            row.address.filter(|address| history.address_of(&row.member) != Some(address)).map(|address| (address, row.family))
        })
        .collect();
    coming.sort_unstable();
    coming.dedup();
    let crowds = coming.chunk_by(|one, other| one.0 == other.0).map(|crowd| {
        let first = owned.partition_point(|address| *address < crowd[0].0);
        let before = owned[first..].iter().take_while(|address| **address == crowd[0].0).count();
        Crowd { families: crowd.len() as u64, before: before as u64 }
    });
    crowds.filter(|crowd| crowd.families >= FAMILIES_MIN && crowd.families > crowd.before).max_by_key(|crowd| crowd.families)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Fingerprints;
    use crate::gates::{Cycle, Subject};
    use model::statement::Member;
    use model::{Fingerprint, Mailbox};

    /// The text itself, cut to size.
    struct AsItIs;

    impl Fingerprints for AsItIs {
        fn fingerprint(&self, _: &str, parts: &[&[u8]]) -> Fingerprint {
            let mut bytes = [0; 16];
            parts.concat().iter().take(16).enumerate().for_each(|(at, byte)| bytes[at] = *byte);
            Fingerprint(bytes)
        }
    }

    /// People of these family names, each with an id of their own, all at one address.
    fn at_one_address(families: &[String]) -> Pairs {
        let mut pairs = Pairs::default();
        let mailbox = Mailbox::parse("office@mail.example").unwrap();
        for (at, family) in families.iter().enumerate() {
            let id = format!("{family}{at}");
            let member =
                Member { id: id.as_str().into(), family_name: family.as_str().into(), given_name: "Ada".into(), ..Member::default() };
            pairs.add(Subject::new(&member, &id, None, &AsItIs), Some((&mailbox, Fingerprint([7; 16]))));
        }
        pairs
    }

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|at| format!("{}name", char::from(b'a' + u8::try_from(at).unwrap()))).collect()
    }

    #[test]
    fn families_are_none_and_a_home_is_known_the_second_time() {
        let mut history = History::default();
        assert_eq!(largest(&at_one_address(&vec!["sample".to_owned(); 12]), &history), None, "one family, however large");
        assert_eq!(largest(&at_one_address(&names(7)), &history), None);
        let home = at_one_address(&names(12));
        assert_eq!(largest(&home, &history), Some(Crowd { families: 12, before: 0 }));
        history.learn(Cycle::default(), &home);
        assert_eq!(largest(&home, &history), None, "all of them had it");
        assert_eq!(largest(&at_one_address(&names(20)), &history), None, "eight come, twelve had it");
        let others: Vec<String> = names(26).into_iter().skip(12).collect();
        assert_eq!(largest(&at_one_address(&others), &history), Some(Crowd { families: 14, before: 12 }));
    }
}
