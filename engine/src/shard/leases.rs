//! What our addresses may still send today, as the lanes take it: message by message from leases, leases in chunks.
//!
//! It promises that a cold address never writes more final dots in a day (UTC) than its warm-up allows, a crash included:
//! - a lane takes a job only with a unit *reserved*, so that nothing is prepared which may not leave;
//! - the unit is *spent* right before the final dot, as one of the day on which that dot is written;
//! - a lease is on disk before a unit of it is spent; what a crash leaves of one counts as sent.
//!
//! Units are held by address, not by lane: thousands of limit groups must not each keep a few of a small ceiling.
//! The kernel's choice has no ceiling, and costs nothing here.

use super::address_file;
use crate::settings::Sources;
use ipreputation::{Day, Pools, SourceAddress, explain};
use model::{StreamName, Timestamp};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;
use world::World;

/// A warm address's lease: there only its idleness is at stake.
const WARM_CHUNK: u64 = 1_000;
/// A cold one's, as a part of its ceiling: what a crash may cost of the day, at most.
const CHUNKS_PER_DAY: u64 = 50;
const COLD_CHUNK_MIN: u64 = 4;
/// The last units are reserved: whether one comes back is asked again after this long.
const SOON: Duration = Duration::from_secs(1);
/// A lease could not be written down: it is tried again after this long.
const DISK_PAUSE: Duration = Duration::from_secs(60);

/// Why no unit could be reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoUnit {
    /// Others may come back, or the disk may: ask again then.
    Soon(Timestamp),
    /// The ceiling of the day is reached, and nothing of it is outstanding: the next day begins then.
    CeilingReached(Timestamp),
}

/// An address and the lease it works from.
struct Member {
    address: SourceAddress,
    /// When the latest lease was taken; units are worth something on its day alone.
    leased_at: Timestamp,
    /// Leased and not spent.
    units: u64,
    /// Permits out on this address; each will want a unit.
    reserved: u64,
    /// The day on which an operator was told that the ceiling is reached.
    told: Option<Day>,
}

/// The leases of one stream.
pub(super) struct Leases {
    world: World,
    stream: StreamName,
    pools: Option<Pools>,
    /// Where leases survive; `None` keeps them in memory.
    file: Option<PathBuf>,
    members: Vec<Member>,
}

impl Leases {
    /// Takes over what an earlier life wrote down. What cannot be read counts as all of today: too little is safe.
    pub(super) fn open(world: World, stream: StreamName, sources: &Sources, file: Option<PathBuf>) -> Self {
        let mut leases = Self { world, stream, pools: sources.pools().cloned(), file, members: Vec::new() };
        let Some(pools) = &mut leases.pools else { return leases };
        let addresses = pools.addresses(stream).into_iter().filter(|address| address.ip.is_some());
        leases.members = addresses.map(|address| Member { address, leased_at: Timestamp(0), units: 0, reserved: 0, told: None }).collect();
        let Some(file) = &leases.file else { return leases };
        match address_file::load(&leases.world, file) {
            Ok(Some(saved)) => pools.restore(&saved),
            Ok(None) => {
                tracing::warn!(target: "sealpost::ipreputation", file = %file.display(), "no record of what our addresses sent; they count as unused today");
            }
            Err(error) => {
                tracing::error!(target: "sealpost::ipreputation", %error, "addresses that warm up send nothing more today; restore the file, or delete it where they sent nothing");
                let now = leases.world.wall();
                for member in &leases.members {
                    if pools.ceiling(&member.address, now).is_some() {
                        pools.lease(&member.address, u64::MAX, now);
                    }
                }
            }
        }
        leases
    }

    /// Whether there is more than one address to choose from.
    pub(super) fn has_choice(&self) -> bool {
        self.members.len() > 1
    }

    /// The addresses in the order in which a limit group uses them today.
    pub(super) fn order(&self, group: &str, now: Timestamp) -> Vec<Option<IpAddr>> {
        let pools = self.pools.iter();
        pools.flat_map(|pools| pools.order(self.stream, group, now)).map(|address| address.ip).collect()
    }

    /// Reserves a unit for a permit. Each ends with [`Self::spent`] or [`Self::give_back`].
    pub(super) fn reserve(&mut self, ip: Option<IpAddr>) -> Result<(), NoUnit> {
        let Some(at) = self.position(ip) else { return Ok(()) };
        let now = self.world.wall();
        let wanted = self.members[at].reserved + 1;
        if self.has(at, wanted, now)? {
            self.members[at].reserved = wanted;
            return Ok(());
        }
        if self.members[at].reserved > 0 {
            return Err(NoUnit::Soon(now + SOON));
        }
        self.tell(at, now);
        Err(NoUnit::CeilingReached(Day::of(now).end()))
    }

