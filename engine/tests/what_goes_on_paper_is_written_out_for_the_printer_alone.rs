//! Rows that must not go by e-mail are written out encrypted to the printer's key, beside a running engine and without one; they can be
//! written out again until an operator says that the paper is on its way, and only then their content goes. Keys that must not be used are
//! refused with the reason.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic, and waits for real processes by the real clock")]

mod support;

use serde_json::Value;
use sink::{Personality, Sandbox, SandboxConfig, SiteConfig};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::{Ended, GnuPg, Installation, files_under, number, wait_until};
use testkit::{Batch, Options};
use world::World;

const ROWS: u64 = 60;
const SPAN: Duration = Duration::from_secs(60);

struct Story {
    installation: Installation,
    sandbox: Sandbox,
    gpg: GnuPg,
}

impl Story {
    fn begin() -> Option<Self> {
        let site = SiteConfig::new("all", Personality::quick(), 1);
        let sandbox = Sandbox::start(&World::real(), SandboxConfig::new(2, vec![site])).unwrap();
        let installation = Installation::towards_sandbox(&sandbox, "");
        let gpg = GnuPg::new(&installation)?;
        Some(Self { installation, sandbox, gpg })
    }

    /// Makes a key with these subkeys and writes it as `export` says.
    fn key(&self, name: &str, expires: &str, subkeys: &[&str], export: &[&str]) -> PathBuf {
        self.key_of(&self.gpg, name, expires, subkeys, export)
    }

    /// The same, by a GnuPG of another time.
    fn key_of(&self, gpg: &GnuPg, name: &str, expires: &str, subkeys: &[&str], export: &[&str]) -> PathBuf {
        let user = format!("{name}@printer.example");
        gpg.make_key(&user, expires, subkeys);
        gpg.export(export, &user, self.installation.path(&format!("{name}.key")))
    }

