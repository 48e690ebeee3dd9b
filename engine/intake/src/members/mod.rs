//! Contacts: what is known about a person, and whose row it is.
//!
//! A contact file is CSV (comma, semicolon, tab or bar; quotes; byte order mark) or NDJSON with the same names:
//! `member_id, name, given_name, family_name, birth_date, email`, and what decides who may be written to, about what and where
//! ([`columns`]). Required are member_id, email, and name (whole or in parts) or birth date; the rest is there where it is stated.
//! Columns we do not know are passed over, and named to the operator: eligibility exports have many. FHIR Patient resources are
//! contact data too ([`patients`]). A file may come as gzip or zip.
//!
//! **The join** (invariant 13). A row is the member's when its id is equal *and*
//! * both sides have a birth date: the dates agree, and no given names that differ stand against it (twins share id and birth date);
//! * else: the names match (see [`names`]).
//!
//! No setting joins by the id alone. Among several rows that are the member's, those that also agree in name go first. What they say is for
//! [`crate::authority`] to weigh. An id that is there under another name is a mismatch, and a person has to look; an id that is not
//! there is no address.
//!
//! Paper goes to the postal address of the same rows ([`postal`]), the alternative one first.
//!
//! Rows lie packed in chunks of 1 MiB with eight bytes of index each: ten million rows take about 1 GB, and half as much
//! again where they state postal addresses. They are wiped on drop.

mod columns;
mod contact;
mod names;
mod patients;
mod postal;
mod reading;
mod sharing;
mod source;
mod survey;
mod table;
mod version;
mod words;

pub use columns::ColumnsSeen;
pub use contact::{Authority, Consent, Contact, Kinds, Representative, Route, Span, Wish};
pub use postal::{PostalAddress, PostalWay};
pub use survey::Survey;
pub use version::VersionHash;

use crate::error::{refuse, unreadable};
use crate::formats::without_blanks;
use crate::reason;
use crate::wrapping::{self, WrappingLimits};
use columns::ContactRow;
use model::limits::CONTACTS_MAX;
use model::reject::{Place, Refusal, Reject};
use model::statement::Member;
use model::{Mailbox, Private};
use names::Name;
use sharing::Sharing;
use source::Source;
use std::io::{BufRead, BufReader, Cursor, Read};
use table::Table;
use version::{Hashed, ONE_OFF};

/// Rejected rows kept with their place; further ones are counted only.
const REJECTS_MAX: usize = 10_000;
/// How much of a file is looked at to find what it is, in bytes.
const START_BYTES: u64 = 16 * 1024;

/// The contact data of a batch, or of a tenant.
pub struct Contacts {
    table: Table,
    sharing: Sharing,
    columns: ColumnsSeen,
    version: u32,
    /// Rows of the table that only say that their person has a row which could not be understood.
    damaged: usize,
    rejects: Vec<Reject>,
    rejected: u64,
}

