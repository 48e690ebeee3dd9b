//! An amount as it stands in a line: its text, never a float.
//!
//! Two forms of one line are read. [`Quick`] takes texts and whole numbers straight from the parser, where they are whole cents; a number
//! with a point or an exponent is nothing it can take, because the parser would make a float of it. Such a line is read again with
//! `&RawValue`, which has the digits as they were written, at about twice the cost; so is one whose amounts may have to be rounded.

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

/// An amount that is exact to the cent, read where it stands.
#[derive(Clone, Copy)]
pub(super) struct Quick(Cents);

impl RawAmount for Quick {
    fn read(&self, _: &mut Reading) -> Result<Cents, AmountError> {
        Ok(self.0)
    }
}

impl<'de> Deserialize<'de> for Quick {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Take)
    }
}

struct Take;

impl<'de> Visitor<'de> for Take {
    type Value = Quick;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a whole number")
    }

    // Borrowed: a text with escapes is no amount, and is told apart from one by `&RawValue`.
    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Quick, E> {
        Cents::parse(text).map(Quick).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, dollars: i64) -> Result<Quick, E> {
        let cents = dollars.checked_mul(100).filter(|cents| cents.unsigned_abs() <= CENTS_MAX.unsigned_abs());
        cents.map(|cents| Quick(Cents(cents))).ok_or_else(|| E::custom("beyond any amount"))
    }

    fn visit_u64<E: Error>(self, dollars: u64) -> Result<Quick, E> {
        i64::try_from(dollars).map_err(E::custom).and_then(|dollars| self.visit_i64(dollars))
    }
}
