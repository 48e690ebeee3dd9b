//! A measurement, not a check of the machine: run with `cargo test --release -p ledger -- --ignored --nocapture`.
#![allow(clippy::disallowed_methods, reason = "it measures the machine it runs on")]

mod history;

use history::{History, batch};
use ledger::Ledger;
use std::time::Instant;

const JOBS: u64 = 20_000;
const SLICE: usize = 2_048;

#[test]
#[ignore = "a measurement"]
fn events_a_second_and_bytes_a_message() {
    let mut history = History::default();
    history.open(batch(1), false);
    (1..=JOBS).for_each(|number| history.head(batch(1), number, None));
    history.commit(batch(1), 1..=JOBS, 0);
    (1..=JOBS).for_each(|number| history.delivered(number));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let written_before = bytes_written();
    let started = Instant::now();
    let mut ledger = Ledger::open(&path).unwrap();
    history.events.chunks(SLICE).for_each(|slice| {
        ledger.apply(slice).unwrap();
    });
    let seconds = started.elapsed().as_secs_f64();
    drop(ledger);
    let written = bytes_written() - written_before;
    let size = std::fs::metadata(&path).unwrap().len();
    let reading = Instant::now();
    let report = Ledger::open(&path).unwrap().batch_report(batch(1)).unwrap().unwrap();
    println!(
        "{} events in {seconds:.3} s = {:.0} events/s; {} bytes of file and {} bytes written a message; report in {:?}",
        history.events.len(),
        history.events.len() as f64 / seconds,
        size / JOBS,
        written / JOBS,
        reading.elapsed()
    );
    assert!(report.balanced);
}

/// Bytes this process handed to `write` calls.
fn bytes_written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").expect("Linux counts a process's writes");
    let line = io.lines().find_map(|line| line.strip_prefix("wchar: ")).expect("wchar is one of the counters");
    line.parse().expect("a counter is a number")
}
