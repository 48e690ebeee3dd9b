//! `--restored --reason TEXT`: an operator's word that a journal which was put back from a copy is the newest there is.
//!
//! For one start. Where nothing was put back it is refused with exit code 2, so that nobody leaves it in a unit file.

use super::Trouble;
use crate::engine::{Engine, EngineError};
use crate::settings::EngineSettings;
use clap::Args;
use journal::Vouch;
use std::path::Path;
use world::World;

/// The word.
#[derive(Debug, Args)]
pub(super) struct Restored {
    /// Once, after journals were put back from a backup: everything in them that is not settled counts as possibly sent (uncertain), and
    /// the stream's `uncertain` rule (resend or hold) decides. Refused where nothing was put back.
    #[arg(long, requires = "reason")]
    restored: bool,
    /// Why; stands in the record beside your login name.
    #[arg(long, requires = "restored", value_name = "TEXT")]
    reason: Option<String>,
}

impl Restored {
    pub(super) fn vouch(self) -> Option<Vouch> {
        self.reason.filter(|_| self.restored).map(|reason| Vouch { by: super::operator(), reason })
    }
}

/// What an engine is started for.
pub(super) enum Life {
    /// To deliver, perhaps with an operator's word for journals that were put back.
    Delivering(Option<Vouch>),
    /// For an order about what lies still.
    Resting,
}

/// Starts an engine; an error says what to type.
pub(super) async fn start(world: &World, settings: EngineSettings, config: &Path, life: Life, socket: &Path) -> Result<Engine, Trouble> {
    let started = match life {
        Life::Delivering(Some(vouch)) => Engine::start_restored(world.clone(), settings, vouch).await,
        Life::Delivering(None) => Engine::start(world.clone(), settings).await,
        Life::Resting => Engine::start_resting(world.clone(), settings).await,
    };
    started.map_err(|error| match error {
        EngineError::NothingRestored => Trouble::usage(error),
        error if error.is_locked() => Trouble::failed(format!(
            "another process owns the journal and does not answer on {}; wait for it, or look for a `sealpost run` that hangs",
            socket.display()
        )),
        error if error.is_stale() => Trouble::failed(format!(
            "{error}\n\n  sealpost run --config {} --restored --reason 'put back from the backup of ...'\n",
            config.display()
        )),
        error => Trouble::failed(error),
    })
}
