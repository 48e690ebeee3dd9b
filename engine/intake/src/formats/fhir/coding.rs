//! What codes mean, by system *and* code. Displays are never looked at: they are for people, and differ.
//!
//! Three generations of adjudication codes are read: HL7's own (`adjudication`), CARIN's (`C4BBAdjudication`, and PCT's of the same words),
//! and Medicare's Blue Button variables, which stand beside a HL7 or CARIN code or alone. Where both are there, HL7's and CARIN's say
//! what the amount is, but Medicare's names some that those codes do not fit: a *rate* coded as `submitted` is no charge
//! (see [`blue_button`]).

use super::elements::{Adjudication, Concept};
use model::statement::{AccumulatorKind, AccumulatorScope, ClaimType, Network, PaidTo, Program};

/// An amount of a claim or of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Billed,
    Allowed,
    Discount,
    Benefit,
    PaidToProvider,
    PaidToMember,
    Deductible,
    Coinsurance,
    /// Coinsurance that the provider chose to reduce: goes before [`Part::Coinsurance`] where it is not zero.
    CoinsuranceReduced,
    Copay,
    NotCovered,
    OtherInsurance,
    MemberOwes,
    /// The price of a drug: what was billed where no charge is stated.
    DrugCost,
}

/// How many parts there are.
pub(super) const PARTS: usize = 14;

impl Part {
    pub(super) const ALL: [Self; PARTS] = [
        Self::Billed,
        Self::Allowed,
        Self::Discount,
        Self::Benefit,
        Self::PaidToProvider,
        Self::PaidToMember,
        Self::Deductible,
        Self::Coinsurance,
        Self::CoinsuranceReduced,
        Self::Copay,
        Self::NotCovered,
        Self::OtherInsurance,
        Self::MemberOwes,
        Self::DrugCost,
    ];

    /// The code it is known by, for rejects.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Billed => "submitted",
            Self::Allowed => "eligible",
            Self::Discount => "discount",
            Self::Benefit => "benefit",
            Self::PaidToProvider => "paidtoprovider",
            Self::PaidToMember => "paidtopatient",
            Self::Deductible => "deductible",
            Self::Coinsurance => "coinsurance",
            Self::CoinsuranceReduced => "coinsurance, reduced",
            Self::Copay => "copay",
            Self::NotCovered => "noncovered",
            Self::OtherInsurance => "priorpayerpaid",
            Self::MemberOwes => "memberliability",
            Self::DrugCost => "drugcost",
        }
    }

    /// Whether several amounts of it in one list are several amounts (two insurers paid, cash and blood deductible) and not one
    /// amount said twice.
    pub(super) const fn adds_up(self) -> bool {
        matches!(self, Self::Discount | Self::Deductible | Self::NotCovered | Self::OtherInsurance)
    }
}

/// What a code says about an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    /// It is this part.
    Is(Part),
    /// It is this part, whatever HL7's or CARIN's code beside it says.
    Rather(Part),
    /// It is no part of a statement, whatever the code beside it says.
    Nothing,
}

/// Which part the amount of an adjudication or total is.
pub(super) fn part_of(adjudication: &Adjudication<'_>) -> Option<Part> {
    let (mut standard, mut medicare) = (None, None);
    for coding in &adjudication.category.coding {
        match coding.system() {
            "http://terminology.hl7.org/CodeSystem/adjudication" | "" => standard = standard.or(hl7(coding.code())),
            "http://hl7.org/fhir/us/carin-bb/CodeSystem/C4BBAdjudication"
            | "http://hl7.org/fhir/us/davinci-pct/CodeSystem/PCTAdjudication" => {
                standard = standard.or(carin(coding.code()));
            }
            "https://bluebutton.cms.gov/resources/codesystem/adjudication" => {
                let variable = coding.code().rsplit('/').next().unwrap_or_default();
                medicare = medicare.or(blue_button(variable));
            }
            "https://bluebutton.cms.gov/fhir/CodeSystem/Adjudication" => {
                medicare = medicare.or_else(|| blue_button(coding.code())).or_else(|| carin(coding.code()).map(Says::Is));
            }
            _ => {}
        }
    }
    match medicare {
        Some(Says::Rather(part)) => Some(part),
        Some(Says::Nothing) => None,
        Some(Says::Is(part)) => standard.or(Some(part)),
        None => standard,
    }
}

/// <http://terminology.hl7.org/CodeSystem/adjudication>. HL7's own examples leave the system away.
fn hl7(code: &str) -> Option<Part> {
    match code {
        "submitted" => Some(Part::Billed),
        "eligible" => Some(Part::Allowed),
        "benefit" => Some(Part::Benefit),
        "deductible" => Some(Part::Deductible),
        "copay" => Some(Part::Copay),
        _ => None,
    }
}

