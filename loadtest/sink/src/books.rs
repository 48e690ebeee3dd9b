//! The books: what happened, counted where it happens.
//!
//! One lock for all, taken for nanoseconds by the sandbox's one thread and now and then by whoever wants a report.

use crate::dns::Kind;
use crate::map::Map;
use crate::report::{DnsReport, Report, SiteReport};
use model::Monotonic;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Measured where a site has no rate limit.
const DEFAULT_WINDOW: Duration = Duration::from_secs(1);

/// The books, shared with whoever asks.
#[derive(Clone)]
pub(crate) struct SharedBooks(Arc<Mutex<Books>>);

impl SharedBooks {
    pub(crate) fn new(map: &Map, now: Monotonic) -> Self {
        Self(Arc::new(Mutex::new(Books::new(map, now))))
    }

    /// Works on the books; short, and never across an await.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut Books) -> R) -> R {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// All of it.
pub(crate) struct Books {
    started: Monotonic,
    pub(crate) sites: Vec<SiteBook>,
    pub(crate) dns: DnsReport,
    pub(crate) open: u32,
    pub(crate) not_kept: u64,
    /// Acceptances by Message-ID. Only looked up, never walked.
    acceptances: HashMap<u64, u32>,
    doubled: u64,
    surplus: u64,
    without_message_id: u64,
}

/// One site's.
pub(crate) struct SiteBook {
    pub(crate) counts: SiteReport,
    window: Duration,
    sources: BTreeMap<IpAddr, SourceBook>,
}

/// One source address at one site.
#[derive(Default)]
struct SourceBook {
    open: u32,
    /// Moments of the final dots in the last window.
    dots: VecDeque<Monotonic>,
}

impl DnsReport {
    pub(crate) fn count(&mut self, kind: Kind) {
        let counter = match kind {
            Kind::Positive => &mut self.positive,
            Kind::NoData => &mut self.no_data,
            Kind::NameError => &mut self.name_error,
            Kind::Failure => &mut self.failure,
            Kind::Malformed => &mut self.malformed,
        };
        *counter += 1;
    }
}

impl Books {
    fn new(map: &Map, started: Monotonic) -> Self {
        let sites = map.sites.iter().map(|site| {
            let window = site.personality.rate.map_or(DEFAULT_WINDOW, |rate| rate.window);
            SiteBook { counts: empty(site, window), window, sources: BTreeMap::new() }
        });
        Self {
            started,
            sites: sites.collect(),
            dns: DnsReport::default(),
            open: 0,
            not_kept: 0,
            acceptances: HashMap::new(),
            doubled: 0,
            surplus: 0,
            without_message_id: 0,
        }
    }

    /// A message was taken.
    pub(crate) fn accept(&mut self, site: usize, message_id: Option<u64>, bytes: usize, encrypted: bool) {
        let counts = &mut self.sites[site].counts;
        counts.accepted += 1;
        counts.accepted_without_tls += u64::from(!encrypted);
        counts.bytes += bytes as u64;
        let Some(id) = message_id else {
            self.without_message_id += 1;
            return;
        };
        match self.acceptances.entry(id) {
            Entry::Vacant(first) => {
                first.insert(1);
            }
            Entry::Occupied(mut again) => {
                self.doubled += u64::from(*again.get() == 1);
                self.surplus += 1;
                *again.get_mut() += 1;
            }
        }
    }

    /// How often a Message-ID was accepted.
    pub(crate) fn acceptances(&self, message_id: u64) -> u32 {
        self.acceptances.get(&message_id).copied().unwrap_or(0)
    }

    /// Everything so far.
    pub(crate) fn report(&self, now: Monotonic) -> Report {
        let sum = |field: fn(&SiteReport) -> u64| self.sites.iter().map(|site| field(&site.counts)).sum();
        Report {
            elapsed_ms: u64::try_from(now.since(self.started).as_millis()).unwrap_or(u64::MAX),
            connections: sum(|site| site.connections),
            accepted: sum(|site| site.accepted),
            bytes: sum(|site| site.bytes),
            refused: sum(|site| site.refused),
            deferred: sum(|site| site.deferred),
            violations: sum(|site| site.violations),
            misrouted: sum(|site| site.misrouted),
            faults: sum(|site| site.faults),
            distinct: self.acceptances.len() as u64,
            doubled: self.doubled,
            surplus: self.surplus,
            without_message_id: self.without_message_id,
            not_kept: self.not_kept,
            dns: self.dns,
            sites: self.sites.iter().map(|site| site.counts.clone()).collect(),
        }
    }
}

impl SiteBook {
    /// How many connections of this source are open.
    pub(crate) fn open_from(&self, source: IpAddr) -> u32 {
        self.sources.get(&source).map_or(0, |book| book.open)
    }

