//! Who sends: the part of a bundle that belongs to the tenant.
//!
//! Everything here is the same for every message of the tenant, and may therefore stand in header fields and links.

use crate::BundleError;
use model::{Destination, LanguageTag, Mailbox};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Bytes of one field.
const FIELD_BYTES_MAX: usize = 400;

/// The tenant as a recipient sees it. Written in the configuration, stored in the bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The tenant's name in the configuration.
    pub tenant: String,
    /// What the `From` header and the page show: the name the member knows.
    pub brand: String,
    /// The address in `From`.
    #[serde(with = "mailbox_text")]
    pub from: Mailbox,
    /// Where replies go.
    #[serde(with = "mailbox_text")]
    pub reply_to: Mailbox,
    /// The envelope sender: where bounces go.
    #[serde(with = "mailbox_text")]
    pub bounce: Mailbox,
    /// The domain on the right of each Message-ID; a host name of the tenant.
    #[serde(with = "host_text")]
    pub message_id_domain: Destination,
    /// Phone number of member services, as a person reads it.
    pub phone: String,
    /// TTY number, as a person reads it.
    pub tty: String,
    /// When the phone is answered.
    pub hours: String,
    /// Where a member signs in; `https` only.
    pub portal_url: String,
    /// Where letters and appeals go, on one line.
    pub postal_address: String,
    /// The office that helps consumers (45 CFR 147.136(b)(2)(ii)(E)(5)): name and contact, on one line.
    pub consumer_assistance: String,
    /// Marketing only: where one click unsubscribes; `https` only. An opaque `m=` is added to it. Without it, only a mail does.
    #[serde(default)]
    pub unsubscribe_url: Option<String>,
    /// Languages (BCP 47, such as `es`) whose line stands at the end of each message: those of the tenant's counties.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<String>,
    /// The tenant's own sentences for languages, by tag; they win over those of `languages.toml`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub language_lines: BTreeMap<String, String>,
    /// `hours` in other languages, by tag; without one, a message in that language says none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub hours_in: BTreeMap<String, String>,
    /// `consumer_assistance` in other languages, by tag.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub consumer_assistance_in: BTreeMap<String, String>,
    /// Bills: where to pay online; `https` only. Without it, the portal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pay_url: Option<String>,
    /// Bills: where checks go, on one line. Without it, the postal address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_address: Option<String>,
    /// Further domains that templates may link to, beside those of the addresses and URLs above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub link_domains: Vec<String>,
}

impl Identity {
    /// Checks what the types do not.
    ///
    /// # Errors
    /// [`BundleError::Identity`] naming the field.
    pub fn check(&self) -> Result<(), BundleError> {
        for (field, text) in self.texts() {
            check_text(field, text)?;
        }
        self.payment_address.as_deref().map_or(Ok(()), |text| check_text("payment_address", text))?;
        for (field, texts) in [
            ("language_lines", &self.language_lines),
            ("hours_in", &self.hours_in),
            ("consumer_assistance_in", &self.consumer_assistance_in),
        ] {
            for (tag, text) in texts {
                check_tag(field, tag)?;
                check_text(field, text)?;
            }
        }
        self.languages.iter().try_for_each(|tag| check_tag("languages", tag))?;
        for domain in &self.link_domains {
            Destination::parse(domain)
                .map_err(|_| BundleError::Identity { field: "link_domains", expected: "has an entry that is no host name" })?;
        }
        check_https("portal_url", &self.portal_url)?;
        self.pay_url.as_deref().map_or(Ok(()), |url| check_https("pay_url", url))?;
        self.unsubscribe_url.as_deref().map_or(Ok(()), |url| check_https("unsubscribe_url", url))
    }

    /// The domains that templates may link to, in lower case: each also stands for its subdomains.
    pub fn own_domains(&self) -> Vec<String> {
        let of_url = |url: &str| host(url).map(str::to_ascii_lowercase);
        let urls = [Some(self.portal_url.as_str()), self.pay_url.as_deref(), self.unsubscribe_url.as_deref()];
        let mut domains: Vec<String> = urls.into_iter().flatten().filter_map(of_url).collect();
        domains.extend([&self.from, &self.reply_to].map(|mailbox| mailbox.destination().as_str().to_owned()));
        domains.extend(self.link_domains.iter().map(|domain| domain.to_ascii_lowercase()));
        domains.sort_unstable();
        domains.dedup();
        domains
    }

    /// The value of `[[identity.FIELD]]` in a message in `language`.
    pub(crate) fn text(&self, field: &str, language: &str) -> Option<String> {
        match field {
            "hours" if language != crate::language::BASE => Some(self.hours_in.get(language).cloned().unwrap_or_default()),
            "consumer_assistance" if self.consumer_assistance_in.contains_key(language) => {
                self.consumer_assistance_in.get(language).cloned()
            }
            "pay_url" => Some(self.pay_url.as_ref().unwrap_or(&self.portal_url).clone()),
            "payment_address" => Some(self.payment_address.as_ref().unwrap_or(&self.postal_address).clone()),
            // `tel:` takes no blanks or brackets (RFC 3966 section 3).
            "phone_digits" => Some(self.phone.chars().filter(|letter| letter.is_ascii_digit() || *letter == '+').collect()),
            "reply_to" => Some(self.reply_to.reveal()),
            _ => self.texts().into_iter().find(|(name, _)| *name == field).map(|(_, text)| text.to_owned()),
        }
    }

