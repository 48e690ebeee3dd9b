//! The paper of a batch is written out while no engine runs and other statements wait: not one of them leaves for it, nor for an order about
//! a batch, and what was under way stays as it was. A batch of a stream that the configuration does not have is refused in words, by this verb
//! and by the others.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic, and waits for real processes by the real clock")]

mod support;

use serde_json::Value;
use sink::{Personality, Sandbox, SandboxConfig, SiteConfig};
use std::time::Duration;
use support::{Ended, GnuPg, Installation, number};
use testkit::{Batch, Options};
use world::World;

fn batch(installation: &Installation, words: &[&str]) -> Ended {
    installation.run(installation.verb(&["batch"]).args(words))
}

#[test]
fn offline_and_of_the_right_stream() {
    let slow = SiteConfig::new("slow", Personality::slow(Duration::from_millis(200)), 1);
    let sandbox = Sandbox::start(&World::real(), SandboxConfig::new(1, vec![slow])).unwrap();
    let installation = Installation::towards_sandbox(&sandbox, "\n[streams.marketing]\nenabled = true\n");
    let Some(key) = GnuPg::new(&installation).map(|gpg| gpg.printer_key(&installation)) else { return };
    let options = Options { rows: 60, lines: 1..=1, destinations: sandbox.destination_names(), ..Options::default() };
    let made = Batch::new(options);
    let (file, members) = (installation.path("one.ndjson"), installation.path("one.csv"));
    let mut contacts = "member_id,given_name,family_name,email,format\n".to_owned();
    let mut lines = Vec::new();
    for row in made.rows() {
        lines.push(row.to_json(false));
        let texts = [&row.person.member_id, &row.person.given_name, &row.person.family_name, &row.person.email];
        let format = if row.number.is_multiple_of(10) { "paper" } else { "" };
        contacts += &format!("{},{format}\n", texts.map(|text| text.reveal().to_string()).join(","));
    }
    std::fs::write(&file, lines.join("\n")).unwrap();
    std::fs::write(&members, contacts).unwrap();

    // The engine dies while the batch goes out.
    let mut command = installation.verb(&["send"]);
    let sending = installation.start(command.arg("--batch").arg(&file).arg("--members").arg(&members));
    assert!(support::wait_until(Duration::from_secs(30), || sandbox.report().distinct >= 3), "{}", sending.log());
    sending.kill();
    let before = batch(&installation, &["list"]).json_after(0);
    let id = before[0]["batch_id"].as_str().unwrap().to_owned();
    let shown = batch(&installation, &["show", &id]).json_after(0);
    let left = sandbox.report().accepted;
    let out = installation.path("one.pgp");
    let told = batch(&installation, &["paper", &id, "--to", key.to_str().unwrap(), "--out", out.to_str().unwrap()]).json_after(0);
    assert_eq!(number(&told, "rows"), 6, "{told}");
    assert!(out.exists());
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(sandbox.report().accepted, left, "nothing left for it");
    let after = batch(&installation, &["show", &id]).json_after(0);
    assert_eq!(shown["states"], after["states"], "and nothing changed");
    assert_eq!(number(&batch(&installation, &["paper", &id, "--settle"]).json_after(0), "rows"), 6);
    // Nor for an order; the next engine goes by the last one.
    for order in ["hold", "release", "hold", "release"] {
        assert!(number(&batch(&installation, &[order, &id, "--reason", "looked at"]).json_after(0), "jobs") > 0);
    }
    assert_eq!(sandbox.report().accepted, left, "nothing left for it");
    // The next engine finds everything where it was: a row that went on paper was never sent, and all others are.
    let service = installation.start_service("info");
    let states = || batch(&installation, &["show", &id]).json_after(0)["states"].clone();
    assert!(support::wait_until(Duration::from_secs(60), || number(&states(), "delivered") == 54), "{}", states());
    service.terminate();
    assert_eq!(service.wait(Duration::from_secs(30)).code, Some(0));

    // A marketing batch, once there is no such stream any more.
    let stray = marketing_batch(&installation, sandbox.destination_names());
    installation.rewrite_config(|text| text.replace("\n[streams.marketing]\nenabled = true\n", ""));
    for words in
        [vec!["paper", &stray, "--to", key.to_str().unwrap()], vec!["paper", &stray, "--settle"], vec!["release", &stray, "--reason", "x"]]
    {
        let refused = batch(&installation, &words);
        assert_eq!(refused.code, Some(2), "{words:?}: {refused:?}");
        assert!(format!("{}{}", refused.stdout, refused.stderr).contains("marketing"), "{refused:?}");
    }
    assert_eq!(world::block_on(sandbox.stop()).without_message_id, 0);
}

/// A marketing batch; its id alone matters here.
fn marketing_batch(installation: &Installation, destinations: Vec<String>) -> String {
    let batch = Batch::new(Options { rows: 1, destinations, ..Options::default() });
    let file = installation.path("marketing.ndjson");
    let mut text = Vec::new();
    batch.write_templated_ndjson(&mut text, "announcement").unwrap();
    std::fs::write(&file, text).unwrap();
    let mut command = installation.verb(&["send", "--stream", "marketing"]);
    let sent: Value = installation.run(command.arg("--batch").arg(&file)).json_after(0);
    sent["batch_id"].as_str().unwrap().to_owned()
}
