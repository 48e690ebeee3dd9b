//! Segment files: their names, making them ahead of need, and going through their frames.
//!
//! A [`Scanner`] gives the valid frames of one segment in order. It hops by length; where a frame is not whole it searches for the next
//! one that is, so damage to one frame costs no other. It says what it passed over and leaves the judgement to its caller. The index at the
//! end of a full segment ([`crate::footer`]) is behind the end for it.

use crate::bounds::{FRAME_ALIGN_BYTES, FRAME_BYTES_MIN, SCAN_WINDOW_BYTES, SEGMENT_HEADER_BYTES};
use crate::error::DiskError;
use crate::footer;
use crate::format::{Form, FrameHeader, FrameKind, HeaderRead, SegmentHeader};
use crate::frame::{self, NoFrame, padded};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use world::{Disk, DiskFile, OpenMode};

/// The file of a segment.
pub(crate) fn path_of(log_dir: &Path, number: u32) -> PathBuf {
    log_dir.join(format!("{number:08}.seg"))
}

/// The numbers of the segments in a log's folder, rising. Other files are nobody's business here.
pub(crate) fn numbers(disk: &dyn Disk, log_dir: &Path) -> Result<Vec<u32>, DiskError> {
    let paths = disk.read_dir(log_dir).map_err(DiskError::new("list", log_dir))?;
    let mut numbers: Vec<u32> = paths.iter().filter_map(|path| number_of(path)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

fn number_of(path: &Path) -> Option<u32> {
    let name = path.file_name()?.to_str()?.strip_suffix(".seg")?;
    (name.len() == 8 && name.bytes().all(|byte| byte.is_ascii_digit())).then(|| name.parse().ok())?
}

/// Makes a segment file of zeros, synced, with its name synced too.
pub(crate) fn prepare(disk: &dyn Disk, log_dir: &Path, number: u32, bytes: u64) -> Result<Arc<dyn DiskFile>, DiskError> {
    let path = path_of(log_dir, number);
    let file = disk.open(&path, OpenMode::Create).map_err(DiskError::new("create", &path))?;
    if let Err(error) = file.preallocate_zeroed(bytes) {
        // Half a segment is of no use, and takes the room that others need to go on.
        drop(file);
        let _ = disk.remove_file(&path).and_then(|()| disk.sync_dir(log_dir));
        return Err(DiskError::new("preallocate", &path)(error));
    }
    disk.sync_dir(log_dir).map_err(DiskError::new("sync", log_dir))?;
    Ok(file)
}

/// Reads the header of a segment file.
pub(crate) fn read_header(file: &dyn DiskFile) -> io::Result<HeaderRead> {
    let mut bytes = [0u8; SEGMENT_HEADER_BYTES];
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => Ok(SegmentHeader::decode(&bytes)),
        // Shorter than a header: a crash came before it was prepared.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(HeaderRead::Unused),
        Err(error) => Err(error),
    }
}

/// Behind this no frame can lie.
pub(crate) fn end_of_frames(file: &dyn DiskFile, salt: u32) -> io::Result<u64> {
    match footer::read_trailer(file, salt)? {
        Some(trailer) => Ok(u64::from(trailer.end)),
        None => file.len(),
    }
}

/// How the frames of a segment lie. Where its header is damaged, the first frame says.
pub(crate) fn form_of(file: &Arc<dyn DiskFile>, salt: u32) -> io::Result<Form> {
    if let HeaderRead::Valid(header) = read_header(&**file)? {
        return Ok(header.form);
    }
    let mut scanner = Scanner::new(file.clone(), salt, SEGMENT_HEADER_BYTES as u64)?;
    loop {
        match scanner.step()? {
            Step::Frame { header, .. } if header.kind == FrameKind::Block => return Ok(Form::Compacted),
            Step::Frame { .. } | Step::End { .. } => return Ok(Form::Plain),
            Step::Damage { .. } => {}
        }
    }
}

/// What a scanner comes upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A whole frame; `length` is without padding.
    Frame { offset: u64, header: FrameHeader, length: usize },
    /// Bytes that are no frame, and then a frame.
    Damage { offset: u64, bytes: u64 },
    /// No frame follows. `torn` where something other than zeros does.
    End { offset: u64, torn: bool },
}

