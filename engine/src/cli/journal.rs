//! `sealpost journal stats | inspect | verify | backup`: what lies in the journals, beside a running engine or without one.

mod backup;
pub(super) mod figures;
mod inspect;
mod stats;
mod verify;

use super::{Outcome, Trouble};
use crate::assembly::key_source;
use crate::config::Config;
use clap::{Args, Subcommand};
use journal::{JournalDir, KeyRing};
use model::StreamName;
use std::path::PathBuf;
use world::World;

/// See, check and copy the journals.
#[derive(Debug, Args)]
#[command(after_help = "All of these work beside a running engine and without one, and none of them prints personal data.\n\n\
                        Example:\n  sealpost journal stats --config sealpost.toml\n  \
                        sealpost journal verify --config sealpost.toml\n  \
                        sealpost journal backup --config sealpost.toml --to /backup/2026-11-22")]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    about: About,
}

/// Which journals, and whether their content may be opened.
#[derive(Debug, Args)]
struct About {
    /// The configuration.
    #[arg(long, value_name = "FILE", global = true, default_value = "sealpost.toml")]
    config: PathBuf,
    /// One stream alone: transactional or marketing.
    #[arg(long, global = true, value_parser = super::stream)]
    stream: Option<StreamName>,
    /// Do not read the key-encryption key: show what stands in the clear (kinds, ids, lengths).
    #[arg(long, global = true)]
    without_key: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Sizes, frames, jobs by state, and how much of each work segment is still needed.
    Stats(stats::Arguments),
    /// Frames, one a line.
    Inspect(inspect::Arguments),
    /// Read everything and say what is not whole.
    Verify(verify::Arguments),
    /// Copy everything that must not be lost, as it is at one moment, while the engine runs or not.
    Backup(backup::Arguments),
}

pub(super) fn run(arguments: Arguments, json: bool) -> Outcome {
    let world = World::real();
    match arguments.verb {
        Verb::Stats(verb) => stats::run(&world, verb, &arguments.about, json),
        Verb::Inspect(verb) => inspect::run(&world, verb, &arguments.about, json),
        Verb::Verify(verb) => verify::run(&world, verb, &arguments.about, json),
        Verb::Backup(verb) => backup::run(&world, verb, &arguments.about, json),
    }
}

impl About {
    fn load(&self) -> Result<Config, Trouble> {
        super::load(&self.config)
    }

    /// The journals that are there.
    fn journals(&self, world: &World, config: &Config) -> Result<Vec<JournalDir>, Trouble> {
        let journals = journals(world, config, self.stream)?;
        if journals.is_empty() {
            return Err(Trouble::failed(format!(
                "there is no journal in {}: the first `sealpost send` or `sealpost run` makes it",
                config.paths.journal.display()
            )));
        }
        Ok(journals)
    }

    /// The key ring, to read; `None` where the key is not to be used.
    fn keys(&self, world: &World, config: &Config) -> Result<Option<KeyRing>, Trouble> {
        if self.without_key {
            return Ok(None);
        }
        let ring = KeyRing::open_to_read(world, &config.paths.key_ring, &key_source(&config.keys));
        ring.map(Some).map_err(|error| Trouble::failed(format!("{error}; `--without-key` shows what stands in the clear")))
    }
}

/// The journals of an installation that are there, transactional first.
pub(super) fn journals(world: &World, config: &Config, only: Option<StreamName>) -> Result<Vec<JournalDir>, Trouble> {
    let mut journals = Vec::new();
    for stream in [StreamName::Transactional, StreamName::Marketing] {
        if only.is_none_or(|only| only == stream) {
            let dir = config.paths.journal.join(stream.as_str());
            journals.extend(JournalDir::look(world, &dir, stream).map_err(Trouble::failed)?);
        }
    }
    Ok(journals)
}
