//! From the record on disk to what the engine must go on with.
//!
//! The record log is read once, from its first frame, and decrypted; the work log is not read but for its end. What comes out is exact:
//!
//! - a job counts where its batch is committed, or rolling (then each durable head binds by itself);
//! - a job whose last word is an intent is [`State::Uncertain`]: its message may have been sent (invariant 10);
//! - a batch without commit is given up, unless damage in the record behind its opening leaves its fate unknown: then it is neither
//!   queued nor discarded, and a person decides;
//! - once settled, a job is not recovered any more, also where a bounce came later.
//!
//! Damage is never fatal here. It is told as a [`Finding`], and from then on nothing this start found is reclaimed or destroyed.

mod misreading;
mod replay;
pub(crate) mod standing;

pub(crate) use misreading::Misreading;
pub(crate) use replay::{Maxima, Replay, raise};

use crate::bounds::SEGMENT_HEADER_BYTES;
use crate::checkpoint::Covered;
use crate::error::{DiskError, Finding, JournalError};
use crate::format::{Begun, FrameHeader, RecordPosition};
use crate::frame;
use crate::key_ring::KeyRing;
use crate::record::{self, Decoded};
use crate::segment::{self, Scanner, Step};
use crate::survey::{LogDir, SegmentEnd, UsedSegment};
use model::record::{BatchCommit, BatchOpen, FrameKey, Intent};
use model::stage::JournaledJob;
use model::state::HoldReason;
use model::{BatchId, MessageVersion, State, Stream, Timestamp};

/// What a start found.
#[derive(Debug)]
pub struct Recovered<S: Stream> {
    /// All batches that were not given up, in the order of their ids. One that is neither rolling nor committed lost its commit, or had
    /// none, in a damaged record: it needs a person.
    pub batches: Vec<RecoveredBatch>,
    /// Every binding job that is not settled, in the order of the ids.
    pub jobs: Vec<RecoveredJob<S>>,
    /// Batches that this start gave up for want of a commit.
    pub discarded: Vec<BatchId>,
    /// What was not as a clean stop leaves it.
    pub findings: Vec<Finding>,
}

/// A batch as the record knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveredBatch {
    /// How it came.
    pub open: BatchOpen,
    /// Its commit.
    pub commit: Option<BatchCommit>,
    /// An operator must release it before its next message.
    pub held: bool,
    /// An operator stopped it for good.
    pub cancelled: bool,
    /// Its report was given.
    pub closed: bool,
}

/// A job that the engine must go on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveredJob<S: Stream> {
    /// The job.
    pub job: JournaledJob<S>,
    /// Where it stands.
    pub state: State,
    /// Why it is held, where it is.
    pub held: Option<HoldReason>,
    /// The highest attempt that the record knows; one that a crash cut short counts.
    pub attempts: u16,
    /// Its current message version.
    pub message: MessageVersion,
    /// When it is due.
    pub due: Timestamp,
    /// The first intent of the current message version: a later attempt must reproduce its bytes.
    pub frozen: Option<Intent>,
}

/// Where the record ends.
#[derive(Debug, Default)]
pub(crate) struct RecordEnd {
    pub(crate) last: SegmentEnd,
    /// Everything before this is damaged somewhere: positions after which a frame is missing.
    pub(crate) damaged_after: Option<RecordPosition>,
}

/// A frame as recovery hands it on.
pub(crate) struct Seen {
    pub(crate) position: RecordPosition,
    pub(crate) key: FrameKey,
    pub(crate) decoded: Decoded,
}

/// A whole frame, and where it lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FramePlace {
    pub(crate) segment: u32,
    pub(crate) offset: u64,
    pub(crate) header: FrameHeader,
}

/// Reads the record behind a checkpoint, or the whole of it where there is none. `segments` are those behind the checkpoint.
pub(crate) fn read_record(
    dir: &LogDir<'_>,
    keys: &KeyRing,
    after: Option<Covered>,
    segments: &[UsedSegment],
    findings: &mut Vec<Finding>,
    mut visit: impl FnMut(Seen),
) -> Result<RecordEnd, JournalError> {
    let mut end = RecordEnd::after(after);
    let mut expected = after.map(|after| after.through.saturating_add(1)).or(segments.first().map(|first| first.number)).unwrap_or(0);
    if segments.is_empty() && after.is_some() {
        // A segment is covered only when the one behind it is in use.
        findings.push(Finding::SegmentMissing { log: dir.log, segment: expected });
        end.note_damage();
    }
    for (index, used) in segments.iter().enumerate() {
        while expected < used.number {
            findings.push(Finding::SegmentMissing { log: dir.log, segment: expected });
            end.note_damage();
            expected += 1;
        }
        expected = used.number.saturating_add(1);
        end.go_through(dir, keys, used, segments.get(index + 1), findings, &mut visit)?;
    }
    Ok(end)
}

/// Tells of segments that are missing among those a checkpoint covers. What they said of batches and jobs is in the checkpoint, so nothing
/// is damaged; projections that are made anew will lack it.
pub(crate) fn tell_missing(dir: &LogDir<'_>, covered: &[UsedSegment], through: Option<Covered>, findings: &mut Vec<Finding>) {
    let Some(through) = through else { return };
    let next = covered.iter().skip(1).map(|used| used.number).chain([through.through.saturating_add(1)]);
    for (used, next) in covered.iter().zip(next) {
        let missing = used.number.saturating_add(1)..next;
        findings.extend(missing.map(|segment| Finding::SegmentMissing { log: dir.log, segment }));
    }
}

