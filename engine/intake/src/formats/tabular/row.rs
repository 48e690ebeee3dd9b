//! One row of a delimited or fixed-width file: its fields, and what the map's slots find in them.

use crate::amount::{AmountError, Exact};
use crate::column_map::{AmountStyle, ColumnMap, Condition, Slot, Term, TermSource, Text, Word};
use crate::{reason, validate};

/// The fields of a row, without quotes. Reused from row to row.
#[derive(Default)]
pub(crate) struct Fields {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Fields {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Adds to the field that is being read.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Ends the field that is being read.
    pub(crate) fn end_field(&mut self) {
        self.ends.push(self.bytes.len());
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn get(&self, at: usize) -> Option<&[u8]> {
        let end = *self.ends.get(at)?;
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        Some(&self.bytes[start..end])
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).filter_map(|at| self.get(at))
    }
}

/// Why a field cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) reason: &'static str,
    /// The column, as the map names it.
    pub(crate) field: String,
    pub(crate) line: u64,
    pub(crate) expected: String,
}

/// What a row says about an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    /// The row does not count for it.
    Nothing,
    /// It counts, and leaves it blank.
    Blank,
    /// It states this.
    Amount(Exact),
}

/// A row under a map.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) fields: &'a Fields,
    /// Where each slot's column is; `None` for an optional column that the file lacks.
    pub(crate) places: &'a [Option<usize>],
    pub(crate) map: &'a ColumnMap,
    pub(crate) line: u64,
}

impl<'a> Row<'a> {
    fn raw(&self, slot: Slot) -> &'a [u8] {
        self.places[slot].and_then(|place| self.fields.get(place)).unwrap_or_default().trim_ascii()
    }

    pub(crate) fn trouble(&self, reason: &'static str, slot: Slot, expected: impl Into<String>) -> Trouble {
        Trouble { reason, field: self.map.columns[slot].name.clone(), line: self.line, expected: expected.into() }
    }

    /// A column's text without blanks around it; empty where there is none.
    pub(crate) fn slot(&self, slot: Slot) -> Result<&'a str, Trouble> {
        let raw = self.raw(slot);
        let text = std::str::from_utf8(raw).map_err(|error| {
            let expected = format!("UTF-8; byte {} of the field is not", error.valid_up_to() + 1);
            self.trouble(reason::TEXT_NOT_UTF8, slot, expected)
        })?;
        validate::check_text(text)
            .map_err(|reason| self.trouble(reason, slot, "a text of at most 1,000 bytes without control characters"))?;
        Ok(text.trim())
    }

    /// A text of the map; empty where nothing is stated.
    pub(crate) fn text(&self, text: &Text) -> Result<String, Trouble> {
        for slot in &text.first_of {
            let found = self.slot(*slot)?;
            if !found.is_empty() {
                let mut whole = String::with_capacity(text.prefix.len() + found.len());
                whole.push_str(&text.prefix);
                whole.push_str(found);
                return Ok(whole);
            }
        }
        Ok(text.constant.clone().unwrap_or_default())
    }

    /// A word of the map; `None` where no rule knows what stands there.
    pub(crate) fn word<T: Copy>(&self, word: &Word<T>) -> Result<Option<T>, Trouble> {
        for (slot, values) in &word.rules {
            let found = self.slot(*slot)?;
            if found.is_empty() {
                continue;
            }
            if let Some((_, meaning)) = values.iter().find(|(value, _)| value == found || value == "*") {
                return Ok(Some(*meaning));
            }
        }
        Ok(word.otherwise)
    }

    pub(crate) fn date(&self, slot: Slot) -> Result<Option<jiff::civil::Date>, Trouble> {
        let style = &self.map.dates;
        style.read(self.slot(slot)?).map_err(|()| self.trouble(reason::DATE_MALFORMED, slot, style.expected()))
    }

    pub(crate) fn meets(&self, conditions: &[Condition]) -> Result<bool, Trouble> {
        for condition in conditions {
            let found = self.slot(condition.slot)?;
            let fits = if condition.values.is_empty() { !found.is_empty() } else { condition.values.iter().any(|value| value == found) };
            if !fits {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What the row says about a term of an amount.
    pub(crate) fn term(&self, term: &Term) -> Result<Said, Trouble> {
        if !self.meets(&term.when)? {
            return Ok(Said::Nothing);
        }
        let signed = |exact: Exact| if term.negate { -exact } else { exact };
        match &term.source {
            TermSource::Constant(exact) => Ok(Said::Amount(signed(*exact))),
            TermSource::Same(slot) => Ok(self.amount(*slot)?.map_or(Said::Blank, |exact| Said::Amount(signed(exact)))),
            TermSource::Sum(slots) => {
                let mut sum = Exact::ZERO;
                for slot in slots {
                    match self.amount(*slot)? {
                        Some(exact) => sum = sum + signed(exact),
                        None if term.absent_is_zero => {}
                        None => return Ok(Said::Blank),
                    }
                }
                Ok(Said::Amount(sum))
            }
        }
    }

    fn amount(&self, slot: Slot) -> Result<Option<Exact>, Trouble> {
        let style: AmountStyle = self.map.amounts;
        style.read(self.slot(slot)?).map_err(|error: AmountError| self.trouble(error.reason(), slot, error.to_string()))
    }
}
