//! A column map of one's own: claims of several rows, ledgers, services side by side, fixed width, files without a header; what amounts
//! and dates look like; and what a wrong map is told.
#![allow(clippy::unwrap_used, reason = "a test")]

use intake::{ColumnMap, InputProfile, ReadStatement, Rounding, Row, open};
use model::reject::{Refusal, Reject};
use model::statement::{ClaimStatus, LiabilityRule};
use model::{Cents, Private};
use std::sync::Arc;

const BASE: &str = r#"
[claim]
rows = "adjacent"
number = "claim"
status = { column = "st", values = { P = "processed_primary", D = "denied", R = "reversal" } }
currency = { column = "cur", optional = true }
[member]
id = "member"
given_name = "first"
family_name = "last"
[totals]
billed = "total"
plan_paid = { sum = "paid" }
member_owes = { sum = "owed" }
[line]
code = { column = "code", prefix = "HC:" }
[line.amounts]
billed = "charge"
plan_paid = "paid"
member_owes = "owed"
"#;

const HEADER: &str = "claim,member,first,last,st,total,code,charge,paid,owed";

fn profile(map: &str) -> InputProfile {
    let map = ColumnMap::parse("ours", "ours.toml", map).unwrap_or_else(|errors| panic!("{errors}"));
    InputProfile { columns: Some(Arc::new(map)), ..InputProfile::default() }
}

type Read = (Vec<ReadStatement>, Vec<Reject>);

fn read_with(profile: &InputProfile, text: &str) -> Result<Read, Refusal> {
    let mut rows = open(profile, "ours.csv", Box::new(text.as_bytes()))?;
    let (mut statements, mut rejects) = (Vec::new(), Vec::new());
    for row in rows.by_ref() {
        match row? {
            Row::Statement(read) => statements.push(*read),
            Row::Rejected { reject, .. } => rejects.push(reject),
            Row::Templated(_) => panic!("no map makes one"),
        }
    }
    assert_eq!(rows.source_records(), (statements.len() + rejects.len()) as u64);
    Ok((statements, rejects))
}

fn read(map: &str, text: &str) -> Read {
    read_with(&profile(map), text).unwrap_or_else(|refusal| panic!("{refusal}"))
}

fn reasons(rejects: &[Reject]) -> Vec<(&str, Option<u64>, Option<&str>)> {
    rejects.iter().map(|reject| (reject.reason.as_str(), reject.place.line, reject.place.field.as_deref())).collect()
}

#[test]
fn the_rows_of_a_claim_become_one_statement() {
    let text = format!(
        "\u{feff}{HEADER}\r\nC1,M1,Ada,Example,P,30.00,99213,10.00,8.00,2\r\nC1,M1,Ada,Example,P,30,99214,20,15,5.00\r\nC2,M2,Zoë,\"O\"\"Neill, 3rd\",D,5,,5,0,5\r\n"
    );
    let (statements, rejects) = read(BASE, &text);
    assert_eq!((statements.len(), rejects.len()), (2, 0));
    let first = &statements[0].statement;
    assert_eq!(
        (first.totals.billed, first.totals.plan_paid, first.totals.member_owes),
        (Some(Cents(3_000)), Some(Cents(2_300)), Some(Cents(700)))
    );
    assert_eq!((first.lines.len(), first.member.name.reveal(), first.status), (2, "Ada Example", ClaimStatus::ProcessedPrimary));
    assert_eq!(first.lines[1].code.as_ref().map(Private::reveal), Some("HC:99214"));
    assert_eq!((first.liability_rule, first.totals.copay), (LiabilityRule::SumOfParts, None));
    assert_eq!(statements[1].statement.member.name.reveal(), "Zoë O\"Neill, 3rd");
    assert!(statements.iter().all(|read| read.not_mailable.is_none()));
}

#[test]
fn the_header_decides_whatever_the_delimiter_and_order_are() {
    for delimiter in [';', '|', '\t', ','] {
        let header: Vec<&str> = HEADER.split(',').rev().collect();
        let text = format!("{}\n2,8,10,99213,10,P,Example,Ada,M1,C1\n", header.join(","));
        let (statements, _) = read(BASE, &text.replace(',', &delimiter.to_string()).to_uppercase().replace("ADA", "Ada"));
        assert_eq!(statements[0].statement.totals.member_owes, Some(Cents(200)), "{delimiter:?}");
    }
}

