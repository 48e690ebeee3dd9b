//! A folder of templates is checked, imported, compared, looked at with real rows, activated by a second person, and retired; what could
//! leak gets no further than the check, neither by the verb nor by the configuration.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use serde_json::Value;
use std::path::Path;
use support::{Installation, SHIPPED_TEMPLATES, copy_folder};
use testkit::{Batch, Options};

/// `sealpost template ...` as a person, with its answer.
fn template(installation: &Installation, person: &str, words: &[&str], code: i32) -> Value {
    let mut command = installation.verb(&["template", words[0]]);
    command.args(&words[1..]).env_remove("SUDO_USER").env("LOGNAME", person);
    let ended = installation.run(&mut command);
    assert_eq!(ended.code, Some(code), "{words:?}: {ended:?}");
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{words:?}: {error}: {ended:?}"))
}

#[test]
fn from_a_folder_to_the_members() {
    let installation = Installation::new("");
    let config = installation.config();
    installation.rewrite_config(|text| text.replace("[tenants.lakeside]", "[tenants.lakeside]\ntemplates_need_second_person = true"));
    let folder = installation.path("ours");
    copy_folder(Path::new(SHIPPED_TEMPLATES), &folder);
    let page = folder.join("eob/eob.html");
    let changed = std::fs::read_to_string(&page).unwrap().replace("<h1>[[t.title_eob]]</h1>", "<h1>[[t.title_eob]]!</h1>");
    std::fs::write(&page, changed).unwrap();
    let ours = folder.to_str().unwrap();

    assert_eq!(template(&installation, "ada", &["check", ours], 0)["findings"], serde_json::json!([]));
    let imported = template(&installation, "ada", &["import", ours, "--note", "with a mark"], 0);
    let id = imported["bundle"].as_str().unwrap();
    let listed = template(&installation, "ada", &["list"], 0);
    assert_eq!((&listed["bundles"][0]["note"], &listed["bundles"][0]["active"]), (&"with a mark".into(), &false.into()));
    let diff = template(&installation, "ada", &["diff", &id[..8]], 0);
    assert_eq!(diff["files"][0]["file"], "eob/eob.html");
    assert_eq!(diff["files"][0]["lines"].as_array().unwrap().len(), 2, "{diff}");

    let files = installation.write_835("night", &Batch::new(Options { rows: 3, lines: 1..=2, ..Options::default() }));
    let shown = installation.path("page.html");
    let words = [
        "preview",
        files.batch.to_str().unwrap(),
        "--members",
        files.members.to_str().unwrap(),
        "--bundle",
        &id[..8],
        "--first",
        "2",
        "--out",
        shown.to_str().unwrap(),
        "--write-clear-text",
    ];
    // As it would be sent, in Spanish, and as a notice.
    assert_eq!(template(&installation, "ada", &words, 0)["messages"], 6);
    let shown = std::fs::read_to_string(shown).unwrap();
    assert!(
        shown.contains("Explanation of Benefits!") && shown.contains("Explicación de Beneficios") && shown.matches("<iframe").count() == 24
    );

    let refused = template(&installation, "ada", &["activate", &id[..8]], 2);
    assert!(refused["error"].as_str().unwrap().contains("another person"), "{refused}");
    assert_eq!(template(&installation, "grace", &["activate", &id[..8], "--from", "2020-01-01"], 0)["active"], true);
    assert_eq!(template(&installation, "ada", &["list"], 0)["bundles"][0]["activated_by"], "grace");

    // What members would get now is made of it, and of the shipped ones when it is retired.
    let first_page = |out: &str| {
        let mut command = installation.verb(&["preview"]);
        command.arg(&files.batch).arg("--members").arg(&files.members).args(["--first", "1", "--write-clear-text", "--out"]);
        let ended = installation.run(command.arg(installation.path(out)));
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let pages = support::files_under(&installation.path(out));
        std::fs::read_to_string(pages.iter().find(|path| path.extension().is_some_and(|ending| ending == "html")).unwrap()).unwrap()
    };
    assert!(first_page("with").contains("Explanation of Benefits!"));
    assert_eq!(template(&installation, "ada", &["retire", &id[..8], "--reason", "a story"], 0)["retired"], true);
    assert!(!first_page("without").contains("Explanation of Benefits!"));
    assert!(template(&installation, "grace", &["activate", &id[..8]], 2)["error"].as_str().unwrap().contains("retired"));
    assert!(config.exists());
}

#[test]
fn what_could_leak_gets_no_further_than_the_check() {
    let installation = Installation::new("");
    let folder = installation.path("leaky");
    copy_folder(Path::new(SHIPPED_TEMPLATES), &folder);
    let page = folder.join("eob/eob.html");
    let leaky = std::fs::read_to_string(&page).unwrap().replace("<h1>", "<img src=\"https://t.evil.example/p.gif\" alt=\"\">\n<h1>");
    std::fs::write(&page, leaky).unwrap();
    std::fs::write(folder.join("terms.pdf"), "x").unwrap();
    let words = folder.to_str().unwrap();
    let found = template(&installation, "ada", &["check", words], 5);
    let rules: Vec<&str> = found["findings"].as_array().unwrap().iter().map(|finding| finding["rule"].as_str().unwrap()).collect();
    assert_eq!(rules, ["attachment", "element"]);
    assert!(template(&installation, "ada", &["import", words], 2)["error"].as_str().unwrap().contains("terms.pdf:0: [attachment]"));

    std::fs::remove_file(folder.join("terms.pdf")).unwrap();
    installation.rewrite_config(|text| text.replace("[tenants.lakeside]", "[tenants.lakeside]\ntemplates = \"leaky\""));
    let ended = installation.run(support::installation::sealpost().args(["check-config", installation.config().to_str().unwrap()]));
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("eob/eob.html:12: [element]"), "{ended:?}");
}
