//! Contacts: whose address is it?
//!
//! A contact file is CSV (comma, semicolon, tab or bar; quotes; byte order mark) or NDJSON with the same names:
//! `member_id, name, given_name, family_name, birth_date, email`. Required are member_id, email, and name (whole or in parts) or birth date.
//! Columns we do not know are passed over: eligibility exports have many.
//!
//! **The join** (invariant 13). A row is the member's when its id is equal *and*
//! * both sides have a birth date: the dates agree, whatever the names;
//! * else: the names match (see [`names`]).
//!
//! Among several rows that are the member's, those that also agree in name go first (twins share id and birth date). If they still have
//! different addresses, nobody guesses: `Mismatch("ambiguous")`. An id that is there under another name is a mismatch too, and
//! a person has to look; an id that is not there is no address.
//!
//! Rows lie packed in chunks of 1 MiB with eight bytes of index each: ten million rows take about 1 GB. They are wiped on drop.

mod names;
mod source;
mod table;

use crate::error::{refuse, unreadable};
use crate::reason;
use jiff::civil::Date;
use model::limits::CONTACTS_MAX;
use model::reject::{Place, Refusal, Reject};
use model::statement::Member;
use model::{Mailbox, Private, Recipient};
use names::Name;
use source::{ContactRow, Source};
use std::io::{BufRead, Read};
use table::{Entry, Table};

/// Rejected rows kept with their place; further ones are counted only.
const REJECTS_MAX: usize = 10_000;

/// The contact data of a batch.
pub struct Contacts {
    table: Table,
    version: u32,
    rejects: Vec<Reject>,
    rejected: u64,
}

/// What the contact data says about a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Join {
    /// Exactly one address.
    Found(Recipient),
    /// Nobody to send to, with the reason: `member_unknown`, `address_missing`, `address_malformed`.
    NoAddress(&'static str),
    /// The id is there, but not this person, or two addresses are: `name_differs`, `birth_date_differs`, `ambiguous`. A person must look.
    Mismatch(&'static str),
}

impl Contacts {
    /// Reads a contact file. Rows that cannot be read are left out and listed, see [`Contacts::rejects`].
    ///
    /// # Errors
    /// [`Refusal`] where the file is empty, has no header that we understand, has too many rows or cannot be read.
    pub fn read(reader: impl BufRead, file_name: &str) -> Result<Self, Refusal> {
        let mut hashed = Hashed::new(reader);
        let mut contacts = Self { table: Table::default(), version: 0, rejects: Vec::new(), rejected: 0 };
        let mut source = Source::open(Box::new(&mut hashed), file_name)?;
        while let Some((line, row)) = source.next_row().map_err(|error| unreadable(file_name, &error))? {
            let entry = row.and_then(|row| checked(&row).map(|birth_date| (row, birth_date)));
            match entry {
                Ok((row, birth_date)) => contacts.add(&row, birth_date, file_name)?,
                Err((reason, field)) => contacts.reject(file_name, line, reason, field),
            }
        }
        drop(source);
        contacts.version = hashed.version();
        contacts.table.finish();
        Ok(contacts)
    }

    /// Rows in the table.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// True where no row could be read.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows that were left out, with line and reason; the first 10,000.
    pub fn rejects(&self) -> &[Reject] {
        &self.rejects
    }

    /// How many rows were left out.
    pub fn rejected(&self) -> u64 {
        self.rejected
    }

    /// The address of a member, who may also be known under corrected ids or names.
    pub fn join(&self, member: &Member, also_known_as: &[Member]) -> Join {
        let mut found = Matches::default();
        for identity in std::iter::once(member).chain(also_known_as) {
            self.look(identity, &mut found);
        }
        found.decide(self.version)
    }

    fn look<'t>(&'t self, identity: &Member, found: &mut Matches<'t>) {
        let wanted = Name::new(identity.given_name.reveal(), identity.family_name.reveal(), identity.name.reveal());
        for entry in self.table.with_id(identity.id.reveal()) {
            found.id_known = true;
            let names_match = || wanted.matches(&Name::new(entry.given_name, entry.family_name, entry.name));
            match (identity.birth_date, entry.birth_date) {
                (Some(ours), Some(theirs)) if ours != theirs => found.birth_date_differs = true,
                (Some(_), Some(_)) => found.add(entry, names_match()),
                _ if names_match() => found.add(entry, true),
                _ => {}
            }
        }
    }

    fn add(&mut self, row: &ContactRow<'_>, birth_date: Option<Date>, file: &str) -> Result<(), Refusal> {
        if self.table.len() >= CONTACTS_MAX {
            return Err(refuse(file, reason::TOO_MANY_CONTACTS, format!("expected at most {CONTACTS_MAX} rows")));
        }
        self.table.add(&Entry {
            id: &row.member_id,
            name: &row.name,
            given_name: &row.given_name,
            family_name: &row.family_name,
            email: &row.email,
            birth_date,
        });
        Ok(())
    }

    fn reject(&mut self, file: &str, line: u64, reason: &'static str, field: &'static str) {
        self.rejected += 1;
        if self.rejects.len() < REJECTS_MAX {
            let place = Place { row: 0, line: Some(line), segment: None, field: Some(field.to_owned()) };
            let expected = source::expected(reason).to_owned();
            let action = reason::action(reason).to_owned();
            self.rejects.push(Reject { file: file.to_owned(), place, reason: reason.to_owned(), expected, action });
        }
    }
}

