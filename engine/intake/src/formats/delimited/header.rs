//! The first line of a delimited file: which delimiter parts it, and into which columns.

use super::{record_end, split, without_line_end};
use crate::column_map::{ColumnMap, Header, Layout};
use crate::formats::tabular::Fields;
use memchr::memchr;
use model::limits::COLUMNS_MAX;

/// The commonest last: where two part the header equally well, the later one is it.
const DELIMITERS: [u8; 4] = *b"|\t;,";

/// What a file begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) delimiter: u8,
    /// Names of the columns, without blanks around them.
    pub(crate) names: Vec<String>,
    /// Bytes up to the second record, a byte order mark included.
    pub(crate) bytes: usize,
    /// Lines that these are.
    pub(crate) lines: u64,
}

/// Where the first record ends, its line end included; `None` where it is not whole in `start`.
pub(crate) fn line_end(start: &[u8]) -> Option<usize> {
    let from = blanks(start);
    // Whatever the delimiter is: a quote opens at the start of the line or after one of them.
    let ends = DELIMITERS.iter().filter_map(|delimiter| record_end(&start[from..], *delimiter));
    ends.min().or_else(|| memchr(b'\n', &start[from..])).map(|at| from + at + 1)
}

/// Bytes before the header: a byte order mark and blank lines.
fn blanks(start: &[u8]) -> usize {
    let bom = if start.starts_with(&[0xef, 0xbb, 0xbf]) { 3 } else { 0 };
    bom + start[bom..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
}

/// Reads the header. `whole` is the file's start up to the end of its first line; `maps` are those it may belong to.
///
/// # Errors
/// What was expected.
pub(crate) fn head(whole: &[u8], maps: &[ColumnMap]) -> Result<Head, String> {
    let from = blanks(whole);
    let record = without_line_end(&whole[from..]);
    // Within quotes a CR is text; before the first quote it can only be a line end of its own.
    let unquoted = &record[..memchr(b'"', record).unwrap_or(record.len())];
    if memchr(b'\r', unquoted).is_some_and(|at| record.get(at + 1) != Some(&b'\n')) {
        return Err("lines that end in LF or CR LF; this file has CR alone".to_owned());
    }
    if DELIMITERS.iter().any(|delimiter| memchr::memchr_iter(*delimiter, record).count() >= COLUMNS_MAX) {
        return Err(format!("a header of at most {COLUMNS_MAX} columns"));
    }
    let candidates = DELIMITERS.map(|delimiter| (delimiter, names(record, delimiter)));
    let known = |delimiter: u8, names: &[String]| {
        let may_be = |map: &&ColumnMap| match map.layout {
            Layout::Delimited { delimiter: stated, header: Header::InFile } => stated.is_none_or(|stated| stated == delimiter),
            _ => false,
        };
        let there = |map: &ColumnMap| map.columns.len() - map.missing_in(names).len();
        maps.iter().filter(may_be).map(there).max().unwrap_or(0)
    };
    let stated = maps.iter().filter_map(|map| match map.layout {
        Layout::Delimited { delimiter: Some(delimiter), .. } => Some(delimiter),
        _ => None,
    });
    let others = stated.filter(|delimiter| !DELIMITERS.contains(delimiter)).map(|delimiter| (delimiter, names(record, delimiter)));
    let (delimiter, names) = others
        .chain(candidates)
        .filter(|(_, names)| names.as_ref().is_ok_and(|names| names.len() <= COLUMNS_MAX))
        .max_by_key(|(delimiter, names)| names.as_ref().map_or((0, 0), |names| (known(*delimiter, names), names.len())))
        .ok_or_else(|| format!("a header of at most {COLUMNS_MAX} columns"))?;
    let lines = whole.iter().filter(|byte| **byte == b'\n').count().max(1) as u64;
    Ok(Head { delimiter, names: names?, bytes: whole.len(), lines })
}

fn names(record: &[u8], delimiter: u8) -> Result<Vec<String>, String> {
    if memchr::memchr_iter(delimiter, record).count() >= COLUMNS_MAX {
        return Err(format!("a header of at most {COLUMNS_MAX} columns"));
    }
    let mut fields = Fields::default();
    split(record, delimiter, None, &mut fields).map_err(str::to_owned)?;
    let name = |field: &[u8]| std::str::from_utf8(field).map(|name| name.trim().to_owned());
    fields.iter().map(name).collect::<Result<_, _>>().map_err(|_| "UTF-8 in the header".to_owned())
}

/// For maps without a header line: the delimiter that parts the first line into at least so many fields.
pub(crate) fn delimiter_of(whole: &[u8], fields_min: usize) -> Option<u8> {
    let record = without_line_end(&whole[blanks(whole)..]);
    let count = |delimiter: &u8| memchr::memchr_iter(*delimiter, record).count() + 1;
    DELIMITERS.into_iter().filter(|delimiter| count(delimiter) >= fields_min).max_by_key(count)
}

/// Bytes before the first record of a file without a header line, and the lines they are.
pub(crate) fn before_first(start: &[u8]) -> (usize, u64) {
    let count = blanks(start);
    (count, start[..count].iter().filter(|byte| **byte == b'\n').count() as u64)
}
