//! A file system's names: as they are seen now, and as they would be found after a crash.
//!
//! Creating, renaming and removing are pending until a directory they touch is synced. At a crash pending changes are lost, kept up
//! to one of them, or kept each by itself, as the seed says; a rename is never done by half.

use crate::simulated::random::Random;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileId(pub(super) u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    Directory,
    File(FileId),
}

#[derive(Default)]
pub(super) struct Names {
    now: BTreeMap<PathBuf, Entry>,
    durable: BTreeMap<PathBuf, Entry>,
    pending: Vec<Change>,
    /// Directories in the order they were made: what an inode is to the operating system.
    identities: BTreeMap<PathBuf, u64>,
}

#[derive(Clone)]
enum Change {
    Link { path: PathBuf, file: FileId },
    Rename { from: PathBuf, to: PathBuf, file: FileId },
    Unlink { path: PathBuf },
}

impl Change {
    fn directories(&self) -> [&Path; 2] {
        let (one, two) = match self {
            Self::Link { path, .. } | Self::Unlink { path } => (path, path),
            Self::Rename { from, to, .. } => (from, to),
        };
        [crate::disk::parent_of(one), crate::disk::parent_of(two)]
    }

    fn apply(self, names: &mut BTreeMap<PathBuf, Entry>) {
        match self {
            Self::Link { path, file } => {
                names.insert(path, Entry::File(file));
            }
            Self::Rename { from, to, file } => {
                names.remove(&from);
                names.insert(to, Entry::File(file));
            }
            Self::Unlink { path } => {
                names.remove(&path);
            }
        }
    }
}

impl Names {
    /// What has this path; `/` and `.` are always there.
    pub(super) fn get(&self, path: &Path) -> Option<Entry> {
        let is_root = path == Path::new("/") || path == Path::new(".");
        if is_root { Some(Entry::Directory) } else { self.now.get(path).copied() }
    }

    /// Makes a directory and those above it, durably.
    pub(super) fn make_directories(&mut self, path: &Path) {
        for path in path.ancestors().filter(|path| !path.as_os_str().is_empty()) {
            for names in [&mut self.now, &mut self.durable] {
                names.entry(path.to_owned()).or_insert(Entry::Directory);
            }
            // Directories are never removed here, so their count is a number never given.
            let next = self.identities.len() as u64 + 1;
            self.identities.entry(path.to_owned()).or_insert(next);
        }
    }

    /// The number of a directory.
    pub(super) fn identity(&self, path: &Path) -> Option<u64> {
        self.identities.get(path).copied()
    }

    pub(super) fn link(&mut self, path: &Path, file: FileId) {
        self.change(Change::Link { path: path.to_owned(), file });
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path, file: FileId) {
        self.change(Change::Rename { from: from.to_owned(), to: to.to_owned(), file });
    }

    pub(super) fn unlink(&mut self, path: &Path) {
        self.change(Change::Unlink { path: path.to_owned() });
    }

    pub(super) fn children(&self, directory: &Path) -> Vec<PathBuf> {
        self.now.keys().filter(|path| *path != directory && crate::disk::parent_of(path) == directory).cloned().collect()
    }

    pub(super) fn sync(&mut self, directory: &Path) {
        // A rename between two directories is one change of both: they become durable together.
        let mut directories = BTreeSet::from([directory.to_owned()]);
        loop {
            let touching = self.pending.iter().filter(|change| change.directories().iter().any(|path| directories.contains(*path)));
            let all: BTreeSet<_> = touching.flat_map(|change| change.directories().map(Path::to_owned)).collect();
            let before = directories.len();
            directories.extend(all);
            if directories.len() == before {
                break;
            }
        }
        for change in std::mem::take(&mut self.pending) {
            if change.directories().iter().any(|path| directories.contains(*path)) {
                change.apply(&mut self.durable);
            } else {
                self.pending.push(change);
            }
        }
    }

    /// Leaves what the disk holds after a crash.
    pub(super) fn crash(&mut self, random: &mut Random) {
        let pending = std::mem::take(&mut self.pending);
        let one_by_one = random.chance(50);
        let first_lost = random.index(pending.len() + 1);
        for (index, change) in pending.into_iter().enumerate() {
            if if one_by_one { random.chance(50) } else { index < first_lost } {
                change.apply(&mut self.durable);
            }
        }
        self.now = self.durable.clone();
    }

    /// The files that have a name.
    pub(super) fn files(&self) -> BTreeSet<FileId> {
        let file = |entry: &Entry| if let Entry::File(file) = entry { Some(*file) } else { None };
        self.now.values().filter_map(file).collect()
    }

    fn change(&mut self, change: Change) {
        change.clone().apply(&mut self.now);
        self.pending.push(change);
    }
}
