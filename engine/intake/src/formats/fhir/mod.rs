//! FHIR R4 ExplanationOfBenefit: a resource, a Bundle, or NDJSON of a bulk export; CARIN's Blue Button profiles and Medicare's.
//!
//! ```text
//! bytes ─► framing ─► resource ─┬─ ExplanationOfBenefit ─► statement (amounts, codes, notes) ─► draft ─┐
//!                               └─ Patient, Coverage, Organization, Practitioner ─► directory ─────────┴─► row
//! ```
//! One ExplanationOfBenefit is one row; other resources are none. Those that claims refer to are kept by their names, and a claim waits
//! for its patient, since a search puts included resources after its matches ([`claims`]). Memory does not grow with the file.
//!
//! Refused, each saying so: resources of before R4, resources without amounts, money other than US dollars, modifier elements.
//! Shown but not mailed: what is not active and complete, what contradicts itself,
//! what names its patient by a reference that leads nowhere.
//!
//! What is passed over is said once, by kind and count. A file without any ExplanationOfBenefit is no batch.

mod amounts;
mod balance;
mod claims;
mod coding;
pub(crate) mod elements;
mod framing;
pub(crate) mod named;
pub(crate) mod references;
mod statement;
mod wrong;

use crate::amount::{Rounded, Rounding};
use crate::error::{refuse, unreadable};
use crate::{Row, reason};
use claims::Claims;
use elements::{BundleKeys, Entry, Text};
use framing::{Found, Framing};
use memchr::memmem;
use model::reject::{Refusal, Reject};
use std::io::Read;
use wrong::Wrong;

/// What a claim's status and outcome say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Final,
    /// Not mailed, for this reason.
    NotFinal(&'static str),
}

/// The rows of a FHIR file.
pub(crate) struct Resources<'r> {
    framing: Framing<'r>,
    claims: Claims,
    file: String,
    /// The Bundle that is open.
    bundle: Option<Bundle>,
}

#[derive(Debug, Default)]
struct Bundle {
    /// Matches so far; what a search includes is not counted in its total.
    entries: u64,
    total: Option<u64>,
    has_next: bool,
}

/// Whether a file that begins with `{` is FHIR and not another JSON: the names in its beginning tell.
pub(crate) fn begins(start: &[u8]) -> bool {
    let first = |names: &[&[u8]]| names.iter().filter_map(|name| memmem::find(start, name)).min();
    // A name of our own schema before any of FHIR's: what a text inside of a statement says is no evidence.
    let own = first(&[b"\"claim_number\"", b"\"kind\"", b"\"template\""]);
    // Names may stand in any order, and the one that tells best may come last in a long resource.
    let fhir =
        first(&[b"\"resourceType\"", b"\"fullUrl\"", b"\"adjudication\"", b"\"contained\"", b"\"insurance\"", b"\"billablePeriod\""]);
    fhir.is_some_and(|fhir| own.is_none_or(|own| fhir < own))
}

impl<'r> Resources<'r> {
    pub(crate) fn new(file: &str, source: Box<dyn Read + 'r>, rounding: Rounding) -> Self {
        Self { framing: Framing::new(source), claims: Claims::new(file, rounding), file: file.to_owned(), bundle: None }
    }

    pub(crate) fn source_records(&self) -> u64 {
        self.claims.records()
    }

    pub(crate) fn rounded(&self) -> Rounded {
        self.claims.rounded()
    }

    pub(crate) fn findings(&self) -> &[Reject] {
        self.claims.findings()
    }

    pub(crate) fn findings_count(&self) -> u64 {
        self.claims.findings_count()
    }

    /// The next row.
    pub(crate) fn next_row(&mut self) -> Result<Option<Row>, Refusal> {
        loop {
            if let Some(row) = self.claims.ready() {
                return Ok(Some(row));
            }
            if self.claims.has_ended() {
                return Ok(None);
            }
            self.advance()?;
        }
    }

    /// Reads one record more.
    fn advance(&mut self) -> Result<(), Refusal> {
        let found = self.framing.next().map_err(|error| unreadable(&self.file, &error))?;
        let line = self.framing.begins_in_line();
        match found {
            Found::Resource => {
                self.bundle = None;
                self.claims.take(self.framing.bytes(), None, line);
            }
            Found::Entry => self.entry(line),
            Found::BundleHead | Found::BundleTail => return self.bundle_keys(found),
            Found::Broken => self.claims.damaged(Wrong::new(reason::JSON_INVALID, "", "a JSON object: one resource"), line),
            Found::Truncated => self.claims.damaged(Wrong::new(reason::TRUNCATED, "", "the resource to be whole"), line),
            Found::TooLong => self.claims.damaged(Wrong::new(reason::RESOURCE_TOO_LONG, "", "a resource of at most 16 MiB"), line),
            Found::BundleNotClosed => {
                self.bundle = None;
                self.claims.find(reason::BUNDLE_NOT_CLOSED, "the Bundle to be closed: entries that followed are lost");
            }
            Found::BundleBroken => {
                return Err(self.bundle_broken(format!("a Bundle that is valid JSON; from line {line} on it is not")));
            }
            Found::End => self.claims.end()?,
        }
        Ok(())
    }

