//! A zip file with one member of data, read from its beginning to its end without seeking.
//!
//! APPNOTE.TXT 6.3.10, section 4.3.6:
//! ```text
//! [local header · data · (data descriptor)] …  [central directory header] …  (zip64 end)  end of central directory
//! ```
//! The local headers are what is read. The directory at the end is what other programs go by, so both must tell the same: a file
//! that shows one thing to a virus scanner and another to us is refused.

use super::{Wrapping, WrappingError, inflating};
use flate2::Crc;
use flate2::bufread::DeflateDecoder;
use std::io::{self, BufRead, Read};

/// Longest name and extra field that are read; 4.4.10 and 4.4.11 allow 65,535 bytes each.
const MEMBERS_MAX: usize = 64;
/// What a member beside the data may take, in bytes: resource forks and thumbnails.
const BESIDE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// 4.4.4: bit 0, the member is encrypted; bit 3, lengths and checksum follow the data; bit 6 and 13, strong encryption.
const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;
const DESCRIPTOR: u16 = 1 << 3;

const LOCAL: [u8; 4] = *b"PK\x03\x04";
const DIRECTORY: [u8; 4] = *b"PK\x01\x02";
const END: [u8; 4] = *b"PK\x05\x06";
const ZIP64_END: [u8; 4] = *b"PK\x06\x06";
const ZIP64_LOCATOR: [u8; 4] = *b"PK\x06\x07";
const DESCRIPTOR_MARK: [u8; 4] = *b"PK\x07\x08";

/// The data member's content.
pub(super) struct Archive<R: BufRead> {
    state: State<R>,
    /// The members so far, by name, and whether each is data.
    members: Vec<(Vec<u8>, bool)>,
}

enum State<R: BufRead> {
    /// Between members.
    Between(R),
    /// In a member.
    In(Box<Member<R>>),
    Ended,
}

struct Member<R: BufRead> {
    content: Content<R>,
    header: Local,
    checksum: Crc,
    length: u64,
}

enum Content<R: BufRead> {
    Stored(io::Take<R>),
    Deflated(DeflateDecoder<R>),
}

/// A local header (4.3.7), as far as it is used.
struct Local {
    flags: u16,
    checksum: u32,
    packed: u64,
    length: u64,
    /// Lengths are 8 bytes (4.3.9.2).
    is_zip64: bool,
    is_data: bool,
}

impl<R: BufRead> Archive<R> {
    pub(super) fn new(source: R) -> Self {
        Self { state: State::Between(source), members: Vec::new() }
    }

    /// What follows: a member, or the directory.
    fn advance(&mut self, mut source: R) -> io::Result<State<R>> {
        match take::<4>(&mut source)? {
            LOCAL => self.open(source),
            DIRECTORY | END if !self.members.iter().any(|(_, is_data)| *is_data) => Err(WrappingError::Empty.into()),
            signature @ (DIRECTORY | END) => {
                self.directory(&mut source, signature)?;
                Ok(State::Ended)
            }
            _ => Err(damaged()),
        }
    }

    fn open(&mut self, mut source: R) -> io::Result<State<R>> {
        let fixed = take::<26>(&mut source)?;
        let (name, extra) = (take_some(&mut source, short(&fixed, 22))?, take_some(&mut source, short(&fixed, 24))?);
        let method = short(&fixed, 4);
        let is_data = is_data(&name);
        let mut header = Local {
            flags: short(&fixed, 2),
            checksum: long(&fixed, 10),
            packed: u64::from(long(&fixed, 14)),
            length: u64::from(long(&fixed, 18)),
            is_zip64: false,
            is_data,
        };
        header.read_zip64(&extra);
        if header.flags & ENCRYPTED != 0 {
            return Err(WrappingError::Encrypted.into());
        }
        if is_data && self.members.iter().any(|(_, is_data)| *is_data) || self.members.len() == MEMBERS_MAX {
            return Err(WrappingError::Several.into());
        }
        self.members.push((name, is_data));
        let content = match method {
            // 4.4.4: "bit 3 … the correct values are put in the data descriptor": then nothing tells where stored bytes end.
            0 if header.flags & DESCRIPTOR == 0 => Content::Stored(source.take(header.packed)),
            8 => Content::Deflated(DeflateDecoder::new(source)),
            _ => return Err(WrappingError::Method.into()),
        };
        Ok(State::In(Box::new(Member { content, header, checksum: Crc::new(), length: 0 })))
    }

