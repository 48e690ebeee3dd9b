//! What checkers judge: everything a run left behind, from three sides that know nothing of each other.

use crate::books::Taken;
use crate::record::{JobHistory, RecordHistory};
use crate::scenario::{Scenario, SiteKind};
use ledger::BatchReport;
use serde::Serialize;
use std::collections::BTreeMap;
use testkit::{Batch, Row, RowKind};

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The checker.
    pub checker: &'static str,
    /// What it saw, without anything of a person.
    pub what: String,
}

impl Finding {
    pub(crate) fn new(checker: &'static str, what: impl Into<String>) -> Self {
        Self { checker, what: what.into() }
    }
}

/// A finished run.
#[derive(Debug)]
pub struct Evidence {
    /// What the seed meant.
    pub scenario: Scenario,
    /// The batch as it was invented.
    pub batch: Batch,
    /// The kind of each destination's receiver.
    pub kinds: BTreeMap<String, SiteKind>,
    /// What the engine reports.
    pub report: BatchReport,
    /// What its record says.
    pub record: RecordHistory,
    /// What the receivers took.
    pub taken: Vec<Taken>,
    /// What the receivers counted.
    pub counted: sink::Report,
}

/// A statement that must have been sent, or must be known not to be.
pub struct Case<'e> {
    /// Its row.
    pub row: Row,
    /// The kind of its receiver.
    pub kind: SiteKind,
    /// Its job, where the record has one.
    pub job: Option<&'e JobHistory>,
    /// What its recipient's receiver took.
    pub taken: Vec<&'e Taken>,
}

impl Evidence {
    /// Every row that is in order, with all that is known of it.
    pub fn cases(&self) -> impl Iterator<Item = Case<'_>> {
        let of_row: BTreeMap<u64, &JobHistory> = self.record.jobs.values().map(|job| (job.row, job)).collect();
        let mut of_recipient: BTreeMap<&str, Vec<&Taken>> = BTreeMap::new();
        for taken in &self.taken {
            of_recipient.entry(&taken.recipient).or_default().push(taken);
        }
        self.batch.rows().filter(|row| row.kind == RowKind::Plain).filter_map(move |row| {
            let address = row.person.email.reveal();
            let kind = *self.kinds.get(address.rsplit('@').next()?)?;
            let taken = of_recipient.get(address).cloned().unwrap_or_default();
            Some(Case { kind, job: of_row.get(&row.number).copied(), taken, row })
        })
    }
}
