//! A flaw: where it is, what it means, and what to do about it. Places and reasons, never content.

use crate::error::{Finding, PayloadError};
use crate::format::{LogKind, RecordPosition};
use model::stage::Locator;
use model::{BundleId, JobId};
use serde::Serialize;

/// How much a flaw matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; nothing is lost, and the engine handles it.
    Note,
    /// Something is lost or not as the engine wrote it: a person must act.
    Damage,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Flaw {
    /// How much it matters.
    pub severity: Severity,
    /// Where.
    pub place: String,
    /// What it means.
    pub meaning: String,
    /// What to do.
    pub remedy: String,
}

/// Where a frame that was damaged may still be whole.
const RESTORE: &str = "stop the engine and put the file back from a backup that has it (`journal verify --dir` says whether); the engine \
                       goes on without it otherwise, and reclaims nothing while it is so";

/// Where payloads are damaged.
const PAYLOADS: &str = "find out what changed it, the disk or somebody; each job that is not settled and lost its payload by it is named on its \
                        own, and without any the segment goes when its jobs are settled";

impl Flaw {
    /// A flaw outside the journal's own directory: of a projection, of a backup's folder.
    pub fn new(severity: Severity, place: impl Into<String>, meaning: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity, place: place.into(), meaning: meaning.into(), remedy: remedy.into() }
    }

    pub(crate) fn no_epoch() -> Self {
        Self::new(
            Severity::Note,
            "epoch",
            "the file that numbers the starts is absent or damaged; segments and key ring know the number too",
            "nothing: the next start writes it again",
        )
    }

    /// What recovery would find. `log` is the log that was read, where the finding does not say.
    pub(crate) fn of(log: LogKind, finding: &Finding) -> Self {
        let (place, severity, remedy) = match finding {
            Finding::TornTail { log, segment, offset } => {
                (at(*log, *segment, *offset), Severity::Note, "nothing: a crash leaves it so, and the next start cuts it off")
            }
            Finding::Damage { log: LogKind::Work, segment, offset, .. } => {
                (at(LogKind::Work, *segment, *offset), Severity::Damage, PAYLOADS)
            }
            Finding::Damage { log, segment, offset, .. } => (at(*log, *segment, *offset), Severity::Damage, RESTORE),
            Finding::Misplaced { log, segment, offset, .. } => (at(*log, *segment, *offset), Severity::Damage, RESTORE),
            Finding::CutShort { log, segment, offset } => (at(*log, *segment, *offset), Severity::Damage, RESTORE),
            Finding::NotAuthentic { log, segment, offset, .. } => (
                at(*log, *segment, *offset),
                Severity::Damage,
                "is this the right key ring? If it is, somebody put the frame there or changed it; put the file back from a backup",
            ),
            Finding::KeyGone { log, segment, offset, .. } | Finding::KeyUnusable { log, segment, offset, .. } => (
                at(*log, *segment, *offset),
                Severity::Damage,
                "is this the newest key ring? Put it back from its newest backup; a key that was destroyed on purpose is gone for good",
            ),
            Finding::Unknown { log, segment, offset, .. } => {
                (at(*log, *segment, *offset), Severity::Damage, "use the version of sealpost that wrote it, or a later one")
            }
            Finding::Replayed { log, segment, offset } => (
                at(*log, *segment, *offset),
                Severity::Damage,
                "somebody put a copy there: find out who can write here; the engine passes over it",
            ),
            Finding::BeginningMissing { log, segment } => (format!("{log} {segment}"), Severity::Damage, RESTORE),
            Finding::PayloadsMissing { segment, .. } => (format!("{} {segment}", LogKind::Work), Severity::Damage, RESTORE),
            Finding::Doubted { .. } => (
                log.to_string(),
                Severity::Damage,
                "what is uncertain is sent again or held, as the stream's `uncertain` says; ask the receivers where it matters",
            ),
            Finding::SegmentHeader { log, segment } => (format!("{log} {segment}"), Severity::Damage, RESTORE),
            Finding::SegmentMissing { log, segment } => (format!("{log} {segment}"), Severity::Damage, RESTORE),
            Finding::CheckpointDamaged { through, .. } => (
                format!("checkpoints/{through:08}.ckpt"),
                Severity::Note,
                "nothing: starts take longer until the next checkpoint stands in its place",
            ),
            Finding::StaleJournal { .. } => (
                "epoch".to_owned(),
                Severity::Damage,
                "is this the journal that was used last? If it was put back from a backup, say so at the next start: `run --restored`",
            ),
        };
        Self::new(severity, place, finding.to_string(), remedy)
    }

    /// A job that is not settled and has no payload.
    pub(crate) fn of_payload(job: JobId, locator: Locator, error: &PayloadError) -> Self {
        let remedy = "the engine holds the job as payload_damaged when it is due; put the segment back from a backup, or hand the statement in again";
        Self::new(
            Severity::Damage,
            at(LogKind::Work, locator.segment, u64::from(locator.offset)),
            format!("{error} (job {job} is not settled)"),
            remedy,
        )
    }

    /// A payload that nobody needs, or of a batch that is still arriving.
    pub(crate) fn of_frame(segment: u32, offset: u64, position: RecordPosition, what: &str) -> Self {
        let meaning = format!("the payload at position {position} {what}; no job that is known needs it");
        let remedy = "find out what changed it: the disk, or somebody who can write here; it goes with its segment";
        Self::new(Severity::Damage, at(LogKind::Work, segment, offset), meaning, remedy)
    }

    /// A checkpoint and the record tell of jobs in different ways.
    pub(crate) fn of_checkpoint(through: u32, jobs: &[JobId]) -> Self {
        let first = jobs.first().map_or_else(String::new, |job| format!(", the first is {job}"));
        let meaning = format!("it says otherwise than the record of {} jobs{first}; a start believes it", jobs.len());
        let remedy = "stop the engine and move checkpoints/ away: the next start reads the record, which is the truth; and tell us";
        Self::new(Severity::Damage, format!("checkpoints/{through:08}.ckpt"), meaning, remedy)
    }

    pub(crate) fn of_bundle(id: BundleId, error: &PayloadError) -> Self {
        let remedy = "put bundles/ back from a backup; a start with the same templates stores it again";
        Self::new(Severity::Damage, format!("bundles/{id}"), format!("{error}: what was rendered with it cannot be rendered again"), remedy)
    }
}

fn at(log: LogKind, segment: u32, offset: u64) -> String {
    format!("{log} {segment}@{offset}")
}
