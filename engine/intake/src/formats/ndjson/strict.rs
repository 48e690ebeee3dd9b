//! Objects and words as the schema has them, and nothing else that serde would take for them.
//!
//! What serde derives for a struct takes a list of its fields by position as well: `["M1", "Ada Example"]` is a member to it, and a list
//! that lost a value puts the others under wrong names. What it derives for words takes `{"denied": null}` for `"denied"`. Neither is in
//! the schema; here neither is taken, and `diagnosis.rs` finds the words for it.

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// A struct that stands as an object, its fields by their names.
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(TakeObject(PhantomData))
    }
}

struct TakeObject<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for TakeObject<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Object<T>, M::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

/// One of a set of words that stands as a text.
#[derive(Clone, Copy)]
pub(super) struct Word<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(TakeWord(PhantomData))
    }
}

struct TakeWord<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for TakeWord<T> {
    type Value = Word<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Word<T>, E> {
        T::deserialize(StrDeserializer::new(text)).map(Word)
    }
}
