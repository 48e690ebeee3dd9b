//! What a line's amounts say about each other (the rules stand in `mod.rs`).

use super::diagnosis::Wrong;
use crate::reason;
use model::Cents;
use model::statement::{Amounts, LiabilityRule, ServiceLine};

/// Totals that do not contradict themselves.
pub(super) struct Judged {
    /// With the member's share, where it could be derived.
    pub(super) totals: Amounts,
    pub(super) rule: LiabilityRule,
    /// No line contradicts itself.
    pub(super) lines_balance: bool,
}

/// Judges the totals and lines of a statement.
pub(super) fn judge(mut totals: Amounts, lines: &[ServiceLine]) -> Result<Judged, Wrong> {
    // REQUIRED: the operator is shown the arithmetic. Amounts alone name nobody; `model::reject::Reject::expected` allows them here.
    if let Some((billed, parts)) = contradiction(&totals) {
        let expected = format!(
            "billed = discount + not_covered + other_insurance + deductible + coinsurance + copay + plan_paid, but {billed} is not {parts}"
        );
        return Err(Wrong::new(reason::CLAIM_UNBALANCED, "totals.billed", expected));
    }
    let charges: Option<Cents> = lines.iter().map(|line| line.amounts.billed).sum();
    if let (Some(billed), Some(charges), false) = (totals.billed, charges, lines.is_empty())
        && billed != charges
    {
        let expected = format!("billed to be the sum of the lines' billed, but {billed} is not {charges}");
        return Err(Wrong::new(reason::CLAIM_UNBALANCED, "totals.billed", expected));
    }
    let parts = totals.deductible.zip(totals.coinsurance).zip(totals.copay).zip(totals.not_covered);
    let parts = parts.map(|(((deductible, coinsurance), copay), not_covered)| (deductible + coinsurance + copay, not_covered));
    let rule = match (totals.member_owes, parts) {
        (Some(owes), Some((share, not_covered))) => {
            let (least, most) = (share + not_covered.min(Cents::ZERO), share + not_covered.max(Cents::ZERO));
            if owes < least || owes > most {
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
    let lines_balance = lines.iter().all(|line| contradiction(&line.amounts).is_none());
    Ok(Judged { totals, rule, lines_balance })
}

/// Billed and the sum of its parts, where all are stated and differ.
fn contradiction(amounts: &Amounts) -> Option<(Cents, Cents)> {
    let billed = amounts.billed?;
    let parts = amounts.discount?
        + amounts.not_covered?
        + amounts.other_insurance?
        + amounts.deductible?
        + amounts.coinsurance?
        + amounts.copay?
        + amounts.plan_paid?;
    (billed != parts).then_some((billed, parts))
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
        assert!(judge(whole(), &[]).is_ok());
        let off = Amounts { billed: Some(Cents(10_001)), ..whole() };
        assert_eq!(judge(off, &[]).err().unwrap().reason, reason::CLAIM_UNBALANCED);
        assert!(judge(Amounts { copay: None, ..off }, &[]).is_ok(), "where a part is not stated, it may be the difference");
        for (owes, fits) in [(1_999, false), (2_000, true), (2_500, true), (3_000, true), (3_001, false)] {
            let stated = Amounts { member_owes: Some(Cents(owes)), ..whole() };
            assert_eq!(judge(stated, &[]).is_ok(), fits, "{owes}");
        }
    }

    #[test]
    fn a_share_that_is_not_stated_is_derived_completely_or_not_at_all() {
        let judged = judge(whole(), &[]).ok().unwrap();
        assert_eq!((judged.totals.member_owes, judged.rule), (Some(Cents(3_000)), LiabilityRule::SumOfParts));
        let judged = judge(Amounts { not_covered: None, ..whole() }, &[]).ok().unwrap();
        assert_eq!((judged.totals.member_owes, judged.rule), (None, LiabilityRule::Unknown));
    }

    #[test]
    fn lines_add_up_and_do_not_contradict_themselves() {
        let line = ServiceLine { amounts: whole(), ..ServiceLine::default() };
        assert!(judge(whole(), std::slice::from_ref(&line)).ok().unwrap().lines_balance);
        assert!(judge(whole(), &[line.clone(), line.clone()]).is_err());
        let silent = ServiceLine::default();
        assert!(judge(whole(), &[line.clone(), silent]).is_ok());
        let mut off = line;
        off.amounts.copay = Some(Cents(501));
        assert!(!judge(whole(), &[off]).ok().unwrap().lines_balance);
    }
}
