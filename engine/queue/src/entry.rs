//! What the queue keeps of one job: 64 bytes.
//!
//! ```text
//!  0 job 8 │ 8 locator 8 │ 16 due 8 │ 24 deadline 8 │ 32 destination 4 │ 36 batch 4 │ 40 links 16 │
//! 56 attempts 2 │ 58 message 2 │ 60 priority 1 │ 61 place 1 │ 62 flags 2
//! ```
//! The tenant stands at the batch, the name of the destination in the queue's table. Whole milliseconds, because a
//! deadline that comes back must be the one that went in.

use crate::slab::{Link, Node, Slot};
use model::stage::Locator;
use model::{JobId, MessageVersion, Timestamp};

/// The ring of the due wheel, or of the line it waits in.
pub(crate) const RING_WAIT: usize = 0;
/// The ring of the deadline wheel.
pub(crate) const RING_DEADLINE: usize = 1;

// DESIGN section 4: ten million queued jobs in 2 GiB.
const _: () = assert!(size_of::<Entry>() <= 64);

/// Where a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Place {
    /// The slot is free.
    Nowhere,
    /// Due later: in the due wheel.
    Scheduled,
    /// Due: in its line.
    Waiting,
    /// Handed out.
    InFlight,
    /// Past its deadline, to come out of the next `advance`.
    Late,
}

/// One job.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) job: JobId,
    pub(crate) locator: Locator,
    pub(crate) due: Timestamp,
    pub(crate) deadline: Timestamp,
    pub(crate) destination: u32,
    pub(crate) batch: Slot,
    pub(crate) links: [Link; 2],
    pub(crate) attempts: u16,
    pub(crate) message: MessageVersion,
    pub(crate) priority: u8,
    pub(crate) place: Place,
    pub(crate) frozen: bool,
    /// Its deadline passed while it was in flight; it is in no deadline list any more.
    pub(crate) overdue: bool,
}

impl Entry {
    /// When a wheel fires for it, in milliseconds. "Expires *after* this moment" is one millisecond later.
    pub(crate) fn time(&self, ring: usize) -> u64 {
        if ring == RING_DEADLINE { self.deadline.0.saturating_add(1) } else { self.due.0 }
    }

    /// What lies in a free slot.
    pub(crate) fn husk(batch: Slot) -> Self {
        Self {
            job: JobId::from_bits(0),
            locator: Locator { segment: 0, offset: 0 },
            due: Timestamp(0),
            deadline: Timestamp(0),
            destination: 0,
            batch,
            links: [Link::default(); 2],
            attempts: 0,
            message: MessageVersion(0),
            priority: 0,
            place: Place::Nowhere,
            frozen: false,
            overdue: false,
        }
    }
}

impl Node for Entry {
    fn link(&self, ring: usize) -> &Link {
        &self.links[ring]
    }
    fn link_mut(&mut self, ring: usize) -> &mut Link {
        &mut self.links[ring]
    }
}
