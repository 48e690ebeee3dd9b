//! The pools: whose addresses there are, what each may still send today, and which one a limit group uses.

use crate::address::{AddressUse, Day, SourceAddress};
use crate::config::{AddressConfig, PoolsConfig};
use crate::error::PoolsError;
use crate::selection;
use crate::warmup::Warmup;
use model::{Destination, StreamName, Timestamp};
use std::net::IpAddr;
use std::sync::Arc;

/// All addresses of a stream have sent what they may today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("every address of the {stream} stream has reached its warm-up ceiling for today")]
pub struct CeilingsReached {
    /// The stream.
    pub stream: StreamName,
    /// When the next day begins (UTC).
    pub until: Timestamp,
}

/// An address with its pool and its counters.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) pool: String,
    pub(crate) stream: StreamName,
    pub(crate) ip: IpAddr,
    /// The address as 16 octets: what a group's choice hangs on, whatever the configuration's order.
    octets: [u8; 16],
    pub(crate) source: SourceAddress,
    pub(crate) warmup_started: Option<Day>,
    /// The last day it sent, and how much was leased on it.
    pub(crate) used: Option<(Day, u64)>,
    pub(crate) warming_again_since: Option<Day>,
}

/// All pools.
#[derive(Debug, Clone)]
pub struct Pools {
    members: Vec<Member>,
    pub(crate) warmup: Warmup,
    /// What is said in EHLO where the kernel chooses the address.
    kernels_choice: SourceAddress,
}

impl Pools {
    /// Checks the configuration. `host_name` is what a stream without addresses says in EHLO.
    ///
    /// # Errors
    /// [`PoolsError`]: what was typed is no address, name or date, or an address stands twice or in pools of two streams.
    pub fn new(config: &PoolsConfig, warmup: Warmup, host_name: &str) -> Result<Self, PoolsError> {
        let kernels_choice = SourceAddress { ip: None, ehlo_name: Arc::from(host_name), id: 0 };
        let mut pools = Self { members: Vec::new(), warmup, kernels_choice };
        for (name, pool) in config {
            for typed in &pool.addresses {
                let member = pools.check(name, pool.stream, typed)?;
                pools.members.push(member);
            }
        }
        Ok(pools)
    }

    /// The address from which this limit group's mail leaves now.
    ///
    /// # Errors
    /// [`CeilingsReached`], with the moment to ask again.
    pub fn choose(&self, stream: StreamName, group: &str, now: Timestamp) -> Result<SourceAddress, CeilingsReached> {
        let today = Day::of(now);
        let candidates: Vec<&Member> = self.members.iter().filter(|member| member.stream == stream).collect();
        if candidates.is_empty() {
            return Ok(self.kernels_choice.clone());
        }
        let weighted = candidates.iter().map(|member| (member.octets.as_slice(), self.room(member, today)));
        match selection::choose(group, weighted) {
            Some(at) => Ok(candidates[at].source.clone()),
            None => Err(CeilingsReached { stream, until: today.end() }),
        }
    }

    /// All addresses of a stream in the order in which this limit group's mail leaves from them: first the one that
    /// [`Self::choose`] names, last those that may send nothing more today.
    pub fn order(&self, stream: StreamName, group: &str, now: Timestamp) -> Vec<SourceAddress> {
        let today = Day::of(now);
        let candidates: Vec<&Member> = self.members.iter().filter(|member| member.stream == stream).collect();
        if candidates.is_empty() {
            return vec![self.kernels_choice.clone()];
        }
        let weighted = candidates.iter().map(|member| (member.octets.as_slice(), self.room(member, today)));
        selection::order(group, weighted).into_iter().map(|at| candidates[at].source.clone()).collect()
    }

    /// All addresses of a stream, in the order of the configuration; the kernel's choice where it has none.
    pub fn addresses(&self, stream: StreamName) -> Vec<SourceAddress> {
        let own: Vec<SourceAddress> =
            self.members.iter().filter(|member| member.stream == stream).map(|member| member.source.clone()).collect();
        if own.is_empty() { vec![self.kernels_choice.clone()] } else { own }
    }

    /// Leases up to `most` messages of an address's ceiling for today; they count as sent until they are given back.
    /// 0 where nothing is left. The kernel's choice and unknown addresses have no ceiling.
    pub fn lease(&mut self, address: &SourceAddress, most: u64, now: Timestamp) -> u64 {
        let today = Day::of(now);
        let Some(at) = self.position(address) else { return most };
        self.warm_again_where_idle(at, today);
        let left = self.left(&self.members[at], today);
        let units = left.map_or(most, |left| left.min(most));
        let member = &mut self.members[at];
        match &mut member.used {
            Some((day, leased)) if *day == today => *leased += units,
            // A first lease of 0 is no use: it must not count as one.
            used if units > 0 => *used = Some((today, units)),
            _ => {}
        }
        units
    }

