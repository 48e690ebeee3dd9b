//! What a start makes of bytes that are not as they were written: which trouble it is, and whom it may be about.
//!
//! Two questions about each damaged place of the record. **What lies there?** A whole frame that does not open (its key is gone, or it is
//! not authentic), a frame of another segment (its checksum tells which), or no frame at all. **What is lost?** The frame that
//! was there may have been an intent: then a message may have been sent that nobody knows of. What the header of a damaged frame says is
//! not authentic, but it need not be trusted to be heeded: where its position lies between those of its neighbours, the job that it names
//! becomes [`model::State::Uncertain`], and no other. Where no header can be made out, every job that was queued then may have been sent,
//! and says so.

use crate::bounds::{FRAME_ALIGN_BYTES, FRAME_HEADER_BYTES};
use crate::error::{DiskError, Finding};
use crate::format::{FrameHeader, JournalId, LogKind, RecordPosition, SegmentName, crc32c, stated_length, u32_at};
use crate::frame::{self, padded};
use crate::key_ring::KeyRing;
use crate::record::{self, Decoded, Lost};
use crate::segment;
use crate::survey::{Hole, LogDir, UsedSegment};
use model::StreamName;
use model::record::FrameKey;
use std::collections::BTreeMap;

/// A damaged place larger than this is not looked into: nobody knows what it held.
const LOOKED_INTO_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Segments of a log that a misplaced frame is looked for in.
const NUMBERS_MAX: u32 = 1 << 16;

/// Why a whole frame cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Unread {
    /// Its key is not in the ring any more.
    KeyGone(u32),
    /// Its key is in the ring and does not unwrap.
    KeyUnusable(u32),
    /// Its key is there, and did not write these bytes.
    NotAuthentic(u32),
    /// It opens and says nothing that this version knows.
    Unknown,
}

/// Opens a frame and reads what it says.
pub(crate) fn decode(dir: &LogDir<'_>, keys: &KeyRing, bytes: &mut [u8]) -> Result<Decoded, Unread> {
    let header = frame::header_of(bytes).ok_or(Unread::Unknown)?;
    let key = header.key_id;
    let cipher = keys.cipher(key).map_err(|_| Unread::KeyUnusable(key))?.ok_or(Unread::KeyGone(key))?;
    let plain = frame::open_in_place(bytes, dir.journal, &cipher).map_err(|_| Unread::NotAuthentic(key))?;
    record::decode(header.kind, header.encoding, plain).map_err(|_| Unread::Unknown)
}

/// Whole frames of a segment that cannot be read, summed up by the reason: a wrong key makes one finding, not a million.
#[derive(Debug, Default)]
pub(crate) struct UnreadFrames(BTreeMap<Unread, (u64, u64)>);

impl UnreadFrames {
    pub(crate) fn add(&mut self, why: Unread, offset: u64) {
        self.0.entry(why).or_insert((offset, 0)).1 += 1;
    }

    pub(crate) fn tell(&mut self, log: LogKind, segment: u32, findings: &mut Vec<Finding>) {
        findings.extend(std::mem::take(&mut self.0).into_iter().map(|(why, (offset, frames))| match why {
            Unread::KeyGone(key) => Finding::KeyGone { log, segment, offset, frames, key },
            Unread::KeyUnusable(key) => Finding::KeyUnusable { log, segment, offset, frames, key },
            Unread::NotAuthentic(key) => Finding::NotAuthentic { log, segment, offset, frames, key },
            Unread::Unknown => Finding::Unknown { log, segment, offset, frames },
        }));
    }
}

/// A damaged place, looked into: what lies there, and what was lost. `until` is a position that what was there lies before.
pub(crate) fn look_into(
    dir: &LogDir<'_>,
    used: &UsedSegment,
    hole: Hole,
    until: RecordPosition,
    lost: &mut Vec<(RecordPosition, FrameKey, Lost)>,
) -> Result<Finding, DiskError> {
    let Hole { offset, bytes, after } = hole;
    let (log, segment) = (dir.log, used.number);
    let nobody_knows = (after, about(None), Lost::Anyone);
    if bytes > LOOKED_INTO_BYTES_MAX {
        lost.push(nobody_knows);
        return Ok(Finding::Damage { log, segment, offset, bytes });
    }
    let mut there = vec![0; bytes as usize];
    let read = used.file.read_exact_at(&mut there, offset);
    read.map_err(DiskError::new("read", &segment::path_of(&dir.path, segment)))?;
    match named_by_headers(&there, log, after, until) {
        Some(headers) => lost.extend(headers.into_iter().map(|header| (after, header.key, Lost::Frame))),
        None => lost.push(nobody_knows),
    }
    Ok(match owner(&there, dir.journal, dir.stream) {
        Some((of_log, of_segment)) => Finding::Misplaced { log, segment, offset, of_log, of_segment },
        None => Finding::Damage { log, segment, offset, bytes },
    })
}

pub(crate) fn about(job: Option<model::JobId>) -> FrameKey {
    FrameKey { job, message: model::MessageVersion(0), attempt: 0 }
}

