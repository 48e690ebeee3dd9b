//! The batch as an X12 835 remittance (005010X221A1).
//!
//! ```text
//! ISA GS
//!   ST BPR TRN DTM*405 N1*PR N3 N4 PER*BL N1*PE        one transaction set per `claims_per_transaction` claims
//!     LX
//!       CLP NM1*QC NM1*82 DTM*232 DTM*233 AMT*AU        one claim (loop 2100)
//!         SVC DTM*472 CAS… REF*6R AMT*B6                 one service (loop 2110)
//!   PLB?  SE                                            PLB where take-backs exceed payments: BPR02 is never negative
//! GE IEA
//! ```
//! It balances as the guide asks: SVC02 − CAS = SVC03, CLP03 − CAS = CLP04, CLP05 = the PR adjustments (not in reversals),
//! BPR02 = the sum of CLP04 − PLB; except in rows that are meant not to. Claims of one transaction set are held in
//! memory while it is written, because BPR02 stands before them.

use crate::statement::{PAYER, adjustments};
use crate::{Batch, Expected, Row};
use model::statement::{ClaimStatus, ServiceLine, Statement};
use model::{Cents, Date};
use std::fmt::Write as _;
use std::io::{self, Write};

/// Made-up identifiers in the form of an NPI.
const PAYEE_NPI: &str = "1999999999";
const PROVIDER_NPI: &str = "1888888888";

impl Batch {
    /// Writes the batch as one 835 interchange and gives what it must add up to.
    ///
    /// # Errors
    /// What the writer says.
    pub fn write_x12_835(&self, into: &mut impl Write) -> io::Result<Expected> {
        let mut expected = Expected::default();
        let control = self.options().seed % 1_000_000_000;
        write_envelope_start(into, control)?;
        let mut transactions = 0u64;
        let mut next = 1u64;
        while next <= self.options().rows {
            transactions += 1;
            let last = self.options().rows.min(next - 1 + u64::from(self.options().claims_per_transaction));
            let mut claims = Segments::default();
            let mut paid = Cents::ZERO;
            for number in next..=last {
                let row = self.row(number);
                expected.count(&row);
                paid += row.statement.totals.plan_paid.unwrap_or_default();
                write_claim(&mut claims, &row);
            }
            write_transaction(into, transactions, paid, &claims)?;
            next = last + 1;
        }
        write!(into, "GE*{transactions}*1~\nIEA*1*{control:09}~\n")?;
        Ok(expected)
    }
}

/// Segments as text, counted for SE01.
#[derive(Default)]
struct Segments {
    text: String,
    count: u64,
}

impl Segments {
    fn push(&mut self, segment: std::fmt::Arguments<'_>) {
        writeln!(self.text, "{segment}~").expect("a String takes everything");
        self.count += 1;
    }
}

fn write_envelope_start(into: &mut impl Write, control: u64) -> io::Result<()> {
    // X12.5: the ISA is of fixed width, 106 bytes with its terminator; receivers read the separators from its places.
    writeln!(into, "ISA*00*          *00*          *ZZ*EXAMPLEPAYER   *ZZ*EXAMPLEPAYEE   *261101*0600*^*00501*{control:09}*0*T*:~")?;
    writeln!(into, "GS*HP*EXAMPLEPAYER*EXAMPLEPAYEE*20261101*0600*1*X*005010X221A1~")
}

fn write_transaction(into: &mut impl Write, number: u64, paid: Cents, claims: &Segments) -> io::Result<()> {
    let mut head = Segments::default();
    let owed_back = paid.min(Cents::ZERO);
    head.push(format_args!("ST*835*{number:04}"));
    head.push(format_args!("BPR*I*{}*C*CHK************20261101", decimal(paid - owed_back)));
    head.push(format_args!("TRN*1*EXAMPLETRACE{number:06}*1999999999"));
    head.push(format_args!("DTM*405*20261031"));
    head.push(format_args!("N1*PR*{PAYER}"));
    head.push(format_args!("N3*1 Invented Way"));
    head.push(format_args!("N4*Sampletown*NY*00000"));
    head.push(format_args!("PER*BL*Example Help Desk*TE*5550100"));
    head.push(format_args!("N1*PE*Invented Provider Group*XX*{PAYEE_NPI}"));
    head.push(format_args!("LX*1"));
    into.write_all(head.text.as_bytes())?;
    into.write_all(claims.text.as_bytes())?;
    let mut tail = Segments::default();
    if owed_back != Cents::ZERO {
        // The guide's way out of a negative payment: the balance goes forward (PLB FB), BPR02 is zero.
        tail.push(format_args!("PLB*{PAYEE_NPI}*20261231*FB:EXAMPLETRACE{number:06}*{}", decimal(owed_back)));
    }
    let segments = head.count + claims.count + tail.count + 1;
    tail.push(format_args!("SE*{segments}*{number:04}"));
    into.write_all(tail.text.as_bytes())
}

