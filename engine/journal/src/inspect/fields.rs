//! What may be shown of a record. Each field is named here by hand: a new one is shown only when somebody decided that it may.

use crate::record::Decoded;
use model::record::{AttemptEnd, BatchCommit, BatchOpen, BatchVerb, Head, Intake, Intent, Record, Restoration, StateChange};
use model::stage::Locator;
use model::{Protection, State, Timestamp, hex};
use serde::{Serialize, Serializer};
use std::fmt;

/// Hexadecimal digits shown of a hash: enough to tell two apart, too few to look one up elsewhere.
const HASH_DIGITS: usize = 8;

/// A field of a record: its name, and what it says.
pub type Field = (&'static str, FieldValue);

/// What a field says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldValue {
    /// A word, an id, the first digits of a hash, an address of a server.
    Text(String),
    /// A count or a number.
    Number(u64),
    /// Yes or no.
    Flag(bool),
    /// A moment.
    Time(Timestamp),
}

impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => write!(f, "{number}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Time(time) => write!(f, "{}", time.to_jiff()),
        }
    }
}

impl Serialize for FieldValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Text(_) | Self::Time(_) => serializer.collect_str(self),
        }
    }
}

/// Fields in the order in which they are read.
#[derive(Default)]
struct Fields(Vec<Field>);

impl Fields {
    fn text(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.0.push((name, FieldValue::Text(value.to_string())));
        self
    }

    fn number(mut self, name: &'static str, value: impl Into<u64>) -> Self {
        self.0.push((name, FieldValue::Number(value.into())));
        self
    }

    /// Only where it is set.
    fn flag(mut self, name: &'static str, value: bool) -> Self {
        if value {
            self.0.push((name, FieldValue::Flag(true)));
        }
        self
    }

    fn time(mut self, name: &'static str, value: Timestamp) -> Self {
        self.0.push((name, FieldValue::Time(value)));
        self
    }

    fn hash(self, name: &'static str, bytes: &[u8]) -> Self {
        self.text(name, hex(&bytes[..bytes.len().min(HASH_DIGITS / 2)]))
    }

    fn maybe<T>(self, value: Option<T>, add: impl FnOnce(Self, T) -> Self) -> Self {
        match value {
            Some(value) => add(self, value),
            None => self,
        }
    }
}

/// What may be shown of a record.
pub(super) fn of(decoded: &Decoded) -> Vec<Field> {
    let fields = Fields::default();
    let fields = match decoded {
        Decoded::Head(locator, head) => head_of(fields, head).text("payload", place(*locator)),
        Decoded::Moved(moved) => fields.text("from", place(moved.from)).text("to", place(moved.to)),
        Decoded::Record(record) => record_of(fields, record),
        Decoded::Lost(_) => fields,
    };
    fields.0
}

fn record_of(fields: Fields, record: &Record) -> Fields {
    match record {
        Record::BatchOpen(open) => open_of(fields, open),
        Record::Head(head) => head_of(fields, head),
        Record::BatchCommit(commit) => commit_of(fields, commit),
        Record::BatchDiscard { batch, at, reason } => fields.text("batch", batch).text("reason", word(reason)).time("at", *at),
        Record::BatchClose { batch, at } => fields.text("batch", batch).time("at", *at),
        Record::Intent(intent) => intent_of(fields, intent),
        Record::NotSent(end) | Record::Outcome(end) => end_of(fields, end),
        Record::Change(change) => change_of(fields, change),
        Record::Operator(action) => fields.text("batch", action.batch).text("verb", verb(action.verb)).time("at", action.at),
        Record::KeyDestroyed(destruction) => {
            let fields = fields.text("batch", destruction.batch).number("destroyed_key", destruction.key);
            fields.text("cause", word(&destruction.cause)).time("at", destruction.at)
        }
        Record::Restored(restoration) => restoration_of(fields, restoration),
        Record::Narrowed(narrowing) => {
            let fields = narrowing.rows.iter().fold(fields, |fields, row| fields.number("superseded_row", *row));
            fields.text("payload", place(narrowing.to)).time("at", narrowing.at)
        }
    }
}

fn place(locator: Locator) -> String {
    format!("{}@{}", locator.segment, locator.offset)
}

fn open_of(fields: Fields, open: &BatchOpen) -> Fields {
    let fields = fields.text("batch", open.batch).text("format", word(&open.format)).flag("rolling", open.rolling);
    fields.maybe(open.file_sha256, |fields, hash| fields.hash("file_sha256", &hash)).time("at", open.at)
}

