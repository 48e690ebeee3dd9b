//! DNS, TLS, connections, the conversation: a sealed message reaches its receiver, protected as it requires.
//!
//! ```text
//! Destination ─ SiteResolver ─► Site { targets } ─ Connection::open ─► Connection ─ deliver(message, gate) ─► Delivery
//! ```
//!
//! It promises:
//! - **Never downgrade** (invariant 7). A connection that does not reach the required protection is not opened; a message is
//!   not sent over a connection weaker than it requires. Plaintext needs a message that allows it, a route that says so, and
//!   a loopback address, all three.
//! - **The final dot waits** (invariant 10). [`Connection::deliver`] takes a gate, a future that is true once the intent is
//!   durable and the limit is spent. Without it the last byte is not written, and every [`Delivery`] says whether it was.
//! - Permanent and temporary DNS failures are told apart; a public name cannot lead us to a private or loopback address.
//!
//! It leaves to others: when to try and from which address (throttle, ipreputation), what a reply means (outcome), retries,
//! how many connections there are. Deliberately absent: opportunistic TLS, AUTH, BDAT, MTA-STS and DANE (each would be a further
//! way to reach [`model::Protection::TlsVerified`]).

pub mod config;
pub mod connection;
pub mod dial;
pub mod dns;
pub mod ending;
pub mod route;
pub mod site;
pub mod tls;
pub mod trouble;

pub use config::{EgressConfig, Timeouts};
pub use connection::Connection;
pub use dial::{NoConnection, open_first};
pub use dns::resolver::{ResolverConfig, SiteResolver};
pub use dns::{DnsTrouble, LookupFailure, MxRecord, Resolve};
pub use ending::{ConnectFailure, Delivery};
pub use route::{Route, RouteConfig, RouteError, Routes};
pub use site::{Site, Target};
pub use smtp::EhloName;
pub use tls::{TlsContext, TlsContextError};
pub use trouble::{Phase, Scope, Severity, TlsTrouble, Trouble};
