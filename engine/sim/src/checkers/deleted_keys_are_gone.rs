//! Invariant 6: when a batch is closed and nothing of it can be sent any more, nobody can read its content, us included.

use crate::evidence::{Evidence, Finding};

const NAME: &str = "deleted_keys_are_gone";

pub(super) fn check(evidence: &Evidence) -> Vec<Finding> {
    let kept = evidence.records.values().flat_map(|record| &record.keys_kept);
    kept.map(|batch| Finding::new(NAME, format!("batch {batch} is closed and settled, and its content key is in the ring"))).collect()
}
