//! `check-batch` says of a file what becomes of it: with contact data that was imported and lies sealed, with a contact file that waits in
//! the drop folder, with a file of its own; beside a running engine and without one; denials without words included. Each prediction is
//! compared with what happens then.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic, and waits for real processes by the real clock")]

mod support;

use serde_json::{Value, json};
use sink::{Personality, Sandbox, SandboxConfig, SiteConfig};
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::{Installation, number, wait_until};
use testkit::{Batch, Options};
use world::World;

const ROWS: u64 = 30;
const SPAN: Duration = Duration::from_secs(30);

struct Story {
    installation: Installation,
    sandbox: Sandbox,
}

impl Story {
    fn begin() -> Self {
        let site = SiteConfig::new("all", Personality::quick(), 1);
        let sandbox = Sandbox::start(&World::real(), SandboxConfig::new(3, vec![site])).unwrap();
        let installation = Installation::towards_sandbox(
            &sandbox,
            "\n[tenants.lakeside.gates]\ncontacts_age = \"365d\"\n\n[drop]\npath = \"drop\"\nevery = \"100ms\"\nquiet = \"200ms\"\n",
        );
        Self { installation, sandbox }
    }

    /// A file without recipients, and the contacts of all but every `leave_out`th member; every fifth wants paper.
    fn write(&self, name: &str, seed: u64, leave_out: u64) -> (PathBuf, PathBuf) {
        let options = Options { seed, rows: ROWS, lines: 1..=2, destinations: self.sandbox.destination_names(), ..Options::default() };
        let (file, members) = (self.installation.path(&format!("{name}.ndjson")), self.installation.path(&format!("{name}.csv")));
        let mut contacts = "member_id,given_name,family_name,email,format\n".to_owned();
        let mut lines = Vec::new();
        for row in Batch::new(options).rows() {
            let mut line: Value = serde_json::from_str(&row.to_json(false)).unwrap();
            if row.number == 7 {
                line["status"] = "denied".into();
                line["notes"] = json!([{ "code": "CO-9998" }]);
            }
            lines.push(line.to_string());
            let format = if row.number.is_multiple_of(5) { "paper" } else { "" };
            let person = &row.person;
            if !row.number.is_multiple_of(leave_out) {
                let texts =
                    [&person.member_id, &person.given_name, &person.family_name, &person.email].map(|text| text.reveal().to_string());
                contacts += &format!("{},{format}\n", texts.join(","));
            }
        }
        std::fs::write(&file, lines.join("\n")).unwrap();
        std::fs::write(&members, contacts).unwrap();
        (file, members)
    }

    fn check(&self, file: &Path, more: &[&Path]) -> Value {
        let ended = self.installation.run(self.installation.verb(&["check-batch"]).arg(file).args(more));
        assert!(matches!(ended.code, Some(0 | 5)), "{ended:?}");
        ended.json()
    }

    fn import(&self, members: &Path) {
        self.installation.run(self.installation.verb(&["members", "import", "--shrunk"]).arg(members)).json_after(0);
    }

    fn send(&self, file: &Path, more: &[&Path]) -> Value {
        let ended = self.installation.run(self.installation.verb(&["send"]).arg("--batch").arg(file).args(more));
        assert!(matches!(ended.code, Some(0 | 5)), "{ended:?}");
        ended.json()
    }
}

/// What was said before is what happened.
fn expect_same(check: &Value, from: &str, report: &Value) {
    assert_eq!(check["contacts"]["from"], from, "{check}");
    for part in ["accepted", "no_address", "rejected", "duplicate"] {
        assert_eq!(check["statements"][part], report["statements"][part], "{part}: {check} {report}");
    }
    assert_eq!(check["reasons"], report["reasons"], "{check} {report}");
    assert_eq!(number(check, "held"), number(report, "states/held"), "{check} {report}");
    let paper: i64 = check["prediction"]["paper"].as_object().unwrap().values().map(|rows| rows.as_i64().unwrap()).sum();
    assert_eq!(paper, number(report, "states/to_paper"), "{check} {report}");
    assert_eq!(number(check, "prediction/messages"), number(report, "states/delivered"), "{check} {report}");
}

#[test]
fn so_what_it_says_is_what_happens() {
    let story = Story::begin();
    let (file, members) = story.write("one", 1, 6);
    let nobody = story.check(&file, &[]);
    assert_eq!((&nobody["contacts"]["from"], number(&nobody, "statements/no_address")), (&json!("none"), ROWS as i64), "{nobody}");
    assert!(!story.installation.path("state/contacts").exists() && !story.installation.path("state/journal").exists(), "nothing was made");

    // Imported and sealed, without an engine.
    story.import(&members);
    std::fs::remove_file(&members).unwrap();
    let check = story.check(&file, &[]);
    assert_eq!(number(&check, "statements/no_address"), ROWS as i64 / 6, "{check}");
    assert_eq!((number(&check, "held"), number(&check, "held_reasons/reason_unworded")), (1, 1), "{check}");
    expect_same(&check, "contact_store", &story.send(&file, &[]));

    // Beside a running engine, with a newer version than the one before.
    let service = story.installation.start_service("info");
    let (file, members) = story.write("two", 2, 7);
    story.import(&members);
    std::fs::remove_file(&members).unwrap();
    let check = story.check(&file, &[]);
    expect_same(&check, "contact_store", &story.send(&file, &[]));
    // A file of its own goes before it.
    let (file, members) = story.write("three", 3, 4);
    let own = [Path::new("--members"), &members];
    let check = story.check(&file, &own);
    expect_same(&check, "file", &story.send(&file, &own));
    service.terminate();
    assert_eq!(service.wait(SPAN).code, Some(0));

    // A contact file waits in the drop folder: the next engine takes it in before the batch.
    let (file, members) = story.write("four", 4, 31);
    let folder = story.installation.path("drop/lakeside/transactional");
    std::fs::rename(&members, folder.join("members/four.csv")).unwrap();
    std::thread::sleep(Duration::from_millis(400));
    let check = story.check(&file, &[]);
    std::fs::rename(&file, folder.join("incoming/four.ndjson")).unwrap();
    let service = story.installation.start_service("info");
    assert!(wait_until(SPAN, || !folder.join("incoming/four.ndjson").exists()), "{}", service.log());
    let batches = story.installation.run(&mut story.installation.verb(&["batch", "list"])).json_after(0);
    let id = batches[0]["batch_id"].as_str().unwrap();
    let show = || story.installation.run(story.installation.verb(&["batch", "show"]).arg(id)).json_after(0);
    assert_eq!(check["prediction"]["gates"], show()["gates"]["findings"], "the gates say what was said of them: {check} {}", show());
    story.installation.run(story.installation.verb(&["batch", "release"]).args([id, "--reason", "a story"])).json_after(0);
    let is_over = || number(&show(), "states/queued") + number(&show(), "states/in_flight") == 0;
    assert!(wait_until(SPAN, is_over), "{check} {}", show());
    expect_same(&check, "drop_folder", &show());
    service.terminate();
    assert_eq!(service.wait(SPAN).code, Some(0));
}
