//! The reject file of a batch: one line of JSON for each row that did not become a job, with place, field, reason,
//! what was expected and what to do, and no value of the row.

use crate::engine::AcceptError;
use model::BatchId;
use model::reject::Reject;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Made with the first reject; nothing is left behind where there is none.
pub(crate) struct RejectFile {
    path: PathBuf,
    enabled: bool,
    file: Option<BufWriter<File>>,
}

impl RejectFile {
    /// `<results>/<batch>.rejects.ndjson`; without a folder nothing is written.
    pub(crate) fn new(results: Option<&Path>, batch: BatchId) -> Self {
        let path = results.unwrap_or(Path::new("")).join(format!("{batch}.rejects.ndjson"));
        Self { path, enabled: results.is_some(), file: None }
    }

    /// Adds a line.
    ///
    /// # Errors
    /// Where the disk refuses: then the batch is not accepted, because a reject that nobody can read is a lost row.
    pub(crate) fn add(&mut self, reject: &Reject) -> Result<(), AcceptError> {
        if !self.enabled {
            return Ok(());
        }
        self.write(reject).map_err(|error| AcceptError::Unwritable { path: self.path.clone(), error })
    }

    /// Puts everything on disk.
    ///
    /// # Errors
    /// As [`RejectFile::add`].
    pub(crate) fn finish(&mut self) -> Result<(), AcceptError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let synced = file.flush().and_then(|()| file.get_ref().sync_all());
        synced.map_err(|error| AcceptError::Unwritable { path: self.path.clone(), error })
    }

    fn write(&mut self, reject: &Reject) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(BufWriter::new(OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&self.path)?)),
        };
        serde_json::to_writer(&mut *file, reject)?;
        file.write_all(b"\n")
    }
}
