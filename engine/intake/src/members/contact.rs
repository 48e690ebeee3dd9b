//! One contact: what a row of contact data says about a person, checked.
//!
//! Whoever is told wrongly here is written to wrongly. So a value that cannot be understood is never passed over: its row is rejected
//! by name, and the person it is about is not written to by another row either ([`Contact::is_damaged`]). Addresses alone
//! are not checked here: a malformed one is `address_malformed` when it is needed, and nothing else takes its place.

use super::columns::ContactRow;
use super::source::civil_date;
use crate::reason;
use jiff::civil::Date;
use model::{LanguageTag, Private, Protection};
use std::collections::BTreeMap;

/// What a contact row says. The texts are borrowed from the row or from the table.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Contact<'t> {
    pub(crate) id: &'t str,
    pub(crate) name: &'t str,
    pub(crate) given_name: &'t str,
    pub(crate) family_name: &'t str,
    pub(crate) email: &'t str,
    pub(crate) birth_date: Option<Date>,
    pub(crate) deceased_on: Option<Date>,
    pub(crate) consent: Consent,
    pub(crate) representative: Option<Representative<'t>>,
    pub(crate) sensitive_route: Option<Route<'t>>,
    pub(crate) alternative_address: Option<Route<'t>>,
    pub(crate) effective: Span,
    pub(crate) language: Option<&'t str>,
    pub(crate) format: Option<Wish>,
    pub(crate) protection: Option<Protection>,
    /// Where paper goes.
    pub(crate) postal: Option<Postal<'t>>,
    /// Where paper goes instead, because the person asked for it (45 CFR 164.522(b)).
    pub(crate) alternative_postal: Option<Postal<'t>>,
    pub(crate) is_damaged: bool,
}

/// Nothing of it is for logs.
impl std::fmt::Debug for Contact<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Contact(***)")
    }
}

impl Contact<'_> {
    /// The name to greet.
    pub(crate) fn shown_name(&self) -> Private {
        if !self.name.is_empty() {
            return self.name.into();
        }
        let parts = [self.given_name, self.family_name];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ").into()
    }
}

impl Contact<'_> {
    /// Everything the row states, readable, by the plain names of its columns: for an operator who asks for one member.
    pub fn reveal(&self) -> BTreeMap<&'static str, String> {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let day = |date: Option<Date>| date.map(|date| date.to_string());
        let route = |route: Option<Route<'_>>| match route {
            Some(Route::Email(address)) => Some(address.to_owned()),
            Some(Route::Paper) => Some("paper".to_owned()),
            None => None,
        };
        let kinds = |kinds: Kinds| {
            let words = [(Kinds::EOB, "eob"), (Kinds::BILL, "bill"), (Kinds::NOTICE, "notice")];
            let named: Vec<&str> = words.into_iter().filter(|(kind, _)| kinds.has(*kind)).map(|(_, word)| word).collect();
            if named.is_empty() { "none".to_owned() } else { named.join(" ") }
        };
        let acting = self.representative;
        let stated = [
            ("member_id", text(self.id)),
            ("name", text(self.name)),
            ("given_name", text(self.given_name)),
            ("family_name", text(self.family_name)),
            ("birth_date", day(self.birth_date)),
            ("email", text(self.email)),
            ("deceased_on", day(self.deceased_on)),
            ("consent_kinds", self.consent.kinds.map(kinds)),
            ("consent_given_on", day(self.consent.given_on)),
            ("consent_withdrawn_on", day(self.consent.withdrawn_on)),
            ("representative_name", acting.and_then(|one| text(one.name))),
            ("representative_email", acting.and_then(|one| text(one.email))),
            ("representative_authority", acting.and_then(|one| one.authority).map(|authority| authority.as_str().to_owned())),
            ("representative_from", acting.and_then(|one| day(one.during.from))),
            ("representative_until", acting.and_then(|one| day(one.during.until))),
            ("sensitive_route", route(self.sensitive_route)),
            ("alternative_address", route(self.alternative_address)),
            ("effective_from", day(self.effective.from)),
            ("effective_until", day(self.effective.until)),
            ("language", self.language.map(str::to_owned)),
            ("format", self.format.map(|wish| wish.as_str().to_owned())),
            ("protection", self.protection.map(|level| format!("{level:?}"))),
            ("row_rejected", self.is_damaged.then(|| "yes".to_owned())),
        ];
        let postal = POSTAL_COLUMNS.into_iter().zip(self.postal.unwrap_or_default().parts());
        let alternative = ALTERNATIVE_POSTAL_COLUMNS.into_iter().zip(self.alternative_postal.unwrap_or_default().parts());
        let postal = postal.chain(alternative).map(|(name, part)| (name, text(part)));
        stated.into_iter().chain(postal).filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

