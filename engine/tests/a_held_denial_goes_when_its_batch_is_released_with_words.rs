//! Denials whose codes nobody had worded are held. New templates are activated beside the running engine, which takes them over without a
//! restart; the release of the batch then lets go what has words now, with those words, and tells by its code what still has none.
//! It holds for streamed jobs and for those of a file, for a release beside the engine and for one without, and after a kill.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use serde_json::{Value, json};
use sink::{Personality, Sandbox, SandboxConfig, SiteConfig};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{Door, Installation, SHIPPED_TEMPLATES, copy_folder, number, wait_until};
use testkit::{Batch, Options};
use world::World;

const SPAN: Duration = Duration::from_secs(30);

/// Denied statements, each with one reason; the third is denied without any.
fn denials(destinations: Vec<String>) -> Vec<String> {
    let options = Options { rows: 6, lines: 1..=1, denied_per_mille: 1_000, destinations, ..Options::default() };
    let batch = Batch::new(options);
    let codes = [Some("CO-9998"), Some("CO-9997"), None, Some("CO-9998"), Some("CO-9997"), Some("CO-9998")];
    let mut lines = Vec::new();
    for (at, code) in codes.into_iter().enumerate() {
        let mut line: Value = serde_json::from_str(&batch.row(at as u64 + 1).to_json(true)).unwrap();
        assert_eq!(line["status"], "denied");
        line["notes"] = code.map_or(json!([]), |code| json!([{ "code": code }]));
        line["lines"][0]["notes"] = if code.is_some() { json!([0]) } else { json!([]) };
        lines.push(line.to_string());
    }
    lines
}

fn template(installation: &Installation, words: &[&str]) -> Value {
    let mut command = installation.verb(&["template", words[0]]);
    command.args(&words[1..]).env_remove("SUDO_USER").env("LOGNAME", "ada");
    installation.run(&mut command).json_after(0)
}

/// Gives the shipped templates further words, and activates them.
fn word(installation: &Installation, codes: &[&str]) -> Value {
    let folder = installation.path(&format!("ours-{}", codes.len()));
    copy_folder(Path::new(SHIPPED_TEMPLATES), &folder);
    let words: Vec<String> = codes.iter().map(|code| format!("{code} = \"Your plan does not pay for spa days ({code}).\"\n")).collect();
    std::fs::write(folder.join("reasons.en.toml"), format!("[adjustment]\n{}", words.concat())).unwrap();
    let imported = template(installation, &["import", folder.to_str().unwrap()]);
    template(installation, &["activate", &imported["bundle"].as_str().unwrap()[..12]])
}

fn release(installation: &Installation, batch: &str) -> Value {
    let mut command = installation.verb(&["batch", "release"]);
    installation.run(command.args([batch, "--reason", "worded"])).json_after(0)
}

fn shown(installation: &Installation, batch: &str) -> Value {
    installation.run(installation.verb(&["batch", "show"]).arg(batch)).json_after(0)
}

#[test]
fn with_the_words_of_that_day() {
    let letters = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&letters);
    let on_delivery = Box::new(move |delivered: &sink::Delivered<'_>| {
        kept.lock().unwrap().push(String::from_utf8_lossy(delivered.message).replace("=\r\n", ""));
    });
    let config = SandboxConfig::new(3, vec![SiteConfig::new("site", Personality::quick(), 1)]);
    let sandbox = Sandbox::start_with(&World::real(), config, Some(on_delivery)).unwrap();
    let installation = Installation::towards_sandbox(&sandbox, "");
    let rows = denials(sandbox.destination_names());
    let service = installation.start_service("info");
    let mut door = Door::open(&installation.path("state/run/jobs.sock"));
    let mut streamed = String::new();
    for row in &rows[..3] {
        let answer = door.ask(row);
        assert_eq!((&answer["state"], &answer["reason"]), (&json!("held"), &json!("reason_unworded")), "{answer}");
        streamed = answer["batch_id"].as_str().unwrap().to_owned();
    }
    let file = installation.path("denied.ndjson");
    std::fs::write(&file, rows[3..5].join("\n")).unwrap();
    let sent = installation.run(installation.verb(&["send"]).arg("--batch").arg(&file)).json_after(5);
    let dropped = sent["batch_id"].as_str().unwrap().to_owned();
    assert_eq!(number(&sent, "states/held"), 2);

    let before = release(&installation, &streamed);
    assert_eq!(before["wording"], json!({ "released": 0, "still_held": { "": 1, "CO-9997": 1, "CO-9998": 1 } }), "{before}");
    let activated = word(&installation, &["9998"]);
    assert_eq!((&activated["active"], &activated["engine"]), (&json!(true), &json!("told")), "{activated}");
    let sixth = door.ask(&rows[5]);
    assert_eq!(sixth["state"], "queued", "the running engine goes by them: {sixth}");
    assert!(wait_until(SPAN, || sandbox.report().distinct == 1));
    assert_eq!(shown(&installation, &streamed)["states"]["held"], 3, "nothing held goes by itself");

    let first = release(&installation, &streamed);
    assert_eq!(first["wording"], json!({ "released": 1, "still_held": { "": 1, "CO-9997": 1 } }), "{first}");
    assert!(wait_until(SPAN, || sandbox.report().distinct == 2));
    let again = release(&installation, &streamed);
    assert_eq!(again["wording"]["released"], 0, "{again}");
    let rest = release(&installation, &dropped);
    assert_eq!(rest["wording"], json!({ "released": 1, "still_held": { "CO-9997": 1 } }), "{rest}");
    assert!(wait_until(SPAN, || sandbox.report().distinct == 3));
    service.kill();

    // Without an engine: the release starts one for as long as it needs, and what it let go is durable.
    assert_eq!(word(&installation, &["9998", "9997"])["engine"], "not_running");
    let last = release(&installation, &dropped);
    assert_eq!(last["wording"], json!({ "released": 1, "still_held": {} }), "{last}");
    let service = installation.start_service("info");
    assert_eq!(release(&installation, &streamed)["wording"], json!({ "released": 1, "still_held": { "": 1 } }));
    assert!(wait_until(SPAN, || sandbox.report().distinct == 5));
    for (batch, held, delivered) in [(&streamed, 1, 3), (&dropped, 0, 2)] {
        assert!(wait_until(SPAN, || shown(&installation, batch)["states"]["delivered"] == delivered), "{}", shown(&installation, batch));
        let books = shown(&installation, batch);
        assert_eq!((number(&books, "states/held"), &books["balanced"]), (held, &json!(true)), "{books}");
    }
    let letters = letters.lock().unwrap().clone();
    let with = |words: &str| letters.iter().filter(|letter| letter.contains(words)).count();
    assert_eq!((with("spa days (9998)"), with("spa days (9997)")), (3, 2), "each says why");
    service.terminate();
    assert_eq!(service.wait(SPAN).code, Some(0));
    assert_eq!(world::block_on(sandbox.stop()).surplus, 0);
}
