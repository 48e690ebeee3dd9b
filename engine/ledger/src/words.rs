//! Texts that repeat, stored once: receiving domains, causes, hold reasons.
//!
//! A cause such as `accepted` stands in millions of rows; a row holds its number. The texts come from us and from the domains we
//! send to, so their number is bounded by the world, and the map holds them all.

use rusqlite::{Connection, params};
use std::collections::BTreeMap;

/// The numbers of the texts seen so far.
#[derive(Debug, Default)]
pub(crate) struct Words {
    known: BTreeMap<String, i64>,
    /// Learned since the last commit: forgotten again when the transaction fails.
    fresh: Vec<String>,
}

impl Words {
    /// Reads them all.
    pub(crate) fn load(connection: &Connection) -> Result<Self, rusqlite::Error> {
        let mut statement = connection.prepare("SELECT word, id FROM words")?;
        let known = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        Ok(Self { known, fresh: Vec::new() })
    }

    /// The number of a text; stores it on first sight.
    pub(crate) fn number(&mut self, connection: &Connection, word: &str) -> Result<i64, rusqlite::Error> {
        if let Some(number) = self.known.get(word) {
            return Ok(*number);
        }
        connection.prepare_cached("INSERT INTO words (word) VALUES (?1)")?.execute(params![word])?;
        let number = connection.last_insert_rowid();
        self.known.insert(word.to_owned(), number);
        self.fresh.push(word.to_owned());
        Ok(number)
    }

    /// What was learned is on disk.
    pub(crate) fn keep(&mut self) {
        self.fresh.clear();
    }

    /// What was learned was rolled back.
    pub(crate) fn forget(&mut self) {
        for word in self.fresh.drain(..) {
            self.known.remove(&word);
        }
    }
}
