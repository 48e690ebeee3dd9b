//! What a format makes of one record.

use model::reject::{Place, Reject};
use model::statement::Member;
use model::{LanguageTag, MoneySummary, Private, Statement};
use std::collections::BTreeMap;

/// One record of a file: understood, or rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// A statement.
    Statement(Box<ReadStatement>),
    /// A templated message (marketing stream).
    Templated(Box<ReadTemplated>),
    /// Not understood or not consistent.
    Rejected {
        /// Where and why.
        reject: Reject,
        /// Its amounts, as far as they could be read; else zero.
        money: MoneySummary,
    },
}

/// A statement as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadStatement {
    /// The statement.
    pub statement: Statement,
    /// Where it stands.
    pub place: Place,
    /// Why it is shown but never mailed: a code of [`crate::reason`].
    pub not_mailable: Option<&'static str>,
    /// The same member under a corrected id or name (835 NM1*74 about the patient).
    pub also_known_as: Vec<Member>,
    /// The recipient in the row itself (NDJSON only); goes before the contact file.
    pub recipient: Option<InlineRecipient>,
    /// The sender's idempotency key (NDJSON only).
    pub key: Option<Private>,
}

/// A templated message as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadTemplated {
    /// Name of the template in the bundle.
    pub template: String,
    /// Its variables.
    pub variables: BTreeMap<String, Private>,
    /// Reference of the recipient's written authorization; empty where the row has none.
    pub authorization: Private,
    /// Who receives it.
    pub recipient: InlineRecipient,
    /// The sender's idempotency key.
    pub key: Option<Private>,
    /// Where it stands.
    pub place: Place,
}

/// A recipient named by the row. Not checked yet: a bad address is no reason to reject a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlineRecipient {
    /// The address as typed.
    pub email: Private,
    /// The name to greet; the member's where it is absent.
    pub name: Option<Private>,
    /// The language the person asked for.
    pub language: Option<LanguageTag>,
}

impl Row {
    /// Where it stands.
    pub fn place(&self) -> &Place {
        match self {
            Self::Statement(read) => &read.place,
            Self::Templated(read) => &read.place,
            Self::Rejected { reject, .. } => &reject.place,
        }
    }

    /// What it adds to the sums of the batch.
    pub fn money(&self) -> MoneySummary {
        match self {
            Self::Statement(read) => read.statement.money(),
            Self::Templated(_) => MoneySummary::default(),
            Self::Rejected { money, .. } => *money,
        }
    }
}
