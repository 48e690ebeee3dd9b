//! One claim while its segments arrive (loop 2100 with its 2110s): what was read, not yet judged.
//!
//! The first thing that makes the claim unusable is kept as its [`Trouble`]; reading goes on, so that amounts for
//! the reject and the place of the next claim are right all the same. Judging is `statement.rs`'s business.

use super::adjustment::{Group, Part};
use super::segments::Segment;
use crate::amount::{self, AmountError};
use crate::{Rounded, Rounding, reason, validate};
use jiff::civil::Date;
use model::limits::{NOTES_MAX, SERVICE_LINES_MAX, X12_CLAIM_SEGMENTS_MAX};
use model::statement::{Note, NoteKind, Program};
use model::{Cents, Private};

/// Reason, amount and quantity of a CAS segment: CAS02 to CAS19.
const TRIPLETS_MAX: usize = 6;

/// What makes a claim unusable, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) reason: &'static str,
    pub(crate) field: &'static str,
    pub(crate) segment: u64,
    pub(crate) expected: &'static str,
}

/// A claim as read so far.
pub(crate) struct Claim {
    pub(crate) row: u64,
    pub(crate) segment: u64,
    pub(crate) number: Private,
    pub(crate) status: Vec<u8>,
    /// CLP06, where it names a programme.
    pub(crate) program: Option<Program>,
    /// CLP03, CLP04, CLP05 where they are stated and amounts.
    pub(crate) billed: Option<Cents>,
    pub(crate) paid: Option<Cents>,
    pub(crate) member_owes: Option<Cents>,
    pub(crate) adjustments: Vec<Adjustment>,
    /// Where a CAS segment could not be read.
    pub(crate) adjustment_unreadable: Option<u64>,
    pub(crate) lines: Vec<Line>,
    pub(crate) notes: Vec<Note>,
    pub(crate) patient: Option<Person>,
    pub(crate) insured: Option<Person>,
    pub(crate) corrected: Option<Person>,
    pub(crate) provider: Option<Private>,
    pub(crate) service_from: Option<Date>,
    pub(crate) service_to: Option<Date>,
    pub(crate) trouble: Option<Trouble>,
    pub(crate) rounded: Rounded,
    rounding: Rounding,
    segments: usize,
}

/// One amount of a CAS segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Adjustment {
    /// The service line; `None` at claim level.
    pub(crate) line: Option<u16>,
    /// Position of its group and reason among the notes: the same for the same code.
    pub(crate) note: u16,
    pub(crate) part: Part,
    /// Whether it is the member's (PR).
    pub(crate) of_member: bool,
    pub(crate) amount: Cents,
}

/// One service as read.
#[derive(Default)]
pub(crate) struct Line {
    pub(crate) billed: Option<Cents>,
    pub(crate) paid: Option<Cents>,
    pub(crate) allowed: Option<Cents>,
    pub(crate) code: Option<Private>,
    pub(crate) modifiers: Vec<Private>,
    pub(crate) description: Option<Private>,
    pub(crate) service_from: Option<Date>,
    pub(crate) service_to: Option<Date>,
    pub(crate) notes: Vec<u16>,
}

/// A person of an NM1 segment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) family: String,
    pub(crate) given: String,
    pub(crate) middle: String,
    pub(crate) suffix: String,
    pub(crate) id: String,
}

impl Person {
    /// As it is shown: given, middle, family, suffix.
    pub(crate) fn shown_name(&self) -> String {
        let mut name = String::with_capacity(self.given.len() + self.middle.len() + self.family.len() + self.suffix.len() + 3);
        for part in [&self.given, &self.middle, &self.family, &self.suffix] {
            if !part.is_empty() {
                if !name.is_empty() {
                    name.push(' ');
                }
                name.push_str(part);
            }
        }
        name
    }

    pub(crate) fn has_name(&self) -> bool {
        !self.family.is_empty() || !self.given.is_empty()
    }
}

/// CLP06, the claim filing indicator. Most of its codes say how a plan is organised, not whose programme pays: those name none.
fn program_of(filing: &[u8]) -> Option<Program> {
    match filing {
        b"MC" => Some(Program::Medicaid),
        b"MA" | b"MB" => Some(Program::OriginalMedicare),
        // "Health Maintenance Organization (HMO) Medicare Risk".
        b"16" => Some(Program::MedicareAdvantage),
        _ => None,
    }
}

