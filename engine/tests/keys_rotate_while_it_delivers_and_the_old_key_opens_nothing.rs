//! `keys rotate` while `sealpost run` delivers: nobody waits, nothing is lost, the next start reads everything with the new key, the old
//! key opens nothing, and an operator's word for a journal that was never put back is refused.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use sink::{Personality, Sandbox, SandboxConfig, SiteConfig};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use support::{Installation, number, wait_until};
use testkit::{Batch, Options};
use world::World;

const ROWS: u64 = 300;
const KEY: &str = "keys/key-encryption.key";

#[test]
fn nothing_waits_and_nothing_is_lost() {
    let site = SiteConfig::new("slow", Personality::slow(Duration::from_millis(15)), 1);
    let sandbox = Sandbox::start(&World::real(), SandboxConfig::new(3, vec![site])).unwrap();
    let (dns, smtp_port) = (sandbox.dns_address(), sandbox.smtp_port());
    let tls = "[tls]\nca_file = \"ca.pem\"";
    let installation = Installation::new(&format!(
        "\n[streams.transactional]\ndrain = \"20s\"\n\n{tls}\n\n[dns]\nservers = [\"{dns}\"]\nsmtp_port = {smtp_port}\nallow_loopback = true\n"
    ));
    std::fs::write(installation.path("ca.pem"), sandbox.ca_pem()).unwrap();
    let service = installation.start_service("info");
    let batch = Batch::new(Options { rows: ROWS, lines: 1..=3, destinations: sandbox.destination_names(), ..Options::default() });
    let sending = installation.start(&mut installation.send_command(&installation.write_835("statements", &batch)));
    assert!(wait_until(Duration::from_secs(60), || sandbox.report().distinct > 30), "the middle is reached");

    let old = std::fs::read(installation.path(KEY)).unwrap();
    let before = installation.run(&mut installation.verb(&["keys", "show"])).json_after(0);
    let rotated = installation.run(&mut installation.verb(&["keys", "rotate"])).json_after(0);
    assert!(sandbox.report().distinct < ROWS, "it came in the middle");
    assert_ne!(std::fs::read(installation.path(KEY)).unwrap(), old, "{rotated}");
    let after = installation.run(&mut installation.verb(&["keys", "show"])).json_after(0);
    assert_eq!(before["tenants"], after["tenants"], "the keys under it are the same");

    let report = sending.wait(Duration::from_secs(120)).json_after(0);
    assert_eq!(number(&report, "states/delivered"), ROWS as i64, "{report}");
    assert_eq!(number(&report, "states/uncertain"), 0, "{report}");
    service.terminate();
    assert_eq!(service.wait(Duration::from_secs(60)).code, Some(0));

    // The new key opens everything, payload keys included.
    let checked = installation.run(&mut installation.verb(&["journal", "verify"])).json_after(0);
    assert_eq!(checked["whole"], true, "{checked:#}");

    the_old_key_opens_nothing(&installation, &old);
    nothing_was_put_back(&installation);
    assert_eq!(sandbox.report().distinct, ROWS);
}

fn the_old_key_opens_nothing(installation: &Installation, old: &[u8]) {
    let path = installation.path(KEY);
    let new = std::fs::read(&path).unwrap();
    let put = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    };
    put(old);
    for verb in [&["run"][..], &["keys", "show"], &["journal", "verify"]] {
        let refused = installation.run(&mut installation.verb(verb));
        assert!(!matches!(refused.code, Some(0) | None), "{verb:?}: {refused:?}");
        let told = format!("{}{}", refused.stdout, refused.stderr);
        assert!(told.contains("key"), "{verb:?} says what is wrong: {told}");
        assert!(!told.contains("panicked"), "{told}");
    }
    put(&new);
}

fn nothing_was_put_back(installation: &Installation) {
    let refused = installation.run(&mut installation.verb(&["run", "--restored", "--reason", "by mistake"]));
    assert_eq!(refused.code, Some(2), "{refused:?}");
    let unexplained = installation.run(&mut installation.verb(&["run", "--restored"]));
    assert_eq!(unexplained.code, Some(2), "a reason is asked for: {unexplained:?}");
}
