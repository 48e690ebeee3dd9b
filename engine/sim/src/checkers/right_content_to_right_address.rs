//! Invariant 13: a message holds the claim of its recipient's row and no other, and nobody gets mail whose row is not in order. Where rows
//! are grouped it may hold several, all of one member and one file.

use crate::evidence::{Evidence, Finding};
use crate::parcel::{Fate, Mark};
use std::collections::{BTreeMap, BTreeSet};

const NAME: &str = "right_content_to_right_address";

pub(super) fn check(evidence: &Evidence) -> Vec<Finding> {
    let lines = evidence.scenario.parcels.iter().flat_map(|parcel| &parcel.lines).filter(|line| line.fate == Fate::Sent);
    let mut owners: BTreeMap<Mark, (u64, &str)> = BTreeMap::new();
    let mut announced: BTreeSet<&str> = BTreeSet::new();
    for line in lines {
        match line.mark {
            Some(mark) => drop(owners.insert(mark, (line.member, &line.email))),
            None => drop(announced.insert(&line.email)),
        }
    }
    let mut findings = Vec::new();
    for taken in &evidence.taken {
        let is_right = match taken.marks.as_slice() {
            [mark] => owners.get(mark).is_some_and(|(_, email)| *email == taken.recipient),
            [] => announced.contains(taken.recipient.as_str()),
            [first, others @ ..] if evidence.scenario.is_grouping => {
                let owner = owners.get(first);
                owner.is_some_and(|(_, email)| *email == taken.recipient)
                    && others.iter().all(|mark| mark.0 == first.0 && owners.get(mark) == owner)
            }
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