impl Claim {
    /// Begins with a CLP segment.
    pub(crate) fn begin(row: u64, clp: &Segment<'_>, rounding: Rounding) -> Self {
        // CLP01 patient's account, 02 status, 03 billed, 04 paid, 05 member's share, 06 kind of plan, 07 payer's number.
        let [account, status, billed, paid, owes, filing, payer_number] = clp.elements();
        let mut claim = Self {
            row,
            segment: clp.ordinal,
            number: Private::default(),
            status: status.to_vec(),
            program: program_of(filing),
            billed: None,
            paid: None,
            member_owes: None,
            // Room for a usual claim, so that few grow.
            adjustments: Vec::with_capacity(32),
            adjustment_unreadable: None,
            lines: Vec::with_capacity(16),
            notes: Vec::with_capacity(8),
            patient: None,
            insured: None,
            corrected: None,
            provider: None,
            service_from: None,
            service_to: None,
            trouble: None,
            rounded: Rounded::default(),
            rounding,
            segments: 1,
        };
        let (number, field) = if payer_number.is_empty() { (account, "CLP01") } else { (payer_number, "CLP07") };
        claim.number = claim.text(number, field, clp.ordinal).into();
        if claim.number.is_empty() {
            claim.trouble(reason::CLAIM_NUMBER_MISSING, "CLP07", clp.ordinal, "the payer's claim number, else CLP01");
        }
        claim.billed = claim.amount(billed, "CLP03", clp.ordinal, true);
        claim.paid = claim.amount(paid, "CLP04", clp.ordinal, true);
        claim.member_owes = claim.amount(owes, "CLP05", clp.ordinal, false);
        claim
    }

    /// Notes what makes the claim unusable; the first one stays.
    pub(crate) fn trouble(&mut self, reason: &'static str, field: &'static str, segment: u64, expected: &'static str) {
        self.trouble.get_or_insert(Trouble { reason, field, segment, expected });
    }

    /// Takes a segment of the claim. False where the 835 has no such segment.
    pub(crate) fn take(&mut self, segment: &Segment<'_>) -> bool {
        self.segments += 1;
        if self.segments > X12_CLAIM_SEGMENTS_MAX {
            self.trouble(reason::TOO_MANY_SEGMENTS, "CLP", segment.ordinal, "at most 20,000 segments in a claim");
            return true;
        }
        match segment.id() {
            b"CAS" => self.take_adjustments(segment),
            b"SVC" => self.take_service(segment),
            b"DTM" => self.take_date(segment),
            b"NM1" => self.take_name(segment),
            b"AMT" => self.take_amount(segment),
            b"LQ" => self.take_remark(segment),
            b"MOA" => {
                let [_, _, remarks @ ..] = segment.elements::<7>();
                remarks.into_iter().for_each(|code| self.note_remark(code, segment.ordinal));
            }
            b"MIA" => {
                let elements = segment.elements::<23>();
                // MIA05 and MIA20 to MIA23 are remark codes, the others are amounts and counts.
                [4, 19, 20, 21, 22].into_iter().for_each(|at| self.note_remark(elements[at], segment.ordinal));
            }
            b"REF" | b"PER" | b"QTY" | b"N3" | b"N4" | b"TS2" | b"RDM" | b"NTE" | b"K3" => {}
            _ => return false,
        }
        true
    }

    fn take_adjustments(&mut self, cas: &Segment<'_>) {
        let mut elements = cas.each_element();
        let group_code = elements.next().unwrap_or_default();
        let Some(group) = Group::read(group_code) else {
            self.adjustment_unreadable.get_or_insert(cas.ordinal);
            return;
        };
        for _ in 0..TRIPLETS_MAX {
            let Some(code) = elements.next() else { break };
            let (amount, _quantity) = (elements.next().unwrap_or_default(), elements.next());
            if code.is_empty() && amount.is_empty() {
                continue;
            }
            let read = self.cents(amount);
            if read == Err(AmountError::SubCent) {
                self.trouble(reason::AMOUNT_SUB_CENT, "CAS", cas.ordinal, "amounts of whole cents");
            }
            let (Ok(amount), true) = (read, !code.is_empty()) else {
                self.adjustment_unreadable.get_or_insert(cas.ordinal);
                continue;
            };
            let Some(note) = self.note_adjustment(group_code, code, cas.ordinal) else { return };
            let part = group.part(code);
            let line = self.line_position();
            self.adjustments.push(Adjustment { line, note, part, of_member: group == Group::Member, amount });
            self.refer_to(note);
        }
    }

