//! With `group_by = "member_batch"` the statements of one member arrive in one message, however far apart their rows lie: two people at one
//! address get one each, so do two people on one id; every row keeps its place and its cents in the books; the file handed in again
//! names every row as a duplicate; and a SIGKILL in the middle changes none of that.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic, and waits for real processes by the real clock")]

mod support;

use serde_json::Value;
use sink::{Delivered, Personality, Sandbox, SandboxConfig, SiteConfig};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{Ended, Installation, number, wait_until};
use testkit::{Batch, Options, Row};
use world::World;

const SPAN: Duration = Duration::from_secs(60);
/// Members of the file, with 1, 2 and 5 claims in turn.
const MEMBERS: u64 = 60;

/// Who got which claims in one message: by recipient, Message-ID.
type Arrived = Arc<Mutex<BTreeMap<(String, String), BTreeSet<String>>>>;

struct Story {
    installation: Installation,
    sandbox: Sandbox,
    arrived: Arrived,
}

/// A member and the numbers of the invented rows whose amounts its claims have.
struct Person {
    id: String,
    name: (String, String),
    birth_date: String,
    email: String,
    rows: Vec<u64>,
}

impl Story {
    fn begin(delay: Duration) -> Self {
        let arrived = Arrived::default();
        let into = Arc::clone(&arrived);
        let note = Box::new(move |delivered: &Delivered<'_>| {
            let text = String::from_utf8_lossy(delivered.message).replace("=\r\n", "");
            let id = text.lines().find_map(|line| line.strip_prefix("Message-ID: ")).unwrap_or_default().to_owned();
            let claims: BTreeSet<String> = text.match_indices("CLM").map(|(at, _)| text[at - 4..at + 13].to_owned()).collect();
            for recipient in delivered.recipients {
                into.lock().unwrap().entry((recipient.reveal().to_owned(), id.clone())).or_default().extend(claims.clone());
            }
        });
        let site = SiteConfig::new("all", Personality::slow(delay), 1);
        let sandbox = Sandbox::start_with(&World::real(), SandboxConfig::new(2, vec![site]), Some(note)).unwrap();
        let installation = Installation::towards_sandbox(&sandbox, "");
        // Two at one address would get notices, which name no claim.
        let settings = "group_by = \"member_batch\"\ndetail = { shared_address = \"full\" }\ndkim = [";
        installation.rewrite_config(|text| text.replace("dkim = [", settings));
        Self { installation, sandbox, arrived }
    }

    fn invented(&self, seed: u64) -> Batch {
        Batch::new(Options { seed, rows: 1_000, lines: 1..=3, destinations: self.sandbox.destination_names(), ..Options::default() })
    }

    /// Writes lines as NDJSON, and who their members are.
    fn write(&self, name: &str, persons: &[Person], lines: &[String]) -> (PathBuf, PathBuf) {
        let (file, members) = (self.installation.path(&format!("{name}.ndjson")), self.installation.path(&format!("{name}.csv")));
        std::fs::write(&file, lines.join("\n")).unwrap();
        let row = |person: &Person| format!("{},{},{},{},{}", person.id, person.name.0, person.name.1, person.birth_date, person.email);
        let rows: Vec<String> = persons.iter().map(row).collect();
        std::fs::write(&members, format!("member_id,given_name,family_name,birth_date,email\n{}\n", rows.join("\n"))).unwrap();
        (file, members)
    }

    fn send(&self, (file, members): &(PathBuf, PathBuf)) -> std::process::Command {
        let mut command = self.installation.verb(&["send"]);
        command.arg("--batch").arg(file).arg("--members").arg(members);
        command
    }

    fn batch_verb(&self, verb: &[&str]) -> Ended {
        let words: Vec<&str> = ["batch"].iter().chain(verb).copied().collect();
        self.installation.run(&mut self.installation.verb(&words))
    }

    fn rows(&self, id: &str) -> Vec<Value> {
        let (mut rows, mut after): (Vec<Value>, Option<String>) = (Vec::new(), None);
        loop {
            let mut verb = vec!["rows", id, "--limit", "7"];
            verb.extend(after.iter().flat_map(|after| ["--after", after.as_str()]));
            let mut page = self.batch_verb(&verb).json_after(0);
            rows.append(page["rows"].as_array_mut().unwrap());
            match page["next"].as_str() {
                Some(next) => after = Some(next.to_owned()),
                None => return rows,
            }
        }
    }

    /// The messages that arrived, by recipient: the claims of each, once for each Message-ID.
    fn messages(&self) -> BTreeMap<String, Vec<BTreeSet<String>>> {
        let mut messages: BTreeMap<String, Vec<BTreeSet<String>>> = BTreeMap::new();
        for ((recipient, _), claims) in self.arrived.lock().unwrap().iter() {
            messages.entry(recipient.clone()).or_default().push(claims.clone());
        }
        messages.values_mut().for_each(|of| of.sort());
        messages
    }
}