impl Authority {
    /// The word in contact data.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Parent => "parent",
            Self::Guardian => "guardian",
            Self::PowerOfAttorney => "power_of_attorney",
            Self::Executor => "executor",
        }
    }
}

impl Wish {
    /// The word in contact data.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Notice => "notice",
            Self::Paper => "paper",
        }
    }
}

/// What a person agreed to receive electronically (29 CFR 2520.104b-1(c)(2)(ii)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Consent {
    /// Which kinds; `None` where the row does not list them.
    pub kinds: Option<Kinds>,
    /// The first day.
    pub given_on: Option<Date>,
    /// From this day on it no longer holds, unless it was given again later.
    pub withdrawn_on: Option<Date>,
}

/// Kinds of documents that a consent covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kinds(u8);

impl Kinds {
    /// None at all.
    pub const NONE: Self = Self(0);
    /// Explanations of Benefits.
    pub const EOB: Self = Self(1);
    /// Billing statements.
    pub const BILL: Self = Self(2);
    /// A word that a document waits in the portal, naming nothing of it.
    pub const NOTICE: Self = Self(4);
    /// Every kind.
    pub const ALL: Self = Self(7);

    /// Whether all of `kinds` are among these.
    pub const fn has(self, kinds: Self) -> bool {
        self.0 & kinds.0 == kinds.0
    }

    /// Both.
    pub const fn with(self, kinds: Self) -> Self {
        Self(self.0 | kinds.0)
    }

    pub(super) const fn bits(self) -> u8 {
        self.0
    }

    pub(super) const fn from_bits(bits: u8) -> Self {
        Self(bits & Self::ALL.0)
    }
}

/// Somebody who may act for a member (45 CFR 164.502(g)).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Representative<'t> {
    pub(crate) name: &'t str,
    pub(crate) email: &'t str,
    /// `None` where the row does not say what it rests on: then it is none.
    pub(crate) authority: Option<Authority>,
    pub(crate) during: Span,
}

impl std::fmt::Debug for Representative<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Representative(***, {:?})", self.authority)
    }
}

/// What a representative's right rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    /// Of a minor.
    Parent,
    /// Of a minor, or of an adult by a court's order (conservators too).
    Guardian,
    /// By the member's own word; ends with the member's death.
    PowerOfAttorney,
    /// Of a person who died: executors, administrators.
    Executor,
}

/// The parts of a postal address.
const POSTAL_PARTS: usize = 6;
/// The columns of a postal address, in the order of [`Postal::parts`].
const POSTAL_COLUMNS: [&str; POSTAL_PARTS] =
    ["postal_line_1", "postal_line_2", "postal_city", "postal_state", "postal_code", "postal_country"];
const ALTERNATIVE_POSTAL_COLUMNS: [&str; POSTAL_PARTS] = [
    "alternative_postal_line_1",
    "alternative_postal_line_2",
    "alternative_postal_city",
    "alternative_postal_state",
    "alternative_postal_code",
    "alternative_postal_country",
];

/// A postal address, as it is stated; a part that is not is empty.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Postal<'t> {
    pub(crate) lines: [&'t str; 2],
    pub(crate) city: &'t str,
    pub(crate) state: &'t str,
    pub(crate) code: &'t str,
    pub(crate) country: &'t str,
}

impl std::fmt::Debug for Postal<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Postal(***)")
    }
}

impl<'t> Postal<'t> {
    /// Its parts in the order of the columns.
    pub(crate) const fn parts(self) -> [&'t str; POSTAL_PARTS] {
        [self.lines[0], self.lines[1], self.city, self.state, self.code, self.country]
    }