    fn take_service(&mut self, svc: &Segment<'_>) {
        if self.lines.len() >= SERVICE_LINES_MAX {
            self.trouble(reason::TOO_MANY_LINES, "SVC", svc.ordinal, "at most 999 service lines in a claim");
            return;
        }
        let [composite, billed, paid, revenue] = svc.elements();
        let mut line = Line::default();
        self.read_procedure(&mut line, composite, svc);
        if line.code.is_none() && !revenue.is_empty() {
            // NU is the qualifier of revenue codes (SVC01-1).
            line.code = Some(format!("NU:{}", self.text(revenue, "SVC04", svc.ordinal)).into());
        }
        line.billed = self.amount(billed, "SVC02", svc.ordinal, false);
        line.paid = self.amount(paid, "SVC03", svc.ordinal, false);
        self.lines.push(line);
    }

    /// SVC01: qualifier, code, up to four modifiers, description.
    fn read_procedure(&mut self, line: &mut Line, composite: &[u8], svc: &Segment<'_>) {
        let Some(separator) = svc.component_separator(composite) else { return };
        let mut components = composite.split(|byte| *byte == separator).map(<[u8]>::trim_ascii);
        let (qualifier, code) = (components.next().unwrap_or_default(), components.next().unwrap_or_default());
        if code.is_empty() {
            return;
        }
        // Room for both at once: there is one of these for each service.
        let mut shown = String::with_capacity(qualifier.len() + 1 + code.len());
        shown.push_str(self.checked(qualifier, "SVC01", svc.ordinal));
        shown.push(':');
        shown.push_str(self.checked(code, "SVC01", svc.ordinal));
        line.code = Some(shown.into());
        for modifier in components.by_ref().take(4).filter(|modifier| !modifier.is_empty()) {
            line.modifiers.push(self.text(modifier, "SVC01", svc.ordinal).into());
        }
        let description = components.next().unwrap_or_default();
        if !description.is_empty() {
            line.description = Some(self.text(description, "SVC01", svc.ordinal).into());
        }
    }

    fn take_date(&mut self, dtm: &Segment<'_>) {
        let [qualifier, text] = dtm.elements();
        let (from, to) = match (qualifier, self.lines.is_empty()) {
            (b"472", false) => (true, false),
            (b"150", false) | (b"232", true) => (true, false),
            (b"151", false) | (b"233", true) => (false, true),
            _ => return,
        };
        // A date of zeros is how some systems write none.
        if text.iter().all(|byte| *byte == b'0') {
            return;
        }
        let Some(date) = validate::compact_date(text) else {
            self.trouble(reason::DATE_MALFORMED, "DTM02", dtm.ordinal, "a date CCYYMMDD that exists");
            return;
        };
        let (service_from, service_to) = match self.lines.last_mut() {
            Some(line) => (&mut line.service_from, &mut line.service_to),
            None => (&mut self.service_from, &mut self.service_to),
        };
        if from {
            *service_from = Some(date);
        } else if to {
            *service_to = Some(date);
        }
    }

    fn take_name(&mut self, nm1: &Segment<'_>) {
        let [entity, _, family, given, middle, _, suffix, _, id] = nm1.elements();
        if !self.lines.is_empty() {
            let expected = "no NM1 after the claim's first SVC";
            self.trouble(reason::SEGMENT_OUT_OF_ORDER, "NM1", nm1.ordinal, expected);
            return;
        }
        if !matches!(entity, b"QC" | b"IL" | b"74" | b"82") {
            return;
        }
        let mut part = |bytes, field| self.text(bytes, field, nm1.ordinal);
        let person = Person {
            family: part(family, "NM103"),
            given: part(given, "NM104"),
            middle: part(middle, "NM105"),
            suffix: part(suffix, "NM107"),
            id: part(id, "NM109"),
        };
        let place = match entity {
            b"QC" => &mut self.patient,
            b"IL" => &mut self.insured,
            b"74" => &mut self.corrected,
            _ => {
                if person.has_name() {
                    self.provider = Some(person.shown_name().into());
                }
                return;
            }
        };
        match place {
            Some(known) if *known != person => {
                self.trouble(reason::MEMBER_AMBIGUOUS, "NM1", nm1.ordinal, "each of QC, IL and 74 once in a claim");
            }
            _ => *place = Some(person),
        }
    }

