//! Invariant 10, first half: every accepted statement is delivered, or is where its receiver's temper may put it.

use crate::evidence::{Case, Evidence, Finding};
use model::State;
use model::record::BatchVerb;
use outcome::UncertainRule;

const NAME: &str = "nothing_lost";

pub(super) fn check(evidence: &Evidence) -> Vec<Finding> {
    let lost = evidence.told.difference(&evidence.record.committed);
    let lost = lost.map(|batch| Finding::new(NAME, format!("batch {batch} was said to be accepted, and the record has no commit of it")));
    lost.chain(evidence.cases().filter_map(|case| Some(Finding::new(NAME, wrong(evidence, &case)?)))).collect()
}

fn wrong(evidence: &Evidence, case: &Case<'_>) -> Option<String> {
    let rule = evidence.scenario.uncertain;
    let is_cancelled = evidence.record.orders.iter().any(|(verb, _)| *verb == BatchVerb::Cancel);
    let (row, kind) = (case.row.number, case.kind.name());
    let Some(job) = case.job else { return Some(format!("row {row} ({kind}) is in no committed batch")) };
    let state = job.state();
    if state == State::Delivered && case.taken.is_empty() {
        return Some(format!("row {row} ({kind}) is delivered, and its receiver has nothing: {:?}", job.states));
    }
    let is_left_uncertain = state == State::Uncertain && rule == UncertainRule::Hold;
    if !is_left_uncertain && !(is_cancelled && state == State::Cancelled) && !case.kind.may_end(state) {
        return Some(format!("row {row} ({kind}) ended as {state}: {:?}", job.states));
    }
    // Whoever has it must not be told that it never came; a receiver that takes no more of a message it has is uncertain first.
    if !case.taken.is_empty() && !matches!(state, State::Delivered) && !job.was_uncertain() {
        return Some(format!("row {row} ({kind}) was taken, and the record says {state}: {:?}", job.states));
    }
    None
}