/// <http://hl7.org/fhir/us/carin-bb/CodeSystem/C4BBAdjudication>. `paidbypatient` is not here:
/// what was paid at the counter is not what is owed.
fn carin(code: &str) -> Option<Part> {
    match code {
        "coinsurance" => Some(Part::Coinsurance),
        "noncovered" => Some(Part::NotCovered),
        "priorpayerpaid" => Some(Part::OtherInsurance),
        "paidtoprovider" => Some(Part::PaidToProvider),
        "paidtopatient" => Some(Part::PaidToMember),
        "memberliability" => Some(Part::MemberOwes),
        "discount" => Some(Part::Discount),
        "drugcost" => Some(Part::DrugCost),
        other => hl7(other),
    }
}

/// Medicare's variables (CCW codebook, Blue Button v2) and the columns of version 3. Only those that name a part of a statement, and those
/// that a HL7 or CARIN code beside them misnames.
fn blue_button(variable: &str) -> Option<Says> {
    Some(match variable {
        "line_sbmtd_chrg_amt" | "rev_cntr_tot_chrg_amt" | "CLM_LINE_SBMT_CHRG_AMT" | "CLM_SBMT_CHRG_AMT" => Says::Is(Part::Billed),
        "line_alowd_chrg_amt" | "CLM_LINE_ALOWD_CHRG_AMT" | "CLM_ALOWD_CHRG_AMT" => Says::Is(Part::Allowed),
        "line_nch_pmt_amt" | "cvrd_d_plan_pd_amt" | "CLM_LINE_CVRD_PD_AMT" => Says::Is(Part::Benefit),
        // The revenue centre's Medicare payment; coded `submitted` beside the charge.
        "rev_cntr_pmt_amt_amt" => Says::Rather(Part::Benefit),
        "line_prvdr_pmt_amt" | "rev_cntr_prvdr_pmt_amt" | "CLM_LINE_PRVDR_PMT_AMT" | "CLM_PRVDR_PMT_AMT" => Says::Is(Part::PaidToProvider),
        // To the beneficiary, though some resources say `paidtoprovider`.
        "line_bene_pmt_amt" | "rev_cntr_bene_pmt_amt" => Says::Rather(Part::PaidToMember),
        "line_bene_ptb_ddctbl_amt" | "rev_cntr_cash_ddctbl_amt" | "rev_cntr_blood_ddctbl_amt" | "CLM_LINE_MDCR_DDCTBL_AMT" => {
            Says::Is(Part::Deductible)
        }
        "line_coinsrnc_amt" | "CLM_LINE_MDCR_COINSRNC_AMT" => Says::Is(Part::Coinsurance),
        "rev_cntr_coinsrnc_wge_adjstd_c" | "CLM_LINE_INSTNL_ADJSTD_AMT" => Says::Rather(Part::Coinsurance),
        "rev_cntr_rdcd_coinsrnc_amt" | "CLM_LINE_INSTNL_RDCD_AMT" => Says::Rather(Part::CoinsuranceReduced),
        "rev_cntr_ncvrd_chrg_amt" | "CLM_LINE_NCVRD_CHRG_AMT" | "CLM_NCVRD_CHRG_AMT" => Says::Is(Part::NotCovered),
        "line_bene_prmry_pyr_pd_amt" | "rev_cntr_1st_msp_pd_amt" | "rev_cntr_2nd_msp_pd_amt" => Says::Is(Part::OtherInsurance),
        // What the primary payer paid, coded `paidtoprovider`.
        "CLM_MDCR_PRFNL_PRMRY_PYR_AMT" => Says::Rather(Part::OtherInsurance),
        // What the patient is responsible for: coded `paidbypatient`, which is another thing.
        "ptnt_pay_amt" | "rev_cntr_ptnt_rspnsblty_pmt" => Says::Rather(Part::MemberOwes),
        "tot_rx_cst_amt" | "TOT_RX_CST_AMT" => Says::Is(Part::DrugCost),
        // Rates and prices, coded `submitted` or `eligible`.
        "rev_cntr_rate_amt" | "line_dme_prchs_price_amt" | "line_prmry_alowd_chrg_amt" => Says::Nothing,
        "CLM_LINE_INSTNL_RATE_AMT" | "CLM_LINE_PRFNL_DME_PRICE_AMT" => Says::Nothing,
        // Where a drug's cost lies against the out-of-pocket threshold, coded `coinsurance`; Medicare's subsidy, coded `discount`.
        "gdc_abv_oopt_amt" | "gdc_blw_oopt_amt" | "lics_amt" | "rptd_gap_dscnt_num" => Says::Nothing,
        _ => return None,
    })
}

