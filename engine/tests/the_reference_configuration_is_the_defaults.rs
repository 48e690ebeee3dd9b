//! `configs/sealpost.reference.toml` states every key, and for each key that has a default exactly that default.
//!
//! Held in both directions: whatever stands in the file may be left out without a change of meaning, and whatever the code
//! asks for stands in the file, with a value or as a comment.

use sealpost::config::Config;
use std::collections::BTreeSet;
use std::path::Path;
use toml::{Table, Value};

/// Keys without a default: an installation must say them, so the reference shows an example.
const REQUIRED: [&str; 8] = ["brand", "from", "phone", "hours", "portal_url", "postal_address", "consumer_assistance", "dkim"];
/// Keys whose default is another key's value: the reference shows an example of its own.
const FOLLOWS_ANOTHER: [&str; 4] = ["reply_to", "bounce", "message_id_domain", "domain"];

fn checked(text: &str) -> Config {
    let config = Config::from_text(text, Path::new("/etc/sealpost/sealpost.toml"), &|_| None);
    config.unwrap_or_else(|errors| panic!("{errors}\n---\n{text}"))
}

fn is_example(path: &[String]) -> bool {
    let key = path.last().map_or("", String::as_str);
    match path.first().map(String::as_str) {
        Some("tenants") => REQUIRED.contains(&key) || FOLLOWS_ANOTHER.contains(&key) || path.iter().any(|part| part == "dkim"),
        Some("routes") => key == "to",
        _ => false,
    }
}

/// The paths of all values, tables walked through.
fn leaves(table: &Table, path: &[String], into: &mut Vec<Vec<String>>) {
    for (key, value) in table {
        let path = [path, std::slice::from_ref(key)].concat();
        match value {
            Value::Table(inner) => leaves(inner, &path, into),
            _ => into.push(path),
        }
    }
}

fn remove(table: &mut Table, path: &[String]) {
    match path {
        [key] => drop(table.remove(key)),
        [key, rest @ ..] => {
            if let Some(Value::Table(inner)) = table.get_mut(key) {
                remove(inner, rest);
            }
        }
        [] => {}
    }
}

#[test]
fn leaving_out_any_key_that_has_a_default_changes_nothing() {
    let reference: Table = Config::default_text().parse().unwrap();
    let whole = checked(Config::default_text());
    let mut paths = Vec::new();
    leaves(&reference, &[], &mut paths);
    let mut left_out = 0;
    let mut bare = reference.clone();
    for path in paths.iter().filter(|path| !is_example(path)) {
        let mut without = reference.clone();
        remove(&mut without, path);
        remove(&mut bare, path);
        assert_eq!(checked(&toml::to_string(&without).unwrap()), whole, "{} has another default", path.join("."));
        left_out += 1;
    }
    assert!(left_out > 40, "{left_out}");
    assert_eq!(checked(&toml::to_string(&bare).unwrap()), whole);
}

#[test]
fn every_key_the_code_asks_for_stands_in_the_file() {
    let documented = documented_keys(Config::default_text());
    let missing: Vec<String> = Config::known_keys().into_iter().filter(|key| !documented.contains(key)).collect();
    assert!(missing.is_empty(), "not in configs/sealpost.reference.toml: {missing:?}");
}

#[test]
fn every_commented_key_is_one_the_code_knows() {
    let unknown: Vec<String> = documented_keys(Config::default_text()).difference(&Config::known_keys()).cloned().collect();
    assert!(unknown.is_empty(), "in configs/sealpost.reference.toml, and not in the code: {unknown:?}");
}

/// Keys with a value or as `# key = value`, with `NAME` for chosen names.
fn documented_keys(text: &str) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let mut section: Vec<String> = Vec::new();
    let mut list = String::new();
    for line in text.lines() {
        if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            // A tenant has tables of its own; the names of routes have dots.
            let parts = if header.starts_with("tenants.") { 3 } else { 2 };
            section = header.splitn(parts, '.').map(|part| part.trim_matches('"').to_owned()).collect();
            if let [kind, name, ..] = &mut section[..]
                && ["tenants", "routes", "pools"].contains(&kind.as_str())
            {
                *name = "NAME".to_owned();
            }
            keys.extend((1..=section.len()).filter(|parts| section[parts - 1] != "NAME").map(|parts| section[..parts].join(".")));
            continue;
        }
        let line = line.strip_prefix("# ").unwrap_or(line);
        let Some((key, value)) = line.split_once(" = ") else { continue };
        if key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
            keys.insert(section.iter().map(String::as_str).chain([key]).collect::<Vec<_>>().join("."));
            keys.extend(inner_keys(value).map(|inner| format!("{}.{key}.{inner}", section.join("."))));
            if value == "[" {
                list = key.to_owned();
            }
        } else if let Some(inner) = line.trim().strip_prefix('{') {
            // An entry of a list of tables: the tenant's `dkim`, the pool's `addresses`.
            keys.extend(inner_keys(&format!("{{{inner}")).map(|inner| format!("{}.{list}.{inner}", section.join("."))));
        }
    }
    // Named in the prose of [keys]: the other ways to say it.
    for way in ["environment", "command", "credential"] {
        assert!(text.contains(&format!("source = {{ {way} = ")));
        keys.insert(format!("keys.source.{way}"));
    }
    keys
}

fn inner_keys(value: &str) -> impl Iterator<Item = &str> {
    let inside = value.strip_prefix('{').and_then(|rest| rest.split('}').next()).unwrap_or("");
    inside.split(", ").filter_map(|pair| pair.split_once(" = ")).map(|(key, _)| key.trim())
}
