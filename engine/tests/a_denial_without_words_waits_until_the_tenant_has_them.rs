//! A denial whose code nobody has worded for the member is accepted and held as `reason_unworded`. It goes out when the tenant's own table
//! has the words and a new version of the statement is handed in: the held ones are superseded, so that the member gets one message. The
//! same row to the letter stays a duplicate, also of a held one.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use serde_json::{Value, json};
use sink::{Personality, Sandbox, SandboxConfig, SiteConfig};
use std::path::Path;
use std::time::Duration;
use support::{Door, Installation, SHIPPED_TEMPLATES, copy_folder, number, wait_until};
use testkit::{Batch, Options};
use world::World;

/// The next version of a statement.
fn of_provider(line: &Value, provider: &str) -> String {
    let mut line = line.clone();
    line["provider"] = provider.into();
    line.to_string()
}

/// A denied statement whose one reason is in no table of ours.
fn denial(destinations: Vec<String>) -> Value {
    let options = Options { rows: 1, lines: 1..=1, denied_per_mille: 1_000, destinations, ..Options::default() };
    let mut line: Value = serde_json::from_str(&Batch::new(options).row(1).to_json(true)).unwrap();
    line.as_object_mut().unwrap().remove("key");
    assert_eq!(line["status"], "denied");
    line["notes"] = json!([{ "code": "CO-9998" }]);
    line["lines"][0]["notes"] = json!([0]);
    line
}

fn template(installation: &Installation, words: &[&str]) -> Value {
    let mut command = installation.verb(&["template", words[0]]);
    command.args(&words[1..]).env_remove("SUDO_USER").env("LOGNAME", "ada");
    installation.run(&mut command).json_after(0)
}

#[test]
fn then_it_goes_out_once() {
    let sandbox = Sandbox::start(&World::real(), SandboxConfig::new(3, vec![SiteConfig::new("site", Personality::quick(), 1)])).unwrap();
    let installation = Installation::new(&format!(
        "\n[streams.transactional]\ndrain = \"20s\"\n\n[tls]\nca_file = \"ca.pem\"\n\n\
         [dns]\nservers = [\"{}\"]\nsmtp_port = {}\nallow_loopback = true\n",
        sandbox.dns_address(),
        sandbox.smtp_port()
    ));
    std::fs::write(installation.path("ca.pem"), sandbox.ca_pem()).unwrap();
    let line = denial(sandbox.destination_names());
    let service = installation.start_service("info");
    let mut door = Door::open(&installation.path("state/run/jobs.sock"));
    let is_held = |answer: &Value| (answer["state"].as_str(), answer["reason"].as_str()) == (Some("held"), Some("reason_unworded"));
    let held = door.ask(&line.to_string());
    assert!(is_held(&held), "{held}");
    let again = door.ask(&of_provider(&line, "Sample Clinic"));
    assert!(is_held(&again), "a new version alone helps nobody: {again}");

    let folder = installation.path("ours");
    copy_folder(Path::new(SHIPPED_TEMPLATES), &folder);
    std::fs::write(folder.join("reasons.en.toml"), "[adjustment]\n9998 = \"Your plan does not pay for spa days.\"\n").unwrap();
    let imported = template(&installation, &["import", folder.to_str().unwrap(), "--note", "a reason more"]);
    let id = imported["bundle"].as_str().unwrap();
    assert_eq!(template(&installation, &["activate", &id[..8], "--from", "2020-01-01"])["active"], true);
    service.terminate();
    assert_eq!(service.wait(Duration::from_secs(30)).code, Some(0));
    assert_eq!(sandbox.report().distinct, 0, "nothing goes out of itself");

    let service = installation.start_service("info");
    let mut door = Door::open(&installation.path("state/run/jobs.sock"));
    assert_eq!(door.ask(&of_provider(&line, "Sample Clinic"))["disposition"], "duplicate");
    let worded = door.ask(&of_provider(&line, "Specimen Clinic"));
    assert_eq!((&worded["accepted"], &worded["state"]), (&json!(true), &json!("queued")), "{worded}");
    assert!(wait_until(Duration::from_secs(20), || sandbox.report().distinct == 1));
    let shown = installation.run(installation.verb(&["batch", "show"]).arg(held["batch_id"].as_str().unwrap())).json_after(0);
    assert_eq!((number(&shown, "states/held"), number(&shown, "states/superseded")), (0, 2), "{shown}");
    service.terminate();
    assert_eq!(service.wait(Duration::from_secs(30)).code, Some(0));
    assert_eq!(world::block_on(sandbox.stop()).surplus, 0);
}
