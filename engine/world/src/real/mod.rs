//! The real world: the operating system's clock, files, sockets, entropy and threads.

mod clock;
mod commit;
mod disk;
mod entropy;
mod net;
mod process;
mod tasks;

pub use tasks::block_on;

use crate::{Hosts, Parts, World};
use std::sync::Arc;

pub(crate) fn world() -> World {
    World::from_parts(Parts {
        clock: Arc::new(clock::SystemClock::start()),
        disk: Arc::new(disk::FileSystem),
        net: Arc::new(net::Sockets),
        entropy: Arc::new(entropy::SystemEntropy::default()),
        tasks: Arc::new(tasks::Threads::default()),
        processes: Arc::new(process::ChildProcesses),
        hosts: Arc::new(OneMachine),
    })
}

struct OneMachine;

impl Hosts for OneMachine {
    fn on(&self, _host: &str) -> Option<World> {
        None
    }

    fn trace(&self, _event: &[u8]) {}
}
