//! The lines of an NDJSON file: what counts as a row, and what a bad one costs.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use intake::{Format, Row, open};
use model::statement::{AccumulatorScope, ClaimType, LiabilityRule, Network, NoteKind, PaidTo, Program, StatementKind};
use model::{Cents, Date};

const LINE: &str = r#"{"kind":"eob","claim_number":"C1","member":{"id":"M1","name":"Ada Example","birth_date":"1980-02-29"},"status":"processed_primary","service_from":"2026-01-02","totals":{"billed":"10.00","deductible":1.5,"coinsurance":0,"copay":"-.50","not_covered":"0"},"lines":[{"code":"HC:1","modifiers":["25"],"notes":[2,0],"amounts":{"billed":10.0}}],"notes":[{"code":"CO-45"},{"code":"MA18"},{"code":"OWN","text":"A sentence."}]}"#;

fn read(bytes: &[u8]) -> Vec<Row> {
    let mut rows = open(&Format::Ndjson.into(), "a.ndjson", Box::new(bytes)).unwrap();
    let read: Vec<Row> = rows.by_ref().map(Result::unwrap).collect();
    assert_eq!(rows.source_records(), read.len() as u64);
    read
}

#[test]
fn a_statement_is_what_its_line_says() {
    let rows = read(LINE.as_bytes());
    let [Row::Statement(read)] = &rows[..] else { panic!("{rows:?}") };
    let statement = &read.statement;
    assert_eq!(statement.member.birth_date, Some(Date::constant(1980, 2, 29)));
    let totals = &statement.totals;
    assert_eq!((totals.billed, totals.copay, totals.plan_paid), (Some(Cents(1_000)), Some(Cents(-50)), None));
    assert_eq!((totals.member_owes, statement.liability_rule), (Some(Cents(100)), LiabilityRule::SumOfParts));
    let kinds: Vec<_> = statement.notes.iter().map(|note| note.kind).collect();
    assert_eq!(kinds, [NoteKind::Adjustment, NoteKind::Remark, NoteKind::Message]);
    assert_eq!(statement.lines[0].notes, [2, 0]);
    assert_eq!((read.not_mailable, &read.recipient, &read.key), (None, &None, &None));
}

#[test]
fn what_only_some_lines_state_is_read() {
    let accumulator = r#"{"kind":"deductible","scope":"family","network":"in_network","limit":"3000","used":"1250.50","to":"2026-12-31"}"#;
    let stated = format!(
        r#""kind":"eob","claim_type":"dental","network":"out_of_network","program":"medicaid","paid_to":"member","accumulators":[{accumulator}]"#
    );
    let rows = read(LINE.replace(r#""kind":"eob""#, &stated).as_bytes());
    let [Row::Statement(one)] = &rows[..] else { panic!("{rows:?}") };
    let particulars = &one.statement.particulars;
    assert_eq!((particulars.claim_type, particulars.network), (Some(ClaimType::Dental), Some(Network::OutOfNetwork)));
    assert_eq!((particulars.program, particulars.paid_to), (Some(Program::Medicaid), Some(PaidTo::Member)));
    let [accumulator] = &particulars.accumulators[..] else { panic!("{particulars:?}") };
    assert_eq!(
        (accumulator.scope, accumulator.limit, accumulator.used),
        (AccumulatorScope::Family, Some(Cents(300_000)), Some(Cents(125_050)))
    );
}

#[test]
fn what_is_to_be_paid_is_the_balance_of_a_bill() {
    let bill = |totals: &str, bill: &str| {
        format!(r#"{{"kind":"bill","claim_number":"B1","member":{{"id":"M1","name":"Ada"}},"totals":{{{totals}}},"bill":{{{bill}}}}}"#)
    };
    let rows = read(bill("", r#""due_on":"2026-12-15","previous_balance":"20","payments":"15.00","new_charges":"61.00""#).as_bytes());
    let [Row::Statement(one)] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!((one.statement.kind, one.statement.totals.member_owes), (StatementKind::Bill, Some(Cents(6_600))));
    assert_eq!((one.statement.liability_rule, one.not_mailable), (LiabilityRule::Stated, None));
    let rows = read(bill(r#""member_owes":"65.00""#, r#""balance":"66.00""#).as_bytes());
    let [Row::Rejected { reject, .. }] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!((reject.reason.as_str(), reject.place.field.as_deref()), ("member_share_unbalanced", Some("bill.balance")));
}

#[test]
fn blank_lines_marks_and_line_ends_do_not_count() {
    let text = format!("\u{feff}{LINE}\r\n\r\n   \n{LINE}\n\n{LINE}");
    let places: Vec<_> = read(text.as_bytes()).iter().map(|row| (row.place().row, row.place().line)).collect();
    assert_eq!(places, [(1, Some(1)), (2, Some(4)), (3, Some(6))]);
}

#[test]
fn a_bad_line_costs_one_row() {
    let long = format!("{{\"kind\":\"{}\"}}", "x".repeat(1_100_000));
    let mut bytes = format!("{LINE}\n{long}\n{LINE}\nnot json\n").into_bytes();
    bytes.extend_from_slice(b"{\"kind\":\"\xff\"}\n[1]\n");
    bytes.extend_from_slice(LINE.as_bytes());
    bytes.extend_from_slice(b"\n\0\0\0");
    bytes.extend_from_slice(format!("\n{}", &LINE[..200]).as_bytes());
    let rows = read(&bytes);
    let reasons: Vec<_> = rows
        .iter()
        .map(|row| match row {
            Row::Rejected { reject, .. } => (reject.reason.as_str(), reject.place.line),
            _ => ("", row.place().line),
        })
        .collect();
    assert_eq!(
        reasons,
        [
            ("", Some(1)),
            ("line_too_long", Some(2)),
            ("", Some(3)),
            ("json_invalid", Some(4)),
            ("text_not_utf8", Some(5)),
            ("wrong_type", Some(6)),
            ("", Some(7)),
            ("json_invalid", Some(8)),
            ("json_invalid", Some(9)),
        ]
    );
}

#[test]
fn a_line_may_be_as_long_as_the_limit() {
    let filler = "x".repeat(900);
    let notes: Vec<String> = (0..1_100).map(|_| format!("{{\"text\":\"{filler}\"}}")).collect();
    let line = LINE.replace("{\"code\":\"MA18\"}", &notes.join(","));
    assert!(line.len() > 900_000 && line.len() < 1_048_576, "{}", line.len());
    let rows = read(format!("{line}\n{line}\r\n").as_bytes());
    assert!(rows.iter().all(|row| matches!(row, Row::Statement(_))) && rows.len() == 2);
}
