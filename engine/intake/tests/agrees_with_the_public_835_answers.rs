//! Every claim of the public 835 corpus against the answer key that small independent scripts computed.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod corpus;

use corpus::{Answer, answers};
use intake::{ReadStatement, Row};
use model::Cents;

fn cents(answer: &Answer, column: &str) -> Cents {
    Cents::parse(&answer[column]).unwrap_or_else(|error| panic!("{column} {error}"))
}

#[test]
fn every_balanced_claim_is_a_statement_with_the_same_amounts_and_every_other_one_is_rejected() {
    let Some(root) = corpus::root() else { return };
    let key = std::fs::read_to_string(root.join("oracle-835-public.tsv")).unwrap();
    let mut compared = 0;
    for (file, answers) in answers(&key) {
        let (rows, records, _) = corpus::read(&std::fs::read(root.join(&file)).unwrap());
        assert_eq!((rows.len(), records), (answers.len(), answers.len() as u64), "{file}");
        for (at, (row, answer)) in rows.iter().zip(&answers).enumerate() {
            assert_eq!(row.place().row, at as u64 + 1);
            match (row, answer["balances"].as_str()) {
                (Row::Statement(read), "yes") => compare(read, answer, &file),
                (Row::Rejected { reject, .. }, "NO") => {
                    assert!(["claim_unbalanced", "member_share_unbalanced"].contains(&reject.reason.as_str()), "{reject:?}");
                }
                (row, balances) => panic!("{file} {at}: balances {balances}, but {row:?}"),
            }
            compared += 1;
        }
    }
    assert_eq!(compared, 35, "rows of the answer key");
}

fn compare(read: &ReadStatement, answer: &Answer, file: &str) {
    let totals = &read.statement.totals;
    for (column, ours) in [
        ("billed_clp03", totals.billed),
        ("paid_clp04", totals.plan_paid),
        ("patresp_clp05", totals.member_owes),
        ("pr1_deductible", totals.deductible),
        ("pr2_coins", totals.coinsurance),
        ("pr3_copay", totals.copay),
    ] {
        assert_eq!(ours, Some(cents(answer, column)), "{file} {} {column}", answer["idx"]);
    }
    assert_eq!(read.statement.lines.len().to_string(), answer["n_svc"], "{file} {}", answer["idx"]);
    let parts = [
        totals.discount,
        totals.not_covered,
        totals.other_insurance,
        totals.deductible,
        totals.coinsurance,
        totals.copay,
        totals.plan_paid,
    ];
    assert_eq!(parts.into_iter().sum::<Option<Cents>>(), totals.billed, "{file} {}: the equation closes", answer["idx"]);
}

#[test]
fn what_only_looks_right_is_shown_but_not_mailed() {
    let Some(root) = corpus::root() else { return };
    let reasons = |file: &str| -> Vec<Option<&'static str>> {
        let (rows, _, _) = corpus::read(&std::fs::read(root.join(file)).unwrap());
        rows.iter()
            .map(|row| match row {
                Row::Statement(read) => read.not_mailable,
                other => panic!("{other:?}"),
            })
            .collect()
    };
    let unreadable = Some("adjustment_unreadable");
    assert_eq!(reasons("x12-affect/sample_835.txt"), [unreadable, unreadable, None, None, None, None]);
    // SVC*HC*24599.00*1766.50: the composite's separator was typed as an element's.
    assert_eq!(reasons("x12-linuxforhealth/835_005010X221A1/tertiary-payment.835"), [Some("line_unbalanced")]);
    for file in ["managed-care.835", "medicare-part-a.835", "secondary-payment.835", "cob-contractural-adjustment.835"] {
        assert!(reasons(&format!("x12-linuxforhealth/835_005010X221A1/{file}")).iter().all(Option::is_none), "{file}");
    }
}

#[test]
fn the_details_of_a_claim_are_those_of_its_segments() {
    let Some(root) = corpus::root() else { return };
    let (rows, _, findings) = corpus::read(&std::fs::read(root.join("x12-affect/sample_835.txt")).unwrap());
    let Row::Statement(read) = &rows[3] else { panic!("{:?}", rows[3]) };
    let statement = &read.statement;
    assert_eq!(statement.claim_number.reveal(), "M000475749-00");
    assert_eq!(statement.member.name.reveal(), "patient_first_name3 R patient_last_name3");
    assert_eq!(read.also_known_as[0].id.reveal(), "96400662701");
    assert_eq!(statement.payer.as_ref().unwrap().reveal(), "WSFG - BENEFITS");
    assert_eq!(statement.provider.as_ref().unwrap().reveal(), "DOUG RABER");
    assert_eq!(statement.service_from, Some(model::Date::constant(2021, 12, 2)));
    assert_eq!(statement.totals.allowed, Some(Cents(26_800)));
    let line = &statement.lines[0];
    assert_eq!(line.code.as_ref().unwrap().reveal(), "HC:99214");
    assert_eq!(line.modifiers.iter().map(model::Private::reveal).collect::<Vec<_>>(), ["25", "CR"]);
    let codes: Vec<_> = line.notes.iter().map(|note| statement.notes[usize::from(*note)].code.reveal()).collect();
    assert_eq!(codes, ["PR-3", "OA-23"]);
    // The senders' own counts are wrong in this file: said, and no reason to lose claims.
    let found: Vec<_> = findings.iter().map(|finding| finding.reason.as_str()).collect();
    assert_eq!(found, ["segment_count_differs", "segment_count_differs"]);
}

#[test]
fn whatever_is_not_an_835_is_refused_with_advice() {
    let Some(root) = corpus::root() else { return };
    let mut refused = 0;
    for folder in ["x12-imsweb/277_5010", "x12-imsweb/837_5010", "x12-imsweb/x270_271", "x12-linuxforhealth/837_005010X222A2"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            for profile in [intake::InputProfile::default(), intake::Format::X12_835.into()] {
                let refusal = intake::open(&profile, "other.txt", Box::new(bytes.as_slice())).unwrap_err();
                assert!(["not_an_835", "format_unknown"].contains(&refusal.reason), "{refusal}");
                assert!(!refusal.action.is_empty());
            }
            refused += 1;
        }
    }
    assert!(refused > 25, "{refused}");
}
