//! Bit flips, random bytes, and files made of plausible pieces: no panic, and every record is counted once.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod corpus;

use intake::{Contacts, Format, InputProfile, Row, open};
use proptest::prelude::*;

fn count(format: Option<Format>, bytes: &[u8]) {
    let Ok(mut rows) = open(&InputProfile { format, ..InputProfile::default() }, "any.txt", Box::new(bytes)) else { return };
    let mut given = 0u64;
    for row in rows.by_ref() {
        let row = row.expect("memory does not fail to be read");
        given += 1;
        assert_eq!(row.place().row, given);
        if let Row::Rejected { reject, .. } = &row {
            assert!(!reject.reason.is_empty() && !reject.expected.is_empty() && !reject.action.is_empty());
        }
    }
    assert_eq!(rows.source_records(), given);
}

#[test]
fn one_flipped_bit_anywhere() {
    for (_, bytes) in corpus::files_835() {
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            count(None, &flipped);
            count(Some(Format::X12_835), &flipped);
        }
    }
}

#[test]
fn a_flipped_bit_of_ndjson() {
    let batch = testkit::Batch::new(testkit::Options { rows: 3, lines: 2..=3, ..testkit::Options::default() });
    let mut file = Vec::new();
    batch.write_ndjson_with_recipients(&mut file).unwrap();
    for at in 0..file.len() {
        for bit in 0..8 {
            let mut flipped = file.clone();
            flipped[at] ^= 1 << bit;
            count(Some(Format::Ndjson), &flipped);
        }
    }
}

const PIECES: [&str; 30] = [
    "ISA*00* *00* *ZZ*A *ZZ*B *180613*1230*^*00501*1*0*P*:~GS*HP*A*B*1*1*1*X*005010X221A1~",
    "ST*835*1~",
    "BPR*I*1~",
    "N1*PR*Plan~",
    "LX*1~",
    "CLP*A*1*100*80*20*12*N1~",
    "CLP*A*22*-100*-80**12*N2~",
    "CLP*A*1*100*80~",
    "NM1*QC*1*MOCK*ADA****MI*M1~",
    "NM1*74*1******C*M2~",
    "NM1*IL*1*MOCK*BEN****MI*M3~",
    "CAS*PR*1*20~",
    "CAS*CO*45*x*1*2~",
    "CAS*OA*23*1**45*2**96*3**1*4**2*5**3*6~",
    "SVC*HC:99213:25*100*80**1~",
    "SVC*HC>1~",
    "DTM*472*20240101~",
    "DTM*232*20241301~",
    "AMT*B6*80~",
    "LQ*HE*N130~",
    "MOA***MA02~",
    "PLB*1*20240101*L6*-1~",
    "SE*9*1~",
    "GE*1*1~",
    "IEA*1*1~",
    "ST*999*1~",
    "\r\n",
    "~~",
    "\u{feff}",
    "X",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        count(None, &bytes);
        for format in [Format::X12_835, Format::Ndjson] {
            count(Some(format), &bytes);
        }
        let _ = Contacts::read(bytes.as_slice(), "contacts.csv");
    }

    #[test]
    fn random_bytes_after_a_header(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut file = b"ST*835*1~BPR*I*1~CLP*A*1*100*80*20*12*N1~".to_vec();
        file.extend_from_slice(&bytes);
        count(None, &file);
        let mut contacts = b"member_id,name,email\n".to_vec();
        contacts.extend_from_slice(&bytes);
        let _ = Contacts::read(contacts.as_slice(), "contacts.csv");
    }

    #[test]
    fn plausible_pieces_in_any_order(pieces in proptest::collection::vec(0..PIECES.len(), 0..60)) {
        let file: String = pieces.into_iter().map(|at| PIECES[at]).collect();
        count(None, file.as_bytes());
        count(Some(Format::X12_835), format!("ST*835*1~BPR*I~{file}").as_bytes());
    }

    #[test]
    fn lines_that_are_almost_json(lines in proptest::collection::vec(r#"[{}\[\]":,a-z0-9\\ ]{0,60}"#, 0..20)) {
        count(Some(Format::Ndjson), lines.join("\n").as_bytes());
    }
}
