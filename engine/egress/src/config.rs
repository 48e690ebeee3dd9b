//! The section `[egress]`: what was typed, and what is meant.
//!
//! ```toml
//! [egress]
//! port = 25                          # of MX hosts; a sandbox may use another
//! ca_file = "ca.pem"                 # trusted roots instead of the operating system's
//! name_servers = ["127.0.0.1:5353"]  # instead of /etc/resolv.conf
//! allow_loopback = false             # whether DNS may answer 127.0.0.0/8 and ::1
//! allow_private = false              # whether DNS may answer 10.0.0.0/8 and its kin
//!
//! [egress.timeouts]                  # RFC 5321 section 4.5.3.2
//! final_dot = "10m"
//!
//! [egress.routes."*.example.com"]
//! to = "127.0.0.1:2525"
//! plaintext = true
//! ```

use crate::route::RouteConfig;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// RFC 5321 section 2.3.4 / IANA: the port of mail receivers.
const SMTP_PORT: u16 = 25;
/// A batch meets tens of thousands of destinations; hickory's default of 8,192 would forget them while they are needed.
const DNS_CACHE_ANSWERS: u64 = 131_072;

/// The section `[egress]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EgressConfig {
    /// The port of MX hosts.
    pub port: u16,
    /// PEM file of trusted roots, instead of the operating system's.
    pub ca_file: Option<PathBuf>,
    /// Name servers, instead of the system's.
    pub name_servers: Vec<SocketAddr>,
    /// How long one query to one name server may take.
    #[serde(deserialize_with = "duration")]
    pub dns_timeout: Duration,
    /// Answers kept.
    pub dns_cache_answers: u64,
    /// Whether DNS may answer loopback addresses.
    pub allow_loopback: bool,
    /// Whether DNS may answer private addresses.
    pub allow_private: bool,
    /// See [`Timeouts`].
    pub timeouts: Timeouts,
    /// Static routes by destination pattern.
    pub routes: BTreeMap<String, RouteConfig>,
}

impl Default for EgressConfig {
    fn default() -> Self {
        Self {
            port: SMTP_PORT,
            ca_file: None,
            name_servers: Vec::new(),
            dns_timeout: Duration::from_secs(5),
            dns_cache_answers: DNS_CACHE_ANSWERS,
            allow_loopback: false,
            allow_private: false,
            timeouts: Timeouts::default(),
            routes: BTreeMap::new(),
        }
    }
}

/// How long each phase may take. The defaults are the minima of RFC 5321 section 4.5.3.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// TCP. Not in the RFC; the next host is tried sooner.
    #[serde(deserialize_with = "duration")]
    pub connect: Duration,
    /// The greeting, and EHLO.
    #[serde(deserialize_with = "duration")]
    pub greeting: Duration,
    /// The TLS handshake.
    #[serde(deserialize_with = "duration")]
    pub tls: Duration,
    /// MAIL.
    #[serde(deserialize_with = "duration")]
    pub mail: Duration,
    /// RCPT.
    #[serde(deserialize_with = "duration")]
    pub rcpt: Duration,
    /// DATA, until 354.
    #[serde(deserialize_with = "duration")]
    pub data: Duration,
    /// Each write of content.
    #[serde(deserialize_with = "duration")]
    pub block: Duration,
    /// The answer to the final dot. Shorter ones make duplicates (RFC 1047).
    #[serde(deserialize_with = "duration")]
    pub final_dot: Duration,
    /// QUIT.
    #[serde(deserialize_with = "duration")]
    pub quit: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        const fn minutes(minutes: u64) -> Duration {
            Duration::from_secs(60 * minutes)
        }
        Self {
            connect: Duration::from_secs(30),
            greeting: minutes(5),
            tls: minutes(1),
            mail: minutes(5),
            rcpt: minutes(5),
            data: minutes(2),
            block: minutes(3),
            final_dot: minutes(10),
            quit: Duration::from_secs(5),
        }
    }
}

impl Timeouts {
    /// The same limit for every phase: for tests and sandboxes.
    pub const fn all(span: Duration) -> Self {
        Self { connect: span, greeting: span, tls: span, mail: span, rcpt: span, data: span, block: span, final_dot: span, quit: span }
    }

    /// The limit of waiting for a reply in this phase.
    pub(crate) const fn of(&self, phase: smtp::Phase) -> Duration {
        match phase {
            smtp::Phase::Greeting | smtp::Phase::Ehlo | smtp::Phase::StartTls => self.greeting,
            smtp::Phase::Mail => self.mail,
            smtp::Phase::Rcpt => self.rcpt,
            smtp::Phase::Data => self.data,
            smtp::Phase::FinalDot => self.final_dot,
            smtp::Phase::Quit => self.quit,
        }
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is no span of time: write 500ms, 30s, 5m or 1h")))
}

/// A whole number and its unit, more than zero and at most a day.
fn parse_duration(text: &str) -> Option<Duration> {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let digits = text.find(|letter: char| !letter.is_ascii_digit())?;
    let number: u64 = text[..digits].parse().ok()?;
    let millis = match &text[digits..] {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    let span = Duration::from_millis(number.checked_mul(millis)?);
    (!span.is_zero() && span <= DAY).then_some(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_units_and_refuses_what_has_none() {
        let config: EgressConfig = toml::from_str(
            "port = 2525\nname_servers = [\"127.0.0.1:5353\"]\n[timeouts]\nfinal_dot = \"2m\"\nconnect = \"500ms\"\n[routes.\"*\"]\nto = \"127.0.0.1:1\"\n",
        )
        .unwrap();
        assert_eq!(config.timeouts.final_dot, Duration::from_secs(120));
        assert_eq!(config.timeouts.connect, Duration::from_millis(500));
        assert_eq!(config.timeouts.mail, Timeouts::default().mail);
        for bad in ["dns_timeout = \"5\"", "dns_timeout = \"0s\"", "dns_timeout = \"2d\"", "dns_timeout = \"48h\"", "prot = 1"] {
            assert!(toml::from_str::<EgressConfig>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_rfc() {
        let timeouts = Timeouts::default();
        assert_eq!(timeouts.of(smtp::Phase::FinalDot), Duration::from_secs(600));
        assert_eq!(timeouts.of(smtp::Phase::Data), Duration::from_secs(120));
        assert_eq!(timeouts.block, Duration::from_secs(180));
        assert_eq!(toml::from_str::<EgressConfig>("").unwrap(), EgressConfig::default());
    }
}
