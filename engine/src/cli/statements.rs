//! `sealpost statements`: the typed statements of a file, exactly as the members would be told.

use super::input::{self, InputFlags};
use super::{Exit, Outcome, Trouble};
use clap::Args;
use intake::{InputProfile, Row, Rows, StatementView};
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Print the typed statements of a file exactly as the members would be told.
#[derive(Debug, Args)]
#[command(
    after_help = "One line of JSON for each statement on standard output, one for each reject on standard error. Amounts are cents; null says that \
                        the source does not state it. `mailable` is false, with a reason, where the statement would never be sent. With --json, the \
                        last line on standard error says how the file was read, and why as this format.\n\n\
                        Exit codes: 0 every record became a statement · 5 there are rejects · 4 the file is no batch.\n\n\
                        Example:\n  sealpost statements remittance.835 | jq -c '[.claim_number, .totals.member_owes]'\n  \
                        sealpost statements claims.csv --columns our-claims.toml"
)]
pub(super) struct Arguments {
    /// The batch: an X12 835, FHIR R4, NDJSON, delimited text or fixed width; plain, gzip or zip.
    file: PathBuf,
    #[command(flatten)]
    input: InputFlags,
}

pub(super) fn run(arguments: Arguments, json: bool) -> Outcome {
    let name = crate::files::file_name(&arguments.file);
    let mut rows = open(&arguments.file, &arguments.input.profile()?)?;
    let mut output = BufWriter::new(std::io::stdout().lock());
    let mut errors = BufWriter::new(std::io::stderr().lock());
    let mut rejected = 0u64;
    for row in rows.by_ref() {
        match row.map_err(refused)? {
            Row::Statement(read) => write_line(&mut output, &StatementView::of(&read, &name))?,
            Row::Templated(_) => {}
            Row::Rejected { reject, .. } => {
                rejected += 1;
                write_line(&mut errors, &reject)?;
            }
        }
    }
    for finding in rows.findings() {
        rejected += 1;
        write_line(&mut errors, finding)?;
    }
    if json {
        write_line(&mut errors, &input::reading(&rows))?;
    }
    output.flush().or_else(closed_is_fine)?;
    errors.flush().or_else(closed_is_fine)?;
    Ok(if rejected == 0 { Exit::Done } else { Exit::NeedsPerson })
}

/// Opens a batch file.
pub(super) fn open(path: &Path, profile: &InputProfile) -> Result<Rows<'static>, Trouble> {
    let file = File::open(path).map_err(|error| Trouble::usage(format!("{}: {error}", path.display())))?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(Trouble::usage(format!("{}: a folder; name the batch file in it", path.display())));
    }
    let reader = Box::new(BufReader::with_capacity(256 * 1024, file));
    intake::open(profile, &crate::files::file_name(path), reader).map_err(refused)
}

/// A file that is refused as a whole.
pub(super) fn refused(refusal: model::reject::Refusal) -> Trouble {
    Trouble::new(Exit::Refused, refusal)
}

/// One line of JSON.
pub(super) fn write_line(into: &mut impl Write, value: &impl serde::Serialize) -> Result<(), Trouble> {
    let mut line = serde_json::to_vec(value).map_err(Trouble::failed)?;
    line.push(b'\n');
    into.write_all(&line).or_else(closed_is_fine)
}

/// A reader that has gone (`| head`) needs nothing more.
pub(super) fn closed_is_fine(error: std::io::Error) -> Result<(), Trouble> {
    if error.kind() == std::io::ErrorKind::BrokenPipe { Ok(()) } else { Err(Trouble::failed(error)) }
}
