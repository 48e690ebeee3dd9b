//! Room on the disk: jobs are told "not now" while what was accepted can still be settled.
//!
//! A reserve of the disk is kept for settling: below it no job and no batch is taken, while intents, outcomes and changes go on in segments
//! that are preallocated already, and in new record segments that the reserve pays for. Work segments are made only where the
//! reserve stays whole. A stream may also have a quota of its own, over both logs. Jobs are taken again when a whole segment fits beside
//! the reserve: between the two nothing flickers.
//!
//! Looking is cheap and lazy: whoever hands a job in asks the disk when the last look is older than [`LOOK_EVERY`], and so does the keeper
//! whenever it makes a segment, which is when the room goes. What the quota counts the keeper counts when a segment comes, shrinks or goes.
//!
//! The surprise: a disk that others fill to the last byte can still leave a full segment without a next one. Then an outcome has no
//! place, and the journal stops as after a failed write. The reserve is there so that this takes the work of others.

use crate::error::JournalError;
use crate::format::LogKind;
use crate::segment;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use world::{OpenMode, World};

/// A look at the disk is good for so long. At a thousand jobs a second that is a megabyte or two, far below any reserve.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What is known of the room of one stream.
pub(crate) struct Space {
    dir: PathBuf,
    segment_bytes: u64,
    reserve: u64,
    quota: Option<u64>,
    free: AtomicU64,
    /// Bytes of both logs' files; counted only where there is a quota.
    used: AtomicU64,
    /// Nanoseconds of the last look, and one; 0 before the first.
    looked: AtomicU64,
    is_short: AtomicBool,
}

impl Space {
    pub(crate) fn new(dir: &Path, segment_bytes: u64, reserve: u64, quota: Option<u64>) -> Self {
        Self {
            dir: dir.to_owned(),
            segment_bytes,
            reserve,
            quota,
            free: AtomicU64::new(u64::MAX),
            used: AtomicU64::new(0),
            looked: AtomicU64::new(0),
            is_short: AtomicBool::new(false),
        }
    }

    /// Whether a job or batch may come in now.
    pub(crate) fn admit(&self, world: &World) -> Result<(), JournalError> {
        let last = self.looked.load(Ordering::Relaxed);
        let now = world.monotonic().0.saturating_add(1);
        if last == 0 || now.saturating_sub(last) >= LOOK_EVERY.as_nanos() as u64 {
            self.look(world);
        }
        if self.is_short.load(Ordering::Relaxed) { Err(self.refusal()) } else { Ok(()) }
    }

    /// Asks the disk. One that does not say is taken to be as it was.
    fn look(&self, world: &World) {
        self.looked.store(world.monotonic().0.saturating_add(1), Ordering::Relaxed);
        if let Ok(free) = world.disk().free_bytes(&self.dir) {
            self.free.store(free, Ordering::Relaxed);
        }
        self.judge();
    }

    /// Counts what the stream's segments take. Done by the keeper; without a quota nobody asks.
    pub(crate) fn count(&self, world: &World) {
        if self.quota.is_none() {
            return;
        }
        let mut used = 0;
        for log in [LogKind::Work, LogKind::Record] {
            let dir = self.dir.join(log.as_str());
            // A folder or file that cannot be read now is counted the next time.
            for number in segment::numbers(world.disk(), &dir).unwrap_or_default() {
                let file = world.disk().open(&segment::path_of(&dir, number), OpenMode::Read);
                used += file.and_then(|file| file.len()).unwrap_or(0);
            }
        }
        self.used.store(used, Ordering::Relaxed);
        self.judge();
    }

    /// Whether the keeper may make a segment of this log now.
    pub(crate) fn may_prepare(&self, world: &World, log: LogKind) -> Result<(), JournalError> {
        self.look(world);
        let free = self.free.load(Ordering::Relaxed);
        let fits = match log {
            LogKind::Work => self.fits_another(),
            // The reserve is for this.
            LogKind::Record => free >= self.segment_bytes,
        };
        if fits { Ok(()) } else { Err(self.refusal()) }
    }

    /// A segment that was needed could not be had: nothing more comes in until one can be.
    pub(crate) fn ran_out(&self) -> JournalError {
        if !self.is_short.swap(true, Ordering::Relaxed) {
            self.tell();
        }
        self.refusal()
    }

    fn fits_another(&self) -> bool {
        let (free, used) = (self.free.load(Ordering::Relaxed), self.used.load(Ordering::Relaxed));
        free >= self.enough() && self.quota.is_none_or(|quota| used + self.segment_bytes <= quota)
    }

    /// Bytes that are free when jobs are taken again.
    fn enough(&self) -> u64 {
        self.reserve.saturating_add(self.segment_bytes)
    }

    fn is_over_quota(&self) -> bool {
        self.quota.is_some_and(|quota| self.used.load(Ordering::Relaxed) > quota)
    }

    fn judge(&self) {
        if self.is_short.load(Ordering::Relaxed) {
            if self.fits_another() && self.is_short.swap(false, Ordering::Relaxed) {
                tracing::info!(target: "sealpost::journal", dir = %self.dir.display(), "there is room again: jobs are taken");
            }
        } else if (self.free.load(Ordering::Relaxed) < self.reserve || self.is_over_quota()) && !self.is_short.swap(true, Ordering::Relaxed)
        {
            self.tell();
        }
    }

    fn tell(&self) {
        let refusal = self.refusal();
        tracing::warn!(target: "sealpost::journal", dir = %self.dir.display(), "no new jobs: {refusal}");
    }

    fn refusal(&self) -> JournalError {
        let (free, used) = (self.free.load(Ordering::Relaxed), self.used.load(Ordering::Relaxed));
        match self.quota {
            Some(quota) if used + self.segment_bytes > quota && free >= self.enough() => JournalError::OverQuota { used, quota },
            _ => JournalError::NearlyFull { free, reserve: self.enough() },
        }
    }
}
