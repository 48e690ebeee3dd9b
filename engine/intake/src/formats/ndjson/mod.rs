//! NDJSON of our published schema (`configs/schema/statement.schema.json`): one object a line, one row a line.
//!
//! Blank lines are passed over and not counted; a byte order mark and CR LF are tolerated. A line is read in one pass into
//! typed fields ([`plain`]); where that fails, once more by `serde_json`, which takes all JSON; and only where that fails is it walked
//! slowly, to say which field is wrong ([`diagnosis`]). Amounts are taken from the raw text of the line: no float ever.
//!
//! What totals must satisfy, and it is the least that is contradictory in itself:
//! * where all eight are stated: billed = discount + not_covered + other_insurance + deductible + coinsurance + copay + plan_paid;
//! * where there are lines and each states it: billed = the lines' billed;
//! * where all five are stated: member_owes lies between deductible + coinsurance + copay and that sum + not_covered. Any value between
//!   is possible, because a part of what is not covered may be the provider's to bear.

mod amounts;
mod diagnosis;
mod fields;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod particulars;
mod plain;
mod raw;
mod service;
mod strict;
mod text;
mod totals;

pub(crate) use diagnosis::Wrong;
pub(crate) use totals::judge;

use crate::error::unreadable;
use crate::formats::without_blanks;
use crate::window::Window;
use crate::{Rounded, Rounding, Row, reason};
use amounts::Reading;
use diagnosis::money_of;
use fields::{Line, TakeLine};
use memchr::memchr;
use model::MoneySummary;
use model::limits::NDJSON_LINE_BYTES_MAX;
use model::reject::{Place, Refusal, Reject};
use plain::{Fault, Plain};
use raw::Quick;
use serde::de::DeserializeSeed;
use serde_json::value::RawValue;
use std::io::Read;

/// The lines of a file.
pub(crate) struct Lines<'r> {
    window: Window<'r>,
    file: String,
    line: u64,
    records: u64,
    /// Bytes of the window that the line given out last takes.
    taken: usize,
    rounding: Rounding,
    rounded: Rounded,
}

enum Found {
    /// A line of this length at the window's start.
    Line(usize),
    TooLong,
    End,
}

impl<'r> Lines<'r> {
    pub(crate) fn new(file: &str, source: Box<dyn Read + 'r>, rounding: Rounding) -> Self {
        let window = Window::new(source, NDJSON_LINE_BYTES_MAX + 2);
        Self { window, file: file.to_owned(), line: 0, records: 0, taken: 0, rounding, rounded: Rounded::default() }
    }

    pub(crate) fn source_records(&self) -> u64 {
        self.records
    }

    pub(crate) fn rounded(&self) -> Rounded {
        self.rounded
    }

    /// The next row.
    pub(crate) fn next_row(&mut self) -> Result<Option<Row>, Refusal> {
        loop {
            let found = self.next_line().map_err(|error| unreadable(&self.file, &error))?;
            match found {
                Found::End => return Ok(None),
                Found::TooLong => {
                    self.records += 1;
                    let wrong = Wrong::new(reason::LINE_TOO_LONG, "", "a line of at most 1 MiB");
                    return Ok(Some(self.rejected(wrong, MoneySummary::default())));
                }
                Found::Line(length) => {
                    let bytes = without_blanks(&self.window.bytes()[..length]);
                    if bytes.is_empty() {
                        continue;
                    }
                    self.records += 1;
                    let place = Place { row: self.records, line: Some(self.line), segment: None, field: None };
                    let row = match read(bytes, place, self.rounding, &mut self.rounded) {
                        Ok(row) => row,
                        Err((wrong, money)) => self.rejected(wrong, money),
                    };
                    return Ok(Some(row));
                }
            }
        }
    }

