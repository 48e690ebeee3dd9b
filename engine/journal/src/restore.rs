//! A journal that an operator vouched for: what may have been sent since it was copied is said, before anything is sent.
//!
//! ```text
//! 1  the mark is set       from here on a start without an operator's word refuses, whatever else is already done
//! 2  the epoch is raised   beyond all that is known and by a leap: a lost original may have made starts that nobody knows of
//! 3  the numbers leap      jobs and batches of the time that is lost have had theirs, and Message-IDs are made of them
//! 4  the jobs              each one that is not settled gets a change with the cause `restored`
//! 5  the restoration       a frame with the operator, the reason and the count
//! 6  the mark is taken off
//! ```
//!
//! A crash leaves the mark, and the next start with the operator's word begins again; a job that is uncertain already stays so.
//!
//! What the engine would send by itself (queued, in flight) becomes uncertain, and the stream's rule decides: resend or hold. What waits
//! for a person stays where it is, for a rule that resends must never send what a person held back;
//! the change says that it too may have been sent.
//!
//! Batches without a commit stay undecided for good: it may have been lost with the time after the copy.

use crate::bounds::{EPOCHS_SKIPPED_MIN, EPOCHS_SKIPPED_SPREAD};
use crate::error::JournalError;
use crate::journal::Journal;
use crate::recovery::Recovered;
use crate::stale::{Stale, Vouch};
use model::record::{FrameKey, Record, Restoration, StateChange};
use model::{MessageVersion, State, Stream};
use world::World;

/// A stale journal and the word for it.
pub(crate) struct Vouched {
    pub(crate) stale: Stale,
    pub(crate) vouch: Vouch,
}

/// How many starts are left out.
pub(crate) fn epochs_skipped(world: &World) -> u32 {
    let mut random = [0u8; 4];
    world.fill_random(&mut random);
    EPOCHS_SKIPPED_MIN + u32::from_le_bytes(random) % EPOCHS_SKIPPED_SPREAD
}

/// Steps 4 and 5. All of it is durable when it returns.
pub(crate) async fn note<S: Stream>(
    world: &World,
    journal: &Journal<S>,
    recovered: &mut Recovered<S>,
    vouched: Vouched,
) -> Result<(), JournalError> {
    let at = world.wall();
    for job in &mut recovered.jobs {
        job.state = match job.state {
            State::Queued | State::InFlight => State::Uncertain,
            other => other,
        };
        let change = StateChange { at, state: job.state, held: job.held, due: None, cause: StateChange::RESTORED.to_owned() };
        let key = FrameKey { job: Some(job.job.id), message: job.message, attempt: job.attempts };
        // The sync below covers them all.
        drop(journal.record(key, Record::Change(change)).await?);
    }
    let Vouched { stale, vouch } = vouched;
    let restoration = Restoration {
        at,
        by: vouch.by,
        reason: vouch.reason,
        directory_epoch: stale.directory_epoch,
        known_epoch: stale.known_epoch,
        uncertain: recovered.jobs.len() as u64,
    };
    let key = FrameKey { job: None, message: MessageVersion(0), attempt: 0 };
    journal.record(key, Record::Restored(restoration)).await?.await
}
