//! What the resources around a claim say: who the patient is, what provider and plan are called, which programme pays.
//!
//! A claim names them by reference. They stand in the claim itself (`contained`), in the Bundle, or in lines of the same file. What a
//! reference points to is looked for under every name the resource goes by: `Patient/1`, its full URL, `urn:uuid:…`. Two different
//! resources under one name are none: nobody guesses.
//!
//! What is kept takes at most [`KNOWN_BYTES_MAX`], however large the file is.

use super::elements::{AnyResource, Coverage, HumanName, Identifier, Organization, Patient, Period, Practitioner, Reference, Text};
use super::named;
use crate::validate::iso_date;
use model::statement::{Member, Program};
use model::{Date, Private};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes of names and references that are kept of a file: those of about half a million patients.
const KNOWN_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Ids and names of one patient that are kept.
const IDS_MAX: usize = 16;
const NAMES_MAX: usize = 8;
/// What a kept resource takes beside its texts, roughly.
const KNOWN_ENTRY_BYTES: usize = 200;

/// A person, as the claim's member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Person {
    /// Ids, the plan's member number first.
    pub(super) ids: Vec<Private>,
    /// Names with the time in which they hold, the one to show first.
    pub(super) names: Vec<Name>,
    pub(super) birth_date: Option<Date>,
}

/// A name of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) shown: Private,
    pub(crate) given: Private,
    pub(crate) family: Private,
    from: Option<Date>,
    to: Option<Date>,
    rank: u8,
}

/// What a resource around a claim says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Known {
    Person(Arc<Person>),
    /// The name of an organization or a practitioner.
    Named(Private),
    Coverage(Arc<CoverageFacts>),
    /// Two different resources go by this name.
    Ambiguous,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct CoverageFacts {
    pub(super) program: Option<Program>,
    pub(super) subscriber_id: Option<Private>,
    pub(super) payer: Option<Private>,
    /// Whom it covers.
    pub(super) beneficiary: Option<Private>,
}

/// The resources of a file that claims may refer to.
#[derive(Default)]
pub(super) struct Directory {
    by_name: BTreeMap<String, Known>,
    bytes: usize,
    /// Resources for which there was no room.
    pub(super) not_kept: u64,
}

impl Directory {
    /// Takes a resource, if claims may refer to it. `None` where it is of another kind; `Some(true)` where something new is known now.
    pub(super) fn take(&mut self, text: &str, full_url: Option<&str>) -> Option<bool> {
        let (kind, id, known) = read(text, false)?;
        let mut is_new = false;
        for name in names_of(kind, id.as_deref(), full_url) {
            is_new |= self.insert(name, known.clone());
        }
        Some(is_new)
    }

    fn insert(&mut self, name: String, known: Known) -> bool {
        if let Some(there) = self.by_name.get_mut(&name) {
            let differs = *there != known;
            if differs {
                *there = Known::Ambiguous;
            }
            return differs;
        }
        let bytes = name.len() + known.bytes() + KNOWN_ENTRY_BYTES;
        if self.bytes + bytes > KNOWN_BYTES_MAX {
            self.not_kept += 1;
            return false;
        }
        self.bytes += bytes;
        self.by_name.insert(name, known);
        true
    }

    /// What a reference points to.
    pub(super) fn find(&self, reference: &str) -> Option<&Known> {
        self.by_name.get(reference).or_else(|| self.by_name.get(&relative(reference)?))
    }
}

impl Known {
    fn bytes(&self) -> usize {
        match self {
            Self::Person(person) => {
                let names = person.names.iter().map(|name| name.shown.reveal().len() * 2 + 100);
                names.sum::<usize>() + person.ids.iter().map(|id| id.reveal().len() + 24).sum::<usize>()
            }
            Self::Named(name) => name.reveal().len(),
            Self::Coverage(_) => 100,
            Self::Ambiguous => 0,
        }
    }
}

/// The names a resource goes by.
fn names_of(kind: &str, id: Option<&str>, full_url: Option<&str>) -> Vec<String> {
    let mut names = Vec::with_capacity(3);
    if let Some(id) = id {
        names.push(format!("{kind}/{id}"));
        // Synthea's bulk files refer to `urn:uuid:` of the id.
        names.push(format!("urn:uuid:{id}"));
    }
    if let Some(url) = full_url
        && !names.iter().any(|name| name == url)
    {
        names.push(url.to_owned());
    }
    names
}