/// Members with 1, 2 and 5 claims; the first two live at one address, and the third shares the fourth's id.
fn persons(batch: &Batch) -> Vec<Person> {
    let mut next = 0;
    let mut persons: Vec<Person> = (0..MEMBERS)
        .map(|member| {
            let claims = [1, 2, 5][member as usize % 3];
            let rows: Vec<u64> = (next + 1..=next + claims).collect();
            next += claims;
            let who = batch.person(member);
            let email = who.email.reveal().to_owned();
            let name = (who.given_name.reveal().to_owned(), who.family_name.reveal().to_owned());
            Person { id: format!("MEMBER-{member}"), name, birth_date: format!("19{:02}-03-04", 50 + member % 40), email, rows }
        })
        .collect();
    persons[1].email = persons[0].email.clone();
    persons[3].id = persons[2].id.clone();
    persons
}

/// A row of a person: without a key of its own, so that its claim is what it is known by.
fn line(batch: &Batch, person: &Person, row: u64, change: impl FnOnce(&mut Value)) -> String {
    let row: Row = batch.row(row);
    let mut line: Value = serde_json::from_str(&row.to_json(false)).unwrap();
    line.as_object_mut().unwrap().remove("key");
    let (given, family) = &person.name;
    line["member"] = serde_json::json!({ "id": person.id, "name": format!("{given} {family}"), "given_name": given, "family_name": family,
        "birth_date": person.birth_date });
    change(&mut line);
    line.to_string()
}

/// The rows in turns: the claims of one member lie far apart.
fn scattered(batch: &Batch, persons: &[Person]) -> Vec<(u64, String)> {
    let turns = (0..5).flat_map(|turn| persons.iter().filter_map(move |person| Some((person, *person.rows.get(turn)?))));
    turns.map(|(person, row)| (row, line(batch, person, row, |_| {}))).collect()
}

fn claim(batch: &Batch, row: u64) -> String {
    batch.row(row).statement.claim_number.reveal().to_owned()
}

fn expected(batch: &Batch, persons: &[Person]) -> BTreeMap<String, Vec<BTreeSet<String>>> {
    let mut messages: BTreeMap<String, Vec<BTreeSet<String>>> = BTreeMap::new();
    for person in persons {
        let claims = person.rows.iter().map(|row| claim(batch, *row)).collect();
        messages.entry(person.email.clone()).or_default().push(claims);
    }
    messages.values_mut().for_each(|of| of.sort());
    messages
}

#[test]
fn one_message_each_whatever_happens_on_the_way() {
    let story = Story::begin(Duration::from_millis(40));
    let installation = &story.installation;
    let batch = story.invented(3);
    let persons = persons(&batch);
    let lines = scattered(&batch, &persons);
    let texts: Vec<String> = lines.iter().map(|(_, line)| line.clone()).collect();
    let files = story.write("month", &persons, &texts);

    // What would become of it, asked before.
    let mut check = installation.verb(&["check-batch"]);
    let check = installation.run(check.arg(&files.0).arg("--members").arg(&files.1)).json_after(0);
    assert_eq!(number(&check, "prediction/messages"), MEMBERS as i64, "{check}");

    // Killed while it delivers, and started again with the same file.
    let mut sending = installation.start(&mut story.send(&files));
    assert!(wait_until(SPAN, || story.sandbox.report().distinct > 5), "under way: {}", sending.log());
    assert!(sending.poll().is_none(), "it is still at work");
    sending.kill();
    let ended = installation.run(&mut story.send(&files));
    let report = ended.json_after(0);
    let rows = lines.len() as i64;
    assert_eq!((number(&report, "statements/accepted"), number(&report, "states/delivered")), (rows, rows), "{report}");
    assert_eq!((number(&report, "reasons/grouped"), &report["balanced"]), (rows - MEMBERS as i64, &true.into()), "{report}");
    assert_eq!(story.messages(), expected(&batch, &persons), "each member's claims in one message, and nobody else's");

    // Every row by itself: its message, its cents.
    let id = report["batch_id"].as_str().unwrap().to_owned();
    let listed = story.rows(&id);
    let owed: BTreeMap<i64, i64> = listed.iter().map(|row| (number(row, "row"), number(row, "member_owes_cents"))).collect();
    assert_eq!((listed.len(), owed.len()), (lines.len(), lines.len()), "each row once");
    let mut jobs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (at, (row, _)) in lines.iter().enumerate() {
        let money = batch.row(*row).statement.money();
        assert_eq!(owed[&(at as i64 + 1)], money.member_owes.0, "row {}", at + 1);
        let line = listed.iter().find(|line| number(line, "row") == at as i64 + 1).unwrap();
        assert_eq!((line["state"].as_str(), number(line, "statements")), (Some("delivered"), 1));
        let person = persons.iter().find(|person| person.rows.contains(row)).unwrap();
        assert_eq!(number(line, "message_statements"), person.rows.len() as i64);
        jobs.entry(line["job_id"].as_str().unwrap().to_owned()).or_default().insert(person.email.clone() + &person.birth_date);
    }
    assert!(jobs.len() == MEMBERS as usize && jobs.values().all(|of| of.len() == 1), "one job a member");
    let sum: i64 = lines.iter().map(|(row, _)| batch.row(*row).statement.money().member_owes.0).sum();
    assert_eq!(number(&report, "money_cents/member_owes/delivered"), sum);

    // The same rows in another order and another file: every one is known, after the start that the kill made necessary.
    let again: Vec<String> = texts.iter().rev().cloned().collect();
    let report = installation.run(&mut story.send(&story.write("again", &persons, &again))).json_after(0);
    assert_eq!((number(&report, "statements/duplicate"), number(&report, "statements/accepted")), (rows, 0), "{report}");
    let rejects = installation.path(&format!("state/results/{}.rejects.ndjson", report["batch_id"].as_str().unwrap()));
    let named: BTreeSet<u64> = std::fs::read_to_string(&rejects)
        .unwrap_or_else(|error| panic!("{}: {error}", rejects.display()))
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["row"].as_u64().unwrap())
        .collect();
    assert_eq!(named.len(), lines.len(), "each row is named");

    let counted = world::block_on(story.sandbox.stop());
    assert_eq!((counted.misrouted, counted.distinct), (0, MEMBERS), "{counted:?}");
}

