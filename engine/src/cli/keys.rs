//! `sealpost keys new | rotate | show`: the key-encryption key, and what is under it.

mod new;
mod rotate;
mod show;

use super::connect::running;
use super::{Outcome, Trouble};
use crate::assembly::key_source;
use crate::config::Config;
use crate::control::{Answer, Request};
use clap::{Args, Subcommand};
use journal::{KeyError, KeyRing};
use world::World;

/// Make, change and list keys.
#[derive(Debug, Args)]
#[command(after_help = "What each key is for:\n\
    \x20 key-encryption key   wraps all others. The only one that is not in the key ring; `[keys] source` says where it is.\n\
    \x20                      Lost: nothing that waits can be read or sent, no record opened, no repeat recognised. There is no other way in.\n\
    \x20 content              one a batch: statements, addresses, amounts. Destroyed when the batch is closed and settled: then the content is gone,\n\
    \x20                      also from every copy of the journal, except where a copy of the key ring still has the key.\n\
    \x20 record               one a tenant and stream: what became of each job, without content. Kept for the evidence term.\n\
    \x20 lookup               one a tenant: recognises repeats without keeping what they were.\n\
    \x20 bundles              templates as they were when messages were made from them.\n\
    \x20 DKIM                 sign messages; files of their own, named by the tenant.\n\n\
    A backup of the key ring keeps alive whatever keys were in it: rotate after destroying what must be gone, and let old backups and old\n\
    key-encryption keys go together.")]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a key-encryption key, and DKIM keys for a signing domain.
    New(new::Arguments),
    /// Put the key ring under another key-encryption key, without downtime.
    Rotate(rotate::Arguments),
    /// Tenants, how many keys of which purpose, how old. Nothing secret.
    Show(show::Arguments),
}

pub(super) fn run(arguments: Arguments, json: bool) -> Outcome {
    match arguments.verb {
        Verb::New(verb) => new::run(verb, json),
        Verb::Rotate(verb) => rotate::run(verb, json),
        Verb::Show(verb) => show::run(verb, json),
    }
}

/// Asks the engine that has the ring; without one, `alone` does it on the ring itself.
fn with_ring(config: &Config, request: &Request, alone: impl FnOnce(&KeyRing) -> Result<Answer, KeyError>) -> Result<Answer, Trouble> {
    let world = World::real();
    let path = crate::control::socket_path(config.sockets());
    if let Some(answer) = world::block_on(running(&world, &path, request)) {
        return Ok(answer);
    }
    let ring = KeyRing::open(&world, &config.paths.key_ring, &key_source(&config.keys)).map_err(|error| match error {
        KeyError::Locked(_) => Trouble::failed(format!(
            "{error}, and no engine answers on {}: wait for the verb that has it, or look for a `sealpost run` that hangs",
            path.display()
        )),
        error => Trouble::failed(error),
    })?;
    alone(&ring).map_err(Trouble::failed)
}
