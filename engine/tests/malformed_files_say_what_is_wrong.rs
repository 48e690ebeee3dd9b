//! Files that are no batch, or a damaged one: `send` and `check-batch` agree on the exit code and the reason, the message names
//! the file and what to do, nothing of the content is quoted, and what is accepted balances.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::installation::sealpost;
use support::{Ended, Installation, number};
use testkit::{Batch, Options};

const CLAIM_837: &str = "ISA*00*          *00*          *ZZ*SENDER         *ZZ*RECEIVER       *260101*1200*^*00501*000000001*0*T*:~\
GS*HC*SENDER*RECEIVER*20260101*1200*1*X*005010X222A1~ST*837*0001*005010X222A1~SE*2*0001~GE*1*1~IEA*1*000000001~";

struct Story {
    installation: Installation,
    whole: Vec<u8>,
    members: PathBuf,
    rows: u64,
    next: u64,
}

impl Story {
    fn begin() -> Self {
        // Nobody listens there: what is accepted waits, which is no matter of this story.
        let installation = Installation::towards_port(support::free_port());
        let batch = Batch::new(Options { rows: 20, lines: 1..=4, claims_per_transaction: 5, ..Options::default() });
        let files = installation.write_835("whole", &batch);
        let whole = std::fs::read(&files.batch).unwrap();
        Self { installation, whole, members: files.members, rows: 20, next: 1 }
    }

