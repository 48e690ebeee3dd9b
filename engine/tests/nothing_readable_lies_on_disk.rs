//! Every byte of every file under `state/`, and everything the service logs, is searched for the members of the batches: their
//! names, ids, claim numbers, birth dates and addresses. After a delivered batch with rejects and holds, after streamed jobs,
//! and after a kill in the middle.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use sink::{Personality, Sandbox, SandboxConfig, SiteConfig};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;
use support::{Installation, files_under, number, wait_until};
use testkit::{Batch, Options};
use world::World;

/// A needle is looked for by its first bytes; shorter words would be found by chance.
const HEAD: usize = 6;

fn options(seed: u64, rows: u64, destinations: &[String]) -> Options {
    Options {
        seed,
        rows,
        lines: 1..=6,
        destinations: destinations.to_vec(),
        without_contact_per_mille: 30,
        mismatched_per_mille: 30,
        duplicate_per_mille: 30,
        unbalanced_per_mille: 30,
        reversal_per_mille: 30,
        ..Options::default()
    }
}

/// What must not be found: whatever names a member of the batch or its claim.
fn needles(batch: &Batch, into: &mut BTreeSet<Vec<u8>>) {
    for row in batch.rows() {
        let person = &row.person;
        let birth_date = person.birth_date.to_string();
        let words = [
            person.member_id.reveal(),
            person.family_name.reveal(),
            row.statement.member.name.reveal(),
            row.statement.claim_number.reveal(),
            person.email.reveal().split('@').next().unwrap(),
            &birth_date,
            &birth_date.replace('-', ""),
        ];
        for word in words {
            assert!(word.len() >= HEAD, "too short to look for");
            into.insert(word.as_bytes().to_vec());
            into.insert(word.to_uppercase().into_bytes());
            into.insert(word.to_lowercase().into_bytes());
        }
    }
}

/// Places where a needle stands, without saying which.
fn found(bytes: &[u8], needles: &BTreeSet<Vec<u8>>) -> Vec<usize> {
    let heads: BTreeSet<&[u8]> = needles.iter().map(|needle| &needle[..HEAD]).collect();
    let stands = |at: usize| heads.contains(&bytes[at..at + HEAD]) && needles.iter().any(|needle| bytes[at..].starts_with(needle));
    (0..bytes.len().saturating_sub(HEAD)).filter(|at| stands(*at)).collect()
}

fn expect_nothing(folder: &Path, needles: &BTreeSet<Vec<u8>>, when: &str) -> u64 {
    let mut searched = 0;
    for path in files_under(folder) {
        let bytes = std::fs::read(&path).unwrap();
        let places = found(&bytes, needles);
        assert!(places.is_empty(), "{when}: {} names a member at {:?}", path.display(), &places[..places.len().min(5)]);
        let name = path.file_name().unwrap().as_encoded_bytes();
        assert!(found(name, needles).is_empty(), "{when}: a file's name names a member");
        searched += bytes.len() as u64;
    }
    searched
}

#[test]
fn not_in_journal_ledger_results_or_logs() {
    let world = World::real();
    let sites = vec![
        SiteConfig::new("quick", Personality::quick(), 4),
        SiteConfig::new("refusing", Personality::refusing(300), 2),
        SiteConfig::new("slow", Personality::slow(Duration::from_millis(10)), 1),
        SiteConfig::new("dropping", Personality::dropping(200), 1),
    ];
    let sandbox = Sandbox::start(&world, SandboxConfig::new(16, sites)).unwrap();
    let destinations = sandbox.destination_names();
    let installation = Installation::new(&format!(
        "\n[streams.transactional]\nretry = [\"1s\"]\ndeadline = \"60s\"\n\n[tls]\nca_file = \"ca.pem\"\n\n\
         [dns]\nservers = [\"{}\"]\nsmtp_port = {}\nallow_loopback = true\n",
        sandbox.dns_address(),
        sandbox.smtp_port()
    ));
    // Whom the streamed jobs are for.
    installation.rewrite_config(|text| text.replacen("[tenants.lakeside]\n", "[tenants.lakeside]\nmembers = \"streamed.csv\"\n", 1));
    std::fs::write(installation.path("ca.pem"), sandbox.ca_pem()).unwrap();
    let state = installation.path("state");

    let (filed, streamed, killed) = (
        Batch::new(options(31, 250, &destinations)),
        Batch::new(options(32, 60, &destinations)),
        Batch::new(options(33, 400, &destinations)),
    );
    let mut words = BTreeSet::new();
    [&filed, &streamed, &killed].into_iter().for_each(|batch| needles(batch, &mut words));
    let files = installation.write_835("filed", &filed);
    installation.write_835("streamed", &streamed);
    // The search finds what is there: the batch files themselves.
    for file in [&files.batch, &files.members] {
        let places = found(&std::fs::read(file).unwrap(), &words).len();
        assert!(places > 400, "{places} places in {}", file.display());
    }

    // A file and single jobs through the service, everything logged that can be.
    let service = installation.start_service("trace");
    let report = installation.send(&files).json_after(5);
    for (part, expected) in [("statements/rejected", files.expected.rejected.rows), ("states/held", files.expected.held.rows)] {
        assert!(expected > 0);
        assert_eq!(number(&report, part), expected as i64, "{part}");
    }
    assert!(number(&report, "states/bounced") > 0, "some are refused: {report}");
    stream_jobs(&installation.path("state/run/jobs.sock"), &streamed);
    let shown = installation.run(&mut installation.verb(&["batch", "list"]));
    assert_eq!(shown.code, Some(0), "{shown:?}");
    expect_nothing(&state, &words, "while it runs");
    service.terminate();
    let ended = service.wait(Duration::from_secs(60));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.len() + ended.stdout.len() > 10_000, "the service logs at level trace");
    for output in [&ended.stderr, &ended.stdout, &shown.stdout, &report.to_string()] {
        assert!(found(output.as_bytes(), &words).is_empty(), "an output names a member");
    }
    let searched = expect_nothing(&state, &words, "after it stopped");
    assert!(searched > 100_000, "{searched} bytes searched");

    // A kill in the middle of a batch, at three depths.
    let files = installation.write_835("killed", &killed);
    for moment_ms in [60, 200, 400] {
        let running = installation.start(&mut installation.send_command(&files));
        wait_until(Duration::from_millis(moment_ms), || false);
        let said = running.kill();
        expect_nothing(&state, &words, "after a kill");
        assert!(found(said.stderr.as_bytes(), &words).is_empty());
    }
    let ended = installation.send(&files);
    assert_eq!(ended.code, Some(5), "{ended:?}");
    expect_nothing(&state, &words, "after the end");
}

/// Hands all rows to the job socket and reads all answers.
fn stream_jobs(door: &Path, batch: &Batch) {
    let mut stream = UnixStream::connect(door).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut jobs = Vec::new();
    batch.write_ndjson(&mut jobs).unwrap();
    stream.write_all(&jobs).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let answers: Vec<String> = BufReader::new(stream).lines().map(Result::unwrap).collect();
    assert_eq!(answers.len() as u64, batch.options().rows);
    let mut words = BTreeSet::new();
    needles(batch, &mut words);
    assert!(answers.iter().all(|answer| found(answer.as_bytes(), &words).is_empty()), "an answer names a member");
}
