//! X12 835, health care claim payment/advice (005010X221A1): one row per claim (CLP).
//!
//! ```text
//! ISA                          interchange
//!   GS                         group
//!     ST*835                   transaction set: one payment
//!       N1*PR, N1*PE           payer, payee
//!       LX                     (loop 2000)
//!         CLP … NM1 …          claim: one row (loop 2100)
//!           SVC …              service line (loop 2110)
//!       PLB                    adjustments of the provider: never the member's business
//!     SE                       segments counted
//!   GE                         transaction sets counted
//! IEA                          groups counted
//! ```
//!
//! **Damage.** A claim is whole when a CLP, LX, TS3, PLB or SE follows it. One that is followed by anything else (the end of the
//! file, a new header) is rejected as `truncated`; a segment without its terminator at the end of the file is part of what is cut, unless
//! it is a trailer. Trailers that are missing or count differently become findings, because they belong to no claim: real senders
//! miscount, and a claim that adds up is read all the same. An interchange, a group or a transaction set left open is always a finding, so
//! a file cut at any byte shows.

mod adjustment;
mod claim;
mod segments;
mod separators;
mod statement;

use crate::error::{refuse, unreadable};
use crate::formats::not_an_835;
use crate::{Rounded, Rounding, Row, reason};
use claim::Claim;
use model::reject::{Place, Refusal, Reject};
use segments::{EndedBy, Segment, Segments, Step};
use statement::{Header, judge, judge_outside, judge_truncated};
use std::io::Read;

/// Findings kept; further ones are counted only.
const FINDINGS_MAX: usize = 1_000;

/// Whether a file begins like X12 that we could read.
pub(crate) fn begins_envelope(start: &[u8]) -> bool {
    separators::envelope(start).is_some()
}

/// The number of the first transaction set in a file's first bytes, where it is among them.
pub(crate) fn first_transaction_set(start: &[u8]) -> Option<String> {
    let mut segments = Segments::new(Box::new(start));
    while let Ok(Step::Segment) = segments.advance() {
        let segment = segments.current();
        if segment.id() == b"ST" && segment.ended_by != EndedBy::EndOfFile {
            let [code] = segment.elements();
            return Some(String::from_utf8_lossy(code).into_owned());
        }
    }
    None
}

/// The claims of a file.
pub(crate) struct Claims<'r> {
    segments: Segments<'r>,
    walk: Walk,
}

impl<'r> Claims<'r> {
    /// Reads up to the first transaction set and checks that it is an 835.
    pub(crate) fn open(file: &str, source: Box<dyn Read + 'r>, rounding: Rounding) -> Result<Self, Refusal> {
        let mut claims = Self { segments: Segments::new(source), walk: Walk::new(file, rounding) };
        loop {
            match claims.segments.advance().map_err(|error| unreadable(file, &error))? {
                Step::Segment => {
                    let segment = claims.segments.current();
                    if segment.id() == b"ST" {
                        let [code] = segment.elements();
                        if code != b"835" {
                            return Err(not_an_835(file, Some(&String::from_utf8_lossy(code))));
                        }
                        claims.walk.take(&segment);
                        return Ok(claims);
                    }
                    if !matches!(segment.id(), b"ISA" | b"GS" | b"TA1" | b"IEA" | b"GE") {
                        return Err(not_an_835(file, None));
                    }
                    claims.walk.take(&segment);
                }
                Step::TooLong | Step::End => return Err(not_an_835(file, None)),
                Step::NotX12 => {
                    return Err(refuse(file, reason::NOT_AN_835, "expected an ISA, GS or ST segment at the beginning"));
                }
            }
        }
    }

    /// The next claim.
    pub(crate) fn next_row(&mut self) -> Result<Option<Row>, Refusal> {
        loop {
            let step = self.segments.advance().map_err(|error| unreadable(&self.walk.file, &error))?;
            let row = match step {
                Step::Segment => self.walk.take(&self.segments.current()),
                Step::TooLong => {
                    self.walk.take_too_long(self.segments.ordinal());
                    None
                }
                Step::End | Step::NotX12 => return Ok(self.walk.end(self.segments.ordinal())),
            };
            if row.is_some() {
                return Ok(row);
            }
        }
    }

    pub(crate) fn source_records(&self) -> u64 {
        self.walk.claims
    }

    pub(crate) fn rounded(&self) -> Rounded {
        self.walk.rounded
    }

    pub(crate) fn findings(&self) -> &[Reject] {
        &self.walk.findings
    }

    pub(crate) fn findings_count(&self) -> u64 {
        self.walk.findings_count
    }
}

/// A control number as the header states it, for comparing with the trailer.
type ControlNumber = Vec<u8>;

struct Interchange {
    control: ControlNumber,
    groups: u64,
}

struct Group {
    control: ControlNumber,
    transactions: u64,
}

