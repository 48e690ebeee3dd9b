//! What can be wrong with the shaping files. The operator must act: each error names file, line and what was expected.

use model::nearest::nearest;
use std::sync::Arc;

/// A shaping file that cannot be used. Displays as `file:line: what; what to do`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {message}")]
pub struct ShapingError {
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
pub(crate) fn from_toml(file: &Arc<str>, text: &str, error: &toml::de::Error) -> ShapingError {
    let line = error.span().map_or(1, |span| line_of(text, span.start));
    ShapingError { file: Arc::clone(file), line, message: with_suggestion(error.message()) }
}

/// Turns serde's "unknown field `x`, expected one of `a`, `b`" into "unknown key 'x': did you mean 'a'?".
fn with_suggestion(message: &str) -> String {
    let mut names = message.split('`').skip(1).step_by(2);
    let (true, Some(typed)) = (message.starts_with("unknown field"), names.next()) else {
        return message.trim().replace('\n', " ");
    };
    let known: Vec<&str> = names.collect();
    match nearest(typed, known.iter().copied()) {
        Some(nearest) => format!("unknown key '{typed}': did you mean '{nearest}'?"),
        _ => format!("unknown key '{typed}': expected one of {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_and_edits() {
        assert_eq!(line_of("a\nb\nc", 0), 1);
        assert_eq!(line_of("a\nb\nc", 4), 3);
        assert_eq!(
            with_suggestion("unknown field `conections`, expected one of `rate`, `connections`"),
            "unknown key 'conections': did you mean 'connections'?"
        );
    }
}
