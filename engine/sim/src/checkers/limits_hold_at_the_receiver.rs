//! Invariant 8: no receiver saw more than it allows, as it counts it, crashes or not; and none saw a client misbehave.

use crate::evidence::{Evidence, Finding};
use crate::scenario::SiteKind;

const NAME: &str = "limits_hold_at_the_receiver";
/// A receiver that refuses a command also meets those that were sent along with it (RFC 2920), and counts them as out of place. These
/// never refuse a command.
const NEVER_REFUSING: [SiteKind; 4] = [SiteKind::Quick, SiteKind::Slow, SiteKind::RateLimited, SiteKind::Dropping];

pub(super) fn check(evidence: &Evidence) -> Vec<Finding> {
    let mut findings = Vec::new();
    for site in &evidence.counted.sites {
        let faults = if NEVER_REFUSING.iter().any(|kind| kind.name() == site.name) { site.faults } else { 0 };
        if site.violations + faults > 0 {
            let (name, violations, dots, open) = (&site.name, site.violations, site.in_window_max, site.open_per_source_max);
            let what = format!("{name}: {violations} beyond its limits, {faults} faults; up to {dots} in its window, {open} open at once");
            findings.push(Finding::new(NAME, what));
        }
    }
    let too_early: u64 = evidence.records.values().flat_map(|record| record.jobs.values()).map(|job| job.too_early).sum();
    if too_early > 0 {
        findings.push(Finding::new(NAME, format!("{too_early} attempts ended before the moment for which they had been put back")));
    }
    findings
}
