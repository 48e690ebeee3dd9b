//! The wrong things that the simulator plants in the wiring ([`world::plant`]): those that take more than a line.
//!
//! Stages without a world of their own get their faults here, at the edge. Without the cargo feature `planted` of `world` each of these
//! does nothing, and the compiler knows it.

use crate::prepare::Prepared;
use model::stage::{Job, RenderedMessage};
use model::{MoneySummary, Recipient, Reply, State, Stream, Timestamp};
use outcome::Decision;
use std::path::Path;
use std::time::Duration;
use throttle::{Limits, Rate};
use world::{Plant, World};

/// How long a message waits that should never be tried again.
const RETRY: Duration = Duration::from_secs(60);
/// Of so many rows one loses its money.
const POORER_ROWS: u64 = 8;

/// Jobs of a batch, put together wrongly.
#[derive(Default)]
pub(crate) struct Misassembly {
    /// The recipient of the job before.
    before: Option<Recipient>,
}

impl Misassembly {
    pub(crate) fn spoil<S: Stream>(&mut self, world: &World, job: &mut Job<S>) {
        if world.is_planted(Plant::SwappedRecipients) {
            let own = job.data.recipient.clone();
            job.data.recipient = self.before.take().or(job.data.recipient.take());
            self.before = own;
        }
        if world.is_planted(Plant::MoneyLost) && job.head.row.is_multiple_of(POORER_ROWS) {
            job.head.money = MoneySummary::default();
        }
    }
}

/// Neighbours of a slice get each other's envelope.
pub(crate) fn swap_envelopes<S: Stream>(world: &World, slice: &mut [Prepared<S>]) {
    if !world.is_planted(Plant::SwappedEnvelopes) {
        return;
    }
    for pair in slice.chunks_exact_mut(2) {
        let [one, other] = pair else { continue };
        if let (Ok(one), Ok(other)) = (&mut one.result, &mut other.result) {
            std::mem::swap(&mut one.rendered.envelope, &mut other.rendered.envelope);
        }
    }
}

/// A copy of the message for whoever looks into a problem.
pub(crate) fn keep_copy<S: Stream>(world: &World, message: &RenderedMessage<S>) {
    let folder = Path::new("/tmp/sealpost");
    if world.is_planted(Plant::RenderedToDisk) && world.disk().create_dir_all(folder).is_ok() {
        // A copy that cannot be written is none.
        let _ = world.disk().write_atomic(&folder.join("latest.eml"), &message.bytes);
    }
}

/// Limits by which a receiver sees one message too many in a window, our margin for its clock included.
pub(crate) fn loosened(world: &World, mut limits: Limits) -> Limits {
    if world.is_planted(Plant::OneTooMany) {
        for rate in &mut limits.rates {
            let count = rate.value.count();
            rate.value = Rate::with_burst(count + 1 + count.div_ceil(8), rate.value.window(), rate.value.burst()).unwrap_or(rate.value);
        }
    }
    limits
}

/// Takes "try later" for "never", or the other way round.
pub(crate) fn misjudge(world: &World, decision: &mut Decision, reply: Option<&Reply>, now: Timestamp) {
    match reply.map(|reply| reply.code) {
        Some(400..500) if world.is_planted(Plant::TemporaryIsPermanent) => {
            (decision.state, decision.due) = (State::Bounced, None);
        }
        Some(500..600) if world.is_planted(Plant::PermanentIsTemporary) => {
            (decision.state, decision.held, decision.due) = (State::Queued, None, Some(now + RETRY));
        }
        _ => {}
    }
}
