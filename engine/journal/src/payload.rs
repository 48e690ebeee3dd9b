//! A job's content as bytes: postcard, and of a long one an LZ4 block where that is smaller.
//!
//! The frame's encoding byte says how a payload was encoded, and the decoder chooses by it. A version once written is readable for ever:
//!
//! | encoding | bytes | written |
//! |---|---|---|
//! | 1 | postcard | by versions before statements had particulars; read only |
//! | 2 | postcard, compressed by zstd | by the first versions of sealpost; read only |
//! | 3 | length of the postcard bytes (u32, little-endian), LZ4 block of them | by versions before statements had particulars; read only |
//! | 4 | as 1, with particulars | by versions before dates and amounts were bytes; read only |
//! | 5 | as 3, with particulars | by versions before dates and amounts were bytes; read only |
//! | 6 | as 1, of the present shape of a job's content | up to [`PACKED_FROM_BYTES`], and where the next one would not be smaller |
//! | 7 | as 3, of the present shape | now, of longer ones |
//!
//! Why LZ4: of four frames of a message, zstd at level 1 alone took half the CPU, most of it for building entropy tables that a kilobyte
//! and a half does not repay. LZ4 finds the same repetitions for a tenth of that, and gives up a fifth of the bytes saved. Even that was a
//! quarter of the CPU of four frames, for 470 bytes: a statement of fifteen lines whose dates and amounts are
//! bytes is short enough as it is.
//!
//! Jobs are encoded on the thread that hands them in, not by the writer: a commit has only to seal. Buffers are wiped after use, because
//! they hold content in the clear.

use crate::bounds::FRAME_PLAIN_BYTES_MAX;
use crate::encoder;
use crate::format::FrameKind;
use crate::past::{JobDataV1, JobDataV2};
use lz4_flex::block::{CompressTable, compress_into_with_table, decompress_into, get_maximum_output_size};
use model::limits::PAYLOAD_BYTES_MAX;
use model::stage::{JobData, Payload};
use serde::Deserialize;
use std::hint::black_box;
use std::sync::{Mutex, MutexGuard, PoisonError};
use zstd::bulk::Decompressor;

/// Version 1: postcard.
const PLAIN: u8 = 1;
/// Version 2: postcard, compressed by zstd.
const ZSTD: u8 = 2;
/// Version 3: postcard's length, and an LZ4 block of it.
const LZ4: u8 = 3;
/// Version 4: version 1 with particulars.
const PLAIN_2: u8 = 4;
/// Version 5: version 3 with particulars.
const LZ4_2: u8 = 5;
/// Version 6: version 1 of the present shape.
const PLAIN_NOW: u8 = 6;
/// Version 7: version 3 of the present shape.
const LZ4_NOW: u8 = 7;
/// Contents of so many bytes and more are packed: a message of fifteen lines stays below,
/// one of forty lines or of several statements does not.
const PACKED_FROM_BYTES: usize = 2048;
/// The length in front of an LZ4 block.
const LENGTH_BYTES: usize = 4;
/// Encoders that are kept for reuse: about one for each thread that hands jobs in.
const ENCODERS_MAX: usize = 8;

/// Why a payload could not be encoded or decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PayloadFault {
    TooLarge(usize),
    Encoder(&'static str),
}

/// The frame kind of a payload.
fn kind_of(data: &JobData) -> FrameKind {
    match data.payload {
        Payload::Statements(_) => FrameKind::Statement,
        Payload::Templated { .. } => FrameKind::Templated,
    }
}

/// Bytes that held content: wiped before they are reused or freed.
#[derive(Default)]
struct Scratch(Vec<u8>);

impl Scratch {
    fn wipe(&mut self) {
        self.0.fill(0);
        self.0.clear();
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.0.fill(0);
        // Nobody reads the zeros; this keeps the optimizer from leaving them out, at the speed of memset.
        black_box(&self.0);
    }
}

/// A job's content, ready to be sealed.
pub(crate) struct EncodedPayload {
    pub(crate) kind: FrameKind,
    /// The frame's encoding byte.
    pub(crate) encoding: u8,
    bytes: Scratch,
}

impl EncodedPayload {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes.0
    }
}

/// The encoders of a journal. Whoever hands a job in takes one for as long as it encodes.
#[derive(Default)]
pub(crate) struct PayloadEncoders(Mutex<Vec<PayloadEncoder>>);

impl PayloadEncoders {
    pub(crate) fn encode(&self, data: &JobData) -> Result<EncodedPayload, PayloadFault> {
        let kept = self.lock().pop();
        let mut encoder = kept.unwrap_or_default();
        let encoded = encoder.encode(data);
        let mut kept = self.lock();
        if kept.len() < ENCODERS_MAX {
            kept.push(encoder);
        }
        encoded
    }

    fn lock(&self) -> MutexGuard<'_, Vec<PayloadEncoder>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Encodes payloads as the journal does before it seals them, and says how long they are: for whoever measures or plans.
#[derive(Default)]
pub struct PayloadMeter(PayloadEncoders);

impl PayloadMeter {
    /// Bytes of a job's payload in the journal, without the frame around it. `None` where the journal would refuse it.
    pub fn bytes(&self, data: &JobData) -> Option<usize> {
        self.0.encode(data).ok().map(|encoded| encoded.bytes().len())
    }
}

impl std::fmt::Debug for PayloadMeter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PayloadMeter")
    }
}

