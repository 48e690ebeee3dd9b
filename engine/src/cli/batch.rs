//! `sealpost batch list | show | hold | release | cancel`.

use super::{Exit, Outcome, connect, report, send::trouble_of};
use crate::control::{Answer, Request};
use clap::{Args, Subcommand};
use model::record::BatchVerb;
use std::path::PathBuf;

/// List, show, hold, release or cancel batches.
#[derive(Debug, Args)]
#[command(after_help = "Works beside a running `sealpost run` (by its control socket) and without one.\n\n\
                        Example:\n  sealpost batch hold b1-2a --config sealpost.toml --reason 'wrong month in the file'")]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
    /// The configuration.
    #[arg(long, value_name = "FILE", global = true, default_value = "sealpost.toml")]
    config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// All batches: when they came, how many jobs they have, how many are still active.
    List,
    /// The books of one batch: every row, every state, every cent.
    Show {
        /// The batch, such as b1-2a.
        batch: String,
    },
    /// Stop sending what has no intent on disk yet.
    Hold(OrderArguments),
    /// Go on with a held batch.
    Release(OrderArguments),
    /// Stop for good what has no intent on disk yet; `batch show` then says what already left.
    Cancel(OrderArguments),
}

#[derive(Debug, Args)]
struct OrderArguments {
    /// The batch, such as b1-2a.
    batch: String,
    /// Why; stands in the record beside your login name.
    #[arg(long)]
    reason: String,
}

pub(super) fn run(arguments: Arguments, json: bool) -> Outcome {
    let config = super::load(&arguments.config)?;
    let request = match arguments.verb {
        Verb::List => Request::List,
        Verb::Show { batch } => Request::Show { batch },
        Verb::Hold(order) => order.request(BatchVerb::Hold),
        Verb::Release(order) => order.request(BatchVerb::Release),
        Verb::Cancel(order) => order.request(BatchVerb::Cancel),
    };
    match connect::ask(config, &arguments.config, request, None, |_| {})? {
        Answer::Batches { batches } => report::print_batches(&batches, json),
        Answer::Report { report, environment, elapsed_ms, .. } => report::print(&report, &environment, elapsed_ms, json),
        Answer::Ordered { jobs } => report::print_ordered(jobs, json),
        other => return Err(trouble_of(other)),
    }
    Ok(Exit::Done)
}

impl OrderArguments {
    fn request(self, order: BatchVerb) -> Request {
        Request::Order { batch: self.batch, order, reason: self.reason, by: super::operator() }
    }
}