    /// Out of its parts. A state or a country alone is no address: `None` where no line is stated.
    pub(crate) fn of([first, second, city, state, code, country]: [&'t str; POSTAL_PARTS]) -> Option<Self> {
        let lines = if first.is_empty() { [second, ""] } else { [first, second] };
        (!lines[0].is_empty()).then_some(Self { lines, city, state, code, country })
    }
}

/// Where a person wants it to go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Route<'t> {
    /// To this e-mail address.
    Email(&'t str),
    /// Not by e-mail.
    Paper,
}

impl std::fmt::Debug for Route<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if *self == Self::Paper { "Paper" } else { "Email(***)" })
    }
}

/// In which form a person wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// The statement itself, by e-mail.
    Full,
    /// A word that it is in the portal.
    Notice,
    /// On paper; large print, braille and audio are made from there.
    Paper,
}

/// Days from and until which something holds, both included; open where a side is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// The first day.
    pub from: Option<Date>,
    /// The last day.
    pub until: Option<Date>,
}

impl Span {
    /// Whether it holds on a day.
    pub fn holds_on(self, day: Date) -> bool {
        self.from.is_none_or(|from| from <= day) && self.until.is_none_or(|until| day <= until)
    }
}

/// Why a row is none: a code of [`crate::reason`], and the column.
pub(super) type Wrong = (&'static str, &'static str);

/// Checks a row: an id, something to tell the person by, and values that can be understood.
pub(super) fn checked<'r>(row: &'r ContactRow<'_>) -> Result<Contact<'r>, Wrong> {
    if row.member_id.is_empty() {
        return Err((reason::MEMBER_ID_MISSING, "member_id"));
    }
    for (field, text) in row.fields() {
        crate::validate::check_text(text).map_err(|reason| (reason, field))?;
    }
    let birth_date = date(&row.birth_date, "birth_date")?;
    if birth_date.is_none() && row.name.is_empty() && row.given_name.is_empty() && row.family_name.is_empty() {
        return Err((reason::NAME_AND_BIRTH_DATE_MISSING, "name"));
    }
    let (representative_from, representative_until) = ("representative_from", "representative_until");
    let effective = span((&row.effective_from, "effective_from"), (&row.effective_until, "effective_until"))?;
    let during = span((&row.representative_from, representative_from), (&row.representative_until, representative_until))?;
    let authority = word(&row.representative_authority, "representative_authority", authority)?;
    let is_represented = authority.is_some() || !row.representative_name.is_empty() || !row.representative_email.is_empty();
    let representative =
        is_represented.then(|| Representative { name: &row.representative_name, email: &row.representative_email, authority, during });
    let postal =
        Postal::of([&row.postal_line_1, &row.postal_line_2, &row.postal_city, &row.postal_state, &row.postal_code, &row.postal_country]);
    let alternative_address = (!row.alternative_address.is_empty()).then(|| alternative(&row.alternative_address));
    // In columns of its own, or in the one column where it is neither an e-mail address nor a word for paper.
    let alternative_postal = Postal::of([
        &row.alternative_postal_line_1,
        &row.alternative_postal_line_2,
        &row.alternative_postal_city,
        &row.alternative_postal_state,
        &row.alternative_postal_code,
        &row.alternative_postal_country,
    ])
    .or_else(|| {
        let is_address = alternative_address == Some(Route::Paper) && !is_paper(&row.alternative_address);
        is_address.then(|| Postal { lines: [&row.alternative_address, ""], ..Postal::default() })
    });
    Ok(Contact {
        representative,
        postal,
        alternative_postal,
        birth_date,
        effective,
        deceased_on: date(&row.deceased_on, "deceased_on")?,
        consent: Consent {
            kinds: word(&row.consent_kinds, "consent_kinds", kinds)?,
            given_on: date(&row.consent_given_on, "consent_given_on")?,
            withdrawn_on: date(&row.consent_withdrawn_on, "consent_withdrawn_on")?,
        },
        sensitive_route: word(&row.sensitive_route, "sensitive_route", sensitive_route)?,
        // Who named another postal address asked for paper.
        alternative_address: alternative_address.or(alternative_postal.map(|_| Route::Paper)),
        language: language(&row.language)?,
        format: word(&row.format, "format", wish)?,
        protection: word(&row.protection, "protection", protection)?,
        ..persona(row)
    })
}

