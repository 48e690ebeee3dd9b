//! Tries the targets of a site in their order (RFC 5321 section 5.1) until one gives a connection.

use crate::config::Timeouts;
use crate::connection::Connection;
use crate::ending::ConnectFailure;
use crate::site::Site;
use crate::tls::TlsContext;
use crate::trouble::Severity;
use model::Protection;
use smtp::EhloName;
use std::net::IpAddr;
use world::World;

/// Hosts tried before we come back later. RFC 5321 section 5.1 asks for at least two.
const TARGETS_TRIED_MAX: usize = 6;

/// No target of the site gave a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoConnection {
    /// What happened at each target tried, in order; empty where no target fits the source address's family.
    pub failures: Vec<ConnectFailure>,
}

impl NoConnection {
    /// The failure that decides: a temporary one before all others, since a later try may do better; among equals the first.
    /// `None` where no target fits the source address's family.
    pub fn decisive(&self) -> Option<&ConnectFailure> {
        let temporary = self.failures.iter().find(|failure| failure.severity() == Severity::Temporary);
        temporary.or_else(|| self.failures.first())
    }
}

/// Opens a connection to the first target of the site that gives one. Targets of another address family than `source`
/// are passed over.
///
/// # Errors
/// [`NoConnection`] with every failure.
pub async fn open_first(
    world: &World,
    site: &Site,
    source: Option<IpAddr>,
    ehlo_name: &EhloName,
    required: Protection,
    tls: &TlsContext,
    timeouts: &Timeouts,
) -> Result<Connection, NoConnection> {
    let mut failures = Vec::new();
    let fitting = site.targets.iter().filter(|target| source.is_none_or(|source| source.is_ipv4() == target.address.is_ipv4()));
    for target in fitting.take(TARGETS_TRIED_MAX) {
        match Connection::open(world, target, source, ehlo_name, required, tls, timeouts).await {
            Ok(connection) => return Ok(connection),
            Err(failure) => failures.push(failure),
        }
    }
    Err(NoConnection { failures })
}
