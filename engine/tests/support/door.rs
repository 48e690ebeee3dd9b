//! The job socket as a claims system uses it.

use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// A connection to the job socket.
pub struct Door {
    /// Where jobs go in.
    pub stream: UnixStream,
    /// Where answers come out.
    pub answers: BufReader<UnixStream>,
}

impl Door {
    /// Connects.
    pub fn open(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(30))).unwrap();
        Self { answers: BufReader::new(stream.try_clone().unwrap()), stream }
    }

    /// Writes lines, and waits for nothing.
    pub fn hand_in(&mut self, lines: &str) {
        self.stream.write_all(lines.as_bytes()).unwrap();
    }

    /// The next answer; `None` where the other side is gone.
    pub fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.answers.read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }

    /// The next answer.
    pub fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: '{line}'"))
    }

    /// Writes a line and waits for its answer.
    pub fn ask(&mut self, line: &str) -> Value {
        self.hand_in(&format!("{line}\n"));
        self.answer()
    }
}
