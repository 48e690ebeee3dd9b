//! A message to look at before anything is sent.

use std::fmt;

/// What `sealpost preview` writes. Holds personal data; its `Debug` shows sizes only.
#[derive(Clone, PartialEq, Eq)]
pub struct Preview {
    /// The message as it would leave, without signatures.
    pub eml: Vec<u8>,
    /// The subject line.
    pub subject: String,
    /// The page.
    pub html: String,
    /// The text part.
    pub text: String,
}

impl fmt::Debug for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Preview({} + {} + {} bytes)", self.eml.len(), self.html.len(), self.text.len())
    }
}
