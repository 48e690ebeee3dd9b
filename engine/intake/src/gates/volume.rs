//! The gates that count: rejects, rows, money, contacts.

use super::{Gate, GateFinding, GateSettings, History, PerMille, Present};
use crate::reason;
use model::MoneySummary;

/// Below half a percentage point more or less, the share without an address says nothing.
const NO_ADDRESS_SLACK: PerMille = PerMille(5);

pub(super) fn judge(settings: &GateSettings, present: &Present<'_>, history: &History) -> Vec<GateFinding> {
    let mut findings = Vec::new();
    rejects(settings, present, &mut findings);
    contacts(settings, present, history, &mut findings);
    if let Some(volume) = settings.volume {
        against_last_cycles(volume, settings.cycles, present, history, &mut findings);
    }
    findings
}

fn rejects(settings: &GateSettings, present: &Present<'_>, findings: &mut Vec<GateFinding>) {
    let (read, rejected) = (present.intake.read.rows, present.intake.rejected.rows);
    if settings.file_damage && present.file_findings > 0 {
        findings.push(GateFinding {
            gate: Gate::FileDamage,
            found: format!("{} places of the file are damaged outside its rows", present.file_findings),
            expected: "a whole file".to_owned(),
            action: "read the reject file: perhaps the file was cut on its way; cancel the batch and have it sent again, or release it"
                .to_owned(),
        });
    }
    let Some(limit) = settings.rejects else { return };
    if limit.is_exceeded(rejected, read) {
        findings.push(GateFinding {
            gate: Gate::Rejects,
            found: format!("{rejected} of {read} rows were rejected ({})", percent(rejected, read)),
            expected: format!("at most {limit}"),
            action: "read the reject file; cancel the batch and have the file made again, or release it without these rows".to_owned(),
        });
    }
    let mismatched = present.intake.reasons.get(reason::MEMBER_MISMATCH).copied().unwrap_or(0);
    if limit.is_exceeded(mismatched, read) {
        findings.push(GateFinding {
            gate: Gate::MemberMismatch,
            found: format!("{mismatched} of {read} rows have a member id that belongs to another name or birth date in the contacts ({})", percent(mismatched, read)),
            expected: format!("at most {limit}"),
            action: "a column is perhaps shifted, in the batch or in the contact file: compare both with their source; these rows themselves stay held".to_owned(),
        });
    }
}

fn contacts(settings: &GateSettings, present: &Present<'_>, history: &History, findings: &mut Vec<GateFinding>) {
    let Some(contacts) = present.contacts else { return };
    if let (Some(limit), Some(as_of)) = (settings.contacts_age, contacts.as_of) {
        let age = present.now.since(as_of);
        if age > limit {
            findings.push(GateFinding {
                gate: Gate::ContactsAge,
                found: format!("the contact file is {} hours old", age.as_secs() / 3600),
                expected: format!("at most {} hours", limit.as_secs() / 3600),
                action: "hand in tonight's contact file and the batch again, or release it".to_owned(),
            });
        }
    }
    let before = history.cycles().iter().rev().find_map(|cycle| cycle.contacts);
    if let (Some(limit), Some(before)) = (settings.contacts_shrink, before) {
        let lost = before.saturating_sub(contacts.rows);
        if limit.is_exceeded(lost, before) {
            findings.push(GateFinding {
                gate: Gate::ContactsShrunk,
                found: format!("the contact file has {} rows, last time it had {before} ({} fewer)", contacts.rows, percent(lost, before)),
                expected: format!("at most {limit} fewer"),
                action: "perhaps it was cut on its way: hand in a whole one and the batch again, or release it".to_owned(),
            });
        }
    }
}

fn against_last_cycles(limit: PerMille, cycles: usize, present: &Present<'_>, history: &History, findings: &mut Vec<GateFinding>) {
    let last = history.cycles();
    let last = &last[last.len().saturating_sub(cycles)..];
    let Ok(count) = i128::try_from(last.len()) else { return };
    if count == 0 {
        return;
    }
    let intake = present.intake;
    let sum = |of: &dyn Fn(&super::Cycle) -> i128| last.iter().map(of).sum::<i128>();
    let mut outside = |gate, what: &str, found: i128, sum: i128, shown: &dyn Fn(i128) -> String| {
        // Compared as found × count against sum: no division, no rounding.
        let (off, allowed) = ((found * count - sum).abs() * 1000, sum.abs() * i128::from(limit.0));
        if off > allowed {
            let mean = sum / count;
            let slack = mean.abs() * i128::from(limit.0) / 1000;
            findings.push(GateFinding {
                gate,
                found: format!("{what}: {}", shown(found)),
                expected: format!(
                    "{} to {} (the mean of the last {count} cycles, {}, give or take {limit})",
                    shown(mean - slack),
                    shown(mean + slack),
                    shown(mean)
                ),
                action: "find out why this cycle differs: a part of the file may be missing or doubled; release the batch if it is right"
                    .to_owned(),
            });
        }
    };
    outside(Gate::Rows, "rows", i128::from(intake.read.rows), sum(&|cycle| i128::from(cycle.rows)), &|rows| rows.to_string());
    type PartOf = fn(&MoneySummary) -> i64;
    let sums: [(&str, PartOf); 3] =
        [("billed", |money| money.billed.0), ("plan paid", |money| money.plan_paid.0), ("member owes", |money| money.member_owes.0)];
    for (what, part) in sums {
        let shown = |cents: i128| model::Cents(i64::try_from(cents).unwrap_or(i64::MAX)).to_string();
        outside(Gate::Money, what, i128::from(part(&intake.read.money)), sum(&|cycle| i128::from(part(&cycle.money))), &shown);
    }
    no_address(limit, present, sum(&|cycle| i128::from(cycle.no_address)), sum(&|cycle| i128::from(cycle.rows)), findings);
}

