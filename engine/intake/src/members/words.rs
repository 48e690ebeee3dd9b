//! The words that exports have for what a contact knows as types: each as senders write it, and what it means.

use super::contact::{Authority, Kinds, Route, Wish};
use super::reading::Wrong;
use crate::reason;
use model::{LanguageTag, Protection};

/// Lower case, with `_` for blanks and hyphens.
fn folded(text: &str) -> String {
    text.trim().chars().map(|character| if matches!(character, ' ' | '-') { '_' } else { character.to_ascii_lowercase() }).collect()
}

pub(super) fn kinds(text: &str) -> Option<Kinds> {
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

pub(super) fn authority(text: &str) -> Option<Authority> {
    match folded(text).as_str() {
        "parent" | "mother" | "father" | "stepparent" => Some(Authority::Parent),
        "guardian" | "legal_guardian" | "conservator" | "foster_parent" => Some(Authority::Guardian),
        "power_of_attorney" | "poa" | "health_care_proxy" | "attorney_in_fact" => Some(Authority::PowerOfAttorney),
        "executor" | "administrator" | "executor_of_estate" | "estate" => Some(Authority::Executor),
        _ => None,
    }
}

pub(super) fn is_paper(text: &str) -> bool {
    matches!(folded(text).as_str(), "paper" | "letter" | "post" | "mail" | "us_mail" | "usps")
}

pub(super) fn sensitive_route(text: &str) -> Option<Route<'_>> {
    match text {
        text if text.contains('@') => Some(Route::Email(text)),
        text if is_paper(text) => Some(Route::Paper),
        _ => None,
    }
}

/// Whatever is no e-mail address is a postal one: the person asked for it to go there, so it goes on paper.
pub(super) fn alternative(text: &str) -> Route<'_> {
    if text.contains('@') { Route::Email(text) } else { Route::Paper }
}

pub(super) fn wish(text: &str) -> Option<Wish> {
    match folded(text).as_str() {
        "full" | "email" | "e_mail" | "electronic" | "html" | "text" => Some(Wish::Full),
        "notice" | "portal" => Some(Wish::Notice),
        "large_print" | "braille" | "audio" => Some(Wish::Paper),
        _ if is_paper(text) => Some(Wish::Paper),
        _ => None,
    }
}

pub(super) fn protection(text: &str) -> Option<Protection> {
    match folded(text).as_str() {
        "tls" | "tls_encrypted" => Some(Protection::TlsEncrypted),
        "tls_verified" => Some(Protection::TlsVerified),
        _ => None,
    }
}

/// A tag, or one of the words that exports have in its place.
pub(super) fn language(text: &str) -> Result<Option<&str>, Wrong> {
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
