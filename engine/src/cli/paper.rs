//! `sealpost batch paper`: what an operator says, and what is printed of it.

use super::output::{complain, say};
use super::{Exit, Trouble};
use crate::paper::{PaperAsk, PaperTold};
use crate::paper_key::{PAPER_KEY_BYTES_MAX, PaperKey};
use serde_json::json;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use world::World;

/// The request of an export: the key is read and judged, the file named by its whole path.
pub(super) fn export(batch: &str, key: &Path, out: Option<PathBuf>, members: Option<PathBuf>) -> Result<PaperAsk, Trouble> {
    let at = |error: io::Error| Trouble::usage(format!("{}: {error}", key.display()));
    let mut bytes = Vec::new();
    File::open(key).map_err(at)?.take(PAPER_KEY_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(at)?;
    if bytes.len() > PAPER_KEY_BYTES_MAX {
        let expected = "larger than 40 KiB; `gpg --export-options export-minimal --export` leaves out what others signed";
        return Err(Trouble::usage(format!("{}: {expected}", key.display())));
    }
    PaperKey::read(&bytes, World::real().wall()).map_err(|what| Trouble::usage(format!("{}: {what}", key.display())))?;
    let out = out.unwrap_or_else(|| PathBuf::from(format!("{batch}.paper.pgp")));
    let out = std::path::absolute(&out).map_err(|error| Trouble::usage(format!("{}: {error}", out.display())))?;
    let absolute = |path: PathBuf| std::path::absolute(&path).map_err(|error| Trouble::usage(format!("{}: {error}", path.display())));
    Ok(PaperAsk::Export { key: bytes, out, members: members.map(absolute).transpose()? })
}

/// What was written out or settled. A row whose content cannot be read is for a person.
pub(super) fn print(told: &PaperTold, json: bool) -> Exit {
    if json {
        say!("{}", json!(told));
    } else {
        say_it(told);
    }
    if told.unreadable > 0 {
        complain!("sealpost: {} rows go on paper and their content cannot be read; the log says why", told.unreadable);
        return Exit::NeedsPerson;
    }
    Exit::Done
}

fn say_it(told: &PaperTold) {
    let reasons = || told.reasons.iter().for_each(|(reason, rows)| say!("  {reason:<22} {rows:>10}"));
    match (&told.out, &told.key) {
        (Some(out), Some(key)) => {
            say!("{} rows are in {}, encrypted to the key {key}", told.rows, out.display());
            reasons();
            for (reason, rows) in &told.without_address {
                say!("{rows} of them have no postal address: {reason}");
            }
            if told.exported_before > 0 {
                say!("{} of them were exported before; their lines say when", told.exported_before);
            }
            say!("their content is kept until `sealpost batch paper ID --settle` says that the paper is on its way");
        }
        (None, Some(_)) => say!("nothing of this batch waits for paper; no file was written"),
        _ => {
            say!("{} rows are settled: their content may be reclaimed", told.rows);
            reasons();
        }
    }
    if told.settled_before > 0 {
        say!("{} rows were settled before", told.settled_before);
    }
    if told.not_exported > 0 {
        say!("{} rows were never exported: they stay as they are", told.not_exported);
    }
}
