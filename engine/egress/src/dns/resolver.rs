//! From a destination to its site: static routes first, then RFC 5321 section 5.1.
//!
//! MX hosts in order of preference, shuffled inside one preference; without MX the destination's own addresses; null MX
//! (RFC 7505) and NXDOMAIN are permanent, a missing answer is temporary. MX hosts whose addresses are not public are left out
//! ([`AddressRule`]).

use super::address::AddressRule;
use super::hickory::{HickoryResolve, ResolverSetupError};
use super::{DnsTrouble, LookupFailure, MxRecord, Resolve};
use crate::config::EgressConfig;
use crate::route::{Hop, Route, Routes};
use crate::site::{Site, Target, roll_up};
use futures_util::future::join_all;
use model::Destination;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use world::World;

/// MX hosts looked at for one destination. The largest real sets have about twenty.
const MX_HOSTS_MAX: usize = 32;
/// Addresses tried for one destination.
const TARGETS_MAX: usize = 32;

/// What the rules need besides DNS itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolverConfig {
    /// The port of MX hosts.
    pub port: u16,
    /// Which addresses DNS may answer.
    pub addresses: AddressRule,
    /// Static routes.
    pub routes: Routes,
}

/// Finds sites. Clone it freely; the answers are cached below it.
#[derive(Clone)]
pub struct SiteResolver {
    world: World,
    config: Arc<ResolverConfig>,
    resolve: Arc<dyn Resolve>,
}

impl SiteResolver {
    /// Rules above any source of answers.
    pub fn new(world: World, config: ResolverConfig, resolve: Arc<dyn Resolve>) -> Self {
        Self { world, config: Arc::new(config), resolve }
    }

    /// Rules above real DNS, as configured. `routes` are checked already.
    ///
    /// # Errors
    /// [`ResolverSetupError`] where the system's DNS configuration cannot be read.
    pub fn from_config(world: World, config: &EgressConfig, routes: Routes) -> Result<Self, ResolverSetupError> {
        let resolve = HickoryResolve::new(&config.name_servers, config.dns_timeout, config.dns_cache_answers)?;
        let addresses = AddressRule { allow_loopback: config.allow_loopback, allow_private: config.allow_private };
        Ok(Self::new(world, ResolverConfig { port: config.port, addresses, routes }, Arc::new(resolve)))
    }

    /// Where the mail of a destination goes.
    ///
    /// # Errors
    /// [`DnsTrouble`], which knows whether it is permanent.
    pub async fn site(&self, destination: &Destination) -> Result<Site, DnsTrouble> {
        match self.config.routes.find(destination) {
            Some(route) => self.routed(route).await,
            None => self.by_dns(destination.as_str()).await,
        }
    }

    async fn routed(&self, route: &Route) -> Result<Site, DnsTrouble> {
        let addresses: Vec<SocketAddr> = match &route.hop {
            Hop::Address(address) => vec![*address],
            Hop::Host(host, port) => {
                let found = self.resolve.addresses(host).await.map_err(|failure| missing_host(&[failure]))?;
                found.into_iter().map(|ip| SocketAddr::new(ip, *port)).collect()
            }
        };
        let target = |address| Target { host: Arc::clone(&route.tls_name), address, plaintext: route.plaintext, at_least: route.at_least };
        Ok(Site {
            name: route.to.clone(),
            mx_hosts: vec![route.tls_name.to_string()],
            targets: addresses.into_iter().map(target).collect(),
        })
    }

    async fn by_dns(&self, domain: &str) -> Result<Site, DnsTrouble> {
        let records = match self.resolve.mail_exchangers(domain).await {
            Ok(records) => in_order(&self.world, records)?,
            // RFC 5321 section 5.1: "If an empty list of MXs is returned, the address is treated as if it was associated with an
            // implicit MX RR, with a preference of 0, pointing to that host."
            Err(LookupFailure::NoRecords) => vec![MxRecord { preference: 0, host: domain.to_owned() }],
            Err(LookupFailure::NoSuchName) => return Err(DnsTrouble::NoSuchDomain),
            Err(LookupFailure::Unavailable) => return Err(DnsTrouble::Unavailable),
        };
        let targets = self.targets(&records).await?;
        let mx_hosts: Vec<String> = records.into_iter().map(|record| record.host).collect::<BTreeSet<_>>().into_iter().collect();
        Ok(Site { name: roll_up(&mx_hosts), mx_hosts, targets })
    }