#[test]
fn a_claim_whose_rows_do_not_agree_is_no_statement() {
    let row = |text: &str| format!("{HEADER}\nC1,M1,Ada,Example,P,30,1,10,8,2\n{text}\nC9,M9,Eva,Example,P,1,1,1,1,0\n");
    for (second, reason, field) in [
        ("C1,M2,Ben,Example,P,30,2,20,15,5", "member_ambiguous", "member"),
        ("C1,M1,Ada,Example,D,30,2,20,15,5", "claim_rows_differ", "st"),
        ("C1,M1,Ada,Example,P,31,2,20,15,5", "claim_rows_differ", "total"),
        ("C1,M1,Ada,Example,P,30,2,19,15,5", "claim_unbalanced", "totals.billed"),
        ("C1,M1,Ada,Example,P,30,2,x,15,5", "amount_malformed", "charge"),
        ("C1,M1,Ada,Example,P,30,2,1.5E+01,15,5", "amount_malformed", "charge"),
        ("C1,M1,Ada,Example,P,30,2,20,15.005,5", "amount_sub_cent", "paid"),
        ("C1,M1,Ada,\u{7}Example,P,30,2,20,15,5", "text_control_character", "last"),
    ] {
        let (statements, rejects) = read(BASE, &row(second));
        assert_eq!((statements.len(), rejects.len()), (1, 1), "{second}");
        assert_eq!((rejects[0].reason.as_str(), rejects[0].place.field.as_deref()), (reason, Some(field)), "{second}");
        assert!(!rejects[0].expected.contains("Ben") && !rejects[0].expected.contains("1.5E"), "{:?}", rejects[0]);
        assert_eq!(statements[0].statement.claim_number.reveal(), "C9");
    }
}

#[test]
fn a_row_that_cannot_be_read_takes_its_neighbours_with_it() {
    let text = format!(
        "{HEADER}\nC1,M1,Ada,Example,P,10,1,10,8,2\nC2,M2,Ben,broken\nC3,M3,Eva,Example,P,10,1,10,8,2\nC4,M4,Eli,Example,P,10,1,10,8,2\n"
    );
    let (statements, rejects) = read(BASE, &text);
    assert_eq!(statements.len(), 1, "{:?}", reasons(&rejects));
    let mut found = reasons(&rejects);
    found.sort_unstable_by_key(|(_, line, _)| *line);
    assert_eq!(found, [("claim_incomplete", Some(2), None), ("field_count_differs", Some(3), None), ("claim_incomplete", Some(4), None)]);
    let (statements, rejects) = read(&BASE.replace("adjacent", "one"), &text);
    assert_eq!((statements.len(), rejects.len()), (3, 1), "where each row is a claim no other lacks anything");
    let within = text.replace("C3,M3,Eva", "C1,M1,Ada");
    let (statements, rejects) = read(BASE, &within);
    assert_eq!((statements.len(), reasons(&rejects).len()), (1, 2), "a claim around a broken row is rejected once, not taken apart");
}

#[test]
fn rows_that_lie_apart_are_told_unless_the_map_allows_it() {
    let text = format!("{HEADER}\nC1,M1,Ada,Example,P,30,1,10,8,2\nC2,M2,Ben,Example,P,5,1,5,5,0\nC1,M1,Ada,Example,P,30,2,20,15,5\n");
    let refusal = read_with(&profile(BASE), &text).unwrap_err();
    assert_eq!(refusal.reason, "claim_rows_apart");
    assert!(refusal.expected.contains("line 4"), "{refusal}");
    let (statements, _) = read(&BASE.replace("adjacent", "anywhere"), &text);
    assert_eq!(statements.iter().map(|read| read.statement.lines.len()).collect::<Vec<_>>(), [2, 1]);
    let refusal = read_with(&profile(&BASE.replace("adjacent", "anywhere")), &format!("{text}C1,broken\n")).unwrap_err();
    assert_eq!(refusal.reason, "field_count_differs", "whose row it was nobody knows");
}

