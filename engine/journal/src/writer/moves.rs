//! The writer's part of moving old jobs ([`crate::moving`]): which segment, which jobs of it, and the frames that make it so.

use super::{Fault, Writer, frames};
use crate::error::JournalError;
use crate::footer::Entry;
use crate::format::{FrameKind, LogKind, SegmentName};
use crate::frame;
use crate::keeper::Errand;
use crate::key_ring::KeyHandle;
use crate::live::LiveJob;
use crate::moving::{Emptying, News};
use crate::record::{self, Move};
use model::stage::Locator;
use model::{JobId, Stream, TenantId};
use std::collections::BTreeSet;
use world::Plant;
use zeroize::Zeroizing;

/// Why a payload stays where it is.
enum Stays {
    /// It was settled or moved meanwhile.
    NotThere,
    /// Its frame does not open, or fits no segment any more. It is as it was.
    Unmovable,
    Fault(Fault),
}

impl From<Fault> for Stays {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refused(_) => Self::Unmovable,
            fatal @ Fault::Fatal(_) => Self::Fault(fatal),
        }
    }
}

impl<S: Stream> Writer<S> {
    /// Takes what the keeper has to tell of old segments, and sees whether one should be emptied.
    pub(super) async fn heed_news(&mut self) {
        while let Some(news) = self.parts.notices.next_news() {
            // After a failure nothing is written any more.
            if self.parts.shared.poison.get().is_some() {
                continue;
            }
            match news {
                News::Closed { segment, jobs, bytes } => self.note_closed(segment, jobs, bytes),
                News::Listed { segment, entries } => self.listed(segment, entries.unwrap_or_default()),
                News::Fetched { segment, frames } => self.fetched(segment, frames).await,
            }
        }
        self.consider_moving();
    }

    /// Begins to empty a segment, where that is due and none is being emptied.
    pub(super) fn consider_moving(&mut self) {
        if self.emptying.is_some() || self.parts.shared.poison.get().is_some() {
            return;
        }
        let Some(segment) = self.parts.occupancy.next() else { return };
        // Where the keeper has no room now, the next group tries again.
        if self.parts.keeper.try_send(Errand::List { segment }).is_ok() {
            self.emptying = Some(Emptying { segment, left: Vec::new() });
        }
    }

    fn note_closed(&mut self, segment: u32, jobs: u64, bytes: u64) {
        let live = self.parts.segments.get(&segment).copied().unwrap_or(0);
        if live > 0 && segment >= self.reclaim_from {
            self.parts.occupancy.close(segment, jobs, bytes, live);
        }
    }

    fn listed(&mut self, segment: u32, mut entries: Vec<Entry>) {
        entries.retain(|entry| self.lies_in(entry.job, segment).is_some());
        entries.reverse();
        // Of a job that was narrowed where it lay, both payloads lie here, and the later one counts.
        let mut seen = BTreeSet::new();
        entries.retain(|entry| seen.insert(entry.job));
        self.emptying = Some(Emptying { segment, left: entries });
        self.ask_for_more();
    }

    /// Asks for the next frames of the segment that is being emptied, or is done with it.
    fn ask_for_more(&mut self) {
        let Some(emptying) = &mut self.emptying else { return };
        let (segment, entries) = (emptying.segment, emptying.take());
        if !entries.is_empty() && self.parts.keeper.try_send(Errand::Fetch { segment, entries }).is_ok() {
            return;
        }
        if self.parts.segments.contains_key(&segment) {
            // A payload that does not open, or a keeper that has no room: it stays until its jobs are settled, or the next start.
            self.parts.occupancy.give_up(segment);
        }
        self.emptying = None;
    }

    async fn fetched(&mut self, segment: u32, frames: Vec<(Entry, Vec<u8>)>) {
        let mut moved = Vec::with_capacity(frames.len());
        for (entry, bytes) in frames {
            match self.put_moved(segment, entry, Zeroizing::new(bytes)).await {
                Ok(to) => moved.push((entry.job, to)),
                Err(Stays::NotThere) => {}
                Err(Stays::Unmovable) => {
                    tracing::warn!(stream = %S::NAME, job = %entry.job, segment, "a payload cannot be moved; its segment stays until the job is settled");
                }
                Err(Stays::Fault(Fault::Fatal(error) | Fault::Refused(error))) => return self.poison(&error),
            }
        }
        if self.parts.world.is_planted(Plant::MoveUnsynced) {
            self.run_errands();
        }
        self.parts.world.disk_turn().await;
        if let Err(error) = self.flush(true) {
            return self.poison(&error.into());
        }
        // Now the new places are durable, and so is the word about them: readers learn of them before the old segment goes.
        for (job, to) in moved {
            self.parts.shared.relocated.insert(job, to);
        }
        self.run_errands();
        self.ask_for_more();
    }

    /// Appends the payload of a job again and says so in the record.
    async fn put_moved(&mut self, segment: u32, entry: Entry, mut bytes: Zeroizing<Vec<u8>>) -> Result<Locator, Stays> {
        let job = self.lies_in(entry.job, segment).ok_or(Stays::NotThere)?;
        let batch = self.parts.batches.get(job.batch).ok_or(Stays::NotThere)?;
        let (tenant, record_key) = (batch.tenant, batch.record.clone());
        let content = batch.content.clone().ok_or(Stays::Unmovable)?;
        let name = SegmentName { number: segment, ..self.parts.work.name() };
        let parsed = frame::parse(&bytes, name.salt()).map_err(|_| Stays::Unmovable)?;
        let (kind, key) = (parsed.header.kind, parsed.header.key);
        // What is written again is this job's, authentic, and under the key that its batch has: nothing else is given a new frame.
        let is_payload = matches!(kind, FrameKind::Statement | FrameKind::Templated);
        if !is_payload || key.job != Some(entry.job) || parsed.header.key_id != content.id {
            return Err(Stays::Unmovable);
        }
        let plain = frame::open_in_place(&mut bytes[..parsed.length], self.parts.journal, &content.cipher).map_err(|_| Stays::Unmovable)?;

        let header = self.next_header(kind, parsed.header.encoding, key, tenant, content.id)?;
        let log = &mut self.parts.work;
        let start = frame::begin(&mut log.buffer, &header);
        log.buffer.extend_from_slice(plain);
        let (to_segment, to_offset) = self.finish(LogKind::Work, start, header.sequence, &content, Ok(())).await?;
        let to = Locator { segment: to_segment, offset: to_offset };

        if !self.parts.world.is_planted(Plant::MoveForgotten) {
            let from = Locator { segment, offset: entry.offset };
            self.put_word_of_move(entry.job, tenant, &record_key, Move { from, to }).await?;
        }

        self.lies_now_at(entry.job, job, to);
        Ok(to)
    }

    /// Says in the record where a payload lies now.
    async fn put_word_of_move(&mut self, job: JobId, tenant: TenantId, record_key: &KeyHandle, moved: Move) -> Result<(), Fault> {
        let header = self.next_header(FrameKind::Moved, record::ENCODING, frames::about(job), tenant, record_key.id)?;
        let log = &mut self.parts.record;
        let start = frame::begin(&mut log.buffer, &header);
        let no_encoding = |_| JournalError::Internal("a move has no encoding");
        let encoded = record::encode_move(moved, &mut log.buffer).map_err(no_encoding);
        self.finish(LogKind::Record, start, header.sequence, record_key, encoded).await?;
        self.last_record = header.position();
        Ok(())
    }

    fn lies_in(&self, job: JobId, segment: u32) -> Option<LiveJob> {
        self.parts.jobs.get(job).filter(|live| live.segment == segment)
    }
}
