//! Amounts and dates as a member reads them.

use jiff::civil::Date;
use std::fmt::Write as _;

const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

/// `$1,234.56`; a negative amount is `$1,234.56 credit`.
pub(crate) fn money(cents: i64) -> String {
    let mut out = String::with_capacity(16);
    let whole = cents.unsigned_abs() / 100;
    out.push('$');
    push_grouped(&mut out, whole);
    let rest = (cents.unsigned_abs() % 100) as u8;
    out.push('.');
    out.push(char::from(b'0' + rest / 10));
    out.push(char::from(b'0' + rest % 10));
    if cents < 0 {
        out.push_str(" credit");
    }
    out
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

/// Digits in groups of three.
fn push_grouped(out: &mut String, number: u64) {
    let mut groups = [0u16; 7];
    let mut used = 0;
    let mut rest = number;
    while used == 0 || rest > 0 {
        groups[used] = (rest % 1000) as u16;
        rest /= 1000;
        used += 1;
    }
    let mut buffer = [0u8; 3];
    for (at, group) in groups[..used].iter().rev().enumerate() {
        let digits = [b'0' + (group / 100) as u8, b'0' + (group / 10 % 10) as u8, b'0' + (group % 10) as u8];
        buffer.copy_from_slice(&digits);
        let skip = match (at, group) {
            (0, ..=9) => 2,
            (0, ..=99) => 1,
            _ => 0,
        };
        if at > 0 {
            out.push(',');
        }
        out.extend(buffer[skip..].iter().map(|digit| char::from(*digit)));
    }
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
            assert_eq!(money(cents), text);
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
