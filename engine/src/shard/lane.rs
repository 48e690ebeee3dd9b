//! Groups, sites, lanes and their outlets: who may take the next job, and where it goes.
//!
//! A *lane* (limit group × source address × stream) holds the throttle. Under it, each site has an
//! *outlet*: a short line of sealed messages and the connections that serve it. A lane takes a job only
//! with a permit, so what waits in outlets is bounded by what the lane may have under way.

use super::leases::NoUnit;
use super::resolve::group_id;
use super::{SLICE_MESSAGES_MAX, Shard, Shared, connection, pump, settle};
use crate::prepare::{Prepare, Prepared};
use crate::settings::SourceAddress;
use egress::Site;
use ipreputation::Day;
use model::Stream;
use model::stage::{Permit, PermittedDelivery, SealedMessage};
use model::{Monotonic, State, Timestamp};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::rc::Rc;
use throttle::SuspendReason;
use world::channel::{Receiver, Sender};

/// Messages in line for each idle or opening connection before one more is opened.
const WAITING_PER_CONNECTION: usize = 3;

/// A limit group: what shares a receiver's limits.
pub(super) struct Group {
    pub(super) name: String,
    /// The lane of the address it keeps to comes first.
    pub(super) lanes: Vec<usize>,
    /// The day (UTC) for which `lanes` are in order.
    pub(super) ordered_on: Option<Day>,
    pub(super) dirty: bool,
}

/// A site as the shard sees it: where it is, and whether it is worth trying.
pub(super) struct SiteState {
    pub(super) site: Rc<Site>,
    pub(super) group: usize,
    /// Nothing is tried before this moment, after all its hosts failed.
    pub(super) not_before: Option<Timestamp>,
    /// All its addresses are on loopback.
    pub(super) on_loopback: bool,
    /// Its destinations, by the queue's numbers.
    pub(super) destinations: Vec<u32>,
}

/// One lane.
pub(super) struct LaneState<S: Stream> {
    pub(super) group: usize,
    pub(super) source: SourceAddress,
    pub(super) throttle: throttle::Lane,
    pub(super) outlets: BTreeMap<usize, Outlet<S>>,
    /// The latest moment for which its group's wake was set: one is enough, however often the lane is asked.
    pub(super) wake_set: Option<Monotonic>,
}

/// A lane's line to one site.
pub(super) struct Outlet<S: Stream> {
    /// Closed when the shard drains.
    pub(super) line: Option<Sender<Sealed<S>>>,
    pub(super) served: Receiver<Sealed<S>>,
    pub(super) connections: usize,
    /// Of these, past greeting and TLS: the site serves us.
    pub(super) open: usize,
    pub(super) idle: usize,
    /// The lane refused a further connection until then.
    pub(super) connect_at: Option<Monotonic>,
}

/// A sealed message in an outlet's line.
pub(super) struct Sealed<S: Stream> {
    pub(super) message: SealedMessage<S>,
    pub(super) taken: Monotonic,
}

/// A worker gave a message back: into its outlet's line, or held.
pub(super) async fn receive_prepared<S: Stream>(shard: &Shared<S>, prepared: Prepared<S>) {
    let Prepared { lane, site, taken, result } = prepared;
    shard.borrow_mut().preparing -= 1;
    match result {
        Ok(message) => {
            let refused = shard.borrow_mut().line_up(lane, site, Sealed { message, taken });
            match refused {
                None => connection::ensure(shard, lane, site),
                Some(sealed) => settle::return_unsent(shard, lane, sealed),
            }
        }
        Err((due, why)) => {
            shard.borrow_mut().give_back(lane);
            settle::unprepared(shard, due, why).await;
            // Its permit is free: the lane may take the next job.
            freed(shard, lane);
        }
    }
}

impl<S: Stream> Shard<S> {
    /// Puts a message into its outlet's line; gives it back where the site is not to be tried now.
    fn line_up(&mut self, lane: usize, site: usize, sealed: Sealed<S>) -> Option<Sealed<S>> {
        if self.draining || self.sites[site].not_before.is_some_and(|at| at > self.context.world.wall()) {
            return Some(sealed);
        }
        // A line never holds more than the lane has permits out.
        let limits = self.lanes[lane].throttle.limits();
        let capacity = limits.connections.value.saturating_mul(limits.messages_in_hand.value.saturating_add(1)) as usize;
        let outlet = self.lanes[lane].outlets.entry(site).or_insert_with(|| Outlet::new(capacity));
        match &outlet.line {
            Some(line) => line.try_send(sealed).err().map(world::channel::TrySendError::into_inner),
            None => Some(sealed),
        }
    }

    /// Marks a group as able to go on, perhaps.
    pub(super) fn mark(&mut self, group: usize) {
        if !self.groups[group].dirty {
            self.groups[group].dirty = true;
            self.dirty.push_back(group);
        }
    }

    /// Takes as many jobs as lanes and workers have room for, in slices.
    pub(super) fn collect(&mut self) -> Vec<Vec<Prepare<S>>> {
        let now = self.context.world.monotonic();
        while self.wakes.peek().is_some_and(|Reverse((at, _))| *at <= now) {
            if let Some(Reverse((_, group))) = self.wakes.pop() {
                self.mark(group);
            }
        }
        let mut slices = Vec::new();
        let mut slice = Vec::new();
        let mut stalled = Vec::new();
        while let Some(group) = self.dirty.pop_front() {
            self.groups[group].dirty = false;
            if self.collect_group(group, now, &mut slice, &mut slices) {
                stalled.push(group);
            }
        }
        stalled.into_iter().for_each(|group| self.mark(group));
        if !slice.is_empty() {
            slices.push(slice);
        }
        slices
    }

