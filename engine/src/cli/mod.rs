//! The command line: one verb per file, `--json` on every verb, exit codes that mean something.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done, nothing needs a person |
//! | 1 | failed: a disk, a socket, a journal that cannot be opened |
//! | 2 | usage or configuration; or something this version does not have, by its name |
//! | 3 | the deadline was reached; what is left goes on when the engine runs again |
//! | 4 | the batch was refused as a whole |
//! | 5 | done, but something needs a person |
//! | 6 | not now: nothing of it was accepted, nothing is wrong with it; hand it in again later |

mod batch;
mod check_batch;
mod check_config;
mod check_contacts;
mod check_repeats;
mod connect;
mod demo;
mod input;
mod journal;
mod keys;
mod ledger;
mod members;
mod offline;
mod output;
mod paper;
mod prediction;
mod preview;
mod progress;
mod report;
mod restored;
mod run;
mod sandbox;
mod send;
mod source;
mod statements;
mod template;

use crate::config::Config;
use clap::{Parser, Subcommand};
use model::StreamName;
use output::{complain, say};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// How a verb ended, as the shell sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, nothing needs a person.
    Done,
    /// A disk, a socket, a journal.
    Failed,
    /// Usage or configuration.
    Usage,
    /// The deadline was reached.
    Deadline,
    /// The batch was refused as a whole.
    Refused,
    /// Done, but something needs a person.
    NeedsPerson,
    /// Nothing was accepted, and the same may be tried again later.
    NotNow,
}

impl Exit {
    /// The exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Deadline => 3,
            Self::Refused => 4,
            Self::NeedsPerson => 5,
            Self::NotNow => 6,
        }
    }
}

/// Why a verb could not do its work: the exit code, and the sentence for the operator.
#[derive(Debug)]
pub struct Trouble {
    exit: Exit,
    message: String,
}

impl Trouble {
    fn new(exit: Exit, message: impl std::fmt::Display) -> Self {
        Self { exit, message: message.to_string() }
    }

    fn usage(message: impl std::fmt::Display) -> Self {
        Self::new(Exit::Usage, message)
    }

    fn failed(message: impl std::fmt::Display) -> Self {
        Self::new(Exit::Failed, message)
    }
}

type Outcome = Result<Exit, Trouble>;

/// sealpost turns an insurer's statement files into personalised, protected e-mail, delivers it no faster than each
/// receiver accepts, and accounts for every row and every cent.
#[derive(Debug, Parser)]
#[command(
    name = "sealpost",
    version,
    after_help = "Start here:\n  sealpost demo                                   the whole journey on invented data, into a sandbox\n  \
                  sealpost keys new --dir keys                    keys for a first configuration\n  \
                  sealpost check-config sealpost.toml             what the configuration means\n  \
                  sealpost statements FILE                        what the members would be told\n  \
                  sealpost send --config sealpost.toml --batch FILE --members CONTACTS\n\n\
                  Exit codes: 0 done · 1 failed · 2 usage or configuration · 3 deadline reached · 4 batch refused · 5 done, but something needs a person · 6 not now, try again later"
)]
struct Arguments {
    /// Print machine-readable JSON on standard output.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Deliver 20,000 invented statements into a sandbox world, and show the books.
    Demo(demo::Arguments),
    /// Take one batch file through the whole engine and report on every row.
    Send(send::Arguments),
    /// Run the service: the job socket, the control socket, delivery until SIGTERM.
    Run(run::Arguments),
    /// List and show batches and their rows; hold, release or cancel them; see what came in.
    Batch(batch::Arguments),
    /// See, check and copy the journals.
    Journal(journal::Arguments),
    /// Make the accounting anew from the record.
    Ledger(ledger::Arguments),
    /// Print the typed statements of a file exactly as the members would be told.
    Statements(statements::Arguments),
    /// Say everything intake would say about a file, without accepting it.
    CheckBatch(check_batch::Arguments),
    /// Write the exact messages of a file's first statements into a folder.
    Preview(preview::Arguments),
    /// Check, import, compare, look at, activate and retire templates.
    Template(template::Arguments),
    /// Check a configuration and print what it means.
    CheckConfig(check_config::Arguments),
    /// Check, import and look up contact data: who may be written to, about what and where.
    Members(members::Arguments),
    /// Make, change and list keys: the key-encryption key, and what is under it.
    Keys(keys::Arguments),
    /// The sandbox world of `demo`: receiving MTAs and DNS on loopback.
    #[command(hide = true)]
    Sandbox(sandbox::Arguments),
}

/// Runs what the command line asks for.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let json = arguments.json;
    let outcome = match arguments.verb {
        Verb::Demo(verb) => demo::run(verb, json),
        Verb::Send(verb) => send::run(verb, json),
        Verb::Run(verb) => run::run(verb, json),
        Verb::Batch(verb) => batch::run(verb, json),
        Verb::Journal(verb) => journal::run(verb, json),
        Verb::Ledger(verb) => ledger::run(verb, json),
        Verb::Statements(verb) => statements::run(verb, json),
        Verb::CheckBatch(verb) => check_batch::run(verb, json),
        Verb::Preview(verb) => preview::run(verb, json),
        Verb::Template(verb) => template::run(verb, json),
        Verb::CheckConfig(verb) => check_config::run(verb, json),
        Verb::Keys(verb) => keys::run(verb, json),
        Verb::Members(verb) => members::run(verb, json),
        Verb::Sandbox(verb) => sandbox::run(verb),
    };
    ExitCode::from(match outcome {
        Ok(exit) => exit.code(),
        Err(trouble) => {
            report_trouble(&trouble, json);
            trouble.exit.code()
        }
    })
}

/// Reads a configuration.
fn load(path: &Path) -> Result<Config, Trouble> {
    Config::load(path).map_err(Trouble::usage)
}

/// A path that means the same in another process.
fn absolute(path: &Path) -> Result<PathBuf, Trouble> {
    std::path::absolute(path).map_err(|error| Trouble::usage(format!("{}: {error}", path.display())))
}

/// The login name of whoever types.
fn operator() -> String {
    let by = ["SUDO_USER", "LOGNAME", "USER"].into_iter().find_map(|name| std::env::var(name).ok());
    by.unwrap_or_else(|| "unknown".to_owned())
}

/// A span such as `60s` or `2h`.
fn span(text: &str) -> Result<Duration, String> {
    throttle::units::parse_span(text).map_err(|error| error.to_string())
}

/// A stream's name.
fn stream(text: &str) -> Result<StreamName, String> {
    match text {
        "transactional" => Ok(StreamName::Transactional),
        "marketing" => Ok(StreamName::Marketing),
        _ => Err("expected transactional or marketing".to_owned()),
    }
}

fn report_trouble(trouble: &Trouble, json: bool) {
    if json {
        say!("{}", serde_json::json!({ "error": trouble.message, "exit": trouble.exit.code() }));
    }
    complain!("sealpost: {}", trouble.message);
}
