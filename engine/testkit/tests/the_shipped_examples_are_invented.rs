//! The data files in `configs/examples` come from here, byte for byte: no real person can slip in.
//!
//! After a change of the generator: `cargo test -p testkit -- --ignored` writes them anew.

use std::path::{Path, PathBuf};
use testkit::{Batch, Options};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/examples")
}

/// A seed with one of each trouble among twelve rows.
const SEED: u64 = 168;

fn batch(seed: u64) -> Batch {
    Batch::new(Options {
        seed,
        rows: 12,
        lines: 2..=5,
        destinations: vec!["d1.test".to_owned(), "d2.test".to_owned(), "d3.test".to_owned()],
        without_contact_per_mille: 100,
        mismatched_per_mille: 100,
        duplicate_per_mille: 100,
        unbalanced_per_mille: 100,
        reversal_per_mille: 100,
        without_authorization_per_mille: 200,
        ..Options::default()
    })
}

fn written() -> Vec<(&'static str, Vec<u8>)> {
    let batch = batch(SEED);
    let (mut remittance, mut statements, mut contacts, mut news) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    batch.write_x12_835(&mut remittance).expect("memory takes everything");
    batch.write_ndjson(&mut statements).expect("memory takes everything");
    batch.write_contacts(&mut contacts).expect("memory takes everything");
    batch.write_templated_ndjson(&mut news, "announcement").expect("memory takes everything");
    vec![("remittance.835", remittance), ("statements.ndjson", statements), ("contacts.csv", contacts), ("news.ndjson", news)]
}

#[test]
fn the_files_are_what_the_generator_writes() {
    for (name, bytes) in written() {
        let shipped = std::fs::read(examples().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(shipped == bytes, "configs/examples/{name} is not what the generator writes");
    }
}

#[test]
fn each_trouble_is_among_them() {
    let expected = batch(SEED).expected();
    for (name, part) in [
        ("rejected", expected.rejected),
        ("duplicate", expected.duplicate),
        ("not_mailable", expected.not_mailable),
        ("no_address", expected.no_address),
        ("held", expected.held),
    ] {
        assert_eq!(part.rows, 1, "{name}: choose another seed");
    }
}

#[test]
#[ignore = "writes into the source tree"]
fn write_them_anew() {
    for (name, bytes) in written() {
        std::fs::write(examples().join(name), bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}
