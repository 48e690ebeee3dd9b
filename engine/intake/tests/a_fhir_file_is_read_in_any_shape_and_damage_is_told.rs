//! FHIR as senders shape it: keys and entries in any order, line ends and marks of any kind; and what is cut, flipped, doubled or endless.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use intake::{Format, InputProfile, ReadStatement, Rounding, Row};
use model::Cents;
use model::reject::Refusal;
use model::statement::{AccumulatorKind, ClaimStatus, ClaimType, LiabilityRule, Network, NoteKind, PaidTo, Program};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufReader, Read};

const CARIN: &str = "http://hl7.org/fhir/us/carin-bb/CodeSystem/";
const HL7: &str = "http://terminology.hl7.org/CodeSystem/";

fn category(code: &str) -> Value {
    let system = if ["submitted", "eligible", "benefit", "deductible", "copay"].contains(&code) {
        format!("{HL7}adjudication")
    } else {
        format!("{CARIN}C4BBAdjudication")
    };
    json!({ "coding": [{ "system": system, "code": code }] })
}

fn amounts(list: &[(&str, &str)]) -> Value {
    let money = |value: &str| -> Value { serde_json::from_str(&format!("{{\"value\":{value},\"currency\":\"USD\"}}")).unwrap() };
    list.iter().map(|(code, value)| json!({ "category": category(code), "amount": money(value) })).collect()
}

/// A claim that could be mailed.
fn claim(number: &str) -> Value {
    json!({
        "resourceType": "ExplanationOfBenefit",
        "id": number,
        "contained": [
            { "resourceType": "Patient", "id": "p", "name": [{ "family": "Example", "given": ["Ada", "Q"] }], "birthDate": "1980-02-29",
              "identifier": [{ "type": { "coding": [{ "system": format!("{HL7}v2-0203"), "code": "MB" }] }, "value": "M1" }] },
            { "resourceType": "Coverage", "id": "c", "subscriberId": "S1", "type": { "text": "Medicaid" }, "payor": [{ "display": "Example Plan" }] }
        ],
        "identifier": [{ "type": { "coding": [{ "system": format!("{CARIN}C4BBIdentifierType"), "code": "uc" }] }, "value": number }],
        "status": "active",
        "outcome": "complete",
        "use": "claim",
        "type": { "coding": [{ "system": format!("{HL7}claim-type"), "code": "professional" }] },
        "patient": { "reference": "#p" },
        "created": "2026-05-01",
        "insurer": { "reference": "Organization/none" },
        "provider": { "display": "Example\n Clinic " },
        "payee": { "type": { "coding": [{ "system": format!("{HL7}payeetype"), "code": "provider" }] } },
        "insurance": [{ "focal": true, "coverage": { "reference": "#c" } }],
        "billablePeriod": { "start": "2026-04", "end": "2026-04-03T23:30:00-11:00" },
        "processNote": [{ "number": 7, "type": "display", "text": "Not covered by your plan." }, { "number": 8, "type": "printoper", "text": "tray 2" }],
        "adjudication": [{ "category": { "coding": [{ "system": format!("{CARIN}C4BBAdjudicationDiscriminator"), "code": "benefitpaymentstatus" }] },
                           "reason": { "coding": [{ "system": format!("{CARIN}C4BBPayerAdjudicationStatus"), "code": "outofnetwork" }] } }],
        "item": [{
            "sequence": 1,
            "servicedDate": "2026-04-02",
            "noteNumber": [7, 8],
            "productOrService": { "coding": [{ "system": "http://www.ama-assn.org/go/cpt", "code": "99213" }], "text": "Office visit" },
            "modifier": [{ "coding": [{ "code": "25", "system": "http://www.ama-assn.org/go/cpt" }] }],
            "adjudication": amounts(&[("submitted", "100.00"), ("discount", "20"), ("benefit", "5e1"), ("deductible", "0"), ("coinsurance", "10.0"),
                                      ("copay", "15.000"), ("noncovered", "5"), ("priorpayerpaid", "0.00")])
        }],
        "total": amounts(&[("submitted", "100"), ("memberliability", "30"), ("benefit", "50")]),
        "benefitPeriod": { "start": "2026-01-01", "end": "2026-12-31" },
        "benefitBalance": [{ "unit": { "coding": [{ "system": format!("{HL7}benefit-unit"), "code": "individual" }] },
                             "financial": [{ "type": { "coding": [{ "system": format!("{HL7}benefit-type"), "code": "deductible" }] },
                                             "allowedMoney": { "value": 500, "currency": "USD" }, "usedMoney": { "value": 12.5, "currency": "USD" } }] }]
    })
}

