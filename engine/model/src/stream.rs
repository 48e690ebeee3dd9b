//! The two streams that never meet (invariant 9): a type parameter, not a field.
//!
//! What carries `Transactional` cannot be put where `Marketing` goes; the compiler refuses.

use serde::{Deserialize, Serialize};
use std::fmt;

mod sealed {
    pub trait Sealed {}
}

/// A stream of mail. Implemented by [`Transactional`] and [`Marketing`] alone.
pub trait Stream: sealed::Sealed + Copy + Clone + fmt::Debug + Send + Sync + Unpin + 'static {
    /// Its name in configuration, folders and reports.
    const NAME: StreamName;
}

/// Statements and bills: what a member must receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transactional;

/// Everything that needs an authorization to be sent (45 CFR 164.508).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marketing;

impl sealed::Sealed for Transactional {}
impl sealed::Sealed for Marketing {}

impl Stream for Transactional {
    const NAME: StreamName = StreamName::Transactional;
}

impl Stream for Marketing {
    const NAME: StreamName = StreamName::Marketing;
}

/// A stream's name where it is data: config keys, reports, frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamName {
    /// [`Transactional`].
    Transactional,
    /// [`Marketing`].
    Marketing,
}

impl StreamName {
    /// Its text, as in folders and configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transactional => "transactional",
            Self::Marketing => "marketing",
        }
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
