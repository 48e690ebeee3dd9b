//! An amount as it stands in a line: its text, never a float.
//!
//! Two forms of one line are read. [`Quick`] takes texts and whole numbers straight from [`super::plain`], where they are whole cents; a
//! number with a point or an exponent is not plain. Such a line is read again with `&RawValue`, which has the digits as they were
//! written, at about twice the cost; so is one whose amounts may have to be rounded.

use super::amounts::Reading;
use model::Cents;
use model::money::CENTS_MAX;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// What an amount can be read from, or that none is stated.
pub(super) trait RawAmount: Default {
    /// The amount. One that is none leaves its note in `reading`.
    fn read(self, reading: &mut Reading) -> Option<Cents>;
}

impl RawAmount for Option<&RawValue> {
    fn read(self, reading: &mut Reading) -> Option<Cents> {
        let read = reading.amount(self?.get());
        reading.is_unreadable |= read.is_err();
        read.ok()
    }
}

/// An amount that is exact to the cent, read where it stands.
#[derive(Clone, Copy, Default)]
pub(super) struct Quick(Option<Cents>);

impl RawAmount for Quick {
    fn read(self, _: &mut Reading) -> Option<Cents> {
        self.0
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

    fn visit_unit<E>(self) -> Result<Quick, E> {
        Ok(Quick(None))
    }

    // Borrowed: a text with escapes is no amount, and is told apart from one by `&RawValue`.
    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Quick, E> {
        Cents::parse(text).map(|cents| Quick(Some(cents))).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, dollars: i64) -> Result<Quick, E> {
        let cents = dollars.checked_mul(100).filter(|cents| cents.unsigned_abs() <= CENTS_MAX.unsigned_abs());
        cents.map(|cents| Quick(Some(Cents(cents)))).ok_or_else(|| E::custom("beyond any amount"))
    }

    fn visit_u64<E: Error>(self, dollars: u64) -> Result<Quick, E> {
        i64::try_from(dollars).map_err(E::custom).and_then(|dollars| self.visit_i64(dollars))
    }
}
