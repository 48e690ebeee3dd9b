//! Invariant 13: a message holds the claim of its recipient's row and no other, and nobody gets mail whose row is not in order.

use crate::evidence::{Evidence, Finding};
use crate::parcel::{Fate, Mark};
use std::collections::{BTreeMap, BTreeSet};

const NAME: &str = "right_content_to_right_address";

pub(super) fn check(evidence: &Evidence) -> Vec<Finding> {
    let lines = evidence.scenario.parcels.iter().flat_map(|parcel| &parcel.lines).filter(|line| line.fate == Fate::Sent);
    let mut owners: BTreeMap<Mark, &str> = BTreeMap::new();
    let mut announced: BTreeSet<&str> = BTreeSet::new();
    for line in lines {
        match line.mark {
            Some(mark) => drop(owners.insert(mark, &line.email)),
            None => drop(announced.insert(&line.email)),
        }
    }
    let mut findings = Vec::new();
    for taken in &evidence.taken {
        let is_right = match taken.marks.as_slice() {
            [mark] => owners.get(mark) == Some(&taken.recipient.as_str()),
            [] => announced.contains(taken.recipient.as_str()),
            _ => false,
        };
        if !is_right {
            let at = taken.at.0 / 1_000_000;
            findings
                .push(Finding::new(NAME, format!("at {at} ms somebody got the claims of rows {:?}, who is not their member", taken.marks)));
        }
    }
    if evidence.counted.misrouted > 0 {
        findings.push(Finding::new(NAME, format!("{} recipients came to a receiver that is not theirs", evidence.counted.misrouted)));
    }
    findings
}
