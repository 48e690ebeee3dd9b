//! The reject file of a batch: one line of JSON for each row that did not become a job, with place, field, reason,
//! what was expected and what to do, and no value of the row.

use crate::engine::AcceptError;
use model::BatchId;
use model::limits::REJECTS_BYTES_MAX;
use model::reject::{Refusal, Reject};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Made with the first reject; nothing is left behind where there is none.
pub(crate) struct RejectFile {
    path: PathBuf,
    enabled: bool,
    file: Option<BufWriter<File>>,
    line: Vec<u8>,
    bytes: u64,
    bytes_max: u64,
}

impl RejectFile {
    /// `<results>/<batch>.rejects.ndjson`; without a folder nothing is written.
    pub(crate) fn new(results: Option<&Path>, batch: BatchId) -> Self {
        let path = results.unwrap_or(Path::new("")).join(format!("{batch}.rejects.ndjson"));
        Self { path, enabled: results.is_some(), file: None, line: Vec::new(), bytes: 0, bytes_max: REJECTS_BYTES_MAX }
    }

    /// Adds a line.
    ///
    /// # Errors
    /// Where the disk refuses: then the batch is not accepted, because a reject that nobody can read is a lost row. Where there are more than
    /// [`REJECTS_BYTES_MAX`] take: then the file is none of the kind it was read as.
    pub(crate) fn add(&mut self, reject: &Reject) -> Result<(), AcceptError> {
        if !self.enabled {
            return Ok(());
        }
        if self.bytes > self.bytes_max {
            return Err(self.too_many(reject));
        }
        self.write(reject).map_err(|error| AcceptError::Unwritable { path: self.path.clone(), error })
    }

    fn too_many(&self, reject: &Reject) -> AcceptError {
        AcceptError::Refused(Refusal {
            file: reject.file.clone(),
            reason: "rejects_too_many",
            expected: format!("rejects of at most {} bytes, but row {} is one more", self.bytes_max, reject.place.row),
            action: format!("nothing of it was accepted; {} says what is wrong with the rows before", self.path.display()),
        })
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
        self.line.clear();
        serde_json::to_writer(&mut self.line, reject)?;
        self.line.push(b'\n');
        self.bytes += self.line.len() as u64;
        file.write_all(&self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::reject::Place;

    #[test]
    fn more_rejects_than_there_is_room_for_refuse_the_batch() {
        let folder = tempfile::tempdir().unwrap();
        let mut rejects = RejectFile { bytes_max: 300, ..RejectFile::new(Some(folder.path()), BatchId::new(1, 1)) };
        let reject = |row| Reject {
            file: "night.ndjson".to_owned(),
            place: Place { row, line: None, segment: None, field: None },
            reason: "wrong_type".to_owned(),
            expected: "an object".to_owned(),
            action: "ask the sender".to_owned(),
        };
        let told = (1..).find_map(|row| rejects.add(&reject(row)).err()).unwrap().to_string();
        assert!(told.contains("night.ndjson") && told.contains("row 4"), "{told}");
        rejects.finish().unwrap();
        let written = std::fs::read_to_string(folder.path().join("b1-1.rejects.ndjson")).unwrap();
        assert_eq!(written.lines().count(), 3);
    }
}
