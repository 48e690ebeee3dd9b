//! FHIR Patient resources as contact data: NDJSON of a bulk export, a Bundle, or one resource.
//!
//! ```text
//! identifier  MB, um, Medicare's number; the resource's id   ┐
//! Coverage    subscriberId of whom it covers                 ├─► one row per id and name of the person, all with the same address
//! name[]      the one that holds, and earlier ones           ┘
//! telecom[]   e-mail: not old, without an end before one with, by rank, at home before at work
//! address[]   for paper: not old, without an end, for post before physical alone, at home before at work
//! ```
//! A patient has several ids, and files name it by any of them; every row still needs the name or the birth date to match, so that
//! an id alone never finds an address. Earlier names are rows too: a claim of before a marriage has the earlier one.
//!
//! A patient who is said to be deceased without a day counts as deceased on the day of birth: what matters is that nobody writes.
//! Records that are not active any more (a merged duplicate) and those with a modifier element that nobody here knows are left out,
//! and said.
//!
//! The one surprise: FHIR Patients state no consent, so such a file decides nothing about it.

use super::columns::{Column, ColumnsSeen, ContactRow};
use crate::formats::fhir::elements::{AnyResource, Coverage, HumanName, Identifier, Period, Text, There};
use crate::formats::fhir::named;
use crate::formats::fhir::references::{day, days, member_ids, names, plain};
use crate::formats::fhir::{Each, each_resource};
use crate::reason;
use model::Date;
use model::reject::Refusal;
use std::borrow::Cow;
use std::io::Read;

/// Ids of one patient that become rows.
const IDS_MAX: usize = 16;
/// Names of one patient that become rows.
const NAMES_MAX: usize = 8;

/// What the file has, in its order.
pub(super) enum Found<'a> {
    /// A row; only the first of a patient says whose address it is ([`super::sharing`]).
    Row { row: Box<ContactRow<'a>>, is_first: bool },
    /// The patient of this id (without its kind) is covered under this subscriber id.
    Covered { patient: String, subscriber_id: String },
    /// Left out: reason and field.
    LeftOut(&'static str, &'static str),
}

