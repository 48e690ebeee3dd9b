//! Where the gates stand.

use std::fmt;
use std::time::Duration;

/// A share, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PerMille(pub u32);

impl PerMille {
    /// Reads `1%`, `0.5%`, up to `1000%` (ten times).
    pub fn parse(text: &str) -> Option<Self> {
        let number = text.strip_suffix('%')?;
        let (whole, tenth) = number.split_once('.').unwrap_or((number, "0"));
        let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_digits(whole) || !is_digits(tenth) || tenth.len() != 1 || whole.len() > 4 {
            return None;
        }
        let value = whole.parse::<u32>().ok()? * 10 + tenth.parse::<u32>().ok()?;
        (value <= 10_000).then_some(Self(value))
    }

    /// Whether `part` is more than this share of `whole`.
    pub fn is_exceeded(self, part: u64, whole: u64) -> bool {
        u128::from(part) * 1000 > u128::from(whole) * u128::from(self.0)
    }

    /// This share of `whole`, rounded down.
    pub fn of(self, whole: u64) -> u64 {
        u64::try_from(u128::from(whole) * u128::from(self.0) / 1000).unwrap_or(u64::MAX)
    }
}

/// `1%`, `0.5%`.
impl fmt::Display for PerMille {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 % 10 {
            0 => write!(f, "{}%", self.0 / 10),
            tenth => write!(f, "{}.{tenth}%", self.0 / 10),
        }
    }
}

/// The thresholds of a tenant. `None` opens a gate for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateSettings {
    /// Share of rejected rows, and of rows whose id is another person's in the contact file.
    pub rejects: Option<PerMille>,
    /// Hold a damaged file.
    pub file_damage: bool,
    /// How far rows, money and the share without an address may be from the mean of the last cycles.
    pub volume: Option<PerMille>,
    /// How many cycles make the mean.
    pub cycles: usize,
    /// How old the contact file may be.
    pub contacts_age: Option<Duration>,
    /// How much of its rows the contact file may lose.
    pub contacts_shrink: Option<PerMille>,
    /// Look for record-shear.
    pub shear: bool,
    /// Of the known members, how many may get an address that was another member's.
    pub foreign_addresses: PerMille,
    /// Of the known members, how many may have another address than last time.
    pub changed_addresses: PerMille,
}

impl Default for GateSettings {
    fn default() -> Self {
        Self {
            rejects: Some(PerMille(10)),
            file_damage: true,
            volume: Some(PerMille(300)),
            cycles: 5,
            contacts_age: Some(Duration::from_secs(48 * 3600)),
            contacts_shrink: Some(PerMille(50)),
            shear: true,
            foreign_addresses: PerMille(10),
            changed_addresses: PerMille(200),
        }
    }
}

impl GateSettings {
    /// All gates open.
    pub fn open() -> Self {
        Self { rejects: None, file_damage: false, volume: None, contacts_age: None, contacts_shrink: None, shear: false, ..Self::default() }
    }

    /// Only the gate against record-shear.
    pub fn shear_alone() -> Self {
        Self { shear: true, ..Self::open() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_reads_back_and_is_compared_exactly() {
        for (text, value) in [("1%", 10), ("0.5%", 5), ("30%", 300), ("100%", 1000)] {
            assert_eq!(PerMille::parse(text), Some(PerMille(value)));
            assert_eq!(PerMille(value).to_string(), text);
        }
        for text in ["1", "%", "-1%", "0.55%", "1001%", ".5%", "1.%"] {
            assert_eq!(PerMille::parse(text), None, "{text}");
        }
        assert!(!PerMille(10).is_exceeded(1, 100) && PerMille(10).is_exceeded(2, 100));
        assert!(!PerMille(10).is_exceeded(0, 0) && PerMille(10).is_exceeded(1, 99));
    }
}