    fn texts(&self) -> [(&'static str, &str); 8] {
        [
            ("tenant", &self.tenant),
            ("brand", &self.brand),
            ("phone", &self.phone),
            ("tty", &self.tty),
            ("hours", &self.hours),
            ("portal_url", &self.portal_url),
            ("postal_address", &self.postal_address),
            ("consumer_assistance", &self.consumer_assistance),
        ]
    }
}

fn check_text(field: &'static str, text: &str) -> Result<(), BundleError> {
    let refuse = |expected| Err(BundleError::Identity { field, expected });
    if text.trim().is_empty() {
        return refuse("is empty; every message shows it");
    }
    if text.len() > FIELD_BYTES_MAX {
        return refuse("is longer than 400 bytes");
    }
    if crate::clean::clean(text) != text {
        return refuse("has line breaks, control or invisible characters, or blanks at its ends; write it on one line");
    }
    if ["{{", "{%", "{#", "[["].iter().any(|mark| text.contains(mark)) {
        return refuse("contains a mark of the template language: {{, {%, {# or [[");
    }
    Ok(())
}

fn check_https(field: &'static str, url: &str) -> Result<(), BundleError> {
    let plain = url.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'<>\\`{}|^".contains(&byte));
    match url.strip_prefix("https://") {
        Some(rest) if plain && !rest.is_empty() && !rest.starts_with('/') => Ok(()),
        _ => Err(BundleError::Identity { field, expected: "is no plain https URL such as https://members.example/eob" }),
    }
}

fn check_tag(field: &'static str, tag: &str) -> Result<(), BundleError> {
    let plain = LanguageTag::parse(tag).is_ok() && tag.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    if plain {
        Ok(())
    } else {
        Err(BundleError::Identity { field, expected: "has an entry that is no language tag in lower case such as \"es\"" })
    }
}

/// The host of an `https` URL, without port.
pub(crate) fn host(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://")?;
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    // What stands before an "@" is no host, though it may look like one.
    (!authority.contains('@')).then(|| authority.split(':').next().unwrap_or(authority))
}

mod mailbox_text {
    use model::Mailbox;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(mailbox: &Mailbox, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&mailbox.reveal())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Mailbox, D::Error> {
        let text = String::deserialize(deserializer)?;
        Mailbox::parse(&text).map_err(|error| D::Error::custom(format!("the address {error}")))
    }
}

mod host_text {
    use model::Destination;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(host: &Destination, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(host.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Destination, D::Error> {
        let text = String::deserialize(deserializer)?;
        Destination::parse(&text).map_err(|error| D::Error::custom(format!("the name {error}")))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An invented insurer.
    pub(crate) fn invented() -> Identity {
        toml::from_str(
            r#"
            tenant = "lakeside"
            brand = "Lakeside Health Plan"
            from = "statements@mail.lakeside.example"
            reply_to = "service@lakeside.example"
            bounce = "bounce@mail.lakeside.example"
            message_id_domain = "mail.lakeside.example"
            phone = "1-800-555-0142"
            tty = "711"
            hours = "Monday to Friday, 8 a.m. to 8 p.m."
            portal_url = "https://members.lakeside.example/statements"
            postal_address = "Lakeside Health Plan, Appeals, PO Box 100, Springfield, EX 00001"
            consumer_assistance = "Example Office of the Insurance Commissioner, 1-800-555-0199"
            "#,
        )
        .unwrap()
    }

    #[test]
    fn reads_addresses_as_text_and_refuses_unknown_fields() {
        let identity = invented();
        identity.check().unwrap();
        assert_eq!(identity.text("phone_digits", "en").unwrap(), "18005550142");
        let again: Identity = serde_json::from_str(&serde_json::to_string(&identity).unwrap()).unwrap();
        assert_eq!(again, identity);
        assert!(toml::from_str::<Identity>("tenant = \"x\"\nfrom = \"not an address\"").is_err());
    }

    #[test]
    fn refuses_fields_that_could_break_a_header_or_a_template() {
        for brand in ["", "A\r\nBcc: b@c.example", "A {{ 7 }}", "A \u{202e}B", &"x".repeat(401)] {
            assert!(Identity { brand: brand.into(), ..invented() }.check().is_err(), "{brand:?}");
        }
        for url in ["http://a.example", "javascript:alert(1)", "https://", "https://a.example/\"onclick=", "https:///x"] {
            assert!(Identity { portal_url: url.into(), ..invented() }.check().is_err(), "{url}");
        }
    }
}
