//! A member takes a consent back, another one moves to another address, while their batch is held: what was not sent goes on paper
//! or to the new address, and nothing to the old one. The contact data lies sealed, and shrinks only by an operator's word.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use serde_json::Value;
use sink::{Personality, Sandbox, SandboxConfig, SiteConfig};
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::{Ended, Installation, number, wait_until};
use testkit::{Batch, Options};
use world::World;

const ROWS: u64 = 200;
const COLUMNS: &str = ",consent_kinds,consent_given_on,consent_withdrawn_on";

/// A receiver that takes its time, so that there is a middle, and another one.
fn sandbox() -> Sandbox {
    let slow = SiteConfig::new("slow", Personality::slow(Duration::from_millis(30)), 1);
    let quick = SiteConfig::new("quick", Personality::quick(), 1);
    Sandbox::start(&World::real(), SandboxConfig::new(6, vec![slow, quick])).unwrap()
}

fn installation(sandbox: &Sandbox) -> Installation {
    Installation::towards_sandbox(sandbox, "")
}

fn members(installation: &Installation, verb: &str, file: &Path, more: &[&str]) -> Ended {
    installation.run(installation.verb(&["members", verb]).arg(file).args(more))
}

fn batch_verb(installation: &Installation, verb: &[&str]) -> Ended {
    let words: Vec<&str> = ["batch"].iter().chain(verb).copied().collect();
    installation.run(&mut installation.verb(&words))
}

