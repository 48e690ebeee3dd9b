//! The texts and dates of a line, checked where they stand: nothing is copied that does not pass.

use crate::validate;
use jiff::civil::Date;
use model::Private;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use std::fmt;

/// A text that passed [`validate::check_text`].
pub(super) struct Text(pub(super) Private);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(TakeText)
    }
}

struct TakeText;

impl Visitor<'_> for TakeText {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
        validate::check_text(text).map_err(E::custom)?;
        Ok(Text(Private::from(text)))
    }
}

/// An empty text states nothing.
pub(super) fn text(text: Option<Text>) -> Option<Private> {
    text.map(|text| text.0).filter(|text| !text.is_empty())
}

/// A variable of a template. It may be longer than other texts and have line ends: the line's limit bounds it.
pub(super) struct Variable(pub(super) Private);

impl<'de> Deserialize<'de> for Variable {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Private::deserialize(from).map(Self)
    }
}

/// A date `CCYY-MM-DD`.
pub(super) struct Day(pub(super) Date);

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(TakeDay)
    }
}

struct TakeDay;

impl Visitor<'_> for TakeDay {
    type Value = Day;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a date CCYY-MM-DD")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Day, E> {
        validate::iso_date(text.as_bytes()).map(Day).ok_or_else(|| E::custom("date"))
    }
}
