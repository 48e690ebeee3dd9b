//! `[pools.NAME]`: source addresses of one stream.
//!
//! Streams never share a pool, and no address lies in two pools: a marketing flood must not spend the reputation that statements
//! need (invariant 9).

use super::document::{Entry, Section};
use super::stream::Stream;
use model::{Date, Destination};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// One pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// Our addresses. Empty: the kernel chooses.
    pub addresses: Vec<PoolAddress>,
    /// The name given in EHLO.
    pub ehlo_name: Destination,
}

/// One of our addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolAddress {
    /// IPv4 or IPv6.
    pub ip: IpAddr,
    /// The name given in EHLO: the one its reverse DNS gives.
    pub ehlo_name: Destination,
    /// The first day of its warm-up (UTC); `None` = it is warm.
    pub warmup_started: Option<Date>,
}

/// All pools, in the order of their names.
pub(super) fn pools(top: &Section<'_>, host_name: &Destination) -> Vec<Pool> {
    let mut owner: BTreeMap<IpAddr, String> = BTreeMap::new();
    let mut pools = Vec::new();
    for (name, section) in top.named_sections("pools") {
        let ehlo_name = section.explained("ehlo_name", Destination::parse).unwrap_or_else(|| host_name.clone());
        let addresses = addresses(&section, &ehlo_name);
        for address in &addresses {
            if let Some(other) = owner.insert(address.ip, name.clone()) {
                section.wrong("addresses", &format!("{} is in pool '{other}' already; an address serves one pool", address.ip));
            }
        }
        section.finish();
        pools.push(Pool { name, addresses, ehlo_name });
    }
    pools
}

const ADDRESS_EXPECTED: &str = "expected an IP address such as \"192.0.2.10\" or \"2001:db8::10\"";

fn addresses(pool: &Section<'_>, ehlo_name: &Destination) -> Vec<PoolAddress> {
    let expected = format!("{ADDRESS_EXPECTED}, or a table such as {{ ip = \"192.0.2.11\", warmup_started = \"2026-11-01\" }}");
    let read = |entry: Entry<'_>| match entry {
        Entry::Text(text) => {
            let ip = ip(&text);
            if ip.is_none() {
                pool.wrong("addresses", &format!("{expected}; found \"{text}\""));
            }
            Some(PoolAddress { ip: ip?, ehlo_name: ehlo_name.clone(), warmup_started: None })
        }
        Entry::Table(section) => address(&section, ehlo_name),
    };
    pool.entries("addresses", &expected).into_iter().filter_map(read).collect()
}

fn address(section: &Section<'_>, ehlo_name: &Destination) -> Option<PoolAddress> {
    section.require("ip", "it is what connections come from");
    let ip = section.parsed("ip", ADDRESS_EXPECTED, ip);
    let ehlo_name = section.explained("ehlo_name", Destination::parse).unwrap_or_else(|| ehlo_name.clone());
    let warmup_started = section.parsed("warmup_started", "expected a day such as \"2026-11-01\"", |text| text.parse().ok());
    section.finish();
    Some(PoolAddress { ip: ip?, ehlo_name, warmup_started })
}

/// An IPv4 address in IPv6 clothes is the IPv4 address: it must not count as a second one.
fn ip(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
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

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use std::path::Path;

    /// The reference with other pools.
    fn config(pools: &str) -> Result<Config, String> {
        let (before, _) = Config::default_text().split_once("[pools.statements]").unwrap();
        Config::from_text(&format!("{before}{pools}"), Path::new("a.toml"), &|_| None).map_err(|errors| errors.to_string())
    }

    #[test]
    fn an_address_is_a_text_or_a_table() {
        let text = "[pools.p]\nehlo_name = \"o.example.com\"\naddresses = [\"192.0.2.1\", \
                    { ip = \"2001:db8::2\", ehlo_name = \"o2.example.com\", warmup_started = \"2026-11-01\" }, { ip = \"::ffff:192.0.2.3\" }]\n";
        let pools = config(text).unwrap().pools;
        let shown: Vec<String> = pools[0]
            .addresses
            .iter()
            .map(|address| format!("{} {} {:?}", address.ip, address.ehlo_name, address.warmup_started.map(|day| day.to_string())))
            .collect();
        assert_eq!(
            shown,
            ["192.0.2.1 o.example.com None", "2001:db8::2 o2.example.com Some(\"2026-11-01\")", "192.0.2.3 o.example.com None"]
        );
    }

    #[test]
    fn whatever_is_wrong_with_an_address_is_named() {
        let error = |addresses: &str| config(&format!("[pools.p]\naddresses = [{addresses}]\n")).unwrap_err();
        assert!(
            error("\"192.0.2\"").contains("pools.p.addresses: expected an IP address")
                && error("\"192.0.2\"").contains("found \"192.0.2\"")
        );
        assert!(error("7").contains("found 7 without quotes"));
        assert!(error("{ ehlo_name = \"a.example\" }").contains("pools.p.addresses.ip is missing"));
        assert!(error("{ ip = \"192.0.2.1\", warmup_started = \"soon\" }").contains("warmup_started: expected a day"));
        assert!(error("{ ip = \"192.0.2.1\", ehlo_nam = \"a.example\" }").contains("did you mean 'ehlo_name'"));
        assert!(error("\"192.0.2.1\", \"::ffff:192.0.2.1\"").contains("192.0.2.1 is in pool 'p' already"));
    }
}
