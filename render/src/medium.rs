//! The media that a template writes to: the page, the text part, a line of the header.

use crate::program::Medium;
use crate::quoted_printable::{Encoder, Fixed};
use crate::text_part::{FixedText, TextPart};

/// Columns of an amount in the text part: `$9,999,999.99` and `— not stated` fit.
pub(crate) const AMOUNT_COLUMNS: usize = 13;
/// As many blanks as an amount has columns.
const BLANKS: &str = "             ";
const _: () = assert!(BLANKS.len() == AMOUNT_COLUMNS);

/// The blanks before an amount, so that it stands right-aligned in its column.
pub(crate) fn blanks_before(said: &str) -> &'static str {
    let columns = if said.is_ascii() { said.len() } else { said.chars().count() };
    &BLANKS[columns.min(AMOUNT_COLUMNS)..]
}

impl Medium for Encoder<'_> {
    type Fixed = Fixed;

    fn fixed(&mut self, fixed: &Fixed) {
        Encoder::fixed(self, fixed);
    }

    fn value(&mut self, text: &str) {
        self.escaped(text);
    }

    fn digits(&mut self, said: &[u8]) {
        self.octets(said);
    }

    fn amount(&mut self, said: &str) {
        self.plain(said);
    }

    fn message_bytes(&self) -> usize {
        Encoder::message_bytes(self)
    }
}

impl Medium for TextPart<'_> {
    type Fixed = FixedText;

    fn fixed(&mut self, fixed: &FixedText) {
        TextPart::fixed(self, fixed);
    }

    fn value(&mut self, text: &str) {
        self.text(text);
    }

    fn digits(&mut self, said: &[u8]) {
        self.octets(&BLANKS.as_bytes()[said.len().min(AMOUNT_COLUMNS)..]);
        self.octets(said);
    }

    fn amount(&mut self, said: &str) {
        self.octets(blanks_before(said).as_bytes());
        self.text(said);
    }

    fn message_bytes(&self) -> usize {
        TextPart::message_bytes(self)
    }
}

/// A line of the header: what it says, as it is.
impl Medium for String {
    type Fixed = Box<str>;

    fn fixed(&mut self, fixed: &Box<str>) {
        self.push_str(fixed);
    }

    fn value(&mut self, text: &str) {
        self.push_str(text);
    }

    fn digits(&mut self, said: &[u8]) {
        self.push_str(&BLANKS[said.len().min(AMOUNT_COLUMNS)..]);
        self.extend(said.iter().map(|octet| char::from(*octet)));
    }

    fn amount(&mut self, said: &str) {
        self.push_str(blanks_before(said));
        self.push_str(said);
    }

    fn message_bytes(&self) -> usize {
        self.len()
    }
}
