//! Money as integer cents.
//!
//! Amounts come from outside as decimal text and leave as decimal text; between the two there is no
//! float and no rounding. An amount the source does not state is `None`, never zero (invariant 14).

use serde::{Deserialize, Serialize};
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};

/// The largest amount read from outside, in cents: ten billion dollars. Sums of a batch stay far inside `i64`.
pub const CENTS_MAX: i64 = 1_000_000_000_000;

/// Digits before the point that stay below [`CENTS_MAX`] whatever they are.
const PLAIN_DIGITS_MAX: usize = 10;
const _: () = assert!(10i64.pow(PLAIN_DIGITS_MAX as u32 + 2) <= CENTS_MAX);

/// An amount of US cents; negative for credits and take-backs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cents(pub i64);

/// Why a text is not an amount. Carries no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a plain decimal number.
    #[error("not a decimal amount such as 1234.56")]
    NotDecimal,
    /// A fraction of a cent that is not zero.
    #[error("has a fraction of a cent")]
    SubCent,
    /// Beyond [`CENTS_MAX`].
    #[error("is beyond ten billion dollars")]
    TooLarge,
}

impl Cents {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Reads `[-+]digits[.digits]`; further zeros after the second decimal are fine.
    ///
    /// # Errors
    /// [`MoneyError`] where the text is empty or no decimal number, has a non-zero fraction of a cent, or is too large.
    pub fn parse(text: &str) -> Result<Self, MoneyError> {
        Self::parse_bytes(text.as_bytes())
    }

    /// The same of bytes: whatever is no ASCII is no amount.
    ///
    /// # Errors
    /// As [`Cents::parse`].
    pub fn parse_bytes(text: &[u8]) -> Result<Self, MoneyError> {
        match plain(text) {
            Some(cents) => Ok(Self(cents)),
            None => Self::parse_any(text),
        }
    }

    fn parse_any(text: &[u8]) -> Result<Self, MoneyError> {
        let (negative, digits) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            all => (false, all),
        };
        let (mut value, mut decimals, mut any) = (0i64, None::<u32>, false);
        for byte in digits {
            match (byte, &mut decimals) {
                (b'0'..=b'9', Some(2)) => match byte {
                    b'0' => {}
                    _ => return Err(MoneyError::SubCent),
                },
                (b'0'..=b'9', decimals) => {
                    any = true;
                    value = value * 10 + i64::from(byte - b'0');
                    if value > CENTS_MAX {
                        return Err(MoneyError::TooLarge);
                    }
                    if let Some(count) = decimals {
                        *count += 1;
                    }
                }
                (b'.', None) => decimals = Some(0),
                _ => return Err(MoneyError::NotDecimal),
            }
        }
        if !any {
            return Err(MoneyError::NotDecimal);
        }
        let cents = match decimals {
            None | Some(0) => value * 100,
            Some(1) => value * 10,
            Some(_) => value,
        };
        if cents > CENTS_MAX {
            return Err(MoneyError::TooLarge);
        }
        Ok(Self(if negative { -cents } else { cents }))
    }
}

/// The cents of `digits.dd`, as nearly all amounts are written; other forms are read at leisure. Below ten billion dollars,
/// so nothing overflows.
fn plain(text: &[u8]) -> Option<i64> {
    let [dollars @ .., b'.', tens, units] = text else { return None };
    if dollars.is_empty() || dollars.len() > PLAIN_DIGITS_MAX {
        return None;
    }
    dollars.iter().chain([tens, units]).try_fold(0, |cents, byte| byte.is_ascii_digit().then(|| cents * 10 + i64::from(byte - b'0')))
}

/// `1234.56`, `-0.05`: exact, without thousands marks. The reader's form is the renderer's business.
impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let cents = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", cents / 100, cents % 100)
    }
}

impl Add for Cents {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Cents {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sub for Cents {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl SubAssign for Cents {
    fn sub_assign(&mut self, other: Self) {
        self.0 -= other.0;
    }
}

impl Neg for Cents {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl Sum for Cents {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

/// The three sums a batch is reconciled by. An amount that is not stated counts as nothing in a sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MoneySummary {
    /// What the providers charged.
    pub billed: Cents,
    /// What the plan paid.
    pub plan_paid: Cents,
    /// What the member owes.
    pub member_owes: Cents,
}

impl AddAssign for MoneySummary {
    fn add_assign(&mut self, other: Self) {
        self.billed += other.billed;
        self.plan_paid += other.plan_paid;
        self.member_owes += other.member_owes;
    }
}

impl SubAssign for MoneySummary {
    fn sub_assign(&mut self, other: Self) {
        self.billed -= other.billed;
        self.plan_paid -= other.plan_paid;
        self.member_owes -= other.member_owes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_real_files_write() {
        for (text, cents) in
            [("0", 0), ("23", 2300), ("1.5", 150), (".5", 50), ("7.", 700), ("-719.81", -71981), ("34.6000", 3460), ("00000000", 0)]
        {
            assert_eq!(Cents::parse(text), Ok(Cents(cents)), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_exact_amount() {
        for text in ["", ".", "-", "1,000", "1e3", "1.2.3", "NaN", "amount", " 1", "1.00x"] {
            assert_eq!(Cents::parse(text), Err(MoneyError::NotDecimal), "{text}");
        }
        assert_eq!(Cents::parse("1.005"), Err(MoneyError::SubCent));
        assert_eq!(Cents::parse("99999999999999999999"), Err(MoneyError::TooLarge));
    }

    #[test]
    fn prints_exactly() {
        assert_eq!(Cents(-5).to_string(), "-0.05");
        assert_eq!(Cents(123_456).to_string(), "1234.56");
    }

    proptest::proptest! {
        #[test]
        fn text_and_cents_agree(cents in -CENTS_MAX..=CENTS_MAX) {
            proptest::prop_assert_eq!(Cents::parse(&Cents(cents).to_string()), Ok(Cents(cents)));
        }

        #[test]
        fn the_short_way_and_the_long_way_agree(text in "[-+]?[0-9]{0,13}[.x]?[0-9]{0,3}") {
            proptest::prop_assert_eq!(Cents::parse(&text), Cents::parse_any(text.as_bytes()));
        }
    }
}
