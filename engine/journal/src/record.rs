//! Records as bytes: postcard.
//!
//! The frame's kind says which record it is. A head carries in front where its payload lies in the work log, so that recovery
//! never has to read the work log.

use crate::format::FrameKind;
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

/// A record, and where its payload lies if it is a head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decoded {
    pub(crate) record: Record,
    pub(crate) locator: Option<Locator>,
}

/// Encodes a head at the end of `out`.
pub(crate) fn encode_head(locator: Locator, head: &Head, out: &mut Vec<u8>) -> Result<(), RecordFault> {
    append(&(locator.segment, locator.offset, head), out)
}

/// Encodes any other record at the end of `out`.
pub(crate) fn encode(record: &Record, out: &mut Vec<u8>) -> Result<(), RecordFault> {
    append(record, out)
}

fn append(value: &impl serde::Serialize, out: &mut Vec<u8>) -> Result<(), RecordFault> {
    let (length, bytes) = (out.len(), std::mem::take(out));
    *out = postcard::to_extend(value, bytes).map_err(|_| RecordFault)?;
    debug_assert!(out.len() > length);
    Ok(())
}

/// Decodes what [`encode`] or [`encode_head`] wrote.
pub(crate) fn decode(kind: FrameKind, encoding: u8, bytes: &[u8]) -> Result<Decoded, RecordFault> {
    if encoding != ENCODING {
        return Err(RecordFault);
    }
    if kind == FrameKind::Head {
        let ((segment, offset, head), rest) = postcard::take_from_bytes::<(u32, u32, Head)>(bytes).map_err(|_| RecordFault)?;
        let decoded = Decoded { record: Record::Head(head), locator: Some(Locator { segment, offset }) };
        return if rest.is_empty() { Ok(decoded) } else { Err(RecordFault) };
    }
    let (record, rest) = postcard::take_from_bytes::<Record>(bytes).map_err(|_| RecordFault)?;
    // The kind is authenticated with the bytes; the two must agree.
    if rest.is_empty() && FrameKind::of(&record) == kind { Ok(Decoded { record, locator: None }) } else { Err(RecordFault) }
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