    fn entry(&mut self, line: u64) {
        let bytes = self.framing.bytes();
        // Read as far as the resource only: what is wrong in it is said when it is read itself.
        let entry: Entry<'_> = match std::str::from_utf8(bytes).ok().map(named::from_str) {
            Some(Ok(entry)) => entry,
            _ => return self.claims.take(bytes, None, line),
        };
        if entry.resource_type.is_some() {
            return self.claims.damaged(Wrong::new(reason::JSON_INVALID, "entry", "an entry around each resource"), line);
        }
        let mode = entry.search.as_ref().and_then(|search| search.mode.as_ref());
        if let (Some(bundle), true) = (&mut self.bundle, mode.is_none_or(|mode| mode.as_str() == "match")) {
            bundle.entries += 1;
        }
        match entry.resource {
            Some(resource) => self.claims.take(resource.get().as_bytes(), entry.full_url.as_ref().map(Text::as_str), line),
            None if entry.is_without_resource() => {}
            None => self.claims.damaged(Wrong::new(reason::FIELD_MISSING, "entry.resource", "a resource in the entry"), line),
        }
    }

    /// What a Bundle says before or after its entries.
    fn bundle_keys(&mut self, found: Found) -> Result<(), Refusal> {
        let is_tail = found == Found::BundleTail;
        let text = whole_object(self.framing.bytes(), is_tail);
        let Ok(keys) = serde_json::from_slice::<BundleKeys<'_>>(&text) else {
            return Err(self.bundle_broken(format!(
                "a Bundle with each of its elements once; around line {} it is not",
                self.framing.begins_in_line()
            )));
        };
        if is_tail && keys.entry.is_some() {
            return Err(self.bundle_broken("one list of entries in a Bundle".to_owned()));
        }
        if keys.kind.as_ref().map(Text::as_str) == Some("history") {
            return Err(refuse(&self.file, reason::BUNDLE_HISTORY, "expected a searchset, a collection or a batch, found a history"));
        }
        let mut bundle = if is_tail { self.bundle.take().unwrap_or_default() } else { Bundle::default() };
        bundle.has_next |= keys.link.iter().any(|link| link.relation.as_ref().is_some_and(|relation| relation.as_str() == "next"));
        bundle.total = bundle.total.or(keys.total);
        if !is_tail {
            self.bundle = Some(bundle);
        } else if bundle.has_next {
            self.claims.find(reason::BUNDLE_INCOMPLETE, "a Bundle with all entries; this one has a link to a next page");
        } else if let Some(total) = bundle.total.filter(|total| *total > bundle.entries) {
            self.claims.find(reason::BUNDLE_INCOMPLETE, format!("{total} entries, as the Bundle's total says, found {}", bundle.entries));
        }
        Ok(())
    }

    fn bundle_broken(&self, expected: String) -> Refusal {
        refuse(&self.file, reason::BUNDLE_BROKEN, format!("expected {expected}"))
    }
}

/// A resource of a file, or why it is none.
pub(crate) enum Each<'a> {
    /// Its text.
    Resource(&'a str),
    /// A reason code.
    Damaged(&'static str),
}

/// Gives out every resource of a file with its line, whatever the framing: for files of other resources than claims.
///
/// # Errors
/// [`Refusal`] where the file cannot be read to its end, or of `take`.
pub(crate) fn each_resource<'r>(
    source: Box<dyn Read + 'r>,
    file: &str,
    mut take: impl FnMut(u64, Each<'_>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let mut framing = Framing::new(source);
    loop {
        let found = framing.next().map_err(|error| unreadable(file, &error))?;
        let (line, bytes) = (framing.begins_in_line(), framing.bytes());
        let text = std::str::from_utf8(bytes).ok();
        let each = match (found, text) {
            (Found::Resource, Some(text)) => Each::Resource(text),
            (Found::Entry, Some(text)) => match named::from_str::<Entry<'_>>(text) {
                Ok(Entry { resource: Some(resource), .. }) => Each::Resource(resource.get()),
                Ok(entry) if entry.is_without_resource() => continue,
                _ => Each::Damaged(reason::JSON_INVALID),
            },
            (Found::Resource | Found::Entry, None) => Each::Damaged(reason::TEXT_NOT_UTF8),
            (Found::BundleHead | Found::BundleTail, _) => continue,
            (Found::Broken, _) => Each::Damaged(reason::JSON_INVALID),
            (Found::Truncated | Found::BundleNotClosed, _) => Each::Damaged(reason::TRUNCATED),
            (Found::TooLong, _) => Each::Damaged(reason::RESOURCE_TOO_LONG),
            (Found::BundleBroken, _) => {
                return Err(refuse(
                    file,
                    reason::BUNDLE_BROKEN,
                    format!("expected a Bundle that is valid JSON; from line {line} on it is not"),
                ));
            }
            (Found::End, _) => return Ok(()),
        };
        take(line, each)?;
    }
}

/// The keys before or after the entries as an object of their own.
fn whole_object(bytes: &[u8], is_tail: bool) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len() + 2);
    if is_tail {
        let keys = bytes.trim_ascii_start();
        text.push(b'{');
        text.extend_from_slice(keys.strip_prefix(b",").unwrap_or(keys));
    } else {
        text.extend_from_slice(bytes);
        text.extend_from_slice(b"]}");
    }
    text
}
