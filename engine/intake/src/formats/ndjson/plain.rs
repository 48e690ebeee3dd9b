//! JSON as nearly all lines are written, read where it stands.
//!
//! A reader for serde of what is common alone: objects, lists, texts, whole numbers, `true`, `false`, `null`; and amounts ([`AMOUNT`]). It
//! promises that whatever it takes `serde_json` takes as well, with the same meaning; a test holds it to that. What it does not take may
//! be JSON all the same (a number with an exponent) or not: such a line is read again by `serde_json`, which is the judge. So a fault
//! says nothing but that.
//!
//! Own code earns its place by `bench/benches/intake.rs`: reading a line of 15 services takes a quarter less CPU than with `serde_json`
//! (6.1 instead of 8.0 µs), whose errors know their column and whose numbers are of any size, which a line that is read again has
//! no use for.
//!
//! It is meant for types of bounded depth: nothing here counts how deep it is.

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use std::fmt;

/// The line has to be read by `serde_json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault;

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not plain")
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// The name of a newtype that is an amount: a number is given to it as the text that it is, so that no point makes a float of it.
pub(super) const AMOUNT: &str = "$amount";

/// Digits that fit any whole number that is read here.
const DIGITS_MAX: usize = 18;
const ONES: u64 = u64::MAX / 255;

/// What is left of a line.
pub(super) struct Plain<'de> {
    text: &'de str,
    at: usize,
}

/// A text, and whether it has to be unescaped.
enum Quoted<'de> {
    AsItIs(&'de str),
    /// With its quotes.
    Escaped(&'de str),
}

impl<'de> Plain<'de> {
    pub(super) fn new(text: &'de str) -> Self {
        Self { text, at: 0 }
    }

    /// Nothing but blanks may be left.
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        if self.peek().is_none() { Ok(()) } else { Err(Fault) }
    }

    /// The next byte that is no blank; it stays.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.as_bytes().get(self.at) {
                Some(b' ' | b'\t' | b'\r' | b'\n') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    #[inline]
    fn take(&mut self, byte: u8) -> Result<(), Fault> {
        if self.peek() != Some(byte) {
            return Err(Fault);
        }
        self.at += 1;
        Ok(())
    }

    fn word(&mut self, word: &str) -> Result<(), Fault> {
        let is_there = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        self.at += word.len();
        if is_there { Ok(()) } else { Err(Fault) }
    }

    /// A text, from its first quote on.
    #[inline]
    fn quoted(&mut self) -> Result<Quoted<'de>, Fault> {
        self.take(b'"')?;
        let start = self.at;
        self.at = self.stop_from(start)?;
        if self.text.as_bytes()[self.at] == b'"' {
            let text = &self.text[start..self.at];
            self.at += 1;
            return Ok(Quoted::AsItIs(text));
        }
        self.escaped(start)
    }

    #[cold]
    fn escaped(&mut self, start: usize) -> Result<Quoted<'de>, Fault> {
        while self.text.as_bytes()[self.at] == b'\\' {
            self.at = self.stop_from(self.at + 2)?;
        }
        self.at += 1;
        Ok(Quoted::Escaped(&self.text[start - 1..self.at]))
    }

    /// Where the first quote or backslash is. A control character before it is a fault, and so is none.
    #[inline]
    fn stop_from(&self, mut at: usize) -> Result<usize, Fault> {
        let bytes = self.text.as_bytes();
        // Eight at a time: a byte's high bit is set where it is below 0x20, a quote or a backslash, and is right up to the first that is
        // (Mycroft's way; bytes of 0x80 and above are none of them).
        while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
            let chars = u64::from_le_bytes(*eight);
            let is_zero = |word: u64| word.wrapping_sub(ONES) & !word;
            let control = chars.wrapping_sub(ONES * 0x20) & !chars;
            let found = (control | is_zero(chars ^ (ONES * 0x22)) | is_zero(chars ^ (ONES * 0x5c))) & (ONES << 7);
            if found != 0 {
                at += found.trailing_zeros() as usize / 8;
                return if matches!(bytes[at], b'"' | b'\\') { Ok(at) } else { Err(Fault) };
            }
            at += 8;
        }
        loop {
            match bytes.get(at) {
                Some(b'"' | b'\\') => return Ok(at),
                Some(0x20..) => at += 1,
                _ => return Err(Fault),
            }
        }
    }

    #[inline]
    fn visit_text<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Fault> {
        match self.quoted()? {
            Quoted::AsItIs(text) => visitor.visit_borrowed_str(text),
            Quoted::Escaped(quoted) => visitor.visit_string(serde_json::from_str(quoted).map_err(|_| Fault)?),
        }
    }

    fn visit_whole<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Fault> {
        let number = self.number()?;
        let (is_negative, digits) = number.strip_prefix('-').map_or((false, number), |digits| (true, digits));
        if digits.len() > DIGITS_MAX || digits.contains('.') || number == "-0" {
            return Err(Fault);
        }
        let size = digits.bytes().fold(0i64, |number, digit| number * 10 + i64::from(digit - b'0'));
        if is_negative { visitor.visit_i64(-size) } else { visitor.visit_u64(size.unsigned_abs()) }
    }

    /// The text of a number without an exponent. RFC 8259 section 6: "Leading zeros are not allowed."
    #[inline]
    fn number(&mut self) -> Result<&'de str, Fault> {
        let bytes = self.text.as_bytes();
        let digits_from = |at: usize| bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let first = self.at + usize::from(bytes[self.at] == b'-');
        let whole = digits_from(first);
        let mut end = first + whole;
        if whole == 0 || (whole > 1 && bytes[first] == b'0') {
            return Err(Fault);
        }
        if bytes.get(end) == Some(&b'.') {
            let decimals = digits_from(end + 1);
            if decimals == 0 {
                return Err(Fault);
            }
            end += 1 + decimals;
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            return Err(Fault);
        }
        let number = &self.text[self.at..end];
        self.at = end;
        Ok(number)
    }
}

