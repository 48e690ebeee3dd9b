//! `sealpost check-config`: everything that is wrong with a configuration, or what it means.

use super::output::say;
use super::{Exit, Outcome, Trouble};
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;
use world::World;

/// Check a configuration and print what it means.
#[derive(Debug, Args)]
#[command(
    after_help = "Names everything that is wrong at once, with file and line. Reads keys, templates and rules too, but opens no journal.\n\
                        Every key is explained in configs/sealpost.reference.toml (`--reference` prints it).\n\n\
                        Exit codes: 0 it can be used · 2 it cannot."
)]
pub(super) struct Arguments {
    /// The configuration.
    #[arg(required_unless_present = "reference")]
    config: Option<PathBuf>,
    /// Print the reference configuration: every key, its default, and what it is for.
    #[arg(long)]
    reference: bool,
}

pub(super) fn run(arguments: Arguments, json: bool) -> Outcome {
    let Some(path) = arguments.config.filter(|_| !arguments.reference) else {
        say!("{}", crate::config::Config::default_text().trim_end());
        return Ok(Exit::Done);
    };
    let config = super::load(&path)?;
    let findings = findings(&config)?;
    let summary = summary(&config, &findings);
    config.into_settings(&World::real()).map_err(Trouble::usage)?;
    if json {
        say!("{summary}");
        return Ok(Exit::Done);
    }
    say!("{} can be used", path.display());
    for (key, value) in summary.as_object().into_iter().flatten() {
        say!("  {key:<14} {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    Ok(Exit::Done)
}

/// What is not wrong, but not meant either.
fn findings(config: &crate::config::Config) -> Result<Vec<String>, Trouble> {
    let shaping = config.shaping().map_err(Trouble::usage)?;
    let rules = config.rules().map_err(Trouble::usage)?;
    let of_shaping = shaping.validate().into_iter().map(|finding| format!("{}: {}", finding.place, finding.message));
    let of_rules = rules.validate().into_iter().map(|finding| format!("{}: {}", finding.place, finding.message));
    let undecided = config.undecided_consents().map(|tenant| format!("tenants.{tenant}.consent: {}", crate::config::CONSENT_UNDECIDED));
    Ok(of_shaping.chain(of_rules).chain(undecided).collect())
}

fn summary(config: &crate::config::Config, findings: &[String]) -> Value {
    json!({
        "environment": config.environment.name(),
        "journal": config.paths.journal,
        "key_ring": config.paths.key_ring,
        "ledger": config.paths.ledger,
        "results": config.paths.results,
        "sockets": config.paths.sockets,
        "tenants": config.tenants.iter().map(|tenant| tenant.name.clone()).collect::<Vec<_>>(),
        "marketing": config.marketing.is_some(),
        "protection": config.transactional.protection,
        "routes": config.egress.routes.len(),
        "findings": findings,
    })
}
