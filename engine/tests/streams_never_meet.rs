//! Statements and marketing go out side by side through one service, and share nothing: no journal, no ledger, no ids, no keys, no
//! orders. What comes into the wrong stream, or without an authorization, is counted row by row and never sent (invariant 9).
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic, and waits by the real clock")]

mod support;

use serde_json::Value;
use sink::{Personality, Sandbox, SandboxConfig, SiteConfig};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{BatchFiles, Installation, Running, files_under, number};
use testkit::{Batch, Options};
use world::World;

/// How long the receiver with a waiting room makes first tries wait.
const GREYLIST: Duration = Duration::from_secs(6);

/// The receiving world, and everything it took.
struct Receivers {
    sandbox: Sandbox,
    taken: Arc<Mutex<Vec<String>>>,
}

impl Receivers {
    /// One site that takes everything at once, and one that makes everybody come twice.
    fn start() -> Self {
        let sites =
            vec![SiteConfig::new("quick", Personality::quick(), 1), SiteConfig::new("later", Personality::greylisting(GREYLIST), 1)];
        let taken = Arc::new(Mutex::new(Vec::new()));
        let books = Arc::clone(&taken);
        let note: sink::OnDelivery =
            Box::new(move |delivered| books.lock().unwrap().push(String::from_utf8(delivered.message.to_vec()).unwrap()));
        let world = World::real();
        let sandbox = world::block_on(async { Sandbox::start_with(&world, SandboxConfig::new(8, sites), Some(note)) }).unwrap();
        Self { sandbox, taken }
    }

    /// An installation with both streams that finds these receivers as it would find the world's: by DNS and verified TLS.
    fn installation(&self) -> Installation {
        let stream = "protection = \"tls_verified\"\nretry = [\"1s\"]\ndrain = \"10s\"\n";
        let (dns, port) = (self.sandbox.dns_address(), self.sandbox.smtp_port());
        let installation = Installation::new(&format!(
            "\n[streams.transactional]\n{stream}\n[streams.marketing]\nenabled = true\n{stream}\n[tls]\nca_file = \"ca.pem\"\n\n\
             [dns]\nservers = [\"{dns}\"]\nsmtp_port = {port}\nallow_loopback = true\n"
        ));
        std::fs::write(installation.path("ca.pem"), self.sandbox.ca_pem()).unwrap();
        let portal = "portal_url = \"https://members.lakeside.example/statements\"\n";
        let with_page = format!("{portal}unsubscribe_url = \"https://members.lakeside.example/unsubscribe\"\n");
        installation.rewrite_config(|text| text.replace(portal, &with_page));
        installation
    }

    /// The headers of what was taken since the last look.
    fn take(&self) -> Vec<Header> {
        std::mem::take(&mut *self.taken.lock().unwrap()).iter().map(|message| Header::of(message)).collect()
    }
}

/// The header of a message, unfolded, by field name in lower case.
struct Header(BTreeMap<String, String>);

impl Header {
    fn of(message: &str) -> Self {
        let (header, _) = message.split_once("\r\n\r\n").unwrap();
        let unfolded = header.replace("\r\n ", " ").replace("\r\n\t", " ");
        let field = |line: &str| line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).unwrap();
        Self(unfolded.split("\r\n").map(field).collect())
    }

    fn is_marketing(&self) -> bool {
        self.0.contains_key("list-unsubscribe")
    }
}

fn batch(seed: u64, rows: u64, destinations: Vec<String>) -> Batch {
    Batch::new(Options { seed, rows, lines: 1..=3, destinations, without_authorization_per_mille: 200, ..Options::default() })
}

/// Writes marketing as a file, each line as `change` makes it.
fn write_news(installation: &Installation, name: &str, batch: &Batch, change: impl Fn(String) -> String) -> BatchFiles {
    let path = installation.path(&format!("{name}.ndjson"));
    let mut text = Vec::new();
    let expected = batch.write_templated_ndjson(&mut text, "announcement").unwrap();
    File::create(&path).unwrap().write_all(change(String::from_utf8(text).unwrap()).as_bytes()).unwrap();
    BatchFiles { batch: path, members: PathBuf::new(), expected }
}

/// `sealpost send` into a stream, ready to be started; a contact file goes along where there is one.
fn send(installation: &Installation, stream: &str, files: &BatchFiles, more: &[&str]) -> Running {
    let mut command = installation.verb(&["send", "--stream", stream]);
    command.arg("--batch").arg(&files.batch).args(more);
    if files.members.is_file() {
        command.arg("--members").arg(&files.members);
    }
    installation.start(&mut command)
}

fn report_of(running: Running, code: i32) -> Value {
    let report = running.wait(support::installation::VERB_SPAN).json_after(code);
    assert_eq!(report["balanced"], true, "{report}");
    report
}

