//! Amounts out of text: exact decimals, and the one place where a fraction of a cent may be rounded.
//!
//! ```text
//! text ─► Exact (integer of 10⁻¹⁸ dollars) ─► Cents      exact, or refused, or rounded half to even and counted
//! ```
//! It promises that nothing goes through a float, that `12.50`, `12.5` and `12.500000` are the same amount, and that a rounded amount is
//! rounded once: whoever adds parts adds [`Exact`]s and rounds the sum. What the rounding moved is counted to the last digit ([`Rounded`]).
//!
//! It leaves to others: which field an amount belongs to, and the reject that names it.
//!
//! The one surprise: an exponent is read only where JSON writes a number ([`number`]). In delimited text `1.2E+05` is what a spreadsheet
//! leaves of an amount after dropping digits, so there it is refused.

use crate::reason;
use model::Cents;
use model::money::{CENTS_MAX, MoneyError};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub};
use std::str::FromStr;

/// Decimals of a dollar that are kept. A double printed in full has 17 significant digits; 18 decimals hold what exporters write.
const DECIMALS: u32 = 18;
/// Units of [`Exact`] in a cent.
const UNITS_PER_CENT: i128 = 10i128.pow(DECIMALS - 2);
/// Longest text of an amount, in bytes: all digits that could matter, with as many zeros again.
const TEXT_BYTES_MAX: usize = 64;

/// What becomes of a fraction of a cent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// The statement is rejected; the reject names the field.
    #[default]
    Refuse,
    /// Rounded once per field of the statement, half to even; the difference is counted.
    HalfEven,
}

impl Rounding {
    /// The name used in configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::HalfEven => "half_even",
        }
    }
}

impl fmt::Display for Rounding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected refuse or half_even")]
pub struct UnknownRounding;

impl FromStr for Rounding {
    type Err = UnknownRounding;
    fn from_str(text: &str) -> Result<Self, UnknownRounding> {
        match text {
            "refuse" => Ok(Self::Refuse),
            "half_even" => Ok(Self::HalfEven),
            _ => Err(UnknownRounding),
        }
    }
}

/// Why a text is no amount. Carries no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not a decimal number.
    #[error("an exact decimal such as 1234.56")]
    NotDecimal,
    /// A number with an exponent where only plain decimals are read.
    #[error("all digits of the amount; an exponent is what a spreadsheet leaves after dropping some")]
    Exponent,
    /// A fraction of a cent, and [`Rounding::Refuse`].
    #[error("at most two decimals that are not zero; rounding = \"half_even\" of the input would allow more")]
    SubCent,
    /// More decimals than are kept.
    #[error("at most 18 decimals that are not zero")]
    TooPrecise,
    /// Beyond ten billion dollars.
    #[error("an amount of at most ten billion dollars")]
    TooLarge,
}

impl AmountError {
    /// The reason code of the reject.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::SubCent => reason::AMOUNT_SUB_CENT,
            _ => reason::AMOUNT_MALFORMED,
        }
    }
}

/// What rounding did to a batch or a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rounded {
    /// Amounts that were rounded.
    pub amounts: u64,
    /// Sum of rounded less exact amounts; what the rounding added.
    pub difference: Exact,
}

impl AddAssign for Rounded {
    fn add_assign(&mut self, other: Self) {
        self.amounts += other.amounts;
        self.difference = self.difference + other.difference;
    }
}

/// An amount with all its decimals, in units of 10⁻¹⁸ dollars.
///
/// Amounts that were read are at most ten billion dollars (10²⁸ units), so that 10¹⁰ of them can be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Exact(i128);

impl Exact {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Reads `[-+]digits[.digits]`.
    ///
    /// # Errors
    /// [`AmountError`], never [`AmountError::SubCent`].
    pub fn parse(text: &str) -> Result<Self, AmountError> {
        let Scanned { value, exponent } = scan(text)?;
        if exponent.is_some() { Err(AmountError::Exponent) } else { Ok(value) }
    }

    /// Reads a number as JSON writes it (RFC 8259 section 6): also `1e2` and `1.50E+1`, exactly.
    ///
    /// # Errors
    /// [`AmountError`], never [`AmountError::SubCent`] or [`AmountError::Exponent`].
    pub fn parse_number(text: &str) -> Result<Self, AmountError> {
        let Scanned { value, exponent } = scan(text)?;
        exponent.map_or(Ok(value), |exponent| value.shifted(exponent))
    }

    /// In cents: exact, or by `rounding`; what it moved is added to `rounded`.
    ///
    /// # Errors
    /// [`AmountError::SubCent`] where there is a fraction of a cent and [`Rounding::Refuse`]; [`AmountError::TooLarge`].
    pub fn to_cents(self, rounding: Rounding, rounded: &mut Rounded) -> Result<Cents, AmountError> {
        let (mut cents, rest) = (self.0.div_euclid(UNITS_PER_CENT), self.0.rem_euclid(UNITS_PER_CENT));
        if rest != 0 {
            if rounding == Rounding::Refuse {
                return Err(AmountError::SubCent);
            }
            let is_up = rest * 2 > UNITS_PER_CENT || (rest * 2 == UNITS_PER_CENT && cents % 2 != 0);
            cents += i128::from(is_up);
            *rounded += Rounded { amounts: 1, difference: Self(cents * UNITS_PER_CENT - self.0) };
        }
        if cents.abs() > i128::from(CENTS_MAX) {
            return Err(AmountError::TooLarge);
        }
        i64::try_from(cents).map(Cents).map_err(|_| AmountError::TooLarge)
    }