struct Transaction {
    control: ControlNumber,
    first_segment: u64,
    header: Header,
    /// Another kind than 835: passed over.
    is_other: bool,
}

/// Where in the loops we are.
struct Walk {
    file: String,
    /// CLP segments met: the independent count of records.
    claims: u64,
    claim: Option<Claim>,
    interchange: Option<Interchange>,
    group: Option<Group>,
    transaction: Option<Transaction>,
    findings: Vec<Reject>,
    findings_count: u64,
    rounding: Rounding,
    /// What rounding did to the claims that became statements.
    rounded: Rounded,
}

impl Walk {
    fn new(file: &str, rounding: Rounding) -> Self {
        Self {
            file: file.to_owned(),
            claims: 0,
            claim: None,
            interchange: None,
            group: None,
            transaction: None,
            findings: Vec::new(),
            findings_count: 0,
            rounding,
            rounded: Rounded::default(),
        }
    }

    /// Takes a segment; gives the claim that it ends, if any.
    fn take(&mut self, segment: &Segment<'_>) -> Option<Row> {
        if segment.ended_by == EndedBy::LineBreak {
            self.find(reason::TERMINATOR_MISSING, segment.ordinal, "a segment terminator before the line break".to_owned());
        }
        let id = segment.id();
        // The last bytes of a cut file: nothing but a trailer can be told to be whole without its terminator.
        if segment.ended_by == EndedBy::EndOfFile && !matches!(id, b"SE" | b"GE" | b"IEA" | b"CLP") {
            self.find(reason::TRUNCATED, segment.ordinal, "a segment terminator at the end of the file".to_owned());
            return None;
        }
        match id {
            b"CLP" => self.take_claim(segment),
            b"ISA" | b"GS" | b"ST" => {
                let row = self.cut_claim(segment.ordinal);
                self.take_header(id, segment);
                row
            }
            b"SE" | b"GE" | b"IEA" => {
                let row = if id == b"SE" { self.whole_claim() } else { self.cut_claim(segment.ordinal) };
                self.take_trailer(id, segment);
                row
            }
            _ if self.transaction.as_ref().is_some_and(|transaction| transaction.is_other) => None,
            b"LX" | b"TS3" | b"PLB" => self.whole_claim(),
            // A payment's header within a claim: everything between the two is lost.
            b"BPR" | b"TRN" | b"CUR" | b"N1" => {
                let row = self.cut_claim(segment.ordinal);
                self.take_party(id, segment);
                row
            }
            _ => {
                let known = match &mut self.claim {
                    Some(claim) => claim.take(segment),
                    None => matches!(id, b"REF" | b"DTM" | b"N3" | b"N4" | b"PER" | b"RDM" | b"TS2" | b"NTE" | b"TA1" | b"K3"),
                };
                if !known {
                    self.find(reason::SEGMENT_UNKNOWN, segment.ordinal, "a segment that the 835 has at this place".to_owned());
                }
                None
            }
        }
    }

    fn take_claim(&mut self, segment: &Segment<'_>) -> Option<Row> {
        if self.transaction.as_ref().is_some_and(|transaction| transaction.is_other) {
            return None;
        }
        let ended = self.whole_claim();
        self.claims += 1;
        self.claim = Some(Claim::begin(self.claims, segment, self.rounding));
        ended
    }

    /// A segment that was passed over: whatever it said, the claim it stands in is not whole.
    fn take_too_long(&mut self, ordinal: u64) {
        let expected = "a segment of at most 64 KiB";
        match &mut self.claim {
            Some(claim) => claim.trouble(reason::SEGMENT_TOO_LONG, "segment", ordinal, expected),
            None => self.find(reason::SEGMENT_TOO_LONG, ordinal, expected.to_owned()),
        }
    }

    /// The end of the file.
    fn end(&mut self, ordinal: u64) -> Option<Row> {
        let row = self.cut_claim(ordinal);
        self.close_transaction(ordinal);
        self.close_group(ordinal);
        if self.interchange.take().is_some() {
            self.find(reason::INTERCHANGE_NOT_CLOSED, ordinal, "an IEA segment".to_owned());
        }
        row
    }

    fn whole_claim(&mut self) -> Option<Row> {
        let claim = self.claim.take()?;
        let Some(transaction) = &self.transaction else { return Some(judge_outside(&claim, &self.file)) };
        let rounded = claim.rounded;
        let row = judge(claim, &transaction.header, &self.file);
        if matches!(row, Row::Statement(_)) {
            self.rounded += rounded;
        }
        Some(row)
    }

    fn cut_claim(&mut self, ordinal: u64) -> Option<Row> {
        let claim = self.claim.take()?;
        Some(judge_truncated(&claim, &self.file, ordinal))
    }

