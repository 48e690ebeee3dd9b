//! Addresses that several members have: what goes there may be read by others, so it says less ([`crate::presentation`]).
//!
//! Counted are the addresses of the members themselves (their own, the one for sensitive services, the alternative one), not those of
//! representatives: a parent who reads for two children is one reader. A person with two rows is one person.
//! Only hashes are kept, and after loading only those of shared addresses. A hash that two addresses
//! have (one in 2⁶⁴ of pairs) makes a message say less, never more.

use super::contact::{Contact, Route};
use super::names::Name;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Which addresses are shared.
#[derive(Default)]
pub(super) struct Sharing {
    /// Address and person, while loading.
    seen: Vec<(u64, u64)>,
    /// Sorted, after loading.
    shared: Vec<u64>,
}

impl Sharing {
    pub(super) fn add(&mut self, contact: &Contact<'_>) {
        let route = |route: Option<Route<'_>>| match route {
            Some(Route::Email(address)) => folded(address),
            _ => None,
        };
        let addresses = [folded(contact.email), route(contact.sensitive_route), route(contact.alternative_address)];
        let person = person(contact);
        self.seen.extend(addresses.into_iter().flatten().map(|address| (address, person)));
    }

    pub(super) fn finish(&mut self) {
        self.seen.sort_unstable();
        self.seen.dedup();
        self.shared = self.seen.windows(2).filter(|pair| pair[0].0 == pair[1].0).map(|pair| pair[0].0).collect();
        self.shared.dedup();
        self.seen = Vec::new();
    }

    pub(super) fn is_shared(&self, address: &str) -> bool {
        folded(address).is_some_and(|address| self.shared.binary_search(&address).is_ok())
    }
}

/// The hash of an address, whatever the case of its letters (in practice no two people differ by it); `None` for an empty one.
fn folded(address: &str) -> Option<u64> {
    let address = address.trim();
    if address.is_empty() {
        return None;
    }
    // Without keys: the same in every run.
    let mut hasher = DefaultHasher::new();
    address.chars().flat_map(char::to_lowercase).for_each(|character| hasher.write_u32(character.into()));
    Some(hasher.finish())
}

fn person(contact: &Contact<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    contact.id.trim().to_ascii_lowercase().hash(&mut hasher);
    Name::new(contact.given_name, contact.family_name, contact.name).sorted_words().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact<'t>(id: &'t str, name: &'t str, email: &'t str) -> Contact<'t> {
        Contact { id, name, email, ..Contact::default() }
    }

    #[test]
    fn an_address_of_two_people_is_shared_and_one_of_one_person_is_not() {
        let mut sharing = Sharing::default();
        sharing.add(&contact("M1", "Ada Example", "family@mail.example"));
        sharing.add(&contact("M1", "Ben Example", "Family@Mail.example"));
        sharing.add(&contact("M2", "Cy Sample", "cy@mail.example"));
        sharing.add(&contact("m2 ", "SAMPLE, CY", "cy@mail.example"));
        sharing.add(&contact("M3", "Di Mock", ""));
        sharing.add(&contact("M4", "Ed Mock", ""));
        let alternative =
            Contact { alternative_address: Some(Route::Email("cy@other.example")), ..contact("M5", "Flo", "flo@mail.example") };
        sharing.add(&alternative);
        sharing.add(&contact("M6", "Gus", "cy@other.example"));
        sharing.finish();
        assert!(sharing.is_shared("FAMILY@mail.example") && sharing.is_shared("cy@other.example"));
        assert!(!sharing.is_shared("cy@mail.example") && !sharing.is_shared("flo@mail.example") && !sharing.is_shared(""));
        assert!(sharing.seen.is_empty() && sharing.shared.len() == 2, "only what is shared is kept");
    }
}
