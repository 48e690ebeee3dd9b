//! `sink`: a sandbox as a process of its own.
//!
//! Prints one JSON line when it is ready (`{"dns":…,"port":…,"ca_file":…,"destinations":…}`) and the report, also as one line, when it ends:
//! on SIGTERM or SIGINT, when standard input closes, or after `--seconds`.

use clap::{Parser, ValueEnum};
use futures_util::future::{FutureExt, select_all};
use serde_json::json;
use sink::{Keep, Sandbox, SandboxConfig};
use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use world::World;
use world::channel::Signal;

/// Which sites there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mix {
    /// Every personality; most mail is delivered quickly.
    Mixed,
    /// Quick sites only (`--sites`), for measuring the sender.
    Quick,
}

/// A receiving world on loopback: MTAs with personalities, and their DNS.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Which sites there are.
    #[arg(long, value_enum, default_value = "mixed")]
    mix: Mix,
    /// How many sites, with `--mix quick`.
    #[arg(long, default_value_t = 4)]
    sites: usize,
    /// How many destinations: d00001.example and on (up to 99999).
    #[arg(long, default_value_t = 1000)]
    destinations: usize,
    /// First address, in 127.0.0.0/8; DNS listens on the next one, sites 256 further.
    #[arg(long, default_value = "127.10.0.0")]
    base: Ipv4Addr,
    /// SMTP port of all sites; 0 takes a free one.
    #[arg(long, default_value_t = 2525)]
    port: u16,
    /// DNS port; 0 takes a free one.
    #[arg(long, default_value_t = 5353)]
    dns_port: u16,
    /// Decides who lies where, and who is refused.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the certificate to trust here.
    #[arg(long, default_value = "sandbox-ca.pem")]
    ca_file: PathBuf,
    /// Keep accepted messages as .eml files in this folder.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Keep only the latest so many.
    #[arg(long, requires = "keep")]
    keep_last: Option<usize>,
    /// End after so many seconds.
    #[arg(long, default_value_t = 3600)]
    seconds: u64,
    /// Go on when standard input closes.
    #[arg(long)]
    ignore_stdin: bool,
}

impl Arguments {
    fn config(&self) -> SandboxConfig {
        let config = match self.mix {
            Mix::Mixed => SandboxConfig::mixed(self.destinations),
            Mix::Quick => SandboxConfig::quick(self.destinations, self.sites),
        };
        let keep = self.keep.clone().map(|dir| Keep { dir, last: self.keep_last });
        SandboxConfig { base: self.base, port: self.port, dns_port: self.dns_port, seed: self.seed, keep, ..config }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match world::block_on(run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "sink: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let world = World::real();
    let sandbox = Sandbox::start(&world, arguments.config())?;
    std::fs::write(&arguments.ca_file, sandbox.ca_pem())?;
    print(&json!({
        "dns": sandbox.dns_address(),
        "port": sandbox.smtp_port(),
        "ca_file": std::path::absolute(&arguments.ca_file)?,
        "destinations": arguments.destinations,
    }))?;
    end(arguments, &world).await?;
    let report = sandbox.stop().await;
    print(&serde_json::to_value(&report)?)?;
    Ok(())
}

fn print(line: &serde_json::Value) -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}")?;
    output.flush()
}

/// Waits for the first reason to end.
async fn end(arguments: &Arguments, world: &World) -> std::io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let closed = Signal::new();
    if !arguments.ignore_stdin {
        let closed = closed.clone();
        // Reading blocks, so it has a thread of its own, which the end of the process takes along.
        world.spawn_thread("stdin", move || async move {
            let mut ignored = [0; 1024];
            while std::io::stdin().read(&mut ignored).is_ok_and(|length| length > 0) {}
            closed.set();
        });
    }
    let reasons = [
        terminate.recv().map(|_| ()).boxed_local(),
        interrupt.recv().map(|_| ()).boxed_local(),
        closed.wait().boxed_local(),
        world.sleep(Duration::from_secs(arguments.seconds)).boxed_local(),
    ];
    select_all(reasons).await;
    Ok(())
}
