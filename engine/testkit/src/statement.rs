//! Invented statements whose amounts balance to the cent.
//!
//! ```text
//! billed = discount + not covered + allowed          allowed = plan paid + deductible + coinsurance + copay
//! member owes = deductible + coinsurance + copay + not covered
//! ```
//! An amount that a claim has not is `None`, not zero, as a source would leave it out. Descriptions are our own words.

use crate::{Person, Random};
use jiff::ToSpan;
use model::statement::{Amounts, ClaimStatus, LiabilityRule, Note, NoteKind, ServiceLine, Statement, StatementKind};
use model::{Cents, Date, Private};

/// What sort of claim is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Processed as primary, paid.
    Paid,
    /// Denied: nothing is covered, the member owes it all.
    Denied,
    /// The take-back of an earlier payment: negative amounts, no member share (X12 RFI 2548).
    Reversal,
}

const SERVICES: [(&str, &str); 12] = [
    ("HC:99213", "Office visit"),
    ("HC:99214", "Longer office visit"),
    ("HC:80053", "Blood chemistry panel"),
    ("HC:85025", "Blood count"),
    ("HC:36415", "Taking a blood sample"),
    ("HC:71046", "Chest X-ray, two views"),
    ("HC:93000", "Heart tracing"),
    ("HC:97110", "Exercise therapy"),
    ("HC:90686", "Flu vaccine"),
    ("HC:90471", "Giving a vaccine"),
    ("HC:87086", "Urine culture"),
    ("HC:J3420", "Vitamin B12 injection"),
];
const PROVIDERS: [&str; 8] = [
    "Invented Clinic of Birchdale",
    "Mock Valley Family Practice",
    "Specimen Street Laboratory",
    "Example Lakes Hospital",
    "Sample Ridge Orthopedics",
    "Testfield Imaging Center",
    "Placeholder Pediatrics",
    "Dummy Creek Physical Therapy",
];
/// The plan that all invented statements come from.
pub(crate) const PAYER: &str = "Example Health Plan";
const FIRST_SERVICE: Date = jiff::civil::date(2026, 1, 5);
const SERVICE_DAYS: u64 = 240;
const COPAY: Cents = Cents(2_500);

/// Invents a statement of `line_count` services.
pub(crate) fn invent(random: &mut Random, claim: Claim, claim_number: String, person: &Person, line_count: u16) -> Statement {
    let first_day = FIRST_SERVICE.saturating_add(random.below(SERVICE_DAYS).cast_signed().days());
    let coinsurance_percent = *random.pick(&[0, 10, 20, 20, 30]);
    let mut notes = Notes::default();
    let mut lines = Vec::with_capacity(usize::from(line_count));
    for number in 0..line_count {
        let day = first_day.saturating_add((i64::from(number) / 4).days());
        let amounts = line_amounts(random, claim, number, coinsurance_percent);
        let (code, description) = *random.pick(&SERVICES);
        lines.push(ServiceLine {
            service_from: Some(day),
            service_to: None,
            code: Some(code.into()),
            modifiers: if random.chance(150) { vec!["25".into()] } else { Vec::new() },
            description: Some(description.into()),
            notes: notes.of(&amounts),
            amounts,
        });
    }
    let last_day = lines.last().and_then(|line| line.service_from);
    Statement {
        kind: StatementKind::Eob,
        claim_number: claim_number.into(),
        member: person.as_member(true),
        status: match claim {
            Claim::Paid => ClaimStatus::ProcessedPrimary,
            Claim::Denied => ClaimStatus::Denied,
            Claim::Reversal => ClaimStatus::Reversal,
        },
        payer: Some(PAYER.into()),
        provider: Some((*random.pick(&PROVIDERS)).into()),
        service_from: Some(first_day),
        service_to: last_day.filter(|day| *day != first_day),
        totals: sum_of(&lines),
        liability_rule: if claim == Claim::Reversal { LiabilityRule::Unknown } else { LiabilityRule::Stated },
        lines,
        notes: notes.0,
        particulars: model::statement::Particulars::default(),
    }
}

fn line_amounts(random: &mut Random, claim: Claim, number: u16, coinsurance_percent: i64) -> Amounts {
    let billed = Cents(random.between(4_000, 60_000).cast_signed());
    if claim == Claim::Denied || (claim == Claim::Paid && random.chance(80)) {
        return not_covered(billed);
    }
    let allowed = Cents(billed.0 * random.between(40, 95).cast_signed() / 100);
    if claim == Claim::Reversal {
        return Amounts {
            billed: Some(-billed),
            allowed: Some(-allowed),
            discount: Some(allowed - billed),
            plan_paid: Some(-allowed),
            ..Amounts::default()
        };
    }
    let copay = if number == 0 && allowed > COPAY { COPAY } else { Cents::ZERO };
    let after_copay = allowed - copay;
    let deductible = if random.chance(250) { Cents(after_copay.0 * random.between(10, 100).cast_signed() / 100) } else { Cents::ZERO };
    let coinsurance = Cents((after_copay - deductible).0 * coinsurance_percent / 100);
    Amounts {
        billed: Some(billed),
        allowed: Some(allowed),
        discount: stated(billed - allowed),
        plan_paid: Some(after_copay - deductible - coinsurance),
        deductible: stated(deductible),
        coinsurance: stated(coinsurance),
        copay: stated(copay),
        not_covered: None,
        other_insurance: None,
        member_owes: Some(copay + deductible + coinsurance),
    }
}

