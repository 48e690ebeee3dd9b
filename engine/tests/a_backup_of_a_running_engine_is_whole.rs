//! `journal backup` while `sealpost run` delivers: delivery goes on to its end, nothing is written over, the copy is whole and of its moment,
//! and a byte that changes in it is found.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use serde_json::Value;
use sink::{Personality, Sandbox, SandboxConfig, SiteConfig};
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::{Installation, files_under, number, wait_until};
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
fn a_copy_of_the_middle_is_whole() {
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