/// The person a row is about, as far as it says so, for a row that is otherwise not to be understood.
pub(super) fn damaged<'r>(row: &'r ContactRow<'_>) -> Option<Contact<'r>> {
    let readable = |text: &str| crate::validate::check_text(text).is_ok();
    let is_told =
        !row.member_id.is_empty() && [&row.member_id, &row.name, &row.given_name, &row.family_name].iter().all(|text| readable(text));
    is_told.then(|| Contact { is_damaged: true, birth_date: civil_date(&row.birth_date), email: "", ..persona(row) })
}

fn persona<'r>(row: &'r ContactRow<'_>) -> Contact<'r> {
    Contact {
        id: &row.member_id,
        name: &row.name,
        given_name: &row.given_name,
        family_name: &row.family_name,
        email: &row.email,
        ..Contact::default()
    }
}

/// What a reason of a rejected row asks for in a column.
pub(super) fn expected(reason: &str, column: &str) -> &'static str {
    match (reason, column) {
        (reason::ROW_TOO_LONG, _) => "a row of at most 64 KiB",
        (reason::COLUMN_COUNT_DIFFERS, _) => "as many fields as the header has",
        (reason::MEMBER_ID_MISSING, _) => "a member id",
        (reason::NAME_AND_BIRTH_DATE_MISSING, _) => "a name or a birth date",
        (reason::DATE_MALFORMED, _) => "a date CCYY-MM-DD, CCYYMMDD or MM/DD/CCYY",
        (reason::DATES_OUT_OF_ORDER, _) => "a last day that is not before the first",
        (reason::TEXT_NOT_UTF8, _) => "UTF-8",
        (reason::JSON_INVALID, "resourceType") => "a resource that says its kind",
        (reason::JSON_INVALID, _) => "one JSON object a line, its values texts",
        (reason::TRUNCATED, _) => "the resource to be whole",
        (reason::RESOURCE_TOO_LONG, _) => "a resource of at most 16 MiB",
        (reason::WRONG_TYPE, _) => "elements of the types that FHIR R4 gives them, each once",
        (reason::MODIFIER_UNKNOWN, _) => "no element that changes the meaning of the others",
        (reason::PATIENT_INACTIVE, _) => "a record that is in use",
        (reason::VALUE_UNKNOWN, "consent_kinds") => "a list of eob, bill, notice; or all, none",
        (reason::VALUE_UNKNOWN, "representative_authority") => "parent, guardian, power_of_attorney or executor",
        (reason::VALUE_UNKNOWN, "sensitive_route") => "an e-mail address or paper",
        (reason::VALUE_UNKNOWN, "language") => "a language tag such as es or zh-Hant (BCP 47)",
        (reason::VALUE_UNKNOWN, "format") => "full, notice or paper",
        (reason::VALUE_UNKNOWN, "protection") => "tls_encrypted or tls_verified",
        _ => "texts of at most 1,000 bytes without control characters",
    }
}

fn date(text: &str, column: &'static str) -> Result<Option<Date>, Wrong> {
    if text.is_empty() {
        return Ok(None);
    }
    // A time of day may follow; consents are often kept with one.
    let day = text.split_once(['T', ' ']).map_or(text, |(day, _)| day);
    civil_date(day).map(Some).ok_or((reason::DATE_MALFORMED, column))
}

fn span((from, from_column): (&str, &'static str), (until, until_column): (&str, &'static str)) -> Result<Span, Wrong> {
    match (date(from, from_column)?, date(until, until_column)?) {
        (Some(from), Some(until)) if until < from => Err((reason::DATES_OUT_OF_ORDER, until_column)),
        (from, until) => Ok(Span { from, until }),
    }
}

