//! The header section of a message as fields, and which of them a signature covers.
//!
//! The list follows RFC 6376 section 5.4.1. Fields that a stranger could add to mislead the reader are *oversigned*: named
//! once more than they occur, so that adding one breaks the signature (section 8.15).

use super::canonical::relaxed_field;
use crate::SealError;
use memchr::{memchr, memrchr};

/// One field: both slices borrow the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'m> {
    /// In front of the colon, as written.
    pub name: &'m [u8],
    /// Behind the colon, folds and last CRLF included.
    pub value: &'m [u8],
}

/// What is covered where present, in the order of `h=`; `true` = named once more than it occurs.
const COVERED: [(&str, bool); 12] = [
    ("From", true),
    ("To", true),
    ("Reply-To", true),
    ("Subject", true),
    ("Date", true),
    ("Message-ID", true),
    ("MIME-Version", false),
    ("Content-Type", false),
    ("Content-Language", false),
    ("Auto-Submitted", false),
    // RFC 8058 section 4: a one-click unsubscription needs both fields under the signature.
    ("List-Unsubscribe", false),
    ("List-Unsubscribe-Post", false),
];

/// Splits a header section, with or without the empty line at its end, into fields.
///
/// # Errors
/// [`SealError::Header`] where a line is neither a field nor the continuation of one.
pub fn fields(section: &[u8]) -> Result<Vec<Field<'_>>, SealError> {
    let mut fields = Vec::with_capacity(24);
    let mut at = 0;
    while at < section.len() && !section[at..].starts_with(b"\r\n") {
        let end = field_end(section, at);
        let colon = memchr(b':', &section[at..end]).ok_or(SealError::Header { at })?;
        let (name, value) = (&section[at..at + colon], &section[at + colon + 1..end]);
        // RFC 5322 section 3.6.8: a field name is printable ASCII without the colon.
        if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) || !value.ends_with(b"\r\n") {
            return Err(SealError::Header { at });
        }
        fields.push(Field { name, value });
        at = end;
    }
    Ok(fields)
}

/// Behind the CRLF that is not followed by a blank: RFC 5322 section 2.2.3.
fn field_end(section: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(found) = memchr(b'\n', &section[at..]) {
        at += found + 1;
        if !matches!(section.get(at), Some(b' ' | b'\t')) {
            return at;
        }
    }
    section.len()
}

/// The names that `h=` lists, each as often as it must stand there.
pub fn covered(fields: &[Field<'_>]) -> Vec<&'static str> {
    let mut names = Vec::with_capacity(COVERED.len() * 2);
    for (name, oversigned) in COVERED {
        let present = fields.iter().filter(|field| is_named(field, name)).count();
        names.extend(std::iter::repeat_n(name, present + usize::from(oversigned)));
    }
    names
}

/// Writes the named fields in canonical form, each with its CRLF, in the order of the names.
///
/// RFC 6376 section 5.4.2: a name that is repeated takes the fields from the bottom up; one that is not there any more
/// stands for nothing.
pub fn write_covered(fields: &[Field<'_>], names: &[&str], into: &mut Vec<u8>) {
    for (position, name) in names.iter().enumerate() {
        let taken = names[..position].iter().filter(|earlier| earlier.eq_ignore_ascii_case(name)).count();
        if let Some(field) = fields.iter().rev().filter(|field| is_named(field, name)).nth(taken) {
            relaxed_field(field.name, field.value, into);
            into.extend_from_slice(b"\r\n");
        }
    }
}

/// The author's domain in lower case: of the only `From` field.
///
/// # Errors
/// [`SealError::From`] where there is not exactly one, or it has no address.
pub fn author_domain(fields: &[Field<'_>]) -> Result<String, SealError> {
    let mut authors = fields.iter().filter(|field| is_named(field, "From"));
    match (authors.next(), authors.next()) {
        (Some(author), None) => domain_of(author.value).ok_or(SealError::From { found: 0 }),
        (None, _) => Err(SealError::From { found: 0 }),
        (Some(_), Some(_)) => Err(SealError::From { found: 2 + authors.count() }),
    }
}

/// Behind the last `@`, up to the end of the address. A display name stands in front of it, so that an `@` in a name does no harm.
fn domain_of(value: &[u8]) -> Option<String> {
    let behind = &value[memrchr(b'@', value)? + 1..];
    let length = behind.iter().take_while(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_')).count();
    let domain = std::str::from_utf8(&behind[..length]).ok()?.trim_end_matches('.');
    (!domain.is_empty()).then(|| domain.to_ascii_lowercase())
}

fn is_named(field: &Field<'_>, name: &str) -> bool {
    field.name.eq_ignore_ascii_case(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] = b"Received: one\r\nFROM: =?utf-8?q?a@b?= <No-Reply@Mail.Plan.Example>\r\nTo: a@b.example\r\n\
        Subject: folded\r\n\tover two\r\nReceived: two\r\nDate: today\r\n\r\nbody: no\r\n";

    #[test]
    fn splits_folded_fields_and_stops_at_the_empty_line() {
        let fields = fields(MESSAGE).unwrap();
        let names: Vec<_> = fields.iter().map(|field| std::str::from_utf8(field.name).unwrap()).collect();
        assert_eq!(names, ["Received", "FROM", "To", "Subject", "Received", "Date"]);
        assert_eq!(fields[3].value, b" folded\r\n\tover two\r\n");
    }

    #[test]
    fn names_what_is_there_and_oversigns_what_misleads() {
        let fields = fields(MESSAGE).unwrap();
        let names = covered(&fields).join(":");
        assert_eq!(names, "From:From:To:To:Reply-To:Subject:Subject:Date:Date:Message-ID");
    }

    #[test]
    fn a_repeated_name_takes_the_fields_from_the_bottom_up() {
        let fields = fields(MESSAGE).unwrap();
        let mut canonical = Vec::new();
        write_covered(&fields, &["received", "Received", "RECEIVED", "X-Absent"], &mut canonical);
        assert_eq!(canonical, b"received:two\r\nreceived:one\r\n");
    }

    #[test]
    fn finds_the_author_behind_a_misleading_name() {
        assert_eq!(author_domain(&fields(MESSAGE).unwrap()).unwrap(), "mail.plan.example");
        assert_eq!(author_domain(&fields(b"From: \"x@y.example\" <a@b.example> (c)\r\n").unwrap()).unwrap(), "b.example");
        assert_eq!(author_domain(&fields(b"From: a@b.example\r\nfrom: c@d.example\r\n").unwrap()), Err(SealError::From { found: 2 }));
        assert_eq!(author_domain(&fields(b"To: a@b.example\r\n").unwrap()), Err(SealError::From { found: 0 }));
        assert_eq!(author_domain(&fields(b"From: nobody\r\n").unwrap()), Err(SealError::From { found: 0 }));
    }

    #[test]
    fn says_where_a_header_is_damaged() {
        assert_eq!(fields(b"A: b\r\nno colon\r\n\r\n"), Err(SealError::Header { at: 6 }));
        assert_eq!(fields(b" A: b\r\n"), Err(SealError::Header { at: 0 }));
        assert_eq!(fields(b"A: b"), Err(SealError::Header { at: 0 }));
    }
}
