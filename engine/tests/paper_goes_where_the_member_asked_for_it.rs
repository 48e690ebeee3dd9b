//! Statements on paper are written out with the postal address of the sealed contact data: the alternative one where the member asked for
//! it, nothing where the member's other address is an e-mail one, and of a FHIR Patient the address that holds. Nothing of it lies
//! readable, and `members show` tells it to an operator alone.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use support::{GnuPg, Installation, files_under, number};
use testkit::{Batch, Options};

struct Printer {
    gpg: GnuPg,
    key: PathBuf,
}

impl Printer {
    fn of(installation: &Installation) -> Option<Self> {
        let gpg = GnuPg::new(installation)?;
        let key = gpg.printer_key(installation);
        Some(Self { gpg, key })
    }

    /// What is told, and the lines by row.
    fn export(&self, installation: &Installation, id: &str, out: &str, more: &[&Path]) -> (Value, Vec<Value>) {
        let out = installation.path(out);
        let mut command = installation.verb(&["batch", "paper", id]);
        let told = installation.run(command.arg("--to").arg(&self.key).arg("--out").arg(&out).args(more)).json_after(0);
        let text = self.gpg.decrypt(&out);
        let mut lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        lines.sort_by_key(|line| line["row"].as_u64());
        (told, lines)
    }
}

fn write(installation: &Installation, name: &str, batch: &Batch) -> PathBuf {
    let lines: Vec<String> = batch.rows().map(|row| row.to_json(false)).collect();
    let path = installation.path(name);
    std::fs::write(&path, lines.join("\n")).unwrap();
    path
}

fn send(installation: &Installation, file: &Path) -> String {
    let report = installation.run(installation.verb(&["send"]).arg("--batch").arg(file)).json_after(0);
    report["batch_id"].as_str().unwrap().to_owned()
}

#[test]
fn and_nowhere_else() {
    let installation = Installation::towards_port(support::free_port());
    let Some(printer) = Printer::of(&installation) else { return };
    let batch = Batch::new(Options { seed: 5, rows: 5, lines: 1..=2, ..Options::default() });
    let mut contacts = "Member ID,First Name,Last Name,Email,Format,Address 1,Address 2,City,State,ZIP,Alternative Address,\
                        Alternative Postal Line 1,Alternative Postal City,Alternative Postal State,Alternative Postal Code\n"
        .to_owned();
    for row in batch.rows() {
        let person = &row.person;
        let who =
            [&person.member_id, &person.given_name, &person.family_name, &person.email].map(|text| text.reveal().to_string()).join(",");
        let home = "12 Sycamore Lane,Apt 3,Springfield,EX,00001";
        contacts += &match row.number {
            1 => format!("{who},paper,{home},,,,,\n"),
            2 => format!("{who},,{home},,PO Box 77,Shelby,EX,00002\n"),
            3 => format!("{who},,{home},\"c/o Sycamore Shelter, Shelby EX 00002\",,,,\n"),
            4 => format!("{who},paper,{home},other@mail.example,,,,\n"),
            _ => format!("{who},paper,,,,,,,,,,\n"),
        };
    }
    let members = installation.path("members.csv");
    std::fs::write(&members, &contacts).unwrap();
    installation.run(installation.verb(&["members", "import"]).arg(&members)).json_after(0);
    let file = write(&installation, "one.ndjson", &batch);
    let id = send(&installation, &file);
    std::fs::remove_file(&members).unwrap();
    std::fs::remove_file(&file).unwrap();
    let (told, lines) = printer.export(&installation, &id, "one.pgp", &[]);
    assert_eq!(number(&told, "rows"), 5, "{told}");
    assert_eq!(told["without_address"], json!({ "alternative_address_is_electronic": 1, "postal_address_missing": 1 }), "{told}");
    let home = json!({ "lines": ["12 Sycamore Lane", "Apt 3"], "city": "Springfield", "state": "EX", "postal_code": "00001", "country": null, "way": "ordinary" });
    let other =
        json!({ "lines": ["PO Box 77"], "city": "Shelby", "state": "EX", "postal_code": "00002", "country": null, "way": "alternative" });
    let whole = json!({ "lines": ["c/o Sycamore Shelter, Shelby EX 00002"], "city": null, "state": null, "postal_code": null, "country": null, "way": "alternative" });
    let addresses: Vec<&Value> = lines.iter().map(|line| &line["postal_address"]).collect();
    assert_eq!(addresses, [&home, &other, &whole, &Value::Null, &Value::Null], "{lines:#?}");
    assert_eq!(lines[3]["postal_address_missing"], "alternative_address_is_electronic");

    // Sealed like the rest; an operator may look.
    for path in files_under(installation.folder()).into_iter().filter(|path| !path.starts_with(printer.gpg.home())) {
        let bytes = std::fs::read(&path).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&bytes).contains("Sycamore"), "{} is readable", path.display());
    }
    let second = batch.row(2).person.member_id.reveal().to_string();
    let mut command = installation.verb(&["members", "show", "--id", &second]);
    assert_eq!(installation.run(&mut command).code, Some(2), "not into a file unasked");
    let shown = installation.run(command.arg("--write-clear-text")).json_after(0);
    assert_eq!(
        (&shown["rows"][0]["postal_line_1"], &shown["rows"][0]["alternative_postal_line_1"]),
        (&json!("12 Sycamore Lane"), &json!("PO Box 77"))
    );

    // A FHIR file that is named for the export.
    let patients: Vec<String> = batch
        .rows()
        .map(|row| {
            let person = &row.person;
            let id = person.member_id.reveal().to_string();
            json!({ "resourceType": "Patient", "id": format!("p{}", row.number),
                "identifier": [{ "type": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MB" }] }, "value": id }],
                "name": [{ "given": [person.given_name.reveal()], "family": person.family_name.reveal() }],
                "address": [
                    { "use": "old", "line": ["1 Old Road"], "city": "Nowhere" },
                    { "use": "home", "type": "physical", "line": ["2 Cabin Trail"], "city": "Woods" },
                    { "use": "home", "type": "both", "line": ["3 Elm St", "Unit 4", "Rear"], "city": "Springfield", "state": "EX", "postalCode": "00003", "country": "US" },
                ] })
            .to_string()
        })
        .collect();
    let fhir = installation.path("patients.ndjson");
    std::fs::write(&fhir, patients.join("\n")).unwrap();
    let (told, lines) = printer.export(&installation, &id, "two.pgp", &[Path::new("--members"), &fhir]);
    assert_eq!((number(&told, "exported_before"), &told["without_address"]), (5, &json!({})), "{told}");
    let elm = json!({ "lines": ["3 Elm St", "Unit 4, Rear"], "city": "Springfield", "state": "EX", "postal_code": "00003", "country": "US", "way": "ordinary" });
    assert!(lines.iter().all(|line| line["postal_address"] == elm), "{lines:#?}");
}
