//! A new checkpoint from the one before it and what the record says behind that: two rows by rising id, merged item by item.
//!
//! The checkpoint before is never in memory as a whole. A job that nothing happened to is passed on as its bytes.

use super::delta::{Delta, apply_batch};
use super::reader::{CheckpointFault, CheckpointReader};
use super::stored::{self, Item, Summary};
use super::writer::CheckpointWriter;
use super::{CheckpointHeader, unfinished};
use crate::error::JournalError;
use crate::key_ring::KeyHandle;
use crate::recovery::standing::BatchEntry;
use crate::recovery::{Maxima, raise};
use model::{BatchId, JobId, Timestamp};
use std::collections::BTreeSet;
use std::future::Future;
use std::path::Path;
use world::Disk;

/// Bytes written between two breaths.
const BREATH_BYTES: u64 = 1024 * 1024;

/// Why there is no new checkpoint.
#[derive(Debug)]
pub(crate) enum MergeFault {
    /// The one before it is of no use.
    Before(CheckpointFault),
    /// It could not be written.
    Write(JournalError),
    /// The journal ends.
    Stopped,
}

impl From<JournalError> for MergeFault {
    fn from(error: JournalError) -> Self {
        Self::Write(error)
    }
}

impl From<CheckpointFault> for MergeFault {
    fn from(fault: CheckpointFault) -> Self {
        Self::Before(fault)
    }
}

/// What was written.
#[derive(Debug)]
pub(crate) struct Merged {
    pub(crate) bytes: u64,
}

/// Where and under which key a checkpoint is written.
pub(crate) struct Target<'disk> {
    pub(crate) disk: &'disk dyn Disk,
    pub(crate) folder: &'disk Path,
    pub(crate) header: CheckpointHeader,
    pub(crate) key: KeyHandle,
    /// The first record segment that is still there: what went before it needs no mention.
    pub(crate) first_segment: u32,
}

/// Writes the checkpoint that `header` names. Durable under its name when it returns; on any error there is nothing but an unfinished file.
/// `breathe` is awaited between stretches of work and says whether to go on.
pub(crate) async fn merge<F: Future<Output = bool>>(
    target: Target<'_>,
    before: Option<CheckpointReader>,
    delta: Delta,
    breathe: impl Fn() -> F,
) -> Result<Merged, MergeFault> {
    let (disk, folder, through) = (target.disk, target.folder, target.header.covered.through);
    let merged = write(target, before, delta, breathe).await;
    if merged.is_err() {
        // It may not be there, or the disk may refuse: the next start sweeps.
        let _ = disk.remove_file(&unfinished(folder, through));
    }
    merged
}

async fn write<F: Future<Output = bool>>(
    target: Target<'_>,
    mut before: Option<CheckpointReader>,
    delta: Delta,
    breathe: impl Fn() -> F,
) -> Result<Merged, MergeFault> {
    let Delta { batches, jobs, discarded, jobs_max, batches_max, segments, is_restored } = delta;
    let old = match &mut before {
        Some(before) => match before.next()? {
            Some(Item::Summary(summary)) => summary,
            _ => return Err(CheckpointFault::Damaged("it does not begin with its summary").into()),
        },
        None => Summary::default(),
    };
    let summary = summed(old, jobs_max, batches_max, segments, target.first_segment);
    let mut out = CheckpointWriter::new(target.disk, target.folder.to_owned(), target.header, target.key.cipher)?;
    out.summary(&summary)?;
    let mut rows = Rows { batches: batches.into_iter().peekable(), jobs: jobs.into_iter().peekable(), discarded, is_restored };
    let mut breath = out.written();
    while let Some(before) = &mut before {
        let Some((kind, bytes)) = before.next_raw()? else { break };
        match kind {
            stored::BATCH => {
                let Item::Batch(id, entry) = stored::item(kind, bytes).map_err(CheckpointFault::from)? else { unreachable!("by its kind") };
                rows.batches_below(id, &mut out)?;
                rows.batch(id, *entry, &mut out)?;
            }
            stored::JOB => {
                rows.all_batches(&mut out)?;
                let (id, batch) = stored::job_front(bytes).map_err(CheckpointFault::from)?;
                rows.jobs_below(id, &mut out)?;
                rows.job(id, batch, bytes, &mut out)?;
            }
            _ => {}
        }
        if out.written() >= breath + BREATH_BYTES {
            breath = out.written();
            if !breathe().await {
                return Err(MergeFault::Stopped);
            }
        }
    }
    rows.all_batches(&mut out)?;
    rows.all_jobs(&mut out)?;
    if !breathe().await {
        return Err(MergeFault::Stopped);
    }
    let bytes = out.finish()?;
    Ok(Merged { bytes })
}