/// Reads a file of FHIR resources.
///
/// # Errors
/// [`Refusal`] where it cannot be read to its end, or of `take`.
pub(super) fn read<'r>(
    source: Box<dyn Read + 'r>,
    file: &str,
    columns: &mut ColumnsSeen,
    mut take: impl FnMut(u64, Found<'_>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    for column in [
        Column::MemberId,
        Column::Name,
        Column::GivenName,
        Column::FamilyName,
        Column::BirthDate,
        Column::Email,
        Column::DeceasedOn,
        Column::Language,
        Column::PostalLine1,
        Column::PostalLine2,
        Column::PostalCity,
        Column::PostalState,
        Column::PostalCode,
        Column::PostalCountry,
    ] {
        columns.note(column);
    }
    each_resource(source, file, |line, each| {
        let text = match each {
            Each::Resource(text) => text,
            Each::Damaged(reason) => return take(line, Found::LeftOut(reason, "Patient")),
        };
        let Ok(AnyResource { resource_type: Some(kind) }) = named::from_str(text) else {
            return take(line, Found::LeftOut(reason::JSON_INVALID, "resourceType"));
        };
        match kind.as_str() {
            "Patient" => match named::from_str::<Patient<'_>>(text) {
                Ok(patient) => patient_rows(&patient, |found| take(line, found)),
                Err(_) => take(line, Found::LeftOut(reason::WRONG_TYPE, "Patient")),
            },
            "Coverage" => match named::from_str::<Coverage<'_>>(text).ok().and_then(|coverage| covered(&coverage)) {
                Some(covered) => take(line, covered),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    })
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Patient<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    active: Option<bool>,
    identifier: Vec<Identifier<'a>>,
    name: Vec<HumanName<'a>>,
    telecom: Vec<Telecom<'a>>,
    birth_date: Option<Text<'a>>,
    deceased_boolean: Option<bool>,
    deceased_date_time: Option<Text<'a>>,
    communication: Vec<Communication<'a>>,
    address: Vec<Address<'a>>,
    modifier_extension: Option<There>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Telecom<'a> {
    #[serde(borrow)]
    system: Option<Text<'a>>,
    #[serde(borrow)]
    value: Option<Text<'a>>,
    #[serde(borrow, rename = "use")]
    usage: Option<Text<'a>>,
    rank: Option<u32>,
    period: Option<Period<'a>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Address<'a> {
    #[serde(borrow, rename = "use")]
    usage: Option<Text<'a>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    text: Option<Text<'a>>,
    #[serde(borrow)]
    line: Vec<Text<'a>>,
    #[serde(borrow)]
    city: Option<Text<'a>>,
    #[serde(borrow)]
    state: Option<Text<'a>>,
    #[serde(borrow)]
    postal_code: Option<Text<'a>>,
    #[serde(borrow)]
    country: Option<Text<'a>>,
    period: Option<Period<'a>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Communication<'a> {
    #[serde(borrow)]
    language: crate::formats::fhir::elements::Concept<'a>,
    preferred: Option<bool>,
}

fn patient_rows(patient: &Patient<'_>, mut take: impl FnMut(Found<'_>) -> Result<(), Refusal>) -> Result<(), Refusal> {
    if patient.modifier_extension.is_some() {
        return take(Found::LeftOut(reason::MODIFIER_UNKNOWN, "modifierExtension"));
    }
    if patient.active == Some(false) {
        return take(Found::LeftOut(reason::PATIENT_INACTIVE, "active"));
    }
    let mut ids: Vec<String> = member_ids(&patient.identifier).iter().map(|id| id.reveal().to_owned()).collect();
    ids.extend(patient.id.as_ref().map(|id| id.as_str().to_owned()).filter(|id| !ids.contains(id)));
    if ids.is_empty() {
        return take(Found::LeftOut(reason::MEMBER_ID_MISSING, "identifier"));
    }
    let names = names(&patient.name);
    let birth_date = patient.birth_date.as_ref().and_then(|date| day(date.as_str()));
    let (email, from, until) = email(&patient.telecom);
    let written = |date: Option<Date>| date.map(|date| date.to_string()).unwrap_or_default();
    let deceased_on = written(deceased_on(patient, birth_date));
    let (birth_date, from, until) = (written(birth_date), written(from), written(until));
    let language = language(&patient.communication);
    let [line_1, line_2, city, state, code, country] = postal(&patient.address);
    let mut is_first = true;
    for position in 0..names.len().clamp(1, NAMES_MAX) {
        let name = names.get(position);
        for id in ids.iter().take(IDS_MAX) {
            let row = ContactRow {
                member_id: Cow::Borrowed(id),
                name: name.map_or(Cow::Borrowed(""), |name| name.shown.reveal().into()),
                given_name: name.map_or(Cow::Borrowed(""), |name| name.given.reveal().into()),
                family_name: name.map_or(Cow::Borrowed(""), |name| name.family.reveal().into()),
                birth_date: Cow::Borrowed(&birth_date),
                email: Cow::Borrowed(&email),
                deceased_on: Cow::Borrowed(&deceased_on),
                effective_from: Cow::Borrowed(&from),
                effective_until: Cow::Borrowed(&until),
                language: Cow::Borrowed(&language),
                postal_line_1: Cow::Borrowed(&line_1),
                postal_line_2: Cow::Borrowed(&line_2),
                postal_city: Cow::Borrowed(&city),
                postal_state: Cow::Borrowed(&state),
                postal_code: Cow::Borrowed(&code),
                postal_country: Cow::Borrowed(&country),
                ..ContactRow::default()
            };
            take(Found::Row { row: Box::new(row), is_first })?;
            is_first = false;
        }
    }
    Ok(())
}

