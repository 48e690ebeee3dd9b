//! A destination as the queue knows it: where its mail goes, and what waits for it.

use crate::slab::List;
use model::Destination;

/// One receiving domain. It is never forgotten: its number stands in deliveries.
#[derive(Debug)]
pub(crate) struct DestinationRecord {
    pub(crate) name: Destination,
    pub(crate) home: Option<u32>,
    pub(crate) suspended: bool,
    /// It is in the list of those to be resolved, or was handed out from it, or waits to be asked for again.
    pub(crate) asked: bool,
    pub(crate) lines: List,
}