/// `Patient/1` of `https://plan.example/fhir/Patient/1/_history/2`.
fn relative(reference: &str) -> Option<String> {
    let current = reference.split("/_history/").next()?;
    let mut parts = current.rsplit('/');
    let (id, kind) = (parts.next()?, parts.next()?);
    let is_kind = kind.bytes().all(|byte| byte.is_ascii_alphabetic()) && kind.starts_with(|first: char| first.is_ascii_uppercase());
    (is_kind && !id.is_empty()).then(|| format!("{kind}/{id}"))
}

/// Reads a resource that claims refer to: its kind, its id, and what it says. The id of a contained resource is no id outside of the claim.
pub(super) fn read(text: &str, is_contained: bool) -> Option<(&'static str, Option<String>, Known)> {
    let kind = named::from_str::<AnyResource<'_>>(text).ok()?.resource_type?;
    let owned = |id: Option<Text<'_>>| id.map(|id| id.as_str().to_owned());
    match kind.as_str() {
        "Patient" => {
            let patient: Patient<'_> = named::from_str(text).ok()?;
            let known = person(&patient, is_contained)?;
            Some(("Patient", owned(patient.id), Known::Person(Arc::new(known))))
        }
        "Organization" => {
            let organization: Organization<'_> = named::from_str(text).ok()?;
            Some(("Organization", owned(organization.id), Known::Named(shown(organization.name.as_ref()?)?)))
        }
        "Practitioner" => {
            let practitioner: Practitioner<'_> = named::from_str(text).ok()?;
            let name = names(&practitioner.name).into_iter().next()?;
            Some(("Practitioner", owned(practitioner.id), Known::Named(name.shown)))
        }
        "Coverage" => {
            let coverage: Coverage<'_> = named::from_str(text).ok()?;
            let facts = coverage_facts(&coverage);
            Some(("Coverage", owned(coverage.id), Known::Coverage(Arc::new(facts))))
        }
        _ => None,
    }
}

fn coverage_facts(coverage: &Coverage<'_>) -> CoverageFacts {
    let payer = coverage.payor.first().and_then(|payor| payor.display.as_ref());
    CoverageFacts {
        program: coverage.kind.as_ref().and_then(super::coding::program_of_coverage),
        subscriber_id: coverage.subscriber_id.as_ref().and_then(shown),
        payer: payer.and_then(shown),
        beneficiary: coverage.beneficiary.as_ref().and_then(|beneficiary| Some(Private::from(beneficiary.reference.as_ref()?.as_str()))),
    }
}

/// A patient as a member; `None` where an element that changes its meaning is not understood.
fn person(patient: &Patient<'_>, is_contained: bool) -> Option<Person> {
    if patient.modifier_extension.is_some() {
        return None;
    }
    let mut ids = member_ids(&patient.identifier);
    ids.truncate(IDS_MAX);
    ids.extend(patient.id.as_ref().filter(|_| !is_contained).and_then(shown));
    let birth_date = patient.birth_date.as_ref().and_then(|date| iso_date(date.as_str().as_bytes()));
    let mut names = names(&patient.name);
    names.truncate(NAMES_MAX);
    Some(Person { ids, names, birth_date })
}

