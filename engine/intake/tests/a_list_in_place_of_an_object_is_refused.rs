//! Values by position, where the schema has an object, are refused with their place: a list that lost one of its values would put the
//! others under the wrong names. So is an object in place of a word.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use intake::{Format, Row, open};

const LINE: &str = concat!(
    r#"{"kind":"bill","claim_number":"C1","member":{"id":"M1","name":"Ada Example","given_name":null,"family_name":null,"birth_date":null},"#,
    r#""status":"denied","totals":{"billed":"10.00"},"lines":[{"code":"HC:1","amounts":{"billed":10}}],"notes":[{"code":"N1","text":null}],"#,
    r#""claim_type":"dental","network":"in_network","program":"medicaid","paid_to":"member","#,
    r#""accumulators":[{"kind":"deductible","scope":"family","network":"in_network","limit":"30","used":"1","from":null,"to":null}],"#,
    r#""bill":{"account":"A1","due_on":null,"previous_balance":null,"payments":null,"new_charges":null,"balance":"10.00"},"#,
    r#""recipient":{"email":"ada@mail.example","name":null,"language":"en"}}"#
);

/// Reason and field of a line's reject; `None` where it is a row.
fn told(line: &str) -> Option<(String, String)> {
    let mut rows = open(&Format::Ndjson.into(), "a.ndjson", Box::new(line.as_bytes())).unwrap();
    match rows.next().unwrap().unwrap() {
        Row::Rejected { reject, .. } => Some((reject.reason, reject.place.field.unwrap_or_default())),
        Row::Statement(_) | Row::Templated(_) => None,
    }
}

/// As it is, and as it is read where a number needs the thorough reader.
fn expect(from: &str, to: &str, field: &str) {
    let line = LINE.replacen(from, to, 1);
    assert_ne!(line, LINE, "{from}");
    for line in [line.clone(), line.replacen(r#""limit":"30""#, r#""limit":30.000"#, 1)] {
        assert_eq!(told(&line), Some(("wrong_type".to_owned(), field.to_owned())), "{line}");
    }
}

#[test]
fn each_object_by_position() {
    assert_eq!(told(LINE), None);
    for (object, list, field) in [
        (
            r#"{"id":"M1","name":"Ada Example","given_name":null,"family_name":null,"birth_date":null}"#,
            r#"["M1","Ada Example",null,null,null]"#,
            "member",
        ),
        (r#"{"billed":"10.00"}"#, r#"["10.00",null,null,null,null,null,null,null,null,null]"#, "totals"),
        (r#"{"code":"HC:1","amounts":{"billed":10}}"#, r#"[null,null,"HC:1",null,null,{"billed":10},null]"#, "lines[0]"),
        (r#"{"billed":10}"#, "[10]", "lines[0].amounts"),
        (r#"{"code":"N1","text":null}"#, r#"["N1",null]"#, "notes[0]"),
        (
            r#"{"kind":"deductible","scope":"family","network":"in_network","limit":"30","used":"1","from":null,"to":null}"#,
            r#"["deductible","family","in_network","30","1",null,null]"#,
            "accumulators[0]",
        ),
        (
            r#"{"account":"A1","due_on":null,"previous_balance":null,"payments":null,"new_charges":null,"balance":"10.00"}"#,
            r#"["A1",null,null,null,null,"10.00"]"#,
            "bill",
        ),
        (r#"{"email":"ada@mail.example","name":null,"language":"en"}"#, r#"["ada@mail.example",null,"en"]"#, "recipient"),
    ] {
        expect(object, list, field);
    }
    assert_eq!(told(&format!("[{LINE}]")), Some(("wrong_type".to_owned(), String::new())));
    let templated = r#"{"kind":"templated","template":"t","variables":["a","b"],"recipient":{"email":"ada@mail.example"}}"#;
    assert_eq!(told(templated), Some(("wrong_type".to_owned(), "variables".to_owned())));
}

#[test]
fn each_word_as_an_object() {
    for (field, word) in [
        ("status", "denied"),
        ("claim_type", "dental"),
        ("network", "in_network"),
        ("program", "medicaid"),
        ("paid_to", "member"),
        ("kind", "bill"),
    ] {
        expect(&format!(r#""{field}":"{word}""#), &format!(r#""{field}":{{"{word}":null}}"#), field);
    }
    expect(r#""kind":"deductible""#, r#""kind":{"deductible":null}"#, "accumulators[0].kind");
    expect(r#""scope":"family""#, r#""scope":{"family":null}"#, "accumulators[0].scope");
}
