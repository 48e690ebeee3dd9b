//! Each verb has a `--help` that shows an example, prints JSON where it is asked for, and answers a wrong call with exit code 2 and
//! a sentence that helps.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use serde_json::Value;
use std::path::Path;
use support::installation::sealpost;
use support::{Ended, Installation};
use testkit::{Batch, Options};

const VERBS: [&[&str]; 29] = [
    &["demo"],
    &["send"],
    &["run"],
    &["batch"],
    &["statements"],
    &["check-batch"],
    &["preview"],
    &["check-config"],
    &["keys"],
    &["keys", "new"],
    &["template"],
    &["template", "check"],
    &["template", "import"],
    &["template", "list"],
    &["template", "diff"],
    &["template", "preview"],
    &["template", "activate"],
    &["template", "retire"],
    &["members"],
    &["members", "check"],
    &["members", "import"],
    &["members", "show"],
    &["journal"],
    &["journal", "stats"],
    &["journal", "inspect"],
    &["journal", "verify"],
    &["journal", "backup"],
    &["ledger"],
    &["ledger", "rebuild"],
];

fn call(installation: &Installation, words: &[&str]) -> Ended {
    installation.run(sealpost().args(words).current_dir(installation.folder()))
}

#[test]
fn help_of_every_verb() {
    let installation = Installation::new("");
    let first = call(&installation, &["--help"]);
    assert_eq!(first.code, Some(0));
    for verb in VERBS {
        let words: Vec<&str> = verb.iter().copied().chain(["--help"]).collect();
        let help = call(&installation, &words);
        assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""), "{words:?}: {help:?}");
        assert!(help.stdout.contains("Usage: sealpost") && help.stdout.contains("--json"), "{words:?}: {}", help.stdout);
        assert!(first.stdout.contains(verb[0]), "`sealpost --help` names {verb:?}");
        if verb != ["keys"] {
            let teaches = ["Example:", "Exit codes"].iter().any(|word| help.stdout.contains(word));
            assert!(teaches, "{words:?} teaches: {}", help.stdout);
        }
    }
    assert!(first.stdout.contains("Exit codes"), "{}", first.stdout);
}

#[test]
fn json_of_every_verb() {
    let port = support::free_port();
    let installation = Installation::towards_port(port);
    let files = installation.write_835("remittance", &Batch::new(Options { rows: 5, lines: 1..=2, ..Options::default() }));
    let (batch, members) = (files.batch.to_str().unwrap(), files.members.to_str().unwrap());
    let config = installation.config();
    let config = config.to_str().unwrap();

    let parsed = |words: &[&str], code: i32| -> Value {
        let ended = call(&installation, words);
        assert_eq!(ended.code, Some(code), "{words:?}: {ended:?}");
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{words:?}: {error}: {ended:?}"))
    };
    assert!(parsed(&["check-config", config, "--json"], 0).is_object());
    let checked = parsed(&["check-batch", batch, "--members", members, "--json"], 0);
    assert_eq!(checked["statements"]["accepted"], 5);
    let sent = parsed(&["send", "--config", config, "--batch", batch, "--members", members, "--deadline", "1s", "--json"], 3);
    assert_eq!(sent["states"]["queued"], 5, "nobody listens: {sent}");
    let id = sent["batch_id"].as_str().unwrap();
    assert_eq!(parsed(&["batch", "list", "--config", config, "--json"], 0)[0]["batch_id"], id);
    assert_eq!(parsed(&["batch", "show", id, "--config", config, "--json"], 0)["batch_id"], id);
    for order in ["hold", "release", "cancel"] {
        let done = parsed(&["batch", order, id, "--reason", "a story", "--config", config, "--json"], 0);
        assert_eq!(done["jobs"], 5, "{order}: {done}");
    }
    assert_eq!(parsed(&["batch", "show", id, "--config", config, "--json"], 0)["states"]["cancelled"], 5);
    // The journals themselves, without an engine.
    assert!(parsed(&["journal", "stats", "--config", config, "--json"], 0)["journals"].is_array());
    let inspected = call(&installation, &["journal", "inspect", "--config", config, "--limit", "5", "--json"]);
    assert_eq!(inspected.stdout.lines().filter(|line| serde_json::from_str::<Value>(line).is_ok()).count(), 5, "{inspected:?}");
    assert_eq!(parsed(&["journal", "verify", "--config", config, "--json"], 0)["whole"], true);
    assert_eq!(parsed(&["journal", "backup", "--config", config, "--to", "a-backup", "--json"], 0)["online"], false);
    assert_eq!(parsed(&["journal", "verify", "--config", config, "--dir", "a-backup", "--json"], 0)["whole"], true);
    assert_eq!(parsed(&["ledger", "rebuild", "--config", config, "--json"], 0)["ledgers"][0]["before"]["was"], "equal");
    assert!(parsed(&["keys", "new", "--dir", "other-keys", "--json"], 0)["files"].is_array());
    let preview = ["preview", batch, "--members", members, "--config", config, "--out", "preview", "--write-clear-text", "--json"];
    let preview = call(&installation, &preview);
    assert_eq!(preview.code, Some(0), "{preview:?}");
    preview.stdout.lines().for_each(|line| drop(serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("{preview:?}"))));
    assert!(!support::files_under(&installation.path("preview")).is_empty());
    // One object a line, with or without the word.
    let statements = call(&installation, &["statements", batch, "--json"]);
    let lines: Vec<Value> = statements.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 5);
    // What goes wrong is JSON too, and names its exit code.
    let wrong = parsed(&["batch", "show", "b1-ffff", "--config", config, "--json"], 2);
    assert_eq!(wrong["exit"], 2);
    assert!(wrong["error"].as_str().unwrap().contains("b1-ffff"));
}

#[test]
fn wrong_calls_are_answered_with_2() {
    let installation = Installation::new("");
    std::fs::write(installation.path("typo.toml"), "enviroment = \"test\"\n").unwrap();
    let config = installation.config();
    let config = config.to_str().unwrap();
    let calls: [&[&str]; 10] = [
        &[],
        &["sned"],
        &["send"],
        &["send", "--config", config],
        &["send", "--config", "absent.toml", "--batch", "x.835"],
        &["send", "--config", "typo.toml", "--batch", "x.835"],
        &["send", "--config", config, "--batch", "x.835", "--deadline", "soon"],
        &["send", "--config", config, "--batch", "x.835", "--stream", "carrier-pigeon"],
        &["run", "--config", config, "--log", "=="],
        &["batch", "hold", "b1-1", "--config", config],
    ];
    for words in calls {
        let ended = call(&installation, words);
        assert_eq!(ended.code, Some(2), "{words:?}: {ended:?}");
        assert!(!ended.stderr.trim().is_empty(), "{words:?} says what is wrong");
    }
    let typo = call(&installation, &["check-config", "typo.toml"]);
    assert_eq!(typo.code, Some(2));
    assert!(typo.stderr.contains("environment") && typo.stderr.contains("typo.toml:1"), "{typo:?}");
    assert!(!Path::new(&installation.path("state")).exists(), "a wrong call leaves nothing behind");
}
