//! Personal text that does not print.
//!
//! [`Private`] holds a name, a claim number, an address line. It serializes (into encrypted frames
//! and into what the operator explicitly asks for) but its `Debug` shows `***`, it has no `Display`,
//! and it wipes itself when dropped.

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

/// Personal text: serialized where it must be, never printed, zeroized on drop.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Private(String);

impl Private {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. The caller answers for where it goes: a message, an encrypted frame, a join.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// True where there is no text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Debug for Private {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl From<&str> for Private {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Private {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_stars_and_json_the_text() {
        let name = Private::new("Ada Example");
        assert_eq!(format!("{name:?} {:?}", Some(&name)), "*** Some(***)");
        assert_eq!(serde_json::to_string(&name).unwrap(), "\"Ada Example\"");
    }
}
