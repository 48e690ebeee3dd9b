//! `[pools.NAME]`: source addresses of one stream.
//!
//! Streams never share a pool, and no address lies in two pools: a marketing flood must not spend the reputation that statements
//! need (invariant 9).

use super::document::Section;
use super::stream::Stream;
use model::Destination;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// One pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// Our addresses. Empty: the kernel chooses.
    pub addresses: Vec<IpAddr>,
    /// The name given in EHLO.
    pub ehlo_name: Destination,
}

/// All pools, in the order of their names.
pub(super) fn pools(top: &Section<'_>, host_name: &Destination) -> Vec<Pool> {
    let mut owner: BTreeMap<IpAddr, String> = BTreeMap::new();
    let mut pools = Vec::new();
    for (name, section) in top.named_sections("pools") {
        let expected = "expected IP addresses such as \"192.0.2.10\" or \"2001:db8::10\"";
        let addresses: Vec<IpAddr> = section.list("addresses", expected, |text| text.parse().ok()).unwrap_or_default();
        for address in &addresses {
            if let Some(other) = owner.insert(*address, name.clone()) {
                section.wrong("addresses", &format!("{address} is in pool '{other}' already; an address serves one pool"));
            }
        }
        let ehlo_name = section.explained("ehlo_name", Destination::parse).unwrap_or_else(|| host_name.clone());
        section.finish();
        pools.push(Pool { name, addresses, ehlo_name });
    }
    pools
}

/// Notes streams whose pool does not exist, or is another stream's.
pub(super) fn check_streams(top: &Section<'_>, pools: &[Pool], transactional: &Stream, marketing: Option<&Stream>) {
    for pool in [Some(transactional), marketing].into_iter().flatten().filter_map(|stream| stream.pool.as_ref()) {
        if !pools.iter().any(|known| known.name == *pool) {
            top.wrong("streams", &format!("there is no pool '{pool}'; add [pools.{pool}]"));
        }
    }
    let Some(marketing) = marketing else { return };
    if transactional.pool.is_some() && transactional.pool == marketing.pool {
        top.wrong("streams", "both streams use one pool; they never share addresses, give marketing a pool of its own");
    }
}
