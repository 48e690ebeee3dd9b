//! A streamed job whose reader asked for a language that the templates lack goes out in English, and its batch says so under
//! `language_unmet`, as a file's batch does: while the engine runs, from the ledger when none runs, after a restart, and after the ledger
//! was deleted and rebuilt.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use serde_json::Value;
use sink::{Personality, Sandbox, SandboxConfig, SiteConfig};
use std::time::Duration;
use support::{Door, Installation, number, wait_until};
use testkit::{Batch, Options};
use world::World;

fn row(batch: &Batch, at: u64, language: &str) -> String {
    let mut line: Value = serde_json::from_str(&batch.row(at).to_json(true)).unwrap();
    line["recipient"]["language"] = language.into();
    line.to_string()
}

#[test]
fn in_every_life_of_the_engine() {
    let sandbox = Sandbox::start(&World::real(), SandboxConfig::new(3, vec![SiteConfig::new("site", Personality::quick(), 1)])).unwrap();
    let installation = Installation::towards_sandbox(&sandbox, "");
    let batch = Batch::new(Options { rows: 5, lines: 1..=1, destinations: sandbox.destination_names(), ..Options::default() });
    let service = installation.start_service("info");
    let mut door = Door::open(&installation.path("state/run/jobs.sock"));
    let first = door.ask(&row(&batch, 1, "tlh"));
    assert_eq!(first["accepted"], true, "{first}");
    let id = first["batch_id"].as_str().unwrap().to_owned();
    assert_eq!(door.ask(&row(&batch, 2, "es"))["accepted"], true);
    assert_eq!(door.ask(&row(&batch, 3, "tlh-Latn"))["accepted"], true);
    assert!(wait_until(Duration::from_secs(20), || sandbox.report().distinct == 3));
    let unmet = |after: &str| {
        let shown = installation.run(installation.verb(&["batch", "show"]).arg(&id)).json_after(0);
        assert_eq!((number(&shown, "reasons/language_unmet"), &shown["balanced"]), (2, &true.into()), "{after}: {shown}");
    };
    unmet("while it runs");
    service.terminate();
    assert_eq!(service.wait(Duration::from_secs(30)).code, Some(0));
    unmet("while none runs");
    std::fs::remove_dir_all(installation.path("state/ledger")).unwrap();
    let service = installation.start_service("info");
    unmet("after a restart without the ledger");
    let mut page = installation.verb(&["batch", "show"]);
    page.arg(&id);
    let shown = installation.run(&mut page);
    assert!(shown.stdout.contains("language_unmet"), "{shown:?}");
    service.terminate();
    assert_eq!(service.wait(Duration::from_secs(30)).code, Some(0));
    assert_eq!(world::block_on(sandbox.stop()).surplus, 0);
}