/// The identifiers by which plans know a member, the best first; what is not current comes later, and what is said to be old not at all.
pub(crate) fn member_ids(identifiers: &[Identifier<'_>]) -> Vec<Private> {
    let rank = |identifier: &Identifier<'_>| {
        let coding = identifier.kind.iter().flat_map(|kind| &kind.coding);
        let by_type = coding.filter_map(|coding| match (coding.system(), coding.code()) {
            (_, "MB") => Some(0u8),
            ("http://hl7.org/fhir/us/carin-bb/CodeSystem/C4BBIdentifierType", "um") => Some(1),
            (_, "MC") => Some(3),
            _ => None,
        });
        let by_system = match identifier.system.as_ref().map(Text::as_str) {
            Some("http://hl7.org/fhir/sid/us-mbi") => Some(3),
            Some("https://bluebutton.cms.gov/resources/variables/bene_id") => Some(2),
            _ => None,
        };
        by_type.min().or(by_system)
    };
    let mut ranked: Vec<(u8, bool, Private)> = identifiers
        .iter()
        .filter(|identifier| identifier.usage.as_ref().is_none_or(|usage| usage.as_str() != "old"))
        .filter_map(|identifier| {
            let has_ended = identifier.period.as_ref().is_some_and(|period| period.end.is_some());
            Some((rank(identifier)?, has_ended, shown(identifier.value.as_ref()?)?))
        })
        .collect();
    ranked.sort_by_key(|(rank, has_ended, _)| (*has_ended, *rank));
    let mut ids: Vec<Private> = Vec::new();
    for (_, _, id) in ranked {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

/// The names of a person, the one to show first: official, then usual, then of no use, then others; of equal ones the latest.
/// Nicknames, and what is said to be anonymous, are none.
pub(crate) fn names(list: &[HumanName<'_>]) -> Vec<Name> {
    let mut names: Vec<Name> = list.iter().filter_map(name).collect();
    names.sort_by(|one, other| {
        (one.to.is_some(), one.rank, std::cmp::Reverse(one.from)).cmp(&(other.to.is_some(), other.rank, std::cmp::Reverse(other.from)))
    });
    names
}

fn name(source: &HumanName<'_>) -> Option<Name> {
    let rank = match source.usage.as_ref().map(Text::as_str) {
        Some("official") => 0,
        Some("usual") => 1,
        None => 2,
        Some("old" | "maiden") => 4,
        Some("nickname" | "anonymous") => return None,
        Some(_) => 3,
    };
    let given = joined(source.given.iter());
    let family = joined(source.family.iter());
    let parts = joined(source.given.iter().chain(&source.family).chain(&source.suffix));
    let shown = if parts.is_empty() { joined(source.text.iter()) } else { parts };
    let (from, to) = days(source.period.as_ref());
    (!shown.is_empty()).then(|| Name { shown: shown.into(), given: given.into(), family: family.into(), from, to, rank })
}

fn joined<'a>(parts: impl Iterator<Item = &'a Text<'a>>) -> String {
    let parts: Vec<String> = parts.map(|part| plain(part.as_str())).filter(|part| !part.is_empty()).collect();
    parts.join(" ")
}

/// The days of a period, as far as they are whole days.
pub(crate) fn days(period: Option<&Period<'_>>) -> (Option<Date>, Option<Date>) {
    let read = |text: &Option<Text<'_>>| text.as_ref().and_then(|text| day(text.as_str()));
    period.map_or((None, None), |period| (read(&period.start), read(&period.end)))
}

/// The day of a date or a date with time, as it is written: a service date is never shifted by a time zone. `None` where it has no day.
pub(crate) fn day(text: &str) -> Option<Date> {
    let (date, rest) = text.split_at_checked(10)?;
    if rest.is_empty() || rest.starts_with('T') { iso_date(date.as_bytes()) } else { None }
}

/// A text on one line: FHIR lets texts have line ends and tabs, a header line does not.
pub(crate) fn plain(text: &str) -> String {
    let is_plain = !text.starts_with(' ') && !text.ends_with(' ') && !text.bytes().any(|byte| matches!(byte, b'\r' | b'\n' | b'\t'));
    if is_plain {
        return text.to_owned();
    }
    text.split(['\r', '\n', '\t', ' ']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A text to show; `None` where it says nothing.
pub(crate) fn shown(text: &Text<'_>) -> Option<Private> {
    let plain = plain(text.as_str());
    (!plain.is_empty()).then(|| plain.into())
}

impl Person {
    /// The name that held on a day; without one, the one to show first.
    fn name_on(&self, day: Option<Date>) -> Option<&Name> {
        let holds = |name: &&Name| {
            let Some(day) = day else { return false };
            name.rank < 4
                && (name.from.is_some() || name.to.is_some())
                && name.from.is_none_or(|from| from <= day)
                && name.to.is_none_or(|to| day <= to)
        };
        // A name with no period holds always; one with a period that fits is more certain only where the first one does not hold.
        let first = self.names.first()?;
        let first_holds = day.is_none_or(|day| first.from.is_none_or(|from| from <= day) && first.to.is_none_or(|to| day <= to));
        if first_holds { Some(first) } else { self.names.iter().find(holds).or(Some(first)) }
    }

    /// As the member of a claim of this day, and all else it is known by: other ids with that name, and other names with each id.
    pub(super) fn as_member(&self, day: Option<Date>) -> (Member, Vec<Member>) {
        let shown = self.name_on(day);
        let member = |id: &Private, name: Option<&Name>| Member {
            id: id.clone(),
            name: name.map(|name| name.shown.clone()).unwrap_or_default(),
            given_name: name.map(|name| name.given.clone()).unwrap_or_default(),
            family_name: name.map(|name| name.family.clone()).unwrap_or_default(),
            birth_date: self.birth_date,
        };
        let nobody = Private::default();
        let first = member(self.ids.first().unwrap_or(&nobody), shown);
        let others = self.ids.iter().skip(1).map(|id| member(id, shown));
        (first, others.collect())
    }
}

/// What a reference names by itself: a display.
pub(super) fn display(reference: Option<&Reference<'_>>) -> Option<Private> {
    shown(reference?.display.as_ref()?)
}
