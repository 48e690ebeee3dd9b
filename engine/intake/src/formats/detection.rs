//! Which format a file is in, and why: for each format a yes or a no with the reason, for the operator to read.
//!
//! The file decides, never its name. X12 and JSON are told by their first bytes; delimited text by a header that has all columns of
//! exactly one map; fixed width by nothing at all, so its map must be named.

use super::delimited::{Head, head, line_end};
use super::{Format, detect, without_blanks, x12_835};
use crate::InputProfile;
use crate::column_map::{ColumnMap, Fit, fitting};
use crate::error::Undetected;
use model::limits::RECORD_BYTES_MAX;
use serde::Serialize;
use std::io::{self, BufRead, Read};
use std::sync::Arc;

/// How much of a file is looked at first, in bytes: an ISA, a GS and an ST, or the first names of a FHIR resource after a long text.
const START_BYTES: u64 = 16 * 1024;
/// Missing columns that a reason names.
const MISSING_SHOWN: usize = 6;

/// What is said of one format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The format's name.
    pub format: &'static str,
    /// Whether the file is read as this.
    pub fits: bool,
    /// Why, in words; names of columns, never values.
    pub why: String,
}

/// What a file was found to be.
pub(super) struct Detected {
    pub(super) format: Format,
    /// For delimited and fixed-width files.
    pub(super) map: Option<Arc<ColumnMap>>,
    pub(super) head: Option<Head>,
    pub(super) verdicts: Vec<Verdict>,
}

/// Why a file was found to be nothing.
pub(super) enum Nothing {
    /// By its first bytes.
    Undetected(Undetected),
    /// By what each format says.
    NoFormat(Vec<Verdict>),
    /// The first line has no end.
    HeaderTooLong,
}

/// The start of a file: enough to tell X12 and JSON.
pub(super) fn start(reader: &mut dyn BufRead) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    reader.take(START_BYTES).read_to_end(&mut start)?;
    Ok(start)
}

/// Reads on until the first line is whole. False where it is longer than a row may be.
fn first_line(start: &mut Vec<u8>, reader: &mut dyn BufRead) -> io::Result<bool> {
    while line_end(start).is_none() {
        if start.len() > RECORD_BYTES_MAX {
            return Ok(false);
        }
        let more = start.len().max(START_BYTES as usize) as u64;
        if Read::take(&mut *reader, more).read_to_end(start)? == 0 {
            break;
        }
    }
    Ok(true)
}

/// Finds the format; reads on into `start` as far as that takes.
pub(super) fn find(profile: &InputProfile, start: &mut Vec<u8>, reader: &mut dyn BufRead) -> io::Result<Result<Detected, Nothing>> {
    let by_bytes = detect(start);
    let stated = profile.format;
    let is_tabular = matches!(stated, Some(Format::Csv | Format::FixedWidth)) || (stated.is_none() && by_bytes == Err(Undetected::Unknown));
    if !is_tabular {
        let format = match (stated, by_bytes) {
            (Some(stated), _) => stated,
            (None, Ok(found)) => found,
            (None, Err(undetected)) => return Ok(Err(Nothing::Undetected(undetected))),
        };
        let verdicts = verdicts(profile, start, Some(format), "delimited text has no such beginning".to_owned());
        return Ok(Ok(Detected { format, map: None, head: None, verdicts }));
    }
    if let Err(undetected @ (Undetected::Empty | Undetected::Utf16 | Undetected::Compressed)) = by_bytes {
        return Ok(Err(Nothing::Undetected(undetected)));
    }
    if let Some(map) = profile.columns.as_ref().filter(|map| map.is_fixed_width() && stated != Some(Format::Csv)) {
        let verdicts = verdicts(profile, start, Some(Format::FixedWidth), "the column map is one of fixed width".to_owned());
        return Ok(Ok(Detected { format: Format::FixedWidth, map: Some(Arc::clone(map)), head: None, verdicts }));
    }
    if stated == Some(Format::FixedWidth) || by_bytes.is_ok() {
        let verdicts = verdicts(profile, start, None, "delimited text has no such beginning".to_owned());
        return Ok(Err(Nothing::NoFormat(verdicts)));
    }
    if !first_line(start, reader)? {
        return Ok(Err(Nothing::HeaderTooLong));
    }
    Ok(match delimited(profile, start) {
        Ok((map, head, why)) => {
            let verdicts = verdicts(profile, start, Some(Format::Csv), why);
            Ok(Detected { format: Format::Csv, map: Some(map), head, verdicts })
        }
        Err(why) => Err(Nothing::NoFormat(verdicts(profile, start, None, why))),
    })
}

