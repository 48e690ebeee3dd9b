//! Values as bytes: the wire format of postcard 1, written faster.
//!
//! The bytes are postcard's, byte for byte, and postcard reads them; a property test and the stories of recovery hold them to it. Two
//! things make the difference for a statement of thirty dates: what is given as text of unknown length is formatted once, not twice, and
//! nothing stands between a value and the end of the buffer. What postcard cannot carry (a sequence of unknown length) is
//! refused here too, and so are floats, which this project does not have.

use serde::ser::{self, Serialize};
use std::fmt::{self, Write};

/// The value cannot be encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EncodeFault;

impl fmt::Display for EncodeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value has no encoding")
    }
}

impl std::error::Error for EncodeFault {}

impl ser::Error for EncodeFault {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// Encodes at the end of `out`.
pub(crate) fn encode(value: &impl Serialize, out: &mut Vec<u8>) -> Result<(), EncodeFault> {
    value.serialize(&mut Bytes(out))
}

struct Bytes<'out>(&'out mut Vec<u8>);

impl Bytes<'_> {
    /// LEB128: seven bits a byte, lowest first.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// Small where the value is near zero, of either sign.
    fn zigzag(&mut self, value: i64) {
        self.varint(((value << 1) ^ (value >> 63)) as u64);
    }

    fn slice(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }
}

impl Write for Bytes<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

