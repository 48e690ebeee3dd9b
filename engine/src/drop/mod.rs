//! Drop folders: files that are put there become batches, and nothing readable stays.
//!
//! ```text
//! PATH/.lock                          one engine serves the folders
//! PATH/TENANT/STREAM/incoming/        batch files; NAME.done or NAME.manifest.toml may stand beside NAME
//!                    members/         contact files; the newest one wins
//!                    done/            what was accepted: NAME.BATCH.sealed
//!                    refused/         what was not: NAME.HASH.sealed
//!                    results/         receipts, rejects, findings of gates, refusals: places, numbers, reasons, nobody's name; and, once every
//!                                     row of a batch has ended, NAME.BATCH.delivery.json ([`delivered`])
//!                    .told/           marks of batches whose delivery report was written, for 90 days
//! ```
//!
//! The way of a file: complete ([`ready`]) → accepted, or refused ([`take`]) → sealed, synced → results written → plaintext removed. A
//! crash anywhere leaves the plaintext where it was, and the next look goes on: the file's hash finds its batch, so nothing is taken twice,
//! and a sealed copy that is there already is written again over itself.
//!
//! It promises that no link is followed, that a file somebody else can still write to is not taken ([`crate::source`]), and that a second
//! engine says that there is one and stops. It leaves to others: what a row becomes (`files`), who may drop (the mode of the folders).
//!
//! The surprise: a plain rename into `incoming/` cannot be told from a file that is being written under its name. So such a file must have
//! been left alone for `quiet`, and its hash is taken twice. Senders that can should write NAME.part and rename it, or put the marker last.

mod delivered;
mod expect;
mod folder;
mod ready;
mod take;

pub use expect::Expected;
pub(crate) use expect::alerts;
pub(crate) use folder::{DropFolders, SOURCE_DONE, SOURCE_REFUSED};

use crate::engine::Engine;
use crate::gating::Door;
use model::StreamName;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;
use world::World;
use world::channel::Signal;

/// How drop folders are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropSettings {
    /// Where they lie.
    pub path: PathBuf,
    /// How often they are looked at.
    pub every: Duration,
    /// How long a renamed file must have been left alone.
    pub quiet: Duration,
    /// How long a file must not have changed, where that is a sign.
    pub stable: Duration,
    /// What says that a file is complete.
    pub complete: Complete,
    /// Files that are expected.
    pub expected: Vec<Expected>,
}

/// What says that a file is complete: any of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Complete {
    /// It appears under its name by a rename.
    pub rename: bool,
    /// `NAME.done` beside it.
    pub marker: bool,
    /// A manifest beside it.
    pub manifest: bool,
    /// Neither size nor time changed for long enough.
    pub size_stable: bool,
}

impl Default for Complete {
    fn default() -> Self {
        Self { rename: true, marker: true, manifest: true, size_stable: false }
    }
}

/// Contact files that wait in a folder and are complete, by rising time: what an engine would import at its next look.
///
/// # Errors
/// The folder cannot be read.
pub(crate) fn waiting_members(settings: &DropSettings, tenant: &str, stream: StreamName, world: &World) -> io::Result<Vec<PathBuf>> {
    let dir = folder::Folder::of(&settings.path, tenant, stream).members();
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let ready = ready::Watch::default().look(&dir, true, settings, world)?;
    // No link is followed here either.
    Ok(ready.into_iter().map(|dropped| dropped.path).filter(|path| !path.is_symlink()).collect())
}

/// Why drop folders cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum DropError {
    /// Operator: another engine has them.
    #[error("{}: another engine serves these drop folders: give this one its own [drop] path, or stop the other", .0.display())]
    Locked(PathBuf),
    /// Operator: a folder is not what it must be.
    #[error("{}: {problem}", path.display())]
    Unfit {
        /// Which.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// Operator: the disk.
    #[error("{}: {error}", path.display())]
    Disk {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
}

/// Serves the folders until `stop`. What goes wrong with one file stops no other.
pub(crate) async fn serve(engine: Rc<Engine>, mut folders: DropFolders, stop: Signal) {
    let world = engine.world().clone();
    let mut alerts = expect::Watch::new(&folders, world.wall());
    let mut awaited = delivered::Awaited::default();
    (0..folders.len()).for_each(|at| awaited.find(at, folders.folder(at), &engine));
    while !stop.is_set() && !engine.is_stopping() {
        for at in 0..folders.len() {
            for dropped in folders.ready(at, &world) {
                if stop.is_set() || engine.is_stopping() {
                    return;
                }
                let folder = folders.folder(at);
                let outcome = take::take(&engine, folder, &dropped, Door::Drop).await;
                alerts.arrived(folder, &dropped, world.wall());
                if let take::Taken::Accepted(batch) = outcome {
                    awaited.accepted(at, batch, crate::source::file_name(&dropped.path));
                }
                folders.looked_at(at, &dropped, outcome, &world);
            }
        }
        alerts.look(&folders, &world);
        awaited.look(&engine, |at| folders.folder(at)).await;
        let waiting = std::pin::pin!(stop.wait());
        futures_util::future::select(waiting, world.sleep(folders.settings().every)).await;
    }
}
