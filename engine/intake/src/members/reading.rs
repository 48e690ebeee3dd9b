//! A row of contact data, read: what it must say to be a contact.
//!
//! Whoever is told wrongly here is written to wrongly. So a value that cannot be understood is never passed over: its row is rejected
//! by name, and the person it is about is not written to by another row either ([`Contact::is_damaged`]). Addresses alone
//! are not checked here: a malformed one is `address_malformed` when it is needed, and nothing else takes its place.

use super::columns::ContactRow;
use super::contact::{Consent, Contact, Postal, Representative, Route, Span};
use super::source::civil_date;
use super::words::{alternative, authority, is_paper, kinds, language, protection, sensitive_route, wish};
use crate::reason;
use jiff::civil::Date;

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

#[cfg(test)]
mod tests {
    use super::super::contact::{Authority, Kinds, Wish};
    use super::*;
    use model::Protection;

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
}
