//! Both equations of invariant 3, against what the batch was invented to be: no row missing, none its own duplicate.

use crate::evidence::{Evidence, Finding};
use model::State;

const NAME: &str = "every_row_accounted_for";

pub(super) fn check(evidence: &Evidence) -> Vec<Finding> {
    let (report, expected) = (&evidence.report, evidence.batch.expected());
    let mut findings = Vec::new();
    let mut expect = |what: &str, expected: u64, found: u64| {
        if expected != found {
            findings.push(Finding::new(NAME, format!("{what}: expected {expected}, the report says {found}")));
        }
    };
    let rows = &report.statements;
    expect("source records", expected.source_records, report.source_records);
    expect("read", expected.read.rows, rows.read);
    expect("rejected", expected.rejected.rows, rows.rejected);
    expect("duplicate", expected.duplicate.rows, rows.duplicate);
    expect("merged", 0, rows.merged);
    expect("not mailable", expected.not_mailable.rows, rows.not_mailable);
    expect("no address", expected.no_address.rows, rows.no_address);
    expect("no consent", 0, rows.no_consent);
    expect("accepted", expected.accepted.rows, rows.accepted);
    expect("batches committed", 1, evidence.record.committed.len() as u64);
    for state in State::ALL {
        let in_record = evidence.record.jobs.values().filter(|job| job.state() == state).count() as u64;
        expect(&format!("{state} in the record"), in_record, report.states.get(state));
    }
    let billed = (expected.accepted.money.billed, report.money_cents.billed.parts.accepted);
    if billed.0 != billed.1 {
        findings.push(Finding::new(NAME, "the accepted money is not the money of the accepted rows"));
    }
    if !report.balanced {
        findings.push(Finding::new(NAME, "the report does not balance"));
    }
    if report.active() > 0 || !evidence.record.left_to_do.is_empty() {
        findings.push(Finding::new(NAME, format!("{} statements are active in a batch that is through", report.active())));
    }
    findings.extend(evidence.record.damage.iter().map(|damage| Finding::new(NAME, format!("after a clean stop: {damage}"))));
    findings
}
