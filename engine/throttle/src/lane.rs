//! A lane: the limits of one (limit group × source address × stream), and where it stands against them.
//!
//! A message asks twice. [`Lane::permit`] lets work begin (render, seal, MAIL, RCPT); [`Lane::spend`] is asked right
//! before the final dot and is what the receiver counts. A permit that ends without its dot is given back. Permits
//! are only given where their dots will be allowed soon, so that work is not prepared for nothing.
//!
//! A receiver that pushes back slows the lane, caps it or suspends it; it then recovers in steps, not at once.

use crate::bucket::Bucket;
use crate::limits::{Limits, Provenance, Sourced};
use crate::units::Rate;
use model::Monotonic;
use model::stage::Permit;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How far ahead of its dot a message may begin: covers rendering, sealing and the conversation up to 354.
const PREPARE_AHEAD: Duration = Duration::from_millis(250);

/// Why a lane is suspended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SuspendReason {
    /// The receiver told us to wait: the stable word of the cause. The lane recovers in steps.
    Receiver(String),
    /// The receiver cannot be reached: the stable word of the cause. The lane recovers in steps.
    Unreachable(String),
    /// An operator said so, with these words.
    Operator(String),
    /// The address may not send any more today.
    CeilingReached,
}

impl fmt::Display for SuspendReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Receiver(cause) => write!(f, "the receiver said {cause}"),
            Self::Unreachable(cause) => write!(f, "the receiver cannot be reached ({cause})"),
            Self::Operator(words) => write!(f, "an operator suspended it: {words}"),
            Self::CeilingReached => f.write_str("the address reached its ceiling for today"),
        }
    }
}

/// Why a lane may not go on right now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// It is suspended.
    Suspended {
        /// Until then.
        until: Monotonic,
        /// Why.
        why: SuspendReason,
    },
    /// Enough messages are in preparation; one must end first.
    InHand {
        /// Permits out.
        permits: u32,
        /// How many may be out.
        limit: u32,
    },
    /// A message rate is used up.
    Rate {
        /// Ask again then.
        until: Monotonic,
        /// Which rate.
        rule: Sourced<Rate>,
    },
    /// All connections are in use.
    Connections {
        /// Open or opening.
        in_use: u32,
        /// How many may be.
        limit: u32,
        /// Which rule says so.
        from: Provenance,
    },
    /// The rate of new connections is used up.
    ConnectRate {
        /// Ask again then.
        until: Monotonic,
        /// Which rate.
        rule: Sourced<Rate>,
    },
}

impl Wait {
    /// When to ask again; `None` where something must end first.
    pub fn until(&self) -> Option<Monotonic> {
        match self {
            Self::Suspended { until, .. } | Self::Rate { until, .. } | Self::ConnectRate { until, .. } => Some(*until),
            Self::InHand { .. } | Self::Connections { .. } => None,
        }
    }
}

/// A rate and its state.
#[derive(Debug, Clone)]
struct Metered {
    rule: Sourced<Rate>,
    bucket: Bucket,
}

impl Metered {
    fn new(rule: &Sourced<Rate>, now: Monotonic, quiet_since: Monotonic) -> Self {
        let is_full = now.since(quiet_since) > rule.value.window();
        let bucket = if is_full { Bucket::full(rule.value, now) } else { Bucket::drained(rule.value, now) };
        Self { rule: rule.clone(), bucket }
    }

