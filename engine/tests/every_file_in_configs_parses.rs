//! What is shipped in `configs/` works as it is: TOML, JSON and templates parse, configurations pass every check.

use sealpost::config::Config;
use std::path::{Path, PathBuf};

fn configs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs")
}

fn files_under(folder: &Path, into: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut entries: Vec<PathBuf> = entries.map(|entry| entry.expect("a folder lists its entries").path()).collect();
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
    let relative = path.strip_prefix(configs()).expect("it was found below");
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
    let shaping = throttle::Shaping::from_files(&texts_of("destinations")).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(shaping.validate(), []);
    let rules = outcome::Rules::from_files(&texts_of("bounces")).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(rules.validate(), []);
}

fn texts_of(folder: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    files_under(&configs().join(folder), &mut files);
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    let text = |path: &PathBuf| std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    files.iter().map(|path| (path.display().to_string(), text(path))).collect()
}
