//! The folders on disk: made 0700, looked at again and again, never through a link.

use super::ready::{Dropped, Watch};
use super::take::Taken;
use super::{DropError, DropSettings};
use model::StreamName;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use world::{LockGuard, World};

/// What accepted files are sealed as.
pub(crate) const SOURCE_DONE: &str = "source_done";
/// What refused files are sealed as.
pub(crate) const SOURCE_REFUSED: &str = "source_refused";

const PARTS: [&str; 5] = ["incoming", "members", "done", "refused", "results"];

/// The folders of one tenant's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folder {
    pub(crate) tenant: String,
    pub(crate) stream: StreamName,
    root: PathBuf,
}

impl Folder {
    pub(crate) fn of(path: &Path, tenant: &str, stream: StreamName) -> Self {
        Self { tenant: tenant.to_owned(), stream, root: path.join(tenant).join(stream.as_str()) }
    }
    pub(crate) fn incoming(&self) -> PathBuf {
        self.root.join("incoming")
    }
    pub(crate) fn members(&self) -> PathBuf {
        self.root.join("members")
    }
    pub(crate) fn done(&self) -> PathBuf {
        self.root.join("done")
    }
    pub(crate) fn refused(&self) -> PathBuf {
        self.root.join("refused")
    }
    pub(crate) fn results(&self) -> PathBuf {
        self.root.join("results")
    }
    /// Marks of batches whose delivery report was written, by their ids.
    pub(crate) fn told(&self) -> PathBuf {
        self.root.join(".told")
    }
}

/// All folders of an installation, locked.
pub(crate) struct DropFolders {
    settings: DropSettings,
    folders: Vec<(Folder, Watch)>,
    _lock: Box<dyn LockGuard>,
}

impl DropFolders {
    /// Makes what is missing and takes the lock.
    ///
    /// # Errors
    /// [`DropError`].
    pub(crate) fn open(world: &World, settings: DropSettings, of: &[(String, StreamName)]) -> Result<Self, DropError> {
        let path = settings.path.clone();
        make(&path)?;
        let lock = world.disk().lock_exclusive(&path.join(".lock")).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => DropError::Locked(path.clone()),
            _ => DropError::Disk { path: path.join(".lock"), error },
        })?;
        let mut folders = Vec::new();
        for (tenant, stream) in of {
            let folder = Folder::of(&path, tenant, *stream);
            make(&path.join(tenant))?;
            make(&folder.root)?;
            PARTS.iter().try_for_each(|part| make(&folder.root.join(part)))?;
            folders.push((folder, Watch::default()));
        }
        Ok(Self { settings, folders, _lock: lock })
    }

    pub(crate) fn settings(&self) -> &DropSettings {
        &self.settings
    }

    pub(crate) fn len(&self) -> usize {
        self.folders.len()
    }

    pub(crate) fn folder(&self, at: usize) -> &Folder {
        &self.folders[at].0
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Folder> {
        self.folders.iter().map(|(folder, _)| folder)
    }

    /// Complete files of a folder: contact files first, then batches, each by rising time.
    pub(crate) fn ready(&mut self, at: usize, world: &World) -> Vec<Dropped> {
        let (folder, watch) = &mut self.folders[at];
        let mut ready = Vec::new();
        for (dir, is_members) in [(folder.members(), true), (folder.incoming(), false)] {
            // Whoever could change the folder could put anything there.
            match check(&dir).map_err(|error| error.to_string()) {
                Ok(()) => match watch.look(&dir, is_members, &self.settings, world) {
                    Ok(found) => ready.extend(found),
                    Err(error) => tracing::error!(target: "sealpost::drop", folder = %dir.display(), %error, "cannot be looked at"),
                },
                Err(problem) => {
                    tracing::error!(target: "sealpost::drop", folder = %dir.display(), %problem, "is not served until it is put right")
                }
            }
        }
        ready
    }

    /// What became of a file: one that stays is looked at again later.
    pub(crate) fn looked_at(&mut self, at: usize, dropped: &Dropped, outcome: Taken, world: &World) {
        self.folders[at].1.looked_at(dropped, outcome, world.monotonic());
    }
}

fn make(path: &Path) -> Result<(), DropError> {
    match DirBuilder::new().mode(0o700).recursive(true).create(path) {
        Ok(()) => check(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => check(path),
        Err(error) => Err(DropError::Disk { path: path.to_owned(), error }),
    }
}

/// A folder of ours: no link, our own, closed to others.
fn check(path: &Path) -> Result<(), DropError> {
    let about = fs::symlink_metadata(path).map_err(|error| DropError::Disk { path: path.to_owned(), error })?;
    let unfit = |problem: String| Err(DropError::Unfit { path: path.to_owned(), problem });
    if about.file_type().is_symlink() {
        return unfit("is a symbolic link, and none is followed here: make it a folder".to_owned());
    }
    if !about.is_dir() {
        return unfit("is not a folder".to_owned());
    }
    let mode = about.mode() & 0o777;
    if mode & 0o077 != 0 {
        return unfit(format!("is open to others (mode {mode:o}): chmod 700 it, and look whether what lies in it is what you put there"));
    }
    if about.uid() != rustix::process::geteuid().as_raw() {
        return unfit("belongs to another user: it must be this engine's own".to_owned());
    }
    Ok(())
}
