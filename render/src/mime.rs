//! The message: header fields, the text part, the page, in MIME.
//!
//! Everything is written once, into the bytes that leave. `mail-builder` folds, quotes and encodes the header fields. What it would take
//! from clock and process (boundary, Message-ID, date) is derived from the job, so that the same job gives the same bytes (invariant 4).
//!
//! Parts are quoted-printable; base64 only where a part is mostly outside ASCII and that is shorter.

use crate::Identity;
use crate::clean;
use crate::quoted_printable::{decode, is_heavy};
use aws_lc_rs::digest;
use mail_builder::headers::Header;
use mail_builder::headers::address::Address;
use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::date::Date;
use mail_builder::headers::message_id::MessageId;
use mail_builder::headers::text::Text;
use mail_builder::headers::url::URL;
use mail_builder::mime::{BodyPart, MimePart};
use model::{BundleId, JobId, MessageVersion, Recipient, Timestamp};

/// A message of fifteen services has 30 KB.
const MESSAGE_BYTES_USUAL: usize = 36 * 1024;

/// The identity as header fields take it, made once.
pub(crate) struct Sender {
    from: Vec<u8>,
    reply_to: Vec<u8>,
    reply_address: String,
    message_id_host: String,
    unsubscribe_url: Option<String>,
}

impl Sender {
    pub(crate) fn new(identity: &Identity) -> Self {
        let (brand, reply_address) = (clean::header_name(&identity.brand), identity.reply_to.reveal());
        let (mut from, mut reply_to) = (Vec::new(), Vec::new());
        field("From", &Address::new_address(Some(brand), identity.from.reveal()), &mut from);
        field("Reply-To", &Address::new_address(None::<&str>, reply_address.as_str()), &mut reply_to);
        Self {
            from,
            reply_to,
            reply_address,
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
    message_id: [u8; 32],
    boundary: [u8; 32],
}

impl Tokens {
    fn message_id(&self) -> &str {
        std::str::from_utf8(&self.message_id).expect("hex digits are ASCII")
    }
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
        Tokens { message_id: hex(message_id), boundary: hex(boundary) }
    }
}

/// The parts of a message, and what writes them.
pub(crate) struct Parts<'a, T, H> {
    pub(crate) subject: &'a str,
    /// Writes the text part in quoted-printable; gives how many octets were quoted.
    pub(crate) text: T,
    /// Writes the page likewise.
    pub(crate) html: H,
    /// The language of both parts.
    pub(crate) language: &'a str,
    /// Marketing: the fields by which a reader leaves.
    pub(crate) unsubscribe: bool,
}

/// Assembles the message: its bytes, and where its body begins.
///
/// # Errors
/// Those of the parts.
pub(crate) fn assemble<E>(
    sender: &Sender,
    recipient: &Recipient,
    key: MessageKey,
    parts: Parts<'_, impl FnOnce(&mut Vec<u8>) -> Result<usize, E>, impl FnOnce(&mut Vec<u8>) -> Result<usize, E>>,
) -> Result<(Vec<u8>, usize), E> {
    let tokens = key.tokens();
    let mut out = Vec::with_capacity(MESSAGE_BYTES_USUAL);
    header(sender, recipient, key, &tokens, (parts.subject, parts.language), &mut out);
    if parts.unsubscribe {
        unsubscribe(sender, &tokens, &mut out);
    }
    // RFC 2045 section 6.7: "=" is followed by two hex digits or a line end in quoted-printable, so "=_" cannot occur in a part.
    out.extend_from_slice(b"MIME-Version: 1.0\r\nContent-Type: multipart/alternative;\r\n boundary=\"=_");
    out.extend_from_slice(&tokens.boundary);
    out.extend_from_slice(b"\"\r\n\r\n");
    let body_offset = out.len();
    // RFC 2046 section 5.1.4: alternatives come in increasing order of faithfulness.
    delimiter(&tokens, b"\r\n", &mut out);
    part("text/plain", parts.text, &mut out)?;
    out.extend_from_slice(b"\r\n");
    delimiter(&tokens, b"\r\n", &mut out);
    part("text/html", parts.html, &mut out)?;
    out.extend_from_slice(b"\r\n");
    delimiter(&tokens, b"--\r\n", &mut out);
    Ok((out, body_offset))
}

fn header(sender: &Sender, recipient: &Recipient, key: MessageKey, tokens: &Tokens, texts: (&str, &str), out: &mut Vec<u8>) {
    let (subject, language) = texts;
    let name = clean::header_name(recipient.name.reveal());
    let name = Some(name).filter(|name| !name.is_empty());
    out.extend_from_slice(&sender.from);
    field("To", &Address::new_address(name, recipient.mailbox.reveal()), out);
    out.extend_from_slice(&sender.reply_to);
    field("Subject", &Text::new(subject), out);
    field("Date", &Date::new(i64::try_from(key.date.as_seconds()).unwrap_or(i64::MAX)), out);
    field("Message-ID", &MessageId::new(format!("{}@{}", tokens.message_id(), sender.message_id_host)), out);
    // RFC 3834 section 5: "auto-generated" is for messages that no person sent and that answer nothing.
    out.extend_from_slice(b"Auto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: All\r\nContent-Language: ");
    out.extend_from_slice(language.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn field(name: &str, value: &impl Header, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    value.write_header(out, name.len() + 2);
}

fn delimiter(tokens: &Tokens, end: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"--=_");
    out.extend_from_slice(&tokens.boundary);
    out.extend_from_slice(end);
}

fn part<E>(content_type: &'static str, write: impl FnOnce(&mut Vec<u8>) -> Result<usize, E>, out: &mut Vec<u8>) -> Result<(), E> {
    let start = out.len();
    out.extend_from_slice(b"Content-Type: ");
    out.extend_from_slice(content_type.as_bytes());
    out.extend_from_slice(b"; charset=\"utf-8\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n");
    let body = out.len();
    let quoted = write(out)?;
    if is_heavy(quoted, out.len() - body) {
        // It is written again as what is shorter.
        let text = decode(&out[body..]);
        out.truncate(start);
        MimePart::new(ContentType::new(content_type).attribute("charset", "utf-8"), BodyPart::Text(text.into())).write_part(out);
    }
    Ok(())
}

/// RFC 2369 section 3.2, with a token that names the message and nobody.
fn unsubscribe(sender: &Sender, tokens: &Tokens, out: &mut Vec<u8>) {
    let mail = format!("mailto:{}?subject=unsubscribe%20{}", sender.reply_address, tokens.message_id());
    let page = sender.unsubscribe_url.as_ref().map(|url| {
        let joint = if url.contains('?') { '&' } else { '?' };
        format!("{url}{joint}m={}", tokens.message_id())
    });
    field("List-Unsubscribe", &URL::new_list(page.into_iter().chain([mail])), out);
    if sender.unsubscribe_url.is_some() {
        // RFC 8058 section 3.1: the field must contain exactly this pair.
        out.extend_from_slice(b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n");
    }
}

fn hex(bytes: &[u8]) -> [u8; 32] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = [0; 32];
    for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    out
}
