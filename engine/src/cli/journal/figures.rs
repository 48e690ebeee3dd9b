//! Numbers and bars for people, within 80 columns.

/// Cells of a bar.
pub(super) const BAR_CELLS: u64 = 24;

/// Bytes in the unit a person would take: `812 B`, `65.1 MiB`.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (mut unit, mut scale) = (0, 1024u64);
    while bytes / scale >= 1024 && unit + 1 < UNITS.len() {
        unit += 1;
        scale *= 1024;
    }
    let tenths = bytes.saturating_mul(10) / scale;
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// A count with its thousands apart: `1,234,567`.
pub(in crate::cli) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A count and its noun: `1 batch` needs another word, so this is for nouns that take an s.
pub(in crate::cli) fn of(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A bar: never empty for something, never full for less than all.
pub(super) fn bar(part: u64, of: u64) -> String {
    let cells = match (part, of) {
        (0, _) | (_, 0) => 0,
        (part, of) if part >= of => BAR_CELLS,
        (part, of) => (u128::from(part) * u128::from(BAR_CELLS) / u128::from(of)).clamp(1, u128::from(BAR_CELLS) - 1) as u64,
    };
    let times = |sign: &str, cells: u64| sign.repeat(usize::try_from(cells).unwrap_or(0));
    times("█", cells) + &times("░", BAR_CELLS - cells)
}

/// A share in per cent; `<1` and `>99` where rounding would say none or all.
pub(super) fn percent(part: u64, of: u64) -> String {
    match (part, of) {
        (0, _) | (_, 0) => "0 %".to_owned(),
        (part, of) if part >= of => "100 %".to_owned(),
        (part, of) => match u128::from(part) * 100 / u128::from(of) {
            0 => "<1 %".to_owned(),
            99 => ">99 %".to_owned(),
            share => format!("{share} %"),
        },
    }
}

/// A sentence in lines of at most `width` characters; a longer word has a line of its own.
pub(in crate::cli) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_those_a_person_would_take() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1024), "1.0 KiB");
        assert_eq!(bytes(64 << 20), "64.0 MiB");
        assert_eq!(bytes((3 << 30) + (1 << 29)), "3.5 GiB");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(999), "999");
        assert_eq!((of(1, "record"), of(2000, "record")), ("1 record".to_owned(), "2,000 records".to_owned()));
    }

    #[test]
    fn lines_are_no_wider_than_asked_and_lose_no_word() {
        let text = "one two three four a_word_that_is_much_longer_than_the_line five";
        let lines = wrapped(text, 12);
        assert_eq!(lines.join(" "), text);
        assert!(lines.iter().all(|line| line.len() <= 12 || !line.contains(' ')), "{lines:?}");
    }

    #[test]
    fn a_share_never_looks_like_none_or_all_where_it_is_neither() {
        assert!(bar(1, 1_000_000).starts_with('█'));
        assert!(bar(999_999, 1_000_000).ends_with('░'));
        assert_eq!(bar(5, 5).chars().filter(|sign| *sign == '█').count() as u64, BAR_CELLS);
        assert!(!bar(0, 5).contains('█'));
        assert_eq!((percent(1, 1000).as_str(), percent(999, 1000).as_str(), percent(1, 2).as_str()), ("<1 %", ">99 %", "50 %"));
    }
}
