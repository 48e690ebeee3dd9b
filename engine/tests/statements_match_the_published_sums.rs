//! `sealpost statements` over every 835 of the public corpus, against sums that independent scripts computed: each claim that
//! balances is a statement with the same amounts, every other one is a reject.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use model::Cents;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use support::Installation;
use support::installation::sealpost;

type Answer = BTreeMap<String, String>;

/// The corpus: `SEALPOST_CORPUS`, else `shared/data` beside the workspace.
fn corpus() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data");
    let root = PathBuf::from(std::env::var_os("SEALPOST_CORPUS").unwrap_or_else(|| beside.into()));
    if root.join("oracle-835-public.tsv").is_file() {
        return Some(root);
    }
    use std::io::Write;
    let _ = writeln!(std::io::stderr().lock(), "SKIPPED: no corpus at {}; set SEALPOST_CORPUS", root.display());
    None
}

fn answers(text: &str) -> BTreeMap<String, Vec<Answer>> {
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split('\t').collect();
    let mut by_file: BTreeMap<String, Vec<Answer>> = BTreeMap::new();
    for line in lines {
        let answer: Answer = header.iter().zip(line.split('\t')).map(|(name, value)| ((*name).to_owned(), value.to_owned())).collect();
        by_file.entry(answer["file"].clone()).or_default().push(answer);
    }
    by_file
}

#[test]
fn every_claim_of_every_file() {
    let Some(root) = corpus() else { return };
    let installation = Installation::new("");
    let key = std::fs::read_to_string(root.join("oracle-835-public.tsv")).unwrap();
    let (mut balanced, mut rejected) = (0, 0);
    for (file, answers) in answers(&key) {
        let ended = installation.run(sealpost().arg("statements").arg(root.join(&file)));
        let statements: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let rejects: Vec<Value> = ended.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let expected: Vec<&Answer> = answers.iter().filter(|answer| answer["balances"] == "yes").collect();
        assert_eq!(statements.len(), expected.len(), "{file}: {ended:?}");
        for (statement, answer) in statements.iter().zip(&expected) {
            let totals = &statement["totals"];
            for (column, field) in [
                ("billed_clp03", "billed"),
                ("paid_clp04", "plan_paid"),
                ("patresp_clp05", "member_owes"),
                ("pr1_deductible", "deductible"),
                ("pr2_coins", "coinsurance"),
                ("pr3_copay", "copay"),
            ] {
                let cents = Cents::parse(&answer[column]).unwrap();
                assert_eq!(totals[field].as_i64(), Some(cents.0), "{file} claim {}: {field}", answer["idx"]);
            }
            assert_eq!(statement["lines"].as_array().unwrap().len().to_string(), answer["n_svc"], "{file} claim {}", answer["idx"]);
        }
        // Rejects of rows; findings about the file as a whole may stand beside them.
        let reasons = ["claim_unbalanced", "member_share_unbalanced"];
        let unbalanced = rejects.iter().filter(|reject| reasons.iter().any(|reason| reject["reason"] == *reason)).count();
        assert_eq!(unbalanced, answers.len() - expected.len(), "{file}: {ended:?}");
        assert_eq!(ended.code, Some(if rejects.is_empty() { 0 } else { 5 }), "{file}: {ended:?}");
        balanced += expected.len();
        rejected += unbalanced;
    }
    assert_eq!(balanced + rejected, key.lines().count() - 1);
    assert!(balanced > 20, "{balanced}");
}