#[test]
fn only_dollars_are_taken() {
    let text = |currency: &str| format!("{HEADER},cur\nC1,M1,Ada,Example,P,10,1,10,8,2,{currency}\n");
    for fine in ["USD", "usd", ""] {
        assert_eq!(read(BASE, &text(fine)).0.len(), 1);
    }
    assert_eq!(reasons(&read(BASE, &text("EUR")).1), [("currency_other", Some(2), Some("cur"))]);
}

#[test]
fn fractions_of_a_cent_are_rounded_once_where_the_profile_allows_it() {
    let text = format!(
        "{HEADER}\nC1,M1,Ada,Example,P,0.013,1,0.0065,0.0025,0.004\nC1,M1,Ada,Example,P,0.013,2,0.0065,0.0025,0.004\nC2,M2,Ben,Example,P,1.50000,1,1.5,1.5,0\n"
    );
    let (statements, rejects) = read(BASE, &text);
    assert_eq!((statements.len(), rejects[0].reason.as_str()), (1, "amount_sub_cent"));
    let profile = InputProfile { rounding: Rounding::HalfEven, ..profile(BASE) };
    let mut rows = open(&profile, "ours.csv", Box::new(text.as_bytes())).unwrap();
    let Some(Ok(Row::Statement(first))) = rows.next() else { panic!("one statement") };
    let totals = &first.statement.totals;
    // 0.0025 + 0.0025 is 0.005, which goes to the even cent, 0; 0.004 twice is 0.008.
    assert_eq!((totals.billed, totals.plan_paid, totals.member_owes), (Some(Cents(1)), Some(Cents(0)), Some(Cents(1))));
    assert_eq!(rows.by_ref().count(), 1);
    let rounding = rows.rounding();
    // Lines: 2 × (0.0035 - 0.0025 - 0.004), totals: - 0.003 - 0.005 + 0.002.
    assert_eq!((rounding.amounts, rounding.difference.to_string().as_str()), (9, "-0.012"));
}

#[test]
fn a_file_without_a_header_is_read_by_numbers_or_by_names_of_the_map() {
    let numbers = "[file]\nheader = false\n[claim]\nnumber = 1\nstatus = { value = \"processed_primary\" }\n[member]\nid = 2\nname = 3\n[totals]\nbilled = 4\nmember_owes = 5\n";
    let names = "[file]\nheader = [\"A\", \"B\", \"C\", \"D\", \"E\"]\n[claim]\nnumber = \"A\"\nstatus = { value = \"processed_primary\" }\n[member]\nid = \"B\"\nname = \"C\"\n[totals]\nbilled = \"D\"\nmember_owes = \"E\"\n";
    for map in [numbers, names] {
        let (statements, rejects) = read(map, "C1;M1;Ada Example;10.00;2.00\nC2;M2;Ben;7;7\nC3;M3\n");
        assert_eq!((statements.len(), reasons(&rejects)), (2, vec![("field_count_differs", Some(3), None)]));
        assert_eq!(statements[1].place.line, Some(2));
        assert_eq!(statements[0].statement.totals.member_owes, Some(Cents(200)));
    }
}

#[test]
fn fixed_width_is_read_by_the_feed_layouts() {
    let mut record = vec![b' '; 195];
    let mut put = |from: usize, text: &str| record[from - 1..from - 1 + text.len()].copy_from_slice(text.as_bytes());
    put(1, "1000000000001");
    put(14, "1S00E00AA01");
    put(36, "00538080970");
    put(47, "01");
    put(49, "2026-10-01");
    put(61, "1234567890");
    put(138, "       -12.34");
    put(151, "0 ");
    let text = format!("{0}\r\n{0}x\r\n", String::from_utf8(record).unwrap());
    let profile = InputProfile { columns: ColumnMap::shipped("cms-cclf7").map(Arc::new), ..InputProfile::default() };
    let (statements, rejects) = read_with(&profile, &text).unwrap();
    assert_eq!(reasons(&rejects), [("record_length_differs", Some(2), None)]);
    let statement = &statements[0].statement;
    assert_eq!((statement.totals.member_owes, statement.totals.billed), (Some(Cents(-1_234)), None));
    assert_eq!(statement.service_from, Some(jiff_date(2026, 10, 1)));
    assert_eq!(statement.lines[0].code.as_ref().map(Private::reveal), Some("N4:00538080970"));
    let cclf5 = ColumnMap::shipped("cms-cclf5").unwrap();
    assert!(cclf5.is_fixed_width() && !cclf5.title().is_empty());
}

