//! Quoted-printable (RFC 2045 section 6.7), written piece by piece.
//!
//! **Promises.** Lines of at most 76 characters, each ended by CRLF; no blank at a line end; what [`decode`] gives back is what was
//! written, with `\n` as line end. A page is written in pieces, and most of it is the same in every message: a [`Fixed`] piece is encoded
//! once, when a bundle is compiled, and then only copied. Where it meets what stands before it, a soft line break keeps the promise: they
//! may stand anywhere, so pieces need not know of each other.
//!
//! **Leaves to others.** Whether a part is better sent as base64 ([`is_heavy`] says when to ask), folding of texts (`text_fold`).

/// RFC 2045 section 6.7 (5): "encoded lines be no more than 76 characters long", with room for the `=` of a soft line break.
const LINE_MAX: usize = 75;
const SOFT_BREAK: &[u8] = b"=\r\n";
const DIGITS: &[u8; 16] = b"0123456789ABCDEF";

/// Octets that stand for themselves: RFC 2045 section 6.7 (2) and (3). A blank at a line end is encoded when the line ends.
const IS_PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut octet = b' ';
    while octet <= b'~' {
        plain[octet as usize] = octet != b'=';
        octet += 1;
    }
    plain[b'\t' as usize] = true;
    plain
};

/// Octets that also need no escape in a page.
const IS_PLAIN_IN_PAGE: [bool; 256] = {
    let mut plain = IS_PLAIN;
    let escaped = b"<>&\"'/";
    let mut at = 0;
    while at < escaped.len() {
        plain[escaped[at] as usize] = false;
        at += 1;
    }
    plain
};

/// Most values are. No early exit: this compiles to wide compares.
fn is_plain_in_page(octets: &[u8]) -> bool {
    octets.iter().fold(true, |plain, octet| {
        let is_marked = (*octet == b'=') | (*octet == b'<') | (*octet == b'>') | (*octet == b'&') | (*octet == b'"');
        plain & (b' '..=b'~').contains(octet) & !(is_marked | (*octet == b'\'') | (*octet == b'/'))
    })
}

/// A piece that is the same in every message, encoded once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fixed {
    bytes: Box<[u8]>,
    /// Octets before its first line break, or all of them.
    first: usize,
    /// The column behind it, where a line begins in it.
    column: Option<usize>,
    /// It begins by ending a line.
    ends_line: bool,
    /// Octets that are quoted in it.
    quoted: usize,
}

impl Fixed {
    /// Encodes a piece that needs no escape.
    pub(crate) fn new(text: &str) -> Self {
        let mut bytes = Vec::with_capacity(text.len() + text.len() / 8);
        let mut encoder = Encoder::new(&mut bytes);
        encoder.plain(text);
        let (column, quoted) = (encoder.column, encoder.quoted);
        let found = memchr::memchr(b'\r', &bytes);
        // A bare "=" stands only before a line break.
        let first = found.map_or(bytes.len(), |at| at - usize::from(at > 0 && bytes[at - 1] == b'='));
        Self { first, column: found.map(|_| column), ends_line: found == Some(0), quoted, bytes: bytes.into() }
    }
}

/// Writes one part of a message behind what is already there.
pub(crate) struct Encoder<'o> {
    out: &'o mut Vec<u8>,
    column: usize,
    quoted: usize,
}

