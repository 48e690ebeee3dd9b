//! What is wrong with a column map: the operator's to correct. Everything at once, each with its line.

use std::fmt;

/// One thing that is wrong. Displays as `file:line: key: message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnMapError {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// Which key, what was expected, what to do.
    pub message: String,
}

impl fmt::Display for ColumnMapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

/// Everything that is wrong, in the order of the file. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnMapErrors(Vec<ColumnMapError>);

impl ColumnMapErrors {
    /// `None` where there are none.
    pub(super) fn from_found(mut errors: Vec<ColumnMapError>) -> Option<Self> {
        errors.sort_by_key(|error| error.line);
        (!errors.is_empty()).then_some(Self(errors))
    }

    /// The errors.
    pub fn iter(&self) -> impl Iterator<Item = &ColumnMapError> {
        self.0.iter()
    }
}

impl fmt::Display for ColumnMapErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ColumnMapErrors {}
