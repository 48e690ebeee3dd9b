//! What an attempt led to: recorded, counted, back into the queue or out of it.
//!
//! Every path that ends a delivery goes through here, so that record, queue, live counters and lane never
//! disagree: first the record's frame is appended, then the queue moves. The frame of an outcome is not
//! waited for: after a crash without it the job is `uncertain`, which is the truth (invariant 10).

use super::lane::{Sealed, freed};
use super::{Arrival, Order, Shard, Shared};
use crate::plants;
use crate::prepare::Unprepared;
use egress::{ConnectFailure, Connection, Delivery, DnsTrouble, NoConnection};
use model::record::{AttemptEnd, BatchVerb, FrameKey, Record, StateChange};
use model::stage::{Attempt, DueDelivery, Outcome};
use model::state::HoldReason;
use model::{BatchId, Monotonic, Reply, State, Stream, Timestamp};
use outcome::{Action, Cause, Decision, Evidence, Feedback, Phase, Standing, Trouble};
use queue::Scope;
use std::rc::Rc;
use std::time::Duration;
use throttle::SuspendReason;
use world::Plant;

/// How long a message waits whose tenant's contact data cannot be read.
const CONTACTS_PAUSE: Duration = Duration::from_secs(60);
/// How long a site rests after none of its hosts could be reached, where no rule says otherwise.
const SITE_REST: Duration = Duration::from_secs(60);
/// How long a domain that does not exist is not looked up again for jobs that come later. Each of them waits so long at most to learn
/// its end, and name servers are asked once in that time, however many come.
const NAMELESS_REST: Duration = Duration::from_secs(5);

/// A deadline passed while the job waited.
pub(super) async fn expire<S: Stream>(shard: &Shared<S>, due: DueDelivery<S>) {
    change(shard, due, State::Queued, State::Expired, None, "deadline").await;
}

/// A worker could not prepare the message, or found that it must not go this way any more.
pub(super) async fn unprepared<S: Stream>(shard: &Shared<S>, due: DueDelivery<S>, why: Unprepared) {
    match why {
        Unprepared::Hold(reason) => change(shard, due, State::InFlight, State::Held, Some(reason), reason.as_str()).await,
        Unprepared::Paper(reason) => {
            // It was under way here alone: of no attempt is there a word in the record.
            {
                let mut state = shard.borrow_mut();
                state.step_progress(due.batch, State::InFlight, State::Queued);
                state.under_way -= 1;
            }
            change(shard, due, State::Queued, State::ToPaper, None, reason.as_str()).await;
        }
        Unprepared::Elsewhere(destination) => {
            let moved = shard.borrow_mut().queue.redirect(&due, &destination);
            tracing::debug!(target: "sealpost::queue", job = %due.job, moved, "its address lies in another destination now");
            requeue(shard, due, None);
        }
        Unprepared::NotNow => {
            let again = shard.borrow().context.world.wall() + CONTACTS_PAUSE;
            requeue(shard, due, Some(again));
        }
    }
}

/// The journal refuses: the job stays as the record last knew it, and the engine is stopping.
pub(super) fn journal_gone<S: Stream>(shard: &Shared<S>, lane: usize, due: DueDelivery<S>) {
    {
        let mut state = shard.borrow_mut();
        state.give_back(lane);
        state.draining = true;
    }
    requeue(shard, due, None);
}

/// A sealed message that was never bound to a connection goes back; no frame was written for it.
pub(super) fn return_unsent<S: Stream>(shard: &Shared<S>, lane: usize, sealed: Sealed<S>) {
    shard.borrow_mut().give_back(lane);
    requeue(shard, sealed.message.rendered.delivery.due, None);
}

/// Puts a delivery back into the queue; one of a batch that was cancelled meanwhile is recorded as cancelled.
pub(super) fn requeue<S: Stream>(shard: &Shared<S>, due: DueDelivery<S>, at: Option<Timestamp>) {
    let (cancelled, world) = {
        let mut state = shard.borrow_mut();
        state.step_progress(due.batch, State::InFlight, State::Queued);
        state.under_way -= 1;
        let wall = state.context.world.wall();
        let early = |at: Timestamp| if state.context.world.is_planted(Plant::DueIgnored) { wall + at.since(wall) / 2 } else { at };
        let at = at.map_or(wall, early);
        let (attempts, frozen) = (due.attempts, state.frozen.contains_key(&due.job));
        let cancelled = state.queue.put_back(due, at, attempts, frozen);
        state.wake();
        (cancelled, state.context.world.clone())
    };
    if let Some(due) = cancelled {
        let shard = Rc::clone(shard);
        world.spawn_local(async move { change(&shard, due, State::Queued, State::Cancelled, None, "operator").await });
    }
}

