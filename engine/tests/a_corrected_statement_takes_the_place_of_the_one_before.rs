//! A file comes in half of which is sent, then its correction: what was not sent is superseded and never leaves, what was is corrected
//! with its own message, and a correction that is refused changes nothing. The job socket does the same for one statement.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use serde_json::Value;
use sink::{Personality, Sandbox, SandboxConfig, SiteConfig};
use std::path::PathBuf;
use std::time::Duration;
use support::{Door, Ended, Installation, number, wait_until};
use testkit::{Batch, Options};
use world::World;

const ROWS: u64 = 120;

struct Story {
    installation: Installation,
    sandbox: Sandbox,
}

impl Story {
    fn begin() -> Self {
        let site = SiteConfig::new("slow", Personality::slow(Duration::from_millis(30)), 1);
        let sandbox = Sandbox::start(&World::real(), SandboxConfig::new(3, vec![site])).unwrap();
        let installation = Installation::towards_sandbox(&sandbox, "");
        Self { installation, sandbox }
    }

    /// Statements with their recipients and without keys of their own; the provider is the one thing that is corrected.
    fn write(&self, name: &str, provider: &str) -> PathBuf {
        let options = Options { rows: ROWS, lines: 1..=2, destinations: self.sandbox.destination_names(), ..Options::default() };
        let lines: Vec<String> = Batch::new(options).rows().map(|row| changed(&row.to_json(true), provider)).collect();
        let path = self.installation.path(name);
        std::fs::write(&path, lines.join("\n")).unwrap();
        path
    }

    fn send(&self, file: &PathBuf) -> std::process::Command {
        let mut command = self.installation.verb(&["send"]);
        command.arg("--batch").arg(file);
        command
    }

    fn batch_verb(&self, verb: &[&str]) -> Ended {
        let words: Vec<&str> = ["batch"].iter().chain(verb).copied().collect();
        self.installation.run(&mut self.installation.verb(&words))
    }

    fn show(&self, id: &str) -> Value {
        self.batch_verb(&["show", id]).json_after(0)
    }

    /// What `check-batch` says, asked beside the running engine.
    fn check(&self, file: &PathBuf) -> Value {
        let mut command = self.installation.verb(&["check-batch"]);
        self.installation.run(command.arg(file)).json_after(0)
    }

    fn arrived(&self) -> u64 {
        self.sandbox.report().distinct
    }
}

fn changed(line: &str, provider: &str) -> String {
    let mut line: Value = serde_json::from_str(line).unwrap();
    line.as_object_mut().unwrap().remove("key");
    line["provider"] = provider.into();
    line.to_string()
}

#[test]
fn never_both_unless_the_first_has_gone() {
    let story = Story::begin();
    let installation = &story.installation;
    let service = installation.start_service("info");
    let (first, second) = (story.write("first.ndjson", "Sample Clinic"), story.write("second.ndjson", "Specimen Clinic"));
    let sending = installation.start(&mut story.send(&first));
    assert!(wait_until(Duration::from_secs(30), || story.arrived() > 10), "under way: {}", sending.log());
    let id = story.batch_verb(&["list"]).json_after(0)[0]["batch_id"].as_str().unwrap().to_owned();
    story.batch_verb(&["hold", &id, "--reason", "a correction comes"]).json_after(0);
    assert!(wait_until(Duration::from_secs(20), || number(&story.show(&id), "states/in_flight") == 0));
    let before = story.show(&id);
    let (gone, waiting) = (number(&before, "states/delivered"), number(&before, "states/queued"));
    assert!(gone > 0 && waiting > 0 && gone + waiting == ROWS as i64, "{before}");

    // Its control totals do not hold: refused as a whole, and the first versions wait as before.
    let manifest = installation.path("wrong.manifest.toml");
    std::fs::write(&manifest, "rows = 120\ntotals = { billed_cents = 1 }\n").unwrap();
    let refused = installation.run(story.send(&second).arg("--manifest").arg(&manifest));
    assert_eq!(refused.code, Some(4), "{refused:?}");
    let still = story.show(&id);
    assert_eq!((number(&still, "states/queued"), number(&still, "states/superseded")), (waiting, 0), "{still}");

    // What would become of it, and of the first once more.
    let checked = story.check(&second);
    assert_eq!((number(&checked, "reasons/corrects"), number(&checked, "reasons/supersedes")), (gone, waiting), "{checked}");
    assert_eq!(number(&checked, "prediction/messages"), ROWS as i64, "{checked}");
    assert_eq!(number(&story.check(&first), "statements/duplicate"), ROWS as i64);

    // The correction itself.
    let report = installation.run(&mut story.send(&second)).json_after(0);
    assert_eq!(number(&report, "states/delivered"), ROWS as i64, "{report}");
    assert_eq!((number(&report, "reasons/corrects"), number(&report, "reasons/supersedes")), (gone, waiting), "{report}");
    story.batch_verb(&["release", &id, "--reason", "whatever is left"]).json_after(0);
    let old = sending.wait(Duration::from_secs(60)).json_after(0);
    assert_eq!((number(&old, "states/delivered"), number(&old, "states/superseded")), (gone, waiting), "{old}");
    assert_eq!((old["balanced"].clone(), report["balanced"].clone()), (true.into(), true.into()));
    assert_eq!(story.arrived() as i64, gone + ROWS as i64, "each member of an unsent first version has the correction alone");

    // The first file once more takes nothing back.
    std::fs::copy(&first, installation.path("again.ndjson")).unwrap();
    let again = installation.run(&mut story.send(&installation.path("again.ndjson"))).json_after(0);
    assert_eq!(number(&again, "statements/duplicate"), ROWS as i64, "{again}");

    one_by_one(&story);
    service.terminate();
    assert_eq!(service.wait(Duration::from_secs(30)).code, Some(0));
    assert_eq!(number(&story.check(&first), "statements/duplicate"), ROWS as i64, "without an engine as well");
    // The books say the same after a start.
    let old = story.show(&id);
    assert_eq!((number(&old, "states/delivered"), number(&old, "states/superseded")), (gone, waiting), "{old}");
    assert_eq!(world::block_on(story.sandbox.stop()).surplus, 0);
}

fn one_by_one(story: &Story) {
    let options = Options { seed: 77, rows: 1, lines: 1..=1, destinations: story.sandbox.destination_names(), ..Options::default() };
    let line = Batch::new(options).row(1).to_json(true);
    let mut door = Door::open(&story.installation.path("state/run/jobs.sock"));
    let before = story.arrived();
    assert_eq!(door.ask(&changed(&line, "Sample Clinic"))["accepted"], true);
    assert_eq!(door.ask(&changed(&line, "Sample Clinic"))["disposition"], "duplicate");
    assert!(wait_until(Duration::from_secs(20), || story.arrived() == before + 1));
    // The outcome may be on its way to the record; the statement is gone all the same.
    let corrected = door.ask(&changed(&line, "Specimen Clinic"));
    assert_eq!((corrected["accepted"].clone(), corrected["state"].clone()), (true.into(), "queued".into()), "{corrected}");
    assert!(wait_until(Duration::from_secs(20), || story.arrived() == before + 2), "corrected with a message of its own");
}