    /// Whether the final dot of a reserved message may be written now. It was reserved today, or the new day has room.
    pub(super) fn may_spend(&mut self, ip: Option<IpAddr>) -> bool {
        let Some(at) = self.position(ip) else { return true };
        let now = self.world.wall();
        self.has(at, 1, now).unwrap_or(false)
    }

    /// The final dot of a reserved message is written.
    pub(super) fn spent(&mut self, ip: Option<IpAddr>) {
        if let Some(at) = self.position(ip) {
            self.members[at].units = self.members[at].units.saturating_sub(1);
            self.end_reservation(at);
        }
    }

    /// A reserved message ended without its final dot.
    pub(super) fn give_back(&mut self, ip: Option<IpAddr>) {
        if let Some(at) = self.position(ip) {
            self.end_reservation(at);
        }
    }

    /// Nothing is under way any more: what is left of the leases is not counted as sent.
    pub(super) fn close(&mut self) {
        let Some(pools) = &mut self.pools else { return };
        let mut changed = false;
        for member in &mut self.members {
            let unused = std::mem::take(&mut member.units);
            changed |= unused > 0;
            pools.give_back(&member.address, unused, member.leased_at);
        }
        if changed {
            // The lease counts as sent then: less is sent today than might be.
            self.save();
        }
    }

    fn end_reservation(&mut self, at: usize) {
        debug_assert!(self.members[at].reserved > 0, "a reservation ended twice");
        self.members[at].reserved = self.members[at].reserved.saturating_sub(1);
    }

    /// Whether so many units of today are at hand; leases more where they are not.
    fn has(&mut self, at: usize, wanted: u64, now: Timestamp) -> Result<bool, NoUnit> {
        let member = &mut self.members[at];
        if Day::of(member.leased_at) != Day::of(now) {
            // What was leased yesterday stays counted there.
            (member.units, member.leased_at) = (0, now);
        }
        if member.units < wanted {
            self.lease(at, wanted, now)?;
        }
        Ok(self.members[at].units >= wanted)
    }

    fn lease(&mut self, at: usize, wanted: u64, now: Timestamp) -> Result<(), NoUnit> {
        let (Some(pools), member) = (&mut self.pools, &self.members[at]) else { return Ok(()) };
        let address = member.address.clone();
        let ceiling = pools.ceiling(&address, now);
        let chunk = ceiling.map_or(WARM_CHUNK, |ceiling| (ceiling / CHUNKS_PER_DAY).clamp(COLD_CHUNK_MIN, WARM_CHUNK));
        let leased = pools.lease(&address, chunk.max(wanted - member.units), now);
        if leased == 0 {
            return Ok(());
        }
        // A warm address sends whether or not this can be written down; a cold one only afterwards.
        if !self.save() && ceiling.is_some() {
            if let Some(pools) = &mut self.pools {
                pools.give_back(&address, leased, now);
            }
            return Err(NoUnit::Soon(now + DISK_PAUSE));
        }
        let member = &mut self.members[at];
        (member.units, member.leased_at) = (member.units + leased, now);
        Ok(())
    }

