//! `sealpost keys show`: what is in the key ring, nothing of it secret.

use super::with_ring;
use crate::cli::output::say;
use crate::cli::send::trouble_of;
use crate::cli::{Exit, Outcome, load};
use crate::control::{Answer, Request};
use clap::Args;
use journal::{RingOverview, TenantOverview};
use model::Timestamp;
use std::path::PathBuf;

/// Tenants, how many keys of which purpose, how old. Nothing secret.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sealpost keys show --config sealpost.toml --json")]
pub(super) struct Arguments {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = "sealpost.toml")]
    config: PathBuf,
}

pub(super) fn run(arguments: Arguments, json: bool) -> Outcome {
    let config = load(&arguments.config)?;
    match with_ring(&config, &Request::ShowKeys, |ring| Ok(Answer::Keys { overview: Box::new(ring.overview()) }))? {
        Answer::Keys { overview } => {
            print(&overview, json);
            Ok(Exit::Done)
        }
        other => Err(trouble_of(other)),
    }
}

fn print(overview: &RingOverview, json: bool) {
    if json {
        say!("{}", serde_json::json!(overview));
        return;
    }
    let age = |moment: Option<Timestamp>| moment.map_or_else(|| "of unknown age".to_owned(), |moment| age(moment, overview.now));
    say!("{}: {} keys, generation {}", overview.directory.display(), overview.keys, overview.generation);
    say!("under the key of {}, {}", overview.source, age(overview.wrapped_at));
    for TenantOverview { id, name, keys } in &overview.tenants {
        say!("\n{id:>5}  {}", name.as_deref().unwrap_or("(the installation itself)"));
        for kind in keys {
            let stream = kind.stream.map_or("", |stream| stream.as_str());
            say!("       {:<8} {stream:<14} {:>7}   the oldest {}", kind.purpose, kind.count, age(kind.oldest));
        }
    }
    if overview.destructions_to_record > 0 {
        say!("\n{} destroyed keys will stand in the record after the next start", overview.destructions_to_record);
    }
}

fn age(moment: Timestamp, now: Timestamp) -> String {
    let seconds = now.since(moment).as_secs();
    match seconds {
        0..60 => "less than a minute old".to_owned(),
        60..3600 => format!("{} minutes old", seconds / 60),
        3600..172_800 => format!("{} hours old", seconds / 3600),
        _ => format!("{} days old", seconds / 86_400),
    }
}
