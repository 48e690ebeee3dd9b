//! `sealpost sandbox`: the receiving world of the demo as a process of its own, so that its CPU is not counted as the engine's.
//!
//! Prints one line of JSON when it is ready and its report, as one line, when standard input closes.

use super::{Exit, Outcome, Trouble};
use clap::Args;
use serde_json::json;
use sink::{Mx, Personality, Sandbox, SandboxConfig, SiteConfig, TlsOffer};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::time::Duration;
use world::World;
use world::channel::Signal;

/// It ends by itself, whoever forgot it.
const LIFETIME_MAX: Duration = Duration::from_secs(15 * 60);

/// The sandbox world of `demo`: receiving MTAs and DNS on loopback.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// How many invented destinations.
    #[arg(long, default_value_t = 2_000)]
    destinations: usize,
    /// Write the certificate to trust here.
    #[arg(long)]
    ca_file: PathBuf,
}

pub(super) fn run(arguments: Arguments) -> Outcome {
    let world = World::real();
    world::block_on(async {
        let sandbox = Sandbox::start(&world, config(arguments.destinations)).map_err(Trouble::failed)?;
        std::fs::write(&arguments.ca_file, sandbox.ca_pem()).map_err(Trouble::failed)?;
        tell(&json!({ "dns": sandbox.dns_address(), "port": sandbox.smtp_port(), "destinations": sandbox.destination_names() }))?;
        wait_for_end(&world).await;
        let report = sandbox.stop().await;
        tell(&serde_json::to_value(&report).map_err(Trouble::failed)?)?;
        Ok(Exit::Done)
    })
}

/// Most mail is delivered quickly; some receivers are slow, greylist, refuse, are full, limit, or have no TLS.
fn config(destinations: usize) -> SandboxConfig {
    let site = SiteConfig::new;
    let quick = Personality::quick;
    let sites = vec![
        site("quick-a", quick(), 400),
        site("quick-b", quick(), 250).published(Mx::Two),
        site("quick-c", quick(), 120).published(Mx::FirstDown),
        site("quick-d", quick(), 100).published(Mx::Implicit),
        site("slow", Personality::slow(Duration::from_millis(20)), 40),
        site("greylisting", Personality::greylisting(Duration::from_secs(2)), 30),
        site("refusing", Personality::refusing(100), 20),
        site("rate-limited", Personality::rate_limited(100, Duration::from_secs(1)), 15),
        site("connection-limited", Personality::connection_limited(4), 10),
        site("closing", Personality::closing(10), 10),
        site("full-for-now", Personality::full(300, Some(Duration::from_secs(3))), 5),
        site("dropping", Personality::dropping(200), 2),
        site("no-starttls", Personality::with_tls(TlsOffer::None), 2),
        site("null-mx", quick(), 1).published(Mx::Null),
        site("missing", quick(), 1).published(Mx::Missing),
    ];
    SandboxConfig::new(destinations, sites)
}

fn tell(line: &serde_json::Value) -> Result<(), Trouble> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}").and_then(|()| output.flush()).map_err(Trouble::failed)
}

async fn wait_for_end(world: &World) {
    let closed = Signal::new();
    let ending = closed.clone();
    // Reading blocks, so it has a thread of its own, which the end of the process takes along.
    world.spawn_thread("stdin", move || async move {
        let mut ignored = [0; 64];
        while std::io::stdin().read(&mut ignored).is_ok_and(|count| count > 0) {}
        ending.set();
    });
    // Whichever comes first ends it.
    let _ = world.timeout(LIFETIME_MAX, closed.wait()).await;
}