/// The contacts of a batch with three columns more; `each` says what stands in a row, by its position, and its address.
fn contacts(plain: &Path, into: PathBuf, each: impl Fn(usize, &str) -> (String, &'static str)) -> PathBuf {
    let text = std::fs::read_to_string(plain).unwrap();
    let mut lines = text.lines();
    let mut written = format!("{}{COLUMNS}\n", lines.next().unwrap());
    for (at, line) in lines.enumerate() {
        let (before, address) = line.rsplit_once(',').unwrap();
        let (address, rest) = each(at, address);
        written.push_str(&format!("{before},{address},{rest}\n"));
    }
    std::fs::write(&into, written).unwrap();
    into
}

#[test]
fn consent_and_address_are_looked_at_again_before_each_attempt() {
    let sandbox = sandbox();
    let installation = installation(&sandbox);
    let slow = sandbox.destinations_at("slow");
    let files =
        installation.write_835("night", &Batch::new(Options { rows: ROWS, lines: 1..=2, destinations: slow, ..Options::default() }));
    let agreed = contacts(&files.members, installation.path("v1.csv"), |_, address| (address.to_owned(), "eob,2025-01-01,"));
    // By position: a third takes the consent back, a third moves to the other receiver.
    let elsewhere = sandbox.destinations_at("quick")[0].clone();
    let changed = contacts(&files.members, installation.path("v2.csv"), |at, address| match at % 3 {
        0 => (address.to_owned(), "eob,2025-01-01,2026-01-01"),
        1 => (format!("{}@{elsewhere}", address.split('@').next().unwrap()), "eob,2025-01-01,"),
        _ => (address.to_owned(), "eob,2025-01-01,"),
    });

    let service = installation.start_service("info");
    let imported = members(&installation, "import", &agreed, &[]).json_after(0);
    assert_eq!((number(&imported, "version"), number(&imported, "rows")), (1, ROWS as i64), "{imported}");
    let sending = installation.start(installation.verb(&["send"]).arg("--batch").arg(&files.batch));
    let arrived = || sandbox.report().distinct;
    assert!(wait_until(Duration::from_secs(30), || arrived() > 10), "the batch is under way: {}", sending.log());
    let list = batch_verb(&installation, &["list"]).json_after(0);
    let id = list.as_array().unwrap()[0]["batch_id"].as_str().unwrap().to_owned();
    batch_verb(&installation, &["hold", &id, "--reason", "a new contact file comes"]).json_after(0);
    let in_flight = || number(&batch_verb(&installation, &["show", &id]).json_after(0), "states/in_flight");
    assert!(wait_until(Duration::from_secs(20), || in_flight() == 0));
    let left = arrived();
    assert!(left < ROWS / 2, "most of it waits: {left}");

    assert_eq!(number(&members(&installation, "import", &changed, &[]).json_after(0), "version"), 2);
    batch_verb(&installation, &["release", &id, "--reason", "it came"]).json_after(0);
    let report = sending.wait(Duration::from_secs(60)).json_after(0);
    let (delivered, paper) = (number(&report, "states/delivered"), number(&report, "states/to_paper"));
    assert_eq!(
        (delivered + paper, report["balanced"].clone(), report["closed"].clone()),
        (ROWS as i64, true.into(), true.into()),
        "{report}"
    );
    assert!(paper >= (ROWS as i64 - left as i64) / 3 - 2, "{report}");
    let books = world::block_on(sandbox.stop());
    assert_eq!((books.distinct as i64, books.surplus, books.misrouted), (delivered, 0, 0), "nothing of what went on paper left: {books:?}");
    let quick = books.sites.iter().find(|site| site.name == "quick").unwrap();
    assert!(quick.accepted >= (ROWS - left) / 3 - 2, "who moved was reached where they are: {books:?}");

    what_is_kept_is_sealed_and_shown_to_operators_alone(&installation, &files.members);
    service.terminate();
    assert_eq!(service.wait(Duration::from_secs(30)).code, Some(0));
    an_import_that_lost_its_rows_wants_a_word(&installation, &changed);
}

fn what_is_kept_is_sealed_and_shown_to_operators_alone(installation: &Installation, plain: &Path) {
    let text = std::fs::read_to_string(plain).unwrap();
    let row: Vec<&str> = text.lines().nth(1).unwrap().split(',').collect();
    let (id, family) = (row[0], row[2]);
    let folder = installation.path("state/contacts/t1");
    for entry in std::fs::read_dir(&folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for secret in [id, family, "consent_kinds"] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "'{secret}' lies readable");
        }
    }
    let refused = installation.run(installation.verb(&["members", "show"]).args(["--id", id]));
    assert_eq!(refused.code, Some(2), "standard output is no terminal: {refused:?}");
    let shown = installation.run(installation.verb(&["members", "show"]).args(["--id", id, "--write-clear-text"])).json_after(0);
    let rows = shown["rows"].as_array().unwrap();
    assert_eq!((rows.len(), rows[0]["family_name"].as_str()), (1, Some(family)));
    assert_eq!(rows[0]["consent_withdrawn_on"], "2026-01-01", "the version in force");
    let notes = std::fs::read_to_string(folder.join("access.ndjson")).unwrap();
    let verbs: Vec<Value> = notes.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["verb"].clone()).collect();
    assert_eq!(verbs, ["import", "import", "show"], "{notes}");
    assert!(!notes.contains(id));
}

/// Without a running engine.
fn an_import_that_lost_its_rows_wants_a_word(installation: &Installation, whole: &Path) {
    let text = std::fs::read_to_string(whole).unwrap();
    let half: Vec<&str> = text.lines().take(1 + ROWS as usize / 2).collect();
    let cut = installation.path("cut.csv");
    std::fs::write(&cut, half.join("\n")).unwrap();
    let check = members(installation, "check", &cut, &[]);
    assert_eq!(check.code, Some(5), "{check:?}");
    let checked = check.json_after(5);
    assert_eq!((number(&checked, "shrunk_percent"), number(&checked, "current/version")), (50, 2), "{checked}");
    let refused = members(installation, "import", &cut, &[]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("50 %") && refused.stderr.contains("--shrunk"), "{refused:?}");
    assert_eq!(number(&members(installation, "import", &cut, &["--shrunk"]).json_after(0), "version"), 3);
    for _ in 0..6 {
        members(installation, "import", whole, &[]).json_after(0);
    }
    let kept = std::fs::read_dir(installation.path("state/contacts/t1"))
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|suffix| suffix == "contacts"));
    assert_eq!(kept.count(), 5, "the newest five versions stay");
}
