//! The text part, written line by line into the message.
//!
//! A line that stands for itself (ASCII without `=`, no wider than a line) is written once and stays where it is. Any other is taken
//! back when it ends, folded (`text_fold`) and encoded (`quoted_printable`). Whole lines of a [`FixedText`] are the same in every message
//! and are folded and encoded when a bundle is compiled.

use crate::quoted_printable::Encoder;
use crate::text_fold::{COLUMNS_MAX, fold_line};

/// A piece that is the same in every message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FixedText {
    /// Up to its first line end.
    head: Piece,
    /// Its whole lines, encoded, and what stands behind its last line end.
    rest: Option<(Box<[u8]>, Piece)>,
    /// Octets that are quoted in its whole lines.
    quoted: usize,
}

/// A part of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    text: Box<str>,
    is_plain: bool,
}

impl Piece {
    fn new(text: &str) -> Self {
        Self { text: text.into(), is_plain: is_plain(text) }
    }
}

impl FixedText {
    /// Folds and encodes what it can.
    pub(crate) fn new(text: &str) -> Self {
        let text = text.replace("\r\n", "\n");
        let Some((head, rest)) = text.split_once('\n') else { return Self { head: Piece::new(&text), rest: None, quoted: 0 } };
        let (lines, tail) = rest.rfind('\n').map_or(("", rest), |end| rest.split_at(end + 1));
        let mut encoded = Vec::with_capacity(lines.len() + lines.len() / 16);
        let mut part = TextPart::new(&mut encoded);
        for line in lines.split_terminator('\n') {
            part.text(line);
            part.line_end();
        }
        let quoted = part.quoted;
        Self { head: Piece::new(head), rest: Some((encoded.into(), Piece::new(tail))), quoted }
    }
}

/// Writes the text part behind what is already there.
pub(crate) struct TextPart<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
    /// Where the line begins that is being written.
    line: usize,
    /// It stands for itself so far.
    is_plain: bool,
    quoted: usize,
    folded: String,
}

impl<'o> TextPart<'o> {
    /// At the start of a line.
    pub(crate) fn new(out: &'o mut Vec<u8>) -> Self {
        Self { start: out.len(), line: out.len(), out, is_plain: true, quoted: 0, folded: String::new() }
    }

    /// Octets of the whole message so far.
    pub(crate) fn message_bytes(&self) -> usize {
        self.out.len()
    }

    /// A piece that is the same in every message.
    pub(crate) fn fixed(&mut self, fixed: &FixedText) {
        self.piece(&fixed.head);
        if let Some((lines, tail)) = &fixed.rest {
            self.line_end();
            self.out.extend_from_slice(lines);
            self.line = self.out.len();
            self.quoted += fixed.quoted;
            self.piece(tail);
        }
    }

    /// A text; line ends in it end lines.
    pub(crate) fn text(&mut self, text: &str) {
        if is_plain(text) {
            return self.octets(text.as_bytes());
        }
        let mut rest = text;
        while let Some((line, behind)) = rest.split_once('\n') {
            self.in_line(line);
            self.line_end();
            rest = behind;
        }
        self.in_line(rest);
    }

    /// ASCII without `=` and line ends.
    pub(crate) fn octets(&mut self, octets: &[u8]) {
        self.out.extend_from_slice(octets);
    }

    /// Ends the part: behind its last line that is not empty. Gives how many octets were quoted.
    pub(crate) fn finish(mut self) -> usize {
        self.line_end();
        while self.out.len() > self.start && self.out.ends_with(b"\r\n") {
            self.out.truncate(self.out.len() - 2);
        }
        self.out.extend_from_slice(b"\r\n");
        self.quoted
    }

    fn piece(&mut self, piece: &Piece) {
        self.out.extend_from_slice(piece.text.as_bytes());
        self.is_plain &= piece.is_plain;
    }

    fn in_line(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
        self.is_plain &= is_plain(text);
    }