/// Goes through the frames of one segment.
pub(crate) struct Scanner {
    file: Arc<dyn DiskFile>,
    salt: u32,
    at: u64,
    end: u64,
    window: Vec<u8>,
    window_at: u64,
}

impl Scanner {
    /// Begins at `at`, a multiple of 8 behind the segment's header.
    pub(crate) fn new(file: Arc<dyn DiskFile>, salt: u32, at: u64) -> io::Result<Self> {
        let end = end_of_frames(&*file, salt)?;
        Ok(Self { file, salt, at, end, window: Vec::new(), window_at: 0 })
    }

    /// Forgets what was read ahead: the file may have grown or been written since.
    pub(crate) fn refresh(&mut self) -> io::Result<()> {
        self.window.clear();
        self.end = end_of_frames(&*self.file, self.salt)?;
        Ok(())
    }

    /// The bytes of the frame that [`Scanner::step`] gave last.
    pub(crate) fn frame_mut(&mut self, offset: u64, length: usize) -> &mut [u8] {
        let start = (offset - self.window_at) as usize;
        &mut self.window[start..start + length]
    }

    /// The next frame, or what is there instead of one.
    pub(crate) fn step(&mut self) -> io::Result<Step> {
        let offset = self.at;
        if let Some((header, length)) = self.frame_at(offset)? {
            self.at = offset + padded(length) as u64;
            return Ok(Step::Frame { offset, header, length });
        }
        let mut torn = false;
        let mut at = offset;
        while at < self.end {
            let Some(nonzero) = self.next_nonzero(at)? else { break };
            torn = true;
            // What is not zero may be anywhere in the frame that lies there.
            at = (nonzero - nonzero % FRAME_ALIGN_BYTES as u64).max(at);
            if at > offset && self.frame_at(at)?.is_some() {
                self.at = at;
                return Ok(Step::Damage { offset, bytes: at - offset });
            }
            at += FRAME_ALIGN_BYTES as u64;
        }
        Ok(Step::End { offset, torn })
    }

    /// The whole frame at a place, if there is one.
    fn frame_at(&mut self, at: u64) -> io::Result<Option<(FrameHeader, usize)>> {
        let mut need = FRAME_BYTES_MIN;
        loop {
            let range = self.window_over(at, need)?;
            match frame::parse(&self.window[range], self.salt) {
                Ok(parsed) => return Ok(Some((parsed.header, parsed.length))),
                Err(NoFrame::Short(length)) if length > need && at + length as u64 <= self.end => need = length,
                Err(_) => return Ok(None),
            }
        }
    }

    fn next_nonzero(&mut self, mut at: u64) -> io::Result<Option<u64>> {
        while at < self.end {
            let range = self.window_over(at, 1)?;
            if range.is_empty() {
                return Ok(None);
            }
            let bytes = &self.window[range];
            match bytes.iter().position(|byte| *byte != 0) {
                Some(found) => return Ok(Some(at + found as u64)),
                None => at += bytes.len() as u64,
            }
        }
        Ok(None)
    }

    /// The window from `at` on: at least `need` bytes, or what is left of the file.
    fn window_over(&mut self, at: u64, need: usize) -> io::Result<Range<usize>> {
        let wanted = (at + need as u64).min(self.end);
        let covered = at >= self.window_at && wanted <= self.window_at + self.window.len() as u64;
        if !covered {
            let size = self.end.saturating_sub(at).min(need.max(SCAN_WINDOW_BYTES) as u64) as usize;
            self.window.clear();
            self.window.resize(size, 0);
            self.window_at = at;
            let mut done = 0;
            while done < size {
                match self.file.read_at(&mut self.window[done..], at + done as u64) {
                    Ok(0) => break,
                    Ok(read) => done += read,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            self.window.truncate(done);
        }
        let start = ((at - self.window_at) as usize).min(self.window.len());
        Ok(start..self.window.len())
    }
}
