//! What FHIR costs. Run by hand: `cargo test --release -p intake --test measures_of_fhir -- --ignored --nocapture`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement prints, and looks at the real clock"
)]

use intake::{InputProfile, Row};
use std::io::{BufReader, Read};
use std::time::Instant;

/// A claim of 15 items as CARIN's profiles have them, about 14 KB without blanks.
fn claim() -> String {
    let category = |code: &str, system: &str| format!("{{\"coding\":[{{\"system\":\"{system}\",\"code\":\"{code}\"}}]}}");
    let (hl7, carin) =
        ("http://terminology.hl7.org/CodeSystem/adjudication", "http://hl7.org/fhir/us/carin-bb/CodeSystem/C4BBAdjudication");
    let amounts = |list: &[(&str, &str, &str)]| -> String {
        let each = list.iter().map(|(code, system, value)| {
            format!("{{\"category\":{},\"amount\":{{\"value\":{value},\"currency\":\"USD\"}}}}", category(code, system))
        });
        each.collect::<Vec<_>>().join(",")
    };
    let parts = [
        ("submitted", hl7, "100.00"),
        ("discount", carin, "20.00"),
        ("benefit", hl7, "60.00"),
        ("deductible", hl7, "0.00"),
        ("coinsurance", carin, "10.00"),
        ("copay", hl7, "10.00"),
        ("noncovered", carin, "0.00"),
        ("priorpayerpaid", carin, "0.00"),
    ];
    let item = |at: usize| {
        format!(
            "{{\"sequence\":{at},\"servicedDate\":\"2026-04-02\",\"productOrService\":{{\"coding\":[{{\"system\":\"http://www.ama-assn.org/go/cpt\",\"code\":\"99213\"}}],\
                  \"text\":\"Office visit\"}},\"adjudication\":[{}]}}",
            amounts(&parts)
        )
    };
    let items: Vec<String> = (1..=15).map(item).collect();
    format!(
        "{{\"resourceType\":\"ExplanationOfBenefit\",\"status\":\"active\",\"outcome\":\"complete\",\"use\":\"claim\",\"created\":\"2026-04-09\",\
              \"identifier\":[{{\"value\":\"C1\"}}],\"patient\":{{\"reference\":\"#p\"}},\"contained\":[{{\"resourceType\":\"Patient\",\"id\":\"p\",\"birthDate\":\"1980-02-29\",\
              \"name\":[{{\"family\":\"Example\",\"given\":[\"Ada\"]}}],\"identifier\":[{{\"type\":{{\"coding\":[{{\"code\":\"MB\"}}]}},\"value\":\"M1\"}}]}}],\
              \"insurance\":[],\"item\":[{}],\"total\":[{}]}}",
        items.join(","),
        amounts(&[("submitted", hl7, "1500.00"), ("memberliability", carin, "300.00")])
    )
}

/// A beginning, a part so many times, and an end.
struct Repeated {
    parts: [Vec<u8>; 3],
    at: usize,
    which: usize,
    left: usize,
}

impl Read for Repeated {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.which < 3 {
            let rest = &self.parts[self.which][self.at..];
            if !rest.is_empty() {
                let count = rest.len().min(buffer.len());
                buffer[..count].copy_from_slice(&rest[..count]);
                self.at += count;
                return Ok(count);
            }
            self.at = 0;
            if self.which == 1 && self.left > 1 { self.left -= 1 } else { self.which += 1 }
        }
        Ok(0)
    }
}

fn kib(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
#[ignore = "a measurement"]
fn claims_of_fifteen_items_from_bytes_to_statements() {
    let claim = claim();
    for (name, parts) in [
        ("NDJSON", [String::new(), format!("{claim}\n"), String::new()]),
        (
            "Bundle",
            [
                format!("{{\"resourceType\":\"Bundle\",\"entry\":[{{\"resource\":{claim}}}"),
                format!(",{{\"resource\":{claim}}}"),
                "]}".to_owned(),
            ],
        ),
        ("NDJSON whose patients are elsewhere", [String::new(), format!("{}\n", claim.replace("#p", "Patient/7")), String::new()]),
    ] {
        for megabytes in [1, 100, 1_000] {
            let left = megabytes * 1_000_000 / parts[1].len();
            let source = Repeated { parts: parts.clone().map(String::into_bytes), at: 0, which: 0, left };
            let begun = Instant::now();
            let rows = intake::open(&InputProfile::default(), "f", Box::new(BufReader::with_capacity(256 * 1024, source))).unwrap();
            let read = rows.filter(|row| matches!(row, Ok(Row::Statement(_)))).count();
            let each = begun.elapsed() / u32::try_from(read).unwrap();
            println!("{name} {megabytes} MB: {read} claims of {} bytes, {each:?} each, peak {} KiB", claim.len(), kib("VmHWM"));
        }
    }
}
