//! The formats: which one a file is in, and one iterator over the rows of either.

mod delimited;
mod detection;
pub(crate) mod fhir;
mod fixed_width;
pub(crate) mod ndjson;
mod tabular;
pub(crate) mod x12_835;

pub use detection::Verdict;

use crate::column_map::{ColumnMap, Header, Layout};
use crate::error::{Undetected, refuse, unreadable};
use crate::wrapping::{self, Wrapping};
use crate::{InputProfile, Rounded, Row, reason};
use detection::{Detected, Nothing};
use model::reject::{Refusal, Reject};
use std::fmt;
use std::io::{BufRead, Cursor, Read};
use std::str::FromStr;

/// A format that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// X12 835, health care claim payment/advice, 005010X221A1.
    X12_835,
    /// One JSON object per line, `configs/schema/statement.schema.json`.
    Ndjson,
    /// FHIR R4 ExplanationOfBenefit: a resource, a Bundle, or one resource per line.
    FhirR4,
    /// Delimited text, by a column map.
    Csv,
    /// Columns that are byte ranges, by a column map.
    FixedWidth,
}

impl Format {
    /// All of them, in the order they are tried.
    pub const ALL: [Self; 5] = [Self::X12_835, Self::Ndjson, Self::FhirR4, Self::Csv, Self::FixedWidth];

    /// The name used in configuration and in the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::X12_835 => "x12_835",
            Self::Ndjson => "ndjson",
            Self::FhirR4 => "fhir_r4",
            Self::Csv => "csv",
            Self::FixedWidth => "fixed_width",
        }
    }

    /// What in a file's beginning makes it this format.
    pub const fn evidence(self) -> &'static str {
        match self {
            Self::X12_835 => "it begins with an ISA, GS or ST segment",
            Self::Ndjson => "its first line begins with {",
            Self::FhirR4 => "it begins with { and names FHIR's elements, such as resourceType",
            Self::Csv => "its header has all columns of exactly one column map",
            Self::FixedWidth => "its column map is named",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected x12_835, ndjson, fhir_r4, csv or fixed_width")]
pub struct UnknownFormat;

impl FromStr for Format {
    type Err = UnknownFormat;
    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        Self::ALL.into_iter().find(|format| format.as_str() == text).ok_or(UnknownFormat)
    }
}

/// Finds X12 and JSON by the first bytes of a file (4 KiB are enough). [`Format::evidence`] says what it went by.
///
/// # Errors
/// [`Undetected`] says what the file is instead, as far as that can be seen.
pub fn detect(start: &[u8]) -> Result<Format, Undetected> {
    if is_utf16(start) {
        return Err(Undetected::Utf16);
    }
    let archives: [&[u8]; 4] = [b"PK\x03\x04", &[0x1f, 0x8b], &[0x28, 0xb5, 0x2f, 0xfd], b"%PDF"];
    if archives.iter().any(|magic| start.starts_with(magic)) {
        return Err(Undetected::Compressed);
    }
    let start = without_blanks(start);
    match start {
        [] => Err(Undetected::Empty),
        [b'[', ..] => Err(Undetected::JsonArray),
        [b'{', ..] if fhir::begins(start) => Ok(Format::FhirR4),
        [b'{', ..] => Ok(Format::Ndjson),
        _ if x12_835::begins_envelope(start) => {
            let other = x12_835::first_transaction_set(start).is_some_and(|code| code != "835");
            if other { Err(Undetected::OtherX12) } else { Ok(Format::X12_835) }
        }
        _ => Err(Undetected::Unknown),
    }
}

