//! Text from outside, made fit for a reader and for a header field.
//!
//! Names come from files we did not write. What a reader cannot see must not be in them: control characters, line
//! breaks, marks that turn the direction of writing, characters of no width.

use std::borrow::Cow;

/// Characters of a name in a header field. Longer ones are cut: the page shows the whole name.
const HEADER_NAME_CHARS_MAX: usize = 100;

/// The text on one line, without control and invisible characters, without blanks at its ends.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    let trimmed = text.trim();
    // No early exit: this compiles to wide compares, and nearly every text is.
    if trimmed.bytes().fold(true, |plain, byte| plain & (b' '..=b'~').contains(&byte)) {
        return Cow::Borrowed(trimmed);
    }
    if !trimmed.chars().any(|letter| is_invisible(letter) || is_break(letter)) {
        return Cow::Borrowed(trimmed);
    }
    let mut out = String::with_capacity(trimmed.len());
    for letter in trimmed.chars().filter(|letter| !is_invisible(*letter)) {
        match is_break(letter) {
            true if out.ends_with(' ') => {}
            true => out.push(' '),
            false => out.push(letter),
        }
    }
    out.truncate(out.trim_end().len());
    Cow::Owned(out.trim_start().to_owned())
}

/// A display name for a header field: [`clean`], at most 100 characters, and never the start of an encoded word.
pub(crate) fn header_name(text: &str) -> String {
    let mut name = clean(text).into_owned();
    if let Some((end, _)) = name.char_indices().nth(HEADER_NAME_CHARS_MAX) {
        name.truncate(end);
        name.push('…');
    }
    // RFC 2047 section 5 (3): an encoded word must not appear within a quoted string. Many readers decode it there all the same.
    while name.contains("=?") {
        name = name.replace("=?", "=");
    }
    name
}

/// Ends a line or a field: becomes a blank.
fn is_break(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}')
}

/// Has no width, turns the direction of writing, or is a tag: is dropped.
fn is_invisible(letter: char) -> bool {
    matches!(letter,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_honest_names() {
        for name in ["Ada Example", "José Ñandú-O'Neil", "李小龍", "Владимир", "محمد"] {
            assert!(matches!(clean(name), Cow::Borrowed(same) if same == name));
        }
    }

    #[test]
    fn drops_what_a_reader_cannot_see() {
        assert_eq!(clean("  Ada\r\nBcc: eve@evil.example\t\0 "), "Ada Bcc: eve@evil.example");
        assert_eq!(clean("Ada\u{202e}elpmaxE\u{200b}"), "AdaelpmaxE");
        assert_eq!(clean("\u{feff}\u{2066}\u{2028}"), "");
    }

    #[test]
    fn a_header_name_is_short_and_no_encoded_word() {
        assert_eq!(header_name("=?utf-8?q?Evil?="), "=utf-8?q?Evil?=");
        assert!(!header_name("==??x").contains("=?"));
        assert_eq!(header_name(&"é".repeat(1_000)).chars().count(), HEADER_NAME_CHARS_MAX + 1);
    }
}
