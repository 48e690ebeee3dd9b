//! Invented people: names nobody bears, ids that say `TST`, addresses in the caller's destinations.

use crate::Random;
use jiff::ToSpan;
use model::statement::Member;
use model::{Date, Private};

const GIVEN: [&str; 40] = [
    "Ardel",
    "Belori",
    "Cimael",
    "Dorune",
    "Elvika",
    "Fendra",
    "Gavoni",
    "Hesper",
    "Ilmaro",
    "Jorelin",
    "Kaveth",
    "Lumira",
    "Merovin",
    "Nadiko",
    "Orlisse",
    "Pelagon",
    "Quenly",
    "Rivanta",
    "Selkie",
    "Tavorin",
    "Ulmeda",
    "Vesprin",
    "Wendril",
    "Xanobel",
    "Ysolda",
    "Zephrine",
    "Ambrel",
    "Brioche",
    "Corvane",
    "Delphira",
    "Emberlin",
    "Fiorenz",
    "Galadrel",
    "Hollin",
    "Isaveth",
    "Junovar",
    "Kestrelle",
    "Lorimond",
    "Marisol-Ann",
    "Novalee",
];
const FAMILY_START: [&str; 32] = [
    "Amber", "Birch", "Cedar", "Dale", "Elder", "Fern", "Glade", "Hazel", "Iris", "Juniper", "Kelp", "Larch", "Maple", "Nettle", "Oak",
    "Pine", "Quill", "Reed", "Sorrel", "Thistle", "Umber", "Vine", "Willow", "Yarrow", "Zinnia", "Aspen", "Bramble", "Clover", "Dune",
    "Ember", "Flint", "Gorse",
];
const FAMILY_END: [&str; 6] = ["sample", "example", "mock", "specimen", "testfield", "dummy"];

const SORT: u64 = 1;
/// Sort of the second person of an id: whom a contact row with a wrong name shows.
const OTHER_SORT: u64 = 2;

/// An invented member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Member id: `TST` and nine digits or more.
    pub member_id: Private,
    /// Given name.
    pub given_name: Private,
    /// Family name.
    pub family_name: Private,
    /// Birth date, between 1936 and 2005.
    pub birth_date: Date,
    /// Address, in one of the destinations.
    pub email: Private,
}

impl Person {
    /// Person number `index` (from 0) of a seed.
    ///
    /// # Panics
    /// Where there is no destination.
    pub fn invent(seed: u64, index: u64, destinations: &[String]) -> Self {
        Self::build(&mut Random::of(seed, SORT, index), index, destinations)
    }

    /// Somebody else under the same member id: other name, other birth date, other address.
    pub fn invent_other(seed: u64, index: u64, destinations: &[String]) -> Self {
        let person = Self::invent(seed, index, destinations);
        let mut random = Random::of(seed, OTHER_SORT, index);
        loop {
            let other = Self::build(&mut random, index, destinations);
            let shares_something =
                other.given_name == person.given_name || other.family_name == person.family_name || other.birth_date == person.birth_date;
            if !shares_something {
                return other;
            }
        }
    }

    /// The person as a statement names them; `with_birth_date` where the format carries one (an 835 does not).
    pub fn as_member(&self, with_birth_date: bool) -> Member {
        Member {
            id: self.member_id.clone(),
            name: Private::new(format!("{} {}", self.given_name.reveal(), self.family_name.reveal())),
            given_name: self.given_name.clone(),
            family_name: self.family_name.clone(),
            birth_date: with_birth_date.then_some(self.birth_date),
        }
    }

    fn build(random: &mut Random, index: u64, destinations: &[String]) -> Self {
        let given = *random.pick(&GIVEN);
        let family = format!("{}{}", random.pick(&FAMILY_START), random.pick(&FAMILY_END));
        let birth_date = jiff::civil::date(1936, 1, 1).saturating_add(random.below(25_500).cast_signed().days());
        let destination = random.pick(destinations);
        let email = format!("{}.{}.{index}@{destination}", given.to_ascii_lowercase(), family.to_ascii_lowercase());
        Self {
            member_id: Private::new(format!("TST{index:09}")),
            given_name: given.into(),
            family_name: family.into(),
            birth_date,
            email: email.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Mailbox;

    #[test]
    fn people_are_the_same_each_time_and_have_valid_addresses() {
        let destinations = ["one.example".to_owned(), "two.example".to_owned()];
        for index in 0..500 {
            let person = Person::invent(7, index, &destinations);
            assert_eq!(person, Person::invent(7, index, &destinations));
            Mailbox::parse(person.email.reveal()).unwrap();
            let other = Person::invent_other(7, index, &destinations);
            assert_eq!(other.member_id, person.member_id);
            assert_ne!(other.family_name, person.family_name);
            assert_ne!(other.birth_date, person.birth_date);
        }
    }

    #[test]
    fn nothing_of_a_person_prints() {
        let person = Person::invent(7, 1, &["one.example".to_owned()]);
        let shown = format!("{person:?}");
        assert!(!shown.contains("example") && !shown.contains("TST"), "{shown}");
    }
}