    /// Times a power of ten; nothing is lost.
    fn shifted(self, exponent: i32) -> Result<Self, AmountError> {
        if self.0 == 0 {
            return Ok(self);
        }
        let power = 10i128.checked_pow(exponent.unsigned_abs());
        if exponent < 0 {
            let power = power.ok_or(AmountError::TooPrecise)?;
            return if self.0 % power == 0 { Ok(Self(self.0 / power)) } else { Err(AmountError::TooPrecise) };
        }
        let value = power.and_then(|power| self.0.checked_mul(power)).map(Self);
        value.filter(|value| !value.is_too_large()).ok_or(AmountError::TooLarge)
    }

    /// Times 10 to the power of -`decimals`.
    pub(crate) fn shifted_down(self, decimals: u32) -> Result<Self, AmountError> {
        self.shifted(-i32::try_from(decimals).map_err(|_| AmountError::TooPrecise)?)
    }

    const fn is_too_large(self) -> bool {
        self.0.unsigned_abs() > CENTS_MAX as u128 * UNITS_PER_CENT as u128
    }
}

impl From<Cents> for Exact {
    fn from(cents: Cents) -> Self {
        Self(i128::from(cents.0) * UNITS_PER_CENT)
    }
}

impl Add for Exact {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Exact {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Neg for Exact {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl Sum for Exact {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

/// Dollars with as many decimals as there are: `0.005`, `-12`.
impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = 10u128.pow(DECIMALS);
        let (whole, fraction) = (self.0.unsigned_abs() / units, self.0.unsigned_abs() % units);
        let sign = if self.0 < 0 { "-" } else { "" };
        let decimals = format!("{fraction:018}");
        match decimals.trim_end_matches('0') {
            "" => write!(f, "{sign}{whole}"),
            decimals => write!(f, "{sign}{whole}.{decimals}"),
        }
    }
}

/// The cents of a plain decimal.
///
/// # Errors
/// [`AmountError`]: what was expected, without the value.
pub fn cents(text: &str, rounding: Rounding, rounded: &mut Rounded) -> Result<Cents, AmountError> {
    match Cents::parse(text) {
        Ok(cents) => Ok(cents),
        Err(MoneyError::SubCent) if rounding == Rounding::Refuse => Err(AmountError::SubCent),
        Err(_) => Exact::parse(text)?.to_cents(rounding, rounded),
    }
}

/// The cents of a plain decimal in bytes.
///
/// # Errors
/// [`AmountError`]: what was expected, without the value.
pub(crate) fn cents_of_bytes(text: &[u8], rounding: Rounding, rounded: &mut Rounded) -> Result<Cents, AmountError> {
    match Cents::parse_bytes(text) {
        Ok(amount) => Ok(amount),
        Err(_) => cents(std::str::from_utf8(text).map_err(|_| AmountError::NotDecimal)?, rounding, rounded),
    }
}

/// The cents of a number of a JSON document, by its raw text.
///
/// # Errors
/// [`AmountError`]: what was expected, without the value.
pub fn number(raw: &str, rounding: Rounding, rounded: &mut Rounded) -> Result<Cents, AmountError> {
    match Cents::parse(raw) {
        Ok(cents) => Ok(cents),
        Err(_) => Exact::parse_number(raw)?.to_cents(rounding, rounded),
    }
}

struct Scanned {
    value: Exact,
    exponent: Option<i32>,
}

fn scan(text: &str) -> Result<Scanned, AmountError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(AmountError::NotDecimal);
    }
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(exponent(&text[at + 1..])?)),
        None => (text, None),
    };
    let (negative, digits) = match mantissa.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        all => (false, all),
    };
    let (mut units, mut decimals, mut any) = (0i128, None::<u32>, false);
    for byte in digits {
        match (byte, &mut decimals) {
            (b'.', None) => decimals = Some(0),
            (b'0'..=b'9', decimals) => {
                any = true;
                let digit = i128::from(byte - b'0');
                match decimals {
                    Some(count) if *count >= DECIMALS => {
                        if digit != 0 {
                            return Err(AmountError::TooPrecise);
                        }
                        continue;
                    }
                    Some(count) => *count += 1,
                    None => {}
                }
                units = units.checked_mul(10).and_then(|units| units.checked_add(digit)).ok_or(AmountError::TooLarge)?;
            }
            _ => return Err(AmountError::NotDecimal),
        }
    }
    if !any {
        return Err(AmountError::NotDecimal);
    }
    let missing = DECIMALS - decimals.unwrap_or(0);
    let units = units.checked_mul(10i128.pow(missing)).ok_or(AmountError::TooLarge)?;
    let value = Exact(if negative { -units } else { units });
    if value.is_too_large() {
        return Err(AmountError::TooLarge);
    }
    Ok(Scanned { value, exponent })
}

