//! Memory that a start or a large batch freed goes back to the system.
//!
//! The allocator (mimalloc) gives freed pages back a second after they were freed, but only when somebody frees a page then. An engine whose
//! receivers cannot be reached does nothing for hours, and would hold on to what it needed for a moment. So a page is freed on purpose.

use std::hint::black_box;
use std::time::Duration;
use world::World;

/// Longer than the allocator waits.
const AFTER: Duration = Duration::from_millis(1_500);
/// What a start or a batch sets off (the ledger that follows, tables that are merged) goes on freeing for a while.
const ROUNDS: u32 = 8;
/// Large enough to be a page of its own; it is never touched.
const PAGE_BYTES: usize = 4 << 20;

/// Lets the allocator give back, a moment from now, what was freed until now.
pub(crate) fn give_back_soon(world: &World) {
    let seam = world.clone();
    world.spawn_local(async move {
        for _ in 0..ROUNDS {
            seam.sleep(AFTER).await;
            drop(black_box(Vec::<u8>::with_capacity(PAGE_BYTES)));
        }
    });
}
