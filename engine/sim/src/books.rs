//! What the receivers took, message by message: the other side of every claim the engine makes.

use crate::parcel::Mark;
use model::Monotonic;
use sink::Delivered;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use world::World;

/// Digits of an invented claim number before and behind its `CLM`.
const MARK_DIGITS: usize = 4;
const ROW_DIGITS: usize = 10;

/// One message that a receiver took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Whose RCPT was accepted. Invented.
    pub recipient: String,
    /// The Message-ID field's value.
    pub message_id: String,
    /// Whether the engine was told.
    pub answered: bool,
    /// When.
    pub at: Monotonic,
    /// Rows whose claim numbers stand in the message.
    pub marks: Vec<Mark>,
}

/// Shared between the receivers' thread and whoever judges.
#[derive(Debug, Clone, Default)]
pub(crate) struct Books(Arc<Mutex<Pages>>);

#[derive(Debug, Default)]
struct Pages {
    taken: Vec<Taken>,
    /// How many there are when the engine's machine shall crash.
    crash_at: Option<usize>,
}

impl Books {
    /// Notes a message, and lets the trace have it: two runs of a seed must send the same bytes. True where the engine's machine shall
    /// crash with this message.
    pub(crate) fn note(&self, world: &World, delivered: &Delivered<'_>) -> bool {
        world.trace(delivered.message);
        let text = without_soft_breaks(delivered.message);
        let message_id = header(&text, b"message-id:").unwrap_or_default();
        let marks = claim_marks(&text);
        let mut pages = self.lock();
        pages.taken.extend(delivered.recipients.iter().map(|recipient| Taken {
            recipient: recipient.reveal(),
            message_id: message_id.clone(),
            answered: delivered.answered,
            at: delivered.at,
            marks: marks.clone(),
        }));
        let is_time = pages.crash_at.is_some_and(|at| pages.taken.len() >= at);
        if is_time {
            pages.crash_at = None;
        }
        is_time
    }

    /// The engine's machine crashes with the `later`th message from now.
    pub(crate) fn crash_after(&self, later: u64) {
        let mut pages = self.lock();
        pages.crash_at = Some(pages.taken.len().saturating_add(usize::try_from(later).unwrap_or(usize::MAX)));
    }

    pub(crate) fn crash_never(&self) {
        self.lock().crash_at = None;
    }

    pub(crate) fn all(&self) -> Vec<Taken> {
        self.lock().taken.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// RFC 2045 section 6.7 (5): "A Soft Line Break is marked with an equal sign at the end of the line" and is no part of the text.
fn without_soft_breaks(message: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(message.len());
    let mut rest = message;
    while let Some(at) = rest.windows(3).position(|window| window == b"=\r\n") {
        text.extend_from_slice(&rest[..at]);
        rest = &rest[at + 3..];
    }
    text.extend_from_slice(rest);
    text
}

fn header(text: &[u8], name: &[u8]) -> Option<String> {
    let lines = text.split(|byte| *byte == b'\n').take_while(|line| *line != b"\r");
    let mut named = lines.filter(|line| line.len() > name.len() && line[..name.len()].eq_ignore_ascii_case(name));
    named.next().map(|line| String::from_utf8_lossy(&line[name.len()..]).trim().to_owned())
}

/// The invented claim numbers in a text: the batch's mark before `CLM`, the number of the row behind it.
fn claim_marks(text: &[u8]) -> Vec<Mark> {
    let mut marks = Vec::new();
    let mut from = MARK_DIGITS;
    while let Some(at) = text.get(from..).and_then(|rest| rest.windows(3).position(|window| window == b"CLM")).map(|at| from + at) {
        let number = |digits: Option<&[u8]>| std::str::from_utf8(digits?).ok()?.parse::<u64>().ok();
        let mark = number(text.get(at - MARK_DIGITS..at)).and_then(|mark| u16::try_from(mark).ok());
        let row = number(text.get(at + 3..at + 3 + ROW_DIGITS));
        marks.extend(mark.zip(row));
        from = at + 3;
    }
    marks.sort_unstable();
    marks.dedup();
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_identifies_a_message() {
        let text = b"DKIM-Signature: a=b\r\nFrom: x\r\nMessage-ID: <1@a>\r\n\r\n0042CLM00=\r\n00000007 and CLM00 and 0042CLM0000000007";
        let text = without_soft_breaks(text);
        assert_eq!(header(&text, b"message-id:").as_deref(), Some("<1@a>"));
        assert_eq!(header(&text, b"x-none:"), None);
        assert_eq!(claim_marks(&text), [(42, 7)]);
    }
}
