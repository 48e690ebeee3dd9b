//! What can go wrong, named by who must act.
//!
//! [`JournalError`] answers a write: after [`JournalError::Poisoned`] nothing is accepted any more. [`PayloadError`] answers a read.
//! [`KeyError`] is about the key ring. [`Finding`] is what a start saw on disk and went on from. All of them carry places and
//! reasons, never content.

pub use crate::finding::Finding;
use model::{BatchId, JobId};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The disk did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct DiskError {
    /// What was tried: `write`, `sync`, `open`.
    pub action: &'static str,
    /// Where.
    pub path: PathBuf,
    /// What the system said.
    pub source: Arc<io::Error>,
}

impl DiskError {
    pub(crate) fn new(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { action, path: path.to_owned(), source: Arc::new(source) }
    }
}

/// Why the journal did not take something.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JournalError {
    /// Sender: the job is larger than a frame or a segment may be.
    #[error("the encoded job has {bytes} bytes, at most {max} fit: split it")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// What fits.
        max: usize,
    },
    /// We: nothing is known of the batch, or it ended. Also after a restart that discarded it.
    #[error("batch {0} is not open: open it before its first job, and append nothing after its commit")]
    BatchNotOpen(BatchId),
    /// We: the batch was opened before.
    #[error("batch {0} was opened before")]
    BatchKnown(BatchId),
    /// We: the batch is of another kind than the operation is for.
    #[error("batch {0}: a rolling batch takes `append_rolling`, any other `append` and `commit_batch`")]
    WrongBatchKind(BatchId),
    /// Operator: the key of the batch may not go yet.
    #[error("batch {batch} has {jobs} jobs that are not settled: their content is still needed")]
    StillNeeded {
        /// Which.
        batch: BatchId,
        /// How many jobs.
        jobs: u64,
    },
    /// We: the operation does not go with what it was given.
    #[error("misuse of the journal: {0}")]
    Misuse(&'static str),
    /// Operator: the configuration cannot work.
    #[error("journal configuration: {0}")]
    Config(String),
    /// Operator: another process has the directory.
    #[error("{} is in use by another process: stop it, or give this one another directory", .0.display())]
    Locked(PathBuf),
    /// Sender: not now; operator: make space. The disk has less free than is kept for settling. What was accepted goes on.
    #[error(
        "not now: the journal's disk has {free} bytes free, and new jobs are taken again at {reserve}. Nothing of this was accepted: hand it in \
         again later. What was accepted before goes on. Make space on the disk, or lower `reserve` in [journal]"
    )]
    NearlyFull {
        /// Bytes that are free.
        free: u64,
        /// Bytes that must be: the reserve for settling, and a segment.
        reserve: u64,
    },
    /// Sender: not now; operator: the stream has its part of the disk. What was accepted goes on.
    #[error(
        "not now: the journal of this stream has {used} bytes of its quota of {quota}. Nothing of this was accepted: hand it in again when \
         messages were delivered. What was accepted before goes on. Or raise `quota` in [journal]"
    )]
    OverQuota {
        /// Bytes of its segments.
        used: u64,
        /// Bytes it may have.
        quota: u64,
    },
    /// Operator: the directory is an old copy, a clone, or empty where it was not.
    #[error("{0}")]
    Stale(Box<crate::stale::Stale>),
    /// Operator: the word was given for a journal that needs none.
    #[error("nothing was restored here: the journal in {} is the one that was written last. Start without --restored, and leave it out of unit files", .0.display())]
    NotStale(PathBuf),
    /// Operator: the directory is another stream's, or no journal of ours.
    #[error("{} does not belong to this journal: {reason}", path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Operator: not one frame of the record opens with this key ring.
    #[error(
        "none of the {frames} frames in {} opens with this key ring: it is another installation's, or an old copy; give the journal its own",
        path.display()
    )]
    WrongRing {
        /// The record's folder.
        path: PathBuf,
        /// How many whole frames there are.
        frames: u64,
    },
    /// Operator: the segment is in a format that this version of sealpost does not know.
    #[error(
        "{} has format version {version}, this sealpost knows up to {known}: it was made by a later version of sealpost: upgrade, do not downgrade",
        path.display()
    )]
    LaterVersion {
        /// Which file.
        path: PathBuf,
        /// Its format version.
        version: u16,
        /// The newest version that is known here.
        known: u16,
    },
    /// Operator: the disk failed. Nothing was accepted.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Operator: the key ring failed.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// Operator: something that happened could not be written down, because no segment could be had for it.
    #[error("no segment could be made for the record: {0}")]
    NoPlace(Box<JournalError>),
    /// Operator: an earlier write or sync failed, so what is on disk is not known any more. Restart after the disk is well.
    #[error(
        "the journal stopped: {0}. Nothing more is accepted or sent. Look after the disk (space, `dmesg`, its health), then start again: what was \
         accepted is there and goes on, and what may have been sent is known"
    )]
    Poisoned(Arc<str>),
    /// We: the writer has ended.
    #[error("the journal is closed")]
    Closed,
    /// We: an encoder or cipher refused what cannot fail.
    #[error("internal failure of the journal: {0}")]
    Internal(&'static str),
}

