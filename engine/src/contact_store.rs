//! The contact store: each tenant's contact data, version by version, sealed at rest (invariant 5).
//!
//! ```text
//! [paths] contacts / t<TENANT> / 00000007.contacts      sealed: one line of JSON about it, then the file as it was handed in
//! ```
//! The highest number is the version in force. A version appears whole or not at all (`journal::sealed` gives it its name last), so an
//! import that breaks leaves the old one in force; the newest [`KEPT`] stay, for whoever must know what was gone by. It promises that a
//! version reads as the bytes that were imported; it leaves to [`crate::contacts`] which data a tenant goes by.

use crate::source::Source;
use intake::Contacts;
use journal::KeyRing;
use journal::sealed::{SealedError, SealedFor, SealedReader, SealedWriter};
use model::reject::Refusal;
use model::{TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use world::{OpenMode, World};
use zeroize::Zeroizing;

/// Versions of a tenant that are kept.
pub const KEPT: usize = 5;
/// Bytes read at once.
const READ_BYTES: usize = 256 * 1024;
/// A label has a few hundred bytes.
const LABEL_BYTES_MAX: u64 = 4 * 1024;
const PURPOSE: &str = "contacts";
const SUFFIX: &str = "contacts";
/// Who imported and who looked, one line of JSON each.
const NOTES: &str = "access.ndjson";

/// Why contact data cannot be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum ContactStoreError {
    /// The file is no contact file.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It has no row that can be read: it would leave every member without an address.
    #[error("{file}: none of its rows can be read; the version in force stays; see `sealpost members check`")]
    Empty {
        /// The file's name.
        file: String,
    },
    /// It is much smaller than the version in force.
    #[error(
        "{file}: {rows} rows, {shrunk_percent} % fewer than the {before} of version {number}, which stays in force; an export that broke off looks like this: say --shrunk to import it all the same"
    )]
    Shrunk {
        /// The file's name.
        file: String,
        /// Its rows.
        rows: u64,
        /// The rows of the version in force.
        before: u64,
        /// Its number.
        number: u32,
        /// How much is missing.
        shrunk_percent: u64,
    },
    /// It was written to meanwhile.
    #[error("{file}: changed while it was read; write it under another name and rename it when it is complete")]
    Changed {
        /// The file's name.
        file: String,
    },
    /// A sealed file.
    #[error(transparent)]
    Sealed(#[from] SealedError),
    /// A file or folder.
    #[error("{path}: {error}")]
    Disk {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// What is known of a version without reading its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Its number, from 1.
    #[serde(skip)]
    pub number: u32,
    /// When it was imported.
    pub imported_at: Timestamp,
    /// Who imported it: a login name.
    pub by: String,
    /// Rows that can be read.
    pub rows: u64,
    /// Rows that were left out.
    pub rejected: u64,
    /// The version that addresses taken from it carry.
    pub address_version: u32,
    /// The ending of the file's name: how its rows are read does not depend on the rest of the name.
    pub suffix: String,
}

impl Label {
    /// For the operator.
    pub fn as_json(&self) -> serde_json::Value {
        let mut json = serde_json::to_value(self).expect("a label is plain JSON");
        json["version"] = self.number.into();
        json
    }
}

/// What `members check` says of a file before it is imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// The version in force; `None` where there is none.
    pub current: Option<Label>,
    /// How many percent of its rows are missing; 0 where there are more.
    pub shrunk_percent: u64,
}

/// Where contact data is kept.
#[derive(Debug, Clone)]
pub struct ContactStore {
    world: World,
    keys: KeyRing,
    folder: PathBuf,
}

/// An import that loses more rows than this, in percent, wants a word.
pub const SHRUNK_PERCENT_MAX: u64 = 5;

impl ContactStore {
    /// The store in a folder; made with the first import.
    pub fn new(world: World, keys: KeyRing, folder: PathBuf) -> Self {
        Self { world, keys, folder }
    }

    /// The versions of a tenant that are there, the newest last.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn numbers(&self, tenant: TenantId) -> Result<Vec<u32>, ContactStoreError> {
        let folder = self.folder_of(tenant);
        let disk = self.world.disk();
        if !disk.exists(&folder) {
            return Ok(Vec::new());
        }
        let paths = disk.read_dir(&folder).map_err(|error| ContactStoreError::Disk { path: folder, error })?;
        let mut numbers: Vec<u32> = paths.iter().filter_map(|path| number_of(path)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// What is known of the version in force.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn current(&self, tenant: TenantId) -> Result<Option<Label>, ContactStoreError> {
        let Some(number) = self.numbers(tenant)?.pop() else { return Ok(None) };
        Ok(Some(self.open(tenant, number)?.0))
    }

    /// The version in force, read.
    ///
    /// # Errors
    /// It cannot be opened, or is no contact data any more.
    pub fn load(&self, tenant: TenantId) -> Result<Option<(Label, Contacts)>, ContactStoreError> {
        let Some(number) = self.numbers(tenant)?.pop() else { return Ok(None) };
        let (label, reader) = self.open(tenant, number)?;
        let contacts = Contacts::read(reader, &format!("version-{number}.{}", label.suffix))?;
        Ok(Some((label, contacts)))
    }

    /// How a file stands beside the version in force.
    ///
    /// # Errors
    /// The version in force cannot be opened.
    pub fn compare(&self, tenant: TenantId, contacts: &Contacts) -> Result<Compared, ContactStoreError> {
        let current = self.current(tenant)?;
        let before = current.as_ref().map_or(0, |label| label.rows);
        let missing = before.saturating_sub(contacts.len() as u64);
        Ok(Compared { current, shrunk_percent: if before == 0 { 0 } else { (missing * 100).div_ceil(before) } })
    }