    /// Keeps the state where the rate is the same; another rate starts drained.
    fn carry(rule: &Sourced<Rate>, old: Option<&Self>, now: Monotonic) -> Self {
        match old {
            Some(old) if old.rule.value == rule.value => Self { rule: rule.clone(), bucket: old.bucket },
            _ => Self::new(rule, now, now),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Slow {
    divisor: u32,
    until: Monotonic,
}

/// An absolute limit for a while: "one connection, one a minute".
#[derive(Debug, Clone)]
struct Cap {
    rate: Option<Metered>,
    connections: Option<u32>,
    until: Monotonic,
}

/// One lane. Not shared: it lives on its shard.
#[derive(Debug, Clone)]
pub struct Lane {
    limits: Arc<Limits>,
    rates: Vec<Metered>,
    connect_rate: Option<Metered>,
    connections: u32,
    permits: u32,
    slow: Option<Slow>,
    cap: Option<Cap>,
    suspended: Option<(Monotonic, SuspendReason)>,
}

impl Lane {
    /// A lane whose bursts count as just spent: safe after a restart.
    pub fn new(limits: impl Into<Arc<Limits>>, now: Monotonic) -> Self {
        Self::quiet_since(limits, now, now)
    }

    /// A lane that surely sent nothing since then (the process started then, and lanes are kept): a rate whose whole
    /// window has passed begins with its burst at hand, so that the first message to a rare receiver does not wait.
    pub fn quiet_since(limits: impl Into<Arc<Limits>>, now: Monotonic, quiet_since: Monotonic) -> Self {
        let limits = limits.into();
        Self {
            rates: limits.rates.iter().map(|rule| Metered::new(rule, now, quiet_since)).collect(),
            connect_rate: limits.connect_rate.as_ref().map(|rule| Metered::new(rule, now, quiet_since)),
            limits,
            connections: 0,
            permits: 0,
            slow: None,
            cap: None,
            suspended: None,
        }
    }

    /// Takes other limits (a reload). What was spent stays spent; connections and permits stay out.
    pub fn reshape(&mut self, limits: impl Into<Arc<Limits>>, now: Monotonic) {
        let limits = limits.into();
        let old = std::mem::take(&mut self.rates);
        let same = |rule: &Sourced<Rate>| old.iter().find(|metered| metered.rule.value == rule.value);
        self.rates = limits.rates.iter().map(|rule| Metered::carry(rule, same(rule), now)).collect();
        let old_connect = self.connect_rate.take();
        self.connect_rate = limits.connect_rate.as_ref().map(|rule| Metered::carry(rule, old_connect.as_ref(), now));
        self.limits = limits;
        self.set_divisors();
    }

    /// Lets one more message begin.
    ///
    /// # Errors
    /// Why not now, and when to ask again.
    pub fn permit(&mut self, now: Monotonic) -> Result<Permit, Wait> {
        self.settle(now);
        match self.message_wait(now) {
            Some(wait) => Err(wait),
            None => {
                self.permits += 1;
                Ok(Permit::attest())
            }
        }
    }

    /// A permit ended without its final dot (not sent, refused earlier, put back).
    pub fn give_back(&mut self) {
        debug_assert!(self.permits > 0, "a permit was given back twice");
        self.permits = self.permits.saturating_sub(1);
    }

    /// Spends the limit for a permit that is out, right before its final dot. On success the permit is used up.
    ///
    /// # Errors
    /// The moment before which the dot must not be written; the permit stays out and nothing is spent.
    pub fn spend(&mut self, now: Monotonic) -> Result<(), Monotonic> {
        self.settle(now);
        // All or none: a rate that refuses must not cost the others anything.
        if let Some(latest) = self.metered().map(|metered| metered.bucket.not_before(now, 0)).max().filter(|latest| *latest > now) {
            return Err(latest);
        }
        let cap = self.cap.iter_mut().filter_map(|cap| cap.rate.as_mut());
        for metered in self.rates.iter_mut().chain(cap) {
            metered.bucket.spend(now).expect("every bucket conforms, as was just asked");
        }
        self.give_back();
        Ok(())
    }

    /// Whether one more connection may be opened now.
    ///
    /// # Errors
    /// Why not, and when to ask again.
    pub fn may_connect(&mut self, now: Monotonic) -> Result<(), Wait> {
        self.settle(now);
        self.connect_wait(now).map_or(Ok(()), Err)
    }

    /// A connection begins: call it when the attempt starts, because the receiver counts attempts.
    pub fn connected(&mut self, now: Monotonic) {
        self.connections += 1;
        if let Some(metered) = &mut self.connect_rate {
            // Asked by `may_connect` in the same step; a caller that did not ask is refused nothing but delays the next one.
            let _refused = metered.bucket.spend(now);
        }
    }

    /// A connection is gone, or its attempt failed.
    pub fn disconnected(&mut self) {
        debug_assert!(self.connections > 0, "a connection was closed twice");
        self.connections = self.connections.saturating_sub(1);
    }

    /// Whether a connection that carried so many messages must be closed.
    pub fn connection_is_used_up(&self, messages: u32) -> bool {
        self.limits.messages_per_connection.as_ref().is_some_and(|limit| messages >= limit.value)
    }

    /// Makes the lane `factor` times slower until then; after that it doubles its pace step by step.
    pub fn slow_down(&mut self, factor: u32, until: Monotonic) {
        let slow = self.slow.get_or_insert(Slow { divisor: 1, until });
        slow.divisor = slow.divisor.max(factor);
        slow.until = slow.until.max(until);
        self.set_divisors();
    }

    /// Holds the lane to a rate and a number of connections until then, beside its own limits.
    pub fn cap(&mut self, rate: Option<Rate>, connections: Option<u32>, until: Monotonic, now: Monotonic) {
        let until = self.cap.as_ref().map_or(until, |cap| cap.until.max(until));
        let rule = rate.map(Sourced::built_in);
        let old = self.cap.take().and_then(|cap| cap.rate);
        let rate = rule.map(|rule| Metered::carry(&rule, old.as_ref(), now));
        self.cap = Some(Cap { rate, connections, until });
    }

    /// Stops the lane until then: no permits, no connections. A longer suspension already in force stays. Messages that
    /// have their permit may still write their dot: they are on the wire, and breaking them off helps nobody.
    pub fn suspend(&mut self, until: Monotonic, why: SuspendReason) {
        if self.suspended.as_ref().is_none_or(|(current, _)| *current < until) {
            self.suspended = Some((until, why));
        }
    }

    /// Ends a suspension early (an operator). The lane still recovers in steps where the receiver had asked for it.
    pub fn resume(&mut self, now: Monotonic) {
        if let Some((until, _)) = &mut self.suspended {
            *until = now;
        }
        self.settle(now);
    }

    /// Everything that holds the lane back now, the strongest first; empty where it may go on.
    pub fn waits(&self, now: Monotonic) -> Vec<Wait> {
        let mut lane = self.clone();
        lane.settle(now);
        let suspended = lane.suspension_wait();
        let connect = lane.full_wait().or_else(|| lane.connect_rate_wait(now));
        let message = lane.in_hand_wait().or_else(|| lane.rate_wait(now, lane.permits));
        suspended.into_iter().chain(connect).chain(message).collect()
    }

    /// The limits that hold.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Connections open or opening.
    pub fn connections(&self) -> u32 {
        self.connections
    }

    /// Permits out.
    pub fn permits(&self) -> u32 {
        self.permits
    }

    /// How many times slower than configured it runs now.
    pub fn slowed(&self) -> u32 {
        self.slow.map_or(1, |slow| slow.divisor)
    }

    fn message_wait(&self, now: Monotonic) -> Option<Wait> {
        self.suspension_wait().or_else(|| self.in_hand_wait()).or_else(|| self.rate_wait(now, self.permits))
    }

    fn connect_wait(&self, now: Monotonic) -> Option<Wait> {
        self.suspension_wait().or_else(|| self.full_wait()).or_else(|| self.connect_rate_wait(now))
    }

    fn suspension_wait(&self) -> Option<Wait> {
        self.suspended.as_ref().map(|(until, why)| Wait::Suspended { until: *until, why: why.clone() })
    }

    fn in_hand_wait(&self) -> Option<Wait> {
        let limit = self.connection_limit().saturating_mul(self.limits.messages_in_hand.value);
        (self.permits >= limit).then_some(Wait::InHand { permits: self.permits, limit })
    }

    /// The rate whose dot for one more message, after `ahead` others, lies furthest beyond the time to prepare it.
    fn rate_wait(&self, now: Monotonic, ahead: u32) -> Option<Wait> {
        let (dot, metered) = self
            .metered()
            .map(|metered| (metered.bucket.not_before(now, ahead), metered))
            .max_by_key(|(dot, _)| *dot)
            .filter(|(dot, _)| *dot > now + PREPARE_AHEAD)?;
        let until = Monotonic(dot.0.saturating_sub(u64::try_from(PREPARE_AHEAD.as_nanos()).unwrap_or(0)));
        Some(Wait::Rate { until, rule: metered.rule.clone() })
    }

    /// The rates that count messages: the configured ones and the cap's.
    fn metered(&self) -> impl Iterator<Item = &Metered> {
        self.rates.iter().chain(self.cap.iter().filter_map(|cap| cap.rate.as_ref()))
    }

    fn full_wait(&self) -> Option<Wait> {
        let limit = self.connection_limit();
        (self.connections >= limit).then(|| Wait::Connections {
            in_use: self.connections,
            limit,
            from: self.limits.connections.from.clone(),
        })
    }

    fn connect_rate_wait(&self, now: Monotonic) -> Option<Wait> {
        let metered = self.connect_rate.as_ref().filter(|metered| !metered.bucket.conforms(now))?;
        Some(Wait::ConnectRate { until: metered.bucket.not_before(now, 0), rule: metered.rule.clone() })
    }

    fn connection_limit(&self) -> u32 {
        let slowed = (self.limits.connections.value / self.slowed()).max(1);
        self.cap.as_ref().and_then(|cap| cap.connections).map_or(slowed, |capped| capped.min(slowed).max(1))
    }

    /// Lets what is over be over: suspensions end, slow-downs ease step by step, caps fall.
    fn settle(&mut self, now: Monotonic) {
        if let Some((until, why)) = self.suspended.take_if(|(until, _)| *until <= now)
            && matches!(why, SuspendReason::Receiver(_) | SuspendReason::Unreachable(_))
        {
            self.slow_down(self.limits.recovery_divisor.value, until + self.limits.recovery_step.value);
        }
        while let Some(slow) = self.slow.as_mut().filter(|slow| slow.until <= now) {
            slow.divisor /= 2;
            slow.until = slow.until + self.limits.recovery_step.value;
            if slow.divisor <= 1 {
                self.slow = None;
            }
            self.set_divisors();
        }
        self.cap.take_if(|cap| cap.until <= now);
    }

    fn set_divisors(&mut self) {
        let divisor = self.slowed();
        for metered in self.rates.iter_mut().chain(&mut self.connect_rate) {
            metered.bucket.set_divisor(divisor);
        }
    }
}
