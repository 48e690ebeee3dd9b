//! The engine's disk as somebody sees it who pulls it out of the machine.

use std::path::{Path, PathBuf};
use world::World;

/// The largest file an engine of a simulation makes.
const FILE_BYTES_MAX: usize = 256 << 20;

/// A file and its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundFile {
    /// Where it lies.
    pub(crate) path: PathBuf,
    /// What is in it.
    pub(crate) bytes: Vec<u8>,
}

/// Every file of the engine's machine, wherever somebody put it.
pub(crate) fn files(world: &World) -> Vec<FoundFile> {
    let mut found = Vec::new();
    collect(world, Path::new("/"), &mut found);
    found
}

fn collect(world: &World, path: &Path, found: &mut Vec<FoundFile>) {
    match world.disk().read_dir(path) {
        Ok(children) => children.iter().for_each(|child| collect(world, child, found)),
        Err(_) => {
            if let Ok(bytes) = world.disk().read_to_vec(path, FILE_BYTES_MAX) {
                found.push(FoundFile { path: path.to_path_buf(), bytes });
            }
        }
    }
}
