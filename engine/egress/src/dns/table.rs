//! DNS answers from a fixed table: tests, the simulator, and machines without DNS.

use super::{LookupFailure, MxRecord, Resolve};
use std::collections::BTreeMap;
use std::net::IpAddr;
use world::BoxFuture;

/// A fixed set of answers; names not in it do not exist.
#[derive(Debug, Clone, Default)]
pub struct Table {
    exchangers: BTreeMap<String, Result<Vec<MxRecord>, LookupFailure>>,
    addresses: BTreeMap<String, Result<Vec<IpAddr>, LookupFailure>>,
}

impl Table {
    /// A table in which nothing exists.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an MX record; an empty host is the root (null MX).
    #[must_use]
    pub fn with_mx(mut self, domain: &str, preference: u16, host: &str) -> Self {
        let records = self.exchangers.entry(domain.to_owned()).or_insert_with(|| Ok(Vec::new()));
        if let Ok(records) = records {
            records.push(MxRecord { preference, host: host.to_owned() });
        }
        self
    }

    /// Adds an address of a host.
    #[must_use]
    pub fn with_address(mut self, host: &str, address: IpAddr) -> Self {
        let addresses = self.addresses.entry(host.to_owned()).or_insert_with(|| Ok(Vec::new()));
        if let Ok(addresses) = addresses {
            addresses.push(address);
        }
        self
    }

    /// Makes every question about a name fail so.
    #[must_use]
    pub fn with_failure(mut self, name: &str, failure: LookupFailure) -> Self {
        self.exchangers.insert(name.to_owned(), Err(failure));
        self.addresses.insert(name.to_owned(), Err(failure));
        self
    }

    /// What a name server says of a name it has no such records of.
    fn absent(&self, name: &str) -> LookupFailure {
        let exists = self.exchangers.contains_key(name) || self.addresses.contains_key(name);
        if exists { LookupFailure::NoRecords } else { LookupFailure::NoSuchName }
    }
}

impl Resolve for Table {
    fn mail_exchangers<'a>(&'a self, domain: &'a str) -> BoxFuture<'a, Result<Vec<MxRecord>, LookupFailure>> {
        Box::pin(std::future::ready(self.exchangers.get(domain).cloned().unwrap_or_else(|| Err(self.absent(domain)))))
    }

    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, LookupFailure>> {
        Box::pin(std::future::ready(self.addresses.get(host).cloned().unwrap_or_else(|| Err(self.absent(host)))))
    }
}
