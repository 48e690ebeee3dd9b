//! What a server answers: code, enhanced code, text. The writing side of RFC 5321 section 4.2.
//!
//! An answer that exists is well-formed: its code is in 200..=599 and no line of it holds a control
//! character, so no text can forge a second reply.

use model::EnhancedCode;
use std::borrow::Cow;

/// A reply of a server, to be written by [`crate::Receiver`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    code: u16,
    enhanced: Option<EnhancedCode>,
    text: Cow<'static, str>,
}

/// The text is not a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// The code is outside 200..=599 or is not three digits.
    #[error("expected a reply code from 200 to 599 such as 250")]
    Code,
    /// The text has a control character other than the line feed between lines, or is not ASCII.
    #[error("expected printable ASCII text, lines separated by a line feed")]
    Text,
}

impl Answer {
    /// Builds a reply; several lines are separated by `\n`.
    ///
    /// # Errors
    /// [`AnswerError`] where code or text cannot stand in a reply.
    pub fn new(code: u16, enhanced: Option<EnhancedCode>, text: impl Into<Cow<'static, str>>) -> Result<Self, AnswerError> {
        let text = text.into();
        if !(200..600).contains(&code) {
            return Err(AnswerError::Code);
        }
        if !text.bytes().all(|byte| matches!(byte, b'\n' | b' '..=b'~')) {
            return Err(AnswerError::Text);
        }
        Ok(Self { code, enhanced, text })
    }

    /// Reads `550 5.1.1 No such user`, as a rule file or a test has it. The enhanced code may be absent.
    ///
    /// # Errors
    /// [`AnswerError`] where code or text cannot stand in a reply.
    pub fn parse(line: &str) -> Result<Self, AnswerError> {
        let (code, rest) = line.split_once(' ').unwrap_or((line, ""));
        let code = if code.len() == 3 { code.parse::<u16>().map_err(|_| AnswerError::Code)? } else { return Err(AnswerError::Code) };
        let (word, tail) = rest.split_once(' ').unwrap_or((rest, ""));
        match EnhancedCode::parse(word) {
            Some(enhanced) => Self::new(code, Some(enhanced), tail.to_owned()),
            None => Self::new(code, None, rest.to_owned()),
        }
    }

    /// An answer whose parts are constants of this crate.
    pub(crate) fn constant(code: u16, enhanced: (u8, u16, u16), text: &'static str) -> Self {
        let (class, subject, detail) = enhanced;
        Self { code, enhanced: Some(EnhancedCode { class, subject, detail }), text: Cow::Borrowed(text) }
    }

    /// The reply code.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The enhanced code.
    pub fn enhanced(&self) -> Option<EnhancedCode> {
        self.enhanced
    }

    /// The text, lines separated by `\n`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// 2yz, or 354.
    pub fn is_positive(&self) -> bool {
        self.code < 400
    }

    /// Appends the wire form: each line `code-[x.y.z ]text CRLF`, the last one with a space after the code.
    pub fn write_to(&self, output: &mut Vec<u8>) {
        use std::io::Write;
        let mut lines = self.text.split('\n').peekable();
        while let Some(line) = lines.next() {
            // RFC 5321 section 4.2.1: "the reply code on every line, followed by a hyphen […], except the last".
            let separator = if lines.peek().is_some() { '-' } else { ' ' };
            let written = match self.enhanced {
                // RFC 2034 section 4: the enhanced code stands on every line.
                Some(enhanced) => write!(output, "{}{separator}{enhanced} {line}\r\n", self.code),
                None => write!(output, "{}{separator}{line}\r\n", self.code),
            };
            written.expect("writing to a vector does not fail");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(answer: &Answer) -> String {
        let mut output = Vec::new();
        answer.write_to(&mut output);
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn writes_several_lines_with_the_code_on_each() {
        let answer = Answer::parse("550 5.7.1 Not today").unwrap();
        assert_eq!(wire(&answer), "550 5.7.1 Not today\r\n");
        let answer = Answer::new(421, EnhancedCode::parse("4.7.0"), "one\ntwo").unwrap();
        assert_eq!(wire(&answer), "421-4.7.0 one\r\n421 4.7.0 two\r\n");
        assert_eq!(wire(&Answer::parse("250").unwrap()), "250 \r\n");
    }

    #[test]
    fn no_text_can_forge_a_second_reply() {
        assert_eq!(Answer::new(250, None, "ok\r\n250 forged"), Err(AnswerError::Text));
        assert_eq!(Answer::parse("25 ok"), Err(AnswerError::Code));
        assert_eq!(Answer::new(199, None, ""), Err(AnswerError::Code));
    }
}
