//! Frames one by one, for an operator who wants to see what is there.
//!
//! Headers are in the clear and shown as they are. With keys, a record is shown too, but only what is no personal data: states, codes,
//! times, counts, our addresses and the receivers', the first bytes of hashes. A payload is never opened here: it is a member's statement,
//! and whoever may see that has `sealpost preview`. Left out of records for the same reason: receiving domains and sums (a domain or an
//! amount can be one person's), and what an operator typed.

mod fields;

pub use fields::{Field, FieldValue};

use crate::block::{self, BlockRecord};
use crate::error::JournalError;
use crate::format::{FrameHeader, FrameKind, LogKind, RecordPosition};
use crate::frame;
use crate::journal_dir::JournalDir;
use crate::key_ring::KeyRing;
use crate::record::{self, Decoded};
use crate::segment::Step;
use crate::walk::{Met, Walk};
use model::record::Record;
use model::{BatchId, JobId, MessageVersion, TenantId};
use std::collections::{BTreeSet, VecDeque};

/// What an inspection is asked for.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// One log alone; both, in the order of their frames, where it is `None`.
    pub log: Option<LogKind>,
    /// One segment alone.
    pub segment: Option<u32>,
    /// Frames about one job alone.
    pub job: Option<JobId>,
    /// Frames about one batch and its jobs alone. Needs keys: which batch a frame belongs to is encrypted.
    pub batch: Option<BatchId>,
    /// Frames behind this position alone.
    pub after: Option<RecordPosition>,
}

/// Something that lies in a segment.
#[derive(Debug, Clone)]
pub struct Inspected {
    /// Which log.
    pub log: LogKind,
    /// The segment's number.
    pub segment: u32,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// What it is.
    pub what: Thing,
}

/// What an inspection comes upon.
#[derive(Debug, Clone)]
pub enum Thing {
    /// A frame.
    Frame(Box<InspectedFrame>),
    /// Bytes that are no frame, and then a frame.
    Damage {
        /// How many.
        bytes: u64,
    },
    /// The segment ends in bytes that are no frame: a crash tore them, or an engine is writing them.
    Torn,
}

/// A whole frame.
#[derive(Debug, Clone)]
pub struct InspectedFrame {
    /// Its place in the order of all frames.
    pub position: RecordPosition,
    /// Its kind, in a stable word.
    pub kind: &'static str,
    /// The job it is about.
    pub job: Option<JobId>,
    /// The message version.
    pub message: MessageVersion,
    /// The attempt, from 1; 0 where it is about none.
    pub attempt: u16,
    /// Whose it is; 0 is the installation itself.
    pub tenant: TenantId,
    /// Number of the key it is under.
    pub key: u32,
    /// Its length without padding, in bytes.
    pub length: usize,
    /// Everything before it in its log was durable when it was made.
    pub fresh: bool,
    /// What is under the cipher.
    pub content: Content,
}

/// What is under the cipher of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// No keys were given, or it is a payload.
    Sealed,
    /// Its key is not in the ring: it was destroyed, or it is younger than what was read of the ring.
    NoKey,
    /// It does not open or does not decode: it is not what the engine wrote.
    Unreadable,
    /// A record's fields that are no personal data.
    Fields(Vec<Field>),
}

/// Goes through the frames of a journal.
pub struct Inspection {
    place: JournalDir,
    keys: Option<KeyRing>,
    selection: Selection,
    walks: Vec<OneLog>,
    /// Jobs of the batch that was asked for.
    jobs: BTreeSet<JobId>,
}

struct OneLog {
    log: LogKind,
    walk: Walk,
    /// What comes next of this log, and where it belongs in the order.
    next: Option<(Inspected, Option<BatchId>)>,
    order: RecordPosition,
    /// Records of compacted frames that come before anything else of this log.
    unpacked: VecDeque<(Inspected, Option<BatchId>, RecordPosition)>,
    /// The window is not at its end: other blocks may hold records that come before these.
    within: bool,
}

