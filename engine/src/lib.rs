//! The engine of sealpost: wiring only.
//!
//! The stages are crates beside this one and never import each other; [`pipeline`] alone knows their order. `engine/README.md`
//! tells promises, acknowledgement point, crash story, backpressure and shutdown order; the map of the crates is in `README.md`.
//!
//! ```text
//! cli ─► config ─► assembly ─► engine ─► pipeline<S> ─► shard, prepare, projection
//!                               ▲  ▲
//!            control, backup ───┘  └─── files, door
//! ```

pub mod accounts;
pub mod assembly;
pub mod backup;
mod claims;
pub mod cli;
pub mod config;
pub mod contact_store;
pub mod contacts;
pub mod control;
pub mod door;
pub mod drop;
pub mod engine;
pub mod environment;
pub mod files;
mod gating;
pub mod input;
mod memory;
mod narrowing;
pub mod openpgp;
pub mod orders;
pub mod paper;
pub mod paper_key;
pub mod pipeline;
mod plants;
mod prepare;
pub mod projection;
pub mod rebuild;
mod receipts;
mod recheck;
mod rejects;
pub mod renderers;
pub mod repeats;
mod restoration;
pub mod settings;
mod shard;
pub mod shipped;
mod source;
pub mod stages;
mod superseding;
pub mod template_store;
mod templates;
mod wording;
