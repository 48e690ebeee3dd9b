//! Heads of a batch without its commit are in no report; a discarded batch leaves no rows; a rolling batch counts head by head.

mod history;

use history::{History, NO_JOB, batch, money_of};
use ledger::Ledger;
use model::record::Record;
use model::{Cents, State, Timestamp};

#[test]
fn until_the_commit_nothing_is_read_and_nothing_is_queued() {
    let mut history = History::default();
    history.open(batch(1), false);
    (1..=5).for_each(|number| history.head(batch(1), number, None));
    let mut ledger = Ledger::open_in_memory().unwrap();
    ledger.apply(&history.events).unwrap();
    let before = ledger.batch_report(batch(1)).unwrap().unwrap();
    assert_eq!((before.statements.read, before.states.get(State::Queued), before.source_records), (0, 0, 0));

    history.commit(batch(1), 1..=5, 0);
    ledger.apply(&history.events).unwrap();
    let after = ledger.batch_report(batch(1)).unwrap().unwrap();
    assert_eq!((after.statements.read, after.states.get(State::Queued), after.active()), (5, 5, 5));
    assert!(after.balanced && !after.closed);
}

#[test]
fn a_discarded_batch_leaves_no_rows_and_its_ids_stay_unknown() {
    let mut history = History::default();
    history.open(batch(1), false);
    (1..=5).for_each(|number| history.head(batch(1), number, None));
    let mut ledger = Ledger::open_in_memory().unwrap();
    ledger.apply(&history.events).unwrap();
    history.head(batch(1), 6, None);
    history.push(NO_JOB, Record::BatchDiscard { batch: batch(1), at: Timestamp(9), reason: "no_commit".into() });
    history.head(batch(1), 7, None);
    ledger.apply(&history.events).unwrap();
    assert!(ledger.jobs(batch(1), None, 100).unwrap().is_empty());
    let line = &ledger.batches().unwrap()[0];
    assert_eq!((line.jobs, line.discarded_at_ms), (0, Some(9)));
    assert_eq!(ledger.findings(10).unwrap()[0].code, "unknown_batch");
}

#[test]
fn a_commit_whose_heads_are_missing_is_not_balanced() {
    let mut history = History::default();
    history.open(batch(1), false);
    (1..=4).for_each(|number| history.head(batch(1), number, None));
    history.commit(batch(1), 1..=5, 0);
    let mut ledger = Ledger::open_in_memory().unwrap();
    ledger.apply(&history.events).unwrap();
    assert!(!ledger.batch_report(batch(1)).unwrap().unwrap().balanced);
}

#[test]
fn a_rolling_batch_counts_each_head_as_it_comes() {
    let mut history = History::default();
    history.open(batch(2), true);
    (1..=3).for_each(|number| history.head(batch(2), number, None));
    history.delivered(1);
    let mut ledger = Ledger::open_in_memory().unwrap();
    ledger.apply(&history.events).unwrap();
    let report = ledger.batch_report(batch(2)).unwrap().unwrap();
    assert_eq!((report.source_records, report.statements.accepted, report.states.get(State::Delivered)), (3, 3, 1));
    let billed: Cents = (1..=3).map(|number| money_of(number).billed).sum();
    assert_eq!(report.money_cents.billed.parts.read, billed);
    assert!(report.balanced);
}
