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
//! Damage is never fatal here. It is told as a [`Finding`], and from then on nothing this start found is reclaimed or destroyed. Where the
//! lost frame may have been an intent, the jobs it may have been about are uncertain ([`trouble`]).

mod misreading;
mod replay;
pub(crate) mod standing;
pub(crate) mod trouble;

pub(crate) use misreading::Misreading;
pub(crate) use replay::{Maxima, Replay, raise};

use crate::block::{Unpacked, Unpacker};
use crate::bounds::SEGMENT_HEADER_BYTES;
use crate::checkpoint::Covered;
use crate::error::{DiskError, Finding, JournalError};
use crate::footer;
use crate::format::{Begun, Form, FrameHeader, FrameKind, RecordPosition};
use crate::key_ring::KeyRing;
use crate::record::{Decoded, Lost};
use crate::segment::{self, Scanner, Step};
use crate::survey::{Hole, LogDir, SegmentEnd, UsedSegment};
use model::record::{BatchCommit, BatchOpen, FrameKey, Intent};
use model::stage::JournaledJob;
use model::state::HoldReason;
use model::{BatchId, MessageVersion, State, Stream, Timestamp};
use trouble::{Unread, UnreadFrames};

/// The number of a log's first segment.
pub(crate) const FIRST_NUMBER: u32 = 1;

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
    pub frozen: Option<Box<Intent>>,
}

/// Where the record ends.
#[derive(Debug, Default)]
pub(crate) struct RecordEnd {
    pub(crate) last: SegmentEnd,
    /// Everything before this is damaged somewhere: positions after which a frame is missing.
    pub(crate) damaged_after: Option<RecordPosition>,
    /// Frames that could be read, and whole ones that could not.
    read: u64,
    unread: u64,
    /// The last segment was compacted and not opened: where its records end is not known.
    is_blind: bool,
    /// What was lost and not handed on yet.
    lost: Vec<(RecordPosition, FrameKey, Lost)>,
}

