//! What the record says behind a checkpoint, kept as small as the merge needs it.
//!
//! Of a job that begins here its head as bytes, of any job what happened to it; a job that begins and settles here leaves nothing. So it
//! needs at most about the bytes of the frames it was made from, and mostly far less.

use super::stored::moment_of;
use crate::record;
use crate::recovery::standing::{BatchEntry, BatchEvent, Events, JobChange, JobEvent, JobStanding};
use crate::recovery::{Maxima, Seen, raise};
use model::record::Head;
use model::stage::Locator;
use model::{BatchId, JobId, StreamName, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub(crate) struct Delta {
    pub(super) batches: BTreeMap<BatchId, Vec<BatchEvent>>,
    pub(super) jobs: BTreeMap<JobId, JobDelta>,
    /// Batches that were given up: their jobs go.
    pub(super) discarded: BTreeSet<BatchId>,
    pub(super) jobs_max: Maxima,
    pub(super) batches_max: Maxima,
    /// Of each segment: the latest moment told in it.
    pub(super) segments: Vec<(u32, Option<Timestamp>)>,
    /// The journal was put back from a copy behind the checkpoint: nobody knows what became of batches that were open in it.
    pub(super) is_restored: bool,
}

/// What happened to one job.
#[derive(Default)]
pub(super) struct JobDelta {
    /// Locator and head, encoded, where it begins here.
    begun: Option<(BatchId, Box<[u8]>)>,
    events: Vec<JobEvent>,
}

impl Delta {
    /// The frames that come now are of this segment.
    pub(crate) fn enter(&mut self, segment: u32) {
        self.segments.push((segment, None));
    }

    pub(crate) fn take(&mut self, stream: StreamName, seen: Seen) {
        if let (Some(moment), Some((_, latest))) = (moment_of(&seen.decoded), self.segments.last_mut()) {
            *latest = (*latest).max(Some(moment));
        }
        let Events { batch, job, is_restoration } = Events::of(stream, seen);
        if is_restoration {
            self.is_restored = true;
            self.batches.values_mut().for_each(|events| events.push(BatchEvent::TrackLost));
        }
        if let Some((id, event)) = batch {
            self.take_batch(id, event);
        }
        if let Some((id, event)) = job {
            self.take_job(id, event);
        }
    }

    fn take_batch(&mut self, id: BatchId, event: BatchEvent) {
        if event.names() {
            raise(&mut self.batches_max, id.node(), id.sequence());
        }
        if matches!(event, BatchEvent::Discard) {
            self.discarded.insert(id);
        }
        let events = self.batches.entry(id).or_default();
        // Only the first head of a batch can tell anything of it, and only where its opening or its end does not stand before.
        let is_told = events.iter().any(|event| event.names() || matches!(event, BatchEvent::Discard));
        if !(is_told && matches!(event, BatchEvent::Named { .. })) {
            events.push(event);
        }
    }

    fn take_job(&mut self, id: JobId, event: JobEvent) {
        match &event.change {
            JobChange::Begins(locator, head) => {
                raise(&mut self.jobs_max, id.node(), id.sequence());
                let mut bytes = Vec::new();
                // What was decoded can be encoded.
                if record::encode_head(*locator, head, &mut bytes).is_ok() {
                    self.jobs.insert(id, JobDelta { begun: Some((head.batch, bytes.into())), events: Vec::new() });
                }
            }
            JobChange::Moves { is_settled: true, .. } => match self.jobs.get_mut(&id) {
                Some(JobDelta { begun: Some(_), .. }) => drop(self.jobs.remove(&id)),
                _ => drop(self.jobs.insert(id, JobDelta { begun: None, events: vec![event] })),
            },
            _ => self.jobs.entry(id).or_default().events.push(event),
        }
    }
}

impl JobDelta {
    /// The job as it stands after all this; `None` where it is settled, was never known, or is of a batch that was given up.
    pub(super) fn apply(self, before: Option<JobStanding>, discarded: &BTreeSet<BatchId>) -> Option<JobStanding> {
        let mut job = match self.begun {
            Some((batch, _)) if discarded.contains(&batch) => return None,
            Some((_, bytes)) => {
                let ((segment, offset, head), _) = postcard::take_from_bytes::<(u32, u32, Head)>(&bytes).ok()?;
                Some(JobStanding::begin(Locator { segment, offset }, head))
            }
            None => before,
        };
        for event in self.events {
            job = JobStanding::after(job, event);
        }
        job.filter(|job| !discarded.contains(&job.head.batch))
    }
}

/// The batch as it stands after all this.
pub(super) fn apply_batch(mut entry: BatchEntry, id: BatchId, events: Vec<BatchEvent>, is_restored: bool) -> BatchEntry {
    // Nothing was told of it before the restoration: it stood then as it stands here.
    if is_restored && !events.iter().any(|event| matches!(event, BatchEvent::TrackLost)) {
        entry.lose_track();
    }
    for event in events {
        entry.take(id, event);
    }
    entry
}