    /// Imports a file as the new version. `shrunk` says that fewer rows are meant.
    ///
    /// # Errors
    /// [`ContactStoreError`]; then the version in force is the one of before.
    pub(crate) fn import(&self, tenant: TenantId, source: &Source, by: String, shrunk: bool) -> Result<Label, ContactStoreError> {
        let file = source.name();
        let contacts = Contacts::read(BufReader::with_capacity(READ_BYTES, source.reader()), &file)?;
        if contacts.is_empty() {
            return Err(ContactStoreError::Empty { file });
        }
        let compared = self.compare(tenant, &contacts)?;
        if let Some(current) = compared.current.as_ref().filter(|_| compared.shrunk_percent > SHRUNK_PERCENT_MAX && !shrunk) {
            let (rows, before, number, shrunk_percent) = (contacts.len() as u64, current.rows, current.number, compared.shrunk_percent);
            return Err(ContactStoreError::Shrunk { file, rows, before, number, shrunk_percent });
        }
        let label = Label {
            number: compared.current.map_or(1, |current| current.number + 1),
            imported_at: self.world.wall(),
            by,
            rows: contacts.len() as u64,
            rejected: contacts.rejected(),
            address_version: contacts.version(),
            suffix: source.path().extension().map_or_else(String::new, |suffix| suffix.to_string_lossy().into_owned()),
        };
        drop(contacts);
        self.write(tenant, &label, source)?;
        self.forget_old(tenant)?;
        Ok(label)
    }

    /// Notes who did what, in a file beside the versions: no value, no member.
    ///
    /// # Errors
    /// It cannot be written; then what was asked for is not done.
    pub fn note(&self, tenant: TenantId, by: &str, verb: &str, version: Option<u32>) -> Result<(), ContactStoreError> {
        let folder = self.folder_of(tenant);
        let path = folder.join(NOTES);
        let line = serde_json::json!({ "at": self.world.wall(), "by": by, "verb": verb, "version": version });
        let append = || {
            self.world.disk().create_dir_all(&folder)?;
            let file = self.world.disk().open(&path, OpenMode::Create)?;
            file.write_all_at(format!("{line}\n").as_bytes(), file.len()?)?;
            file.sync_data()
        };
        tracing::info!(target: "sealpost::audit", tenant = tenant.0, by, verb, version, "contact data");
        append().map_err(|error| disk(&path, error))
    }

    fn write(&self, tenant: TenantId, label: &Label, source: &Source) -> Result<(), ContactStoreError> {
        let folder = self.folder_of(tenant);
        self.world.disk().create_dir_all(&folder).map_err(|error| ContactStoreError::Disk { path: folder.clone(), error })?;
        let name = name_of(label.number);
        let mut sealed = SealedWriter::create(&self.keys, &folder.join(&name), sealed_for(tenant, &name))?;
        let mut line = serde_json::to_vec(label).expect("a label is plain JSON");
        line.push(b'\n');
        sealed.write_all(&line).map_err(SealedError::from_io)?;
        let mut plain = source.reader();
        let mut hash = intake::VersionHash::default();
        let mut chunk = Zeroizing::new(vec![0; READ_BYTES]);
        loop {
            let count = plain.read(&mut chunk).map_err(|error| disk(source.path(), error))?;
            if count == 0 {
                break;
            }
            hash.update(&chunk[..count]);
            sealed.write_all(&chunk[..count]).map_err(SealedError::from_io)?;
        }
        // Dropped unfinished, the writer leaves nothing.
        if hash.finish() != label.address_version {
            return Err(ContactStoreError::Changed { file: source.name() });
        }
        sealed.finish()?;
        Ok(())
    }

    fn forget_old(&self, tenant: TenantId) -> Result<(), ContactStoreError> {
        let numbers = self.numbers(tenant)?;
        for number in numbers.iter().rev().skip(KEPT) {
            let path = self.folder_of(tenant).join(name_of(*number));
            self.world.disk().remove_file(&path).map_err(|error| ContactStoreError::Disk { path, error })?;
        }
        Ok(())
    }

    fn open(&self, tenant: TenantId, number: u32) -> Result<(Label, BufReader<SealedReader>), ContactStoreError> {
        let name = name_of(number);
        let path = self.folder_of(tenant).join(&name);
        let sealed = SealedReader::open(&self.keys, &path, sealed_for(tenant, &name))?;
        let mut reader = BufReader::with_capacity(READ_BYTES, sealed);
        let mut line = Vec::new();
        reader.by_ref().take(LABEL_BYTES_MAX).read_until(b'\n', &mut line).map_err(SealedError::from_io)?;
        let label: Label = serde_json::from_slice(&line).map_err(|error| disk(&path, error.into()))?;
        Ok((Label { number, ..label }, reader))
    }

    fn folder_of(&self, tenant: TenantId) -> PathBuf {
        self.folder.join(format!("t{}", tenant.0))
    }
}

fn sealed_for(tenant: TenantId, name: &str) -> SealedFor<'_> {
    SealedFor { tenant, purpose: PURPOSE, name }
}

fn name_of(number: u32) -> String {
    format!("{number:08}.{SUFFIX}")
}

fn number_of(path: &Path) -> Option<u32> {
    let name = path.file_name()?.to_str()?;
    let number = name.strip_suffix(SUFFIX)?.strip_suffix('.')?;
    number.parse().ok().filter(|parsed| name_of(*parsed) == name)
}

fn disk(path: &Path, error: io::Error) -> ContactStoreError {
    ContactStoreError::Disk { path: path.to_owned(), error }
}
