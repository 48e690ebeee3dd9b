//! Is a journal whole? Everything is read: headers, checksums and the order of both logs, and with the key every frame is opened and
//! decoded, every job that is not settled has its own payload, and every bundle that is named is stored.
//!
//! The judgement is recovery's own ([`crate::recovery`]): what a start would find is found here, in the same words. Nothing is written.
//! While an engine runs, the end of a log is being written, not torn; and what looks missing because a job settled meanwhile is looked at
//! again before it is called a flaw.

mod flaw;
mod payloads;

pub use flaw::{Flaw, Severity};

use crate::bundle::Bundles;
use crate::census::Census;
use crate::error::{Finding, JournalError};
use crate::format::{LogKind, RecordPosition};
use crate::journal_dir::JournalDir;
use crate::key_ring::KeyRing;
use crate::record::Decoded;
use crate::recovery::{Met, RecordEnd};
use crate::stats::OnProgress;
use crate::survey::UsedSegment;
use model::record::Record;
use model::{BundleId, StreamName};
use payloads::Payloads;
use serde::Serialize;
use std::collections::BTreeSet;
use world::OpenMode;

/// What a verification found.
#[derive(Debug, Clone, Serialize)]
pub struct Verification {
    /// Whose journal it is.
    pub stream: StreamName,
    /// Whether frames were opened.
    pub with_key: bool,
    /// Whether an engine had the journal.
    pub in_use: bool,
    /// Segments read.
    pub segments: u64,
    /// Whole frames.
    pub frames: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Payloads that were opened and decoded.
    pub payloads: u64,
    /// Payloads whose key is destroyed: what they said is gone on purpose.
    pub shredded: u64,
    /// Jobs that are not settled, each of which has its payload.
    pub live_jobs: u64,
    /// Bundles that were opened.
    pub bundles: u64,
    /// Position of the last record, such as `3.1042`.
    #[serde(serialize_with = "crate::stats::text")]
    pub last: RecordPosition,
    /// What is not as it should be, in the order of the journal.
    pub flaws: Vec<Flaw>,
}

impl Verification {
    /// Whether nothing was found that matters. Notes do not: a torn tail is what a crash leaves.
    pub fn is_whole(&self) -> bool {
        self.flaws.iter().all(|flaw| flaw.severity == Severity::Note)
    }
}

