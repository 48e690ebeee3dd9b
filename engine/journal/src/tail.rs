//! The record as it grows: what projections (ledger, reputation) are made of.
//!
//! A tail gives records in the order of the log and only what is durable, so a projection never knows more than a restart would. It
//! reads the files by itself and never waits for the writer. Damaged frames are passed over; recovery has told of them.

use crate::bounds::SEGMENT_HEADER_BYTES;
use crate::error::{DiskError, JournalError};
use crate::format::{HeaderRead, JournalId, LogKind, RecordPosition, SegmentName};
use crate::frame;
use crate::key_ring::KeyRing;
use crate::record::{self, Decoded};
use crate::segment::{self, Scanner, Step};
use crate::writer::Shared;
use model::StreamName;
use model::record::{FrameKey, Record};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use world::{OpenMode, World};

/// Gives the durable records in order.
pub struct Tail {
    pub(crate) world: World,
    pub(crate) dir: PathBuf,
    pub(crate) journal: JournalId,
    pub(crate) stream: StreamName,
    pub(crate) keys: KeyRing,
    pub(crate) shared: Arc<Shared>,
    pub(crate) after: RecordPosition,
    pub(crate) current: Option<(u32, Scanner)>,
    /// Passes over what no index of keys needs, without decrypting it.
    pub(crate) only_keys: bool,
}

impl std::fmt::Debug for Tail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tail").field("stream", &self.stream).field("after", &self.after).finish_non_exhaustive()
    }
}

impl Tail {
    pub(crate) fn new(
        world: World,
        config_dir: &std::path::Path,
        journal: JournalId,
        stream: StreamName,
        keys: KeyRing,
        shared: Arc<Shared>,
    ) -> Self {
        let dir = config_dir.join(LogKind::Record.as_str());
        Self { world, dir, journal, stream, keys, shared, after: RecordPosition::default(), current: None, only_keys: false }
    }

    /// A tail of the same record for another projection, before its first record. It gives batches (opened, committed, discarded) and
    /// heads alone: what an index of idempotency keys is made of.
    pub fn of_keys(&self) -> Self {
        Self {
            world: self.world.clone(),
            dir: self.dir.clone(),
            journal: self.journal,
            stream: self.stream,
            keys: self.keys.clone(),
            shared: self.shared.clone(),
            after: RecordPosition::default(),
            current: None,
            only_keys: true,
        }
    }

    /// Goes on behind this position. [`RecordPosition::default`] is before the first record.
    pub fn seek(&mut self, after: RecordPosition) {
        self.after = after;
        self.current = None;
    }

    /// The position of the record that was given last.
    pub fn position(&self) -> RecordPosition {
        self.after
    }

    /// Up to `max` records that are durable and were not given yet; none where there are none now.
    ///
    /// # Errors
    /// [`JournalError::Disk`]; what was given stays given.
    pub fn next(&mut self, max: usize) -> Result<Vec<(RecordPosition, FrameKey, Record)>, JournalError> {
        let durable = RecordPosition(self.shared.durable.load(Ordering::Acquire));
        let mut records = Vec::new();
        if self.after >= durable {
            return Ok(records);
        }
        if let Some((number, scanner)) = &mut self.current {
            let path = segment::path_of(&self.dir, *number);
            scanner.refresh().map_err(DiskError::new("read", &path))?;
        }
        while records.len() < max && self.after < durable {
            if self.current.is_none() && !self.enter_first()? {
                break;
            }
            match self.step(durable)? {
                Taken::Record(record) => records.push(*record),
                Taken::Nothing => {}
                Taken::End => {
                    if !self.enter_next()? {
                        // The rest of what is durable is damaged: there is no more to give.
                        self.after = durable;
                        break;
                    }
                }
            }
        }
        Ok(records)
    }

    fn step(&mut self, durable: RecordPosition) -> Result<Taken, JournalError> {
        let Some((number, scanner)) = &mut self.current else { return Ok(Taken::End) };
        let path = segment::path_of(&self.dir, *number);
        let (offset, header, length) = match scanner.step().map_err(DiskError::new("read", &path))? {
            Step::Frame { offset, header, length } => (offset, header, length),
            Step::Damage { .. } => return Ok(Taken::Nothing),
            Step::End { .. } => return Ok(Taken::End),
        };
        if header.position() <= self.after || header.position() > durable {
            return Ok(Taken::Nothing);
        }
        self.after = header.position();
        if self.only_keys && !header.kind.concerns_keys() {
            return Ok(Taken::Nothing);
        }
        let Ok(Some(cipher)) = self.keys.cipher(header.key_id) else { return Ok(Taken::Nothing) };
        let bytes = scanner.frame_mut(offset, length);
        let Ok(plain) = frame::open_in_place(bytes, self.journal, &cipher) else { return Ok(Taken::Nothing) };
        // A move is the journal's own affair.
        match record::decode(header.kind, header.encoding, plain).ok().and_then(Decoded::into_record) {
            Some(record) => Ok(Taken::Record(Box::new((header.position(), header.key, record)))),
            None => Ok(Taken::Nothing),
        }
    }

    /// Enters the last segment that begins at or before the place, by the headers alone.
    fn enter_first(&mut self) -> Result<bool, JournalError> {
        let numbers = segment::numbers(self.world.disk(), &self.dir)?;
        let mut chosen = None;
        for number in numbers {
            let path = segment::path_of(&self.dir, number);
            let file = self.world.disk().open(&path, OpenMode::Read).map_err(DiskError::new("open", &path))?;
            let begins_later = match segment::read_header(&*file).map_err(DiskError::new("read", &path))? {
                HeaderRead::Valid(header) => header.first_position() > self.after,
                // Prepared and not in use: the log ends before it.
                HeaderRead::Unused => true,
                HeaderRead::Damaged | HeaderRead::Later(_) => false,
            };
            if begins_later && chosen.is_some() {
                break;
            }
            chosen = Some(number);
        }
        match chosen {
            Some(number) => self.enter(number),
            None => Ok(false),
        }
    }

    fn enter_next(&mut self) -> Result<bool, JournalError> {
        let Some((number, _)) = self.current else { return Ok(false) };
        let numbers = segment::numbers(self.world.disk(), &self.dir)?;
        match numbers.into_iter().find(|next| *next > number) {
            Some(next) => self.enter(next),
            None => Ok(false),
        }
    }

    fn enter(&mut self, number: u32) -> Result<bool, JournalError> {
        let path = segment::path_of(&self.dir, number);
        let file = self.world.disk().open(&path, OpenMode::Read).map_err(DiskError::new("open", &path))?;
        let name = SegmentName { journal: self.journal, stream: self.stream, log: LogKind::Record, number };
        let scanner = Scanner::new(file, name.salt(), SEGMENT_HEADER_BYTES as u64).map_err(DiskError::new("read", &path))?;
        self.current = Some((number, scanner));
        Ok(true)
    }
}

enum Taken {
    Record(Box<(RecordPosition, FrameKey, Record)>),
    Nothing,
    End,
}
