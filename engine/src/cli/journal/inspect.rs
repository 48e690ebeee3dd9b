//! `sealpost journal inspect`: frames, one a line.

use super::About;
use crate::assembly::key_source;
use crate::cli::{Exit, Outcome, Trouble};
use clap::Args;
use journal::{Content, Inspected, InspectedFrame, Inspection, LogKind, RecordPosition, Selection, Thing};
use model::{BatchId, JobId, StreamName};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::Duration;
use world::World;

/// How often a follower looks for new frames.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Frames, one a line.
#[derive(Debug, Args)]
#[command(
    after_help = "Columns: position (start.sequence) · log segment@offset · kind · job · attempt · tenant · key · length in bytes · fields.\n\n\
                        Frame headers stand in the clear. With the key a record's fields are shown too, as far as they are no personal data: states, reply \
                        codes, times, counts, the first digits of hashes. A payload is never opened: it is a member's statement, and whoever may see one \
                        has `sealpost preview`. Receiving domains, sums and what operators typed are left out for the same reason.\n\n\
                        Reads only, beside a running engine or without one.\n\n\
                        Exit codes: 0 done · 1 there is no journal, or it cannot be read · 2 usage or configuration.\n\n\
                        Example:\n  sealpost journal inspect --config sealpost.toml --job j1-2a\n  \
                        sealpost journal inspect --config sealpost.toml --log record --follow\n  \
                        sealpost journal inspect --config sealpost.toml --batch b1-1 --json | jq -c 'select(.kind == \"outcome\").fields.code'"
)]
pub(super) struct Arguments {
    /// One log alone: work or record.
    #[arg(long, value_parser = log)]
    log: Option<LogKind>,
    /// One segment alone.
    #[arg(long, value_name = "NUMBER", requires = "log")]
    segment: Option<u32>,
    /// Frames about this job alone, such as j1-2a.
    #[arg(long, value_name = "ID")]
    job: Option<JobId>,
    /// Frames about this batch and its jobs alone, such as b1-1. Needs the key.
    #[arg(long, value_name = "ID", conflicts_with = "without_key")]
    batch: Option<BatchId>,
    /// Frames behind this position alone, such as 3.1042.
    #[arg(long, value_name = "POSITION", value_parser = position)]
    after: Option<RecordPosition>,
    /// Stop after this many lines.
    #[arg(long, value_name = "LINES")]
    limit: Option<u64>,
    /// Go on with what is written from now on, until interrupted.
    #[arg(long)]
    follow: bool,
}

pub(super) fn run(world: &World, arguments: Arguments, about: &About, json: bool) -> Outcome {
    let config = about.load()?;
    let journals = about.journals(world, &config)?;
    let keys = about.keys(world, &config)?;
    let Arguments { log, segment, job, batch, after, limit, follow } = arguments;
    let mut left = limit.unwrap_or(u64::MAX);
    let mut open = Vec::new();
    for place in &journals {
        let selection = Selection { log, segment, job, batch, after };
        open.push((place.stream(), place.inspect(keys.clone(), selection).map_err(Trouble::failed)?));
    }
    let mut lines = Lines { json, with_stream: open.len() > 1, missed_a_key: false };
    if follow && after.is_none() {
        for (_, inspection) in &mut open {
            while inspection.next().map_err(Trouble::failed)?.is_some() {}
        }
    }
    loop {
        for (stream, inspection) in &mut open {
            if lines.print_all(*stream, inspection, &mut left)? {
                return Ok(Exit::Done);
            }
        }
        if !follow {
            return Ok(Exit::Done);
        }
        if let Some(keys) = keys.as_ref().filter(|_| std::mem::take(&mut lines.missed_a_key)) {
            // A tenant came since. Not at each look: the source may be a program that asks far away.
            keys.refresh(&key_source(&config.keys)).map_err(Trouble::failed)?;
        }
        world::block_on(world.sleep(LOOK_EVERY));
    }
}

struct Lines {
    json: bool,
    with_stream: bool,
    missed_a_key: bool,
}

