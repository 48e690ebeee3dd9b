//! A language as people ask for it: a tag of BCP 47 (RFC 5646), such as `es` or `zh-Hant`.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// RFC 5646 section 4.4.1: the longest tag that buffers should hold.
const BYTES_MAX: usize = 35;

/// Letters, digits and hyphens, in the case it was typed in. What the tag means is for `render` to know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LanguageTag(Arc<str>);

/// The text is no language tag. Carries no part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no language tag such as \"es\" or \"zh-Hant\" (BCP 47: letters, digits, hyphens, at most {BYTES_MAX})")]
pub struct LanguageTagError;

impl LanguageTag {
    /// Checks the form of a tag. An underscore between parts, as locale names have it, becomes a hyphen.
    ///
    /// # Errors
    /// [`LanguageTagError`] where it does not begin with two to eight letters, or has anything but letters, digits and hyphens.
    pub fn parse(text: &str) -> Result<Self, LanguageTagError> {
        let tag = text.trim().replace('_', "-");
        let mut parts = tag.split('-');
        let has_primary = parts.next().is_some_and(|part| (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphabetic()));
        let rest_fits = parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()));
        if tag.len() > BYTES_MAX || !has_primary || !rest_fits {
            return Err(LanguageTagError);
        }
        Ok(Self(tag.into()))
    }

    /// The tag as it was typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The language itself, in lower case, without script and region: `zh` of `zh-Hant`.
    pub fn primary(&self) -> String {
        self.0.split('-').next().unwrap_or_default().to_ascii_lowercase()
    }
}

impl TryFrom<String> for LanguageTag {
    type Error = LanguageTagError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<LanguageTag> for String {
    fn from(tag: LanguageTag) -> Self {
        tag.0.as_ref().to_owned()
    }
}

impl fmt::Display for LanguageTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_a_tag_when_it_sees_one() {
        assert_eq!(LanguageTag::parse(" es ").map(|tag| tag.primary()), Ok("es".to_owned()));
        assert_eq!(LanguageTag::parse("ES_mx").map(|tag| (tag.primary(), tag.to_string())), Ok(("es".to_owned(), "ES-mx".to_owned())));
        assert_eq!(LanguageTag::parse("zh-Hant-TW").map(|tag| tag.primary()), Ok("zh".to_owned()));
        for text in ["", "e", "spanish!", "es--mx", "e1", "es-", "es\r\nBcc: x", "abcdefghi", "en-abcdefgh-abcdefgh-abcdefgh-abcdefgh"] {
            assert!(LanguageTag::parse(text).is_err(), "{text:?}");
        }
    }
}
