//! How a verb reaches the engine: the running one by its control socket, else one of its own for as long as needed.

use super::Trouble;
use crate::config::Config;
use crate::control::{self, Answer, Request};
use crate::engine::Engine;
use world::World;

/// Asks the engine that owns the journal.
pub(super) fn ask(config: Config, request: Request, mut each: impl FnMut(&Answer)) -> Result<Answer, Trouble> {
    let world = World::real();
    world::block_on(async {
        let path = control::socket_path(config.sockets());
        if let Ok(answer) = control::ask(&world, &path, &request, &mut each).await {
            return Ok(answer);
        }
        let settings = config.into_settings(&world).map_err(Trouble::usage)?;
        let engine = Engine::start(world.clone(), settings).await.map_err(|error| {
            if error.is_locked() {
                Trouble::failed(format!(
                    "another process owns the journal and does not answer on {}; wait for it, or look for a `sealpost run` that hangs",
                    path.display()
                ))
            } else {
                Trouble::failed(error)
            }
        })?;
        let answer = with(&engine, request, &mut each).await;
        if let Ok(answer) = &answer {
            control::close_reported(&engine, answer).await.map_err(Trouble::failed)?;
        }
        engine.stop().await;
        answer
    })
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
