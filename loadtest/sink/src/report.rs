//! What the sandbox counted, as it goes into JSON.

use serde::Serialize;
use std::net::Ipv4Addr;

/// The whole sandbox. Sums of the sites, what is only known across sites, and each site.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// Since the start, in milliseconds.
    pub elapsed_ms: u64,
    /// Connections that came.
    pub connections: u64,
    /// Messages taken: answered 250, or taken before the connection was lost on purpose.
    pub accepted: u64,
    /// Octets of them.
    pub bytes: u64,
    /// Commands and final dots answered 5yz by a personality.
    pub refused: u64,
    /// Connections, commands and final dots answered 4yz by a personality.
    pub deferred: u64,
    /// Final dots beyond a rate limit and connections beyond a connection limit.
    pub violations: u64,
    /// Recipients that came to a site which is not theirs.
    pub misrouted: u64,
    /// What a client must not do (see `smtp::Fault`).
    pub faults: u64,
    /// Different Message-IDs accepted.
    pub distinct: u64,
    /// Message-IDs accepted more than once.
    pub doubled: u64,
    /// Acceptances beyond the first of their Message-ID.
    pub surplus: u64,
    /// Accepted without a Message-ID; in none of the three above.
    pub without_message_id: u64,
    /// Kept messages that could not be written.
    pub not_kept: u64,
    /// The name server.
    pub dns: DnsReport,
    /// In the order of the configuration.
    pub sites: Vec<SiteReport>,
}

/// What the name server answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct DnsReport {
    /// With records.
    pub positive: u64,
    /// The name exists without such records.
    pub no_data: u64,
    /// The name does not exist.
    pub name_error: u64,
    /// SERVFAIL on purpose.
    pub failure: u64,
    /// No readable query.
    pub malformed: u64,
}

/// One site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SiteReport {
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub address: Ipv4Addr,
    /// How many destinations lie there.
    pub destinations: usize,
    /// Connections that came, refused ones included.
    pub connections: u64,
    /// Of these, refused for the number of open ones.
    pub connections_refused: u64,
    /// Open now.
    pub open: u32,
    /// Most open at once, all sources together.
    pub open_max: u32,
    /// Most open at once from one source address, refused ones not counted.
    pub open_per_source_max: u32,
    /// TLS handshakes done.
    pub tls_handshakes: u64,
    /// TLS handshakes that failed: the client did not like the certificate, or left.
    pub tls_failures: u64,
    /// Messages taken.
    pub accepted: u64,
    /// Of these, over a connection without TLS.
    pub accepted_without_tls: u64,
    /// Octets of them.
    pub bytes: u64,
    /// Answers 5yz by the personality.
    pub refused: u64,
    /// Answers 4yz by the personality.
    pub deferred: u64,
    /// Connections lost on purpose after the final dot, the message taken.
    pub dropped_accepted: u64,
    /// Connections lost on purpose after the final dot, the message not taken.
    pub dropped_unaccepted: u64,
    /// Final dots beyond the rate limit and connections beyond the connection limit.
    pub violations: u64,
    /// Final dots.
    pub final_dots: u64,
    /// Most final dots of one source in any window.
    pub in_window_max: u32,
    /// That window: the rate limit's, else one second; in milliseconds.
    pub window_ms: u64,
    /// Recipients of other sites.
    pub misrouted: u64,
    /// What clients must not do.
    pub faults: u64,
}
