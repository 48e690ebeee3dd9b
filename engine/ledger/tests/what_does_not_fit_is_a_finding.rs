//! A change that the table of states does not allow is counted and shown, and the row stays as it was.

mod history;

use history::{History, NO_JOB, batch};
use ledger::{Finding, Ledger};
use model::record::{BatchVerb, OperatorAction, Record};
use model::state::HoldReason;
use model::{State, Timestamp};

fn started() -> History {
    let mut history = History::default();
    history.open(batch(1), false);
    history.head(batch(1), 1, None);
    history.head(batch(1), 2, Some(HoldReason::MemberMismatch));
    history.commit(batch(1), 1..=2, 0);
    history
}

fn codes(ledger: &Ledger) -> Vec<String> {
    let findings = ledger.findings(100).expect("findings are readable");
    assert_eq!(findings.len() as u64, ledger.findings_count().expect("findings are counted"));
    findings.into_iter().rev().map(|finding| finding.code).inspect(|code| assert!(Finding::ALL_CODES.contains(&code.as_str()))).collect()
}

#[test]
fn a_delivery_without_an_intent_is_not_believed() {
    let mut history = started();
    history.outcome(1, 1, State::Delivered, Some(250));
    let mut ledger = Ledger::open_in_memory().unwrap();
    let applied = ledger.apply(&history.events).unwrap();
    assert_eq!(applied.findings, 1);
    assert_eq!(codes(&ledger), ["change_not_allowed"]);
    let finding = &ledger.findings(1).unwrap()[0];
    assert_eq!((finding.from.as_deref(), finding.to.as_deref()), (Some("queued"), Some("delivered")));
    assert_eq!(ledger.batch_report(batch(1)).unwrap().unwrap().states.get(State::Queued), 1);
}

#[test]
fn what_was_delivered_is_never_queued_again() {
    let mut history = started();
    history.delivered(1);
    history.change(1, State::Queued, "operator");
    history.intent(1, 2);
    let mut ledger = Ledger::open_in_memory().unwrap();
    ledger.apply(&history.events).unwrap();
    assert_eq!(codes(&ledger), ["change_not_allowed", "change_not_allowed"]);
    assert_eq!(ledger.jobs(batch(1), Some(State::Delivered), 10).unwrap().len(), 1);
}

#[test]
fn events_about_nobody_are_findings() {
    let mut history = started();
    history.delivered(99);
    history.head(batch(1), 1, None);
    history.head(batch(5), 50, None);
    history.push(NO_JOB, Record::BatchDiscard { batch: batch(1), at: Timestamp(9), reason: "no_commit".into() });
    let mut ledger = Ledger::open_in_memory().unwrap();
    ledger.apply(&history.events).unwrap();
    assert_eq!(codes(&ledger), ["unknown_job", "unknown_job", "repeated_head", "unknown_batch", "discard_after_commit"]);
    assert!(ledger.batch_report(batch(1)).unwrap().unwrap().balanced);
}

#[test]
fn an_attempt_may_end_before_its_intent_was_needed() {
    let mut history = started();
    history.not_sent(1, 1, State::Queued);
    history.not_sent(1, 2, State::Bounced);
    let mut ledger = Ledger::open_in_memory().unwrap();
    ledger.apply(&history.events).unwrap();
    assert!(codes(&ledger).is_empty());
    let line = &ledger.jobs(batch(1), Some(State::Bounced), 10).unwrap()[0];
    assert_eq!((line.attempts, line.code, line.cause.as_deref(), line.uncertain), (2, Some(450), Some("greylisted"), false));
}

#[test]
fn what_may_have_been_sent_twice_stays_known() {
    let mut history = started();
    history.head(batch(1), 3, None);
    // A crash after the intent: the restart queues it again.
    history.intent(1, 1);
    history.change(1, State::Queued, "resend_after_crash");
    history.intent(1, 2);
    history.outcome(1, 2, State::Delivered, Some(250));
    // A connection lost after the last byte, and policy says hold.
    history.intent(3, 1);
    history.outcome(3, 1, State::Uncertain, None);
    let mut ledger = Ledger::open_in_memory().unwrap();
    ledger.apply(&history.events).unwrap();
    let report = ledger.batch_report(batch(1)).unwrap().unwrap();
    assert_eq!((report.uncertain, report.states.get(State::Uncertain), report.states.get(State::Delivered)), (2, 1, 1));
    assert!(ledger.jobs(batch(1), Some(State::Delivered), 1).unwrap()[0].uncertain);
    assert!(codes(&ledger).is_empty());
}

#[test]
fn operators_are_remembered() {
    let mut history = started();
    for (verb, reason) in [(BatchVerb::Hold, "numbers look shifted"), (BatchVerb::Release, "checked with the plan")] {
        let action = OperatorAction { batch: batch(1), verb, at: Timestamp(7), by: "ops".into(), reason: reason.into() };
        history.push(NO_JOB, Record::Operator(action));
    }
    let mut ledger = Ledger::open_in_memory().unwrap();
    ledger.apply(&history.events).unwrap();
    let actions = ledger.operator_actions(batch(1)).unwrap();
    assert_eq!(actions.iter().map(|action| action.verb.as_str()).collect::<Vec<_>>(), ["hold", "release"]);
    assert!(!ledger.batches().unwrap()[0].held);
}
