//! The lists in `engine/src/shipped.rs` name every file of the folders they stand for, with its content.

mod workspace;

use sealpost::shipped::{BOUNCES, COLUMNS, DESTINATIONS, TEMPLATES, WARMUP};
use std::path::{Path, PathBuf};
use workspace::root;

fn files_under(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("a folder lists its entries").path();
        if path.is_dir() { files_under(&path, into) } else { into.push(path) }
    }
}

fn check(list: &[(&str, &str)], folder: &str, names_begin_at: &str) {
    let mut paths = Vec::new();
    files_under(&root().join(folder), &mut paths);
    paths.retain(|path| path.extension().is_some_and(|extension| extension != "md"));
    let base = root().join(names_begin_at);
    let mut shipped: Vec<(String, String)> = paths
        .iter()
        .map(|path| {
            let name = path.strip_prefix(&base).expect("it was found below").display().to_string();
            (name, std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        })
        .collect();
    shipped.sort();
    let compiled: Vec<(String, String)> = list.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let names = |files: &[(String, String)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&compiled), names(&shipped), "engine/src/shipped.rs and {folder} differ");
    assert!(compiled == shipped, "a file of {folder} has another content than what is compiled in");
}

#[test]
fn limits_of_receivers() {
    check(DESTINATIONS, "configs/destinations", "");
}

#[test]
fn meanings_of_replies() {
    check(BOUNCES, "configs/bounces", "");
}

#[test]
fn column_maps() {
    check(COLUMNS, "configs/columns", "");
}

#[test]
fn warm_up() {
    check(&WARMUP, "configs/pools", "");
}

#[test]
fn templates() {
    check(TEMPLATES, "configs/templates", "configs/templates");
}
