//! An amount as it stands in a line: its text, never a float.
//!
//! Two forms of one line are read. [`Quick`] takes texts and whole numbers straight from the parser; a number with a point or an exponent is
//! nothing it can take, because the parser would make a float of it. Such a line is read again with `&RawValue`, which has the digits as
//! they were written, at about twice the cost.

use super::fields::Reading;
use crate::amount::AmountError;
use model::Cents;
use model::money::CENTS_MAX;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// What an amount can be read from.
pub(super) trait RawAmount {
    /// The amount.
    fn read(&self, reading: &mut Reading) -> Result<Cents, AmountError>;
}

impl RawAmount for &RawValue {
    fn read(&self, reading: &mut Reading) -> Result<Cents, AmountError> {
        reading.amount(self.get())
    }
}

/// A text without escapes, or whole dollars.
#[derive(Clone, Copy)]
pub(super) enum Quick<'a> {
    Text(&'a str),
    Whole(Cents),
}

impl RawAmount for Quick<'_> {
    fn read(&self, reading: &mut Reading) -> Result<Cents, AmountError> {
        match self {
            Self::Text(text) => reading.plain(text),
            Self::Whole(cents) => Ok(*cents),
        }
    }
}

impl<'de> Deserialize<'de> for Quick<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Take)
    }
}

struct Take;

impl<'de> Visitor<'de> for Take {
    type Value = Quick<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a whole number")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Quick<'de>, E> {
        Ok(Quick::Text(text))
    }

    fn visit_i64<E: Error>(self, dollars: i64) -> Result<Quick<'de>, E> {
        let cents = dollars.checked_mul(100).filter(|cents| cents.unsigned_abs() <= CENTS_MAX.unsigned_abs());
        cents.map(|cents| Quick::Whole(Cents(cents))).ok_or_else(|| E::custom("beyond any amount"))
    }

    fn visit_u64<E: Error>(self, dollars: u64) -> Result<Quick<'de>, E> {
        i64::try_from(dollars).map_err(E::custom).and_then(|dollars| self.visit_i64(dollars))
    }
}