    fn take_header(&mut self, id: &[u8], segment: &Segment<'_>) {
        self.close_transaction(segment.ordinal);
        match id {
            b"ST" => {
                let [code, control, _] = segment.elements();
                let is_other = code != b"835";
                if is_other {
                    self.find(reason::OTHER_TRANSACTION, segment.ordinal, "the transaction set 835".to_owned());
                }
                if let Some(group) = &mut self.group {
                    group.transactions += 1;
                }
                let header = Header::default();
                self.transaction = Some(Transaction { control: control.to_vec(), first_segment: segment.ordinal, header, is_other });
            }
            b"GS" => {
                self.close_group(segment.ordinal);
                let [_, _, _, _, _, control, _, version] = segment.elements();
                if !version.is_empty() && !version.starts_with(b"005010X221") {
                    self.find(reason::VERSION_OTHER, segment.ordinal, "GS08 to be 005010X221A1".to_owned());
                }
                if let Some(interchange) = &mut self.interchange {
                    interchange.groups += 1;
                }
                self.group = Some(Group { control: control.to_vec(), transactions: 0 });
            }
            _ => {
                self.close_group(segment.ordinal);
                if self.interchange.take().is_some() {
                    self.find(reason::INTERCHANGE_NOT_CLOSED, segment.ordinal, "an IEA segment before the next ISA".to_owned());
                }
                let elements = segment.elements::<13>();
                self.interchange = Some(Interchange { control: elements[12].to_vec(), groups: 0 });
            }
        }
    }

    fn take_trailer(&mut self, id: &[u8], segment: &Segment<'_>) {
        let [count, control] = segment.elements();
        let count = std::str::from_utf8(count).ok().and_then(|count| count.parse::<u64>().ok());
        let (header, counted, differs, noun) = match id {
            b"SE" => {
                let Some(transaction) = self.transaction.take() else { return self.find_stray(segment) };
                let counted = segment.ordinal - transaction.first_segment + 1;
                (transaction.control, counted, reason::SEGMENT_COUNT_DIFFERS, "SE01 to count the segments")
            }
            b"GE" => {
                self.close_transaction(segment.ordinal);
                let Some(group) = self.group.take() else { return self.find_stray(segment) };
                (group.control, group.transactions, reason::TRANSACTION_COUNT_DIFFERS, "GE01 to count the transaction sets")
            }
            _ => {
                self.close_transaction(segment.ordinal);
                self.close_group(segment.ordinal);
                let Some(interchange) = self.interchange.take() else { return self.find_stray(segment) };
                (interchange.control, interchange.groups, reason::GROUP_COUNT_DIFFERS, "IEA01 to count the groups")
            }
        };
        if count != Some(counted) {
            let stated = count.map_or_else(|| "no number".to_owned(), |count| count.to_string());
            self.find(differs, segment.ordinal, format!("{noun}, {counted}, but it says {stated}"));
        }
        if control != header {
            self.find(reason::CONTROL_NUMBER_DIFFERS, segment.ordinal, "the control number of the header".to_owned());
        }
    }

    fn find_stray(&mut self, segment: &Segment<'_>) {
        self.find(reason::CONTROL_NUMBER_DIFFERS, segment.ordinal, "a header before this trailer".to_owned());
    }

    fn close_transaction(&mut self, ordinal: u64) {
        if self.transaction.take().is_some() {
            self.find(reason::TRANSACTION_NOT_CLOSED, ordinal, "an SE segment".to_owned());
        }
    }

    fn close_group(&mut self, ordinal: u64) {
        if self.group.take().is_some() {
            self.find(reason::INTERCHANGE_NOT_CLOSED, ordinal, "a GE segment".to_owned());
        }
    }

    /// N1 and CUR of the payment's header.
    fn take_party(&mut self, id: &[u8], segment: &Segment<'_>) {
        let Some(transaction) = &mut self.transaction else { return };
        let [entity, name] = segment.elements();
        let name = std::str::from_utf8(name).ok().filter(|name| !name.is_empty() && crate::validate::check_text(name).is_ok());
        match (id, entity) {
            (b"N1", b"PR") => transaction.header.payer = name.map(Into::into),
            (b"N1", b"PE") => transaction.header.payee = name.map(Into::into),
            // CUR01 is whose currency (PR, the payer's), CUR02 which. XXX is ISO 4217's "no currency", which says nothing.
            (b"CUR", _) if !matches!(name, Some("USD" | "XXX")) => transaction.header.other_currency = Some(segment.ordinal),
            _ => {}
        }
    }

    fn find(&mut self, reason: &'static str, segment: u64, expected: String) {
        self.findings_count += 1;
        if self.findings.len() < FINDINGS_MAX {
            let place = Place { row: self.claims, line: None, segment: Some(segment), field: None };
            let action = reason::action(reason).to_owned();
            self.findings.push(Reject { file: self.file.clone(), place, reason: reason.to_owned(), expected, action });
        }
    }
}
