//! The reading side of replies: RFC 5321 section 4.2, with the enhanced codes of RFC 2034 and RFC 3463.
//!
//! Streaming: bytes may come in any split. Tolerant where real servers deviate harmlessly: a bare LF ends a line, the
//! text or the space before it may be missing, codes may differ between the lines of one reply (the last one counts, as in
//! Postfix). Strict about what protects us: line length, number of lines, text kept, a code in 200..=599.

use memchr::memchr;
use model::limits::{REPLY_LINE_BYTES_MAX, REPLY_LINES_MAX, REPLY_TEXT_BYTES_MAX};
use model::{EnhancedCode, Private, Reply};

/// What came is no reply. The connection is of no further use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// A line that does not begin with a code in 200..=599 and a hyphen, a space or its end.
    #[error("expected a reply code from 200 to 599 at the start of each line")]
    Code,
    /// A line longer than [`REPLY_LINE_BYTES_MAX`].
    #[error("reply line longer than {REPLY_LINE_BYTES_MAX} octets")]
    LineTooLong,
    /// More lines than [`REPLY_LINES_MAX`].
    #[error("reply of more than {REPLY_LINES_MAX} lines")]
    TooManyLines,
}

/// Collects one reply after the other.
#[derive(Debug, Default)]
pub struct ReplyParser {
    /// The beginning of a line whose end has not come yet.
    partial: Vec<u8>,
    lines: usize,
    enhanced: Option<EnhancedCode>,
    text: String,
}

/// One line taken apart.
struct Line<'a> {
    code: u16,
    is_last: bool,
    text: &'a [u8],
}

impl ReplyParser {
    /// A parser that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes up to the end of one reply: the octets consumed, and the reply once it is whole.
    ///
    /// # Errors
    /// [`ReplyError`]; the parser must not be used further.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(usize, Option<Reply>), ReplyError> {
        let mut at = 0;
        while let Some(end) = memchr(b'\n', &bytes[at..]) {
            let line = &bytes[at..at + end];
            at += end + 1;
            let reply = if self.partial.is_empty() {
                self.line(line)?
            } else {
                let mut whole = std::mem::take(&mut self.partial);
                whole.extend_from_slice(line);
                let reply = self.line(&whole)?;
                whole.clear();
                self.partial = whole;
                reply
            };
            if reply.is_some() {
                return Ok((at, reply));
            }
        }
        self.partial.extend_from_slice(&bytes[at..]);
        // The CR may count on top, so that a line is judged alike whether its LF has arrived or not.
        if self.partial.len() > REPLY_LINE_BYTES_MAX + 1 {
            return Err(ReplyError::LineTooLong);
        }
        Ok((bytes.len(), None))
    }

    /// True between replies: no byte of a further one has come.
    pub fn is_idle(&self) -> bool {
        self.partial.is_empty() && self.lines == 0
    }

    fn line(&mut self, line: &[u8]) -> Result<Option<Reply>, ReplyError> {
        if line.len() > REPLY_LINE_BYTES_MAX + 1 {
            return Err(ReplyError::LineTooLong);
        }
        let line = take_apart(line.strip_suffix(b"\r").unwrap_or(line))?;
        self.lines += 1;
        if self.lines > REPLY_LINES_MAX {
            return Err(ReplyError::TooManyLines);
        }
        let text = self.without_enhanced_code(&line);
        if self.lines > 1 {
            self.keep("\n");
        }
        self.keep_printable(text);
        if !line.is_last {
            return Ok(None);
        }
        self.lines = 0;
        let text = std::mem::take(&mut self.text);
        // RFC 2034 section 4: the class of the enhanced code must be the first digit of the reply code.
        let enhanced = self.enhanced.take().filter(|enhanced| u16::from(enhanced.class) == line.code / 100);
        Ok(Some(Reply { code: line.code, enhanced, text: Private::from(text) }))
    }

    /// Notes the enhanced code of the first line that has one, and takes it off the text where it stands.
    fn without_enhanced_code<'a>(&mut self, line: &Line<'a>) -> &'a [u8] {
        let end = memchr(b' ', line.text).unwrap_or(line.text.len());
        let word = std::str::from_utf8(&line.text[..end]).ok().and_then(EnhancedCode::parse);
        match word {
            Some(code) if u16::from(code.class) == line.code / 100 && self.enhanced.is_none_or(|first| first == code) => {
                self.enhanced = Some(code);
                line.text.get(end + 1..).unwrap_or_default()
            }
            _ => line.text,
        }
    }

    fn keep_printable(&mut self, text: &[u8]) {
        for chunk in text.utf8_chunks() {
            // A control character has no use in a reply and could reach a terminal.
            for part in chunk.valid().split_inclusive(char::is_control) {
                match part.chars().next_back() {
                    Some(last) if last.is_control() => {
                        self.keep(&part[..part.len() - last.len_utf8()]);
                        self.keep(" ");
                    }
                    _ => self.keep(part),
                }
            }
            if !chunk.invalid().is_empty() {
                self.keep("\u{fffd}");
            }
        }
    }

    fn keep(&mut self, text: &str) {
        let room = REPLY_TEXT_BYTES_MAX - self.text.len();
        self.text.push_str(&text[..text.floor_char_boundary(room)]);
    }
}

