//! Any history, in slices of any size: the sums by state are those of the rows, and the batch balances.

mod history;

use history::{History, batch, money_of};
use ledger::Ledger;
use model::{Cents, State};
use proptest::prelude::*;

const JOBS: u64 = 12;

#[derive(Debug, Clone)]
enum Event {
    Intent(u64),
    Outcome(u64, State, bool),
    NotSent(u64, State),
    Change(u64, State),
}

fn state() -> impl Strategy<Value = State> {
    prop::sample::select(State::ALL.to_vec())
}

fn event() -> impl Strategy<Value = Event> {
    // One number more than there are jobs: events about nobody come too.
    let job = 1..=JOBS + 1;
    prop_oneof![
        3 => job.clone().prop_map(Event::Intent),
        3 => (job.clone(), state(), any::<bool>()).prop_map(|(job, state, answered)| Event::Outcome(job, state, answered)),
        1 => (job.clone(), state()).prop_map(|(job, state)| Event::NotSent(job, state)),
        1 => (job, state()).prop_map(|(job, state)| Event::Change(job, state)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn sums_agree_with_rows(events in prop::collection::vec(event(), 0..150), slice in 1usize..40) {
        let mut history = History::default();
        history.open(batch(1), false);
        (1..=JOBS).for_each(|number| history.head(batch(1), number, None));
        history.commit(batch(1), 1..=JOBS, 2);
        for event in &events {
            match event {
                Event::Intent(job) => history.intent(*job, 1),
                Event::Outcome(job, state, answered) => history.outcome(*job, 1, *state, answered.then_some(250)),
                Event::NotSent(job, state) => history.not_sent(*job, 1, *state),
                Event::Change(job, state) => history.change(*job, *state, "operator"),
            }
        }
        let mut ledger = Ledger::open_in_memory().unwrap();
        for part in history.events.chunks(slice) {
            ledger.apply(part).unwrap();
        }
        let report = ledger.batch_report(batch(1)).unwrap().unwrap();
        prop_assert!(report.balanced);
        let mut uncertain = 0;
        for (state, count) in report.states.iter() {
            let rows = ledger.jobs(batch(1), Some(state), 100).unwrap();
            prop_assert_eq!(rows.len() as u64, count);
            let billed: Cents = rows.iter().map(|row| money_of(row.row).billed).sum();
            prop_assert_eq!(report.money_cents.billed.states.get(state), billed);
            uncertain += rows.iter().filter(|row| row.uncertain).count() as u64;
        }
        prop_assert_eq!(report.uncertain, uncertain);
    }
}
