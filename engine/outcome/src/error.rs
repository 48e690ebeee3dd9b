//! What can be wrong with the rules. The operator must act: each error names file, line and what was expected.

use model::nearest::nearest;
use std::sync::Arc;

/// A rules file that cannot be used. Displays as `file:line: what; what to do`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {message}")]
pub struct RulesError {
    /// The file, as it was handed in.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
    /// What is wrong, what was expected, what to do.
    pub message: String,
}

/// The line (from 1) in which a byte of a text lies.
pub(crate) fn line_of(text: &str, offset: usize) -> u32 {
    let before = &text.as_bytes()[..offset.min(text.len())];
    u32::try_from(before.iter().filter(|byte| **byte == b'\n').count()).unwrap_or(u32::MAX - 1) + 1
}

/// The reader's error with file and line, and for an unknown key the known one it resembles most.
pub(crate) fn from_toml(file: &Arc<str>, text: &str, error: &toml::de::Error) -> RulesError {
    let line = error.span().map_or(1, |span| line_of(text, span.start));
    let mut names = error.message().split('`').skip(1).step_by(2);
    let message = match (error.message().starts_with("unknown field"), names.next()) {
        (true, Some(typed)) => unknown("key", typed, names),
        _ => error.message().trim().replace('\n', " "),
    };
    RulesError { file: Arc::clone(file), line, message }
}

/// "unknown key 'x': did you mean 'y'?", or the list where nothing resembles it.
pub(crate) fn unknown<'a>(what: &str, typed: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    match nearest(typed, known.iter().copied()) {
        Some(nearest) => format!("unknown {what} '{typed}': did you mean '{nearest}'?"),
        _ => format!("unknown {what} '{typed}': expected one of {}", known.join(", ")),
    }
}
