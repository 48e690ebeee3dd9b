//! The record as it grows: what projections (ledger, reputation) are made of.
//!
//! A tail gives records in the order of the log and only what is durable, so a projection never knows more than a restart would. It
//! reads the files by itself and never waits for the writer. Damaged frames are passed over; recovery has told of them.

use crate::block::{BlockRecord, Unpacked, Unpacker};
use crate::bounds::SEGMENT_HEADER_BYTES;
use crate::error::{DiskError, JournalError};
use crate::format::{Form, HeaderRead, JournalId, LogKind, RecordPosition, SegmentName};
use crate::frame;
use crate::key_ring::KeyRing;
use crate::record::{self, Decoded};
use crate::segment::{self, Scanner, Step};
use crate::writer::Shared;
use model::StreamName;
use model::record::{FrameKey, Record};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use world::{DiskFile, OpenMode, World};

/// Gives the durable records in order.
pub struct Tail {
    pub(crate) world: World,
    pub(crate) dir: PathBuf,
    pub(crate) journal: JournalId,
    pub(crate) stream: StreamName,
    pub(crate) keys: KeyRing,
    pub(crate) shared: Arc<Shared>,
    pub(crate) after: RecordPosition,
    pub(crate) current: Option<(u32, Frames)>,
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
        if let Some((number, Frames::Plain(scanner))) = &mut self.current {
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
        match &mut self.current {
            None => Ok(Taken::End),
            Some((_, Frames::Plain(_))) => self.step_plain(durable),
            Some((number, Frames::Packed(unpacker))) => {
                let path = segment::path_of(&self.dir, *number);
                match unpacker.next().map_err(DiskError::new("read", &path))? {
                    Unpacked::Record(record) => Ok(self.unpacked(&record)),
                    Unpacked::End { .. } => Ok(Taken::End),
                    _ => Ok(Taken::Nothing),
                }
            }
        }
    }

    fn unpacked(&mut self, record: &BlockRecord) -> Taken {
        if record.position <= self.after {
            return Taken::Nothing;
        }
        self.after = record.position;
        if self.only_keys && !record.kind.concerns_keys() {
            return Taken::Nothing;
        }
        match record.decode().and_then(Decoded::into_record) {
            Some(decoded) => Taken::Record(Box::new((record.position, record.key, decoded))),
            None => Taken::Nothing,
        }
    }

    fn step_plain(&mut self, durable: RecordPosition) -> Result<Taken, JournalError> {
        let Some((number, Frames::Plain(scanner))) = &mut self.current else { return Ok(Taken::End) };
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
        loop {
            let mut chosen = None;
            for number in segment::numbers(self.world.disk(), &self.dir)? {
                let Some(file) = self.open(number)? else { continue };
                let path = segment::path_of(&self.dir, number);
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
                Some(number) if self.enter(number)? => return Ok(true),
                // It went in between, its term being over.
                Some(_) => {}
                None => return Ok(false),
            }
        }
    }

    fn enter_next(&mut self) -> Result<bool, JournalError> {
        let Some((number, _)) = self.current else { return Ok(false) };
        for next in segment::numbers(self.world.disk(), &self.dir)?.into_iter().filter(|next| *next > number) {
            if self.enter(next)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// False where it is not there any more.
    fn enter(&mut self, number: u32) -> Result<bool, JournalError> {
        let Some(file) = self.open(number)? else { return Ok(false) };
        let path = segment::path_of(&self.dir, number);
        let name = SegmentName { journal: self.journal, stream: self.stream, log: LogKind::Record, number };
        let form = segment::form_of(&file, name.salt()).map_err(DiskError::new("read", &path))?;
        let scanner = Scanner::new(file, name.salt(), SEGMENT_HEADER_BYTES as u64).map_err(DiskError::new("read", &path))?;
        let frames = match form {
            Form::Plain => Frames::Plain(scanner),
            Form::Compacted => Frames::Packed(Unpacker::new(scanner, self.journal, self.keys.clone())),
        };
        self.current = Some((number, frames));
        Ok(true)
    }

    fn open(&self, number: u32) -> Result<Option<Arc<dyn DiskFile>>, JournalError> {
        let path = segment::path_of(&self.dir, number);
        match self.world.disk().open(&path, OpenMode::Read) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(DiskError::new("open", &path)(error).into()),
        }
    }
}

/// The frames of the segment that a tail is in. One that is compacted meanwhile is read to its end as it was when it was entered.
pub(crate) enum Frames {
    Plain(Scanner),
    Packed(Unpacker),
}

enum Taken {
    Record(Box<(RecordPosition, FrameKey, Record)>),
    Nothing,
    End,
}
