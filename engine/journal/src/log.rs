//! One log at its end: the segment being written, its buffer, and the segment after it.
//!
//! Frames are built in the buffer; [`LogWriter::write`] is one contiguous write of all of them, [`LogWriter::sync`] one fdatasync. A
//! frame that does not fit the segment goes, as it is, to the next one. Nothing here decides when to sync: that is the writer's.

use crate::bounds::SEGMENT_HEADER_BYTES;
use crate::error::{DiskError, JournalError};
use crate::format::{Begun, RecordPosition, SegmentHeader, SegmentName};
use crate::frame;
use crate::keeper::Errand;
use crate::segment;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use world::channel::{OneReceiver, Sender, oneshot};
use world::{DiskFile, DurableWrite};

/// What the system reads and writes at once.
const PAGE_BYTES: u64 = 4096;

/// A segment that is being written.
pub(crate) struct OpenSegment {
    pub(crate) name: SegmentName,
    pub(crate) file: Arc<dyn DiskFile>,
    /// Bytes of the file, header included.
    pub(crate) capacity: u64,
    /// Where the next frame goes.
    pub(crate) written: u64,
    /// The last frame of the log, in this segment or before it.
    pub(crate) last: Option<RecordPosition>,
}

/// The end of a log.
pub(crate) struct LogWriter {
    dir: PathBuf,
    segment: OpenSegment,
    salt: u32,
    segment_bytes: u64,
    next: Option<OneReceiver<Result<Arc<dyn DiskFile>, JournalError>>>,
    keeper: Sender<Errand>,
    /// Frames that are not written yet.
    pub(crate) buffer: Vec<u8>,
    /// Zeros behind them, up to the end of a page, while they are written.
    padding: usize,
    /// Bytes written and not synced.
    pub(crate) unsynced: u64,
}

impl LogWriter {
    pub(crate) fn new(dir: &Path, segment: OpenSegment, segment_bytes: u64, keeper: Sender<Errand>) -> Self {
        let salt = segment.name.salt();
        Self { dir: dir.to_owned(), segment, salt, segment_bytes, next: None, keeper, buffer: Vec::new(), padding: 0, unsynced: 0 }
    }

    /// The segment being written.
    pub(crate) fn name(&self) -> SegmentName {
        self.segment.name
    }

    /// The number of the segment being written.
    pub(crate) fn number(&self) -> u32 {
        self.segment.name.number
    }

    pub(crate) fn salt(&self) -> u32 {
        self.salt
    }

    /// The largest frame, with padding, that a segment holds.
    pub(crate) fn frame_bytes_max(&self) -> usize {
        usize::try_from(self.segment_bytes).unwrap_or(usize::MAX) - SEGMENT_HEADER_BYTES
    }

    /// Whether everything before the next frame is durable.
    pub(crate) fn is_durable(&self) -> bool {
        self.buffer.is_empty() && self.unsynced == 0
    }

    /// Whether the frames in the buffer end behind the segment.
    pub(crate) fn overflows(&self) -> bool {
        self.segment.written + self.buffer.len() as u64 > self.segment.capacity
    }

    /// Where the frame at this place of the buffer will lie.
    pub(crate) fn offset_of(&self, start: usize) -> u32 {
        u32::try_from(self.segment.written + start as u64).expect("a segment ends below four gigabytes (asserted in bounds)")
    }

    /// A frame was placed at the end of the log, in the buffer.
    pub(crate) fn placed(&mut self, position: RecordPosition) {
        self.segment.last = Some(position);
    }

    /// Whether a frame of this position may come next: positions rise.
    pub(crate) fn rises_to(&self, position: RecordPosition) -> bool {
        self.segment.last.is_none_or(|last| last < position)
    }

    /// Writes what is in the buffer, in one piece. Gives how many bytes that was.
    pub(crate) fn write(&mut self) -> Result<u64, DiskError> {
        if self.buffer.is_empty() {
            return Ok(0);
        }
        self.pad();
        self.segment.file.write_all_at(&self.buffer, self.segment.written).map_err(self.error("write"))?;
        let bytes = self.written();
        self.unsynced += bytes;
        Ok(bytes)
    }

    /// Fills the last page up with the zeros that lie there anyway: a part of a page that is not in memory would have to be read first, and
    /// a new segment is not in memory.
    pub(crate) fn pad(&mut self) {
        assert!(!self.overflows(), "the caller rolls before a frame overflows the segment");
        if self.buffer.is_empty() {
            return;
        }
        let frames = self.buffer.len();
        let end = self.segment.written + frames as u64;
        let page_end = end.next_multiple_of(PAGE_BYTES).min(self.segment.capacity);
        self.padding = usize::try_from(page_end - end).expect("less than a page");
        self.buffer.resize(frames + self.padding, 0);
    }

