//! Which files of a folder are complete.

use super::take::Taken;
use super::{Complete, DropSettings};
use model::Monotonic;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use world::World;

/// Endings of files that are being written.
const UNFINISHED: [&str; 5] = [".part", ".tmp", ".filepart", ".partial", ".crdownload"];
const MARKER: &str = ".done";
const MANIFESTS: [&str; 2] = [".manifest.toml", ".manifest.json"];
/// How long a file that could not be taken waits, from time to time longer.
const RETRY_MIN: Duration = Duration::from_secs(2);
const RETRY_MAX: Duration = Duration::from_secs(300);

/// A complete file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub(crate) path: PathBuf,
    pub(crate) is_members: bool,
    pub(crate) manifest: Option<PathBuf>,
    pub(crate) marker: Option<PathBuf>,
}

impl Dropped {
    /// What goes with it when it goes.
    pub(crate) fn companions(&self) -> impl Iterator<Item = &Path> {
        [&self.manifest, &self.marker].into_iter().filter_map(|path| path.as_deref())
    }
}

/// What was seen of the files of one folder.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    seen: BTreeMap<PathBuf, Seen>,
}

#[derive(Debug, Clone)]
struct Seen {
    bytes: u64,
    modified: SystemTime,
    /// Since when it is as it is.
    since: Monotonic,
    /// Not before, after a try that failed.
    again: Option<Monotonic>,
    pause: Duration,
    /// It stays where it is until it changes.
    left_alone: bool,
}

impl Watch {
    /// The complete files of `dir`, by rising time and name.
    pub(super) fn look(&mut self, dir: &Path, is_members: bool, settings: &DropSettings, world: &World) -> io::Result<Vec<Dropped>> {
        let now = world.monotonic();
        let wall = SystemTime::UNIX_EPOCH + Duration::from_millis(world.wall().0);
        let mut names: Vec<OsString> = fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<_, _>>()?;
        names.sort();
        self.seen.retain(|path, _| {
            path.parent() != Some(dir)
                || path.file_name().is_some_and(|name| names.binary_search_by(|one| one.as_os_str().cmp(name)).is_ok())
        });
        let mut ready = Vec::new();
        for name in names.iter().filter(|name| is_candidate(name)) {
            let path = dir.join(name);
            // A link is a candidate too: it is refused aloud, not passed over.
            let Ok(about) = fs::symlink_metadata(&path) else { continue };
            let modified = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            let fresh = Seen { bytes: about.len(), modified, since: now, again: None, pause: RETRY_MIN, left_alone: false };
            let seen = self.seen.entry(path.clone()).or_insert_with(|| fresh.clone());
            if (seen.bytes, seen.modified) != (fresh.bytes, fresh.modified) {
                *seen = fresh;
            }
            if seen.left_alone || seen.again.is_some_and(|again| now < again) {
                continue;
            }
            let beside = |suffix: &str| {
                let mut beside = name.clone();
                beside.push(suffix);
                names.contains(&beside).then(|| dir.join(beside))
            };
            let manifest = MANIFESTS.into_iter().find_map(beside);
            let marker = beside(MARKER);
            // Half a manifest would state less than the whole one: no totals, or another moment. It has to be left alone too.
            if manifest.as_deref().is_some_and(|manifest| !is_quiet(manifest, wall, settings.quiet)) {
                continue;
            }
            let unchanged = now.since(seen.since);
            // A time in the future (another machine's clock) says nothing: then what was seen of the file counts.
            let quiet = wall.duration_since(modified).unwrap_or(unchanged);
            if is_complete(settings, marker.is_some(), manifest.is_some(), quiet, unchanged) {
                ready.push((modified, Dropped { path, is_members, manifest, marker }));
            }
        }
        ready.sort_by(|one, other| (one.0, &one.1.path).cmp(&(other.0, &other.1.path)));
        Ok(ready.into_iter().map(|(_, dropped)| dropped).collect())
    }

    pub(super) fn looked_at(&mut self, dropped: &Dropped, outcome: Taken, now: Monotonic) {
        match outcome {
            Taken::Accepted(_) | Taken::Gone => drop(self.seen.remove(&dropped.path)),
            Taken::Stays => {
                if let Some(seen) = self.seen.get_mut(&dropped.path) {
                    seen.left_alone = true;
                }
            }
            Taken::Later => {
                if let Some(seen) = self.seen.get_mut(&dropped.path) {
                    seen.again = Some(now + seen.pause);
                    seen.pause = (seen.pause * 2).min(RETRY_MAX);
                }
            }
        }
    }
}

fn is_complete(settings: &DropSettings, has_marker: bool, has_manifest: bool, quiet: Duration, unchanged: Duration) -> bool {
    let Complete { rename, marker, manifest, size_stable } = settings.complete;
    (marker && has_marker)
        || (manifest && has_manifest)
        || (rename && quiet >= settings.quiet)
        || (size_stable && unchanged >= settings.stable)
}

/// Whether a manifest was left alone. One from the future is: nothing is written to it now.
fn is_quiet(manifest: &Path, wall: SystemTime, quiet: Duration) -> bool {
    let modified = fs::symlink_metadata(manifest).and_then(|about| about.modified());
    modified.is_ok_and(|modified| wall.duration_since(modified).is_ok_and(|span| span >= quiet) || modified > wall + quiet)
}

/// Whether a name may be a file that was handed in: no name of a file that is being written, no marker, no manifest.
fn is_candidate(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_lowercase();
    let is_companion = name.ends_with(MARKER) || MANIFESTS.iter().any(|suffix| name.ends_with(suffix));
    !name.starts_with('.') && !is_companion && !UNFINISHED.iter().any(|suffix| name.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(complete: Complete) -> DropSettings {
        let second = Duration::from_secs(1);
        DropSettings { path: PathBuf::new(), every: second, quiet: 2 * second, stable: 60 * second, complete, expected: Vec::new() }
    }

    #[test]
    fn each_sign_counts_where_it_is_configured() {
        let (second, none_yet) = (Duration::from_secs(1), Duration::ZERO);
        let none = Complete { rename: false, marker: false, manifest: false, size_stable: false };
        for (complete, marker, manifest, quiet, unchanged, expected) in [
            (Complete::default(), false, false, second, 99 * second, false),
            (Complete::default(), false, false, 2 * second, none_yet, true),
            (Complete::default(), true, false, none_yet, none_yet, true),
            (Complete::default(), false, true, none_yet, none_yet, true),
            (Complete { marker: true, ..none }, false, true, 99 * second, 99 * second, false),
            (Complete { manifest: true, ..none }, true, false, 99 * second, 99 * second, false),
            (Complete { size_stable: true, ..none }, false, false, 99 * second, 59 * second, false),
            (Complete { size_stable: true, ..none }, false, false, none_yet, 60 * second, true),
        ] {
            assert_eq!(is_complete(&settings(complete), marker, manifest, quiet, unchanged), expected);
        }
    }

    #[test]
    fn names_of_what_is_being_written_wait() {
        for name in [".a.835", "a.835.part", "a.835.TMP", "a.filepart", "a.835.done", "a.835.manifest.toml", "A.MANIFEST.JSON", ".nfs0001"]
        {
            assert!(!is_candidate(OsStr::new(name)), "{name}");
        }
        for name in ["a.835", "done", "tmp", "part", "a.json", "manifest.toml.835"] {
            assert!(is_candidate(OsStr::new(name)), "{name}");
        }
    }
}
