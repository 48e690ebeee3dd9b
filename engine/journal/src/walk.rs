//! The frames of one log in order, segment by segment, as they lie on disk.
//!
//! A walk judges nothing: it gives whole frames and says what lies between them. At the end of the log it gives `None` and may be
//! asked again: what was written meanwhile comes then. A segment that an engine removes before the walk comes to it is passed over.

use crate::bounds::SEGMENT_HEADER_BYTES;
use crate::error::{DiskError, JournalError};
use crate::format::{HeaderRead, LogKind};
use crate::journal_dir::JournalDir;
use crate::segment::{self, Scanner, Step};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use world::{DiskFile, OpenMode};

/// A segment as a walk enters it.
#[derive(Clone)]
pub(crate) struct Entered {
    pub(crate) number: u32,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn DiskFile>,
}

/// What a walk comes upon.
pub(crate) enum Met {
    /// The next segment; its frames follow.
    Segment(Entered),
    /// Something in it.
    Step(Step),
}

/// Goes through a log.
pub(crate) struct Walk {
    place: JournalDir,
    log: LogKind,
    only: Option<u32>,
    current: Option<(Entered, Scanner)>,
    /// The end of the current segment was given.
    ended: bool,
}

impl Walk {
    /// From the first segment on, or through one segment alone.
    pub(crate) fn new(place: &JournalDir, log: LogKind, only: Option<u32>) -> Self {
        Self { place: place.clone(), log, only, current: None, ended: false }
    }

    /// What comes next; `None` where there is nothing now.
    pub(crate) fn next(&mut self) -> Result<Option<Met>, JournalError> {
        if !self.ended
            && let Some((entered, scanner)) = &mut self.current
        {
            let step = scanner.step().map_err(DiskError::new("read", &entered.path))?;
            self.ended = matches!(step, Step::End { .. });
            return Ok(Some(Met::Step(step)));
        }
        // A writer leaves a segment before it enters the next one: what is there to enter is looked up first, the rest of this one second.
        let next = self.find_next()?;
        if let Some((entered, scanner)) = &mut self.current {
            scanner.refresh().map_err(DiskError::new("read", &entered.path))?;
            if let step @ (Step::Frame { .. } | Step::Damage { .. }) = scanner.step().map_err(DiskError::new("read", &entered.path))? {
                self.ended = false;
                return Ok(Some(Met::Step(step)));
            }
        }
        next.map(|entered| self.enter(entered)).transpose()
    }

    /// The bytes of the frame that was given last.
    pub(crate) fn frame_mut(&mut self, offset: u64, length: usize) -> &mut [u8] {
        let (_, scanner) = self.current.as_mut().expect("a frame was given, so there is a segment");
        scanner.frame_mut(offset, length)
    }

    /// The number of the segment that the walk is in.
    pub(crate) fn segment(&self) -> Option<u32> {
        self.current.as_ref().map(|(entered, _)| entered.number)
    }

    fn find_next(&self) -> Result<Option<Entered>, JournalError> {
        let dir = self.place.log(self.log);
        let after = self.segment();
        let numbers = segment::numbers(dir.disk, &dir.path)?;
        let wanted = |number: &u32| after.is_none_or(|after| *number > after) && self.only.is_none_or(|only| *number == only);
        for number in numbers.into_iter().filter(wanted) {
            let path = segment::path_of(&dir.path, number);
            let file = match dir.disk.open(&path, OpenMode::Read) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(DiskError::new("open", &path)(error).into()),
            };
            // Prepared and not in use.
            if segment::read_header(&*file).map_err(DiskError::new("read", &path))? == HeaderRead::Unused {
                continue;
            }
            return Ok(Some(Entered { number, path, file }));
        }
        Ok(None)
    }

    fn enter(&mut self, entered: Entered) -> Result<Met, JournalError> {
        let salt = self.place.log(self.log).name(entered.number).salt();
        let scanner = Scanner::new(entered.file.clone(), salt, SEGMENT_HEADER_BYTES as u64);
        self.current = Some((entered.clone(), scanner.map_err(DiskError::new("read", &entered.path))?));
        self.ended = false;
        Ok(Met::Segment(entered))
    }
}
