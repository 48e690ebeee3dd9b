//! One file: accepted or refused, sealed, told of, removed; in this order, so that a crash repeats and never loses.

use super::folder::{Folder, SOURCE_DONE, SOURCE_REFUSED};
use super::ready::Dropped;
use crate::engine::{AcceptError, BatchOfFile, Engine};
use crate::files::FileRequest;
use crate::gating::Door;
use crate::input::Input;
use crate::source::{Source, unreadable};
use aws_lc_rs::digest::{Context, SHA256};
use journal::sealed::{SealedError, SealedFor, SealedWriter};
use model::reject::Refusal;
use model::{BatchId, TenantId, hex};
use serde_json::{Value, json};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use world::World;

/// The longest name of a file, in bytes. Its sealed copy and its results are named after it, and a name on a disk has at most 255.
const NAME_BYTES_MAX: usize = 160;

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is a batch, and not there any more.
    Accepted(BatchId),
    /// It is not there any more.
    Gone,
    /// It stays until somebody changes it: a link, a folder, a foreign owner.
    Stays,
    /// It is tried again: a disk, a journal that said "not now".
    Later,
}

/// Takes one file.
pub(crate) async fn take(engine: &Engine, folder: &Folder, dropped: &Dropped, door: Door) -> Taken {
    let name = crate::source::file_name(&dropped.path);
    if name.len() > NAME_BYTES_MAX {
        let problem = io::Error::other(format!("its name has {} bytes", name.len()));
        let short = &name[..name.floor_char_boundary(NAME_BYTES_MAX)];
        return stays(engine.world(), folder, short, &unreadable(&dropped.path, problem));
    }
    // A manifest is not followed elsewhere either. What it says is read later, by the path that was looked at here.
    if let Some(Err(error)) = dropped.manifest.as_deref().map(Source::open_dropped) {
        return stays(engine.world(), folder, &name, &error);
    }
    let source = match Source::open_dropped(&dropped.path) {
        Ok(source) => source,
        Err(error) => return stays(engine.world(), folder, &name, &error),
    };
    match accept(engine, folder, dropped, &source, door).await {
        Ok(taken) => taken,
        Err(Trouble::Later(message)) => {
            tracing::warn!(target: "sealpost::drop", tenant = folder.tenant, file = name, %message, "not now; the file stays and is tried again");
            Taken::Later
        }
    }
}

enum Trouble {
    Later(String),
}

impl<E: std::fmt::Display> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Later(error.to_string())
    }
}

async fn accept(engine: &Engine, folder: &Folder, dropped: &Dropped, source: &Source, door: Door) -> Result<Taken, Trouble> {
    let world = engine.world();
    let tenant = engine.tenant(&Some(folder.tenant.clone()))?.id;
    let sha256 = source.sha256()?;
    if dropped.is_members {
        return import(engine, tenant, folder, dropped, source, &sha256);
    }
    // What a crash left between the commit and the removal, or the same file handed in once more.
    let before = engine.batch_of_file(tenant, folder.stream, &sha256);
    let was_sealed = before.map(|before| is_sealed(world, folder, before.id)).transpose()?.unwrap_or_default();
    let is_cancelled = was_sealed && before.is_some_and(|before| before.cancelled);
    // The file of a batch that was cancelled is handed in again for what never left of it, which is known when the batch is over.
    if is_cancelled && before.is_some_and(|before| !before.closed) {
        return Ok(Taken::Later);
    }
    if let Some(BatchOfFile { id: batch, .. }) = before.filter(|_| !is_cancelled) {
        if was_sealed {
            told(
                world,
                folder,
                &source.name(),
                "already_accepted",
                &json!({
                    "file": source.name(),
                    "batch_id": batch.to_string(),
                    "outcome": "already_accepted",
                    "expected": "a file that was not handed in before",
                    "action": "nothing: it is the same file, byte for byte; its statements belong to that batch",
                }),
            )?;
            tracing::info!(target: "sealpost::drop", tenant = folder.tenant, file = source.name(), %batch, "was accepted before, byte for byte");
        } else {
            seal(engine, tenant, source, &done_path(folder, source, batch), SOURCE_DONE, &sha256)?;
        }
        remove(world, dropped, source)?;
        return Ok(if was_sealed { Taken::Gone } else { Taken::Accepted(batch) });
    }
    let request = FileRequest {
        path: dropped.path.clone(),
        members: None,
        input: Input::default(),
        tenant: Some(folder.tenant.clone()),
        stream: folder.stream,
        manifest: dropped.manifest.clone(),
    };
    match engine.accept_source(request, source.clone(), door, Some(folder.results())).await {
        Ok(accepted) => {
            let batch = accepted.batch;
            seal(engine, tenant, source, &done_path(folder, source, batch), SOURCE_DONE, &sha256)?;
            tracing::info!(target: "sealpost::drop", tenant = folder.tenant, stream = %folder.stream, file = source.name(), %batch, held = accepted.held, "accepted");
            remove(world, dropped, source)?;
            Ok(Taken::Accepted(batch))
        }
        Err(AcceptError::Refused(refusal)) => refuse(engine, tenant, folder, dropped, source, &sha256, &refusal),
        Err(error) => Err(error.into()),
    }
}

