//! `journal stats`, `journal inspect` and `journal verify` on both streams, beside an engine that delivers and after it stopped, with the
//! key and without: what they say agrees with the books, and no member is named by any of it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use serde_json::Value;
use sink::{Personality, Sandbox, SandboxConfig, SiteConfig};
use std::collections::BTreeMap;
use std::time::Duration;
use support::{Ended, Installation, number, wait_until};
use testkit::{Batch, Options};
use world::World;

const ROWS: u64 = 400;

struct Story {
    installation: Installation,
    sandbox: Sandbox,
    words: Vec<String>,
}

impl Story {
    fn begin() -> Self {
        let site = SiteConfig::new("slow", Personality::slow(Duration::from_millis(20)), 1);
        let sandbox = Sandbox::start(&World::real(), SandboxConfig::new(3, vec![site])).unwrap();
        let installation = Installation::new(&format!(
            "\n[streams.transactional]\nretry = [\"1s\"]\ndrain = \"20s\"\n\n[streams.marketing]\nenabled = true\n\n[tls]\nca_file = \"ca.pem\"\n\n\
             [dns]\nservers = [\"{}\"]\nsmtp_port = {}\nallow_loopback = true\n",
            sandbox.dns_address(),
            sandbox.smtp_port()
        ));
        std::fs::write(installation.path("ca.pem"), sandbox.ca_pem()).unwrap();
        let portal = "portal_url = \"https://members.lakeside.example/statements\"\n";
        let with_page = format!("{portal}unsubscribe_url = \"https://members.lakeside.example/unsubscribe\"\n");
        installation.rewrite_config(|text| text.replace(portal, &with_page));
        Self { installation, sandbox, words: Vec::new() }
    }

    fn batch(&mut self, seed: u64, rows: u64) -> Batch {
        let destinations = self.sandbox.destination_names();
        let batch = Batch::new(Options { seed, rows, lines: 1..=4, destinations, ..Options::default() });
        for row in batch.rows() {
            let person = &row.person;
            let local_part = person.email.reveal().split('@').next().unwrap().to_owned();
            let known = [person.member_id.reveal(), person.family_name.reveal(), row.statement.claim_number.reveal()];
            self.words.extend(known.into_iter().map(str::to_owned).chain([local_part, person.birth_date.to_string()]));
        }
        // Where they live is nobody's business either.
        self.words.extend(self.sandbox.destination_names());
        batch
    }

    fn ask(&self, verb: &[&str], json: bool) -> Ended {
        let mut command = support::installation::sealpost();
        command.arg("journal").args(verb).arg("--config").arg(self.installation.config());
        if json {
            command.arg("--json");
        }
        let ended = self.installation.run(&mut command);
        for word in &self.words {
            assert!(!ended.stdout.contains(word.as_str()) && !ended.stderr.contains(word.as_str()), "{verb:?} names a member");
        }
        ended
    }

