//! Every ExplanationOfBenefit of the public corpora against the sums that small independent scripts computed.
//!
//! The scripts add what is coded alike, whatever it means; where a resource codes alike what is not alike, or where a sum lacks an item,
//! our reading differs, and each kind of difference stands here with its reason. Nothing else may differ.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod corpus;

use corpus::{Answer, answers};
use intake::{InputProfile, ReadStatement, Rounded, Rounding, Row, amount};
use model::Cents;
use model::statement::Amounts;
use std::collections::BTreeMap;

/// What a column says, rounded as the statement's fields are. The scripts added with floats, so beyond the eighth decimal it says nothing.
fn cents(answer: &Answer, column: &str) -> Option<Cents> {
    let text = answer.get(column).filter(|text| !text.is_empty())?;
    let digits = text.split_once('.').map_or(text.len(), |(whole, fraction)| whole.len() + 1 + fraction.len().min(8));
    Some(amount::cents(&text[..digits], Rounding::HalfEven, &mut Rounded::default()).unwrap())
}

fn read(bytes: &[u8], rounding: Rounding) -> Vec<Row> {
    let profile = InputProfile { rounding, ..InputProfile::default() };
    let mut rows = intake::open(&profile, "corpus.json", Box::new(bytes)).unwrap();
    let read: Vec<Row> = rows.by_ref().map(Result::unwrap).collect();
    assert_eq!(rows.source_records(), read.len() as u64);
    read
}

/// Where our reading differs: the beginning of the resource's id, the column, and why ours is right.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    ("EB3500", "eligible", "the second item states none, so there is no sum of all"),
    (
        "outpatient-",
        "coinsurance",
        "rev_cntr_rdcd_coinsrnc_amt is what the provider reduced rev_cntr_coinsrnc_wge_adjstd_c to, not another coinsurance",
    ),
    ("-9322784674137", "coinsurance", "CLM_LINE_INSTNL_RDCD_AMT is what CLM_LINE_INSTNL_ADJSTD_AMT was reduced to"),
    ("outpatient-", "memberliability", "rev_cntr_ptnt_rspnsblty_pmt is the patient's responsibility, though coded paidbypatient"),
    ("outpatient-", "plan_paid", "rev_cntr_pmt_amt_amt is the Medicare payment, though coded submitted"),
    ("hha-", "plan_paid", "rev_cntr_pmt_amt_amt is the Medicare payment, though coded submitted"),
    ("hospice-", "plan_paid", "rev_cntr_pmt_amt_amt is the Medicare payment, though coded submitted"),
    ("dme-", "submitted", "line_dme_prchs_price_amt is a purchase price, not a charge"),
    ("dme-", "eligible", "line_prmry_alowd_chrg_amt is what the other insurer allowed"),
    ("-9322784674137", "priorpayerpaid", "CLM_MDCR_PRFNL_PRMRY_PYR_AMT is what the primary payer paid, though coded paidtoprovider"),
    ("-3827298253050", "priorpayerpaid", "CLM_MDCR_PRFNL_PRMRY_PYR_AMT is what the primary payer paid, though coded paidtoprovider"),
    ("pde-", "submitted", "tot_rx_cst_amt is the price of the drug, and no charge is stated"),
    ("pde-", "discount", "lics_amt and rptd_gap_dscnt_num are paid by Medicare and the manufacturer, not written off by the pharmacy"),
    ("pde-", "coinsurance", "gdc_abv_oopt_amt and gdc_blw_oopt_amt are where the drug's cost lies, not what the member pays"),
    ("pde-", "memberliability", "ptnt_pay_amt is what the patient has to pay, though coded paidbypatient"),
];

#[test]
fn every_resource_is_a_statement_with_the_same_amounts_or_refused_with_the_reason() {
    let Some(root) = corpus::root() else { return };
    let key = std::fs::read_to_string(root.join("oracle-eob-public.tsv")).unwrap();
    let (mut compared, mut differ) = (0, Vec::new());
    for (file, answers) in answers(&key) {
        let rows = read(&std::fs::read(root.join(&file)).unwrap(), Rounding::HalfEven);
        assert_eq!(rows.len(), answers.len(), "{file}");
        for (row, answer) in rows.iter().zip(&answers) {
            compared += 1;
            let is_silent = answer.iter().all(|(column, value)| {
                value.is_empty() || !(column.contains("total_") || column.contains("items_") || column == "payment")
            });
            match row {
                Row::Rejected { reject, .. } if answer["version"] == "STU3" => assert_eq!(reject.reason, "fhir_not_r4", "{file}"),
                Row::Rejected { reject, .. } if is_silent => assert_eq!(reject.reason, "amounts_absent", "{file}"),
                Row::Statement(read) if answer["version"] == "R4" => compare(read, answer, &mut differ),
                other => panic!("{file} {}: {other:?}", answer["id"]),
            }
        }
    }
    assert_eq!(compared, 342, "rows of the answer key");
    differ.sort_unstable();
    differ.dedup();
    assert_eq!(differ, (0..DIFFERENCES.len()).collect::<Vec<_>>(), "every difference that is listed is there");
}