struct File {
    rows: Vec<Row>,
    records: u64,
    findings: Vec<String>,
}

fn try_read(bytes: &[u8]) -> Result<File, Refusal> {
    let mut rows = intake::open(&InputProfile::default(), "f.json", Box::new(bytes))?;
    let read = rows.by_ref().collect::<Result<Vec<Row>, _>>()?;
    let findings = rows.findings().iter().map(|finding| finding.reason.clone()).collect();
    Ok(File { records: rows.source_records(), rows: read, findings })
}

fn read(text: &str) -> File {
    let file = try_read(text.as_bytes()).unwrap();
    assert_eq!(file.rows.len() as u64, file.records);
    file
}

fn statements(text: &str) -> Vec<ReadStatement> {
    let statement = |row| match row {
        Row::Statement(read) => *read,
        other => panic!("{other:?}"),
    };
    read(text).rows.into_iter().map(statement).collect()
}

/// The reasons of all rows.
fn reasons(text: &str) -> Vec<String> {
    let reason = |row| match row {
        Row::Statement(read) => read.not_mailable.unwrap_or("mailable").to_owned(),
        Row::Rejected { reject, .. } => reject.reason,
        other => panic!("{other:?}"),
    };
    read(text).rows.into_iter().map(reason).collect()
}

#[test]
fn what_a_claim_states_is_what_the_member_is_told() {
    let read = statements(&claim("C1").to_string()).remove(0);
    assert_eq!(read.not_mailable, None);
    let statement = read.statement;
    assert_eq!((statement.claim_number.reveal(), statement.status), ("C1", ClaimStatus::ProcessedPrimary));
    assert_eq!((statement.member.id.reveal(), statement.member.name.reveal()), ("M1", "Ada Q Example"));
    assert_eq!(read.also_known_as[0].id.reveal(), "S1");
    assert_eq!(statement.payer.unwrap().reveal(), "Example Plan");
    assert_eq!(statement.provider.unwrap().reveal(), "Example Clinic");
    assert_eq!((statement.service_from, statement.service_to), (Some(model::Date::constant(2026, 4, 2)), None));
    assert_eq!((statement.totals.plan_paid, statement.totals.member_owes), (Some(Cents(5_000)), Some(Cents(3_000))));
    assert_eq!((statement.totals.copay, statement.totals.allowed), (Some(Cents(1_500)), None), "every item states it; none states it");
    assert_eq!(statement.liability_rule, LiabilityRule::Stated);
    let line = &statement.lines[0];
    assert_eq!(line.code.as_ref().unwrap().reveal(), "HC:99213");
    assert_eq!((line.modifiers[0].reveal(), line.description.as_ref().unwrap().reveal()), ("25", "Office visit"));
    assert_eq!((line.notes.as_slice(), statement.notes.len(), statement.notes[0].kind), (&[0][..], 1, NoteKind::Message));
    let particulars = &statement.particulars;
    assert_eq!((particulars.claim_type, particulars.network), (Some(ClaimType::Medical), Some(Network::OutOfNetwork)));
    assert_eq!((particulars.program, particulars.paid_to), (Some(Program::Medicaid), Some(PaidTo::Provider)));
    let [accumulator] = &particulars.accumulators[..] else { panic!("{particulars:?}") };
    assert_eq!(
        (accumulator.kind, accumulator.limit, accumulator.used),
        (AccumulatorKind::Deductible, Some(Cents(50_000)), Some(Cents(1_250)))
    );
}

