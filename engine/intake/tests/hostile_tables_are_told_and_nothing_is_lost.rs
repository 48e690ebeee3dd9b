//! Delimited and fixed-width files as they should not be: cut at every byte, with flipped bits, re-encoded, shuffled, renamed, with NUL
//! bytes, of one line without end, of a million columns. Nothing panics, every record is a row, and the reason is one an operator can read.
#![allow(clippy::unwrap_used, reason = "a test")]

use intake::{ColumnMap, Format, InputProfile, Row, open, reason};
use model::reject::Refusal;
use std::collections::BTreeSet;
use std::io::{BufReader, Read};
use std::sync::Arc;

/// Ten claims of two rows each in our own layout; a claim's charges add up.
fn table() -> String {
    let mut text = "claim_number,member_id,member_name,status,billed,plan_paid,member_owes,line_code,line_billed\r\n".to_owned();
    for claim in 1..=10 {
        for (line, billed) in [(1, "10.25"), (2, "20.50")] {
            text += &format!("C{claim:04},M{claim:04},\"Zoë Example, {claim}\",processed_primary,30.75,20.75,10.00,HC:{line},{billed}\r\n");
        }
    }
    text
}

#[derive(Debug, Default)]
struct Found {
    claims: Vec<String>,
    reasons: BTreeSet<String>,
    rejected: u64,
}

/// Reads a file to its end. Every record must be a row, and every reason one that is in the list.
fn read(profile: &InputProfile, bytes: impl Read + 'static) -> Result<Found, Refusal> {
    let check = |refusal: Refusal| {
        assert!(reason::ALL.contains(&refusal.reason) && refusal.expected.len() > 8 && refusal.action.len() > 8, "{refusal}");
        refusal
    };
    let mut rows = open(profile, "table.csv", Box::new(BufReader::new(bytes))).map_err(check)?;
    let mut found = Found::default();
    for row in rows.by_ref() {
        match row.map_err(check)? {
            Row::Statement(read) => {
                let statement = &read.statement;
                let charges: i64 = statement.lines.iter().map(|line| line.amounts.billed.unwrap_or_default().0).sum();
                assert_eq!(statement.totals.billed.unwrap_or_default().0, charges, "a statement that lacks a service");
                found.claims.push(statement.claim_number.reveal().to_owned());
            }
            Row::Rejected { reject, .. } => {
                assert!(reason::ALL.contains(&reject.reason.as_str()), "{reject:?}");
                assert!(reject.place.line.is_some() || reject.place.segment.is_some(), "{reject:?}");
                assert!(!reject.expected.contains("Zo") && !reject.expected.contains("M000"), "a value in {reject:?}");
                found.reasons.insert(reject.reason);
                found.rejected += 1;
            }
            Row::Templated(_) => panic!("no table has one"),
        }
    }
    assert_eq!(rows.source_records(), found.claims.len() as u64 + found.rejected);
    Ok(found)
}

fn plain(bytes: Vec<u8>) -> Result<Found, Refusal> {
    read(&InputProfile::default(), std::io::Cursor::new(bytes))
}

#[test]
fn cut_at_every_byte() {
    let text = table().into_bytes();
    let header = text.iter().position(|byte| *byte == b'\n').unwrap();
    for at in 0..=text.len() {
        match plain(text[..at].to_vec()) {
            Ok(found) => {
                assert!(at > header + 1, "{at}");
                // A cut row is told, and so is the claim before it, which may lack it. A claim cut between two rows does not add up.
                let rows = text[header + 1..at].iter().filter(|byte| **byte == b'\n').count();
                let is_within_a_row = text[at - 1] != b'\n';
                let whole = if is_within_a_row { rows.div_ceil(2).saturating_sub(1) } else { rows / 2 };
                assert_eq!(found.claims.len(), whole, "{at}: {found:?}");
            }
            Err(refusal) => assert!(["empty_file", "format_unknown"].contains(&refusal.reason), "{at}: {refusal}"),
        }
    }
}

#[test]
fn every_bit_flipped_changes_nothing_silently() {
    let text = table().into_bytes();
    let whole = plain(text.clone()).unwrap();
    assert_eq!((whole.claims.len(), whole.rejected), (10, 0));
    for at in 0..text.len() {
        for bit in [0, 7] {
            let mut flipped = text.clone();
            flipped[at] ^= 1 << bit;
            if let Ok(found) = plain(flipped) {
                assert!(found.claims.len() as u64 + found.rejected >= 10, "{at} bit {bit}: {found:?}");
            }
        }
    }
}

#[test]
fn another_encoding_is_told() {
    let text = table();
    let utf16 = |mark: &[u8], little: bool| {
        let bytes = text.encode_utf16().flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() });
        [mark.to_vec(), bytes.collect()].concat()
    };
    for bytes in [utf16(b"\xff\xfe", true), utf16(b"\xfe\xff", false), utf16(b"", true), utf16(b"", false)] {
        let refusal = plain(bytes).unwrap_err();
        assert!(refusal.expected.contains("UTF-16"), "{refusal}");
    }
    let latin: Vec<u8> = text.chars().map(|character| character as u32 as u8).collect();
    let found = plain(latin).unwrap();
    assert_eq!((found.claims.len(), found.reasons.into_iter().collect::<Vec<_>>()), (0, vec!["text_not_utf8".to_owned()]));
    let old_mac = text.replace("\r\n", "\r");
    let refusal = plain(old_mac.into_bytes()).unwrap_err();
    assert!(refusal.expected.contains("CR alone"), "{refusal}");
}

