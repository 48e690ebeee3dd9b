//! Who receives: a mailbox, the destination it lies in, and the name to greet.
//!
//! `Debug` shows `***@example.com`; the local part and the name are [`Private`].

use crate::{LanguageTag, Private};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// RFC 5321 section 4.5.3.1.1: octets of a local part.
const LOCAL_PART_BYTES_MAX: usize = 64;
/// RFC 5321 section 4.5.3.1.2: octets of a domain.
const DOMAIN_BYTES_MAX: usize = 255;
/// RFC 1035 section 2.3.4: octets of a label.
const LABEL_BYTES_MAX: usize = 63;

/// A receiving domain: lower-case A-labels (RFC 5890), or an address literal as typed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Destination(Arc<str>);

/// Why a text is not an address. Carries no part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is no `@`, or nothing beside it.
    #[error("is not of the form local@domain")]
    Shape,
    /// The local part is too long, has characters that need quoting, or dots in wrong places.
    #[error("has a local part that RFC 5321 does not allow unquoted, or longer than 64 octets")]
    LocalPart,
    /// The local part is not ASCII, which needs SMTPUTF8 at the receiver (5.6.7).
    #[error("has a local part outside ASCII")]
    LocalPartNotAscii,
    /// The domain is no host name of at least two labels.
    #[error("has a domain that is not a valid host name")]
    Domain,
}

impl Destination {
    /// Checks and normalizes a domain: IDNA (UTS 46) to lower-case A-labels.
    ///
    /// # Errors
    /// [`AddressError::Domain`] where it is no host name of at least two labels.
    pub fn parse(domain: &str) -> Result<Self, AddressError> {
        let plain = domain.strip_suffix('.').unwrap_or(domain);
        let ascii =
            if plain.is_ascii() { plain.to_ascii_lowercase() } else { idna::domain_to_ascii(plain).map_err(|_| AddressError::Domain)? };
        let labels_fit = ascii.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= LABEL_BYTES_MAX
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        });
        if ascii.len() > DOMAIN_BYTES_MAX || !labels_fit || !ascii.contains('.') {
            return Err(AddressError::Domain);
        }
        Ok(Self(ascii.into()))
    }

    /// The name in A-labels.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An address as RFC 5321 calls it: `local@domain`.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mailbox {
    local: Private,
    destination: Destination,
}

impl Mailbox {
    /// Checks `local@domain`. Quoted local parts are refused: no consumer mailbox needs them and they invite tricks.
    ///
    /// # Errors
    /// [`AddressError`] naming the part that does not fit.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (local, domain) = text.trim().rsplit_once('@').ok_or(AddressError::Shape)?;
        if local.is_empty() || domain.is_empty() {
            return Err(AddressError::Shape);
        }
        if !local.is_ascii() {
            return Err(AddressError::LocalPartNotAscii);
        }
        let dots_fit = !local.starts_with('.') && !local.ends_with('.') && !local.contains("..");
        // RFC 5322 section 3.2.3: atext, and the dot between atoms.
        let atoms_fit = local.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte));
        if local.len() > LOCAL_PART_BYTES_MAX || !dots_fit || !atoms_fit {
            return Err(AddressError::LocalPart);
        }
        Ok(Self { local: Private::from(local), destination: Destination::parse(domain)? })
    }

    /// The receiving domain.
    pub fn destination(&self) -> &Destination {
        &self.destination
    }

    /// `local@domain`, for the envelope and the `To` header.
    pub fn reveal(&self) -> String {
        format!("{}@{}", self.local.reveal(), self.destination)
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "***@{}", self.destination)
    }
}

/// One recipient: where the message goes and whom it greets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// Where it goes.
    pub mailbox: Mailbox,
    /// The name of the person, as the contact file has it.
    pub name: Private,
    /// Which version of the contact data this address came from; part of what the first intent freezes.
    pub address_version: u32,
    /// The language the person asked for; `None` where nobody asked.
    pub language: Option<LanguageTag>,
    /// The person acts for the member: a parent, a guardian, an executor.
    pub on_behalf_of: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalizes_the_domain_and_hides_the_local_part() {
        let mailbox = Mailbox::parse("Ada.Example+eob@MÜNCHEN.example").unwrap();
        assert_eq!(mailbox.destination().as_str(), "xn--mnchen-3ya.example");
        assert_eq!(mailbox.reveal(), "Ada.Example+eob@xn--mnchen-3ya.example");
        assert_eq!(format!("{mailbox:?}"), "***@xn--mnchen-3ya.example");
    }

    #[test]
    fn refuses_what_could_break_a_command_line() {
        for text in [
            "a",
            "@b.example",
            "a@",
            "a b@c.example",
            "a@b",
            "a\r\n@b.example",
            "a>@b.example",
            "\"a\"@b.example",
            ".a@b.example",
            "a@-b.example",
            "a@b..example",
            "a@b.example>",
        ] {
            assert!(Mailbox::parse(text).is_err(), "{text}");
        }
        assert_eq!(Mailbox::parse("ä@b.example"), Err(AddressError::LocalPartNotAscii));
    }
}