/// Where no day of death is stated: the day of birth, else a day before anyone's statement.
fn deceased_on(patient: &Patient<'_>, birth_date: Option<Date>) -> Option<Date> {
    let stated = patient.deceased_date_time.as_ref();
    if let Some(day) = stated.and_then(|date| day(date.as_str())) {
        return Some(day);
    }
    let is_deceased = stated.is_some() || patient.deceased_boolean == Some(true);
    is_deceased.then(|| birth_date.unwrap_or(Date::constant(1900, 1, 1)))
}

/// The e-mail address to write to, and when it holds.
fn email(telecom: &[Telecom<'_>]) -> (String, Option<Date>, Option<Date>) {
    let usage = |telecom: &Telecom<'_>| telecom.usage.as_ref().map_or("", |usage| usage.as_str()).to_owned();
    let emails = telecom.iter().filter(|telecom| telecom.system.as_ref().is_some_and(|system| system.as_str() == "email"));
    let usable = emails.filter(|telecom| telecom.value.is_some() && usage(telecom) != "old");
    let best = usable.min_by_key(|telecom| {
        let (_, until) = days(telecom.period.as_ref());
        let place = match usage(telecom).as_str() {
            "home" => 0u8,
            "" | "mobile" => 1,
            "temp" => 2,
            _ => 3,
        };
        // FHIR R4 ContactPoint.rank: "1 = highest"; without a rank, after those with one.
        (until.is_some(), telecom.rank.unwrap_or(u32::MAX), place)
    });
    let Some(best) = best else { return (String::new(), None, None) };
    let (from, until) = days(best.period.as_ref());
    let address = best.value.as_ref().map(|value| plain(value.as_str())).unwrap_or_default();
    (address.strip_prefix("mailto:").unwrap_or(&address).to_owned(), from, until)
}

/// Where post goes: for post before where one can visit only, at home before at work. One that is old, or holds until a day, is none: whose
/// it is after that day nobody knows.
fn postal(addresses: &[Address<'_>]) -> [String; 6] {
    let word = |text: &Option<Text<'_>>| text.as_ref().map_or_else(String::new, |text| plain(text.as_str()));
    let usable = addresses.iter().filter(|address| word(&address.usage) != "old" && days(address.period.as_ref()).1.is_none());
    let best = usable.filter(|address| !address.line.is_empty() || address.text.is_some()).min_by_key(|address| {
        let kind = u8::from(word(&address.kind) == "physical");
        let place = match word(&address.usage).as_str() {
            "home" => 0u8,
            "" | "billing" => 1,
            "temp" => 2,
            _ => 3,
        };
        (kind, place)
    });
    let Some(best) = best else { return Default::default() };
    let mut lines = best.line.iter().map(|line| plain(line.as_str())).filter(|line| !line.is_empty());
    let Some(first) = lines.next() else {
        return [word(&best.text), String::new(), String::new(), String::new(), String::new(), String::new()];
    };
    let second = lines.collect::<Vec<_>>().join(", ");
    [first, second, word(&best.city), word(&best.state), word(&best.postal_code), word(&best.country)]
}

/// The preferred language; without a preference the only one.
fn language(communication: &[Communication<'_>]) -> String {
    let preferred = communication.iter().find(|one| one.preferred == Some(true));
    let only = if communication.len() == 1 { communication.first() } else { None };
    let coding = preferred.or(only).and_then(|one| one.language.coding.iter().find(|coding| is_language(coding.system())));
    let code = coding.map(|coding| coding.code()).filter(|code| model::LanguageTag::parse(code).is_ok());
    code.unwrap_or_default().to_owned()
}

fn is_language(system: &str) -> bool {
    matches!(system, "urn:ietf:bcp:47" | "")
}

fn covered(coverage: &Coverage<'_>) -> Option<Found<'static>> {
    let reference = coverage.beneficiary.as_ref()?.reference.as_ref()?.as_str();
    let patient = reference.split("/_history/").next()?.rsplit(['/', ':']).next()?.to_owned();
    let subscriber_id = plain(coverage.subscriber_id.as_ref()?.as_str());
    (!patient.is_empty() && !subscriber_id.is_empty()).then_some(Found::Covered { patient, subscriber_id })
}