/// `[-+]digits`. More than a few hundred is as good as anything: no amount has so many digits.
fn exponent(text: &str) -> Result<i32, AmountError> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(AmountError::NotDecimal);
    }
    let size = digits.parse::<i32>().unwrap_or(i32::MAX).min(1_000);
    Ok(if text.starts_with('-') { -size } else { size })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, rounding: Rounding) -> (Result<Cents, AmountError>, Rounded) {
        let mut rounded = Rounded::default();
        let read = match text.strip_prefix('"') {
            Some(text) => cents(text, rounding, &mut rounded),
            None => number(text, rounding, &mut rounded),
        };
        (read, rounded)
    }

    #[test]
    fn zeros_at_the_end_and_exponents_of_json_are_exact() {
        let cases = [
            ("78.0600000000000000000000", 7_806),
            ("\"12.500000", 1_250),
            ("1e2", 10_000),
            ("1.50E+1", 1_500),
            ("-125e-2", -125),
            ("1e-1", 10),
            ("0e999", 0),
            ("0.000000000000000001e18", 100),
            ("10000000000", 1_000_000_000_000),
        ];
        for (text, cents) in cases {
            assert_eq!(read(text, Rounding::Refuse), (Ok(Cents(cents)), Rounded::default()), "{text}");
        }
    }

    #[test]
    fn halves_go_to_the_even_cent_and_the_difference_is_exact() {
        let cases = [
            ("0.005", 0, "-0.005"),
            ("0.015", 2, "0.005"),
            ("-0.005", 0, "0.005"),
            ("-0.015", -2, "-0.005"),
            ("0.0050000000000001", 1, "0.0049999999999999"),
            ("363.1499999999998", 36_315, "0.0000000000002"),
            ("1.999", 200, "0.001"),
            ("25e-4", 0, "-0.0025"),
        ];
        for (text, cents, difference) in cases {
            let (amount, rounded) = read(text, Rounding::HalfEven);
            assert_eq!((amount, rounded.amounts, rounded.difference.to_string().as_str()), (Ok(Cents(cents)), 1, difference), "{text}");
            assert_eq!(read(text, Rounding::Refuse), (Err(AmountError::SubCent), Rounded::default()), "{text}");
        }
    }

    #[test]
    fn a_sum_is_rounded_once() {
        let parts = ["0.004", "0.004", "0.004"].map(|part| Exact::parse(part).unwrap());
        let mut rounded = Rounded::default();
        assert_eq!(parts.into_iter().sum::<Exact>().to_cents(Rounding::HalfEven, &mut rounded), Ok(Cents(1)));
        assert_eq!((rounded.amounts, rounded.difference.to_string().as_str()), (1, "-0.002"));
    }

    #[test]
    fn what_is_no_amount_is_told_apart() {
        for (text, error) in [
            ("\"1E2", AmountError::Exponent),
            ("\"1.2E+05", AmountError::Exponent),
            ("1e", AmountError::NotDecimal),
            ("1e1.5", AmountError::NotDecimal),
            ("--1", AmountError::NotDecimal),
            ("1.2.3", AmountError::NotDecimal),
            (".", AmountError::NotDecimal),
            ("\"1,000.00", AmountError::NotDecimal),
            ("\" 1", AmountError::NotDecimal),
            ("NaN", AmountError::NotDecimal),
            ("1e-19", AmountError::TooPrecise),
            ("1e-2147483649", AmountError::TooPrecise),
            ("0.0000000000000000001", AmountError::TooPrecise),
            ("1e11", AmountError::TooLarge),
            ("1e2147483648", AmountError::TooLarge),
            ("10000000000.01", AmountError::TooLarge),
            ("9999999999999999999999999999999999999999", AmountError::TooLarge),
        ] {
            assert_eq!(read(text, Rounding::HalfEven).0, Err(error), "{text}");
        }
        let long = format!("0.{}", "0".repeat(80));
        assert_eq!(cents(&long, Rounding::Refuse, &mut Rounded::default()), Ok(Cents::ZERO), "zeros say nothing, however many");
    }

    proptest::proptest! {
        #[test]
        fn rounding_moves_at_most_half_a_cent_and_tells_all_of_it(units in -10i128.pow(28)..=10i128.pow(28)) {
            let exact = Exact(units);
            let mut rounded = Rounded::default();
            let cents = exact.to_cents(Rounding::HalfEven, &mut rounded).unwrap();
            proptest::prop_assert!(rounded.difference.0.abs() * 2 <= UNITS_PER_CENT);
            proptest::prop_assert_eq!(exact + rounded.difference, Exact::from(cents));
            proptest::prop_assert_eq!(Exact::parse(&exact.to_string()), Ok(exact));
        }
    }
}
