//! One frame: from plain bytes to sealed bytes and back.
//!
//! Frames are built at the end of a log's buffer without copying: [`begin`] writes the header, the caller encodes behind it, [`finish`]
//! encrypts in place and adds tag, length, checksum and padding. [`parse`] says whether bytes begin with a whole frame of this segment;
//! [`open_in_place`] decrypts it. The checksum finds damage; only the tag says who wrote it.

use crate::bounds::{FRAME_ALIGN_BYTES, FRAME_BYTES_MIN, FRAME_HEADER_BYTES, FRAME_PLAIN_BYTES_MAX, TAG_BYTES};
use crate::cipher::{CipherError, FrameCipher};
use crate::format::{FrameHeader, JournalId, crc32c, stated_length, u32_at};

/// Writes the header and gives the place where the frame begins in `out`.
pub(crate) fn begin(out: &mut Vec<u8>, header: &FrameHeader) -> usize {
    debug_assert!(out.len().is_multiple_of(FRAME_ALIGN_BYTES), "the frame before this one was padded");
    let start = out.len();
    out.extend_from_slice(&header.encode());
    start
}

/// Why a frame could not be finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfinished {
    /// More plain bytes than a frame holds.
    TooLarge(usize),
    Cipher(CipherError),
}

/// Seals everything in `out` from `start` on. On an error the caller cuts `out` back to `start`.
pub(crate) fn finish(out: &mut Vec<u8>, start: usize, journal: JournalId, cipher: &FrameCipher, salt: u32) -> Result<(), Unfinished> {
    let plain = out.len() - start - FRAME_HEADER_BYTES;
    if plain > FRAME_PLAIN_BYTES_MAX {
        return Err(Unfinished::TooLarge(plain));
    }
    let (header, body) = out[start..].split_first_chunk_mut::<FRAME_HEADER_BYTES>().ok_or(Unfinished::Cipher(CipherError))?;
    let tag = cipher.seal(journal, header, body).map_err(Unfinished::Cipher)?;
    out.extend_from_slice(&tag);
    let length = out.len() - start;
    out[start + 4..start + 8].copy_from_slice(&(length as u32).to_le_bytes());
    let crc = crc32c(&out[start + 4..]) ^ salt;
    out[start..start + 4].copy_from_slice(&crc.to_le_bytes());
    out.resize(start + padded(length), 0);
    Ok(())
}

/// Undoes the encryption of a finished frame, as somebody would who seals a copy and writes the original. For
/// [`world::Plant::PlaintextPayload`] alone.
pub(crate) fn put_back_plain(out: &mut [u8], start: usize, plain: &[u8], salt: u32) {
    out[start + FRAME_HEADER_BYTES..start + plain.len()].copy_from_slice(&plain[FRAME_HEADER_BYTES..]);
    let end = start + plain.len() + TAG_BYTES;
    let crc = crc32c(&out[start + 4..end]) ^ salt;
    out[start..start + 4].copy_from_slice(&crc.to_le_bytes());
}

/// Makes a finished frame one of another segment: only the checksum knows where it lies.
pub(crate) fn resalt(frame: &mut [u8], from: u32, to: u32) {
    let crc = u32_at(frame, 0) ^ from ^ to;
    frame[..4].copy_from_slice(&crc.to_le_bytes());
}

/// A frame's length with its padding.
pub(crate) const fn padded(length: usize) -> usize {
    length.next_multiple_of(FRAME_ALIGN_BYTES)
}

/// A whole frame at the start of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parsed {
    pub(crate) header: FrameHeader,
    /// Without padding.
    pub(crate) length: usize,
}

/// Why bytes do not begin with a whole frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoFrame {
    /// It states this length (with header), and there are fewer bytes.
    Short(usize),
    /// It is none, or a damaged one.
    Invalid,
}

/// Looks at the start of `bytes`.
pub(crate) fn parse(bytes: &[u8], salt: u32) -> Result<Parsed, NoFrame> {
    let header = bytes.first_chunk::<FRAME_HEADER_BYTES>().ok_or(NoFrame::Short(FRAME_BYTES_MIN))?;
    let length = stated_length(header).ok_or(NoFrame::Invalid)?;
    // Cheap tests first: a search for the next frame comes here for each aligned place.
    let decoded = FrameHeader::decode(header).ok_or(NoFrame::Invalid)?;
    let frame = bytes.get(..length).ok_or(NoFrame::Short(length))?;
    if u32_at(frame, 0) != crc32c(&frame[4..]) ^ salt {
        return Err(NoFrame::Invalid);
    }
    Ok(Parsed { header: decoded, length })
}

/// The header of a frame whose checksum holds.
pub(crate) fn header_of(frame: &[u8]) -> Option<FrameHeader> {
    FrameHeader::decode(frame.first_chunk()?)
}

