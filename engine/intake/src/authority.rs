//! Authority: who may read a statement, and where it goes. Pure: contact data, the member, the kind of statement and a day.
//!
//! ```text
//! the member's rows ─► that hold today ─► who reads ─► did they agree ─► where ─► Decision
//!                                          │                              └ alternative address, sensitive route, own or representative's
//!                                          └ the member; a representative of a minor, of who died, or under a guardian
//! ```
//!
//! * **The subject of care receives**, never the subscriber: the rows are found by the patient ([`crate::members`]).
//! * **A minor** (45 CFR 164.502(g)(3)) is written to by way of a parent or guardian who is valid today; without one, on paper. A
//!   minor who named a way for sensitive services is written to there, like anybody.
//! * **Who died** (45 CFR 164.502(g)(4)) is never written to: an executor valid today, or paper. A power of attorney ends with death.
//! * **An adult** receives alone. A parent's authority ends with the child's majority, and so does a guardianship that began before
//!   it; one that a court ordered later counts. Who has power of attorney receives where the member has no address.
//!   Where no birth date is known, a representative who is a parent or guardian is believed.
//! * **Consent** (29 CFR 2520.104b-1(c)): see [`ConsentRule`]. A withdrawal counts whatever the rule is.
//! * **Where**: the alternative address (45 CFR 164.522(b)) goes before the route for sensitive services (Cal. Civ. Code 56.107), and both
//!   before the ordinary address. One that is malformed has no stand-in.
//! * Rows that say different things are not weighed against each other: a person looks.

use crate::members::{Authority, Contact, Contacts, Join, Kinds, Representative, Route, Wish};
use crate::reason;
use jiff::civil::Date;
use model::statement::{Member, StatementKind};
use model::{Detail, LanguageTag, Mailbox, PaperReason, Private, Protection, Recipient, Timestamp};

/// When a consent must be on file for a statement to go by e-mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConsentRule {
    /// Always. Contact data without consent columns sends everything on paper.
    Required,
    /// Where the contact data has a column of consents: whoever keeps them wants them kept. The default.
    #[default]
    WhereStated,
    /// Never: every member uses the plan's e-mail at work, or no law asks for it. A withdrawal and a plain "no" are heeded all the same.
    NotRequired,
}

/// What a tenant decided about authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthoritySettings {
    /// When a consent must be on file.
    pub consent: ConsentRule,
    /// Years of age from which a member is an adult.
    pub majority_years: u8,
    /// The offset from UTC at which the tenant's days begin, in minutes; -300 is the winter of New York.
    pub utc_offset_minutes: i16,
}

impl Default for AuthoritySettings {
    fn default() -> Self {
        Self { consent: ConsentRule::default(), majority_years: 18, utc_offset_minutes: 0 }
    }
}

impl AuthoritySettings {
    /// The tenant's day at a moment.
    pub fn day_of(&self, at: Timestamp) -> Date {
        let shifted = i64::try_from(at.0).unwrap_or(i64::MAX).saturating_add(i64::from(self.utc_offset_minutes) * 60_000);
        let moment = jiff::Timestamp::from_millisecond(shifted).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        moment.to_zoned(jiff::tz::TimeZone::UTC).date()
    }
}

/// What is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The patient.
    pub member: &'a Member,
    /// The patient under corrected ids or names.
    pub also_known_as: &'a [Member],
    /// The statement.
    pub kind: StatementKind,
    /// The tenant's day.
    pub today: Date,
}

/// What is to be done with a statement of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may go by e-mail.
    Send(Sending),
    /// It goes on paper.
    Paper(PaperReason),
    /// Nobody to send to: `member_unknown`, `contact_not_effective`, `contact_row_rejected`, `address_missing`, `address_malformed`.
    NoAddress(&'static str),
    /// A person must look: `name_differs`, `birth_date_differs`, `ambiguous`.
    Mismatch(&'static str),
}

/// How a statement goes by e-mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sending {
    /// Who receives it.
    pub recipient: Recipient,
    /// Which address it is.
    pub way: Way,
    /// The most it may say, as far as the member decided that: [`Detail::Full`] or [`Detail::Notice`].
    pub at_most: Detail,
    /// What the member requires on its way, where that is stated.
    pub protection: Option<Protection>,
    /// Several members have the address.
    pub is_shared: bool,
}

