//! `sealpost journal verify`: is everything whole?

use super::About;
use super::figures::{bytes, count, of, wrapped};
use crate::assembly::key_source;
use crate::backup::{JOURNALS, KEYS, MANIFEST, Manifest};
use crate::cli::output::say;
use crate::cli::progress::Reading;
use crate::cli::{Exit, Outcome, Trouble};
use crate::config::Config;
use clap::Args;
use journal::{Flaw, JournalDir, KeyRing, RecordPosition, Severity, Verification, file_sha256};
use ledger::Ledger;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use world::World;

/// Read everything and say what is not whole.
#[derive(Debug, Args)]
#[command(
    after_help = "Reads headers, checksums and the order of both logs. With the key every frame is opened and decoded, every job that is not settled must \
                        have its own payload, every bundle that is named must be stored, and the ledger must not know more than the record.\n\
                        Writes nothing. Beside a running engine it works too: what is being written is not damage.\n\
                        With `--dir` it checks a backup: each file against its SHA-256 in the manifest, then the journals in it, with the key ring in it or, \
                        where that was left out, the one of the configuration.\n\n\
                        Exit codes: 0 whole (notes do not count: a torn tail is what a crash leaves) · 1 findings, or it cannot be read at all · 2 usage or \
                        configuration.\n\n\
                        Example:\n  sealpost journal verify --config sealpost.toml\n  \
                        sealpost journal verify --config sealpost.toml --dir /backup/2026-11-22"
)]
pub(super) struct Arguments {
    /// A backup instead of the journals of the configuration.
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

/// What was checked beside journals.
#[derive(Default)]
struct Checked {
    journals: Vec<(String, Verification)>,
    /// A backup's manifest, and how many of its files are as it says.
    backup: Option<(Manifest, u64)>,
    /// Flaws outside of journals.
    flaws: Vec<Flaw>,
}

pub(super) fn run(world: &World, arguments: Arguments, about: &About, json: bool) -> Outcome {
    let config = about.load()?;
    let checked = match &arguments.dir {
        Some(folder) => of_backup(world, about, &config, folder, json)?,
        None => of_installation(world, about, &config, json)?,
    };
    let is_whole =
        checked.journals.iter().all(|(_, found)| found.is_whole()) && checked.flaws.iter().all(|flaw| flaw.severity == Severity::Note);
    if json {
        say!("{}", checked.as_json(is_whole));
    } else {
        checked.print(is_whole);
    }
    Ok(if is_whole { Exit::Done } else { Exit::Failed })
}

fn of_installation(world: &World, about: &About, config: &Config, json: bool) -> Result<Checked, Trouble> {
    let mut checked = Checked::default();
    let journals = about.journals(world, config)?;
    let keys = about.keys(world, config)?;
    for place in &journals {
        let path = config.paths.ledger.join(format!("{}.sqlite", place.stream()));
        // Before the record: what the ledger knows the record must have had.
        let ledger = Ledger::look(&path);
        let in_use = place.in_use().map_err(Trouble::failed)?;
        let mut found = verified(place, keys.as_ref(), in_use, json)?;
        match ledger {
            Ok(Some(look)) if look.position.is_some_and(|position| position > found.last.0) => found.flaws.push(Flaw::new(
                Severity::Damage,
                path.display().to_string(),
                format!(
                    "the ledger knows events up to {}, the record ends at {}: records are missing, or the ledger is of another journal",
                    RecordPosition(look.position.unwrap_or_default()),
                    found.last
                ),
                "if the journal was put back from a backup, `sealpost ledger rebuild`; else find out what became of the record's end",
            )),
            Ok(_) => {}
            Err(error) => found.flaws.push(Flaw::new(
                Severity::Damage,
                path.display().to_string(),
                error.to_string(),
                "stop the engine and run `sealpost ledger rebuild`: nothing is lost, the record has it",
            )),
        }
        checked.journals.push((place.path().display().to_string(), found));
    }
    Ok(checked)
}

fn of_backup(world: &World, about: &About, config: &Config, folder: &Path, json: bool) -> Result<Checked, Trouble> {
    let manifest = Manifest::read(world, folder).map_err(Trouble::failed)?;
    let mut checked = Checked::default();
    let whole = files(world, folder, &manifest, json, &mut checked.flaws);
    let ring = if manifest.key_ring { folder.join(KEYS) } else { config.paths.key_ring.clone() };
    let keys = if about.without_key {
        None
    } else {
        let opened = KeyRing::open_to_read(world, &ring, &key_source(&config.keys));
        Some(opened.map_err(|error| Trouble::failed(format!("{error}; `--without-key` checks what needs no key")))?)
    };
    for entry in manifest.journals.iter().filter(|entry| about.stream.is_none_or(|only| only == entry.stream)) {
        let dir = folder.join(JOURNALS).join(entry.stream.as_str());
        let Some(place) = JournalDir::look(world, &dir, entry.stream).map_err(Trouble::failed)? else {
            let meaning = "there is no journal here, though the manifest names one";
            checked.flaws.push(Flaw::new(Severity::Damage, dir.display().to_string(), meaning, "take another backup"));
            continue;
        };
        let mut found = verified(&place, keys.as_ref(), false, json)?;
        if !manifest.key_ring {
            // A ring that went on is younger than the copy; a start asks for `--restored` in any case.
            found.flaws.iter_mut().filter(|flaw| flaw.place == "epoch").for_each(|flaw| flaw.severity = Severity::Note);
        }
        checked.journals.push((dir.display().to_string(), found));
    }
    checked.backup = Some((manifest, whole));
    Ok(checked)
}

/// Each file against the manifest; the number of those that are as it says.
fn files(world: &World, folder: &Path, manifest: &Manifest, json: bool, flaws: &mut Vec<Flaw>) -> u64 {
    let total: u64 = manifest.files.iter().map(|file| file.bytes).sum();
    let mut bar = Reading::new(json, "files");
    let (mut done, mut whole) = (0, 0);
    for file in &manifest.files {
        let mut each = |read: u64| {
            done += read;
            bar.show(done.min(total), total);
        };
        let meaning = match file_sha256(world, &folder.join(&file.path), &mut each) {
            Ok((_, sha256)) if sha256 == file.sha256 => {
                whole += 1;
                continue;
            }
            Ok((bytes, _)) if bytes != file.bytes => format!("it has {bytes} bytes, the manifest says {}", file.bytes),
            Ok(_) => "its SHA-256 is not the one in the manifest: it was changed since the backup".to_owned(),
            Err(error) => error.to_string(),
        };
        flaws.push(Flaw::new(
            Severity::Damage,
            file.path.clone(),
            meaning,
            "take another backup; from this one put nothing back that it names",
        ));
    }
    bar.finish();
    whole
}

fn verified(place: &JournalDir, keys: Option<&KeyRing>, in_use: bool, json: bool) -> Result<Verification, Trouble> {
    let mut bar = Reading::new(json, place.stream().as_str());
    let found = place.verify(keys, in_use, &mut |done, of| bar.show(done, of)).map_err(Trouble::failed)?;
    bar.finish();
    Ok(found)
}

impl Checked {
    fn as_json(&self, is_whole: bool) -> Value {
        let journals: Vec<Value> = self
            .journals
            .iter()
            .map(|(dir, found)| {
                let mut value = serde_json::to_value(found).unwrap_or_default();
                value["dir"] = dir.as_str().into();
                value["whole"] = found.is_whole().into();
                value
            })
            .collect();
        let backup = self.backup.as_ref().map(|(manifest, whole)| {
            json!({ "made_at": manifest.made_at, "made_by": manifest.made_by, "files": manifest.files.len(), "files_whole": whole,
                    "key_ring": manifest.key_ring, "journals": manifest.journals })
        });
        json!({ "whole": is_whole, "journals": journals, "backup": backup, "flaws": self.flaws })
    }

