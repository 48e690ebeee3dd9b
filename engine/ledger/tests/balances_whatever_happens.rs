//! Any history, in slices of any size: the sums by state are those of the rows, and the batch balances.

mod history;

use history::{History, batch, money_of};
use ledger::{JobFilter, Ledger};
use model::{Cents, State};
use proptest::prelude::*;

const JOBS: u64 = 12;

#[derive(Debug, Clone)]
enum Event {
    Intent(u64),
    Outcome(u64, State, bool),
    NotSent(u64, State),
    Change(u64, State),
    Narrow(u64, Vec<u64>),
}

/// The rows of a job: every third holds three.
fn rows_of(job: u64) -> Vec<u64> {
    if job.is_multiple_of(3) { vec![job, job + 100, job + 200] } else { vec![job] }
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
        1 => (job.clone(), state()).prop_map(|(job, state)| Event::Change(job, state)),
        2 => (job, prop::sample::subsequence(vec![0, 100, 200], 1..=3)).prop_map(|(job, more)| {
            let job = job.next_multiple_of(3);
            Event::Narrow(job, more.into_iter().map(|more| job + more).collect())
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn sums_agree_with_rows(events in prop::collection::vec(event(), 0..150), slice in 1usize..40) {
        let mut history = History::default();
        history.open(batch(1), false);
        for number in 1..=JOBS {
            history.head(batch(1), number, None);
            history.grouped_with(&rows_of(number)[1..]);
        }
        history.commit(batch(1), (1..=JOBS).flat_map(rows_of), 2);
        for event in &events {
            match event {
                Event::Intent(job) => history.intent(*job, 1),
                Event::Outcome(job, state, answered) => history.outcome(*job, 1, *state, answered.then_some(250)),
                Event::NotSent(job, state) => history.not_sent(*job, 1, *state),
                Event::Change(job, state) => history.change(*job, *state, "operator"),
                Event::Narrow(job, rows) => history.narrowed(*job, rows),
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
            let rows = ledger.rows(batch(1), &JobFilter { state: Some(state), limit: 100, ..JobFilter::default() }).unwrap();
            prop_assert_eq!(rows.len() as u64, count);
            let billed: Cents = rows.iter().map(|row| money_of(row.row).billed).sum();
            prop_assert_eq!(report.money_cents.billed.states.get(state), billed);
            prop_assert!(rows.iter().all(|row| row.billed_cents == money_of(row.row).billed));
            uncertain += rows.iter().filter(|row| row.uncertain).count() as u64;
        }
        prop_assert_eq!(report.uncertain, uncertain);
    }
}
