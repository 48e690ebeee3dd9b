//! In `environment = "test"` a message to a receiver that is not on this machine is held, and no connection is tried; a recipient
//! on the allow list is tried. The addresses are of RFC 5737: nobody has them.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use ledger::Ledger;
use model::BatchId;
use serde_json::Value;
use support::{Installation, number};
use testkit::{Batch, Options};

const ROWS: u64 = 40;

fn send(allow_list: &str, deadline: &str) -> (Installation, Value, i32) {
    let installation = Installation::new(
        "\n[streams.transactional]\nretry = [\"1s\"]\n\n[timeouts]\nconnect = \"1s\"\n\n[routes]\n\"*\" = { to = \"192.0.2.1:25\" }\n",
    );
    if !allow_list.is_empty() {
        installation
            .rewrite_config(|text| text.replacen("environment = \"test\"\n", &format!("environment = \"test\"\n{allow_list}\n"), 1));
    }
    let destinations = vec!["ours.example".to_owned(), "theirs.example".to_owned()];
    let files = installation.write_835("remittance", &Batch::new(Options { rows: ROWS, lines: 1..=2, destinations, ..Options::default() }));
    let mut command = installation.send_command(&files);
    command.args(["--deadline", deadline]);
    let ended = installation.run(&mut command);
    let report = ended.json();
    (installation, report, ended.code.unwrap())
}

fn jobs(installation: &Installation, report: &Value) -> Vec<ledger::JobLine> {
    let books = Ledger::open(&installation.path("state/ledger/transactional.sqlite")).unwrap();
    let id: BatchId = report["batch_id"].as_str().unwrap().parse().unwrap();
    books.jobs(id, None, 10_000).unwrap()
}

#[test]
fn everything_is_held_without_a_try() {
    let (installation, report, code) = send("", "60s");
    assert_eq!(code, 5, "{report}");
    assert_eq!(number(&report, "states/held"), ROWS as i64, "{report}");
    assert_eq!((report["closed"].clone(), report["balanced"].clone()), (true.into(), true.into()));
    // A connection that is tried takes its second; nobody waited for one.
    assert!(number(&report, "elapsed_ms") < 20_000, "{report}");
    for job in jobs(&installation, &report) {
        assert_eq!((job.held.as_deref(), job.attempts), (Some("not_allow_listed"), 0), "{job:?}");
    }
}

#[test]
fn the_allow_list_is_tried() {
    let (installation, report, code) = send("allow_list = [\"ours.example\"]", "8s");
    assert_eq!(code, 3, "what is tried waits for its next try: {report}");
    let (mut held, mut tried) = (0, 0);
    for job in jobs(&installation, &report) {
        match job.destination.as_deref() {
            Some("theirs.example") => {
                assert_eq!((job.held.as_deref(), job.attempts), (Some("not_allow_listed"), 0), "{job:?}");
                held += 1;
            }
            _ => {
                assert_eq!((job.held.as_deref(), job.state), (None, model::State::Queued), "{job:?}");
                tried += u64::from(job.attempts);
            }
        }
    }
    assert!(held > 0 && tried > 0, "{held} held, {tried} tries");
    assert_eq!(number(&report, "states/delivered"), 0);
}
