//! The items of a checkpoint as bytes: length u32, kind u8, postcard.

use crate::past;
use crate::record::Decoded;
use crate::recovery::Maxima;
use crate::recovery::standing::{BatchEntry, JobStanding};
use model::record::{Intent, Record};
use model::stage::Locator;
use model::state::HoldReason;
use model::{BatchId, JobId, MessageVersion, State, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

pub(super) const SUMMARY: u8 = 1;
pub(super) const BATCH: u8 = 2;
pub(super) const JOB: u8 = 3;
pub(super) const END: u8 = 4;

/// Length and kind.
pub(super) const ITEM_HEADER_BYTES: usize = 5;

/// What stands first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// The highest job number given, by node.
    pub(crate) jobs_max: Maxima,
    /// The highest batch number given, by node.
    pub(crate) batches_max: Maxima,
    /// Of each segment that was still there: the latest moment that is told in it or before it.
    pub(crate) segments: Vec<(u32, Timestamp)>,
}

/// What stands last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct End {
    pub(crate) batches: u64,
    pub(crate) jobs: u64,
}

/// One item.
#[derive(Debug)]
pub(crate) enum Item {
    Summary(Summary),
    Batch(BatchId, Box<BatchEntry>),
    Job(JobId, JobStanding),
    End(End),
}

/// The front of a stored job: enough to pass it on as it is.
pub(super) type JobFront = (JobId, BatchId);

type JobRest = (u32, u32, State, Option<HoldReason>, u16, MessageVersion, Timestamp, Option<Intent>);

/// The bytes are no item that a writer wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ItemFault;

/// Appends an item.
pub(super) fn put(kind: u8, value: &impl Serialize, out: &mut Vec<u8>) -> Result<(), ItemFault> {
    let start = out.len();
    out.extend_from_slice(&[0, 0, 0, 0, kind]);
    *out = postcard::to_extend(value, std::mem::take(out)).map_err(|_| ItemFault)?;
    let length = u32::try_from(out.len() - start - ITEM_HEADER_BYTES).map_err(|_| ItemFault)?;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

/// Appends a job.
pub(super) fn put_job(id: JobId, job: &JobStanding, out: &mut Vec<u8>) -> Result<(), ItemFault> {
    let JobStanding { head, locator, state, held, attempts, message, due, frozen } = job;
    let front: JobFront = (id, head.batch);
    put(JOB, &(front, (locator.segment, locator.offset, state, held, attempts, message, due, frozen.as_deref()), &**head), out)
}

pub(super) fn job_front(bytes: &[u8]) -> Result<JobFront, ItemFault> {
    postcard::take_from_bytes(bytes).map(|(front, _)| front).map_err(|_| ItemFault)
}

pub(super) fn job(bytes: &[u8]) -> Result<(JobId, JobStanding), ItemFault> {
    let (((id, batch), rest), head) = past::before_a_head::<(JobFront, JobRest)>(bytes).ok_or(ItemFault)?;
    if batch != head.batch {
        return Err(ItemFault);
    }
    let (segment, offset, state, held, attempts, message, due, frozen) = rest;
    let locator = Locator { segment, offset };
    Ok((id, JobStanding { head: Arc::new(head), locator, state, held, attempts, message, due, frozen: frozen.map(Box::new) }))
}

/// Decodes one item.
pub(super) fn item(kind: u8, bytes: &[u8]) -> Result<Item, ItemFault> {
    match kind {
        SUMMARY => whole(bytes).map(Item::Summary),
        BATCH => whole(bytes).map(|(id, entry)| Item::Batch(id, Box::new(entry))),
        JOB => job(bytes).map(|(id, job)| Item::Job(id, job)),
        END => whole(bytes).map(Item::End),
        _ => Err(ItemFault),
    }
}

/// Decodes one item of those that stand before the jobs; `None` for all others.
pub(super) fn item_before_jobs(kind: u8, bytes: &[u8]) -> Result<Option<Item>, ItemFault> {
    if matches!(kind, SUMMARY | BATCH) { item(kind, bytes).map(Some) } else { Ok(None) }
}

fn whole<'bytes, T: Deserialize<'bytes>>(bytes: &'bytes [u8]) -> Result<T, ItemFault> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        _ => Err(ItemFault),
    }
}

/// The moment that a record tells, where it tells one.
pub(crate) fn moment_of(decoded: &Decoded) -> Option<Timestamp> {
    let Decoded::Record(record) = decoded else { return None };
    match &**record {
        Record::BatchOpen(open) => Some(open.at),
        Record::BatchCommit(commit) => Some(commit.at),
        Record::BatchDiscard { at, .. } | Record::BatchClose { at, .. } => Some(*at),
        Record::NotSent(end) | Record::Outcome(end) => Some(end.at),
        Record::Change(change) => Some(change.at),
        Record::Operator(action) => Some(action.at),
        Record::KeyDestroyed(destruction) => Some(destruction.at),
        Record::Restored(restoration) => Some(restoration.at),
        Record::Narrowed(narrowing) => Some(narrowing.at),
        Record::Head(_) | Record::Intent(_) => None,
    }
}
