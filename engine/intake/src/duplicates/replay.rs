//! From the record to the index: what a start, or a rebuild, learns from the journal's tail.
//!
//! A head's key binds with its batch's commit, or at once where the batch is rolling. What has no commit at the end never counts. A key
//! is remembered from the moment its job was due, which is the moment of admission.

use super::entry::{Day, KeyEntry};
use super::{Health, KeyIndex, Origin};
use model::record::{Head, HeadRow, Record};
use model::{BatchId, JobId};
use std::collections::BTreeSet;

/// Follows the record from a position on.
#[derive(Debug)]
pub struct Replay {
    /// Batches whose heads bind by themselves.
    rolling: BTreeSet<BatchId>,
    today: Day,
}

impl Replay {
    /// `rolling` are the rolling batches that were opened before the place where this begins.
    pub fn new(rolling: BTreeSet<BatchId>, today: Day) -> Self {
        Self { rolling, today }
    }

    /// Takes the next records, each with the job it is about, all of which lie behind `position`.
    pub fn see<'r>(&mut self, index: &mut KeyIndex, position: u64, records: impl IntoIterator<Item = (Option<JobId>, &'r Record)>) {
        index.reached.replay(Some(position));
        for (job, record) in records {
            match record {
                Record::BatchOpen(open) if open.rolling => drop(self.rolling.insert(open.batch)),
                Record::Head(head) => self.head(index, head, job),
                Record::BatchCommit(commit) => index.commit_from(Origin::Record, commit.batch),
                Record::BatchDiscard { batch, .. } => index.discard_from(Origin::Record, *batch),
                _ => {}
            }
        }
    }

    /// There is no more: what is not committed is forgotten, and the index answers.
    pub fn finish(self, index: &mut KeyIndex) {
        let open: Vec<BatchId> = index.pending.keys().filter(|(origin, _)| *origin == Origin::Record).map(|(_, batch)| *batch).collect();
        open.into_iter().for_each(|batch| index.discard_from(Origin::Record, batch));
        index.reached.replay(None);
        // Damage that a merge came upon meanwhile stays: the next thing is a rebuild.
        if index.health == Health::Rebuilding {
            index.health = Health::Whole;
        }
    }

    fn head(&self, index: &mut KeyIndex, head: &Head, job: Option<JobId>) {
        let day = Day::of(head.due);
        if index.storage.as_ref().is_some_and(|storage| storage.is_past(day, self.today)) {
            return;
        }
        // Rows that were grouped into one message have a key each.
        for row in head.rows() {
            let HeadRow { row, key, content, .. } = row;
            let entry = KeyEntry { tenant: head.tenant, key, content, batch: head.batch, day, job, row: u32::try_from(row).ok() };
            if self.rolling.contains(&head.batch) {
                index.bind_entry(&entry, index.reached.of(Origin::Record));
            } else {
                index.reserve_from(Origin::Record, &entry);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Repeat;
    use super::*;
    use model::record::{BatchCommit, BatchOpen, Intake};
    use model::{BundleId, Fingerprint, MoneySummary, Presentation, Protection, StreamName, TenantId, Timestamp};

    #[test]
    fn each_row_of_a_grouped_job_is_a_key_that_names_it() {
        let (batch, job, of) = (BatchId::new(1, 1), JobId::new(1, 7), |number: u8| Fingerprint([number; 16]));
        let mut head = Head {
            batch,
            tenant: TenantId(1),
            row: 1,
            key: of(1),
            content: of(101),
            recipient: None,
            destination: None,
            bundle: BundleId([0; 32]),
            protection: Protection::TlsVerified,
            priority: 1,
            due: Timestamp(0),
            deadline: Timestamp(1),
            statements: 1,
            money: MoneySummary::default(),
            held: None,
            presentation: Presentation::default(),
            supersedes: None,
            further: Vec::new(),
            language_unmet: false,
        };
        for number in [2, 3] {
            let (key, content) = (of(number), of(100 + number));
            head.add_row(HeadRow { row: u64::from(number), key, content, money: MoneySummary::default(), supersedes: None });
        }
        let (tenant, stream, format) = (TenantId(1), StreamName::Transactional, "ndjson".to_owned());
        let open = BatchOpen { batch, tenant, stream, file_sha256: None, format, at: Timestamp(0), rolling: false };
        let commit = BatchCommit { batch, at: Timestamp(0), intake: Intake::default(), held: false };
        let records = [(None, Record::BatchOpen(open)), (Some(job), Record::Head(head)), (None, Record::BatchCommit(commit))];
        let mut index = KeyIndex::in_memory();
        let mut replay = Replay::new(BTreeSet::new(), Day(0));
        replay.see(&mut index, 0, records.iter().map(|(job, record)| (*job, record)));
        replay.finish(&mut index);
        for number in 1..=4 {
            let candidate = KeyEntry {
                tenant,
                key: of(number),
                content: of(100 + number),
                batch: BatchId::new(1, 2),
                day: Day(0),
                job: None,
                row: None,
            };
            let found = index.look_up(&candidate).expect("memory answers");
            let expected = (number < 4).then_some((job, of(100 + number)));
            let found = found.map(|repeat| match repeat {
                Repeat::Same(known) => (known.job.expect("the record says which"), known.content),
                Repeat::Conflict(_) => panic!("the content is the same"),
            });
            assert_eq!(found, expected, "key {number}");
        }
    }
}
