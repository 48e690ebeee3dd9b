//! DNS: from a destination to the addresses that receive for it.
//!
//! [`Resolve`] is the question, asked of hickory ([`hickory::HickoryResolve`]) or of a fixed table ([`table::Table`]); the rules of
//! RFC 5321 section 5.1 and RFC 7505 stand above it in [`resolver::SiteResolver`].
//!
//! It promises that "there is no such domain" (permanent) and "nobody answered" (temporary) are never confused, and that an address
//! range which a public name has no business in is refused ([`address::AddressRule`]).

pub mod address;
pub mod hickory;
pub mod resolver;
pub mod table;

use model::EnhancedCode;
use std::net::IpAddr;
use world::BoxFuture;

/// One MX record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MxRecord {
    /// Lower is tried first.
    pub preference: u16,
    /// The host, lower-case, without the final dot; empty is the root (null MX).
    pub host: String,
}

/// Why a question has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LookupFailure {
    /// NXDOMAIN: the name does not exist.
    #[error("the name does not exist")]
    NoSuchName,
    /// The name exists and has no records of this kind.
    #[error("the name has no records of this kind")]
    NoRecords,
    /// SERVFAIL, REFUSED, a time-out, a network error: ask again later.
    #[error("no name server gave an answer")]
    Unavailable,
}

/// A source of DNS answers.
pub trait Resolve: Send + Sync {
    /// The MX records of a domain, in any order. Never an empty list.
    fn mail_exchangers<'a>(&'a self, domain: &'a str) -> BoxFuture<'a, Result<Vec<MxRecord>, LookupFailure>>;

    /// The A and AAAA records of a host. Never an empty list.
    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, LookupFailure>>;
}

/// Why a destination has no site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum DnsTrouble {
    /// NXDOMAIN.
    #[error("the destination does not exist in DNS")]
    NoSuchDomain,
    /// RFC 7505: the destination says that it takes no mail.
    #[error("the destination says that it takes no mail (null MX)")]
    NullMx,
    /// No MX host has an address, or there is neither MX nor address.
    #[error("no host receives for the destination")]
    NoMailHost,
    /// Every address is loopback, private, or otherwise not on the public network.
    #[error("the destination's addresses are not on the public network")]
    NotPublic,
    /// No answer: ask again later.
    #[error("DNS gave no answer for the destination")]
    Unavailable,
}

impl DnsTrouble {
    /// Whether asking again later cannot help.
    pub const fn is_permanent(self) -> bool {
        !matches!(self, Self::Unavailable)
    }

    /// A stable word for records and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoSuchDomain => "no_such_domain",
            Self::NullMx => "null_mx",
            Self::NoMailHost => "no_mail_host",
            Self::NotPublic => "address_not_public",
            Self::Unavailable => "dns_unavailable",
        }
    }

    /// The enhanced code a delivery report gives for it.
    pub const fn enhanced(self) -> EnhancedCode {
        let (class, subject, detail) = match self {
            // RFC 3463 section 3.2: X.1.2 bad destination system address.
            Self::NoSuchDomain => (5, 1, 2),
            // RFC 7505 section 4.2: 5.1.10.
            Self::NullMx => (5, 1, 10),
            // RFC 3463 section 3.5: X.4.4 unable to route; X.4.6 routing loop; X.4.3 directory server failure.
            Self::NoMailHost => (5, 4, 4),
            Self::NotPublic => (5, 4, 6),
            Self::Unavailable => (4, 4, 3),
        };
        EnhancedCode { class, subject, detail }
    }
}
