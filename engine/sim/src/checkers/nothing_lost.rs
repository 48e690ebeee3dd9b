//! Invariants 1 and 10, first half: what was accepted is there, and every accepted statement is delivered, or is where its receiver's
//! temper or an operator's order may put it.

use crate::evidence::{Case, Evidence, Finding};
use crate::notes::Answered;
use crate::parcel::Fate;
use model::State;
use outcome::UncertainRule;

const NAME: &str = "nothing_lost";

pub(super) fn check(evidence: &Evidence) -> Vec<Finding> {
    let cases = evidence.cases();
    let unreadable = cases.iter().filter(|case| is_held(case)).count() as u64;
    let is_excused = unreadable <= evidence.unreadable_max;
    let wrong = |case: &Case<'_>| Some(Finding::new(NAME, wrong(evidence, case)?));
    let mut findings: Vec<Finding> = cases.iter().filter(|case| !(is_excused && is_held(case))).filter_map(wrong).collect();
    findings.extend(promises(evidence));
    findings
}

/// A statement that could not be read is held for a person, not lost; each failed read costs one at most.
fn is_held(case: &Case<'_>) -> bool {
    case.job.is_some_and(|job| job.state() == State::Held)
}

/// What people outside were told stands in the record.
fn promises(evidence: &Evidence) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_committed = |batch| evidence.records.values().any(|record| record.committed.contains(batch));
    for (parcel, batch) in &evidence.remembered.batches {
        if !is_committed(batch) {
            findings.push(Finding::new(NAME, format!("parcel {parcel} was accepted as {batch}, and the record has no commit of it")));
        }
    }
    for (line, answer) in &evidence.remembered.answers {
        let Answered::Job(job) = answer else { continue };
        if !evidence.records.values().any(|record| record.jobs.contains_key(job)) {
            findings
                .push(Finding::new(NAME, format!("line {line} of the job socket was accepted as {job}, and the record has no such job")));
        }
    }
    findings
}

fn wrong(evidence: &Evidence, case: &Case<'_>) -> Option<String> {
    let name = case.name();
    debug_assert_eq!(case.line.fate, Fate::Sent);
    let Some(job) = case.job else { return Some(format!("{name} has no job")) };
    let state = job.state();
    if state == State::Delivered && case.taken.is_empty() {
        return Some(format!("{name} is delivered, and its receiver has nothing: {:?}", job.states));
    }
    let is_left_uncertain = state == State::Uncertain && evidence.scenario.uncertain == UncertainRule::Hold;
    let is_cancelled = state == State::Cancelled && evidence.remembered.cancelled.contains(&case.parcel);
    if !is_left_uncertain && !is_cancelled && !case.kind.may_end(state) {
        return Some(format!("{name} ended as {state}: {:?}", job.states));
    }
    // Whoever has it must not be told that it never came; a receiver that takes no more of a message it has is uncertain first.
    if !case.taken.is_empty() && !matches!(state, State::Delivered) && !job.was_uncertain() {
        return Some(format!("{name} was taken, and the record says {state}: {:?}", job.states));
    }
    None
}
