//! A message that holds several statements moves them together, and each of them stays a row with its own cents: in the sums, in the lists,
//! page by page, and after its batch was discarded none of them is left.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

mod history;

use history::{History, batch, job, money_of};
use ledger::{JobFilter, JobLine, Ledger};
use model::State;
use model::record::Record;

/// Rows 1, 4 and 6 in job 1, 2 and 5 in job 2, 3 alone.
const MESSAGES: [(u64, &[u64]); 3] = [(1, &[4, 6]), (2, &[5]), (3, &[])];

fn grouped(id: u64) -> History {
    let mut history = History::default();
    history.open(batch(id), false);
    for (first, further) in MESSAGES {
        history.head(batch(id), first, None);
        history.grouped_with(further);
    }
    history
}

fn rows(ledger: &Ledger, filter: &JobFilter) -> Vec<JobLine> {
    ledger.rows(batch(1), filter).unwrap()
}

#[test]
fn every_row_is_counted_and_listed_by_itself() {
    let mut history = grouped(1);
    history.commit(batch(1), 1..=6, 0);
    history.delivered(1);
    history.intent(2, 1);
    history.outcome(2, 1, State::Bounced, Some(550));
    let mut ledger = Ledger::open_in_memory().unwrap();
    ledger.apply(&history.events).unwrap();
    let report = ledger.batch_report(batch(1)).unwrap().unwrap();
    let counts = [State::Delivered, State::Bounced, State::Queued].map(|state| report.states.get(state));
    assert_eq!((counts, report.balanced), ([3, 2, 1], true));
    let owed = |rows: &[u64]| rows.iter().map(|row| money_of(*row).member_owes).sum();
    assert_eq!(report.money_cents.member_owes.states.get(State::Delivered), owed(&[1, 4, 6]));

    let all = rows(&ledger, &JobFilter { limit: 100, ..JobFilter::default() });
    let told: Vec<_> = all.iter().map(|line| (line.row, line.state, line.statements, line.message_statements)).collect();
    let (delivered, bounced) = (State::Delivered, State::Bounced);
    assert_eq!(
        told,
        [
            (1, delivered, 1, 3),
            (4, delivered, 1, 3),
            (6, delivered, 1, 3),
            (2, bounced, 1, 2),
            (5, bounced, 1, 2),
            (3, State::Queued, 1, 1)
        ]
    );
    for line in &all {
        let money = money_of(line.row);
        assert_eq!((line.billed_cents, line.plan_paid_cents, line.member_owes_cents), (money.billed, money.plan_paid, money.member_owes));
    }
    // A page holds whole messages; one that is shorter than asked for is the last.
    let mut filter = JobFilter { limit: 2, ..JobFilter::default() };
    let first = rows(&ledger, &filter);
    filter.after = first.last().unwrap().job_id.parse().ok();
    let second = rows(&ledger, &filter);
    filter.after = second.last().unwrap().job_id.parse().ok();
    let third = rows(&ledger, &filter);
    assert_eq!([first.len(), second.len(), third.len()], [3, 2, 1]);
    assert_eq!([first, second, third].concat(), all);
    assert_eq!(rows(&ledger, &JobFilter { limit: 9, state: Some(bounced), ..JobFilter::default() }).len(), 2);
}

#[test]
fn nothing_is_left_of_a_batch_that_was_given_up() {
    let mut history = grouped(1);
    let mut ledger = Ledger::open_in_memory().unwrap();
    ledger.apply(&history.events).unwrap();
    assert_eq!(rows(&ledger, &JobFilter { limit: 9, ..JobFilter::default() }).len(), 6);
    let at = model::Timestamp(9);
    history.push(history::NO_JOB, Record::BatchDiscard { batch: batch(1), at, reason: "no_commit".into() });
    ledger.apply(&history.events).unwrap();
    assert_eq!(rows(&ledger, &JobFilter { limit: 9, ..JobFilter::default() }), []);
    // Nor where the same slice brings the batch and its end.
    let mut ledger = Ledger::open_in_memory().unwrap();
    ledger.apply(&history.events).unwrap();
    assert_eq!(rows(&ledger, &JobFilter { limit: 9, ..JobFilter::default() }), []);
    assert_eq!(ledger.findings_count().unwrap(), 0);
}

#[test]
fn a_statement_that_left_its_message_is_a_row_of_its_own() {
    let mut history = grouped(1);
    history.commit(batch(1), 1..=6, 0);
    history.narrowed(1, &[1]);
    let told = |ledger: &Ledger| -> Vec<_> {
        let all = rows(ledger, &JobFilter { limit: 100, ..JobFilter::default() });
        assert!(all.iter().all(|line| line.billed_cents == money_of(line.row).billed), "each with its own cents");
        all.iter().map(|line| (line.row, line.state, line.message_statements)).collect()
    };
    let (queued, superseded, delivered) = (State::Queued, State::Superseded, State::Delivered);
    // In one slice with its head, and in one of its own.
    let mut whole = Ledger::open_in_memory().unwrap();
    whole.apply(&history.events).unwrap();
    let mut parted = Ledger::open_in_memory().unwrap();
    for event in history.events.chunks(1) {
        parted.apply(event).unwrap();
    }
    let expected = [(1, superseded, 0), (4, queued, 2), (6, queued, 2), (2, queued, 2), (5, queued, 2), (3, queued, 1)];
    assert_eq!((told(&whole), told(&parted)), (expected.to_vec(), expected.to_vec()));
    // What a correction asks: where a row's statement stands in the payload, and what it came to.
    let place = |ledger: &Ledger, row| {
        let standing = ledger.job_standing(job(1), row).unwrap().unwrap();
        (standing.statements, standing.statement.map(|of| (of.place, of.money)))
    };
    assert_eq!(place(&whole, 6), (2, Some((1, money_of(6)))));
    assert_eq!(place(&whole, 1), (2, None), "it left");

    // Another one leaves, and the last is a message of one.
    for ledger in [&mut whole, &mut parted] {
        let from = history.events.len();
        history.narrowed(1, &[6]);
        history.delivered(1);
        ledger.apply(&history.events).unwrap();
        history.events.truncate(from);
        assert_eq!(told(ledger)[..3], [(1, superseded, 0), (4, delivered, 1), (6, superseded, 0)]);
        assert_eq!(place(ledger, 4), (1, Some((0, money_of(4)))));
        let report = ledger.batch_report(batch(1)).unwrap().unwrap();
        assert_eq!(([superseded, delivered].map(|state| report.states.get(state)), report.balanced), ([2, 1], true));
        let gone = rows(ledger, &JobFilter { limit: 9, state: Some(superseded), ..JobFilter::default() });
        assert_eq!(gone.iter().map(|line| line.row).collect::<Vec<_>>(), [1, 6]);
        assert_eq!(rows(ledger, &JobFilter { limit: 9, state: Some(delivered), ..JobFilter::default() }).len(), 1);
        assert_eq!(ledger.findings_count().unwrap(), 0);
    }
    // Not from what was sent, not the last one, and no row that is none of its own.
    history.narrowed(1, &[6]);
    history.delivered(1);
    history.narrowed(1, &[4]);
    history.narrowed(2, &[2, 5]);
    history.narrowed(2, &[4]);
    whole.apply(&history.events).unwrap();
    let codes: Vec<String> = whole.findings(9).unwrap().into_iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["unknown_row", "unknown_row", "change_not_allowed"]);
}
