//! Memory does not grow with the file: 835, NDJSON and delimited text, from a megabyte to what a night may bring.
//!
//! By default 64 MB of each; two gigabytes by hand:
//! `cargo test --release -p intake --test memory_stays_flat_whatever_the_size -- --ignored --nocapture`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that also measures")]

use intake::{InputProfile, Row, open};
use std::io::{BufReader, Read};

/// A beginning, a part until there are so many bytes, and an end. The part's `########` becomes its number, so that no two are alike.
struct Generated {
    parts: [Vec<u8>; 3],
    bytes_left: u64,
    number: u64,
    buffer: Vec<u8>,
    at: usize,
    which: usize,
}

impl Generated {
    fn new(parts: [&str; 3], bytes: u64) -> Self {
        let parts = parts.map(|part| part.as_bytes().to_vec());
        Self { buffer: parts[0].clone(), parts, bytes_left: bytes, number: 0, at: 0, which: 0 }
    }

    fn next_part(&mut self) -> bool {
        self.at = 0;
        if self.bytes_left > 0 {
            self.bytes_left = self.bytes_left.saturating_sub(self.parts[1].len() as u64);
            self.number += 1;
            self.buffer.clone_from(&self.parts[1]);
            let number = format!("{:08}", self.number);
            let mut from = 0;
            while let Some(found) = self.buffer[from..].windows(8).position(|window| window == b"########") {
                self.buffer[from + found..from + found + 8].copy_from_slice(number.as_bytes());
                from += found + 8;
            }
            return true;
        }
        self.which += 1;
        self.buffer = if self.which == 1 { self.parts[2].clone() } else { Vec::new() };
        self.which == 1
    }
}

impl Read for Generated {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        while self.at == self.buffer.len() {
            if !self.next_part() {
                return Ok(0);
            }
        }
        let count = (self.buffer.len() - self.at).min(into.len());
        into[..count].copy_from_slice(&self.buffer[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap().to_owned();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Reads so many bytes of each format, and says how much the peak of memory is above that of one megabyte.
fn grown_kib(bytes: u64) -> u64 {
    let service = "SVC*HC:99213*100*80~DTM*472*20261001~CAS*PR*3*20~";
    let claim = format!("CLP*A########*1*1500*1200*300*12*C########~NM1*QC*1*EXAMPLE*ADA****MI*M########~{}", service.repeat(15));
    let line = "{\"code\":\"HC:99213\",\"amounts\":{\"billed\":\"100.00\",\"plan_paid\":\"80.00\",\"member_owes\":\"20.00\"}}";
    let object = format!(
        "{{\"kind\":\"eob\",\"claim_number\":\"C########\",\"member\":{{\"id\":\"M########\",\"name\":\"Ada Example\"}},\"status\":\"processed_primary\",\
         \"totals\":{{\"billed\":\"1500.00\",\"plan_paid\":\"1200.00\",\"member_owes\":\"300.00\"}},\"lines\":[{}]}}\n",
        vec![line; 15].join(",")
    );
    let files = [
        ["ST*835*1~BPR*I*0~N1*PR*Example Plan~LX*1~", claim.as_str(), "SE*1*1~"],
        ["", object.as_str(), ""],
        ["DESYNPUF_ID,PDE_ID,SRVC_DT,PROD_SRVC_ID,PTNT_PAY_AMT,TOT_RX_CST_AMT\n", "M########,########,20261001,0538,10.00,270.00\n", ""],
    ];
    let read = |parts: [&str; 3], bytes: u64| -> u64 {
        let source = BufReader::with_capacity(256 * 1024, Generated::new(parts, bytes));
        let mut rows = open(&InputProfile::default(), "generated", Box::new(source)).unwrap();
        let statements = rows.by_ref().filter(|row| matches!(row, Ok(Row::Statement(_)))).count() as u64;
        assert_eq!(rows.source_records(), statements, "every record is a statement");
        statements
    };
    files.iter().for_each(|parts| assert!(read(*parts, 1_000_000) > 100));
    let before = peak_kib();
    for parts in files {
        let statements = read(parts, bytes);
        println!("{bytes} bytes, {statements} statements: peak {} KiB, {before} KiB after a megabyte", peak_kib());
    }
    peak_kib() - before
}

#[test]
fn sixty_four_megabytes_of_each_format() {
    let grown = grown_kib(64_000_000);
    assert!(grown < 4 * 1024, "{grown} KiB");
}

#[test]
#[ignore = "minutes; by hand, alone"]
fn two_gigabytes_of_each_format() {
    let grown = grown_kib(2_000_000_000);
    assert!(grown < 4 * 1024, "{grown} KiB");
}
