//! Where the key-encryption key comes from: a file only the service can read, the environment, a command, or a systemd credential.
//!
//! It never lies beside what it encrypts, and nothing prints it. 32 random bytes in base64, wherever it comes from. The
//! command is the door to a key service (Vault, a KMS client, an HSM tool): it is run without a shell, once at a start.

use crate::cipher::KEY_BYTES;
use crate::error::{DiskError, KeyError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use world::disk::parent_of;
use world::{Disk, OpenMode, ProcessRequest, World};
use zeroize::{Zeroize, Zeroizing};

/// Base64 of 32 bytes, a line end, and some room for blanks around.
const KEY_TEXT_BYTES_MAX: usize = 256;
/// A command that asks a key service over a network has this long.
const COMMAND_TIME_MAX: Duration = Duration::from_secs(30);
/// What is looked at of a failed command's complaint, and what is shown of it.
const COMPLAINT_BYTES_KEPT: usize = 4096;
const HINT_CHARS_MAX: usize = 160;
/// A word as long as this may be a secret; base64 of 16 bytes has 22 characters.
const WORD_CHARS_SHOWN: usize = 20;
/// systemd.exec(5), `LoadCredential=`: the folder of a service's credentials.
const CREDENTIALS_VARIABLE: &str = "CREDENTIALS_DIRECTORY";

/// Where the key-encryption key comes from.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeySource {
    /// A file with mode 0600: 32 bytes in base64.
    File(PathBuf),
    /// The environment variable of this name: 32 bytes in base64.
    Environment(String),
    /// A program and its arguments, which prints 32 bytes in base64. Run without a shell.
    Command(Vec<String>),
    /// The systemd credential of this name: a file in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
}

/// Its kind and name, as `keys rotate --to` takes it; of a command its program alone, for its arguments may say more than they should.
impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Environment(name) => write!(f, "env:{name}"),
            Self::Command(words) => write!(f, "command:{}", words.first().map_or("", String::as_str)),
            Self::Credential(name) => write!(f, "credential:{name}"),
        }
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySource({self})")
    }
}

/// A key-encryption key in memory: zeroed when dropped, printed by nothing. Serialized as base64, for the control socket alone.
#[derive(Clone, PartialEq, Eq)]
pub struct KeySecret(Zeroizing<[u8; KEY_BYTES]>);

impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySecret")
    }
}

impl Serialize for KeySecret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.to_text().trim_ascii())
    }
}

impl<'de> Deserialize<'de> for KeySecret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?.into_bytes());
        decode(text, "the key").map_err(serde::de::Error::custom)
    }
}

impl KeySecret {
    /// Reads it from its source, by the rights and in the environment of this process. A command blocks the thread for up to 30 seconds.
    ///
    /// # Errors
    /// [`KeyError`]: nothing there, no key, readable by others, the command failed.
    pub fn read(world: &World, source: &KeySource) -> Result<Self, KeyError> {
        match source {
            KeySource::File(path) => {
                refuse_readable_by_others(path)?;
                let help = "make it with `sealpost keys new`";
                read_file(world.disk(), path, help)
            }
            KeySource::Environment(name) => {
                let text = std::env::var_os(name).ok_or_else(|| KeyError::NoSource(format!("the environment has no {name}")))?;
                decode(Zeroizing::new(text.into_encoded_bytes()), name)
            }
            KeySource::Command(words) => from_command(world, words),
            KeySource::Credential(name) => {
                let folder = std::env::var_os(CREDENTIALS_VARIABLE).ok_or_else(|| {
                    KeyError::NoSource(format!(
                        "credential {name}: {CREDENTIALS_VARIABLE} is not set; systemd sets it for a unit with LoadCredentialEncrypted={name}:FILE"
                    ))
                })?;
                // The modes of these files are systemd's business: it grants the service's user by an ACL, which shows as group bits.
                let help = format!("give the unit LoadCredentialEncrypted={name}:FILE");
                read_file(world.disk(), &Path::new(&folder).join(name), &help)
            }
        }
    }

    /// A new one.
    pub(super) fn random(world: &World) -> Self {
        let mut key = Zeroizing::new([0u8; KEY_BYTES]);
        world.fill_random(&mut key[..]);
        Self(key)
    }

    pub(super) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(&self.0[..]) + "\n")
    }
}

/// Makes a new key-encryption key in a new file with mode 0600.
///
/// # Errors
/// [`KeyError::Disk`] where the file exists already (it is never replaced: that would lose every key under it) or cannot be written.
pub fn new_key_file(world: &World, path: &Path) -> Result<(), KeyError> {
    let text = KeySecret::random(world).to_text();
    let disk = world.disk();
    let file = disk.open(path, OpenMode::CreateNew).map_err(DiskError::new("create", path))?;
    file.write_all_at(text.as_bytes(), 0).map_err(DiskError::new("write", path))?;
    file.sync_all().map_err(DiskError::new("sync", path))?;
    let parent = parent_of(path);
    disk.sync_dir(parent).map_err(DiskError::new("sync", parent))?;
    Ok(())
}

/// Where the next key of a file source lies until the ring is under it.
pub(super) fn next_of(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".next");
    PathBuf::from(name)
}

/// Writes a key beside its file, durably. One that a crash left there is replaced: the ring is not under it.
pub(super) fn write_next(disk: &dyn Disk, path: &Path, secret: &KeySecret) -> Result<(), KeyError> {
    let next = next_of(path);
    Ok(disk.write_atomic(&next, secret.to_text().as_bytes()).map_err(DiskError::new("write", &next))?)
}