type BatchRow = std::iter::Peekable<std::collections::btree_map::IntoIter<BatchId, Vec<crate::recovery::standing::BatchEvent>>>;
type JobRow = std::iter::Peekable<std::collections::btree_map::IntoIter<JobId, super::delta::JobDelta>>;

/// What happened, by rising id, as far as it is not merged yet.
struct Rows {
    batches: BatchRow,
    jobs: JobRow,
    discarded: BTreeSet<BatchId>,
    is_restored: bool,
}

impl Rows {
    fn batch(&mut self, id: BatchId, entry: BatchEntry, out: &mut CheckpointWriter<'_>) -> Result<(), JournalError> {
        let events = self.batches.next_if(|(of, _)| *of == id).map_or_else(Vec::new, |(_, events)| events);
        let entry = apply_batch(entry, id, events, self.is_restored);
        if entry.is_empty() { Ok(()) } else { out.batch(id, &entry) }
    }

    fn batches_below(&mut self, id: BatchId, out: &mut CheckpointWriter<'_>) -> Result<(), JournalError> {
        while let Some(new) = self.batches.peek().map(|(new, _)| *new).filter(|new| *new < id) {
            self.batch(new, BatchEntry::default(), out)?;
        }
        Ok(())
    }

    fn all_batches(&mut self, out: &mut CheckpointWriter<'_>) -> Result<(), JournalError> {
        while let Some(new) = self.batches.peek().map(|(new, _)| *new) {
            self.batch(new, BatchEntry::default(), out)?;
        }
        Ok(())
    }

    fn job(&mut self, id: JobId, batch: BatchId, bytes: &[u8], out: &mut CheckpointWriter<'_>) -> Result<(), MergeFault> {
        let happened = self.jobs.next_if(|(of, _)| *of == id);
        if self.discarded.contains(&batch) {
            return Ok(());
        }
        let Some((_, happened)) = happened else { return Ok(out.job_as_it_is(bytes)?) };
        let (_, before) = stored::job(bytes).map_err(CheckpointFault::from)?;
        match happened.apply(Some(before), &self.discarded) {
            Some(job) => Ok(out.job(id, &job)?),
            None => Ok(()),
        }
    }

    fn jobs_below(&mut self, id: JobId, out: &mut CheckpointWriter<'_>) -> Result<(), JournalError> {
        while let Some((new, happened)) = self.jobs.next_if(|(new, _)| *new < id) {
            if let Some(job) = happened.apply(None, &self.discarded) {
                out.job(new, &job)?;
            }
        }
        Ok(())
    }

    fn all_jobs(&mut self, out: &mut CheckpointWriter<'_>) -> Result<(), JournalError> {
        for (new, happened) in self.jobs.by_ref() {
            if let Some(job) = happened.apply(None, &self.discarded) {
                out.job(new, &job)?;
            }
        }
        Ok(())
    }
}

fn summed(old: Summary, jobs_max: Maxima, batches_max: Maxima, segments: Vec<(u32, Option<Timestamp>)>, first_segment: u32) -> Summary {
    let mut summary = old;
    for (node, sequence) in jobs_max {
        raise(&mut summary.jobs_max, node, sequence);
    }
    for (node, sequence) in batches_max {
        raise(&mut summary.batches_max, node, sequence);
    }
    for (segment, latest) in segments {
        // One that tells no moment is not older than the one before it.
        let before = summary.segments.last().map_or(Timestamp(0), |(_, moment)| *moment);
        summary.segments.push((segment, latest.unwrap_or(before)));
    }
    summary.segments.retain(|(segment, _)| *segment >= first_segment);
    summary
}
