//! `sealpost ledger rebuild`: the accounting, made anew from the record.

use super::journal::figures::{count, of, wrapped};
use super::output::say;
use super::progress::Counting;
use super::{Exit, Outcome, Trouble};
use crate::assembly::key_source;
use crate::rebuild::{Before, RebuildError, Rebuilt, rebuild};
use clap::{Args, Subcommand};
use journal::{JournalError, KeyRing};
use model::{Cents, StreamName};
use serde_json::json;
use std::path::PathBuf;
use world::World;

/// Make the accounting anew.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sealpost ledger rebuild --config sealpost.toml")]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
    /// The configuration.
    #[arg(long, value_name = "FILE", global = true, default_value = "sealpost.toml")]
    config: PathBuf,
    /// One stream alone: transactional or marketing.
    #[arg(long, global = true, value_parser = super::stream)]
    stream: Option<StreamName>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Delete the ledger and make it anew from the record; says whether the old one was right.
    #[command(
        after_help = "The ledger is what `batch list`, `batch show` and reports are read from. It is a projection of the record, which is the truth: it can be \
                            deleted, damaged or of another version, and comes out the same.\n\
                            The engine must not run. A ledger that can be read is not given for one of a damaged record: put the record back from a \
                            backup, or say `--despite-damage`. The new ledger is made beside the old one and takes its place when it is whole. Before that the old \
                            one is brought up to date and compared, batch by batch.\n\n\
                            Exit codes: 0 made anew; the old one said the same, or was absent or unreadable · 5 made anew, and the old one was wrong: \
                            reports given from it may have been · 1 it failed, or the engine runs; then the old one is as it was · 2 usage or \
                            configuration.\n\n\
                            Example:\n  sealpost ledger rebuild --config sealpost.toml"
    )]
    Rebuild {
        /// Replace a ledger that can be read, though the record is damaged: what is lost there is then lost here too.
        #[arg(long)]
        despite_damage: bool,
    },
}

pub(super) fn run(arguments: Arguments, json: bool) -> Outcome {
    let Verb::Rebuild { despite_damage } = arguments.verb;
    let config = super::load(&arguments.config)?;
    let world = World::real();
    let journals = super::journal::journals(&world, &config, arguments.stream)?;
    if journals.is_empty() {
        return Err(Trouble::failed(format!("there is no journal in {}: there is nothing to account for", config.paths.journal.display())));
    }
    let keys = KeyRing::open_to_read(&world, &config.paths.key_ring, &key_source(&config.keys)).map_err(Trouble::failed)?;
    let mut all = Vec::new();
    for journal in &journals {
        let path = config.paths.ledger.join(format!("{}.sqlite", journal.stream()));
        let mut counting = Counting::new(json, journal.stream().as_str(), "records");
        let rebuilt =
            rebuild(&world, journal, &keys, &path, despite_damage, |records| counting.show(records)).map_err(|error| match error {
                RebuildError::Journal(JournalError::Locked(dir)) => {
                    Trouble::failed(format!("an engine runs and has {}: stop it first, the ledger is its own while it runs", dir.display()))
                }
                error @ RebuildError::RecordDamaged { .. } => Trouble::failed(format!(
                    "{error}; `sealpost journal verify` names them all. Put the record back from a backup, or say --despite-damage"
                )),
                error => Trouble::failed(error),
            })?;
        counting.finish();
        all.push(rebuilt);
    }
    let was_wrong = all.iter().any(|rebuilt| matches!(rebuilt.before, Before::Different { .. }));
    if json {
        say!("{}", json!({ "ledgers": all }));
    } else {
        all.iter().for_each(print);
    }
    Ok(if was_wrong { Exit::NeedsPerson } else { Exit::Done })
}

fn print(rebuilt: &Rebuilt) {
    say!("{}  ·  {}", rebuilt.stream, rebuilt.path.display());
    let position = rebuilt.position.as_deref().unwrap_or("none");
    say!("  {:<12} {}, up to {position}", "made of", of(rebuilt.records, "record"));
    let batches = if rebuilt.batches == 1 { "1 batch".to_owned() } else { format!("{} batches", count(rebuilt.batches)) };
    say!("  {:<12} {batches}, {}", "holds", of(rebuilt.statements, "statement"));
    let sums: [(&str, Cents); 3] =
        [("billed", rebuilt.billed_cents), ("plan paid", rebuilt.plan_paid_cents), ("member owes", rebuilt.member_owes_cents)];
    for (name, cents) in sums {
        say!("  {name:<12} {:>18}", super::report::dollars(cents.0));
    }
    if rebuilt.unbalanced > 0 {
        say!("  {} batches do not balance: see `sealpost batch show`", rebuilt.unbalanced);
    }
    if rebuilt.findings > 0 {
        say!("  {} did not fit and not counted, as in a running engine", of(rebuilt.findings, "record"));
    }
    if let Some(first) = rebuilt.record_damage.first() {
        say!("  THE RECORD IS DAMAGED in {}, the first at {}:", of(rebuilt.record_damage.len() as u64, "place"), first.place);
        say!("  what is lost there is not in this ledger; see `sealpost journal verify`");
    }
    match &rebuilt.before {
        Before::Absent => say!("  there was no ledger before"),
        Before::Unreadable { reason } => {
            wrapped(&format!("the old one could not be read: {reason}"), 76).iter().for_each(|line| say!("  {line}"));
        }
        Before::Equal => say!("  the old one said the same of every batch"),
        Before::Different { batches } => {
            say!("  THE OLD ONE WAS WRONG; reports given from it may have been:");
            batches.iter().for_each(|difference| say!("    {:<12} {}", difference.batch, difference.what));
        }
    }
}
