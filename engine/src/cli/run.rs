//! `sealpost run`: the service.

use super::restored::{self, Life, Restored};
use super::{Exit, Outcome, Trouble};
use crate::control;
use crate::door;
use crate::drop::{self, DropFolders};
use crate::engine::Engine;
use crate::templates;
use clap::Args;
use futures_util::future::{Either, join, select};
use std::path::PathBuf;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use world::World;
use world::channel::Signal;

/// How often the service looks whether its journal still accepts.
const WATCH_EVERY: Duration = Duration::from_millis(500);
/// How often it looks whether the connections of its doors are gone, and for how long.
const GONE_EVERY: Duration = Duration::from_millis(20);
const GONE_MAX: Duration = Duration::from_secs(5);

/// Run the service: the job socket, the control socket, delivery until SIGTERM.
#[derive(Debug, Args)]
#[command(after_help = "Files: put them into <drop>/<tenant>/<stream>/incoming where [drop] path is set; see results/ beside it.\n\
                        Jobs: one line of JSON each into <sockets>/jobs.sock, one line of answer each after its commit.\n\
                        Operators: `sealpost send`, `sealpost batch ...` find the service by <sockets>/control.sock.\n\
                        SIGTERM or SIGINT drains: what is under way is finished, the rest stays queued on disk.\n\n\
                        Example:\n  sealpost run --config sealpost.toml\n  \
                        head -1 jobs.ndjson | socat - UNIX-CONNECT:run/jobs.sock")]
pub(super) struct Arguments {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Which log events are written: a level, or target=level pairs.
    #[arg(long, default_value = "info", value_name = "FILTER")]
    log: String,
    #[command(flatten)]
    restored: Restored,
}

pub(super) fn run(arguments: Arguments, json: bool) -> Outcome {
    let config = super::load(&arguments.config)?;
    telemetry::logging::start(json, &arguments.log).map_err(Trouble::usage)?;
    let world = World::real();
    world::block_on(async {
        let socket = control::socket_path(config.sockets());
        let drop_settings = config.drop.clone();
        let settings = config.into_settings(&world).map_err(Trouble::usage)?;
        let vouch = arguments.restored.vouch();
        let engine = Rc::new(restored::start(&world, settings, &arguments.config, Life::Delivering(vouch), &socket).await?);
        tracing::info!(target: "sealpost", environment = engine.environment(), sockets = %engine.sockets().display(), "delivering");
        let folders = drop_settings.map(|settings| DropFolders::open(&world, settings, &engine.tenants_and_streams()));
        let folders = match folders.transpose() {
            Ok(folders) => folders,
            Err(error) => {
                if let Ok(engine) = Rc::try_unwrap(engine) {
                    engine.stop().await;
                }
                return Err(Trouble::failed(error));
            }
        };
        let stop = Signal::new();
        let doors = open_doors(&engine, folders, &stop);
        let watching = async {
            let poisoned = watch(&engine).await;
            stop.set();
            poisoned
        };
        let (doors, poisoned) = join(doors, watching).await;
        engine.announce_stop();
        // Connections of the doors hold the engine; each ends in the grace that follows the signal.
        let gone = async {
            while Rc::strong_count(&engine) > 1 {
                world.sleep(GONE_EVERY).await;
            }
        };
        let _ = world.timeout(GONE_MAX, pin!(gone)).await;
        match Rc::try_unwrap(engine) {
            Ok(engine) => engine.stop().await,
            Err(_) => tracing::warn!(target: "sealpost", "a connection does not end; what is under way becomes uncertain"),
        }
        doors.map_err(|error| Trouble::failed(format!("a socket cannot be opened: {error}")))?;
        if poisoned {
            return Err(Trouble::failed(
                "the journal refused a write and accepts nothing more; free or replace the disk and start again: nothing accepted is lost",
            ));
        }
        Ok(Exit::Done)
    })
}

async fn open_doors(engine: &Rc<Engine>, folders: Option<DropFolders>, stop: &Signal) -> std::io::Result<()> {
    engine.world().disk().create_dir_all(engine.sockets())?;
    let operators = control::serve(Rc::clone(engine), control::socket_path(engine.sockets()), stop.clone());
    let jobs = door::serve(Rc::clone(engine), door::socket_path(engine.sockets()), stop.clone());
    let files = async {
        if let Some(folders) = folders {
            drop::serve(Rc::clone(engine), folders, stop.clone()).await;
        }
    };
    let beside = join(files, templates::follow(engine, stop));
    let (both, _) = join(join(operators, jobs), beside).await;
    both.0.and(both.1)
}

/// Waits for a signal, or for a journal that refuses; true for the latter.
async fn watch(engine: &Engine) -> bool {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else { return false };
    loop {
        let (terminated, interrupted) = (pin!(terminate.recv()), pin!(interrupt.recv()));
        match select(select(terminated, interrupted), engine.world().sleep(WATCH_EVERY)).await {
            Either::Left(_) => {
                tracing::info!(target: "sealpost", "draining");
                return false;
            }
            Either::Right(_) if engine.is_stopping() => return true,
            Either::Right(_) => {}
        }
    }
}
