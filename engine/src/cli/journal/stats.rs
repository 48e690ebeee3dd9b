//! `sealpost journal stats`: what the journals are made of.

use super::About;
use super::figures::{bar, bytes, count, of, percent};
use crate::cli::output::say;
use crate::cli::progress::Reading;
use crate::cli::{Exit, Outcome, Trouble};
use clap::Args;
use journal::{JobStats, JournalStats, LogStats, RingOverview, SegmentStats};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use world::World;

/// Rows of the picture of work segments; more segments share rows.
const ROWS_MAX: usize = 24;

/// Sizes, frames, jobs by state, and how much of each work segment is still needed.
#[derive(Debug, Args)]
#[command(
    after_help = "Reads only, takes no lock: works while the engine runs (what it writes meanwhile may be counted or not; a tail it is writing \
                        is not damage) and when it is down.\n\
                        With `--without-key` everything comes from frame headers, which stand in the clear; states of jobs do not, so a work segment then \
                        shows how many of its jobs were answered at least once instead of how many still need it.\n\n\
                        Exit codes: 0 done · 1 there is no journal, or it cannot be read · 2 usage or configuration.\n\n\
                        Example:\n  sealpost journal stats --config sealpost.toml\n  \
                        sealpost journal stats --config sealpost.toml --json | jq '.journals[].jobs.live'"
)]
pub(super) struct Arguments {}

pub(super) fn run(world: &World, _: Arguments, about: &About, json: bool) -> Outcome {
    let config = about.load()?;
    let journals = about.journals(world, &config)?;
    let keys = about.keys(world, &config)?;
    let mut all = Vec::new();
    for place in &journals {
        let mut bar = Reading::new(json, place.stream().as_str());
        let stats = place.stats(keys.as_ref(), &mut |done, of| bar.show(done, of)).map_err(Trouble::failed)?;
        bar.finish();
        all.push((place.path().display().to_string(), stats));
    }
    let ring = keys.map(|keys| keys.overview());
    if json {
        let journals: Vec<Value> = all.iter().map(|(dir, stats)| as_json(dir, stats)).collect();
        say!("{}", json!({ "journals": journals, "key_ring": ring }));
    } else {
        let mut pages: Vec<String> = all.iter().map(|(dir, stats)| page(dir, stats)).collect();
        pages.extend(ring.as_ref().map(ring_page));
        say!("{}", pages.join("\n").trim_end());
    }
    Ok(Exit::Done)
}

fn as_json(dir: &str, stats: &JournalStats) -> Value {
    let mut value = serde_json::to_value(stats).unwrap_or_default();
    value["dir"] = dir.into();
    for (name, log) in [("record", &stats.record), ("work", &stats.work)] {
        value[name]["file_bytes"] = log.file_bytes().into();
        value[name]["used_bytes"] = log.used_bytes().into();
        value[name]["frames"] = serde_json::to_value(log.frames()).unwrap_or_default();
        value[name]["starts"] = log.starts().len().into();
        if let Some((oldest, newest)) = log.span() {
            value[name]["oldest"] = oldest.to_string().into();
            value[name]["newest"] = newest.to_string().into();
        }
    }
    value["bytes_per_message"] = per_message(stats).map_or(Value::Null, |(record, work)| json!({ "record": record, "work": work }));
    value
}

/// Bytes of record and of work log that a message takes. Of the work log only payloads that are still there are counted.
fn per_message(stats: &JournalStats) -> Option<(u64, u64)> {
    let in_clear = stats.record.frames().get("head").map_or(0, |heads| heads.frames);
    let heads = stats.jobs.as_ref().map_or(in_clear, |jobs| jobs.heads);
    let record: u64 = stats.record.used_bytes().checked_div(heads)?;
    let (frames, bytes) = stats.work.frames().values().fold((0, 0), |sum, kind| (sum.0 + kind.frames, sum.1 + kind.bytes));
    Some((record, u64::checked_div(bytes, frames).unwrap_or(0)))
}

fn page(dir: &str, stats: &JournalStats) -> String {
    let mut page = String::new();
    let _ = writeln!(page, "{}  ·  {dir}", stats.stream);
    let last_start = stats.last_start.map_or_else(|| "unknown: the epoch file is absent or damaged".to_owned(), |start| start.to_string());
    let _ = writeln!(page, "last start {last_start}");
    let _ = writeln!(page, "\n{:<12} {:>8} {:>12} {:>12} {:>12}  positions", "log", "segments", "on disk", "used", "prepared");
    for (name, log) in [("record", &stats.record), ("work", &stats.work)] {
        log_line(&mut page, name, log);
    }
    for (name, folder) in [("bundles", stats.bundles), ("checkpoints", stats.checkpoints)] {
        if folder.files > 0 {
            let _ = writeln!(page, "{name:<12} {:>8} {:>12}", count(folder.files), bytes(folder.bytes));
        }
    }
    if let Some(newest) = &stats.newest_checkpoint {
        let behind = format!("{}, {} behind it", of(newest.segments_behind, "segment"), bytes(newest.bytes_behind));
        let _ = writeln!(page, "newest checkpoint: up to {} (record segment {}); {behind}", newest.position, newest.through);
    }
    if let Some((record, work)) = per_message(stats) {
        let _ = writeln!(
            page,
            "\n{} a message: {} in the record, {} in the work log until it settles",
            bytes(record + work),
            bytes(record),
            bytes(work)
        );
    }
    frames(&mut page, stats);
    if let Some(found) = &stats.jobs {
        jobs(&mut page, found);
    }
    segments(&mut page, &stats.work);
    page
}

