//! The index at the end of a full segment: which frame is about which job, without reading the frames.
//!
//! ```text
//! a full segment
//! ┌────────────────┬────────────────────────┬─────────────────────┬────────────┐
//! │ header, 64     │ frames                 │ entries, 16 each    │ trailer 64 │
//! └────────────────┴────────────────────────┴─────────────────────┴────────────┘
//!                                           ↑ end                              ↑ end of the file
//! entry, 16 bytes: one per frame of the work log, in the order of the frames; none in the record, which is only ever read as a whole
//!  0        8        12       16
//! ┌────────┬────────┬────────┐
//! │  job   │ offset │ length │      length is without padding
//! └────────┴────────┴────────┘
//! trailer, 64 bytes
//!  0        8   10  11  12      16     20       24        28    32      40     48            52         60    64
//! ┌────────┬───┬───┬───┬───────┬──────┬────────┬─────────┬─────┬───────┬──────┬─────────────┬──────────┬─────┐
//! │ magic  │ver│str│log│number │ salt │ frames │ entries │ end │ first │ last │ entries crc │ reserved │ crc │
//! └────────┴───┴───┴───┴───────┴──────┴────────┴─────────┴─────┴───────┴──────┴─────────────┴──────────┴─────┘
//! magic           "sealindx"
//! ver             the format version that made it, 2
//! str, log,       the segment's own, so that the index of another segment is none here
//! number, salt
//! frames          how many there are
//! entries         how many there are
//! end             where the frames end, in bytes from the start of the file
//! first, last     position of the first and of the last frame; 0 where there is none
//! entries crc     CRC-32C of the entries
//! crc             CRC-32C of bytes 0..60 of the trailer
//! ```
//!
//! It is made out of what lies in the file and says nothing that the frames do not: where it is missing or damaged, a scan gives the same.
//! So nobody waits for it; the keeper writes it after the segment was left, and a start adds what a crash left out. Segments of version 1
//! get none: they are never written to again.

use crate::bounds::{FOOTER_ENTRY_BYTES, FOOTER_TRAILER_BYTES, FRAME_ALIGN_BYTES, SEGMENT_HEADER_BYTES};
use crate::format::{
    Form, FrameKind, LogKind, RecordPosition, SegmentHeader, SegmentName, VERSION, crc32c, stream_code, u16_at, u32_at, u64_at,
};
use crate::segment::{Scanner, Step};
use model::JobId;
use std::io;
use std::sync::Arc;
use world::DiskFile;

const MAGIC: [u8; 8] = *b"sealindx";

/// Where the payload of a job lies in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) job: JobId,
    pub(crate) offset: u32,
    /// Without padding.
    pub(crate) length: u32,
}

/// The end of a full segment's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub(crate) frames: u32,
    pub(crate) entries: u32,
    /// Where the frames end.
    pub(crate) end: u32,
    pub(crate) first: RecordPosition,
    pub(crate) last: RecordPosition,
    pub(crate) entries_crc: u32,
}

/// What lies in a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) trailer: Trailer,
    pub(crate) entries: Vec<Entry>,
    /// Bytes that are no frame lie behind the last one: a damaged frame, or a damaged index.
    pub(crate) torn: bool,
}

impl Trailer {
    /// Bytes from the end of the frames to the end of the file.
    pub(crate) fn footer_bytes(&self) -> u64 {
        u64::from(self.entries) * FOOTER_ENTRY_BYTES as u64 + FOOTER_TRAILER_BYTES as u64
    }

