//! A configuration, its keys and its batches, in a folder of their own.

use super::process::{Ended, Running};
use serde_json::Value;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use testkit::{Batch, Expected};

/// The domain that signs.
pub const DOMAIN: &str = "mail.lakeside.example";
/// No verb of a story takes longer.
pub const VERB_SPAN: Duration = Duration::from_secs(120);

const TENANT: &str = r#"
[tenants.lakeside]
brand = "Lakeside Health Plan"
from = "statements@mail.lakeside.example"
reply_to = "service@lakeside.example"
bounce = "bounce@mail.lakeside.example"
phone = "1-800-555-0142"
hours = "Monday to Friday, 8 a.m. to 8 p.m."
portal_url = "https://members.lakeside.example/statements"
postal_address = "Lakeside Health Plan, Appeals, PO Box 100, Springfield, EX 00001"
consumer_assistance = "Example Office of the Insurance Commissioner, 1-800-555-0199"
dkim = [
    { selector = "sealpost-rsa", algorithm = "rsa", key_file = "keys/sealpost-rsa.pem" },
    { selector = "sealpost-ed25519", algorithm = "ed25519", key_file = "keys/sealpost-ed25519.pem" },
]

[destinations]
files = ["limits.toml"]

[journal]
segment = "1MiB"
"#;

/// The receivers of the stories take what comes.
const LIMITS: &str = "[default]\nconnections = 8\nconnect_rate = \"2000/s\"\nmessages_per_connection = 1000\nrates = [\"5000/s\"]\n";

/// An installation of the engine.
pub struct Installation {
    folder: TempDir,
    /// The DNS records of its keys, as `keys new --json` prints them.
    pub dns_records: Value,
}

/// A batch on disk.
pub struct BatchFiles {
    /// The batch file.
    pub batch: PathBuf,
    /// Its contact file.
    pub members: PathBuf,
    /// What must come of it.
    pub expected: Expected,
}

impl Installation {
    /// Makes folder, keys and configuration; `sections` is added to what all stories share.
    pub fn new(sections: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("sealpost-").tempdir().unwrap();
        let mut command = sealpost();
        command.args(["keys", "new", "--json", "--domain", DOMAIN, "--dir"]).arg(folder.path().join("keys"));
        let made = Running::start(&mut command, folder.path()).wait(VERB_SPAN).json_after(0);
        std::fs::write(folder.path().join("limits.toml"), LIMITS).unwrap();
        std::fs::write(folder.path().join("sealpost.toml"), format!("environment = \"test\"\n{TENANT}{sections}")).unwrap();
        Self { folder, dns_records: made["dns_records"].clone() }
    }

    /// One that delivers everything in plaintext to a port of this machine.
    pub fn towards_port(port: u16) -> Self {
        Self::new(&plaintext_to(port))
    }

    /// One that delivers into a sandbox, by its name server and with its certificates.
    pub fn towards_sandbox(sandbox: &sink::Sandbox, sections: &str) -> Self {
        let installation = Self::new(&format!(
            "\n[streams.transactional]\nretry = [\"1s\"]\ndrain = \"20s\"\n\n[tls]\nca_file = \"ca.pem\"\n\n\
             [dns]\nservers = [\"{}\"]\nsmtp_port = {}\nallow_loopback = true\n{sections}",
            sandbox.dns_address(),
            sandbox.smtp_port()
        ));
        std::fs::write(installation.path("ca.pem"), sandbox.ca_pem()).unwrap();
        installation
    }

    /// Where everything of it lies.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A place in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Its configuration.
    pub fn config(&self) -> PathBuf {
        self.path("sealpost.toml")
    }

    /// Changes its configuration.
    pub fn rewrite_config(&self, change: impl FnOnce(String) -> String) {
        let before = std::fs::read_to_string(self.config()).unwrap();
        let after = change(before.clone());
        assert_ne!(before, after, "the change changes something");
        std::fs::write(self.config(), after).unwrap();
    }

    /// Writes a batch as an 835 with its contact file.
    pub fn write_835(&self, name: &str, batch: &Batch) -> BatchFiles {
        let (file, members) = (self.path(&format!("{name}.835")), self.path(&format!("{name}.csv")));
        let mut into = BufWriter::new(File::create(&file).unwrap());
        let expected = batch.write_x12_835(&mut into).unwrap();
        into.flush().unwrap();
        let mut into = BufWriter::new(File::create(&members).unwrap());
        batch.write_contacts(&mut into).unwrap();
        into.flush().unwrap();
        BatchFiles { batch: file, members, expected }
    }

    /// `sealpost VERB --json --config ITS_OWN …`, ready to be started.
    pub fn verb(&self, verb: &[&str]) -> Command {
        let mut command = sealpost();
        command.args(verb).arg("--json").arg("--config").arg(self.config());
        command
    }

    /// `sealpost send` of a batch, ready to be started.
    pub fn send_command(&self, files: &BatchFiles) -> Command {
        let mut command = self.verb(&["send"]);
        command.arg("--batch").arg(&files.batch).arg("--members").arg(&files.members);
        command
    }

    /// Starts a command with its output in this folder.
    pub fn start(&self, command: &mut Command) -> Running {
        Running::start(command, self.folder())
    }

    /// Runs a command to its end.
    pub fn run(&self, command: &mut Command) -> Ended {
        self.start(command).wait(VERB_SPAN)
    }

    /// Sends a batch to its end.
    pub fn send(&self, files: &BatchFiles) -> Ended {
        self.run(&mut self.send_command(files))
    }

    /// Starts `sealpost run` and waits until its doors are open.
    pub fn start_service(&self, log: &str) -> Running {
        let mut command = self.verb(&["run"]);
        command.args(["--log", log]);
        let mut service = self.start(&mut command);
        let doors = [self.path("state/run/control.sock"), self.path("state/run/jobs.sock")];
        let is_open = || doors.iter().all(|door| std::os::unix::net::UnixStream::connect(door).is_ok());
        let mut ended = false;
        super::wait_until(Duration::from_secs(30), || {
            ended = service.poll().is_some();
            ended || is_open()
        });
        assert!(!ended && is_open(), "the service does not open its doors: {}", service.log());
        service
    }
}

/// The binary of this build, or the one that `SEALPOST_BINARY` names: measurements are made with a release build.
pub fn sealpost() -> Command {
    Command::new(std::env::var_os("SEALPOST_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_sealpost").into()))
}

/// Sections for a receiver without TLS on this machine.
pub fn plaintext_to(port: u16) -> String {
    format!(
        "\n[streams.transactional]\nprotection = \"plaintext_loopback\"\nretry = [\"1s\"]\ndrain = \"10s\"\n\n\
         [routes]\n\"*\" = {{ to = \"127.0.0.1:{port}\", plaintext = true }}\n"
    )
}
