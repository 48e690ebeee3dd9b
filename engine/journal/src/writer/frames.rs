//! Frames into the logs' buffers: numbered, encoded, sealed, placed.

use super::{Fault, Writer};
use crate::bounds::{BLOCK_SEQUENCE_FIRST, BUFFER_BYTES_MAX, FRAME_PLAIN_BYTES_MAX, SEGMENT_HEADER_BYTES};
use crate::error::{JournalError, KeyError};
use crate::format::{FrameHeader, FrameKind, LogKind, RecordPosition};
use crate::frame::{self, Unfinished};
use crate::key_ring::KeyHandle;
use crate::live::BatchSlot;
use crate::log::LogWriter;
use crate::payload::EncodedPayload;
use crate::record;
use model::record::{FrameKey, Head, Record};
use model::stage::Locator;
use model::{JobId, MessageVersion, Stream, TenantId};
use world::Plant;

impl<S: Stream> Writer<S> {
    pub(super) fn next_header(
        &mut self,
        kind: FrameKind,
        encoding: u8,
        key: FrameKey,
        tenant: TenantId,
        key_id: u32,
    ) -> Result<FrameHeader, Fault> {
        let sequence = self.next_sequence;
        if sequence >= BLOCK_SEQUENCE_FIRST {
            return Err(Fault::Fatal(JournalError::Internal("all frame numbers of this start are given: restart")));
        }
        self.next_sequence += 1;
        let fresh = self.log(kind.log()).is_durable();
        Ok(FrameHeader { sequence, epoch: self.parts.epoch, kind, fresh, encoding, key, tenant, key_id })
    }

    /// Payload and head. Gives the payload's locator and the head's place.
    pub(super) async fn put_job(
        &mut self,
        slot: BatchSlot,
        id: JobId,
        head: &Head,
        payload: &EncodedPayload,
    ) -> Result<(Locator, (u32, u32)), Fault> {
        let batch = self.parts.batches.get(slot).expect("a slot that is named is in use");
        let (tenant, record_key) = (batch.tenant, batch.record.clone());
        let locator = self.put_payload(slot, id, payload).await?;
        let key = about(id);
        let header = self.next_header(FrameKind::Head, record::ENCODING, key, tenant, record_key.id)?;
        let log = &mut self.parts.record;
        let start = frame::begin(&mut log.buffer, &header);
        let encoded = record::encode_head(locator, head, &mut log.buffer).map_err(|_| refused_record());
        let place = self.finish(LogKind::Record, start, header.sequence, &record_key, encoded).await?;
        self.last_record = header.position();
        Ok((locator, place))
    }

    /// The payload of a job, under the key of its batch.
    pub(super) async fn put_payload(&mut self, slot: BatchSlot, id: JobId, payload: &EncodedPayload) -> Result<Locator, Fault> {
        let batch = self.parts.batches.get(slot).expect("a slot that is named is in use");
        let (tenant, content) = (batch.tenant, batch.content.clone().ok_or(JournalError::Keys(KeyError::Destroyed))?);
        let header = self.next_header(payload.kind, payload.encoding, about(id), tenant, content.id)?;
        let log = &mut self.parts.work;
        let start = frame::begin(&mut log.buffer, &header);
        log.buffer.extend_from_slice(payload.bytes());
        let (segment, offset) = self.finish(LogKind::Work, start, header.sequence, &content, Ok(())).await?;
        let is_misplaced = self.parts.world.is_planted(Plant::LocatorUnchecked);
        Ok(Locator { segment, offset: if is_misplaced { SEGMENT_HEADER_BYTES as u32 } else { offset } })
    }

    pub(super) async fn put_record(&mut self, key: FrameKey, tenant: TenantId, cipher: &KeyHandle, record: &Record) -> Result<(), Fault> {
        let header = self.next_header(FrameKind::of(record), record::ENCODING, key, tenant, cipher.id)?;
        let log = &mut self.parts.record;
        let start = frame::begin(&mut log.buffer, &header);
        let encoded = record::encode(record, &mut log.buffer).map_err(|_| refused_record());
        self.finish(LogKind::Record, start, header.sequence, cipher, encoded).await?;
        self.last_record = header.position();
        Ok(())
    }

