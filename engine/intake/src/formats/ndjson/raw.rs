//! An amount as it stands in a line: its text, never a float.
//!
//! Two forms of one line are read. [`Quick`] takes what is exact to the cent straight from [`super::plain`]. A line with anything else (an
//! exponent, parts of a cent that may have to be rounded) is read again with `&RawValue`, which has an amount as it was written, at
//! about twice the cost.

use super::amounts::Reading;
use super::plain::AMOUNT;
use model::Cents;
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
        from.deserialize_newtype_struct(AMOUNT, Take)
    }
}

struct Take;

impl<'de> Visitor<'de> for Take {
    type Value = Quick;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an amount")
    }

    fn visit_unit<E>(self) -> Result<Quick, E> {
        Ok(Quick(None))
    }

    // Borrowed: a text with escapes is no amount, and is told apart from one by `&RawValue`.
    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Quick, E> {
        Cents::parse(text).map(|cents| Quick(Some(cents))).map_err(E::custom)
    }
}
