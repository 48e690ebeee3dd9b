//! Files put into a drop folder: delivered, sealed, told of; refused with the reason; held by a gate until somebody releases them; never
//! taken through a link, never twice, by one engine at a time.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic, and waits for real processes by the real clock")]

mod support;

use serde_json::Value;
use sink::{Personality, Sandbox, SandboxConfig, SiteConfig};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::{Ended, GnuPg, Installation, Running, files_under, number, wait_until};
use testkit::{Batch, Options};
use world::World;

const ROWS: u64 = 200;
const SPAN: Duration = Duration::from_secs(30);

struct Story {
    installation: Installation,
    sandbox: Sandbox,
}

impl Story {
    /// An installation with drop folders; `gates` are lines of the tenant's gates.
    fn begin(gates: &str) -> Self {
        let site = SiteConfig::new("all", Personality::default(), 1);
        let sandbox = Sandbox::start(&World::real(), SandboxConfig::new(3, vec![site])).unwrap();
        let sections = format!("\n[tenants.lakeside.gates]\n{gates}\n\n[drop]\npath = \"drop\"\nevery = \"100ms\"\nquiet = \"200ms\"\n");
        let installation = Installation::towards_sandbox(&sandbox, &sections);
        installation.rewrite_config(|text| text.replace("dkim = [", "members = \"contacts.csv\"\ndkim = ["));
        Self { installation, sandbox }
    }

    fn batch(&self, seed: u64, rows: u64) -> Batch {
        Batch::new(Options { seed, rows, lines: 1..=3, destinations: self.sandbox.destination_names(), ..Options::default() })
    }

    fn folder(&self, part: &str) -> PathBuf {
        self.installation.path("drop/lakeside/transactional").join(part)
    }

    /// Writes a batch and its contacts beside the folders, then renames the batch into `incoming`.
    fn put(&self, name: &str, batch: &Batch) -> Vec<u8> {
        let files = self.installation.write_835("made", batch);
        std::fs::rename(&files.members, self.installation.path("contacts.csv")).unwrap();
        let bytes = std::fs::read(&files.batch).unwrap();
        std::fs::rename(&files.batch, self.folder("incoming").join(name)).unwrap();
        bytes
    }

    fn put_bytes(&self, name: &str, bytes: &[u8]) {
        let made = self.installation.path("made.bytes");
        std::fs::write(&made, bytes).unwrap();
        std::fs::rename(made, self.folder("incoming").join(name)).unwrap();
    }

    fn gone(&self, name: &str) {
        let path = self.folder("incoming").join(name);
        assert!(wait_until(SPAN, || !path.exists()), "{name} is not taken");
    }

    fn batch_verb(&self, verb: &[&str]) -> Ended {
        let words: Vec<&str> = ["batch"].iter().chain(verb).copied().collect();
        self.installation.run(&mut self.installation.verb(&words))
    }

    fn delivered(&self, id: &str) -> i64 {
        number(&self.batch_verb(&["show", id]).json_after(0), "states/delivered")
    }

    /// The result files whose name has this in it. A hidden file is one that is being written.
    fn results(&self, part: &str) -> Vec<Value> {
        let files = names(&self.folder("results"));
        let chosen = files.iter().filter(|name| name.contains(part) && !name.starts_with('.'));
        chosen.map(|name| serde_json::from_slice(&std::fs::read(self.folder("results").join(name)).unwrap()).unwrap()).collect()
    }

