//! One of our addresses, and what it has sent.

use model::{Date, Timestamp};
use std::net::IpAddr;
use std::sync::Arc;

const MILLISECONDS_PER_DAY: u64 = 86_400_000;

/// A day in UTC, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub u32);

impl Day {
    /// The day a moment lies in.
    pub fn of(now: Timestamp) -> Self {
        Self(u32::try_from(now.0 / MILLISECONDS_PER_DAY).unwrap_or(u32::MAX))
    }

    /// A civil date; before 1970 it is day 0.
    pub fn of_date(date: Date) -> Self {
        let hours = date.duration_since(Date::constant(1970, 1, 1)).as_hours();
        Self(u32::try_from(hours / 24).unwrap_or(0))
    }

    /// The first moment of the next day.
    pub fn end(self) -> Timestamp {
        Timestamp((u64::from(self.0) + 1) * MILLISECONDS_PER_DAY)
    }

    /// Whole days since an earlier one; 0 where that is later.
    pub fn since(self, earlier: Self) -> u32 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Where a connection comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceAddress {
    /// The address; `None` leaves it to the kernel.
    pub ip: Option<IpAddr>,
    /// What it says in EHLO: the name its reverse DNS has.
    pub ehlo_name: Arc<str>,
    /// Its number: the same as long as the configuration is.
    pub id: u16,
}

/// What must survive a restart, so that a ceiling holds and an idle address is known to be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressUse {
    /// The address.
    pub ip: IpAddr,
    /// The last day on which it sent.
    pub day: Day,
    /// Messages leased on that day: sent, or counted so.
    pub leased: u64,
    /// Where idleness made it warm up again: since when.
    pub warming_again_since: Option<Day>,
}
