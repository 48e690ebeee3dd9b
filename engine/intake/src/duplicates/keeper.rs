//! Brings the index to disk, a step at a time, without holding up whoever looks keys up: full tables become runs, runs are merged,
//! the manifest follows. A crash between any two steps costs the following of some more of the record, and no key.

use super::entry::Day;
use super::error::KeyIndexError;
use super::manifest::Manifest;
use super::merge::{self, Merge};
use super::run::{self, Run, RunWriter};
use super::table::Frozen;
use super::{KeyIndex, Part};
use model::Timestamp;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use world::World;

/// Names merged before the keeper looks whether a table waits.
const STEP_NAMES: usize = 256 * 1024;
/// Frames of the record that a start may have to follow for keys that wait in memory.
const LATE_FRAMES: u64 = 256 * 1024;

/// Does the writing of one index. There is one of it.
pub struct KeyIndexKeeper {
    world: World,
    index: Arc<Mutex<KeyIndex>>,
    merge: Option<Merge>,
}

impl std::fmt::Debug for KeyIndexKeeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyIndexKeeper").finish_non_exhaustive()
    }
}

enum Work {
    Tell { manifest: Manifest, remove: Vec<u64> },
    Write(Arc<Frozen>),
    Merge,
    Begin { number: u64, runs: Vec<Arc<Run>>, keep_from: Day },
}

impl KeyIndexKeeper {
    /// For an index with a folder; one in memory gives nothing to do.
    pub fn new(world: World, index: Arc<Mutex<KeyIndex>>) -> Self {
        Self { world, index, merge: None }
    }

    /// Does everything there is to do now.
    ///
    /// # Errors
    /// [`KeyIndexError`]: what could not be written stays in memory and is tried again the next time.
    pub fn work_off(&mut self) -> Result<(), KeyIndexError> {
        while self.step()? {}
        Ok(())
    }

    /// Brings all keys that bind to disk, full tables or not, but begins no merge: for a stop.
    ///
    /// # Errors
    /// As [`Self::work_off`]; the next start follows the record instead.
    pub fn write_all(&mut self) -> Result<(), KeyIndexError> {
        self.merge = None;
        {
            let mut index = lock(&self.index);
            if index.bound.len() > 0 {
                index.freeze();
            }
        }
        // A merge would only be told to go on: it is left for the next start.
        while let Some(work @ (Work::Write(_) | Work::Tell { .. })) = self.next_work(true) {
            self.carry_out(work)?;
        }
        // All tables are written: the position is the latest.
        let tell = lock(&self.index).tell();
        tell.map_or(Ok(()), |work| self.carry_out(work))
    }

    /// One step; false where there is nothing to do.
    fn step(&mut self) -> Result<bool, KeyIndexError> {
        match self.next_work(self.merge.is_some()) {
            Some(work) => self.carry_out(work).map(|()| true),
            None => Ok(false),
        }
    }

    fn next_work(&self, is_merging: bool) -> Option<Work> {
        let now: Timestamp = self.world.wall();
        lock(&self.index).next_work(Day::of(now), is_merging)
    }

    fn folder(&self) -> Option<PathBuf> {
        lock(&self.index).storage.as_ref().map(|storage| storage.folder.clone())
    }

    fn carry_out(&mut self, work: Work) -> Result<(), KeyIndexError> {
        let Some(folder) = self.folder() else { return Ok(()) };
        let disk = self.world.disk();
        match work {
            Work::Tell { manifest, remove } => {
                if let Err(error) = manifest.write(disk, &folder) {
                    lock(&self.index).untold(remove);
                    return Err(error);
                }
                lock(&self.index).told(manifest.position);
                for number in remove {
                    // Named by no manifest: the next start removes what stays.
                    let _ = disk.remove_file(&run::path_of(&folder, number));
                }
            }
            Work::Write(frozen) => {
                let mut writer = RunWriter::new(disk, &folder, frozen.number, frozen.entries.len() as u64)?;
                frozen.entries.iter().try_for_each(|entry| writer.push(entry))?;
                let run = writer.finish(disk, &folder)?;
                lock(&self.index).written(run);
            }
            Work::Begin { number, runs, keep_from } => {
                self.merge = Some(Merge::begin(disk, &folder, number, runs, keep_from).map_err(|error| self.noticed(error))?);
            }
            Work::Merge => {
                let Some(mut merge) = self.merge.take() else { return Ok(()) };
                if merge.step(STEP_NAMES).map_err(|error| self.noticed(error))? {
                    let (run, merged) = merge.finish(disk, &folder)?;
                    lock(&self.index).merged(run, &merged);
                } else {
                    self.merge = Some(merge);
                }
            }
        }
        Ok(())
    }

