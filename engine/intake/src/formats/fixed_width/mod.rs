//! Fixed width: each line is a row, and a column is a range of its bytes. What is where stands in the column map alone.
//!
//! A line of another length than the layout has its columns elsewhere, so it is no row.

use super::tabular::{Fields, Found, Records, Trouble};
use crate::column_map::{ColumnAt, ColumnMap, Layout};
use crate::reason;
use crate::window::Window;
use memchr::memchr;
use model::limits::RECORD_BYTES_MAX;
use std::io::{self, Read};

/// The rows of a file.
pub(crate) struct FixedWidth<'r> {
    window: Window<'r>,
    /// Ranges of the map's columns, by slot.
    ranges: Vec<(usize, usize)>,
    /// Bytes of a line, where the layout says so.
    record_bytes: Option<usize>,
    /// Bytes that the columns need; blanks at the end may be missing where `trimmed`.
    needed: usize,
    trimmed: bool,
    needs_last_line_end: bool,
    line: u64,
    taken: usize,
    fields: Fields,
}

impl<'r> FixedWidth<'r> {
    pub(crate) fn new(source: Box<dyn Read + 'r>, map: &ColumnMap) -> io::Result<Self> {
        let (record_bytes, trimmed) = match map.layout {
            Layout::Fixed { record_bytes, trimmed } => (record_bytes, trimmed),
            Layout::Delimited { .. } => (None, false),
        };
        let range = |at| if let ColumnAt::Bytes { from, to } = at { (from, to) } else { (0, 0) };
        let ranges: Vec<(usize, usize)> = map.columns.iter().map(|column| range(column.at)).collect();
        let needed = ranges.iter().map(|(_, to)| *to).max().unwrap_or(0);
        let mut window = Window::new(source, RECORD_BYTES_MAX + 2);
        window.ensure(3)?;
        let bom = if window.bytes().starts_with(&[0xef, 0xbb, 0xbf]) { 3 } else { 0 };
        window.consume(bom);
        Ok(Self {
            window,
            ranges,
            record_bytes,
            needed,
            trimmed,
            needs_last_line_end: map.needs_last_line_end,
            line: 0,
            taken: 0,
            fields: Fields::default(),
        })
    }

    /// The length of the next line without its end; `None` at the end of the file. `Err`: beyond the limit, and passed over.
    fn line_length(&mut self) -> io::Result<Option<Result<usize, ()>>> {
        let mut searched = 0;
        loop {
            let there = self.window.bytes();
            if let Some(at) = memchr(b'\n', &there[searched..]) {
                self.taken = searched + at + 1;
                return Ok(Some(Ok(searched + at)));
            }
            searched = there.len();
            if searched > RECORD_BYTES_MAX {
                self.window.pass_over(b'\n')?;
                return Ok(Some(Err(())));
            }
            if !self.window.fill()? {
                self.taken = searched;
                return Ok((searched > 0).then_some(Ok(searched)));
            }
        }
    }

    fn broken(&self, reason: &'static str, expected: impl Into<String>) -> Found {
        Found::Broken(Trouble { reason, field: String::new(), line: self.line, expected: expected.into() })
    }

    fn length_expected(&self, found: usize) -> Option<String> {
        match (self.record_bytes, self.trimmed) {
            (Some(exact), false) if found != exact => Some(format!("{exact} bytes in the row, found {found}")),
            (Some(most), true) if found > most => Some(format!("at most {most} bytes in the row, found {found}")),
            (None, false) if found < self.needed => Some(format!("at least {} bytes in the row, found {found}", self.needed)),
            _ => None,
        }
    }
}

