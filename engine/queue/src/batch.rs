//! A batch as the queue knows it: what its jobs share.

use crate::slab::{Link, List, Node};
use model::{BatchId, TenantId};

/// A batch with jobs in the queue.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    /// Ring 0 is the slab's own.
    pub(crate) links: [Link; 1],
    pub(crate) id: BatchId,
    pub(crate) tenant: TenantId,
    pub(crate) lines: List,
    /// Jobs in the queue, in flight included. At 0 the batch is forgotten.
    pub(crate) jobs: u64,
    pub(crate) held: bool,
    pub(crate) cancelled: bool,
}

impl Node for Batch {
    fn link(&self, ring: usize) -> &Link {
        &self.links[ring]
    }
    fn link_mut(&mut self, ring: usize) -> &mut Link {
        &mut self.links[ring]
    }
}
