//! What concerns receivers: routes, DNS, TLS, timeouts, and the files with what is known about them.

use super::document::Section;
use super::place::Resolver;
use super::stream::PROTECTIONS;
use egress::config::EgressConfig;
use egress::route::RouteTls;
use egress::{RouteConfig, Routes, Timeouts};
use model::Protection;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 3_600);
const DNS_CACHE_ANSWERS_MAX: u64 = 16 * 1024 * 1024;

/// Files with provider knowledge: limits of receivers, or what their replies mean.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KnowledgeFiles {
    /// A folder that is read instead of what is shipped.
    pub dir: Option<PathBuf>,
    /// Files read after it: the operator's own, whose values win.
    pub files: Vec<PathBuf>,
}

/// `[routes]`, `[dns]`, `[tls] ca_file`, `[timeouts]`.
pub(super) fn egress(top: &Section<'_>, tls: &Section<'_>, places: &Resolver<'_>) -> EgressConfig {
    let mut config = EgressConfig { routes: routes(top), timeouts: timeouts(top.section("timeouts")), ..EgressConfig::default() };
    config.ca_file = tls.explained("ca_file", |typed| places.resolve(typed));
    let dns = top.section("dns");
    let expected = "expected addresses with ports such as \"127.0.0.1:53\" or \"[::1]:53\"";
    config.name_servers = dns.list("servers", expected, |text| text.parse().ok()).unwrap_or_default();
    let millisecond = Duration::from_millis(1);
    config.dns_timeout = dns.span("timeout", millisecond..=Duration::from_secs(60)).unwrap_or(config.dns_timeout);
    config.dns_cache_answers = dns.number("cache_answers", 1..=DNS_CACHE_ANSWERS_MAX).unwrap_or(config.dns_cache_answers);
    config.allow_loopback = dns.flag("allow_loopback").unwrap_or(config.allow_loopback);
    config.allow_private = dns.flag("allow_private").unwrap_or(config.allow_private);
    let port = dns.number("smtp_port", 1..=u64::from(u16::MAX)).and_then(|port| u16::try_from(port).ok());
    config.port = port.unwrap_or(config.port);
    dns.finish();
    config
}

/// `[tls] requirement`: what streams require that do not say otherwise.
pub(super) fn requirement(tls: &Section<'_>) -> Protection {
    tls.word("requirement", &PROTECTIONS).unwrap_or(Protection::TlsVerified)
}

/// `[destinations]` or `[bounces]`.
pub(super) fn knowledge(section: Section<'_>, places: &Resolver<'_>) -> KnowledgeFiles {
    let dir = section.explained("dir", |typed| places.resolve(typed));
    let files = section.list("files", "expected paths", |text| places.resolve(text).ok()).unwrap_or_default();
    section.finish();
    KnowledgeFiles { dir, files }
}

fn routes(top: &Section<'_>) -> BTreeMap<String, RouteConfig> {
    let mut routes = BTreeMap::new();
    for (pattern, section) in top.named_sections("routes") {
        section.require("to", "expected \"127.0.0.1:2525\", \"[::1]:2525\" or \"relay.example.com:25\"");
        let typed = section.text("to");
        let route = RouteConfig {
            to: typed.clone().unwrap_or_default(),
            plaintext: section.flag("plaintext").unwrap_or(false),
            tls_name: section.text("tls_name"),
            tls: section.word("tls", &[("verified", RouteTls::Verified), ("encrypted", RouteTls::Encrypted)]),
        };
        if typed.is_some()
            && let Err(error) = Routes::from_config(&BTreeMap::from([(pattern.clone(), route.clone())]))
        {
            section.wrong_here(&error.to_string());
        }
        section.finish();
        routes.insert(pattern, route);
    }
    routes
}

fn timeouts(section: Section<'_>) -> Timeouts {
    let usual = Timeouts::default();
    let span = |key, default| section.span(key, Duration::from_millis(1)..=TIMEOUT_MAX).unwrap_or(default);
    let timeouts = Timeouts {
        connect: span("connect", usual.connect),
        greeting: span("greeting", usual.greeting),
        tls: span("tls", usual.tls),
        mail: span("mail", usual.mail),
        rcpt: span("rcpt", usual.rcpt),
        data: span("data", usual.data),
        block: span("block", usual.block),
        final_dot: span("final_dot", usual.final_dot),
        quit: span("quit", usual.quit),
    };
    section.finish();
    timeouts
}