/// The map of a delimited file and its header, and why it is that; else why there is none.
fn delimited(profile: &InputProfile, start: &[u8]) -> Result<(Arc<ColumnMap>, Option<Head>, String), String> {
    let whole = &start[..line_end(start).unwrap_or(start.len())];
    if let Some(map) = &profile.columns {
        if !map.is_found_by_header() {
            return Ok((Arc::clone(map), None, format!("column map {} is named, which takes files without a header", map.name())));
        }
        let head = head(whole, std::slice::from_ref(map)).map_err(|expected| format!("expected {expected}"))?;
        let missing = map.missing_in(&head.names);
        if !missing.is_empty() {
            let missing: Vec<String> = missing.into_iter().map(str::to_owned).collect();
            return Err(format!("the header lacks columns of map {}: {}", map.name(), shown(&missing)));
        }
        let why = format!("the header has all columns of map {}, which is named", map.name());
        no_slip(map, &head.names)?;
        return Ok((Arc::clone(map), Some(head), why));
    }
    let mut maps = ColumnMap::all_shipped();
    let head = head(whole, &maps).map_err(|expected| format!("expected {expected}"))?;
    match fitting(&maps, &head.names) {
        Fit::One(at) => {
            let map = maps.swap_remove(at);
            let why = format!("the header has all columns of map {} and of no other", map.name());
            no_slip(&map, &head.names)?;
            Ok((Arc::new(map), Some(head), why))
        }
        Fit::Several(names) => Err(format!("the header fits several column maps, {}: name the one that is meant", names.join(", "))),
        Fit::None { .. } if head.names.len() < 2 => Err("the first line has no delimiter: , ; | or TAB".to_owned()),
        Fit::None { nearest, missing } => {
            Err(format!("the header has no column map: the nearest is {nearest}, missing {}", shown(&missing)))
        }
    }
}

/// A column that may be missing, and one beside it whose name is a letter away, are one column misspelt: without it a statement would
/// lack what the file has.
fn no_slip(map: &ColumnMap, names: &[String]) -> Result<(), String> {
    match map.slip_in(names) {
        Some((found, meant)) => {
            Err(format!("the header has {found}, which map {} does not know: it was probably meant to be {meant}", map.name()))
        }
        None => Ok(()),
    }
}

fn shown(missing: &[String]) -> String {
    let more = missing.len().saturating_sub(MISSING_SHOWN);
    let named = missing.iter().take(MISSING_SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if more == 0 { named } else { format!("{named} and {more} more") }
}

/// What each format says; `csv` is what delimited text says.
fn verdicts(profile: &InputProfile, start: &[u8], found: Option<Format>, csv: String) -> Vec<Verdict> {
    Format::ALL
        .into_iter()
        .map(|format| {
            let fits = found == Some(format);
            let why = match format {
                _ if fits && profile.format == Some(format) && profile.columns.is_none() => "it is named as this".to_owned(),
                Format::Csv => csv.clone(),
                Format::FixedWidth if fits => csv.clone(),
                Format::FixedWidth => "nothing in a file tells it: its column map must be named".to_owned(),
                Format::X12_835 => x12(start),
                Format::Ndjson => json(start),
                Format::FhirR4 => fhir(start),
            };
            Verdict { format: format.as_str(), fits, why }
        })
        .collect()
}

fn x12(start: &[u8]) -> String {
    let start = without_blanks(start);
    if !x12_835::begins_envelope(start) {
        return "it does not begin with an ISA, GS or ST segment".to_owned();
    }
    let segment: String = start.iter().take_while(|byte| byte.is_ascii_alphabetic()).take(3).map(|byte| char::from(*byte)).collect();
    match x12_835::first_transaction_set(start) {
        Some(code) if code == "835" => format!("it begins with {segment}, and its first transaction set is 835"),
        Some(code) if code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("it begins with {segment}, but its first transaction set is {code}")
        }
        _ => format!("it begins with {segment}"),
    }
}

fn json(start: &[u8]) -> String {
    match (detect(start), without_blanks(start).first()) {
        (Ok(Format::Ndjson), _) => "its first line begins with {".to_owned(),
        (_, Some(b'{')) => "it is FHIR, not a statement of our schema".to_owned(),
        (_, Some(b'[')) => "it is a JSON array, not one object a line".to_owned(),
        _ => "its first line does not begin with {".to_owned(),
    }
}

fn fhir(start: &[u8]) -> String {
    match (detect(start), without_blanks(start).first()) {
        (Ok(Format::FhirR4), _) => "it begins with { and names elements of FHIR, such as resourceType".to_owned(),
        (_, Some(b'{')) => "it begins with {, but names no element of FHIR".to_owned(),
        _ => "it does not begin with {".to_owned(),
    }
}

/// All verdicts in one sentence, for a refusal.
pub(super) fn sentence(verdicts: &[Verdict]) -> String {
    let said: Vec<String> = verdicts.iter().map(|verdict| format!("{}: {}", verdict.format, verdict.why)).collect();
    format!("expected one of the formats that are read, but {}", said.join("; "))
}
