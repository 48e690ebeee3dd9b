//! Benches: one per stage
