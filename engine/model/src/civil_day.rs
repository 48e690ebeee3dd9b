//! A civil date in two or three bytes, where nobody reads the bytes.
//!
//! For a person's eyes (JSON) a date is `2026-02-04`. In a journal's payload a statement has one on each line, and eleven bytes of text
//! each are an eighth of it. There it is a number: months of 31 days, counted from January 2020,
//! so that writing and reading need no calendar.

use jiff::civil::Date;
use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const YEAR_ZERO: i32 = 2020;
const MONTHS: i32 = 12;
const DAYS: i32 = 31;

/// A date in the form that the format is for.
struct CivilDay(Date);

impl Serialize for CivilDay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { self.0.serialize(serializer) } else { serializer.serialize_i32(to_number(self.0)) }
    }
}

impl<'de> Deserialize<'de> for CivilDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return Date::deserialize(deserializer).map(Self);
        }
        let number = i32::deserialize(deserializer)?;
        let no_date = || D::Error::invalid_value(Unexpected::Signed(number.into()), &"the number of a date");
        from_number(number).map(Self).ok_or_else(no_date)
    }
}

fn to_number(date: Date) -> i32 {
    let months = (i32::from(date.year()) - YEAR_ZERO) * MONTHS + i32::from(date.month()) - 1;
    months * DAYS + i32::from(date.day()) - 1
}

/// `None` where no date has this number.
fn from_number(number: i32) -> Option<Date> {
    let (months, day) = (number.div_euclid(DAYS), number.rem_euclid(DAYS) + 1);
    let (years, month) = (months.div_euclid(MONTHS), months.rem_euclid(MONTHS) + 1);
    Date::new(i16::try_from(YEAR_ZERO + years).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// For a field's `serde(with)`.
///
/// # Errors
/// Those of the format.
pub(crate) fn serialize<S: Serializer>(date: &Option<Date>, serializer: S) -> Result<S::Ok, S::Error> {
    date.map(CivilDay).serialize(serializer)
}

/// For a field's `serde(with)`.
///
/// # Errors
/// Those of the format; a number that is no date's.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Date>, D::Error> {
    Ok(Option::<CivilDay>::deserialize(deserializer)?.map(|day| day.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::ToSpan;

    #[test]
    fn every_date_has_a_number_of_its_own_and_numbers_rise() {
        let (mut date, mut last) = (Date::constant(1899, 12, 28), i32::MIN);
        while date.year() < 2101 {
            let number = to_number(date);
            assert!(number > last);
            assert_eq!(from_number(number), Some(date));
            (last, date) = (number, date + 1.day());
        }
        for date in [Date::MIN, Date::MAX] {
            assert_eq!(from_number(to_number(date)), Some(date));
        }
    }

    #[test]
    fn numbers_between_the_dates_are_none() {
        let february_28 = to_number(Date::constant(2026, 2, 28));
        assert_eq!((1..=3).map(|days| from_number(february_28 + days)).collect::<Vec<_>>(), [None; 3]);
        assert_eq!(from_number(february_28 + 4), Some(Date::constant(2026, 3, 1)));
        assert_eq!([i32::MIN, i32::MAX].map(from_number), [None; 2]);
    }
}
