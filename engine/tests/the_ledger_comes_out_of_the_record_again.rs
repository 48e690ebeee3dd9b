//! The ledger is deleted, damaged, and changed by a hand: `ledger rebuild` makes it again from the record, and `batch show` gives the same
//! books as before. It says whether the old one was right, batch by batch, and it does not touch the ledger of an engine that runs.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use serde_json::Value;
use sink::{Personality, Sandbox, SandboxConfig, SiteConfig};
use std::time::Duration;
use support::{Ended, Installation, number};
use testkit::{Batch, Options};
use world::World;

struct Story {
    installation: Installation,
    sandbox: Sandbox,
}

impl Story {
    fn begin() -> Self {
        let sites = vec![SiteConfig::new("quick", Personality::quick(), 3), SiteConfig::new("refusing", Personality::refusing(300), 1)];
        let sandbox = Sandbox::start(&World::real(), SandboxConfig::new(6, sites)).unwrap();
        let installation = Installation::new(&format!(
            "\n[streams.transactional]\nretry = [\"1s\"]\n\n[streams.marketing]\nenabled = true\n\n[tls]\nca_file = \"ca.pem\"\n\n\
             [dns]\nservers = [\"{}\"]\nsmtp_port = {}\nallow_loopback = true\n",
            sandbox.dns_address(),
            sandbox.smtp_port()
        ));
        std::fs::write(installation.path("ca.pem"), sandbox.ca_pem()).unwrap();
        let portal = "portal_url = \"https://members.lakeside.example/statements\"\n";
        let with_page = format!("{portal}unsubscribe_url = \"https://members.lakeside.example/unsubscribe\"\n");
        installation.rewrite_config(|text| text.replace(portal, &with_page));
        Self { installation, sandbox }
    }

    fn batch(&self, seed: u64) -> Batch {
        let destinations = self.sandbox.destination_names();
        let options = Options {
            seed,
            rows: 80,
            lines: 1..=3,
            destinations,
            without_contact_per_mille: 50,
            unbalanced_per_mille: 50,
            ..Options::default()
        };
        Batch::new(options)
    }

    fn rebuild(&self) -> Ended {
        self.installation.run(&mut self.installation.verb(&["ledger", "rebuild"]))
    }

    fn show(&self, id: &str) -> Value {
        let mut report = self.installation.run(&mut self.installation.verb(&["batch", "show", id])).json_after(0);
        report["elapsed_ms"] = 0.into();
        report
    }
}

fn of_stream<'a>(rebuilt: &'a Value, stream: &str) -> &'a Value {
    rebuilt["ledgers"].as_array().unwrap().iter().find(|ledger| ledger["stream"] == stream).unwrap()
}