fn show(installation: &Installation, report: &Value) -> Value {
    installation.run(&mut installation.verb(&["batch", "show", id(report)])).json_after(0)
}

fn order(installation: &Installation, order: &str, report: &Value) -> i64 {
    let done = installation.run(&mut installation.verb(&["batch", order, id(report), "--reason", "the story says so"])).json_after(0);
    number(&done, "jobs")
}

fn id(report: &Value) -> &str {
    report["batch_id"].as_str().unwrap()
}

/// Every file of a folder, to the byte.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    files_under(folder).into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

/// The same once it no longer changes: after a start each journal still prepares its next segments.
fn settled_contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut last = contents(folder);
    for _ in 0..50 {
        std::thread::sleep(Duration::from_millis(200));
        let now = contents(folder);
        if now == last {
            return now;
        }
        last = now;
    }
    panic!("{} does not come to rest", folder.display());
}

#[test]
fn both_arrive_each_by_its_own_way() {
    let receivers = Receivers::start();
    let installation = receivers.installation();
    let service = installation.start_service("warn");
    let (statement_journal, news_journal) =
        (installation.path("state/journal/transactional"), installation.path("state/journal/marketing"));
    let quick = receivers.sandbox.destinations_at("quick");

    // A marketing batch leaves no byte in the statements' journal.
    let before = (settled_contents(&statement_journal), settled_contents(&news_journal));
    let first = write_news(&installation, "first", &batch(1, 20, quick.clone()), |text| text);
    let report = report_of(send(&installation, "marketing", &first, &[]), 0);
    assert_eq!(number(&report, "states/delivered"), first.expected.accepted.rows as i64, "{report}");
    assert!(contents(&statement_journal) == before.0, "the statements' journal changed");
    assert!(contents(&news_journal) != before.1, "the marketing journal did not change");
    assert_eq!(receivers.take().len() as u64, first.expected.accepted.rows);

    // Both at once. The marketing rows bear the keys of the statements: a key is taken in its own stream alone.
    let statements = batch(2, 60, quick.clone());
    let files = installation.write_835("statements", &statements);
    let news = write_news(&installation, "news", &batch(3, 60, quick), |text| {
        let keys = (0..60).map(|member| (format!("\"news-3-{member}\""), statements.row(member + 1)));
        keys.fold(text, |text, (key, row)| text.replace(&key, &format!("\"{}\"", row.statement.claim_number.reveal())))
    });
    assert!(news.expected.no_consent.rows > 0 && news.expected.accepted.rows > 0, "{:?}", news.expected);
    let (sending_news, sending_statements) =
        (send(&installation, "marketing", &news, &[]), send(&installation, "transactional", &files, &[]));
    let (of_news, of_statements) = (report_of(sending_news, 0), report_of(sending_statements, 0));

    assert_eq!(number(&of_statements, "states/delivered"), 60, "{of_statements}");
    assert_eq!(number(&of_statements, "money_cents/billed/delivered"), files.expected.read.money.billed.0);
    assert_eq!(number(&of_news, "statements/read"), 60, "{of_news}");
    assert_eq!(number(&of_news, "statements/no_consent"), news.expected.no_consent.rows as i64, "{of_news}");
    assert_eq!(number(&of_news, "reasons/authorization_missing"), news.expected.no_consent.rows as i64, "{of_news}");
    assert_eq!(number(&of_news, "states/delivered"), news.expected.accepted.rows as i64, "{of_news}");

    let taken = receivers.take();
    let (marketing, others): (Vec<_>, Vec<_>) = taken.iter().partition(|header| header.is_marketing());
    assert_eq!((marketing.len() as u64, others.len()), (news.expected.accepted.rows, 60));
    for header in marketing {
        assert!(
            header.0["list-unsubscribe"].contains("<https://members.lakeside.example/unsubscribe?m="),
            "{:?}",
            header.0["list-unsubscribe"]
        );
        // RFC 8058 section 3.1: the field that allows one click.
        assert_eq!(header.0["list-unsubscribe-post"], "List-Unsubscribe=One-Click");
    }
    assert!(others.iter().all(|header| !header.0.contains_key("list-unsubscribe-post")), "a statement offers to unsubscribe");
    let message_ids: BTreeSet<&String> = taken.iter().map(|header| &header.0["message-id"]).collect();
    assert_eq!(message_ids.len(), taken.len(), "no two messages of the streams have one Message-ID");
    assert_eq!(receivers.sandbox.report().surplus, 0);

    // Each has its own books, and the operator sees both.
    assert!(
        installation.path("state/ledger/transactional.sqlite").is_file() && installation.path("state/ledger/marketing.sqlite").is_file()
    );
    let listed = installation.run(&mut installation.verb(&["batch", "list"])).json_after(0);
    let streams: BTreeMap<&str, &str> =
        listed.as_array().unwrap().iter().map(|line| (id(line), line["stream"].as_str().unwrap())).collect();
    assert_eq!(streams.len(), 3, "no two batches have one id: {listed}");
    assert_eq!((streams[id(&of_news)], streams[id(&of_statements)]), ("marketing", "transactional"));
    for report in [&of_news, &of_statements] {
        assert_eq!(show(&installation, report)["statements"], report["statements"]);
    }
    in_the_wrong_stream_nothing_is_sent(&installation, &receivers);
    service.terminate();
    assert_eq!(service.wait(Duration::from_secs(30)).code, Some(0));
}

