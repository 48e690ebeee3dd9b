//! Destinations become sites: resolved once, kept, re-homed in the queue.
//!
//! A destination that cannot be resolved for a passing reason is tried again with growing pauses while its
//! jobs wait under `unresolved`; one that does not exist, or accepts no mail (RFC 7505), ends its jobs.

use super::lane::{Group, LaneState, SiteState};
use super::{Shard, Shared, pump, settle};
use crate::plants;
use crate::stages;
use egress::{DnsTrouble, Site};
use model::{Destination, Monotonic, Stream};
use queue::{GroupId, Scope};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use world::Plant;

/// Look-ups under way at once.
const RESOLVING_MAX: usize = 256;
const PAUSE_FIRST: Duration = Duration::from_secs(15);
const PAUSE_MAX: Duration = Duration::from_secs(900);

/// Starts look-ups for destinations that have jobs and no site.
pub(super) fn start<S: Stream>(shard: &Shared<S>) {
    let wanted = shard.borrow_mut().wanted();
    let world = shard.borrow().context.world.clone();
    for (number, destination) in wanted {
        let shard = Rc::clone(shard);
        world.spawn_local(async move { look_up(shard, number, destination).await });
    }
}

async fn look_up<S: Stream>(shard: Shared<S>, number: u32, destination: Destination) {
    let (resolver, world) = {
        let state = shard.borrow();
        (state.context.resolver.clone(), state.context.world.clone())
    };
    let started = world.monotonic();
    let answer = resolver.site(&destination).await;
    shard.borrow().context.times.record(stages::RESOLVE, world.monotonic() - started);
    shard.borrow_mut().resolving -= 1;
    match answer {
        Ok(site) => shard.borrow_mut().arrive(number, site),
        Err(trouble) if trouble.is_permanent() => settle::undeliverable(&shard, number, &trouble).await,
        Err(trouble) => shard.borrow_mut().wait(number, &trouble),
    }
    start(&shard);
    pump(&shard);
    shard.borrow().wake();
}

impl<S: Stream> Shard<S> {
    fn wanted(&mut self) -> Vec<(u32, Destination)> {
        if self.draining {
            return Vec::new();
        }
        let numbers = self.queue.unresolved(RESOLVING_MAX - self.resolving.min(RESOLVING_MAX));
        let wanted: Vec<_> =
            numbers.into_iter().filter_map(|number| Some((number, self.queue.destination_name(number)?.clone()))).collect();
        self.resolving += wanted.len();
        wanted
    }

    fn wait(&mut self, number: u32, trouble: &DnsTrouble) {
        let failures = self.failures.entry(number).or_insert(0);
        let pause = PAUSE_FIRST.saturating_mul(1 << (*failures).min(8)).min(PAUSE_MAX);
        *failures += 1;
        tracing::warn!(target: "sealpost::egress", destination = ?self.queue.destination_name(number), %trouble, "cannot be resolved now; tried again");
        self.queue.resolve_later(number, self.context.world.wall() + pause);
    }

    fn arrive(&mut self, number: u32, site: Site) {
        self.failures.remove(&number);
        let index = self.site(site);
        self.site_of.insert(number, index);
        self.sites[index].destinations.push(number);
        let group = self.sites[index].group;
        if self.sites[index].not_before.is_some() {
            self.queue.suspend(Scope::Destination(number));
        }
        self.queue.set_home(number, group_id(group));
        self.mark(group);
    }

    fn site(&mut self, site: Site) -> usize {
        if let Some(index) = self.site_index.get(&site.name) {
            return *index;
        }
        let group_name = self.context.shaping.limit_group(&site.name, &site.mx_hosts);
        let group = self.group(group_name.as_str());
        let index = self.sites.len();
        self.site_index.insert(site.name.clone(), index);
        let on_loopback = site.targets.iter().all(|target| target.address.ip().is_loopback());
        let site = Rc::new(site);
        self.sites.push(SiteState { site, group, not_before: None, on_loopback, destinations: Vec::new() });
        index
    }

    fn group(&mut self, name: &str) -> usize {
        if let Some(index) = self.group_index.get(name) {
            return *index;
        }
        let index = self.groups.len();
        let now = self.context.world.monotonic();
        let world = &self.context.world;
        let limits = Arc::new(plants::loosened(world, self.context.shaping.limits(name, "")));
        let quiet_since = if world.is_planted(Plant::BucketFullAtStart) { Monotonic(0) } else { self.started };
        let mut lanes = Vec::new();
        for source in self.context.settings.sources.addresses().to_vec() {
            lanes.push(self.lanes.len());
            self.lanes.push(LaneState {
                group: index,
                source,
                throttle: throttle::Lane::quiet_since(Arc::clone(&limits), now, quiet_since),
                outlets: BTreeMap::new(),
                wake_set: None,
            });
        }
        self.group_index.insert(name.to_owned(), index);
        self.groups.push(Group { name: name.to_owned(), lanes, ordered_on: None, dirty: false });
        index
    }

    /// The group without lanes whose jobs are taken out at once: destinations that take no mail.
    pub(super) fn nowhere(&mut self) -> GroupId {
        const NOWHERE: &str = "(nowhere)";
        if let Some(index) = self.group_index.get(NOWHERE) {
            return group_id(*index);
        }
        let index = self.groups.len();
        self.group_index.insert(NOWHERE.to_owned(), index);
        self.groups.push(Group { name: NOWHERE.to_owned(), lanes: Vec::new(), ordered_on: None, dirty: false });
        group_id(index)
    }
}

/// The queue's number of a group: its position among the shard's.
pub(super) fn group_id(index: usize) -> GroupId {
    GroupId(u32::try_from(index).expect("there are fewer groups than destinations, and those are numbered by u32"))
}
