//! Invariant 12, as an operator sees it: what is held is not sent until it is released, what is cancelled is never sent; crashes or not.

use crate::evidence::{Evidence, Finding};
use model::{Monotonic, State};
use std::time::Duration;

const NAME: &str = "orders_are_obeyed";
/// What was under way when the order came is finished: a conversation of slow steps, each within its time limit.
const UNDER_WAY: Duration = Duration::from_secs(150);

pub(super) fn check(evidence: &Evidence) -> Vec<Finding> {
    let mut findings = Vec::new();
    let cases = evidence.cases();
    for (parcel, obeyed) in &evidence.remembered.obeyed {
        let (from, until) = (obeyed.from + UNDER_WAY, obeyed.until.unwrap_or(Monotonic(u64::MAX)));
        let taken = cases.iter().filter(|case| case.parcel == *parcel).flat_map(|case| &case.taken);
        let late = taken.filter(|taken| taken.at > from && taken.at < until).count();
        let order = if obeyed.is_cancel { "cancelled" } else { "held" };
        if late > 0 {
            findings.push(Finding::new(NAME, format!("parcel {parcel} was {order}, and {late} of its messages were sent all the same")));
        }
    }
    for case in &cases {
        let Some(job) = case.job else { continue };
        if job.state() == State::Cancelled && !evidence.remembered.cancelled.contains(&case.parcel) {
            findings.push(Finding::new(NAME, format!("{} is cancelled, and nobody said so", case.name())));
        }
    }
    findings
}