    fn file(&mut self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.installation.path(&format!("{}-{name}", self.next));
        self.next += 1;
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn check(&self, path: &PathBuf) -> Ended {
        self.installation.run(sealpost().args(["check-batch", "--json"]).arg(path).arg("--members").arg(&self.members))
    }

    fn send(&self, path: &PathBuf) -> Ended {
        let mut command = self.installation.verb(&["send"]);
        command.arg("--batch").arg(path).arg("--members").arg(&self.members).args(["--deadline", "1ms"]);
        self.installation.start(&mut command).wait(Duration::from_secs(30))
    }

    fn statements(&self, path: &PathBuf) -> Ended {
        self.installation.run(sealpost().arg("statements").arg(path))
    }

    /// Refused as a whole: the same code and reason from every verb, with the file's name and advice, and no batch of it.
    fn expect_refusal(&mut self, name: &str, bytes: &[u8], reason: &str) {
        let before = self.batches();
        let path = self.file(name, bytes);
        for ended in [self.send(&path), self.check(&path), self.statements(&path)] {
            assert_eq!(ended.code, Some(4), "{name}: {ended:?}");
            assert!(ended.stderr.contains(reason), "{name}: {ended:?}");
            assert!(ended.stderr.contains(path.file_name().unwrap().to_str().unwrap()), "{name} is named: {ended:?}");
            assert!(ended.stderr.contains(';'), "{name}: advice follows: {ended:?}");
            assert!(ended.stderr.lines().count() == 1, "{name}: one sentence: {ended:?}");
        }
        assert_eq!(self.batches(), before, "{name}: no batch of it");
    }

    /// Read as far as it goes: the books balance, both verbs count the same, and the findings name the reason.
    fn expect_partial(&mut self, name: &str, bytes: &[u8], reason: &str) -> u64 {
        let path = self.file(name, bytes);
        let (checked, sent) = (self.check(&path), self.send(&path));
        let (check, report) = (checked.json_after(5), sent.json());
        assert!(matches!(sent.code, Some(3 | 5)), "{name}: {sent:?}");
        assert_eq!((&check["balanced"], &report["balanced"]), (&true.into(), &true.into()), "{name}");
        assert_eq!(check["source_records"], report["source_records"], "{name}");
        assert_eq!(number(&check, "statements/read"), number(&report, "statements/read"), "{name}");
        assert_eq!(number(&check, "statements/rejected"), number(&report, "statements/rejected"), "{name}");
        // Rows that an earlier file of this story had are duplicates for the engine alone.
        let taken = |value: &Value| number(value, "statements/accepted") + number(value, "statements/duplicate");
        assert_eq!(taken(&check), taken(&report), "{name}");
        assert!(report["reasons"][reason].as_u64().is_some_and(|count| count > 0), "{name}: {}", report["reasons"]);
        let lines: Vec<Value> = checked.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(lines.iter().any(|line| line["reason"] == reason), "{name}: {}", checked.stderr);
        for line in &lines {
            assert_eq!(line["file"], path.file_name().unwrap().to_str().unwrap(), "{name}");
            assert!(line["segment"].is_u64() || line["line"].is_u64(), "{name}: a place: {line}");
            assert!(!line["action"].as_str().unwrap().is_empty(), "{name}: advice: {line}");
        }
        assert!(!checked.stderr.contains("CLM0") && !checked.stderr.contains("TST0"), "{name}: nothing of a member: {}", checked.stderr);
        report["source_records"].as_u64().unwrap()
    }

    fn batches(&self) -> usize {
        let list = self.installation.run(&mut self.installation.verb(&["batch", "list"])).json_after(0);
        list.as_array().unwrap().iter().filter(|line| line["committed_at_ms"].is_u64()).count()
    }
}

#[test]
fn what_is_no_batch_is_refused_alike_by_every_verb() {
    let mut story = Story::begin();
    let whole = story.whole.clone();
    story.expect_refusal("empty.835", b"", "empty_file");
    story.expect_refusal("blank.835", b" \r\n\n ", "empty_file");
    story.expect_refusal("garbage.bin", &garbage(5000), "format_unknown");
    story.expect_refusal("page.html", b"<!doctype html><html><body>502 Bad Gateway</body></html>", "format_unknown");
    story.expect_refusal("claim.837", CLAIM_837.as_bytes(), "not_an_835");
    story.expect_refusal("cut.835.gz", &gzip(&whole)[..200], "wrapping_truncated");
    // Cut inside the ISA segment: its separators are not even there.
    story.expect_refusal("cut-30.835", &whole[..30], "not_an_835");
    story.expect_refusal("cut-104.835", &whole[..104], "not_an_835");
}

#[test]
fn what_is_cut_or_damaged_is_read_as_far_as_it_goes_and_balances() {
    let mut story = Story::begin();
    let (whole, rows) = (story.whole.clone(), story.rows);
    let records = |story: &mut Story, per_cent: usize| {
        let cut = &whole[..whole.len() * per_cent / 100];
        let reason = if cut.ends_with(b"~") { "transaction_not_closed" } else { "truncated" };
        story.expect_partial(&format!("cut-{per_cent}.835"), cut, reason)
    };
    let counts: Vec<u64> = [15, 50, 85].map(|per_cent| records(&mut story, per_cent)).into();
    assert!(counts[0] < counts[1] && counts[1] < counts[2] && counts[2] < rows, "{counts:?}");
    // Only the last trailer is missing: no row is.
    let at = whole.windows(4).rposition(|window| window == b"IEA*").unwrap();
    assert_eq!(story.expect_partial("no-iea.835", &whole[..at], "interchange_not_closed"), rows);
    // A terminator that never comes.
    let mut endless = whole[..200].to_vec();
    endless.extend(std::iter::repeat_n(b'A', 2_000_000));
    story.expect_partial("endless.835", &endless, "segment_too_long");
    let mut line = b"{\"key\":\"".to_vec();
    line.extend(std::iter::repeat_n(b'A', model::limits::NDJSON_LINE_BYTES_MAX + 1));
    line.extend(b"\"}\n");
    assert_eq!(story.expect_partial("endless.ndjson", &line, "line_too_long"), 1);
    // One element separator of the body is another character than the header declares.
    let text = String::from_utf8(whole.clone()).unwrap();
    let at = text.find("CLP*").unwrap();
    let damaged = format!("{}{}", &text[..at], text[at..].replacen("CLP*", "CLP|", 1));
    let path = story.file("separator.835", damaged.as_bytes());
    let (checked, sent) = (story.check(&path), story.send(&path));
    assert_eq!(checked.code, Some(5), "{checked:?}");
    assert_eq!(checked.json()["balanced"], true);
    assert_eq!(sent.json()["balanced"], true, "{sent:?}");
}

#[test]
fn what_cannot_be_read_is_a_mistake_of_the_call() {
    let story = Story::begin();
    let folder = story.installation.path("folder.835");
    std::fs::create_dir(&folder).unwrap();
    let absent = story.installation.path("absent.835");
    for path in [&folder, &absent] {
        for ended in [story.send(path), story.check(path), story.statements(path)] {
            assert_eq!(ended.code, Some(2), "{ended:?}");
            assert!(ended.stderr.contains(path.to_str().unwrap()), "{ended:?}");
        }
    }
    // A pipe cannot be read twice; nobody waits for a writer.
    let pipe = story.installation.path("pipe.835");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let ended = story.send(&pipe);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("regular file"), "{ended:?}");
    // A contact file that is none.
    let contacts = story.installation.path("contacts.bin");
    std::fs::write(&contacts, garbage(3000)).unwrap();
    let whole = story.installation.path("whole.835");
    let mut command = story.installation.verb(&["send"]);
    let ended = story.installation.run(command.arg("--batch").arg(&whole).arg("--members").arg(&contacts));
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(ended.stderr.contains("contacts.bin"), "{ended:?}");
    let checked = story.installation.run(sealpost().args(["check-batch", "--json"]).arg(&whole).arg("--members").arg(&contacts));
    assert_eq!(checked.code, Some(4), "{checked:?}");
}

/// Bytes without sense, the same in every run.
fn garbage(length: u64) -> Vec<u8> {
    (0..length).map(|at| testkit::Random::of(5, 5, at).below(256) as u8 | 0x80).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut child = Command::new("gzip").arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    // The batch is small: what gzip writes fits its pipe.
    input.write_all(bytes).unwrap();
    drop(input);
    child.wait_with_output().unwrap().stdout
}