/// A contact file: the newest one is in force. A crash between the import and the removal imports it once more, as another version that says the same.
fn import(
    engine: &Engine,
    tenant: TenantId,
    folder: &Folder,
    dropped: &Dropped,
    source: &Source,
    sha256: &[u8; 32],
) -> Result<Taken, Trouble> {
    let name = source.name();
    match engine.contacts().import(tenant, source, "drop folder".to_owned(), false) {
        Ok(imported) => {
            let sealed = folder.done().join(format!("{name}.contacts.{}.sealed", short(sha256)));
            seal(engine, tenant, source, &sealed, SOURCE_DONE, sha256)?;
            let word = format!("{}.contacts", short(sha256));
            let about = json!({ "file": name, "outcome": "contacts_imported", "sha256": hex(sha256), "version": imported });
            told(engine.world(), folder, &name, &word, &about)?;
            tracing::info!(target: "sealpost::drop", tenant = folder.tenant, file = name, "contact data imported");
            remove(engine.world(), dropped, source)
        }
        Err(AcceptError::Refused(refusal)) => refuse(engine, tenant, folder, dropped, source, sha256, &refusal),
        // The file is at fault, or a person's word that it is meant is missing.
        Err(AcceptError::Unknown(problem)) => {
            let action = "what was in force stays in force; look at the file with `sealpost batch source`, and import it with `sealpost members import` if it is right";
            let refusal = Refusal { file: name, reason: "contacts_not_imported", expected: problem, action: action.to_owned() };
            refuse(engine, tenant, folder, dropped, source, sha256, &refusal)
        }
        Err(error) => Err(error.into()),
    }
}

/// Nothing of it was accepted: it is kept sealed, with the reason in words.
fn refuse(
    engine: &Engine,
    tenant: TenantId,
    folder: &Folder,
    dropped: &Dropped,
    source: &Source,
    sha256: &[u8; 32],
    refusal: &Refusal,
) -> Result<Taken, Trouble> {
    let name = source.name();
    let sealed = folder.refused().join(format!("{name}.{}.sealed", short(sha256)));
    seal(engine, tenant, source, &sealed, SOURCE_REFUSED, sha256)?;
    let word = format!("{}.refused", short(sha256));
    told(
        engine.world(),
        folder,
        &name,
        &word,
        &json!({
            "file": name,
            "outcome": "refused",
            "sha256": hex(sha256),
            "reason": refusal.reason,
            "expected": refusal.expected,
            "action": refusal.action,
            "sealed": sealed.file_name().map(|name| name.to_string_lossy()),
        }),
    )?;
    tracing::warn!(target: "sealpost::drop", tenant = folder.tenant, file = name, reason = refusal.reason, "refused; the reason stands in results/");
    remove(engine.world(), dropped, source)
}

/// What cannot be opened at all stays where it is, and is told of once.
fn stays(world: &World, folder: &Folder, name: &str, error: &AcceptError) -> Taken {
    let problem = match error {
        AcceptError::Unreadable { error, .. } => error.to_string(),
        other => other.to_string(),
    };
    tracing::warn!(target: "sealpost::drop", tenant = folder.tenant, file = name, %problem, "is not taken and stays where it is");
    let about = json!({ "file": name, "outcome": "not_taken", "expected": format!("a regular file of this engine's user, no link, with a name of at most {NAME_BYTES_MAX} bytes; its manifest likewise"), "problem": problem, "action": "remove it, or copy the file itself into the folder" });
    match told(world, folder, name, "not_taken", &about) {
        Ok(()) => Taken::Stays,
        Err(_) => Taken::Later,
    }
}

/// Seals the file's bytes, which must be those that were judged.
fn seal(engine: &Engine, tenant: TenantId, source: &Source, path: &Path, purpose: &str, sha256: &[u8; 32]) -> Result<(), Trouble> {
    let name = crate::source::file_name(path);
    let mut writer = SealedWriter::create(engine.keys(), path, SealedFor { tenant, purpose, name: &name })?;
    let mut hash = Context::new(&SHA256);
    let mut reader = source.reader();
    let mut buffer = zeroize::Zeroizing::new(vec![0; 64 * 1024]);
    loop {
        let count = reader.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hash.update(&buffer[..count]);
        writer.write_all(&buffer[..count]).map_err(SealedError::from_io)?;
    }
    if hash.finish().as_ref() != sha256 {
        return Err(Trouble::Later("the file changed after it was read: it stays, and is looked at again".to_owned()));
    }
    writer.finish()?;
    Ok(())
}

/// Removes the plaintext and what came with it, and makes that durable. A new file under the name stays.
fn remove(world: &World, dropped: &Dropped, source: &Source) -> Result<Taken, Trouble> {
    if source.is_still_named() {
        world.disk().remove_file(&dropped.path)?;
    }
    for companion in dropped.companions() {
        if world.disk().exists(companion) {
            world.disk().remove_file(companion)?;
        }
    }
    if let Some(dir) = dropped.path.parent() {
        world.disk().sync_dir(dir)?;
    }
    Ok(Taken::Gone)
}

fn told(world: &World, folder: &Folder, name: &str, word: &str, about: &Value) -> Result<(), Trouble> {
    let path = folder.results().join(format!("{name}.{word}.json"));
    Ok(world.disk().write_atomic(&path, format!("{about:#}\n").as_bytes())?)
}

/// Whether what a batch was made of lies in `done/`, under whatever name it came.
fn is_sealed(world: &World, folder: &Folder, batch: BatchId) -> Result<bool, Trouble> {
    let ending = format!(".{batch}.sealed");
    Ok(world.disk().read_dir(&folder.done())?.iter().any(|path| crate::source::file_name(path).ends_with(&ending)))
}

fn done_path(folder: &Folder, source: &Source, batch: BatchId) -> PathBuf {
    folder.done().join(format!("{}.{batch}.sealed", source.name()))
}

fn short(sha256: &[u8; 32]) -> String {
    hex(&sha256[..6])
}
