//! Which protection a message requires on its way: the strongest that anybody asks for (invariant 7).
//!
//! A tenant states one for all its mail ([`Protection::TlsVerified`] unless it says otherwise), a destination may state one
//! for itself, and so may a message. A later word can only raise the level. How it is met, and what happens
//! where a receiver cannot meet it, belongs to `egress` and `outcome`.

use model::{Destination, Protection};
use std::collections::BTreeMap;

/// What a message requires where nobody says anything.
pub const DEFAULT: Protection = Protection::TlsVerified;

/// The strongest of what is stated. A destination and a message can raise the tenant's level and never lower it.
pub fn requires(tenant: Protection, destination: Option<Protection>, message: Option<Protection>) -> Protection {
    [destination, message].into_iter().flatten().fold(tenant, Protection::max)
}

/// What one tenant requires, and what some destinations require.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirements {
    tenant: Protection,
    destinations: BTreeMap<Destination, Protection>,
}

impl Default for Requirements {
    fn default() -> Self {
        Self::new(DEFAULT, BTreeMap::new())
    }
}

impl Requirements {
    /// The tenant's level, and destinations that ask for more.
    pub fn new(tenant: Protection, destinations: BTreeMap<Destination, Protection>) -> Self {
        Self { tenant, destinations }
    }

    /// What a message to this destination requires; `message` is what the message itself asks for.
    pub fn of(&self, destination: &Destination, message: Option<Protection>) -> Protection {
        requires(self.tenant, self.destinations.get(destination).copied(), message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Protection::{PlaintextLoopback, TlsEncrypted, TlsVerified};

    #[test]
    fn no_combination_gives_less_than_any_of_its_parts() {
        let levels = [PlaintextLoopback, TlsEncrypted, TlsVerified];
        for tenant in levels {
            for destination in levels.map(Some).into_iter().chain([None]) {
                for message in levels.map(Some).into_iter().chain([None]) {
                    let required = requires(tenant, destination, message);
                    assert!(required >= tenant && Some(required) >= destination && Some(required) >= message);
                    assert!([Some(tenant), destination, message].contains(&Some(required)), "nothing is invented");
                }
            }
        }
    }

    #[test]
    fn nobody_says_anything_means_verified_tls() {
        let destination = Destination::parse("clinic.example").unwrap();
        assert_eq!(Requirements::default().of(&destination, None), TlsVerified);
        assert_eq!(Requirements::default().of(&destination, Some(PlaintextLoopback)), TlsVerified);
    }

    #[test]
    fn a_destination_raises_a_tenant_that_asks_for_less() {
        let strict = Destination::parse("strict.example").unwrap();
        let other = Destination::parse("other.example").unwrap();
        let requirements = Requirements::new(TlsEncrypted, [(strict.clone(), TlsVerified)].into());
        assert_eq!(requirements.of(&strict, None), TlsVerified);
        assert_eq!(requirements.of(&other, None), TlsEncrypted);
        assert_eq!(requirements.of(&other, Some(TlsVerified)), TlsVerified);
    }
}
