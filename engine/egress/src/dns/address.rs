//! Which addresses a public DNS name may lead us to.
//!
//! Anybody can put `127.0.0.1` or `10.0.0.5` behind an MX. Following it would send statements to whatever listens inside our
//! own network, or back to ourselves in a loop. Static routes are the operator's word and do not pass here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is allowed beyond public addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AddressRule {
    /// 127.0.0.0/8 and ::1: sandboxes and tests.
    pub allow_loopback: bool,
    /// 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, fc00::/7: a plan's own network.
    pub allow_private: bool,
}

impl AddressRule {
    /// Whether we may connect there.
    pub fn allows(self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) => self.allows_v4(v4),
            // ::ffff:0:0/96 and 64:ff9b::/96 are IPv4 in disguise (RFC 4291 section 2.5.5.2, RFC 6052 section 2.1).
            IpAddr::V6(v6) => embedded_v4(v6).map_or_else(|| self.allows_v6(v6), |v4| self.allows_v4(v4)),
        }
    }

    fn allows_v4(self, v4: Ipv4Addr) -> bool {
        let [first, second, ..] = v4.octets();
        // RFC 6598: shared address space of carriers.
        let is_shared = first == 100 && (64..128).contains(&second);
        if v4.is_loopback() {
            return self.allow_loopback;
        }
        if v4.is_private() || is_shared {
            return self.allow_private;
        }
        // 0.0.0.0/8 "this network" reaches loopback on Linux; 240.0.0.0/4 is reserved.
        !(first == 0 || v4.is_link_local() || v4.is_multicast() || first >= 240)
    }

    fn allows_v6(self, v6: Ipv6Addr) -> bool {
        if v6.is_loopback() {
            return self.allow_loopback;
        }
        if v6.is_unique_local() {
            return self.allow_private;
        }
        !(v6.is_unspecified() || v6.is_unicast_link_local() || v6.is_multicast())
    }
}

fn embedded_v4(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = v6.segments();
    let nat64 = segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0];
    let [.., a, b, c, d] = v6.octets();
    v6.to_ipv4_mapped().or_else(|| nat64.then(|| Ipv4Addr::new(a, b, c, d)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_unless_said_otherwise() {
        let (nothing, loopback, private) = (
            AddressRule::default(),
            AddressRule { allow_loopback: true, allow_private: false },
            AddressRule { allow_loopback: false, allow_private: true },
        );
        let allows = |rule: AddressRule, text: &str| rule.allows(text.parse().unwrap());
        for public in ["192.0.2.1", "8.8.8.8", "2001:db8::1", "100.63.0.1", "172.32.0.1"] {
            assert!(allows(nothing, public), "{public}");
        }
        for local in ["127.0.0.1", "127.99.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"] {
            assert!(!allows(nothing, local) && allows(loopback, local) && !allows(private, local), "{local}");
        }
        for inner in ["10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd00::1", "::ffff:10.0.0.1"] {
            assert!(!allows(nothing, inner) && !allows(loopback, inner) && allows(private, inner), "{inner}");
        }
        for never in ["0.0.0.0", "0.1.2.3", "169.254.1.1", "224.0.0.1", "255.255.255.255", "::", "fe80::1", "ff02::1"] {
            assert!(!allows(AddressRule { allow_loopback: true, allow_private: true }, never), "{never}");
        }
    }
}
