//! `sealpost send`: one batch through the whole engine, and the books at the end.
//!
//! Where `run` owns the journal the file is handed over to it by the control socket; otherwise this
//! process is the engine until the batch is through.

use super::input::InputFlags;
use super::restored::Restored;
use super::{Exit, Outcome, Trouble, connect, progress::Bar, report};
use crate::control::{Answer, Request};
use crate::files::FileRequest;
use clap::Args;
use model::StreamName;
use std::path::PathBuf;

/// Take one batch file through the whole engine and report on every row.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 closed, nothing needs a person · 5 closed, but something does · 3 deadline reached (what is left goes on \
                        with the next `send` of the same file, or `run`) · 4 batch refused · 2 usage or configuration.\n\n\
                        The same file handed in again while its batch is open continues that batch; afterwards its rows count as duplicates.\n\n\
                        Example:\n  sealpost send --config sealpost.toml --batch remittance.835 --members contacts.csv --json"
)]
pub(super) struct Arguments {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The batch: an X12 835, FHIR R4, NDJSON, delimited text or fixed width; plain, gzip or zip.
    #[arg(long, value_name = "FILE")]
    batch: PathBuf,
    /// Contact file (CSV or NDJSON), joined by member id and name or birth date. Default: the tenant's `members`.
    #[arg(long, value_name = "FILE")]
    members: Option<PathBuf>,
    #[command(flatten)]
    input: InputFlags,
    /// What the file must come to: rows, totals, SHA-256, kind, not-before, expiry (TOML, or JSON where its name ends in .json).
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Stop following after this long, such as 60s or 2h.
    #[arg(long, value_parser = super::span)]
    deadline: Option<std::time::Duration>,
    /// Whose batch it is; not needed where the configuration has one tenant.
    #[arg(long)]
    tenant: Option<String>,
    /// The stream: transactional or marketing.
    #[arg(long, default_value = "transactional", value_parser = super::stream)]
    stream: StreamName,
    #[command(flatten)]
    restored: Restored,
}

pub(super) fn run(arguments: Arguments, json: bool) -> Outcome {
    let config = super::load(&arguments.config)?;
    let file = FileRequest {
        path: super::absolute(&arguments.batch)?,
        members: arguments.members.as_deref().map(super::absolute).transpose()?,
        input: arguments.input.input()?,
        tenant: arguments.tenant,
        stream: arguments.stream,
        manifest: arguments.manifest.as_deref().map(super::absolute).transpose()?,
    };
    let deadline_ms = arguments.deadline.map(|span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX));
    let mut bar = Bar::new(json);
    let mut findings = 0;
    let last = connect::ask(config, &arguments.config, Request::Send { file, deadline_ms }, arguments.restored.vouch(), |answer| {
        if let Answer::Accepted { findings: found, .. } = answer {
            findings = *found;
        }
        bar.show(answer);
        // The books reach their reader before the batch closes: whoever is killed in between hands the file in again and is told.
        if let Answer::Report { report, elapsed_ms, environment, .. } = answer {
            bar.finish();
            report::print(report, environment, *elapsed_ms, json);
        }
    })?;
    match last {
        Answer::Report { report, needs_a_person, .. } => {
            let is_closed = report["closed"].as_bool().unwrap_or(false);
            let is_balanced = report["balanced"].as_bool().unwrap_or(false);
            let rejected = report["statements"]["rejected"].as_u64().unwrap_or(0);
            if !is_closed && report["gates"]["held"].as_bool() == Some(true) {
                return Ok(Exit::NeedsPerson);
            }
            Ok(match (is_closed, is_balanced, needs_a_person + rejected + findings) {
                (false, _, _) => Exit::Deadline,
                (true, true, 0) => Exit::Done,
                (true, _, _) => Exit::NeedsPerson,
            })
        }
        other => Err(trouble_of(other)),
    }
}

/// What an answer that is no result means for the exit code.
pub(super) fn trouble_of(answer: Answer) -> Trouble {
    match answer {
        Answer::Refused { message } => Trouble::new(Exit::Refused, format!("batch refused: {message}")),
        Answer::Unknown { message } => Trouble::usage(message),
        Answer::NotNow { message } => Trouble::new(Exit::NotNow, message),
        Answer::Failed { message } => Trouble::failed(message),
        _ => Trouble::failed("the engine ended before the result; run `sealpost batch list` to see what it has"),
    }
}
