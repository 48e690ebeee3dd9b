//! Every claims file of the public corpora that is delimited, against sums taken by other means: the `csv` crate and whole-number
//! arithmetic on the texts, without any code of the formats.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

mod corpus;

use intake::{InputProfile, ReadStatement, Row, Rows, open};
use model::Cents;
use std::collections::BTreeMap;

fn rows(bytes: &[u8]) -> Rows<'_> {
    open(&InputProfile::default(), "claims.csv", Box::new(bytes)).unwrap_or_else(|refusal| panic!("{refusal}"))
}

fn statements(bytes: &[u8], map: &str) -> Vec<ReadStatement> {
    let mut rows = rows(bytes);
    assert_eq!(rows.column_map().map(intake::ColumnMap::name), Some(map));
    let read: Vec<ReadStatement> = rows
        .by_ref()
        .map(|row| match row.unwrap() {
            Row::Statement(read) => *read,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(rows.source_records(), read.len() as u64);
    read
}

/// The rows as the `csv` crate has them, by column.
fn table(bytes: &[u8], delimiter: u8) -> Vec<BTreeMap<String, String>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(bytes);
    reader.deserialize().map(Result::unwrap).collect()
}

/// Cents of a text, the long way round: padded, the point taken out, and read as a whole number.
fn cents(text: &str) -> i64 {
    let text = text.trim();
    if text.is_empty() {
        return 0;
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{fraction:0<2}").parse().unwrap_or_else(|_| panic!("not whole cents: {text}"))
}

fn file(name: &str) -> Option<Vec<u8>> {
    Some(std::fs::read(corpus::root()?.join(name)).unwrap())
}

fn sum(all: &[ReadStatement], of: fn(&model::statement::Amounts) -> Option<Cents>) -> i64 {
    all.iter().map(|read| of(&read.statement.totals).unwrap_or_default().0).sum()
}

#[test]
fn rif_carrier_claims() {
    let Some(bytes) = file("csv-cms-rif-synthea/carrier.csv") else { return };
    let read = statements(&bytes, "cms-rif-carrier");
    let table = table(&bytes, b'|');
    let mut claims: BTreeMap<&str, Vec<&BTreeMap<String, String>>> = BTreeMap::new();
    table.iter().for_each(|row| claims.entry(&row["CLM_ID"]).or_default().push(row));
    assert_eq!((read.len(), claims.len()), (37, 37));
    for ReadStatement { statement, not_mailable, .. } in &read {
        let rows = &claims[statement.claim_number.reveal()];
        let totals = &statement.totals;
        let of = |column: &str| Some(Cents(cents(&rows[0][column])));
        let over = |column: &str| rows.iter().map(|row| cents(&row[column])).sum::<i64>();
        assert_eq!(totals.billed, of("NCH_CARR_CLM_SBMTD_CHRG_AMT"));
        assert_eq!(totals.allowed, of("NCH_CARR_CLM_ALOWD_AMT"));
        assert_eq!(totals.plan_paid, of("CLM_PMT_AMT"));
        assert_eq!(totals.deductible, of("CARR_CLM_CASH_DDCTBL_APLD_AMT"));
        assert_eq!(totals.coinsurance, Some(Cents(over("LINE_COINSRNC_AMT"))));
        assert_eq!(totals.member_owes, Some(Cents(over("LINE_COINSRNC_AMT") + cents(&rows[0]["CARR_CLM_CASH_DDCTBL_APLD_AMT"]))));
        assert_eq!(totals.not_covered, None, "no column states it, so nobody knows it");
        assert_eq!(statement.lines.len(), rows.len());
        let billed: i64 = statement.lines.iter().map(|line| line.amounts.billed.unwrap().0).sum();
        assert_eq!(billed, over("LINE_SBMTD_CHRG_AMT"));
        assert_eq!(*not_mailable, Some("member_unnamed"), "an id alone joins nobody");
    }
}

#[test]
fn rif_outpatient_inpatient_skilled_nursing_equipment_and_drugs() {
    for (name, map, claims, billed, paid, owed) in [
        (
            "outpatient",
            "cms-rif-outpatient",
            19,
            "CLM_TOT_CHRG_AMT",
            "CLM_PMT_AMT",
            &["NCH_BENE_PTB_DDCTBL_AMT", "NCH_BENE_PTB_COINSRNC_AMT"][..],
        ),
        (
            "inpatient",
            "cms-rif-inpatient",
            16,
            "CLM_TOT_CHRG_AMT",
            "CLM_PMT_AMT",
            &["NCH_BENE_IP_DDCTBL_AMT", "NCH_BENE_PTA_COINSRNC_LBLTY_AM"],
        ),
        ("snf", "cms-rif-inpatient", 1, "CLM_TOT_CHRG_AMT", "CLM_PMT_AMT", &["NCH_BENE_IP_DDCTBL_AMT", "NCH_BENE_PTA_COINSRNC_LBLTY_AM"]),
        ("dme", "cms-rif-carrier", 1, "NCH_CARR_CLM_SBMTD_CHRG_AMT", "CLM_PMT_AMT", &["LINE_COINSRNC_AMT"]),
        ("pde", "cms-rif-pde", 18, "TOT_RX_CST_AMT", "CVRD_D_PLAN_PD_AMT", &["PTNT_PAY_AMT"]),
    ] {
        let Some(bytes) = file(&format!("csv-cms-rif-synthea/{name}.csv")) else { return };
        let read = statements(&bytes, map);
        assert_eq!(read.len(), claims, "{name}");
        // A claim's own columns stand in each of its rows: the first row of each counts.
        let mut firsts: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for row in table(&bytes, b'|') {
            let number = row.get("CLM_ID").or_else(|| row.get("PDE_ID")).unwrap().clone();
            firsts.entry(number).or_insert(row);
        }
        let total = |columns: &[&str]| -> i64 { firsts.values().flat_map(|row| columns.iter().map(|column| cents(&row[*column]))).sum() };
        assert_eq!(sum(&read, |totals| totals.billed), total(&[billed]), "{name}");
        let not_covered = if name == "pde" { total(&["NCVRD_PLAN_PD_AMT"]) } else { 0 };
        assert_eq!(sum(&read, |totals| totals.plan_paid), total(&[paid]) + not_covered, "{name}");
        assert_eq!(sum(&read, |totals| totals.member_owes), total(owed), "{name}");
    }
}

#[test]
fn synthea_transactions_whose_claims_lie_apart() {
    let Some(bytes) = file("csv-synthea-ohdsi/claims_transactions.csv") else { return };
    let read = statements(&bytes, "synthea-transactions");
    let mut claims: BTreeMap<String, [i64; 3]> = BTreeMap::new();
    let mut lines = 0;
    for row in table(&bytes, b',') {
        let [billed, paid, owed] = claims.entry(row["CLAIMID"].clone()).or_default();
        match (row["TYPE"].as_str(), row["METHOD"].as_str(), row["TRANSFERTYPE"].as_str()) {
            ("CHARGE", _, kind) => {
                lines += 1;
                *billed += cents(&row["AMOUNT"]);
                *owed += if kind == "p" { cents(&row["AMOUNT"]) } else { 0 };
            }
            ("PAYMENT", "ECHECK", _) => *paid += cents(&row["PAYMENTS"]),
            ("PAYMENT", "COPAY", _) => *owed += cents(&row["PAYMENTS"]),
            ("TRANSFERIN", _, "p") => *owed += cents(&row["AMOUNT"]),
            _ => {}
        }
    }
    assert_eq!((read.len(), claims.len()), (1_267, 1_267));
    assert_eq!(read.iter().map(|read| read.statement.lines.len()).sum::<usize>(), lines);
    for ReadStatement { statement, .. } in &read {
        let [billed, paid, owed] = claims[statement.claim_number.reveal()].map(|cents| Some(Cents(cents)));
        let totals = &statement.totals;
        assert_eq!((totals.billed, totals.plan_paid, totals.member_owes), (billed, paid, owed), "{}", statement.claim_number.reveal());
    }
}

#[test]
fn synpuf_claims_with_services_side_by_side() {
    let mut read_any = false;
    for name in [
        "DE_0/DE1_0_2008_to_2010_Carrier_Claims_Sample_0A.csv",
        "DE_0/DE1_0_2008_to_2010_Carrier_Claims_Sample_0B.csv",
        "input/carrier_claims.csv",
    ] {
        let Some(bytes) = file(&format!("csv-synpuf-etlcms/{name}")) else { return };
        let read = statements(&bytes, "cms-synpuf-carrier");
        let table = table(&bytes, b',');
        assert_eq!(read.len(), table.len(), "{name}");
        for (ReadStatement { statement, .. }, row) in read.iter().zip(&table) {
            let all = |column: &str| (1..=13).map(|at| cents(&row[&format!("{column}_{at}")])).sum::<i64>();
            assert_eq!(statement.totals.allowed, Some(Cents(all("LINE_ALOWD_CHRG_AMT"))));
            assert_eq!(statement.totals.plan_paid, Some(Cents(all("LINE_NCH_PMT_AMT"))));
            let owed = all("LINE_BENE_PTB_DDCTBL_AMT") + all("LINE_COINSRNC_AMT");
            assert_eq!(statement.totals.member_owes, Some(Cents(owed)));
            let codes = (1..=13).filter(|at| !row[&format!("HCPCS_CD_{at}")].is_empty()).count();
            assert_eq!(statement.lines.len(), codes);
            read_any = true;
        }
    }
    assert!(read_any);
}