/// The value of a column that has words of its own.
fn word<'r, T>(text: &'r str, column: &'static str, read: impl FnOnce(&'r str) -> Option<T>) -> Result<Option<T>, Wrong> {
    if text.is_empty() { Ok(None) } else { read(text).map(Some).ok_or((reason::VALUE_UNKNOWN, column)) }
}

/// Lower case, with `_` for blanks and hyphens.
fn folded(text: &str) -> String {
    text.trim().chars().map(|character| if matches!(character, ' ' | '-') { '_' } else { character.to_ascii_lowercase() }).collect()
}

fn kinds(text: &str) -> Option<Kinds> {
    let mut kinds = Kinds::NONE;
    for word in text.split([',', ';', '|', '/', '+', ' ']).filter(|word| !word.is_empty()) {
        kinds = match folded(word).as_str() {
            "eob" | "eobs" | "explanation_of_benefits" => kinds.with(Kinds::EOB),
            "bill" | "bills" | "billing" => kinds.with(Kinds::BILL),
            "notice" | "notices" => kinds.with(Kinds::NOTICE),
            "all" | "yes" | "y" | "true" | "1" => kinds.with(Kinds::ALL),
            "none" | "no" | "n" | "false" | "0" => kinds,
            _ => return None,
        };
    }
    Some(kinds)
}

fn authority(text: &str) -> Option<Authority> {
    match folded(text).as_str() {
        "parent" | "mother" | "father" | "stepparent" => Some(Authority::Parent),
        "guardian" | "legal_guardian" | "conservator" | "foster_parent" => Some(Authority::Guardian),
        "power_of_attorney" | "poa" | "health_care_proxy" | "attorney_in_fact" => Some(Authority::PowerOfAttorney),
        "executor" | "administrator" | "executor_of_estate" | "estate" => Some(Authority::Executor),
        _ => None,
    }
}

fn is_paper(text: &str) -> bool {
    matches!(folded(text).as_str(), "paper" | "letter" | "post" | "mail" | "us_mail" | "usps")
}

fn sensitive_route(text: &str) -> Option<Route<'_>> {
    match text {
        text if text.contains('@') => Some(Route::Email(text)),
        text if is_paper(text) => Some(Route::Paper),
        _ => None,
    }
}

/// Whatever is no e-mail address is a postal one: the person asked for it to go there, so it goes on paper.
fn alternative(text: &str) -> Route<'_> {
    if text.contains('@') { Route::Email(text) } else { Route::Paper }
}

fn wish(text: &str) -> Option<Wish> {
    match folded(text).as_str() {
        "full" | "email" | "e_mail" | "electronic" | "html" | "text" => Some(Wish::Full),
        "notice" | "portal" => Some(Wish::Notice),
        "large_print" | "braille" | "audio" => Some(Wish::Paper),
        _ if is_paper(text) => Some(Wish::Paper),
        _ => None,
    }
}

fn protection(text: &str) -> Option<Protection> {
    match folded(text).as_str() {
        "tls" | "tls_encrypted" => Some(Protection::TlsEncrypted),
        "tls_verified" => Some(Protection::TlsVerified),
        _ => None,
    }
}

