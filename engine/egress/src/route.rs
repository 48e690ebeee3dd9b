//! Static routes: destinations that do not go by MX.
//!
//! A route is typed as pattern → where to, the most specific pattern wins: `example.com`, then `*.example.com` (all names
//! under it, longest first), then `*`. Plaintext is refused here already where the route does not lead to a loopback address.

use model::{Destination, Protection};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// One route as typed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// `127.0.0.1:2525`, `[::1]:2525` or `relay.example.com:25`.
    pub to: String,
    /// Whether messages that allow it may go in plaintext. Loopback only.
    #[serde(default)]
    pub plaintext: bool,
    /// The name the certificate must carry, where it is not the host of `to`.
    pub tls_name: Option<String>,
    /// Ask for at least this much TLS, whatever the message requires.
    pub tls: Option<RouteTls>,
}

/// The least TLS of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteTls {
    /// Certificate checked.
    Verified,
    /// Certificate not checked.
    Encrypted,
}

impl From<RouteTls> for Protection {
    fn from(tls: RouteTls) -> Self {
        match tls {
            RouteTls::Verified => Self::TlsVerified,
            RouteTls::Encrypted => Self::TlsEncrypted,
        }
    }
}

/// Why a route is refused. The operator acts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// The pattern is no destination.
    #[error("routes.\"{pattern}\": expected \"*\", \"example.com\" or \"*.example.com\"")]
    Pattern {
        /// As typed.
        pattern: String,
    },
    /// `to` is no host and port.
    #[error("routes.\"{pattern}\".to: expected \"127.0.0.1:2525\", \"[::1]:2525\" or \"relay.example.com:25\", found \"{to}\"")]
    To {
        /// The route.
        pattern: String,
        /// As typed.
        to: String,
    },
    /// `plaintext` where it may not be.
    #[error(
        "routes.\"{pattern}\": plaintext is possible to a loopback address alone, and \"{to}\" is none; remove `plaintext` or use 127.0.0.1"
    )]
    PlaintextBeyondLoopback {
        /// The route.
        pattern: String,
        /// As typed.
        to: String,
    },
    /// `plaintext` and `tls` exclude each other.
    #[error("routes.\"{pattern}\": has both `plaintext` and `tls`; keep one")]
    PlaintextAndTls {
        /// The route.
        pattern: String,
    },
    /// `tls_name` is no host name.
    #[error("routes.\"{pattern}\".tls_name: expected a host name such as \"mx.example.com\"")]
    TlsName {
        /// The route.
        pattern: String,
    },
}

/// Where a route leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hop {
    /// An address as typed.
    Address(SocketAddr),
    /// A host whose addresses DNS gives.
    Host(Arc<str>, u16),
}

/// A checked route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// As typed in `to`: the site's name.
    pub to: String,
    /// Where it leads.
    pub hop: Hop,
    /// Whether plaintext is allowed; then the hop is a loopback address.
    pub plaintext: bool,
    /// The name the certificate must carry.
    pub tls_name: Arc<str>,
    /// The least TLS.
    pub at_least: Option<Protection>,
}

/// All static routes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Routes {
    exact: BTreeMap<String, Route>,
    /// By the end of the name, such as `example.com`.
    under: BTreeMap<String, Route>,
    everything: Option<Route>,
}

impl Routes {
    /// Checks what was typed.
    ///
    /// # Errors
    /// [`RouteError`] naming the first route that does not hold.
    pub fn from_config(config: &BTreeMap<String, RouteConfig>) -> Result<Self, RouteError> {
        let mut routes = Self::default();
        for (pattern, typed) in config {
            let route = Route::check(pattern, typed)?;
            let name = |text: &str| match Destination::parse(text) {
                Ok(destination) => Ok(destination.as_str().to_owned()),
                // A whole top-level domain, such as `*.test`, is a fine pattern though no destination.
                Err(_) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) => Ok(text.to_ascii_lowercase()),
                Err(_) => Err(RouteError::Pattern { pattern: pattern.clone() }),
            };
            match pattern.strip_prefix('*') {
                Some("") => routes.everything = Some(route),
                Some(end) => {
                    let end = end.strip_prefix('.').ok_or_else(|| RouteError::Pattern { pattern: pattern.clone() })?;
                    routes.under.insert(name(end)?, route);
                }
                None => {
                    routes.exact.insert(name(pattern)?, route);
                }
            }
        }
        Ok(routes)
    }

    /// The route of a destination, where it has one.
    pub fn find(&self, destination: &Destination) -> Option<&Route> {
        let name = destination.as_str();
        if let Some(route) = self.exact.get(name) {
            return Some(route);
        }
        let mut rest = name;
        while let Some((_, end)) = rest.split_once('.') {
            if let Some(route) = self.under.get(end) {
                return Some(route);
            }
            rest = end;
        }
        self.everything.as_ref()
    }
}

