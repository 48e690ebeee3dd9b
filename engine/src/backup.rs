//! A backup of an installation: its journals, its key ring, and a manifest that says what is in it.
//!
//! ```text
//! <folder>/manifest.json                 written last: without it a backup is not whole
//! <folder>/journal/<stream>/...          as the journal itself, with the mark that makes a start ask for `--restored`
//! <folder>/keys/...                      the key ring, unless it was left out
//! ```
//!
//! Beside a running engine both journals are held while they are copied, on a thread of their own; delivery goes on. Without an engine the
//! locks of journals and ring are taken. What is no truth is not in it: ledgers are made anew from the record, and the key-encryption key
//! never lies beside what it opens.

use crate::engine::Engine;
use journal::{BackupError, CopiedFile, Copier, JournalDir, JournalError, KeyError, Pace, RecordPosition};
use model::StreamName;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use world::World;

/// Name of the manifest in the folder.
pub const MANIFEST: &str = "manifest.json";
/// Folder of the journals in a backup.
pub const JOURNALS: &str = "journal";
/// Folder of the key ring in a backup.
pub const KEYS: &str = "keys";
/// Raised when the layout of a backup changes.
const FORMAT: u32 = 1;
/// Files of a backup: 12 bytes of JSON for each would be a gigabyte beyond this.
const MANIFEST_BYTES_MAX: usize = 256 * 1024 * 1024;

/// What a backup is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupRequest {
    /// The folder: new or empty.
    pub to: PathBuf,
    /// Whether the key ring is copied too.
    pub key_ring: bool,
    /// Bytes a second at most.
    pub bytes_per_second: Option<u64>,
}

/// What is in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the layout.
    pub format: u32,
    /// When it was begun, in UTC.
    pub made_at: String,
    /// By which version.
    pub made_by: String,
    /// Whether an engine was running.
    pub online: bool,
    /// Whether the key ring is in it.
    pub key_ring: bool,
    /// The journals.
    pub journals: Vec<JournalEntry>,
    /// Every file but this one.
    pub files: Vec<CopiedFile>,
}

