//! What is shipped in `configs/` works as it is: TOML, JSON and templates parse, configurations pass every check.

use sealpost::config::Config;
use std::path::{Path, PathBuf};

fn configs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs")
}

fn files_under(folder: &Path, into: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() { files_under(&path, into) } else { into.push(path) }
    }
}

fn all_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    files_under(&configs(), &mut files);
    files
}

fn is_configuration(path: &Path, text: &str) -> bool {
    let relative = path.strip_prefix(configs()).unwrap();
    let is_at_top = relative.components().count() == 1;
    path.extension().is_some_and(|extension| extension == "toml")
        && (is_at_top || relative.starts_with("examples"))
        && text.contains("[tenants.")
}

#[test]
fn toml_and_json_are_well_formed() {
    let mut checked = 0;
    for path in all_files() {
        let text = std::fs::read_to_string(&path).unwrap();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("toml") => {
                text.parse::<toml::Table>().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                checked += 1;
            }
            Some("json") => {
                serde_json::from_str::<serde_json::Value>(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                checked += 1;
            }
            _ => {}
        }
    }
    assert!(checked >= 10, "{checked}");
}

#[test]
fn configurations_pass_every_check() {
    let mut checked = 0;
    for path in all_files() {
        let text = std::fs::read_to_string(&path).unwrap();
        if is_configuration(&path, &text) {
            Config::load(&path).unwrap_or_else(|errors| panic!("{errors}"));
            checked += 1;
        }
    }
    assert!(checked >= 4, "{checked}");
}

#[test]
fn knowledge_about_receivers_reads_without_dead_entries() {
    let mut files = Vec::new();
    files_under(&configs().join("destinations"), &mut files);
    let texts: Vec<(String, String)> = files
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| (path.display().to_string(), std::fs::read_to_string(path).unwrap()))
        .collect();
    let shaping = throttle::Shaping::from_files(&texts).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(shaping.validate(), []);
}