    fn lines(&self, verb: &[&str]) -> Vec<Value> {
        let ended = self.ask(verb, true);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn of_stream(value: &Value, stream: &str) -> Value {
    value["journals"].as_array().unwrap().iter().find(|journal| journal["stream"] == stream).unwrap().clone()
}

#[test]
fn what_is_seen_agrees_with_the_books() {
    let mut story = Story::begin();
    let none = story.ask(&["stats"], false);
    assert_eq!(none.code, Some(1), "no journal yet: {none:?}");
    let service = story.installation.start_service("warn");
    let (statements, news) = (story.batch(1, ROWS), story.batch(2, 30));
    let files = story.installation.write_835("statements", &statements);
    let mut text = Vec::new();
    news.write_templated_ndjson(&mut text, "announcement").unwrap();
    std::fs::write(story.installation.path("news.ndjson"), text).unwrap();
    let sending = story.installation.start(&mut story.installation.send_command(&files));
    assert!(wait_until(Duration::from_secs(60), || story.sandbox.report().distinct > 40));

    // In the middle, with and without the key, for people and for programs.
    for verb in [&["stats"][..], &["stats", "--without-key"], &["inspect", "--limit", "500"], &["verify"], &["verify", "--without-key"]] {
        for json in [false, true] {
            let ended = story.ask(verb, json);
            assert_eq!(ended.code, Some(0), "{verb:?}: {ended:?}");
            assert!(!ended.stdout.is_empty());
        }
    }
    let checked = story.ask(&["verify"], true).json();
    assert_eq!(
        (checked["whole"].clone(), of_stream(&checked, "transactional")["in_use"].clone()),
        (true.into(), true.into()),
        "{checked:#}"
    );

    let mut command = story.installation.verb(&["send", "--stream", "marketing"]);
    let sent_news = story.installation.run(command.arg("--batch").arg(story.installation.path("news.ndjson"))).json();
    let report = sending.wait(Duration::from_secs(120)).json_after(0);
    service.terminate();
    assert_eq!(service.wait(Duration::from_secs(60)).code, Some(0));

    the_numbers(&story, &report, &sent_news);
    the_frames(&story, report["batch_id"].as_str().unwrap());
    the_verdict(&story);
}

fn the_numbers(story: &Story, report: &Value, sent_news: &Value) {
    let stats = story.ask(&["stats"], true).json_after(0);
    let of_statements = of_stream(&stats, "transactional");
    assert_eq!(number(&of_statements, "jobs/heads"), ROWS as i64, "{of_statements:#}");
    assert_eq!(number(&of_statements, "jobs/settled/delivered"), number(report, "states/delivered"));
    assert_eq!(of_statements["jobs"]["live"].as_object().unwrap().len(), 0);
    assert_eq!(number(&of_statements, "record/frames/head/frames"), ROWS as i64);
    assert_eq!(number(&of_statements, "record/frames/outcome/frames"), ROWS as i64);
    let of_news = of_stream(&stats, "marketing");
    assert_eq!(number(&of_news, "jobs/settled/delivered"), number(sent_news, "states/delivered"), "{of_news:#}");
    assert!(stats["key_ring"]["keys"].as_u64().unwrap() > 4, "{stats:#}");
    let without = story.ask(&["stats", "--without-key"], true).json_after(0);
    let of_statements = of_stream(&without, "transactional");
    assert_eq!(number(&of_statements, "record/frames/head/frames"), ROWS as i64, "headers stand in the clear");
    assert!(of_statements["jobs"].is_null() && without["key_ring"].is_null(), "states do not: {of_statements:#}");
    let one = story.ask(&["stats", "--stream", "marketing"], true).json_after(0);
    assert_eq!(one["journals"].as_array().unwrap().len(), 1);
}

fn the_frames(story: &Story, batch: &str) {
    let lines = story.lines(&["inspect", "--stream", "transactional", "--log", "record"]);
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    lines.iter().for_each(|line| *kinds.entry(line["kind"].as_str().unwrap()).or_default() += 1);
    assert_eq!((kinds["head"], kinds["outcome"], kinds["batch_commit"]), (ROWS, ROWS, 1), "{kinds:?}");
    let outcome = lines.iter().find(|line| line["kind"] == "outcome").unwrap();
    assert_eq!((number(outcome, "fields/code"), outcome["fields"]["state"].as_str()), (250, Some("delivered")), "{outcome}");

    // One job: its payload, where it is still there, and all that was said of it, in order.
    let job = outcome["job"].as_str().unwrap();
    let of_job = story.lines(&["inspect", "--job", job]);
    let said: Vec<&str> = of_job.iter().filter(|line| line["log"] == "record").map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!(said, ["head", "intent", "outcome"], "{of_job:?}");
    assert!(of_job.iter().all(|line| line["job"] == job));
    let positions: Vec<(u64, u64)> = of_job
        .iter()
        .map(|line| line["position"].as_str().unwrap().split_once('.').unwrap())
        .map(|(start, sequence)| (start.parse().unwrap(), sequence.parse().unwrap()))
        .collect();
    assert!(positions.is_sorted(), "{positions:?}");

    // One batch: needs the key, and has every job of it.
    let of_batch = story.lines(&["inspect", "--batch", batch, "--log", "record"]);
    assert_eq!(of_batch.iter().filter(|line| line["kind"] == "head").count() as u64, ROWS);
    assert_eq!(of_batch.iter().filter(|line| line["kind"] == "intent").count() as u64, ROWS);
    assert_eq!(story.ask(&["inspect", "--batch", batch, "--without-key"], false).code, Some(2));
    let sealed = story.lines(&["inspect", "--without-key", "--limit", "50"]);
    assert!(sealed.len() >= 50 && sealed.iter().all(|line| line.get("fields").is_none()), "without the key nothing is opened");
    let payloads = story.lines(&["inspect", "--log", "work"]);
    assert!(payloads.iter().all(|line| line.get("fields").is_none()), "a payload is never opened");
    for wrong in
        [&["inspect", "--log", "play"][..], &["inspect", "--segment", "1"], &["inspect", "--after", "x"], &["inspect", "--job", "b1-1"]]
    {
        assert_eq!(story.ask(wrong, false).code, Some(2), "{wrong:?}");
    }
}

fn the_verdict(story: &Story) {
    let checked = story.ask(&["verify"], true).json_after(0);
    for stream in ["transactional", "marketing"] {
        let found = of_stream(&checked, stream);
        assert_eq!((found["whole"].clone(), number(&found, "live_jobs")), (true.into(), 0), "{found:#}");
    }
    let screen = story.ask(&["verify"], false);
    assert!(screen.stdout.trim_end().ends_with("whole"), "{screen:?}");
    assert!(screen.stdout.lines().all(|line| line.chars().count() <= 80 || line.contains('·')), "{screen:?}");

    // A byte of the record changes: exit code 1, with the place, what it means and what to do.
    let record = story.installation.path("state/journal/transactional/record/00000001.seg");
    let mut bytes = std::fs::read(&record).unwrap();
    bytes[2000] ^= 1;
    std::fs::write(&record, bytes).unwrap();
    for with_key in [true, false] {
        let ended = story.ask(if with_key { &["verify"] } else { &["verify", "--without-key"] }, true);
        let found = of_stream(&ended.json_after(1), "transactional");
        let flaw = &found["flaws"][0];
        assert!(flaw["place"].as_str().unwrap().starts_with("record 1@"), "{found:#}");
        assert!(["meaning", "remedy"].iter().all(|field| !flaw[field].as_str().unwrap().is_empty()), "{found:#}");
    }
    let screen = story.ask(&["verify"], false);
    assert!(screen.stdout.contains("NOT WHOLE") && screen.stdout.contains('→'), "{screen:?}");
}