/// What a reader of frames comes upon.
pub(crate) enum Met<'a> {
    /// A whole frame.
    Frame(FramePlace, &'a mut [u8]),
    /// A place where a frame was: the position before it, and what its header says if there is one.
    Lost(RecordPosition, FrameKey, Lost),
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
        end.lose_anything();
    }
    if let Some(first) = segments.first().filter(|first| after.is_none() && first.number > FIRST_NUMBER) {
        findings.push(Finding::BeginningMissing { log: dir.log, segment: first.number });
        end.lose_anything();
    }
    for (index, used) in segments.iter().enumerate() {
        while expected < used.number {
            findings.push(Finding::SegmentMissing { log: dir.log, segment: expected });
            end.lose_anything();
            expected += 1;
        }
        expected = used.number.saturating_add(1);
        end.go_through(dir, keys, used, segments.get(index + 1), findings, &mut visit)?;
    }
    // A journal is never read with another one's keys: it would seem to be empty, and everything in it would be taken in again.
    if after.is_none() && end.read == 0 && end.unread > 0 {
        return Err(JournalError::WrongRing { path: dir.path.clone(), frames: end.unread });
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
        Self { last: SegmentEnd { position, ..SegmentEnd::default() }, ..Self::default() }
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
        self.leave_segment(dir, used, next, findings)?;
        let lost = self.lost.drain(..);
        lost.for_each(|(position, key, lost)| visit(Seen { position, key, decoded: Decoded::Lost(lost) }));
        Ok(())
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
        if segment::form_of(&used.file, dir.name(used.number).salt())
            .map_err(DiskError::new("read", &segment::path_of(&dir.path, used.number)))?
            == Form::Compacted
        {
            return self.read_compacted(dir, keys, used, findings, visit);
        }
        self.read_frames(dir, used, findings, &mut |met| {
            let (position, key, decoded) = match met {
                Met::Frame(frame, bytes) => (frame.header.position(), frame.header.key, trouble::decode(dir, keys, bytes)?),
                Met::Lost(position, key, lost) => (position, key, Decoded::Lost(lost)),
            };
            visit(Seen { position, key, decoded });
            Ok(())
        })
    }

    /// The records of a compacted segment. It was whole and durable before it took its place, so whatever it lacks is damage.
    fn read_compacted(
        &mut self,
        dir: &LogDir<'_>,
        keys: &KeyRing,
        used: &UsedSegment,
        findings: &mut Vec<Finding>,
        visit: &mut impl FnMut(Seen),
    ) -> Result<(), JournalError> {
        let (log, segment) = (dir.log, used.number);
        let path = segment::path_of(&dir.path, segment);
        let error = || DiskError::new("read", &path);
        let scanner = Scanner::new(used.file.clone(), dir.name(segment).salt(), SEGMENT_HEADER_BYTES as u64).map_err(error())?;
        let mut unpacker = Unpacker::new(scanner, dir.journal, keys.clone());
        self.last = SegmentEnd { position: self.last.position, epoch: self.last.epoch, ..SegmentEnd::default() };
        let mut unread = UnreadFrames::default();
        loop {
            match unpacker.next().map_err(error())? {
                Unpacked::Record(record) if record.position <= self.last.position && !self.last.position.is_start() => {
                    findings.push(Finding::Replayed { log, segment, offset: SEGMENT_HEADER_BYTES as u64 });
                }
                Unpacked::Record(record) => {
                    self.last.position = record.position;
                    match record.decode() {
                        Some(decoded) => {
                            self.read += 1;
                            visit(Seen { position: record.position, key: record.key, decoded });
                        }
                        None => {
                            unread.add(Unread::Unknown, SEGMENT_HEADER_BYTES as u64);
                            self.lose_anything();
                        }
                    }
                }
                Unpacked::Through(position) => self.last.position = self.last.position.max(position),
                Unpacked::OutOfOrder { offset } => findings.push(Finding::Replayed { log, segment, offset }),
                Unpacked::Unreadable { offset, why } => {
                    unread.add(why, offset);
                    self.unread += 1;
                    self.lose_anything();
                }
                Unpacked::Damage { offset, bytes } => {
                    findings.push(Finding::Damage { log, segment, offset, bytes });
                    self.lose_anything();
                }
                Unpacked::End { offset, torn } => {
                    self.last.offset = offset;
                    self.last.epoch = self.last.epoch.max(unpacker.epoch);
                    if torn {
                        let bytes = used.file.len().map_err(error())?.saturating_sub(offset);
                        findings.push(Finding::Damage { log, segment, offset, bytes });
                        self.lose_anything();
                    }
                    unread.tell(log, segment, findings);
                    return Ok(());
                }
            }
            for (position, key, lost) in self.lost.drain(..) {
                visit(Seen { position, key, decoded: Decoded::Lost(lost) });
            }
        }
    }

    /// Goes through the frames of a segment of either log, in their order. `read` says why a frame could not be read.
    pub(crate) fn read_frames(
        &mut self,
        dir: &LogDir<'_>,
        used: &UsedSegment,
        findings: &mut Vec<Finding>,
        read: &mut dyn FnMut(Met<'_>) -> Result<(), Unread>,
    ) -> Result<(), JournalError> {
        let path = segment::path_of(&dir.path, used.number);
        let error = || DiskError::new("read", &path);
        let segment = used.number;
        let start = SEGMENT_HEADER_BYTES as u64;
        let mut scanner = Scanner::new(used.file.clone(), dir.name(segment).salt(), start).map_err(error())?;
        self.last = SegmentEnd { position: self.last.position, epoch: self.last.epoch, ..SegmentEnd::default() };
        let mut unread = UnreadFrames::default();
        self.is_blind = false;
        self.hand_on_lost(read);
        loop {
            match scanner.step().map_err(error())? {
                Step::Frame { offset, header, length } => {
                    // A block's own position says nothing about the order of records.
                    if header.kind == FrameKind::Block {
                        self.tell_holes(dir, used, header.position(), findings)?;
                        self.last.epoch = self.last.epoch.max(header.epoch);
                        self.is_blind = true;
                        match read(Met::Frame(FramePlace { segment, offset, header }, scanner.frame_mut(offset, length))) {
                            Ok(()) => self.read += 1,
                            Err(why) => {
                                unread.add(why, offset);
                                self.unread += 1;
                                self.lose_anything();
                            }
                        }
                        self.hand_on_lost(read);
                        continue;
                    }
                    // A frame that comes again is a copy that somebody put there.
                    if header.position() <= self.last.position && self.last.position != RecordPosition::default() {
                        findings.push(Finding::Replayed { log: dir.log, segment, offset });
                        continue;
                    }
                    if header.fresh {
                        self.tell_holes(dir, used, header.position(), findings)?;
                        self.hand_on_lost(read);
                    }
                    self.last.epoch = self.last.epoch.max(header.epoch);
                    match read(Met::Frame(FramePlace { segment, offset, header }, scanner.frame_mut(offset, length))) {
                        Ok(()) => self.read += 1,
                        Err(why) => {
                            unread.add(why, offset);
                            self.unread += 1;
                            self.lost.push((self.last.position, header.key, Lost::Frame));
                            self.hand_on_lost(read);
                            self.note_damage();
                        }
                    }
                    self.last.position = header.position();
                }
                Step::Damage { offset, bytes } => self.last.holes.push(Hole { offset, bytes, after: self.last.position }),
                Step::End { offset, torn } => {
                    (self.last.offset, self.last.torn) = (offset, torn);
                    unread.tell(dir.log, segment, findings);
                    return Ok(());
                }
            }
        }
    }

    fn hand_on_lost(&mut self, read: &mut dyn FnMut(Met<'_>) -> Result<(), Unread>) {
        for (position, key, lost) in self.lost.drain(..) {
            // There is nothing in it that could not be read.
            let _ = read(Met::Lost(position, key, lost));
        }
    }

    /// Anything may have been said here.
    fn lose_anything(&mut self) {
        self.lost.push((self.last.position, trouble::about(None), Lost::Anyone));
        self.note_damage();
    }

    /// What the holes held was durable: they are damage.
    fn tell_holes(
        &mut self,
        dir: &LogDir<'_>,
        used: &UsedSegment,
        until: RecordPosition,
        findings: &mut Vec<Finding>,
    ) -> Result<(), JournalError> {
        for hole in std::mem::take(&mut self.last.holes) {
            findings.push(trouble::look_into(dir, used, hole, until, &mut self.lost)?);
            self.last.damage.push(hole);
            self.note_damage();
        }
        Ok(())
    }

    /// Judges what the segment's last group lacks, by what follows it.
    pub(crate) fn leave_segment(
        &mut self,
        dir: &LogDir<'_>,
        used: &UsedSegment,
        next: Option<&UsedSegment>,
        findings: &mut Vec<Finding>,
    ) -> Result<(), JournalError> {
        match next {
            None => self.leave_log(dir, used, findings),
            Some(next) => self.leave_for(dir, used, next, findings),
        }
    }

    /// The log ends here, unless what came after is gone.
    fn leave_log(&mut self, dir: &LogDir<'_>, used: &UsedSegment, findings: &mut Vec<Finding>) -> Result<(), JournalError> {
        let (log, segment) = (dir.log, used.number);
        let path = segment::path_of(&dir.path, segment);
        // Only a segment that another one follows has an index.
        if footer::read_trailer(&*used.file, dir.name(segment).salt()).map_err(DiskError::new("read", &path))?.is_some() {
            findings.push(Finding::SegmentMissing { log, segment: segment.saturating_add(1) });
            self.tell_holes(dir, used, RecordPosition(u64::MAX), findings)?;
            self.lose_anything();
        } else if self.last.torn || !self.last.holes.is_empty() {
            let offset = self.last.holes.first().map_or(self.last.offset, |hole| hole.offset);
            findings.push(Finding::TornTail { log, segment, offset });
        }
        Ok(())
    }

    fn leave_for(
        &mut self,
        dir: &LogDir<'_>,
        used: &UsedSegment,
        next: &UsedSegment,
        findings: &mut Vec<Finding>,
    ) -> Result<(), JournalError> {
        let (log, segment) = (dir.log, used.number);
        let is_next = next.number == segment.saturating_add(1);
        let before = next.header.and_then(|header| header.before).filter(|_| is_next);
        let is_whole = before.filter(|_| !self.is_blind).map(|before| before <= self.last.position);
        // A crash ended it, which the start after that crash has told, and it cut the end off.
        let by_crash = next.header.is_some_and(|header| header.begun == Begun::Start);
        // Behind the last frame that the next segment knows lies a damaged index: it is made again.
        let lacks_its_end = self.last.torn && is_whole != Some(true);
        let until = next.header.map_or(RecordPosition(u64::MAX), |header| header.first_position());
        if !by_crash || lacks_its_end {
            self.tell_holes(dir, used, until, findings)?;
        }
        if lacks_its_end {
            let path = segment::path_of(&dir.path, segment);
            let length = used.file.len().map_err(DiskError::new("measure", &path))?;
            let (offset, after) = (self.last.offset, self.last.position);
            let bytes = length.saturating_sub(offset);
            findings.push(trouble::look_into(dir, used, Hole { offset, bytes, after }, until, &mut self.lost)?);
            self.note_damage();
        } else if is_whole == Some(false) {
            findings.push(Finding::CutShort { log, segment, offset: self.last.offset });
            self.lose_anything();
        }
        Ok(())
    }
}
