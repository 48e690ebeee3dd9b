//! GnuPG with a home of its own: a story's keys are made, and its files opened, by a program that is not ours.

use super::{Installation, server};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const GPG: &str = "/usr/bin/gpg";

/// A home of GnuPG, in the folder of an installation.
#[derive(Clone)]
pub struct GnuPg {
    program: PathBuf,
    home: PathBuf,
    passphrase: String,
    clock: Option<String>,
}

impl GnuPg {
    /// Makes a home whose keys need no passphrase; `None` where GnuPG is not installed, which it says.
    pub fn new(installation: &Installation) -> Option<Self> {
        Self::with_passphrase(installation, "")
    }

    /// Makes a home whose keys are made with this passphrase.
    pub fn with_passphrase(installation: &Installation, passphrase: &str) -> Option<Self> {
        let program = server(GPG, "gnupg")?;
        let home = installation.path("gnupg");
        std::fs::create_dir(&home).unwrap();
        std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o700)).unwrap();
        Some(Self { program, home, passphrase: passphrase.to_owned(), clock: None })
    }

    /// The same home at another time, such as `20200101T000000`.
    pub fn at(&self, time: &str) -> Self {
        Self { clock: Some(time.to_owned()), ..self.clone() }
    }

    /// Its folder: what lies in it is not the engine's.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Runs `gpg` with these words to its good end; what it printed.
    pub fn run(&self, words: &[&str]) -> Vec<u8> {
        let mut command = Command::new(&self.program);
        command.arg("--homedir").arg(&self.home).args(["--batch", "--yes", "--pinentry-mode", "loopback"]);
        command.args(["--passphrase", &self.passphrase]);
        if let Some(time) = &self.clock {
            command.args(["--faked-system-time", time]);
        }
        let ended = command.args(words).output().unwrap();
        assert!(ended.status.success(), "gpg {words:?}: {}", String::from_utf8_lossy(&ended.stderr));
        ended.stdout
    }

    /// Makes a key that signs, with a subkey for each of these usages (`encr`, `sign`); its fingerprint.
    pub fn make_key(&self, user: &str, expires: &str, subkeys: &[&str]) -> String {
        self.run(&["--quick-gen-key", user, "rsa2048", "sign", expires]);
        let listed = self.listed(user);
        let fingerprint = listed.lines().find_map(|line| line.strip_prefix("fpr:")).unwrap().trim_matches(':').to_owned();
        for usage in subkeys {
            self.run(&["--quick-add-key", &fingerprint, "rsa2048", usage, expires]);
        }
        fingerprint
    }

    /// What GnuPG tells of a user's keys, with colons.
    pub fn listed(&self, user: &str) -> String {
        String::from_utf8(self.run(&["--list-keys", "--with-colons", user])).unwrap()
    }

    /// Writes a user's key as `words` say (`--armor`, `--export`); where to.
    pub fn export(&self, words: &[&str], user: &str, into: PathBuf) -> PathBuf {
        std::fs::write(&into, self.run(&[words, &[user]].concat())).unwrap();
        into
    }

    /// Makes a key that a printer would have, and writes its public part to `print.key` of the installation.
    pub fn printer_key(&self, installation: &Installation) -> PathBuf {
        let user = "print@printer.example";
        self.make_key(user, "never", &["encr"]);
        self.export(&["--armor", "--export"], user, installation.path("print.key"))
    }

    /// The text in an encrypted file.
    pub fn decrypt(&self, path: &Path) -> String {
        String::from_utf8(self.run(&["--decrypt", path.to_str().unwrap()])).unwrap()
    }
}
