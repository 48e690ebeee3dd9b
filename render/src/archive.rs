//! The archive of a bundle: the bytes that are hashed, stored and read back.
//!
//! ```text
//! "sealpost bundle\n"   16 bytes   what it is
//! version               u32 BE     RENDERER_VERSION of the writer
//! count                 u32 BE     entries
//! per entry, names in strictly rising order:
//!   name length         u16 BE
//!   name                           a-z 0-9 . _ - /
//!   data length         u32 BE
//!   data                           UTF-8
//! ```
//!
//! One content has one archive: entries are sorted, nothing is optional, nothing may follow. So its hash is its name.

use crate::{BundleError, RENDERER_VERSION};
use model::limits::BUNDLE_BYTES_MAX;
use std::collections::BTreeMap;

const MAGIC: &[u8; 16] = b"sealpost bundle\n";
/// Files of a bundle.
pub(crate) const FILES_MAX: usize = 500;
/// Bytes of a file's name.
const NAME_BYTES_MAX: usize = 200;

/// A bundle's files by name.
pub(crate) type Files = BTreeMap<String, String>;

/// Whether a name may stand in a bundle: relative, plain, no way upwards.
pub(crate) fn is_name(name: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte))
    };
    name.len() <= NAME_BYTES_MAX && name.split('/').count() <= 5 && name.split('/').all(plain)
}

/// Refuses more than a bundle may hold.
///
/// # Errors
/// [`BundleError::TooLarge`].
pub(crate) fn check_size(files: &Files) -> Result<(), BundleError> {
    let bytes: usize = files.iter().map(|(name, data)| name.len() + data.len() + 6).sum();
    if files.len() > FILES_MAX || bytes + MAGIC.len() + 8 > BUNDLE_BYTES_MAX {
        return Err(BundleError::TooLarge { bytes_max: BUNDLE_BYTES_MAX, files_max: FILES_MAX });
    }
    Ok(())
}

/// Writes the archive. `files` has passed [`check_size`] and its names [`is_name`].
pub(crate) fn write(version: u32, files: &Files) -> Vec<u8> {
    let mut out = Vec::with_capacity(files.values().map(|data| data.len() + 64).sum::<usize>() + 64);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&version.to_be_bytes());
    out.extend_from_slice(&u32::try_from(files.len()).unwrap_or(u32::MAX).to_be_bytes());
    for (name, data) in files {
        out.extend_from_slice(&u16::try_from(name.len()).unwrap_or(u16::MAX).to_be_bytes());
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(&u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(data.as_bytes());
    }
    out
}

/// Reads an archive: the writer's version and the files.
///
/// # Errors
/// [`BundleError`] where the bytes are not exactly what [`write`] writes.
pub(crate) fn read(bytes: &[u8]) -> Result<(u32, Files), BundleError> {
    if bytes.len() > BUNDLE_BYTES_MAX {
        return Err(BundleError::TooLarge { bytes_max: BUNDLE_BYTES_MAX, files_max: FILES_MAX });
    }
    let mut rest = bytes.strip_prefix(MAGIC).ok_or(BundleError::Archive("it does not begin like one"))?;
    let version = u32::from_be_bytes(take(&mut rest)?);
    if version > RENDERER_VERSION {
        return Err(BundleError::NewerRenderer { found: version, known: RENDERER_VERSION });
    }
    let count = u32::from_be_bytes(take(&mut rest)?) as usize;
    let mut files = Files::new();
    for _ in 0..count {
        let (name, data) = read_entry(&mut rest)?;
        if files.last_key_value().is_some_and(|(last, _)| *last >= name) {
            return Err(BundleError::Archive("its entries are not in order"));
        }
        files.insert(name, data);
    }
    if !rest.is_empty() {
        return Err(BundleError::Archive("something follows its last entry"));
    }
    check_size(&files)?;
    Ok((version, files))
}

fn read_entry(rest: &mut &[u8]) -> Result<(String, String), BundleError> {
    let name_bytes = usize::from(u16::from_be_bytes(take(rest)?));
    let name = read_text(rest, name_bytes)?;
    if !is_name(&name) {
        return Err(BundleError::Name);
    }
    let data_bytes = u32::from_be_bytes(take(rest)?) as usize;
    Ok((name, read_text(rest, data_bytes)?))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], BundleError> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or(BundleError::Archive("it ends too early"))?;
    *rest = tail;
    Ok(*head)
}

fn read_text(rest: &mut &[u8], bytes: usize) -> Result<String, BundleError> {
    let (head, tail) = rest.split_at_checked(bytes).ok_or(BundleError::Archive("it ends too early"))?;
    *rest = tail;
    String::from_utf8(head.to_vec()).map_err(|_| BundleError::Archive("an entry is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Files {
        [("a.txt", "alpha"), ("b/c.html", "<p>ä</p>")].map(|(name, data)| (name.to_owned(), data.to_owned())).into()
    }

    #[test]
    fn the_drawing_holds() {
        let bytes = write(1, &files());
        assert_eq!(&bytes[..16], b"sealpost bundle\n");
        assert_eq!(bytes[16..24], [0, 0, 0, 1, 0, 0, 0, 2]);
        assert_eq!(&bytes[24..26], [0, 5]);
        assert_eq!(&bytes[26..31], b"a.txt");
        assert_eq!(bytes[31..35], [0, 0, 0, 5]);
        assert_eq!(read(&bytes).unwrap(), (1, files()));
    }

    #[test]
    fn every_cut_and_every_flip_of_structure_is_an_error_not_a_panic() {
        let bytes = write(1, &files());
        for end in 0..bytes.len() {
            assert!(read(&bytes[..end]).is_err(), "{end}");
        }
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0xff;
            if let Ok((version, files)) = read(&flipped) {
                assert_eq!(write(version, &files), flipped, "{at}");
            }
        }
        let mut longer = bytes;
        longer.push(0);
        assert!(read(&longer).is_err());
    }

    #[test]
    fn names_lead_nowhere_else() {
        for name in ["../a", "/a", "a//b", ".hidden", "A.txt", "a b", "a/b/c/d/e/f", ""] {
            assert!(!is_name(name), "{name}");
        }
        assert!(is_name("eob/eob.html") && is_name("strings.en.toml"));
    }

    #[test]
    fn a_newer_archive_says_so() {
        let bytes = write(RENDERER_VERSION + 1, &files());
        assert!(matches!(read(&bytes), Err(BundleError::NewerRenderer { .. })));
    }
}
