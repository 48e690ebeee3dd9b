//! How much a new address may send on each day until it is warm.
//!
//! A schedule is data (`configs/pools/warmup.toml`): some days with their ceilings. Between two of them the ceiling grows
//! evenly; after the last one there is none.

use crate::address::Day;
use crate::error::WarmupError;
use serde::Deserialize;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedSchedule {
    dated: String,
    sources: Vec<String>,
    idle_days_max: Spanned<u32>,
    #[serde(default)]
    step: Vec<Spanned<TypedStep>>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(deny_unknown_fields)]
struct TypedStep {
    day: u32,
    ceiling: u64,
}

/// A day of the warm-up and its ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    /// From 1.
    day: u32,
    /// Messages.
    ceiling: u64,
}

/// A schedule: days strictly growing from 1, ceilings growing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warmup {
    /// Never empty.
    steps: Vec<Step>,
    idle_days_max: u32,
}

impl Warmup {
    /// Reads a schedule from a file's text.
    ///
    /// # Errors
    /// What is wrong, with its line: an unknown key, no steps, days or ceilings that do not grow, a first day that is not 1.
    pub fn from_file(file: &str, text: &str) -> Result<Self, WarmupError> {
        let error = |at: usize, message: &str| WarmupError { file: file.to_owned(), line: line_of(text, at), message: message.to_owned() };
        let typed: TypedSchedule =
            toml::from_str(text).map_err(|wrong| error(wrong.span().map_or(0, |span| span.start), &wrong.message().replace('\n', " ")))?;
        if typed.dated.is_empty() || typed.sources.is_empty() {
            return Err(error(0, "expected `dated` and `sources`, so that the schedule can be looked up again"));
        }
        if *typed.idle_days_max.get_ref() == 0 {
            return Err(error(typed.idle_days_max.span().start, "expected at least 1 idle day"));
        }
        let mut steps: Vec<Step> = Vec::new();
        for step in &typed.step {
            let TypedStep { day, ceiling } = *step.get_ref();
            let grows = match steps.last() {
                None => day == 1 && ceiling > 0,
                Some(last) => day > last.day && ceiling > last.ceiling,
            };
            if !grows {
                return Err(error(step.span().start, "expected day 1 first, and each later step with a later day and a higher ceiling"));
            }
            steps.push(Step { day, ceiling });
        }
        if steps.is_empty() {
            return Err(error(0, "expected at least one [[step]] with day and ceiling"));
        }
        Ok(Self { steps, idle_days_max: *typed.idle_days_max.get_ref() })
    }

    /// Messages an address may send today whose warm-up began on that day; `None` = it is warm. Before its first day: 0.
    pub fn ceiling(&self, started: Day, today: Day) -> Option<u64> {
        if today < started {
            return Some(0);
        }
        let day = today.since(started) + 1;
        let next = self.steps.iter().position(|step| step.day >= day)?;
        let after = self.steps[next];
        if after.day == day || next == 0 {
            return Some(after.ceiling);
        }
        let before = self.steps[next - 1];
        let (gone, span) = (u64::from(day - before.day), u64::from(after.day - before.day));
        Some(before.ceiling + (after.ceiling - before.ceiling) * gone / span)
    }

    /// The number of the warm-up day, from 1; `None` before it began.
    pub fn day_number(started: Day, today: Day) -> Option<u32> {
        (today >= started).then(|| today.since(started) + 1)
    }

    /// An address that sent nothing for longer than this many days warms up again.
    pub fn idle_days_max(&self) -> u32 {
        self.idle_days_max
    }

    /// The ceiling of the last day: what a warm address counts as when mail is spread.
    pub fn full(&self) -> u64 {
        self.steps.last().map_or(1, |step| step.ceiling)
    }
}

fn line_of(text: &str, offset: usize) -> u32 {
    let before = &text.as_bytes()[..offset.min(text.len())];
    u32::try_from(before.iter().filter(|byte| **byte == b'\n').count()).unwrap_or(u32::MAX - 1) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "dated = \"2026-11-22\"\nsources = [\"x\"]\nidle_days_max = 30\n";

    fn read(steps: &str) -> Result<Warmup, WarmupError> {
        Warmup::from_file("w.toml", &format!("{HEAD}{steps}"))
    }

    #[test]
    fn the_ceiling_grows_evenly_and_then_falls_away() {
        let warmup = read("[[step]]\nday = 1\nceiling = 200\n[[step]]\nday = 3\nceiling = 1000\n").unwrap();
        let ceiling = |day: u32| warmup.ceiling(Day(100), Day(99 + day));
        assert_eq!([ceiling(0), ceiling(1), ceiling(2), ceiling(3), ceiling(4)], [Some(0), Some(200), Some(600), Some(1000), None]);
    }

    #[test]
    fn a_schedule_that_does_not_grow_is_refused_with_its_line() {
        let error = |steps: &str| read(steps).unwrap_err().to_string();
        assert!(
            error("[[step]]\nday = 1\nceiling = 200\n[[step]]\nday = 1\nceiling = 300\n").starts_with("w.toml:7: expected day 1 first")
        );
        assert!(error("[[step]]\nday = 2\nceiling = 200\n").starts_with("w.toml:4: "));
        assert!(error("").contains("at least one [[step]]"));
        assert!(error("[[step]]\nday = 1\nceiling = 200\nhour = 2\n").contains("hour"));
    }
}
