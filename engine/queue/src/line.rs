//! Jobs that are due and wait for the same thing: one destination, one batch, one priority.
//!
//! Holding a batch, suspending a destination or re-homing it moves lines, not jobs. A line is in three lists: the
//! turns of its limit group, the lines of its batch, the lines of its destination.

use crate::slab::{Link, List, Node, Slot};
use model::TenantId;

/// The ring of the turns in a limit group.
pub(crate) const RING_TURN: usize = 0;
/// The ring of the batch's lines.
pub(crate) const RING_BATCH: usize = 1;
/// The ring of the destination's lines.
pub(crate) const RING_DESTINATION: usize = 2;

/// One line.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) links: [Link; 3],
    pub(crate) destination: u32,
    pub(crate) batch: Slot,
    pub(crate) priority: u8,
    pub(crate) tenant: TenantId,
    /// The jobs, first come first.
    pub(crate) jobs: List,
    pub(crate) length: u32,
    /// The group in whose turns it is; `None` while it is held, suspended, unresolved or empty.
    pub(crate) turn_in: Option<u32>,
}

impl Line {
    pub(crate) fn new(destination: u32, batch: Slot, priority: u8, tenant: TenantId) -> Self {
        Self { links: [Link::default(); 3], destination, batch, priority, tenant, jobs: List::default(), length: 0, turn_in: None }
    }

    /// What finds it.
    pub(crate) fn key(&self) -> LineKey {
        (self.destination, self.batch, self.priority)
    }
}

/// Destination, batch, priority.
pub(crate) type LineKey = (u32, Slot, u8);

impl Node for Line {
    fn link(&self, ring: usize) -> &Link {
        &self.links[ring]
    }
    fn link_mut(&mut self, ring: usize) -> &mut Link {
        &mut self.links[ring]
    }
}
