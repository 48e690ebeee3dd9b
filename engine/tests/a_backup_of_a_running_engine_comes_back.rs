//! `journal backup` while `sealpost run` delivers; the copy is verified, put back in another place, refuses to start before somebody says
//! that it was put back, and then goes on: nothing it knew is lost, what was not settled in it is uncertain,
//! and nothing is sent again unasked.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use serde_json::Value;
use sink::{Personality, Sandbox, SandboxConfig, SiteConfig};
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::{Installation, copy_folder, files_under, number, wait_until};
use testkit::{Batch, Options};
use world::World;

const ROWS: u64 = 600;

fn sections(sandbox: &Sandbox) -> String {
    format!(
        "\n[streams.transactional]\nretry = [\"1s\"]\ndrain = \"20s\"\nuncertain = \"hold\"\n\n[streams.marketing]\nenabled = true\n\n\
         [tls]\nca_file = \"ca.pem\"\n\n[dns]\nservers = [\"{}\"]\nsmtp_port = {}\nallow_loopback = true\n",
        sandbox.dns_address(),
        sandbox.smtp_port()
    )
}

/// A site that takes its time, so that there is a middle.
fn receivers() -> Sandbox {
    let site = SiteConfig::new("slow", Personality::slow(Duration::from_millis(25)), 1);
    Sandbox::start(&World::real(), SandboxConfig::new(3, vec![site])).unwrap()
}

fn installation(sandbox: &Sandbox) -> Installation {
    let installation = Installation::new(&sections(sandbox));
    std::fs::write(installation.path("ca.pem"), sandbox.ca_pem()).unwrap();
    let portal = "portal_url = \"https://members.lakeside.example/statements\"\n";
    let with_page = format!("{portal}unsubscribe_url = \"https://members.lakeside.example/unsubscribe\"\n");
    installation.rewrite_config(|text| text.replace(portal, &with_page));
    installation
}

fn backup(installation: &Installation, to: &Path) -> Value {
    installation.run(installation.verb(&["journal", "backup"]).arg("--to").arg(to)).json_after(0)
}

#[test]
fn nothing_that_it_knew_is_lost_and_nothing_is_sent_again_unasked() {
    let sandbox = receivers();
    let installation = installation(&sandbox);
    let service = installation.start_service("info");

    let batch = Batch::new(Options { rows: ROWS, lines: 1..=3, destinations: sandbox.destination_names(), ..Options::default() });
    let files = installation.write_835("statements", &batch);
    let sending = installation.start(&mut installation.send_command(&files));
    assert!(wait_until(Duration::from_secs(60), || sandbox.report().distinct > 60), "the middle is reached");

    // In the middle.
    let folder = installation.path("backup");
    let before = sandbox.report().distinct;
    let made = backup(&installation, &folder);
    assert_eq!((made["online"].clone(), made["key_ring"].clone()), (true.into(), true.into()), "{made}");
    assert_eq!(made["journals"].as_array().unwrap().len(), 2, "{made}");
    assert!(before < ROWS, "the backup came in the middle");

    // Nothing is written over, and a folder inside the journal is no place for a copy.
    let again = installation.run(installation.verb(&["journal", "backup"]).arg("--to").arg(&folder));
    assert_eq!(again.code, Some(2), "{again:?}");
    assert!(again.stderr.contains("not empty"), "{again:?}");
    let inside = installation.run(installation.verb(&["journal", "backup"]).arg("--to").arg(installation.path("state/journal/copy")));
    assert_eq!(inside.code, Some(2), "{inside:?}");

    // Delivery went on, to its end.
    let report = sending.wait(Duration::from_secs(120)).json_after(0);
    assert_eq!(number(&report, "states/delivered"), ROWS as i64, "{report}");
    assert_eq!(sandbox.report().distinct, ROWS);
    service.terminate();
    assert_eq!(service.wait(Duration::from_secs(60)).code, Some(0));

    // Every file is as the manifest says, and both journals are whole.
    let checked = installation.run(installation.verb(&["journal", "verify"]).arg("--dir").arg(&folder)).json_after(0);
    assert_eq!(checked["whole"], true, "{checked:#}");
    assert_eq!(checked["backup"]["files"], checked["backup"]["files_whole"], "{checked:#}");
    let of_statements = &checked["journals"][0];
    let waiting = number(of_statements, "live_jobs");
    assert!(waiting > 0 && waiting < ROWS as i64, "{checked:#}");
    assert_eq!(number(of_statements, "shredded"), 0, "keys that were needed are in the copy: {checked:#}");

    one_changed_byte_is_found(&installation, &folder);
    comes_back(&sandbox, &installation, &folder, waiting as u64);
}

