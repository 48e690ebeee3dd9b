//! One invented batch, written as 835 and as NDJSON: what is read back from both is what was invented, amount by amount.

use intake::{InputProfile, Row, open};
use model::Cents;
use model::statement::{Amounts, Statement};
use testkit::{Batch, Options};

fn batch() -> Batch {
    Batch::new(Options { seed: 9, rows: 300, lines: 1..=12, claims_per_transaction: 40, reversal_per_mille: 50, ..Options::default() })
}

fn read(name: &str, file: &[u8]) -> Vec<Statement> {
    let rows = open(&InputProfile::default(), name, Box::new(file)).unwrap_or_else(|refusal| panic!("{refusal}"));
    rows.map(|row| match row.unwrap_or_else(|refusal| panic!("{refusal}")) {
        Row::Statement(read) => read.statement,
        _ => panic!("{name}: every row of this batch is a statement"),
    })
    .collect()
}

fn check(name: &str, read: &[Statement]) {
    let batch = batch();
    assert_eq!(read.len() as u64, batch.options().rows);
    for (row, read) in batch.rows().zip(read) {
        let (number, invented) = (row.number, &row.statement);
        assert!(read.claim_number == invented.claim_number && read.status == invented.status, "{name}, row {number}: claim");
        assert!(
            read.member.id == invented.member.id && read.member.family_name == invented.member.family_name,
            "{name}, row {number}: member"
        );
        assert!(read.provider == invented.provider && read.payer == invented.payer, "{name}, row {number}: provider");
        assert_eq!((read.service_from, read.money()), (invented.service_from, invented.money()), "{name}, row {number}");
        assert_eq!(read.lines.len(), invented.lines.len(), "{name}, row {number}");
        for (at, (line, meant)) in read.lines.iter().zip(&invented.lines).enumerate() {
            let place = format!("{name}, row {number}, line {at}");
            assert_eq!(parts(&line.amounts), parts(&meant.amounts), "{place}");
            assert_eq!(line.service_from, meant.service_from, "{place}");
            assert!(line.code == meant.code && line.modifiers == meant.modifiers, "{place}: code");
        }
    }
}

/// An 835 whose adjustments close says of each part that has none that it is zero; NDJSON leaves it unsaid. The sums are the same.
fn parts(amounts: &Amounts) -> [Cents; 8] {
    let Amounts { billed, allowed, discount, plan_paid, deductible, coinsurance, copay, not_covered, .. } = *amounts;
    [billed, allowed, discount, plan_paid, deductible, coinsurance, copay, not_covered].map(Option::unwrap_or_default)
}

#[test]
fn as_an_835() {
    let mut file = Vec::new();
    batch().write_x12_835(&mut file).expect("memory takes everything");
    check("835", &read("batch.835", &file));
}

#[test]
fn as_ndjson() {
    let mut file = Vec::new();
    batch().write_ndjson(&mut file).expect("memory takes everything");
    check("NDJSON", &read("batch.ndjson", &file));
}
