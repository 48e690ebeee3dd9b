//! The amounts of a line, read straight into the statement.
//!
//! Most of what stands in a line is amounts, ten a service. So they are not gathered in a form of their own first: each goes to
//! its place as it is met. One that is none is noted ([`Reading::is_unreadable`]),
//! because a contradiction may come before it in what is told.

use super::raw::RawAmount;
use crate::amount::{self, AmountError};
use crate::{Rounded, Rounding};
use model::Cents;
use model::statement::Amounts;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// How the amounts of a line are read, and what that did to them.
pub(super) struct Reading {
    rounding: Rounding,
    pub(super) rounded: Rounded,
    /// One of them is no amount.
    pub(super) is_unreadable: bool,
}

impl Reading {
    pub(super) fn new(rounding: Rounding) -> Self {
        Self { rounding, rounded: Rounded::default(), is_unreadable: false }
    }

    /// The amount that a raw JSON value states: a number, or a string of one. Never through a float.
    pub(super) fn amount(&mut self, raw: &str) -> Result<Cents, AmountError> {
        let text = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(raw);
        amount::cents(text, self.rounding, &mut self.rounded)
    }
}

/// Which fields of an object were met: none comes twice.
#[derive(Default)]
pub(super) struct Met(u32);

impl Met {
    /// Notes field `number`, below 32.
    pub(super) fn once<E: Error>(&mut self, number: u32) -> Result<(), E> {
        let bit = 1 << number;
        if self.0 & bit != 0 {
            return Err(E::custom("a field stands twice"));
        }
        self.0 |= bit;
        Ok(())
    }
}

#[derive(serde::Deserialize, Clone, Copy)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Field {
    Billed,
    Allowed,
    Discount,
    PlanPaid,
    Deductible,
    Coinsurance,
    Copay,
    NotCovered,
    OtherInsurance,
    MemberOwes,
}

impl Field {
    fn of(self, amounts: &mut Amounts) -> &mut Option<Cents> {
        match self {
            Self::Billed => &mut amounts.billed,
            Self::Allowed => &mut amounts.allowed,
            Self::Discount => &mut amounts.discount,
            Self::PlanPaid => &mut amounts.plan_paid,
            Self::Deductible => &mut amounts.deductible,
            Self::Coinsurance => &mut amounts.coinsurance,
            Self::Copay => &mut amounts.copay,
            Self::NotCovered => &mut amounts.not_covered,
            Self::OtherInsurance => &mut amounts.other_insurance,
            Self::MemberOwes => &mut amounts.member_owes,
        }
    }
}

/// Reads an object of amounts into `into`, each of the form `A`. Says whether there was one: `null` is none.
pub(super) struct TakeAmounts<'s, A> {
    into: &'s mut Amounts,
    reading: &'s mut Reading,
    form: PhantomData<A>,
}

impl<'s, A> TakeAmounts<'s, A> {
    pub(super) fn new(into: &'s mut Amounts, reading: &'s mut Reading) -> Self {
        Self { into, reading, form: PhantomData }
    }
}

impl<'de, A: RawAmount + Deserialize<'de>> DeserializeSeed<'de> for TakeAmounts<'_, A> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<bool, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de, A: RawAmount + Deserialize<'de>> Visitor<'de> for TakeAmounts<'_, A> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of amounts")
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<bool, M::Error> {
        let mut met = Met::default();
        while let Some(field) = map.next_key::<Field>()? {
            met.once(field as u32)?;
            let raw: A = map.next_value()?;
            *field.of(self.into) = raw.read(self.reading);
        }
        Ok(true)
    }
}
