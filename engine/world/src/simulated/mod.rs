//! One thread, a seeded scheduler, a virtual clock.