    /// The buffer lies in the file. Gives how many bytes of frames that was.
    fn written(&mut self) -> u64 {
        let bytes = (self.buffer.len() - std::mem::take(&mut self.padding)) as u64;
        self.segment.written += bytes;
        self.buffer.clear();
        bytes
    }

    /// Makes what was written durable.
    pub(crate) fn sync(&mut self) -> Result<(), DiskError> {
        if self.unsynced > 0 {
            self.segment.file.sync_data().map_err(self.error("sync"))?;
            self.unsynced = 0;
        }
        Ok(())
    }

    /// What is to be made durable, padded before; `None` where everything is.
    pub(crate) fn pending(&self) -> Option<DurableWrite<'_>> {
        let has_unsynced = self.unsynced > 0;
        let write = DurableWrite { file: &*self.segment.file, bytes: &self.buffer, offset: self.segment.written, has_unsynced };
        (has_unsynced || !self.buffer.is_empty()).then_some(write)
    }

    /// What was pending is durable. Gives how many bytes were written.
    pub(crate) fn made_durable(&mut self) -> u64 {
        self.unsynced = 0;
        self.written()
    }

    /// Takes the frame at `start`, which does not fit, out of the buffer. The caller writes and syncs the rest, then [`LogWriter::roll`]s.
    pub(crate) fn take_from(&mut self, start: usize) -> Vec<u8> {
        self.buffer.split_off(start)
    }

    /// Goes on in the next segment, with `frame` as its first.
    pub(crate) async fn roll(&mut self, mut frame: Vec<u8>, epoch: u32, first_sequence: u64) -> Result<(), JournalError> {
        assert!(self.buffer.is_empty() && self.unsynced == 0, "a segment is left only when all of it is durable");
        let number = self.number().checked_add(1).ok_or(JournalError::Internal("no segment number is left"))?;
        let name = SegmentName { number, ..self.segment.name };
        let file = self.prepared(number).await?;
        let capacity = file.len().map_err(self.error("measure"))?;
        let last = self.segment.last;
        write_header(&*file, SegmentHeader::new(name, epoch, first_sequence, Begun::Roll, last)).map_err(self.error("write"))?;
        // Before any frame: a torn first group must not look like a damaged header.
        file.sync_data().map_err(self.error("sync"))?;
        let written = SEGMENT_HEADER_BYTES as u64;
        let full = std::mem::replace(&mut self.segment, OpenSegment { name, file, capacity, written, last });
        self.send(Errand::Cut { name: full.name, file: full.file, bytes: full.written }).await?;
        let salt = name.salt();
        frame::resalt(&mut frame, self.salt, salt);
        self.salt = salt;
        self.buffer = frame;
        self.prepare_next().await
    }

    /// The segment made ahead of need. Where there was no room for it then, there may be now.
    async fn prepared(&mut self, number: u32) -> Result<Arc<dyn DiskFile>, JournalError> {
        if let Some(prepared) = self.next.take() {
            match prepared.await.ok_or(JournalError::Closed)? {
                Err(error) if error.is_for_want_of_room() => {}
                made => return made,
            }
        }
        self.ask_for(number).await?.await.ok_or(JournalError::Closed)?
    }

    /// Has the next segment made ahead of need.
    pub(crate) async fn prepare_next(&mut self) -> Result<(), JournalError> {
        if let Some(number) = self.number().checked_add(1) {
            self.next = Some(self.ask_for(number).await?);
        }
        Ok(())
    }

    async fn ask_for(&self, number: u32) -> Result<OneReceiver<Result<Arc<dyn DiskFile>, JournalError>>, JournalError> {
        let (answer, prepared) = oneshot();
        self.send(Errand::Prepare { log: self.segment.name.log, number, answer }).await?;
        Ok(prepared)
    }

    async fn send(&self, errand: Errand) -> Result<(), JournalError> {
        self.keeper.send(errand).await.map_err(|_| JournalError::Closed)
    }

    pub(crate) fn error(&self, action: &'static str) -> impl FnOnce(std::io::Error) -> DiskError {
        let path = segment::path_of(&self.dir, self.number());
        move |error| DiskError::new(action, &path)(error)
    }
}

/// Puts a prepared segment in use.
pub(crate) fn write_header(file: &dyn DiskFile, header: SegmentHeader) -> std::io::Result<()> {
    file.write_all_at(&header.encode(), 0)
}
