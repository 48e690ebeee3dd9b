//! Delimited text (RFC 4180 and its kin): comma, semicolon, bar, TAB or what the map says; quotes; LF or CR LF; a byte order mark.
//!
//! Rows are split in a window that does not grow with the file. A quote opens only at the start of a field; within quotes the
//! delimiter and line ends are text, and `""` is a quote. One bad quote costs one row: a row that spans lines and does not come out with
//! as many fields as the header, or has what looks like a whole row within quotes, is its first line only,
//! and reading goes on at the second.

mod header;

pub(crate) use header::{Head, before_first, delimiter_of, head, line_end};

use super::tabular::{Fields, Found, Records, Trouble};
use crate::reason;
use crate::window::Window;
use memchr::{memchr, memchr2};
use model::limits::RECORD_BYTES_MAX;
use std::io::{self, Read};

/// The rows of a file.
pub(crate) struct Delimited<'r> {
    window: Window<'r>,
    delimiter: u8,
    /// Fields that each row has. `None` until the first row of a file without a header has told.
    fields_per_row: Option<usize>,
    needs_last_line_end: bool,
    /// Lines consumed.
    line: u64,
    taken: usize,
    fields: Fields,
}

/// A row at the window's start.
enum Extent {
    /// Its length without the line end, and with it.
    Whole(usize, usize),
    TooLong,
    End,
}

impl<'r> Delimited<'r> {
    /// `passed`: what is passed over at the start, a byte order mark and a header line, in bytes and in lines.
    pub(crate) fn new(
        source: Box<dyn Read + 'r>,
        delimiter: u8,
        fields_per_row: Option<usize>,
        needs_last_line_end: bool,
        passed: (usize, u64),
    ) -> io::Result<Self> {
        let mut window = Window::new(source, RECORD_BYTES_MAX + 2);
        window.ensure(passed.0)?;
        let header_bytes = passed.0.min(window.bytes().len());
        window.consume(header_bytes);
        Ok(Self { window, delimiter, fields_per_row, needs_last_line_end, line: passed.1, taken: 0, fields: Fields::default() })
    }

    fn extent(&mut self) -> io::Result<Extent> {
        loop {
            let there = self.window.bytes();
            match record_end(there, self.delimiter) {
                Some(at) if at <= RECORD_BYTES_MAX + 1 => return Ok(Extent::Whole(at, at + 1)),
                Some(_) => return Ok(self.given_up()),
                None if there.len() > RECORD_BYTES_MAX + 1 => return Ok(self.given_up()),
                None => {}
            }
            let all = there.len();
            if !self.window.fill()? {
                // The last row may lack its line end. A quote that is open there: the row is its first line only.
                let there = self.window.bytes();
                return Ok(match memchr(b'\n', there) {
                    _ if all == 0 => Extent::End,
                    Some(at) => Extent::Whole(at, at + 1),
                    None => Extent::Whole(all, all),
                });
            }
        }
    }

    /// Beyond the limit: a quote that is open costs its line, anything else is too long.
    fn given_up(&self) -> Extent {
        match memchr(b'\n', self.window.bytes()) {
            Some(at) if at <= RECORD_BYTES_MAX + 1 => Extent::Whole(at, at + 1),
            _ => Extent::TooLong,
        }
    }

    fn broken(&self, reason: &'static str, expected: String) -> Found {
        Found::Broken(Trouble { reason, field: String::new(), line: self.line, expected })
    }

    /// Splits the row; says what is wrong with its number of fields.
    fn split(&mut self, length: usize) -> Result<(), String> {
        let record = without_line_end(&self.window.bytes()[..length]);
        split(record, self.delimiter, self.fields_per_row, &mut self.fields).map_err(str::to_owned)?;
        let found = self.fields.len();
        let expected = *self.fields_per_row.get_or_insert(found);
        // A delimiter too many at the end says nothing; one too many anywhere else would shift every field after it.
        let is_shifted = self.fields.iter().skip(expected).any(|field| !field.trim_ascii().is_empty());
        if found < expected || is_shifted { Err(format!("{expected} fields as in the header, found {found}")) } else { Ok(()) }
    }
}

