//! The services of a line, read straight into the statement.

use super::amounts::{Met, Reading, TakeAmounts};
use super::raw::RawAmount;
use super::text::{Day, Text, text};
use model::statement::ServiceLine;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// Services that a list has room for at first: a usual claim's, so that few lists grow.
const SERVICES_USUAL: usize = 16;

#[derive(serde::Deserialize, Clone, Copy)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Field {
    ServiceFrom,
    ServiceTo,
    Code,
    Modifiers,
    Description,
    Amounts,
    Notes,
}

/// Reads the list of services; `null` is none.
pub(super) struct TakeServices<'s, A> {
    reading: &'s mut Reading,
    form: PhantomData<A>,
}

impl<'s, A> TakeServices<'s, A> {
    pub(super) fn new(reading: &'s mut Reading) -> Self {
        Self { reading, form: PhantomData }
    }
}

impl<'de, A: RawAmount + Deserialize<'de>> DeserializeSeed<'de> for TakeServices<'_, A> {
    type Value = Option<Vec<ServiceLine>>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de, A: RawAmount + Deserialize<'de>> Visitor<'de> for TakeServices<'_, A> {
    type Value = Option<Vec<ServiceLine>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of services")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut items: S) -> Result<Self::Value, S::Error> {
        let mut services = Vec::with_capacity(SERVICES_USUAL);
        let Self { reading, form } = self;
        while items.next_element_seed(TakeService::<A> { into: &mut services, reading: &mut *reading, form })?.is_some() {}
        // Statements of one member may wait for each other: one of few services does not keep the room of many.
        if services.len() < services.capacity() / 2 {
            services.shrink_to_fit();
        }
        Ok(Some(services))
    }
}

/// Reads one service to the end of `into`.
struct TakeService<'s, A> {
    into: &'s mut Vec<ServiceLine>,
    reading: &'s mut Reading,
    form: PhantomData<A>,
}

impl<'de, A: RawAmount + Deserialize<'de>> DeserializeSeed<'de> for TakeService<'_, A> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de, A: RawAmount + Deserialize<'de>> Visitor<'de> for TakeService<'_, A> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a service")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        let Self { into, reading, .. } = self;
        let mut service = ServiceLine::default();
        let mut met = Met::default();
        while let Some(field) = map.next_key::<Field>()? {
            met.once(field as u32)?;
            match field {
                Field::ServiceFrom => service.service_from = map.next_value::<Option<Day>>()?.map(|day| day.0),
                Field::ServiceTo => service.service_to = map.next_value::<Option<Day>>()?.map(|day| day.0),
                Field::Code => service.code = text(map.next_value()?),
                Field::Modifiers => {
                    let modifiers = map.next_value::<Option<Vec<Text>>>()?.unwrap_or_default();
                    service.modifiers = modifiers.into_iter().map(|modifier| modifier.0).collect();
                }
                Field::Description => service.description = text(map.next_value()?),
                Field::Amounts => {
                    map.next_value_seed(TakeAmounts::<A>::new(&mut service.amounts, reading))?;
                }
                Field::Notes => service.notes = map.next_value::<Option<_>>()?.unwrap_or_default(),
            }
        }
        into.push(service);
        Ok(())
    }
}