    /// Takes what the lanes of one group may; true where only the workers' room ended it.
    fn collect_group(&mut self, group: usize, now: Monotonic, slice: &mut Vec<Prepare<S>>, slices: &mut Vec<Vec<Prepare<S>>>) -> bool {
        self.order_lanes(group);
        for lane in self.groups[group].lanes.clone() {
            loop {
                // No unit of an address is leased for a job that is not there.
                if self.queue.ready(group_id(group)) == 0 {
                    return false;
                }
                if self.draining || self.preparing >= self.context.preparing_max {
                    return !self.draining;
                }
                let permit = match self.permit(lane, now) {
                    Ok(permit) => permit,
                    Err(until) => {
                        if let Some(at) = until {
                            self.wake_at(at, lane);
                        }
                        break;
                    }
                };
                let wall = self.context.world.wall();
                let Some(due) = self.queue.take(group_id(group), wall) else {
                    self.give_back(lane);
                    return false;
                };
                self.step_progress(due.batch, State::Queued, State::InFlight);
                let site = self.site_of[&due.destination];
                self.preparing += 1;
                self.under_way += 1;
                slice.push(Prepare {
                    frozen: self.frozen.get(&due.job).copied(),
                    destination: self.queue.destination_name(due.destination).expect("what the queue hands out has a destination").clone(),
                    delivery: PermittedDelivery::new(due, permit),
                    lane,
                    site,
                    now: wall,
                    receiver_on_loopback: self.sites[site].on_loopback,
                    taken: now,
                });
                if slice.len() == SLICE_MESSAGES_MAX {
                    slices.push(std::mem::take(slice));
                }
            }
        }
        false
    }
}

impl<S: Stream> Shard<S> {
    /// A permit of a lane whose address may send one more today; otherwise when to ask again.
    fn permit(&mut self, lane: usize, now: Monotonic) -> Result<Permit, Option<Monotonic>> {
        let state = &mut self.lanes[lane];
        let permit = state.throttle.permit(now).map_err(|wait| wait.until())?;
        let Err(no_unit) = self.leases.reserve(state.source.ip) else { return Ok(permit) };
        state.throttle.give_back();
        let wall = self.context.world.wall();
        Err(Some(match no_unit {
            NoUnit::Soon(at) => now + at.since(wall),
            // Nothing of the address is under way, so no message in line is cut off by it.
            NoUnit::CeilingReached(at) => {
                let until = now + at.since(wall);
                state.throttle.suspend(until, SuspendReason::CeilingReached);
                until
            }
        }))
    }

    /// A permit ended without its final dot: what it had of lane and address goes back.
    pub(super) fn give_back(&mut self, lane: usize) {
        let state = &mut self.lanes[lane];
        state.throttle.give_back();
        self.leases.give_back(state.source.ip);
    }

    /// Spends limit and unit, right before the final dot: the day's ceiling and the lane's rate both agree.
    ///
    /// The moment before which the dot must not be written; `None` where the address may send nothing more today.
    pub(super) fn spend(&mut self, lane: usize, now: Monotonic) -> Result<(), Option<Monotonic>> {
        let state = &mut self.lanes[lane];
        if !self.leases.may_spend(state.source.ip) {
            return Err(None);
        }
        state.throttle.spend(now).map_err(Some)?;
        self.leases.spent(state.source.ip);
        Ok(())
    }

    fn wake_at(&mut self, at: Monotonic, lane: usize) {
        let state = &mut self.lanes[lane];
        if state.wake_set != Some(at) {
            state.wake_set = Some(at);
            self.wakes.push(Reverse((at, state.group)));
        }
    }

    /// Once a day: which address the group keeps to, and where it goes when that is used up.
    fn order_lanes(&mut self, group: usize) {
        let wall = self.context.world.wall();
        if !self.leases.has_choice() || self.groups[group].ordered_on == Some(Day::of(wall)) {
            return;
        }
        let order = self.leases.order(&self.groups[group].name, wall);
        let lanes = &self.lanes;
        let group = &mut self.groups[group];
        group.lanes.sort_by_key(|lane| order.iter().position(|ip| *ip == lanes[*lane].source.ip));
        group.ordered_on = Some(Day::of(wall));
    }
}

impl<S: Stream> Outlet<S> {
    fn new(capacity: usize) -> Self {
        let (line, served) = world::channel::bounded(capacity.max(1));
        Self { line: Some(line), served, connections: 0, open: 0, idle: 0, connect_at: None }
    }

    /// Whether more waits than the connections at hand will carry soon. A handshake costs both sides more than a few messages:
    /// further connections only where the line is long.
    pub(super) fn wants_connection(&self) -> bool {
        !self.served.is_empty() && self.served.len() > self.idle * WAITING_PER_CONNECTION
    }
}

/// Stops taking: what waits in lines goes back to the queue, and connections close after the message they carry.
pub(super) fn drain<S: Stream>(shard: &Shared<S>) {
    let mut lines = Vec::new();
    {
        let mut state = shard.borrow_mut();
        state.draining = true;
        state.queue.drain();
        for (number, lane) in state.lanes.iter_mut().enumerate() {
            for outlet in lane.outlets.values_mut() {
                outlet.line = None;
                lines.push((number, outlet.served.clone()));
            }
        }
    }
    for (lane, line) in lines {
        while let Some(sealed) = line.try_recv() {
            settle::return_unsent(shard, lane, sealed);
        }
    }
}

/// A lane's limits changed or a message left: its group may go on.
pub(super) fn freed<S: Stream>(shard: &Shared<S>, lane: usize) {
    {
        let mut shard = shard.borrow_mut();
        let group = shard.lanes[lane].group;
        shard.mark(group);
    }
    pump(shard);
}
