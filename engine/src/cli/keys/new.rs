//! `sealpost keys new`: the key-encryption key and the DKIM keys of a first configuration.

use crate::cli::output::say;
use crate::cli::{Exit, Outcome, Trouble};
use clap::Args;
use std::path::{Path, PathBuf};
use world::{OpenMode, World};

/// Make a key-encryption key, and DKIM keys for a signing domain.
#[derive(Debug, Args)]
#[command(after_help = "Files are made with mode 0600 and never overwritten.\n\
                        Losing the key-encryption key loses every job that is not delivered yet and every lookup of the past: back it up apart \
                        from the journal.\n\n\
                        Example:\n  sealpost keys new --dir keys --domain statements.plan.example")]
pub(super) struct Arguments {
    /// Folder for the key files; made with mode 0700.
    #[arg(long, value_name = "FOLDER")]
    dir: PathBuf,
    /// Signing domain: makes RSA-2048 and Ed25519 keys too, and prints their DNS records.
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<String>,
    /// Selector of the RSA key.
    #[arg(long, default_value = "sealpost-rsa")]
    selector_rsa: String,
    /// Selector of the Ed25519 key.
    #[arg(long, default_value = "sealpost-ed25519")]
    selector_ed25519: String,
}

pub(super) fn run(arguments: Arguments, json: bool) -> Outcome {
    let Arguments { dir, domain, selector_rsa, selector_ed25519 } = arguments;
    let world = World::real();
    world.disk().create_dir_all(&dir).map_err(|error| Trouble::failed(format!("{}: {error}", dir.display())))?;
    let mut files = Vec::new();
    let key = dir.join("key-encryption.key");
    journal::new_key_file(&world, &key).map_err(Trouble::failed)?;
    files.push(key);
    let mut records = Vec::new();
    if let Some(domain) = domain {
        let made = seal::new_keys(&domain, &selector_rsa, &selector_ed25519).map_err(Trouble::usage)?;
        for (name, text) in [(&selector_rsa, &made.rsa_pem), (&selector_ed25519, &made.ed25519_pem)] {
            let path = dir.join(format!("{name}.pem"));
            write_new(&world, &path, text.as_bytes())?;
            files.push(path);
        }
        records = made.records;
    }
    print(&files, &records, json);
    Ok(Exit::Done)
}

/// Writes a file that must not exist yet, with mode 0600.
fn write_new(world: &World, path: &Path, bytes: &[u8]) -> Result<(), Trouble> {
    let write = || {
        let file = world.disk().open(path, OpenMode::CreateNew)?;
        file.write_all_at(bytes, 0)?;
        file.sync_all()
    };
    write().map_err(|error| Trouble::failed(format!("{}: {error}; existing keys are never overwritten", path.display())))
}

fn print(files: &[PathBuf], records: &[seal::dkim::keys::DnsRecord], json: bool) {
    if json {
        let records: Vec<_> = records.iter().map(|record| serde_json::json!({ "name": record.name, "txt": record.text })).collect();
        say!("{}", serde_json::json!({ "files": files, "dns_records": records }));
        return;
    }
    say!("Made, with mode 0600:");
    files.iter().for_each(|file| say!("  {}", file.display()));
    if !records.is_empty() {
        say!("\nPublish before the first message:\n");
        records.iter().for_each(|record| say!("{record}\n"));
    }
    say!("Back up the key-encryption key apart from the journal: without it, what is queued cannot be read.");
}
