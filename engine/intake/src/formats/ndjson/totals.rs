//! What a line's amounts say about each other (the rules stand in `mod.rs`).

use super::diagnosis::Wrong;
use crate::reason;
use model::Cents;
use model::statement::{Amounts, LiabilityRule, ServiceLine};

/// Totals that do not contradict themselves.
pub(crate) struct Judged {
    /// With the member's share, where it could be derived.
    pub(crate) totals: Amounts,
    pub(crate) rule: LiabilityRule,
    /// No line contradicts itself.
    pub(crate) lines_balance: bool,
}

/// Judges the totals and lines of a statement. `rounded`: how many of its amounts were rounded, each of them by at most half a cent; what
/// that can explain is no contradiction.
pub(crate) fn judge(mut totals: Amounts, lines: &[ServiceLine], rounded: u64) -> Result<Judged, Wrong> {
    let slack = Cents(i64::try_from(rounded / 2).unwrap_or(i64::MAX));
    // REQUIRED: the operator is shown the arithmetic. Amounts alone name nobody; `model::reject::Reject::expected` allows them here.
    if let Some((billed, parts)) = contradiction(&totals, slack) {
        let expected = format!(
            "billed = discount + not_covered + other_insurance + deductible + coinsurance + copay + plan_paid, but {billed} is not {parts}"
        );
        return Err(Wrong::new(reason::CLAIM_UNBALANCED, "totals.billed", expected));
    }
    let charges: Option<Cents> = lines.iter().map(|line| line.amounts.billed).sum();
    if let (Some(billed), Some(charges), false) = (totals.billed, charges, lines.is_empty())
        && differ(billed, charges, slack)
    {
        let expected = format!("billed to be the sum of the lines' billed, but {billed} is not {charges}");
        return Err(Wrong::new(reason::CLAIM_UNBALANCED, "totals.billed", expected));
    }
    let parts = totals.deductible.zip(totals.coinsurance).zip(totals.copay).zip(totals.not_covered);
    let parts = parts.map(|(((deductible, coinsurance), copay), not_covered)| (deductible + coinsurance + copay, not_covered));
    let rule = match (totals.member_owes, parts) {
        (Some(owes), Some((share, not_covered))) => {
            let (least, most) = (share + not_covered.min(Cents::ZERO), share + not_covered.max(Cents::ZERO));
            if owes < least - slack || owes > most + slack {
                let expected = format!(
                    "member_owes between deductible + coinsurance + copay and that + not_covered, {least} to {most}, but it is {owes}"
                );
                return Err(Wrong::new(reason::MEMBER_SHARE_UNBALANCED, "totals.member_owes", expected));
            }
            LiabilityRule::Stated
        }
        (Some(_), None) => LiabilityRule::Stated,
        (None, Some((share, not_covered))) => {
            totals.member_owes = Some(share + not_covered);
            LiabilityRule::SumOfParts
        }
        (None, None) => LiabilityRule::Unknown,
    };
    let lines_balance = lines.iter().all(|line| contradiction(&line.amounts, slack).is_none());
    Ok(Judged { totals, rule, lines_balance })
}

/// Billed and the sum of its parts, where all are stated and differ.
fn contradiction(amounts: &Amounts, slack: Cents) -> Option<(Cents, Cents)> {
    let billed = amounts.billed?;
    let parts = amounts.discount?
        + amounts.not_covered?
        + amounts.other_insurance?
        + amounts.deductible?
        + amounts.coinsurance?
        + amounts.copay?
        + amounts.plan_paid?;
    differ(billed, parts, slack).then_some((billed, parts))
}

fn differ(one: Cents, other: Cents, slack: Cents) -> bool {
    (one - other).0.abs() > slack.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> Amounts {
        let cents = |cents| Some(Cents(cents));
        Amounts {
            billed: cents(10_000),
            allowed: None,
            discount: cents(3_000),
            plan_paid: cents(4_000),
            deductible: cents(1_000),
            coinsurance: cents(500),
            copay: cents(500),
            not_covered: cents(1_000),
            other_insurance: cents(0),
            member_owes: None,
        }
    }

    #[test]
    fn only_true_contradictions_are_rejected() {
        assert!(judge(whole(), &[], 0).is_ok());
        let off = Amounts { billed: Some(Cents(10_001)), ..whole() };
        assert_eq!(judge(off, &[], 0).err().unwrap().reason, reason::CLAIM_UNBALANCED);
        assert!(judge(Amounts { copay: None, ..off }, &[], 0).is_ok(), "where a part is not stated, it may be the difference");
        for (owes, fits) in [(1_999, false), (2_000, true), (2_500, true), (3_000, true), (3_001, false)] {
            let stated = Amounts { member_owes: Some(Cents(owes)), ..whole() };
            assert_eq!(judge(stated, &[], 0).is_ok(), fits, "{owes}");
        }
    }

    #[test]
    fn a_share_that_is_not_stated_is_derived_completely_or_not_at_all() {
        let judged = judge(whole(), &[], 0).ok().unwrap();
        assert_eq!((judged.totals.member_owes, judged.rule), (Some(Cents(3_000)), LiabilityRule::SumOfParts));
        let judged = judge(Amounts { not_covered: None, ..whole() }, &[], 0).ok().unwrap();
        assert_eq!((judged.totals.member_owes, judged.rule), (None, LiabilityRule::Unknown));
    }

    #[test]
    fn lines_add_up_and_do_not_contradict_themselves() {
        let line = ServiceLine { amounts: whole(), ..ServiceLine::default() };
        assert!(judge(whole(), std::slice::from_ref(&line), 0).ok().unwrap().lines_balance);
        assert!(judge(whole(), &[line.clone(), line.clone()], 0).is_err());
        let silent = ServiceLine::default();
        assert!(judge(whole(), &[line.clone(), silent], 0).is_ok());
        let cents = |off: i64| Amounts { billed: Some(Cents(20_000 + off)), ..Amounts::default() };
        for (off, rounded, fits) in [(1, 0, false), (1, 1, false), (-1, 2, true), (2, 3, false), (2, 4, true)] {
            assert_eq!(judge(cents(off), &[line.clone(), line.clone()], rounded).is_ok(), fits, "{off} {rounded}");
        }
        let mut off = line;
        off.amounts.copay = Some(Cents(501));
        assert!(!judge(whole(), &[off], 0).ok().unwrap().lines_balance);
    }
}
