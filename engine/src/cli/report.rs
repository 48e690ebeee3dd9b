//! How reports look: JSON for programs; tables with aligned money and bars for people.
//!
//! Colours only on a terminal, and never alone: every mark is a word too.

use super::output::say;
use crate::control::{Left, WordedAgain};
use model::Timestamp;
use serde_json::Value;
use std::fmt::Write;
use std::io::IsTerminal;

const BAR_CELLS: u64 = 30;
const PARTS: [&str; 7] = ["accepted", "rejected", "duplicate", "merged", "not_mailable", "no_address", "no_consent"];
const MONEY: [&str; 3] = ["billed", "plan_paid", "member_owes"];

/// The books of a batch.
pub(super) fn print(report: &Value, environment: &str, elapsed_ms: u64, json: bool) {
    if json {
        let mut report = report.clone();
        report["elapsed_ms"] = elapsed_ms.into();
        report["environment"] = environment.into();
        say!("{report}");
    } else {
        say!("{}", render(report, environment, elapsed_ms, std::io::stdout().is_terminal()).trim_end());
    }
}

/// The books of the demo, the latencies, and where to look.
pub(super) fn print_demo(summary: &Value, reports: &[(Value, u64)], json: bool) {
    if json {
        say!("{summary}");
        return;
    }
    for (report, elapsed_ms) in reports {
        print(report, "test", *elapsed_ms, false);
    }
    let mut page = String::new();
    let _ = writeln!(page, "\n{:<14} {:>10} {:>12} {:>12} {:>12} {:>12}", "step", "count", "p50", "p90", "p99", "longest");
    for step in summary["latencies"].as_array().into_iter().flatten() {
        let name = step["stage"].as_str().unwrap_or("-");
        let _ = write!(page, "{name:<14} {:>10}", step["count"].as_u64().unwrap_or(0));
        for figure in ["p50_ns", "p90_ns", "p99_ns", "max_ns"] {
            let _ = write!(page, " {:>12}", span(step[figure].as_u64().unwrap_or(0)));
        }
        page.push('\n');
    }
    let receivers = &summary["receivers"];
    let _ = writeln!(
        page,
        "\nreceivers counted {} different messages, {} twice (announced as uncertain: {}), {} beyond a limit, {} without TLS, {} at a wrong site",
        receivers["distinct"],
        receivers["surplus"],
        summary["uncertain"],
        receivers["violations"],
        receivers["accepted_without_tls"],
        receivers["misrouted"]
    );
    let elapsed_ms = summary["elapsed_ms"].as_u64().unwrap_or(0);
    let delivered = summary["delivered"].as_u64().unwrap_or(0);
    let _ = writeln!(
        page,
        "{delivered} delivered in {}.{:03} s · {} µs of CPU and {} bytes of journal a message",
        elapsed_ms / 1000,
        elapsed_ms % 1000,
        summary["cpu_us_per_message"],
        summary["journal_bytes_per_message"]
    );
    let dir = summary["dir"].as_str().unwrap_or("-");
    let _ = writeln!(
        page,
        "\nwhere to look\n  {dir}/sealpost.toml            the configuration used\n  {dir}/sample/               the first statement as its member sees it (.html, .txt, .eml)\n  {dir}/state/results/        the reject files\n  {dir}/remittance.835 and statements.ndjson   the invented batches"
    );
    say!("{}", page.trim_end());
}

/// Nanoseconds in the unit a person would take.
fn span(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{}.{} µs", ns / 1_000, ns % 1_000 / 100),
        1_000_000..1_000_000_000 => format!("{}.{:02} ms", ns / 1_000_000, ns % 1_000_000 / 10_000),
        _ => format!("{}.{:02} s", ns / 1_000_000_000, ns % 1_000_000_000 / 10_000_000),
    }
}

/// What intake would say about a file.
pub(super) fn print_check(check: &Value, json: bool) {
    if json {
        say!("{check}");
        return;
    }
    let mut page = String::new();
    let read = check["statements"]["read"].as_u64().unwrap_or(0);
    let _ = writeln!(page, "\n{} records as {}{}", check["source_records"], check["format"].as_str().unwrap_or("-"), why(check));
    heading(&mut page, "at the door");
    line(&mut page, "read", read, read, check, "read");
    for part in PARTS {
        line(&mut page, part, check["statements"][part].as_u64().unwrap_or(0), read, check, part);
    }
    reasons(&mut page, check);
    let _ = writeln!(page, "\ncontacts: {}", contacts(&check["contacts"]));
    for (reason, rows) in check["held_reasons"].as_object().into_iter().flatten() {
        let _ = writeln!(page, "held for a person: {rows} rows, {reason}");
    }
    prediction(&mut page, &check["prediction"]);
    say!("{}", page.trim_end());
}