impl Route {
    fn check(pattern: &str, typed: &RouteConfig) -> Result<Self, RouteError> {
        let pattern = pattern.to_owned();
        let to = typed.to.clone();
        let Some((hop, host)) = parse_hop(&to) else { return Err(RouteError::To { pattern, to }) };
        let loopback = matches!(&hop, Hop::Address(address) if address.ip().is_loopback());
        if typed.plaintext && !loopback {
            return Err(RouteError::PlaintextBeyondLoopback { pattern, to });
        }
        if typed.plaintext && typed.tls.is_some() {
            return Err(RouteError::PlaintextAndTls { pattern });
        }
        let tls_name = match &typed.tls_name {
            Some(name) if Destination::parse(name).is_ok() => Arc::from(name.to_ascii_lowercase()),
            Some(_) => return Err(RouteError::TlsName { pattern }),
            None => host,
        };
        Ok(Self { to, hop, plaintext: typed.plaintext, tls_name, at_least: typed.tls.map(Protection::from) })
    }
}

/// The hop and its host as text.
fn parse_hop(to: &str) -> Option<(Hop, Arc<str>)> {
    if let Ok(address) = to.parse::<SocketAddr>() {
        return (address.port() > 0).then(|| (Hop::Address(address), Arc::from(address.ip().to_string())));
    }
    let (host, port) = to.rsplit_once(':')?;
    let port = port.parse().ok().filter(|&port| port > 0)?;
    // "localhost" and bare names would depend on resolver set-up; an address says what is meant.
    if host.parse::<IpAddr>().is_ok() {
        return None;
    }
    let host: Arc<str> = Destination::parse(host).ok()?.as_str().into();
    Some((Hop::Host(Arc::clone(&host), port), host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(to: &str, plaintext: bool) -> RouteConfig {
        RouteConfig { to: to.into(), plaintext, tls_name: None, tls: None }
    }

    fn routes(pairs: &[(&str, &str)]) -> Routes {
        Routes::from_config(&pairs.iter().map(|(pattern, to)| ((*pattern).to_owned(), typed(to, false))).collect()).unwrap()
    }

    fn one(pattern: &str, config: RouteConfig) -> Result<Routes, RouteError> {
        Routes::from_config(&BTreeMap::from([(pattern.to_owned(), config)]))
    }

    #[test]
    fn the_most_specific_pattern_wins() {
        let routes = routes(&[
            ("*", "127.0.0.1:1"),
            ("*.example.com", "127.0.0.1:2"),
            ("*.a.example.com", "127.0.0.1:3"),
            ("Example.com", "127.0.0.1:4"),
            ("*.test", "127.0.0.1:5"),
        ]);
        for (name, port) in [
            ("example.com", "4"),
            ("b.example.com", "2"),
            ("a.example.com", "2"),
            ("x.y.a.example.com", "3"),
            ("other.example", "1"),
            ("notexample.com", "1"),
            ("d1.test", "5"),
        ] {
            assert_eq!(routes.find(&Destination::parse(name).unwrap()).unwrap().to, format!("127.0.0.1:{port}"), "{name}");
        }
        assert_eq!(Routes::default().find(&Destination::parse("a.example").unwrap()), None);
    }

    #[test]
    fn plaintext_beyond_loopback_is_refused() {
        for to in ["192.0.2.1:25", "relay.example.com:25", "10.0.0.1:25", "[2001:db8::1]:25"] {
            assert!(matches!(one("*", typed(to, true)), Err(RouteError::PlaintextBeyondLoopback { .. })), "{to}");
        }
        for to in ["127.0.0.1:25", "127.9.9.9:2525", "[::1]:25"] {
            assert!(one("*", typed(to, true)).is_ok(), "{to}");
        }
        let both = RouteConfig { tls: Some(RouteTls::Verified), ..typed("127.0.0.1:25", true) };
        assert!(matches!(one("*", both), Err(RouteError::PlaintextAndTls { .. })));
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        for pattern in ["", "*example.com", "a b.example", "**"] {
            assert!(matches!(one(pattern, typed("127.0.0.1:25", false)), Err(RouteError::Pattern { .. })), "{pattern}");
        }
        for to in ["", "127.0.0.1", "127.0.0.1:0", "relay.example.com", "relay.example.com:x", "::1:25", "localhost:25"] {
            assert!(matches!(one("*", typed(to, false)), Err(RouteError::To { .. })), "{to}");
        }
        let odd = RouteConfig { tls_name: Some("a b".into()), ..typed("127.0.0.1:25", false) };
        assert_eq!(one("*", odd).unwrap_err().to_string(), "routes.\"*\".tls_name: expected a host name such as \"mx.example.com\"");
    }

    #[test]
    fn the_certificate_must_carry_the_host_or_the_name_given() {
        let found = routes(&[("*", "Relay.Example.com:25")]);
        assert_eq!(&*found.everything.unwrap().tls_name, "relay.example.com");
        let named = RouteConfig { tls_name: Some("mx.example.com".into()), ..typed("127.0.0.1:25", false) };
        assert_eq!(&*one("*", named).unwrap().everything.unwrap().tls_name, "mx.example.com");
    }
}
