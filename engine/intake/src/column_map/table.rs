//! A TOML table as a column map is read from: every key asked for is known, every other one is an error with a suggestion.
//!
//! What is wrong is noted with its line and reading goes on, so that all errors come out at once. Absent and wrong read alike.

use super::error::{ColumnMapError, ColumnMapErrors};
use model::nearest::nearest;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What was found wrong in a text.
pub(super) struct Found<'t> {
    file: &'t str,
    text: &'t str,
    errors: RefCell<Vec<ColumnMapError>>,
}

impl<'t> Found<'t> {
    pub(super) fn new(file: &'t str, text: &'t str) -> Self {
        Self { file, text, errors: RefCell::default() }
    }

    pub(super) fn error(&self, offset: usize, message: String) {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        let line = u32::try_from(before.iter().filter(|byte| **byte == b'\n').count() + 1).unwrap_or(u32::MAX);
        let error = ColumnMapError { file: self.file.to_owned(), line, message };
        let mut errors = self.errors.borrow_mut();
        // A repeated part of a map is read once for each repetition.
        if !errors.contains(&error) {
            errors.push(error);
        }
    }

    pub(super) fn take(&self) -> Option<ColumnMapErrors> {
        ColumnMapErrors::from_found(self.errors.take())
    }
}

type Value<'d> = Spanned<DeValue<'d>>;

/// A table, or the absence of one.
pub(super) struct Table<'d> {
    found: &'d Found<'d>,
    path: String,
    offset: usize,
    table: Option<&'d DeTable<'d>>,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'d> Table<'d> {
    pub(super) fn top(found: &'d Found<'d>, table: &'d DeTable<'d>) -> Self {
        Self { found, path: String::new(), offset: 0, table: Some(table), asked: RefCell::default() }
    }

    /// The table below; absent reads as empty.
    pub(super) fn table(&self, key: &'static str) -> Self {
        match self.ask(key) {
            Some(value) => self.item(key, value),
            None => Self { found: self.found, path: self.join(key), offset: self.offset, table: None, asked: RefCell::default() },
        }
    }

    /// A value of this key, as a table.
    pub(super) fn item<'v>(&self, key: &str, value: &'v Value<'v>) -> Table<'v>
    where
        'd: 'v,
    {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.wrong_at(value.span().start, key, "expected a table");
        }
        Table { found: self.found, path: self.join(key), offset: value.span().start, table, asked: RefCell::default() }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.get(key).is_some())
    }

    pub(super) fn ask(&self, key: &'static str) -> Option<&'d Value<'d>> {
        self.asked.borrow_mut().insert(key);
        self.table?.get(key)
    }

    pub(super) fn text(&self, key: &'static str) -> Option<String> {
        self.read(key, "expected a text in quotes", |value| value.as_str().map(str::to_owned))
    }

    pub(super) fn flag(&self, key: &'static str) -> Option<bool> {
        self.read(key, "expected true or false", DeValue::as_bool)
    }

    pub(super) fn number(&self, key: &'static str, range: RangeInclusive<i64>) -> Option<i64> {
        let expected = format!("expected a whole number from {} to {}", range.start(), range.end());
        self.read(key, &expected, |value| {
            let integer = value.as_integer()?;
            i64::from_str_radix(integer.as_str(), integer.radix()).ok().filter(|number| range.contains(number))
        })
    }

    pub(super) fn word<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let names = words.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        self.read(key, &format!("expected one of {names}"), |value| {
            let text = value.as_str()?;
            words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning)
        })
    }

    /// The items of a list; absent reads as empty.
    pub(super) fn list(&self, key: &'static str) -> Vec<&'d Value<'d>> {
        let Some(value) = self.ask(key) else { return Vec::new() };
        match value.get_ref().as_array() {
            Some(items) => items.iter().collect(),
            None => {
                self.wrong(key, "expected a list");
                Vec::new()
            }
        }
    }

    /// The entries of a table whose keys are the author's own, in the order of the keys.
    pub(super) fn pairs(&self, key: &'static str) -> Vec<(String, &'d Value<'d>)> {
        let Some(value) = self.ask(key) else { return Vec::new() };
        match value.get_ref().as_table() {
            Some(table) => {
                let mut pairs: Vec<_> = table.iter().map(|(name, value)| (name.get_ref().to_string(), value)).collect();
                pairs.sort_by(|one, other| one.0.cmp(&other.0));
                pairs
            }
            None => {
                self.wrong(key, "expected a table");
                Vec::new()
            }
        }
    }

    pub(super) fn wrong(&self, key: &str, message: &str) {
        let offset = self.table.and_then(|table| table.get(key)).map_or(self.offset, |value| value.span().start);
        self.wrong_at(offset, key, message);
    }

    pub(super) fn wrong_at(&self, offset: usize, key: &str, message: &str) {
        self.found.error(offset, format!("{}: {message}", self.join(key)));
    }

    pub(super) fn wrong_here(&self, message: &str) {
        let path = if self.path.is_empty() { String::new() } else { format!("{}: ", self.path) };
        self.found.error(self.offset, format!("{path}{message}"));
    }

    /// Notes every key that nobody asked for.
    pub(super) fn finish(&self) {
        let asked = self.asked.borrow();
        for (key, _) in self.table.into_iter().flat_map(DeTable::iter) {
            let name: &str = key.get_ref();
            if asked.contains(name) {
                continue;
            }
            let hint = match nearest(name, asked.iter().copied()) {
                Some(meant) => format!("did you mean '{meant}'?"),
                None => format!("expected one of {}", asked.iter().copied().collect::<Vec<_>>().join(", ")),
            };
            self.found.error(key.span().start, format!("unknown key '{}': {hint}", self.join(name)));
        }
    }

    fn read<T>(&self, key: &'static str, expected: &str, read: impl FnOnce(&DeValue<'d>) -> Option<T>) -> Option<T> {
        let value = self.ask(key)?;
        let found = read(value.get_ref());
        if found.is_none() {
            self.wrong(key, expected);
        }
        found
    }

    fn join(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}