fn one_changed_byte_is_found(installation: &Installation, folder: &Path) {
    let segment: PathBuf = files_under(&folder.join("journal/transactional/work")).remove(0);
    let whole = std::fs::read(&segment).unwrap();
    let mut bytes = whole.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let ended = installation.run(installation.verb(&["journal", "verify"]).arg("--dir").arg(folder));
    let checked = ended.json_after(1);
    assert_eq!(checked["whole"], false);
    assert!(checked["flaws"].as_array().unwrap().iter().any(|flaw| flaw["place"].as_str().unwrap().contains("work/")), "{checked:#}");
    std::fs::write(&segment, whole).unwrap();
}

/// On another machine: the same configuration and key-encryption key, and what was in the backup.
fn comes_back(sandbox: &Sandbox, original: &Installation, folder: &Path, waiting: u64) {
    let other = installation(sandbox);
    copy_folder(&original.path("keys"), &other.path("keys"));
    for key in files_under(&other.path("keys")) {
        std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    copy_folder(&folder.join("journal"), &other.path("state/journal"));
    copy_folder(&folder.join("keys"), &other.path("state/key_ring"));

    let refused = other.run(&mut other.verb(&["run"]));
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(format!("{}{}", refused.stdout, refused.stderr).contains("--restored"), "it says what to do: {refused:?}");

    let sent_before = sandbox.report();
    let mut command = other.verb(&["run", "--restored", "--reason", "the story put the backup back"]);
    let service = other.start(&mut command);
    let door = other.path("state/run/control.sock");
    assert!(wait_until(Duration::from_secs(60), || std::os::unix::net::UnixStream::connect(&door).is_ok()), "{}", service.log());
    let listed = other.run(&mut other.verb(&["batch", "list"])).json_after(0);
    let id = listed[0]["batch_id"].as_str().unwrap().to_owned();
    let shown = other.run(&mut other.verb(&["batch", "show", &id])).json_after(0);
    assert_eq!(shown["balanced"], true, "{shown}");
    assert_eq!(number(&shown, "statements/accepted"), ROWS as i64, "every row is known: {shown}");
    assert_eq!(number(&shown, "states/uncertain"), waiting as i64, "what was not settled is uncertain: {shown}");
    assert_eq!(number(&shown, "states/delivered"), (ROWS - waiting) as i64, "what was settled stays settled: {shown}");
    wait_until(Duration::from_secs(1), || false);
    assert_eq!(sandbox.report().distinct, sent_before.distinct);
    assert_eq!(sandbox.report().surplus, sent_before.surplus, "nothing was sent again unasked");

    // It is an installation like any other: it takes and delivers what comes.
    let more = Batch::new(Options { seed: 9, rows: 20, lines: 1..=2, destinations: sandbox.destination_names(), ..Options::default() });
    let report = other.send(&other.write_835("more", &more)).json_after(0);
    assert_eq!(number(&report, "states/delivered"), 20, "{report}");
    service.terminate();
    assert_eq!(service.wait(Duration::from_secs(60)).code, Some(0));
    let checked = other.run(&mut other.verb(&["journal", "verify"])).json_after(0);
    assert_eq!(checked["whole"], true, "{checked:#}");
}
