//! The name a client or server calls itself in EHLO and in the greeting.
//!
//! RFC 5321 section 4.1.1.1: a domain name, or an address literal in brackets. A value that exists cannot break
//! a command line.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// RFC 5321 section 4.5.3.1.2: octets of a domain.
const NAME_BYTES_MAX: usize = 255;

/// A host name or an address literal; ASCII letters, digits, hyphens, dots, or `[…]`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EhloName(Arc<str>);

/// The text is neither a host name nor an address literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a host name such as mail.example.com, or an address literal such as [192.0.2.1]")]
pub struct EhloNameError;

impl EhloName {
    /// Checks a name as typed in a configuration or received in EHLO.
    ///
    /// # Errors
    /// [`EhloNameError`] where it is neither a host name nor an address literal.
    pub fn parse(text: &str) -> Result<Self, EhloNameError> {
        if text.is_empty() || text.len() > NAME_BYTES_MAX {
            return Err(EhloNameError);
        }
        let fits = match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(literal) => is_address_literal(literal),
            None => text.split('.').all(is_label),
        };
        if fits { Ok(Self(text.into())) } else { Err(EhloNameError) }
    }

    /// The address literal of an address: `[192.0.2.1]`, `[IPv6:2001:db8::1]` (RFC 5321 section 4.1.3).
    pub fn literal(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self(format!("[{v4}]").into()),
            IpAddr::V6(v6) => Self(format!("[IPv6:{v6}]").into()),
        }
    }

    /// The name as it goes on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_address_literal(text: &str) -> bool {
    match text.strip_prefix("IPv6:") {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => text.parse::<std::net::Ipv4Addr>().is_ok(),
    }
}

/// RFC 1035 section 2.3.1, and the underscore that real clients put into their names.
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

impl fmt::Display for EhloName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EhloName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_names_and_literals_and_refuses_injection() {
        for text in ["mail.example.com", "localhost", "[192.0.2.1]", "[IPv6:2001:db8::1]"] {
            assert_eq!(EhloName::parse(text).unwrap().as_str(), text);
        }
        for text in ["", "a b", "a\r\nMAIL", "[1.2.3]", "[x]", "a..b", "[IPv6:zz]", "ä.example"] {
            assert!(EhloName::parse(text).is_err(), "{text}");
        }
        assert_eq!(EhloName::literal("::1".parse().unwrap()).as_str(), "[IPv6:::1]");
    }
}
