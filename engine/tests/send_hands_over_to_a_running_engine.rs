//! While `sealpost run` owns the journal, `send` and `batch` reach it by its control socket; a second engine says why it
//! cannot start; SIGTERM drains and ends with 0.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use serde_json::Value;
use sink::{Personality, Sandbox, SandboxConfig, SiteConfig};
use std::time::Duration;
use support::{Ended, Installation, number, wait_until};
use testkit::{Batch, Options};
use world::World;

const ROWS: u64 = 300;

fn batch(seed: u64, destinations: Vec<String>) -> Batch {
    Batch::new(Options { seed, rows: ROWS, lines: 1..=3, destinations, ..Options::default() })
}

struct Story {
    installation: Installation,
    sandbox: Sandbox,
}

impl Story {
    /// A receiver that takes its time, so that there is a middle.
    fn begin() -> Self {
        let site = SiteConfig::new("slow", Personality::slow(Duration::from_millis(20)), 1);
        let sandbox = Sandbox::start(&World::real(), SandboxConfig::new(3, vec![site])).unwrap();
        let installation = Installation::towards_sandbox(&sandbox, "");
        Self { installation, sandbox }
    }

    fn batch_verb(&self, verb: &[&str]) -> Ended {
        let words: Vec<&str> = ["batch"].iter().chain(verb).copied().collect();
        self.installation.run(&mut self.installation.verb(&words))
    }

    fn show(&self, id: &str) -> Value {
        self.batch_verb(&["show", id]).json_after(0)
    }

    fn arrived(&self) -> u64 {
        self.sandbox.report().distinct
    }
}

