//! Gates: what must hold before the first message of a batch.
//!
//! ```text
//! rows ─► Pairs (who got which address, as keyed fingerprints) ─┐
//! counts and money of the batch (Intake) ───────────────────────┼─► judge ─► findings: hold, with numbers and what to do
//! History: what the last cycles of this tenant and stream were ─┘
//! ```
//!
//! Pure: no clock, no file. It promises that a finding says what was found, what was expected and what to do, and names nobody; and
//! that a shifted column, a sorted list, swapped blocks, a list filled down and a join by row number are found (invariant 13) while honest
//! cycles pass: a test with a corpus of mutations, on seeds that set no threshold, holds it to both (at least 99 % found, fewer than 1 %
//! held). It leaves to others: holding the batch, keeping the history sealed, releasing.
//!
//! The surprise: a batch that was held does not enter the history until somebody released it. Else one sheared night would be the
//! measure of the next.

mod crowd;
mod history;
mod pairs;
mod resemblance;
mod settings;
mod shear;
mod volume;

pub use history::{Cycle, History, HistoryError};
pub use pairs::{Pairs, Subject};
pub use settings::{GateSettings, PerMille};

use model::Timestamp;
use model::record::Intake;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A gate. Gates join at the end; the words stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// Too many rows were rejected.
    Rejects,
    /// The file is damaged where no row is: a count that does not fit, an end that is missing.
    FileDamage,
    /// Too many rows have an id that the contact file has under another name.
    MemberMismatch,
    /// More or fewer rows without an address than in the last cycles.
    NoAddress,
    /// More or fewer rows than in the last cycles.
    Rows,
    /// More or less money than in the last cycles.
    Money,
    /// The contact file is old.
    ContactsAge,
    /// The contact file lost rows.
    ContactsShrunk,
    /// Members would get addresses that were other members' before, or claims of others.
    RecordShear,
    /// The tenant wants to see a proof first.
    Proof,
    /// The first messages went; the rest waits.
    Canary,
}

impl Gate {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rejects => "rejects",
            Self::FileDamage => "file_damage",
            Self::MemberMismatch => "member_mismatch",
            Self::NoAddress => "no_address",
            Self::Rows => "rows",
            Self::Money => "money",
            Self::ContactsAge => "contacts_age",
            Self::ContactsShrunk => "contacts_shrunk",
            Self::RecordShear => "record_shear",
            Self::Proof => "proof",
            Self::Canary => "canary",
        }
    }
}

/// Why a batch is held. Numbers and words, nobody's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateFinding {
    /// Which gate.
    pub gate: Gate,
    /// What was found, with its numbers.
    pub found: String,
    /// What would have passed.
    pub expected: String,
    /// What to do.
    pub action: String,
}

impl fmt::Display for GateFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; expected {}; {}", self.gate.as_str(), self.found, self.expected, self.action)
    }
}

/// The contact data that a batch was joined with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContactsSeen {
    /// Its rows.
    pub rows: u64,
    /// When it came.
    pub as_of: Option<Timestamp>,
}

/// What the gates look at.
#[derive(Debug, Clone, Copy)]
pub struct Present<'p> {
    /// How the rows of the batch split.
    pub intake: &'p Intake,
    /// Damage of the file that belongs to no row.
    pub file_findings: u64,
    /// The contact data, where there was any.
    pub contacts: Option<ContactsSeen>,
    /// Who got which address.
    pub pairs: &'p Pairs,
    /// Now.
    pub now: Timestamp,
}

/// What speaks against sending this batch; empty where nothing does.
pub fn judge(settings: &GateSettings, present: &Present<'_>, history: &History) -> Vec<GateFinding> {
    let mut findings = volume::judge(settings, present, history);
    findings.extend(shear::judge(settings, present.pairs, history));
    findings
}

/// What the history keeps of a batch's numbers.
pub fn cycle_of(present: &Present<'_>, history: &History) -> Cycle {
    let intake = present.intake;
    Cycle {
        at: present.now,
        rows: intake.read.rows,
        money: intake.read.money,
        no_address: intake.no_address.rows,
        contacts: present.contacts.map(|contacts| contacts.rows),
        resemblance: present.pairs.resemblance(),
        habit: shear::habit(present.pairs, history),
    }
}
