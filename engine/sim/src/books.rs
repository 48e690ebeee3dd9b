//! What the receivers took, message by message: the other side of every claim the engine makes.

use sink::Delivered;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use world::World;

/// Digits of an invented claim number behind its `CLM`.
const CLAIM_DIGITS: usize = 10;

/// One message that a receiver took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Whose RCPT was accepted. Invented.
    pub recipient: String,
    /// The Message-ID field's value.
    pub message_id: String,
    /// Whether the engine was told.
    pub answered: bool,
    /// Rows whose claim numbers stand in the message.
    pub rows: Vec<u64>,
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
        let text = String::from_utf8_lossy(delivered.message).replace("=\r\n", "");
        let message_id = header(&text, "message-id:").unwrap_or_default();
        let rows = claim_rows(&text);
        let mut pages = self.lock();
        pages.taken.extend(delivered.recipients.iter().map(|recipient| Taken {
            recipient: recipient.reveal(),
            message_id: message_id.clone(),
            answered: delivered.answered,
            rows: rows.clone(),
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

fn header(text: &str, name: &str) -> Option<String> {
    let head = text.split("\r\n\r\n").next()?;
    let line = head
        .lines()
        .find(|line| line.len() > name.len() && line.is_char_boundary(name.len()) && line[..name.len()].eq_ignore_ascii_case(name))?;
    Some(line[name.len()..].trim().to_owned())
}

/// The invented claim numbers in a text end in the number of their row.
fn claim_rows(text: &str) -> Vec<u64> {
    let numbers = text.match_indices("CLM").filter_map(|(at, mark)| {
        let digits = text.get(at + mark.len()..at + mark.len() + CLAIM_DIGITS)?;
        digits.parse().ok()
    });
    let mut rows: Vec<u64> = numbers.collect();
    rows.sort_unstable();
    rows.dedup();
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_identifies_a_message() {
        let text = "DKIM-Signature: a=b\r\nFrom: x\r\nMessage-ID: <1@a>\r\n\r\n0042CLM0000000007 and CLM00 and 0042CLM0000000007";
        assert_eq!(header(text, "message-id:").as_deref(), Some("<1@a>"));
        assert_eq!(claim_rows(text), [7]);
    }
}