/// Which of a person's addresses it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The ordinary one.
    Ordinary,
    /// The one the member asked to be used instead (45 CFR 164.522(b)).
    Alternative,
    /// The one the patient named for sensitive services.
    Sensitive,
    /// The representative's.
    Representative,
}

/// Decides about a statement.
pub fn decide(contacts: &Contacts, asked: &Asked<'_>, settings: &AuthoritySettings) -> Decision {
    let rows = match contacts.join(asked.member, asked.also_known_as) {
        Join::Found(rows) => rows,
        Join::Unknown => return Decision::NoAddress(reason::MEMBER_UNKNOWN),
        Join::Mismatch(how) => return Decision::Mismatch(how),
    };
    if rows.iter().any(|row| row.is_damaged) {
        return Decision::NoAddress(reason::CONTACT_ROW_REJECTED);
    }
    let weigher = Weigher { contacts, asked, settings };
    let today = rows.iter().filter(|row| row.effective.holds_on(asked.today));
    let decisions = today.map(|row| weigher.weigh(row)).collect();
    one_of(decisions)
}

/// The decision that all rows agree on. A row without an address says nothing beside one that has one.
fn one_of(decisions: Vec<Decision>) -> Decision {
    let mut chosen: Option<Decision> = None;
    let mut none = None;
    for decision in decisions {
        match (decision, &mut chosen) {
            (Decision::NoAddress(why), _) => none = Some(none.filter(|known| *known == reason::ADDRESS_MALFORMED).unwrap_or(why)),
            (decision, None) => chosen = Some(decision),
            (Decision::Send(one), Some(Decision::Send(known))) if known.is_same_way(&one) => {
                known.protection = known.protection.max(one.protection);
            }
            (Decision::Paper(_), Some(Decision::Paper(_))) => {}
            _ => return Decision::Mismatch("ambiguous"),
        }
    }
    chosen.unwrap_or(Decision::NoAddress(none.unwrap_or(reason::CONTACT_NOT_EFFECTIVE)))
}

impl Sending {
    /// Whether it goes to the same address, for the same reader, saying as much.
    fn is_same_way(&self, other: &Self) -> bool {
        self.recipient.mailbox == other.recipient.mailbox
            && self.recipient.on_behalf_of == other.recipient.on_behalf_of
            && self.at_most == other.at_most
    }
}

/// Who reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader<'t> {
    Member,
    Representative(Representative<'t>),
}

struct Weigher<'a> {
    contacts: &'a Contacts,
    asked: &'a Asked<'a>,
    settings: &'a AuthoritySettings,
}