/// A file in the wrong stream is refused row by row, with what was expected, and its rows take no keys.
fn in_the_wrong_stream_nothing_is_sent(installation: &Installation, receivers: &Receivers) {
    let quick = receivers.sandbox.destinations_at("quick");
    let statements = installation.write_835("lost-statements", &batch(4, 10, quick.clone()));
    let news = write_news(installation, "lost-news", &batch(5, 10, quick), |text| text);
    for (wrong, right, files) in [("marketing", "transactional", &statements), ("transactional", "marketing", &news)] {
        let report = report_of(send(installation, wrong, files, &[]), 5);
        assert_eq!((number(&report, "statements/rejected"), number(&report, "statements/accepted")), (10, 0), "{report}");
        assert_eq!(number(&report, "reasons/wrong_stream"), 10, "{report}");
        let rejects = std::fs::read_to_string(installation.path(&format!("state/results/{}.rejects.ndjson", id(&report)))).unwrap();
        let rejects: Vec<Value> = rejects.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(rejects.iter().all(|reject| reject["reason"] == "wrong_stream"), "{rejects:?}");
        assert_eq!(rejects.iter().map(|reject| number(reject, "row")).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
        assert_eq!(receivers.take().len(), 0, "something of the wrong stream was sent");
        let report = report_of(send(installation, right, files, &[]), 0);
        assert_eq!(number(&report, "states/delivered"), files.expected.accepted.rows as i64, "{report}");
        assert_eq!(receivers.take().len() as u64, files.expected.accepted.rows);
    }
}

#[test]
fn an_order_to_marketing_is_not_an_order_to_statements() {
    let receivers = Receivers::start();
    let installation = receivers.installation();
    let _service = installation.start_service("warn");
    let later = receivers.sandbox.destinations_at("later");
    let statements = installation.write_835("statements", &batch(6, 12, later.clone()));
    let held = write_news(&installation, "held", &batch(7, 12, later.clone()), |text| text);
    let cancelled = write_news(&installation, "cancelled", &batch(8, 12, later), |text| text);

    // Nothing can be delivered yet: all of it waits.
    let follow = ["--deadline", "1s"];
    let waiting = [("transactional", &statements), ("marketing", &held), ("marketing", &cancelled)]
        .map(|(stream, files)| send(&installation, stream, files, &follow));
    let [of_statements, of_held, of_cancelled] = waiting.map(|running| report_of(running, 3));
    assert_eq!(order(&installation, "hold", &of_held), held.expected.accepted.rows as i64);
    assert_eq!(order(&installation, "cancel", &of_cancelled), cancelled.expected.accepted.rows as i64);
    assert_eq!(receivers.take().len(), 0, "the receiver was to make everybody wait");

    let of_statements = {
        let report = report_of(send(&installation, "transactional", &statements, &[]), 0);
        assert_eq!(id(&report), id(&of_statements), "the same file continues its batch");
        report
    };
    assert_eq!(number(&of_statements, "states/delivered"), 12, "{of_statements}");
    let taken = receivers.take();
    assert_eq!(taken.len(), 12);
    assert!(!taken.iter().any(Header::is_marketing), "held or cancelled marketing was sent");
    let accepted = held.expected.accepted.rows as i64;
    assert_eq!(number(&show(&installation, &of_held), "states/queued"), accepted);
    assert_eq!(number(&show(&installation, &of_cancelled), "states/cancelled"), cancelled.expected.accepted.rows as i64);

    assert_eq!(order(&installation, "release", &of_held), accepted);
    let report = report_of(send(&installation, "marketing", &held, &[]), 0);
    assert_eq!((id(&report), number(&report, "states/delivered")), (id(&of_held), accepted), "{report}");
    let taken = receivers.take();
    assert_eq!(taken.len() as i64, accepted);
    assert!(taken.iter().all(Header::is_marketing));
    assert_eq!(receivers.sandbox.report().surplus, 0);
}