/// Opens a batch as `profile` says: finds its format where none is named, and checks that the file is what it claims to be.
/// `file_name` stands in rejects and refusals; hand in the name without its folder.
///
/// # Errors
/// [`Refusal`] where the file as a whole is not for us: empty, garbage, an X12 transaction set other than 835.
pub fn open<'r>(profile: &InputProfile, file_name: &str, reader: Box<dyn BufRead + 'r>) -> Result<Rows<'r>, Refusal> {
    let (wrapping, mut reader) = wrapping::unwrap(reader, profile.wrapping).map_err(|error| unreadable(file_name, &error))?;
    let unreadable = |error: std::io::Error| unreadable(file_name, &error);
    let mut start = detection::start(&mut *reader).map_err(unreadable)?;
    if detect(&start) == Err(Undetected::Empty) && reader.fill_buf().map_err(unreadable)?.is_empty() {
        return Err(Undetected::Empty.refusal(file_name));
    }
    let found = detection::find(profile, &mut start, &mut *reader).map_err(unreadable)?;
    let Detected { format, map, head, verdicts } = found.map_err(|nothing| match nothing {
        Nothing::Undetected(undetected) => undetected.refusal(file_name),
        Nothing::NoFormat(verdicts) => refuse(file_name, reason::FORMAT_UNKNOWN, detection::sentence(&verdicts)),
        Nothing::HeaderTooLong => refuse(file_name, reason::FORMAT_UNKNOWN, "expected a first line of at most 1 MiB"),
    })?;
    let is_header_alone = head.as_ref().is_some_and(|head| head.bytes >= start.len());
    if is_header_alone && reader.fill_buf().map_err(unreadable)?.is_empty() {
        return Err(refuse(file_name, reason::EMPTY_FILE, "expected rows after the header; there are none"));
    }
    let before = delimited::before_first(&start);
    let first = &start[..delimited::line_end(&start).unwrap_or(start.len())];
    let delimiter = map.as_deref().map(|map| delimiter_of(map, head.as_ref(), first));
    let whole: Box<dyn Read + 'r> = Box::new(Cursor::new(start).chain(reader));
    let source = match (format, map) {
        (Format::X12_835, _) => Source::X12(Box::new(x12_835::Claims::open(file_name, whole, profile.rounding)?)),
        (Format::Ndjson, _) => Source::Ndjson(Box::new(ndjson::Lines::new(file_name, whole, profile.rounding))),
        (Format::FhirR4, _) => Source::Fhir(Box::new(fhir::Resources::new(file_name, whole, profile.rounding))),
        (Format::FixedWidth, Some(map)) => {
            let records = fixed_width::FixedWidth::new(whole, &map).map_err(unreadable)?;
            let places = tabular::places(&map, None).map_err(|expected| columns_differ(file_name, &expected))?;
            Source::Tabular(Box::new(tabular::Claims::new(file_name, Box::new(records), map, places, profile.rounding)))
        }
        (Format::Csv, Some(map)) => {
            let names = head.as_ref().map(|head| head.names.as_slice());
            let places = tabular::places(&map, names).map_err(|expected| columns_differ(file_name, &expected))?;
            let Some(Some(delimiter)) = delimiter else {
                return Err(columns_differ(file_name, "the columns of the map in the first line; no delimiter makes so many"));
            };
            let fields = match &map.layout {
                Layout::Delimited { header: Header::Named(names), .. } => Some(names.len()),
                _ => names.map(<[String]>::len),
            };
            let passed = head.as_ref().map_or(before, |head| (head.bytes, head.lines));
            let records = delimited::Delimited::new(whole, delimiter, fields, map.needs_last_line_end, passed).map_err(unreadable)?;
            Source::Tabular(Box::new(tabular::Claims::new(file_name, Box::new(records), map, places, profile.rounding)))
        }
        (Format::Csv | Format::FixedWidth, None) => return Err(columns_differ(file_name, "a column map")),
    };
    Ok(Rows { source, format, wrapping, verdicts, failed: false })
}

/// The rows of a batch, in the order of the file. Ends after an error: a file that cannot be read to its end is no batch.
pub struct Rows<'r> {
    source: Source<'r>,
    format: Format,
    wrapping: Wrapping,
    verdicts: Vec<Verdict>,
    failed: bool,
}

enum Source<'r> {
    X12(Box<x12_835::Claims<'r>>),
    Ndjson(Box<ndjson::Lines<'r>>),
    Fhir(Box<fhir::Resources<'r>>),
    Tabular(Box<tabular::Claims<'r>>),
}

impl Rows<'_> {
    /// Records seen so far, counted where the format finds them and not where rows are given out.
    /// After the last row this is the batch's `source_records`.
    pub fn source_records(&self) -> u64 {
        match &self.source {
            Source::X12(claims) => claims.source_records(),
            Source::Ndjson(lines) => lines.source_records(),
            Source::Fhir(resources) => resources.source_records(),
            Source::Tabular(claims) => claims.source_records(),
        }
    }

    /// The format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// What was said of each format, in the order they are tried.
    pub fn verdicts(&self) -> &[Verdict] {
        &self.verdicts
    }

    /// The column map by which it is read, for delimited and fixed-width files.
    pub fn column_map(&self) -> Option<&ColumnMap> {
        if let Source::Tabular(claims) = &self.source { Some(claims.map()) } else { None }
    }

    /// How the file came.
    pub fn wrapping(&self) -> Wrapping {
        self.wrapping
    }

    /// Damage that belongs to no single row, such as a trailer's count that does not fit. Complete after the last row.
    /// The first 1,000 are kept, see [`Rows::findings_count`].
    pub fn findings(&self) -> &[Reject] {
        match &self.source {
            Source::X12(claims) => claims.findings(),
            Source::Ndjson(_) | Source::Tabular(_) => &[],
            Source::Fhir(resources) => resources.findings(),
        }
    }

    /// What rounding did to the statements so far. Nothing, unless the profile allows it.
    pub fn rounding(&self) -> Rounded {
        match &self.source {
            Source::X12(claims) => claims.rounded(),
            Source::Ndjson(lines) => lines.rounded(),
            Source::Fhir(resources) => resources.rounded(),
            Source::Tabular(claims) => claims.rounded(),
        }
    }

    /// How many findings there were, kept or not.
    pub fn findings_count(&self) -> u64 {
        match &self.source {
            Source::X12(claims) => claims.findings_count(),
            Source::Ndjson(_) | Source::Tabular(_) => 0,
            Source::Fhir(resources) => resources.findings_count(),
        }
    }
}

impl fmt::Debug for Rows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rows({}, {} records so far)", self.format, self.source_records())
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<Row, Refusal>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let item = match &mut self.source {
            Source::X12(claims) => claims.next_row(),
            Source::Ndjson(lines) => lines.next_row(),
            Source::Fhir(resources) => resources.next_row(),
            Source::Tabular(claims) => claims.next_row(),
        };
        self.failed = matches!(item, Err(_) | Ok(None));
        item.transpose()
    }
}

