//! The report's JSON has every disposition, every state and every kind of money, zeros included, and no personal data.

mod history;

use history::{History, batch};
use ledger::Ledger;
use model::State;
use model::state::Disposition;

#[test]
fn every_key_is_there() {
    let mut history = History::default();
    history.open(batch(1), false);
    (1..=4).for_each(|number| history.head(batch(1), number, None));
    history.commit(batch(1), 1..=4, 1);
    history.delivered(1);
    let mut ledger = Ledger::open_in_memory().unwrap();
    ledger.apply(&history.events).unwrap();
    let report = serde_json::to_value(ledger.batch_report(batch(1)).unwrap().unwrap()).unwrap();

    let top: Vec<&str> = report.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = vec![
        "batch_id",
        "closed",
        "source_records",
        "statements",
        "reasons",
        "states",
        "money_cents",
        "balanced",
        "content_destroyed_at",
        "content_destroyed_cause",
        "uncertain",
    ];
    expected.sort_unstable();
    let mut sorted = top.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    assert_eq!(report["batch_id"], "b1-1");
    assert_eq!(report["statements"]["read"], 5);
    assert_eq!(report["states"]["delivered"], 1);
    for state in State::ALL {
        assert!(report["states"][state.as_str()].is_u64(), "{state}");
    }
    for money in ["billed", "plan_paid", "member_owes"] {
        let split = &report["money_cents"][money];
        let names = State::ALL.map(State::as_str).into_iter().chain(Disposition::ALL.map(Disposition::as_str)).chain(["read"]);
        names.for_each(|name| assert!(split[name].is_i64(), "{money} {name}"));
    }
    assert_eq!(report["money_cents"]["billed"]["delivered"], 10_001);
}

#[test]
fn a_batch_nobody_knows_has_no_report() {
    assert!(Ledger::open_in_memory().unwrap().batch_report(batch(9)).unwrap().is_none());
}
