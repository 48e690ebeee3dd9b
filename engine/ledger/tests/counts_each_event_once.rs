//! The same slice may come twice, a restart may come between any two slices, and the file may be deleted: the report is the same.

mod history;

use history::{History, batch};
use ledger::Ledger;
use model::State;

fn some_history() -> History {
    let mut history = History::default();
    history.open(batch(1), false);
    (1..=20).for_each(|number| history.head(batch(1), number, None));
    history.commit(batch(1), 1..=20, 3);
    (1..=12).for_each(|number| history.delivered(number));
    history.not_sent(13, 1, State::Queued);
    history
}

#[test]
fn a_slice_applied_twice_counts_once() {
    let history = some_history();
    let mut ledger = Ledger::open_in_memory().unwrap();
    let first = ledger.apply(&history.events).unwrap();
    let report = ledger.batch_report(batch(1)).unwrap().unwrap();
    let second = ledger.apply(&history.events).unwrap();
    assert_eq!((first.events, second.events), (history.events.len() as u64, 0));
    assert_eq!(second.skipped, history.events.len() as u64);
    assert_eq!(ledger.batch_report(batch(1)).unwrap().unwrap(), report);
    assert!(report.balanced);
    assert_eq!((report.states.get(State::Delivered), report.states.get(State::Queued)), (12, 8));
    assert_eq!(report.statements.rejected, 3);
    assert_eq!(report.reasons["amount_malformed"], 3);
}

#[test]
fn position_and_rows_survive_a_restart_after_every_slice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let history = some_history();
    let mut whole = Ledger::open_in_memory().unwrap();
    whole.apply(&history.events).unwrap();
    for slice in history.events.chunks(7) {
        let mut ledger = Ledger::open(&path).unwrap();
        assert!(ledger.position().is_none_or(|position| position < slice[0].0));
        ledger.apply(slice).unwrap();
        assert_eq!(ledger.position(), Some(slice.last().unwrap().0));
    }
    let ledger = Ledger::open(&path).unwrap();
    assert_eq!(ledger.batch_report(batch(1)).unwrap(), whole.batch_report(batch(1)).unwrap());
    assert_eq!(ledger.jobs(batch(1), None, 100).unwrap(), whole.jobs(batch(1), None, 100).unwrap());
}

#[test]
fn the_file_is_readable_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let mut ledger = Ledger::open(&path).unwrap();
    ledger.apply(&some_history().events).unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
}

#[test]
fn a_folder_that_is_not_there_is_named_with_what_to_do() {
    let error = Ledger::open(std::path::Path::new("/nonexistent/folder/ledger.sqlite")).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/folder/ledger.sqlite") && error.to_string().contains("create its folder"), "{error}");
}