/// The same value with the keys of every object in another order.
fn turned(value: &Value, by: usize) -> String {
    match value {
        Value::Object(map) => {
            let mut pairs: Vec<String> = map.iter().map(|(name, value)| format!("{}:{}", json!(name), turned(value, by))).collect();
            let middle = by % pairs.len().max(1);
            pairs.rotate_left(middle);
            format!("{{{}}}", pairs.join(", "))
        }
        Value::Array(list) => format!("[{}]", list.iter().map(|value| turned(value, by)).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

#[test]
fn the_order_of_keys_and_unknown_elements_change_nothing() {
    let claim = claim("C1");
    let expected = statements(&claim.to_string()).remove(0).statement;
    for by in 0..25 {
        assert_eq!(statements(&turned(&claim, by)).remove(0).statement, expected, "{by}");
    }
    let mut extended = claim;
    extended["extension"] = json!([{ "url": "https://payer.example/x", "valueDecimal": 1.5 }]);
    extended["_status"] = json!({ "id": "x" });
    extended["item"][0]["extension"] = json!([{ "url": "https://payer.example/y", "valueCoding": { "code": "z" } }]);
    extended["text"] = json!({ "div": "<div>\"claim_number\": {[</div>" });
    assert_eq!(statements(&extended.to_string()).remove(0).statement, expected);
}

#[test]
fn a_resource_lines_and_bundles_of_any_shape_are_the_same_claims() {
    let claims: Vec<Value> = (1..=3).map(|at| claim(&format!("C{at}"))).collect();
    let lines: Vec<String> = claims.iter().map(Value::to_string).collect();
    let bundle = json!({ "resourceType": "Bundle", "type": "searchset", "total": 3, "link": [{ "relation": "self", "url": "x" }],
                         "entry": claims.iter().map(|claim| json!({ "resource": claim, "search": { "mode": "match" } })).collect::<Vec<_>>() });
    let pretty = serde_json::to_string_pretty(&bundle).unwrap();
    let flush_left: String = pretty.lines().map(|line| line.trim_start().to_owned() + "\n").collect();
    let files = [
        lines.join("\n"),
        lines.join("\r\n") + "\r\n",
        format!("\u{feff}{}\n\n\u{feff}{}\n{}\n", lines[0], lines[1], lines[2]),
        claims.iter().map(|claim| serde_json::to_string_pretty(claim).unwrap()).collect::<Vec<_>>().join("\n"),
        bundle.to_string(),
        pretty.replace('\n', "\r\n"),
        format!("\u{feff}{pretty}"),
        flush_left,
        turned(&bundle, 1),
        turned(&bundle, 2),
        claims
            .iter()
            .map(|claim| json!({ "resourceType": "Bundle", "entry": [{ "resource": claim }] }).to_string())
            .collect::<Vec<_>>()
            .join("\n"),
    ];
    for (at, file) in files.iter().enumerate() {
        let file = read(file);
        let numbers: Vec<&str> = file
            .rows
            .iter()
            .map(|row| match row {
                Row::Statement(read) => read.statement.claim_number.reveal(),
                other => panic!("{at}: {other:?}"),
            })
            .collect();
        assert_eq!((numbers, file.findings), (vec!["C1", "C2", "C3"], vec![]), "{at}");
    }
    assert_eq!(intake::open(&InputProfile::default(), "f", Box::new(lines[0].as_bytes())).unwrap().format(), Format::FhirR4);
}

#[test]
fn each_status_and_each_thing_that_is_not_taken_has_its_own_reason() {
    let with = |change: fn(&mut Value)| {
        let mut changed = claim("C1");
        change(&mut changed);
        reasons(&changed.to_string()).remove(0)
    };
    assert_eq!(with(|c| c["status"] = json!("cancelled")), "status_cancelled");
    assert_eq!(with(|c| c["status"] = json!("draft")), "status_draft");
    assert_eq!(with(|c| c["status"] = json!("entered-in-error")), "status_entered_in_error");
    assert_eq!(with(|c| c["status"] = json!("ACTIVE")), "value_unknown");
    assert_eq!(with(|c| c["outcome"] = json!("error")), "outcome_error");
    assert_eq!(with(|c| c["outcome"] = json!("queued")), "outcome_queued");
    assert_eq!(with(|c| c["outcome"] = json!("partial")), "outcome_partial");
    assert_eq!(with(|c| c["use"] = json!("preauthorization")), "predetermination");
    assert_eq!(with(|c| c["total"][0]["amount"]["currency"] = json!("CAD")), "currency_other");
    assert_eq!(with(|c| c["total"][0]["amount"]["value"] = json!("12.x")), "amount_malformed");
    assert_eq!(with(|c| c["item"][0]["adjudication"][0]["amount"]["value"] = json!(100.005)), "amount_sub_cent");
    assert_eq!(with(|c| c["item"][0]["servicedDate"] = json!("2026-02-30")), "date_malformed");
    assert_eq!(
        with(|c| c["modifierExtension"] = json!([{ "url": "https://payer.example/not", "valueBoolean": true }])),
        "modifier_unknown"
    );
    assert_eq!(with(|c| c["item"] = json!({})), "wrong_type");
    assert_eq!(with(|c| c["identifier"] = json!([])), "claim_number_missing");
    assert_eq!(with(|c| c["provider"]["display"] = json!("a\u{7}b")), "text_control_character");
    assert_eq!(with(|c| c["item"][0]["adjudication"][1]["amount"]["value"] = json!(21)), "claim_unbalanced");
    assert_eq!(with(|c| c["total"][0]["amount"]["value"] = json!(90)), "claim_unbalanced");
    assert_eq!(with(|c| c["total"] = amounts(&[("submitted", "90"), ("discount", "10"), ("memberliability", "30")])), "line_unbalanced");
    assert_eq!(with(|c| c["total"][1]["amount"]["value"] = json!(24)), "member_share_unbalanced");
    assert_eq!(with(|c| c["total"][1]["amount"]["value"] = json!(31)), "member_share_unbalanced");
    assert_eq!(with(|c| c["payment"] = json!({ "amount": { "value": 49 } })), "payment_differs");
    assert_eq!(with(|c| c["patient"]["reference"] = json!("Patient/elsewhere")), "member_unnamed");
    assert_eq!(
        with(|c| {
            let again = c["total"][1].clone();
            c["total"].as_array_mut().unwrap().push(again)
        }),
        "amount_ambiguous"
    );
    assert_eq!(
        with(|c| {
            for name in ["total", "item"] {
                c.as_object_mut().unwrap().remove(name);
            }
        }),
        "amounts_absent"
    );
    assert_eq!(
        with(|c| {
            c.as_object_mut().unwrap().remove("outcome");
            c["information"] = json!([])
        }),
        "fhir_not_r4"
    );
    assert_eq!(
        with(|c| {
            c.as_object_mut().unwrap().remove("outcome");
            c.as_object_mut().unwrap().remove("use");
        }),
        "fhir_not_r4"
    );
    let items = |count: usize| {
        let mut changed = claim("C1");
        changed["item"] = json!(vec![json!({ "sequence": 1 }); count]);
        reasons(&changed.to_string()).remove(0)
    };
    assert_eq!((items(999).as_str(), items(1_000).as_str()), ("mailable", "too_many_lines"));
}

#[test]
fn an_element_that_stands_twice_is_refused_by_its_path_and_no_value_is_shown() {
    let text = claim("C1").to_string().replacen("\"status\":\"active\"", "\"status\":\"active\",\"status\":\"cancelled\"", 1);
    let [Row::Rejected { reject, .. }] = &read(&text).rows[..] else { panic!("{text}") };
    assert_eq!((reject.reason.as_str(), reject.place.field.as_deref()), ("field_repeated", Some("status")));
    let text = claim("C1").to_string().replacen("\"copay\"", "{\"secret\":\"Ada\"}", 1);
    let [Row::Rejected { reject, .. }] = &read(&text).rows[..] else { panic!("{text}") };
    assert_eq!(reject.reason, "wrong_type");
    assert!(reject.place.field.as_ref().unwrap().starts_with("item[0].adjudication[5].category.coding[0].code"), "{reject:?}");
    assert!(!format!("{reject:?}").contains("Ada"));
}

#[test]
fn a_file_cut_at_any_byte_loses_nothing_silently() {
    let claims: Vec<Value> = (1..=3).map(|at| claim(&format!("C{at}"))).collect();
    let entries: Vec<Value> = claims.iter().map(|claim| json!({ "resource": claim })).collect();
    let bundle = json!({ "resourceType": "Bundle", "type": "collection", "entry": entries });
    let lines = claims.iter().map(|claim| claim.to_string() + "\n").collect::<String>();
    for whole in [lines.clone(), bundle.to_string(), serde_json::to_string_pretty(&bundle).unwrap()] {
        let ends: Vec<usize> = whole.match_indices("\"resourceType\":\"ExplanationOfBenefit\"").map(|(at, _)| at).collect();
        for cut in (1..whole.len()).step_by(7) {
            let Ok(file) = try_read(&whole.as_bytes()[..cut]) else { continue };
            let whole_claims = file.rows.iter().filter(|row| matches!(row, Row::Statement(_))).count();
            let is_said = file.rows.len() > whole_claims || !file.findings.is_empty();
            // Only between two lines, or before the line end of the last, is nothing missing.
            let is_between = whole == lines && (whole.as_bytes()[cut - 1] == b'\n' || whole.as_bytes()[cut] == b'\n');
            assert!(is_said || is_between, "cut at {cut} of {}: {whole_claims} whole, {} begun", whole.len(), ends.len());
            assert!(file.rows.iter().all(|row| !matches!(row, Row::Statement(read) if read.not_mailable.is_some())));
        }
    }
}

#[test]
fn damage_in_one_line_stays_in_it() {
    let lines: Vec<String> = (1..=4).map(|at| claim(&format!("C{at}")).to_string()).collect();
    for cut in (1..lines[0].len()).step_by(5) {
        for damaged in 0..3 {
            let mut file = lines.clone();
            file[damaged].truncate(cut);
            let Ok(read) = try_read(file.join("\n").as_bytes()) else { panic!("{cut} {damaged}") };
            let rejected = read.rows.iter().filter(|row| matches!(row, Row::Rejected { .. })).count();
            assert_eq!((read.rows.len(), rejected), (4, 1), "cut at {cut} in line {damaged}");
        }
    }
}

#[test]
fn a_flipped_bit_never_panics_and_never_loses_a_claim_silently() {
    let claims: Vec<Value> = (1..=2).map(|at| claim(&format!("C{at}"))).collect();
    let entries: Vec<Value> = claims.iter().map(|claim| json!({ "resource": claim })).collect();
    let bundle = json!({ "resourceType": "Bundle", "type": "collection", "entry": entries }).to_string();
    let lines = claims.iter().map(|claim| claim.to_string() + "\n").collect::<String>();
    for whole in [lines, bundle] {
        for at in (0..whole.len()).step_by(3) {
            for bit in [0, 1, 3, 5, 7] {
                let mut flipped = whole.clone().into_bytes();
                flipped[at] ^= 1 << bit;
                if let Ok(file) = try_read(&flipped) {
                    assert_eq!(file.rows.len() as u64, file.records);
                    let is_said = file.rows.iter().any(|row| matches!(row, Row::Rejected { .. })) || !file.findings.is_empty();
                    assert!(file.rows.len() >= 2 || is_said, "{at} bit {bit}");
                }
            }
        }
    }
}

#[test]
fn pages_histories_strangers_and_files_without_claims_are_told() {
    let entry = json!([{ "resource": claim("C1") }, { "resource": { "resourceType": "Observation", "id": "o" } }, { "request": { "method": "DELETE" } }]);
    let page = json!({ "resourceType": "Bundle", "type": "searchset", "entry": entry, "link": [{ "relation": "next", "url": "x" }] });
    assert_eq!(read(&page.to_string()).findings, ["bundle_incomplete", "other_resource"]);
    let short = json!({ "resourceType": "Bundle", "total": 9, "entry": [{ "resource": claim("C1") }] });
    assert_eq!(read(&short.to_string()).findings, ["bundle_incomplete"]);
    let refused = |value: Value| try_read(value.to_string().as_bytes()).err().unwrap().reason;
    assert_eq!(refused(json!({ "resourceType": "Bundle", "type": "history", "entry": [{ "resource": claim("C1") }] })), "bundle_history");
    assert_eq!(refused(json!({ "resourceType": "Patient", "id": "p" })), "no_statements");
    assert_eq!(refused(json!({ "resourceType": "Bundle", "entry": [] })), "no_statements");
    let two = format!(
        "{}\n{}",
        json!({ "resourceType": "Patient", "id": "p", "name": [{ "family": "A" }] }),
        json!({ "resourceType": "Patient", "id": "p", "name": [{ "family": "B" }] })
    );
    let mut ambiguous = claim("C1");
    ambiguous["patient"]["reference"] = json!("Patient/p");
    assert_eq!(reasons(&format!("{two}\n{ambiguous}")), ["patient_ambiguous"]);
}

/// Repeats a text a number of times, between a beginning and an end, without holding it.
struct Repeated<'a> {
    parts: BTreeMap<u8, &'a [u8]>,
    left: usize,
    at: usize,
}

impl Read for Repeated<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let Some((which, part)) = self.parts.first_key_value().map(|(which, part)| (*which, *part)) else { return Ok(0) };
            if self.at < part.len() {
                let count = buffer.len().min(part.len() - self.at);
                buffer[..count].copy_from_slice(&part[self.at..self.at + count]);
                self.at += count;
                return Ok(count);
            }
            self.at = 0;
            if which == 1 && self.left > 1 {
                self.left -= 1;
            } else {
                self.parts.remove(&which);
            }
        }
    }
}