impl Lines {
    /// Prints what is there. True where nothing more is wanted: the limit is reached, or the reader of the lines has gone.
    fn print_all(&mut self, stream: StreamName, inspection: &mut Inspection, left: &mut u64) -> Result<bool, Trouble> {
        let mut out = io::BufWriter::new(io::stdout().lock());
        while *left > 0 {
            let Some(found) = inspection.next().map_err(Trouble::failed)? else {
                return Ok(out.flush().is_err());
            };
            self.missed_a_key |= matches!(&found.what, Thing::Frame(frame) if frame.content == Content::NoKey);
            let line = if self.json { as_json(stream, &found).to_string() } else { self.as_text(stream, &found) };
            if writeln!(out, "{line}").is_err() {
                return Ok(true);
            }
            *left -= 1;
        }
        let _ = out.flush();
        Ok(true)
    }

    fn as_text(&self, stream: StreamName, found: &Inspected) -> String {
        let mut line = String::new();
        if self.with_stream {
            let _ = write!(line, "{stream:<14}");
        }
        let place = format!("{} {}@{}", found.log, found.segment, found.offset);
        match &found.what {
            Thing::Frame(frame) => frame_line(&mut line, &place, frame),
            Thing::Damage { bytes } => {
                let _ = write!(line, "{:<10} {place:<20} DAMAGE {bytes} bytes that are no frame", "-");
            }
            Thing::Torn => {
                let _ = write!(line, "{:<10} {place:<20} END in bytes that are no frame: being written, or torn by a crash", "-");
            }
        }
        line
    }
}

fn frame_line(line: &mut String, place: &str, frame: &InspectedFrame) {
    let job = frame.job.map_or_else(|| "-".to_owned(), |job| job.to_string());
    let _ = write!(
        line,
        "{:<10} {place:<20} {:<12} {job:<10} a{} t{} k{} {}",
        frame.position.to_string(),
        frame.kind,
        frame.attempt,
        frame.tenant.0,
        frame.key,
        frame.length
    );
    match &frame.content {
        Content::Sealed => {}
        Content::NoKey => line.push_str("  (its key is not in the ring: destroyed, or newer than this reading)"),
        Content::Unreadable => line.push_str("  (UNREADABLE: it does not open; see `journal verify`)"),
        Content::Fields(fields) => {
            for (name, value) in fields {
                let _ = write!(line, "  {name}={value}");
            }
        }
    }
}

fn as_json(stream: StreamName, found: &Inspected) -> Value {
    let mut line = json!({
        "stream": stream,
        "log": found.log.as_str(),
        "segment": found.segment,
        "offset": found.offset,
    });
    match &found.what {
        Thing::Damage { bytes } => line["damage_bytes"] = (*bytes).into(),
        Thing::Torn => line["torn"] = true.into(),
        Thing::Frame(frame) => {
            line["position"] = frame.position.to_string().into();
            line["kind"] = frame.kind.into();
            line["job"] = frame.job.map(|job| job.to_string()).into();
            line["message"] = frame.message.0.into();
            line["attempt"] = frame.attempt.into();
            line["tenant"] = frame.tenant.0.into();
            line["key"] = frame.key.into();
            line["length"] = frame.length.into();
            line["fresh"] = frame.fresh.into();
            match &frame.content {
                Content::Sealed => {}
                Content::NoKey => line["sealed"] = "its key is not in the ring".into(),
                Content::Unreadable => line["sealed"] = "it does not open".into(),
                Content::Fields(fields) => {
                    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), serde_json::to_value(value).unwrap_or_default()));
                    line["fields"] = Value::Object(fields.collect::<Map<_, _>>());
                }
            }
        }
    }
    line
}

fn log(text: &str) -> Result<LogKind, String> {
    [LogKind::Work, LogKind::Record].into_iter().find(|log| log.as_str() == text).ok_or_else(|| "expected work or record".to_owned())
}

/// As positions are printed: start and sequence.
fn position(text: &str) -> Result<RecordPosition, String> {
    text.parse().map_err(|_| "expected start.sequence, such as 3.1042".to_owned())
}
