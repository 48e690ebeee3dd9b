//! What checkers judge: everything a run left behind, from sides that know nothing of each other.

use crate::books::Taken;
use crate::life::Reports;
use crate::notes::Remembered;
use crate::parcel::{Door, Fate, Line, Mark, Parcel};
use crate::record::{JobHistory, RecordHistory};
use crate::scenario::{Scenario, SiteKind};
use model::{BatchId, Fingerprint, StreamName};
use serde::Serialize;
use std::collections::BTreeMap;

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
    /// What the seed meant, and what was handed in.
    pub scenario: Scenario,
    /// The kind of each destination's receiver.
    pub kinds: BTreeMap<String, SiteKind>,
    /// What the engine reports, by batch.
    pub reports: Reports,
    /// What its records say.
    pub records: BTreeMap<StreamName, RecordHistory>,
    /// The lines of the job socket, by the keyed hash of their keys.
    pub socket_keys: BTreeMap<Fingerprint, usize>,
    /// What the receivers took.
    pub taken: Vec<Taken>,
    /// What the receivers counted.
    pub counted: sink::Report,
    /// What the people outside were told.
    pub remembered: Remembered,
    /// Statements that a disk which fails to read may have cost at most: each is held for a person.
    pub unreadable_max: u64,
}

/// A line that must have been sent, or must be known not to be.
pub struct Case<'e> {
    /// Its parcel's number.
    pub parcel: usize,
    /// The line.
    pub line: &'e Line,
    /// The kind of its receiver.
    pub kind: SiteKind,
    /// Its job, where the record has one.
    pub job: Option<&'e JobHistory>,
    /// What its recipient's receiver took of it.
    pub taken: Vec<&'e Taken>,
}

impl Case<'_> {
    /// How findings name it: nothing of a person.
    pub fn name(&self) -> String {
        format!("parcel {} line {} ({})", self.parcel, self.line.number, self.kind.name())
    }
}

impl Evidence {
    /// The stream a parcel goes through.
    pub fn stream(parcel: &Parcel) -> StreamName {
        if parcel.door == Door::Marketing { StreamName::Marketing } else { StreamName::Transactional }
    }

    /// Every line that must be sent, with all that is known of it.
    pub fn cases(&self) -> Vec<Case<'_>> {
        let by_row = self.jobs_by_row();
        let by_line = self.jobs_by_socket_line();
        let mut by_recipient: BTreeMap<&str, Vec<&Taken>> = BTreeMap::new();
        for taken in &self.taken {
            by_recipient.entry(&taken.recipient).or_default().push(taken);
        }
        let parcels = self.scenario.parcels.iter().enumerate();
        let lines =
            parcels.flat_map(|(number, parcel)| parcel.lines.iter().zip(0..).map(move |(line, index)| (number, parcel, line, index)));
        lines
            .filter(|(_, _, line, _)| line.fate == Fate::Sent)
            .filter_map(|(number, parcel, line, index)| {
                let kind = *self.kinds.get(line.email.rsplit('@').next()?)?;
                let job = match parcel.door {
                    Door::Socket => by_line.get(&index).copied(),
                    _ => self.remembered.batches.get(&number).and_then(|batch| by_row.get(&(*batch, line.number)).copied()),
                };
                let taken = by_recipient.get(line.email.as_str()).into_iter().flatten().copied();
                let taken = taken.filter(|taken| is_about(taken, line.mark)).collect();
                Some(Case { parcel: number, line, kind, job, taken })
            })
            .collect()
    }

    fn jobs_by_row(&self) -> BTreeMap<(BatchId, u64), &JobHistory> {
        self.records
            .values()
            .flat_map(|record| record.jobs.values())
            .flat_map(|job| job.rows().map(move |row| ((job.batch, row), job)))
            .collect()
    }

    fn jobs_by_socket_line(&self) -> BTreeMap<usize, &JobHistory> {
        let streamed = self.records.values().flat_map(|record| record.jobs.values().filter(|job| record.rolling.contains(&job.batch)));
        streamed.filter_map(|job| Some((*self.socket_keys.get(&job.key)?, job))).collect()
    }
}

/// Whether a message is one of a line's: it holds its claim, or none where the line has none. What holds the wrong one belongs to nobody.
fn is_about(taken: &Taken, mark: Option<Mark>) -> bool {
    match mark {
        Some(mark) => taken.marks.contains(&mark),
        None => taken.marks.is_empty(),
    }
}
