//! With `group_by = "member_batch"` the statements of one member arrive in one message, however far apart their rows lie: two people at one
//! address get one each, so do two people on one id; every row keeps its place and its cents in the books; the file handed in again
//! names every row as a duplicate; and a SIGKILL in the middle changes none of that. What is corrected before its message leaves is taken
//! out of it, and the others stay; what was corrected later says which amount changed.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic, and waits for real processes by the real clock")]

mod support;

use serde_json::Value;
use sink::{Delivered, Personality, Sandbox, SandboxConfig, SiteConfig};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{Ended, Installation, Running, number, wait_until};
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
    /// What arrived, as it is read.
    texts: Arc<Mutex<Vec<String>>>,
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
        Self::towards(Personality::slow(delay))
    }

    fn towards(personality: Personality) -> Self {
        let (arrived, texts) = (Arrived::default(), Arc::<Mutex<Vec<String>>>::default());
        let (into, all) = (Arc::clone(&arrived), Arc::clone(&texts));
        let note = Box::new(move |delivered: &Delivered<'_>| {
            let text = String::from_utf8_lossy(delivered.message).replace("=\r\n", "");
            let id = text.lines().find_map(|line| line.strip_prefix("Message-ID: ")).unwrap_or_default().to_owned();
            let claims = claims_in(&text);
            for recipient in delivered.recipients {
                into.lock().unwrap().entry((recipient.reveal().to_owned(), id.clone())).or_default().extend(claims.clone());
            }
            all.lock().unwrap().push(text);
        });
        let site = SiteConfig::new("all", personality, 1);
        let sandbox = Sandbox::start_with(&World::real(), SandboxConfig::new(2, vec![site]), Some(note)).unwrap();
        let installation = Installation::towards_sandbox(&sandbox, "");
        // Two at one address would get notices, which name no claim.
        let settings = "group_by = \"member_batch\"\ndetail = { shared_address = \"full\" }\ndkim = [";
        installation.rewrite_config(|text| text.replace("dkim = [", settings));
        Self { installation, sandbox, arrived, texts }
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

    /// Hands a file in that waits for some seconds, until `jobs` messages of it do: its batch, and the verb that waits for its end.
    fn waits(&self, name: &str, persons: &[Person], lines: &[String], jobs: i64) -> (String, Running) {
        let manifest = self.installation.path(&format!("{name}.toml"));
        let not_before = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(8);
        std::fs::write(&manifest, format!("rows = {}\nnot_before = \"{not_before}\"\n", lines.len())).unwrap();
        let sending = self.installation.start(self.send(&self.write(name, persons, lines)).arg("--manifest").arg(&manifest));
        let newest = || self.batch_verb(&["list"]).json_after(0)[0].clone();
        assert!(wait_until(SPAN, || newest()["active"] == jobs && newest()["source_records"] == lines.len()), "{name} waits: {}", newest());
        (newest()["batch_id"].as_str().unwrap().to_owned(), sending)
    }

    /// Takes back whatever the record says behind its last commit, and what was made of it.
    fn tear_record_behind_the_last_commit(&self) {
        let state = self.installation.path("state");
        let path = state.join("journal/transactional/record/00000001.seg");
        let mut bytes = std::fs::read(&path).unwrap();
        let (mut at, mut behind) = (64, 64);
        // A frame: its length in bytes 4..8, its kind in byte 20, eight by eight.
        while let length @ 1.. = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize {
            let is_commit = bytes[at + 20] & 0x7F == 18;
            at += length.next_multiple_of(8);
            behind = if is_commit { at } else { behind };
        }
        assert!(behind < at, "something stands behind it");
        bytes[behind..at].fill(0);
        std::fs::write(&path, bytes).unwrap();
        for made in ["ledger", "index"] {
            std::fs::remove_dir_all(state.join(made)).unwrap();
        }
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

    /// All batches that were accepted, but for this one.
    fn accepted(&self, but: &str) -> impl Iterator<Item = String> {
        let all = self.batch_verb(&["list"]).json_after(0);
        let ids: Vec<String> = all
            .as_array()
            .unwrap()
            .iter()
            .filter(|line| line["committed_at_ms"].is_u64() && line["batch_id"] != but)
            .map(|line| line["batch_id"].as_str().unwrap().to_owned())
            .collect();
        ids.into_iter()
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

/// The numbers of claims in a text: four digits, CLM, ten digits. The three letters alone may stand in a signature.
fn claims_in(text: &str) -> BTreeSet<String> {
    let are_digits = |text: Option<&str>| text.is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let is_one = |at: &usize| are_digits(at.checked_sub(4).and_then(|from| text.get(from..*at))) && are_digits(text.get(at + 3..at + 13));
    text.match_indices("CLM").map(|(at, _)| at).filter(is_one).map(|at| text[at - 4..at + 13].to_owned()).collect()
}

/// 1234 → "1,234".
fn thousands(dollars: i64) -> String {
    if dollars < 1_000 { dollars.to_string() } else { format!("{},{:03}", thousands(dollars / 1_000), dollars % 1_000) }
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
    let files = story.write("one", &persons, &lines);
    let mut check = installation.verb(&["check-batch"]);
    let check = installation.run(check.arg(&files.0).arg("--members").arg(&files.1)).json_after(0);
    let report = installation.run(&mut story.send(&files)).json_after(0);
    assert_eq!((number(&check, "prediction/messages"), &check["reasons"]), (1, &report["reasons"]), "{check}");
    let counts =
        ["states/delivered", "states/superseded", "statements/not_mailable", "reasons/supersedes"].map(|path| number(&report, path));
    assert_eq!((counts, &report["balanced"]), ([2, 1, 1, 1], &true.into()), "{report}");
    let told = story.messages().remove(&person.email).unwrap();
    assert_eq!(told, [BTreeSet::from([claim(&batch, first), claim(&batch, second)])], "one message, with the right version");

    // A message of several that went out: its correction names the amount by the books, for there is no reversal.
    let other = persons[11].rows[0];
    let told = line(&batch, person, other, |line| line["claim_number"] = claim(&batch, second).into());
    let report = installation.run(&mut story.send(&story.write("sums", &persons, &[told]))).json_after(0);
    assert_eq!(number(&report, "reasons/corrects"), 1, "{report}");
    let sums = [second, other]
        .map(|row| batch.row(row).statement.money().billed.0)
        .map(|cents| format!("${}.{:02}", thousands(cents / 100), cents % 100));
    let corrected = |text: &&String| text.contains("orrected") && sums.iter().all(|sum| text.contains(sum.as_str()));
    assert_eq!(story.texts.lock().unwrap().iter().filter(corrected).count(), 1, "{sums:?}");

    // A message of several that waits, and corrections of two of them in files of their own: it goes with what stays.
    let fifth = persons[8].rows[0];
    let lines = [third, fourth].map(|row| line(&batch, person, row, |_| {}));
    let (waits, sending) = story.waits("two", &persons, &[&lines[..], &[line(&batch, &persons[8], fifth, |_| {})]].concat(), 2);
    let corrected = [line(&batch, person, third, |line| line["provider"] = "Specimen Clinic".into())];
    let report = installation.run(&mut story.send(&story.write("three", &persons, &corrected))).json_after(0);
    assert_eq!((number(&report, "reasons/supersedes"), number(&report, "states/delivered")), (1, 1), "{report}");
    let states: Vec<_> = story.rows(&waits).iter().map(|row| (number(row, "row"), row["state"].as_str().unwrap().to_owned())).collect();
    let expected = [(1, "superseded"), (2, "queued"), (3, "queued")].map(|(row, state)| (row, state.to_owned()));
    assert_eq!(states.into_iter().collect::<BTreeSet<_>>(), BTreeSet::from(expected));
    let group = sending.wait(SPAN).json_after(0);
    let counts = ["states/delivered", "states/superseded"].map(|path| number(&group, path));
    assert_eq!((counts, &group["balanced"]), ([2, 1], &true.into()), "{group}");
    let mut told = story.messages().remove(&person.email).unwrap();
    told.retain(|claims| !claims.contains(&claim(&batch, first)) && !claims.contains(&claim(&batch, second)));
    let alone = [third, fourth].map(|row| BTreeSet::from([claim(&batch, row)]));
    assert_eq!(told.iter().collect::<BTreeSet<_>>(), alone.iter().collect(), "each once, the corrected one by itself");
    service.terminate();
    assert_eq!(service.wait(SPAN).code, Some(0));
    assert_eq!(world::block_on(story.sandbox.stop()).surplus, 0);
}

/// The record ends with the commit of a correction, as if the power had failed there: the start takes the corrected statement out of the
/// message that waits. All of another message are corrected: nothing of it is left.
#[test]
fn a_crash_behind_the_commit_of_a_correction_sends_nothing_twice() {
    let story = Story::begin(Duration::from_millis(1));
    let batch = story.invented(5);
    let persons = persons(&batch);
    let [one, two] = [&persons[5], &persons[8]];
    let service = story.installation.start_service("info");
    let rows = [(one, 0), (one, 1), (one, 2), (two, 0), (two, 1)];
    let lines = rows.map(|(person, at)| line(&batch, person, person.rows[at], |_| {}));
    let (waits, sending) = story.waits("two", &persons, &lines, 2);
    let new = |at: usize| line(&batch, rows[at].0, rows[at].0.rows[rows[at].1], |line| line["provider"] = "Specimen Clinic".into());
    let (corrects, correcting) = story.waits("three", &persons, &[new(1), new(3), new(4)], 2);
    // The verbs first: left alone, they would go on with an engine of their own.
    drop((sending.kill(), correcting.kill(), service.kill()));
    story.tear_record_behind_the_last_commit();

    let service = story.installation.start_service("info");
    let state = |id: &str, state: &str| number(&story.batch_verb(&["show", id]).json_after(0), &format!("states/{state}"));
    assert!(wait_until(SPAN, || state(&waits, "delivered") + state(&corrects, "delivered") == 5), "{waits} {corrects}");
    assert_eq!((state(&waits, "delivered"), state(&waits, "superseded"), state(&corrects, "delivered")), (2, 3, 3), "{}", service.log());
    let claims = |person: &Person, rows: &[usize]| rows.iter().map(|at| claim(&batch, person.rows[*at])).collect::<BTreeSet<_>>();
    let mut messages = story.messages();
    let of_one = messages.remove(&one.email).unwrap().into_iter().collect::<BTreeSet<_>>();
    assert_eq!(of_one, BTreeSet::from([claims(one, &[0, 2]), claims(one, &[1])]));
    assert_eq!(messages.remove(&two.email).unwrap(), [claims(two, &[0, 1])]);
    assert_eq!(story.texts.lock().unwrap().iter().filter(|text| text.contains("Specimen Clinic")).count(), 2, "the corrected ones");
}

/// A file of corrections is handed in again and again, and the engine is killed meanwhile: whatever was read or committed by then, no member gets a
/// statement that its newer version took the place of, every newer version arrives, and the books say which was which.
#[test]
fn kills_while_corrections_come_leave_no_older_version_behind() {
    let story = Story::begin(Duration::from_millis(20));
    let batch = story.invented(6);
    let persons = persons(&batch);
    let old: Vec<String> = scattered(&batch, &persons).into_iter().map(|(_, line)| line).collect();
    let rows = old.len() as i64;
    // Two of three, so that most messages keep something.
    let is_corrected = |at: usize| !at.is_multiple_of(3);
    let new: Vec<String> = old
        .iter()
        .enumerate()
        .filter(|(at, _)| is_corrected(*at))
        .map(|(_, line)| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            line["provider"] = "Specimen Clinic".into();
            line.to_string()
        })
        .collect();
    let new_rows = new.len() as i64;
    let (first, second) = (story.write("old", &persons, &old), story.write("new", &persons, &new));
    let mut service = story.installation.start_service("info");
    let sending = story.installation.start(&mut story.send(&first));
    assert!(wait_until(SPAN, || story.sandbox.report().distinct > 8), "under way: {}", sending.log());
    let of_old = story.batch_verb(&["list"]).json_after(0)[0]["batch_id"].as_str().unwrap().to_owned();
    story.batch_verb(&["hold", &of_old, "--reason", "corrections come"]).json_after(0);
    drop(sending);
    for after in [5, 15, 25, 40, 60, 90] {
        let correcting = story.installation.start(&mut story.send(&second));
        std::thread::sleep(Duration::from_millis(after));
        service.kill();
        drop(correcting.kill());
        service = story.installation.start_service("info");
    }
    let report = story.installation.run(&mut story.send(&second)).json_after(0);
    story.batch_verb(&["release", &of_old, "--reason", "they are in"]).json_after(0);
    let shown = |id: &str| story.batch_verb(&["show", id]).json_after(0);
    assert!(wait_until(SPAN, || shown(&of_old)["closed"] == true), "{}", shown(&of_old));
    let (old, new) = (shown(&of_old), shown(report["batch_id"].as_str().unwrap()));
    assert_eq!((&old["balanced"], &new["balanced"]), (&true.into(), &true.into()), "{old} {new}");
    let corrected: i64 = story.accepted(&of_old).map(|id| number(&shown(&id), "states/delivered")).sum();
    assert_eq!(corrected, new_rows, "every newer version arrived, in whichever batch it was accepted");
    assert_eq!(number(&old, "states/delivered") + number(&old, "states/superseded"), rows, "{old}");
    assert!(number(&old, "states/superseded") > 0 && number(&old, "states/delivered") > 0, "{old}");

    let superseded: BTreeSet<i64> =
        story.rows(&of_old).iter().filter(|row| row["state"] == "superseded").map(|row| number(row, "row")).collect();
    let claims: Vec<String> = scattered(&batch, &persons).iter().map(|(row, _)| claim(&batch, *row)).collect();
    let texts = story.texts.lock().unwrap();
    let (newer, older): (Vec<&String>, Vec<&String>) = texts.iter().partition(|text| text.contains("Specimen Clinic"));
    for (at, claim) in claims.iter().enumerate() {
        let has = |texts: &[&String]| texts.iter().any(|text| text.contains(claim.as_str()));
        assert_eq!(has(&newer), is_corrected(at), "row {} arrived", at + 1);
        assert_eq!(has(&older), !superseded.contains(&(at as i64 + 1)), "row {}", at + 1);
        let says_so = newer.iter().filter(|text| text.contains(claim.as_str())).all(|text| text.contains("orrected"));
        assert!(says_so == has(&older) || !is_corrected(at), "row {} says that it corrects where something was to correct", at + 1);
    }
    drop(texts);
    service.terminate();
    assert_eq!(service.wait(SPAN).code, Some(0));
    assert_eq!(world::block_on(story.sandbox.stop()).misrouted, 0);
}

/// What a receiver put off was offered and not taken: it gives up what is corrected too, and goes as a new version of the message.
#[test]
fn a_message_that_was_put_off_gives_up_what_is_corrected() {
    let story = Story::towards(Personality::greylisting(Duration::from_secs(4)));
    let batch = story.invented(8);
    let persons = persons(&batch);
    // The second has one claim, which is corrected too.
    let [many, one] = [&persons[5], &persons[6]];
    let service = story.installation.start_service("info");
    let lines: Vec<String> =
        many.rows[..3].iter().map(|row| line(&batch, many, *row, |_| {})).chain([line(&batch, one, one.rows[0], |_| {})]).collect();
    let sending = story.installation.start(&mut story.send(&story.write("first", &persons, &lines)));
    let newest = || story.batch_verb(&["list"]).json_after(0)[0]["batch_id"].as_str().map(str::to_owned);
    let put_off = || newest().is_some_and(|id| story.rows(&id).iter().all(|row| number(row, "attempts") > 0 && row["state"] == "queued"));
    assert!(wait_until(SPAN, put_off), "{}", sending.log());
    let corrects = |line: &mut Value| line["provider"] = "Specimen Clinic".into();
    let corrected = [line(&batch, many, many.rows[1], corrects), line(&batch, one, one.rows[0], corrects)];
    let report = story.installation.run(&mut story.send(&story.write("second", &persons, &corrected))).json_after(0);
    assert_eq!((number(&report, "reasons/supersedes"), number(&report, "states/delivered")), (2, 2), "{report}");
    let first = sending.wait(SPAN).json_after(0);
    assert_eq!((number(&first, "states/delivered"), number(&first, "states/superseded")), (2, 2), "{first}");
    assert_eq!((&first["balanced"], number(&first, "uncertain")), (&true.into(), 0), "{first}");
    let claims = |person: &Person, rows: &[usize]| rows.iter().map(|at| claim(&batch, person.rows[*at])).collect::<BTreeSet<_>>();
    let mut messages = story.messages();
    let of_many = messages.remove(&many.email).unwrap().into_iter().collect::<BTreeSet<_>>();
    assert_eq!(of_many, BTreeSet::from([claims(many, &[0, 2]), claims(many, &[1])]));
    assert_eq!(messages.remove(&one.email).unwrap(), [claims(one, &[0])]);
    service.terminate();
    assert_eq!(service.wait(SPAN).code, Some(0));
    let rebuilt = story.installation.run(&mut story.installation.verb(&["ledger", "rebuild"])).json_after(0);
    assert_eq!(rebuilt["ledgers"][0]["before"]["was"], "equal", "{rebuilt}");
}

/// A message that waits for a person, here because the contact data has another name by now, gives up what is corrected as one in a queue does.
#[test]
fn a_held_message_gives_up_what_is_corrected() {
    let story = Story::begin(Duration::from_millis(1));
    let batch = story.invented(7);
    let mut persons = persons(&batch);
    let [one, two, three] = [0, 1, 2].map(|at| persons[5].rows[at]);
    let service = story.installation.start_service("info");
    let lines = [one, two, three].map(|row| line(&batch, &persons[5], row, |_| {}));
    let corrected = [two, three].map(|row| line(&batch, &persons[5], row, |line| line["provider"] = "Specimen Clinic".into()));
    let import = |members: &PathBuf| {
        let mut command = story.installation.verb(&["members", "import"]);
        story.installation.run(command.arg(members)).json_after(0)
    };
    let (first, members) = story.write("held", &persons, &lines);
    import(&members);
    let manifest = story.installation.path("held.toml");
    std::fs::write(&manifest, format!("not_before = \"{}\"\n", jiff::Timestamp::now() + jiff::SignedDuration::from_secs(2))).unwrap();
    let mut command = story.installation.verb(&["send"]);
    let sending = story.installation.start(command.arg("--batch").arg(&first).arg("--manifest").arg(&manifest));
    let waiting = || story.batch_verb(&["list"]).json_after(0).as_array().is_some_and(|all| all.len() == 1 && all[0]["active"] == 1);
    assert!(wait_until(SPAN, waiting), "{}", sending.log());
    persons[5].name = ("Somebody".to_owned(), "Otherwise".to_owned());
    persons[5].birth_date = "1931-01-01".to_owned();
    let (second, members) = story.write("corrects", &persons, &corrected);
    import(&members);
    let sent = sending.wait(SPAN).json_after(5);
    assert_eq!(number(&sent, "states/held"), 3, "{sent}");

    let mut command = story.installation.verb(&["send"]);
    let report = story.installation.run(command.arg("--batch").arg(&second)).json_after(5);
    assert_eq!(number(&report, "reasons/supersedes"), 2, "{report}");
    let id = sent["batch_id"].as_str().unwrap();
    let states = || story.rows(id).iter().map(|row| row["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(states(), ["held", "superseded", "superseded"]);
    // The next start finds it so, and so do books that are made anew.
    service.kill();
    let rebuilt = story.installation.run(&mut story.installation.verb(&["ledger", "rebuild"])).json_after(0);
    assert_eq!(rebuilt["ledgers"][0]["before"]["was"], "equal", "{rebuilt}");
    let _service = story.installation.start_service("info");
    assert_eq!(states(), ["held", "superseded", "superseded"]);
    assert_eq!(number(&story.batch_verb(&["show", id]).json_after(0), "states/held"), 1);
    assert_eq!(story.sandbox.report().accepted, 0);
}