    /// The addresses of all hosts, in the order of the hosts.
    async fn targets(&self, records: &[MxRecord]) -> Result<Vec<Target>, DnsTrouble> {
        let lookups = join_all(records.iter().map(|record| self.resolve.addresses(&record.host))).await;
        let (mut targets, mut failures, mut refused) = (Vec::new(), Vec::new(), false);
        for (record, lookup) in records.iter().zip(lookups) {
            match lookup {
                Err(failure) => failures.push(failure),
                Ok(addresses) => {
                    let host: Arc<str> = record.host.as_str().into();
                    for ip in addresses {
                        if self.config.addresses.allows(ip) {
                            targets.push(self.target(&host, ip));
                        } else {
                            refused = true;
                        }
                    }
                }
            }
        }
        targets.truncate(TARGETS_MAX);
        match targets.is_empty() {
            false => Ok(targets),
            true if refused && !failures.contains(&LookupFailure::Unavailable) => Err(DnsTrouble::NotPublic),
            true => Err(missing_host(&failures)),
        }
    }

    fn target(&self, host: &Arc<str>, ip: IpAddr) -> Target {
        Target::new(Arc::clone(host), SocketAddr::new(ip, self.config.port))
    }
}

/// No host gave an address: temporary where one of them might yet.
fn missing_host(failures: &[LookupFailure]) -> DnsTrouble {
    if failures.contains(&LookupFailure::Unavailable) { DnsTrouble::Unavailable } else { DnsTrouble::NoMailHost }
}

/// Sorts by preference, shuffles inside one preference, and reads the null MX.
fn in_order(world: &World, mut records: Vec<MxRecord>) -> Result<Vec<MxRecord>, DnsTrouble> {
    records.sort();
    records.dedup_by(|later, earlier| later.host == earlier.host && later.preference == earlier.preference);
    // RFC 7505 section 3: "a single MX RR […] with preference number 0, and a zero-length label as the exchange".
    records.retain(|record| !record.host.is_empty());
    if records.is_empty() {
        return Err(DnsTrouble::NullMx);
    }
    for peers in records.chunk_by_mut(|one, other| one.preference == other.preference) {
        // RFC 5321 section 5.1: "the sender-SMTP MUST randomize them to spread the load".
        shuffle(world, peers);
    }
    records.truncate(MX_HOSTS_MAX);
    Ok(records)
}