/// The ring is under the next key: it takes the file's name. Durable when it returns.
pub(super) fn take_next(disk: &dyn Disk, path: &Path) -> Result<(), KeyError> {
    let next = next_of(path);
    disk.rename(&next, path).map_err(DiskError::new("rename", &next))?;
    let parent = parent_of(path);
    Ok(disk.sync_dir(parent).map_err(DiskError::new("sync", parent))?)
}

/// The ring is not under the next key: it goes.
pub(super) fn drop_next(disk: &dyn Disk, path: &Path) -> Result<(), KeyError> {
    let next = next_of(path);
    disk.remove_file(&next).map_err(DiskError::new("remove", &next))?;
    let parent = parent_of(path);
    Ok(disk.sync_dir(parent).map_err(DiskError::new("sync", parent))?)
}

fn read_file(disk: &dyn Disk, path: &Path, help: &str) -> Result<KeySecret, KeyError> {
    let bytes = disk.read_to_vec(path, KEY_TEXT_BYTES_MAX).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => KeyError::NoSource(format!("{} does not exist: {help}", path.display())),
        std::io::ErrorKind::FileTooLarge => KeyError::NotAKey(path.display().to_string()),
        _ => KeyError::Disk(DiskError::new("read", path)(error)),
    })?;
    decode(Zeroizing::new(bytes), &path.display().to_string())
}

fn from_command(world: &World, words: &[String]) -> Result<KeySecret, KeyError> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(KeyError::NoSource("the command is empty".to_owned()));
    };
    let failed = |reason: String| KeyError::Command { program: program.clone(), reason };
    let request = ProcessRequest {
        program,
        arguments,
        output_bytes_max: KEY_TEXT_BYTES_MAX,
        errors_bytes_kept: COMPLAINT_BYTES_KEPT,
        time_limit: COMMAND_TIME_MAX,
    };
    let end = world.run_process(&request).map_err(|error| failed(error.to_string()))?;
    match end.code {
        Some(0) => decode(end.output, &format!("the output of {program}")),
        Some(code) => Err(failed(format!("it ended with exit code {code}{}", hint(&end.errors)))),
        None => Err(failed(format!("a signal ended it{}", hint(&end.errors)))),
    }
}

/// The first line of a complaint, without what may be a secret in it.
fn hint(complaint: &[u8]) -> String {
    let text = Zeroizing::new(String::from_utf8_lossy(complaint).into_owned());
    let Some(line) = text.lines().map(str::trim).find(|line| !line.is_empty()) else { return String::new() };
    let words = line.split_whitespace().map(|word| {
        let is_plain = word.chars().all(|letter| letter.is_ascii_graphic());
        if is_plain && word.len() <= WORD_CHARS_SHOWN { word } else { "…" }
    });
    let shown = words.collect::<Vec<_>>().join(" ");
    format!(": {}", shown.chars().take(HINT_CHARS_MAX).collect::<String>())
}

fn decode(text: Zeroizing<Vec<u8>>, name: &str) -> Result<KeySecret, KeyError> {
    let not_a_key = || KeyError::NotAKey(name.to_owned());
    let mut bytes = STANDARD.decode(text.trim_ascii()).map_err(|_| not_a_key())?;
    let key = <[u8; KEY_BYTES]>::try_from(&bytes[..]).map(Zeroizing::new).map_err(|_| not_a_key());
    bytes.zeroize();
    Ok(KeySecret(key?))
}

/// Modes belong to the operating system; a simulated disk has none, and then there is no such path here either.
fn refuse_readable_by_others(path: &Path) -> Result<(), KeyError> {
    const GROUP_AND_OTHERS: u32 = 0o077;
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.mode() & GROUP_AND_OTHERS != 0 => {
            Err(KeyError::ReadableByOthers { path: path.to_owned(), mode: metadata.mode() & 0o7777 })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

    fn command(script: &str) -> Result<KeySecret, KeyError> {
        let words = ["sh", "-c", script].map(str::to_owned).to_vec();
        KeySecret::read(&World::real(), &KeySource::Command(words))
    }

    #[test]
    fn a_command_prints_the_key() {
        assert_eq!(command(&format!("cat; echo ' {KEY}'")).unwrap().bytes(), &[1; 32], "its input is empty");
    }

    #[test]
    fn a_command_that_fails_is_told_with_its_code_and_without_secrets() {
        let complaint = format!("echo 'Error: permission denied for {KEY} at s.TOKEN' >&2; echo {KEY}; exit 2");
        let text = command(&complaint).unwrap_err().to_string();
        assert!(text.contains("sh") && text.contains("exit code 2") && text.contains("permission denied"), "{text}");
        assert!(!text.contains("AQEB"), "{text}");
        assert!(command("kill -9 $$").unwrap_err().to_string().contains("signal"));
        assert!(command("echo c2hvcnQ=").unwrap_err().to_string().contains("32 bytes in base64"));
        assert!(command("head -c 1000 /dev/zero").unwrap_err().to_string().contains("more than 256 bytes"));
        let none = KeySecret::read(&World::real(), &KeySource::Command(vec!["/nonexistent/vault".to_owned()])).unwrap_err();
        assert!(none.to_string().contains("/nonexistent/vault"), "{none}");
    }

    #[test]
    fn nothing_shows_a_key_or_the_arguments_of_a_command() {
        let secret = command(&format!("echo {KEY}")).unwrap();
        let source = KeySource::Command(vec!["vault".to_owned(), "-token=abc".to_owned()]);
        assert_eq!(format!("{secret:?} {source:?} {source}"), "KeySecret KeySource(command:vault) command:vault");
    }
}
