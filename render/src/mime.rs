//! The message: header fields, the text part, the page, in MIME.
//!
//! `mail-builder` folds, quotes and encodes. What it would take from clock and process (boundary, Message-ID, date) is
//! given to it, derived from the job, so that the same job gives the same bytes (invariant 4).
//!
//! Parts are 7bit where a text is ASCII with lines of at most 76 characters, else quoted-printable; base64 only where a
//! page is mostly outside ASCII and that is shorter.

use crate::Identity;
use crate::clean;
use aws_lc_rs::digest;
use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address;
use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::date::Date;
use mail_builder::headers::raw::Raw;
use mail_builder::headers::url::URL;
use mail_builder::mime::{BodyPart, MimePart};
use model::{BundleId, JobId, MessageVersion, Recipient, Timestamp};
use std::borrow::Cow;

/// The identity as header fields take it, made once.
pub(crate) struct Sender {
    brand: String,
    from: String,
    reply_to: String,
    message_id_host: String,
    unsubscribe_url: Option<String>,
}

impl Sender {
    pub(crate) fn new(identity: &Identity) -> Self {
        Self {
            brand: clean::header_name(&identity.brand),
            from: identity.from.reveal(),
            reply_to: identity.reply_to.reveal(),
            message_id_host: identity.message_id_domain.as_str().to_owned(),
            unsubscribe_url: identity.unsubscribe_url.clone(),
        }
    }
}

/// What makes a message the one it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MessageKey {
    /// The job.
    pub(crate) job: JobId,
    /// Its version.
    pub(crate) version: MessageVersion,
    /// The `Date` field.
    pub(crate) date: Timestamp,
    /// What decides the bytes.
    pub(crate) bundle: BundleId,
}

/// Two tokens of 32 hex digits, the same for the same key, that say nothing about it.
struct Tokens {
    message_id: String,
    boundary: String,
}

impl MessageKey {
    fn tokens(self) -> Tokens {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"sealpost message\0");
        context.update(&self.job.to_bits().to_be_bytes());
        context.update(&self.version.0.to_be_bytes());
        context.update(&self.date.0.to_be_bytes());
        context.update(&self.bundle.0);
        let hash = context.finish();
        let (message_id, boundary) = hash.as_ref().split_at(16);
        // RFC 2045 section 6.7: "=" is followed by two hex digits or a line end in quoted-printable, so "=_" cannot occur in a part.
        Tokens { message_id: hex(message_id, ""), boundary: hex(boundary, "=_") }
    }
}

/// The rendered parts of a message.
pub(crate) struct Parts<'a> {
    pub(crate) subject: &'a str,
    pub(crate) text: &'a str,
    pub(crate) html: &'a str,
    /// The language of both parts.
    pub(crate) language: &'a str,
    /// Marketing: the fields by which a reader leaves.
    pub(crate) unsubscribe: bool,
}

/// Assembles the message: its bytes, and where its body begins.
pub(crate) fn assemble(sender: &Sender, recipient: &Recipient, key: MessageKey, parts: &Parts<'_>) -> (Vec<u8>, usize) {
    let tokens = key.tokens();
    let seconds = i64::try_from(key.date.as_seconds()).unwrap_or(i64::MAX);
    let name = clean::header_name(recipient.name.reveal());
    let name = Some(name).filter(|name| !name.is_empty());
    let mut message = MessageBuilder::new()
        .header("From", Address::new_address(Some(sender.brand.as_str()), sender.from.as_str()))
        .header("To", Address::new_address(name, recipient.mailbox.reveal()))
        .header("Reply-To", Address::new_address(None::<&str>, sender.reply_to.as_str()))
        .subject(parts.subject)
        .date(Date::new(seconds))
        .message_id(format!("{}@{}", tokens.message_id, sender.message_id_host))
        // RFC 3834 section 5: "auto-generated" is for messages that no person sent and that answer nothing.
        .header("Auto-Submitted", Raw::new("auto-generated"))
        .header("X-Auto-Response-Suppress", Raw::new("All"))
        .header("Content-Language", Raw::new(parts.language));
    if parts.unsubscribe {
        message = message.header("List-Unsubscribe", unsubscribe(sender, &tokens));
        if sender.unsubscribe_url.is_some() {
            // RFC 8058 section 3.1: the field must contain exactly this pair.
            message = message.header("List-Unsubscribe-Post", Raw::new("List-Unsubscribe=One-Click"));
        }
    }
    let multipart = ContentType::new("multipart/alternative").attribute("boundary", tokens.boundary);
    // RFC 2046 section 5.1.4: alternatives come in increasing order of faithfulness.
    let alternatives = vec![part("text/plain", parts.text), part("text/html", parts.html)];
    let message = message.body(MimePart::new(multipart, BodyPart::Multipart(alternatives)));
    let mut bytes = Vec::with_capacity(parts.text.len() + parts.html.len() + parts.html.len() / 8 + 2_048);
    message.serialize(&mut bytes);
    let body_offset = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a message has an empty line after its header") + 4;
    (bytes, body_offset)
}

fn part<'a>(content_type: &'static str, body: &'a str) -> MimePart<'a> {
    MimePart::new(ContentType::new(content_type).attribute("charset", "utf-8"), BodyPart::Text(Cow::Borrowed(body)))
}

/// RFC 2369 section 3.2, with a token that names the message and nobody.
fn unsubscribe<'a>(sender: &Sender, tokens: &Tokens) -> URL<'a> {
    let mail = format!("mailto:{}?subject=unsubscribe%20{}", sender.reply_to, tokens.message_id);
    let page = sender.unsubscribe_url.as_ref().map(|url| {
        let joint = if url.contains('?') { '&' } else { '?' };
        format!("{url}{joint}m={}", tokens.message_id)
    });
    URL::new_list(page.into_iter().chain([mail]))
}

fn hex(bytes: &[u8], prefix: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(prefix.len() + bytes.len() * 2);
    out.push_str(prefix);
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out
}