    fn line_end(&mut self) {
        while self.out.len() > self.line && self.out.ends_with(b" ") {
            self.out.pop();
        }
        if !self.is_plain || self.out.len() - self.line > COLUMNS_MAX {
            self.fold();
        }
        self.out.extend_from_slice(b"\r\n");
        self.line = self.out.len();
        self.is_plain = true;
    }

    fn fold(&mut self) {
        // A line of at most 76 bytes has at most 76 characters.
        if self.out.len() - self.line <= COLUMNS_MAX {
            let mut line = [0; COLUMNS_MAX];
            let line = &mut line[..self.out.len() - self.line];
            line.copy_from_slice(&self.out[self.line..]);
            self.out.truncate(self.line);
            let mut encoder = Encoder::new(self.out);
            encoder.encode(line);
            self.quoted += encoder.finish();
            return;
        }
        self.folded.clear();
        fold_line(std::str::from_utf8(&self.out[self.line..]).expect("only text is written"), &mut self.folded);
        self.out.truncate(self.line);
        for (at, line) in self.folded.split('\n').enumerate() {
            if at > 0 {
                self.out.extend_from_slice(b"\r\n");
            }
            // RFC 2045 section 6.7 (5): a line of 76 characters needs no soft line break, so that none is seen where none must be.
            if is_plain(line) {
                self.out.extend_from_slice(line.as_bytes());
            } else {
                let mut encoder = Encoder::new(self.out);
                encoder.plain(line);
                self.quoted += encoder.finish();
            }
        }
    }
}

fn is_plain(text: &str) -> bool {
    text.bytes().fold(true, |plain, octet| plain & ((b' '..=b'~').contains(&octet) & (octet != b'=')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quoted_printable::decode;
    use crate::text_fold::fold;
    use proptest::prelude::*;

    fn written(pieces: &[(bool, String)]) -> Vec<u8> {
        let mut out = b"before\r\n".to_vec();
        let mut part = TextPart::new(&mut out);
        for (is_fixed, text) in pieces {
            if *is_fixed { part.fixed(&FixedText::new(text)) } else { part.text(text) }
        }
        part.finish();
        out.split_off(8)
    }

    #[test]
    fn what_stands_for_itself_is_not_touched() {
        for text in ["a\n\n  b: $1.00\n", &format!("{}\n", "x".repeat(76))] {
            assert_eq!(written(&[(true, text.to_owned())]), text.replace('\n', "\r\n").into_bytes());
            assert_eq!(written(&[(false, text.to_owned())]), text.replace('\n', "\r\n").into_bytes());
        }
        assert_eq!(written(&[]), b"\r\n");
    }

    fn piece() -> impl Strategy<Value = (bool, String)> {
        let text = prop_oneof![
            "[ -~]{0,12}",
            "[a-z =]{60,180}",
            "[ \n]{0,4}",
            "- [a-zé ]{0,100}\n",
            "(\\PC|\n| |=\\?utf-8\\?|\u{202e}|\u{200b}){0,60}",
            Just("é李\u{1f600}".repeat(40)),
        ];
        (any::<bool>(), text)
    }

    proptest! {
        #[test]
        fn what_is_decoded_is_the_folded_text(pieces in proptest::collection::vec(piece(), 0..12)) {
            let out = written(&pieces);
            let text = std::str::from_utf8(&out).unwrap();
            prop_assert!(text.is_ascii() && text.ends_with("\r\n") && !text.replace("\r\n", "").contains(['\r', '\n']));
            for line in text.split("\r\n") {
                prop_assert!(line.len() <= 76 && !line.ends_with([' ', '\t']), "{line:?}");
            }
            let plain: String = pieces.iter().map(|(_, text)| text.as_str()).collect();
            // What folding drops at the very end beside blanks and line ends, no-break spaces say, is kept.
            prop_assume!(plain.trim_end() == plain.trim_end_matches([' ', '\n']));
            prop_assert_eq!(decode(&out), fold(&plain));
        }
    }
}
