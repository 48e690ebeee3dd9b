//! The claims of a file in its order, and the resources they wait for.
//!
//! A claim waits for its patient while at most [`WAITING_MAX`] rows stand behind it; then, and at the end of the file, it takes what is
//! known. In a file where patients come first, or with their claims, nothing waits.

use super::amounts::ToCents;
use super::elements::{AnyResource, Eob};
use super::named;
use super::references::Directory;
use super::statement::{self, Draft};
use super::wrong::{self, Wrong};
use crate::amount::{Rounded, Rounding};
use crate::error::refuse;
use crate::{Row, reason};
use memchr::memmem;
use model::MoneySummary;
use model::reject::{Place, Refusal, Reject};
use std::collections::{BTreeMap, VecDeque};

/// Rows that stand behind a claim that waits.
const WAITING_MAX: usize = 512;
/// Bytes of the resources they come from.
const WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Findings that are kept; all are counted.
const FINDINGS_MAX: usize = 1_000;
/// Kinds of other resources that are counted by their name.
const KINDS_MAX: usize = 200;
/// How far into a resource its kind is looked for before it is read as a claim.
const KIND_WITHIN_BYTES: usize = 200;
/// Kinds that claims refer to: no finding.
const REFERRED_TO: [&str; 5] = ["Coverage", "Organization", "Patient", "Practitioner", "PractitionerRole"];

/// The claims of a file.
pub(super) struct Claims {
    file: String,
    rounding: Rounding,
    rounded: Rounded,
    records: u64,
    directory: Directory,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    /// Resources that are no claims, by kind.
    others: BTreeMap<String, u64>,
    findings: Vec<Reject>,
    findings_count: u64,
    has_ended: bool,
}

enum Waiting {
    Row(Row),
    /// A claim, with the bytes of its resource.
    Draft(Box<Draft>, usize),
}

