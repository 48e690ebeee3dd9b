//! How a verb reaches the engine: the running one by its control socket, else one of its own for as long as needed.

use super::restored::{self, Life};
use super::{Trouble, offline};
use crate::config::Config;
use crate::control::{self, Answer, Request};
use crate::engine::Engine;
use journal::Vouch;
use std::path::Path;
use world::World;

/// Asks the engine that owns the journal.
pub(super) fn ask(
    config: Config,
    config_path: &Path,
    request: Request,
    vouch: Option<Vouch>,
    mut each: impl FnMut(&Answer),
) -> Result<Answer, Trouble> {
    let world = World::real();
    world::block_on(async {
        let path = control::socket_path(config.sockets());
        if vouch.is_some() && world.net().connect_unix(&path).await.is_ok() {
            return Err(Trouble::usage(format!(
                "an engine is running on {}, so nothing waits to be restored: leave out --restored",
                path.display()
            )));
        }
        if let Ok(answer) = control::ask(&world, &path, &request, &mut each).await {
            return Ok(answer);
        }
        if vouch.is_none()
            && let Some(answer) = offline::answer(&world, &config, &request)?
        {
            return Ok(answer);
        }
        let settings = config.into_settings(&world).map_err(Trouble::usage)?;
        // What lies still, and orders about what waits: nothing may leave for them.
        let lies_still = matches!(request, Request::Paper { .. } | Request::Order { .. });
        let life = if lies_still { Life::Resting } else { Life::Delivering(vouch) };
        let engine = restored::start(&world, settings, config_path, life, &path).await?;
        let answer = with(&engine, request, &mut each).await;
        if let Ok(answer) = &answer {
            control::close_reported(&engine, answer).await.map_err(Trouble::failed)?;
        }
        engine.stop().await;
        answer
    })
}

/// The last answer of a running engine; `None` where none is running.
pub(super) async fn running(world: &World, path: &Path, request: &Request) -> Option<Answer> {
    control::ask(world, path, request, |_| {}).await.ok()
}

/// Carries a request out in this process.
async fn with(engine: &Engine, request: Request, each: &mut impl FnMut(&Answer)) -> Result<Answer, Trouble> {
    let (answers, told) = world::channel::bounded(16);
    let working = async {
        control::obey(engine, request, &answers).await;
        drop(answers);
    };
    let (_, last) = futures_util::future::join(working, control::tell(told, each)).await;
    last.ok_or_else(|| Trouble::failed("the engine gave no answer"))
}