/// The attempt was answered, or broke.
pub(super) async fn attempted<S: Stream>(
    shard: &Shared<S>,
    lane: usize,
    site: usize,
    attempt: &Attempt<S>,
    delivery: Delivery,
    connection: &Connection,
) {
    let due = attempt.message.rendered.delivery.due.clone();
    let (phase, reply, trouble, last_byte_written) = match delivery {
        Delivery::Answered { phase, reply, last_byte_written } => (phase_of(phase), Some(reply), None, last_byte_written),
        Delivery::Broken { phase, trouble, last_byte_written } => (phase_of(phase), None, Some(trouble_of(trouble)), last_byte_written),
    };
    let world = shard.borrow().context.world.clone();
    let last_byte_written = last_byte_written && !(reply.is_none() && world.is_planted(Plant::LostReplyNotSent));
    let mut decision = shard.borrow_mut().decide(&due, site, phase, reply.as_ref(), trouble, last_byte_written);
    plants::misjudge(&world, &mut decision, reply.as_ref(), world.wall());
    let end = AttemptEnd {
        at: world.wall(),
        state: decision.state,
        held: decision.held,
        due: decision.due,
        code: reply.as_ref().map(|reply| reply.code),
        enhanced: reply.as_ref().and_then(|reply| reply.enhanced),
        cause: decision.cause.as_str().to_owned(),
        source: connection.source(),
        peer: Some(connection.peer().ip()),
        proof: Some(connection.proof().clone()),
    };
    let mut due = due;
    due.attempts = attempt.number;
    settle(shard, Outcome { due, end, last_byte_written }).await;
    feed_back(shard, lane, site, decision.cause, decision.feedback);
}

/// No host of the site could be reached; every message that waits for it is decided by its own standing.
pub(super) async fn unreachable<S: Stream>(shard: &Shared<S>, lane: usize, site: usize, none: &NoConnection) {
    let others = shard.borrow().lanes[lane].outlets.get(&site).map_or(0, |outlet| outlet.open);
    let failure = none.decisive();
    let name = shard.borrow().sites[site].site.name.clone();
    tracing::info!(target: "sealpost::egress", site = %name, failure = ?failure, others, "no connection");
    let reply = failure.and_then(ConnectFailure::reply);
    let phase = failure.map_or(Phase::Connect, |failure| phase_of(failure.phase()));
    let trouble = match failure {
        Some(failure) => failure.trouble().map(trouble_of),
        // No target fits the source address's family.
        None => Some(Trouble::Unreachable),
    };
    if others > 0 {
        // The site serves us on other connections: this one was too many, its messages stay in line.
        return;
    }
    let mut rest = None;
    loop {
        let next = shard.borrow().lanes[lane].outlets.get(&site).and_then(|outlet| outlet.served.try_recv());
        let Some(sealed) = next else { break };
        shard.borrow_mut().give_back(lane);
        let mut due = sealed.message.rendered.delivery.due;
        let decision = shard.borrow_mut().decide(&due, site, phase, reply, trouble, false);
        due.attempts += 1;
        rest = Some(rest.unwrap_or(Timestamp(u64::MAX)).min(decision.due.unwrap_or(Timestamp(u64::MAX))));
        let end = AttemptEnd {
            at: shard.borrow().context.world.wall(),
            state: decision.state,
            held: decision.held,
            due: decision.due,
            code: reply.map(|reply| reply.code),
            enhanced: reply.and_then(|reply| reply.enhanced),
            cause: decision.cause.as_str().to_owned(),
            source: shard.borrow().lanes[lane].source.ip,
            peer: failure.map(|failure| failure.target().address.ip()),
            proof: None,
        };
        settle(shard, Outcome { due, end, last_byte_written: false }).await;
    }
    let mut state = shard.borrow_mut();
    let latest = state.context.world.wall() + SITE_REST;
    state.rest(site, rest.filter(|at| at.0 < u64::MAX).map_or(latest, |at| at.min(latest)));
    state.wake();
}