/// How many keys of which purpose; `keys list` tells more.
fn ring_page(ring: &RingOverview) -> String {
    let mut page = String::new();
    let _ = writeln!(page, "key ring  ·  {}", ring.directory.display());
    let mut purposes: BTreeMap<String, u64> = BTreeMap::new();
    for keys in ring.tenants.iter().flat_map(|tenant| &tenant.keys) {
        let stream = keys.stream.map_or_else(String::new, |stream| format!(" {stream}"));
        *purposes.entry(format!("{}{stream}", keys.purpose)).or_default() += keys.count;
    }
    // The installation itself is none.
    let tenants = ring.tenants.iter().filter(|tenant| tenant.name.is_some()).count() as u64;
    let _ = writeln!(page, "{:<28} {:>8}  of {} and the installation", "keys", count(ring.keys), of(tenants, "tenant"));
    for (purpose, keys) in purposes {
        let _ = writeln!(page, "  {purpose:<26} {:>8}", count(keys));
    }
    page
}

fn log_line(page: &mut String, name: &str, log: &LogStats) {
    let span = log.span().map_or_else(|| "empty".to_owned(), |(oldest, newest)| format!("{oldest} … {newest}"));
    let (disk, used) = (bytes(log.file_bytes()), bytes(log.used_bytes()));
    let prepared = bytes(log.file_bytes() - log.used_bytes() - log.other_bytes());
    let _ = writeln!(page, "{name:<12} {:>8} {disk:>12} {used:>12} {prepared:>12}  {span}", count(log.segments.len() as u64));
    if log.other_bytes() > 0 {
        let _ = writeln!(page, "{:<12} {:>8} no frame: being written, torn or damaged; see `verify`", "", bytes(log.other_bytes()));
    }
}

fn frames(page: &mut String, stats: &JournalStats) {
    let _ = writeln!(page, "\n{:<16} {:>14} {:>12} {:>10}", "frames", "count", "bytes", "each");
    for (kind, frames) in stats.record.frames().iter().chain(&stats.work.frames()) {
        let each = frames.bytes.checked_div(frames.frames).unwrap_or(0);
        let _ = writeln!(page, "{kind:<16} {:>14} {:>12} {each:>10}", count(frames.frames), bytes(frames.bytes));
    }
}

fn jobs(page: &mut String, jobs: &JobStats) {
    let live: u64 = jobs.live.values().sum();
    let all = live + jobs.settled.values().sum::<u64>();
    let batches = format!("{} batches, {} of them open", count(jobs.batches), count(jobs.batches_open));
    let _ = writeln!(page, "\n{:<16} {:>14}  in {batches}", "jobs", count(all));
    for (kind, states) in [("", &jobs.live), ("settled", &jobs.settled)] {
        for (state, jobs) in states {
            let _ = writeln!(page, "{state:<16} {:>14}  {} {:>5} {kind}", count(*jobs), bar(*jobs, all), percent(*jobs, all));
        }
    }
    if jobs.arriving > 0 {
        let _ = writeln!(page, "{:<16} {:>14}  of batches without their commit: no jobs yet", "arriving", count(jobs.arriving));
    }
}

/// One row a work segment, or a run of segments.
fn segments(page: &mut String, work: &LogStats) {
    if work.segments.is_empty() {
        return;
    }
    let by_state = work.segments.iter().all(|used| used.live.is_some());
    let what = if by_state { "jobs that still need it" } else { "jobs answered at least once (states are encrypted)" };
    let _ = writeln!(page, "\n{:<16} {:>14}  {what}", "work segment", "jobs");
    for run in work.segments.chunks(work.segments.len().div_ceil(ROWS_MAX)) {
        let part: u64 = run.iter().map(|used: &SegmentStats| used.live.unwrap_or(used.answered)).sum();
        let of: u64 = run.iter().map(|used| used.jobs).sum();
        let name = match run {
            [only] => only.number.to_string(),
            [first, .., last] => format!("{}–{}", first.number, last.number),
            [] => continue,
        };
        let _ = writeln!(page, "{name:<16} {:>14}  {} {:>5} {}", count(of), bar(part, of), percent(part, of), count(part));
    }
}
