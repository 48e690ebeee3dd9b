//! DNS by hickory-resolver, on the thread's tokio executor.
//!
//! One resolver with one cache serves all shards. Its queries use sockets and timers of their own, beside `world`: in the
//! simulation a [`super::table::Table`] takes its place. CNAME chains are followed, and loops refused, by hickory.

use super::{LookupFailure, MxRecord, Resolve};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::{DnsError, NetError, runtime::TokioRuntimeProvider};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use world::BoxFuture;

/// hickory refuses more questions than this at once on one connection ("busy"); a batch start asks thousands.
const QUESTIONS_AT_ONCE: usize = 4096;

/// Answers of real name servers, cached.
#[derive(Clone)]
pub struct HickoryResolve {
    resolver: TokioResolver,
}

/// The resolver cannot be set up. The operator acts.
#[derive(Debug, thiserror::Error)]
#[error("DNS cannot be set up: {reason}; check /etc/resolv.conf, or give [egress] name_servers")]
pub struct ResolverSetupError {
    reason: String,
}

impl HickoryResolve {
    /// Asks these name servers, or the system's where there are none.
    ///
    /// # Errors
    /// [`ResolverSetupError`] where the system's configuration cannot be read.
    pub fn new(name_servers: &[SocketAddr], timeout: Duration, cache_answers: u64) -> Result<Self, ResolverSetupError> {
        let setup = |error: NetError| ResolverSetupError { reason: error.to_string() };
        let mut builder = if name_servers.is_empty() {
            TokioResolver::builder_tokio().map_err(setup)?
        } else {
            let servers = name_servers.iter().copied().map(name_server).collect();
            TokioResolver::builder_with_config(ResolverConfig::from_name_servers(servers), TokioRuntimeProvider::default())
        };
        set_options(builder.options_mut(), timeout, cache_answers);
        Ok(Self { resolver: builder.build().map_err(setup)? })
    }
}

fn set_options(options: &mut ResolverOpts, timeout: Duration, cache_answers: u64) {
    options.timeout = timeout;
    options.attempts = 2;
    options.cache_size = cache_answers;
    options.max_active_requests = QUESTIONS_AT_ONCE;
    options.try_tcp_on_error = true;
    // /etc/hosts is about this machine; mail follows DNS (RFC 5321 section 5.1).
    options.use_hosts_file = ResolveHosts::Never;
    // A negative answer without end would outlive the receiver's repair.
    options.negative_max_ttl = Some(Duration::from_secs(3600));
}

fn name_server(at: SocketAddr) -> NameServerConfig {
    let on_port = |mut connection: ConnectionConfig| {
        connection.port = at.port();
        connection
    };
    NameServerConfig::new(at.ip(), true, vec![on_port(ConnectionConfig::udp()), on_port(ConnectionConfig::tcp())])
}

impl Resolve for HickoryResolve {
    fn mail_exchangers<'a>(&'a self, domain: &'a str) -> BoxFuture<'a, Result<Vec<MxRecord>, LookupFailure>> {
        Box::pin(async move {
            let lookup = self.resolver.mx_lookup(absolute(domain)?).await.map_err(|error| failure(&error))?;
            let records: Vec<MxRecord> = lookup.answers().iter().filter_map(|record| mx_record(&record.data)).collect();
            if records.is_empty() { Err(LookupFailure::NoRecords) } else { Ok(records) }
        })
    }

    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, LookupFailure>> {
        Box::pin(async move {
            let lookup = self.resolver.lookup_ip(absolute(host)?).await.map_err(|error| failure(&error))?;
            let addresses: Vec<IpAddr> = lookup.iter().collect();
            if addresses.is_empty() { Err(LookupFailure::NoRecords) } else { Ok(addresses) }
        })
    }
}

/// The name with its root, so that no search list applies.
fn absolute(name: &str) -> Result<Name, LookupFailure> {
    let mut name = Name::from_ascii(name).map_err(|_| LookupFailure::NoSuchName)?;
    name.set_fqdn(true);
    Ok(name)
}

fn mx_record(data: &RData) -> Option<MxRecord> {
    let RData::MX(mx) = data else { return None };
    let host = mx.exchange.to_ascii().to_ascii_lowercase();
    Some(MxRecord { preference: mx.preference, host: host.trim_end_matches('.').to_owned() })
}

fn failure(error: &NetError) -> LookupFailure {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain => LookupFailure::NoSuchName,
            ResponseCode::NoError => LookupFailure::NoRecords,
            _ => LookupFailure::Unavailable,
        },
        _ => LookupFailure::Unavailable,
    }
}
