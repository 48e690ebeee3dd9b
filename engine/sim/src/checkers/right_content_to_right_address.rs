//! Invariant 13: a message holds the claim of its recipient's row and no other, and nobody gets mail whose row is not in order.

use crate::evidence::{Evidence, Finding};

const NAME: &str = "right_content_to_right_address";

pub(super) fn check(evidence: &Evidence) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut known = 0;
    for case in evidence.cases() {
        known += case.taken.len();
        for taken in &case.taken {
            if taken.rows != [case.row.number] {
                findings
                    .push(Finding::new(NAME, format!("the recipient of row {} got the claims of rows {:?}", case.row.number, taken.rows)));
            }
        }
    }
    if known != evidence.taken.len() {
        let others = evidence.taken.len() - known;
        findings.push(Finding::new(NAME, format!("{others} messages went to recipients without a row that is in order")));
    }
    if evidence.counted.misrouted > 0 {
        findings.push(Finding::new(NAME, format!("{} recipients came to a receiver that is not theirs", evidence.counted.misrouted)));
    }
    findings
}