#[test]
fn rows_sorted_by_something_else_are_told_and_never_become_half_statements() {
    let text = table();
    let (header, rows) = text.split_once("\r\n").unwrap();
    let mut rows: Vec<&str> = rows.lines().collect();
    rows.sort_by_key(|row| row.rsplit(',').next().unwrap().to_owned());
    let refusal = plain(format!("{header}\n{}\n", rows.join("\n")).into_bytes()).unwrap_err();
    assert_eq!(refusal.reason, "claim_rows_apart");
    // One column sorted by itself: names and claims no longer belong together, and each claim has rows of two members.
    let mut rows: Vec<Vec<&str>> = text.lines().skip(1).map(|row| row.splitn(3, ',').collect()).collect();
    let mut members: Vec<&str> = rows.iter().map(|row| row[1]).collect();
    members.rotate_right(1);
    rows.iter_mut().zip(members).for_each(|(row, member)| row[1] = member);
    let rows: Vec<String> = rows.iter().map(|row| row.join(",")).collect();
    let found = plain(format!("{header}\n{}\n", rows.join("\n")).into_bytes()).unwrap();
    assert_eq!((found.claims.len(), found.reasons.into_iter().collect::<Vec<_>>()), (0, vec!["member_ambiguous".to_owned()]));
}

#[test]
fn the_name_of_a_file_says_nothing() {
    let x12 = "ST*835*1~BPR*I*0~N1*PR*Plan~CLP*A*4*10*0*10*12*C1~NM1*QC*1*EXAMPLE*ADA****MI*M1~CAS*PR*96*10~SE*7*1~";
    let mut rows = open(&InputProfile::default(), "claims.csv", Box::new(x12.as_bytes())).unwrap();
    assert_eq!((rows.by_ref().count(), rows.format()), (1, Format::X12_835));
    let as_csv = InputProfile { format: Some(Format::Csv), ..InputProfile::default() };
    let refusal = open(&as_csv, "claims.csv", Box::new(x12.as_bytes())).unwrap_err();
    assert!(refusal.expected.contains("x12_835: it begins with ST, and its first transaction set is 835"), "{refusal}");
    let rows = open(&InputProfile::default(), "claims.835", Box::new(std::io::Cursor::new(table()))).unwrap();
    assert_eq!(rows.format(), Format::Csv);
    let verdict = |format: &str| rows.verdicts().iter().find(|verdict| verdict.format == format).unwrap();
    assert!(verdict("csv").fits && verdict("csv").why.contains("map sealpost"));
    assert!(!verdict("x12_835").fits && verdict("x12_835").why.contains("does not begin with"));
    assert!(!verdict("fixed_width").fits && verdict("fixed_width").why.contains("must be named"));
}

#[test]
fn nul_bytes_are_holes() {
    let mut text = table().into_bytes();
    let at = text.iter().position(|byte| *byte == b'"').unwrap();
    text[at + 2] = 0;
    let found = plain(text).unwrap();
    assert!(found.reasons.contains("text_control_character") && found.claims.len() == 9, "{found:?}");
}

#[test]
fn ten_gigabytes_of_one_line_and_a_million_columns_are_refused_at_once() {
    // The reader counts: what is not read costs no time, and what is read is not held.
    let endless = |byte| std::io::repeat(byte).take(10 * 1024 * 1024 * 1024);
    for byte in [b'x', b',', b'"', b' '] {
        let refusal = read(&InputProfile { format: Some(Format::Csv), ..InputProfile::default() }, endless(byte)).unwrap_err();
        assert!(["format_unknown", "empty_file"].contains(&refusal.reason), "{refusal}");
    }
    let million: String = (0..1_000_000).map(|number| if number == 0 { "a".to_owned() } else { ",a".to_owned() }).collect();
    let refusal = plain(format!("{}\n", &million[..900_000]).into_bytes()).unwrap_err();
    assert!(refusal.expected.contains("at most 4096 columns"), "{refusal}");
    let refusal = plain(format!("{million}\n1\n").into_bytes()).unwrap_err();
    assert!(refusal.expected.contains("at most 4096 columns"), "{refusal}");
}

#[test]
fn a_row_of_a_gigabyte_is_passed_over_and_costs_its_neighbours_only() {
    let text = table();
    let tail = "C0099,M0099,Eva Example,processed_primary,1,1,0,HC:1,1\nC0100,M0100,Eli Example,processed_primary,1,1,0,HC:1,1\n";
    let long = std::io::repeat(b'7').take(1024 * 1024 * 1024);
    let reader = std::io::Cursor::new(text).chain(long).chain(std::io::Cursor::new(format!("\n{tail}")));
    let found = read(&InputProfile::default(), reader).unwrap();
    assert_eq!((found.claims.len(), found.rejected), (10, 3));
    assert!(found.reasons.contains("record_too_long") && found.reasons.contains("claim_incomplete"), "{found:?}");
    let map = ColumnMap::shipped("cms-cclf7").map(Arc::new);
    let fixed = read(&InputProfile { columns: map, ..InputProfile::default() }, std::io::repeat(b'7').take(100_000_000)).unwrap();
    assert_eq!((fixed.claims.len(), fixed.rejected), (0, 1));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_comes_after_a_good_header_ends_and_balances(tail in proptest::collection::vec(proptest::prop_oneof![
        proptest::strategy::Just(b"\"".to_vec()), proptest::strategy::Just(b",".to_vec()), proptest::strategy::Just(b"\n".to_vec()),
        proptest::strategy::Just(b"C0001,M0001,Ada,processed_primary,1,1,0,HC:1,1\n".to_vec()),
        proptest::collection::vec(proptest::num::u8::ANY, 0..9)], 0..60)) {
        let text = table();
        let (header, _) = text.split_once('\n').unwrap();
        let bytes = [header.as_bytes().to_vec(), b"\n".to_vec(), tail.concat()].concat();
        let _ = plain(bytes);
    }
}