#[test]
fn a_resource_without_end_is_passed_over_and_the_rest_is_read() {
    let claim = claim("C1").to_string();
    let blob = vec![b'x'; 1 << 20];
    for (before, after) in [
        ("{\"resourceType\":\"Bundle\",\"entry\":[{\"resource\":{\"text\":\"".to_owned(), format!("\"}}}},{{\"resource\":{claim}}}]}}")),
        (format!("{claim}\n{{\"resourceType\":\"ExplanationOfBenefit\",\"text\":\""), format!("\"}}\n{claim}\n")),
        (format!("{claim}\n{{\"resourceType\":\"ExplanationOfBenefit\",\"text\":\""), format!("\n{claim}\n")),
    ] {
        let parts = BTreeMap::from([(0, before.as_bytes()), (1, &blob[..]), (2, after.as_bytes())]);
        let reader = BufReader::new(Repeated { parts, left: 40, at: 0 });
        let rows = intake::open(&InputProfile { rounding: Rounding::Refuse, ..InputProfile::default() }, "f", Box::new(reader)).unwrap();
        let kinds: Vec<String> = rows
            .map(|row| match row.unwrap() {
                Row::Rejected { reject, .. } => reject.reason,
                _ => "statement".to_owned(),
            })
            .collect();
        let expected = ["statement", "resource_too_long", "statement"];
        assert_eq!(kinds, expected[expected.len() - kinds.len()..], "{}", &before[..40]);
        assert!(kinds.len() >= 2);
    }
}

