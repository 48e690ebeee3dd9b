//! From the record to the index: what a start, or a rebuild, learns from the journal's tail.
//!
//! A head's key binds with its batch's commit, or at once where the batch is rolling. What has no commit at the end never counts. A key
//! is remembered from the moment its job was due, which is the moment of admission.

use super::entry::{Day, KeyEntry};
use super::{Health, KeyIndex, Origin};
use model::record::{Head, Record};
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
        let entry = KeyEntry { tenant: head.tenant, key: head.key, content: head.content, batch: head.batch, day: Day::of(head.due), job };
        if index.storage.as_ref().is_some_and(|storage| storage.is_past(entry.day, self.today)) {
            return;
        }
        if self.rolling.contains(&head.batch) {
            index.bind_entry(&entry, index.reached.of(Origin::Record));
        } else {
            index.reserve_from(Origin::Record, &entry);
        }
    }
}