impl Records for Delimited<'_> {
    fn advance(&mut self) -> io::Result<Found> {
        loop {
            self.window.consume(self.taken);
            self.taken = 0;
            let (length, whole) = match self.extent()? {
                Extent::End => return Ok(Found::End),
                Extent::TooLong => {
                    self.line += 1;
                    let found = self.broken(reason::RECORD_TOO_LONG, "a row of at most 1 MiB".to_owned());
                    self.window.pass_over(b'\n')?;
                    return Ok(found);
                }
                Extent::Whole(length, whole) => (length, whole),
            };
            let record = &self.window.bytes()[..length];
            if without_line_end(record).iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x1a))
                && !record.contains(&self.delimiter)
            {
                self.line += memchr::memchr_iter(b'\n', &self.window.bytes()[..whole]).count().max(1) as u64;
                self.taken = whole;
                continue;
            }
            if memchr(0, record).is_some() {
                let first = memchr(b'\n', record).map_or(whole, |at| at + 1);
                self.line += 1;
                self.taken = first;
                return Ok(self.broken(reason::TEXT_CONTROL_CHARACTER, "text without NUL bytes; they are holes in a file".to_owned()));
            }
            if whole == length && self.needs_last_line_end {
                self.line += 1;
                self.taken = whole;
                let expected =
                    "a line end after the last row: without one it may be cut; last_line_end = \"optional\" in the column map takes it";
                return Ok(self.broken(reason::TRUNCATED, expected.to_owned()));
            }
            let lines = memchr::memchr_iter(b'\n', &self.window.bytes()[..whole]).count().max(1) as u64;
            match self.split(length) {
                Ok(()) => {
                    let line = self.line + 1;
                    self.line += lines;
                    self.taken = whole;
                    return Ok(Found::Row { line, bytes: length });
                }
                Err(expected) => {
                    self.line += 1;
                    let first = memchr(b'\n', &self.window.bytes()[..whole]).map_or(whole, |at| at + 1);
                    let also = if first < whole { "; a quote opens in it and closes in a later line" } else { "" };
                    self.taken = first;
                    return Ok(self.broken(reason::FIELD_COUNT_DIFFERS, format!("{expected}{also}")));
                }
            }
        }
    }

    fn fields(&self) -> &Fields {
        &self.fields
    }
}

/// The line feed that ends a record: the first one outside of quotes. A quote opens only at the start of a field.
fn record_end(bytes: &[u8], delimiter: u8) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + memchr2(b'\n', b'"', &bytes[from..])?;
        if bytes[at] == b'\n' {
            return Some(at);
        }
        let opens = at == 0 || bytes[at - 1] == delimiter;
        from = if opens { closing_quote(bytes, at + 1)? + 1 } else { at + 1 };
    }
}

/// The quote that closes a field whose text begins at `from`; `""` is none.
fn closing_quote(bytes: &[u8], mut from: usize) -> Option<usize> {
    loop {
        let at = from + memchr(b'"', bytes.get(from..)?)?;
        if bytes.get(at + 1) != Some(&b'"') {
            return Some(at);
        }
        from = at + 2;
    }
}

fn without_line_end(record: &[u8]) -> &[u8] {
    let length = record.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n' | 0x1a)).map_or(0, |last| last + 1);
    &record[..length]
}

/// Splits a record (RFC 4180 section 2).
///
/// # Errors
/// What was expected of the quotes. The fields are those that a lenient reader would see.
fn split(record: &[u8], delimiter: u8, width: Option<usize>, fields: &mut Fields) -> Result<(), &'static str> {
    let mut wrong = Ok(());
    fields.clear();
    let mut rest = record;
    loop {
        if let [b'"', quoted @ ..] = rest {
            match closing_quote(quoted, 0) {
                Some(end) => {
                    if holds_a_row(&quoted[..end], delimiter, width) {
                        wrong = Err("quotes that close in their own row; what looks like another row stands between them");
                    }
                    unquoted(&quoted[..end], fields);
                    rest = &quoted[end + 1..];
                    if rest.first().is_some_and(|byte| *byte != delimiter) {
                        wrong = Err("a delimiter or the end of the row after a closing quote; a quote within a text is written twice");
                    }
                }
                None => {
                    wrong = Err("a quote to close what a quote opened");
                    unquoted(quoted, fields);
                    rest = &[];
                }
            }
        }
        let end = memchr(delimiter, rest).unwrap_or(rest.len());
        fields.extend(&rest[..end]);
        fields.end_field();
        match rest.get(end + 1..) {
            Some(after) => rest = after,
            None => return wrong,
        }
    }
}

/// Whether a quoted text has a line with as many delimiters as a row: then the quote was probably meant to close before. Of few columns a
/// sentence with commas has as many.
fn holds_a_row(quoted: &[u8], delimiter: u8, width: Option<usize>) -> bool {
    let Some(width) = width.filter(|width| *width >= 4) else { return false };
    let lines = quoted.split(|byte| *byte == b'\n').skip(1);
    lines.into_iter().any(|line| memchr::memchr_iter(delimiter, line).count() >= width - 1)
}

