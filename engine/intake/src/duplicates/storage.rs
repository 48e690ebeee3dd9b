//! The folder of an index: what lies in it, and how a start makes sense of it.
//!
//! ```text
//! <folder>/manifest        which runs, and how far they cover the record
//! <folder>/NNNNNNNN.keys   the runs
//! ```
//!
//! A folder that is damaged, belongs to another record, or knows more than the record does, is emptied: the record makes it again.

use super::entry::Day;
use super::error::KeyIndexError;
use super::manifest::Manifest;
use super::position::Reached;
use super::run::{self, Run};
use super::{Health, KeyIndex, Part};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use world::Disk;

/// Keys of a run before any merge: 64 Ki keys are 3 MB.
pub const RUN_KEYS_DEFAULT: usize = 64 * 1024;
const DAY_SECONDS: u64 = 86_400;
/// How often a look begins anew where runs go meanwhile.
const LOOKS_MAX: usize = 5;

/// Where an index lies and what it keeps.
#[derive(Debug, Clone)]
pub struct KeyIndexSettings {
    /// Its folder, its own alone.
    pub folder: PathBuf,
    /// Identity of the journal whose projection it is.
    pub record: [u8; 16],
    /// How long a key is remembered, in whole days begun.
    pub horizon: Duration,
    /// Keys in memory before they become a run: [`RUN_KEYS_DEFAULT`], fewer in tests. At least 1.
    pub run_keys: usize,
}

/// An index that must be told what the record says behind `position`.
#[derive(Debug)]
pub struct OpenedKeyIndex {
    /// The index.
    pub index: KeyIndex,
    /// It knows the record up to here.
    pub position: u64,
    /// Why it begins from nothing, where it had to be given up.
    pub given_up: Option<KeyIndexError>,
}

/// What the index knows of its folder.
#[derive(Debug)]
pub(super) struct Storage {
    pub(super) folder: PathBuf,
    pub(super) run_keys: usize,
    record: [u8; 16],
    horizon_days: u16,
    next_run: u64,
    /// The position in the manifest.
    pub(super) written: u64,
    /// The manifest does not say what is so.
    pub(super) is_stale: bool,
    /// Runs to be removed once no manifest names them.
    obsolete: Vec<u64>,
}

impl Storage {
    pub(super) fn next_number(&mut self) -> u64 {
        self.next_run += 1;
        self.next_run - 1
    }

    /// Whether a key of `day` is forgotten on `today`.
    pub(super) fn is_past(&self, day: Day, today: Day) -> bool {
        today.0.saturating_sub(day.0) > self.horizon_days
    }

    /// These parts are nobody's any more.
    pub(super) fn forget(&mut self, parts: Vec<Part>) {
        self.remove_later(parts.iter().map(Part::number).collect());
    }

    pub(super) fn horizon_days(&self) -> u16 {
        self.horizon_days
    }

    /// The manifest that would have let these go was not written.
    pub(super) fn remove_later(&mut self, numbers: Vec<u64>) {
        self.is_stale |= !numbers.is_empty();
        self.obsolete.extend(numbers);
    }

    /// What the manifest must say.
    pub(super) fn manifest(&mut self, position: u64, parts: &[Part]) -> (Manifest, Vec<u64>) {
        let runs = parts.iter().filter_map(|part| if let Part::Run(run) = part { Some(run.number) } else { None }).collect();
        self.is_stale = false;
        (Manifest { record: self.record, position, next_run: self.next_run, runs }, std::mem::take(&mut self.obsolete))
    }
}