/// Whom it was read by.
fn contacts(contacts: &Value) -> String {
    let from = match contacts["from"].as_str() {
        Some("file") => "the file that was named",
        Some("configured_file") => "the tenant's `members` file",
        Some("drop_folder") => "a file that waits in the drop folder",
        Some("contact_store") => "the contact store",
        _ => return "none".to_owned(),
    };
    format!("{from}, {} rows", contacts["rows"])
}

/// What would become of it.
fn prediction(page: &mut String, prediction: &Value) {
    let messages = prediction["messages"].as_u64().unwrap_or(0);
    let _ = writeln!(page, "\nif it were handed in now: {messages} messages to {} destinations", prediction["destinations"]);
    for (title, key) in [("protection", "protection"), ("language", "language"), ("detail", "detail"), ("on paper", "paper")] {
        let counts = prediction[key].as_object().into_iter().flatten();
        let words: Vec<String> = counts.map(|(word, count)| format!("{word} {count}")).collect();
        let _ = writeln!(page, "  {title:<11} {}", if words.is_empty() { "none".to_owned() } else { words.join(", ") });
    }
    let seconds = prediction["takes_at_least_seconds"].as_u64().unwrap_or(0);
    let days = prediction["warm_up_days"].as_u64().unwrap_or(1);
    let slowest = prediction["slowest"].as_str().map(|name| format!(", {name} the longest")).unwrap_or_default();
    let _ = writeln!(
        page,
        "  {:<11} {}h {:02}m {:02}s under today's limits{slowest}; {days} day(s) of warm-up",
        "at least",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    let findings: Vec<&Value> = prediction["gates"].as_array().into_iter().flatten().collect();
    if findings.is_empty() {
        let _ = writeln!(page, "  {:<11} all open", "gates");
    }
    for finding in findings {
        let word = |key: &str| finding[key].as_str().unwrap_or("-").to_owned();
        let _ = writeln!(page, "  {:<11} {}: {}; expected {}; {}", "gate", word("gate"), word("found"), word("expected"), word("action"));
    }
}

/// Why the file was read as this, and what rounding did.
fn why(check: &Value) -> String {
    let reading = &check["reading"];
    let verdict = reading["formats"].as_array().into_iter().flatten().find(|verdict| verdict["fits"] == true);
    let mut text = verdict.and_then(|verdict| verdict["why"].as_str()).map(|why| format!(": {why}")).unwrap_or_default();
    if let Some(amounts @ 1..) = reading["rounding"]["amounts"].as_u64() {
        let difference = reading["rounding"]["difference_dollars"].as_str().unwrap_or("-");
        let _ = write!(text, "\n{amounts} amounts rounded to the cent, half to even; in sum that added ${difference}");
    }
    text
}

/// All batches.
pub(super) fn print_batches(batches: &Value, json: bool) {
    if json {
        say!("{batches}");
        return;
    }
    say!("{:<12} {:<14} {:<9} {:>10} {:>10} {:>10}  state", "batch", "stream", "format", "records", "jobs", "active");
    for batch in batches.as_array().into_iter().flatten() {
        say!(
            "{:<12} {:<14} {:<9} {:>10} {:>10} {:>10}  {}",
            batch["batch_id"].as_str().unwrap_or("-"),
            batch["stream"].as_str().unwrap_or("-"),
            batch["format"].as_str().unwrap_or("-"),
            batch["source_records"].as_u64().unwrap_or(0),
            batch["jobs"].as_u64().unwrap_or(0),
            batch["active"].as_u64().unwrap_or(0),
            state_word(batch)
        );
    }
}

/// A page of a batch's jobs.
pub(super) fn print_rows(rows: &Value, next: Option<&str>, json: bool) {
    if json {
        say!("{}", serde_json::json!({ "rows": rows, "next": next }));
        return;
    }
    say!("{:<14} {:>10} {:<11} {:<22} {:<28} {:>8} {:>14}", "job", "row", "state", "reason", "destination", "attempts", "member owes");
    for row in rows.as_array().into_iter().flatten() {
        let word = |key: &str| row[key].as_str().unwrap_or("-").to_owned();
        let reason = row["held"].as_str().or(row["cause"].as_str()).unwrap_or("-");
        say!(
            "{:<14} {:>10} {:<11} {:<22} {:<28} {:>8} {:>14}",
            word("job_id"),
            row["row"].as_u64().unwrap_or(0),
            word("state"),
            reason,
            word("destination"),
            row["attempts"].as_u64().unwrap_or(0),
            dollars(row["member_owes_cents"].as_i64().unwrap_or(0))
        );
    }
    if let Some(next) = next {
        say!("more: --after {next}");
    }
}

/// How many jobs an order touched.
pub(super) fn print_ordered(jobs: u64, left: Option<Left>, wording: Option<&WordedAgain>, json: bool) {
    if json {
        let mut answer = serde_json::json!({ "jobs": jobs });
        if let Some(left) = left {
            answer["left"] = serde_json::json!(left);
        }
        if let Some(wording) = wording {
            answer["wording"] = serde_json::json!(wording);
        }
        say!("{answer}");
    } else if let Some(Left { cancelled, delivered, in_flight, uncertain, other }) = left {
        say!("cancelled: nothing of {cancelled} statements left or will leave");
        say!(
            "had left before: {delivered} delivered, {uncertain} perhaps (the answer is lost), {in_flight} being sent now; {other} ended otherwise"
        );
    } else {
        say!("done: {jobs} waiting jobs touched; what already has an intent on disk goes on");
    }
    if let Some(WordedAgain { released, still_held }) = wording.filter(|_| !json) {
        say!("{released} messages that were held as reason_unworded have words now, and go");
        for (code, messages) in still_held {
            let code = if code.is_empty() { "(denied without a reason)" } else { code };
            say!(
                "{messages} stay held: no words for {code}; add it to reasons.en.toml of the tenant's templates, import and activate them"
            );
        }
    }
}

fn state_word(batch: &Value) -> &'static str {
    if batch["discarded_at_ms"].is_u64() {
        "discarded"
    } else if batch["cancelled"].as_bool() == Some(true) {
        "cancelled"
    } else if batch["held"].as_bool() == Some(true) {
        "held"
    } else if batch["closed_at_ms"].is_u64() {
        "closed"
    } else if batch["rolling"].as_bool() == Some(true) {
        "rolling"
    } else if batch["committed_at_ms"].is_u64() {
        "open"
    } else {
        "arriving"
    }
}

