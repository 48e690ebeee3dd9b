//! What is wrong with a row, in words an operator can act on, without any value of the row.

use serde::{Deserialize, Serialize};

/// Where in the input something stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Place {
    /// Row (record) of the file, from 1: a claim of an 835, a line of an NDJSON file.
    pub row: u64,
    /// Line of a text file, from 1.
    pub line: Option<u64>,
    /// Segment of an X12 file, from 1 and counted over the whole file.
    pub segment: Option<u64>,
    /// Field: `CLP03`, `totals.billed`, a column name.
    pub field: Option<String>,
}

/// One row that cannot become a job, or a finding about one that can.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    /// The file's name without its folder.
    pub file: String,
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// A stable code: `amount_malformed`, `claim_unbalanced`.
    pub reason: String,
    /// What was expected. Amounts may stand here where the arithmetic is the message; nothing else of the row may.
    pub expected: String,
    /// What to do about it.
    pub action: String,
}

/// Why a file is refused as a whole (exit code 4 of `send`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {reason}: {expected}; {action}")]
pub struct Refusal {
    /// The file's name without its folder.
    pub file: String,
    /// A stable code: `not_an_835`, `empty_file`.
    pub reason: &'static str,
    /// What was expected.
    pub expected: String,
    /// What to do about it.
    pub action: String,
}
