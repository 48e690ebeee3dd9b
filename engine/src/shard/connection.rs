//! A connection of a lane: opened, used for message after message, closed.
//!
//! It promises the order of invariant 10: the intent is appended when a sealed message is bound to the
//! live connection, its commit overlaps MAIL, RCPT and DATA, and the final dot waits for both the
//! commit and the lane's limit (invariant 8: spent as the receiver counts it).

use super::lane::{Sealed, freed};
use super::{Shared, settle};
use crate::prepare::Frozen;
use crate::stages;
use egress::{Connection, Delivery, NoConnection};
use futures_util::future::{Either, select};
use model::Stream;
use model::record::{FrameKey, Intent, Record};
use model::stage::{Attempt, SealedMessage};
use std::cell::Cell;
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;
use throttle::Wait;
use world::Plant;

/// How long an unused connection stays open: RFC 5321 section 4.5.3.2.7 lets a server wait five minutes;
/// receivers like it shorter.
const IDLE_SPAN: Duration = Duration::from_secs(2);

/// Opens a further connection where messages wait and the lane may. Where it may later, [`ensure_due`] comes back then; where another
/// connection of the lane must end first, [`ensure_next`] does.
pub(super) fn ensure<S: Stream>(shard: &Shared<S>, lane: usize, site: usize) {
    let world = {
        let mut state = shard.borrow_mut();
        let now = state.context.world.monotonic();
        let is_unlimited = state.context.world.is_planted(Plant::ConnectionLimitIgnored);
        let lane_state = &mut state.lanes[lane];
        let Some(outlet) = lane_state.outlets.get_mut(&site) else { return };
        if !outlet.wants_connection() || outlet.connect_at.is_some_and(|at| at > now) {
            return;
        }
        if let Err(wait) = lane_state.throttle.may_connect(now)
            && !(is_unlimited && matches!(wait, Wait::Connections { .. }))
        {
            outlet.connect_at = wait.until();
            if let Some(at) = wait.until() {
                state.connects.insert((at, lane, site));
                state.wake();
            }
            return;
        }
        lane_state.throttle.connected(now);
        outlet.connect_at = None;
        outlet.connections += 1;
        outlet.idle += 1;
        state.context.world.clone()
    };
    let shard = Rc::clone(shard);
    world.spawn_local(async move { serve(shard, lane, site).await });
}

/// Opens the connections that a lane put off until now.
pub(super) fn ensure_due<S: Stream>(shard: &Shared<S>) {
    let now = shard.borrow().context.world.monotonic();
    loop {
        let next = shard.borrow().connects.first().copied().filter(|(at, _, _)| *at <= now);
        let Some(next) = next else { return };
        shard.borrow_mut().connects.remove(&next);
        ensure(shard, next.1, next.2);
    }
}

/// A connection of the lane ended: the next site that waits may have its place, this one last.
fn ensure_next<S: Stream>(shard: &Shared<S>, lane: usize, site: usize) {
    let waiting: Vec<usize> = {
        let state = shard.borrow();
        let outlets = &state.lanes[lane].outlets;
        let from_next = outlets.range(site + 1..).chain(outlets.range(..=site));
        from_next.filter(|(_, outlet)| outlet.wants_connection()).map(|(site, _)| *site).collect()
    };
    waiting.into_iter().for_each(|site| ensure(shard, lane, site));
}

async fn serve<S: Stream>(shard: Shared<S>, lane: usize, site: usize) {
    match open(&shard, lane, site).await {
        Ok(connection) => {
            count_open(&shard, lane, site, 1);
            work(&shard, lane, site, connection).await;
            count_open(&shard, lane, site, -1);
        }
        Err(none) => settle::unreachable(&shard, lane, site, &none).await,
    }
    {
        let mut state = shard.borrow_mut();
        let lane_state = &mut state.lanes[lane];
        lane_state.throttle.disconnected();
        if let Some(outlet) = lane_state.outlets.get_mut(&site) {
            outlet.connections -= 1;
            outlet.idle -= 1;
        }
        // A shard that drains waits for its last connection.
        state.wake();
    }
    ensure_next(&shard, lane, site);
    freed(&shard, lane);
}

/// Opens a connection to the first host of the site that gives one.
async fn open<S: Stream>(shard: &Shared<S>, lane: usize, site: usize) -> Result<Connection, NoConnection> {
    let (world, tls, settings, times, source, place) = {
        let state = shard.borrow();
        let context = &state.context;
        let site = &state.sites[site];
        let shared = (context.world.clone(), context.tls.clone(), context.settings.clone(), context.times.clone());
        (shared.0, shared.1, shared.2, shared.3, state.lanes[lane].source.clone(), Rc::clone(&site.site))
    };
    let started = world.monotonic();
    let opened = egress::open_first(&world, &place, source.ip, &source.ehlo_name, settings.protection, &tls, &settings.timeouts).await;
    times.record(stages::CONNECT, world.monotonic() - started);
    opened
}