#[derive(Default)]
struct PayloadEncoder {
    plain: Scratch,
    /// As long as the longest block yet; zero between uses.
    packed: Scratch,
    /// Positions, no content.
    table: CompressTable,
}

impl PayloadEncoder {
    fn encode(&mut self, data: &JobData) -> Result<EncodedPayload, PayloadFault> {
        let encoded = self.encode_unwiped(data);
        self.plain.wipe();
        encoded
    }

    fn encode_unwiped(&mut self, data: &JobData) -> Result<EncodedPayload, PayloadFault> {
        let plain = &mut self.plain.0;
        encoder::encode(data, plain).map_err(|_| PayloadFault::Encoder("a payload has no encoding"))?;
        if plain.len() > PAYLOAD_BYTES_MAX {
            return Err(PayloadFault::TooLarge(plain.len()));
        }
        let kind = kind_of(data);
        if plain.len() < PACKED_FROM_BYTES {
            // Handed on as it is; a buffer that grows would leave parts of the content behind, so the next one need not.
            let bytes = std::mem::replace(plain, Vec::with_capacity(PACKED_FROM_BYTES));
            return Ok(EncodedPayload { kind, encoding: PLAIN_NOW, bytes: Scratch(bytes) });
        }
        let room = get_maximum_output_size(plain.len());
        if self.packed.0.len() < room {
            self.packed.0.resize(room, 0);
        }
        let packed = compress_into_with_table(plain, &mut self.packed.0, &mut self.table)
            .map_err(|_| PayloadFault::Encoder("LZ4 refused a payload"))?;
        let block = &mut self.packed.0[..packed];
        let encoded = if LENGTH_BYTES + packed < plain.len() {
            let mut bytes = Vec::with_capacity(LENGTH_BYTES + packed);
            bytes.extend_from_slice(&(plain.len() as u32).to_le_bytes());
            bytes.extend_from_slice(block);
            EncodedPayload { kind, encoding: LZ4_NOW, bytes: Scratch(bytes) }
        } else {
            EncodedPayload { kind, encoding: PLAIN_NOW, bytes: Scratch(plain.clone()) }
        };
        block.fill(0);
        Ok(encoded)
    }
}

/// Decodes payloads. Kept by each reader.
#[derive(Default)]
pub(crate) struct PayloadDecoder {
    plain: Scratch,
    /// Made for the first payload of an old version.
    decompressor: Option<Decompressor<'static>>,
}

impl PayloadDecoder {
    pub(crate) fn decode(&mut self, encoding: u8, bytes: &[u8]) -> Result<JobData, PayloadFault> {
        let unpacked = match encoding {
            PLAIN | PLAIN_2 | PLAIN_NOW => return of_shape(encoding, bytes),
            ZSTD => self.unpack_zstd(bytes),
            LZ4 | LZ4_2 | LZ4_NOW => self.unpack_lz4(bytes),
            _ => Err(PayloadFault::Encoder("a later version wrote this payload")),
        };
        let result = unpacked.and_then(|()| of_shape(encoding, &self.plain.0));
        self.plain.wipe();
        result
    }

    fn unpack_lz4(&mut self, bytes: &[u8]) -> Result<(), PayloadFault> {
        let (length, block) = bytes.split_first_chunk::<LENGTH_BYTES>().ok_or(PayloadFault::Encoder("no LZ4 block"))?;
        let size = u32::from_le_bytes(*length) as usize;
        if size > FRAME_PLAIN_BYTES_MAX {
            return Err(PayloadFault::TooLarge(size));
        }
        self.plain.0.resize(size, 0);
        match decompress_into(block, &mut self.plain.0) {
            Ok(unpacked) if unpacked == size => Ok(()),
            _ => Err(PayloadFault::Encoder("LZ4 refused a payload")),
        }
    }

    fn unpack_zstd(&mut self, bytes: &[u8]) -> Result<(), PayloadFault> {
        let decompressor = match &mut self.decompressor {
            Some(decompressor) => decompressor,
            None => self.decompressor.insert(Decompressor::new().map_err(|_| PayloadFault::Encoder("zstd has no context"))?),
        };
        let size = Decompressor::upper_bound(bytes).ok_or(PayloadFault::Encoder("no zstd frame"))?;
        if size > FRAME_PLAIN_BYTES_MAX {
            return Err(PayloadFault::TooLarge(size));
        }
        self.plain.0.reserve(size);
        decompressor.decompress_to_buffer(bytes, &mut self.plain.0).map_err(|_| PayloadFault::Encoder("zstd refused a payload"))?;
        Ok(())
    }
}

/// Each encoding has its shape.
fn of_shape(encoding: u8, bytes: &[u8]) -> Result<JobData, PayloadFault> {
    match encoding {
        PLAIN_NOW | LZ4_NOW => from_postcard(bytes),
        PLAIN_2 | LZ4_2 => from_postcard::<JobDataV2>(bytes).map(JobData::from),
        _ => from_postcard::<JobDataV1>(bytes).map(JobData::from),
    }
}

