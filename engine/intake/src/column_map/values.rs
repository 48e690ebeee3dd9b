//! How dates and amounts are written in a file: `[dates]` and `[amounts]` of a map.

use crate::amount::{AmountError, Exact};
use crate::validate;
use jiff::civil::Date;

/// A form of a date. Two-digit years are not among them: nobody can tell a birth in 1926 from one in 2026.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DateForm {
    /// `2026-11-22`
    Iso,
    /// `20261122`
    Compact,
    /// `11/22/2026`, also `1/2/2026`
    American,
    /// `11-22-2026`
    AmericanDashes,
    /// `22-Nov-2026`
    DayMonthName,
    /// `2026/11/22`
    IsoSlashes,
    /// `2026-11-22T23:30:00Z`, `2026-11-22 23:30:00`: the day as it is written, never shifted by a zone
    IsoWithTime,
}

/// The forms by the names that a map uses.
pub(crate) const DATE_FORMS: [(&str, DateForm); 7] = [
    ("YYYY-MM-DD", DateForm::Iso),
    ("YYYYMMDD", DateForm::Compact),
    ("MM/DD/YYYY", DateForm::American),
    ("MM-DD-YYYY", DateForm::AmericanDashes),
    ("DD-MON-YYYY", DateForm::DayMonthName),
    ("YYYY/MM/DD", DateForm::IsoSlashes),
    ("YYYY-MM-DDThh:mm:ss", DateForm::IsoWithTime),
];

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

impl DateForm {
    fn read(self, text: &[u8]) -> Option<Date> {
        match self {
            Self::Iso => validate::iso_date(text),
            Self::Compact => validate::compact_date(text),
            Self::American => parted(text, b'/', [2, 0, 1]),
            Self::AmericanDashes => parted(text, b'-', [2, 0, 1]),
            Self::IsoSlashes => parted(text, b'/', [0, 1, 2]),
            Self::IsoWithTime => match text.get(10) {
                Some(b'T' | b' ') if text.len() >= 16 => validate::iso_date(&text[..10]),
                _ => None,
            },
            Self::DayMonthName => {
                let mut parts = text.split(|byte| *byte == b'-');
                let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
                let is_whole = parts.next().is_none() && year.len() == 4 && (1..=2).contains(&day.len());
                let number = MONTHS.iter().position(|name| name.as_bytes().eq_ignore_ascii_case(month))? + 1;
                is_whole.then(|| validate::date(year, format!("{number:02}").as_bytes(), day))?
            }
        }
    }
}

/// A date in three numbers; `order` says which of them are year, month and day.
fn parted(text: &[u8], mark: u8, order: [usize; 3]) -> Option<Date> {
    let mut parts = [&[][..]; 3];
    let mut split = text.split(|byte| *byte == mark);
    for part in &mut parts {
        *part = split.next()?;
    }
    let [year, month, day] = order.map(|at| parts[at]);
    let fits = split.next().is_none() && year.len() == 4 && [month, day].iter().all(|part| (1..=2).contains(&part.len()));
    fits.then(|| validate::date(year, month, day))?
}

/// `[dates]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DateStyle {
    pub(crate) forms: Vec<DateForm>,
    /// What some systems write for no date, such as `1000-01-01`.
    pub(crate) none: Vec<String>,
}

impl DateStyle {
    /// `Ok(None)` where there is none; `Err` where it is no date of these forms.
    pub(crate) fn read(&self, text: &str) -> Result<Option<Date>, ()> {
        let text = text.trim();
        let is_none = text.is_empty() || text.bytes().all(|byte| byte == b'0') || self.none.iter().any(|none| none == text);
        if is_none {
            return Ok(None);
        }
        self.forms.iter().find_map(|form| form.read(text.as_bytes())).map(Some).ok_or(())
    }

    /// What a reject says was expected.
    pub(crate) fn expected(&self) -> String {
        let names: Vec<&str> = DATE_FORMS.iter().filter(|(_, form)| self.forms.contains(form)).map(|(name, _)| *name).collect();
        format!("a date that exists, {}", names.join(" or "))
    }
}

/// `[amounts]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct AmountStyle {
    /// Decimals that are meant where no point is written: `1234` is 12.34 with 2.
    pub(crate) implied_decimals: u32,
    /// `1,234.56`
    pub(crate) thousands: bool,
    /// `(12.34)` is negative.
    pub(crate) parentheses: bool,
    /// `12.34-` is negative.
    pub(crate) trailing_minus: bool,
    /// `$12.34`
    pub(crate) dollar_sign: bool,
}