impl Records for FixedWidth<'_> {
    fn advance(&mut self) -> io::Result<Found> {
        loop {
            self.window.consume(self.taken);
            self.taken = 0;
            let Some(length) = self.line_length()? else { return Ok(Found::End) };
            self.line += 1;
            let Ok(length) = length else { return Ok(self.broken(reason::RECORD_TOO_LONG, "a row of at most 1 MiB")) };
            let record = &self.window.bytes()[..length];
            let record = record.strip_suffix(b"\r").unwrap_or(record);
            if record.is_empty() || record == [0x1a] {
                continue;
            }
            if memchr(0, record).is_some() {
                return Ok(self.broken(reason::TEXT_CONTROL_CHARACTER, "text without NUL bytes; they are holes in a file"));
            }
            // A length that must be exact tells a cut row by itself.
            let may_be_cut = self.taken == length && (self.trimmed || self.record_bytes.is_none());
            if may_be_cut && self.needs_last_line_end {
                let expected =
                    "a line end after the last row: without one it may be cut; last_line_end = \"optional\" in the column map takes it";
                return Ok(self.broken(reason::TRUNCATED, expected));
            }
            if let Some(expected) = self.length_expected(record.len()) {
                return Ok(self.broken(reason::RECORD_LENGTH_DIFFERS, expected));
            }
            self.fields.clear();
            for (from, to) in &self.ranges {
                let field = record.get(*from..(*to).min(record.len())).unwrap_or_default();
                self.fields.extend(field);
                self.fields.end_field();
            }
            return Ok(Found::Row { line: self.line, bytes: length });
        }
    }

    fn fields(&self) -> &Fields {
        &self.fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "[file]\nlayout = \"fixed\"\n[columns]\nA = \"1-3\"\nB = \"4-6\"\n[claim]\nnumber = \"A\"\nstatus = { value = \"denied\" }\n\
                       [member]\nid = \"B\"\n[totals]\nbilled = \"B\"\n";

    fn rows(text: &[u8], file: &str) -> Vec<Result<Vec<String>, &'static str>> {
        let map = ColumnMap::parse("a", "a.toml", &MAP.replace("layout = \"fixed\"", file)).unwrap();
        let mut source = FixedWidth::new(Box::new(text), &map).unwrap();
        let mut rows = Vec::new();
        loop {
            match source.advance().unwrap() {
                Found::End => return rows,
                Found::Row { .. } => {
                    rows.push(Ok(source.fields().iter().map(|field| String::from_utf8_lossy(field).into_owned()).collect()))
                }
                Found::Broken(trouble) => rows.push(Err(trouble.reason)),
            }
        }
    }

    #[test]
    fn columns_are_bytes_and_another_length_is_no_row() {
        let text = b"\xef\xbb\xbfabcdef\r\n\nabcde\nabcdefg\nab\0def\n123456";
        let row = |a: &str, b: &str| Ok(vec![a.to_owned(), b.to_owned()]);
        let (length, nul) = (Err(reason::RECORD_LENGTH_DIFFERS), Err(reason::TEXT_CONTROL_CHARACTER));
        let fixed = "layout = \"fixed\"";
        assert_eq!(rows(text, fixed), [row("abc", "def"), length.clone(), row("abc", "def"), nul.clone(), Err(reason::TRUNCATED)]);
        let exact = format!("{fixed}\nrecord_bytes = 6");
        assert_eq!(rows(text, &exact), [row("abc", "def"), length.clone(), length, nul.clone(), row("123", "456")]);
        let trimmed = format!("{fixed}\ntrimmed = true");
        assert_eq!(rows(text, &trimmed), [row("abc", "def"), row("abc", "de"), row("abc", "def"), nul, Err(reason::TRUNCATED)]);
    }

    #[test]
    fn a_line_without_end_is_passed_over_without_being_held() {
        let map = ColumnMap::parse("a", "a.toml", MAP).unwrap();
        let reader = io::Read::chain(io::repeat(b'x').take(50_000_000), &b"\n123456\n"[..]);
        let mut source = FixedWidth::new(Box::new(reader), &map).unwrap();
        assert!(matches!(source.advance().unwrap(), Found::Broken(Trouble { reason: reason::RECORD_TOO_LONG, .. })));
        assert!(matches!(source.advance().unwrap(), Found::Row { line: 2, .. }));
    }
}