    /// Damage that a merge comes upon is damage.
    fn noticed(&self, error: KeyIndexError) -> KeyIndexError {
        if matches!(error, KeyIndexError::Damaged { .. }) {
            lock(&self.index).health = super::Health::Damaged;
        }
        error
    }
}

/// An index that a panic left is still whole: each change to it is one step.
fn lock(index: &Mutex<KeyIndex>) -> MutexGuard<'_, KeyIndex> {
    index.lock().unwrap_or_else(PoisonError::into_inner)
}

impl KeyIndex {
    fn next_work(&mut self, today: Day, is_merging: bool) -> Option<Work> {
        self.turn();
        self.drop_past(today);
        let reached = self.reached.all();
        if Self::is_late(&self.bound, reached, LATE_FRAMES) {
            self.freeze();
        }
        let covered = self.covered();
        let storage = self.storage.as_mut()?;
        if storage.is_stale || covered.saturating_sub(storage.written) > LATE_FRAMES {
            let (manifest, remove) = storage.manifest(covered.max(storage.written), &self.parts);
            return Some(Work::Tell { manifest, remove });
        }
        let (horizon, run_keys) = (storage.horizon_days(), storage.run_keys);
        let frozen = self.all_parts().find_map(|part| if let Part::Frozen(frozen) = part { Some(Arc::clone(frozen)) } else { None });
        if let Some(frozen) = frozen {
            return Some(Work::Write(frozen));
        }
        if is_merging {
            return Some(Work::Merge);
        }
        let runs: Vec<Arc<Run>> =
            self.parts.iter().filter_map(|part| if let Part::Run(run) = part { Some(Arc::clone(run)) } else { None }).collect();
        let runs = merge::choose(&runs, run_keys);
        let number = (!runs.is_empty()).then(|| self.storage.as_mut().map(super::Storage::next_number)).flatten()?;
        Some(Work::Begin { number, runs, keep_from: Day(today.0.saturating_sub(horizon)) })
    }

    fn tell(&mut self) -> Option<Work> {
        let covered = self.covered();
        let storage = self.storage.as_mut().filter(|storage| storage.is_stale || storage.written < covered)?;
        let (manifest, remove) = storage.manifest(covered.max(storage.written), &self.parts);
        Some(Work::Tell { manifest, remove })
    }

    /// The manifest is on disk.
    fn told(&mut self, position: u64) {
        if let Some(storage) = &mut self.storage {
            storage.written = position;
        }
    }

    /// The manifest could not be written.
    fn untold(&mut self, remove: Vec<u64>) {
        if let Some(storage) = &mut self.storage {
            storage.remove_later(remove);
        }
    }

    /// A table is a run now, wherever it belongs to meanwhile.
    fn written(&mut self, run: Run) {
        let (number, run) = (run.number, Part::Run(Arc::new(run)));
        let place = |parts: &mut Vec<Part>| parts.iter().position(|part| part.number() == number);
        if let Some(at) = place(&mut self.parts) {
            self.parts[at] = run;
            self.storage.iter_mut().for_each(|storage| storage.is_stale = true);
            return;
        }
        for pending in self.pending.values_mut() {
            if let Some(at) = place(&mut pending.parts) {
                pending.parts[at] = run;
                return;
            }
        }
        // Its batch was discarded.
        self.storage.iter_mut().for_each(|storage| storage.remove_later(vec![number]));
    }

    fn merged(&mut self, run: Run, merged: &[Arc<Run>]) {
        let was_merged = |part: &Part| merged.iter().any(|run| run.number == part.number());
        if !merged.iter().all(|run| self.parts.iter().any(|part| part.number() == run.number)) {
            // Given up meanwhile, as a whole.
            self.storage.iter_mut().for_each(|storage| storage.remove_later(vec![run.number]));
            return;
        }
        let (gone, mut kept): (Vec<Part>, Vec<Part>) = self.parts.drain(..).partition(was_merged);
        // The oldest come first, and what was merged is older than what came since.
        kept.insert(0, Part::Run(Arc::new(run)));
        self.parts = kept;
        self.storage.iter_mut().for_each(|storage| storage.forget(gone.clone()));
    }

    /// Runs whose youngest key is past the horizon go as they are.
    fn drop_past(&mut self, today: Day) {
        let Some(storage) = &mut self.storage else { return };
        let is_past = |part: &Part| matches!(part, Part::Run(run) if storage.is_past(run.newest, today));
        if self.parts.iter().any(is_past) {
            let (gone, kept): (Vec<Part>, Vec<Part>) = self.parts.drain(..).partition(is_past);
            self.parts = kept;
            storage.forget(gone);
        }
    }
}
