//! What a sandbox is made of: its sites, how many destinations lie at them, where it listens.

use crate::map::Map;
use crate::{Personality, SandboxError, TlsOffer};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

/// Sites of one sandbox: each listens on an address of its own, and each door is a file descriptor.
const SITES_MAX: usize = 50_000;
/// Destinations: five digits in their names.
const DESTINATIONS_MAX: usize = 99_999;
/// Of a site's name: a DNS label.
const SITE_NAME_BYTES_MAX: usize = 63;

/// How the destinations of a site are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mx {
    /// One MX host.
    #[default]
    One,
    /// Two hosts; nobody listens at the preferred one.
    FirstDown,
    /// Two hosts of one preference, both at the site's address.
    Two,
    /// No MX record: the destination has an address of its own (RFC 5321 section 5.1).
    Implicit,
    /// `MX 0 .`: takes no mail (RFC 7505).
    Null,
    /// The destination does not exist (NXDOMAIN).
    Missing,
    /// The name server fails (SERVFAIL).
    Failing,
}

impl Mx {
    /// Whether anybody listens at the site.
    pub fn has_host(self) -> bool {
        !matches!(self, Self::Null | Self::Missing | Self::Failing)
    }
}

/// One site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteConfig {
    /// A DNS label; its MX hosts are `mx1.<name>.example` and `mx2.<name>.example`.
    pub name: String,
    /// How it treats its senders.
    pub personality: Personality,
    /// How its destinations are published.
    pub mx: Mx,
    /// Its share of the destinations, relative to the weights of the other sites. At least 1.
    pub weight: u32,
}

impl SiteConfig {
    /// A site with one MX host.
    pub fn new(name: impl Into<String>, personality: Personality, weight: u32) -> Self {
        Self { name: name.into(), personality, mx: Mx::One, weight }
    }

    /// The same, published otherwise.
    #[must_use]
    pub fn published(self, mx: Mx) -> Self {
        Self { mx, ..self }
    }
}

/// Keeps accepted messages as files, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    /// The folder; made where it is missing.
    pub dir: PathBuf,
    /// How many to keep, the latest; `None` = all.
    pub last: Option<usize>,
}

/// A sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxConfig {
    /// First address; in 127.0.0.0/8. DNS listens at `base + 1`, sites from `base + 256` on.
    pub base: Ipv4Addr,
    /// SMTP port of every site; 0 takes a free one.
    pub port: u16,
    /// DNS port; 0 takes a free one.
    pub dns_port: u16,
    /// The sites.
    pub sites: Vec<SiteConfig>,
    /// How many destinations there are: `d00001.example` and on.
    pub destinations: usize,
    /// Decides which destination lies where, and which mail is refused, found full or dropped.
    pub seed: u64,
    /// Keep what was accepted.
    pub keep: Option<Keep>,
    /// A silent client is cut off after this long.
    pub idle_max: Duration,
    /// Open connections of all sites together; more are refused with 421.
    pub connections_max: u32,
}

impl SandboxConfig {
    /// These sites on free ports.
    pub fn new(destinations: usize, sites: Vec<SiteConfig>) -> Self {
        Self {
            base: Ipv4Addr::new(127, 10, 0, 0),
            port: 0,
            dns_port: 0,
            sites,
            destinations,
            seed: 1,
            keep: None,
            idle_max: Duration::from_secs(300),
            connections_max: 8_000,
        }
    }

