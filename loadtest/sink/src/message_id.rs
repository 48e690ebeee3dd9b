//! What the books need of a message: its Message-ID, as 64 bits; and the decisions that follow from a seed.

use aws_lc_rs::digest::{Context, SHA256};
use memchr::memchr;

/// The first 64 bits of SHA-256 over the parts. Among ten million Message-IDs two meet by chance once in 400,000 runs.
pub(crate) fn hash64(parts: &[&[u8]]) -> u64 {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_le_bytes());
        context.update(part);
    }
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&context.finish().as_ref()[..8]);
    u64::from_le_bytes(bytes)
}

/// Whether a hash falls into a share of 1000.
pub(crate) fn falls_into(hash: u64, per_mille: u16) -> bool {
    hash % 1000 < u64::from(per_mille)
}

/// The value of the first Message-ID field, without blanks around it.
pub(crate) fn message_id(message: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"message-id:";
    let mut rest = message;
    while let Some(end) = memchr(b'\n', rest) {
        let line = rest[..end].trim_ascii();
        if line.is_empty() {
            return None;
        }
        if line.len() > NAME.len() && rest[..NAME.len()].eq_ignore_ascii_case(NAME) {
            return Some(line[NAME.len()..].trim_ascii());
        }
        rest = &rest[end + 1..];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_field_and_not_the_body() {
        let message = b"DKIM-Signature: v=1; h=Message-ID;\r\n\tb=x\r\nmessage-ID:  <1@a.example> \r\n\r\nMessage-ID: <2@b.example>\r\n";
        assert_eq!(message_id(message), Some(&b"<1@a.example>"[..]));
        assert_eq!(message_id(b"A: b\r\n\r\nMessage-ID: <2@b.example>\r\n"), None);
        assert_eq!(message_id(b"X-Message-ID: <3@c.example>\r\n\r\n"), None);
        assert_eq!(message_id(b""), None);
    }

    #[test]
    fn shares_are_what_they_say() {
        let hits = (0..10_000u32).filter(|number| falls_into(hash64(&[&number.to_le_bytes()]), 100)).count();
        assert!((900..1100).contains(&hits), "{hits}");
        assert_ne!(hash64(&[b"a", b"b"]), hash64(&[b"ab"]));
    }
}