impl AmountStyle {
    /// `Ok(None)` where nothing is stated.
    pub(crate) fn read(self, text: &str) -> Result<Option<Exact>, AmountError> {
        let mut text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let mut negative = false;
        if let (true, Some(inner)) = (self.parentheses, text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'))) {
            (text, negative) = (inner.trim(), true);
        }
        if let (true, Some(rest)) = (self.trailing_minus, text.strip_suffix('-')) {
            if negative {
                return Err(AmountError::NotDecimal);
            }
            (text, negative) = (rest.trim_end(), true);
        }
        if self.dollar_sign {
            let (sign, rest) = if let Some(rest) = text.strip_prefix('-') { ("-", rest) } else { ("", text) };
            if let Some(rest) = rest.strip_prefix('$') {
                negative ^= sign == "-";
                text = rest;
            }
        }
        // Two signs say nothing for sure.
        if negative && text.starts_with(['-', '+']) {
            return Err(AmountError::NotDecimal);
        }
        let value = if self.thousands && text.contains(',') { Exact::parse(&without_thousands(text)?)? } else { Exact::parse(text)? };
        let value = if self.implied_decimals > 0 && !text.contains('.') { value.shifted_down(self.implied_decimals)? } else { value };
        Ok(Some(if negative { -value } else { value }))
    }
}

/// Marks stand before each three digits of the whole number, or it is something else: `1,00` is not a hundred.
fn without_thousands(text: &str) -> Result<String, AmountError> {
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut groups = whole.trim_start_matches(['-', '+']).split(',');
    let first = groups.next().unwrap_or_default();
    let fits = (1..=3).contains(&first.len()) && groups.all(|group| group.len() == 3) && !fraction.is_some_and(|rest| rest.contains(','));
    if fits { Ok(text.replace(',', "")) } else { Err(AmountError::NotDecimal) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_they_are_written_and_never_shifted() {
        let day = Date::constant(2015, 3, 1);
        for (form, text) in [
            ("YYYY-MM-DD", "2015-03-01"),
            ("YYYYMMDD", "20150301"),
            ("MM/DD/YYYY", "3/1/2015"),
            ("MM-DD-YYYY", "03-01-2015"),
            ("DD-MON-YYYY", "01-Mar-2015"),
            ("DD-MON-YYYY", "1-MAR-2015"),
            ("YYYY/MM/DD", "2015/03/01"),
            ("YYYY-MM-DDThh:mm:ss", "2015-03-01T23:59:59-11:00"),
        ] {
            let forms = DATE_FORMS.iter().filter(|(name, _)| *name == form).map(|(_, form)| *form).collect();
            let style = DateStyle { forms, none: vec!["1000-01-01".to_owned()] };
            assert_eq!(style.read(text), Ok(Some(day)), "{form} {text}");
            for none in ["", "  ", "00000000", "1000-01-01"] {
                assert_eq!(style.read(none), Ok(None), "{form}");
            }
            for wrong in ["2015", "2015-02-30", "32-Mar-2015", "13/13/2015", "01-Mars-2015", "3/1/15", "2015-03-01T", "1/2/3/2015"] {
                assert_eq!(style.read(wrong), Err(()), "{form} {wrong}");
            }
        }
    }

    #[test]
    fn amounts_are_read_as_the_map_says_and_no_other_way() {
        let plain = AmountStyle::default();
        let all = AmountStyle { implied_decimals: 0, thousands: true, parentheses: true, trailing_minus: true, dollar_sign: true };
        let exact = |text| Exact::parse(text).unwrap();
        for (text, value) in [
            ("1,234.56", "1234.56"),
            ("(12.34)", "-12.34"),
            ("12.34-", "-12.34"),
            ("$12", "12"),
            ("-$1,000", "-1000"),
            ("($5.00)", "-5"),
            ("+7", "7"),
        ] {
            assert_eq!(all.read(text), Ok(Some(exact(value))), "{text}");
            assert!(plain.read(text).is_err() || text == "+7", "{text}");
        }
        for text in ["1,00", "1,2345", "(-5)", "-5-", "(5-)", "5,", ",5", "$", "()", "1.234,56", "--5", "-$-5"] {
            assert!(all.read(text).is_err(), "{text}");
        }
        let implied = AmountStyle { implied_decimals: 2, ..plain };
        assert_eq!(implied.read("0000123456"), Ok(Some(exact("1234.56"))));
        assert_eq!(implied.read("-5"), Ok(Some(exact("-0.05"))));
        assert_eq!(implied.read("12.5"), Ok(Some(exact("12.5"))), "a point that is written counts");
        assert_eq!(implied.read("   "), Ok(None));
    }
}
