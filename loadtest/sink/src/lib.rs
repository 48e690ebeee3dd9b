//! The receiving world: MTAs with personalities on loopback addresses, and the DNS that points at them.
//!
//! Thousands of invented destinations (`d00001.example`, …) lie at a few *sites*. Each site is one loopback address with one
//! [`Personality`]: quick, slow, greylisting, refusing, full, rate-limited, connection-limited, closing, dropping, storming, or
//! without usable TLS. A small DNS responder answers for all of them. Engine, load test and simulator
//! deliver into it and compare what they believe with what the [`Report`] counted.
//!
//! ```text
//! d00042.example  MX ─►  mx1.greylisting.example  A ─►  127.10.1.7:2525   STARTTLS with a certificate of the sandbox's own CA
//! ```
//!
//! It promises: what it counts is exact (each accepted Message-ID is counted, so doubles are known; each limit is judged over any
//! sliding window at the final dot); what it decides follows from the seed, so two runs treat the same mail alike;
//! it never leaves 127.0.0.0/8; everything runs on one thread of the given world, real or simulated.
//!
//! It leaves to others: the SMTP machine (`smtp`), clock and sockets (`world`), and what the numbers ought to be.
//!
//! The surprise: a connection lost after the final dot may or may not have delivered ([`Drops`]); the books know, the sender cannot.

mod books;
mod certificates;
pub mod config;
mod conversation;
mod dns;
mod error;
mod judgement;
mod keep;
mod map;
mod message_id;
pub mod personality;
pub mod report;
mod sandbox;

pub use config::{Keep, Mx, SandboxConfig, SiteConfig};
pub use error::SandboxError;
pub use personality::{Drops, Full, Personality, RateLimit, Storm, StormAt, TlsOffer};
pub use report::{DnsReport, Report, SiteReport};
pub use sandbox::{Delivered, OnDelivery, Sandbox};