impl<'a, 'out> ser::Serializer for &'a mut Bytes<'out> {
    type Ok = ();
    type Error = EncodeFault;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_bool(self, value: bool) -> Result<(), EncodeFault> {
        self.0.push(value.into());
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Result<(), EncodeFault> {
        self.0.push(value as u8);
        Ok(())
    }

    fn serialize_i16(self, value: i16) -> Result<(), EncodeFault> {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<(), EncodeFault> {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<(), EncodeFault> {
        self.zigzag(value);
        Ok(())
    }

    fn serialize_u8(self, value: u8) -> Result<(), EncodeFault> {
        self.0.push(value);
        Ok(())
    }

    fn serialize_u16(self, value: u16) -> Result<(), EncodeFault> {
        self.serialize_u64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<(), EncodeFault> {
        self.serialize_u64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<(), EncodeFault> {
        self.varint(value);
        Ok(())
    }

    fn serialize_f32(self, _: f32) -> Result<(), EncodeFault> {
        Err(EncodeFault)
    }

    fn serialize_f64(self, _: f64) -> Result<(), EncodeFault> {
        Err(EncodeFault)
    }

    fn serialize_char(self, value: char) -> Result<(), EncodeFault> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Result<(), EncodeFault> {
        self.slice(text.as_bytes());
        Ok(())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), EncodeFault> {
        self.slice(bytes);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), EncodeFault> {
        self.0.push(0);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), EncodeFault> {
        self.0.push(1);
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), EncodeFault> {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), EncodeFault> {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, index: u32, _: &'static str) -> Result<(), EncodeFault> {
        self.serialize_u32(index)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), EncodeFault> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), EncodeFault> {
        self.varint(index.into());
        value.serialize(self)
    }

    fn serialize_seq(self, count: Option<usize>) -> Result<Self, EncodeFault> {
        self.varint(count.ok_or(EncodeFault)? as u64);
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, EncodeFault> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, EncodeFault> {
        Ok(self)
    }

    fn serialize_tuple_variant(self, _: &'static str, index: u32, _: &'static str, _: usize) -> Result<Self, EncodeFault> {
        self.varint(index.into());
        Ok(self)
    }

    fn serialize_map(self, count: Option<usize>) -> Result<Self, EncodeFault> {
        self.serialize_seq(count)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, EncodeFault> {
        Ok(self)
    }

    fn serialize_struct_variant(self, _: &'static str, index: u32, _: &'static str, _: usize) -> Result<Self, EncodeFault> {
        self.varint(index.into());
        Ok(self)
    }

    /// The length stands in front and is known afterwards: one byte is left free for it, which is enough for a date or a number.
    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), EncodeFault> {
        let at = self.0.len();
        self.0.push(0);
        write!(self, "{value}").map_err(|_| EncodeFault)?;
        let length = self.0.len() - at - 1;
        if length < 0x80 {
            self.0[at] = length as u8;
            return Ok(());
        }
        let mut prefix = Vec::new();
        Bytes(&mut prefix).varint(length as u64);
        self.0.splice(at..=at, prefix);
        Ok(())
    }
}

/// Elements and fields follow each other without anything between them.
macro_rules! compound {
    ($($of:ident: $method:ident($($name:ident: $ty:ty)?)),* $(,)?) => {$(
        impl ser::$of for &mut Bytes<'_> {
            type Ok = ();
            type Error = EncodeFault;

            fn $method<T: Serialize + ?Sized>(&mut self, $($name: $ty,)? value: &T) -> Result<(), EncodeFault> {
                value.serialize(&mut **self)
            }

            fn end(self) -> Result<(), EncodeFault> {
                Ok(())
            }
        }
    )*};
}

compound!(
    SerializeSeq: serialize_element(),
    SerializeTuple: serialize_element(),
    SerializeTupleStruct: serialize_field(),
    SerializeTupleVariant: serialize_field(),
    SerializeStruct: serialize_field(_name: &'static str),
    SerializeStructVariant: serialize_field(_name: &'static str),
);

impl ser::SerializeMap for &mut Bytes<'_> {
    type Ok = ();
    type Error = EncodeFault;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), EncodeFault> {
        key.serialize(&mut **self)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeFault> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), EncodeFault> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::net::IpAddr;

    /// One of every shape.
    #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
    enum Shape {
        Unit,
        Newtype(i64),
        Tuple(u8, u16, u32, u64, i8, i16, i32),
        Struct { text: String, flag: bool, letter: char, maybe: Option<Box<Shape>>, bytes: [u8; 4] },
        Map(BTreeMap<String, Vec<i32>>),
        Address(IpAddr, jiff::civil::Date),
        Many(Vec<Shape>),
    }

    fn shapes() -> impl Strategy<Value = Shape> {
        let address = (any::<IpAddr>(), 1i16..=9999, 1i8..=12, 1i8..=28);
        let leaf = prop_oneof![
            Just(Shape::Unit),
            any::<i64>().prop_map(Shape::Newtype),
            any::<(u8, u16, u32, u64, i8, i16, i32)>().prop_map(|(a, b, c, d, e, f, g)| Shape::Tuple(a, b, c, d, e, f, g)),
            prop::collection::btree_map(".{0,9}", prop::collection::vec(any::<i32>(), 0..200), 0..4).prop_map(Shape::Map),
            address.prop_map(|(ip, year, month, day)| Shape::Address(ip, jiff::civil::date(year, month, day))),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            let parts = (".{0,200}", any::<bool>(), any::<char>(), prop::option::of(inner.clone()), any::<[u8; 4]>());
            prop_oneof![
                prop::collection::vec(inner, 0..8).prop_map(Shape::Many),
                parts.prop_map(|(text, flag, letter, maybe, bytes)| Shape::Struct {
                    text,
                    flag,
                    letter,
                    maybe: maybe.map(Box::new),
                    bytes
                }),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn the_bytes_are_those_of_postcard(shape in shapes()) {
            let mut out = vec![7];
            encode(&shape, &mut out).unwrap();
            prop_assert_eq!(&out[1..], postcard::to_stdvec(&shape).unwrap());
            prop_assert_eq!(postcard::from_bytes::<Shape>(&out[1..]).unwrap(), shape);
        }
    }

    struct Displayed(String);

    impl Serialize for Displayed {
        fn serialize<S: ser::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(&self.0)
        }
    }

    #[test]
    fn text_of_any_length_has_its_length_in_front() {
        for length in [0, 1, 127, 128, 16_383, 16_384] {
            let text = Displayed("x".repeat(length));
            let mut out = Vec::new();
            encode(&(&text, 5u8), &mut out).unwrap();
            assert_eq!(out, postcard::to_stdvec(&(&text, 5u8)).unwrap(), "{length}");
        }
    }

    #[test]
    fn what_has_no_encoding_is_refused() {
        assert_eq!(encode(&1.5f64, &mut Vec::new()), Err(EncodeFault));
        struct Endless;
        impl Serialize for Endless {
            fn serialize<S: ser::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                ser::SerializeSeq::end(serializer.serialize_seq(None)?)
            }
        }
        assert_eq!(encode(&Endless, &mut Vec::new()), Err(EncodeFault));
    }
}
