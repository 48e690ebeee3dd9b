//! The bundle: everything that decides the bytes of a message, under the name of its hash.
//!
//! Templates, partials, fixed texts, code tables, the tenant's identity and the renderer's version. A job names its
//! bundle when it is accepted and is rendered with it weeks later, whatever the template folder holds by then.

use crate::archive::{self, Files};
use crate::{BundleError, Identity, RENDERER_VERSION};
use aws_lc_rs::digest;
use model::BundleId;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// The entry that holds the identity.
const IDENTITY_NAME: &str = "identity.json";
/// Folders in folders.
const DEPTH_MAX: usize = 4;

/// Everything that decides a message's bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Bundle {
    version: u32,
    identity: Identity,
    files: Files,
    /// SHA-256 of the archive: asked for once a batch and once a streamed row, and an archive is large.
    id: BundleId,
}

impl Bundle {
    /// Reads the template folder: all `.html`, `.txt` and `.toml` files in it and its folders; hidden and `.md` files are passed over.
    ///
    /// # Errors
    /// [`BundleError`] naming the file, or the field of the identity.
    pub fn from_dir(dir: &Path, identity: &Identity) -> Result<Self, BundleError> {
        let mut files = Files::new();
        read_folder(dir, "", 0, &mut files)?;
        Self::from_files(files, identity)
    }

    /// Builds a bundle from files in memory, by their names relative to the template folder.
    ///
    /// # Errors
    /// [`BundleError`] naming the file, or the field of the identity.
    pub fn from_files(files: impl IntoIterator<Item = (String, String)>, identity: &Identity) -> Result<Self, BundleError> {
        let files: Files = files.into_iter().collect();
        if !files.keys().all(|name| archive::is_name(name) && name != IDENTITY_NAME) {
            return Err(BundleError::Name);
        }
        archive::check_size(&files)?;
        identity.check()?;
        Ok(Self::new(RENDERER_VERSION, identity.clone(), files))
    }

    /// Reads back what [`Bundle::to_archive`] wrote.
    ///
    /// # Errors
    /// [`BundleError`] where the bytes are no such archive.
    pub fn from_archive(bytes: &[u8]) -> Result<Self, BundleError> {
        let (version, mut files) = archive::read(bytes)?;
        let identity = files.remove(IDENTITY_NAME).ok_or(BundleError::Archive("it has no identity"))?;
        let identity: Identity = serde_json::from_str(&identity).map_err(|_| BundleError::Archive("its identity does not read"))?;
        identity.check()?;
        let bundle = Self::new(version, identity, files);
        // Two archives of one content would be two names of one bundle.
        if bundle.to_archive() != bytes {
            return Err(BundleError::Archive("it is not in canonical form"));
        }
        Ok(bundle)
    }

    fn new(version: u32, identity: Identity, files: Files) -> Self {
        let hash = digest::digest(&digest::SHA256, &archive_of(version, &identity, &files));
        let id = BundleId(hash.as_ref().try_into().expect("SHA-256 has 32 bytes"));
        Self { version, identity, files, id }
    }

    /// The archive: one content, one sequence of bytes.
    pub fn to_archive(&self) -> Vec<u8> {
        archive_of(self.version, &self.identity, &self.files)
    }

    /// SHA-256 of the archive.
    pub fn id(&self) -> BundleId {
        self.id
    }

    /// The tenant as its members see it.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The files by their names relative to the template folder.
    pub fn files(&self) -> &BTreeMap<String, String> {
        &self.files
    }
}

impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bundle({:?}, {} files)", self.id(), self.files.len())
    }
}

fn archive_of(version: u32, identity: &Identity, files: &Files) -> Vec<u8> {
    let mut files = files.clone();
    let identity = serde_json::to_string(identity).expect("strings serialize");
    files.insert(IDENTITY_NAME.to_owned(), identity);
    archive::write(version, &files)
}

