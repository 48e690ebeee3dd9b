//! The seeded simulator
