//! Memory that a start or a large batch freed goes back to the system.
//!
//! The allocator gives it back late, and never where nothing happens ([`allocator`]). An engine whose receivers cannot be reached does
//! nothing for hours, and would hold on to what it needed for a moment. So it is asked for.

use std::time::Duration;
use world::World;

/// What a start or a batch sets off (the ledger that follows, tables that are merged) goes on freeing for a while: asked for twice.
const AFTER: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(10)];

/// Gives back, a moment from now and once more, what was freed until then.
pub(crate) fn give_back_soon(world: &World) {
    let seam = world.clone();
    world.spawn_local(async move {
        for span in AFTER {
            seam.sleep(span).await;
            allocator::give_back();
        }
    });
}