impl JournalDir {
    /// Begins an inspection.
    ///
    /// # Errors
    /// [`JournalError::Misuse`] where a batch is asked for without keys; [`JournalError::Disk`].
    pub fn inspect(&self, keys: Option<KeyRing>, selection: Selection) -> Result<Inspection, JournalError> {
        if selection.batch.is_some() && keys.is_none() {
            return Err(JournalError::Misuse("which batch a frame belongs to is encrypted: a batch can be asked for with keys alone"));
        }
        let logs = match selection.log {
            Some(log) => vec![log],
            None => vec![LogKind::Work, LogKind::Record],
        };
        let one = |log| OneLog {
            log,
            walk: Walk::new(self, log, selection.segment),
            next: None,
            order: RecordPosition::default(),
            unpacked: VecDeque::new(),
            within: false,
        };
        let walks = logs.into_iter().map(one).collect();
        let mut inspection = Inspection { place: self.clone(), keys, walks, jobs: BTreeSet::new(), selection };
        inspection.learn_jobs()?;
        Ok(inspection)
    }
}

impl Inspection {
    /// The next frame that was asked for; `None` where there is none now. Asked again, it gives what was written meanwhile.
    ///
    /// # Errors
    /// [`JournalError::Disk`].
    #[allow(clippy::should_implement_trait, reason = "it may fail, and it goes on after an end")]
    pub fn next(&mut self) -> Result<Option<Inspected>, JournalError> {
        loop {
            for log in 0..self.walks.len() {
                if self.walks[log].next.is_none() {
                    self.advance(log)?;
                }
            }
            let first = (0..self.walks.len()).filter(|log| self.walks[*log].next.is_some()).min_by_key(|log| self.walks[*log].order);
            let Some((found, batch)) = first.and_then(|log| self.walks[log].next.take()) else { return Ok(None) };
            if self.is_wanted(&found, batch) {
                return Ok(Some(found));
            }
        }
    }

    fn is_wanted(&self, found: &Inspected, batch: Option<BatchId>) -> bool {
        let Selection { job, batch: wanted, after, .. } = self.selection;
        let Thing::Frame(frame) = &found.what else { return job.is_none() && wanted.is_none() && after.is_none() };
        after.is_none_or(|after| frame.position > after)
            && job.is_none_or(|job| frame.job == Some(job))
            && wanted.is_none_or(|wanted| batch == Some(wanted) || frame.job.is_some_and(|job| self.jobs.contains(&job)))
    }

    fn advance(&mut self, log: usize) -> Result<(), JournalError> {
        let one = &mut self.walks[log];
        loop {
            if !one.within
                && let Some((found, batch, order)) = one.unpacked.pop_front()
            {
                one.order = order;
                if let (Thing::Frame(frame), Some(of)) = (&found.what, batch)
                    && let Some(job) = frame.job.filter(|_| self.selection.batch == Some(of))
                {
                    self.jobs.insert(job);
                }
                one.next = Some((found, batch));
                return Ok(());
            }
            let Some(met) = one.walk.next()? else { break };
            let Met::Step(step) = met else { continue };
            let segment = one.walk.segment().expect("a step is in a segment");
            one.within &= !matches!(step, Step::End { .. });
            let (offset, what, batch) = match step {
                Step::Frame { offset, header, length } if header.kind == FrameKind::Block && self.keys.is_some() => {
                    let keys = self.keys.as_ref().expect("asked above");
                    match block::open(self.place.id, keys, &header, one.walk.frame_mut(offset, length)) {
                        Ok(block) => {
                            one.unpacked.extend(block.records.iter().map(|record| {
                                let (what, batch) = of_block(&header, record);
                                (Inspected { log: one.log, segment, offset, what }, batch, record.position)
                            }));
                            one.unpacked.make_contiguous().sort_by_key(|(_, _, position)| *position);
                            one.within = header.key.attempt > 0;
                            continue;
                        }
                        Err(_) => (offset, Thing::Frame(Box::new(frame_of(&header, length, Content::Unreadable))), None),
                    }
                }
                Step::Frame { offset, header, length } => {
                    one.order = header.position();
                    let (content, batch) = match (&self.keys, header.kind.log()) {
                        (Some(keys), LogKind::Record) => open(&self.place, keys, &header, one.walk.frame_mut(offset, length)),
                        _ => (Content::Sealed, None),
                    };
                    if let (Some(job), Some(batch)) = (header.key.job, batch)
                        && self.selection.batch == Some(batch)
                    {
                        self.jobs.insert(job);
                    }
                    (offset, Thing::Frame(Box::new(frame_of(&header, length, content))), batch)
                }
                Step::Damage { offset, bytes } => (offset, Thing::Damage { bytes }, None),
                Step::End { offset, torn: true } => (offset, Thing::Torn, None),
                Step::End { .. } => continue,
            };
            one.next = Some((Inspected { log: one.log, segment, offset, what }, batch));
            return Ok(());
        }
        Ok(())
    }