/// Every object of a value, by its JSON pointer.
fn objects(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(entries) => {
            found.push(at.to_owned());
            entries.iter().for_each(|(name, value)| objects(value, &format!("{at}/{name}"), found));
        }
        Value::Array(items) => items.iter().enumerate().for_each(|(number, value)| objects(value, &format!("{at}/{number}"), found)),
        _ => {}
    }
}

/// Values by position, or nothing at all, where FHIR has an element with names.
#[test]
fn a_list_in_place_of_an_object_is_refused() {
    let honest = claim("C1");
    let as_it_is = read(&honest.to_string()).rows;
    let mut places = Vec::new();
    objects(&honest, "", &mut places);
    let mut refused = 0;
    for place in places.iter().filter(|place| !place.is_empty()) {
        let values: Vec<Value> = honest.pointer(place).unwrap().as_object().unwrap().values().cloned().collect();
        let mut turned = values.clone();
        turned.reverse();
        for list in [Vec::new(), values, turned] {
            let mut changed = honest.clone();
            *changed.pointer_mut(place).unwrap() = Value::Array(list);
            let rows = read(&changed.to_string()).rows;
            match &rows[..] {
                [Row::Rejected { reject, .. }] => {
                    refused += 1;
                    let is_told = reject.reason == "wrong_type" || place.starts_with("/contained");
                    assert!(is_told, "{place}: {reject:?}");
                }
                // An element that nobody reads. Or a contained resource that cannot be: then it is as if it were not there.
                [Row::Statement(_)] if place.starts_with("/contained") => {
                    let mut without = honest.clone();
                    without["contained"].as_array_mut().unwrap().retain(|one| !place.starts_with(&contained(&honest, one)));
                    assert_eq!(rows, read(&without.to_string()).rows, "{place}");
                }
                [Row::Statement(_)] => assert_eq!(rows, as_it_is, "{place}"),
                other => panic!("{place}: {other:?}"),
            }
        }
    }
    assert!(refused >= 60, "{refused} of {}", places.len());
}

/// The pointer of a contained resource.
fn contained(claim: &Value, one: &Value) -> String {
    let at = claim["contained"].as_array().unwrap().iter().position(|other| other == one).unwrap();
    format!("/contained/{at}")
}