impl JournalError {
    /// The answer to a sender is "not now": nothing is wrong with what was handed in, and it may be handed in again later.
    pub const fn is_not_now(&self) -> bool {
        matches!(self, Self::NearlyFull { .. } | Self::OverQuota { .. })
    }

    /// There is no room for another segment, whoever took it.
    pub(crate) fn is_for_want_of_room(&self) -> bool {
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
        self.is_not_now() || matches!(self, Self::Disk(error) if full.contains(&error.source.kind()))
    }
}

/// Why a payload cannot be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PayloadError {
    /// Operator: the bytes are not what was written.
    #[error("the payload of {job} in work segment {segment} at {offset} is damaged ({what}): restore it or hold the job")]
    Damaged {
        /// The job.
        job: JobId,
        /// The segment's number.
        segment: u32,
        /// The frame's offset in bytes.
        offset: u32,
        /// Which check failed.
        what: &'static str,
    },
    /// Nobody: the key was deleted on purpose, the content is gone for good.
    #[error("the key of {0}'s content was destroyed")]
    KeyDestroyed(JobId),
    /// We: the frame there belongs to another job (an old locator).
    #[error("the frame found for {0} belongs to another job")]
    WrongJob(JobId),
    /// Nobody: the segment was reclaimed, all of its jobs being settled.
    #[error("the segment of {0} was reclaimed")]
    Reclaimed(JobId),
    /// Operator: nothing is stored under this bundle id.
    #[error("bundle {0} is not stored here")]
    NoSuchBundle(model::BundleId),
    /// Operator: the stored bundle does not open.
    #[error("bundle {0} is damaged")]
    BundleDamaged(model::BundleId),
    /// Operator: the disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// Why the key ring cannot do something.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeyError {
    /// Operator: no key source.
    #[error("no key-encryption key: {0}")]
    NoSource(String),
    /// Operator: others can read the key file.
    #[error("{} can be read by others (mode {mode:o}): chmod 600 it and make a new key", path.display())]
    ReadableByOthers {
        /// Which file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Operator: the key is not 32 bytes of base64.
    #[error("{0} is not 32 bytes in base64: make one with `sealpost keys new`")]
    NotAKey(String),
    /// Operator: this key did not make the ring, or somebody changed the ring.
    #[error("the key does not fit the key ring in {}: it is another key (after `sealpost keys rotate --to` the configuration must name the new source), or the ring was changed", .0.display())]
    WrongKey(PathBuf),
    /// Operator: a later version wrote the ring.
    #[error("the key ring in {} was made by a later version of sealpost (format {found}, this one knows up to {known}): upgrade, do not downgrade", dir.display())]
    Newer {
        /// The ring's directory.
        dir: PathBuf,
        /// Its format.
        found: u16,
        /// What this version reads.
        known: u16,
    },
    /// Operator: the command that gives the key did not.
    #[error("the key command '{program}' gave no key: {reason}")]
    Command {
        /// The program; its arguments may say more than they should.
        program: String,
        /// What happened, with the first line of its complaint.
        reason: String,
    },
    /// Operator: only a file can be replaced in its place.
    #[error("the key comes from {0}, which this program cannot change: put the new key into a source of its own and name it with --to")]
    NotInPlace(String),
    /// Operator: nothing would change.
    #[error("{0} holds the key that the ring is under already: name another source, or make another key")]
    SameKey(String),
    /// Operator: there is a ring, but no copy of it is whole.
    #[error("both copies of the key ring in {} are damaged: restore one from the backup", .0.display())]
    Damaged(PathBuf),
    /// Operator: another process has the ring.
    #[error("the key ring in {} is in use by another process", .0.display())]
    Locked(PathBuf),
    /// Operator: there is no ring where one is only read.
    #[error("there is no key ring in {}: name its folder, or restore it from the backup", .0.display())]
    NoRing(PathBuf),
    /// Operator: the tenant's name cannot be used.
    #[error("a tenant's name has 1 to 200 bytes without control characters")]
    TenantName,
    /// Operator: all numbers are given.
    #[error("the key ring has no number left for {0}")]
    Exhausted(&'static str),
    /// We: nobody by this number.
    #[error("tenant {0} is not in the key ring")]
    UnknownTenant(u16),
    /// Nobody: the key was deleted on purpose.
    #[error("this key was destroyed")]
    Destroyed,
    /// Operator: the disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// We: a primitive refused what cannot fail.
    #[error("internal failure of the key ring: {0}")]
    Internal(&'static str),
}
