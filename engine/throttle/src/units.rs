//! Values with units, as they are typed: `"100/s"`, `"20/1m"`, `"500/1h burst 10"`, `"90min"`.
//!
//! A value that exists is valid: a [`Rate`] has a count and a window above zero and a burst within the count.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

/// The longest window or span that is accepted: 400 days. Keeps all arithmetic in nanoseconds inside `u64`.
const SPAN_MAX: Duration = Duration::from_secs(400 * 86_400);
/// Of the count of a rate, one in this many may come at once where no burst is typed: late timers lose no rate
/// then, and the steady rate stays within 5 % of the limit.
const BURST_SHARE: u32 = 20;

/// The text is not a value with the expected unit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not a span of time.
    #[error("expected a span such as 500ms, 30s, 90m, 90min, 2h or 1d, above zero and up to 400 days")]
    Span,
    /// Not a rate.
    #[error("expected a rate such as 100/s, 20/1m or 500/1h burst 10, with a count above zero and a burst up to the count")]
    Rate,
}

/// "N per W": at most `count` messages (or connections) in any window of the given length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    count: NonZeroU32,
    window: Duration,
    burst: NonZeroU32,
}

impl Rate {
    /// A rate with the usual burst (a twentieth of the count, at least one). `None` where the count or the window is
    /// zero, or the window is longer than 400 days.
    pub fn new(count: u32, window: Duration) -> Option<Self> {
        Self::with_burst(count, window, (count / BURST_SHARE).max(1))
    }

    /// A rate with a burst of `1..=count`. A larger burst costs steady rate: both must fit the same window.
    pub fn with_burst(count: u32, window: Duration, burst: u32) -> Option<Self> {
        let fits = !window.is_zero() && window <= SPAN_MAX && burst <= count;
        if !fits {
            return None;
        }
        Some(Self { count: NonZeroU32::new(count)?, window, burst: NonZeroU32::new(burst)? })
    }

    /// How many in any window.
    pub const fn count(&self) -> u32 {
        self.count.get()
    }

    /// How long the window is.
    pub const fn window(&self) -> Duration {
        self.window
    }

    /// How many may come at once.
    pub const fn burst(&self) -> u32 {
        self.burst.get()
    }
}

impl FromStr for Rate {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (rate, burst) = match text.split_once(" burst ") {
            Some((rate, burst)) => (rate, Some(burst.trim().parse::<u32>().map_err(|_| UnitError::Rate)?)),
            None => (text, None),
        };
        let (count, window) = rate.split_once('/').ok_or(UnitError::Rate)?;
        let count = count.trim().parse::<u32>().map_err(|_| UnitError::Rate)?;
        let window = window.trim();
        // "100/s" says one second; "20/1m" says it in full.
        let window = if window.starts_with(|c: char| c.is_ascii_digit()) { parse_span(window) } else { parse_span(&format!("1{window}")) };
        let window = window.map_err(|_| UnitError::Rate)?;
        match burst {
            Some(burst) => Self::with_burst(count, window, burst),
            None => Self::new(count, window),
        }
        .ok_or(UnitError::Rate)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, SpanText(self.window))
    }
}

/// Reads `30s`, `90m`, `90min`, `2h`, `1d`, `500ms`; one number, one unit.
///
/// # Errors
/// [`UnitError::Span`] where it is something else, zero, or beyond 400 days.
pub fn parse_span(text: &str) -> Result<Duration, UnitError> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().map_err(|_| UnitError::Span)?;
    let milliseconds: u64 = match text[digits..].trim_start() {
        "ms" => 1,
        "s" | "sec" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(UnitError::Span),
    };
    let span = Duration::from_millis(number.checked_mul(milliseconds).ok_or(UnitError::Span)?);
    if span.is_zero() || span > SPAN_MAX { Err(UnitError::Span) } else { Ok(span) }
}

/// A span as it is typed: the largest unit that divides it.
#[derive(Debug, Clone, Copy)]
pub struct SpanText(pub Duration);

impl fmt::Display for SpanText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.0.as_millis();
        for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
            if milliseconds >= size && milliseconds.is_multiple_of(size) {
                return write!(f, "{}{unit}", milliseconds / size);
            }
        }
        write!(f, "{milliseconds}ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_rates_and_spans_as_people_type_them() {
        let rate: Rate = "20/1m".parse().unwrap();
        assert_eq!((rate.count(), rate.window(), rate.burst()), (20, Duration::from_secs(60), 1));
        assert_eq!("100/s".parse::<Rate>().unwrap().to_string(), "100/1s");
        assert_eq!("500/1h burst 50".parse::<Rate>().unwrap().burst(), 50);
        assert_eq!(parse_span("90min"), parse_span("90m"));
        assert_eq!(SpanText(Duration::from_secs(5_400)).to_string(), "90m");
    }

    #[test]
    fn refuses_what_has_no_unit_or_no_meaning() {
        for text in ["100", "0/s", "5/0s", "5/x", "-1/s", "5/s burst 6", "5/s burst 0", "", "/", "5/99999999999999d"] {
            assert_eq!(text.parse::<Rate>(), Err(UnitError::Rate), "{text}");
        }
        for text in ["", "5", "s", "0s", "1.5h", "1h30m", "401d"] {
            assert_eq!(parse_span(text), Err(UnitError::Span), "{text}");
        }
    }
}
