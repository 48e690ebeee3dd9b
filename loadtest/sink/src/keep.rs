//! Keeps accepted messages as files, byte for byte, for a test or a person to look at.

use crate::config::Keep;
use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use world::{OpenMode, World};

/// The folder, and what lies in it.
pub(crate) struct Keeper {
    keep: Keep,
    kept: VecDeque<PathBuf>,
    count: u64,
}

impl Keeper {
    /// Makes the folder.
    pub(crate) fn new(world: &World, keep: Keep) -> io::Result<Self> {
        world.disk().create_dir_all(&keep.dir)?;
        Ok(Self { keep, kept: VecDeque::new(), count: 0 })
    }

    /// Writes one message; the earliest goes where there are too many. Not synced: nothing depends on it.
    pub(crate) fn keep(&mut self, world: &World, site: &str, message: &[u8]) -> io::Result<()> {
        if self.keep.last == Some(0) {
            return Ok(());
        }
        self.count += 1;
        let path = self.keep.dir.join(format!("{:08}-{site}.eml", self.count));
        world.disk().open(&path, OpenMode::CreateNew)?.write_all_at(message, 0)?;
        let Some(last) = self.keep.last else { return Ok(()) };
        self.kept.push_back(path);
        if self.kept.len() > last
            && let Some(earliest) = self.kept.pop_front()
        {
            world.disk().remove_file(&earliest)?;
        }
        Ok(())
    }
}