/// A journal of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// Whose it is.
    pub stream: StreamName,
    /// Its id, in hexadecimal.
    pub journal: String,
    /// The last start that it knows.
    pub last_start: Option<u32>,
    /// The last position that it covers, such as `3.1042`.
    pub position: String,
    /// Its files.
    pub files: u64,
    /// Their lengths together.
    pub bytes: u64,
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupTrouble {
    /// Operator: the folder has something in it.
    #[error("{} is not empty: a backup goes into a new folder, nothing is ever written over", .0.display())]
    NotEmpty(PathBuf),
    /// Operator: the folder belongs to what is backed up.
    #[error("{} lies inside {}: a backup goes somewhere else, best on another machine's disk", to.display(), inside.display())]
    Inside {
        /// The folder asked for.
        to: PathBuf,
        /// What it lies in.
        inside: PathBuf,
    },
    /// Operator: it does not fit.
    #[error("{} has {free} bytes free, the backup needs about {needed}: choose another disk", to.display())]
    NoRoom {
        /// The folder asked for.
        to: PathBuf,
        /// What is free there.
        free: u64,
        /// What is needed.
        needed: u64,
    },
    /// Operator: there is nothing to copy.
    #[error("there is no journal in {}: the first `sealpost send` or `sealpost run` makes it", .0.display())]
    NoJournal(PathBuf),
    /// Operator: the folder cannot be used.
    #[error("{}: {error}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// Operator: somebody else has the key ring.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// Operator: the journal refuses.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Copying ended early.
    #[error(transparent)]
    Copy(#[from] BackupError),
    /// Operator: no manifest, or one that cannot be read.
    #[error("{} is no whole backup: {reason}", path.display())]
    NoManifest {
        /// The manifest's path.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The copying thread ended.
    #[error("the copying thread ended before its time; the log says why")]
    Stopped,
}

/// A journal to copy, and up to where; `None` where nobody writes.
pub(crate) struct Source {
    pub(crate) journal: JournalDir,
    pub(crate) until: Option<RecordPosition>,
}

impl Manifest {
    /// Reads the manifest of a backup.
    ///
    /// # Errors
    /// [`BackupTrouble::NoManifest`].
    pub fn read(world: &World, folder: &Path) -> Result<Self, BackupTrouble> {
        let path = folder.join(MANIFEST);
        let wrong = |reason: String| BackupTrouble::NoManifest { path: path.clone(), reason };
        let bytes = world.disk().read_to_vec(&path, MANIFEST_BYTES_MAX).map_err(|error| {
            wrong(format!("its manifest cannot be read ({error}); it is written last, so the backup did not come to its end"))
        })?;
        let manifest: Self = serde_json::from_slice(&bytes).map_err(|error| wrong(format!("its manifest is damaged ({error})")))?;
        if manifest.format != FORMAT {
            return Err(wrong(format!("it has layout {}, this version reads layout {FORMAT}", manifest.format)));
        }
        Ok(manifest)
    }
}

impl Engine {
    /// Backs up while it runs. Nothing is taken away from the journals meanwhile: segments and keys that are over go afterwards.
    ///
    /// # Errors
    /// [`BackupTrouble`].
    pub async fn back_up(&self, request: BackupRequest, pace: Arc<Pace>) -> Result<Manifest, BackupTrouble> {
        let (journals, key_ring) = self.kept_in();
        prepare(self.world(), &request.to, &[journals, key_ring])?;
        let mut holds = Vec::new();
        let mut sources = Vec::new();
        // Both are held before either is copied: they share the key ring.
        holds.push(self.transactional().journal.hold().await?);
        if let Some(marketing) = self.marketing() {
            holds.push(marketing.journal.hold().await?);
        }
        let here = &self.transactional().journal;
        here.sync().await?;
        sources.push(Source { journal: here.place(), until: Some(here.durable()) });
        if let Some(marketing) = self.marketing() {
            let here = &marketing.journal;
            here.sync().await?;
            sources.push(Source { journal: here.place(), until: Some(here.durable()) });
        }
        let ring = request.key_ring.then(|| key_ring.to_owned());
        let (world, to) = (self.world().clone(), request.to);
        let copying = move || async move { copy(&world, sources, ring, &to, true, pace).await };
        let made = self.world().apart("backup", copying).await.ok_or(BackupTrouble::Stopped)?;
        drop(holds);
        made
    }
}

/// Backs up where no engine runs: with the locks of everything that is copied.
///
/// # Errors
/// [`BackupTrouble`]; an engine that has the journal is [`JournalError::Locked`].
pub async fn without_an_engine(
    world: &World,
    journals: Vec<JournalDir>,
    key_ring: &Path,
    request: BackupRequest,
    pace: Arc<Pace>,
) -> Result<Manifest, BackupTrouble> {
    let mut own: Vec<&Path> = journals.iter().map(JournalDir::path).collect();
    own.push(key_ring);
    prepare(world, &request.to, &own)?;
    let mut locks = Vec::new();
    for place in &journals {
        locks.push(place.lock()?);
    }
    if request.key_ring {
        locks.push(journal::lock_key_ring(world, key_ring)?);
    }
    let sources = journals.into_iter().map(|journal| Source { journal, until: None }).collect();
    let made = copy(world, sources, request.key_ring.then(|| key_ring.to_owned()), &request.to, false, pace).await;
    drop(locks);
    made
}

/// Refuses what cannot be a backup's folder, and makes it.
fn prepare(world: &World, to: &Path, own: &[&Path]) -> Result<(), BackupTrouble> {
    // The configuration may name its folders from where it lies.
    let is_inside = |own: &&&Path| std::path::absolute(own).is_ok_and(|own| to.starts_with(own));
    if let Some(inside) = own.iter().find(is_inside) {
        return Err(BackupTrouble::Inside { to: to.to_owned(), inside: (*inside).to_owned() });
    }
    let disk = world.disk();
    let wrong = |error| BackupTrouble::Folder { path: to.to_owned(), error };
    if disk.exists(to) && !disk.read_dir(to).map_err(wrong)?.is_empty() {
        return Err(BackupTrouble::NotEmpty(to.to_owned()));
    }
    disk.create_dir_all(to).map_err(wrong)
}

async fn copy(
    world: &World,
    sources: Vec<Source>,
    key_ring: Option<PathBuf>,
    to: &Path,
    online: bool,
    pace: Arc<Pace>,
) -> Result<Manifest, BackupTrouble> {
    let mut needed = 0;
    for source in &sources {
        needed += source.journal.backup_bytes()?;
    }
    pace.total.store(needed, Ordering::Relaxed);
    let free = world.disk().free_bytes(to).map_err(|error| BackupTrouble::Folder { path: to.to_owned(), error })?;
    if free < needed {
        return Err(BackupTrouble::NoRoom { to: to.to_owned(), free, needed });
    }
    let made_at = world.wall().to_jiff().to_string();
    let mut copier = Copier::new(world, to, pace);
    let (mut journals, mut files) = (Vec::new(), Vec::new());
    for source in &sources {
        let stream = source.journal.stream();
        let copied = copier.journal(&source.journal, &format!("{JOURNALS}/{stream}"), source.until).await?;
        journals.push(JournalEntry {
            stream,
            journal: source.journal.id(),
            last_start: source.journal.last_start(),
            position: copied.position.to_string(),
            files: copied.files.len() as u64,
            bytes: copied.files.iter().map(|file| file.bytes).sum(),
        });
        files.extend(copied.files);
    }
    // Last: a key is made before the first frame under it, so the ring has every key that the copies need.
    if let Some(key_ring) = &key_ring {
        files.extend(copier.key_ring(key_ring, KEYS).await?);
    }
    let made_by = format!("sealpost {}", env!("CARGO_PKG_VERSION"));
    let manifest = Manifest { format: FORMAT, made_at, made_by, online, key_ring: key_ring.is_some(), journals, files };
    let text = serde_json::to_vec_pretty(&manifest).map_err(|_| BackupTrouble::Stopped)?;
    copier.write(MANIFEST, &text)?;
    Ok(manifest)
}
