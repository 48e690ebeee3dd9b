//! The signer: one body hash, one header state, a `DKIM-Signature` field per key.
//!
//! A field is laid out as (folded with tabs, each line under 78 octets)
//!
//! ```text
//! DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=plan.example;
//!     s=r2026; t=1767225600;
//!     h=From:From:To:To:...;
//!     bh=<SHA-256 of the canonical body>;
//!     b=<signature>
//! ```
//!
//! No `l=` (RFC 6376 section 8.2), no `x=` (a delayed statement must still verify), no `i=` (it would equal `@d`).

use super::canonical::{relaxed_body, relaxed_field};
use super::headers::{Field, author_domain, covered, fields, write_covered};
use super::keys::{DkimKeys, SigningKey};
use crate::{KeyError, NotSealed, SealError};
use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem;
use model::Timestamp;
use model::stage::{RenderedMessage, Seal, SealedMessage};
use model::stream::Stream;
use std::collections::BTreeMap;

const NAME: &str = "DKIM-Signature";
const FOLD: &[u8] = b"\r\n\t";
/// Longest run of base64 or names on one line. RFC 5322 section 2.1.1: lines SHOULD be no more than 78 octets.
const LINE_BYTES_MAX: usize = 72;
/// Room for both fields with RSA-2048, so that the buffer does not grow.
const FIELDS_BYTES: usize = 1536;

/// Signs messages with the keys of their author domains. `Send + Sync`; share it in an `Arc`.
#[derive(Debug)]
pub struct Signer {
    /// By domain; `None` where the operator chose to send unsigned.
    sets: Option<BTreeMap<String, DkimKeys>>,
}

impl Signer {
    /// A signer for these domains. A message is signed by the set of its `From` domain, else of the nearest parent of it.
    ///
    /// # Errors
    /// [`KeyError::TwoSets`] where a domain has more than one.
    pub fn new(sets: Vec<DkimKeys>) -> Result<Self, KeyError> {
        let mut by_domain = BTreeMap::new();
        for set in sets {
            if let Some(earlier) = by_domain.insert(set.domain().to_owned(), set) {
                return Err(KeyError::TwoSets { domain: earlier.domain().to_owned() });
            }
        }
        Ok(Self { sets: Some(by_domain) })
    }

    /// Seals without DKIM: only where the operator says so, such as behind a relay that signs, and in measurements.
    pub fn unsigned() -> Self {
        Self { sets: None }
    }

    /// Signs one message.
    ///
    /// # Errors
    /// [`NotSealed`] with the message in it, where it has no usable `From`, its domain no key, or its header is damaged.
    pub fn seal<S: Stream>(&self, rendered: RenderedMessage<S>) -> Result<SealedMessage<S>, Box<NotSealed<S>>> {
        match self.signatures(&rendered.bytes, rendered.body_offset, rendered.date) {
            Ok(signatures) => Ok(SealedMessage::new(rendered, signatures.into(), Seal::attest())),
            Err(reason) => Err(Box::new(NotSealed { rendered, reason })),
        }
    }

    /// Signs a slice of messages, each for itself: the result at a place belongs to the message at that place.
    /// Callers hand over slices so that signing several at once can come without changing them.
    pub fn seal_slice<S: Stream>(&self, rendered: Vec<RenderedMessage<S>>) -> Vec<Result<SealedMessage<S>, Box<NotSealed<S>>>> {
        rendered.into_iter().map(|message| self.seal(message)).collect()
    }

    /// The signature fields of a message, each ending in CRLF; empty where this signer is [`Signer::unsigned`].
    ///
    /// `body_offset` is behind the empty line; `signed_at` becomes `t=`.
    ///
    /// # Errors
    /// As [`Signer::seal`].
    pub fn signatures(&self, message: &[u8], body_offset: usize, signed_at: Timestamp) -> Result<Vec<u8>, SealError> {
        let Some(sets) = &self.sets else { return Ok(Vec::new()) };
        // A wrong offset would sign the wrong octets, and every receiver would call the statement forged.
        if memmem::find(message, b"\r\n\r\n").map(|at| at + 4) != Some(body_offset) {
            return Err(SealError::BodyOffset { offset: body_offset });
        }
        let (section, body) = message.split_at(body_offset);
        let fields = fields(section)?;
        let keys = keys_of(sets, author_domain(&fields)?)?;
        let names = covered(&fields);
        let text = Text { domain: keys.domain(), signed_at, names: &names, body_hash: &body_hash(body) };
        let state = header_state(&fields, &names, section.len());
        let mut written = Vec::with_capacity(FIELDS_BYTES);
        for key in keys.in_order() {
            text.sign(key, state.clone(), &mut written)?;
        }
        Ok(written)
    }
}