/// The books as a page of text.
pub(super) fn render(report: &Value, environment: &str, elapsed_ms: u64, colours: bool) -> String {
    let mut page = String::new();
    let ink = Ink { colours };
    let read = report["statements"]["read"].as_u64().unwrap_or(0);
    let balanced = report["balanced"].as_bool() == Some(true);
    let verdict = if balanced { ink.green("balanced to the row and to the cent") } else { ink.red("NOT BALANCED") };
    let closed = if report["closed"].as_bool() == Some(true) { "closed" } else { "open" };
    let id = report["batch_id"].as_str().unwrap_or("-");
    let _ = writeln!(page, "\nbatch {id}  ·  environment {environment}  ·  {closed}  ·  {verdict}");
    if let (Some(at), Some(cause)) = (report["content_destroyed_at"].as_u64(), report["content_destroyed_cause"].as_str()) {
        let _ = writeln!(page, "content destroyed at {} ({cause}): what it said cannot be read any more", Timestamp(at).to_jiff());
    }
    if elapsed_ms > 0 {
        let _ = writeln!(page, "{} source records in {}.{:03} s", report["source_records"], elapsed_ms / 1000, elapsed_ms % 1000);
    }
    heading(&mut page, "at the door");
    line(&mut page, "read", read, read, report, "read");
    for part in PARTS {
        line(&mut page, part, report["statements"][part].as_u64().unwrap_or(0), read, report, part);
    }
    heading(&mut page, "accepted, by state");
    let accepted = report["statements"]["accepted"].as_u64().unwrap_or(0);
    for (state, count) in report["states"].as_object().into_iter().flatten() {
        let count = count.as_u64().unwrap_or(0);
        if count > 0 {
            line(&mut page, state, count, accepted, report, state);
        }
    }
    reasons(&mut page, report);
    gates(&mut page, report);
    to_do(&mut page, report);
    page
}

