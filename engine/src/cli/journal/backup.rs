//! `sealpost journal backup`: a copy that is consistent, made while the engine delivers or while it is down.

use super::About;
use super::figures::{bytes, count};
use crate::backup::{self, BackupRequest, BackupTrouble, MANIFEST, Manifest};
use crate::cli::output::say;
use crate::cli::progress::Reading;
use crate::cli::send::trouble_of;
use crate::cli::{Exit, Outcome, Trouble};
use crate::config::Config;
use crate::config::units::parse_bytes;
use crate::control::{self, Answer, Request};
use clap::Args;
use futures_util::future::{Either, select};
use journal::{JournalError, KeyError, Pace};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use world::World;

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Copy everything that must not be lost, as it is at one moment, while the engine runs or not.
#[derive(Debug, Args)]
#[command(
    after_help = "Beside a running engine (found by its control socket) delivery goes on: both journals are copied up to a sync point, and what would be \
                        removed meanwhile is removed afterwards. Without an engine the locks are taken. The engine writes the folder itself: it must be \
                        allowed to.\n\n\
                        In it: record, work log, bundles and checkpoints of each stream, the key ring (in `keys/`), and manifest.json with the SHA-256 of \
                        every file. Not in it: the key-encryption key (back it up apart from this), ledgers (`sealpost ledger rebuild` makes them), \
                        results.\n\n\
                        A copy of the key ring keeps keys that are destroyed later: content that was shredded since can be read with it, until the backup \
                        is deleted. `--without-key-ring` leaves it out; then the installation's ring is needed to put the copy back.\n\n\
                        To put it back, with the engine stopped and the folders empty:\n  \
                        1. sealpost journal verify --dir FOLDER\n  \
                        2. cp -a FOLDER/journal/. JOURNAL    JOURNAL is [paths] journal\n     \
                        cp -a FOLDER/keys/. RING          RING is [paths] key_ring\n  \
                        3. sealpost ledger rebuild\n  \
                        4. sealpost run --restored --reason TEXT\n     \
                        It asks for that word: what was sent after the backup was made is\n     \
                        not in it, so all that was not settled in it becomes uncertain.\n\n\
                        Exit codes: 0 whole · 1 it failed (delete the folder) · 2 usage or configuration, or the folder is not empty.\n\n\
                        Example:\n  sealpost journal backup --config sealpost.toml --to /backup/2026-11-22\n  \
                        sealpost journal backup --to /backup/2026-11-22 --at-most 50MiB/s"
)]
pub(super) struct Arguments {
    /// A new or empty folder.
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
    /// Leave the key ring out.
    #[arg(long)]
    without_key_ring: bool,
    /// Copy no faster than this, such as 50MiB/s.
    #[arg(long, value_name = "BYTES/s", value_parser = speed)]
    at_most: Option<u64>,
}

pub(super) fn run(world: &World, arguments: Arguments, about: &About, json: bool) -> Outcome {
    let config = about.load()?;
    if about.stream.is_some() || about.without_key {
        return Err(Trouble::usage("a backup copies both streams and opens nothing: `--stream` and `--without-key` have no meaning here"));
    }
    let to = crate::cli::absolute(&arguments.to)?;
    let request = BackupRequest { to: to.clone(), key_ring: !arguments.without_key_ring, bytes_per_second: arguments.at_most };
    let mut bar = Reading::new(json, "copying");
    let manifest = world::block_on(async {
        match beside_an_engine(world, &config, &request, &mut bar).await? {
            Some(manifest) => Ok(manifest),
            None => alone(world, about, &config, request, &mut bar).await,
        }
    })?;
    bar.finish();
    print(&manifest, &to, json);
    Ok(Exit::Done)
}

/// Asks the engine that runs; `None` where none does.
async fn beside_an_engine(world: &World, config: &Config, request: &BackupRequest, bar: &mut Reading) -> Result<Option<Manifest>, Trouble> {
    let path = control::socket_path(config.sockets());
    let follow = |answer: &Answer| {
        if let Answer::Copying { done, total } = answer {
            bar.show(*done, *total);
        }
    };
    match control::ask(world, &path, &Request::Backup { backup: request.clone() }, follow).await {
        Ok(Answer::BackedUp { manifest }) => Ok(Some(*manifest)),
        Ok(other) => Err(trouble_of(other)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => Ok(None),
        Err(error) => Err(Trouble::failed(format!("{}: {error}; the engine went away while it copied: delete the folder", path.display()))),
    }
}

async fn alone(world: &World, about: &About, config: &Config, request: BackupRequest, bar: &mut Reading) -> Result<Manifest, Trouble> {
    let journals = about.journals(world, config)?;
    let pace = Arc::new(Pace { limit: request.bytes_per_second, ..Pace::default() });
    let (reply, answer) = world::channel::oneshot();
    let (copying, key_ring, seam) = (Arc::clone(&pace), config.paths.key_ring.clone(), world.clone());
    let thread = world.spawn_thread("backup", move || async move {
        let _ = reply.send(backup::without_an_engine(&seam, journals, &key_ring, request, copying).await);
    });
    let mut answer = pin!(answer);
    let made = loop {
        match select(answer.as_mut(), world.sleep(LOOK_EVERY)).await {
            Either::Left((made, _)) => break made,
            Either::Right(_) => bar.show(pace.done.load(Ordering::Relaxed), pace.total.load(Ordering::Relaxed)),
        }
    };
    let _ = thread.join().await;
    made.unwrap_or(Err(BackupTrouble::Stopped)).map_err(|error| match error {
        BackupTrouble::NotEmpty(_) | BackupTrouble::Inside { .. } => Trouble::usage(error),
        BackupTrouble::Journal(JournalError::Locked(_)) | BackupTrouble::Keys(KeyError::Locked(_)) => {
            Trouble::failed(format!("{error}, and nobody answers on the control socket; wait for a `sealpost send` that is under way"))
        }
        error => Trouble::failed(error),
    })
}

fn print(manifest: &Manifest, to: &Path, json: bool) {
    if json {
        let mut value = serde_json::to_value(manifest).unwrap_or_default();
        // They stand in the manifest.
        value.as_object_mut().map(|manifest| manifest.remove("files"));
        value["to"] = to.display().to_string().into();
        value["manifest"] = to.join(MANIFEST).display().to_string().into();
        say!("{value}");
        return;
    }
    say!("backup in {}, made {}", to.display(), if manifest.online { "beside the running engine" } else { "without an engine" });
    for journal in &manifest.journals {
        say!(
            "  {:<14} up to {:<14} {:>8} files {:>12}",
            journal.stream.as_str(),
            journal.position,
            count(journal.files),
            bytes(journal.bytes)
        );
    }
    if manifest.key_ring {
        say!("  {:<14} with keys that may be destroyed later: delete this copy in time", "key ring");
    } else {
        say!("  {:<14} left out: only a ring that has its keys can read this copy", "key ring");
    }
    say!("\nThe key-encryption key is not in it: back it up apart from this.\nCheck it: sealpost journal verify --dir {}", to.display());
}

/// Bytes a second: `50MiB/s`.
fn speed(text: &str) -> Result<u64, String> {
    text.strip_suffix("/s").and_then(parse_bytes).ok_or_else(|| "expected a size and /s, such as 50MiB/s".to_owned())
}
