//! Every 835 of the corpus, cut at every byte: what is read is what the whole file has, and the cut shows.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod corpus;

use intake::{InputProfile, ReadStatement, Row, open};
use model::reject::Reject;

/// `None` where the file is refused.
fn read(bytes: &[u8]) -> Option<(Vec<Row>, u64, Vec<Reject>)> {
    let mut rows = open(&InputProfile::default(), "cut.txt", Box::new(bytes)).ok()?;
    let read: Vec<Row> = rows.by_ref().map(|row| row.expect("memory does not fail to be read")).collect();
    Some((read, rows.source_records(), rows.findings().to_vec()))
}

#[test]
fn a_prefix_reads_as_a_prefix_and_says_that_it_is_one() {
    let files = corpus::files_835();
    for (name, bytes) in &files {
        let (whole, _, findings_of_whole) = read(bytes).unwrap();
        let meaningful = bytes.trim_ascii_end().len();
        for cut in 0..bytes.len() {
            let Some((rows, records, findings)) = read(&bytes[..cut]) else { continue };
            assert_eq!(rows.len() as u64, records, "{name} cut at {cut}");
            let mut truncated = 0;
            for (row, full) in rows.iter().zip(&whole) {
                match row {
                    Row::Rejected { reject, .. } if reject.reason == "truncated" => truncated += 1,
                    row => assert_eq!(row, full, "{name} cut at {cut}"),
                }
            }
            assert!(truncated <= 1, "{name} cut at {cut}");
            // The last byte that counts may be a terminator, which the end of the file replaces. And a last IEA whose control number is
            // wrong already (nevada_medicaid) cannot become more wrong; all claims stand before it.
            let last_segment = bytes.windows(3).rposition(|id| id == b"IEA").unwrap_or(meaningful);
            let is_wrong_already = !findings_of_whole.is_empty() && cut > last_segment + 3;
            if cut + 1 < meaningful && !is_wrong_already {
                assert!(truncated > 0 || findings != findings_of_whole, "{name} cut at {cut} does not show");
            }
        }
    }
}

#[test]
fn a_hole_never_makes_a_statement_that_was_not_there_without_showing() {
    for (name, bytes) in corpus::files_835() {
        let (whole, _, findings_of_whole) = read(&bytes).unwrap();
        for start in (200..bytes.len().saturating_sub(100)).step_by(61) {
            for length in [1, 17, 150, 900] {
                let mut holed = bytes[..start].to_vec();
                holed.extend_from_slice(&bytes[(start + length).min(bytes.len())..]);
                let Some((rows, records, findings)) = read(&holed) else { continue };
                assert_eq!(rows.len() as u64, records, "{name} {start} {length}");
                let lost = rows.len() < whole.len();
                let rejected = rows.iter().any(|row| matches!(row, Row::Rejected { .. }));
                let shows = rejected || reasons(&findings) != reasons(&findings_of_whole);
                assert!(!lost || shows, "{name} {start} {length}");
                // A byte lost within a name or number shows nowhere.
                // But a claim never gets another member of the file unless the damage shows.
                for read in mailable(&rows) {
                    let own = statements(&whole).find(|whole| {
                        whole.statement.claim_number == read.statement.claim_number || (!lost && whole.place.row == read.place.row)
                    });
                    let mut others = statements(&whole).filter(|whole| whole.statement.member.id == read.statement.member.id);
                    let is_own = own.is_some_and(|own| own.statement.member.id == read.statement.member.id);
                    assert!(is_own || shows || others.next().is_none(), "{name} {start} {length} row {}", read.place.row);
                }
            }
        }
    }
}

fn statements(rows: &[Row]) -> impl Iterator<Item = &ReadStatement> {
    rows.iter().filter_map(|row| match row {
        Row::Statement(read) => Some(&**read),
        _ => None,
    })
}

fn mailable(rows: &[Row]) -> impl Iterator<Item = &ReadStatement> {
    statements(rows).filter(|read| read.not_mailable.is_none())
}

/// Findings without their places, which move with the hole.
fn reasons(findings: &[Reject]) -> Vec<(&str, &str)> {
    findings.iter().map(|finding| (finding.reason.as_str(), finding.expected.as_str())).collect()
}
