//! Who lies where: sites at addresses, destinations at sites, and which name means what.

use crate::config::{Mx, SandboxConfig};
use crate::message_id::hash64;
use crate::personality::Personality;
use std::collections::HashMap;
use std::net::Ipv4Addr;

/// All invented names end in it (RFC 2606 section 2).
const TOP: &str = "example";
const DIGITS: usize = 5;

/// A site with its place.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) name: String,
    pub(crate) address: Ipv4Addr,
    pub(crate) personality: Personality,
    pub(crate) mx: Mx,
    pub(crate) destinations: usize,
}

impl Site {
    /// The name of its first (1) or second (2) MX host.
    pub(crate) fn host(&self, number: u8) -> String {
        format!("mx{number}.{}.{TOP}", self.name)
    }
}

/// What a name means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A destination at this site.
    Destination { site: usize },
    /// A host of this site.
    Host { site: usize, number: u8 },
}

/// The whole sandbox as names and addresses.
#[derive(Debug)]
pub(crate) struct Map {
    pub(crate) sites: Vec<Site>,
    /// Nobody listens here.
    pub(crate) down: Ipv4Addr,
    /// Where DNS listens.
    pub(crate) dns: Ipv4Addr,
    /// The site of each destination.
    places: Vec<u32>,
    by_name: HashMap<String, usize>,
}

impl Map {
    /// Places sites and destinations; the same configuration gives the same map.
    pub(crate) fn new(config: &SandboxConfig) -> Self {
        let base = u32::from(config.base);
        let places = places(config);
        let mut sites: Vec<Site> = config
            .sites
            .iter()
            .zip(256..)
            .map(|(site, offset)| Site {
                name: site.name.clone(),
                address: Ipv4Addr::from(base + offset),
                personality: site.personality.clone(),
                mx: site.mx,
                destinations: 0,
            })
            .collect();
        places.iter().for_each(|&site| sites[site as usize].destinations += 1);
        let by_name = sites.iter().enumerate().map(|(index, site)| (site.name.clone(), index)).collect();
        Self { sites, down: Ipv4Addr::from(base + 2), dns: Ipv4Addr::from(base + 1), places, by_name }
    }

    /// The names of all destinations, in order.
    pub(crate) fn destination_names(&self) -> impl Iterator<Item = String> + '_ {
        (1..=self.places.len()).map(destination_name)
    }

    /// The names of the destinations at a site.
    pub(crate) fn destinations_at(&self, site: &str) -> Vec<String> {
        let wanted = self.by_name.get(site).map(|&site| site as u32);
        let found = self.places.iter().enumerate().filter(|(_, place)| Some(**place) == wanted);
        found.map(|(index, _)| destination_name(index + 1)).collect()
    }

    /// What a lower-case name without its last dot means; `None` where it does not exist.
    pub(crate) fn meaning(&self, name: &str) -> Option<Meaning> {
        let rest = name.strip_suffix(TOP)?.strip_suffix('.')?;
        match rest.split_once('.') {
            None => self.destination_site(rest).map(|site| Meaning::Destination { site }),
            Some((host, site)) => {
                let number = match host {
                    "mx1" => 1,
                    "mx2" => 2,
                    _ => return None,
                };
                let site = *self.by_name.get(site)?;
                let exists = self.sites[site].mx.has_host() && (number == 1 || matches!(self.sites[site].mx, Mx::Two | Mx::FirstDown));
                exists.then_some(Meaning::Host { site, number })
            }
        }
    }

    fn destination_site(&self, label: &str) -> Option<usize> {
        let digits = label.strip_prefix('d').filter(|digits| digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        let number: usize = digits.parse().ok()?;
        let site = *self.places.get(number.checked_sub(1)?)? as usize;
        (self.sites[site].mx != Mx::Missing).then_some(site)
    }
}

fn destination_name(number: usize) -> String {
    format!("d{number:0DIGITS$}.{TOP}")
}

/// Each site gets its share of the destinations, at least one where there are enough; then the seed shuffles.
fn places(config: &SandboxConfig) -> Vec<u32> {
    let total: u64 = config.sites.iter().map(|site| u64::from(site.weight)).sum();
    let wanted = config.destinations as u64;
    let mut places: Vec<u32> = Vec::with_capacity(config.destinations);
    // One each first, in the order of the configuration, then what is missing to the share.
    places.extend((0..config.sites.len() as u32).take(config.destinations));
    for (site, weight) in config.sites.iter().map(|site| u64::from(site.weight)).enumerate() {
        let more = (wanted * weight / total).saturating_sub(1) as usize;
        let room = config.destinations - places.len();
        places.extend(std::iter::repeat_n(site as u32, more.min(room)));
    }
    // What rounding left over goes round.
    let mut site = 0..config.sites.len() as u32;
    while places.len() < config.destinations {
        match site.next() {
            Some(next) => places.push(next),
            None => site = 0..config.sites.len() as u32,
        }
    }
    for index in (1..places.len()).rev() {
        let other = hash64(&[b"place", &config.seed.to_le_bytes(), &(index as u64).to_le_bytes()]) % (index as u64 + 1);
        places.swap(index, other as usize);
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_site_has_its_share_and_the_same_seed_the_same_map() {
        let config = SandboxConfig::mixed(1000);
        let map = Map::new(&config);
        assert_eq!(map.sites.iter().map(|site| site.destinations).sum::<usize>(), 1000);
        assert!(map.sites.iter().all(|site| site.destinations > 0));
        let quick: usize = map.sites.iter().filter(|site| site.name.starts_with("quick")).map(|site| site.destinations).sum();
        assert!((690..=720).contains(&quick), "{quick}");
        assert_eq!(map.places, Map::new(&config).places);
        assert_ne!(map.places, Map::new(&SandboxConfig { seed: 2, ..config }).places);
        for few in [1, 5, 19, 20] {
            assert_eq!(Map::new(&SandboxConfig::mixed(few)).places.len(), few);
        }
    }

    #[test]
    fn names_mean_what_was_placed() {
        let map = Map::new(&SandboxConfig::mixed(100));
        let quick = map.destinations_at("quick-a");
        assert_eq!(map.meaning(&quick[0]), Some(Meaning::Destination { site: 0 }));
        assert_eq!(map.meaning("mx1.quick-a.example"), Some(Meaning::Host { site: 0, number: 1 }));
        assert_eq!(map.meaning("mx2.quick-b.example"), Some(Meaning::Host { site: 1, number: 2 }));
        let missing = map.destinations_at("missing").remove(0);
        for name in
            ["mx2.quick-a.example", "mx1.null-mx.example", "d00000.example", "d00101.example", "d1.example", "example", "x.org", &missing]
        {
            assert_eq!(map.meaning(name), None, "{name}");
        }
        assert_eq!(map.destination_names().count(), 100);
    }
}
