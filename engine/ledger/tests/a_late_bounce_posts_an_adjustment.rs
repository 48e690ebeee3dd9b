//! A bounce that comes after `delivered` moves the job and leaves a dated row that says what moved.

mod history;

use history::{History, batch, end, job, key, money_of};
use ledger::Ledger;
use model::State;
use model::record::Record;

#[test]
fn delivered_then_bounced() {
    let mut history = History::default();
    history.open(batch(1), false);
    (1..=3).for_each(|number| history.head(batch(1), number, None));
    history.commit(batch(1), 1..=3, 0);
    (1..=3).for_each(|number| history.delivered(number));
    history.push(history::NO_JOB, Record::BatchClose { batch: batch(1), at: model::Timestamp(6_000) });
    let mut ledger = Ledger::open_in_memory().unwrap();
    ledger.apply(&history.events).unwrap();
    assert!(ledger.batch_report(batch(1)).unwrap().unwrap().closed);
    assert!(ledger.adjustments(batch(1)).unwrap().is_empty());

    history.push(key(job(2), 1), Record::Outcome(end(State::Bounced, Some(550), "mailbox_unknown")));
    ledger.apply(&history.events).unwrap();
    let report = ledger.batch_report(batch(1)).unwrap().unwrap();
    assert_eq!((report.states.get(State::Delivered), report.states.get(State::Bounced)), (2, 1));
    assert_eq!(report.money_cents.billed.states.get(State::Bounced), money_of(2).billed);
    assert!(report.balanced && report.needs_a_person() == 1);

    let adjustments = ledger.adjustments(batch(1)).unwrap();
    assert_eq!(adjustments.len(), 1);
    let posted = &adjustments[0];
    assert_eq!((posted.job_id.as_str(), posted.from, posted.to), (job(2).to_string().as_str(), State::Delivered, State::Bounced));
    assert_eq!((posted.at_ms, posted.billed_cents, posted.cause.as_str()), (4_000, money_of(2).billed, "mailbox_unknown"));
    assert_eq!(ledger.findings_count().unwrap(), 0);
}