fn head_of(fields: Fields, head: &Head) -> Fields {
    let fields = fields.text("batch", head.batch).number("row", head.row).number("statements", head.statements);
    let fields = head.further.iter().fold(fields, |fields, further| fields.number("further_row", further.row));
    let fields = fields.maybe(head.held, |fields, reason| fields.text("held", reason.as_str()));
    let fields = fields.number("priority", head.priority).text("protection", protection(head.protection));
    let fields = fields.hash("row_key", &head.key.0).hash("content", &head.content.0).hash("bundle", &head.bundle.0);
    fields.time("due", head.due).time("deadline", head.deadline)
}

fn commit_of(fields: Fields, commit: &BatchCommit) -> Fields {
    let Intake { source_records, read, rejected, duplicate, merged, not_mailable, no_address, no_consent, accepted, .. } = &commit.intake;
    let mut fields = fields.text("batch", commit.batch).number("records", *source_records).number("read", read.rows);
    for (name, part) in [
        ("accepted", accepted),
        ("rejected", rejected),
        ("duplicate", duplicate),
        ("merged", merged),
        ("not_mailable", not_mailable),
        ("no_address", no_address),
        ("no_consent", no_consent),
    ] {
        if part.rows > 0 {
            fields = fields.number(name, part.rows);
        }
    }
    fields.flag("held", commit.held).time("at", commit.at)
}

fn intent_of(fields: Fields, intent: &Intent) -> Fields {
    let fields = fields.hash("message_sha256", &intent.sha256).hash("bundle", &intent.bundle.0);
    // The version of the contact data is left out: it comes from the contact data.
    let fields = fields.maybe(intent.source, |fields, source| fields.text("source", source));
    fields.text("peer", intent.peer).time("date", intent.date)
}

fn end_of(fields: Fields, end: &AttemptEnd) -> Fields {
    let fields = fields.text("state", State::as_str(end.state));
    let fields = fields.maybe(end.held, |fields, reason| fields.text("held", reason.as_str()));
    let fields = fields.maybe(end.code, |fields, code| fields.number("code", code));
    let fields = fields.maybe(end.enhanced, |fields, code| fields.text("enhanced", code));
    let fields = fields.text("cause", word(&end.cause));
    let fields = fields.maybe(end.source, |fields, source| fields.text("source", source));
    let fields = fields.maybe(end.peer, |fields, peer| fields.text("peer", peer));
    let fields =
        fields.maybe(end.proof.as_ref().and_then(|proof| proof.tls_version.as_ref()), |fields, version| fields.text("tls", version));
    fields.maybe(end.due, |fields, due| fields.time("due", due)).time("at", end.at)
}

fn change_of(fields: Fields, change: &StateChange) -> Fields {
    let fields = fields.text("state", State::as_str(change.state));
    let fields = fields.maybe(change.held, |fields, reason| fields.text("held", reason.as_str()));
    let fields = fields.text("cause", word(&change.cause));
    fields.maybe(change.due, |fields, due| fields.time("due", due)).time("at", change.at)
}

fn restoration_of(fields: Fields, restoration: &Restoration) -> Fields {
    let Restoration { at, directory_epoch, known_epoch, uncertain, .. } = restoration;
    fields.number("directory_start", *directory_epoch).number("known_start", *known_epoch).number("uncertain", *uncertain).time("at", *at)
}

fn protection(level: Protection) -> &'static str {
    match level {
        Protection::PlaintextLoopback => "plaintext_loopback",
        Protection::TlsEncrypted => "tls_encrypted",
        Protection::TlsVerified => "tls_verified",
    }
}

fn verb(verb: BatchVerb) -> &'static str {
    match verb {
        BatchVerb::Hold => "hold",
        BatchVerb::Release => "release",
        BatchVerb::Cancel => "cancel",
        BatchVerb::Paper => "paper",
    }
}

/// A stable word as the engine writes them. Anything else is shown as its length: it may be a sentence of somebody's.
fn word(text: &str) -> String {
    let is_word = text.len() <= 40 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if is_word { text.to_owned() } else { format!("({} bytes)", text.len()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_of_our_own_are_shown() {
        assert_eq!(word("mailbox_full"), "mailbox_full");
        assert_eq!(word("Mrs Quackenbush called"), "(22 bytes)");
        assert_eq!(word("zebulon@mail.example"), "(20 bytes)");
    }
}
