//! Who decides just now about jobs that are no shard's, or were taken from it: a correction that may take their place, or an operator.
//!
//! Without it two deciders could meet: a batch is cancelled, or its held statements are released, while a correction of one of them is
//! being accepted. So whoever decides claims the job first and looks at its state after that; the claim ends when the decision is durable,
//! or taken back. An operator's claims are short and wait for nobody; a correction's last until its batch is committed or given up. A
//! cancellation that meets one is remembered, and carried out if the correction does not come to be.

use crate::engine::lock;
use model::JobId;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Mutex};

/// Whose the decision is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claimant {
    /// A newer version of the statement, on its way in.
    Correction {
        /// The older one's batch was cancelled meanwhile.
        is_cancelled: bool,
    },
    /// An order that is being carried out.
    Operator,
}

/// The jobs of one stream that somebody decides about. Clones are one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Claims(Arc<Mutex<BTreeMap<JobId, Claimant>>>);

impl Claims {
    /// Claims a job, or says who has it.
    pub(crate) fn claim(&self, job: JobId, claimant: Claimant) -> Result<(), Claimant> {
        match lock(&self.0).entry(job) {
            Entry::Occupied(has) => Err(*has.get()),
            Entry::Vacant(free) => {
                free.insert(claimant);
                Ok(())
            }
        }
    }

    /// Claims a job in order to cancel it. False where another has it: a correction then hears of it when it gives the job back.
    pub(crate) fn claim_to_cancel(&self, job: JobId) -> bool {
        match lock(&self.0).entry(job) {
            Entry::Occupied(mut has) => {
                if let Claimant::Correction { is_cancelled } = has.get_mut() {
                    *is_cancelled = true;
                }
                false
            }
            Entry::Vacant(free) => {
                free.insert(Claimant::Operator);
                true
            }
        }
    }

    /// Ends a claim; true where the job was to be cancelled meanwhile.
    pub(crate) fn give_back(&self, job: JobId) -> bool {
        matches!(lock(&self.0).remove(&job), Some(Claimant::Correction { is_cancelled: true }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancellation_that_comes_too_late_is_remembered() {
        let (claims, job) = (Claims::default(), JobId::new(1, 2));
        let correction = Claimant::Correction { is_cancelled: false };
        assert_eq!(claims.claim(job, correction), Ok(()));
        assert_eq!(claims.claim(job, Claimant::Operator), Err(correction));
        assert!(!claims.claim_to_cancel(job), "it is the correction's");
        assert!(claims.give_back(job), "which hears of it");
        assert!(claims.claim_to_cancel(job) && !claims.give_back(job));
    }
}
