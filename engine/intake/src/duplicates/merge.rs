//! Merging: runs of one size become one run of the next, so that there are few to look into. A key is written anew once for each
//! factor of four that the index grows by. Keys past the horizon go on the way.

use super::entry::{Day, KeyEntry};
use super::error::KeyIndexError;
use super::run::{Cursor, Run, RunWriter};
use std::path::Path;
use std::sync::Arc;
use world::Disk;

/// So many runs of a size make one of the next.
const FAN_IN: usize = 4;
/// Never more at once, however many there are.
const FAN_IN_MAX: usize = 16;

/// The runs to be merged next; none where there are few of each size.
pub(super) fn choose(runs: &[Arc<Run>], run_keys: usize) -> Vec<Arc<Run>> {
    let size = |run: &Run| (run.entries / run_keys as u64).max(1).ilog(FAN_IN as u64);
    let of_size = |wanted| runs.iter().filter(move |run| size(run) == wanted);
    let sizes = runs.iter().map(|run| size(run));
    let Some(wanted) = sizes.filter(|wanted| of_size(*wanted).count() >= FAN_IN).min() else { return Vec::new() };
    of_size(wanted).take(FAN_IN_MAX).cloned().collect()
}

/// A merge under way, in steps: what must be written meanwhile does not wait for it.
pub(super) struct Merge {
    pub(super) runs: Vec<Arc<Run>>,
    cursors: Vec<Cursor>,
    /// The next entry of each cursor.
    heads: Vec<Option<KeyEntry>>,
    writer: RunWriter,
    /// Keys of an earlier day are forgotten.
    keep_from: Day,
}

impl Merge {
    pub(super) fn begin(disk: &dyn Disk, folder: &Path, number: u64, runs: Vec<Arc<Run>>, keep_from: Day) -> Result<Self, KeyIndexError> {
        let writer = RunWriter::new(disk, folder, number, runs.iter().map(|run| run.entries).sum())?;
        let mut cursors: Vec<Cursor> = runs.iter().cloned().map(Cursor::new).collect();
        let heads = cursors.iter_mut().map(Cursor::next).collect::<Result<_, _>>()?;
        Ok(Self { runs, cursors, heads, writer, keep_from })
    }

    /// Merges up to `names_max` names; true where that was all.
    pub(super) fn step(&mut self, names_max: usize) -> Result<bool, KeyIndexError> {
        for _ in 0..names_max {
            let Some(name) = self.heads.iter().flatten().map(KeyEntry::name).min() else { return Ok(true) };
            // The record may have told a key again, and one that was forgotten may have come back: the latest is right.
            let mut latest: Option<KeyEntry> = None;
            for (head, cursor) in self.heads.iter_mut().zip(&mut self.cursors) {
                if let Some(entry) = head.filter(|entry| entry.name() == name) {
                    latest = latest.filter(|known| known.day >= entry.day).or(Some(entry));
                    *head = cursor.next()?;
                }
            }
            if let Some(entry) = latest.filter(|entry| entry.day >= self.keep_from) {
                self.writer.push(&entry)?;
            }
        }
        Ok(false)
    }

    pub(super) fn finish(self, disk: &dyn Disk, folder: &Path) -> Result<(Run, Vec<Arc<Run>>), KeyIndexError> {
        Ok((self.writer.finish(disk, folder)?, self.runs))
    }
}
