//! Amounts and dates as a member reads them.

use jiff::civil::Date;
use std::fmt::Write as _;

const CREDIT: &[u8] = b" credit";
/// `$92,233,720,368,547,758.08 credit` is the longest.
const MONEY_BYTES_MAX: usize = 40;

const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

/// An amount as text, on the stack: a message has some hundred of them.
pub(crate) struct Money {
    buffer: [u8; MONEY_BYTES_MAX],
    start: usize,
}

/// `$1,234.56`; a negative amount is `$1,234.56 credit`.
pub(crate) fn money(cents: i64) -> Money {
    let mut money = Money { buffer: [0; MONEY_BYTES_MAX], start: MONEY_BYTES_MAX };
    if cents < 0 {
        CREDIT.iter().rev().for_each(|byte| money.prepend(*byte));
    }
    let mut rest = cents.unsigned_abs();
    let mut digits = 0;
    // At least three digits, so that five cents are $0.05.
    while rest > 0 || digits < 3 {
        match digits {
            2 => money.prepend(b'.'),
            // Groups of three, counted from the point.
            5.. if (digits - 2) % 3 == 0 => money.prepend(b','),
            _ => {}
        }
        money.prepend(b'0' + (rest % 10) as u8);
        rest /= 10;
        digits += 1;
    }
    money.prepend(b'$');
    money
}

impl Money {
    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.buffer[self.start..]).expect("only ASCII is put in")
    }

    fn prepend(&mut self, byte: u8) {
        self.start -= 1;
        self.buffer[self.start] = byte;
    }
}

/// `March 4, 2026`.
pub(crate) fn date(date: Date) -> String {
    let mut out = String::with_capacity(18);
    push_date(&mut out, date);
    out
}

/// `March 4, 2026`, or `March 4, 2026 to March 6, 2026`; `None` where the source has no first day.
pub(crate) fn days(from: Option<Date>, to: Option<Date>) -> Option<String> {
    let from = from?;
    let mut out = String::with_capacity(40);
    push_date(&mut out, from);
    if let Some(to) = to.filter(|to| *to != from) {
        out.push_str(" to ");
        push_date(&mut out, to);
    }
    Some(out)
}

/// `March 2026`.
pub(crate) fn month(date: Date) -> String {
    format!("{} {}", month_name(date), date.year())
}

fn push_date(out: &mut String, date: Date) {
    // Writing to a String cannot fail.
    let _ = write!(out, "{} {}, {}", month_name(date), date.day(), date.year());
}

fn month_name(date: Date) -> &'static str {
    MONTHS[(date.month().unsigned_abs() as usize - 1) % MONTHS.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date as civil;

    #[test]
    fn writes_money_as_a_person_reads_it() {
        for (cents, text) in [
            (0, "$0.00"),
            (5, "$0.05"),
            (1_230, "$12.30"),
            (99_999, "$999.99"),
            (100_000, "$1,000.00"),
            (123_456, "$1,234.56"),
            (100_000_105, "$1,000,001.05"),
            (-4_500, "$45.00 credit"),
            (i64::MIN, "$92,233,720,368,547,758.08 credit"),
        ] {
            assert_eq!(money(cents).as_str(), text);
        }
    }

    #[test]
    fn writes_days_without_a_zone() {
        let (first, last) = (civil(2026, 3, 4), civil(2026, 12, 31));
        assert_eq!(date(first), "March 4, 2026");
        assert_eq!(days(Some(first), Some(first)).unwrap(), "March 4, 2026");
        assert_eq!(days(Some(first), Some(last)).unwrap(), "March 4, 2026 to December 31, 2026");
        assert_eq!(days(None, Some(last)), None);
        assert_eq!(month(last), "December 2026");
    }
}