/// The headers of the frames that lay in a damaged place, where they can be made out; `None` where some of it cannot be told.
fn named_by_headers(there: &[u8], log: LogKind, after: RecordPosition, until: RecordPosition) -> Option<Vec<FrameHeader>> {
    let mut headers = Vec::new();
    let (mut at, mut last) = (0, after);
    while at < there.len() {
        let header = header_at(there, at, log, last, until)?;
        last = header.position();
        headers.push(header);
        let stated = there[at..].first_chunk().and_then(stated_length).map(|length| at + padded(length));
        // By its length, where that leads to the end or to another header; by the next header that can be made out, where it does not.
        let leads_on = |next: &usize| *next == there.len() || header_at(there, *next, log, last, until).is_some();
        at = stated.filter(leads_on).unwrap_or_else(|| next_header(there, at, log, last, until));
    }
    Some(headers)
}

fn next_header(there: &[u8], at: usize, log: LogKind, last: RecordPosition, until: RecordPosition) -> usize {
    let mut places = (at + FRAME_ALIGN_BYTES..there.len()).step_by(FRAME_ALIGN_BYTES);
    places.find(|place| header_at(there, *place, log, last, until).is_some()).unwrap_or(there.len())
}

/// A header that fits between its neighbours. Its position alone has 63 bits: nothing else looks like that by accident.
fn header_at(there: &[u8], at: usize, log: LogKind, last: RecordPosition, until: RecordPosition) -> Option<FrameHeader> {
    let header = FrameHeader::decode(there.get(at..)?.first_chunk::<FRAME_HEADER_BYTES>()?)?;
    let fits = header.kind.log() == log && last < header.position() && header.position() < until;
    fits.then_some(header)
}

/// Whose frame these bytes begin with, where it is a whole one of another segment of this stream: a checksum is the frame's own, and the
/// salt of its segment on top.
pub(crate) fn owner(bytes: &[u8], journal: JournalId, stream: StreamName) -> Option<(LogKind, u32)> {
    let header = bytes.first_chunk::<FRAME_HEADER_BYTES>()?;
    let frame = bytes.get(..stated_length(header)?)?;
    FrameHeader::decode(header)?;
    let salt = u32_at(frame, 0) ^ crc32c(&frame[4..]);
    let names = |log| (1..NUMBERS_MAX).map(move |number| SegmentName { journal, stream, log, number });
    let name = names(LogKind::Record).chain(names(LogKind::Work)).find(|name| name.salt() == salt)?;
    Some((name.log, name.number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cipher::FrameCipher;
    use crate::format::FrameKind;
    use model::{JobId, MessageVersion, TenantId};

    fn header(sequence: u64, job: u64) -> FrameHeader {
        let key = FrameKey { job: Some(JobId::new(1, job)), message: MessageVersion(0), attempt: 1 };
        FrameHeader { sequence, epoch: 2, kind: FrameKind::Intent, fresh: false, encoding: 1, key, tenant: TenantId(1), key_id: 3 }
    }

    fn name(number: u32) -> SegmentName {
        SegmentName { journal: JournalId([7; 16]), stream: StreamName::Transactional, log: LogKind::Record, number }
    }

    fn frame_of(sequence: u64, job: u64, number: u32) -> Vec<u8> {
        let mut out = Vec::new();
        let start = frame::begin(&mut out, &header(sequence, job));
        out.extend_from_slice(&[9; 75]);
        frame::finish(&mut out, start, JournalId([7; 16]), &FrameCipher::new(&[1; 32]).unwrap(), name(number).salt()).unwrap();
        out
    }

    fn jobs(there: &[u8], after: u64, until: u64) -> Option<Vec<u64>> {
        let named = named_by_headers(there, LogKind::Record, RecordPosition::new(2, after), RecordPosition::new(2, until));
        named.map(|headers| headers.iter().map(|header| header.key.job.unwrap().sequence()).collect())
    }

    #[test]
    fn a_damaged_frame_names_its_job_by_a_header_that_fits() {
        let mut there = frame_of(10, 5, 1);
        there[60] ^= 1;
        assert_eq!(jobs(&there, 9, 11), Some(vec![5]));
        assert_eq!(jobs(&there, 10, 12), None, "its position is not behind the frame before it");
        assert_eq!(jobs(&there, 5, 10), None, "nor before the one after it");
        there[4] ^= 1;
        assert_eq!(jobs(&there, 9, 11), Some(vec![5]), "a damaged length");
        there[17] ^= 1;
        assert_eq!(jobs(&there, 9, 11), None, "a damaged position");
    }

    #[test]
    fn several_damaged_frames_name_all_their_jobs_or_nobody_knows() {
        let mut there: Vec<u8> = [frame_of(10, 5, 1), frame_of(12, 6, 1), frame_of(13, 7, 1)].concat();
        let one = there.len() / 3;
        for frame in 0..3 {
            there[frame * one + 70] ^= 1;
        }
        assert_eq!(jobs(&there, 9, 20), Some(vec![5, 6, 7]));
        there[one + 5] ^= 1;
        assert_eq!(jobs(&there, 9, 20), Some(vec![5, 6, 7]), "by the next header, where a length does not hold");
        there[..40].fill(0xaa);
        assert_eq!(jobs(&there, 9, 20), None);
    }

    #[test]
    fn a_checksum_tells_whose_frame_it_is() {
        let frame = frame_of(10, 5, 77);
        let journal = JournalId([7; 16]);
        assert_eq!(owner(&frame, journal, StreamName::Transactional), Some((LogKind::Record, 77)));
        assert_eq!(owner(&frame, JournalId([8; 16]), StreamName::Transactional), None);
    }
}
