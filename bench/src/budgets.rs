//! Medians of the latest runs beside their budgets: what `cargo bench -p bench` left in `target/criterion`, as a table.
//!
//! Each figure is also given in signatures: divided by the median of `seal/bare` of this machine. The budget of a figure is its part
//! of 276 µs, so that the last column means the same on every machine.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a table for a person")]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// One RSA-2048 signature on the machine of the budgets, in nanoseconds.
const SIGNATURE_NS: f64 = 276_000.0;

/// Folder of a figure below `target/criterion`, and its budget in microseconds. `None` where its budget is not time on the wall.
const FIGURES: [(&str, Option<f64>); 26] = [
    ("intake_parse/835_claim", None),
    ("intake_parse/ndjson_job", None),
    ("intake_admit/835_claim", None),
    ("intake_admit/ndjson_job", None),
    ("intake_encode/835_claim", Some(15.0)),
    ("intake_encode/ndjson_job", Some(15.0)),
    ("journal_append/cpu", Some(8.0)),
    ("journal_commit/16_waiting", None),
    ("journal_commit/16_at_once", None),
    ("journal_commit/16_bare", None),
    ("journal_commit/256_waiting", None),
    ("journal_commit/256_at_once", None),
    ("journal_commit/256_bare", None),
    ("journal_recovery/100000_jobs", None),
    ("queue_push_take_finish/destinations/1", Some(4.0)),
    ("queue_push_take_finish/destinations/1000", Some(4.0)),
    ("queue_push_take_finish/destinations/100000", Some(4.0)),
    ("throttle_permit_and_spend/rates/0", Some(1.0)),
    ("throttle_permit_and_spend/rates/3", Some(1.0)),
    ("render/statement_to_mime", Some(37.0)),
    ("render/bare_hash", None),
    ("render/bare_quoted_printable", None),
    ("seal/bare", None),
    ("seal/rsa", Some(313.0)),
    ("seal/both", Some(320.0)),
    ("smtp_conversation/message", Some(40.0)),
];

fn main() -> ExitCode {
    let folder = folder();
    let Some(bare) = median_ns(&folder, "seal/bare") else {
        eprintln!("no figure in {}: run `cargo bench -p bench` first", folder.display());
        return ExitCode::from(2);
    };
    println!("{:<46} {:>10} {:>12} {:>8}", "median of the latest run", "µs", "signatures", "budget");
    for (figure, budget) in FIGURES {
        let Some(median) = median_ns(&folder, figure) else {
            println!("{figure:<46} {:>10}", "not run");
            continue;
        };
        let of_budget =
            budget.map_or_else(|| "-".to_owned(), |budget| format!("{:.0} %", 100.0 * median / bare * SIGNATURE_NS / (budget * 1e3)));
        println!("{figure:<46} {:>10.3} {:>12.4} {of_budget:>8}", median / 1e3, median / bare);
    }
    ExitCode::SUCCESS
}

fn folder() -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from);
    target.join("criterion")
}

/// The median that criterion wrote, in nanoseconds.
fn median_ns(folder: &Path, figure: &str) -> Option<f64> {
    let text = std::fs::read_to_string(folder.join(figure).join("new/estimates.json")).ok()?;
    serde_json::from_str::<Value>(&text).ok()?["median"]["point_estimate"].as_f64()
}
