//! Values with units, as they are typed: `"72h"`, `"64MiB"`.

use std::time::Duration;

/// The longest span that is accepted: ten years.
const SPAN_MAX: Duration = Duration::from_secs(3_660 * 86_400);

/// What a span looks like, for error messages.
pub(super) const SPAN_EXPECTED: &str = "expected a span with its unit, such as \"500ms\", \"30s\", \"5m\", \"72h\" or \"3d\"";
/// What a size looks like, for error messages.
pub(super) const SIZE_EXPECTED: &str = "expected a size with its unit, such as \"64KiB\", \"64MiB\" or \"1GiB\"";

/// Reads one number and one unit: `ms`, `s`, `m`, `h`, `d`. Above zero, at most ten years.
pub(super) fn parse_span(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let span = Duration::from_millis(number.checked_mul(milliseconds)?);
    (!span.is_zero() && span <= SPAN_MAX).then_some(span)
}

/// Reads one number and one unit: `B`, `KiB`, `MiB`, `GiB`. Above zero.
pub(crate) fn parse_bytes(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let factor = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(factor).filter(|bytes| *bytes > 0)
}

fn split(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit())?;
    Some((text[..digits].parse().ok()?, text[digits..].trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_units_and_refuses_what_has_none() {
        assert_eq!(parse_span("72h"), parse_span("3d"));
        assert_eq!(parse_span("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(parse_bytes("64MiB"), Some(64 * 1024 * 1024));
        for text in ["", "5", "h", "0s", "-1s", "1.5h", "1h30m", "3661d", "99999999999999999999s"] {
            assert_eq!(parse_span(text), None, "{text}");
        }
        for text in ["64", "64MB", "0KiB", "64 mib", "99999999999999GiB"] {
            assert_eq!(parse_bytes(text), None, "{text}");
        }
    }
}