    fn encode(&self, name: SegmentName) -> [u8; FOOTER_TRAILER_BYTES] {
        let mut bytes = [0u8; FOOTER_TRAILER_BYTES];
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[10] = stream_code(name.stream);
        bytes[11] = name.log.code();
        bytes[12..16].copy_from_slice(&name.number.to_le_bytes());
        bytes[16..20].copy_from_slice(&name.salt().to_le_bytes());
        bytes[20..24].copy_from_slice(&self.frames.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.entries.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.end.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.first.0.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.last.0.to_le_bytes());
        bytes[48..52].copy_from_slice(&self.entries_crc.to_le_bytes());
        let crc = crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The trailer in these bytes, if it is one of the segment with this salt, at the end of a file of this length.
    fn decode(bytes: &[u8; FOOTER_TRAILER_BYTES], salt: u32, file_bytes: u64) -> Option<Self> {
        let whole = bytes[..8] == MAGIC && crc32c(&bytes[..60]) == u32_at(bytes, 60);
        if !whole || u16_at(bytes, 8) != VERSION || u32_at(bytes, 16) != salt {
            return None;
        }
        let trailer = Self {
            frames: u32_at(bytes, 20),
            entries: u32_at(bytes, 24),
            end: u32_at(bytes, 28),
            first: RecordPosition(u64_at(bytes, 32)),
            last: RecordPosition(u64_at(bytes, 40)),
            entries_crc: u32_at(bytes, 48),
        };
        let begins = (trailer.end as usize >= SEGMENT_HEADER_BYTES) && (trailer.end as usize).is_multiple_of(FRAME_ALIGN_BYTES);
        (begins && u64::from(trailer.end) + trailer.footer_bytes() == file_bytes).then_some(trailer)
    }
}

/// Reads the trailer at the end of a segment's file; `None` where there is none, or none that holds.
pub(crate) fn read_trailer(file: &dyn DiskFile, salt: u32) -> io::Result<Option<Trailer>> {
    let length = file.len()?;
    let Some(at) = length.checked_sub(FOOTER_TRAILER_BYTES as u64).filter(|at| *at >= SEGMENT_HEADER_BYTES as u64) else {
        return Ok(None);
    };
    let mut bytes = [0u8; FOOTER_TRAILER_BYTES];
    match file.read_exact_at(&mut bytes, at) {
        Ok(()) => Ok(Trailer::decode(&bytes, salt, length)),
        // Cut shorter by another thread since it was measured.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// The entries that go with a trailer; `None` where they are damaged.
pub(crate) fn read_entries(file: &dyn DiskFile, trailer: &Trailer) -> io::Result<Option<Vec<Entry>>> {
    let mut bytes = vec![0; trailer.entries as usize * FOOTER_ENTRY_BYTES];
    file.read_exact_at(&mut bytes, u64::from(trailer.end))?;
    if crc32c(&bytes) != trailer.entries_crc {
        return Ok(None);
    }
    let entry = |bytes: &[u8]| Entry { job: JobId::from_bits(u64_at(bytes, 0)), offset: u32_at(bytes, 8), length: u32_at(bytes, 12) };
    Ok(Some(bytes.chunks_exact(FOOTER_ENTRY_BYTES).map(entry).collect()))
}

/// What lies in a segment, by its footer or, where that does not hold, by its frames.
pub(crate) fn index_of(file: &Arc<dyn DiskFile>, name: SegmentName) -> io::Result<Index> {
    if let Some(trailer) = read_trailer(&**file, name.salt())?
        && let Some(entries) = read_entries(&**file, &trailer)?
    {
        return Ok(Index { trailer, entries, torn: false });
    }
    scan(file, name)
}

/// Goes through the frames of a segment.
pub(crate) fn scan(file: &Arc<dyn DiskFile>, name: SegmentName) -> io::Result<Index> {
    let mut scanner = Scanner::new(file.clone(), name.salt(), SEGMENT_HEADER_BYTES as u64)?;
    let mut entries = Vec::new();
    let (mut frames, mut first, mut last) = (0, RecordPosition(0), RecordPosition(0));
    loop {
        match scanner.step()? {
            Step::Frame { offset, header, length } => {
                if frames == 0 {
                    first = header.position();
                }
                frames += 1;
                last = last.max(header.position());
                let is_payload = matches!(header.kind, FrameKind::Statement | FrameKind::Templated);
                if let (LogKind::Work, true, Some(job)) = (name.log, is_payload, header.key.job) {
                    entries.push(Entry { job, offset: small(offset), length: small(length as u64) });
                }
            }
            Step::Damage { .. } => {}
            Step::End { offset, torn } => {
                let entries_crc = crc32c(&encode_entries(&entries));
                let trailer = Trailer { frames, entries: small(entries.len() as u64), end: small(offset), first, last, entries_crc };
                return Ok(Index { trailer, entries, torn });
            }
        }
    }
}

/// What became of a segment that should have a footer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Completed {
    /// It has one.
    Indexed(Trailer),
    /// Frames are missing at its end, from this offset on: it is left as it is.
    CutShort(u64),
    /// It is of version 1, rewritten, or has a damaged frame at its end: it is left as it is.
    AsItWas,
}

/// Sees to it that a segment that was left has its footer. `before` is what the segment after it says of its end.
pub(crate) fn complete(file: &Arc<dyn DiskFile>, header: &SegmentHeader, before: Option<RecordPosition>) -> io::Result<Completed> {
    let name = header.name;
    if let Some(trailer) = read_trailer(&**file, name.salt())? {
        return Ok(Completed::Indexed(trailer));
    }
    if header.version < VERSION || header.form != Form::Plain {
        return Ok(Completed::AsItWas);
    }
    let index = scan(file, name)?;
    let (last, is_empty) = (index.trailer.last, index.trailer.frames == 0);
    if !is_empty && before.is_some_and(|before| last < before) {
        return Ok(Completed::CutShort(u64::from(index.trailer.end)));
    }
    if index.torn && before != Some(last) {
        return Ok(Completed::AsItWas);
    }
    write(&**file, name, &index)?;
    Ok(Completed::Indexed(index.trailer))
}

/// Writes the footer behind the last frame and cuts the file there. Durable when it returns.
pub(crate) fn write(file: &dyn DiskFile, name: SegmentName, index: &Index) -> io::Result<()> {
    let end = u64::from(index.trailer.end);
    let mut bytes = encode_entries(&index.entries);
    bytes.extend_from_slice(&index.trailer.encode(name));
    file.set_len(end)?;
    file.write_all_at(&bytes, end)?;
    file.sync_all()
}

fn encode_entries(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len() * FOOTER_ENTRY_BYTES + FOOTER_TRAILER_BYTES);
    for entry in entries {
        bytes.extend_from_slice(&entry.job.to_bits().to_le_bytes());
        bytes.extend_from_slice(&entry.offset.to_le_bytes());
        bytes.extend_from_slice(&entry.length.to_le_bytes());
    }
    bytes
}

fn small(number: u64) -> u32 {
    u32::try_from(number).expect("a segment ends below four gigabytes (asserted in bounds)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::JournalId;
    use model::StreamName;
    use world::{OpenMode, World};

    fn name() -> SegmentName {
        SegmentName { journal: JournalId(*b"0123456789abcdef"), stream: StreamName::Marketing, log: LogKind::Work, number: 0x0102_0304 }
    }

    fn index() -> Index {
        let entries = vec![
            Entry { job: JobId::new(0x0a0b, 0x0c), offset: 64, length: 0x3e1 },
            Entry { job: JobId::new(1, 2), offset: 1064, length: 300 },
        ];
        let entries_crc = crc32c(&encode_entries(&entries));
        let (first, last) = (RecordPosition(0x11_2233), RecordPosition(0x44_5566));
        let trailer = Trailer { frames: 3, entries: 2, end: 0x580, first, last, entries_crc };
        Index { trailer, entries, torn: false }
    }

    /// Holds the drawing to the bytes.
    #[test]
    fn entries_and_trailer_are_as_they_are_drawn() {
        let index = index();
        let entries = encode_entries(&index.entries);
        assert_eq!(entries.len(), 32);
        assert_eq!(&entries[..8], [0x0c, 0, 0, 0, 0, 0, 0x0b, 0x0a]);
        assert_eq!(&entries[8..16], [64, 0, 0, 0, 0xe1, 3, 0, 0]);
        let bytes = index.trailer.encode(name());
        assert_eq!(bytes.len(), 64);
        assert_eq!(&bytes[0..8], b"sealindx");
        assert_eq!(&bytes[8..10], [2, 0]);
        assert_eq!((bytes[10], bytes[11]), (2, 1), "marketing, work");
        assert_eq!(&bytes[12..16], [4, 3, 2, 1]);
        assert_eq!(&bytes[16..20], name().salt().to_le_bytes());
        assert_eq!(&bytes[20..24], [3, 0, 0, 0]);
        assert_eq!(&bytes[24..28], [2, 0, 0, 0]);
        assert_eq!(&bytes[28..32], [0x80, 5, 0, 0]);
        assert_eq!(&bytes[32..40], [0x33, 0x22, 0x11, 0, 0, 0, 0, 0]);
        assert_eq!(&bytes[40..48], [0x66, 0x55, 0x44, 0, 0, 0, 0, 0]);
        assert_eq!(&bytes[48..52], crc32c(&entries).to_le_bytes());
        assert_eq!(&bytes[52..60], [0; 8]);
        assert_eq!(&bytes[60..64], crc32c(&bytes[..60]).to_le_bytes());
    }

    #[test]
    fn a_trailer_is_taken_only_whole_in_its_segment_and_at_the_end() {
        let trailer = index().trailer;
        let bytes = trailer.encode(name());
        let length = 0x580 + 32 + 64;
        assert_eq!(Trailer::decode(&bytes, name().salt(), length), Some(trailer));
        assert_eq!(Trailer::decode(&bytes, name().salt() ^ 1, length), None);
        assert_eq!(Trailer::decode(&bytes, name().salt(), length + 8), None);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Trailer::decode(&flipped, name().salt(), length), None, "bit {bit}");
        }
    }

    #[test]
    fn what_is_written_is_read_and_damaged_entries_are_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let world = World::real();
        let path = dir.path().join("00000001.seg");
        let file = world.disk().open(&path, OpenMode::CreateNew).unwrap();
        file.preallocate_zeroed(8192).unwrap();
        write(&*file, name(), &index()).unwrap();
        assert_eq!(file.len().unwrap(), 0x580 + 32 + 64);
        let trailer = read_trailer(&*file, name().salt()).unwrap().unwrap();
        assert_eq!(trailer, index().trailer);
        assert_eq!(read_entries(&*file, &trailer).unwrap().unwrap(), index().entries);
        file.write_all_at(&[9], 0x580 + 3).unwrap();
        assert_eq!(read_entries(&*file, &trailer).unwrap(), None);
    }
}
