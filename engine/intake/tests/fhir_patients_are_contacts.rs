//! FHIR Patient resources are contact data: by any of their ids, under any of their names, to the address that holds.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod corpus;

use intake::authority::{Asked, AuthoritySettings, Decision, decide};
use intake::{Contacts, Join};
use model::Date;
use model::statement::{Member, StatementKind};
use serde_json::{Value, json};

fn patient() -> Value {
    let identifier = |code: &str, value: &str| json!({ "type": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": code }] }, "value": value });
    json!({
        "resourceType": "Patient",
        "id": "p-1",
        "identifier": [identifier("SS", "999-99-9999"), identifier("MB", "M1"), identifier("MC", "1EG4")],
        "name": [
            { "use": "maiden", "family": "Girl", "given": ["Ada"] },
            { "use": "official", "family": "Example", "given": ["Ada", "Q"], "period": { "start": "2020-06-01" } },
            { "use": "nickname", "given": ["Addie"] }
        ],
        "telecom": [
            { "system": "phone", "value": "555" },
            { "system": "email", "value": "old@mail.example", "use": "old", "rank": 1 },
            { "system": "email", "value": "ended@mail.example", "rank": 1, "period": { "end": "2020-01-01" } },
            { "system": "email", "value": "ada@mail.example", "use": "home", "rank": 2 },
            { "system": "email", "value": "ada@work.example", "use": "work", "rank": 2 }
        ],
        "birthDate": "1990-01-02",
        "communication": [{ "language": { "coding": [{ "system": "urn:ietf:bcp:47", "code": "en" }] } },
                          { "language": { "coding": [{ "system": "urn:ietf:bcp:47", "code": "es-MX" }] }, "preferred": true }]
    })
}

fn contacts(text: &str) -> Contacts {
    Contacts::read(text.as_bytes(), "Patient.ndjson").unwrap()
}

fn member(id: &str, given: &str, family: &str, birth_date: Option<Date>) -> Member {
    Member { id: id.into(), name: format!("{given} {family}").into(), given_name: given.into(), family_name: family.into(), birth_date }
}

fn address(contacts: &Contacts, member: &Member) -> String {
    let asked = Asked { member, also_known_as: &[], kind: StatementKind::Eob, today: Date::constant(2026, 11, 22) };
    match decide(contacts, &asked, &AuthoritySettings::default()) {
        Decision::Send(sending) => sending.recipient.mailbox.reveal(),
        Decision::Paper(reason) => format!("paper: {reason}"),
        Decision::NoAddress(reason) => format!("none: {reason}"),
        Decision::Mismatch(detail) => format!("mismatch: {detail}"),
    }
}

#[test]
fn a_patient_is_found_by_each_id_with_a_name_or_the_birth_date_and_never_by_the_id_alone() {
    let coverage = json!({ "resourceType": "Coverage", "id": "c", "subscriberId": "S1", "beneficiary": { "reference": "Patient/p-1" } });
    let bundle = json!({ "resourceType": "Bundle", "type": "searchset", "entry": [{ "resource": coverage }, { "resource": patient() }] });
    let lines = format!("\u{feff}{}\r\n{}\r\n", patient(), coverage);
    for text in [lines, bundle.to_string(), serde_json::to_string_pretty(&bundle).unwrap()] {
        let contacts = contacts(&text);
        for id in ["M1", "1EG4", "p-1", "S1"] {
            assert_eq!(address(&contacts, &member(id, "Ada", "Example", None)), "ada@mail.example", "{id}");
            assert_eq!(address(&contacts, &member(id, "ADA", "GIRL", None)), "ada@mail.example", "{id} by the earlier name");
            assert_eq!(address(&contacts, &member(id, "Ada", "Married", Some(Date::constant(1990, 1, 2)))), "ada@mail.example", "{id}");
            assert!(address(&contacts, &member(id, "Ben", "Sample", None)).starts_with("mismatch"), "{id}");
            assert!(address(&contacts, &member(id, "", "", None)).starts_with("mismatch"), "{id}");
        }
        assert_eq!(
            address(&contacts, &member("999-99-9999", "Ada", "Example", None)),
            "none: member_unknown",
            "no social security numbers"
        );
        let Join::Found(_) = contacts.join(&member("M1", "Ada", "Example", None), &[]) else { panic!() };
        let mailbox = model::Mailbox::parse("ada@mail.example").unwrap();
        assert!(!contacts.is_shared(&mailbox), "one person by several ids is one person");
    }
}

#[test]
fn the_preferred_language_is_the_recipients() {
    let contacts = contacts(&patient().to_string());
    let member = member("M1", "Ada", "Example", None);
    let asked = Asked { member: &member, also_known_as: &[], kind: StatementKind::Eob, today: Date::constant(2026, 11, 22) };
    let Decision::Send(sending) = decide(&contacts, &asked, &AuthoritySettings::default()) else { panic!() };
    assert_eq!(sending.recipient.language.unwrap().primary(), "es");
}

#[test]
fn the_dead_the_inactive_and_the_damaged_are_not_written_to() {
    let with = |change: fn(&mut Value)| {
        let mut changed = patient();
        change(&mut changed);
        contacts(&format!("{changed}\n{{\"resourceType\":\"Organization\"}}\n"))
    };
    let ada = member("M1", "Ada", "Example", None);
    for dead in [
        |p: &mut Value| p["deceasedBoolean"] = json!(true),
        |p: &mut Value| p["deceasedDateTime"] = json!("2025-05-05T01:02:03Z"),
        |p: &mut Value| p["deceasedDateTime"] = json!("2025"),
    ] {
        assert_eq!(address(&with(dead), &ada), "paper: deceased");
    }
    let inactive = with(|p| p["active"] = json!(false));
    assert_eq!((address(&inactive, &ada), inactive.rejects()[0].reason.as_str()), ("none: member_unknown".to_owned(), "patient_inactive"));
    let modified = with(|p| p["modifierExtension"] = json!([{ "url": "x" }]));
    assert_eq!((modified.len(), modified.rejects()[0].reason.as_str()), (0, "modifier_unknown"));
    let silent = with(|p| p["telecom"] = json!([]));
    assert_eq!(address(&silent, &ada), "none: address_missing");
    let cut = patient().to_string();
    let cut = contacts(&format!("{}\n{}\n", &cut[..cut.len() / 2], cut));
    assert_eq!((address(&cut, &ada), cut.rejected()), ("ada@mail.example".to_owned(), 1));
}

#[test]
fn the_patients_of_the_public_corpora_are_read() {
    let Some(root) = corpus::root() else { return };
    let (mut files, mut with_email) = (0, 0);
    for folder in [
        "fhir-smart-emails-64",
        "fhir-smart-bulk-10-patients",
        "fhir-synthea-r4-public",
        "fhir-carin-bb-2.2",
        "fhir-r4-official",
        "fhir-cms-bfd-v2",
    ] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if !name.to_lowercase().contains("patient")
                || !(name.ends_with("json"))
                || name.to_lowercase().contains("eob")
                || name.contains("coverage")
            {
                continue;
            }
            let contacts = Contacts::read(&std::fs::read(&path).unwrap()[..], &name).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
            assert!(contacts.len() + usize::try_from(contacts.rejected()).unwrap() > 0, "{name}");
            files += 1;
            if folder == "fhir-smart-emails-64" {
                with_email += usize::from(contacts.len() > 10);
            }
        }
    }
    assert!(files > 20 && with_email >= 1, "{files} {with_email}");
}
