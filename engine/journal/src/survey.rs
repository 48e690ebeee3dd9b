//! What lies in a log's folder at a start: which segments are in use, and where the log ends.

use crate::bounds::{RENEWED_BYTES, SCAN_WINDOW_BYTES, SEGMENT_HEADER_BYTES};
use crate::error::{DiskError, Finding, JournalError};
use crate::footer::{self, Completed, Trailer};
use crate::format::{Begun, Form, HeaderRead, JournalId, LogKind, RecordPosition, SegmentHeader, SegmentName, VERSION};
use crate::log::{OpenSegment, write_header};
use crate::segment::{self, Scanner, Step};
use model::StreamName;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use world::{Disk, DiskFile, OpenMode};

/// Room that makes it worth going on in a segment, in bytes.
const ROOM_MIN: u64 = 4096;

/// A segment in use.
pub(crate) struct UsedSegment {
    pub(crate) number: u32,
    pub(crate) file: Arc<dyn DiskFile>,
    /// `None` where it is damaged.
    pub(crate) header: Option<SegmentHeader>,
}

/// What lies in the folder of a log.
#[derive(Default)]
pub(crate) struct Surveyed {
    /// Segments in use, by number.
    pub(crate) used: Vec<UsedSegment>,
    /// Prepared and never used.
    pub(crate) unused: Vec<PathBuf>,
}

/// The folder of one log.
pub(crate) struct LogDir<'disk> {
    pub(crate) disk: &'disk dyn Disk,
    pub(crate) path: PathBuf,
    pub(crate) journal: JournalId,
    pub(crate) stream: StreamName,
    pub(crate) log: LogKind,
}

