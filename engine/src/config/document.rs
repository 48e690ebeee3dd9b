//! A TOML text as it is read here: section by section, key by key, with nothing overlooked.
//!
//! A section remembers which keys were asked for. [`Section::finish`] then says of every other key in it that it is unknown, and
//! which one was probably meant. What is wrong is noted with its line and reading goes on, so that all errors
//! come out at once. A key that is absent or wrong reads as `None`.

use super::error::{ConfigError, ConfigErrors};
use super::units;
use model::nearest::nearest;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What is noted while a text is read.
pub(super) struct Notes<'t> {
    file: &'t str,
    text: &'t str,
    errors: RefCell<Vec<ConfigError>>,
    known: RefCell<BTreeSet<String>>,
}

impl<'t> Notes<'t> {
    pub(super) fn new(file: &'t str, text: &'t str) -> Self {
        Self { file, text, errors: RefCell::default(), known: RefCell::default() }
    }

    /// What is wrong, and which keys exist (names that the operator chooses stand as `NAME`).
    pub(super) fn into_found(self) -> (Option<ConfigErrors>, BTreeSet<String>) {
        (ConfigErrors::from_found(self.errors.into_inner()), self.known.into_inner())
    }

    fn error(&self, line: Option<u32>, message: String) {
        self.errors.borrow_mut().push(ConfigError { file: self.file.to_owned(), line, message });
    }

    fn line_of(&self, offset: usize) -> u32 {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        u32::try_from(before.iter().filter(|byte| **byte == b'\n').count() + 1).unwrap_or(u32::MAX)
    }
}

/// Parses a text.
pub(super) fn parse<'t>(file: &str, text: &'t str) -> Result<DeTable<'t>, ConfigErrors> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let notes = Notes::new(file, text);
    for error in errors {
        let line = error.span().map(|span| notes.line_of(span.start));
        notes.error(line, format!("this is not TOML: {}", error.message().trim().replace('\n', " ")));
    }
    match notes.into_found().0 {
        Some(errors) => Err(errors),
        None => Ok(table.into_inner()),
    }
}

/// A table of the text, or the absence of one.
pub(super) struct Section<'d> {
    notes: &'d Notes<'d>,
    /// `streams.transactional`; empty at the top.
    path: String,
    /// The same with `NAME` for names that the operator chooses.
    generic: String,
    line: Option<u32>,
    table: Option<&'d DeTable<'d>>,
    asked: RefCell<BTreeSet<&'static str>>,
}

/// An item of [`Section::entries`].
pub(super) enum Entry<'d> {
    Text(String),
    Table(Section<'d>),
}

impl<'d> Section<'d> {
    /// The top of a text.
    pub(super) fn top(notes: &'d Notes<'d>, table: &'d DeTable<'d>) -> Self {
        Self { notes, path: String::new(), generic: String::new(), line: Some(1), table: Some(table), asked: RefCell::default() }
    }

    /// The section below this one; absent reads as empty.
    pub(super) fn section(&self, key: &'static str) -> Self {
        let value = self.ask(key);
        self.child(key, key, value)
    }

    /// The sections below `key` under names that the operator chose, in the order of the names.
    pub(super) fn named_sections(&self, key: &'static str) -> Vec<(String, Self)> {
        let Some(all) = self.section(key).table else { return Vec::new() };
        let path = join(&self.path, key);
        let generic = join(&self.generic, key);
        let mut sections: Vec<(String, Self)> = all
            .iter()
            .map(|(name, value)| {
                let parent = Self {
                    notes: self.notes,
                    path: path.clone(),
                    generic: generic.clone(),
                    line: None,
                    table: None,
                    asked: RefCell::default(),
                };
                (name.get_ref().to_string(), parent.child(name.get_ref(), "NAME", Some(value)))
            })
            .collect();
        sections.sort_by(|one, other| one.0.cmp(&other.0));
        sections
    }

    /// The tables of an array.
    pub(super) fn tables(&self, key: &'static str) -> Vec<Self> {
        let items = self.items(key, "expected a list of tables such as [{ ... }]");
        items.into_iter().map(|item| self.child(key, key, Some(item))).collect()
    }

