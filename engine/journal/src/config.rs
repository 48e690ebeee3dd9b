//! What the operator typed about the journal, and what is meant.
//!
//! [`JournalConfig`] holds plain values; text with units ("64MiB", "2ms") is read by the wiring, which owns the file.
//! [`JournalConfig::check`] says what cannot work before anything is opened.

use crate::bounds::{
    CHECKPOINT_EVERY_SEGMENTS_DEFAULT, CHECKPOINT_EVERY_SEGMENTS_MAX, QUOTA_SEGMENTS_MIN, RESERVE_SEGMENTS, SEGMENT_BYTES_DEFAULT,
    SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN,
};
use crate::error::JournalError;
use std::path::PathBuf;
use std::time::Duration;
use world::CommitMethod;

/// How long a commit may be put off at most, whatever is typed: a member's answer waits behind it.
const COMMIT_DELAY_MAX: Duration = Duration::from_secs(1);

/// 45 CFR 164.316(b)(2)(i): "Retain the documentation [...] for 6 years from the date of its creation or the date when it last was in
/// effect, whichever is later." Two of six years may be leap years.
const EVIDENCE_KEPT_DEFAULT: Duration = Duration::from_secs(2_192 * 86_400);

/// The journal of one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalConfig {
    /// Its directory; nobody else's.
    pub dir: PathBuf,
    /// This machine's number: the upper 16 bits of every job and batch id.
    pub node: u16,
    /// Size of a segment, in bytes: 4 KiB (tests) to 1 GiB. 64 MiB is usual.
    pub segment_bytes: u64,
    /// How long frames that nobody waits for (outcomes, changes) may wait for company before they are synced. Whoever waits (an
    /// intent, a commit, a streamed job) is never delayed and takes them along. How long they do wait follows from what a sync takes
    /// and how fast operations come; this is the bound. Zero: not at all.
    pub commit_delay_max: Duration,
    /// Bytes of the disk that are kept for settling: below it no job comes in, and what was accepted goes on. Four segments are usual.
    pub reserve_bytes: u64,
    /// Bytes that both logs together may have before no job comes in; `None` is the whole disk.
    pub quota_bytes: Option<u64>,
    /// The way to write and sync; `None` lets a start measure.
    pub commit_method: Option<CommitMethod>,
    /// Operations that wait for the writer before senders must wait themselves.
    pub channel_capacity: usize,
    /// Closed record segments behind the last checkpoint that make the next one due: 1 to 1024. A start reads about as many.
    pub checkpoint_every_segments: u32,
    /// The evidence term: how long record segments are kept. Whole segments that are older and covered by a checkpoint are removed.
    pub evidence_kept: Duration,
}

impl JournalConfig {
    /// The usual values.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            node: 1,
            segment_bytes: SEGMENT_BYTES_DEFAULT,
            commit_delay_max: Duration::from_millis(2),
            reserve_bytes: RESERVE_SEGMENTS * SEGMENT_BYTES_DEFAULT,
            quota_bytes: None,
            commit_method: None,
            channel_capacity: 4096,
            checkpoint_every_segments: CHECKPOINT_EVERY_SEGMENTS_DEFAULT,
            evidence_kept: EVIDENCE_KEPT_DEFAULT,
        }
    }

    /// Says what cannot work.
    ///
    /// # Errors
    /// [`JournalError::Config`] with what was typed and what fits.
    pub fn check(&self) -> Result<(), JournalError> {
        let wrong = |text: String| Err(JournalError::Config(text));
        if !(SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&self.segment_bytes) {
            return wrong(format!("segment_bytes = {} is not within {SEGMENT_BYTES_MIN} and {SEGMENT_BYTES_MAX}", self.segment_bytes));
        }
        if self.commit_delay_max > COMMIT_DELAY_MAX {
            return wrong(format!("commit_delay_max = {:?} is longer than {COMMIT_DELAY_MAX:?}", self.commit_delay_max));
        }
        if let Some(quota) = self.quota_bytes
            && quota < QUOTA_SEGMENTS_MIN * self.segment_bytes
        {
            let least = QUOTA_SEGMENTS_MIN * self.segment_bytes;
            return wrong(format!("quota_bytes = {quota} lets nothing in: two logs of two segments each, and one to go on, are {least}"));
        }
        if self.channel_capacity == 0 {
            return wrong("channel_capacity = 0 lets nothing in: 4096 is usual".to_owned());
        }
        if !(1..=CHECKPOINT_EVERY_SEGMENTS_MAX).contains(&self.checkpoint_every_segments) {
            return wrong(format!(
                "checkpoint_every_segments = {} is not within 1 and {CHECKPOINT_EVERY_SEGMENTS_MAX}",
                self.checkpoint_every_segments
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_said_with_what_was_typed() {
        let usual = JournalConfig::new("x");
        assert!(usual.check().is_ok());
        let small = JournalConfig { segment_bytes: 100, ..usual.clone() };
        assert!(small.check().unwrap_err().to_string().contains("100"));
        let slow = JournalConfig { commit_delay_max: Duration::from_secs(2), ..usual.clone() };
        assert!(slow.check().is_err());
        let quota = JournalConfig { quota_bytes: Some(4 * SEGMENT_BYTES_DEFAULT), ..usual.clone() };
        assert!(quota.check().unwrap_err().to_string().contains("quota_bytes"));
        assert!(JournalConfig { channel_capacity: 0, ..usual }.check().is_err());
    }
}
