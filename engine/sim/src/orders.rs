//! An operator's orders at random moments: hold a batch and release it later, or cancel it.

use crate::notes::{Notes, Obeyed};
use crate::parcel::Parcel;
use model::BatchId;
use model::StreamName;
use model::record::BatchVerb;
use sealpost::engine::Engine;
use std::time::Duration;
use testkit::Random;

const SORT_ORDERS: u64 = 105;
const LIVES_WITH_ORDERS: u64 = 4;
const AT_MAX_MS: u64 = 60_000;
/// More than half of the orders come while most of the batch still waits.
const EARLY_PER_MILLE: u32 = 600;
const EARLY_MAX_MS: u64 = 3_000;
/// A hold is long enough that what was under way before it is through and its effect can be seen.
const HOLD_MIN_S: u64 = 200;
const HOLD_MAX_S: u64 = 400;
/// An order that is refused is given again after this.
const PATIENCE: Duration = Duration::from_secs(20);
const OPERATOR: &str = "operator";

/// One order of one life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedOrder {
    /// Which life, from 0.
    pub life: usize,
    /// When, counted from its start.
    pub at: Duration,
    /// About which parcel.
    pub parcel: usize,
    /// How long it is held; `None` cancels it.
    pub hold: Option<Duration>,
}

/// Orders about the parcels that are files.
pub(crate) fn plan(seed: u64, parcels: &[Parcel]) -> Vec<PlannedOrder> {
    let mut random = Random::of(seed, SORT_ORDERS, 0);
    let files: Vec<usize> = (0..parcels.len()).filter(|parcel| parcels[*parcel].door.is_file()).collect();
    let count = random.between(1, 3);
    let order = |random: &mut Random| PlannedOrder {
        life: random.below(LIVES_WITH_ORDERS) as usize,
        at: Duration::from_millis({
            let latest = if random.chance(EARLY_PER_MILLE) { EARLY_MAX_MS } else { AT_MAX_MS };
            random.below(latest)
        }),
        parcel: *random.pick(&files),
        hold: random.chance(850).then(|| Duration::from_secs(random.between(HOLD_MIN_S, HOLD_MAX_S))),
    };
    let mut orders: Vec<_> = (0..count).map(|_| order(&mut random)).collect();
    orders.sort_by_key(|order| (order.life, order.at));
    orders
}

/// Gives the orders of a life, and releases first what an earlier life left held. Never done.
pub(crate) async fn give(engine: &Engine, orders: &[PlannedOrder], streams: &[StreamName], notes: &Notes) {
    let world = engine.world().clone();
    let started = world.monotonic();
    let left: Vec<usize> = notes.with(|notes| notes.held.clone());
    if !left.is_empty() {
        world.sleep(Duration::from_secs(HOLD_MIN_S)).await;
        for parcel in left {
            release(engine, parcel, streams[parcel], notes).await;
        }
    }
    for order in orders {
        world.sleep_until(started + order.at).await;
        let Some(batch) = notes.with(|notes| notes.batches.get(&order.parcel).copied()) else { continue };
        let (parcel, stream) = (order.parcel, streams[order.parcel]);
        match order.hold {
            Some(span) => {
                notes.with(|notes| notes.held.push(parcel));
                obey(engine, parcel, stream, batch, BatchVerb::Hold, notes).await;
                world.sleep(span).await;
                release(engine, parcel, stream, notes).await;
            }
            None => {
                notes.with(|notes| notes.cancelled.push(parcel));
                obey(engine, parcel, stream, batch, BatchVerb::Cancel, notes).await;
            }
        }
    }
    std::future::pending().await
}

async fn obey(engine: &Engine, parcel: usize, stream: StreamName, batch: BatchId, verb: BatchVerb, notes: &Notes) {
    // Refused by a journal that accepts nothing more: whether it binds, the next life shows.
    if engine.order(stream, batch, verb, OPERATOR.to_owned(), "simulated".to_owned()).await.is_ok() {
        let obeyed = Obeyed { from: engine.world().monotonic(), until: None, is_cancel: verb == BatchVerb::Cancel };
        notes.with(|notes| notes.obeyed.push((parcel, obeyed)));
    }
}

/// Gives the order until it is taken: the batch may not be through the door yet, and a disk that is full refuses it for a while.
async fn release(engine: &Engine, parcel: usize, stream: StreamName, notes: &Notes) {
    loop {
        if let Some(batch) = notes.with(|notes| notes.batches.get(&parcel).copied()) {
            let now = engine.world().monotonic();
            notes.with(|notes| {
                let holds = notes.obeyed.iter_mut().filter(|(of, obeyed)| *of == parcel && !obeyed.is_cancel);
                holds.for_each(|(_, obeyed)| obeyed.until = obeyed.until.or(Some(now)));
            });
            if engine.order(stream, batch, BatchVerb::Release, OPERATOR.to_owned(), "simulated".to_owned()).await.is_ok() {
                notes.with(|notes| notes.held.retain(|held| *held != parcel));
                return;
            }
        }
        engine.world().sleep(PATIENCE).await;
    }
}