impl<'o> Encoder<'o> {
    /// At the start of a line.
    pub(crate) fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out, column: 0, quoted: 0 }
    }

    /// Octets of the whole message so far.
    pub(crate) fn message_bytes(&self) -> usize {
        self.out.len()
    }

    /// A piece that is encoded already.
    pub(crate) fn fixed(&mut self, piece: &Fixed) {
        if piece.ends_line {
            self.encode_last_blank();
        } else if self.column + piece.first > LINE_MAX {
            self.soft_break();
        }
        self.out.extend_from_slice(&piece.bytes);
        self.column = piece.column.unwrap_or(self.column + piece.bytes.len());
        self.quoted += piece.quoted;
    }

    /// A text as it is.
    pub(crate) fn plain(&mut self, text: &str) {
        self.encode(text.as_bytes());
    }

    /// As [`Encoder::plain`], of octets.
    pub(crate) fn encode(&mut self, octets: &[u8]) {
        let mut rest = octets;
        while let Some(octet) = self.run(&mut rest, &IS_PLAIN) {
            match octet {
                b'\n' => self.line_end(),
                b'\r' if rest.first() == Some(&b'\n') => {}
                other => self.quoted(other),
            }
        }
    }

    /// A text as the value of a page: escaped as the template engine does.
    pub(crate) fn escaped(&mut self, text: &str) {
        let mut rest = text.as_bytes();
        if is_plain_in_page(rest) {
            return self.octets(rest);
        }
        while let Some(octet) = self.run(&mut rest, &IS_PLAIN_IN_PAGE) {
            match octet {
                b'<' => self.octets(b"&lt;"),
                b'>' => self.octets(b"&gt;"),
                b'&' => self.octets(b"&amp;"),
                b'"' => self.octets(b"&quot;"),
                b'\'' => self.octets(b"&#x27;"),
                b'/' => self.octets(b"&#x2f;"),
                b'\n' => self.line_end(),
                b'\r' if rest.first() == Some(&b'\n') => {}
                other => self.quoted(other),
            }
        }
    }

    /// Ends the part: its last octet is no blank. Gives how many octets were quoted.
    pub(crate) fn finish(mut self) -> usize {
        self.encode_last_blank();
        self.quoted
    }

    /// Writes as much as stands for itself, and gives the octet behind it.
    fn run(&mut self, rest: &mut &[u8], is_plain: &[bool; 256]) -> Option<u8> {
        let length = rest.iter().position(|octet| !is_plain[usize::from(*octet)]).unwrap_or(rest.len());
        let (run, behind) = rest.split_at(length);
        self.octets(run);
        let (octet, behind) = behind.split_first()?;
        *rest = behind;
        Some(*octet)
    }

    /// Octets that stand for themselves.
    pub(crate) fn octets(&mut self, mut octets: &[u8]) {
        while self.column + octets.len() > LINE_MAX {
            let (line, rest) = octets.split_at(LINE_MAX - self.column);
            self.out.extend_from_slice(line);
            self.soft_break();
            octets = rest;
        }
        self.out.extend_from_slice(octets);
        self.column += octets.len();
    }

    /// RFC 2045 section 6.7 (1): "=" followed by a two digit hexadecimal representation, in upper case.
    fn quoted(&mut self, octet: u8) {
        if self.column + 3 > LINE_MAX {
            self.soft_break();
        }
        self.out.extend_from_slice(&[b'=', DIGITS[usize::from(octet >> 4)], DIGITS[usize::from(octet & 15)]]);
        self.column += 3;
        self.quoted += 1;
    }

    fn soft_break(&mut self) {
        self.out.extend_from_slice(SOFT_BREAK);
        self.column = 0;
    }

    fn line_end(&mut self) {
        self.encode_last_blank();
        self.out.extend_from_slice(b"\r\n");
        self.column = 0;
    }

    /// RFC 2045 section 6.7 (3): a blank or tab "MUST NOT be so represented at the end of an encoded line".
    fn encode_last_blank(&mut self) {
        if self.column > 0
            && let Some(blank @ (b' ' | b'\t')) = self.out.last().copied()
        {
            self.out.pop();
            self.column -= 1;
            self.quoted(blank);
        }
    }
}

/// Whether so much of a part is quoted that base64 may be shorter: it is where more than two in eleven octets are.
pub(crate) const fn is_heavy(quoted: usize, encoded_bytes: usize) -> bool {
    quoted * 9 > encoded_bytes
}