impl LogDir<'_> {
    pub(crate) fn name(&self, number: u32) -> SegmentName {
        SegmentName { journal: self.journal, stream: self.stream, log: self.log, number }
    }

    /// The segments in use, by number. Prepared ones that were never used are removed: the writer makes its own.
    pub(crate) fn segments(&self, findings: &mut Vec<Finding>) -> Result<Vec<UsedSegment>, JournalError> {
        let surveyed = self.survey(OpenMode::ReadWrite, findings)?;
        for path in surveyed.unused {
            self.remove(&path)?;
        }
        Ok(surveyed.used)
    }

    /// What lies in the folder. Changes nothing: with [`OpenMode::Read`] it is for those who only look, and then a segment that goes
    /// meanwhile is none.
    pub(crate) fn survey(&self, mode: OpenMode, findings: &mut Vec<Finding>) -> Result<Surveyed, JournalError> {
        let mut surveyed = Surveyed::default();
        for number in segment::numbers(self.disk, &self.path)? {
            let path = segment::path_of(&self.path, number);
            let file = match self.disk.open(&path, mode) {
                Ok(file) => file,
                Err(error) if mode == OpenMode::Read && error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(DiskError::new("open", &path)(error).into()),
            };
            let header = match segment::read_header(&*file).map_err(DiskError::new("read", &path))? {
                HeaderRead::Valid(header) if header.name == self.name(number) => Some(header),
                HeaderRead::Valid(header) => return Err(foreign(path, header.name, self.name(number))),
                HeaderRead::Later(version) => return Err(JournalError::LaterVersion { path, version, known: VERSION }),
                HeaderRead::Unused | HeaderRead::Damaged if self.has_frames(&path, &file, number)? => {
                    findings.push(Finding::SegmentHeader { log: self.log, segment: number });
                    None
                }
                // A crash came before its first frames were durable.
                HeaderRead::Unused | HeaderRead::Damaged => {
                    surveyed.unused.push(path);
                    continue;
                }
            };
            surveyed.used.push(UsedSegment { number, file, header });
        }
        Ok(surveyed)
    }

    fn has_frames(&self, path: &Path, file: &Arc<dyn DiskFile>, number: u32) -> Result<bool, JournalError> {
        let scan = || Scanner::new(file.clone(), self.name(number).salt(), SEGMENT_HEADER_BYTES as u64)?.step();
        let step = scan().map_err(DiskError::new("read", path))?;
        Ok(!matches!(step, Step::End { .. }))
    }

    pub(crate) fn remove(&self, path: &Path) -> Result<(), JournalError> {
        self.disk.remove_file(path).map_err(DiskError::new("remove", path))?;
        self.disk.sync_dir(&self.path).map_err(DiskError::new("sync", &self.path))?;
        Ok(())
    }

    /// Goes through a whole segment to find where it ends.
    pub(crate) fn end_of(&self, used: &UsedSegment) -> Result<SegmentEnd, JournalError> {
        let path = segment::path_of(&self.path, used.number);
        let error = || DiskError::new("read", &path);
        let mut scanner = Scanner::new(used.file.clone(), self.name(used.number).salt(), SEGMENT_HEADER_BYTES as u64).map_err(error())?;
        let mut end = SegmentEnd::default();
        loop {
            match scanner.step().map_err(error())? {
                Step::Frame { header, .. } => {
                    end.epoch = end.epoch.max(header.epoch);
                    end.position = end.position.max(header.position());
                    if header.fresh {
                        end.damage.append(&mut end.holes);
                    }
                }
                Step::Damage { offset, bytes } => end.holes.push(Hole { offset, bytes, after: end.position }),
                Step::End { offset, torn } => {
                    (end.offset, end.torn) = (offset, torn);
                    return Ok(end);
                }
            }
        }
    }

    /// Opens the log's end for writing: goes on in the last segment where it ended well and is of the present version, and begins a new one
    /// otherwise. A torn tail is cut off first, so that nothing of it is ever taken for a frame.
    pub(crate) fn open_end(
        &self,
        last: Option<(&UsedSegment, &SegmentEnd)>,
        segment_bytes: u64,
        epoch: u32,
        next_number: u32,
    ) -> Result<OpenSegment, JournalError> {
        // A segment without a frame knows by its header what came before it.
        let before = |(used, end): (&UsedSegment, &SegmentEnd)| used.header.and_then(|header| header.before).max(Some(end.position));
        let before = last.and_then(before).filter(|position| *position != RecordPosition::default());
        if let Some((used, end)) = last {
            let path = segment::path_of(&self.path, used.number);
            let capacity = used.file.len().map_err(DiskError::new("measure", &path))?;
            // A segment with an index was full once, and what came after it is gone.
            let full = footer::read_trailer(&*used.file, self.name(used.number).salt()).map_err(DiskError::new("read", &path))?.is_some();
            let whole = !full && !end.torn && end.holes.is_empty() && end.damage.is_empty() && used.header.is_some_and(takes_more);
            if whole && end.offset + ROOM_MIN <= capacity {
                // What the last process wrote and did not live to sync is built upon from here.
                renew(&*used.file, end.offset).map_err(DiskError::new("renew", &path))?;
                used.file.sync_data().map_err(DiskError::new("sync", &path))?;
                return Ok(OpenSegment {
                    name: self.name(used.number),
                    file: used.file.clone(),
                    capacity,
                    written: end.offset,
                    last: before,
                });
            }
            if full {
                return self.begin(segment_bytes, epoch, next_number, before);
            }
            renew(&*used.file, end.offset.min(capacity)).map_err(DiskError::new("renew", &path))?;
            used.file.set_len(end.offset.min(capacity)).map_err(DiskError::new("cut", &path))?;
            used.file.sync_all().map_err(DiskError::new("sync", &path))?;
        }
        self.begin(segment_bytes, epoch, next_number, before)
    }

    /// Adds the index that a crash left out to each segment that is kept, but for the one being written, and gives what the indexes say.
    /// `segments` are all that were found: each is judged by the one after it.
    pub(crate) fn complete(
        &self,
        segments: &[UsedSegment],
        current: &OpenSegment,
        is_kept: impl Fn(u32) -> bool,
        findings: &mut Vec<Finding>,
    ) -> Result<BTreeMap<u32, Trailer>, JournalError> {
        let mut trailers = BTreeMap::new();
        for (used, before) in with_successors(segments) {
            let Some(header) = used.header.filter(|_| used.number != current.name.number && is_kept(used.number)) else { continue };
            let path = segment::path_of(&self.path, used.number);
            // The segment that this start began states the end of the last one it found.
            let before = if segments.last().is_some_and(|last| last.number == used.number) { current.last } else { before };
            match footer::complete(&used.file, &header, before).map_err(DiskError::new("index", &path))? {
                Completed::Indexed(trailer) => drop(trailers.insert(used.number, trailer)),
                // Of the record recovery has told.
                Completed::CutShort(offset) if self.log == LogKind::Work => {
                    findings.push(Finding::CutShort { log: self.log, segment: used.number, offset });
                }
                Completed::CutShort(_) | Completed::AsItWas => {}
            }
        }
        Ok(trailers)
    }

    fn begin(&self, segment_bytes: u64, epoch: u32, number: u32, before: Option<RecordPosition>) -> Result<OpenSegment, JournalError> {
        let path = segment::path_of(&self.path, number);
        let file = segment::prepare(self.disk, &self.path, number, segment_bytes)?;
        let name = self.name(number);
        write_header(&*file, SegmentHeader::new(name, epoch, 0, Begun::Start, before)).map_err(DiskError::new("write", &path))?;
        file.sync_data().map_err(DiskError::new("sync", &path))?;
        let capacity = file.len().map_err(DiskError::new("measure", &path))?;
        Ok(OpenSegment { name, file, capacity, written: SEGMENT_HEADER_BYTES as u64, last: before })
    }
}