/// The kind of service, from `ExplanationOfBenefit.type`.
pub(super) fn claim_type(concept: &Concept<'_>) -> Option<ClaimType> {
    concept.coding.iter().find_map(|coding| match (coding.system(), coding.code()) {
        ("http://terminology.hl7.org/CodeSystem/claim-type", code) => match code {
            "institutional" | "professional" => Some(ClaimType::Medical),
            "pharmacy" => Some(ClaimType::Pharmacy),
            "oral" => Some(ClaimType::Dental),
            "vision" => Some(ClaimType::Vision),
            _ => None,
        },
        _ => None,
    })
}

/// The programme, where Medicare's own type codes state it.
pub(super) fn program_of_type(concept: &Concept<'_>) -> Option<Program> {
    concept.coding.iter().find_map(|coding| match (coding.system(), coding.code()) {
        ("https://bluebutton.cms.gov/resources/codesystem/eob-type", "PDE") => Some(Program::MedicarePartD),
        (
            "https://bluebutton.cms.gov/resources/codesystem/eob-type",
            "CARRIER" | "DME" | "HHA" | "HOSPICE" | "INPATIENT" | "OUTPATIENT" | "SNF",
        ) => Some(Program::OriginalMedicare),
        (
            "https://bluebutton.cms.gov/fhir/CodeSystem/CLM-TYPE-CD",
            "10" | "20" | "30" | "40" | "50" | "60" | "61" | "71" | "72" | "81" | "82",
        ) => Some(Program::OriginalMedicare),
        _ => None,
    })
}

/// The programme, from `Coverage.type`: the source of payment typology, or a text that is nothing but the programme's name.
pub(super) fn program_of_coverage(concept: &Concept<'_>) -> Option<Program> {
    let coded = concept.coding.iter().find_map(|coding| match coding.system() {
        "https://nahdo.org/sopt" | "http://www.nlm.nih.gov/research/umls/sop" | "urn:oid:2.16.840.1.113883.3.221.5" => {
            source_of_payment(coding.code())
        }
        _ => None,
    });
    coded.or_else(|| concept.text.as_ref().and_then(|text| program_of_text(text.as_str())))
}

/// The typology is a tree by its digits: 1 Medicare (111, 112, 113 and 119 managed care; 12 fee for service), 2 Medicaid (23 CHIP),
/// 5 private, 6 Blue Cross.
fn source_of_payment(code: &str) -> Option<Program> {
    match code.as_bytes() {
        [b'1', b'1', ..] => Some(Program::MedicareAdvantage),
        [b'1', b'2', ..] => Some(Program::OriginalMedicare),
        [b'2', b'3', ..] => Some(Program::Chip),
        [b'2', ..] => Some(Program::Medicaid),
        [b'5' | b'6', ..] => Some(Program::Commercial),
        _ => None,
    }
}

/// A text that says nothing but the programme. Where it may be Medicaid, it is taken as such: that only keeps details out of mail.
pub(super) fn program_of_text(text: &str) -> Option<Program> {
    match text.trim().to_ascii_lowercase().as_str() {
        "medicaid" | "dual eligible" => Some(Program::Medicaid),
        "chip" | "children's health insurance program" => Some(Program::Chip),
        "medicare advantage" => Some(Program::MedicareAdvantage),
        "medicare part d" | "part d" => Some(Program::MedicarePartD),
        "medicare" | "original medicare" | "part a" | "part b" => Some(Program::OriginalMedicare),
        _ => None,
    }
}

/// Which of CARIN's discriminators an adjudication is, with the status in its reason.
pub(super) fn payer_status<'a>(adjudication: &'a Adjudication<'_>, discriminator: &str) -> Option<&'a str> {
    let is_it = adjudication.category.coding.iter().any(|coding| {
        coding.system() == "http://hl7.org/fhir/us/carin-bb/CodeSystem/C4BBAdjudicationDiscriminator" && coding.code() == discriminator
    });
    if !is_it {
        return None;
    }
    status_code(adjudication.reason.as_ref()?)
}

/// The code of C4BBPayerAdjudicationStatus.
pub(super) fn status_code<'a>(concept: &'a Concept<'_>) -> Option<&'a str> {
    let status = |system: &str| system == "http://hl7.org/fhir/us/carin-bb/CodeSystem/C4BBPayerAdjudicationStatus";
    concept.coding.iter().find(|coding| status(coding.system())).map(|coding| coding.code())
}

