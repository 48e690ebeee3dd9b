//! Which way to write and sync is the fastest here, measured at each start.
//!
//! A disk may have ways that make a commit in fewer system calls ([`world::CommitMethod`]). Whether one of them is faster depends on
//! kernel, file system and device, so a start tries them on a file of its own in the journal's directory: in turns, writes of
//! [`WRITE_BYTES`] within preallocated zeros, as commits are, for at most [`SPAN_MAX`]. The lowest median wins; another way than pwrite
//! must be clearly better. The choice is logged with all figures, and the configuration can fix it. A kernel that refuses a way is said so,
//! and pwrite is used.

use model::StreamName;
use std::io;
use std::path::Path;
use std::time::Duration;
use world::{CommitMethod, Committer, DiskFile, DurableWrite, OpenMode, World};

/// No round begins after this; a round is one write and sync for each way.
const SPAN_MAX: Duration = Duration::from_millis(80);
/// Rounds that say enough.
const ROUNDS_MAX: usize = 32;
/// Fewer rounds say nothing: then it is pwrite.
const ROUNDS_MIN: usize = 3;
/// A commit of a few dozen frames.
const WRITE_BYTES: usize = 4096;
/// In the journal's directory; removed when it has served.
const FILE: &str = "commit.probe";
/// Another way must take at most so many hundredths of what pwrite takes.
const BETTER_PERCENT: u128 = 97;

/// The way that commits are made; `None` is pwrite and fdatasync, one after the other.
pub(crate) fn choose(world: &World, dir: &Path, stream: StreamName, wanted: Option<CommitMethod>) -> Option<Box<dyn Committer>> {
    match wanted {
        Some(CommitMethod::Pwrite) => None,
        Some(method) => match world.disk().committer(method) {
            Ok(committer) => {
                tracing::info!(target: "sealpost::journal", %stream, %method, "commits are made as the configuration says");
                Some(committer)
            }
            Err(error) => {
                tracing::warn!(target: "sealpost::journal", %stream, %method, %error, "this way to commit is refused here; pwrite is used");
                None
            }
        },
        None => fastest(world, dir, stream),
    }
}

/// A way and what it took.
struct Candidate {
    committer: Box<dyn Committer>,
    spans: Vec<Duration>,
}

impl Candidate {
    fn median(&mut self) -> Duration {
        self.spans.sort_unstable();
        self.spans.get(self.spans.len() / 2).copied().unwrap_or(Duration::MAX)
    }
}

fn fastest(world: &World, dir: &Path, stream: StreamName) -> Option<Box<dyn Committer>> {
    let mut candidates = Vec::new();
    for method in [CommitMethod::Pwrite, CommitMethod::Pwritev2, CommitMethod::IoUring] {
        match world.disk().committer(method) {
            Ok(committer) => candidates.push(Candidate { committer, spans: Vec::new() }),
            // A disk that has no such way by its nature need not be told of.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(error) => tracing::info!(target: "sealpost::journal", %stream, %method, %error, "the kernel refuses this way to commit"),
        }
    }
    if candidates.len() < 2 {
        return None;
    }
    if let Err(error) = race(world, dir, &mut candidates) {
        tracing::warn!(target: "sealpost::journal", %stream, %error, "the ways to commit could not be measured; pwrite is used");
        return None;
    }
    decide(stream, candidates)
}

/// Runs the candidates in turns, so that all meet the same disk.
fn race(world: &World, dir: &Path, candidates: &mut [Candidate]) -> io::Result<()> {
    let path = dir.join(FILE);
    let file = world.disk().open(&path, OpenMode::Create)?;
    let raced = rounds(world, &*file, candidates);
    drop(file);
    world.disk().remove_file(&path)?;
    raced
}

fn rounds(world: &World, file: &dyn DiskFile, candidates: &mut [Candidate]) -> io::Result<()> {
    let bytes = [1u8; WRITE_BYTES];
    file.preallocate_zeroed((WRITE_BYTES * ROUNDS_MAX * candidates.len()) as u64)?;
    let begun = world.monotonic();
    let mut offset = 0;
    for _ in 0..ROUNDS_MAX {
        if world.monotonic() - begun > SPAN_MAX {
            return Ok(());
        }
        for candidate in candidates.iter_mut() {
            let start = world.monotonic();
            candidate
                .committer
                .commit(&[DurableWrite { file, bytes: &bytes, offset, has_unsynced: false }])
                .map_err(|fault| fault.source)?;
            candidate.spans.push(world.monotonic() - start);
            offset += WRITE_BYTES as u64;
        }
    }
    Ok(())
}

fn decide(stream: StreamName, mut candidates: Vec<Candidate>) -> Option<Box<dyn Committer>> {
    let rounds = candidates.iter().map(|candidate| candidate.spans.len()).min().unwrap_or(0);
    let medians: Vec<Duration> = candidates.iter_mut().map(Candidate::median).collect();
    let figures =
        candidates.iter().zip(&medians).map(|(candidate, median)| format!("{} {}", candidate.committer.method(), micros(*median)));
    let figures = figures.collect::<Vec<_>>().join(", ");
    let chosen = if rounds < ROUNDS_MIN { 0 } else { best(&medians) };
    let candidate = candidates.swap_remove(chosen);
    let method = candidate.committer.method();
    tracing::info!(target: "sealpost::journal", %stream, %method, rounds, "commits are made by {method}; median of a write and sync: {figures}");
    (method != CommitMethod::Pwrite).then_some(candidate.committer)
}

/// The place of the lowest; the first, which is pwrite, where no other is clearly better.
fn best(medians: &[Duration]) -> usize {
    let Some((at, lowest)) = medians.iter().enumerate().min_by_key(|(_, median)| **median) else { return 0 };
    let is_better = lowest.as_nanos() * 100 <= medians[0].as_nanos() * BETTER_PERCENT;
    if is_better { at } else { 0 }
}

fn micros(span: Duration) -> String {
    format!("{} µs", span.as_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_way_must_be_clearly_better() {
        let of = |micros: [u64; 3]| best(&micros.map(Duration::from_micros));
        assert_eq!(of([100, 99, 98]), 0);
        assert_eq!(of([100, 97, 120]), 1);
        assert_eq!(of([100, 97, 90]), 2);
        assert_eq!(of([100, 200, 300]), 0);
    }

    #[test]
    fn a_start_measures_in_bounded_time_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let world = World::real();
        let start = world.monotonic();
        let _ = choose(&world, folder.path(), StreamName::Transactional, None);
        // One round more than the span, and the making of the file, on a disk that others use too.
        assert!(world.monotonic() - start < Duration::from_secs(5));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_configuration_fixes_the_way_and_a_simulated_disk_has_one() {
        let world = World::real();
        assert!(choose(&world, Path::new("/nowhere"), StreamName::Transactional, Some(CommitMethod::Pwrite)).is_none());
        let fixed = choose(&world, Path::new("/nowhere"), StreamName::Transactional, Some(CommitMethod::Pwritev2));
        assert_eq!(fixed.map(|committer| committer.method()), Some(CommitMethod::Pwritev2));
        let simulation = world::simulated::Simulation::new(1);
        for wanted in [None, Some(CommitMethod::IoUring), Some(CommitMethod::Pwrite)] {
            assert!(choose(&simulation.world(), Path::new("/"), StreamName::Transactional, wanted).is_none());
        }
    }
}