/// Decrypts a whole frame (without padding) where it lies and gives what was encoded.
pub(crate) fn open_in_place<'frame>(
    frame: &'frame mut [u8],
    journal: JournalId,
    cipher: &FrameCipher,
) -> Result<&'frame mut [u8], CipherError> {
    let (header, sealed) = frame.split_first_chunk_mut::<FRAME_HEADER_BYTES>().ok_or(CipherError)?;
    if sealed.len() < TAG_BYTES {
        return Err(CipherError);
    }
    cipher.open(journal, header, sealed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bounds::{EPOCH_MAX, SEQUENCE_END};
    use crate::format::FrameKind;
    use model::record::FrameKey;
    use model::{JobId, MessageVersion, TenantId};
    use proptest::prelude::*;

    const JOURNAL: JournalId = JournalId([7; 16]);

    fn cipher() -> FrameCipher {
        FrameCipher::new(&[9; 32]).unwrap()
    }

    fn sealed(header: &FrameHeader, plain: &[u8], salt: u32) -> Vec<u8> {
        let mut out = Vec::new();
        let start = begin(&mut out, header);
        out.extend_from_slice(plain);
        finish(&mut out, start, JOURNAL, &cipher(), salt).unwrap();
        out
    }

    prop_compose! {
        fn headers()(
            sequence in 0..SEQUENCE_END,
            epoch in 1..=EPOCH_MAX,
            kind in prop::sample::select(FrameKind::ALL.to_vec()),
            fresh in any::<bool>(),
            encoding in any::<u8>(),
            job in prop::option::of((any::<u16>(), 1u64..1 << 48)),
            message in any::<u16>(),
            attempt in any::<u16>(),
            tenant in any::<u16>(),
            key_id in any::<u32>(),
        ) -> FrameHeader {
            let key = FrameKey { job: job.map(|(node, sequence)| JobId::new(node, sequence)), message: MessageVersion(message), attempt };
            FrameHeader { sequence, epoch, kind, fresh, encoding, key, tenant: TenantId(tenant), key_id }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn what_is_sealed_opens_again(header in headers(), plain in prop::collection::vec(any::<u8>(), 0..2000), salt in any::<u32>()) {
            let mut bytes = sealed(&header, &plain, salt);
            prop_assert!(bytes.len().is_multiple_of(FRAME_ALIGN_BYTES));
            let parsed = parse(&bytes, salt).unwrap();
            prop_assert_eq!(parsed.header, header);
            prop_assert_eq!(padded(parsed.length), bytes.len());
            let opened = open_in_place(&mut bytes[..parsed.length], JOURNAL, &cipher()).unwrap();
            prop_assert_eq!(&opened[..], &plain[..]);
        }

        #[test]
        fn any_flipped_bit_is_noticed(header in headers(), plain in prop::collection::vec(any::<u8>(), 0..300), at in any::<prop::sample::Index>()) {
            let mut bytes = sealed(&header, &plain, 5);
            let length = parse(&bytes, 5).unwrap().length;
            let bit = at.index(length * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(parse(&bytes, 5).is_err());
        }

        #[test]
        fn a_cut_frame_is_no_frame(header in headers(), plain in prop::collection::vec(any::<u8>(), 0..300), at in any::<prop::sample::Index>()) {
            let bytes = sealed(&header, &plain, 5);
            let length = parse(&bytes, 5).unwrap().length;
            prop_assert!(matches!(parse(&bytes[..at.index(length)], 5), Err(NoFrame::Short(_))));
        }

        #[test]
        fn parsing_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), salt in any::<u32>()) {
            let _ = parse(&bytes, salt);
        }
    }

    fn header() -> FrameHeader {
        FrameHeader {
            sequence: 3,
            epoch: 2,
            kind: FrameKind::Statement,
            fresh: false,
            encoding: 1,
            key: FrameKey { job: Some(JobId::new(1, 5)), message: MessageVersion(0), attempt: 0 },
            tenant: TenantId(1),
            key_id: 4,
        }
    }

    #[test]
    fn a_frame_of_another_segment_is_none_here_and_can_be_made_one() {
        let mut bytes = sealed(&header(), b"content", 1);
        assert_eq!(parse(&bytes, 2), Err(NoFrame::Invalid));
        resalt(&mut bytes, 1, 2);
        assert!(parse(&bytes, 2).is_ok());
    }

    /// Each authenticated field, changed with a correct checksum, must make the frame unreadable.
    #[test]
    fn a_frame_with_another_key_does_not_open() {
        let honest = sealed(&header(), b"content", 0);
        let length = parse(&honest, 0).unwrap().length;
        let forge = |change: &dyn Fn(&mut FrameHeader)| {
            let mut other = header();
            change(&mut other);
            let mut bytes = honest.clone();
            bytes[8..40].copy_from_slice(&other.encode()[8..40]);
            let crc = crc32c(&bytes[4..length]);
            bytes[..4].copy_from_slice(&crc.to_le_bytes());
            assert_eq!(parse(&bytes, 0).unwrap().header, other);
            open_in_place(&mut bytes[..length], JOURNAL, &cipher()).is_ok()
        };
        assert!(forge(&|_| {}), "unchanged");
        assert!(!forge(&|header| header.sequence += 1));
        assert!(!forge(&|header| header.epoch += 1));
        assert!(!forge(&|header| header.kind = FrameKind::Templated));
        assert!(!forge(&|header| header.fresh = true));
        assert!(!forge(&|header| header.encoding += 1));
        assert!(!forge(&|header| header.key.job = Some(JobId::new(1, 6))));
        assert!(!forge(&|header| header.key.message = MessageVersion(1)));
        assert!(!forge(&|header| header.key.attempt = 1));
        assert!(!forge(&|header| header.tenant = TenantId(2)));
        assert!(!forge(&|header| header.key_id += 1));
        let mut bytes = honest.clone();
        assert!(open_in_place(&mut bytes[..length], JournalId([8; 16]), &cipher()).is_err(), "another journal");
    }
}