impl JournalDir {
    /// Whether an engine has the journal now. Takes its lock for an instant where none does.
    ///
    /// # Errors
    /// [`JournalError::Disk`].
    pub fn in_use(&self) -> Result<bool, JournalError> {
        match self.lock() {
            Ok(_) => Ok(false),
            Err(JournalError::Locked(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Reads the record alone and gives what of it is lost or changed: what a projection made of it would lack.
    ///
    /// # Errors
    /// [`JournalError`] where it cannot be read at all.
    pub fn record_damage(&self, keys: &KeyRing) -> Result<Vec<Flaw>, JournalError> {
        let mut findings = Vec::new();
        self.count(keys, &mut findings, |_| {})?;
        let flaws = findings.iter().map(|finding| Flaw::of(LogKind::Record, finding));
        Ok(flaws.filter(|flaw| flaw.severity == Severity::Damage).collect())
    }

    /// Reads everything.
    ///
    /// # Errors
    /// [`JournalError`] where it cannot be read at all: the disk, a segment of another journal, a key that cannot be unwrapped.
    pub fn verify(&self, keys: Option<&KeyRing>, in_use: bool, progress: OnProgress<'_>) -> Result<Verification, JournalError> {
        let mut check = Check::begin(self, in_use, progress)?;
        check.found.with_key = keys.is_some();
        check.epoch(keys);
        let census = check.record(keys)?;
        check.work(keys, &census)?;
        if let Some(keys) = keys {
            check.bundles(keys)?;
        }
        Ok(check.found)
    }
}

/// A verification under way.
struct Check<'a> {
    place: &'a JournalDir,
    found: Verification,
    /// Bundles that heads or intents name.
    named: BTreeSet<BundleId>,
    progress: OnProgress<'a>,
    total: u64,
}

impl<'a> Check<'a> {
    fn begin(place: &'a JournalDir, in_use: bool, progress: OnProgress<'a>) -> Result<Self, JournalError> {
        let found = Verification {
            stream: place.stream,
            with_key: false,
            in_use,
            segments: 0,
            frames: 0,
            bytes: 0,
            payloads: 0,
            shredded: 0,
            live_jobs: 0,
            bundles: 0,
            last: RecordPosition::default(),
            flaws: Vec::new(),
        };
        Ok(Self { place, found, named: BTreeSet::new(), progress, total: place.bytes()? })
    }

    fn epoch(&mut self, keys: Option<&KeyRing>) {
        let Some(directory) = self.place.epoch else {
            self.found.flaws.push(Flaw::no_epoch());
            return;
        };
        let ring = keys.map_or(directory, |keys| keys.epoch(self.place.stream));
        if directory < ring {
            self.found.flaws.push(Flaw::of(LogKind::Record, &Finding::StaleJournal { directory, ring }));
        }
    }

    fn record(&mut self, keys: Option<&KeyRing>) -> Result<Census, JournalError> {
        let mut findings = Vec::new();
        let dir = self.place.log(LogKind::Record);
        let (last, census) = match keys {
            Some(keys) => {
                let (named, frames) = (&mut self.named, &mut self.found.frames);
                let counted = self.place.count(keys, &mut findings, |seen| {
                    *frames += u64::from(!matches!(seen.decoded, Decoded::Lost(_)));
                    name_bundles(&seen.decoded, named);
                })?;
                // Of a damaged record a checkpoint may know more.
                let is_damaged = findings.iter().any(|finding| Flaw::of(LogKind::Record, finding).severity == Severity::Damage);
                if let Some((covered, jobs)) = counted.disputed.filter(|(_, jobs)| !jobs.is_empty() && !is_damaged) {
                    self.found.flaws.push(Flaw::of_checkpoint(covered.through, &jobs));
                }
                self.count(&dir.survey(OpenMode::Read, &mut Vec::new())?.used)?;
                (counted.last, counted.census)
            }
            None => {
                let segments = dir.survey(OpenMode::Read, &mut findings)?.used;
                let (mut end, frames) = (RecordEnd::default(), &mut self.found.frames);
                for (index, used) in segments.iter().enumerate() {
                    end.read_frames(&dir, used, &mut findings, &mut |met| {
                        *frames += u64::from(matches!(met, Met::Frame(..)));
                        Ok(())
                    })?;
                    end.leave_segment(&dir, used, segments.get(index + 1), &mut findings)?;
                }
                self.count(&segments)?;
                (end.last.position, Census::default())
            }
        };
        self.found.last = last;
        self.judge(LogKind::Record, &findings);
        Ok(census)
    }

    fn work(&mut self, keys: Option<&KeyRing>, census: &Census) -> Result<(), JournalError> {
        let dir = self.place.log(LogKind::Work);
        let (mut findings, mut end) = (Vec::new(), RecordEnd::default());
        let segments = dir.survey(OpenMode::Read, &mut findings)?.used;
        let mut payloads = Payloads::new(self.place, keys, census);
        for (index, used) in segments.iter().enumerate() {
            end.read_frames(&dir, used, &mut findings, &mut |met| {
                // What a payload lacks is told with its job.
                if let Met::Frame(frame, bytes) = met {
                    payloads.take(frame, bytes);
                }
                Ok(())
            })?;
            // Segments go in any order when their jobs are settled: only a neighbour knows how this one ended.
            let next = segments.get(index + 1).filter(|next| next.number == used.number + 1);
            let is_last = index + 1 == segments.len();
            if is_last || next.is_some() {
                end.leave_segment(&dir, used, next, &mut findings)?;
            }
            self.count(std::slice::from_ref(used))?;
        }
        self.judge(LogKind::Work, &findings);
        let flaws = payloads.finish(self.found.in_use, &mut self.found)?;
        self.found.flaws.extend(flaws);
        Ok(())
    }

    fn bundles(&mut self, keys: &KeyRing) -> Result<(), JournalError> {
        let bundles = Bundles::new(self.place.world.clone(), &self.place.dir, keys.bundle_key(self.place.stream)?);
        for id in std::mem::take(&mut self.named) {
            match bundles.read(id) {
                Ok(_) => self.found.bundles += 1,
                Err(error) => self.found.flaws.push(Flaw::of_bundle(id, &error)),
            }
        }
        Ok(())
    }

    /// What is being written is not torn.
    fn judge(&mut self, log: LogKind, findings: &[Finding]) {
        let matters = |finding: &&Finding| !(self.found.in_use && matches!(finding, Finding::TornTail { .. }));
        self.found.flaws.extend(findings.iter().filter(matters).map(|finding| Flaw::of(log, finding)));
    }

    fn count(&mut self, segments: &[UsedSegment]) -> Result<(), JournalError> {
        for used in segments {
            self.found.segments += 1;
            self.found.bytes += used.file.len().map_err(crate::error::DiskError::new("measure", &self.place.dir))?;
            (self.progress)(self.found.bytes.min(self.total), self.total);
        }
        Ok(())
    }
}

fn name_bundles(decoded: &Decoded, named: &mut BTreeSet<BundleId>) {
    match decoded {
        Decoded::Head(_, head) => named.insert(head.bundle),
        Decoded::Record(record) => match &**record {
            Record::Intent(intent) => named.insert(intent.bundle),
            _ => false,
        },
        Decoded::Moved(_) | Decoded::Lost(_) => false,
    };
}