/// What the contact data has about a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Join<'t> {
    /// The rows that are the member's; never empty.
    Found(Vec<Contact<'t>>),
    /// Nobody has the id.
    Unknown,
    /// The id is there, but not this person: `name_differs`, `birth_date_differs`. A person must look.
    Mismatch(&'static str),
}

impl Contacts {
    /// Reads a contact file. Rows that cannot be read are left out and listed, see [`Contacts::rejects`].
    ///
    /// # Errors
    /// [`Refusal`] where the file is empty, has no header that we understand, has too many rows or cannot be read.
    pub fn read(reader: impl BufRead, file_name: &str) -> Result<Self, Refusal> {
        let mut hashed = Hashed::new(reader);
        let mut contacts = Self {
            table: Table::default(),
            sharing: Sharing::default(),
            columns: ColumnsSeen::default(),
            version: 0,
            damaged: 0,
            rejects: Vec::new(),
            rejected: 0,
        };
        let (_, mut reader) = wrapping::unwrap(Box::new(BufReader::new(&mut hashed)), WrappingLimits::default())
            .map_err(|error| unreadable(file_name, &error))?;
        let mut start = Vec::new();
        reader.by_ref().take(START_BYTES).read_to_end(&mut start).map_err(|error| unreadable(file_name, &error))?;
        let is_fhir = without_blanks(&start).starts_with(b"{") && memchr::memmem::find(&start, b"\"resourceType\"").is_some();
        let whole: Box<dyn Read + '_> = Box::new(Cursor::new(start).chain(reader));
        if is_fhir {
            contacts.read_patients(whole, file_name)?;
            contacts.version = hashed.version();
            contacts.sharing.finish();
            return Ok(contacts);
        }
        let mut source = Source::open(whole, file_name)?;
        while let Some((line, row)) = source.next_row().map_err(|error| unreadable(file_name, &error))? {
            match row {
                Ok(row) => contacts.take(file_name, line, &row)?,
                Err((reason, field)) => contacts.reject(file_name, line, reason, field),
            }
        }
        contacts.columns = source.columns().clone();
        drop(source);
        contacts.version = hashed.version();
        contacts.table.finish();
        contacts.sharing.finish();
        Ok(contacts)
    }

    /// FHIR Patient resources; the coverages among them give their patients one more id.
    fn read_patients(&mut self, source: Box<dyn Read + '_>, file: &str) -> Result<(), Refusal> {
        let mut covered = Vec::new();
        let mut columns = ColumnsSeen::default();
        patients::read(source, file, &mut columns, |line, found| match found {
            patients::Found::Row { row, is_first: true } => self.take(file, line, &row),
            // The same person by another id or name: whose address it is was said already.
            patients::Found::Row { row, is_first: false } => match reading::checked(&row) {
                Ok(contact) => self.add(&contact, file),
                Err((reason, field)) => {
                    self.reject(file, line, reason, field);
                    Ok(())
                }
            },
            patients::Found::Covered { patient, subscriber_id } => {
                covered.push((patient, subscriber_id));
                Ok(())
            }
            patients::Found::LeftOut(reason, field) => {
                self.reject(file, line, reason, field);
                Ok(())
            }
        })?;
        self.columns = columns;
        self.table.finish();
        covered.sort_unstable();
        covered.dedup();
        // A table of their own while the other is read: what is found there is borrowed from it.
        let mut more = Table::default();
        for (patient, subscriber_id) in &covered {
            for contact in self.table.with_id(patient) {
                more.add(&Contact { id: subscriber_id, ..contact });
            }
        }
        for contact in more.iter() {
            self.add(&contact, file)?;
        }
        self.table.finish();
        Ok(())
    }

    /// The same, for one batch alone: its version says that the tenant does not go by it.
    pub fn for_one_batch(mut self) -> Self {
        self.version |= ONE_OFF;
        self
    }

    /// Whether an address came from contacts that a batch brought along.
    pub fn is_one_off(address_version: u32) -> bool {
        address_version & ONE_OFF != 0
    }

    /// Which contact data it is; never 0, which says that a row named its recipient itself.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Rows in the table.
    pub fn len(&self) -> usize {
        self.table.len() - self.damaged
    }

    /// True where no row could be read.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The columns that were read, and those that mean nothing here.
    pub fn columns(&self) -> &ColumnsSeen {
        &self.columns
    }

    /// Rows that were left out, with line and reason; the first 10,000.
    pub fn rejects(&self) -> &[Reject] {
        &self.rejects
    }

    /// How many rows were left out.
    pub fn rejected(&self) -> u64 {
        self.rejected
    }

    /// Whether several members of the contact data have this address.
    pub fn is_shared(&self, mailbox: &Mailbox) -> bool {
        self.sharing.is_shared(&mailbox.reveal())
    }

    /// All rows that were understood, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = Contact<'_>> {
        self.table.iter().filter(|contact| !contact.is_damaged)
    }

    /// The rows of a member, who may also be known under corrected ids or names.
    pub fn join(&self, member: &Member, also_known_as: &[Member]) -> Join<'_> {
        let mut found = Matches::default();
        for identity in std::iter::once(member).chain(also_known_as) {
            self.look(identity, &mut found);
        }
        found.decide()
    }

    /// Every row with an id, whoever it is about: for an operator who looks, never for a message.
    pub fn with_id(&self, id: &str) -> Vec<Contact<'_>> {
        self.table.with_id(id).collect()
    }

    fn look<'t>(&'t self, identity: &Member, found: &mut Matches<'t>) {
        let wanted = Name::new(identity.given_name.reveal(), identity.family_name.reveal(), identity.name.reveal());
        for contact in self.table.with_id(identity.id.reveal()) {
            found.id_known = true;
            let name = Name::new(contact.given_name, contact.family_name, contact.name);
            match (identity.birth_date, contact.birth_date) {
                (Some(ours), Some(theirs)) if ours != theirs => found.birth_date_differs = true,
                (Some(_), Some(_)) if wanted.matches(&name) => found.by_name.push(contact),
                (Some(_), Some(_)) if wanted.has_other_given_name(&name) => {}
                (Some(_), Some(_)) => found.by_birth_date.push(contact),
                _ if wanted.matches(&name) => found.by_name.push(contact),
                _ => {}
            }
        }
    }

    fn take(&mut self, file: &str, line: u64, row: &ContactRow<'_>) -> Result<(), Refusal> {
        match reading::checked(row) {
            Ok(contact) => {
                self.sharing.add(&contact);
                self.add(&contact, file)
            }
            Err((reason, field)) => {
                self.reject(file, line, reason, field);
                match reading::damaged(row) {
                    Some(contact) => {
                        self.damaged += 1;
                        self.add(&contact, file)
                    }
                    None => Ok(()),
                }
            }
        }
    }

    fn add(&mut self, contact: &Contact<'_>, file: &str) -> Result<(), Refusal> {
        if self.table.len() >= CONTACTS_MAX {
            return Err(refuse(file, reason::TOO_MANY_CONTACTS, format!("expected at most {CONTACTS_MAX} rows")));
        }
        self.table.add(contact);
        Ok(())
    }

    fn reject(&mut self, file: &str, line: u64, reason: &'static str, field: &'static str) {
        self.rejected += 1;
        if self.rejects.len() < REJECTS_MAX {
            let place = Place { row: 0, line: Some(line), segment: None, field: Some(field.to_owned()) };
            let expected = reading::expected(reason, field).to_owned();
            let action = reason::action(reason).to_owned();
            self.rejects.push(Reject { file: file.to_owned(), place, reason: reason.to_owned(), expected, action });
        }
    }
}