impl RecordEnd {
    pub(crate) fn after(covered: Option<Covered>) -> Self {
        let position = covered.map_or(RecordPosition::default(), |covered| covered.position);
        Self { last: SegmentEnd { position, ..SegmentEnd::default() }, damaged_after: None }
    }

    /// Reads one segment; what it lacks at its end is judged by the one behind it.
    pub(crate) fn go_through(
        &mut self,
        dir: &LogDir<'_>,
        keys: &KeyRing,
        used: &UsedSegment,
        next: Option<&UsedSegment>,
        findings: &mut Vec<Finding>,
        visit: &mut impl FnMut(Seen),
    ) -> Result<(), JournalError> {
        self.read_segment(dir, keys, used, findings, visit)?;
        self.leave_segment(dir, used, next, findings)
    }

    /// From the last good frame on something is missing.
    fn note_damage(&mut self) {
        self.damaged_after = Some(self.last.position);
    }

    fn read_segment(
        &mut self,
        dir: &LogDir<'_>,
        keys: &KeyRing,
        used: &UsedSegment,
        findings: &mut Vec<Finding>,
        visit: &mut impl FnMut(Seen),
    ) -> Result<(), JournalError> {
        self.read_frames(dir, used, findings, &mut |frame, bytes| match decode(dir, keys, bytes) {
            Some(decoded) => {
                visit(Seen { position: frame.header.position(), key: frame.header.key, decoded });
                true
            }
            None => false,
        })
    }

    /// Goes through the frames of a segment of either log, in their order. `read` says whether a frame could be read.
    pub(crate) fn read_frames(
        &mut self,
        dir: &LogDir<'_>,
        used: &UsedSegment,
        findings: &mut Vec<Finding>,
        read: &mut dyn FnMut(FramePlace, &mut [u8]) -> bool,
    ) -> Result<(), JournalError> {
        let path = segment::path_of(&dir.path, used.number);
        let error = || DiskError::new("read", &path);
        let segment = used.number;
        let start = SEGMENT_HEADER_BYTES as u64;
        let mut scanner = Scanner::new(used.file.clone(), dir.name(segment).salt(), start).map_err(error())?;
        self.last = SegmentEnd { position: self.last.position, epoch: self.last.epoch, ..SegmentEnd::default() };
        loop {
            match scanner.step().map_err(error())? {
                Step::Frame { offset, header, length } => {
                    // A frame that comes again is a copy that somebody put there.
                    if header.position() <= self.last.position && self.last.position != RecordPosition::default() {
                        findings.push(Finding::OutOfOrder { segment, offset });
                        continue;
                    }
                    if header.fresh {
                        self.tell_holes(dir, segment, findings);
                    }
                    self.last.epoch = self.last.epoch.max(header.epoch);
                    if !read(FramePlace { segment, offset, header }, scanner.frame_mut(offset, length)) {
                        findings.push(Finding::Unreadable { segment, offset });
                        self.note_damage();
                    }
                    self.last.position = header.position();
                }
                Step::Damage { offset, bytes } => self.last.holes.push((offset, bytes)),
                Step::End { offset, torn } => {
                    (self.last.offset, self.last.torn) = (offset, torn);
                    return Ok(());
                }
            }
        }
    }

    /// What the holes held was durable: they are damage.
    fn tell_holes(&mut self, dir: &LogDir<'_>, segment: u32, findings: &mut Vec<Finding>) {
        if self.last.holes.is_empty() {
            return;
        }
        let log = dir.log;
        findings.extend(self.last.holes.iter().map(|(offset, bytes)| Finding::Damage { log, segment, offset: *offset, bytes: *bytes }));
        self.last.damage.append(&mut self.last.holes);
        self.note_damage();
    }

    /// Judges what the segment's last group lacks, by what follows it.
    pub(crate) fn leave_segment(
        &mut self,
        dir: &LogDir<'_>,
        used: &UsedSegment,
        next: Option<&UsedSegment>,
        findings: &mut Vec<Finding>,
    ) -> Result<(), JournalError> {
        let (log, segment) = (dir.log, used.number);
        match next.map(|next| next.header.map(|header| header.begun)) {
            // The log ends here.
            None if self.last.torn || !self.last.holes.is_empty() => {
                let offset = self.last.holes.first().map_or(self.last.offset, |hole| hole.0);
                findings.push(Finding::TornTail { log, segment, offset });
            }
            None => {}
            // A crash ended it, which the start after that crash has told, and it cut the end off.
            Some(Some(Begun::Start)) if !self.last.torn => {}
            Some(_) => {
                self.tell_holes(dir, segment, findings);
                // Where the last frame is the one that the next segment knows, a damaged index lies behind it: it is made again.
                let before = next.and_then(|next| next.header).and_then(|header| header.before);
                if self.last.torn && before != Some(self.last.position) {
                    let path = segment::path_of(&dir.path, segment);
                    let length = used.file.len().map_err(DiskError::new("measure", &path))?;
                    let offset = self.last.offset;
                    findings.push(Finding::Damage { log, segment, offset, bytes: length.saturating_sub(offset) });
                    self.note_damage();
                }
            }
        }
        Ok(())
    }
}

fn decode(dir: &LogDir<'_>, keys: &KeyRing, bytes: &mut [u8]) -> Option<Decoded> {
    let header = frame::header_of(bytes)?;
    let cipher = keys.cipher(header.key_id).ok()??;
    let plain = frame::open_in_place(bytes, dir.journal, &cipher).ok()?;
    record::decode(header.kind, header.encoding, plain).ok()
}