impl KeyIndex {
    /// Opens the index in a folder, or makes it. `durable` is asked for the last durable position of the record.
    ///
    /// # Errors
    /// [`KeyIndexError::Disk`]. Damage is no error, see [`OpenedKeyIndex::given_up`].
    pub fn open(
        disk: &dyn Disk,
        settings: KeyIndexSettings,
        durable: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Result<OpenedKeyIndex, KeyIndexError> {
        let folder = &settings.folder;
        disk.create_dir_all(folder).map_err(KeyIndexError::disk("make", folder))?;
        let (manifest, runs, given_up) = match read(disk, &settings, durable()) {
            Ok(Some((manifest, runs))) => (manifest, runs, None),
            Ok(None) => (empty(disk, &settings)?, Vec::new(), None),
            Err(damaged @ KeyIndexError::Damaged { .. }) => (empty(disk, &settings)?, Vec::new(), Some(damaged)),
            Err(error) => return Err(error),
        };
        remove_left_overs(disk, folder, &manifest)?;
        Ok(Self::of(settings, manifest, runs, given_up, durable))
    }

    /// Opens the index of a folder to ask it, beside an engine that has it or without one: nothing on the disk changes. Where there is none, or none
    /// of use, it begins from nothing, and the whole record is to be told.
    ///
    /// # Errors
    /// [`KeyIndexError::Disk`].
    pub fn look(disk: &dyn Disk, settings: KeyIndexSettings) -> Result<OpenedKeyIndex, KeyIndexError> {
        let mut read_so_far = read(disk, &settings, u64::MAX);
        for _ in 0..LOOKS_MAX {
            // An engine merged runs between the manifest and them.
            if !matches!(&read_so_far, Err(KeyIndexError::Disk { .. })) {
                break;
            }
            read_so_far = read(disk, &settings, u64::MAX);
        }
        let (manifest, runs, given_up) = match read_so_far {
            Ok(Some((manifest, runs))) => (Some(manifest), runs, None),
            Ok(None) => (None, Vec::new(), None),
            Err(damaged @ KeyIndexError::Damaged { .. }) => (None, Vec::new(), Some(damaged)),
            Err(error) => return Err(error),
        };
        let manifest = manifest.unwrap_or_else(|| Manifest { record: settings.record, position: 0, next_run: 1, runs: Vec::new() });
        Ok(Self::of(settings, manifest, runs, given_up, || u64::MAX))
    }

    fn of(
        settings: KeyIndexSettings,
        manifest: Manifest,
        runs: Vec<Run>,
        given_up: Option<KeyIndexError>,
        durable: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> OpenedKeyIndex {
        let position = manifest.position;
        let storage = Storage {
            folder: settings.folder,
            run_keys: settings.run_keys.max(1),
            record: manifest.record,
            horizon_days: u16::try_from(settings.horizon.as_secs().div_ceil(DAY_SECONDS)).unwrap_or(u16::MAX),
            next_run: manifest.next_run,
            written: position,
            is_stale: false,
            obsolete: Vec::new(),
        };
        let parts = runs.into_iter().map(|run| Part::Run(Arc::new(run))).collect();
        let mut index = Self::new(Some(storage), Reached::new(Box::new(durable)), parts);
        index.reached.replay(Some(position));
        index.health = Health::Rebuilding;
        OpenedKeyIndex { index, position, given_up }
    }

    /// True where a look-up came upon damage: call [`Self::begin_rebuild`], then tell it the whole record.
    pub fn is_damaged(&self) -> bool {
        self.health == Health::Damaged
    }

    /// Gives up what is on disk. Keys in memory stay; nothing is answered until [`super::Replay::finish`].
    pub fn begin_rebuild(&mut self) {
        self.health = Health::Rebuilding;
        self.reached.replay(Some(0));
        let (runs, frozen): (Vec<Part>, Vec<Part>) = self.parts.drain(..).partition(|part| matches!(part, Part::Run(_)));
        self.parts = frozen;
        if let Some(storage) = &mut self.storage {
            storage.written = 0;
            storage.is_stale = true;
            storage.forget(runs);
        }
    }
}

fn read(disk: &dyn Disk, settings: &KeyIndexSettings, durable: u64) -> Result<Option<(Manifest, Vec<Run>)>, KeyIndexError> {
    let folder = &settings.folder;
    let Some(manifest) = Manifest::read(disk, folder)? else { return Ok(None) };
    if manifest.record != settings.record {
        return Err(KeyIndexError::damaged(folder, "it belongs to another journal"));
    }
    if manifest.position > durable {
        return Err(KeyIndexError::damaged(folder, "it knows more than the record, which was put back from a copy"));
    }
    let runs = manifest.runs.iter().map(|number| Run::open(disk, folder, *number)).collect::<Result<_, _>>()?;
    Ok(Some((manifest, runs)))
}

/// An empty index, said before any run of the one before it goes or gets another content. Numbers go on, so that no run is taken for
/// another one.
fn empty(disk: &dyn Disk, settings: &KeyIndexSettings) -> Result<Manifest, KeyIndexError> {
    let last = numbers(disk, &settings.folder)?.into_iter().max().unwrap_or(0);
    let manifest = Manifest { record: settings.record, position: 0, next_run: last + 1, runs: Vec::new() };
    manifest.write(disk, &settings.folder)?;
    Ok(manifest)
}

/// Removes runs that no manifest names: their batch was not committed, or a crash came before the manifest.
fn remove_left_overs(disk: &dyn Disk, folder: &Path, manifest: &Manifest) -> Result<(), KeyIndexError> {
    for number in numbers(disk, folder)?.into_iter().filter(|number| !manifest.runs.contains(number)) {
        let path = run::path_of(folder, number);
        disk.remove_file(&path).map_err(KeyIndexError::disk("remove", &path))?;
    }
    Ok(())
}

fn numbers(disk: &dyn Disk, folder: &Path) -> Result<Vec<u64>, KeyIndexError> {
    let paths = disk.read_dir(folder).map_err(KeyIndexError::disk("list", folder))?;
    let number = |path: &PathBuf| path.file_name()?.to_str()?.strip_suffix(".keys")?.parse().ok();
    Ok(paths.iter().filter_map(number).collect())
}