impl<'de> Deserializer<'de> for &mut Plain<'de> {
    type Error = Fault;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.peek() {
            Some(b'"') => self.visit_text(visitor),
            Some(b'{') => {
                self.at += 1;
                visitor.visit_map(Items::new(self, b'}'))
            }
            Some(b'[') => {
                self.at += 1;
                visitor.visit_seq(Items::new(self, b']'))
            }
            Some(b'-' | b'0'..=b'9') => self.visit_whole(visitor),
            Some(b'n') => self.word("null").and_then(|()| visitor.visit_unit()),
            Some(b't') => self.word("true").and_then(|()| visitor.visit_bool(true)),
            Some(b'f') => self.word("false").and_then(|()| visitor.visit_bool(false)),
            _ => Err(Fault),
        }
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.visit_text(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.visit_text(visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.peek() {
            Some(b'n') => self.word("null").and_then(|()| visitor.visit_none()),
            _ => visitor.visit_some(self),
        }
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Fault> {
        match self.peek() {
            _ if name != AMOUNT => visitor.visit_newtype_struct(self),
            Some(b'-' | b'0'..=b'9') => visitor.visit_borrowed_str(self.number()?),
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        enum identifier ignored_any
    }
}

/// The entries of an object, or the items of a list.
struct Items<'p, 'de> {
    plain: &'p mut Plain<'de>,
    end: u8,
    is_first: bool,
}

impl<'p, 'de> Items<'p, 'de> {
    fn new(plain: &'p mut Plain<'de>, end: u8) -> Self {
        Self { plain, end, is_first: true }
    }

    /// Goes to the next one; false where there is none.
    #[inline]
    fn goes_on(&mut self) -> Result<bool, Fault> {
        let is_first = std::mem::take(&mut self.is_first);
        match self.plain.peek() {
            Some(byte) if byte == self.end => {
                self.plain.at += 1;
                Ok(false)
            }
            Some(b',') if !is_first => {
                self.plain.at += 1;
                Ok(true)
            }
            Some(_) if is_first => Ok(true),
            _ => Err(Fault),
        }
    }
}

impl<'de> MapAccess<'de> for Items<'_, 'de> {
    type Error = Fault;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        if !self.goes_on()? {
            return Ok(None);
        }
        match self.plain.quoted()? {
            Quoted::AsItIs(name) => seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some),
            Quoted::Escaped(_) => Err(Fault),
        }
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        self.plain.take(b':')?;
        seed.deserialize(&mut *self.plain)
    }
}

