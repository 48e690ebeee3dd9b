//! What would become of a batch if it were handed in now: protection, language, paper, gates, and how long it would take.
//!
//! Time is reckoned with the limits of today and the ceilings of the warm-up, from one limit group to the next, as if every receiver were
//! there and answered at once: it takes at least so long. MX hosts are not asked, so destinations that share them count apart.

use super::Trouble;
use crate::config::Config;
use crate::gating::read_history;
use crate::settings::{Sources, TenantGates};
use intake::gates::{GateFinding, Pairs, Present, Subject, judge};
use journal::KeyRing;
use model::stage::Job;
use model::{Stream, StreamName, TenantId, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use throttle::Shaping;

/// A day of the warm-up.
const DAY: Duration = Duration::from_secs(86_400);
/// A batch that takes longer than this is not sent under these limits.
const DAYS_MAX: u64 = 400;

/// Counts of the jobs of a batch.
#[derive(Debug, Default)]
pub(super) struct Prediction {
    protection: BTreeMap<String, u64>,
    language: BTreeMap<String, u64>,
    detail: BTreeMap<String, u64>,
    paper: BTreeMap<String, u64>,
    destinations: BTreeMap<String, u64>,
    pub(super) pairs: Pairs,
}

impl Prediction {
    /// Counts a job.
    pub(super) fn add<S: Stream>(&mut self, job: &Job<S>) {
        let count = |into: &mut BTreeMap<String, u64>, word: String| *into.entry(word).or_default() += 1;
        let presentation = job.data.presentation;
        if let Some(paper) = presentation.paper {
            return count(&mut self.paper, paper.to_string());
        }
        let protection = serde_json::to_value(job.head.protection).ok();
        count(&mut self.protection, protection.and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default());
        count(&mut self.detail, presentation.detail.to_string());
        let language = job.data.recipient.as_ref().and_then(|recipient| recipient.language.as_ref());
        count(&mut self.language, language.map_or_else(|| "not_stated".to_owned(), |language| language.primary().to_owned()));
        if let Some(destination) = &job.head.destination
            && job.head.held.is_none()
        {
            count(&mut self.destinations, destination.to_string());
        }
    }

    /// Who goes with which address.
    pub(super) fn pair<S: Stream>(&mut self, subject: Option<Subject>, job: Option<&Job<S>>) {
        let Some(subject) = subject else { return };
        let to = job.and_then(|job| Some((&job.data.recipient.as_ref()?.mailbox, job.head.recipient?)));
        self.pairs.add(subject, to);
    }

    /// In words of JSON.
    pub(super) fn as_json(&self, findings: &[GateFinding], finish: &Finish) -> Value {
        json!({
            "protection": self.protection,
            "language": self.language,
            "detail": self.detail,
            "paper": self.paper,
            "destinations": self.destinations.len(),
            "messages": self.destinations.values().sum::<u64>(),
            "gates": findings,
            "takes_at_least_seconds": finish.span.as_secs(),
            "slowest": finish.slowest,
            "warm_up_days": finish.days,
        })
    }

    /// How long its messages take at least.
    pub(super) fn finish(&self, shaping: &Shaping, sources: Option<&Sources>, stream: StreamName, now: Timestamp) -> Finish {
        let addresses = sources.map_or(1, |sources| sources.addresses().len().max(1)) as u128;
        let mut finish = Finish::default();
        for (destination, messages) in &self.destinations {
            let limits = shaping.limits(shaping.limit_group(destination, &[]).as_str(), destination);
            for rate in limits.rates.iter().map(|rate| &rate.value) {
                // What is beyond the burst goes at the steady rate; each source address has a lane of its own.
                let beyond = u128::from(*messages).saturating_sub(u128::from(rate.burst()) * addresses);
                let nanos = beyond * rate.window().as_nanos() / (u128::from(rate.count()).max(1) * addresses);
                let span = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
                if span > finish.span {
                    finish.span = span;
                    finish.slowest = Some(destination.clone());
                }
            }
        }
        finish.days = self.days(sources, stream, now);
        if finish.days > 1 {
            finish.span = finish.span.max(DAY * u32::try_from(finish.days - 1).unwrap_or(u32::MAX));
        }
        finish
    }

    /// Days of warm-up that its messages need; 1 where one is enough, or no address has a ceiling.
    fn days(&self, sources: Option<&Sources>, stream: StreamName, now: Timestamp) -> u64 {
        let mut left: u64 = self.destinations.values().sum();
        let Some(pools) = sources.and_then(Sources::pools) else { return 1 };
        let all = pools.addresses(stream);
        for day in 1..=DAYS_MAX {
            let at = now + DAY * u32::try_from(day - 1).unwrap_or(u32::MAX);
            let mut today = 0u64;
            for address in &all {
                match pools.ceiling(address, at) {
                    Some(ceiling) => today = today.saturating_add(ceiling),
                    None => return day,
                }
            }
            left = left.saturating_sub(today);
            if left == 0 {
                return day;
            }
        }
        DAYS_MAX
    }
}

/// When it would be done.
#[derive(Debug, Default)]
pub(super) struct Finish {
    span: Duration,
    slowest: Option<String>,
    days: u64,
}

/// What the gates of a drop folder would say, against the cycles that are remembered.
#[allow(clippy::too_many_arguments, reason = "one call site")]
pub(super) fn gates(
    config: &Config,
    keys: &KeyRing,
    tenant: TenantId,
    stream: StreamName,
    gates: &TenantGates,
    present: &Present<'_>,
) -> Vec<GateFinding> {
    let history = read_history(&config.paths.gates, keys, tenant, stream);
    judge(&gates.dropped, present, &history)
}

/// The tenant's number and its fingerprints, where the installation has met it.
///
/// # Errors
/// There is a key ring, and it cannot be opened: nothing sealed could be read, and the prediction would be about another installation.
pub(super) fn known_tenant(config: &Config, name: &str) -> Result<Option<(KeyRing, TenantId)>, Trouble> {
    let world = world::World::real();
    if !world.disk().exists(&config.paths.key_ring) {
        return Ok(None);
    }
    let keys =
        KeyRing::open_to_read(&world, &config.paths.key_ring, &crate::assembly::key_source(&config.keys)).map_err(Trouble::failed)?;
    Ok(keys.known_tenant(name).map(|tenant| (keys, tenant)))
}