    /// Payloads come before the heads that say whose they are: the heads of a batch are looked up first.
    fn learn_jobs(&mut self) -> Result<(), JournalError> {
        let (Some(wanted), Some(keys)) = (self.selection.batch, &self.keys) else { return Ok(()) };
        let mut walk = Walk::new(&self.place, LogKind::Record, None);
        while let Some(met) = walk.next()? {
            let Met::Step(Step::Frame { offset, header, length }) = met else { continue };
            if header.kind == FrameKind::Block {
                let block = block::open(self.place.id, keys, &header, walk.frame_mut(offset, length));
                let of_batch = |record: &BlockRecord| record.decode().is_some_and(|decoded| batch_of(&decoded) == Some(wanted));
                let records = block.into_iter().flat_map(|block| block.records);
                self.jobs.extend(records.filter(of_batch).filter_map(|record| record.key.job));
                continue;
            }
            let Some(job) = header.key.job else { continue };
            if open(&self.place, keys, &header, walk.frame_mut(offset, length)).1 == Some(wanted) {
                self.jobs.insert(job);
            }
        }
        Ok(())
    }
}

fn frame_of(header: &FrameHeader, length: usize, content: Content) -> InspectedFrame {
    InspectedFrame {
        position: header.position(),
        kind: header.kind.as_str(),
        job: header.key.job,
        message: header.key.message,
        attempt: header.key.attempt,
        tenant: header.tenant,
        key: header.key_id,
        length,
        fresh: header.fresh,
        content,
    }
}

/// A record's fields, and the batch it names.
fn open(place: &JournalDir, keys: &KeyRing, header: &FrameHeader, bytes: &mut [u8]) -> (Content, Option<BatchId>) {
    let Ok(Some(cipher)) = keys.cipher(header.key_id) else { return (Content::NoKey, None) };
    let Ok(plain) = frame::open_in_place(bytes, place.id, &cipher) else { return (Content::Unreadable, None) };
    match record::decode(header.kind, header.encoding, plain) {
        Ok(decoded) => (Content::Fields(fields::of(&decoded)), batch_of(&decoded)),
        Err(_) => (Content::Unreadable, None),
    }
}

/// A record of a block, as the frame that it was.
fn of_block(block: &FrameHeader, record: &BlockRecord) -> (Thing, Option<BatchId>) {
    let (content, batch) = match record.decode() {
        Some(decoded) => (Content::Fields(fields::of(&decoded)), batch_of(&decoded)),
        None => (Content::Unreadable, None),
    };
    let (epoch, sequence) = record.position.parts();
    let header = FrameHeader { epoch, sequence, kind: record.kind, encoding: record.encoding, key: record.key, ..*block };
    (Thing::Frame(Box::new(frame_of(&header, record.bytes.len(), content))), batch)
}

fn batch_of(decoded: &Decoded) -> Option<BatchId> {
    let record = match decoded {
        Decoded::Head(_, head) => return Some(head.batch),
        Decoded::Moved(_) | Decoded::Lost(_) => return None,
        Decoded::Record(record) => record,
    };
    match &**record {
        Record::BatchOpen(open) => Some(open.batch),
        Record::Head(head) => Some(head.batch),
        Record::BatchCommit(commit) => Some(commit.batch),
        Record::BatchDiscard { batch, .. } | Record::BatchClose { batch, .. } => Some(*batch),
        Record::Operator(action) => Some(action.batch),
        Record::KeyDestroyed(destruction) => Some(destruction.batch),
        Record::Intent(_) | Record::NotSent(_) | Record::Outcome(_) | Record::Change(_) | Record::Restored(_) | Record::Narrowed(_) => None,
    }
}