fn jiff_date(year: i16, month: i8, day: i8) -> model::Date {
    model::Date::new(year, month, day).unwrap()
}

#[test]
fn a_last_row_without_a_line_end_may_be_cut() {
    let text = format!("{HEADER}\nC1,M1,Ada,Example,P,10,1,10,8,2\nC2,M2,Ben,Example,P,125,1,125,0,12");
    let map = BASE.replace("adjacent", "one");
    let (statements, rejects) = read(&map, &text);
    assert_eq!((statements.len(), reasons(&rejects)), (1, vec![("truncated", Some(3), None)]));
    let optional = format!("[file]\nlast_line_end = \"optional\"\n{map}");
    assert_eq!(read(&optional, &text).0.len(), 2);
}

#[test]
fn a_file_that_lacks_columns_is_told_which() {
    let refusal = read_with(&profile(BASE), "claim,member,first,last,st,total,code,charge\n").unwrap_err();
    assert_eq!(refusal.reason, "format_unknown");
    assert!(refusal.expected.contains("csv: the header lacks columns of map ours: paid, owed"), "{refusal}");
    let refusal = read_with(&profile(BASE), &format!("{HEADER},paid\n1\n")).unwrap_err();
    assert!(refusal.expected.contains("paid once in the header"), "{refusal}");
    let refusal = read_with(&InputProfile::default(), "member,claim_number,status\n1,2,3\n").unwrap_err();
    assert!(refusal.expected.contains("nearest is sealpost, missing member_id, billed, plan_paid, member_owes"), "{refusal}");
    let refusal = read_with(&profile(BASE), &format!("{HEADER},curr\n1\n")).unwrap_err();
    assert!(refusal.expected.contains("has curr, which map ours does not know: it was probably meant to be cur"), "{refusal}");
    assert_eq!(read_with(&profile(BASE), &format!("{HEADER}\n")).unwrap_err().reason, "empty_file");
    let renamed =
        read_with(&profile(BASE), "ST*835*1~BPR*I*0~N1*PR*Plan~CLP*A*4*10*0*10*12*C1~NM1*QC*1*E*ADA****MI*M1~CAS*PR*96*10~SE*7*1~")
            .unwrap();
    assert_eq!(renamed.0.len(), 1, "an 835 stays an 835, whatever it is called");
}

#[test]
fn a_wrong_map_is_told_everything_at_once_with_lines() {
    let wrong = r#"titel = "x"
[file]
delimiter = "x"
record_bytes = 5
[claim]
rows = "together"
number = { colum = "A" }
status = { column = "S", values = { P = "paid" } }
[member]
name = 3
[totals]
billed = { sum = "A", same = "B" }
copay = { amount = "1e3" }
[line]
repeat = 900
[dates]
formats = ["DD/MM/YY"]
"#;
    let errors = ColumnMap::parse("wrong", "wrong.toml", wrong).unwrap_err().to_string();
    for told in [
        "wrong.toml:1: unknown key 'titel': did you mean 'title'?",
        "wrong.toml:3: file.delimiter: expected one of",
        "wrong.toml:4: file.record_bytes: needs layout = \"fixed\"",
        "wrong.toml:6: claim.rows: expected one of \"one\", \"adjacent\", \"anywhere\"",
        "wrong.toml:7: unknown key 'claim.number.colum': did you mean 'column'?",
        "wrong.toml:8: claim.status.values.P: expected one of processed_primary",
        "member: id is missing",
        "wrong.toml:12: totals.billed: expected exactly one of same",
        "wrong.toml:13: totals.copay.amount: expected an exact decimal",
        "wrong.toml:15: line.repeat: expected a whole number from 1 to 200",
        "wrong.toml:17: dates.formats: expected some of \"YYYY-MM-DD\"",
    ] {
        assert!(errors.contains(told), "{told}\n---\n{errors}");
    }
    assert!(ColumnMap::parse("a", "a.toml", "x = = 1").unwrap_err().to_string().starts_with("a.toml:1: this is not TOML"));
    assert!(ColumnMap::parse("a", "a.toml", "").is_err());
}
