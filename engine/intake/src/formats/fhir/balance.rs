//! Where a JSON value ends, found byte by byte and without keeping any of it.
//!
//! Only strings and brackets are looked at: whether what lies between them is JSON is the parser's to say. The state goes on over any
//! number of pieces, so that a value of any size can be passed over in a window of fixed size.

use memchr::memchr2;

/// Deepest nesting that is followed. The parser stops at 128; FHIR's own elements nest to about 20.
const DEPTH_MAX: u32 = 128;

/// What a piece brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// The value ends before this offset of the piece.
    Ended(usize),
    /// It goes on.
    More,
    /// It cannot be JSON; the byte at this offset of the piece says so.
    Broken(usize),
}

/// A value of which the beginning was seen.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Balance {
    /// A bit for each open bracket, the innermost lowest: 1 is a list.
    lists: u128,
    depth: u32,
    state: State,
    /// The last byte outside of strings that is no blank; 0 before the first.
    last: u8,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Between,
    Text,
    Escape,
}

impl Balance {
    /// Goes on with the next piece. `line_ends` says that a line end breaks the value, as in NDJSON.
    pub(super) fn feed(&mut self, piece: &[u8], line_ends: bool) -> Progress {
        let mut at = 0;
        while at < piece.len() {
            match self.state {
                State::Escape => {
                    self.state = State::Text;
                    at += 1;
                }
                State::Text => match memchr2(b'"', b'\\', &piece[at..]) {
                    Some(found) => {
                        if let Some(control) = control_character(&piece[at..at + found]) {
                            return Progress::Broken(at + control);
                        }
                        at += found + 1;
                        self.state = if piece[at - 1] == b'\\' { State::Escape } else { State::Between };
                        if self.state == State::Between && self.depth == 0 {
                            return Progress::Ended(at);
                        }
                    }
                    None => return control_character(&piece[at..]).map_or(Progress::More, |control| Progress::Broken(at + control)),
                },
                State::Between => {
                    match self.between(piece[at], line_ends) {
                        Some(Progress::Ended(_)) => return Progress::Ended(at + 1),
                        Some(_) => return Progress::Broken(at),
                        None => {}
                    }
                    at += 1;
                }
            }
        }
        Progress::More
    }

    /// One byte outside of strings. The offset in what it answers means nothing.
    fn between(&mut self, byte: u8, line_ends: bool) -> Option<Progress> {
        match byte {
            b'\n' if line_ends => return Some(Progress::Broken(0)),
            b' ' | b'\t' | b'\r' | b'\n' => return None,
            b'"' => self.state = State::Text,
            b'{' | b'[' => {
                if self.depth >= DEPTH_MAX - 1 {
                    return Some(Progress::Broken(0));
                }
                self.lists = self.lists << 1 | u128::from(byte == b'[');
                self.depth += 1;
            }
            b'}' | b']' => {
                if self.depth == 0 || (self.lists & 1 == 1) != (byte == b']') {
                    return Some(Progress::Broken(0));
                }
                self.lists >>= 1;
                self.depth -= 1;
                if self.depth == 0 {
                    return Some(Progress::Ended(0));
                }
            }
            0..0x20 => return Some(Progress::Broken(0)),
            _ => {}
        }
        self.last = byte;
        None
    }

    /// The same value inside of an object that is open too.
    pub(super) fn inside_object(mut self) -> Self {
        self.depth += 1;
        self
    }

    /// Whether a value may begin here: inside of brackets and after a comma, a colon or the bracket itself.
    pub(super) fn may_take_value(&self) -> bool {
        self.state == State::Between && (self.last == b':' || (matches!(self.last, b',' | b'[') && self.lists & 1 == 1))
    }
}

/// RFC 8259 section 7: control characters in a string must be escaped.
fn control_character(text: &[u8]) -> Option<usize> {
    text.iter().position(|byte| *byte < 0x20)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> Progress {
        Balance::default().feed(text.as_bytes(), false)
    }

    #[test]
    fn ends_where_the_value_ends_however_it_is_cut() {
        let text = r#"{"a":[1,{"b":"]}\"\\"},[]],"c":"é\u007d"} tail"#;
        let end = text.rfind('}').unwrap() + 1;
        assert_eq!(whole(text), Progress::Ended(end));
        for cut in 1..end {
            let mut balance = Balance::default();
            assert_eq!(balance.feed(&text.as_bytes()[..cut], false), Progress::More, "{cut}");
            assert_eq!(balance.feed(&text.as_bytes()[cut..], false), Progress::Ended(end - cut), "{cut}");
        }
        assert_eq!(whole(r#""text" "#), Progress::Ended(6));
    }

    #[test]
    fn brackets_that_do_not_match_and_bare_control_characters_break_it() {
        assert_eq!(whole("{\"a\":[1}"), Progress::Broken(7));
        assert_eq!(whole("]"), Progress::Broken(0));
        assert_eq!(whole("{\"a\nb\":1}"), Progress::Broken(3));
        assert_eq!(whole("{\"a\":\0}"), Progress::Broken(5));
        assert_eq!(whole("{\n\"a\":1}"), Progress::Ended(8));
        assert_eq!(Balance::default().feed(b"{\n\"a\":1}", true), Progress::Broken(1));
        assert_eq!(whole(&"[".repeat(129)), Progress::Broken(127));
    }

    #[test]
    fn knows_where_a_value_may_begin() {
        for (text, may) in
            [("{\"a\":", true), ("[", true), ("[1,", true), ("{\"a\":1", false), ("{\"a\":1,", false), ("{\"a", false), ("{", false)]
        {
            let mut balance = Balance::default();
            balance.feed(text.as_bytes(), false);
            assert_eq!(balance.may_take_value(), may, "{text}");
        }
    }
}
