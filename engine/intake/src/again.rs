//! Batches that were cancelled: what never left of them may be handed in again.
//!
//! A key joins the index and never leaves it, so the statement goes on under another one, made of the first and of the job that was cancelled:
//!
//! ```text
//! key ─► job, cancelled before anything left ─► H(key ‖ job) ─► job, cancelled again ─► H(… ‖ job) ─► …
//! ```
//! The last one of the chain is the statement's. Which jobs of a cancelled batch had left before the order came, the index does not know: whoever
//! admits asks ([`Admission::in_doubt`]) and says ([`Admission::judge`]). What had left, or may have, stays a duplicate.
//!
//! [`Admission::in_doubt`]: crate::Admission::in_doubt
//! [`Admission::judge`]: crate::Admission::judge

use crate::Fingerprints;
use crate::duplicates::{KeyEntry, KeyIndex, KeyIndexError, Known, Repeat};
use model::{BatchId, Fingerprint, JobId};
use std::collections::{BTreeMap, BTreeSet};

/// The cancelled batches of a tenant, and what was said of their jobs.
#[derive(Debug, Default)]
pub(crate) struct Cancelled {
    batches: BTreeSet<BatchId>,
    /// Whether anything of them may have left.
    jobs: BTreeMap<JobId, bool>,
}

impl Cancelled {
    pub(crate) fn new(batches: BTreeSet<BatchId>) -> Self {
        Self { batches, jobs: BTreeMap::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    pub(crate) fn judge(&mut self, job: JobId, may_have_left: bool) {
        self.jobs.insert(job, may_have_left);
    }

    /// The job of a repeat, where nobody has said yet whether it left.
    pub(crate) fn in_doubt(&self, known: &Known) -> Option<JobId> {
        known.job.filter(|job| self.batches.contains(&known.batch) && !self.jobs.contains_key(job))
    }

    /// Looks a key up, through the keys that took its place. Gives the key that counts, and what is known of it.
    pub(crate) fn look_up(
        &self,
        key: Fingerprint,
        candidate: &dyn Fn(Fingerprint) -> KeyEntry,
        keys: &mut KeyIndex,
        fingerprints: &dyn Fingerprints,
    ) -> Result<(Fingerprint, Option<Repeat>), KeyIndexError> {
        let mut last = (key, keys.look_up(&candidate(key))?);
        while let (key, Some(repeat)) = last
            && let Repeat::Same(known) | Repeat::Conflict(known) = repeat
            && let Some(job) = known.job.filter(|_| self.batches.contains(&known.batch))
        {
            let again = fingerprints.fingerprint("key.again", &[&key.0, &job.to_bits().to_le_bytes()]);
            match keys.look_up(&candidate(again))? {
                None if matches!(repeat, Repeat::Same(_)) && self.jobs.get(&job) == Some(&false) => return Ok((again, None)),
                None => break,
                found => last = (again, found),
            }
        }
        Ok(last)
    }
}