fn from_postcard<'bytes, T: Deserialize<'bytes>>(bytes: &'bytes [u8]) -> Result<T, PayloadFault> {
    let (data, rest) = postcard::take_from_bytes(bytes).map_err(|_| PayloadFault::Encoder("postcard refused a payload"))?;
    if rest.is_empty() { Ok(data) } else { Err(PayloadFault::Encoder("bytes after the payload")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::past;
    use model::{BundleId, Presentation, Private, Protection};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn job(payload: Payload) -> JobData {
        JobData {
            recipient: None,
            payload,
            bundle: BundleId(std::array::from_fn(|at| (at as u8).wrapping_mul(37))),
            protection: Protection::TlsVerified,
            presentation: Presentation::default(),
        }
    }

    fn statement(lines: u16) -> JobData {
        let batch = testkit::Batch::new(testkit::Options { rows: 1, lines: lines..=lines, ..testkit::Options::default() });
        job(Payload::Statements(vec![batch.row(1).statement]))
    }

    fn templated(text: &str) -> JobData {
        let variables = BTreeMap::from([("name".to_owned(), Private::from(text))]);
        job(Payload::Templated { template: "news".to_owned(), variables, authorization: Private::from("a") })
    }

    #[test]
    fn a_long_statement_is_packed_and_comes_back() {
        let data = statement(40);
        let encoded = PayloadEncoders::default().encode(&data).unwrap();
        assert_eq!((encoded.kind, encoded.encoding), (FrameKind::Statement, LZ4_NOW));
        let plain = postcard::to_stdvec(&data).unwrap().len();
        assert!(encoded.bytes().len() * 4 < plain * 3, "{} of {plain} bytes", encoded.bytes().len());
        assert_eq!(PayloadDecoder::default().decode(encoded.encoding, encoded.bytes()).unwrap(), data);
    }

    #[test]
    fn a_statement_of_fifteen_lines_is_short_as_it_is() {
        let data = statement(15);
        let encoded = PayloadEncoders::default().encode(&data).unwrap();
        assert_eq!((encoded.kind, encoded.encoding), (FrameKind::Statement, PLAIN_NOW));
        assert!(encoded.bytes().len() < 1_400, "{} bytes", encoded.bytes().len());
        assert_eq!(PayloadDecoder::default().decode(encoded.encoding, encoded.bytes()).unwrap(), data);
    }

    /// What the versions before wrote is read for ever.
    #[test]
    fn older_encodings_are_read() {
        let data = statement(15);
        let mut decoder = PayloadDecoder::default();
        let packed = |plain: &[u8]| [&(plain.len() as u32).to_le_bytes()[..], &lz4_flex::block::compress(plain)].concat();
        let plain = postcard::to_stdvec(&past::as_v1(&data)).unwrap();
        assert_eq!(decoder.decode(PLAIN, &plain).unwrap(), data);
        assert_eq!(decoder.decode(ZSTD, &zstd::bulk::compress(&plain, 1).unwrap()).unwrap(), data);
        assert_eq!(decoder.decode(LZ4, &packed(&plain)).unwrap(), data);
        let plain = postcard::to_stdvec(&past::as_v2(&data)).unwrap();
        assert_eq!(decoder.decode(PLAIN_2, &plain).unwrap(), data);
        assert_eq!(decoder.decode(LZ4_2, &packed(&plain)).unwrap(), data);
        assert_eq!(decoder.decode(9, &plain), Err(PayloadFault::Encoder("a later version wrote this payload")));
        assert!(decoder.plain.0.is_empty());
    }

    #[test]
    fn what_does_not_pack_stays_plain() {
        let data = templated("q");
        let encoded = PayloadEncoders::default().encode(&data).unwrap();
        assert_eq!((encoded.kind, encoded.encoding), (FrameKind::Templated, PLAIN_NOW));
        assert_eq!(PayloadDecoder::default().decode(PLAIN_NOW, encoded.bytes()).unwrap(), data);
    }

    #[test]
    fn nothing_stays_in_an_encoder() {
        let encoders = PayloadEncoders::default();
        encoders.encode(&statement(40)).unwrap();
        assert!(encoders.encode(&templated(&"x".repeat(PAYLOAD_BYTES_MAX))).is_err());
        let kept = encoders.lock();
        assert_eq!(kept.len(), 1, "it is used again");
        assert!(kept[0].plain.0.is_empty() && kept[0].packed.0.iter().all(|byte| *byte == 0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn any_text_comes_back(text in "(ab|[a-z]{1,3}|.){0,2000}") {
            let data = templated(&text);
            let encoded = PayloadEncoders::default().encode(&data).unwrap();
            prop_assert_eq!(PayloadDecoder::default().decode(encoded.encoding, encoded.bytes()).unwrap(), data);
        }

        #[test]
        fn decoding_never_panics(encoding in 0u8..9, bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = PayloadDecoder::default().decode(encoding, &bytes);
        }
    }
}