    fn save(&self) -> bool {
        let (Some(pools), Some(file)) = (&self.pools, &self.file) else { return true };
        match address_file::save(&self.world, file, &pools.usage()) {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(target: "sealpost::ipreputation", %error, "what our addresses send cannot be written down; those that warm up wait");
                false
            }
        }
    }

    fn tell(&mut self, at: usize, now: Timestamp) {
        let (Some(pools), member) = (&self.pools, &mut self.members[at]) else { return };
        if member.told != Some(Day::of(now)) {
            member.told = Some(Day::of(now));
            let standing = explain::explain(pools, &member.address, now);
            tracing::info!(target: "sealpost::ipreputation", %standing, "an address may send nothing more today");
        }
    }

    fn position(&self, ip: Option<IpAddr>) -> Option<usize> {
        let ip = ip?;
        self.members.iter().position(|member| member.address.ip == Some(ip))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipreputation::{AddressConfig, PoolConfig, PoolsConfig, Warmup};
    use std::path::Path;
    use world::simulated::Simulation;

    const STREAM: StreamName = StreamName::Transactional;
    const COLD: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)));
    const WARM: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)));
    const SCHEDULE: &str = "dated = \"2026-11-22\"\nsources = [\"x\"]\nidle_days_max = 30\n\
                            [[step]]\nday = 1\nceiling = 10\n[[step]]\nday = 2\nceiling = 12\n";

    /// 192.0.2.1 began its warm-up on the first simulated day; 192.0.2.2 is warm.
    fn open(world: &World) -> Leases {
        let address = |ip: &str, warmup_started: Option<&str>| AddressConfig {
            ip: ip.to_owned(),
            ehlo: "mx.example.com".to_owned(),
            warmup_started: warmup_started.map(str::to_owned),
        };
        let addresses = vec![address("192.0.2.1", Some("2026-01-05")), address("192.0.2.2", None)];
        let config = PoolsConfig::from([("p".to_owned(), PoolConfig { stream: STREAM, addresses })]);
        let pools = Pools::new(&config, Warmup::from_file("w.toml", SCHEDULE).unwrap(), "host.example").unwrap();
        let sources = Sources::from_pools(pools, STREAM).unwrap();
        world.disk().create_dir_all(Path::new("/state")).unwrap();
        Leases::open(world.clone(), STREAM, &sources, Some(PathBuf::from("/state/a.json")))
    }

    /// Reserves and spends; how many it may.
    fn send(leases: &mut Leases, ip: Option<IpAddr>, most: u64) -> u64 {
        (0..most)
            .take_while(|_| {
                leases.reserve(ip).is_ok() && { leases.may_spend(ip) } && {
                    leases.spent(ip);
                    true
                }
            })
            .count() as u64
    }

    fn sleep(simulation: &Simulation, hours: u64) {
        let world = simulation.world();
        simulation.run(async move { world.sleep(Duration::from_secs(hours * 3_600)).await });
    }

    #[test]
    fn a_cold_address_stops_at_its_ceiling_until_the_next_day() {
        let simulation = Simulation::new(1);
        let mut leases = open(&simulation.world());
        assert_eq!((send(&mut leases, COLD, 100), send(&mut leases, WARM, 100), send(&mut leases, None, 100)), (10, 100, 100));
        let tomorrow = Day::of(simulation.world().wall()).end();
        assert_eq!(leases.reserve(COLD), Err(NoUnit::CeilingReached(tomorrow)));
        sleep(&simulation, 24);
        assert_eq!(send(&mut leases, COLD, 100), 12);
        sleep(&simulation, 24);
        assert_eq!(send(&mut leases, COLD, 100), 100, "and then it is warm");
    }

    #[test]
    fn what_is_reserved_and_not_sent_is_for_others() {
        let simulation = Simulation::new(2);
        let mut leases = open(&simulation.world());
        (0..10).for_each(|_| leases.reserve(COLD).unwrap());
        assert!(matches!(leases.reserve(COLD), Err(NoUnit::Soon(_))), "one may come back");
        (0..9).for_each(|_| leases.spent(COLD));
        leases.give_back(COLD);
        assert_eq!(send(&mut leases, COLD, 100), 1);
    }

    #[test]
    fn a_unit_reserved_yesterday_is_spent_from_today() {
        let simulation = Simulation::new(3);
        let mut leases = open(&simulation.world());
        (0..10).for_each(|_| leases.reserve(COLD).unwrap());
        sleep(&simulation, 24);
        for _ in 0..10 {
            assert!(leases.may_spend(COLD));
            leases.spent(COLD);
        }
        assert_eq!(send(&mut leases, COLD, 100), 2, "ten of twelve are spent");
        // Where today's are all spent, a permit of yesterday does not write its dot.
        assert!(!leases.may_spend(COLD));
    }

    #[test]
    fn a_stop_gives_back_and_a_crash_counts_the_lease() {
        let simulation = Simulation::new(4);
        let mut leases = open(&simulation.world());
        assert_eq!(send(&mut leases, COLD, 1), 1);
        leases.close();
        let mut leases = open(&simulation.world());
        assert_eq!(send(&mut leases, COLD, 2), 2);
        drop(leases);
        simulation.crash();
        let mut leases = open(&simulation.world());
        // 1 sent, then a chunk of 4 of which 2 were sent.
        assert_eq!(send(&mut leases, COLD, 100), 5);
    }

    #[test]
    fn a_file_that_cannot_be_read_stops_cold_addresses_for_the_day() {
        let simulation = Simulation::new(5);
        open(&simulation.world());
        simulation.world().disk().write_atomic(Path::new("/state/a.json"), b"{").unwrap();
        let mut leases = open(&simulation.world());
        assert_eq!((send(&mut leases, COLD, 100), send(&mut leases, WARM, 100)), (0, 100));
    }

    #[test]
    fn where_the_disk_refuses_only_warm_addresses_send() {
        let simulation = Simulation::new(6);
        let mut leases = open(&simulation.world());
        simulation.fail_syncs("engine", 1_000);
        assert!(matches!(leases.reserve(COLD), Err(NoUnit::Soon(_))));
        assert_eq!(send(&mut leases, WARM, 100), 100);
        simulation.fail_syncs("engine", 0);
        assert_eq!(send(&mut leases, COLD, 100), 10, "nothing was lost by it");
    }

    #[test]
    fn a_group_has_its_order_of_addresses() {
        let simulation = Simulation::new(7);
        let leases = open(&simulation.world());
        let now = simulation.world().wall();
        let first = |group: &str| leases.order(group, now)[0];
        assert!(leases.has_choice() && (0..100).all(|group| leases.order(&format!("g{group}"), now).len() == 2));
        assert!((0..100).any(|group| first(&format!("g{group}")) == COLD) && (0..100).any(|group| first(&format!("g{group}")) == WARM));
    }
}