    /// Writes a batch of which every third member took the consent back and every fifth is a minor; what must go on paper, by row.
    fn write(&self, name: &str, seed: u64) -> (PathBuf, PathBuf, BTreeMap<u64, (String, &'static str)>) {
        let options = Options { seed, rows: ROWS, lines: 1..=3, destinations: self.sandbox.destination_names(), ..Options::default() };
        let batch = Batch::new(options);
        let (file, members) = (self.installation.path(&format!("{name}.ndjson")), self.installation.path(&format!("{name}.csv")));
        let mut contacts = "member_id,given_name,family_name,birth_date,email,consent_withdrawn_on\n".to_owned();
        let (mut lines, mut paper) = (Vec::new(), BTreeMap::new());
        for row in batch.rows() {
            let (person, number) = (&row.person, row.number);
            let (born, withdrawn, why) = match (number % 3, number % 5) {
                (0, _) => ("1970-01-01", "2026-01-01", Some("consent_withdrawn")),
                (_, 0) => ("2020-01-01", "", Some("minor")),
                _ => ("1970-01-01", "", None),
            };
            let (id, given, family) = (person.member_id.reveal(), person.given_name.reveal(), person.family_name.reveal());
            contacts += &format!("{id},{given},{family},{born},{},{withdrawn}\n", person.email.reveal());
            let mut line: Value = serde_json::from_str(&row.to_json(false)).unwrap();
            line["member"]["birth_date"] = born.into();
            lines.push(line.to_string());
            if let Some(why) = why {
                paper.insert(number, (row.statement.claim_number.reveal().to_owned(), why));
            }
        }
        std::fs::write(&file, lines.join("\n")).unwrap();
        std::fs::write(&members, contacts).unwrap();
        (file, members, paper)
    }

    /// Sends a batch; its id. The files do not stay.
    fn send(&self, (file, members): (&Path, &Path), paper: usize) -> String {
        let mut command = self.installation.verb(&["send"]);
        let report = self.installation.run(command.arg("--batch").arg(file).arg("--members").arg(members)).json_after(0);
        assert_eq!(
            (number(&report, "states/to_paper"), number(&report, "states/delivered")),
            (paper as i64, ROWS as i64 - paper as i64),
            "{report}"
        );
        std::fs::remove_file(file).unwrap();
        std::fs::remove_file(members).unwrap();
        report["batch_id"].as_str().unwrap().to_owned()
    }

    fn paper(&self, id: &str, words: &[&Path]) -> Ended {
        let mut command = self.installation.verb(&["batch", "paper", id]);
        self.installation.run(command.args(words))
    }

    fn export(&self, id: &str, key: &Path, out: &str) -> (Value, Vec<Value>) {
        let out = self.installation.path(out);
        let told = self.paper(id, &[Path::new("--to"), key, Path::new("--out"), &out]).json_after(0);
        assert_eq!(std::fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
        let text = self.gpg.decrypt(&out);
        (told, text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    fn show(&self, id: &str) -> Value {
        self.installation.run(&mut self.installation.verb(&["batch", "show", id])).json_after(0)
    }

    /// No claim and no name of these lines lies in any file of the engine, nor in what was written out.
    fn expect_nothing_readable(&self, lines: &[Value]) {
        let secrets: BTreeSet<&str> =
            lines.iter().flat_map(|line| [line["claim_number"].as_str().unwrap(), line["member"]["name"].as_str().unwrap()]).collect();
        let files = files_under(self.installation.folder()).into_iter().filter(|path| !path.starts_with(self.gpg.home()));
        for path in files {
            let bytes = std::fs::read(&path).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            assert!(!secrets.iter().any(|secret| text.contains(secret)), "{} is readable", path.display());
        }
    }
}

fn expect_rows(lines: &[Value], paper: &BTreeMap<u64, (String, &'static str)>, exported_before: bool) {
    let found: BTreeMap<u64, (String, &str)> = lines
        .iter()
        .map(|line| {
            assert_eq!(line["exported_before"].is_string(), exported_before, "{}", line["row"]);
            assert!(line["deadline"].is_string() && line["postal_address"].is_null() && line["statement"]["totals"].is_object());
            assert_eq!(line["statement"]["member"], line["member"]);
            (line["row"].as_u64().unwrap(), (line["claim_number"].as_str().unwrap().to_owned(), line["reason"].as_str().unwrap()))
        })
        .collect();
    assert_eq!((found.len(), found), (lines.len(), paper.iter().map(|(row, (claim, why))| (*row, (claim.clone(), *why))).collect()));
}

#[test]
fn again_and_again_until_it_is_on_its_way() {
    let Some(story) = Story::begin() else { return };
    let armored = story.key("print", "never", &["encr"], &["--armor", "--export"]);
    let binary = story.key("other", "1y", &["sign", "encr"], &["--export"]);
    let service = story.installation.start_service("info");
    let (file, members, paper) = story.write("one", 1);
    let id = story.send((&file, &members), paper.len());

    // Beside the running engine.
    let (told, lines) = story.export(&id, &armored, "one.pgp");
    assert_eq!((number(&told, "rows"), number(&told, "exported_before")), (paper.len() as i64, 0), "{told}");
    let minors = paper.values().filter(|(_, why)| *why == "minor").count() as i64;
    assert_eq!(
        (number(&told, "reasons/minor"), number(&told, "reasons/consent_withdrawn")),
        (minors, paper.len() as i64 - minors),
        "{told}"
    );
    expect_rows(&lines, &paper, false);
    story.expect_nothing_readable(&lines);
    let listed = story.gpg.listed("print@printer.example");
    assert!(listed.contains(told["key"].as_str().unwrap()), "the fingerprint is the key's: {told}");

    // A file that is there is never written over.
    let bytes = std::fs::read(story.installation.path("one.pgp")).unwrap();
    let refused = story.paper(&id, &[Path::new("--to"), &armored, Path::new("--out"), &story.installation.path("one.pgp")]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert_eq!(std::fs::read(story.installation.path("one.pgp")).unwrap(), bytes);

    // Killed and started again, and to another key: the same rows, and their lines say that they were written out before.
    service.kill();
    let service = story.installation.start_service("info");
    let (told, lines) = story.export(&id, &binary, "two.pgp");
    assert_eq!((number(&told, "rows"), number(&told, "exported_before")), (paper.len() as i64, paper.len() as i64), "{told}");
    expect_rows(&lines, &paper, true);
    let before = story.show(&id);
    assert_eq!((number(&before, "states/to_paper"), &before["balanced"]), (paper.len() as i64, &true.into()), "{before}");
    assert!(before["content_destroyed_at"].is_null(), "it is kept: {before}");

    // On its way: content goes, the books stay.
    let settled = story.paper(&id, &[Path::new("--settle")]).json_after(0);
    assert_eq!((number(&settled, "rows"), number(&settled, "not_exported")), (paper.len() as i64, 0), "{settled}");
    assert!(wait_until(SPAN, || !story.show(&id)["content_destroyed_at"].is_null()), "{}", story.show(&id));
    let after = story.show(&id);
    assert_eq!((number(&after, "states/to_paper"), &after["balanced"]), (paper.len() as i64, &true.into()), "{after}");
    let out = story.installation.path("three.pgp");
    let told = story.paper(&id, &[Path::new("--to"), &armored, Path::new("--out"), &out]).json_after(0);
    assert_eq!((number(&told, "rows"), number(&told, "settled_before")), (0, paper.len() as i64), "{told}");
    assert!(told["out"].is_null() && !out.exists());
    service.terminate();
    assert_eq!(service.wait(SPAN).code, Some(0));

    // Without an engine; what is not exported is not settled. The reasons stay in the list of rows.
    let (file, members, paper) = story.write("two", 2);
    let id = story.send((&file, &members), paper.len());
    let early = story.paper(&id, &[Path::new("--settle")]).json_after(0);
    assert_eq!((number(&early, "rows"), number(&early, "not_exported")), (0, paper.len() as i64), "{early}");
    let (_, lines) = story.export(&id, &armored, "four.pgp");
    expect_rows(&lines, &paper, false);
    story.expect_nothing_readable(&lines);
    let mut rows = story.installation.verb(&["batch", "rows", &id, "--state", "to_paper", "--reason", "minor"]);
    let rows = story.installation.run(&mut rows).json_after(0);
    assert_eq!(rows["rows"].as_array().unwrap().len() as i64, minors, "{rows}");
}

#[test]
fn a_key_that_must_not_be_used_is_refused_with_the_reason() {
    let Some(story) = Story::begin() else { return };
    let (file, members, paper) = story.write("one", 3);
    let id = story.send((&file, &members), paper.len());
    let past = story.gpg.at("20200101T000000");
    let garbage = story.installation.path("garbage.key");
    std::fs::write(&garbage, b"not a key at all").unwrap();
    let secret = story.key("secret", "never", &["encr"], &["--armor", "--export-secret-keys"]);
    for (key, told) in [
        (story.key("signs", "never", &[], &["--armor", "--export"]), "no subkey for encryption"),
        (story.key_of(&past, "old", "1y", &["encr"], &["--armor", "--export"]), "expired on 2020-12-31"),
        (secret, "secret key"),
        (garbage, "expected an OpenPGP public key"),
        (story.installation.path("nothing.key"), "No such file"),
    ] {
        let out = story.installation.path("out.pgp");
        let refused = story.paper(&id, &[Path::new("--to"), &key, Path::new("--out"), &out]);
        assert_eq!(refused.code, Some(2), "{}: {refused:?}", key.display());
        assert!(refused.stderr.contains(told), "{}: {refused:?}", key.display());
        assert!(!out.exists());
    }
    let unknown = story.paper("b1-999", &[Path::new("--settle")]);
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    let (told, _) = story.export(&id, &story.key("good", "never", &["encr"], &["--export"]), "good.pgp");
    assert_eq!((number(&told, "rows"), number(&told, "exported_before")), (paper.len() as i64, 0), "nothing was marked: {told}");
}

#[test]
fn a_message_of_several_statements_is_a_row_for_each() {
    let Some(story) = Story::begin() else { return };
    let installation = &story.installation;
    installation.rewrite_config(|text| text.replace("dkim = [", "group_by = \"member_batch\"\ndkim = ["));
    let key = story.key("print", "never", &["encr"], &["--export"]);
    let service = installation.start_service("info");
    // Three claims of one member, who takes the consent back while they wait.
    let batch =
        Batch::new(Options { seed: 9, rows: 3, lines: 1..=1, destinations: story.sandbox.destination_names(), ..Options::default() });
    let person = batch.person(0);
    let (given, family) = (person.given_name.reveal(), person.family_name.reveal());
    let lines: Vec<String> = batch
        .rows()
        .map(|row| {
            let mut line: Value = serde_json::from_str(&row.to_json(false)).unwrap();
            line["member"] = serde_json::json!({ "id": "M1", "name": format!("{given} {family}"), "birth_date": "1970-01-01" });
            line.to_string()
        })
        .collect();
    let contacts = |withdrawn: &str| {
        let header = "member_id,given_name,family_name,birth_date,email,consent_withdrawn_on";
        format!("{header}\nM1,{given},{family},1970-01-01,{},{withdrawn}\n", person.email.reveal())
    };
    let [file, members, newer, manifest] = ["wait.ndjson", "wait.csv", "newer.csv", "wait.toml"].map(|name| installation.path(name));
    std::fs::write(&file, lines.join("\n")).unwrap();
    std::fs::write(&members, contacts("")).unwrap();
    std::fs::write(&newer, contacts("2026-01-01")).unwrap();
    let not_before = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(6);
    std::fs::write(&manifest, format!("rows = 3\nnot_before = \"{not_before}\"\n")).unwrap();
    let mut send = installation.verb(&["send"]);
    let sending = installation.start(send.arg("--batch").arg(&file).arg("--members").arg(&members).arg("--manifest").arg(&manifest));
    let list = || installation.run(&mut installation.verb(&["batch", "list"])).json_after(0);
    assert!(wait_until(SPAN, || list().as_array().unwrap().iter().any(|batch| batch["active"] == 1)), "one message waits");
    let imported = installation.run(installation.verb(&["members", "import"]).arg(&newer));
    assert_eq!(imported.code, Some(0), "{imported:?}");
    let report = sending.wait(SPAN).json_after(0);
    assert_eq!(
        (number(&report, "states/to_paper"), number(&report, "reasons/grouped"), &report["balanced"]),
        (3, 2, &true.into()),
        "{report}"
    );

    let id = report["batch_id"].as_str().unwrap();
    let (told, lines) = story.export(id, &key, "several.pgp");
    assert_eq!((number(&told, "rows"), number(&told, "reasons/consent_withdrawn")), (3, 3), "{told}");
    let found: Vec<(u64, String)> =
        lines.iter().map(|line| (line["row"].as_u64().unwrap(), line["claim_number"].as_str().unwrap().to_owned())).collect();
    let expected: Vec<(u64, String)> = batch.rows().map(|row| (row.number, row.statement.claim_number.reveal().to_owned())).collect();
    assert_eq!(found, expected);
    let jobs: BTreeSet<&str> = lines.iter().map(|line| line["job_id"].as_str().unwrap()).collect();
    assert_eq!((jobs.len(), story.sandbox.report().distinct), (1, 0), "one message, which never left");
    let settled = story.paper(id, &[Path::new("--settle")]).json_after(0);
    assert_eq!(number(&settled, "rows"), 3, "{settled}");
    service.terminate();
    assert_eq!(service.wait(SPAN).code, Some(0));
}