/// The set of the domain or of its nearest parent: still aligned in DMARC's relaxed mode (RFC 7489 section 3.1.1).
fn keys_of(sets: &BTreeMap<String, DkimKeys>, author: String) -> Result<&DkimKeys, SealError> {
    let mut domain = author.as_str();
    loop {
        if let Some(keys) = sets.get(domain) {
            return Ok(keys);
        }
        match domain.split_once('.') {
            Some((_, parent)) => domain = parent,
            None => return Err(SealError::NoKey { domain: author }),
        }
    }
}

/// `bh=`, computed once for all keys.
fn body_hash(body: &[u8]) -> String {
    let mut hash = Context::new(&SHA256);
    relaxed_body(body, &mut hash);
    STANDARD.encode(hash.finish())
}

/// The hash of the covered fields, ready to take the signature field of one key.
fn header_state(fields: &[Field<'_>], names: &[&str], section_bytes: usize) -> Context {
    let mut canonical = Vec::with_capacity(section_bytes);
    write_covered(fields, names, &mut canonical);
    let mut state = Context::new(&SHA256);
    state.update(&canonical);
    state
}

/// What the signature fields of a message have in common.
struct Text<'t> {
    domain: &'t str,
    signed_at: Timestamp,
    names: &'t [&'static str],
    body_hash: &'t str,
}

impl Text<'_> {
    /// Appends the field of one key.
    fn sign(&self, key: &dyn SigningKey, mut state: Context, into: &mut Vec<u8>) -> Result<(), SealError> {
        let from = into.len();
        self.write_unsigned(key, into);
        // RFC 6376 section 3.7: "The DKIM-Signature header field ... MUST be presented to the hash algorithm after the
        // body hash ... with the value of the "b=" tag ... deleted (i.e., treated as the empty string) ... without a trailing CRLF."
        let mut canonical = Vec::with_capacity(into.len() - from);
        relaxed_field(NAME.as_bytes(), &into[from + NAME.len() + 1..], &mut canonical);
        state.update(&canonical);
        let signature = key.sign(&state.finish()).ok_or_else(|| SealError::Refused { domain: self.domain.to_owned() })?;
        write_folded(STANDARD.encode(signature).as_bytes(), into);
        into.extend_from_slice(b"\r\n");
        Ok(())
    }

    /// The field up to and with `b=`.
    fn write_unsigned(&self, key: &dyn SigningKey, into: &mut Vec<u8>) {
        let head = format!("{NAME}: v=1; a={}; c=relaxed/relaxed; d={};", key.algorithm(), self.domain);
        let stamp = format!("s={}; t={};", key.selector(), self.signed_at.as_seconds());
        into.extend_from_slice(head.as_bytes());
        into.extend_from_slice(FOLD);
        into.extend_from_slice(stamp.as_bytes());
        into.extend_from_slice(FOLD);
        self.write_names(into);
        into.extend_from_slice(FOLD);
        into.extend_from_slice(b"bh=");
        into.extend_from_slice(self.body_hash.as_bytes());
        into.extend_from_slice(b";\r\n\tb=");
    }

    /// `h=`, folded between names: RFC 6376 section 3.5 allows whitespace around each colon.
    fn write_names(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(b"h=");
        let mut column = 2;
        for (position, name) in self.names.iter().enumerate() {
            if position > 0 {
                into.push(b':');
                column += 1;
            }
            if column + name.len() > LINE_BYTES_MAX {
                into.extend_from_slice(FOLD);
                column = 0;
            }
            into.extend_from_slice(name.as_bytes());
            column += name.len();
        }
        into.push(b';');
    }
}

fn write_folded(base64: &[u8], into: &mut Vec<u8>) {
    for (position, line) in base64.chunks(LINE_BYTES_MAX).enumerate() {
        if position > 0 {
            into.extend_from_slice(FOLD);
        }
        into.extend_from_slice(line);
    }
}
