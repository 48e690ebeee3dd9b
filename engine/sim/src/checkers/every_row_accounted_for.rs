//! Both equations of invariant 3, against what the parcels were invented to be: no row missing, none its own duplicate.

use crate::evidence::{Evidence, Finding};
use crate::notes::Answered;
use crate::parcel::{Fate, Parcel};
use ledger::BatchReport;
use model::State;
use std::collections::BTreeMap;

const NAME: &str = "every_row_accounted_for";

pub(super) fn check(evidence: &Evidence) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, parcel) in evidence.scenario.parcels.iter().enumerate() {
        if parcel.door.is_file() {
            findings.extend(file(evidence, number, parcel));
        } else {
            findings.extend(streamed(evidence, number, parcel));
        }
    }
    findings.extend(books(evidence));
    for (stream, record) in &evidence.records {
        let files = evidence.scenario.parcels.iter().filter(|parcel| parcel.door.is_file() && Evidence::stream(parcel) == *stream).count();
        if record.committed.len() != files {
            findings
                .push(Finding::new(NAME, format!("{stream}: {} batches are committed, {files} were handed in", record.committed.len())));
        }
        if !record.left_to_do.is_empty() {
            let left = record.left_to_do.len();
            findings.push(Finding::new(NAME, format!("{stream}: {left} jobs are active when all is through")));
        }
        findings.extend(record.damage.iter().map(|damage| Finding::new(NAME, format!("{stream}, after a clean stop: {damage}"))));
    }
    findings
}

/// A file is a batch of its own.
fn file(evidence: &Evidence, number: usize, parcel: &Parcel) -> Vec<Finding> {
    let Some((_, report)) = evidence.remembered.batches.get(&number).and_then(|batch| evidence.reports.get(batch)) else {
        return vec![Finding::new(NAME, format!("parcel {number} was accepted, and there is no report of it"))];
    };
    let (expected, rows) = (&parcel.expected, &report.statements);
    let parts = [
        ("source records", expected.source_records, report.source_records),
        ("read", expected.read.rows, rows.read),
        ("rejected", expected.rejected.rows, rows.rejected),
        ("duplicate", expected.duplicate.rows, rows.duplicate),
        ("merged", 0, rows.merged),
        ("not mailable", expected.not_mailable.rows, rows.not_mailable),
        ("no address", expected.no_address.rows, rows.no_address),
        ("no consent", expected.no_consent.rows, rows.no_consent),
        ("accepted", expected.accepted.rows, rows.accepted),
    ];
    let mut findings = differing(number, &parts);
    let billed = (expected.accepted.money.billed, report.money_cents.billed.parts.accepted);
    if billed.0 != billed.1 {
        findings.push(Finding::new(NAME, format!("parcel {number}: the accepted money is not the money of the accepted rows")));
    }
    findings
}

/// Streamed rows are answered one by one; those that were accepted lie in as many rolling batches as there were lives and hours.
fn streamed(evidence: &Evidence, number: usize, parcel: &Parcel) -> Vec<Finding> {
    let mut findings = Vec::new();
    let rolling: Vec<&BatchReport> =
        evidence.records.values().flat_map(|record| &record.rolling).filter_map(|batch| Some(&evidence.reports.get(batch)?.1)).collect();
    let sum = |of: fn(&BatchReport) -> u64| rolling.iter().map(|report| of(report)).sum();
    let accepted = parcel.expected.accepted.rows;
    let parts =
        [("accepted", accepted, sum(|report| report.statements.accepted)), ("read", accepted, sum(|report| report.statements.read))];
    findings.extend(differing(number, &parts));
    let mut jobs: BTreeMap<usize, u64> = BTreeMap::new();
    for record in evidence.records.values() {
        for job in record.jobs.values().filter(|job| record.rolling.contains(&job.batch)) {
            match evidence.socket_keys.get(&job.key) {
                Some(line) => *jobs.entry(*line).or_default() += 1,
                None => findings.push(Finding::new(NAME, format!("parcel {number}: a job of nobody's line"))),
            }
        }
    }
    for (index, line) in parcel.lines.iter().enumerate() {
        let (expected, found) = (u64::from(line.fate != Fate::NotAccepted), jobs.get(&index).copied().unwrap_or(0));
        let answer = evidence.remembered.answers.get(&index);
        if expected != found {
            findings.push(Finding::new(NAME, format!("parcel {number} line {}: {found} jobs, expected {expected}", line.number)));
        }
        if answer.is_none()
            || (expected == 0
                && matches!(answer, Some(Answered::Job(_)))
                && !is_first_of_its_key(evidence, index, line.key.as_str(), parcel))
        {
            findings.push(Finding::new(NAME, format!("parcel {number} line {} was answered {answer:?}", line.number)));
        }
    }
    findings
}

/// A repeat may be the first of its key that got through: then it is the job, and the line it repeats is the duplicate.
fn is_first_of_its_key(evidence: &Evidence, index: usize, key: &str, parcel: &Parcel) -> bool {
    parcel.lines[..index].iter().enumerate().any(|(earlier, line)| {
        line.key == key && line.fate == Fate::Sent && evidence.remembered.answers.get(&earlier) == Some(&Answered::NoJob)
    })
}

fn differing(number: usize, parts: &[(&str, u64, u64)]) -> Vec<Finding> {
    let differ = parts.iter().filter(|(_, expected, found)| expected != found);
    differ
        .map(|(what, expected, found)| Finding::new(NAME, format!("parcel {number}, {what}: expected {expected}, the report says {found}")))
        .collect()
}

/// Each report balances, and says what the record says.
fn books(evidence: &Evidence) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (batch, (stream, report)) in &evidence.reports {
        let Some(record) = evidence.records.get(stream) else { continue };
        let jobs: Vec<_> = record.jobs.values().filter(|job| job.batch == *batch).collect();
        for state in State::ALL {
            let rows = jobs.iter().filter(|job| job.state() == state).map(|job| job.rows().count() as u64);
            let (in_record, reported) = (rows.sum::<u64>(), report.states.get(state));
            if in_record != reported {
                findings.push(Finding::new(NAME, format!("{batch}, {state}: {in_record} in the record, the report says {reported}")));
            }
        }
        if !report.balanced {
            findings.push(Finding::new(NAME, format!("the report of {batch} does not balance")));
        }
        if report.active() > 0 {
            findings.push(Finding::new(NAME, format!("{} statements are active in {batch}, which is through", report.active())));
        }
    }
    findings
}
