//! `sealpost batch list | show | rows | source | hold | release | cancel | paper`.

use super::output::complain;
use super::{Exit, Outcome, Trouble, connect, paper, report, send::trouble_of, source};
use crate::control::{Answer, Request};
use crate::drop;
use crate::paper::PaperAsk;
use clap::{Args, Subcommand};
use ledger::JobFilter;
use model::record::BatchVerb;
use model::{JobId, State};
use std::path::PathBuf;

/// List and show batches and their rows; hold, release or cancel them; see what came in; write out what goes on paper.
#[derive(Debug, Args)]
#[command(
    after_help = "Works beside a running `sealpost run` (by its control socket) and without one: questions are then answered from the ledger, and an \
                        order starts an engine for as long as it needs; for paper, one that delivers nothing.\n\n\
                        Example:\n  sealpost batch list\n  sealpost batch rows b1-2a --state held --reason member_mismatch\n  \
                        sealpost batch hold b1-2a --config sealpost.toml --reason 'wrong month in the file'\n  \
                        sealpost batch release b1-2a --reason 'three plans in one file this month'\n  \
                        sealpost batch source b1-2a --out remittance.835\n  \
                        sealpost batch paper b1-2a --to printer.asc && sealpost batch paper b1-2a --settle"
)]
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
    /// Its rows, a page at a time: message, state, reason, destination, attempts; nothing of a person.
    /// Statements that were grouped have a row each.
    ///
    /// Rows that became no job stand in the batch's reject file, with place and reason.
    Rows(RowsArguments),
    /// What it was made of, byte for byte as it came into a drop folder: opened with the tenant's key.
    Source {
        /// The batch, or a sealed file of done/ or refused/.
        #[arg(value_name = "BATCH|FILE")]
        which: String,
        /// Where to write it: a new file, or - for standard output.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Stop sending what has no intent on disk yet.
    Hold(OrderArguments),
    /// Go on with a held batch; and look again at statements that are held because a denial had no words.
    ///
    /// What the tenant's templates can say by now goes out with those templates.
    /// What still has no words stays held and is told by its code.
    Release(OrderArguments),
    /// Stop for good what has no intent on disk yet; `batch show` then says what already left.
    ///
    /// The same file, or one that was made again, may be handed in afterwards: what never left goes then, and what had left is a duplicate.
    Cancel(OrderArguments),
    /// What goes on paper, as a file encrypted to the key of whoever prints it; then say that it is on its way.
    ///
    /// The file is OpenPGP; inside is a line of JSON for each row: row, reason, deadline, claim, member, postal address, the whole
    /// statement. The address is that of the contact data (postal_line_1, postal_city, postal_state, postal_code, ...), the alternative one
    /// where the member asked for it. Nothing of it lies
    /// readable on any disk of ours. Content is kept until `--settle`, so the same rows can be exported again.
    Paper(PaperArguments),
}

#[derive(Debug, Args)]
struct PaperArguments {
    /// The batch, such as b1-2a.
    batch: String,
    /// The public key of whoever prints, as `gpg --export` writes it, armored or not.
    #[arg(long, value_name = "KEY", required_unless_present = "settle", conflicts_with = "settle")]
    to: Option<PathBuf>,
    /// Where to write it: a new file, made by the engine [default: BATCH.paper.pgp here].
    #[arg(long, value_name = "FILE", conflicts_with = "settle")]
    out: Option<PathBuf>,
    /// The contact file whose postal addresses are printed; without it, what the tenant goes by now.
    #[arg(long, value_name = "FILE", conflicts_with = "settle")]
    members: Option<PathBuf>,
    /// The paper of what was exported is on its way: its content may be reclaimed. There is no way back.
    #[arg(long)]
    settle: bool,
}

#[derive(Debug, Args)]
struct RowsArguments {
    /// The batch, such as b1-2a.
    batch: String,
    /// In this state alone: queued, held, delivered, bounced, to_paper, ...
    #[arg(long, value_parser = state)]
    state: Option<State>,
    /// Held for this, or last moved by this: a word such as member_mismatch or mailbox_full.
    #[arg(long, value_name = "WORD")]
    reason: Option<String>,
    /// After this job: the `next` of the page before.
    #[arg(long, value_name = "JOB")]
    after: Option<JobId>,
    /// Rows of a page, up to 10,000; a few more where the last ones share a message.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

#[derive(Debug, Args)]
struct OrderArguments {
    /// The batch, such as b1-2a.
    batch: String,
    /// Why; stands in the record beside your login name.
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,
}

pub(super) fn run(arguments: Arguments, json: bool) -> Outcome {
    let config = super::load(&arguments.config)?;
    let request = match arguments.verb {
        Verb::List => Request::List,
        Verb::Show { batch } => Request::Show { batch },
        Verb::Rows(rows) => rows.request(),
        Verb::Source { which, out } => return source::run(&config, &which, &out, json),
        Verb::Hold(order) => order.request(BatchVerb::Hold),
        Verb::Release(order) => order.request(BatchVerb::Release),
        Verb::Cancel(order) => order.request(BatchVerb::Cancel),
        Verb::Paper(paper) => paper.request()?,
    };
    let folders = config.drop.as_ref().map(|settings| settings.path.clone());
    match connect::ask(config, &arguments.config, request, None, |_| {})? {
        Answer::Batches { batches } => {
            report::print_batches(&batches, json);
            // Beside the list, so that a program that reads the list finds what it found before.
            folders.iter().flat_map(|path| drop::alerts(path)).for_each(|alert| complain!("sealpost: {alert}"));
        }
        Answer::Report { report, environment, elapsed_ms, .. } => report::print(&report, &environment, elapsed_ms, json),
        Answer::Rows { rows, next } => report::print_rows(&rows, next.as_deref(), json),
        Answer::Paper { told } => return Ok(paper::print(&told, json)),
        Answer::Ordered { jobs, left, wording } => report::print_ordered(jobs, left, wording.as_ref(), json),
        other => return Err(trouble_of(other)),
    }
    Ok(Exit::Done)
}

/// A state by its word.
fn state(text: &str) -> Result<State, String> {
    State::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| {
        let words: Vec<&str> = State::ALL.into_iter().map(State::as_str).collect();
        format!("expected one of {}", words.join(", "))
    })
}

impl RowsArguments {
    fn request(self) -> Request {
        let Self { batch, state, reason, after, limit } = self;
        Request::Rows { batch, filter: JobFilter { state, reason, after, limit } }
    }
}

impl PaperArguments {
    /// The key is judged here first: an operator need not start an engine to learn that it is the wrong one.
    fn request(self) -> Result<Request, Trouble> {
        let Self { batch, to, out, members, .. } = self;
        let ask = match to {
            None => PaperAsk::Settle,
            Some(key) => paper::export(&batch, &key, out, members)?,
        };
        Ok(Request::Paper { batch, ask, by: super::operator() })
    }
}

impl OrderArguments {
    fn request(self, order: BatchVerb) -> Request {
        Request::Order { batch: self.batch, order, reason: self.reason, by: super::operator() }
    }
}
