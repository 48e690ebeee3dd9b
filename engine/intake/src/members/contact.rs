//! One contact: what contact data says about a person. What a row must be like to say it is told in [`super::reading`].

use jiff::civil::Date;
use model::{Private, Protection};
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_includes_its_first_and_last_day() {
        let (first, last) = (Date::constant(2026, 1, 1), Date::constant(2026, 1, 31));
        let span = Span { from: Some(first), until: Some(last) };
        assert!(span.holds_on(first) && span.holds_on(last));
        assert!(!span.holds_on(first.yesterday().unwrap()) && !span.holds_on(last.tomorrow().unwrap()));
        assert!(Span::default().holds_on(first));
    }
}
