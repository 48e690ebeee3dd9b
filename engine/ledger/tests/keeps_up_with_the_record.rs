//! A measurement, not a check of the machine: run with `cargo test --release -p ledger -- --ignored --nocapture`.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "it measures the machine it runs on and says what it found")]

mod history;

use history::{History, batch};
use ledger::Ledger;
use std::time::Instant;

const JOBS: u64 = 20_000;
/// Events of one transaction. Each transaction writes the pages it touched, so small ones cost bytes.
const SLICES: [usize; 3] = [64, 512, 4_096];

#[test]
#[ignore = "a measurement"]
fn events_a_second_and_bytes_a_message() {
    let mut history = History::default();
    history.open(batch(1), false);
    (1..=JOBS).for_each(|number| history.head(batch(1), number, None));
    history.commit(batch(1), 1..=JOBS, 0);
    (1..=JOBS).for_each(|number| history.delivered(number));
    SLICES.into_iter().for_each(|slice| measure(&history, slice));
}

fn measure(history: &History, slice: usize) {
    let folder = tempfile::tempdir().expect("there is room for a ledger");
    let path = folder.path().join("ledger.sqlite");
    let written_before = bytes_written();
    let started = Instant::now();
    let mut ledger = Ledger::open(&path).expect("the folder is ours");
    for events in history.events.chunks(slice) {
        ledger.apply(events).expect("a temporary file takes it");
    }
    let seconds = started.elapsed().as_secs_f64();
    drop(ledger);
    let written = bytes_written() - written_before;
    let size = std::fs::metadata(&path).expect("it was made above").len();
    let reading = Instant::now();
    let report = Ledger::open(&path).and_then(|ledger| ledger.batch_report(batch(1)));
    let read_in = reading.elapsed();
    assert!(report.expect("it can be read").is_some_and(|report| report.balanced));
    println!(
        "{slice} events a transaction: {:.0} events/s; a message takes {} bytes of the file, {} bytes written; opened and reported in {read_in:?}",
        history.events.len() as f64 / seconds,
        size / JOBS,
        written / JOBS,
    );
}

/// Bytes this process handed to `write` calls.
fn bytes_written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").expect("Linux counts a process's writes");
    let line = io.lines().find_map(|line| line.strip_prefix("wchar: ")).expect("wchar is one of the counters");
    line.parse().expect("a counter is a number")
}
