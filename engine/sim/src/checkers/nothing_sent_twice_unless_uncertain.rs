//! Invariant 10, second half: whoever got a message twice is among those the report calls uncertain, and got the same message.

use crate::evidence::{Evidence, Finding};
use std::collections::BTreeSet;

const NAME: &str = "nothing_sent_twice_unless_uncertain";

pub(super) fn check(evidence: &Evidence) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut doubled = 0;
    for case in evidence.cases() {
        let name = case.name();
        let ids: BTreeSet<&str> = case.taken.iter().map(|taken| taken.message_id.as_str()).collect();
        if ids.len() > 1 || ids.contains("") {
            findings.push(Finding::new(NAME, format!("{name} was taken under {} Message-IDs", ids.len())));
        }
        if case.taken.len() > 1 {
            doubled += 1;
            let Some(job) = case.job.filter(|job| !job.was_uncertain()) else { continue };
            let times = case.taken.len();
            findings.push(Finding::new(NAME, format!("{name} was taken {times} times and never uncertain: {:?}", job.states)));
        }
        if let Some(job) = case.job.filter(|job| job.frozen.len() > 1) {
            findings.push(Finding::new(NAME, format!("{name} has {} frozen hashes", job.frozen.len())));
        }
    }
    let reported: u64 = evidence.reports.values().map(|(_, report)| report.uncertain).sum();
    if doubled > reported {
        findings.push(Finding::new(NAME, format!("{doubled} came twice, the reports know of {reported}")));
    }
    let jobs = evidence.records.values().flat_map(|record| record.jobs.values());
    let uncertain: u64 = jobs.filter(|job| job.was_uncertain()).map(|job| job.rows().count() as u64).sum();
    if uncertain != reported {
        findings.push(Finding::new(NAME, format!("{uncertain} rows were uncertain in the record, {reported} in the reports")));
    }
    findings
}