/// A destination that does not exist or accepts no mail: its jobs end here.
pub(super) async fn undeliverable<S: Stream>(shard: &Shared<S>, destination: u32, trouble: &DnsTrouble) {
    let nowhere = shard.borrow_mut().nowhere();
    shard.borrow_mut().queue.set_home(destination, nowhere);
    loop {
        let now = shard.borrow().context.world.wall();
        let next = shard.borrow_mut().queue.take(nowhere, now);
        let Some(mut due) = next else { break };
        due.attempts += 1;
        let end = AttemptEnd {
            at: shard.borrow().context.world.wall(),
            state: State::Bounced,
            held: None,
            due: None,
            code: None,
            enhanced: Some(trouble.enhanced()),
            cause: trouble.as_str().to_owned(),
            source: None,
            peer: None,
            proof: None,
        };
        shard.borrow_mut().under_way += 1;
        shard.borrow().step_progress(due.batch, State::Queued, State::InFlight);
        settle(shard, Outcome { due, end, last_byte_written: false }).await;
    }
    // Looked up anew when further jobs for it come.
    let mut state = shard.borrow_mut();
    let again = state.context.world.wall() + NAMELESS_REST;
    state.queue.resolve_later(destination, again);
}

/// Obeys an operator: hold, release or cancel a batch.
pub(super) async fn obey<S: Stream>(shard: &Shared<S>, order: Order) {
    let queued = u64::try_from(shard.borrow().context.accounts.batch(order.batch).jobs(State::Queued)).unwrap_or(0);
    match order.verb {
        BatchVerb::Hold | BatchVerb::Cancel => drop(shard.borrow_mut().stopped.insert(order.batch)),
        BatchVerb::Release => drop(shard.borrow_mut().stopped.remove(&order.batch)),
        BatchVerb::Paper => {}
    }
    let touched = match order.verb {
        BatchVerb::Hold => {
            shard.borrow_mut().queue.suspend(Scope::Batch(order.batch));
            queued
        }
        BatchVerb::Release => {
            shard.borrow_mut().queue.resume(Scope::Batch(order.batch));
            queued
        }
        BatchVerb::Cancel => {
            shard.borrow_mut().cancelled.insert(order.batch);
            cancel(shard, order.batch).await
        }
        // What goes on paper is in no queue.
        BatchVerb::Paper => 0,
    };
    // The operator may have gone; the order is carried out all the same.
    let _ = order.done.send(touched);
}

async fn cancel<S: Stream>(shard: &Shared<S>, batch: BatchId) -> u64 {
    let jobs = shard.borrow_mut().queue.cancel(batch);
    let count = jobs.len() as u64;
    for due in jobs {
        change(shard, due, State::Queued, State::Cancelled, None, "operator").await;
    }
    count
}

/// A job of a batch that was cancelled before it came, or while a correction had it: it never enters the queue.
pub(super) async fn cancel_arrival<S: Stream>(shard: &Shared<S>, arrival: &Arrival<S>) {
    let at = shard.borrow().context.world.wall();
    let key = FrameKey { job: Some(arrival.job.job()), message: arrival.message, attempt: 0 };
    let change = StateChange { at, state: State::Cancelled, held: None, due: None, cause: "operator".to_owned() };
    note(shard, key, Record::Change(change)).await;
    shard.borrow().step_progress(arrival.job.batch(), State::Queued, State::Cancelled);
}

async fn change<S: Stream>(shard: &Shared<S>, due: DueDelivery<S>, from: State, to: State, held: Option<HoldReason>, cause: &str) {
    let at = shard.borrow().context.world.wall();
    let key = FrameKey { job: Some(due.job), message: due.message, attempt: 0 };
    note(shard, key, Record::Change(StateChange { at, state: to, held, due: None, cause: cause.to_owned() })).await;
    let mut state = shard.borrow_mut();
    state.step_progress(due.batch, from, to);
    if from == State::InFlight {
        state.under_way -= 1;
    }
    state.frozen.remove(&due.job);
    state.queue.finish(due);
}

/// Records the end of an attempt, then moves the job.
async fn settle<S: Stream>(shard: &Shared<S>, outcome: Outcome<S>) {
    let Outcome { due, end, last_byte_written } = outcome;
    let key = FrameKey { job: Some(due.job), message: due.message, attempt: due.attempts };
    let (to, again) = (end.state, end.due);
    if !(last_byte_written && shard.borrow().context.world.is_planted(Plant::OutcomeNotWritten)) {
        note(shard, key, if last_byte_written { Record::Outcome(end) } else { Record::NotSent(end) }).await;
    }
    match (to, again) {
        (State::Queued, again) => requeue(shard, due, again),
        (State::Uncertain, Some(again)) => {
            if let Some(frozen) = shard.borrow_mut().frozen.get_mut(&due.job) {
                frozen.is_uncertain = true;
            }
            let at = shard.borrow().context.world.wall();
            let change = StateChange { at, state: State::Queued, held: None, due: Some(again), cause: "resend".to_owned() };
            note(shard, key, Record::Change(change)).await;
            requeue(shard, due, Some(again));
        }
        _ => {
            let mut state = shard.borrow_mut();
            state.step_progress(due.batch, State::InFlight, to);
            state.under_way -= 1;
            state.frozen.remove(&due.job);
            state.queue.finish(due);
        }
    }
}