    fn next_line(&mut self) -> std::io::Result<Found> {
        self.window.consume(self.taken);
        self.taken = 0;
        let mut searched = 0;
        loop {
            let there = self.window.bytes();
            if let Some(at) = memchr(b'\n', &there[searched..]) {
                self.line += 1;
                self.taken = searched + at + 1;
                let length = searched + at;
                return Ok(if length > NDJSON_LINE_BYTES_MAX + 1 { Found::TooLong } else { Found::Line(length) });
            }
            searched = there.len();
            if searched > NDJSON_LINE_BYTES_MAX + 1 {
                self.line += 1;
                self.window.pass_over(b'\n')?;
                return Ok(Found::TooLong);
            }
            if !self.window.fill()? {
                if searched == 0 {
                    return Ok(Found::End);
                }
                self.line += 1;
                self.taken = searched;
                return Ok(Found::Line(searched));
            }
        }
    }

    fn rejected(&self, wrong: Wrong, money: MoneySummary) -> Row {
        let field = Some(wrong.field).filter(|field| !field.is_empty());
        let place = Place { row: self.records, line: Some(self.line), segment: None, field };
        let action = reason::action(wrong.reason).to_owned();
        let reject = Reject { file: self.file.clone(), place, reason: wrong.reason.to_owned(), expected: wrong.expected, action };
        Row::Rejected { reject, money }
    }
}

fn read(bytes: &[u8], place: Place, rounding: Rounding, rounded: &mut Rounded) -> Result<Row, (Wrong, MoneySummary)> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let expected = format!("UTF-8; byte {} of the line is not", error.valid_up_to() + 1);
        (Wrong::new(reason::TEXT_NOT_UTF8, "", expected), MoneySummary::default())
    })?;
    let mut amounts = Reading::new(rounding);
    let fast = match plain(text, &mut amounts) {
        Ok(line) => line.into_row(place, &mut amounts),
        Err(_) => {
            amounts = Reading::new(rounding);
            general(text, &mut amounts).ok().and_then(|line| line.into_row(place, &mut amounts))
        }
    };
    match fast {
        Some(Ok(row)) => {
            *rounded += amounts.rounded;
            Ok(row)
        }
        Some(Err(wrong)) => Err((wrong, money_of(text, rounding))),
        // The slow way says what is wrong. That it finds something wherever the fast way fails is tested.
        None => Err((diagnosis::of(text, rounding), money_of(text, rounding))),
    }
}

/// A line as nearly all are written.
fn plain(text: &str, amounts: &mut Reading) -> Result<Line<Quick>, Fault> {
    let mut from = Plain::new(text);
    let line = TakeLine::new(amounts).deserialize(&mut from)?;
    from.end().map(|()| line)
}

/// Any line that is JSON.
fn general<'t>(text: &'t str, amounts: &mut Reading) -> serde_json::Result<Line<Option<&'t RawValue>>> {
    let mut from = serde_json::Deserializer::from_str(text);
    let line = TakeLine::new(amounts).deserialize(&mut from)?;
    from.end().map(|()| line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading() -> Reading {
        Reading::new(Rounding::Refuse)
    }

    /// Else each of them would be read twice, and nobody would know.
    #[test]
    fn a_usual_line_is_read_in_one_pass() {
        let batch = testkit::Batch::new(testkit::Options { rows: 1, lines: 15..=15, ..testkit::Options::default() });
        let line = batch.row(1).to_json(true);
        assert!(plain(&line, &mut reading()).is_ok());
        let numbers = r#"{"kind":"eob","totals":{"billed":10,"copay":null},"payer":"\u00c9lan \"Ltd\"","network":"in_network","lines":[]}"#;
        assert!(plain(numbers, &mut reading()).is_ok());
        assert!(plain(&numbers.replace("10", "-10.50"), &mut reading()).is_ok());
        let exponent = numbers.replace("10", "1e1");
        assert!(plain(&exponent, &mut reading()).is_err() && general(&exponent, &mut reading()).is_ok());
    }
}
