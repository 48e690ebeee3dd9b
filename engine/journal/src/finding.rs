//! What a start found on disk that was not as a clean stop leaves it, one word for each kind of trouble.
//!
//! Each says where it is, what it means, and what to do about it, in one line of a log. None of them stops a start; what does is a
//! [`crate::JournalError`]. What it means for jobs is recovery's: whom a lost frame may have been about is uncertain, and nobody else.

use crate::format::LogKind;
use std::fmt;

/// What a start found on disk that was not as a clean stop leaves it. It went on; the operator should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The last group has a hole or a cut end: a write that a crash tore. Nothing that is missing in it was ever acknowledged.
    TornTail {
        /// Which log.
        log: LogKind,
        /// The segment's number.
        segment: u32,
        /// Where it begins, in bytes.
        offset: u64,
    },
    /// Bytes between valid frames are damaged. What they said is lost.
    Damage {
        /// Which log.
        log: LogKind,
        /// The segment's number.
        segment: u32,
        /// Where it begins, in bytes.
        offset: u64,
        /// How much.
        bytes: u64,
    },
    /// A frame of another segment lies where one of this segment was.
    Misplaced {
        /// Which log.
        log: LogKind,
        /// The segment's number.
        segment: u32,
        /// Where, in bytes.
        offset: u64,
        /// The log it is from.
        of_log: LogKind,
        /// The segment it is from.
        of_segment: u32,
    },
    /// Whole frames whose key is there and did not write them: they were changed, forged, or are another journal's.
    NotAuthentic {
        /// Which log.
        log: LogKind,
        /// The segment's number.
        segment: u32,
        /// Where the first one is, in bytes.
        offset: u64,
        /// How many.
        frames: u64,
        /// The number of the key that they name.
        key: u32,
    },
    /// Whole frames whose key is not in the key ring any more.
    KeyGone {
        /// Which log.
        log: LogKind,
        /// The segment's number.
        segment: u32,
        /// Where the first one is, in bytes.
        offset: u64,
        /// How many.
        frames: u64,
        /// The number of the key that they name.
        key: u32,
    },
    /// Whole frames whose key is in the ring and cannot be unwrapped.
    KeyUnusable {
        /// Which log.
        log: LogKind,
        /// The segment's number.
        segment: u32,
        /// Where the first one is, in bytes.
        offset: u64,
        /// How many.
        frames: u64,
        /// The number of the key that they name.
        key: u32,
    },
    /// Frames that are authentic and say nothing that this version knows.
    Unknown {
        /// Which log.
        log: LogKind,
        /// The segment's number.
        segment: u32,
        /// Where the first one is, in bytes.
        offset: u64,
        /// How many.
        frames: u64,
    },
    /// A frame comes again, or earlier than the one before it; it was passed over.
    Replayed {
        /// Which log.
        log: LogKind,
        /// The segment's number.
        segment: u32,
        /// Where, in bytes.
        offset: u64,
    },
    /// The segment ends before the frame that the next one says it ends with.
    CutShort {
        /// Which log.
        log: LogKind,
        /// The segment's number.
        segment: u32,
        /// Where it ends now, in bytes.
        offset: u64,
    },
    /// A segment's header is damaged; its frames were read all the same.
    SegmentHeader {
        /// Which log.
        log: LogKind,
        /// The segment's number.
        segment: u32,
    },
    /// A checkpoint is damaged, or its key is gone. The one before it, or the record itself, said the same.
    CheckpointDamaged {
        /// The last record segment it covered.
        through: u32,
        /// Which check failed.
        what: String,
    },
    /// A segment between others is missing.
    SegmentMissing {
        /// Which log.
        log: LogKind,
        /// The segment's number.
        segment: u32,
    },
    /// The first segments of a log are missing.
    BeginningMissing {
        /// Which log.
        log: LogKind,
        /// The first segment that is there.
        segment: u32,
    },
    /// A work segment is missing in which jobs lie that are not settled.
    PayloadsMissing {
        /// The segment's number.
        segment: u32,
        /// How many jobs.
        jobs: u64,
    },
    /// Jobs that are `uncertain` because a lost frame may have said that they were being sent.
    Doubted {
        /// How many.
        jobs: u64,
    },
    /// It is an old copy or a clone, and an operator vouched for it. Nothing is reclaimed or destroyed in this start.
    StaleJournal {
        /// The last start the directory knows.
        directory: u32,
        /// The last start the key ring knows.
        ring: u32,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TornTail { log, segment, offset } => {
                write!(f, "{log} segment {segment} ended in a torn write at {offset}; nothing acknowledged is missing")
            }
            Self::Damage { log, segment, offset, bytes } => write!(
                f,
                "{log} segment {segment}: {bytes} bytes at {offset} are damaged and what they said is lost; every other frame was read: put the \
                 file back from a backup if there is one, and look after the disk"
            ),
            Self::Misplaced { log, segment, offset, of_log, of_segment } => write!(
                f,
                "{log} segment {segment}: at {offset} lies a frame of {of_log} segment {of_segment}; it was not read, and what was there is lost: \
                 find out who copies files of the journal or writes into them"
            ),
            Self::NotAuthentic { log, segment, offset, frames, key } => write!(
                f,
                "{log} segment {segment}: {frames} frames from {offset} on are whole but not authentic under key {key}; they were not \
                 heeded: they were forged or are another journal's, find out who can write here"
            ),
            Self::KeyGone { log, segment, offset, frames, key } => write!(
                f,
                "{log} segment {segment}: {frames} frames from {offset} on are under key {key}, which is not in the key ring; what they say \
                 cannot be read: if nobody destroyed it on purpose, put the key ring back from its newest backup"
            ),
            Self::KeyUnusable { log, segment, offset, frames, key } => write!(
                f,
                "{log} segment {segment}: {frames} frames from {offset} on are under key {key}, which the key ring has but cannot unwrap: put \
                 the key ring back from its newest backup"
            ),
            Self::Unknown { log, segment, offset, frames } => write!(
                f,
                "{log} segment {segment}: {frames} frames from {offset} on are authentic but say nothing that this version knows: upgrade \
                 to the version that wrote them"
            ),
            Self::Replayed { log, segment, offset } => {
                write!(f, "{log} segment {segment}: the frame at {offset} was here before; it was passed over: find out who can write here")
            }
            Self::CutShort { log, segment, offset } => write!(
                f,
                "{log} segment {segment} ends at {offset}, before the last frame that the next segment knows of; what was behind is lost: put the \
                 file back from a backup"
            ),
            Self::SegmentHeader { log, segment } => {
                write!(f, "{log} segment {segment}: the header is damaged; its frames were read: look after the disk")
            }
            Self::SegmentMissing { log, segment } => {
                write!(f, "{log} segment {segment} is missing, and what it said: put the file back from a backup")
            }
            Self::BeginningMissing { log, segment } => {
                write!(
                    f,
                    "{log} begins with segment {segment}; those before it are missing, and what they said: put the files back from a backup"
                )
            }
            Self::PayloadsMissing { segment, jobs } => write!(
                f,
                "work segment {segment} is missing, and {jobs} jobs in it are not settled: each is held when it is due; put the file back from \
                 a backup, or hand their statements in again"
            ),
            Self::Doubted { jobs } => {
                write!(f, "{jobs} jobs may have been sent in what is lost of the record: they are uncertain and are dealt with as such")
            }
            Self::CheckpointDamaged { through, what } => {
                write!(f, "the checkpoint through record segment {through} is of no use ({what}); the record before it was read instead")
            }
            Self::StaleJournal { directory, ring } => write!(
                f,
                "this directory was put back from a copy: its last start was {directory}, the key ring knew {ring}; nothing is reclaimed in this start"
            ),
        }
    }
}