impl std::fmt::Debug for Contacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Contacts({} rows, {} rejected)", self.len(), self.rejected)
    }
}

/// What makes a row usable: an id, and something to tell the person by. Gives the birth date.
fn checked(row: &ContactRow<'_>) -> Result<Option<Date>, (&'static str, &'static str)> {
    if row.member_id.is_empty() {
        return Err((reason::MEMBER_ID_MISSING, "member_id"));
    }
    for (text, field) in [
        (&row.member_id, "member_id"),
        (&row.name, "name"),
        (&row.given_name, "given_name"),
        (&row.family_name, "family_name"),
        (&row.email, "email"),
    ] {
        crate::validate::check_text(text).map_err(|reason| (reason, field))?;
    }
    let birth_date = match row.birth_date.as_ref() {
        "" => None,
        text => Some(source::birth_date(text).ok_or((reason::DATE_MALFORMED, "birth_date"))?),
    };
    if birth_date.is_none() && row.name.is_empty() && row.given_name.is_empty() && row.family_name.is_empty() {
        return Err((reason::NAME_AND_BIRTH_DATE_MISSING, "name"));
    }
    Ok(birth_date)
}

/// The rows that may be a member's.
#[derive(Default)]
struct Matches<'t> {
    id_known: bool,
    birth_date_differs: bool,
    by_name: Vec<Entry<'t>>,
    by_birth_date: Vec<Entry<'t>>,
}

impl<'t> Matches<'t> {
    fn add(&mut self, entry: Entry<'t>, name_matches: bool) {
        if name_matches {
            self.by_name.push(entry);
        } else {
            self.by_birth_date.push(entry);
        }
    }

    fn decide(self, version: u32) -> Join {
        let matching = if self.by_name.is_empty() { self.by_birth_date } else { self.by_name };
        if matching.is_empty() {
            return match (self.id_known, self.birth_date_differs) {
                (false, _) => Join::NoAddress(reason::MEMBER_UNKNOWN),
                (true, true) => Join::Mismatch("birth_date_differs"),
                (true, false) => Join::Mismatch("name_differs"),
            };
        }
        let mut chosen: Option<(Mailbox, Entry<'t>)> = None;
        let mut malformed = false;
        for entry in matching.into_iter().filter(|entry| !entry.email.is_empty()) {
            let Ok(mailbox) = Mailbox::parse(entry.email) else {
                malformed = true;
                continue;
            };
            match &chosen {
                Some((known, _)) if *known != mailbox => return Join::Mismatch("ambiguous"),
                Some(_) => {}
                None => chosen = Some((mailbox, entry)),
            }
        }
        match chosen {
            Some((mailbox, entry)) => {
                Join::Found(Recipient { mailbox, name: shown_name(&entry), address_version: version, language: None, on_behalf_of: false })
            }
            None if malformed => Join::NoAddress(reason::ADDRESS_MALFORMED),
            None => Join::NoAddress(reason::ADDRESS_MISSING),
        }
    }
}

fn shown_name(entry: &Entry<'_>) -> Private {
    if !entry.name.is_empty() {
        return entry.name.into();
    }
    let parts = [entry.given_name, entry.family_name];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ").into()
}

/// Passes a reader through and takes its SHA-256: the version of the contact data is its first four bytes.
struct Hashed<R> {
    reader: R,
    digest: aws_lc_rs::digest::Context,
}

impl<R> Hashed<R> {
    fn new(reader: R) -> Self {
        Self { reader, digest: aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256) }
    }

    fn version(self) -> u32 {
        let digest = self.digest.finish();
        let start = digest.as_ref().first_chunk::<4>().expect("SHA-256 has 32 bytes");
        u32::from_be_bytes(*start)
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.digest.update(&buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn contacts(text: &str) -> Contacts {
        Contacts::read(text.as_bytes(), "contacts.csv").unwrap()
    }

    fn member(id: &str, given: &str, family: &str, birth_date: Option<Date>) -> Member {
        Member { id: id.into(), name: format!("{given} {family}").into(), given_name: given.into(), family_name: family.into(), birth_date }
    }

    fn address(join: Join) -> String {
        match join {
            Join::Found(recipient) => recipient.mailbox.reveal(),
            Join::NoAddress(reason) => format!("none: {reason}"),
            Join::Mismatch(detail) => format!("mismatch: {detail}"),
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
            (member("M5", "Ivo", "Twin", Some(date(2001, 1, 1))), "mismatch: ambiguous"),
            (member("M6", "Flo", "Same", None), "flo@mail.example"),
        ] {
            assert_eq!(address(contacts.join(&member, &[])), expected);
        }
    }

    #[test]
    fn a_corrected_id_or_name_is_the_same_person() {
        let contacts = contacts(FILE);
        let read = member("OLD", "Ada", "Example", None);
        assert_eq!(address(contacts.join(&read, &[member("M1", "Ada", "Example", None)])), "ada@mail.example");
        let misspelt = member("M1", "Adda", "Exampel", None);
        assert_eq!(address(contacts.join(&misspelt, &[member("M1", "Ada", "Example", None)])), "ada@mail.example");
    }

    #[test]
    fn the_version_follows_the_content() {
        let version = |text: &str| match contacts(text).join(&member("M1", "Ada", "Example", None), &[]) {
            Join::Found(recipient) => recipient.address_version,
            other => panic!("{other:?}"),
        };
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