#[test]
fn one_engine_many_verbs() {
    let story = Story::begin();
    let installation = &story.installation;
    let service = installation.start_service("info");

    // Send: the service does it, and the report is the same kind of report.
    let files = installation.write_835("first", &batch(1, story.sandbox.destination_names()));
    let report = installation.send(&files).json_after(0);
    assert_eq!(number(&report, "states/delivered"), ROWS as i64, "{report}");
    assert_eq!((report["balanced"].clone(), report["closed"].clone()), (true.into(), true.into()));
    assert_eq!(story.arrived(), ROWS);
    let first = report["batch_id"].as_str().unwrap().to_owned();
    assert_eq!(number(&story.show(&first), "states/delivered"), ROWS as i64);

    // A second engine on the same journal says so, and disturbs nothing.
    let second = installation.run(&mut installation.verb(&["run"]));
    assert_eq!(second.code, Some(1), "{second:?}");
    let said = format!("{}{}", second.stdout, second.stderr);
    assert!(said.contains("another") || said.contains("in use"), "it says that somebody else is there: {said}");

    // Hold in the middle: what is under way goes on, the rest waits; release brings it on its way again.
    let files = installation.write_835("second", &batch(2, story.sandbox.destination_names()));
    let sending = installation.start(&mut installation.send_command(&files));
    let middle = || story.arrived() > ROWS + 20;
    assert!(wait_until(Duration::from_secs(30), middle), "the second batch is under way");
    let list = story.batch_verb(&["list"]).json_after(0);
    let lines = list.as_array().unwrap();
    assert_eq!(lines.len(), 2, "{list}");
    let second = lines.iter().find(|line| line["batch_id"] != first.as_str()).unwrap()["batch_id"].as_str().unwrap().to_owned();
    let held = story.batch_verb(&["hold", &second, "--reason", "wrong month"]).json_after(0);
    assert!(number(&held, "jobs") > 0, "{held}");
    let settled = || {
        let shown = story.show(&second);
        number(&shown, "states/in_flight") == 0
    };
    assert!(wait_until(Duration::from_secs(20), settled), "what is under way ends");
    let shown = story.show(&second);
    let waiting = number(&shown, "states/queued");
    assert!(waiting > 0 && shown["balanced"] == true, "{shown}");
    let before = story.arrived();
    wait_until(Duration::from_millis(500), || false);
    assert_eq!(story.arrived(), before, "nothing of a held batch leaves");
    let line = story.batch_verb(&["list"]).json_after(0);
    assert!(line.as_array().unwrap().iter().any(|line| line["batch_id"] == second.as_str() && line["held"] == true), "{line}");
    story.batch_verb(&["release", &second, "--reason", "month is right"]).json_after(0);
    let report = sending.wait(Duration::from_secs(60)).json_after(0);
    assert_eq!(number(&report, "states/delivered"), ROWS as i64, "{report}");
    assert_eq!(story.arrived(), 2 * ROWS);

    // Cancel in the middle: what left is delivered, the rest is cancelled, and the books balance.
    let files = installation.write_835("third", &batch(3, story.sandbox.destination_names()));
    let sending = installation.start(&mut installation.send_command(&files));
    assert!(wait_until(Duration::from_secs(30), || story.arrived() > 2 * ROWS + 20));
    let list = story.batch_verb(&["list"]).json_after(0);
    let known = [first.as_str(), second.as_str()];
    let third = list.as_array().unwrap().iter().find(|line| !known.iter().any(|id| line["batch_id"] == *id)).unwrap();
    let third = third["batch_id"].as_str().unwrap().to_owned();
    let cancelled = story.batch_verb(&["cancel", &third, "--reason", "sent by mistake"]).json_after(0);
    let report = sending.wait(Duration::from_secs(60)).json_after(0);
    let (delivered, stopped) = (number(&report, "states/delivered"), number(&report, "states/cancelled"));
    assert!(stopped > 0 && stopped >= number(&cancelled, "jobs"), "{report} after {cancelled}");
    assert_eq!(delivered + stopped, ROWS as i64, "{report}");
    assert_eq!(report["balanced"], true, "{report}");
    assert_eq!(story.arrived() as i64, 2 * ROWS as i64 + delivered);

    // Handed in again, what never left goes now, and what had left does not go twice.
    for (delivers, repeats) in [(stopped, delivered), (0, ROWS as i64)] {
        let again = installation.run(&mut installation.send_command(&files)).json_after(0);
        let counts = ["states/delivered", "statements/duplicate"].map(|path| number(&again, path));
        assert_eq!((counts, &again["balanced"]), ([delivers, repeats], &true.into()), "{again}");
        assert_eq!(story.arrived(), 3 * ROWS);
    }

    unknown_batches_are_named(&story);
    drains(story, service);
}

fn unknown_batches_are_named(story: &Story) {
    for id in ["b1-ffff", "nonsense"] {
        let shown = story.batch_verb(&["show", id]);
        assert_eq!(shown.code, Some(2), "{shown:?}");
        assert!(shown.stderr.contains(id), "{shown:?}");
    }
}

/// SIGTERM in the middle of a batch: exit code 0, nothing uncertain, and the next start brings the rest.
fn drains(story: Story, service: support::Running) {
    let installation = &story.installation;
    let before = story.arrived();
    let files = installation.write_835("fourth", &batch(4, story.sandbox.destination_names()));
    let sending = installation.start(&mut installation.send_command(&files));
    assert!(wait_until(Duration::from_secs(30), || story.arrived() > before + 20));
    service.terminate();
    let ended = service.wait(Duration::from_secs(30));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let said = sending.wait(Duration::from_secs(10));
    assert!(matches!(said.code, Some(1 | 3)), "who follows a batch is told that it is not through: {said:?}");
    let left = story.arrived() - before;
    assert!(left < ROWS, "the drain came in the middle");
    let report = installation.send(&files).json_after(0);
    assert_eq!(number(&report, "states/delivered"), ROWS as i64, "{report}");
    assert_eq!(number(&report, "uncertain"), 0, "a drain leaves nothing uncertain: {report}");
    assert_eq!(story.arrived(), before + ROWS);
    let counted = world::block_on(story.sandbox.stop());
    assert_eq!(counted.surplus, 0, "{counted:?}");
}