/// Appends a record. Where the journal refuses, the shard drains: nothing is lost that was durable.
async fn note<S: Stream>(shard: &Shared<S>, key: FrameKey, record: Record) {
    let journal = shard.borrow().context.journal.clone();
    if journal.record(key, record).await.is_err() {
        let mut state = shard.borrow_mut();
        state.draining = true;
        state.wake();
    }
}

/// Does what the end of an attempt asks of its lane, or of every lane to the same receiver.
fn feed_back<S: Stream>(shard: &Shared<S>, lane: usize, site: usize, cause: Cause, feedback: Option<Feedback>) {
    if let Some(feedback) = feedback {
        let mut state = shard.borrow_mut();
        if feedback.page {
            let site = &state.sites[site].site.name;
            tracing::error!(target: "sealpost::outcome", %site, "a receiver refuses for a reason that does not pass by itself; look at its replies");
        }
        let now = state.context.world.monotonic();
        let lanes = match feedback.scope {
            outcome::Scope::Site => state.groups[state.sites[site].group].lanes.clone(),
            _ => vec![lane],
        };
        for lane in lanes {
            act(&mut state.lanes[lane].throttle, feedback.action, cause, now);
        }
    }
    freed(shard, lane);
}

fn act(lane: &mut throttle::Lane, action: Option<Action>, cause: Cause, now: Monotonic) {
    match action {
        Some(Action::Suspend(span)) => lane.suspend(now + span, SuspendReason::Receiver(cause.as_str().to_owned())),
        Some(Action::Slow { factor, span }) => lane.slow_down(factor, now + span),
        Some(Action::Cap { messages, connections, span }) => {
            let rate = messages.and_then(|(count, window)| throttle::Rate::new(count, window));
            lane.cap(rate, connections, now + span, now);
        }
        None => {}
    }
}

fn phase_of(phase: egress::Phase) -> Phase {
    match phase {
        egress::Phase::Connect => Phase::Connect,
        egress::Phase::Tls => Phase::Tls,
        egress::Phase::Greeting => Phase::Greeting,
        egress::Phase::Mail => Phase::Mail,
        egress::Phase::Rcpt => Phase::Rcpt,
        egress::Phase::Data => Phase::Data,
        egress::Phase::FinalDot => Phase::FinalDot,
    }
}

/// The stages do not know each other: the wiring translates.
fn trouble_of(trouble: egress::Trouble) -> Trouble {
    match trouble {
        egress::Trouble::ConnectionRefused => Trouble::ConnectionRefused,
        egress::Trouble::Unreachable => Trouble::Unreachable,
        egress::Trouble::SourceUnavailable => Trouble::SourceUnavailable,
        egress::Trouble::Timeout => Trouble::Timeout,
        egress::Trouble::ConnectionLost => Trouble::ConnectionLost,
        egress::Trouble::PeerMisbehaved => Trouble::PeerMisbehaved,
        egress::Trouble::ProtectionUnavailable => Trouble::ProtectionUnavailable,
        egress::Trouble::TlsFailed(egress::TlsTrouble::Certificate) => Trouble::TlsCertificate,
        egress::Trouble::TlsFailed(egress::TlsTrouble::Handshake) => Trouble::TlsHandshake,
        egress::Trouble::TooLarge => Trouble::TooLarge,
        egress::Trouble::Malformed => Trouble::Malformed,
        egress::Trouble::Stopped => Trouble::Stopped,
    }
}

impl<S: Stream> Shard<S> {
    fn decide(
        &mut self,
        due: &DueDelivery<S>,
        site: usize,
        phase: Phase,
        reply: Option<&Reply>,
        trouble: Option<Trouble>,
        last_byte_written: bool,
    ) -> Decision {
        let context = &self.context;
        let mut jitter = [0; 8];
        context.world.fill_random(&mut jitter);
        let evidence = Evidence { phase, reply, trouble, last_byte_written, mx_hosts: &self.sites[site].site.mx_hosts };
        let standing = Standing {
            now: context.world.wall(),
            attempts: due.attempts,
            deadline: due.deadline,
            retry: &context.settings.retry,
            uncertain: context.settings.uncertain,
            jitter: u64::from_le_bytes(jitter),
        };
        context.rules.decide(&evidence, &standing)
    }
}