fn take_apart(line: &[u8]) -> Result<Line<'_>, ReplyError> {
    let (digits, rest) = line.split_at_checked(3).ok_or(ReplyError::Code)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(ReplyError::Code);
    }
    let code = digits.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    if !(200..600).contains(&code) {
        return Err(ReplyError::Code);
    }
    match rest.split_first() {
        // RFC 5321 section 4.2: "text […] SHOULD be sent", and some servers do not.
        None => Ok(Line { code, is_last: true, text: &[] }),
        Some((b' ', text)) => Ok(Line { code, is_last: true, text }),
        Some((b'-', text)) => Ok(Line { code, is_last: false, text }),
        Some(_) => Err(ReplyError::Code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(bytes: &[u8], chunk: usize) -> Result<Vec<Reply>, ReplyError> {
        let (mut parser, mut replies) = (ReplyParser::new(), Vec::new());
        for mut part in bytes.chunks(chunk.max(1)) {
            while !part.is_empty() {
                let (taken, reply) = parser.push(part)?;
                part = &part[taken..];
                replies.extend(reply);
            }
        }
        Ok(replies)
    }

    fn one(text: &str) -> (u16, Option<String>, String) {
        let replies = all(text.as_bytes(), 1000).unwrap();
        assert_eq!(replies.len(), 1, "{text:?}");
        (replies[0].code, replies[0].enhanced.map(|code| code.to_string()), replies[0].text.reveal().to_owned())
    }

    #[test]
    fn reads_what_servers_send() {
        assert_eq!(one("250 2.1.5 Ok\r\n"), (250, Some("2.1.5".into()), "Ok".into()));
        assert_eq!(one("250\r\n"), (250, None, String::new()));
        assert_eq!(one("250 \n"), (250, None, String::new()));
        assert_eq!(one("250 ok\n"), (250, None, "ok".into()));
        assert_eq!(one("550-5.7.26 a\r\n550 5.7.26 b\r\n"), (550, Some("5.7.26".into()), "a\nb".into()));
        assert_eq!(one("550-5.7.1 a\r\n550 5.7.2 b\r\n"), (550, Some("5.7.1".into()), "a\n5.7.2 b".into()));
        assert_eq!(one("450 5.1.1 odd\r\n"), (450, None, "5.1.1 odd".into()));
        assert_eq!(one("421 a\x1b[2Jb\r\n").2, "a [2Jb");
        assert_eq!(one("250-\r\n250 x\r\n").2, "\nx");
    }

    #[test]
    fn refuses_what_is_no_reply_and_what_never_ends() {
        for text in ["HTTP/1.1 400\r\n", "25 x\r\n", "199 x\r\n", "600 x\r\n", "2500\r\n", "\r\n", "+25 x\r\n"] {
            assert_eq!(all(text.as_bytes(), 1000), Err(ReplyError::Code), "{text:?}");
        }
        assert_eq!(all(&b"2".repeat(REPLY_LINE_BYTES_MAX + 2), 700), Err(ReplyError::LineTooLong));
        assert_eq!(all(&b"250-x\r\n".repeat(REPLY_LINES_MAX + 1), 700), Err(ReplyError::TooManyLines));
    }

    #[test]
    fn cuts_long_text_at_a_character() {
        let text = one(&format!("550 {}\r\n", "ä".repeat(2000))).2;
        assert!(text.len() <= REPLY_TEXT_BYTES_MAX && text.chars().all(|letter| letter == 'ä'));
    }

    proptest! {
        #[test]
        fn any_split_reads_the_same(bytes in prop::collection::vec(prop::sample::select(b"25-. \r\na4\xc3\xa4".to_vec()), 0..60), chunk in 1usize..9) {
            // Invalid UTF-8 and invalid codes included: replies and errors agree.
            prop_assert_eq!(all(&bytes, bytes.len()), all(&bytes, chunk));
        }
    }
}
