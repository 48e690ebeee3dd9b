//! Where an adjustment (CAS) counts: discount, not covered, another insurer, or one of the member's parts.
//!
//! Every adjustment counts in exactly one part, so that
//! `billed = discount + not_covered + other_insurance + deductible + coinsurance + copay + plan_paid`
//! closes to the cent wherever `billed - adjustments = paid` does:
//!
//! | group, reason | part |
//! |---|---|
//! | PR 1, PR 2, PR 3 | deductible, coinsurance, copay |
//! | PR, any other | not covered (the member owes it) |
//! | OA 23 | other insurance |
//! | any other group, a reason of [`CONTRACTUAL`] | discount |
//! | any other group, any other reason | not covered (the provider writes it off, or it is settled elsewhere) |
//!
//! The reasons are code numbers only. Their descriptions are X12's and are not shipped; the words below are our own.

/// Reasons by which a contract, a fee schedule or a law lowers the price, so that nobody is billed for the difference.
const CONTRACTUAL: [(&str, &str); 22] = [
    ("24", "paid by capitation"),
    ("42", "above the plan's maximum (older code)"),
    ("44", "discount for prompt payment"),
    ("45", "above the contracted price"),
    ("59", "reduced because of several procedures at once"),
    ("91", "dispensing fee"),
    ("94", "paid by case or day rather than by charge"),
    ("97", "part of another service's price"),
    ("102", "major medical"),
    ("103", "promotional discount"),
    ("104", "managed care withhold"),
    ("105", "tax withhold"),
    ("131", "negotiated discount"),
    ("137", "surcharge or tax under a law"),
    ("144", "incentive"),
    ("161", "provider performance"),
    ("172", "other fee for another specialty"),
    ("223", "set by a law that no other code names"),
    ("237", "penalty under a law"),
    ("253", "federal sequestration"),
    ("A2", "contract (older code)"),
    ("P12", "workers' compensation fee schedule"),
];

/// Whose adjustment it is (CAS01).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    /// PR: the member's responsibility.
    Member,
    /// OA: neither.
    Other,
    /// CO, PI, and CR of older versions: the provider's.
    Provider,
}

/// What an adjustment counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Discount,
    NotCovered,
    OtherInsurance,
    Deductible,
    Coinsurance,
    Copay,
}

impl Group {
    /// Reads CAS01; `None` for a code that 005010X221A1 and its forerunners do not have.
    pub(crate) fn read(code: &[u8]) -> Option<Self> {
        match code {
            b"PR" => Some(Self::Member),
            b"OA" => Some(Self::Other),
            b"CO" | b"PI" | b"CR" => Some(Self::Provider),
            _ => None,
        }
    }

    /// What an adjustment of this group with this reason counts as.
    pub(crate) fn part(self, reason: &[u8]) -> Part {
        match (self, reason) {
            (Self::Member, b"1") => Part::Deductible,
            (Self::Member, b"2") => Part::Coinsurance,
            (Self::Member, b"3") => Part::Copay,
            (Self::Member, _) => Part::NotCovered,
            (Self::Other, b"23") => Part::OtherInsurance,
            _ if CONTRACTUAL.iter().any(|(code, _)| code.as_bytes() == reason) => Part::Discount,
            _ => Part::NotCovered,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_adjustment_counts_where_the_table_says() {
        for (group, reason, part) in [
            ("PR", "1", Part::Deductible),
            ("PR", "2", Part::Coinsurance),
            ("PR", "3", Part::Copay),
            ("PR", "45", Part::NotCovered),
            ("PR", "96", Part::NotCovered),
            ("CO", "45", Part::Discount),
            ("CO", "1", Part::NotCovered),
            ("CO", "29", Part::NotCovered),
            ("PI", "97", Part::Discount),
            ("OA", "23", Part::OtherInsurance),
            ("CO", "23", Part::NotCovered),
            ("OA", "94", Part::Discount),
            ("OA", "18", Part::NotCovered),
        ] {
            assert_eq!(Group::read(group.as_bytes()).unwrap().part(reason.as_bytes()), part, "{group} {reason}");
        }
        assert_eq!(Group::read(b"grp_code"), None);
    }

    #[test]
    fn the_list_is_without_repeats() {
        for (at, (code, why)) in CONTRACTUAL.iter().enumerate() {
            assert!(CONTRACTUAL[..at].iter().all(|(earlier, _)| earlier != code) && !why.is_empty());
        }
    }
}
