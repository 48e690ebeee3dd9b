//! The jobs of a batch that was just committed, read back from the record in portions: what was written is what is queued.
//!
//! A batch of millions is never in memory as a whole. The segments are opened at once, so that nothing that happens to their names
//! meanwhile (compaction) matters. The first heads of a large file may be compacted before its commit already: then their places say
//! nothing, and the jobs do. Where the disk cannot be read for a while, the next call opens them anew and goes on where the last one ended.

use crate::block::{Unpacked, Unpacker};
use crate::bounds::SEGMENT_HEADER_BYTES;
use crate::error::{DiskError, JournalError};
use crate::format::{Form, FrameKind, LogKind, SegmentName};
use crate::frame;
use crate::journal::JournalInner;
use crate::live::HeadPlace;
use crate::record::{self, Decoded, Destinations};
use crate::segment::{self, Scanner, Step};
use crate::tail::Frames;
use model::Stream;
use model::stage::{Durable, JournaledJob};
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use world::OpenMode;

/// Jobs that may be queued, in the order of the record. Whoever drops it early leaves the rest to the next start.
pub struct CommittedJobs<S: Stream> {
    inner: Arc<JournalInner>,
    heads: Vec<HeadPlace>,
    given: usize,
    /// Of the heads that were not given yet; `None` after a failed read.
    segments: Option<VecDeque<OpenHeads>>,
    destinations: Destinations,
    stream: PhantomData<S>,
}

/// A segment with heads of the batch.
struct OpenHeads {
    number: u32,
    path: PathBuf,
    frames: Frames,
}

impl<S: Stream> std::fmt::Debug for CommittedJobs<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CommittedJobs").field("jobs", &self.heads.len()).field("given", &self.given).finish_non_exhaustive()
    }
}

impl<S: Stream> CommittedJobs<S> {
    /// The batch is committed, whether or not the disk can be read just now: that is for [`Self::next`] to tell.
    pub(crate) fn open(inner: Arc<JournalInner>, heads: Vec<HeadPlace>) -> Self {
        let segments = inner.open_all_heads::<S>(&heads).ok();
        Self { inner, heads, given: 0, segments, destinations: Destinations::default(), stream: PhantomData }
    }

    /// How many there are, those that were given included.
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// True where the batch has no job.
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// The next jobs, at most `max`; none at the end. Blocks the thread while it reads.
    ///
    /// # Errors
    /// [`JournalError`]: the record cannot be read back. The batch is committed all the same: a later call tries again, and a restart
    /// brings its jobs.
    pub fn next(&mut self, max: usize) -> Result<Vec<JournaledJob<S>>, JournalError> {
        let left = &self.heads[self.given..];
        let mut segments = match self.segments.take() {
            Some(segments) => segments,
            None => self.inner.open_all_heads::<S>(left)?,
        };
        let count = max.min(left.len());
        let mut jobs = Vec::with_capacity(count);
        for place in &left[..count] {
            while segments.front().is_some_and(|open| open.number != place.segment) {
                segments.pop_front();
            }
            let open = segments.front_mut().ok_or(JournalError::Internal("a head lies in a segment that was not opened"))?;
            jobs.push(self.inner.read_head(open, place, &mut self.destinations)?);
        }
        self.given += count;
        self.segments = Some(segments);
        Ok(jobs)
    }
}

impl JournalInner {
    /// The segments in which heads lie that are in the order of the record.
    fn open_all_heads<S: Stream>(&self, heads: &[HeadPlace]) -> Result<VecDeque<OpenHeads>, JournalError> {
        heads.chunk_by(|a, b| a.segment == b.segment).map(|heads| self.open_heads::<S>(&heads[0])).collect()
    }

    fn open_heads<S: Stream>(&self, first: &HeadPlace) -> Result<OpenHeads, JournalError> {
        let path = segment::path_of(&self.dir.join(LogKind::Record.as_str()), first.segment);
        let file = self.world.disk().open(&path, OpenMode::Read).map_err(DiskError::new("open", &path))?;
        let name = SegmentName { journal: self.id, stream: S::NAME, log: LogKind::Record, number: first.segment };
        let error = || DiskError::new("read", &path);
        let frames = match segment::form_of(&file, name.salt()).map_err(error())? {
            Form::Plain => Frames::Plain(Scanner::new(file, name.salt(), u64::from(first.offset)).map_err(error())?),
            Form::Compacted => {
                let scanner = Scanner::new(file, name.salt(), SEGMENT_HEADER_BYTES as u64).map_err(error())?;
                Frames::Packed(Unpacker::new(scanner, self.id, self.keys.clone()))
            }
        };
        Ok(OpenHeads { number: first.segment, path, frames })
    }

    fn read_head<S: Stream>(
        &self,
        open: &mut OpenHeads,
        place: &HeadPlace,
        destinations: &mut Destinations,
    ) -> Result<JournaledJob<S>, JournalError> {
        let decoded = match &mut open.frames {
            Frames::Plain(scanner) => self.read_frame(scanner, &open.path, place)?,
            Frames::Packed(unpacker) => read_packed(unpacker, &open.path, place)?,
        };
        let Decoded::Head(locator, mut head) = decoded else {
            return Err(JournalError::Internal("a head that was synced reads back as another"));
        };
        destinations.share(&mut head);
        Ok(JournaledJob::new(place.job, locator, Arc::new(*head), Durable::attest()))
    }

    fn read_frame(&self, scanner: &mut Scanner, path: &Path, place: &HeadPlace) -> Result<Decoded, JournalError> {
        // Frames of others lie between: hop over them.
        let (offset, header, length) = loop {
            match scanner.step().map_err(DiskError::new("read", path))? {
                Step::Frame { offset, header, length } if offset == u64::from(place.offset) => break (offset, header, length),
                Step::Frame { offset, .. } if offset < u64::from(place.offset) => {}
                _ => return Err(JournalError::Internal("a head that was synced cannot be read back")),
            }
        };
        let wrong = JournalError::Internal("a head that was synced reads back as another");
        if header.key.job != Some(place.job) {
            return Err(wrong);
        }
        let cipher = self.keys.cipher(header.key_id)?.ok_or(wrong.clone())?;
        let plain = frame::open_in_place(scanner.frame_mut(offset, length), self.id, &cipher).map_err(|_| wrong.clone())?;
        record::decode(header.kind, header.encoding, plain).map_err(|_| wrong)
    }
}

fn read_packed(unpacker: &mut Unpacker, path: &Path, place: &HeadPlace) -> Result<Decoded, JournalError> {
    loop {
        match unpacker.next().map_err(DiskError::new("read", path))? {
            Unpacked::Record(record) if record.kind == FrameKind::Head && record.key.job == Some(place.job) => {
                return record.decode().ok_or(JournalError::Internal("a head that was compacted reads back as another"));
            }
            Unpacked::End { .. } => return Err(JournalError::Internal("a head that was compacted cannot be read back")),
            _ => {}
        }
    }
}