fn not_covered(billed: Cents) -> Amounts {
    Amounts {
        billed: Some(billed),
        allowed: Some(Cents::ZERO),
        plan_paid: Some(Cents::ZERO),
        not_covered: Some(billed),
        member_owes: Some(billed),
        ..Amounts::default()
    }
}

/// A source leaves out what is nothing.
fn stated(amount: Cents) -> Option<Cents> {
    (amount != Cents::ZERO).then_some(amount)
}

fn sum_of(lines: &[ServiceLine]) -> Amounts {
    let sum = |member: fn(&Amounts) -> Option<Cents>| {
        let stated: Vec<Cents> = lines.iter().filter_map(|line| member(&line.amounts)).collect();
        (!stated.is_empty()).then(|| stated.into_iter().sum())
    };
    Amounts {
        billed: sum(|amounts| amounts.billed),
        allowed: sum(|amounts| amounts.allowed),
        discount: sum(|amounts| amounts.discount),
        plan_paid: sum(|amounts| amounts.plan_paid),
        deductible: sum(|amounts| amounts.deductible),
        coinsurance: sum(|amounts| amounts.coinsurance),
        copay: sum(|amounts| amounts.copay),
        not_covered: sum(|amounts| amounts.not_covered),
        other_insurance: sum(|amounts| amounts.other_insurance),
        member_owes: sum(|amounts| amounts.member_owes),
    }
}

/// The adjustments of one line as (group and reason, amount), in the order an 835 writes them.
pub(crate) fn adjustments(amounts: &Amounts) -> impl Iterator<Item = (&'static str, &'static str, Cents)> {
    let all = [
        ("CO", "45", amounts.discount),
        ("PR", "1", amounts.deductible),
        ("PR", "2", amounts.coinsurance),
        ("PR", "3", amounts.copay),
        ("PR", "96", amounts.not_covered),
    ];
    all.into_iter().filter_map(|(group, reason, amount)| amount.map(|amount| (group, reason, amount)))
}

#[derive(Default)]
struct Notes(Vec<Note>);

impl Notes {
    fn of(&mut self, amounts: &Amounts) -> Vec<u16> {
        let codes: Vec<String> = adjustments(amounts).map(|(group, reason, _)| format!("{group}-{reason}")).collect();
        codes.iter().map(|code| self.position(code)).collect()
    }

    fn position(&mut self, code: &str) -> u16 {
        let known = self.0.iter().position(|note| note.code.reveal() == code);
        let at = known.unwrap_or_else(|| {
            self.0.push(Note { kind: NoteKind::Adjustment, code: code.into(), text: wording(code).map(Private::from) });
            self.0.len() - 1
        });
        u16::try_from(at).expect("five codes at most")
    }
}

/// Our own plain words for a code.
fn wording(code: &str) -> Option<&'static str> {
    Some(match code {
        "CO-45" => "Your provider agreed to a lower price. You do not pay this part.",
        "PR-1" => "This part counts toward your deductible.",
        "PR-2" => "This is your coinsurance: your share of the cost.",
        "PR-3" => "This is your copay.",
        "PR-96" => "Your plan does not cover this service.",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(claim: Claim, index: u64, lines: u16) -> Statement {
        let person = Person::invent(1, index, &["one.example".to_owned()]);
        invent(&mut Random::of(1, 9, index), claim, format!("C{index}"), &person, lines)
    }

    #[test]
    fn every_line_and_every_sum_balances() {
        for index in 0..400 {
            for claim in [Claim::Paid, Claim::Denied, Claim::Reversal] {
                let statement = of(claim, index, 1 + (index % 40) as u16);
                for amounts in statement.lines.iter().map(|line| &line.amounts).chain([&statement.totals]) {
                    let adjusted: Cents = adjustments(amounts).map(|(_, _, amount)| amount).sum();
                    assert_eq!(amounts.billed.unwrap() - adjusted, amounts.plan_paid.unwrap());
                    let members_share: Cents =
                        adjustments(amounts).filter(|(group, _, _)| *group == "PR").map(|(_, _, amount)| amount).sum();
                    assert_eq!(amounts.member_owes.unwrap_or_default(), members_share);
                }
            }
        }
    }

    #[test]
    fn a_reversal_takes_back_and_states_no_member_share() {
        let statement = of(Claim::Reversal, 3, 5);
        assert!(statement.totals.plan_paid.unwrap() < Cents::ZERO);
        assert_eq!(statement.totals.member_owes, None);
    }

    #[test]
    fn notes_are_shared_between_lines_and_all_in_range() {
        let statement = of(Claim::Paid, 5, 40);
        assert!(statement.notes.len() <= 5);
        assert!(statement.lines.iter().flat_map(|line| &line.notes).all(|at| usize::from(*at) < statement.notes.len()));
    }
}