/// Everything by which a person is told from another, as one text: id, name and birth date, folded as the join folds them. `None` where
/// there is no id, or neither name nor birth date. Equal texts are one person; one person may have several texts.
pub(crate) fn identity_of(member: &Member) -> Option<Private> {
    let id = member.id.reveal().trim().to_ascii_lowercase();
    let name = Name::new(member.given_name.reveal(), member.family_name.reveal(), member.name.reveal()).exact();
    let is_nobody = id.is_empty() || (name.trim().is_empty() && member.birth_date.is_none());
    let birth_date = member.birth_date.map_or_else(String::new, |date| date.to_string());
    (!is_nobody).then(|| Private::new(format!("{id}\n{birth_date}\n{name}")))
}

impl std::fmt::Debug for Contacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Contacts({} rows, {} rejected)", self.len(), self.rejected)
    }
}

/// The rows that may be a member's.
#[derive(Default)]
struct Matches<'t> {
    id_known: bool,
    birth_date_differs: bool,
    by_name: Vec<Contact<'t>>,
    by_birth_date: Vec<Contact<'t>>,
}

impl<'t> Matches<'t> {
    fn decide(self) -> Join<'t> {
        let matching = if self.by_name.is_empty() { self.by_birth_date } else { self.by_name };
        match (matching.is_empty(), self.id_known, self.birth_date_differs) {
            (false, _, _) => Join::Found(matching),
            (true, false, _) => Join::Unknown,
            (true, true, true) => Join::Mismatch("birth_date_differs"),
            (true, true, false) => Join::Mismatch("name_differs"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::{self, Asked, AuthoritySettings, Decision};
    use jiff::civil::{Date, date};
    use model::statement::StatementKind;

    fn contacts(text: &str) -> Contacts {
        Contacts::read(text.as_bytes(), "contacts.csv").unwrap()
    }

    fn member(id: &str, given: &str, family: &str, birth_date: Option<Date>) -> Member {
        Member { id: id.into(), name: format!("{given} {family}").into(), given_name: given.into(), family_name: family.into(), birth_date }
    }

    /// Where an Explanation of Benefits of the member goes by default settings.
    fn address(contacts: &Contacts, member: &Member, also_known_as: &[Member]) -> String {
        let asked = Asked { member, also_known_as, kind: StatementKind::Eob, today: date(2026, 11, 22) };
        match authority::decide(contacts, &asked, &AuthoritySettings::default()) {
            Decision::Send(sending) => sending.recipient.mailbox.reveal(),
            Decision::Paper(reason) => format!("paper: {reason}"),
            Decision::NoAddress(reason) => format!("none: {reason}"),
            Decision::Mismatch(detail) => format!("mismatch: {detail}"),
        }
    }

    const FILE: &str = "member_id,name,birth_date,email\n\
        M1,Ada Example,1990-01-02,ada@mail.example\n\
        M2,\"SAMPLE, BEN\",,ben@mail.example\n\
        M3,Cy Mock,1980-05-05,\n\
        M4,Di Mock,,not an address\n\
        M5,Eve Twin,2001-01-01,eve@mail.example\n\
        M5,Eva Twin,2001-01-01,eva@mail.example\n\
        M6,Flo Same,,flo@mail.example\n\
        M6,Flo Same,,flo@MAIL.example\n";

    #[test]
    fn joins_by_id_and_name_or_birth_date() {
        let contacts = contacts(FILE);
        assert_eq!(contacts.len(), 8);
        let day = Some(date(1990, 1, 2));
        for (member, expected) in [
            (member("M1", "ADA", "EXAMPLE", None), "ada@mail.example"),
            (member(" m1 ", "Ada", "Example", day), "ada@mail.example"),
            (member("M1", "Ada", "Newname", day), "ada@mail.example"),
            (member("M1", "Ada", "Example", Some(date(1990, 1, 3))), "mismatch: birth_date_differs"),
            (member("M1", "Ben", "Sample", None), "mismatch: name_differs"),
            (member("M2", "Ben", "Sample", day), "ben@mail.example"),
            (member("M3", "Cy", "Mock", None), "none: address_missing"),
            (member("M4", "Di", "Mock", None), "none: address_malformed"),
            (member("M9", "Ada", "Example", day), "none: member_unknown"),
            (member("M5", "Eva", "Twin", Some(date(2001, 1, 1))), "eva@mail.example"),
            (member("M5", "Ivo", "Twin", Some(date(2001, 1, 1))), "mismatch: name_differs"),
            (member("M6", "Flo", "Same", None), "flo@mail.example"),
        ] {
            assert_eq!(address(&contacts, &member, &[]), expected);
        }
    }

    #[test]
    fn a_corrected_id_or_name_is_the_same_person() {
        let contacts = contacts(FILE);
        let read = member("OLD", "Ada", "Example", None);
        assert_eq!(address(&contacts, &read, &[member("M1", "Ada", "Example", None)]), "ada@mail.example");
        let misspelt = member("M1", "Adda", "Exampel", None);
        assert_eq!(address(&contacts, &misspelt, &[member("M1", "Ada", "Example", None)]), "ada@mail.example");
    }

    #[test]
    fn the_version_follows_the_content() {
        let version = |text: &str| contacts(text).version();
        assert_eq!(version(FILE), version(FILE));
        assert_ne!(version(FILE), version(&FILE.replace("M9", "M8").replace("ben@", "bea@")));
    }

    #[test]
    fn nothing_of_a_contact_prints() {
        let contacts = contacts(&format!("{FILE}M7,,,x@mail.example\n,Ada Example,,x@mail.example\nM8,A,31/31/1999,\n"));
        assert_eq!(contacts.rejected(), 3);
        let shown = format!("{contacts:?} {:?}", contacts.rejects());
        for secret in ["Ada", "ada@", "M8", "31/31"] {
            assert!(!shown.contains(secret), "{secret}");
        }
        let lines: Vec<_> = contacts.rejects().iter().map(|reject| (reject.place.line, reject.reason.as_str())).collect();
        assert_eq!(
            lines,
            [(Some(10), reason::NAME_AND_BIRTH_DATE_MISSING), (Some(11), reason::MEMBER_ID_MISSING), (Some(12), reason::DATE_MALFORMED)]
        );
    }
}
