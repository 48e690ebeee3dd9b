//! The seeded simulator: one batch through the true engine, in a world that follows from a number.
//!
//! Engine, journal, key ring, shard, connections and ledger are the ones that run in production; clock, disk, network, randomness and
//! threads are those of [`world::simulated`]. The receivers are [`sink::Sandbox`], a second host of the same world that outlives the
//! engine. A seed decides the batch, the receivers' temper, the weather, and when the engine's host loses its power: in the middle of a
//! change of its disk, at an await point, with a byte of the network, or when a receiver has a message and the engine cannot know.
//!
//! ```text
//! seed ─► Scenario and CrashPlan
//!              │
//!              └► life ─ crash ─ life ─ crash ─ life that ends by itself
//!                  │                             │
//!                  └ disk is searched            └ Evidence: the report, the record read by itself, the receivers' books ─► checkers
//! ```
//!
//! It promises that a seed gives the same run each time ([`Run::trace_hash`]); what breaks that is a finding like any other. It leaves to
//! others: speed, TLS, several shards, and what a receiver of flesh would say.
//!
//! ```no_run
//! let installation = sim::Installation::new().expect("what is shipped can be assembled");
//! let run = sim::simulate(&installation, 42, &sim::Effort::default());
//! assert!(run.findings.is_empty(), "{:?}", run.findings);
//! ```

mod books;
mod checkers;
mod claims_system;
mod crash;
mod disk;
mod evidence;
mod fault;
mod growing;
mod hunt;
mod installation;
mod life;
mod notes;
mod orders;
mod parcel;
mod record;
mod run;
mod said;
mod scenario;
mod stage;

pub use books::Taken;
pub use crash::{CrashPlan, Ending};
pub use evidence::{Case, Evidence, Finding};
pub use fault::Fault;
pub use hunt::{Hunt, hunt};
pub use installation::{Installation, InstallationError};
pub use notes::{Answered, Obeyed, Remembered};
pub use orders::PlannedOrder;
pub use parcel::{Door, Fate, Line, Mark, Parcel};
pub use record::{JobHistory, RecordHistory};
pub use run::{Effort, Run, simulate};
pub use scenario::{Scenario, SiteKind};
pub use stage::Phase;
