//! The two serde forms of [`Amounts`]: named fields where people read them; else a number that says which are stated, and those.
//!
//! A line of a statement states about four of ten. In a payload each of the others would cost a byte that says so.

use super::Amounts;
use crate::Cents;
use serde::de::{Error, SeqAccess, Visitor};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// How many there are.
const COUNT: usize = 10;

impl Amounts {
    /// In the order of their bits, which is never changed.
    fn in_order(&self) -> [Option<Cents>; COUNT] {
        let Self { billed, allowed, discount, plan_paid, deductible, coinsurance, copay, not_covered, other_insurance, member_owes } =
            *self;
        [billed, allowed, discount, plan_paid, deductible, coinsurance, copay, not_covered, other_insurance, member_owes]
    }

    fn from_order(amounts: [Option<Cents>; COUNT]) -> Self {
        let [billed, allowed, discount, plan_paid, deductible, coinsurance, copay, not_covered, other_insurance, member_owes] = amounts;
        Self { billed, allowed, discount, plan_paid, deductible, coinsurance, copay, not_covered, other_insurance, member_owes }
    }
}

impl Serialize for Amounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return Self::serialize(self, serializer);
        }
        let amounts = self.in_order();
        let is_stated = amounts.iter().enumerate().filter(|(_, amount)| amount.is_some());
        let stated = is_stated.fold(0u16, |stated, (at, _)| stated | 1 << at);
        let mut tuple = serializer.serialize_tuple(1 + stated.count_ones() as usize)?;
        tuple.serialize_element(&stated)?;
        amounts.iter().flatten().try_for_each(|amount| tuple.serialize_element(amount))?;
        tuple.end()
    }
}

impl<'de> Deserialize<'de> for Amounts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() { Self::deserialize(deserializer) } else { deserializer.deserialize_tuple(1 + COUNT, Stated) }
    }
}

/// Reads which amounts are stated, and then these.
struct Stated;

impl<'de> Visitor<'de> for Stated {
    type Value = Amounts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("which amounts are stated, and these")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Amounts, A::Error> {
        let stated: u16 = sequence.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
        if stated >> COUNT != 0 {
            return Err(A::Error::custom("an amount that does not exist is stated"));
        }
        let mut amounts = [None; COUNT];
        for (at, amount) in amounts.iter_mut().enumerate().filter(|(at, _)| stated >> at & 1 == 1) {
            *amount = Some(sequence.next_element()?.ok_or_else(|| A::Error::invalid_length(at, &self))?);
        }
        Ok(Amounts::from_order(amounts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn people_read_names() {
        let amounts = Amounts { billed: Some(Cents(100)), member_owes: Some(Cents(-5)), ..Amounts::default() };
        let json = serde_json::to_string(&amounts).unwrap();
        assert!(json.starts_with(r#"{"billed":100,"allowed":null,"#) && json.ends_with(r#""member_owes":-5}"#), "{json}");
        assert_eq!(serde_json::from_str::<Amounts>(&json).unwrap(), amounts);
    }

    #[test]
    fn bytes_say_which_are_stated_and_then_these() {
        let amounts = Amounts { billed: Some(Cents(100)), plan_paid: Some(Cents(0)), member_owes: Some(Cents(-5)), ..Amounts::default() };
        let bytes = postcard::to_stdvec(&amounts).unwrap();
        // 0b10_0000_1001 in seven bits a byte; 100, 0 and -5 as zigzag.
        assert_eq!(bytes, [0x89, 0x04, 0xc8, 0x01, 0, 9]);
        assert_eq!(postcard::from_bytes::<Amounts>(&bytes).unwrap(), amounts);
        assert_eq!(postcard::to_stdvec(&Amounts::default()).unwrap(), [0]);
        assert!(postcard::from_bytes::<Amounts>(&[0x80, 0x08, 0]).is_err(), "an eleventh amount");
        assert!(postcard::from_bytes::<Amounts>(&bytes[..5]).is_err(), "one is missing");
    }

    proptest! {
        #[test]
        fn any_amounts_come_back(amounts in prop::array::uniform10(prop::option::of(any::<i64>().prop_map(Cents)))) {
            let amounts = Amounts::from_order(amounts);
            let bytes = postcard::to_stdvec(&(amounts, 7u8)).unwrap();
            prop_assert_eq!(postcard::from_bytes::<(Amounts, u8)>(&bytes).unwrap(), (amounts, 7));
            prop_assert_eq!(Amounts::from_order(amounts.in_order()), amounts);
        }
    }
}