/// The delimiter of a file under a map: the map's, the header's, or the one that makes enough columns of the first line.
fn delimiter_of(map: &ColumnMap, head: Option<&delimited::Head>, first: &[u8]) -> Option<u8> {
    let Layout::Delimited { delimiter, header } = &map.layout else { return None };
    let columns = match header {
        Header::Named(names) => names.len(),
        _ => map
            .columns
            .iter()
            .map(|column| if let crate::column_map::ColumnAt::Number(at) = column.at { at + 1 } else { 1 })
            .max()
            .unwrap_or(1),
    };
    delimiter.or_else(|| head.map(|head| head.delimiter)).or_else(|| delimited::delimiter_of(first, columns))
}

fn columns_differ(file: &str, expected: &str) -> Refusal {
    refuse(file, reason::COLUMNS_DIFFER, format!("expected {expected}"))
}

/// With its byte order mark, or without one: of plain text every other byte is NUL.
fn is_utf16(start: &[u8]) -> bool {
    let nul = |offset: usize| start.iter().take(64).skip(offset).step_by(2).filter(|byte| **byte == 0).count();
    let is_striped = start.len() >= 8 && (nul(0) + nul(1)) * 3 >= start.len().min(64) && (nul(0) == 0 || nul(1) == 0);
    start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) || is_striped
}

/// Passes over what may stand before the first byte that counts: a byte order mark, blanks, line ends, the end mark of DOS files.
/// Not NUL: a hole in a file must not look like nothing.
pub(crate) fn without_blanks(mut bytes: &[u8]) -> &[u8] {
    loop {
        match bytes {
            [0xef, 0xbb, 0xbf, rest @ ..] => bytes = rest,
            [b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c | 0x1a, rest @ ..] => bytes = rest,
            _ => return bytes,
        }
    }
}

/// A refusal for X12 that is no 835; `found` is its transaction set's number where one was seen.
pub(crate) fn not_an_835(file: &str, found: Option<&str>) -> Refusal {
    let kind = match found {
        Some("837") => "an 837 (claims as submitted)",
        Some("277") => "a 277 (claim status)",
        Some("999") => "a 999 (acknowledgement)",
        Some("820") => "an 820 (premium payment)",
        Some("834") => "an 834 (enrolment)",
        Some("270" | "271") => "a 270 or 271 (eligibility)",
        Some(_) => "another transaction set",
        None => "no transaction set at all",
    };
    refuse(file, reason::NOT_AN_835, format!("expected the transaction set 835 (remittance), found {kind}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_a_file_is_by_its_start() {
        let cases: [(&[u8], Result<Format, Undetected>); 14] = [
            (b"ISA*00*          *00*", Ok(Format::X12_835)),
            (b"\xef\xbb\xbf\r\n  GS|HP|A|B|", Ok(Format::X12_835)),
            (b"ST*835*0001~BPR*I~", Ok(Format::X12_835)),
            (b"ST*837*0001~BHT*I~", Err(Undetected::OtherX12)),
            (b"\xef\xbb\xbf{\"kind\":\"eob\"}", Ok(Format::Ndjson)),
            (b"{\"resourceType\":\"ExplanationOfBenefit\"}", Ok(Format::FhirR4)),
            (b"[{\"kind\":\"eob\"}]", Err(Undetected::JsonArray)),
            (b"", Err(Undetected::Empty)),
            (b" \r\n\x1a", Err(Undetected::Empty)),
            (b"\xff\xfeI\0S\0A\0", Err(Undetected::Utf16)),
            (b"PK\x03\x04abc", Err(Undetected::Compressed)),
            (b"member_id,email\n", Err(Undetected::Unknown)),
            (b"STRING", Err(Undetected::Unknown)),
            (b"ISABELLE", Err(Undetected::Unknown)),
        ];
        for (start, expected) in cases {
            assert_eq!(detect(start), expected, "{}", String::from_utf8_lossy(start));
        }
    }

    #[test]
    fn a_named_format_does_not_excuse_an_empty_file() {
        for format in Format::ALL {
            let refusal = open(&format.into(), "a.txt", Box::new(Cursor::new(b" \n".to_vec()))).unwrap_err();
            assert_eq!(refusal.reason, reason::EMPTY_FILE);
            assert_eq!(format.to_string().parse::<Format>(), Ok(format));
        }
    }
}