    /// The default mix: most mail is delivered quickly, and every personality occurs.
    pub fn mixed(destinations: usize) -> Self {
        let site = SiteConfig::new;
        let quick = Personality::quick;
        let with_tls = Personality::with_tls;
        Self::new(
            destinations,
            vec![
                site("quick-a", quick(), 300),
                site("quick-b", quick(), 200).published(Mx::Two),
                site("quick-c", quick(), 100).published(Mx::FirstDown),
                site("quick-d", quick(), 100).published(Mx::Implicit),
                site("slow", Personality::slow(Duration::from_millis(20)), 60),
                site("greylisting", Personality::greylisting(Duration::from_secs(5)), 60),
                site("refusing", Personality::refusing(100), 50),
                site("rate-limited", Personality::rate_limited(100, Duration::from_secs(10)), 40),
                site("connection-limited", Personality::connection_limited(4), 20),
                site("closing", Personality::closing(10), 20),
                site("full-for-now", Personality::full(300, Some(Duration::from_secs(10))), 15),
                site("full-for-good", Personality::full(200, None), 10),
                site("dropping", Personality::dropping(200), 5),
                site("no-starttls", with_tls(TlsOffer::None), 4),
                site("wrong-name", with_tls(TlsOffer::WrongName), 3),
                site("untrusted", with_tls(TlsOffer::Untrusted), 3),
                site("null-mx", quick(), 4).published(Mx::Null),
                site("missing", quick(), 3).published(Mx::Missing),
                site("failing", quick(), 3).published(Mx::Failing),
            ],
        )
    }

    /// `sites` quick sites of equal weight: for measuring the sender.
    pub fn quick(destinations: usize, sites: usize) -> Self {
        let name = |number| format!("quick-{number:05}");
        Self::new(destinations, (1..=sites).map(|number| SiteConfig::new(name(number), Personality::quick(), 1)).collect())
    }

    /// The destinations that will lie at a site, by its name: the same as in the sandbox that is made of this.
    pub fn destinations_at(&self, site: &str) -> Vec<String> {
        Map::new(self).destinations_at(site)
    }

    /// Everything that must hold before a door is opened.
    pub(crate) fn check(&self) -> Result<(), SandboxError> {
        let wrong = |text: String| Err(SandboxError::Config(text));
        if self.sites.is_empty() || self.sites.len() > SITES_MAX {
            return wrong(format!("{} sites; expected 1 to {SITES_MAX}", self.sites.len()));
        }
        if self.destinations == 0 || self.destinations > DESTINATIONS_MAX {
            return wrong(format!("{} destinations; expected 1 to {DESTINATIONS_MAX}", self.destinations));
        }
        let last = u32::from(self.base).checked_add(256 + self.sites.len() as u32).map(Ipv4Addr::from);
        if !self.base.is_loopback() || !last.is_some_and(|last| last.is_loopback()) {
            return wrong(format!("base {}; expected an address in 127.0.0.0/8 with room for all sites", self.base));
        }
        let mut names: Vec<&str> = self.sites.iter().map(|site| site.name.as_str()).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return wrong(format!("two sites are called `{}`", twice[0]));
        }
        match self.sites.iter().find(|site| site.weight == 0 || !is_label(&site.name)) {
            Some(site) => wrong(format!("site `{}`: expected a lower-case DNS label as name and a weight of 1 or more", site.name)),
            None => Ok(()),
        }
    }
}

fn is_label(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=SITE_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(fits) && !name.starts_with('-') && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mixes_are_sound_and_nonsense_is_named() {
        SandboxConfig::mixed(1000).check().unwrap();
        SandboxConfig::quick(10_000, 10_000).check().unwrap();
        let broken = |change: fn(&mut SandboxConfig)| {
            let mut config = SandboxConfig::mixed(10);
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        assert!(broken(|config| config.base = Ipv4Addr::new(10, 0, 0, 0)).contains("127.0.0.0/8"));
        assert!(broken(|config| config.base = Ipv4Addr::new(127, 255, 255, 0)).contains("127.0.0.0/8"));
        assert!(broken(|config| config.destinations = 0).contains("destinations"));
        assert!(broken(|config| config.sites[1].name = "quick-a".into()).contains("quick-a"));
        assert!(broken(|config| config.sites[0].name = "a.b".into()).contains("label"));
        assert!(broken(|config| config.sites.clear()).contains("sites"));
    }
}