    fn start(&self) -> Running {
        self.installation.start_service("info")
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_file_is_delivered_sealed_and_told_of() {
    let story = Story::begin("");
    let service = story.start();
    let modes = ["", "incoming", "members", "done", "refused", "results"].map(|part| story.folder(part));
    for folder in &modes {
        assert_eq!(std::fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700, "{}", folder.display());
    }
    let bytes = story.put("night one.835", &story.batch(1, ROWS));
    story.gone("night one.835");
    let receipt = story.results("receipt").remove(0);
    assert_eq!((receipt["file"].as_str(), number(&receipt, "accepted/statements")), (Some("night one.835"), ROWS as i64), "{receipt}");
    let id = receipt["batch_id"].as_str().unwrap().to_owned();
    assert!(wait_until(SPAN, || story.delivered(&id) == ROWS as i64), "all of it is delivered");
    assert_eq!(names(&story.folder("done")), [format!("night one.835.{id}.sealed")]);

    // Nothing readable lies in the folders: no line of the file, no address, no name.
    let secrets: Vec<String> = std::fs::read_to_string(story.installation.path("contacts.csv"))
        .unwrap()
        .lines()
        .skip(1)
        .flat_map(|line| line.split(',').filter(|field| field.len() > 5).map(str::to_owned).collect::<Vec<_>>())
        .take(500)
        .collect();
    for path in files_under(&story.installation.path("drop")).into_iter().chain(files_under(&story.installation.path("state"))) {
        let content = std::fs::read(&path).unwrap_or_default();
        let text = String::from_utf8_lossy(&content);
        let found = secrets.iter().find(|secret| text.contains(secret.as_str()));
        assert!(found.is_none() && !text.contains("CLP*"), "{} is readable", path.display());
    }

    // The same bytes once more are known, and nobody gets anything twice.
    story.put_bytes("again.835", &bytes);
    story.gone("again.835");
    assert_eq!(story.results("already_accepted")[0]["batch_id"].as_str(), Some(id.as_str()));
    assert_eq!(story.sandbox.report().distinct, ROWS);

    // An operator reads what came in, with the key.
    let source = story.batch_verb(&["source", &id, "--out", story.installation.path("out.835").to_str().unwrap()]);
    assert_eq!(source.code, Some(0), "{source:?}");
    assert_eq!(std::fs::read(story.installation.path("out.835")).unwrap(), bytes);
    service.terminate();
    assert_eq!(service.wait(SPAN).code, Some(0));
}

#[test]
fn what_is_refused_says_why_and_stays_sealed() {
    let story = Story::begin("");
    std::fs::write(story.installation.path("contacts.csv"), "member_id,name,email\n").unwrap();
    let _service = story.start();
    story.put_bytes("letter.txt", b"Dear member, this is no batch.\n");
    story.gone("letter.txt");
    let refused = story.results("refused").remove(0);
    assert_eq!((refused["file"].as_str(), refused["reason"].as_str()), (Some("letter.txt"), Some("format_unknown")), "{refused}");
    assert_eq!(names(&story.folder("refused")).len(), 1);

    // A manifest that states another total: refused before the first message, and its batch is given up.
    let batch = story.batch(2, 50);
    std::fs::write(story.folder("incoming").join("b.835.manifest.toml"), "rows = 51\ntotals = { billed_cents = 1 }\n").unwrap();
    story.put("b.835", &batch);
    story.gone("b.835");
    let refused = story.results("b.835").remove(0);
    assert_eq!(refused["reason"].as_str(), Some("manifest_totals_differ"));
    assert!(refused["expected"].as_str().unwrap().contains("rows 51, found 50"), "{refused}");
    assert!(!story.folder("incoming").join("b.835.manifest.toml").exists(), "the manifest goes with its file");
    let batches = story.batch_verb(&["list"]).json_after(0);
    assert!(batches.as_array().unwrap().iter().all(|batch| batch["discarded_at_ms"].is_u64()), "{batches}");
    assert_eq!(story.sandbox.report().distinct, 0);

    // With the right one it goes, and not before its time.
    let not_before = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(4);
    std::fs::write(
        story.folder("incoming").join("c.835.manifest.json"),
        format!(r#"{{"rows": 50, "kind": "eob", "not_before": "{not_before}"}}"#),
    )
    .unwrap();
    story.put("c.835", &story.batch(3, 50));
    story.gone("c.835");
    assert_eq!(story.sandbox.report().distinct, 0, "not before {not_before}");
    assert!(wait_until(SPAN, || story.sandbox.report().distinct == 50));
    assert!(jiff::Timestamp::now() >= not_before);
}

#[test]
fn a_gate_holds_until_somebody_releases() {
    let story = Story::begin("volume = \"30%\"");
    let service = story.start();
    story.put("one.835", &story.batch(1, 100));
    story.gone("one.835");
    assert!(wait_until(SPAN, || story.sandbox.report().distinct == 100));
    // Three times as many rows: held, with the numbers.
    let files = story.installation.write_835("made", &story.batch(2, 300));
    // What would become of it, asked before it is handed in.
    let mut check = story.installation.verb(&["check-batch"]);
    let check = story.installation.run(check.arg(&files.batch).arg("--members").arg(&files.members)).json_after(5);
    let prediction = &check["prediction"];
    assert_eq!((number(prediction, "messages"), number(prediction, "protection/tls_verified")), (300, 300), "{prediction}");
    assert_eq!(prediction["gates"].as_array().unwrap().iter().filter(|finding| finding["gate"] == "rows").count(), 1, "{prediction}");
    assert!(prediction["takes_at_least_seconds"].is_u64() && prediction["warm_up_days"] == 1, "{prediction}");
    std::fs::rename(&files.members, story.installation.path("contacts.csv")).unwrap();
    std::fs::rename(&files.batch, story.folder("incoming").join("two.835")).unwrap();
    story.gone("two.835");
    let held = story.results("gates").into_iter().find(|gates| gates["held"] == true).expect("held");
    let rows = held["findings"].as_array().unwrap().iter().find(|finding| finding["gate"] == "rows").unwrap();
    assert!(rows["found"].as_str().unwrap().contains("300") && rows["expected"].as_str().unwrap().contains("70 to 130"), "{held}");
    let list = story.batch_verb(&["list"]).json_after(0);
    let id = list.as_array().unwrap().iter().find(|batch| batch["held"] == true).unwrap()["batch_id"].as_str().unwrap().to_owned();
    let shown = story.batch_verb(&["show", &id]).json_after(0);
    assert_eq!(shown["gates"]["findings"], held["findings"], "and it is shown");
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(story.sandbox.report().distinct, 100, "nothing of it left");
    // A restart changes nothing about it.
    service.terminate();
    assert_eq!(service.wait(SPAN).code, Some(0));
    let _service = story.start();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(story.sandbox.report().distinct, 100, "still nothing");
    story.batch_verb(&["release", &id, "--reason", "three plans in one file this month"]).json_after(0);
    assert!(wait_until(SPAN, || story.sandbox.report().distinct == 400), "released, it goes");
}

#[test]
fn a_shifted_contact_file_is_held_before_its_first_message() {
    let story = Story::begin("");
    let _service = story.start();
    story.put("one.835", &story.batch(1, 100));
    story.gone("one.835");
    assert!(wait_until(SPAN, || story.sandbox.report().distinct == 100));
    // The same members, other claims; their addresses one row further down.
    let next = Batch::new(Options { lines: 4..=5, ..story.batch(1, 100).options().clone() });
    let files = story.installation.write_835("made", &next);
    let contacts = std::fs::read_to_string(&files.members).unwrap();
    let rows: Vec<Vec<&str>> = contacts.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let shifted = rows.iter().enumerate().map(|(at, row)| format!("{},{}\n", row[..4].join(","), rows[(at + 1) % rows.len()][4]));
    let text = format!("{}\n{}", contacts.lines().next().unwrap(), shifted.collect::<String>());
    std::fs::write(story.installation.path("contacts.csv"), text).unwrap();
    std::fs::rename(&files.batch, story.folder("incoming").join("two.835")).unwrap();
    story.gone("two.835");
    let held = story.results("gates").into_iter().find(|gates| gates["held"] == true).expect("held");
    assert!(held["findings"].as_array().unwrap().iter().any(|finding| finding["gate"] == "record_shear"), "{held}");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(story.sandbox.report().distinct, 100);
}

#[test]
fn a_canary_goes_first_and_the_rest_waits() {
    let story = Story::begin("canary = 10");
    let _service = story.start();
    story.put("one.835", &story.batch(1, 100));
    story.gone("one.835");
    assert!(wait_until(SPAN, || story.sandbox.report().distinct == 10));
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(story.sandbox.report().distinct, 10);
    let id = story.results("receipt")[0]["batch_id"].as_str().unwrap().to_owned();
    story.batch_verb(&["release", &id, "--reason", "they look right"]).json_after(0);
    assert!(wait_until(SPAN, || story.sandbox.report().distinct == 100));
}

#[test]
fn links_unfinished_names_and_open_folders_are_not_taken() {
    let story = Story::begin("");
    let _service = story.start();
    let batch = story.installation.write_835("made", &story.batch(1, 20));
    std::fs::rename(&batch.members, story.installation.path("contacts.csv")).unwrap();
    let incoming = story.folder("incoming");
    std::os::unix::fs::symlink(&batch.batch, incoming.join("link.835")).unwrap();
    std::fs::hard_link(&batch.batch, incoming.join("hard.835")).unwrap();
    std::fs::copy(&batch.batch, incoming.join("late.835.part")).unwrap();
    std::fs::copy(&batch.batch, incoming.join(".hidden.835")).unwrap();
    assert!(wait_until(SPAN, || story.results("not_taken").len() == 2), "links are refused aloud");
    for told in story.results("not_taken") {
        let problem = told["problem"].as_str().unwrap();
        assert!(problem.contains("symbolic link") || problem.contains("hard link"), "{told}");
    }
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(names(&incoming), [".hidden.835", "hard.835", "late.835.part", "link.835"]);
    assert_eq!(story.sandbox.report().distinct, 0);
    // A folder that others can write into is not served.
    std::fs::set_permissions(&incoming, std::fs::Permissions::from_mode(0o777)).unwrap();
    std::fs::rename(incoming.join("late.835.part"), incoming.join("late.835")).unwrap();
    std::thread::sleep(Duration::from_millis(800));
    assert!(incoming.join("late.835").exists());
    std::fs::set_permissions(&incoming, std::fs::Permissions::from_mode(0o700)).unwrap();
    story.gone("late.835");
    assert!(wait_until(SPAN, || story.sandbox.report().distinct == 20));
}

#[test]
fn a_contact_file_is_imported_and_the_newest_one_counts() {
    let story = Story::begin("contacts_shrink = \"off\"");
    story.installation.rewrite_config(|text| text.replace("members = \"contacts.csv\"\n", ""));
    let _service = story.start();
    let files = story.installation.write_835("made", &story.batch(1, 40));
    let contacts = std::fs::read(&files.members).unwrap();
    std::fs::rename(&files.members, story.folder("members").join("contacts.csv")).unwrap();
    let imported = || !story.folder("members").join("contacts.csv").exists();
    assert!(wait_until(SPAN, imported), "the contact file is taken");
    assert_eq!(story.results("contacts")[0]["version"]["rows"], 40, "{:?}", story.results("contacts"));
    std::fs::rename(&files.batch, story.folder("incoming").join("one.835")).unwrap();
    story.gone("one.835");
    assert!(wait_until(SPAN, || story.sandbox.report().distinct == 40), "joined with what was imported");
    assert_eq!(names(&story.folder("members")), Vec::<String>::new());
    // Half of it looks like an export that broke off: refused, and what was in force stays.
    std::fs::write(story.installation.path("half.csv"), &contacts[..contacts.len() / 2]).unwrap();
    std::fs::rename(story.installation.path("half.csv"), story.folder("members").join("half.csv")).unwrap();
    assert!(wait_until(SPAN, || story.results("refused").len() == 1));
    let refused = story.results("refused").remove(0);
    assert!(refused["expected"].as_str().unwrap().contains("fewer than the 40"), "{refused}");
}

#[test]
fn a_batch_is_cancelled_with_what_waits_for_a_person_and_says_what_left() {
    let story = Story::begin("release = \"after_proof\"");
    let service = story.start();
    let batch = Batch::new(Options { mismatched_per_mille: 100, ..story.batch(4, 100).options().clone() });
    story.put("one.835", &batch);
    story.gone("one.835");
    let receipt = story.results("receipt").remove(0);
    let (id, accepted) = (receipt["batch_id"].as_str().unwrap(), number(&receipt, "accepted/statements"));
    let held = story.batch_verb(&["rows", id, "--state", "held", "--reason", "member_mismatch"]).json_after(0);
    assert!(!held["rows"].as_array().unwrap().is_empty(), "{held}");
    // Pages follow each other.
    let first = story.batch_verb(&["rows", id, "--limit", "60"]).json_after(0);
    let second = story.batch_verb(&["rows", id, "--limit", "60", "--after", first["next"].as_str().unwrap()]).json_after(0);
    let rows = |page: &Value| page["rows"].as_array().unwrap().iter().map(|row| row["row"].as_u64().unwrap()).collect::<Vec<_>>();
    let mut all = [rows(&first), rows(&second)].concat();
    all.dedup();
    assert_eq!((all.len() as i64, second["next"].is_null()), (accepted, true));
    let cancelled = story.batch_verb(&["cancel", id, "--reason", "wrong month"]).json_after(0);
    assert_eq!((number(&cancelled, "left/cancelled"), number(&cancelled, "left/delivered")), (accepted, 0), "{cancelled}");
    assert_eq!(number(&story.batch_verb(&["show", id]).json_after(0), "states/cancelled"), accepted);
    assert_eq!(story.sandbox.report().distinct, 0);
    // The engine that takes it again is another one; the same bytes are a new batch now, of all that never left.
    assert_eq!(service.kill().code, None);
    let _service = story.start();
    story.put("one.835", &batch);
    story.gone("one.835");
    assert!(wait_until(SPAN, || story.results("receipt").len() == 2), "{:?}", story.results("refused"));
    let receipts = story.results("receipt");
    let again = receipts.iter().find(|again| again["batch_id"] != receipt["batch_id"]).unwrap();
    assert_eq!(number(again, "accepted/statements"), accepted, "{again}");
    story.batch_verb(&["release", again["batch_id"].as_str().unwrap(), "--reason", "the month is right"]).json_after(0);
    let mailed = accepted - held["rows"].as_array().unwrap().len() as i64;
    assert!(wait_until(SPAN, || story.sandbox.report().distinct as i64 == mailed), "{mailed}");
}

#[test]
fn an_encrypted_file_is_opened_in_memory_alone() {
    let story = Story::begin("");
    let Some(gpg) = GnuPg::with_passphrase(&story.installation, "a passphrase") else { return };
    gpg.make_key("drop@lakeside.example", "never", &["encr"]);
    let private = |name: &str, bytes: &[u8]| {
        std::fs::write(story.installation.path(name), bytes).unwrap();
        std::fs::set_permissions(story.installation.path(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    private("keys/drop.asc", &gpg.run(&["--export-secret-keys", "--armor"]));
    private("keys/drop.pass", b"a passphrase\n");
    story.installation.rewrite_config(|text| {
        let keys = "openpgp = { key_file = \"keys/drop.asc\", passphrase_file = \"keys/drop.pass\" }\ndkim = [";
        text.replace("dkim = [", keys)
    });
    let _service = story.start();
    let files = story.installation.write_835("made", &story.batch(1, 60));
    std::fs::rename(&files.members, story.installation.path("contacts.csv")).unwrap();
    let encrypted = story.installation.path("made.gpg");
    let (from, to) = (files.batch.to_str().unwrap(), encrypted.to_str().unwrap());
    gpg.run(&["--trust-model", "always", "-r", "drop@lakeside.example", "-o", to, "--encrypt", from]);
    let bytes = std::fs::read(&encrypted).unwrap();
    // Changed or cut, it is refused, and nothing of it leaves.
    let mut flipped = bytes.clone();
    let at = flipped.len() - 40;
    flipped[at] ^= 1;
    story.put_bytes("flipped.gpg", &flipped);
    story.gone("flipped.gpg");
    story.put_bytes("cut.gpg", &bytes[..bytes.len() * 2 / 3]);
    story.gone("cut.gpg");
    assert_eq!(story.results("refused").len(), 2, "{:?}", story.results("refused"));
    assert_eq!(story.sandbox.report().distinct, 0);
    story.put_bytes("night.gpg", &bytes);
    story.gone("night.gpg");
    assert!(wait_until(SPAN, || story.sandbox.report().distinct == 60));
    // What is sealed is what came: still encrypted.
    let id = story.results("receipt")[0]["batch_id"].as_str().unwrap().to_owned();
    story.batch_verb(&["source", &id, "--out", story.installation.path("out.gpg").to_str().unwrap()]);
    assert_eq!(std::fs::read(story.installation.path("out.gpg")).unwrap(), bytes);
}

#[test]
fn an_expected_file_that_is_absent_is_told_of_until_it_comes() {
    let story = Story::begin("");
    let by = (jiff::Timestamp::now() + jiff::SignedDuration::from_secs(5)).strftime("%H:%M:%S").to_string();
    story.installation.rewrite_config(|text| {
        let expect = format!("[drop]\nexpect = [{{ tenant = \"lakeside\", name = \"*.835\", by = \"{by}\", zone = \"UTC\" }}]\n");
        text.replace("[drop]\n", &expect)
    });
    let _service = story.start();
    assert!(wait_until(SPAN, || story.results("ALERT").len() == 1), "nothing came by {by}");
    assert_eq!(story.results("ALERT")[0]["alert"], "expected_file_absent");
    let listed = story.batch_verb(&["list"]);
    assert!(listed.stderr.contains("no file '*.835' came by"), "{listed:?}");
    story.put("late.835", &story.batch(1, 10));
    story.gone("late.835");
    assert!(wait_until(SPAN, || story.results("ALERT").is_empty()), "it came");
}

#[test]
fn a_second_engine_on_the_folders_says_so_and_stops() {
    let story = Story::begin("");
    let _service = story.start();
    let other = Story::begin("");
    let path = story.installation.path("drop");
    other.installation.rewrite_config(|text| text.replace("path = \"drop\"", &format!("path = \"{}\"", path.display())));
    let second = other.installation.run(&mut other.installation.verb(&["run"]));
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(second.stdout.contains("another engine serves these drop folders"), "{second:?}");
}

#[test]
fn a_kill_at_any_moment_takes_nothing_twice_and_loses_nothing() {
    let story = Story::begin("");
    // One contact file for all rounds: what a kill left is looked up again when it is sent.
    let made: Vec<_> = (0..6).map(|round| story.installation.write_835(&format!("n{round}"), &story.batch(10 + round, 150))).collect();
    let mut contacts = String::new();
    for files in &made {
        let text = std::fs::read_to_string(&files.members).unwrap();
        contacts.push_str(if contacts.is_empty() { &text } else { text.split_once('\n').unwrap().1 });
    }
    std::fs::write(story.installation.path("contacts.csv"), contacts).unwrap();
    let mut service = story.start();
    let mut expected = 0;
    for (round, files) in made.iter().enumerate() {
        std::fs::rename(&files.batch, story.folder("incoming").join(format!("n{round}.835"))).unwrap();
        expected += 150;
        std::thread::sleep(Duration::from_millis(180 + 45 * round as u64));
        service.kill();
        service = story.start();
        story.gone(&format!("n{round}.835"));
    }
    let all = wait_until(SPAN, || story.sandbox.report().distinct == expected);
    assert!(all, "{} of {expected}: {:?} {:?}", story.sandbox.report().distinct, story.results("gates"), story.batch_verb(&["list"]));
    let list = story.batch_verb(&["list"]).json_after(0);
    let committed: Vec<&Value> = list.as_array().unwrap().iter().filter(|batch| batch["committed_at_ms"].is_u64()).collect();
    assert_eq!(committed.len(), 6, "each file is one batch: {list}");
    assert_eq!(names(&story.folder("done")).len(), 6, "{:?}", names(&story.folder("done")));
    assert_eq!(names(&story.folder("incoming")), Vec::<String>::new());
    drop(service);
}
