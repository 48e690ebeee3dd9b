//! The rules that are shipped, and evidence by a few words.

#![allow(dead_code, clippy::unwrap_used, reason = "each story uses what it needs")]

use model::{EnhancedCode, Private, Reply};
use outcome::{Evidence, Phase, Rules, Trouble};
use std::path::Path;

/// `configs/bounces/*.toml`, sorted, with paths as an operator sees them.
pub(crate) fn files() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/bounces");
    let mut names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names.into_iter().map(|name| (format!("configs/bounces/{name}"), std::fs::read_to_string(folder.join(&name)).unwrap())).collect()
}

pub(crate) fn rules() -> Rules {
    Rules::from_files(&files()).unwrap()
}

/// `550 5.1.1 No such user`, taken apart as the SMTP client does.
pub(crate) fn reply(line: &str) -> Reply {
    let (code, rest) = line.split_at(3);
    let rest = rest.trim_start_matches([' ', '-']);
    let (first, tail) = rest.split_once(' ').unwrap_or((rest, ""));
    let enhanced = EnhancedCode::parse(first);
    let text = if enhanced.is_some() { tail } else { rest };
    Reply { code: code.parse().unwrap(), enhanced, text: Private::from(text) }
}

pub(crate) fn hosts(mx: &str) -> Vec<String> {
    vec![mx.to_owned()]
}

pub(crate) fn answered<'a>(phase: Phase, reply: &'a Reply, mx_hosts: &'a [String]) -> Evidence<'a> {
    Evidence { phase, reply: Some(reply), trouble: None, last_byte_written: phase == Phase::FinalDot, mx_hosts }
}

pub(crate) fn broken(phase: Phase, trouble: Trouble, last_byte_written: bool) -> Evidence<'static> {
    Evidence { phase, reply: None, trouble: Some(trouble), last_byte_written, mx_hosts: &[] }
}