    /// The directory: as many members as were read, by the same names; then its end.
    fn directory(&self, source: &mut R, mut signature: [u8; 4]) -> io::Result<()> {
        let mut listed = 0;
        while signature == DIRECTORY {
            let fixed = take::<42>(source)?;
            let name = take_some(source, short(&fixed, 24))?;
            take_some(source, short(&fixed, 26))?;
            take_some(source, short(&fixed, 28))?;
            if self.members.get(listed).is_none_or(|(read, _)| *read != name) {
                return Err(WrappingError::Directory.into());
            }
            listed += 1;
            signature = take::<4>(source)?;
        }
        if signature == ZIP64_END {
            let length = u64::from_le_bytes(take::<8>(source)?);
            pass(source, length)?;
            signature = take::<4>(source)?;
        }
        if signature == ZIP64_LOCATOR {
            take::<16>(source)?;
            signature = take::<4>(source)?;
        }
        if signature != END || listed != self.members.len() {
            return Err(WrappingError::Directory.into());
        }
        let fixed = take::<18>(source)?;
        take_some(source, short(&fixed, 16))?;
        // Nothing may follow: another archive could.
        if source.fill_buf()?.is_empty() { Ok(()) } else { Err(WrappingError::Directory.into()) }
    }
}

impl<R: BufRead> Read for Archive<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return Ok(0),
                State::Between(source) => self.state = self.advance(source)?,
                State::In(mut member) => match member.read(buffer)? {
                    0 => self.state = State::Between(member.close()?),
                    count if member.header.is_data => {
                        self.state = State::In(member);
                        return Ok(count);
                    }
                    _ if member.length > BESIDE_BYTES_MAX => return Err(WrappingError::Several.into()),
                    _ => self.state = State::In(member),
                },
            }
        }
    }
}

impl<R: BufRead> Member<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.content {
            Content::Stored(content) => content.read(buffer),
            Content::Deflated(content) => content.read(buffer),
        };
        let count = count.map_err(|error| inflating(error, Wrapping::Zip))?;
        self.checksum.update(&buffer[..count]);
        self.length += count as u64;
        Ok(count)
    }

    /// Compares lengths and checksum, and gives the source back at the byte after the member.
    fn close(self) -> io::Result<R> {
        let (mut source, packed) = match self.content {
            Content::Stored(content) if content.limit() > 0 => return Err(truncated()),
            Content::Stored(content) => (content.into_inner(), self.header.packed),
            Content::Deflated(content) => {
                let packed = content.total_in();
                (content.into_inner(), packed)
            }
        };
        let mut header = self.header;
        if header.flags & DESCRIPTOR != 0 {
            header.read_descriptor(&mut source)?;
        }
        let holds = header.checksum == self.checksum.sum() && header.packed == packed && header.length == self.length;
        if holds { Ok(source) } else { Err(damaged()) }
    }
}

impl Local {
    /// 4.5.3: the extra field 0x0001 holds the lengths that do not fit into four bytes, the unpacked one first.
    fn read_zip64(&mut self, extra: &[u8]) {
        let mut rest = extra;
        while let [id_low, id_high, length_low, length_high, after @ ..] = rest {
            let length = usize::from(u16::from_le_bytes([*length_low, *length_high]));
            let Some((field, next)) = after.split_at_checked(length) else { return };
            if (*id_low, *id_high) == (1, 0) {
                self.is_zip64 = true;
                let mut words = field.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().expect("chunks of eight")));
                for stated in [&mut self.length, &mut self.packed] {
                    if *stated == u64::from(u32::MAX) {
                        *stated = words.next().unwrap_or(*stated);
                    }
                }
            }
            rest = next;
        }
    }

    /// 4.3.9: checksum and lengths after the data; the mark before them is "commonly" there.
    fn read_descriptor(&mut self, source: &mut impl BufRead) -> io::Result<()> {
        let first = take::<4>(source)?;
        let checksum = if first == DESCRIPTOR_MARK { take::<4>(source)? } else { first };
        self.checksum = u32::from_le_bytes(checksum);
        if self.is_zip64 {
            self.packed = u64::from_le_bytes(take::<8>(source)?);
            self.length = u64::from_le_bytes(take::<8>(source)?);
        } else {
            self.packed = u64::from(u32::from_le_bytes(take::<4>(source)?));
            self.length = u64::from(u32::from_le_bytes(take::<4>(source)?));
        }
        Ok(())
    }
}

/// Whether a member is data: no folder, and nothing that macOS or Windows adds beside a file.
fn is_data(name: &[u8]) -> bool {
    let last = name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    !(name.ends_with(b"/") || name.starts_with(b"__MACOSX/") || [&b".DS_Store"[..], b"Thumbs.db", b"desktop.ini"].contains(&last))
}

fn short(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn long(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn take<const N: usize>(source: &mut impl BufRead) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    source.read_exact(&mut bytes).map_err(|error| inflating(error, Wrapping::Zip))?;
    Ok(bytes)
}

fn take_some(source: &mut impl BufRead, length: u16) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::from(length)];
    source.read_exact(&mut bytes).map_err(|error| inflating(error, Wrapping::Zip))?;
    Ok(bytes)
}

fn pass(source: &mut impl BufRead, length: u64) -> io::Result<()> {
    let passed = io::copy(&mut source.by_ref().take(length), &mut io::sink())?;
    if passed == length { Ok(()) } else { Err(truncated()) }
}

fn truncated() -> io::Error {
    WrappingError::Truncated(Wrapping::Zip).into()
}

fn damaged() -> io::Error {
    WrappingError::Damaged(Wrapping::Zip).into()
}
