//! Where the public corpora lie, and reading a file or an answer key of them.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "test support: each test file uses what it needs, and may panic and print"
)]

use intake::{InputProfile, Row};
use model::reject::Reject;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A row of an answer key, by column name.
pub(crate) type Answer = BTreeMap<String, String>;

/// The corpus folder: `SEALPOST_CORPUS`, else `../shared/data` beside the workspace. Says so where there is none.
pub(crate) fn root() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let root = PathBuf::from(std::env::var_os("SEALPOST_CORPUS").unwrap_or_else(|| beside.into()));
    if root.join("oracle-835-public.tsv").is_file() {
        return Some(root);
    }
    eprintln!("SKIPPED: no corpus at {}; set SEALPOST_CORPUS", root.display());
    None
}

/// The 835 files of the corpus that the answer key knows.
pub(crate) fn files_835() -> Vec<(String, Vec<u8>)> {
    let Some(root) = root() else { return Vec::new() };
    let key = std::fs::read_to_string(root.join("oracle-835-public.tsv")).unwrap();
    let mut names: Vec<&str> = key.lines().skip(1).filter_map(|line| line.split('\t').next()).collect();
    names.dedup();
    names.into_iter().map(|name| (name.to_owned(), std::fs::read(root.join(name)).unwrap())).collect()
}

/// Rows, source records and findings of a file that must not be refused.
pub(crate) fn read(bytes: &[u8]) -> (Vec<Row>, u64, Vec<Reject>) {
    let mut rows = intake::open(&InputProfile::default(), "corpus.txt", Box::new(bytes)).unwrap();
    let read: Vec<Row> = rows.by_ref().map(Result::unwrap).collect();
    (read, rows.source_records(), rows.findings().to_vec())
}

/// The rows of an answer key, by the file they are about.
pub(crate) fn answers(text: &str) -> BTreeMap<String, Vec<Answer>> {
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().expect("the key has a header").split('\t').collect();
    let mut by_file: BTreeMap<String, Vec<Answer>> = BTreeMap::new();
    for line in lines {
        let answer: Answer = header.iter().zip(line.split('\t')).map(|(name, value)| ((*name).to_owned(), value.to_owned())).collect();
        by_file.entry(answer["file"].clone()).or_default().push(answer);
    }
    by_file
}