impl<'de> SeqAccess<'de> for Items<'_, 'de> {
    type Error = Fault;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        if self.goes_on()? { seed.deserialize(&mut *self.plain).map(Some) } else { Ok(None) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::amounts::Reading;
    use super::super::raw::{Quick, RawAmount};
    use super::super::strict::Word;
    use super::*;
    use crate::Rounding;
    use model::statement::ClaimStatus;
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::Value;
    use serde_json::value::RawValue;

    fn read<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, Fault> {
        let mut plain = Plain::new(text);
        let value = T::deserialize(&mut plain)?;
        plain.end().map(|()| value)
    }

    #[test]
    fn what_lines_are_made_of_is_read() {
        for text in [
            r#"{"a":"x","b":[1,-2,0,true,false,null],"c":{},"d":[],"e":""}"#,
            " { \"a\" :\t[ \"b\" , 1 ] } \r\n",
            r#""with \"quotes\", \\ and \u00e9, long enough for several eights""#,
            "\"Zoë O'Neill \u{10348}\u{7f}\"",
            "999999999999999999",
            "-7",
        ] {
            assert_eq!(read::<Value>(text).ok(), Some(serde_json::from_str(text).unwrap()), "{text}");
        }
        assert_eq!(read::<Word<ClaimStatus>>("\"denied\"").map(|word| word.0), Ok(ClaimStatus::Denied));
        assert_eq!(read::<Option<u16>>("65535"), Ok(Some(65_535)));
        for text in ["10", "-10.50", "\"10.5\"", "0.07", "null"] {
            assert!(read::<Quick>(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn everything_else_is_left_to_the_judge() {
        for text in [
            "",
            " ",
            "{",
            "[",
            "\"",
            "\"a",
            "\"a\\",
            "\"a\\\"",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "[1,]",
            "[,1]",
            "{,}",
            "[1 2]",
            "1 2",
            "01",
            "-",
            "-0",
            "1.0",
            "1e3",
            "1E3",
            "9999999999999999999",
            "nul",
            "nulL",
            "tru",
            "+1",
            "\"a\nb\"",
            "\"12345678\u{1}\"",
            "\"\\u00\"",
            "\"\\x\"",
            "{1:2}",
            "{\"\\u0061\":1}",
            "'a'",
            "\u{feff}1",
            "\u{a0}1",
        ] {
            assert_eq!(read::<Value>(text), Err(Fault), "{text}");
        }
        assert!(read::<Word<ClaimStatus>>("{\"denied\":null}").is_err());
        assert_eq!(read::<u16>("65536"), Err(Fault));
    }

    /// What JSON is made of, and what it is not.
    const PIECES: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\"a\"",
        "\"b\":",
        "\\",
        "\\\"",
        "\\n",
        "\\u00e9",
        "\\ud800",
        "é",
        "\u{1}",
        "\n",
        " ",
        "0",
        "-",
        "17",
        ".5",
        "e1",
        "null",
        "true",
        "false",
        "\"long enough for an eight\"",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        /// What is taken is JSON, and means the same.
        #[test]
        fn nothing_is_taken_that_means_something_else(parts in prop::collection::vec(prop::sample::select(PIECES), 0..14)) {
            let text = parts.concat();
            if let Ok(value) = read::<Value>(&text) {
                prop_assert_eq!(serde_json::from_str::<Value>(&text).ok(), Some(value), "{}", text);
            }
        }

        /// Whatever is taken for an amount is JSON, and the amount that its raw text is.
        #[test]
        fn an_amount_is_what_its_raw_text_says(text in "-?[0-9]{0,3}[.]?[0-9]{0,3}(e1)?|null|\"[-+]?[0-9]{0,3}[.]?[0-9]{0,2}\"") {
            if let Ok(quick) = read::<Quick>(&text) {
                let mut reading = Reading::new(Rounding::Refuse);
                let raw: Option<&RawValue> = serde_json::from_str(&text).expect("what was taken is JSON");
                prop_assert_eq!(quick.read(&mut reading), raw.read(&mut reading), "{}", text);
                prop_assert!(!reading.is_unreadable, "{}", text);
            }
        }
    }
}