impl Claims {
    pub(super) fn new(file: &str, rounding: Rounding) -> Self {
        Self {
            file: file.to_owned(),
            rounding,
            rounded: Rounded::default(),
            records: 0,
            directory: Directory::default(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            others: BTreeMap::new(),
            findings: Vec::new(),
            findings_count: 0,
            has_ended: false,
        }
    }

    pub(super) fn records(&self) -> u64 {
        self.records
    }

    pub(super) fn rounded(&self) -> Rounded {
        self.rounded
    }

    pub(super) fn findings(&self) -> &[Reject] {
        &self.findings
    }

    pub(super) fn findings_count(&self) -> u64 {
        self.findings_count
    }

    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Takes a resource that begins in this line.
    pub(super) fn take(&mut self, bytes: &[u8], full_url: Option<&str>, line: u64) {
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let expected = format!("UTF-8; byte {} of the resource is not", error.valid_up_to() + 1);
                return self.damaged(Wrong::new(reason::TEXT_NOT_UTF8, "", expected), line);
            }
        };
        // The kind stands first almost always; where it does, a resource is read once.
        let head = &bytes[..bytes.len().min(KIND_WITHIN_BYTES)];
        if memmem::find(head, b"\"ExplanationOfBenefit\"").is_some()
            && let Ok(eob) = named::from_str::<Eob<'_>>(text)
            && eob.is_claim()
        {
            return self.claim(&eob, text, line);
        }
        match named::from_str::<AnyResource<'_>>(text) {
            Ok(any) => match any.resource_type {
                Some(kind) if kind.as_str() == "ExplanationOfBenefit" => match named::from_str::<Eob<'_>>(text) {
                    Ok(eob) => self.claim(&eob, text, line),
                    Err(error) => self.damaged(wrong::of(text, &error), line),
                },
                Some(kind) => self.other(kind.as_str(), text, full_url),
                None => self.damaged(Wrong::new(reason::FIELD_MISSING, "resourceType", "the kind of the resource"), line),
            },
            Err(error) => self.damaged(wrong::of(text, &error), line),
        }
    }

    fn claim(&mut self, eob: &Eob<'_>, text: &str, line: u64) {
        self.records += 1;
        let place = Place { row: self.records, line: Some(line), segment: None, field: None };
        if eob.is_before_r4()
            && let Some(wrong) = wrong::before_r4(text)
        {
            return self.wait(Waiting::Row(rejected(&self.file, wrong, &place, MoneySummary::default())));
        }
        let mut rounded = Rounded::default();
        let mut cents = ToCents { rounding: self.rounding, rounded: &mut rounded };
        match statement::read(eob, place.clone(), &mut cents) {
            Ok(draft) => {
                // Only what becomes a statement was rounded for the member.
                self.rounded += rounded;
                self.waiting_bytes += text.len();
                self.wait(Waiting::Draft(Box::new(draft), text.len()));
            }
            Err(wrong) => {
                let money = statement::money_of(eob);
                self.wait(Waiting::Row(rejected(&self.file, wrong, &place, money)));
            }
        }
    }

    fn other(&mut self, kind: &str, text: &str, full_url: Option<&str>) {
        // Names of kinds come from the file: what does not look like one is not repeated.
        let is_name = kind.len() <= 40 && kind.bytes().all(|byte| byte.is_ascii_alphabetic());
        let name = if is_name && (self.others.len() < KINDS_MAX || self.others.contains_key(kind)) { kind } else { "of other kinds" };
        *self.others.entry(name.to_owned()).or_default() += 1;
        self.directory.take(text, full_url);
    }

    /// A record that could not be read: it may have been a claim, so it is a row.
    pub(super) fn damaged(&mut self, wrong: Wrong, line: u64) {
        self.records += 1;
        let place = Place { row: self.records, line: Some(line), segment: None, field: None };
        self.wait(Waiting::Row(rejected(&self.file, wrong, &place, MoneySummary::default())));
    }

    fn wait(&mut self, row: Waiting) {
        self.waiting.push_back(row);
    }

    /// The first row that waits for nothing more.
    pub(super) fn ready(&mut self) -> Option<Row> {
        let is_full = self.waiting.len() > WAITING_MAX || self.waiting_bytes > WAITING_BYTES_MAX;
        if let Waiting::Draft(draft, _) = self.waiting.front_mut()? {
            draft.learn(|reference| self.directory.find(reference));
            if draft.awaits_patient() && !is_full && !self.has_ended {
                return None;
            }
        }
        match self.waiting.pop_front()? {
            Waiting::Row(row) => Some(row),
            Waiting::Draft(draft, bytes) => {
                self.waiting_bytes -= bytes;
                let place = draft.place.clone();
                Some(draft.into_row().unwrap_or_else(|(wrong, money)| rejected(&self.file, wrong, &place, money)))
            }
        }
    }

    /// The file has ended.
    pub(super) fn end(&mut self) -> Result<(), Refusal> {
        self.has_ended = true;
        if self.records == 0 {
            let kinds: Vec<&str> = self.others.keys().map(String::as_str).collect();
            let found = if kinds.is_empty() { "none".to_owned() } else { format!("only {}", kinds.join(", ")) };
            return Err(refuse(&self.file, reason::NO_STATEMENTS, format!("expected ExplanationOfBenefit resources, found {found}")));
        }
        let passed_over = self.others.iter().filter(|(kind, _)| !REFERRED_TO.contains(&kind.as_str()));
        let passed_over: Vec<String> = passed_over.map(|(kind, count)| format!("{count} {kind}")).collect();
        if !passed_over.is_empty() {
            let expected = format!("ExplanationOfBenefit resources and what they refer to; passed over: {}", passed_over.join(", "));
            self.find(reason::OTHER_RESOURCE, expected);
        }
        if self.directory.not_kept > 0 {
            let expected = format!("patients, coverages and organizations of at most 256 MiB; {} were not kept", self.directory.not_kept);
            self.find(reason::REFERENCES_NOT_KEPT, expected);
        }
        Ok(())
    }

    /// Something about the file that belongs to no row.
    pub(super) fn find(&mut self, reason: &'static str, expected: impl Into<String>) {
        self.findings_count += 1;
        if self.findings.len() < FINDINGS_MAX {
            let place = Place { row: self.records, line: None, segment: None, field: None };
            self.findings.push(reject(&self.file, Wrong::new(reason, "", expected), &place));
        }
    }
}

fn rejected(file: &str, wrong: Wrong, place: &Place, money: MoneySummary) -> Row {
    Row::Rejected { reject: reject(file, wrong, place), money }
}

fn reject(file: &str, wrong: Wrong, place: &Place) -> Reject {
    let Wrong { reason, field, expected } = wrong;
    let field = Some(field).filter(|field| !field.is_empty());
    Reject {
        file: file.to_owned(),
        place: Place { field, ..place.clone() },
        reason: reason.to_owned(),
        expected,
        action: reason::action(reason).to_owned(),
    }
}
