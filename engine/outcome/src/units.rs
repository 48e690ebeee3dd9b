//! Spans and rates as they are typed: `"30s"`, `"90m"`, `"90min"`, `"1h"`, `"1d"`, `"1/1m"`.

use std::time::Duration;

/// The longest span accepted: 400 days.
const SPAN_MAX: Duration = Duration::from_secs(400 * 86_400);

/// Reads one number with one unit.
pub(crate) fn parse_span(text: &str) -> Result<Duration, &'static str> {
    const EXPECTED: &str = "expected a span such as 30s, 90m, 90min, 2h or 1d, above zero and up to 400 days";
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().map_err(|_| EXPECTED)?;
    let milliseconds: u64 = match text[digits..].trim_start() {
        "ms" => 1,
        "s" | "sec" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(EXPECTED),
    };
    let span = Duration::from_millis(number.checked_mul(milliseconds).ok_or(EXPECTED)?);
    if span.is_zero() || span > SPAN_MAX { Err(EXPECTED) } else { Ok(span) }
}

/// Reads `count/span`.
pub(crate) fn parse_rate(text: &str) -> Result<(u32, Duration), &'static str> {
    const EXPECTED: &str = "expected a rate such as 1/1m or 10/1m, with a count above zero";
    let (count, span) = text.split_once('/').ok_or(EXPECTED)?;
    let count: u32 = count.trim().parse().map_err(|_| EXPECTED)?;
    let span = parse_span(span).map_err(|_| EXPECTED)?;
    if count == 0 { Err(EXPECTED) } else { Ok((count, span)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_spans_and_rates_with_units_alone() {
        assert_eq!(parse_span("90min"), Ok(Duration::from_secs(5_400)));
        assert_eq!(parse_rate("10/1m"), Ok((10, Duration::from_secs(60))));
        for text in ["", "5", "0s", "1w", "-1s"] {
            assert!(parse_span(text).is_err(), "{text}");
        }
        assert!(parse_rate("0/1m").is_err() && parse_rate("10").is_err());
    }
}