/// Shares, not numbers: a larger batch has more rows without an address.
fn no_address(limit: PerMille, present: &Present<'_>, before: i128, of: i128, findings: &mut Vec<GateFinding>) {
    let (found, rows) = (i128::from(present.intake.no_address.rows), i128::from(present.intake.read.rows));
    if of == 0 || rows == 0 {
        return;
    }
    // found/rows − before/of, over the common denominator.
    let off = (found * of - before * rows).abs();
    if off * 1000 > before * rows * i128::from(limit.0) && off * 1000 > rows * of * i128::from(NO_ADDRESS_SLACK.0) {
        let share = |part: i128, whole: i128| percent(u64::try_from(part).unwrap_or(0), u64::try_from(whole).unwrap_or(1));
        findings.push(GateFinding {
            gate: Gate::NoAddress,
            found: format!("{found} of {rows} rows have no address ({})", share(found, rows)),
            expected: format!("about {} as in the last cycles, give or take {limit} of it", share(before, of)),
            action:
                "perhaps the contact file is another month's or another plan's; hand in the right one and the batch again, or release it"
                    .to_owned(),
        });
    }
}

/// A share in tenths of a percent, for a sentence.
pub(super) fn percent(part: u64, whole: u64) -> String {
    let tenths = (u128::from(part) * 1000).checked_div(u128::from(whole)).unwrap_or(0);
    format!("{}.{}%", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::super::{ContactsSeen, Cycle, Pairs};
    use super::*;
    use model::record::{Intake, Part};
    use model::{Cents, Timestamp};

    const HOUR: u64 = 3_600_000;

    fn intake(rows: u64, rejected: u64, no_address: u64, billed: i64) -> Intake {
        let part = |rows, billed| Part { rows, money: MoneySummary { billed: Cents(billed), ..MoneySummary::default() } };
        Intake {
            source_records: rows,
            read: part(rows, billed),
            rejected: part(rejected, 0),
            no_address: part(no_address, 0),
            accepted: part(rows - rejected - no_address, billed),
            ..Intake::default()
        }
    }

    fn cycle(rows: u64, billed: i64, no_address: u64, contacts: u64) -> Cycle {
        let money = MoneySummary { billed: Cents(billed), ..MoneySummary::default() };
        Cycle { rows, money, no_address, contacts: Some(contacts), ..Cycle::default() }
    }

    fn gates(intake: &Intake, contacts: Option<ContactsSeen>, cycles: &[Cycle]) -> Vec<Gate> {
        let mut history = History::default();
        cycles.iter().for_each(|cycle| history.learn(cycle.clone(), &Pairs::default()));
        let pairs = Pairs::default();
        let present = Present { intake, file_findings: 0, contacts, pairs: &pairs, now: Timestamp(100 * HOUR) };
        judge(&GateSettings::default(), &present, &history).iter().map(|finding| finding.gate).collect()
    }

    #[test]
    fn each_gate_stands_where_it_is_said_to() {
        let cycles = [cycle(1000, 100_000, 20, 5000), cycle(1200, 120_000, 24, 5000)];
        let seen = |rows, hours: u64| Some(ContactsSeen { rows, as_of: Some(Timestamp(100 * HOUR - hours * HOUR)) });
        for (intake, contacts, expected) in [
            (intake(1100, 11, 22, 110_000), seen(5000, 48), vec![]),
            (intake(1100, 12, 22, 110_000), seen(5000, 1), vec![Gate::Rejects]),
            (intake(1430, 0, 28, 110_000), seen(4750, 1), vec![]),
            (intake(1431, 0, 28, 110_000), seen(5000, 1), vec![Gate::Rows]),
            (intake(769, 0, 15, 110_000), seen(5000, 1), vec![Gate::Rows]),
            (intake(1100, 0, 22, 143_001), seen(5000, 1), vec![Gate::Money]),
            (intake(1100, 0, 22, 76_999), seen(5000, 1), vec![Gate::Money]),
            (intake(1100, 0, 29, 110_000), seen(5000, 1), vec![Gate::NoAddress]),
            (intake(1100, 0, 24, 110_000), seen(5000, 1), vec![]),
            (intake(1100, 0, 22, 110_000), seen(5000, 49), vec![Gate::ContactsAge]),
            (intake(1100, 0, 22, 110_000), seen(4749, 1), vec![Gate::ContactsShrunk]),
        ] {
            assert_eq!(gates(&intake, contacts, &cycles), expected, "{intake:?} {contacts:?}");
        }
        assert_eq!(gates(&intake(5, 0, 0, 1), None, &[]), [], "the first cycle has nothing to be compared with");
    }

    #[test]
    fn a_finding_says_numbers_range_and_what_to_do() {
        let mut history = History::default();
        history.learn(cycle(1000, 100_000, 0, 1), &Pairs::default());
        let (intake, pairs) = (intake(2000, 0, 0, 100_000), Pairs::default());
        let present = Present { intake: &intake, file_findings: 0, contacts: None, pairs: &pairs, now: Timestamp(0) };
        let finding = judge(&GateSettings::default(), &present, &history).remove(0);
        let text = finding.to_string();
        assert!(
            text.starts_with("rows: rows: 2000; expected 700 to 1300 (the mean of the last 1 cycles, 1000, give or take 30%); find out"),
            "{text}"
        );
    }
}