async fn work<S: Stream>(shard: &Shared<S>, lane: usize, site: usize, mut connection: Connection) {
    let (world, line) = {
        let state = shard.borrow();
        (state.context.world.clone(), state.lanes[lane].outlets[&site].served.clone())
    };
    while connection.is_usable() && !shard.borrow().lanes[lane].throttle.connection_is_used_up(connection.messages()) {
        let next = match select(pin!(line.recv()), world.sleep(IDLE_SPAN)).await {
            Either::Left((next, _)) => next,
            Either::Right(_) => None,
        };
        let Some(sealed) = next else { break };
        set_idle(shard, lane, site, -1);
        attempt(shard, lane, site, &mut connection, sealed).await;
        set_idle(shard, lane, site, 1);
        freed(shard, lane);
    }
    connection.quit().await;
}

fn count_open<S: Stream>(shard: &Shared<S>, lane: usize, site: usize, change: isize) {
    if let Some(outlet) = shard.borrow_mut().lanes[lane].outlets.get_mut(&site) {
        outlet.open = outlet.open.saturating_add_signed(change);
    }
}

fn set_idle<S: Stream>(shard: &Shared<S>, lane: usize, site: usize, change: isize) {
    if let Some(outlet) = shard.borrow_mut().lanes[lane].outlets.get_mut(&site) {
        outlet.idle = outlet.idle.saturating_add_signed(change);
    }
}

async fn attempt<S: Stream>(shard: &Shared<S>, lane: usize, site: usize, connection: &mut Connection, sealed: Sealed<S>) {
    let (world, journal) = {
        let state = shard.borrow();
        (state.context.world.clone(), state.context.journal.clone())
    };
    let is_stopped = shard.borrow().stopped.contains(&sealed.message.rendered.delivery.due.batch);
    if is_stopped {
        return settle::return_unsent(shard, lane, sealed);
    }
    let Sealed { message, taken } = sealed;
    let attempt = Attempt { number: message.rendered.delivery.due.attempts + 1, source: connection.source(), message };
    let rendered = &attempt.message.rendered;
    let due = rendered.delivery.due.clone();
    let key = FrameKey { job: Some(due.job), message: due.message, attempt: attempt.number };
    {
        let mut state = shard.borrow_mut();
        let is_uncertain = state.frozen.get(&due.job).is_some_and(|frozen| frozen.is_uncertain);
        let (date, sha256, address_version) = (rendered.date, rendered.sha256, rendered.address_version);
        state.frozen.insert(due.job, Frozen { bundle: rendered.bundle, date, sha256, address_version, is_uncertain });
    }
    let appended = world.monotonic();
    let intent = Record::Intent(intent(&attempt.message, attempt.source, connection.peer().ip()));
    let late = world.is_planted(Plant::IntentAfterDot).then(|| intent.clone());
    let mut ticket = None;
    if late.is_none() {
        let Ok(waits) = journal.record(key, intent).await else { return settle::journal_gone(shard, lane, due) };
        ticket = Some(waits).filter(|_| !world.is_planted(Plant::DotBeforeSync));
    }
    let times = shard.borrow().context.times.clone();
    let spent = Cell::new(false);
    let gate = async {
        if let Some(ticket) = ticket
            && ticket.await.is_err()
        {
            return false;
        }
        times.record(stages::COMMIT, world.monotonic() - appended);
        loop {
            let now = world.monotonic();
            let granted = shard.borrow_mut().spend(lane, now);
            match granted {
                Ok(()) => {
                    spent.set(true);
                    return true;
                }
                Err(Some(at)) => world.sleep_until(at).await,
                // The day turned under way and its ceiling is reached: the message goes back into the queue.
                Err(None) => return false,
            }
        }
    };
    let delivery: Delivery = connection.deliver(&attempt.message, gate).await;
    if let Some(intent) = late {
        let _ = journal.record(key, intent).await;
    }
    let ended = world.monotonic();
    times.record(stages::CONVERSATION, ended - appended);
    times.record(stages::DELIVERY, ended - taken);
    if !spent.get() {
        shard.borrow_mut().give_back(lane);
    }
    settle::attempted(shard, lane, site, &attempt, delivery, connection).await;
}

fn intent<S: Stream>(message: &SealedMessage<S>, source: Option<IpAddr>, peer: IpAddr) -> Intent {
    let rendered = &message.rendered;
    Intent {
        bundle: rendered.bundle,
        address_version: rendered.address_version,
        date: rendered.date,
        sha256: rendered.sha256,
        source,
        peer,
    }
}