    /// Gives back what a lease of that moment did not use. Of another day it is worth nothing.
    pub fn give_back(&mut self, address: &SourceAddress, units: u64, leased_at: Timestamp) {
        let Some(at) = self.position(address) else { return };
        if let Some((day, leased)) = &mut self.members[at].used
            && *day == Day::of(leased_at)
        {
            *leased = leased.saturating_sub(units);
        }
    }

    /// The address's ceiling today; `None` = warm, or the kernel's choice.
    pub fn ceiling(&self, address: &SourceAddress, now: Timestamp) -> Option<u64> {
        self.position(address).and_then(|at| self.ceiling_of(&self.members[at], Day::of(now)))
    }

    /// What must be saved, so that a restart keeps ceilings and knows idle addresses.
    pub fn usage(&self) -> Vec<AddressUse> {
        let of = |member: &Member| {
            let (day, leased) = member.used?;
            Some(AddressUse { ip: member.ip, day, leased, warming_again_since: member.warming_again_since })
        };
        self.members.iter().filter_map(of).collect()
    }

    /// Takes over what an earlier process saved; addresses that are gone are ignored.
    pub fn restore(&mut self, saved: &[AddressUse]) {
        for saved in saved {
            if let Some(member) = self.members.iter_mut().find(|member| member.ip == saved.ip) {
                member.used = Some((saved.day, saved.leased));
                member.warming_again_since = saved.warming_again_since;
            }
        }
    }

    pub(crate) fn member(&self, address: &SourceAddress) -> Option<&Member> {
        self.position(address).map(|at| &self.members[at])
    }

    /// When the warm-up that counts today began: the configured one, or a later one after idleness.
    pub(crate) fn started(&self, member: &Member, today: Day) -> Option<Day> {
        if self.is_idle(member, today) {
            return Some(today);
        }
        member.warming_again_since.max(member.warmup_started)
    }

    pub(crate) fn ceiling_of(&self, member: &Member, today: Day) -> Option<u64> {
        self.started(member, today).and_then(|started| self.warmup.ceiling(started, today))
    }

    /// Messages left today; `None` = no ceiling.
    pub(crate) fn left(&self, member: &Member, today: Day) -> Option<u64> {
        self.ceiling_of(member, today).map(|ceiling| ceiling.saturating_sub(leased_on(member, today)))
    }

    /// What an address weighs when mail is spread: what it may still send; a warm one as on the last day of warm-up.
    fn room(&self, member: &Member, today: Day) -> u64 {
        self.left(member, today).unwrap_or_else(|| self.warmup.full())
    }

    fn is_idle(&self, member: &Member, today: Day) -> bool {
        member.used.is_some_and(|(day, _)| today.since(day) > self.warmup.idle_days_max())
    }

    fn warm_again_where_idle(&mut self, at: usize, today: Day) {
        if self.is_idle(&self.members[at], today) {
            self.members[at].warming_again_since = Some(today);
        }
    }

    fn position(&self, address: &SourceAddress) -> Option<usize> {
        address.ip.and_then(|ip| self.members.iter().position(|member| member.ip == ip))
    }

    fn check(&self, pool: &str, stream: StreamName, typed: &AddressConfig) -> Result<Member, PoolsError> {
        let pool = pool.to_owned();
        let Ok(ip) = typed.ip.parse::<IpAddr>() else { return Err(PoolsError::Address { pool, typed: typed.ip.clone() }) };
        let Ok(ehlo_name) = Destination::parse(&typed.ehlo) else { return Err(PoolsError::EhloName { pool, typed: typed.ehlo.clone() }) };
        let warmup_started = match typed.warmup_started.as_deref().map(str::parse::<model::Date>) {
            None => None,
            Some(Ok(date)) => Some(Day::of_date(date)),
            Some(Err(_)) => return Err(PoolsError::WarmupStarted { pool, typed: typed.warmup_started.clone().unwrap_or_default() }),
        };
        if let Some(other) = self.members.iter().find(|member| member.ip == ip) {
            let stream_of_other = other.stream;
            let same = stream_of_other == stream;
            return Err(if same {
                PoolsError::Twice { pool, ip }
            } else {
                PoolsError::SharedByStreams { pool, ip, stream: stream_of_other }
            });
        }
        // 0 is the kernel's choice.
        let id = u16::try_from(self.members.len() + 1).map_err(|_| PoolsError::TooMany)?;
        let source = SourceAddress { ip: Some(ip), ehlo_name: Arc::from(ehlo_name.as_str()), id };
        let octets = match ip {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
            IpAddr::V6(ip) => ip.octets(),
        };
        Ok(Member { pool, stream, ip, octets, source, warmup_started, used: None, warming_again_since: None })
    }
}

pub(crate) fn leased_on(member: &Member, today: Day) -> u64 {
    member.used.filter(|(day, _)| *day == today).map_or(0, |(_, leased)| leased)
}
