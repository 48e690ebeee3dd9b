//! A batch is cancelled while a file that corrects it is read: its first versions, which the correction has, do not come back to be sent
//! when that file is refused, and are superseded when it is accepted. Held ones are no exception, and the books balance either way.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic, and waits for real processes by the real clock")]

mod support;

use serde_json::{Value, json};
use sink::{Personality, Sandbox, SandboxConfig, SiteConfig};
use std::path::PathBuf;
use std::time::Duration;
use support::{Installation, number, wait_until};
use testkit::{Batch, Options};
use world::World;

const FIRST: u64 = 40;
const MORE: u64 = 40_000;
const SPAN: Duration = Duration::from_secs(60);

struct Story {
    installation: Installation,
    sandbox: Sandbox,
}

impl Story {
    /// Rows of a seed; every fourth is a denial that has no words, so that it is held.
    fn write(&self, name: &str, seed: u64, rows: u64, provider: &str, more: &str) -> PathBuf {
        let options = Options { seed, rows, lines: 1..=1, destinations: self.sandbox.destination_names(), ..Options::default() };
        let batch = Batch::new(options);
        let lines = batch.rows().map(|row| {
            let mut line: Value = serde_json::from_str(&row.to_json(true)).unwrap();
            line.as_object_mut().unwrap().remove("key");
            line["provider"] = provider.into();
            if row.number.is_multiple_of(4) {
                (line["status"], line["notes"]) = ("denied".into(), json!([{ "code": "CO-9998" }]));
                line["lines"][0]["notes"] = json!([0]);
            }
            line.to_string()
        });
        let path = self.installation.path(name);
        std::fs::write(&path, format!("{}\n{more}", lines.collect::<Vec<_>>().join("\n"))).unwrap();
        path
    }

    fn batch(&self, words: &[&str]) -> Value {
        self.installation.run(self.installation.verb(&["batch"]).args(words)).json_after(0)
    }

    fn send(&self, file: &PathBuf, manifest: &str) -> std::process::Command {
        let path = file.with_extension("manifest.toml");
        std::fs::write(&path, manifest).unwrap();
        let mut command = self.installation.verb(&["send"]);
        command.arg("--batch").arg(file).arg("--manifest").arg(path);
        command
    }
}

#[test]
fn refused_or_accepted() {
    let sandbox = Sandbox::start(&World::real(), SandboxConfig::new(3, vec![SiteConfig::new("all", Personality::quick(), 1)])).unwrap();
    let installation = Installation::towards_sandbox(&sandbox, "");
    let story = Story { installation, sandbox };
    let service = story.installation.start_service("info");
    let not_before = "not_before = \"2099-01-01T00:00:00Z\"\n";
    for (seed, is_refused) in [(1, true), (2, false)] {
        let first = story.write(&format!("first-{seed}.ndjson"), seed, FIRST, "Sample Clinic", "");
        let mut sending = story.installation.start(&mut story.send(&first, not_before));
        let list = || story.batch(&["list"]);
        let at = usize::try_from(seed - 1).unwrap() * 2;
        let waits = || list().as_array().is_some_and(|all| all.len() > at && all[0]["committed_at_ms"].is_u64());
        assert!(wait_until(SPAN, waits), "{}", list());
        let id = list()[0]["batch_id"].as_str().unwrap().to_owned();
        let before = story.batch(&["show", &id]);
        let (all, held) = (number(&before, "statements/accepted"), number(&before, "states/held"));
        assert!(held > 0 && number(&before, "states/queued") > held, "{before}");
        // The corrections come first, then enough rows that there is a meantime.
        let more = std::fs::read_to_string(story.write("more", seed + 10, MORE, "Other Clinic", "")).unwrap();
        let second = story.write(&format!("second-{seed}.ndjson"), seed, FIRST, "Specimen Clinic", &more);
        let manifest = if is_refused { format!("{not_before}rows = 1\n") } else { not_before.to_owned() };
        let correcting = story.installation.start(&mut story.send(&second, &manifest));
        let is_arriving = || list()[0]["batch_id"] != id.as_str();
        assert!(wait_until(SPAN, is_arriving), "{}", list());
        std::thread::sleep(Duration::from_millis(150));
        story.batch(&["cancel", &id, "--reason", "wrong month"]);
        if is_refused {
            assert_eq!(correcting.wait(SPAN).code, Some(4));
        } else {
            let found = || list()[0]["committed_at_ms"].is_u64();
            assert!(wait_until(SPAN, found), "{}", list());
            drop(correcting);
        }
        let states = || story.batch(&["show", &id]);
        let is_over = || number(&states(), "states/cancelled") + number(&states(), "states/superseded") == all;
        assert!(wait_until(SPAN, is_over), "{}", states());
        assert_eq!(states()["balanced"], true, "{}", states());
        if is_refused {
            assert_eq!(number(&states(), "states/cancelled"), all, "nothing comes back: {}", states());
        }
        assert!(wait_until(SPAN, || sending.poll().is_some()), "whoever follows it is told: {}", sending.log());
    }
    service.terminate();
    assert_eq!(service.wait(SPAN).code, Some(0));
    let rebuilt = story.installation.run(&mut story.installation.verb(&["ledger", "rebuild"]));
    assert_eq!(rebuilt.code, Some(0), "the ledger said what the record says: {rebuilt:?}");
    assert_eq!(story.sandbox.report().accepted, 0, "nothing was due");
}
