//! `sealpost keys rotate`: another key-encryption key, by the running engine or without one.

use super::with_ring;
use crate::cli::output::say;
use crate::cli::send::trouble_of;
use crate::cli::{Exit, Outcome, Trouble, absolute, load};
use crate::control::{Answer, Request};
use clap::Args;
use journal::{KeySecret, KeySource, Rotated, Rotation};
use std::path::{Path, PathBuf};
use world::World;

/// Put the key ring under another key-encryption key, without downtime.
#[derive(Debug, Args)]
#[command(
    after_help = "Every wrapped key is wrapped anew, in both copies of the ring; nothing else is written again, and nobody waits. Afterwards the old key \
                  opens nothing here. A crash at any moment leaves a ring that opens with what is there.\n\n\
                  Where the key is in a file, a new one is made beside it and takes its name. Any other source is yours to fill: --to names it, \
                  the verb says afterwards which line of the configuration to change, and a running engine goes on until its next start.\n\n\
                  Back up the new key apart from the journal. Keep the old one only as long as a backup of the ring that is under it.\n\n\
                  Examples:\n  sealpost keys rotate --config sealpost.toml\n  \
                  sealpost keys rotate --config sealpost.toml --to 'command:[\"vault\", \"kv\", \"get\", \"-field=key\", \"secret/sealpost\"]'"
)]
pub(super) struct Arguments {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = "sealpost.toml")]
    config: PathBuf,
    /// Where the new key is: file:PATH (made where it does not exist), env:NAME, command:["PROGRAM", "ARGUMENT", ...], credential:NAME. It
    /// is read by this verb, with your rights and in your environment.
    #[arg(long, value_name = "SOURCE", value_parser = source)]
    to: Option<KeySource>,
}

pub(super) fn run(arguments: Arguments, json: bool) -> Outcome {
    let config = load(&arguments.config)?;
    let rotation = rotation(arguments.to)?;
    let alone = rotation.clone();
    let answer =
        with_ring(&config, &Request::RotateKeys { rotation }, |ring| ring.rotate(&alone).map(|rotated| Answer::Rotated { rotated }))?;
    match answer {
        Answer::Rotated { rotated } => {
            print(&rotated, &arguments.config, json);
            Ok(Exit::Done)
        }
        other => Err(trouble_of(other)),
    }
}

/// A file is read by the process that has the ring; it shows that the service can. Everything else only this verb sees.
fn rotation(to: Option<KeySource>) -> Result<Rotation, Trouble> {
    Ok(match to {
        None => Rotation::InPlace,
        Some(KeySource::File(path)) => Rotation::To(KeySource::File(absolute(&path)?)),
        Some(source) => {
            let secret = KeySecret::read(&World::real(), &source).map_err(Trouble::failed)?;
            Rotation::Given { source, secret }
        }
    })
}

fn print(rotated: &Rotated, config: &Path, json: bool) {
    let line = (!rotated.in_place).then(|| config_line(&rotated.source));
    if json {
        say!(
            "{}",
            serde_json::json!({ "keys": rotated.keys, "generation": rotated.generation, "at": rotated.at,
            "source": rotated.source.to_string(), "in_place": rotated.in_place, "change_config": line })
        );
        return;
    }
    say!("{} keys are under a new key-encryption key; the old one opens nothing here any more.", rotated.keys);
    match line {
        None => say!("The new one lies where the old one lay. Back it up apart from the journal."),
        Some(line) => say!(
            "Before the next start, change [keys] in {} to:\n\n  {line}\n\nand back up the new key apart from the journal.",
            config.display()
        ),
    }
}

/// How the configuration says it.
fn config_line(source: &KeySource) -> String {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    match source {
        KeySource::File(path) => format!("source = {{ file = {} }}", text(&path.display().to_string())),
        KeySource::Environment(name) => format!("source = {{ environment = {} }}", text(name)),
        KeySource::Command(words) => {
            let words: Vec<String> = words.iter().map(|word| text(word)).collect();
            format!("source = {{ command = [{}] }}", words.join(", "))
        }
        KeySource::Credential(name) => format!("source = {{ credential = {} }}", text(name)),
    }
}

/// A source as it is typed.
fn source(text: &str) -> Result<KeySource, String> {
    let expected = "expected file:PATH, env:NAME, command:[\"PROGRAM\", \"ARGUMENT\", ...] or credential:NAME";
    let (kind, name) = text.split_once(':').filter(|(_, name)| !name.is_empty()).ok_or(expected)?;
    match kind {
        "file" => Ok(KeySource::File(PathBuf::from(name))),
        "env" => Ok(KeySource::Environment(name.to_owned())),
        "credential" if !name.contains('/') => Ok(KeySource::Credential(name.to_owned())),
        "command" => {
            serde_json::from_str::<Vec<String>>(name).ok().filter(|words| !words.is_empty()).map(KeySource::Command).ok_or_else(|| {
                "expected a command as a JSON list, such as command:[\"vault\", \"kv\", \"get\", \"-field=key\", \"secret/sealpost\"]"
                    .to_owned()
            })
        }
        _ => Err(expected.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_typed_and_its_line_can_be_pasted() {
        for (typed, line) in [
            ("file:/etc/sealpost/key", "source = { file = \"/etc/sealpost/key\" }"),
            ("env:SEALPOST_KEY", "source = { environment = \"SEALPOST_KEY\" }"),
            ("credential:kek", "source = { credential = \"kek\" }"),
            ("command:[\"vault\", \"a b\"]", "source = { command = [\"vault\", \"a b\"] }"),
        ] {
            assert_eq!(config_line(&source(typed).unwrap()), line);
            assert!(line.parse::<toml::Table>().is_ok());
        }
        for wrong in ["", "key", "file:", "command:vault", "command:[]", "credential:../x", "vault:x"] {
            assert!(source(wrong).unwrap_err().contains("expected"), "{wrong}");
        }
    }
}