    /// Seals the frame at `start`, makes room for it, and says where it will lie. A frame that cannot be leaves nothing behind.
    pub(super) async fn finish(
        &mut self,
        log: LogKind,
        start: usize,
        sequence: u64,
        key: &KeyHandle,
        encoded: Result<(), JournalError>,
    ) -> Result<(u32, u32), Fault> {
        let journal = self.parts.journal;
        let is_plain = log == LogKind::Work && self.parts.world.is_planted(Plant::PlaintextPayload);
        let end = self.log(log);
        let salt = end.salt();
        let max = end.frame_bytes_max();
        let plain = is_plain.then(|| end.buffer[start..].to_vec());
        let sealed = encoded.and_then(|()| frame::finish(&mut end.buffer, start, journal, &key.cipher, salt).map_err(unfinished));
        if let (Some(plain), Ok(())) = (plain, &sealed) {
            frame::put_back_plain(&mut end.buffer, start, &plain, salt);
        }
        let bytes = end.buffer.len() - start;
        let fits = sealed.and(if bytes <= max { Ok(()) } else { Err(JournalError::TooLarge { bytes, max }) });
        if let Err(error) = fits {
            end.buffer.truncate(start);
            return Err(error.into());
        }
        let position = RecordPosition::new(self.parts.epoch, sequence);
        let numbers_again = [Plant::EpochNotRaised, Plant::SequenceRestarted].iter().any(|plant| self.parts.world.is_planted(*plant));
        let end = self.log(log);
        debug_assert!(numbers_again || end.rises_to(position), "positions rise");
        if end.overflows() {
            let frame = end.take_from(start);
            self.roll(log, frame, sequence).await?;
            self.log(log).placed(position);
            return Ok((self.log(log).number(), SEGMENT_HEADER_BYTES as u32));
        }
        end.placed(position);
        let place = (end.number(), end.offset_of(start));
        if end.buffer.len() >= BUFFER_BYTES_MAX {
            self.flush(false)?;
        }
        Ok(place)
    }

    pub(super) fn log(&mut self, kind: LogKind) -> &mut LogWriter {
        match kind {
            LogKind::Work => &mut self.parts.work,
            LogKind::Record => &mut self.parts.record,
        }
    }

    pub(super) async fn roll(&mut self, log: LogKind, frame: Vec<u8>, sequence: u64) -> Result<(), Fault> {
        // A full segment is durable as a whole before the next one begins, and payloads before the heads that name them.
        self.flush(true)?;
        let epoch = self.parts.epoch;
        let left = self.log(log).number();
        match self.log(log).roll(frame, epoch, sequence).await {
            // The frame has no place; everything before it is as it was. What needs a place at all costs says so itself.
            Err(error) if error.is_for_want_of_room() => return Err(Fault::Refused(self.parts.space.ran_out())),
            rolled => rolled.map_err(Fault::Fatal)?,
        }
        if self.parts.world.is_planted(Plant::SequenceRestarted) {
            self.next_sequence = 0;
        }
        if log == LogKind::Work && !self.parts.segments.contains_key(&left) {
            self.reclaim(left);
        }
        Ok(())
    }
}

/// The key of frames about a job and no attempt.
pub(super) fn about(job: JobId) -> FrameKey {
    FrameKey { job: Some(job), message: MessageVersion(0), attempt: 0 }
}

fn refused_record() -> JournalError {
    JournalError::Internal("a record has no encoding")
}

fn unfinished(fault: Unfinished) -> JournalError {
    match fault {
        Unfinished::TooLarge(bytes) => JournalError::TooLarge { bytes, max: FRAME_PLAIN_BYTES_MAX },
        Unfinished::Cipher(_) => JournalError::Internal("AES-GCM refused to seal"),
    }
}
