//! Invariant 10, first half: every accepted statement is delivered, or is where its receiver's temper may put it.

use crate::evidence::{Case, Evidence, Finding};
use model::State;
use outcome::UncertainRule;

const NAME: &str = "nothing_lost";

pub(super) fn check(evidence: &Evidence) -> Vec<Finding> {
    evidence.cases().filter_map(|case| Some(Finding::new(NAME, wrong(evidence.scenario.uncertain, &case)?))).collect()
}

fn wrong(rule: UncertainRule, case: &Case<'_>) -> Option<String> {
    let (row, kind) = (case.row.number, case.kind.name());
    let Some(job) = case.job else { return Some(format!("row {row} ({kind}) is in no committed batch")) };
    let state = job.state();
    if state == State::Delivered && case.taken.is_empty() {
        return Some(format!("row {row} ({kind}) is delivered, and its receiver has nothing: {:?}", job.states));
    }
    let is_left_uncertain = state == State::Uncertain && rule == UncertainRule::Hold;
    if !is_left_uncertain && !case.kind.may_end(state) {
        return Some(format!("row {row} ({kind}) ended as {state}: {:?}", job.states));
    }
    // Whoever has it must not be told that it never came; a receiver that takes no more of a message it has is uncertain first.
    if !case.taken.is_empty() && !matches!(state, State::Delivered) && !job.was_uncertain() {
        return Some(format!("row {row} ({kind}) was taken, and the record says {state}: {:?}", job.states));
    }
    None
}