pub(super) fn network_of_status(code: &str) -> Option<Network> {
    match code {
        "innetwork" => Some(Network::InNetwork),
        "outofnetwork" => Some(Network::OutOfNetwork),
        _ => None,
    }
}

pub(super) fn paid_to(concept: &Concept<'_>) -> Option<PaidTo> {
    concept.coding.iter().find_map(|coding| match (coding.system(), coding.code()) {
        ("http://terminology.hl7.org/CodeSystem/payeetype" | "http://hl7.org/fhir/us/carin-bb/CodeSystem/C4BBPayeeType" | "", code) => {
            match code {
                "provider" => Some(PaidTo::Provider),
                "subscriber" | "beneficiary" => Some(PaidTo::Member),
                _ => None,
            }
        }
        _ => None,
    })
}

/// `benefitBalance.financial.type`.
pub(super) fn accumulator_kind(concept: &Concept<'_>) -> Option<AccumulatorKind> {
    concept.coding.iter().find_map(|coding| match (coding.system(), coding.code()) {
        (
            "http://terminology.hl7.org/CodeSystem/benefit-type" | "http://hl7.org/fhir/us/davinci-pct/CodeSystem/PCTFinancialType" | "",
            code,
        ) => match code {
            "deductible" | "medical-deductible" => Some(AccumulatorKind::Deductible),
            "out-of-pocket-maximum" | "out-of-pocket-max" => Some(AccumulatorKind::OutOfPocketMaximum),
            _ => None,
        },
        _ => None,
    })
}

/// `benefitBalance.unit`; a balance that does not say whose it is, is not shown.
pub(super) fn accumulator_scope(concept: &Concept<'_>) -> Option<AccumulatorScope> {
    concept.coding.iter().find_map(|coding| match (coding.system(), coding.code()) {
        ("http://terminology.hl7.org/CodeSystem/benefit-unit" | "", "individual") => Some(AccumulatorScope::Individual),
        ("http://terminology.hl7.org/CodeSystem/benefit-unit" | "", "family") => Some(AccumulatorScope::Family),
        _ => None,
    })
}

/// `benefitBalance.network`.
pub(super) fn accumulator_network(concept: &Concept<'_>) -> Option<Network> {
    concept.coding.iter().find_map(|coding| match (coding.system(), coding.code()) {
        ("http://terminology.hl7.org/CodeSystem/benefit-network" | "", "in") => Some(Network::InNetwork),
        ("http://terminology.hl7.org/CodeSystem/benefit-network" | "", "out") => Some(Network::OutOfNetwork),
        _ => None,
    })
}

/// `benefitBalance.term`: the plan year, or not stated.
pub(super) fn is_of_the_year(concept: Option<&Concept<'_>>) -> bool {
    let Some(concept) = concept else { return true };
    concept.coding.iter().any(|coding| coding.code() == "annual")
}

/// The system of a service's code, as the qualifier of X12 SVC01-1 where that has one. In the order in which one is picked.
pub(super) const SERVICE_SYSTEMS: [(&str, &str); 13] = [
    ("http://www.ama-assn.org/go/cpt", "HC"),
    ("https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets", "HC"),
    ("http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets", "HC"),
    ("https://bluebutton.cms.gov/resources/codesystem/hcpcs", "HC"),
    ("https://bluebutton.cms.gov/resources/variables/hcpcs_cd", "HC"),
    ("http://www.ada.org/cdt", "AD"),
    ("http://hl7.org/fhir/sid/ndc", "N4"),
    ("https://www.cms.gov/Medicare/Medicare-Fee-for-Service-Payment/ProspMedicareFeeSvcPmtGen/HIPPSCodes", "HP"),
    ("https://www.nubc.org/CodeSystem/RevenueCodes", "NU"),
    ("https://bluebutton.cms.gov/resources/variables/rev_cntr", "NU"),
    ("https://bluebutton.cms.gov/fhir/CodeSystem/CLM-REV-CNTR-CD", "NU"),
    ("http://snomed.info/sct", "SNOMED"),
    ("http://hl7.org/fhir/sid/cvx", "CVX"),
];

/// The code of a service with its qualifier.
pub(super) fn service_code(concept: &Concept<'_>) -> Option<String> {
    SERVICE_SYSTEMS.iter().find_map(|(system, qualifier)| {
        let coding = concept.coding.iter().find(|coding| coding.system() == *system && !coding.code().is_empty())?;
        Some(format!("{qualifier}:{}", coding.code()))
    })
}

