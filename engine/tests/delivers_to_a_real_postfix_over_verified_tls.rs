//! Postfix itself is the receiver, with a certificate that is checked: everything arrives over TLS. With another root in
//! `ca_file` nothing arrives, and every statement is held because its protection is not to be had.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use ledger::Ledger;
use model::BatchId;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{Installation, Running, number};
use testkit::{Batch, Options};

const ROWS: u64 = 250;
/// A site that failed rests for a minute before more of its messages are tried: so few that one failure meets them all.
const ROWS_DISTRUSTED: u64 = 12;
const HOST: &str = "mx.receiver.example";

const MASTER: &str = "\
127.0.0.1:PORT inet n - n - - smtpd
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
proxywrite unix - - n - 1 proxymap
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
";

const MAIN: &str = "\
compatibility_level = 3.6
queue_directory = FOLDER/queue
data_directory = FOLDER/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.receiver.example
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
relay_domains = members.example
relay_transport = discard:
default_transport = discard:
local_transport = discard:
local_recipient_maps =
alias_maps =
maillog_file = FOLDER/postfix.log
maillog_file_prefixes = FOLDER
smtpd_tls_security_level = may
smtpd_tls_cert_file = FOLDER/chain.pem
smtpd_tls_key_file = FOLDER/key.pem
smtpd_tls_loglevel = 1
smtpd_tls_received_header = yes
smtpd_relay_restrictions = permit_mynetworks, reject
";

/// A Postfix of its own; dropping it stops it.
struct Postfix {
    config: PathBuf,
    log: PathBuf,
    master: Option<Running>,
}

impl Postfix {
    fn start(program: &Path, installation: &Installation, port: u16, certificate: &str, key: &str) -> Self {
        let folder = installation.path("postfix");
        for (place, mode) in [("", 0o755), ("data", 0o700), ("queue", 0o755)] {
            use std::os::unix::fs::PermissionsExt;
            std::fs::create_dir_all(folder.join(place)).unwrap();
            std::fs::set_permissions(folder.join(place), std::fs::Permissions::from_mode(mode)).unwrap();
        }
        // Postfix gives up root for its own user, who must reach the queue through our folder.
        std::fs::set_permissions(installation.folder(), std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
        let owned = Command::new("/usr/bin/chown").arg("postfix").arg(folder.join("data")).status().unwrap();
        assert!(owned.success());
        let place = |text: &str| text.replace("FOLDER", folder.to_str().unwrap()).replace("PORT", &port.to_string());
        std::fs::write(folder.join("main.cf"), place(MAIN)).unwrap();
        std::fs::write(folder.join("master.cf"), place(MASTER)).unwrap();
        std::fs::write(folder.join("chain.pem"), certificate).unwrap();
        std::fs::write(folder.join("key.pem"), key).unwrap();
        let mut command = Command::new(program);
        command.arg("-c").arg(&folder).arg("start-fg");
        let master = installation.start(&mut command);
        let log = folder.join("postfix.log");
        let postfix = Self { config: folder, log, master: Some(master) };
        support::wait_for_listener(port);
        postfix
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// How many lines of its log have all these words.
    fn count(&self, words: &[&str]) -> usize {
        self.log().lines().filter(|line| words.iter().all(|word| line.contains(word))).count()
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        // The master ends its own children; killing it alone would leave them to find out.
        let _ =
            Command::new("/usr/sbin/postfix").arg("-c").arg(&self.config).arg("abort").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if let Some(mut master) = self.master.take() {
            support::wait_until(Duration::from_secs(5), || master.poll().is_some());
        }
    }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut parameters = CertificateParams::new(Vec::<String>::new()).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

fn sections(port: u16) -> String {
    format!(
        "\n[streams.transactional]\nretry = [\"1s\"]\n\n[tls]\nca_file = \"ca.pem\"\n\n\
         [routes]\n\"*\" = {{ to = \"127.0.0.1:{port}\", tls_name = \"{HOST}\" }}\n"
    )
}

fn batch(rows: u64) -> Batch {
    Batch::new(Options { seed: 11, rows, lines: 1..=8, destinations: vec!["members.example".to_owned()], ..Options::default() })
}

#[test]
fn verified_or_held() {
    let Some(program) = support::server("/usr/sbin/postfix", "postfix") else { return };
    if !support::is_root("an instance of Postfix") {
        return;
    }
    let (trusted, other) = (authority(), authority());
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![HOST.to_owned()]).unwrap().signed_by(&key, &trusted).unwrap();
    let port = support::free_port();

    let installation = Installation::new(&sections(port));
    let postfix = Postfix::start(&program, &installation, port, &leaf.pem(), &key.serialize_pem());

    // Another root than the receiver's: nothing leaves.
    let distrusting = Installation::new(&sections(port));
    std::fs::write(distrusting.path("ca.pem"), other.pem()).unwrap();
    let files = distrusting.write_835("remittance", &batch(ROWS_DISTRUSTED));
    let report = distrusting.send(&files).json_after(5);
    assert_eq!(number(&report, "states/held"), ROWS_DISTRUSTED as i64, "{report}");
    assert_eq!(report["balanced"], true);
    let books = Ledger::open(&distrusting.path("state/ledger/transactional.sqlite")).unwrap();
    let id: BatchId = report["batch_id"].as_str().unwrap().parse().unwrap();
    let jobs = books.jobs(id, None, 10_000).unwrap();
    assert_eq!(jobs.len() as u64, ROWS_DISTRUSTED);
    assert!(jobs.iter().all(|job| job.held.as_deref() == Some("protection_unavailable")), "{:?}", jobs.first());
    assert_eq!(postfix.count(&["message-id="]), 0, "nothing arrived: {}", postfix.log());
    let tries = postfix.count(&["smtpd", ": connect from"]);
    assert!(tries < 30, "{tries} connections to a receiver that cannot be trusted");

    // The receiver's root.
    std::fs::write(installation.path("ca.pem"), trusted.pem()).unwrap();
    let files = installation.write_835("remittance", &batch(ROWS));
    let report = installation.send(&files).json_after(0);
    assert_eq!(number(&report, "states/delivered"), ROWS as i64, "{report}");
    assert_eq!(report["balanced"], true);
    let all_done = || postfix.count(&["postfix/discard", "status=sent"]) as u64 == ROWS;
    assert!(support::wait_until(Duration::from_secs(20), all_done), "{}", postfix.log());
    assert_eq!(postfix.count(&["message-id=<", "@mail.lakeside.example>"]) as u64, ROWS);
    let (connections, encrypted) = (postfix.count(&["smtpd", ": connect from"]), postfix.count(&["TLS connection established", "TLSv1.3"]));
    assert!(encrypted > 0, "{}", postfix.log());
    // Every connection of this run and none of plaintext: the others are the story's own looks at the port and the distrusting ones.
    assert_eq!(postfix.count(&["status=deferred"]) + postfix.count(&["status=bounced"]), 0);
    assert!(connections >= encrypted);
    let plain = postfix
        .log()
        .lines()
        .filter(|line| line.contains("disconnect from") && line.contains(" mail=") && !line.contains("starttls=1"))
        .count();
    assert_eq!(plain, 0, "no mail without STARTTLS: {}", postfix.log());
}
