//! What the templates of header fields, the preheader and links may see.
//!
//! A subject line is shown on lock screens and logged by every server on the way. So its template gets a type that has
//! no statement: who sends, what kind of mail it is, and the month in which it is sent.

use crate::datum::Datum;
use std::borrow::Cow;

/// The context of subject and preheader. There is deliberately no way to put a statement in.
#[derive(Debug, Clone, Copy)]
pub struct HeaderContext<'a> {
    /// The tenant's brand.
    pub brand: &'a str,
    /// What kind of mail it is, in words: `Explanation of Benefits`.
    pub kind: &'a str,
    /// The month of sending, in words: `November 2026`; never a date of service.
    pub month: &'a str,
}

impl<'a> HeaderContext<'a> {
    /// The fields of [`Kind::Header`](crate::datum::Kind::Header), in their order.
    pub(crate) fn fields(self) -> [Datum<'a>; 3] {
        [self.brand, self.kind, self.month].map(|text| Datum::Text(Cow::Borrowed(text)))
    }
}