    fn print(&self, is_whole: bool) {
        if let Some((manifest, whole)) = &self.backup {
            say!("backup made at {} by {}", manifest.made_at, manifest.made_by);
            let ring = if manifest.key_ring { "with its key ring" } else { "without a key ring: the configuration's is used" };
            say!("  {} of {} files are as {MANIFEST} says, {ring}\n", count(*whole), count(manifest.files.len() as u64));
        }
        for (dir, found) in &self.journals {
            print_journal(dir, found);
        }
        self.flaws.iter().for_each(print_flaw);
        let damage = |flaws: &[Flaw]| flaws.iter().filter(|flaw| flaw.severity == Severity::Damage).count();
        let findings = self.journals.iter().map(|(_, found)| damage(&found.flaws)).sum::<usize>() + damage(&self.flaws);
        if is_whole {
            say!("whole");
        } else {
            say!("NOT WHOLE: {}", of(findings as u64, "finding"));
        }
    }
}

fn print_journal(dir: &str, found: &Verification) {
    say!("{}  ·  {dir}", found.stream);
    let opened = if found.with_key { "opened and decoded" } else { "by their checksums; without the key nothing was opened" };
    say!("  {:<9} {}, {}", "read", of(found.segments, "segment"), bytes(found.bytes));
    say!("  {:<9} {}, up to {}, {opened}", "frames", count(found.frames), found.last);
    if found.with_key {
        say!("  {:<9} {} opened, {} shredded on purpose", "payloads", count(found.payloads), count(found.shredded));
        say!("  {:<9} {} not settled, each with its own payload", "jobs", count(found.live_jobs));
        say!("  {:<9} {} named and stored", "bundles", count(found.bundles));
    }
    if found.in_use {
        say!("  {:<9} an engine has this journal: what it writes meanwhile was not judged", "engine");
    }
    found.flaws.iter().for_each(print_flaw);
    say!("");
}

fn print_flaw(flaw: &Flaw) {
    let word = match flaw.severity {
        Severity::Note => "note",
        Severity::Damage => "DAMAGE",
    };
    say!("  {word:<9} {}", flaw.place);
    wrapped(&flaw.meaning, 68).iter().for_each(|line| say!("            {line}"));
    let remedy = wrapped(&flaw.remedy, 65);
    remedy.iter().enumerate().for_each(|(index, line)| say!("         {}  {line}", if index == 0 { "→" } else { " " }));
}
