//! `sealpost batch source`: what a batch was made of, byte for byte, as it came.

use super::output::{complain, say};
use super::{Exit, Outcome, Trouble};
use crate::assembly::key_source;
use crate::config::Config;
use crate::drop::{SOURCE_DONE, SOURCE_REFUSED};
use crate::source::file_name;
use journal::KeyRing;
use journal::sealed::{SealedError, SealedFor, SealedReader, label};
use model::BatchId;
use serde_json::json;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use world::World;

/// Opens the sealed file of a batch, or a sealed file by its path, and writes it out.
pub(super) fn run(config: &Config, which: &str, out: &Path, json: bool) -> Outcome {
    let world = World::real();
    let keys = KeyRing::open_to_read(&world, &config.paths.key_ring, &key_source(&config.keys)).map_err(Trouble::failed)?;
    let path = match which.parse::<BatchId>() {
        Ok(batch) => in_done(config, batch)?,
        Err(_) => PathBuf::from(which),
    };
    let found = label(&keys, &path).map_err(Trouble::failed)?;
    let found = found.ok_or_else(|| Trouble::usage(format!("{} is no file that sealpost sealed", path.display())))?;
    if ![SOURCE_DONE, SOURCE_REFUSED].contains(&found.purpose.as_str()) {
        return Err(Trouble::usage(format!("{} was sealed as '{}'; only what came in can be written out", path.display(), found.purpose)));
    }
    let name = file_name(&path);
    let mut reader = SealedReader::open(&keys, &path, SealedFor { tenant: found.tenant, purpose: &found.purpose, name: &name })
        .map_err(Trouble::failed)?;
    let bytes = if out == Path::new("-") {
        io::copy(&mut reader, &mut io::stdout().lock()).map_err(|error| Trouble::failed(SealedError::from_io(error)))?
    } else {
        write_out(&mut reader, out)?
    };
    if out == Path::new("-") {
        return Ok(Exit::Done);
    }
    let path = path.display().to_string();
    if json {
        say!("{}", json!({ "source": path, "out": out, "bytes": bytes }));
    } else {
        say!("{bytes} bytes of {path} are in {}", out.display());
        complain!("sealpost: {} is readable now: remove it when you have seen it", out.display());
    }
    Ok(Exit::Done)
}

/// Into a new file of mode 0600; where it breaks off, nothing stays.
fn write_out(reader: &mut SealedReader, out: &Path) -> Result<u64, Trouble> {
    let unwritable = |error: io::Error| Trouble::failed(format!("{}: {error}", out.display()));
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(out).map_err(unwritable)?;
    let written = io::copy(reader, &mut file).and_then(|bytes| file.flush().map(|()| bytes));
    written.map_err(|error| {
        // Half a file looks like a whole one.
        let _ = std::fs::remove_file(out);
        Trouble::failed(SealedError::from_io(error))
    })
}

/// The sealed file of a batch that came through a drop folder.
fn in_done(config: &Config, batch: BatchId) -> Result<PathBuf, Trouble> {
    let ending = format!(".{batch}.sealed");
    let Some(settings) = &config.drop else {
        return Err(Trouble::usage("this configuration has no [drop] path; name the sealed file itself"));
    };
    for tenant in &config.tenants {
        for stream in ["transactional", "marketing"] {
            let done = settings.path.join(&tenant.name).join(stream).join("done");
            let Ok(entries) = std::fs::read_dir(&done) else { continue };
            if let Some(path) = entries.flatten().map(|entry| entry.path()).find(|path| file_name(path).ends_with(&ending)) {
                return Ok(path);
            }
        }
    }
    Err(Trouble::usage(format!(
        "no file of batch {batch} lies in a done/ folder: it came by `send` or by the job socket, or its file was removed"
    )))
}