fn write_claim(into: &mut Segments, row: &Row) {
    let statement = &row.statement;
    let totals = &statement.totals;
    into.push(format_args!(
        "CLP*ACCT{:06}*{}*{}*{}*{}*12*{}*11*1",
        row.member_index,
        status_code(statement.status),
        optional(totals.billed),
        optional(totals.plan_paid),
        optional(totals.member_owes),
        statement.claim_number.reveal(),
    ));
    let member = &statement.member;
    into.push(format_args!("NM1*QC*1*{}*{}****MI*{}", member.family_name.reveal(), member.given_name.reveal(), member.id.reveal()));
    let provider = statement.provider.as_ref().map_or("", |name| name.reveal());
    into.push(format_args!("NM1*82*2*{provider}*****XX*{PROVIDER_NPI}"));
    write_claim_dates(into, statement);
    if let Some(allowed) = totals.allowed {
        into.push(format_args!("AMT*AU*{}", decimal(allowed)));
    }
    for (at, line) in statement.lines.iter().enumerate() {
        write_service(into, at + 1, line);
    }
}

fn write_claim_dates(into: &mut Segments, statement: &Statement) {
    if let Some(from) = statement.service_from {
        into.push(format_args!("DTM*232*{}", compact(from)));
    }
    if let Some(to) = statement.service_to {
        into.push(format_args!("DTM*233*{}", compact(to)));
    }
}

fn write_service(into: &mut Segments, number: usize, line: &ServiceLine) {
    let mut code = line.code.as_ref().map_or("", |code| code.reveal()).to_owned();
    for modifier in &line.modifiers {
        code.push(':');
        code.push_str(modifier.reveal());
    }
    into.push(format_args!("SVC*{code}*{}*{}**1", optional(line.amounts.billed), optional(line.amounts.plan_paid)));
    if let Some(day) = line.service_from {
        into.push(format_args!("DTM*472*{}", compact(day)));
    }
    write_adjustments(into, line);
    into.push(format_args!("REF*6R*{number}"));
    if let Some(allowed) = line.amounts.allowed {
        into.push(format_args!("AMT*B6*{}", decimal(allowed)));
    }
}

/// One CAS per group: group, then up to six triplets of reason, amount, quantity (left empty).
fn write_adjustments(into: &mut Segments, line: &ServiceLine) {
    let mut segment = String::new();
    let mut open_group = "";
    for (group, reason, amount) in adjustments(&line.amounts) {
        if group == open_group {
            let _ = write!(segment, "**{reason}*{}", decimal(amount));
            continue;
        }
        if !segment.is_empty() {
            into.push(format_args!("{segment}"));
        }
        open_group = group;
        segment = format!("CAS*{group}*{reason}*{}", decimal(amount));
    }
    if !segment.is_empty() {
        into.push(format_args!("{segment}"));
    }
}

const fn status_code(status: ClaimStatus) -> &'static str {
    match status {
        ClaimStatus::ProcessedPrimary | ClaimStatus::Unknown => "1",
        ClaimStatus::ProcessedSecondary => "2",
        ClaimStatus::ProcessedTertiary => "3",
        ClaimStatus::Denied => "4",
        ClaimStatus::Forwarded => "19",
        ClaimStatus::Reversal => "22",
        ClaimStatus::NotOurClaim => "23",
        ClaimStatus::Predetermination => "25",
    }
}

fn optional(amount: Option<Cents>) -> String {
    amount.map(decimal).unwrap_or_default()
}