/// Why gates held it.
fn gates(page: &mut String, report: &Value) {
    let Some(findings) = report["gates"]["findings"].as_array().filter(|findings| !findings.is_empty()) else { return };
    let _ = writeln!(page, "\nheld by gates before its first message, unless somebody released it since");
    for finding in findings {
        let word = |key: &str| finding[key].as_str().unwrap_or("-").to_owned();
        let _ = writeln!(page, "  {}: {}\n      expected {}\n      {}", word("gate"), word("found"), word("expected"), word("action"));
    }
}

fn heading(page: &mut String, title: &str) {
    let _ = writeln!(page, "\n{title:<14} {:>9}  {:<30}  {:>16} {:>16} {:>16}", "statements", "", "billed", "plan paid", "member owes");
}

fn line(page: &mut String, name: &str, count: u64, of: u64, report: &Value, key: &str) {
    let _ = write!(page, "{name:<14} {count:>10}  {}", bar(count, of));
    for money in MONEY {
        let _ = write!(page, " {:>16}", dollars(report["money_cents"][money][key].as_i64().unwrap_or(0)));
    }
    page.push('\n');
}

fn reasons(page: &mut String, report: &Value) {
    let Some(reasons) = report["reasons"].as_object().filter(|reasons| !reasons.is_empty()) else { return };
    let _ = writeln!(page, "\nreasons");
    for (reason, count) in reasons {
        let _ = writeln!(page, "  {:>10}  {reason}", count.as_u64().unwrap_or(0));
    }
}

/// What somebody has to do, if anything.
fn to_do(page: &mut String, report: &Value) {
    let state = |name: &str| report["states"][name].as_u64().unwrap_or(0);
    let id = report["batch_id"].as_str().unwrap_or("-");
    let lines = [
        (
            report["statements"]["rejected"].as_u64().unwrap_or(0),
            format!("rejected: places and reasons stand in results/{id}.rejects.ndjson"),
        ),
        (state("held"), "held: a person must decide (member mismatch, protection, allow list)".to_owned()),
        (
            state("bounced") + state("expired"),
            "not delivered: find out why and reach the member another way; nothing is sent again by itself".to_owned(),
        ),
        (state("uncertain"), "uncertain: sent perhaps, answer lost, and the policy says hold".to_owned()),
        (
            report["uncertain"].as_u64().unwrap_or(0),
            "may have been sent twice: the answer was lost, the same message went again".to_owned(),
        ),
    ];
    let open: Vec<_> = lines.iter().filter(|(count, _)| *count > 0).collect();
    if open.is_empty() {
        return;
    }
    let _ = writeln!(page, "\nfor a person");
    for (count, words) in open {
        let _ = writeln!(page, "  {count:>10}  {words}");
    }
}

fn bar(count: u64, of: u64) -> String {
    let cells = if of == 0 { 0 } else { (count * BAR_CELLS).div_ceil(of).min(BAR_CELLS) };
    let filled: String = "█".repeat(usize::try_from(cells).unwrap_or(0));
    let empty: String = "░".repeat(usize::try_from(BAR_CELLS - cells).unwrap_or(0));
    filled + &empty
}

/// `1,234.56` out of cents.
pub(super) fn dollars(cents: i64) -> String {
    let whole = (cents.unsigned_abs() / 100).to_string();
    let mut grouped = String::new();
    for (position, digit) in whole.chars().enumerate() {
        if position > 0 && (whole.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}{grouped}.{:02}", cents.unsigned_abs() % 100)
}

struct Ink {
    colours: bool,
}

impl Ink {
    fn green(&self, text: &str) -> String {
        if self.colours { format!("\x1b[32m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn red(&self, text: &str) -> String {
        if self.colours { format!("\x1b[1;31m{text}\x1b[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_grouped_and_exact() {
        assert_eq!(dollars(-123_456_789), "-1,234,567.89");
        assert_eq!(dollars(5), "0.05");
        assert_eq!(dollars(100_000), "1,000.00");
    }

    #[test]
    fn a_bar_is_never_empty_for_something_nor_too_long() {
        assert!(bar(1, 1_000_000).starts_with('█'));
        assert_eq!(bar(7, 7).chars().count(), 30);
        assert!(!bar(0, 7).contains('█'));
    }
}
