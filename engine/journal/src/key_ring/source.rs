//! Where the key-encryption key comes from: a file only the service can read, or the environment.
//!
//! It never lies beside what it encrypts, and nothing prints it. 32 random bytes in base64.

use crate::cipher::KEY_BYTES;
use crate::error::{DiskError, KeyError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use world::{Disk, OpenMode, World};
use zeroize::{Zeroize, Zeroizing};

/// Base64 of 32 bytes, a line end, and some room for blanks around.
const KEY_FILE_BYTES_MAX: usize = 256;

/// Where the key-encryption key comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file with mode 0600: 32 bytes in base64.
    File(PathBuf),
    /// The environment variable of this name: 32 bytes in base64.
    Environment(String),
}

/// The name alone; there is no secret in it.
impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "KeySource::File({})", path.display()),
            Self::Environment(name) => write!(f, "KeySource::Environment({name})"),
        }
    }
}

/// Makes a new key-encryption key in a new file with mode 0600.
///
/// # Errors
/// [`KeyError::Disk`] where the file exists already (it is never replaced: that would lose every key under it) or cannot be written.
pub fn new_key_file(world: &World, path: &Path) -> Result<(), KeyError> {
    let mut key = Zeroizing::new([0u8; KEY_BYTES]);
    world.fill_random(&mut key[..]);
    let text = Zeroizing::new(STANDARD.encode(&key[..]) + "\n");
    let disk = world.disk();
    let file = disk.open(path, OpenMode::CreateNew).map_err(DiskError::new("create", path))?;
    file.write_all_at(text.as_bytes(), 0).map_err(DiskError::new("write", path))?;
    file.sync_all().map_err(DiskError::new("sync", path))?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    disk.sync_dir(parent).map_err(DiskError::new("sync", parent))?;
    Ok(())
}

/// Reads the key.
pub(super) fn read(disk: &dyn Disk, source: &KeySource) -> Result<Zeroizing<[u8; KEY_BYTES]>, KeyError> {
    match source {
        KeySource::File(path) => {
            refuse_readable_by_others(path)?;
            let bytes = disk.read_to_vec(path, KEY_FILE_BYTES_MAX).map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => {
                    KeyError::NoSource(format!("{} does not exist: make it with `sealpost keys new`", path.display()))
                }
                std::io::ErrorKind::FileTooLarge => KeyError::NotAKey(path.display().to_string()),
                _ => KeyError::Disk(DiskError::new("read", path)(error)),
            })?;
            decode(Zeroizing::new(bytes), path.display().to_string())
        }
        KeySource::Environment(name) => {
            let text = std::env::var_os(name).ok_or_else(|| KeyError::NoSource(format!("the environment has no {name}")))?;
            decode(Zeroizing::new(text.into_encoded_bytes()), name.clone())
        }
    }
}

fn decode(mut text: Zeroizing<Vec<u8>>, name: String) -> Result<Zeroizing<[u8; KEY_BYTES]>, KeyError> {
    let mut bytes = STANDARD.decode(text.trim_ascii()).map_err(|_| KeyError::NotAKey(name.clone()))?;
    text.zeroize();
    let key = <[u8; KEY_BYTES]>::try_from(&bytes[..]).map(Zeroizing::new).map_err(|_| KeyError::NotAKey(name));
    bytes.zeroize();
    key
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
