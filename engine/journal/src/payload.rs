//! A job's content as bytes: postcard, then zstd level 1 where that is smaller.
//!
//! The frame's encoding version says which of the two it is. Scratch buffers are kept for reuse and wiped after each use, because
//! they hold content in the clear.

use crate::bounds::FRAME_PLAIN_BYTES_MAX;
use crate::format::FrameKind;
use model::limits::PAYLOAD_BYTES_MAX;
use model::stage::{JobData, Payload};
use zeroize::Zeroize;
use zstd::bulk::{Compressor, Decompressor};

/// Version 1: postcard.
const PLAIN: u8 = 1;
/// Version 2: postcard, compressed by zstd.
const ZSTD: u8 = 2;
/// The fastest level that still halves a statement; higher ones win a few per cent for several times the work.
const ZSTD_LEVEL: i32 = 1;

/// Why a payload could not be encoded or decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PayloadFault {
    TooLarge(usize),
    Encoder(&'static str),
}

/// The frame kind of a payload.
pub(crate) fn kind_of(data: &JobData) -> FrameKind {
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
        // Plain stores suffice while the buffer lives on; the drop uses stores that no optimizer may leave out.
        self.0.fill(0);
        self.0.clear();
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Encodes payloads. Kept by the writer.
pub(crate) struct PayloadEncoder {
    plain: Scratch,
    packed: Scratch,
    compressor: Compressor<'static>,
}

impl PayloadEncoder {
    pub(crate) fn new() -> Result<Self, PayloadFault> {
        let compressor = Compressor::new(ZSTD_LEVEL).map_err(|_| PayloadFault::Encoder("zstd has no context"))?;
        Ok(Self { plain: Scratch::default(), packed: Scratch::default(), compressor })
    }

    /// Encodes at the end of `out` and gives the encoding version.
    pub(crate) fn encode(&mut self, data: &JobData, out: &mut Vec<u8>) -> Result<u8, PayloadFault> {
        let result = self.encode_unwiped(data, out);
        self.plain.wipe();
        self.packed.wipe();
        result
    }

    fn encode_unwiped(&mut self, data: &JobData, out: &mut Vec<u8>) -> Result<u8, PayloadFault> {
        let plain = std::mem::take(&mut self.plain.0);
        self.plain.0 = postcard::to_extend(data, plain).map_err(|_| PayloadFault::Encoder("postcard refused a payload"))?;
        let bytes = self.plain.0.len();
        if bytes > PAYLOAD_BYTES_MAX {
            return Err(PayloadFault::TooLarge(bytes));
        }
        self.packed.0.reserve(zstd::compress_bound(bytes));
        let packed = self
            .compressor
            .compress_to_buffer(&self.plain.0, &mut self.packed.0)
            .map_err(|_| PayloadFault::Encoder("zstd refused a payload"))?;
        if packed < bytes {
            out.extend_from_slice(&self.packed.0);
            Ok(ZSTD)
        } else {
            out.extend_from_slice(&self.plain.0);
            Ok(PLAIN)
        }
    }
}

/// Decodes payloads. Kept by each reader.
pub(crate) struct PayloadDecoder {
    plain: Scratch,
    decompressor: Decompressor<'static>,
}

impl PayloadDecoder {
    pub(crate) fn new() -> Result<Self, PayloadFault> {
        let decompressor = Decompressor::new().map_err(|_| PayloadFault::Encoder("zstd has no context"))?;
        Ok(Self { plain: Scratch::default(), decompressor })
    }

    pub(crate) fn decode(&mut self, encoding: u8, bytes: &[u8]) -> Result<JobData, PayloadFault> {
        match encoding {
            PLAIN => from_postcard(bytes),
            ZSTD => {
                let result = self.unpack(bytes).and_then(|()| from_postcard(&self.plain.0));
                self.plain.wipe();
                result
            }
            _ => Err(PayloadFault::Encoder("a later version wrote this payload")),
        }
    }

    fn unpack(&mut self, bytes: &[u8]) -> Result<(), PayloadFault> {
        let size = Decompressor::upper_bound(bytes).ok_or(PayloadFault::Encoder("no zstd frame"))?;
        if size > FRAME_PLAIN_BYTES_MAX {
            return Err(PayloadFault::TooLarge(size));
        }
        self.plain.0.reserve(size);
        self.decompressor.decompress_to_buffer(bytes, &mut self.plain.0).map_err(|_| PayloadFault::Encoder("zstd refused a payload"))?;
        Ok(())
    }
}

fn from_postcard(bytes: &[u8]) -> Result<JobData, PayloadFault> {
    let (data, rest) = postcard::take_from_bytes(bytes).map_err(|_| PayloadFault::Encoder("postcard refused a payload"))?;
    if rest.is_empty() { Ok(data) } else { Err(PayloadFault::Encoder("bytes after the payload")) }
}