#[test]
fn a_correction_drops_no_other_statement() {
    let story = Story::begin(Duration::from_millis(1));
    let installation = &story.installation;
    let batch = story.invented(4);
    let persons = persons(&batch);
    let person = &persons[5];
    let [first, second, third, fourth] = [1, 2, 3, 4].map(|at| person.rows[at]);
    let service = installation.start_service("info");

    // Within one file: the row that is taken back leaves the message that is put together, the others stay.
    let lines = [
        line(&batch, person, first, |_| {}),
        line(&batch, person, second, |_| {}),
        line(&batch, person, first, |line| line["status"] = "reversal".into()),
        line(&batch, person, first, |line| line["provider"] = "Specimen Clinic".into()),
    ];
    let report = installation.run(&mut story.send(&story.write("one", &persons, &lines))).json_after(0);
    let counts =
        ["states/delivered", "states/superseded", "statements/not_mailable", "reasons/supersedes"].map(|path| number(&report, path));
    assert_eq!((counts, &report["balanced"]), ([2, 1, 1, 1], &true.into()), "{report}");
    let told = story.messages().remove(&person.email).unwrap();
    assert_eq!(told, [BTreeSet::from([claim(&batch, first), claim(&batch, second)])], "one message, with the right version");

    // A message of several that waits, and a correction of one of them in the next file: nothing of it is dropped.
    let lines = [line(&batch, person, third, |_| {}), line(&batch, person, fourth, |_| {})];
    let files = story.write("two", &persons, &lines);
    let manifest = installation.path("later.toml");
    let not_before = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(6);
    std::fs::write(&manifest, format!("rows = 2\nnot_before = \"{not_before}\"\n")).unwrap();
    let sending = installation.start(story.send(&files).arg("--manifest").arg(&manifest));
    let waiting = || story.batch_verb(&["list"]).json_after(0).as_array().unwrap().iter().any(|batch| batch["active"] == 1);
    assert!(wait_until(SPAN, waiting), "one message waits");
    let corrected = [line(&batch, person, third, |line| line["provider"] = "Specimen Clinic".into())];
    let report = installation.run(&mut story.send(&story.write("three", &persons, &corrected))).json_after(0);
    assert_eq!((number(&report, "reasons/corrects"), number(&report, "states/delivered")), (1, 1), "{report}");
    let both: BTreeSet<_> = [third, fourth].iter().map(|row| claim(&batch, *row)).collect();
    assert!(story.messages()[&person.email].contains(&both), "the correction came after the message that it corrects");
    let group = sending.wait(SPAN).json_after(0);
    assert_eq!((number(&group, "states/delivered"), &group["balanced"]), (2, &true.into()), "{group}");
    let mut told = story.messages().remove(&person.email).unwrap();
    told.retain(|claims| !claims.contains(&claim(&batch, first)));
    let [both, one] = [vec![third, fourth], vec![third]].map(|rows| rows.iter().map(|row| claim(&batch, *row)).collect::<BTreeSet<_>>());
    assert_eq!(told.iter().collect::<BTreeSet<_>>(), BTreeSet::from([&both, &one]), "the group as it was, and the correction alone");
    service.terminate();
    assert_eq!(service.wait(SPAN).code, Some(0));
    assert_eq!(world::block_on(story.sandbox.stop()).surplus, 0);
}
