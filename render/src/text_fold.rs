//! The text part: no line wider than 76 characters.
//!
//! Templates write one paragraph per line; only after the fixed texts and the data are in is its width known.
//! A continued line keeps the indentation of its paragraph, behind the mark of a list (`1. `, `- `).

/// Characters of a line. RFC 2045 section 6.7 (5) folds longer ones in quoted-printable.
pub(crate) const COLUMNS_MAX: usize = 76;

/// Folds lines, drops blanks at line ends, keeps everything else. Line ends are `\n`.
pub(crate) fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', text.as_bytes()).chain([text.len()]) {
        fold_line(text[start..end].trim_end_matches(' '), &mut out);
        out.push('\n');
        start = (end + 1).min(text.len());
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// Folds one line, of which blanks at the end are off already.
pub(crate) fn fold_line(line: &str, out: &mut String) {
    // A line of at most 76 bytes has at most 76 characters.
    if line.len() <= COLUMNS_MAX {
        out.push_str(line);
        return;
    }
    let indent = hanging_indent(line);
    let mut rest = line;
    let mut columns = COLUMNS_MAX;
    // The blanks at the start are the indentation: no place to fold.
    let mut text_starts = indent;
    while let Some((end, next)) = rest.char_indices().nth(columns) {
        let cut = match rest.get(text_starts..end).and_then(|head| head.rfind(' ')) {
            _ if next == ' ' => end,
            Some(at) => text_starts + at,
            None => end,
        };
        out.push_str(rest[..cut].trim_end());
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', indent));
        rest = rest[cut..].trim_start();
        columns = COLUMNS_MAX - indent;
        text_starts = 0;
    }
    out.push_str(rest);
}

/// Blanks before the text, and the width of a list mark behind them; never more than half a line.
fn hanging_indent(line: &str) -> usize {
    let blanks = line.len() - line.trim_start_matches(' ').len();
    let text = &line[blanks..];
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let mark = match text.as_bytes() {
        [b'-', b' ', ..] => 2,
        _ if digits > 0 && text[digits..].starts_with(". ") => digits + 2,
        _ => 0,
    };
    (blanks + mark).min(COLUMNS_MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn widest(text: &str) -> usize {
        text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
    }

    #[test]
    fn folds_at_blanks_and_hangs_behind_the_mark() {
        let folded = fold(&format!("  12. {}\nshort  \n\n", "word ".repeat(40)));
        assert!(widest(&folded) <= COLUMNS_MAX, "{folded}");
        assert!(folded.lines().nth(1).unwrap().starts_with("      word"), "{folded}");
        assert!(folded.ends_with("word\nshort\n"), "{folded:?}");
        assert_eq!(folded.split_whitespace().filter(|word| *word == "word").count(), 40);
    }

    #[test]
    fn folds_words_without_blanks_and_outside_ascii() {
        for text in ["x".repeat(1_000), "é".repeat(500), format!("    {}", "李".repeat(300)), format!("- {} b", "a".repeat(75))] {
            let folded = fold(&text);
            assert!(widest(&folded) <= COLUMNS_MAX, "{folded}");
            let letters = |text: &str| text.chars().filter(|letter| !letter.is_whitespace()).collect::<String>();
            assert_eq!(letters(&folded), letters(&text));
        }
    }

    #[test]
    fn leaves_fitting_lines_alone() {
        let text = format!("{}\n  a   b\n", "y".repeat(COLUMNS_MAX));
        assert_eq!(fold(&text), text);
        assert_eq!(fold(&"é".repeat(COLUMNS_MAX)), format!("{}\n", "é".repeat(COLUMNS_MAX)));
    }
}