/// X12.6 type R: no zeros after the last decimal that says something, no point without decimals.
fn decimal(amount: Cents) -> String {
    let text = amount.to_string();
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn compact(day: Date) -> String {
    format!("{:04}{:02}{:02}", day.year(), day.month(), day.day())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, RowKind};

    fn written(options: Options) -> (Vec<Vec<String>>, Expected, Batch) {
        let batch = Batch::new(options);
        let mut file = Vec::new();
        let expected = batch.write_x12_835(&mut file).unwrap();
        let text = String::from_utf8(file).unwrap();
        assert_eq!(text.as_bytes()[105], b'~', "the ISA is 106 bytes");
        let segments = text.split('~').map(str::trim).filter(|segment| !segment.is_empty());
        (segments.map(|segment| segment.split('*').map(str::to_owned).collect()).collect(), expected, batch)
    }

    fn amount(text: &str) -> Cents {
        if text.is_empty() { Cents::ZERO } else { Cents::parse(text).unwrap() }
    }

    fn adjusted(segment: &[String]) -> Cents {
        segment[2..].chunks(3).map(|triplet| amount(&triplet[1])).sum()
    }

    #[test]
    fn amounts_are_written_as_x12_wants_them() {
        for (cents, text) in [(0, "0"), (100, "1"), (150, "1.5"), (105, "1.05"), (-10, "-0.1"), (100_000, "1000")] {
            assert_eq!(decimal(Cents(cents)), text);
        }
    }

    #[test]
    fn counts_and_control_numbers_agree() {
        let (segments, expected, _) =
            written(Options { rows: 25, claims_per_transaction: 10, lines: 1..=4, seed: 77, ..Options::default() });
        let mut sets = 0;
        let mut since_start = 0;
        let mut claims = 0;
        for segment in &segments {
            since_start += 1;
            match segment[0].as_str() {
                "ST" => since_start = 1,
                "SE" => {
                    assert_eq!(segment[1], since_start.to_string());
                    sets += 1;
                }
                "CLP" => claims += 1,
                "GE" => assert_eq!(segment[1], sets.to_string()),
                "IEA" => assert_eq!(segment[2], segments[0][13]),
                _ => {}
            }
        }
        assert_eq!((sets, claims, expected.source_records), (3, 25, 25));
    }

    #[test]
    fn every_equation_of_the_guide_holds_but_in_rows_meant_not_to() {
        let options = Options {
            rows: 400,
            claims_per_transaction: 7,
            lines: 1..=6,
            unbalanced_per_mille: 50,
            reversal_per_mille: 300,
            ..Options::default()
        };
        let (segments, _, batch) = written(options);
        let mut row = 0;
        let mut at = 0;
        let mut payments = Cents::ZERO;
        let mut announced = Cents::ZERO;
        while at < segments.len() {
            let segment = &segments[at];
            at += 1;
            match segment[0].as_str() {
                "BPR" => (announced, payments) = (amount(&segment[2]), Cents::ZERO),
                "PLB" => payments -= amount(&segment[4]),
                "SE" => assert_eq!(announced, payments),
                "CLP" => {
                    row += 1;
                    payments += amount(&segment[4]);
                    let loop_end = segments[at..].iter().position(|next| matches!(next[0].as_str(), "CLP" | "SE" | "PLB")).unwrap();
                    let inner = &segments[at..at + loop_end];
                    let all: Cents = inner.iter().filter(|inner| inner[0] == "CAS").map(|cas| adjusted(cas)).sum();
                    let of_member: Cents =
                        inner.iter().filter(|inner| inner[0] == "CAS" && inner[1] == "PR").map(|cas| adjusted(cas)).sum();
                    let balances = amount(&segment[3]) - all == amount(&segment[4]);
                    assert_eq!(balances, batch.row(row).kind != RowKind::Unbalanced, "row {row}");
                    assert_eq!(amount(&segment[5]), of_member);
                    check_services(inner);
                }
                _ => {}
            }
        }
        assert_eq!(row, 400);
    }

    fn check_services(claim: &[Vec<String>]) {
        let starts: Vec<usize> = (0..claim.len()).filter(|at| claim[*at][0] == "SVC").collect();
        for (which, start) in starts.iter().enumerate() {
            let end = starts.get(which + 1).copied().unwrap_or(claim.len());
            let all: Cents = claim[*start..end].iter().filter(|inner| inner[0] == "CAS").map(|cas| adjusted(cas)).sum();
            assert_eq!(amount(&claim[*start][2]) - all, amount(&claim[*start][3]));
        }
    }

    #[test]
    fn the_same_options_give_the_same_bytes() {
        let bytes = || {
            let mut file = Vec::new();
            Batch::new(Options { rows: 50, ..Options::default() }).write_x12_835(&mut file).unwrap();
            file
        };
        assert_eq!(bytes(), bytes());
    }
}