/// `""` within quotes is a quote.
fn unquoted(mut text: &[u8], fields: &mut Fields) {
    while let Some(at) = memchr(b'"', text) {
        fields.extend(&text[..=at]);
        text = text.get(at + 2..).unwrap_or_default();
    }
    fields.extend(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &[u8], fields: Option<usize>) -> Vec<(u64, Result<Vec<String>, &'static str>)> {
        let mut source = Delimited::new(Box::new(text), b',', fields, false, (0, 0)).unwrap();
        let mut rows = Vec::new();
        loop {
            match source.advance().unwrap() {
                Found::End => return rows,
                Found::Row { line, .. } => {
                    rows.push((line, Ok(source.fields().iter().map(|field| String::from_utf8_lossy(field).into_owned()).collect())));
                }
                Found::Broken(trouble) => rows.push((trouble.line, Err(trouble.reason))),
            }
        }
    }

    fn good(line: u64, fields: &[&str]) -> (u64, Result<Vec<String>, &'static str>) {
        (line, Ok(fields.iter().map(|field| (*field).to_owned()).collect()))
    }

    #[test]
    fn quotes_delimiters_and_line_ends_are_as_rfc_4180_has_them() {
        let text = b"a,b,c\r\n\"x, y\",\"say \"\"hi\"\"\",\"two\nlines\"\r\n\r\n1,,3\n\"\",\"\"\"\",q\"q";
        let expected = [
            good(1, &["a", "b", "c"]),
            good(2, &["x, y", "say \"hi\"", "two\nlines"]),
            good(5, &["1", "", "3"]),
            good(6, &["", "\"", "q\"q"]),
        ];
        assert_eq!(rows(text, None), expected);
    }

    #[test]
    fn one_bad_quote_costs_one_row() {
        let text = b"1,2\n\"open,2\n3,4\n\"5\",6\n7,\"8\n";
        let expected = [
            good(1, &["1", "2"]),
            (2, Err(reason::FIELD_COUNT_DIFFERS)),
            good(3, &["3", "4"]),
            good(4, &["5", "6"]),
            (5, Err(reason::FIELD_COUNT_DIFFERS)),
        ];
        assert_eq!(rows(text, Some(2)), expected);
    }

    #[test]
    fn rows_within_quotes_are_not_swallowed() {
        let text = b"1,2,3,\"open\n5,6,7,8\n9,10,11,\"12\"\n13,14,15,\"two, lines\nof text\"\n";
        let expected = [
            (1, Err(reason::FIELD_COUNT_DIFFERS)),
            good(2, &["5", "6", "7", "8"]),
            good(3, &["9", "10", "11", "12"]),
            good(4, &["13", "14", "15", "two, lines\nof text"]),
        ];
        assert_eq!(rows(text, Some(4)), expected);
        let text = b"1,2,3,\"open\n5,6,7,8\n9,10,11,x\"\n";
        let found = rows(text, Some(4));
        assert_eq!(found[1], good(2, &["5", "6", "7", "8"]), "the end of another row's text closes no quote of this one");
    }

    #[test]
    fn a_field_too_many_or_too_few_is_no_row_but_delimiters_at_the_end_are_nothing() {
        let text = b"1,2\n1,2,,\n1,2,3\n1\n,\n";
        let found = rows(text, Some(2));
        assert_eq!(found[1].1, Ok(vec!["1".to_owned(), "2".to_owned(), String::new(), String::new()]));
        assert_eq!((&found[2], &found[3]), (&(3, Err(reason::FIELD_COUNT_DIFFERS)), &(4, Err(reason::FIELD_COUNT_DIFFERS))));
        assert_eq!(found[4], good(5, &["", ""]), "a row of nothing but delimiters is a row");
    }

    #[test]
    fn a_line_without_end_is_passed_over_without_being_held() {
        let long = io::repeat(b'x').take(50_000_000);
        let reader = io::Read::chain(io::Read::chain(&b"1,2\n"[..], long), &b"\n3,4\n\0,1\n5,6"[..]);
        let mut source = Delimited::new(Box::new(reader), b',', Some(2), false, (0, 0)).unwrap();
        let mut reasons = Vec::new();
        loop {
            match source.advance().unwrap() {
                Found::End => break,
                Found::Row { line, .. } => reasons.push((line, "row")),
                Found::Broken(trouble) => reasons.push((trouble.line, trouble.reason)),
            }
        }
        let expected = [(1, "row"), (2, reason::RECORD_TOO_LONG), (3, "row"), (4, reason::TEXT_CONTROL_CHARACTER), (5, "row")];
        assert_eq!(reasons, expected);
    }

    #[test]
    fn an_open_quote_beyond_the_limit_costs_its_line() {
        let mut text = b"\"open,2\n".to_vec();
        (0..200_000).for_each(|_| text.extend_from_slice(b"33,44\n"));
        let found = rows(&text, Some(2));
        assert_eq!((found.len(), &found[0]), (200_001, &(1, Err(reason::FIELD_COUNT_DIFFERS))));
        assert_eq!(found[200_000], good(200_001, &["33", "44"]));
    }

    proptest::proptest! {
        /// The `csv` crate is another reading of the same rules; where it finds rows of one width, so do we.
        #[test]
        fn agrees_with_the_csv_crate_on_what_it_writes(table in proptest::collection::vec(proptest::collection::vec("[ -~\u{e4}\n]{1,12}", 3), 1..8)) {
            let mut writer = csv::Writer::from_writer(Vec::new());
            table.iter().for_each(|row| writer.write_record(row).unwrap());
            let text = writer.into_inner().unwrap();
            let found: Vec<Vec<String>> = rows(&text, Some(3)).into_iter().map(|(_, row)| row.unwrap()).collect();
            proptest::prop_assert_eq!(found, table);
        }
    }
}