fn compare(read: &ReadStatement, answer: &Answer, differ: &mut Vec<usize>) {
    let Amounts { billed, allowed, discount, plan_paid, deductible, coinsurance, copay, not_covered, other_insurance, member_owes } =
        read.statement.totals;
    assert_eq!(read.statement.lines.len().to_string(), answer["n_items"]);
    let paid_out = |level: &str| {
        let (provider, patient) = (cents(answer, &format!("{level}_paidtoprovider")), cents(answer, &format!("{level}_paidtopatient")));
        if provider.is_none() && patient.is_none() { None } else { Some(provider.unwrap_or_default() + patient.unwrap_or_default()) }
    };
    let expected_paid = cents(answer, "total_benefit")
        .or(cents(answer, "items_benefit"))
        .or_else(|| paid_out("total"))
        .or_else(|| paid_out("items"))
        .or(cents(answer, "payment"));
    let columns = [
        ("submitted", billed),
        ("eligible", allowed),
        ("discount", discount),
        ("deductible", deductible),
        ("coinsurance", coinsurance),
        ("copay", copay),
        ("noncovered", not_covered),
        ("priorpayerpaid", other_insurance),
        ("memberliability", member_owes),
    ];
    for (column, ours) in columns {
        let theirs = cents(answer, &format!("total_{column}")).or_else(|| cents(answer, &format!("items_{column}")));
        note_difference(answer, column, ours, theirs, differ);
    }
    note_difference(answer, "plan_paid", plan_paid, expected_paid, differ);
}

fn note_difference(answer: &Answer, column: &str, ours: Option<Cents>, theirs: Option<Cents>, differ: &mut Vec<usize>) {
    if ours == theirs {
        return;
    }
    let listed = DIFFERENCES.iter().position(|(id, of_column, _)| answer["id"].starts_with(id) && *of_column == column);
    differ.push(listed.unwrap_or_else(|| panic!("{} {} {column}: {ours:?} is not {theirs:?}", answer["file"], answer["id"])));
}

#[test]
fn a_fraction_of_a_cent_is_refused_naming_the_field_unless_the_profile_rounds() {
    let Some(root) = corpus::root() else { return };
    let bytes = std::fs::read(root.join("fhir-synthea-r4-public/ExplanationOfBenefit.000.ndjson")).unwrap();
    let reasons = |rows: &[Row]| {
        let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
        for row in rows {
            let reason = match row {
                Row::Rejected { reject, .. } => {
                    assert!(reject.place.field.as_ref().is_some_and(|field| field.contains("adjudication[") || field.contains("total[")));
                    reject.reason.clone()
                }
                Row::Statement(read) => read.not_mailable.unwrap_or("mailable").to_owned(),
                Row::Templated(_) => unreachable!(),
            };
            *reasons.entry(reason).or_default() += 1;
        }
        reasons
    };
    let exact = reasons(&read(&bytes, Rounding::Refuse));
    assert_eq!(exact.keys().collect::<Vec<_>>(), ["amount_sub_cent", "liability_unknown"]);
    // Every one has an item of which nothing is stated, so nobody can say what the member owes.
    let rounded = reasons(&read(&bytes, Rounding::HalfEven));
    assert_eq!(rounded, BTreeMap::from([("liability_unknown".to_owned(), 234)]));
}

#[test]
fn statuses_and_doubts_of_the_corpora_keep_statements_from_the_mail() {
    let Some(root) = corpus::root() else { return };
    let reason = |file: &str| match &read(&std::fs::read(root.join(file)).unwrap(), Rounding::HalfEven)[..] {
        [Row::Statement(read)] => read.not_mailable,
        other => panic!("{other:?}"),
    };
    assert_eq!(reason("fhir-r4-official/ExplanationOfBenefit-EB3501.json"), Some("outcome_error"));
    assert_eq!(reason("fhir-carin-bb-2.2/ExplanationOfBenefit-EOBPharmacy1.json"), Some("outcome_partial"));
    // A copay of 120.00, and a member liability of 0.
    assert_eq!(reason("fhir-carin-bb-2.2/ExplanationOfBenefit-EOBInpatient2.json"), Some("member_share_unbalanced"));
    assert_eq!(reason("fhir-carin-bb-2.2/ExplanationOfBenefit-EOBOutpatient2.json"), Some("member_unnamed"));
}

#[test]
fn a_claim_with_its_patient_in_a_bundle_or_in_lines_of_the_file_has_a_member() {
    let Some(root) = corpus::root() else { return };
    let folder = root.join("fhir-carin-bb-2.2");
    let text = |name: &str| {
        let value: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap();
        value.to_string()
    };
    let claim = text("ExplanationOfBenefit-EOBOutpatient2.json");
    let around =
        ["Patient-Patient1.json", "Coverage-Coverage1.json", "Organization-Payer2.json", "Organization-ProviderOrganization3.json"]
            .map(text);
    let entry = |resource: &String| format!("{{\"fullUrl\":\"https://plan.example/fhir/x\",\"resource\":{resource}}}");
    let mut after = vec![claim.clone()];
    after.extend(around.clone());
    let before: Vec<String> = after.iter().rev().cloned().collect();
    for order in [&before, &after] {
        let entries: Vec<String> = order.iter().map(entry).collect();
        let bundle = format!("{{\"type\":\"collection\",\"entry\":[{}],\"resourceType\":\"Bundle\"}}", entries.join(",\n"));
        for file in [order.join("\n"), order.join("\r\n") + "\r\n", bundle] {
            let rows = read(file.as_bytes(), Rounding::Refuse);
            let [Row::Statement(read)] = &rows[..] else { panic!("{rows:?}") };
            assert_eq!(read.not_mailable, None);
            let member = &read.statement.member;
            assert_eq!((member.id.reveal(), member.name.reveal()), ("1234-234-1243-12345678901", "Johnny Example1"));
            assert_eq!(member.birth_date, Some(model::Date::constant(1986, 1, 1)));
            assert_eq!(read.statement.payer.as_ref().unwrap().reveal(), "UPMC Health Plan");
        }
    }
}
