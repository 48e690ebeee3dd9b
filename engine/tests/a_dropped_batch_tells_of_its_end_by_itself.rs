//! Once every row of a dropped batch has ended, its delivery report appears whole in `results/` and the batch is closed, without anybody
//! asking: after a kill in the middle too, not while a row waits for a person, and never a second time.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic, and waits for real processes by the real clock")]

mod support;

use serde_json::{Value, json};
use sink::{Personality, Sandbox, SandboxConfig, SiteConfig};
use std::path::PathBuf;
use std::time::Duration;
use support::{Installation, number, wait_until};
use testkit::{Batch, Options};
use world::World;

const ROWS: u64 = 40;
const SPAN: Duration = Duration::from_secs(60);

struct Story {
    installation: Installation,
    sandbox: Sandbox,
}

impl Story {
    fn folder(&self, part: &str) -> PathBuf {
        self.installation.path("drop/lakeside/transactional").join(part)
    }

    /// Drops a file of statements with their recipients; `change` may spoil one of them.
    fn put(&self, name: &str, seed: u64, change: impl Fn(u64, &mut Value)) -> Vec<String> {
        let options = Options { seed, rows: ROWS, lines: 1..=2, destinations: self.sandbox.destination_names(), ..Options::default() };
        let batch = Batch::new(options);
        let mut secrets = Vec::new();
        let lines = batch.rows().map(|row| {
            let mut line: Value = serde_json::from_str(&row.to_json(true)).unwrap();
            change(row.number, &mut line);
            secrets.extend([&row.person.member_id, &row.person.family_name, &row.person.email].map(|text| text.reveal().to_string()));
            secrets.push(row.statement.claim_number.reveal().to_owned());
            line.to_string()
        });
        let made = self.installation.path("made.ndjson");
        std::fs::write(&made, lines.collect::<Vec<_>>().join("\n")).unwrap();
        std::fs::rename(made, self.folder("incoming").join(name)).unwrap();
        secrets
    }

    /// The delivery reports that are there, by the names of their files.
    fn told(&self) -> Vec<(String, Value)> {
        let names = std::fs::read_dir(self.folder("results")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.ends_with(".delivery.json") && !name.starts_with('.')).collect();
        names.sort();
        let read = |name: String| {
            let text = std::fs::read_to_string(self.folder("results").join(&name)).unwrap();
            // Whole, whenever it is looked at.
            let about = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
            (name, about)
        };
        names.into_iter().map(read).collect()
    }

    /// The one report; then it is taken away.
    fn take(&self, file: &str) -> Value {
        assert!(wait_until(SPAN, || !self.told().is_empty()), "no report of {file}");
        let (name, about) = self.told().remove(0);
        assert_eq!((about["file"].as_str(), name), (Some(file), format!("{file}.{}.delivery.json", about["batch_id"].as_str().unwrap())));
        std::fs::remove_file(self.folder("results").join(format!("{file}.{}.delivery.json", about["batch_id"].as_str().unwrap()))).unwrap();
        about
    }

    fn batch(&self, words: &[&str]) -> Value {
        self.installation.run(self.installation.verb(&["batch"]).args(words)).json_after(0)
    }

    fn is_closed(&self, id: &str) -> bool {
        let list = self.batch(&["list"]);
        list.as_array().unwrap().iter().any(|batch| batch["batch_id"] == id && batch["closed_at_ms"].is_u64())
    }
}

#[test]
fn once_and_whole() {
    let slow = SiteConfig::new("slow", Personality::slow(Duration::from_millis(20)), 1);
    let sandbox = Sandbox::start(&World::real(), SandboxConfig::new(3, vec![slow])).unwrap();
    let sections = "\n[tenants.lakeside.gates]\nrejects = \"20%\"\nvolume = \"100%\"\n\n[drop]\npath = \"drop\"\nevery = \"100ms\"\nquiet = \"200ms\"\n";
    let installation = Installation::towards_sandbox(&sandbox, sections);
    let story = Story { installation, sandbox };
    let service = story.installation.start_service("info");

    let secrets = story.put("one.ndjson", 1, |row, line| {
        if row == 3 {
            line["totals"]["billed"] = "x".into();
        }
    });
    let one = story.take("one.ndjson");
    let id = one["batch_id"].as_str().unwrap();
    assert!(wait_until(SPAN, || story.is_closed(id)), "closed by itself");
    let books = story.batch(&["show", id]);
    let (rejected, delivered) = (number(&one, "at_the_door/rejected/statements"), number(&one, "outcomes/delivered/statements"));
    assert_eq!((rejected, delivered, &one["balanced"]), (1, ROWS as i64 - 1, &json!(true)), "{one}");
    for kind in ["billed", "plan_paid", "member_owes"] {
        let told = &one["outcomes"]["delivered"][format!("{kind}_cents")];
        assert_eq!(told, &books["money_cents"][kind]["delivered"], "{kind}: {one} {books}");
    }
    let text = one.to_string();
    assert!(!secrets.iter().any(|secret| text.contains(secret)), "nothing of a person: {text}");

    // Killed in the middle: the next life tells, once.
    story.put("two.ndjson", 2, |_, _| {});
    let before = story.sandbox.report().distinct;
    assert!(wait_until(SPAN, || story.sandbox.report().distinct > before + 5));
    service.kill();
    assert_eq!(story.told(), []);
    let service = story.installation.start_service("info");
    let two = story.take("two.ndjson");
    assert_eq!(number(&two, "outcomes/delivered/statements"), ROWS as i64, "{two}");
    service.terminate();
    assert_eq!(service.wait(SPAN).code, Some(0));

    // What was taken away does not come again; a row that waits for a person holds the report back.
    let service = story.installation.start_service("info");
    story.put("three.ndjson", 3, |row, line| {
        if row == 5 {
            (line["status"], line["notes"]) = ("denied".into(), json!([{ "code": "CO-9998" }]));
            for service in line["lines"].as_array_mut().unwrap() {
                service["notes"] = json!([0]);
            }
        }
    });
    let list = || story.batch(&["list"]);
    assert!(wait_until(SPAN, || list()[0]["format"] == "ndjson" && list().as_array().unwrap().len() == 3), "{}", list());
    let id = list()[0]["batch_id"].as_str().unwrap().to_owned();
    let states = || story.batch(&["show", &id])["states"].clone();
    assert!(wait_until(SPAN, || number(&states(), "delivered") == ROWS as i64 - 1), "{}", states());
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!((number(&states(), "held"), story.told()), (1, Vec::new()), "it has not ended");
    story.batch(&["cancel", &id, "--reason", "no words for it"]);
    let three = story.take("three.ndjson");
    assert_eq!((number(&three, "outcomes/cancelled/statements"), number(&three, "outcomes/delivered/statements")), (1, ROWS as i64 - 1));
    service.terminate();
    assert_eq!(service.wait(SPAN).code, Some(0));
    // A mark of a batch that is not kept here goes at the start; those that are needed stay.
    let mark = |batch: &str| story.folder(".told").join(batch);
    std::fs::write(mark("b7-999"), b"").unwrap();
    let service = story.installation.start_service("info");
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(story.told(), [], "once");
    assert!(!mark("b7-999").exists() && mark(&id).exists());
    service.terminate();
    assert_eq!(service.wait(SPAN).code, Some(0));
}