/// Fisher and Yates.
fn shuffle(world: &World, records: &mut [MxRecord]) {
    for last in (1..records.len()).rev() {
        let mut bytes = [0_u8; 8];
        world.fill_random(&mut bytes);
        let other = u64::from_le_bytes(bytes) % (last as u64 + 1);
        records.swap(last, usize::try_from(other).expect("not above the length of the slice"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::Table;
    use super::*;
    use crate::route::RouteConfig;
    use std::collections::BTreeMap;
    use world::block_on;

    fn site_of(name: &str, table: Table, rule: AddressRule) -> Result<Site, DnsTrouble> {
        let config = ResolverConfig { port: 2525, addresses: rule, routes: Routes::default() };
        let resolver = SiteResolver::new(World::real(), config, Arc::new(table));
        block_on(async move { resolver.site(&Destination::parse(name).unwrap()).await })
    }

    fn public(name: &str, table: Table) -> Result<Site, DnsTrouble> {
        site_of(name, table, AddressRule::default())
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn hosts(site: &Site) -> Vec<&str> {
        site.targets.iter().map(|target| &*target.host).collect()
    }

    fn four_hosts() -> Table {
        let table = Table::new()
            .with_mx("a.example", 20, "back.mx.example")
            .with_mx("a.example", 10, "one.mx.example")
            .with_mx("a.example", 10, "two.mx.example")
            .with_mx("a.example", 10, "three.mx.example");
        ["back", "one", "two", "three"]
            .iter()
            .zip(1..)
            .fold(table, |table, (host, last)| table.with_address(&format!("{host}.mx.example"), ip(&format!("192.0.2.{last}"))))
    }

    #[test]
    fn lower_preference_first_and_shuffled_inside_one() {
        let mut firsts = BTreeSet::new();
        for _ in 0..64 {
            let site = public("a.example", four_hosts()).unwrap();
            assert_eq!(site.targets.len(), 4);
            assert_eq!(hosts(&site)[3], "back.mx.example");
            assert_eq!(site.targets[0].address.port(), 2525);
            assert_eq!(site.name, "(back|one|three|two).mx.example");
            firsts.insert(hosts(&site)[0].to_owned());
        }
        // 64 draws that never show one of three: (2/3)^64 · 3, about 2 in 10^11.
        assert_eq!(firsts.len(), 3);
    }

    #[test]
    fn without_mx_the_name_itself_receives() {
        let site = public("a.example", Table::new().with_address("a.example", ip("192.0.2.1"))).unwrap();
        assert_eq!((site.name.as_str(), hosts(&site)), ("a.example", vec!["a.example"]));
    }

    #[test]
    fn mx_without_address_does_not_fall_back_to_the_name() {
        let table = Table::new().with_mx("a.example", 10, "gone.example").with_address("a.example", ip("192.0.2.1"));
        assert_eq!(public("a.example", table), Err(DnsTrouble::NoMailHost));
    }

    #[test]
    fn null_mx_is_permanent() {
        let trouble = public("a.example", Table::new().with_mx("a.example", 0, "")).unwrap_err();
        assert_eq!((trouble, trouble.is_permanent(), trouble.enhanced().to_string().as_str()), (DnsTrouble::NullMx, true, "5.1.10"));
    }

    #[test]
    fn absent_and_unavailable_are_told_apart() {
        let absent = public("a.example", Table::new()).unwrap_err();
        assert_eq!((absent, absent.is_permanent()), (DnsTrouble::NoSuchDomain, true));
        let silent = public("a.example", Table::new().with_failure("a.example", LookupFailure::Unavailable)).unwrap_err();
        assert_eq!((silent, silent.is_permanent(), silent.enhanced().to_string().as_str()), (DnsTrouble::Unavailable, false, "4.4.3"));
        let half = Table::new()
            .with_mx("a.example", 10, "gone.example")
            .with_mx("a.example", 20, "silent.example")
            .with_failure("silent.example", LookupFailure::Unavailable);
        assert_eq!(public("a.example", half), Err(DnsTrouble::Unavailable), "the silent host might yet have an address");
    }

    #[test]
    fn a_public_name_leads_to_no_private_or_loopback_address() {
        let table = |address| Table::new().with_mx("a.example", 10, "mx.example").with_address("mx.example", ip(address));
        assert_eq!(public("a.example", table("127.0.0.1")), Err(DnsTrouble::NotPublic));
        assert_eq!(public("a.example", table("10.0.0.1")), Err(DnsTrouble::NotPublic));
        let sandbox = AddressRule { allow_loopback: true, allow_private: false };
        let site = site_of("a.example", table("127.0.0.1"), sandbox).unwrap();
        assert!(!site.targets[0].plaintext, "DNS never allows plaintext");
        let mixed = table("127.0.0.1").with_address("mx.example", ip("192.0.2.9"));
        assert_eq!(public("a.example", mixed).unwrap().targets.len(), 1);
    }

    #[test]
    fn a_static_route_comes_before_dns() {
        let typed = RouteConfig { to: "127.0.0.1:25".into(), plaintext: true, tls_name: None, tls: None };
        let routes = Routes::from_config(&BTreeMap::from([("*".to_owned(), typed)])).unwrap();
        let config = ResolverConfig { port: 25, addresses: AddressRule::default(), routes };
        let resolver = SiteResolver::new(World::real(), config, Arc::new(four_hosts()));
        let site = block_on(async move { resolver.site(&Destination::parse("a.example").unwrap()).await }).unwrap();
        assert_eq!((site.name.as_str(), site.targets.len(), site.targets[0].plaintext), ("127.0.0.1:25", 1, true));
    }
}