/// The code of a service by a system that has no qualifier, alone.
pub(super) fn other_service_code(concept: &Concept<'_>) -> Option<String> {
    let is_code = |system: &str| !system.is_empty() && system != "http://terminology.hl7.org/CodeSystem/data-absent-reason";
    let coding = concept.coding.iter().find(|coding| is_code(coding.system()) && !coding.code().is_empty())?;
    Some(coding.code().to_owned())
}

/// A reason (CARC) or remark (RARC), from the reason of an adjudication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ReasonCode {
    /// Group and code as `CO-45`, or the code alone.
    Adjustment(String),
    Remark(String),
}

/// The reasons that an adjudication names.
pub(super) fn reasons(concept: &Concept<'_>) -> Vec<ReasonCode> {
    let mut found = Vec::new();
    for coding in concept.coding.iter().filter(|coding| !coding.code().is_empty()) {
        match coding.system() {
            "https://x12.org/codes/claim-adjustment-reason-codes" | "http://x12.org/codes/claim-adjustment-reason-codes" => {
                found.push(ReasonCode::Adjustment(coding.code().to_owned()));
            }
            "https://x12.org/codes/remittance-advice-remark-codes" | "http://x12.org/codes/remittance-advice-remark-codes" => {
                found.push(ReasonCode::Remark(coding.code().to_owned()));
            }
            system if system.starts_with("https://bluebutton.cms.gov/resources/variables/rev_cntr_") && system.ends_with("_ansi_cd") => {
                found.extend(ansi(coding.code()));
            }
            _ => {}
        }
    }
    found
}

/// Medicare writes group and reason as one: `CO120`.
fn ansi(code: &str) -> Option<ReasonCode> {
    let (group, reason) = code.split_at_checked(2)?;
    (["CO", "PR", "OA", "PI", "CR"].contains(&group) && !reason.is_empty()).then(|| ReasonCode::Adjustment(format!("{group}-{reason}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(codings: &[(&str, &str)]) -> Option<Part> {
        let coding: Vec<String> = codings.iter().map(|(system, code)| format!("{{\"system\":\"{system}\",\"code\":\"{code}\"}}")).collect();
        let text = format!("{{\"category\":{{\"coding\":[{}]}}}}", coding.join(","));
        part_of(&serde_json::from_str(&text).unwrap())
    }

    const HL7: &str = "http://terminology.hl7.org/CodeSystem/adjudication";
    const CARIN: &str = "http://hl7.org/fhir/us/carin-bb/CodeSystem/C4BBAdjudication";
    const MEDICARE: &str = "https://bluebutton.cms.gov/resources/codesystem/adjudication";

    #[test]
    fn a_part_is_told_by_system_and_code() {
        assert_eq!(part(&[(HL7, "submitted")]), Some(Part::Billed));
        assert_eq!(part(&[(CARIN, "memberliability")]), Some(Part::MemberOwes));
        assert_eq!(part(&[("https://payer.example/codes", "submitted")]), None, "the same word of somebody else");
        assert_eq!(part(&[("https://payer.example/codes", "x"), (HL7, "copay")]), Some(Part::Copay));
        assert_eq!(part(&[(CARIN, "paidbypatient")]), None);
        assert_eq!(part(&[(HL7, "eligpercent")]), None);
    }

    #[test]
    fn medicares_variables_correct_what_the_code_beside_them_misnames_in_any_order() {
        let variable = |name: &str| format!("https://bluebutton.cms.gov/resources/variables/{name}");
        for (name, code, expected) in [
            ("rev_cntr_rate_amt", (HL7, "submitted"), None),
            ("rev_cntr_tot_chrg_amt", (HL7, "submitted"), Some(Part::Billed)),
            ("rev_cntr_pmt_amt_amt", (HL7, "submitted"), Some(Part::Benefit)),
            ("clm_tot_chrg_amt", (CARIN, "priorpayerpaid"), Some(Part::OtherInsurance)),
            ("line_bene_pmt_amt", (CARIN, "paidtoprovider"), Some(Part::PaidToMember)),
            ("gdc_blw_oopt_amt", (CARIN, "coinsurance"), None),
            ("ptnt_pay_amt", (CARIN, "paidbypatient"), Some(Part::MemberOwes)),
        ] {
            let own = (MEDICARE, &*variable(name));
            assert_eq!(part(&[code, own]), expected, "{name}");
            assert_eq!(part(&[own, code]), expected, "{name}");
        }
        assert_eq!(part(&[(MEDICARE, &variable("line_coinsrnc_amt"))]), Some(Part::Coinsurance), "Synthea writes them alone");
    }
}