    fn take_amount(&mut self, amt: &Segment<'_>) {
        let [qualifier, amount] = amt.elements();
        // AMT is information only (X12 RFI 680): one that cannot be read counts as not stated.
        if let (b"B6", Some(line)) = (qualifier, self.lines.last_mut()) {
            let (rounding, rounded) = (self.rounding, &mut self.rounded);
            line.allowed = amount::cents_of_bytes(amount, rounding, rounded).ok();
        }
    }

    fn take_remark(&mut self, lq: &Segment<'_>) {
        let [qualifier, code] = lq.elements();
        if qualifier == b"HE" {
            self.note_remark(code, lq.ordinal);
        }
    }

    fn note_remark(&mut self, code: &[u8], segment: u64) {
        if code.is_empty() {
            return;
        }
        let known = self.notes.iter().position(|note| note.kind == NoteKind::Remark && note.code.reveal().as_bytes() == code);
        let code = if known.is_some() { String::new() } else { self.text(code, "remark code", segment) };
        if let Some(at) = self.note(known, NoteKind::Remark, code, segment) {
            self.refer_to(at);
        }
    }

    fn note_adjustment(&mut self, group: &[u8], code: &[u8], segment: u64) -> Option<u16> {
        let known = self.notes.iter().position(|note| {
            let shown = note.code.reveal().as_bytes();
            note.kind == NoteKind::Adjustment && shown.len() == 3 + code.len() && shown.starts_with(group) && shown.ends_with(code)
        });
        let shown = match known {
            Some(_) => String::new(),
            None => format!("{}-{}", self.text(group, "CAS01", segment), self.text(code, "CAS02", segment)),
        };
        self.note(known, NoteKind::Adjustment, shown, segment)
    }

    fn note(&mut self, known: Option<usize>, kind: NoteKind, code: String, segment: u64) -> Option<u16> {
        let at = known.unwrap_or(self.notes.len());
        if known.is_none() {
            if at >= NOTES_MAX {
                self.trouble(reason::TOO_MANY_NOTES, "CAS", segment, "at most 2,000 different codes in a claim");
                return None;
            }
            self.notes.push(Note { kind, code: code.into(), text: None });
        }
        u16::try_from(at).ok()
    }

    /// Lets the current service line refer to a note; a claim-level note stands for itself.
    fn refer_to(&mut self, note: u16) {
        if let Some(line) = self.lines.last_mut()
            && !line.notes.contains(&note)
        {
            line.notes.push(note);
        }
    }

    fn line_position(&self) -> Option<u16> {
        self.lines.len().checked_sub(1).and_then(|at| u16::try_from(at).ok())
    }

    /// A text that a person will read; empty, with a trouble noted, where it cannot be one.
    fn text(&mut self, bytes: &[u8], field: &'static str, segment: u64) -> String {
        self.checked(bytes, field, segment).to_owned()
    }

    /// The same without a copy.
    fn checked<'b>(&mut self, bytes: &'b [u8], field: &'static str, segment: u64) -> &'b str {
        let checked = std::str::from_utf8(bytes).map_err(|_| reason::TEXT_NOT_UTF8).and_then(|text| {
            validate::check_text(text)?;
            Ok(text)
        });
        match checked {
            Ok(text) => text,
            Err(reason) => {
                self.trouble(reason, field, segment, "UTF-8 text of at most 1,000 bytes without control characters");
                ""
            }
        }
    }

    fn amount(&mut self, bytes: &[u8], field: &'static str, segment: u64, required: bool) -> Option<Cents> {
        if bytes.is_empty() {
            if required {
                self.trouble(reason::AMOUNT_MISSING, field, segment, "an amount");
            }
            return None;
        }
        let amount = self.cents(bytes);
        if let Err(error) = amount {
            let expected = if error == AmountError::SubCent { "an amount of whole cents" } else { "an exact decimal such as 1234.56" };
            self.trouble(error.reason(), field, segment, expected);
        }
        amount.ok()
    }

    fn cents(&mut self, bytes: &[u8]) -> Result<Cents, AmountError> {
        amount::cents_of_bytes(bytes, self.rounding, &mut self.rounded)
    }
}
