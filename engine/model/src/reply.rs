//! What a receiver answered: RFC 5321 reply code, RFC 3463 enhanced code, text.

use crate::Private;
use serde::{Deserialize, Serialize};
use std::fmt;

/// RFC 3463 section 2: class, subject, detail.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EnhancedCode {
    /// 2 success, 4 persistent transient failure, 5 permanent failure.
    pub class: u8,
    /// 0..=999.
    pub subject: u16,
    /// 0..=999.
    pub detail: u16,
}

impl EnhancedCode {
    /// Reads `class.subject.detail` (RFC 3463 section 2), digits only, class 2, 4 or 5.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let (class, subject, detail) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || !matches!(class, "2" | "4" | "5") {
            return None;
        }
        let number = |part: &str| {
            let fits = (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
            if fits { part.parse::<u16>().ok() } else { None }
        };
        Some(Self { class: class.as_bytes()[0] - b'0', subject: number(subject)?, detail: number(detail)? })
    }
}

impl fmt::Display for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

impl fmt::Debug for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A whole reply. The text may quote an address, so it does not print; codes do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// 200..=599.
    pub code: u16,
    /// The enhanced code, where the reply has one.
    pub enhanced: Option<EnhancedCode>,
    /// The text, lines joined by a line feed, cut at [`crate::limits::REPLY_TEXT_BYTES_MAX`].
    pub text: Private,
}

impl Reply {
    /// 2yz.
    pub fn is_positive(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// 4yz.
    pub fn is_transient(&self) -> bool {
        (400..500).contains(&self.code)
    }

    /// 5yz.
    pub fn is_permanent(&self) -> bool {
        (500..600).contains(&self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enhanced_codes_are_strict() {
        assert_eq!(EnhancedCode::parse("5.7.26").unwrap().to_string(), "5.7.26");
        for text in ["3.1.1", "5.1", "5.1.1.1", "5.+1.1", "5..1", "5.1111.1", ""] {
            assert_eq!(EnhancedCode::parse(text), None, "{text}");
        }
    }
}