    /// A connection begins.
    pub(crate) fn open(&mut self, source: IpAddr) {
        let book = self.sources.entry(source).or_default();
        book.open += 1;
        self.counts.open_per_source_max = self.counts.open_per_source_max.max(book.open);
        self.counts.open += 1;
        self.counts.open_max = self.counts.open_max.max(self.counts.open);
    }

    /// A connection ends.
    pub(crate) fn close(&mut self, source: IpAddr) {
        self.counts.open = self.counts.open.saturating_sub(1);
        if let Some(book) = self.sources.get_mut(&source) {
            book.open = book.open.saturating_sub(1);
        }
    }

    /// Counts a final dot: how many this source has in the window that ends now, this one included. A window of length W
    /// that begins with one dot does not hold the dot that comes exactly W later.
    pub(crate) fn final_dot(&mut self, source: IpAddr, now: Monotonic) -> u32 {
        let dots = &mut self.sources.entry(source).or_default().dots;
        while dots.front().is_some_and(|earliest| now.since(*earliest) >= self.window) {
            dots.pop_front();
        }
        dots.push_back(now);
        let in_window = u32::try_from(dots.len()).unwrap_or(u32::MAX);
        self.counts.final_dots += 1;
        self.counts.in_window_max = self.counts.in_window_max.max(in_window);
        in_window
    }

    /// An answer of the personality, by its code.
    pub(crate) fn answered(&mut self, code: u16) {
        match code {
            400..=499 => self.counts.deferred += 1,
            500..=599 => self.counts.refused += 1,
            _ => {}
        }
    }
}

fn empty(site: &crate::map::Site, window: Duration) -> SiteReport {
    SiteReport {
        name: site.name.clone(),
        address: site.address,
        destinations: site.destinations,
        connections: 0,
        connections_refused: 0,
        open: 0,
        open_max: 0,
        open_per_source_max: 0,
        tls_handshakes: 0,
        tls_failures: 0,
        accepted: 0,
        accepted_without_tls: 0,
        bytes: 0,
        refused: 0,
        deferred: 0,
        dropped_accepted: 0,
        dropped_unaccepted: 0,
        violations: 0,
        final_dots: 0,
        in_window_max: 0,
        window_ms: u64::try_from(window.as_millis()).unwrap_or(u64::MAX),
        misrouted: 0,
        faults: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SandboxConfig;

    fn books() -> Books {
        Books::new(&Map::new(&SandboxConfig::quick(10, 1)), Monotonic(0))
    }

    #[test]
    fn doubles_are_counted_once_and_surplus_each_time() {
        let mut books = books();
        for id in [Some(1), Some(2), Some(1), Some(1), None, Some(3), Some(3)] {
            books.accept(0, id, 100, true);
        }
        let report = books.report(Monotonic(2_000_000));
        assert_eq!((report.accepted, report.distinct, report.doubled, report.surplus, report.without_message_id), (7, 3, 2, 3, 1));
        assert_eq!((report.bytes, report.elapsed_ms), (700, 2));
        assert_eq!((books.acceptances(1), books.acceptances(9)), (3, 0));
    }

    #[test]
    fn a_window_slides() {
        let mut books = books();
        let site = &mut books.sites[0];
        let (here, there) = ("127.0.0.1".parse().unwrap(), "127.0.0.2".parse().unwrap());
        let at = |millis: u64| Monotonic(millis * 1_000_000);
        let counted: Vec<u32> = [0, 500, 999, 1000, 1499, 1500, 5000].map(|millis| site.final_dot(here, at(millis))).to_vec();
        assert_eq!(counted, [1, 2, 3, 3, 4, 4, 1]);
        assert_eq!(site.final_dot(there, at(5000)), 1, "each source has its own window");
        assert_eq!(site.counts.in_window_max, 4);
    }

    #[test]
    fn open_connections_are_counted_by_source() {
        let mut books = books();
        let site = &mut books.sites[0];
        let (here, there) = ("127.0.0.1".parse().unwrap(), "127.0.0.2".parse().unwrap());
        [here, here, there].into_iter().for_each(|source| site.open(source));
        site.close(here);
        site.open(here);
        assert_eq!((site.open_from(here), site.open_from(there)), (2, 1));
        assert_eq!((site.counts.open, site.counts.open_max, site.counts.open_per_source_max), (3, 3, 2));
    }
}