/// What a start knows of the end of each segment by the one after it: pairs of a segment and the position that its successor states.
fn with_successors(segments: &[UsedSegment]) -> impl Iterator<Item = (&UsedSegment, Option<RecordPosition>)> {
    segments
        .iter()
        .enumerate()
        .map(|(at, used)| (used, segments.get(at + 1).filter(|next| next.number == used.number + 1).and_then(|next| next.header?.before)))
}

/// Whether frames may still be appended to a segment with this header.
fn takes_more(header: SegmentHeader) -> bool {
    header.version == VERSION && header.form == Form::Plain
}

/// Writes the end of a segment again, as it reads. Where a sync failed, the kernel keeps what was written and takes it for clean: it reads
/// well, no later sync writes it, and the next loss of power takes it away.
fn renew(file: &dyn DiskFile, end: u64) -> std::io::Result<()> {
    let mut offset = end.saturating_sub(RENEWED_BYTES);
    let mut bytes = vec![0; SCAN_WINDOW_BYTES.min(usize::try_from(end - offset).unwrap_or(SCAN_WINDOW_BYTES))];
    while offset < end {
        let length = bytes.len().min(usize::try_from(end - offset).unwrap_or(usize::MAX));
        file.read_exact_at(&mut bytes[..length], offset)?;
        file.write_all_at(&bytes[..length], offset)?;
        offset += length as u64;
    }
    Ok(())
}

/// Bytes that are no frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hole {
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    /// Position of the frame before it.
    pub(crate) after: RecordPosition,
}

/// Where a segment ends, and how.
#[derive(Debug, Default)]
pub(crate) struct SegmentEnd {
    pub(crate) offset: u64,
    pub(crate) torn: bool,
    /// Damage before a fresh frame: what it held was durable.
    pub(crate) damage: Vec<Hole>,
    /// Damage in the last group, which perhaps never was durable.
    pub(crate) holes: Vec<Hole>,
    /// The highest epoch of its frames.
    pub(crate) epoch: u32,
    /// The highest position of its frames; in the record, of the log so far.
    pub(crate) position: RecordPosition,
}

fn foreign(path: PathBuf, found: SegmentName, expected: SegmentName) -> JournalError {
    let reason = if found.journal != expected.journal {
        "it is a segment of another journal"
    } else if found.stream != expected.stream {
        "it is a segment of another stream"
    } else if found.log != expected.log {
        "it is a segment of the other log"
    } else {
        "it is a segment with another number"
    };
    JournalError::Foreign { path, reason }
}

/// The journal's id as some segment states it, for a directory whose epoch file is gone.
pub(crate) fn stated_journal(disk: &dyn Disk, log_dirs: &[PathBuf]) -> Result<Option<JournalId>, JournalError> {
    for dir in log_dirs {
        for number in segment::numbers(disk, dir)? {
            let path = segment::path_of(dir, number);
            let file = disk.open(&path, OpenMode::Read).map_err(DiskError::new("open", &path))?;
            match segment::read_header(&*file).map_err(DiskError::new("read", &path))? {
                HeaderRead::Valid(header) => return Ok(Some(header.name.journal)),
                HeaderRead::Later(version) => return Err(JournalError::LaterVersion { path, version, known: VERSION }),
                HeaderRead::Unused | HeaderRead::Damaged => {}
            }
        }
    }
    Ok(None)
}
