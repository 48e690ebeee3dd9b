//! Records as bytes: postcard.
//!
//! The frame's kind says which record it is. A head carries in front where its payload lies in the work log, so that recovery
//! never has to read the work log.

use crate::encoder;
use crate::format::FrameKind;
use crate::past;
use model::Destination;
use model::record::{Head, Record};
use model::stage::Locator;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Version 1 of the encoding of records.
pub(crate) const ENCODING: u8 = 1;

/// The bytes are no record of this kind, or no record can be made of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordFault;

/// What a frame of the record log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decoded {
    /// A job, and where its payload lies.
    Head(Locator, Box<Head>),
    /// The payload of a job lies somewhere else now. Between the journal's logs alone: no projection sees it.
    Moved(Move),
    /// Any other record.
    Record(Box<Record>),
    /// No frame says it: recovery puts it where one was lost.
    Lost(Lost),
}

/// What is known of a frame that was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// What its header says, which nobody vouches for.
    Frame,
    /// Nothing: it may have been about anyone, and there may have been many.
    Anyone,
}

impl Decoded {
    /// What projections see of it.
    pub(crate) fn into_record(self) -> Option<Record> {
        match self {
            Self::Head(_, head) => Some(Record::Head(*head)),
            Self::Record(record) => Some(*record),
            Self::Moved(_) | Self::Lost(_) => None,
        }
    }
}

/// From where to where a payload was moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) from: Locator,
    pub(crate) to: Locator,
}

/// Encodes a head at the end of `out`.
pub(crate) fn encode_head(locator: Locator, head: &Head, out: &mut Vec<u8>) -> Result<(), RecordFault> {
    append(&(locator.segment, locator.offset, head), out)
}

/// Encodes a move at the end of `out`.
pub(crate) fn encode_move(moved: Move, out: &mut Vec<u8>) -> Result<(), RecordFault> {
    let Move { from, to } = moved;
    append(&(from.segment, from.offset, to.segment, to.offset), out)
}

/// Encodes any other record at the end of `out`.
pub(crate) fn encode(record: &Record, out: &mut Vec<u8>) -> Result<(), RecordFault> {
    append(record, out)
}

fn append(value: &impl serde::Serialize, out: &mut Vec<u8>) -> Result<(), RecordFault> {
    encoder::encode(value, out).map_err(|_| RecordFault)
}

/// Decodes what [`encode`] or [`encode_head`] wrote.
pub(crate) fn decode(kind: FrameKind, encoding: u8, bytes: &[u8]) -> Result<Decoded, RecordFault> {
    if encoding != ENCODING {
        return Err(RecordFault);
    }
    match kind {
        FrameKind::Head => {
            let ((segment, offset), head) = past::before_a_head::<(u32, u32)>(bytes).ok_or(RecordFault)?;
            Ok(Decoded::Head(Locator { segment, offset }, Box::new(head)))
        }
        FrameKind::Moved => {
            let (segment, offset, to_segment, to_offset) = whole::<(u32, u32, u32, u32)>(bytes)?;
            let to = Locator { segment: to_segment, offset: to_offset };
            Ok(Decoded::Moved(Move { from: Locator { segment, offset }, to }))
        }
        _ => {
            let record = whole::<Record>(bytes)?;
            // The kind is authenticated with the bytes; the two must agree.
            if FrameKind::of(&record) == kind { Ok(Decoded::Record(Box::new(record))) } else { Err(RecordFault) }
        }
    }
}

fn whole<'bytes, T: serde::Deserialize<'bytes>>(bytes: &'bytes [u8]) -> Result<T, RecordFault> {
    let (value, rest) = postcard::take_from_bytes::<T>(bytes).map_err(|_| RecordFault)?;
    if rest.is_empty() { Ok(value) } else { Err(RecordFault) }
}

/// Shares equal destinations: a million heads name a few thousand.
#[derive(Default)]
pub(crate) struct Destinations(BTreeSet<Destination>);

impl Destinations {
    pub(crate) fn share(&mut self, head: &mut Head) {
        let Some(destination) = head.destination.take() else { return };
        let shared = match self.0.get(&destination) {
            Some(known) => known.clone(),
            None => {
                self.0.insert(destination.clone());
                destination
            }
        };
        head.destination = Some(shared);
    }

    /// The same for a head that is not shared yet.
    pub(crate) fn share_of(&mut self, head: &mut Arc<Head>) {
        if let Some(head) = Arc::get_mut(head) {
            self.share(head);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_move_comes_back_and_is_no_record_of_the_model() {
        let at = |segment, offset| Locator { segment, offset };
        let moved = Move { from: at(1, 64), to: at(70_000, 128) };
        let mut bytes = Vec::new();
        encode_move(moved, &mut bytes).unwrap();
        let decoded = decode(FrameKind::Moved, ENCODING, &bytes).unwrap();
        assert_eq!(decoded, Decoded::Moved(moved));
        assert_eq!(decoded.into_record(), None);
        bytes.push(0);
        assert_eq!(decode(FrameKind::Moved, ENCODING, &bytes), Err(RecordFault), "nothing may follow it");
    }
}
