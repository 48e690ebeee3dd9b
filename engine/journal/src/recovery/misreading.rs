//! What recovery makes of the record where the simulator broke it on purpose ([`world::plant`]); otherwise every frame passes as it is.

use super::Seen;
use crate::record::Decoded;
use model::record::Record;
use world::{Plant, World};

/// Stands between the frames that were read and the replay.
pub(crate) struct Misreading<'world> {
    world: &'world World,
    /// The frame that waits for its successor, where the last one is to be forgotten.
    last: Option<Seen>,
}

impl<'world> Misreading<'world> {
    pub(crate) fn new(world: &'world World) -> Self {
        Self { world, last: None }
    }

    /// The frame to go on with.
    pub(crate) fn pass(&mut self, mut seen: Seen) -> Option<Seen> {
        if let Decoded::Record(record) = &mut seen.decoded {
            match &mut **record {
                Record::Intent(_) if self.world.is_planted(Plant::IntentForgotten) => return None,
                Record::BatchOpen(open) if self.world.is_planted(Plant::UncommittedBinds) => open.rolling = true,
                _ => {}
            }
        }
        if self.world.is_planted(Plant::LastFrameDropped) { self.last.replace(seen) } else { Some(seen) }
    }
}
