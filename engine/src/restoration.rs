//! A start by an operator's word: which journals were put back from a copy, and what of the rest must begin anew with them.
//!
//! Projections remember more than an old record does: the ledger jobs that it never heard of, the key index keys that would turn away the
//! very files that must be handed in again. So they are set aside before the journal is opened, and made again from the record. Doing it
//! twice, after a crash, costs nothing but the time.

use crate::engine::EngineError;
use crate::settings::{EngineSettings, Places};
use journal::{JournalError, KeyRing, Stale, Vouch};
use model::StreamName;
use std::path::{Path, PathBuf};
use world::World;

/// The journals of this installation that are not the ones that were written last.
pub(crate) fn stale_journals(world: &World, settings: &EngineSettings, keys: &KeyRing) -> Result<Vec<Stale>, JournalError> {
    let marketing = settings.marketing.as_ref().map(|_| StreamName::Marketing);
    let streams = [Some(StreamName::Transactional), marketing].into_iter().flatten();
    let look = |stream: StreamName| journal::look_for_staleness(world, &settings.places.journal.join(stream.as_str()), stream, keys);
    streams.filter_map(|stream| look(stream).transpose()).collect()
}

/// Checks the word against what there is: it must be needed, and where it is needed it must be there. Before anything is changed.
///
/// # Errors
/// [`EngineError::Stale`], [`EngineError::NothingRestored`].
pub(crate) fn check(world: &World, settings: &EngineSettings, keys: &KeyRing, vouch: Option<&Vouch>) -> Result<(), EngineError> {
    let stale = stale_journals(world, settings, keys)?;
    match (stale.is_empty(), vouch) {
        (true, Some(_)) => Err(EngineError::NothingRestored),
        (false, None) => Err(EngineError::Stale(stale)),
        _ => Ok(()),
    }
}

/// Takes a stream's projections out of the way. The ledger is kept under another name:
/// it may know what became of jobs that the record has lost.
pub(crate) fn set_projections_aside(world: &World, places: &Places, stream: StreamName) -> std::io::Result<()> {
    if let Some(folder) = &places.ledger {
        let moment = world.wall().as_seconds();
        for end in ["", "-wal", "-shm"] {
            let file = folder.join(format!("{stream}.sqlite{end}"));
            if world.disk().exists(&file) {
                world.disk().rename(&file, &folder.join(format!("{stream}.before-{moment}.sqlite{end}")))?;
            }
        }
        world.disk().sync_dir(folder)?;
    }
    let index = places.index.join(stream.as_str());
    for file in files_in(world, &index)? {
        world.disk().remove_file(&file)?;
    }
    Ok(())
}

fn files_in(world: &World, folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    if world.disk().exists(folder) { world.disk().read_dir(folder) } else { Ok(Vec::new()) }
}