    /// A list in which a text stands for a table that says no more than that.
    pub(super) fn entries(&self, key: &'static str, expected: &str) -> Vec<Entry<'d>> {
        let entry = |item: &'d Spanned<DeValue<'d>>| match item.get_ref() {
            DeValue::String(text) => Some(Entry::Text(text.to_string())),
            DeValue::Table(_) => Some(Entry::Table(self.child(key, key, Some(item)))),
            other => {
                self.note(Some(item.span().start), key, &format!("{expected}{}", shown(other)));
                None
            }
        };
        self.items(key, &format!("expected a list: {expected}")).into_iter().filter_map(entry).collect()
    }

    /// Whether the key is there, right or wrong.
    pub(super) fn has(&self, key: &'static str) -> bool {
        self.table.is_some_and(|table| table.get(key).is_some())
    }

    /// A text.
    pub(super) fn text(&self, key: &'static str) -> Option<String> {
        self.parsed(key, "expected a text in quotes", |text| Some(text.to_owned()))
    }

    /// A text that `parse` understands.
    pub(super) fn parsed<T>(&self, key: &'static str, expected: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        self.read(key, expected, |value| value.as_str().and_then(parse))
    }

    /// A text that `parse` understands or explains.
    pub(super) fn explained<T, E: std::fmt::Display>(&self, key: &'static str, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        let text = self.text(key)?;
        parse(&text).map_err(|error| self.wrong(key, &format!("{error}"))).ok()
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, key: &'static str) -> Option<bool> {
        self.read(key, "expected true or false", DeValue::as_bool)
    }

    /// A whole number of this range.
    pub(super) fn number(&self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let expected = format!("expected a whole number from {} to {}", range.start(), range.end());
        self.read(key, &expected, |value| {
            let integer = value.as_integer()?;
            let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok()?;
            range.contains(&number).then_some(number)
        })
    }

    /// A span of time of this range.
    pub(super) fn span(&self, key: &'static str, range: RangeInclusive<Duration>) -> Option<Duration> {
        let expected = format!("{}, from {:?} to {:?}", units::SPAN_EXPECTED, range.start(), range.end());
        self.parsed(key, &expected, |text| units::parse_span(text).filter(|span| range.contains(span)))
    }

    /// A size in bytes of this range.
    pub(super) fn bytes(&self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let expected = format!("{}, from {} to {} bytes", units::SIZE_EXPECTED, range.start(), range.end());
        self.parsed(key, &expected, |text| units::parse_bytes(text).filter(|size| range.contains(size)))
    }

    /// One of some words.
    pub(super) fn word<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let expected = words.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        self.parsed(key, &format!("expected one of {expected}"), |text| {
            words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning)
        })
    }

    /// A list of texts that `parse` understands; what it does not is noted, item by item.
    pub(super) fn list<T>(&self, key: &'static str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
        if !self.has(key) {
            self.ask(key);
            return None;
        }
        let items = self.items(key, &format!("expected a list: {expected}"));
        let read: Vec<Option<T>> = items
            .into_iter()
            .map(|item| {
                let found = item.get_ref().as_str().and_then(&parse);
                if found.is_none() {
                    self.note(Some(item.span().start), key, &format!("{expected}{}", shown(item.get_ref())));
                }
                found
            })
            .collect();
        read.into_iter().collect()
    }

    /// A table of texts under names that the operator chose; absent reads as empty.
    pub(super) fn texts_by_name(&self, key: &'static str) -> BTreeMap<String, String> {
        let Some(all) = self.section(key).table else { return BTreeMap::new() };
        let text = |(name, value): (&Spanned<Cow<'d, str>>, &'d Spanned<DeValue<'d>>)| match value.get_ref().as_str() {
            Some(text) => Some((name.get_ref().to_string(), text.to_owned())),
            None => {
                self.note(Some(value.span().start), key, &format!("expected a text in quotes for each name{}", shown(value.get_ref())));
                None
            }
        };
        all.iter().filter_map(text).collect()
    }

    /// Notes that a key is missing, unless it is there.
    pub(super) fn require(&self, key: &'static str, why: &str) {
        if !self.has(key) {
            let path = join(&self.path, key);
            self.notes.error(self.line, format!("{path} is missing: {why}"));
        }
    }

    /// Notes that the value of a key is wrong.
    pub(super) fn wrong(&self, key: &'static str, message: &str) {
        let offset = self.table.and_then(|table| table.get(key)).map(|value| value.span().start);
        self.note(offset, key, message);
    }

    /// Notes that the section is wrong as a whole.
    pub(super) fn wrong_here(&self, message: &str) {
        self.notes.error(self.line, format!("{}: {message}", self.path));
    }

    /// Notes every key that nobody asked for.
    pub(super) fn finish(&self) {
        let asked = self.asked.borrow();
        for (key, _) in self.table.into_iter().flat_map(DeTable::iter) {
            let name: &str = key.get_ref();
            if asked.contains(name) {
                continue;
            }
            let path = join(&self.path, name);
            let hint = match nearest(name, asked.iter().copied()) {
                Some(meant) => format!("did you mean '{meant}'?"),
                None => format!("expected one of {}", asked.iter().copied().collect::<Vec<_>>().join(", ")),
            };
            self.notes.error(Some(self.notes.line_of(key.span().start)), format!("unknown key '{path}': {hint}"));
        }
    }

    fn child(&self, key: &str, generic: &str, value: Option<&'d Spanned<DeValue<'d>>>) -> Self {
        let path = join(&self.path, key);
        let line = value.map(|value| self.notes.line_of(value.span().start)).or(self.line);
        let table = value.and_then(|value| {
            let table = value.get_ref().as_table();
            if table.is_none() {
                self.notes.error(line, format!("{path}: expected a table{}", shown(value.get_ref())));
            }
            table
        });
        Self { notes: self.notes, path, generic: join(&self.generic, generic), line, table, asked: RefCell::default() }
    }

    fn read<T>(&self, key: &'static str, expected: &str, read: impl FnOnce(&DeValue<'d>) -> Option<T>) -> Option<T> {
        let value = self.ask(key)?;
        let found = read(value.get_ref());
        if found.is_none() {
            self.wrong(key, &format!("{expected}{}", shown(value.get_ref())));
        }
        found
    }

    fn items(&self, key: &'static str, expected: &str) -> Vec<&'d Spanned<DeValue<'d>>> {
        let Some(value) = self.ask(key) else { return Vec::new() };
        match value.get_ref().as_array() {
            Some(items) => items.iter().collect(),
            None => {
                self.wrong(key, &format!("{expected}{}", shown(value.get_ref())));
                Vec::new()
            }
        }
    }

    fn ask(&self, key: &'static str) -> Option<&'d Spanned<DeValue<'d>>> {
        self.asked.borrow_mut().insert(key);
        self.notes.known.borrow_mut().insert(join(&self.generic, key));
        self.table?.get(key)
    }

    fn note(&self, offset: Option<usize>, key: &str, message: &str) {
        let line = offset.map(|offset| self.notes.line_of(offset)).or(self.line);
        self.notes.error(line, format!("{}: {message}", join(&self.path, key)));
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// What was typed, where it is short: nothing in a configuration is secret but the content of key files.
fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) if text.len() <= 80 => format!("; found \"{text}\""),
        DeValue::Integer(number) => format!("; found {number} without quotes"),
        other => format!("; found {}", other.type_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, with: impl FnOnce(&Section<'_>)) -> Vec<String> {
        let table = parse("a.toml", text).unwrap();
        let notes = Notes::new("a.toml", text);
        let top = Section::top(&notes, &table);
        with(&top);
        top.finish();
        notes.into_found().0.map_or_else(Vec::new, |errors| errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn an_unknown_key_is_an_error_with_its_line_and_what_was_meant() {
        let errors = read("\nworker = 3\ncolour = 1\n", |top| assert_eq!(top.number("workers", 1..=9), None));
        assert_eq!(errors[0], "a.toml:2: unknown key 'worker': did you mean 'workers'?");
        assert_eq!(errors[1], "a.toml:3: unknown key 'colour': expected one of workers");
    }

    #[test]
    fn what_is_wrong_comes_out_all_at_once() {
        let text = "size = \"64MB\"\nspan = 5\nflag = \"yes\"\nlist = [\"a\", 2]\nword = \"c\"\nnumber = 10\n[table]\nx = 1\n";
        let errors = read(text, |top| {
            top.bytes("size", 1..=u64::MAX);
            top.span("span", Duration::ZERO..=Duration::MAX);
            top.flag("flag");
            top.list("list", "expected texts", |text| Some(text.to_owned()));
            top.word("word", &[("a", 1), ("b", 2)]);
            top.number("number", 1..=9);
            top.section("table").finish();
        });
        assert_eq!(errors.len(), 7, "{errors:#?}");
        assert!(errors[0].starts_with("a.toml:1: size: expected a size") && errors[0].ends_with("found \"64MB\""), "{}", errors[0]);
        assert!(errors[1].ends_with("found 5 without quotes"), "{}", errors[1]);
        assert_eq!(errors[6], "a.toml:8: unknown key 'table.x': expected one of ");
    }

    #[test]
    fn a_text_that_is_no_toml_says_where() {
        let errors = parse("a.toml", "x = 1\ny = = 2\n").unwrap_err();
        assert!(errors.to_string().starts_with("a.toml:2: this is not TOML"), "{errors}");
    }

    #[test]
    fn a_missing_key_names_the_section_it_belongs_to() {
        let errors = read("\n[tenant]\nx = \"1\"\n", |top| {
            let tenant = top.section("tenant");
            tenant.text("x");
            tenant.require("brand", "every message shows it");
            tenant.finish();
        });
        assert_eq!(errors, ["a.toml:2: tenant.brand is missing: every message shows it"]);
    }
}