#[test]
fn the_same_books_as_before() {
    let story = Story::begin();
    let installation = &story.installation;
    let files = installation.write_835("statements", &story.batch(1));
    let sent = installation.send(&files).json_after(5);
    let id = sent["batch_id"].as_str().unwrap().to_owned();
    let news = installation.path("news.ndjson");
    let mut text = Vec::new();
    story.batch(2).write_templated_ndjson(&mut text, "announcement").unwrap();
    std::fs::write(&news, text).unwrap();
    let mut command = installation.verb(&["send", "--stream", "marketing"]);
    let sent = installation.run(command.arg("--batch").arg(&news));
    let news_id = sent.json()["batch_id"].as_str().unwrap().to_owned();
    let before = (story.show(&id), story.show(&news_id));
    assert!(number(&before.0, "states/bounced") > 0 && number(&before.0, "statements/rejected") > 0, "{}", before.0);
    let ledger = installation.path("state/ledger/transactional.sqlite");

    // As it is: it was right.
    let rebuilt = story.rebuild().json_after(0);
    for stream in ["transactional", "marketing"] {
        assert_eq!(of_stream(&rebuilt, stream)["before"]["was"], "equal", "{rebuilt:#}");
    }
    assert_eq!(of_stream(&rebuilt, "transactional")["billed_cents"], files.expected.read.money.billed.0);
    assert_eq!((story.show(&id), story.show(&news_id)), before);

    // Deleted.
    std::fs::remove_file(&ledger).unwrap();
    let rebuilt = story.rebuild().json_after(0);
    assert_eq!(of_stream(&rebuilt, "transactional")["before"]["was"], "absent", "{rebuilt:#}");
    assert_eq!(story.show(&id), before.0);

    // Damaged: verification says so and what to do, and then it is as it was.
    let mut bytes = std::fs::read(&ledger).unwrap();
    let length = bytes.len();
    bytes[4096.min(length / 2)..length / 2 + 4096].fill(0xa5);
    std::fs::write(&ledger, bytes).unwrap();
    let checked = installation.run(&mut installation.verb(&["journal", "verify"])).json_after(1);
    let flaws = checked["journals"][0]["flaws"].as_array().unwrap();
    assert!(flaws.len() == 1 && flaws[0]["remedy"].as_str().unwrap().contains("ledger rebuild"), "{checked:#}");
    let rebuilt = story.rebuild().json_after(0);
    assert_eq!(of_stream(&rebuilt, "transactional")["before"]["was"], "unreadable", "{rebuilt:#}");
    assert_eq!(story.show(&id), before.0);
    assert_eq!(installation.run(&mut installation.verb(&["journal", "verify"])).json_after(0)["whole"], true);

    a_stolen_ledger_is_found_out(&story, &id, &news_id, &before);
    an_engine_keeps_its_ledger(&story);
}

/// A whole ledger that says something else: that of the other stream.
fn a_stolen_ledger_is_found_out(story: &Story, id: &str, news_id: &str, before: &(Value, Value)) {
    let installation = &story.installation;
    std::fs::copy(installation.path("state/ledger/marketing.sqlite"), installation.path("state/ledger/transactional.sqlite")).unwrap();
    let rebuilt = story.rebuild().json_after(5);
    let old = &of_stream(&rebuilt, "transactional")["before"];
    assert_eq!(old["was"], "different", "{rebuilt:#}");
    let named: Vec<&str> = old["batches"].as_array().unwrap().iter().map(|batch| batch["batch"].as_str().unwrap()).collect();
    assert!(named.contains(&id) && named.contains(&news_id), "both the missing and the foreign batch are named: {rebuilt:#}");
    assert_eq!(of_stream(&rebuilt, "marketing")["before"]["was"], "equal", "{rebuilt:#}");
    assert_eq!((story.show(id), story.show(news_id)), *before);
}

fn an_engine_keeps_its_ledger(story: &Story) {
    let service = story.installation.start_service("warn");
    let refused = story.rebuild();
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("an engine runs"), "{refused:?}");
    service.terminate();
    assert_eq!(service.wait(Duration::from_secs(30)).code, Some(0));
    assert_eq!(story.rebuild().code, Some(0));

    // Of a damaged record no ledger is made that would take a better one's place, unless somebody says so.
    let record = story.installation.path("state/journal/transactional/record/00000001.seg");
    let mut bytes = std::fs::read(&record).unwrap();
    bytes[3000] ^= 1;
    std::fs::write(&record, bytes).unwrap();
    let ledger = story.installation.path("state/ledger/transactional.sqlite");
    let before = std::fs::read(&ledger).unwrap();
    let refused = story.rebuild();
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("damaged") && refused.stderr.contains("--despite-damage"), "{refused:?}");
    assert!(std::fs::read(&ledger).unwrap() == before, "the old one is as it was");
    let rebuilt = story.installation.run(&mut story.installation.verb(&["ledger", "rebuild", "--despite-damage"])).json();
    assert!(!of_stream(&rebuilt, "transactional")["record_damage"].as_array().unwrap().is_empty(), "{rebuilt:#}");
}
