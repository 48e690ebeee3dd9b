//! Invariant 8: no receiver saw more than it allows, as it counts it, crashes or not; and none saw a client misbehave.

use crate::evidence::{Evidence, Finding};

const NAME: &str = "limits_hold_at_the_receiver";

pub(super) fn check(evidence: &Evidence) -> Vec<Finding> {
    let violated = evidence.counted.sites.iter().filter(|site| site.violations + site.faults > 0);
    violated
        .map(|site| {
            let (name, violations, faults) = (&site.name, site.violations, site.faults);
            let (dots, open) = (site.in_window_max, site.open_per_source_max);
            Finding::new(NAME, format!("{name}: {violations} beyond its limits, {faults} faults; up to {dots} in its window, {open} open"))
        })
        .collect()
}