fn read_folder(dir: &Path, prefix: &str, depth: usize, files: &mut Files) -> Result<(), BundleError> {
    let failed = |source| BundleError::Read { name: if prefix.is_empty() { ".".into() } else { prefix.to_owned() }, source };
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let file_name = entry.file_name();
        let file_name = file_name.to_str().ok_or(BundleError::Name)?;
        if file_name.starts_with('.') {
            continue;
        }
        let name = if prefix.is_empty() { file_name.to_owned() } else { format!("{prefix}/{file_name}") };
        if !archive::is_name(&name) {
            if is_template(&name) || entry.path().is_dir() {
                return Err(BundleError::Name);
            }
            continue;
        }
        if entry.path().is_dir() {
            if depth == DEPTH_MAX {
                return Err(BundleError::Name);
            }
            read_folder(&entry.path(), &name, depth + 1, files)?;
        } else if is_template(&name) {
            let text = read_text(&entry.path(), &name)?;
            files.insert(name, text);
            archive::check_size(files)?;
        }
    }
    Ok(())
}

fn is_template(name: &str) -> bool {
    [".html", ".txt", ".toml"].iter().any(|ending| name.ends_with(ending))
}

fn read_text(path: &Path, name: &str) -> Result<String, BundleError> {
    let failed = |source| BundleError::Read { name: name.to_owned(), source };
    let bytes_max = model::limits::BUNDLE_BYTES_MAX;
    if std::fs::metadata(path).map_err(failed)?.len() > bytes_max as u64 {
        return Err(BundleError::TooLarge { bytes_max, files_max: archive::FILES_MAX });
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    // A checkout with other line ends must not become another bundle.
    let text = String::from_utf8(bytes).map_err(|_| BundleError::NotUtf8(name.to_owned()))?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(&text).replace("\r\n", "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::tests::invented;

    fn files() -> Vec<(String, String)> {
        [("eob/eob.html", "<p>"), ("a.txt", "a")].map(|(name, text)| (name.to_owned(), text.to_owned())).into()
    }

    #[test]
    fn survives_its_archive_and_keeps_its_name() {
        let bundle = Bundle::from_files(files(), &invented()).unwrap();
        let again = Bundle::from_archive(&bundle.to_archive()).unwrap();
        assert_eq!(again, bundle);
        assert_eq!(again.id(), bundle.id());
    }

    #[test]
    fn another_text_brand_or_file_is_another_bundle() {
        let id = Bundle::from_files(files(), &invented()).unwrap().id();
        let mut other = files();
        other[1].1.push('b');
        assert_ne!(Bundle::from_files(other, &invented()).unwrap().id(), id);
        assert_ne!(Bundle::from_files(files(), &Identity { brand: "Other".into(), ..invented() }).unwrap().id(), id);
        assert_ne!(Bundle::from_files(files().into_iter().take(1), &invented()).unwrap().id(), id);
        let mut turned = files();
        turned.reverse();
        assert_eq!(Bundle::from_files(turned, &invented()).unwrap().id(), id);
    }

    #[test]
    fn reads_a_folder_the_same_on_every_checkout() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("eob")).unwrap();
        std::fs::write(dir.path().join("eob/eob.html"), "\u{feff}<p>\r\n").unwrap();
        std::fs::write(dir.path().join("a.txt"), "a").unwrap();
        std::fs::write(dir.path().join("README.md"), "not part of it").unwrap();
        std::fs::write(dir.path().join(".swp"), "nor this").unwrap();
        let bundle = Bundle::from_dir(dir.path(), &invented()).unwrap();
        let names: Vec<_> = bundle.files().keys().collect();
        assert_eq!(names, ["a.txt", "eob/eob.html"]);
        assert_eq!(bundle.files()["eob/eob.html"], "<p>\n");
        assert!(matches!(Bundle::from_dir(&dir.path().join("none"), &invented()), Err(BundleError::Read { .. })));
        std::fs::write(dir.path().join("b.txt"), [0xff]).unwrap();
        assert!(matches!(Bundle::from_dir(dir.path(), &invented()), Err(BundleError::NotUtf8(name)) if name == "b.txt"));
    }
}
