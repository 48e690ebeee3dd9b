//! A site: the hosts that receive for one or many destinations, in the order to try them.
//!
//! Destinations that share an MX host set share a site, and with it limits and connections. Its name is short and stable: the
//! sorted lower-case hosts rolled up at their common end, `(mx1|mx2).example.net`.

use model::{Protection, hex};
use std::net::SocketAddr;
use std::sync::Arc;

/// A name longer than this is cut to the common end and a hash.
const NAME_BYTES_MAX: usize = 160;

/// Where the mail of a destination goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The roll-up of the MX host set, or the static route.
    pub name: String,
    /// The MX hosts, sorted, lower-case, without the final dot.
    pub mx_hosts: Vec<String>,
    /// Addresses in the order to try them. Never empty.
    pub targets: Vec<Target>,
}

/// One address to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The host: the name its certificate must carry.
    pub host: Arc<str>,
    /// Its address.
    pub address: SocketAddr,
    /// Whether the route allows plaintext. Counts only where the address is loopback.
    pub plaintext: bool,
    /// The route asks for at least this much, whatever the message requires.
    pub at_least: Option<Protection>,
}

impl Target {
    /// A target found by DNS: no plaintext, nothing beyond what the message requires.
    pub fn new(host: impl Into<Arc<str>>, address: SocketAddr) -> Self {
        Self { host: host.into(), address, plaintext: false, at_least: None }
    }

    /// What a connection to this target must reach for a message that requires `required`.
    ///
    /// Plaintext only where the message allows it, the route says so, and the address is loopback (invariant 7). A message
    /// that would allow plaintext and meets another target gets verified TLS, unless the route says that encrypted is enough.
    pub fn protection_for(&self, required: Protection) -> Protection {
        let plaintext = self.plaintext && self.address.ip().is_loopback();
        match (required, self.at_least) {
            (Protection::PlaintextLoopback, None) if plaintext => Protection::PlaintextLoopback,
            (Protection::PlaintextLoopback, None | Some(Protection::PlaintextLoopback)) => Protection::TlsVerified,
            (required, Some(at_least)) => required.max(at_least),
            (required, None) => required,
        }
    }
}

/// The name of a host set. `hosts` are sorted and lower-case.
pub fn roll_up(hosts: &[String]) -> String {
    let [first, rest @ ..] = hosts else { return String::new() };
    if rest.is_empty() {
        return first.clone();
    }
    let labels: Vec<&str> = first.split('.').rev().collect();
    let shared = rest
        .iter()
        .fold(labels.len(), |shared, host| shared.min(host.split('.').rev().zip(&labels).take_while(|(label, own)| label == *own).count()));
    let end: String = labels[..shared].iter().rev().flat_map(|label| [".", label]).collect();
    let heads: Vec<&str> = hosts.iter().map(|host| host.strip_suffix(end.as_str()).unwrap_or_default()).collect();
    let name = format!("({}){end}", heads.join("|"));
    if name.len() <= NAME_BYTES_MAX { name } else { cut(hosts, &end) }
}

/// `(12 hosts 1a2b3c4d).example.net`
fn cut(hosts: &[String], end: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, hosts.join("\n").as_bytes());
    let hash = hex(&digest.as_ref()[..4]);
    format!("({} hosts {hash}){end}", hosts.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rolled(hosts: &[&str]) -> String {
        roll_up(&hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn rolls_up_at_whole_labels() {
        assert_eq!(rolled(&["mx.example.net"]), "mx.example.net");
        assert_eq!(rolled(&["mx1.example.net", "mx2.example.net"]), "(mx1|mx2).example.net");
        assert_eq!(rolled(&["a.mx.example.net", "b.bmx.example.net"]), "(a.mx|b.bmx).example.net");
        assert_eq!(rolled(&["mx.a.example", "mx.b.test"]), "(mx.a.example|mx.b.test)");
        assert_eq!(rolled(&["alt1.in.example", "in.example"]), "(alt1|).in.example");
    }

    #[test]
    fn long_sets_get_a_hash_that_tells_them_apart() {
        let hosts = |tail: &str| (10..60).map(|number| format!("mx{number}{tail}.example.net")).collect::<Vec<_>>();
        let (one, two) = (roll_up(&hosts("")), roll_up(&hosts("x")));
        assert!(one.len() <= NAME_BYTES_MAX && one.ends_with(").example.net") && one != two, "{one}");
    }

    #[test]
    fn plaintext_needs_the_message_the_route_and_loopback() {
        use Protection::{PlaintextLoopback, TlsEncrypted, TlsVerified};
        let loopback: SocketAddr = "127.0.0.1:25".parse().unwrap();
        let public: SocketAddr = "192.0.2.1:25".parse().unwrap();
        let plain = |address| Target { plaintext: true, ..Target::new("mx", address) };
        assert_eq!(plain(loopback).protection_for(PlaintextLoopback), PlaintextLoopback);
        assert_eq!(plain(loopback).protection_for(TlsVerified), TlsVerified);
        assert_eq!(plain(loopback).protection_for(TlsEncrypted), TlsEncrypted);
        assert_eq!(plain(public).protection_for(PlaintextLoopback), TlsVerified);
        assert_eq!(Target::new("mx", loopback).protection_for(PlaintextLoopback), TlsVerified);
        let at_least = |level| Target { at_least: Some(level), ..plain(loopback) };
        assert_eq!(at_least(TlsEncrypted).protection_for(PlaintextLoopback), TlsEncrypted);
        assert_eq!(at_least(TlsVerified).protection_for(TlsEncrypted), TlsVerified);
        assert_eq!(at_least(TlsEncrypted).protection_for(TlsVerified), TlsVerified);
    }
}