/// What was encoded, with `\n` as line end. Takes only what this file writes.
pub(crate) fn decode(encoded: &[u8]) -> String {
    let mut out = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some(at) = rest.iter().position(|octet| matches!(octet, b'=' | b'\r')) {
        out.extend_from_slice(&rest[..at]);
        rest = match &rest[at..] {
            [b'=', b'\r', b'\n', behind @ ..] => behind,
            [b'\r', b'\n', behind @ ..] => {
                out.push(b'\n');
                behind
            }
            [b'=', high, low, behind @ ..] => {
                let digit = |digit: u8| char::from(digit).to_digit(16).unwrap_or_default() as u8;
                out.push(digit(*high) << 4 | digit(*low));
                behind
            }
            _ => &[],
        };
    }
    out.extend_from_slice(rest);
    String::from_utf8(out).expect("only text is encoded")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(encoded: &[u8]) {
        let text = std::str::from_utf8(encoded).unwrap();
        assert!(text.is_ascii() && !text.replace("\r\n", "").contains(['\r', '\n']), "{text:?}");
        for line in text.split("\r\n") {
            assert!(line.len() <= 76 && !line.ends_with([' ', '\t']), "{line:?}");
        }
    }

    /// A value as a page shows it, by the plainest of means.
    fn escape(text: &str) -> String {
        let mut out = text.replace('&', "&amp;");
        for (raw, escaped) in [("<", "&lt;"), (">", "&gt;"), ("\"", "&quot;"), ("'", "&#x27;"), ("/", "&#x2f;")] {
            out = out.replace(raw, escaped);
        }
        out
    }

    #[test]
    fn a_blank_before_a_line_end_is_quoted_wherever_the_pieces_meet() {
        for (one, other, encoded) in [
            ("a ", "\nb", "a=20\r\nb"),
            ("a", " \nb", "a=20\r\nb"),
            ("a\t", "", "a=09"),
            ("", "\n \n", "\r\n=20\r\n"),
            ("=\r\n", "x", "=3D\r\nx"),
        ] {
            let mut out = Vec::new();
            let mut encoder = Encoder::new(&mut out);
            encoder.fixed(&Fixed::new(one));
            encoder.fixed(&Fixed::new(other));
            encoder.finish();
            assert_eq!(std::str::from_utf8(&out).unwrap(), encoded);
        }
    }

    #[test]
    fn a_full_line_and_a_blank_stay_within_the_line() {
        for length in 70..80 {
            let mut out = Vec::new();
            let mut encoder = Encoder::new(&mut out);
            encoder.plain(&format!("{} ", "x".repeat(length)));
            encoder.fixed(&Fixed::new("\n"));
            encoder.finish();
            check(&out);
            assert_eq!(decode(&out), format!("{} \n", "x".repeat(length)));
        }
    }

    fn piece() -> impl Strategy<Value = (bool, String)> {
        let text = prop_oneof![
            "[ -~]{0,12}",
            "[a-z =<&'/]{60,180}",
            "[ \t\n]{0,4}",
            "(\\PC|\r\n|\n| |=\\?utf-8\\?|\u{202e}|\u{200b}|=){0,60}",
            Just("é李\u{1f600}".repeat(40)),
        ];
        (any::<bool>(), text)
    }

    proptest! {
        #[test]
        fn what_is_decoded_is_what_was_written(pieces in proptest::collection::vec(piece(), 0..12)) {
            let mut out = b"before\r\n".to_vec();
            let mut encoder = Encoder::new(&mut out);
            let mut expected = String::new();
            for (is_fixed, text) in &pieces {
                if *is_fixed {
                    encoder.fixed(&Fixed::new(text));
                    expected.push_str(text);
                } else {
                    encoder.escaped(text);
                    expected.push_str(&escape(text));
                }
            }
            encoder.finish();
            check(&out);
            // CR and LF that met by chance are one line end in the text, and were not in the pieces.
            prop_assume!(!pieces.windows(2).any(|two| two[0].1.ends_with('\r')));
            prop_assert_eq!(decode(&out[8..]), expected.replace("\r\n", "\n"));
        }
    }
}
