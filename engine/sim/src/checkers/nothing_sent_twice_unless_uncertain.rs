//! Invariant 10, second half: whoever got a message twice is among those the report calls uncertain, and got the same message.

use crate::evidence::{Evidence, Finding};
use std::collections::BTreeSet;

const NAME: &str = "nothing_sent_twice_unless_uncertain";

pub(super) fn check(evidence: &Evidence) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut doubled = 0;
    for case in evidence.cases() {
        let row = case.row.number;
        let ids: BTreeSet<&str> = case.taken.iter().map(|taken| taken.message_id.as_str()).collect();
        if ids.len() > 1 || ids.contains("") {
            findings.push(Finding::new(NAME, format!("row {row} was taken under {} Message-IDs", ids.len())));
        }
        if case.taken.len() > 1 {
            doubled += 1;
            let Some(job) = case.job.filter(|job| !job.was_uncertain()) else { continue };
            let times = case.taken.len();
            findings.push(Finding::new(NAME, format!("row {row} was taken {times} times and never uncertain: {:?}", job.states)));
        }
        if let Some(job) = case.job.filter(|job| job.frozen.len() > 1) {
            findings.push(Finding::new(NAME, format!("row {row} has {} frozen hashes", job.frozen.len())));
        }
    }
    if doubled > evidence.report.uncertain {
        findings.push(Finding::new(NAME, format!("{doubled} came twice, the report knows of {}", evidence.report.uncertain)));
    }
    let uncertain = evidence.record.jobs.values().filter(|job| job.was_uncertain()).count() as u64;
    if uncertain != evidence.report.uncertain {
        let reported = evidence.report.uncertain;
        findings.push(Finding::new(NAME, format!("{uncertain} jobs were uncertain in the record, {reported} in the report")));
    }
    findings
}