impl Weigher<'_> {
    fn weigh(&self, row: &Contact<'_>) -> Decision {
        let agreed = self.reader(row).and_then(|reader| self.consent(row).map(|at_most| (reader, at_most)));
        let (reader, at_most) = match agreed {
            Ok(agreed) => agreed,
            Err(reason) => return Decision::Paper(reason),
        };
        let at_most = match row.format {
            Some(Wish::Paper) => return Decision::Paper(PaperReason::MemberChoice),
            Some(Wish::Notice) => Detail::Notice,
            Some(Wish::Full) | None => at_most,
        };
        let (address, way) = match address(row, reader) {
            Ok(found) => found,
            Err(reason) => return Decision::Paper(reason),
        };
        if address.is_empty() {
            return Decision::NoAddress(reason::ADDRESS_MISSING);
        }
        let Ok(mailbox) = Mailbox::parse(address) else { return Decision::NoAddress(reason::ADDRESS_MALFORMED) };
        let is_shared = self.contacts.is_shared(&mailbox);
        let recipient = Recipient {
            mailbox,
            name: greeted(row, reader),
            address_version: self.contacts.version(),
            // Checked when the row was read.
            language: row.language.and_then(|tag| LanguageTag::parse(tag).ok()),
            on_behalf_of: matches!(reader, Reader::Representative(_)),
        };
        Decision::Send(Sending { recipient, way, at_most, protection: row.protection, is_shared })
    }

    fn reader<'t>(&self, row: &Contact<'t>) -> Result<Reader<'t>, PaperReason> {
        let valid = row.representative.filter(|one| one.during.holds_on(self.asked.today));
        let acting = |may: &dyn Fn(Authority) -> bool| valid.filter(|one| one.authority.is_some_and(may)).map(Reader::Representative);
        // A day in the future is a mistake about the day, hardly about the death.
        if row.deceased_on.is_some() {
            return acting(&|authority| authority == Authority::Executor).ok_or(PaperReason::Deceased);
        }
        if row.sensitive_route.is_some() {
            return Ok(Reader::Member);
        }
        let for_minors = |authority| matches!(authority, Authority::Parent | Authority::Guardian);
        let Some(majority) = row.birth_date.or(self.asked.member.birth_date).map(|born| self.majority(born)) else {
            return Ok(acting(&for_minors).or_else(|| without_address(row, valid)).unwrap_or(Reader::Member));
        };
        if ordinal(self.asked.today) < majority {
            return acting(&for_minors).ok_or(PaperReason::Minor);
        }
        let began_later = valid.and_then(|one| one.during.from).is_some_and(|from| ordinal(from) >= majority);
        let guarded = acting(&|authority| authority == Authority::Guardian && began_later);
        Ok(guarded.or_else(|| without_address(row, valid)).unwrap_or(Reader::Member))
    }

    /// The first day of adulthood, in the form of [`ordinal`].
    fn majority(&self, born: Date) -> (i16, i8, i8) {
        let (year, month, day) = ordinal(born);
        (year + i16::from(self.settings.majority_years), month, day)
    }

    /// The most that may go by e-mail.
    fn consent(&self, row: &Contact<'_>) -> Result<Detail, PaperReason> {
        let (consent, today, columns) = (row.consent, self.asked.today, self.contacts.columns());
        let given_since = |day: Date| consent.given_on.is_some_and(|given| given > day && given <= today);
        if consent.withdrawn_on.is_some_and(|day| day <= today && !given_since(day)) {
            return Err(PaperReason::ConsentWithdrawn);
        }
        if consent.kinds == Some(Kinds::NONE) {
            return Err(PaperReason::NoConsent);
        }
        let is_required = match self.settings.consent {
            ConsentRule::Required => true,
            ConsentRule::WhereStated => columns.states_consent(),
            ConsentRule::NotRequired => false,
        };
        if !is_required {
            return Ok(Detail::Full);
        }
        let is_given = match consent.given_on {
            Some(day) => day <= today,
            None => !columns.has_consent_days() && consent.kinds.is_some(),
        };
        // Where no column lists kinds, a consent covers all of them; where one does and is empty, none.
        let kinds = consent.kinds.unwrap_or(if columns.has_consent_kinds() { Kinds::NONE } else { Kinds::ALL });
        let wanted = match self.asked.kind {
            StatementKind::Eob => Kinds::EOB,
            StatementKind::Bill => Kinds::BILL,
        };
        match (is_given, kinds) {
            (true, kinds) if kinds.has(wanted) => Ok(Detail::Full),
            (true, kinds) if kinds.has(Kinds::NOTICE) => Ok(Detail::Notice),
            _ => Err(PaperReason::NoConsent),
        }
    }
}

/// A member without any address of their own, for whom somebody has power of attorney.
fn without_address<'t>(row: &Contact<'t>, valid: Option<Representative<'t>>) -> Option<Reader<'t>> {
    let has_own = !row.email.is_empty() || row.alternative_address.is_some();
    valid.filter(|one| one.authority == Some(Authority::PowerOfAttorney) && !has_own).map(Reader::Representative)
}

/// The address, perhaps empty; or why there must be none.
fn address<'t>(row: &Contact<'t>, reader: Reader<'t>) -> Result<(&'t str, Way), PaperReason> {
    // What a person arranged while alive leads to their own mailbox.
    if row.deceased_on.is_none() {
        match (row.alternative_address, row.sensitive_route) {
            (Some(Route::Email(address)), _) => return Ok((address, Way::Alternative)),
            (Some(Route::Paper), _) => return Err(PaperReason::MemberChoice),
            (None, Some(Route::Email(address))) => return Ok((address, Way::Sensitive)),
            (None, Some(Route::Paper)) => return Err(PaperReason::SensitiveRoute),
            (None, None) => {}
        }
    }
    Ok(match reader {
        Reader::Member => (row.email, Way::Ordinary),
        Reader::Representative(representative) => (representative.email, Way::Representative),
    })
}

fn greeted(row: &Contact<'_>, reader: Reader<'_>) -> Private {
    match reader {
        Reader::Representative(representative) if !representative.name.is_empty() => representative.name.into(),
        _ => row.shown_name(),
    }
}

fn ordinal(date: Date) -> (i16, i8, i8) {
    (date.year(), date.month(), date.day())
}