/// A tag, or one of the words that exports have in its place.
fn language(text: &str) -> Result<Option<&str>, Wrong> {
    let known = match folded(text).as_str() {
        "" | "unknown" | "other" | "none" | "n/a" | "na" | "undetermined" | "und" => return Ok(None),
        "english" | "eng" => Some("en"),
        "spanish" | "espanol" | "spa" => Some("es"),
        "chinese" | "chi" | "zho" => Some("zh"),
        "vietnamese" | "vie" => Some("vi"),
        "korean" | "kor" => Some("ko"),
        "tagalog" | "tgl" => Some("tl"),
        "russian" | "rus" => Some("ru"),
        "arabic" | "ara" => Some("ar"),
        "french" | "fre" | "fra" => Some("fr"),
        "german" | "ger" | "deu" => Some("de"),
        "portuguese" | "por" => Some("pt"),
        "haitian_creole" | "hat" => Some("ht"),
        _ => None,
    };
    let tag = known.unwrap_or(text);
    match LanguageTag::parse(tag) {
        Ok(_) => Ok(Some(tag)),
        Err(_) => Err((reason::VALUE_UNKNOWN, "language")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row<'a>(fields: &[(&str, &'a str)]) -> ContactRow<'a> {
        let mut row = ContactRow { member_id: "M1".into(), name: "Ada".into(), ..ContactRow::default() };
        for (name, text) in fields {
            row.set(super::super::columns::column(name).unwrap(), (*text).into());
        }
        row
    }

    fn wrong(fields: &[(&str, &str)]) -> Wrong {
        checked(&row(fields)).expect_err("a row that cannot be understood")
    }

    #[test]
    fn every_column_is_understood() {
        let row = row(&[
            ("deceased_on", "2026-01-31"),
            ("consent_kinds", "EOB; notice"),
            ("consent_given_on", "2025-03-01T10:00:00Z"),
            ("consent_withdrawn_on", "03/01/2026"),
            ("representative_name", "Bo Example"),
            ("representative_authority", "Power of Attorney"),
            ("representative_from", "20250101"),
            ("sensitive_route", "paper"),
            ("alternative_address", "c/o Sample, 1 Main St"),
            ("language", "Spanish"),
            ("format", "Large print"),
            ("protection", "tls_verified"),
        ]);
        let contact = checked(&row).unwrap();
        let kinds = contact.consent.kinds.unwrap();
        assert!(kinds.has(Kinds::EOB) && kinds.has(Kinds::NOTICE) && !kinds.has(Kinds::BILL));
        assert_eq!(contact.consent.given_on, Some(Date::constant(2025, 3, 1)));
        assert_eq!(contact.consent.withdrawn_on, Some(Date::constant(2026, 3, 1)));
        let representative = contact.representative.unwrap();
        assert_eq!((representative.authority, representative.email), (Some(Authority::PowerOfAttorney), ""));
        assert_eq!((contact.sensitive_route, contact.alternative_address), (Some(Route::Paper), Some(Route::Paper)));
        assert_eq!((contact.language, contact.format), (Some("es"), Some(Wish::Paper)));
        assert_eq!((contact.deceased_on, contact.protection), (Some(Date::constant(2026, 1, 31)), Some(Protection::TlsVerified)));
    }

    #[test]
    fn what_cannot_be_understood_is_said_by_column_and_never_passed_over() {
        for (column, text, reason) in [
            ("deceased_on", "yes", reason::DATE_MALFORMED),
            ("consent_withdrawn_on", "last week", reason::DATE_MALFORMED),
            ("consent_kinds", "eob, everything", reason::VALUE_UNKNOWN),
            ("representative_authority", "friend", reason::VALUE_UNKNOWN),
            ("sensitive_route", "ask me", reason::VALUE_UNKNOWN),
            ("language", "not a tag at all", reason::VALUE_UNKNOWN),
            ("format", "carrier pigeon", reason::VALUE_UNKNOWN),
            ("protection", "plaintext", reason::VALUE_UNKNOWN),
            ("protection", "smime", reason::VALUE_UNKNOWN),
        ] {
            assert_eq!(wrong(&[(column, text)]), (reason, column));
            assert!(!expected(reason, column).contains("1,000"), "{column} has words of its own");
        }
        let backwards = [("effective_from", "2026-02-01"), ("effective_until", "2026-01-31")];
        assert_eq!(wrong(&backwards), (reason::DATES_OUT_OF_ORDER, "effective_until"));
    }

    #[test]
    fn a_row_that_is_damaged_still_says_whose_it_is() {
        let row = row(&[("deceased_on", "yes"), ("email", "ada@mail.example")]);
        let contact = damaged(&row).unwrap();
        assert_eq!((contact.id, contact.name, contact.email, contact.is_damaged), ("M1", "Ada", "", true));
    }

    #[test]
    fn a_span_includes_its_first_and_last_day() {
        let (first, last) = (Date::constant(2026, 1, 1), Date::constant(2026, 1, 31));
        let span = Span { from: Some(first), until: Some(last) };
        assert!(span.holds_on(first) && span.holds_on(last));
        assert!(!span.holds_on(first.yesterday().unwrap()) && !span.holds_on(last.tomorrow().unwrap()));
        assert!(Span::default().holds_on(first));
    }
}
