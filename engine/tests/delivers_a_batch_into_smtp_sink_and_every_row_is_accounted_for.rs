//! An 835 and its contact file go into Postfix's smtp-sink; the report agrees with what the batch was made of, row by row and cent
//! by cent, and the receiver has exactly the messages that the report calls delivered.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use model::record::Part;
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;
use support::{Installation, files_under, number};
use testkit::{Batch, Options, RowKind};

fn troubled_batch() -> Batch {
    Batch::new(Options {
        seed: 7,
        rows: 600,
        lines: 1..=6,
        destinations: vec!["one.example".to_owned(), "two.example".to_owned(), "three.example".to_owned()],
        claims_per_transaction: 150,
        without_contact_per_mille: 30,
        mismatched_per_mille: 20,
        duplicate_per_mille: 40,
        unbalanced_per_mille: 20,
        reversal_per_mille: 20,
        ..Options::default()
    })
}

fn assert_part(report: &Value, name: &str, expected: Part) {
    assert_eq!(number(report, &format!("statements/{name}")), expected.rows as i64, "{name}");
    assert_money(report, name, expected);
}

fn assert_state(report: &Value, name: &str, expected: Part) {
    assert_eq!(number(report, &format!("states/{name}")), expected.rows as i64, "{name}");
    assert_money(report, name, expected);
}

fn assert_money(report: &Value, name: &str, expected: Part) {
    assert_eq!(number(report, &format!("money_cents/billed/{name}")), expected.money.billed.0, "{name}: billed");
    assert_eq!(number(report, &format!("money_cents/plan_paid/{name}")), expected.money.plan_paid.0, "{name}: plan_paid");
    assert_eq!(number(report, &format!("money_cents/member_owes/{name}")), expected.money.member_owes.0, "{name}: member_owes");
}

/// What is left when `part` is taken from `whole`.
fn without(whole: Part, part: Part) -> Part {
    let mut rest = whole;
    rest.rows -= part.rows;
    rest.money -= part.money;
    rest
}

#[test]
fn every_row_and_every_cent() {
    let Some(program) = support::server("/usr/sbin/smtp-sink", "postfix") else { return };
    let port = support::free_port();
    let installation = Installation::towards_port(port);
    // The sink gives up root for another user, who writes the messages.
    let kept = installation.path("kept");
    std::fs::create_dir(&kept).unwrap();
    open_to_all(installation.folder(), 0o711);
    open_to_all(&kept, 0o777);
    let mut sink = Command::new(program);
    if rustix::process::geteuid().is_root() {
        sink.args(["-u", "nobody"]);
    }
    sink.current_dir(&kept).args(["-d", "m.", &format!("127.0.0.1:{port}"), "256"]);
    let _sink = installation.start(&mut sink);
    support::wait_for_listener(port);

    let batch = troubled_batch();
    let files = installation.write_835("remittance", &batch);
    let expected = files.expected;
    assert!(expected.rejected.rows > 0 && expected.held.rows > 0 && expected.duplicate.rows > 0, "{expected:?}");
    let ended = installation.send(&files);
    // Rejected and held rows need a person.
    let report = ended.json_after(5);

    assert_eq!(report["closed"], true);
    assert_eq!(report["balanced"], true);
    assert_eq!(report["environment"], "test");
    assert_eq!(number(&report, "source_records"), expected.source_records as i64);
    assert_eq!(number(&report, "uncertain"), 0);
    assert_part(&report, "read", expected.read);
    assert_part(&report, "rejected", expected.rejected);
    assert_part(&report, "duplicate", expected.duplicate);
    assert_part(&report, "merged", Part::default());
    assert_part(&report, "not_mailable", expected.not_mailable);
    assert_part(&report, "no_address", expected.no_address);
    assert_part(&report, "no_consent", Part::default());
    assert_part(&report, "accepted", expected.accepted);
    let delivered = without(expected.accepted, expected.held);
    for state in model::State::ALL {
        let part = match state {
            model::State::Delivered => delivered,
            model::State::Held => expected.held,
            _ => Part::default(),
        };
        assert_state(&report, state.as_str(), part);
    }

    let mut arrived: BTreeMap<String, u64> = BTreeMap::new();
    let messages = files_under(&kept);
    for message in &messages {
        let text = std::fs::read_to_string(message).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("X-Rcpt-Args: <")).expect("smtp-sink notes the recipient");
        *arrived.entry(line.split('>').next().unwrap().to_owned()).or_default() += 1;
    }
    let mut due: BTreeMap<String, u64> = BTreeMap::new();
    for row in batch.rows().filter(|row| row.kind == RowKind::Plain) {
        *due.entry(row.person.email.reveal().to_owned()).or_default() += 1;
    }
    assert_eq!(messages.len() as u64, delivered.rows);
    assert_eq!(arrived, due, "each plain row arrived once at its own address");

    rejects_name_the_rows(&installation, &batch, &report);
    a_repeat_sends_nothing(&installation, &files, &kept, messages.len());
}

/// The reject file has one line for each row that is no job, by its number.
fn rejects_name_the_rows(installation: &Installation, batch: &Batch, report: &Value) {
    let name = format!("state/results/{}.rejects.ndjson", report["batch_id"].as_str().unwrap());
    let text = std::fs::read_to_string(installation.path(&name)).unwrap();
    let mut named: Vec<u64> = Vec::new();
    for line in text.lines() {
        let reject: Value = serde_json::from_str(line).unwrap();
        named.push(reject["row"].as_u64().unwrap_or_else(|| panic!("{reject}")));
        for word in ["reason", "expected", "action"] {
            assert!(reject[word].as_str().is_some_and(|text| !text.is_empty()), "{word}: {reject}");
        }
    }
    let not_jobs = batch.rows().filter(|row| !matches!(row.kind, RowKind::Plain | RowKind::Mismatched));
    assert_eq!(named, not_jobs.map(|row| row.number).collect::<Vec<_>>());
}

/// The batch is closed: the same file again is all duplicates, and nobody gets a second message.
fn a_repeat_sends_nothing(installation: &Installation, files: &support::BatchFiles, kept: &std::path::Path, before: usize) {
    let again = installation.send(files).json_after(5);
    assert_eq!(number(&again, "statements/accepted"), 0, "{again}");
    assert_eq!(number(&again, "statements/duplicate"), (files.expected.accepted.rows + files.expected.duplicate.rows) as i64);
    assert_eq!(again["balanced"], true);
    assert_eq!(files_under(kept).len(), before);
}

fn open_to_all(folder: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode)).unwrap();
}
