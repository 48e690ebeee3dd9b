//! Wrappings: a file that came as gzip or zip is read as what is in it, while it streams.
//!
//! ```text
//! bytes as they came ─► first bytes ─┬─ 1f 8b ──► gzip, member after member ─┐
//!                                    ├─ PK ─────► zip, its one data member ──┼─► bounds ─► the format
//!                                    └─ else ───► as it is ──────────────────┘
//! ```
//! It promises
//! * that the wrapping is known by its first bytes, never by the file's name;
//! * that nothing counts as whole which is not: lengths and checksums are compared, and a file that ends early is an error at the
//!   place where it ends, so that the batch it would have been is refused;
//! * that a zip file holds exactly one member of data. Folders and what macOS adds beside a file are no data. A second member is an
//!   error: nobody guesses which one was meant, and none is read silently. The directory at its end must tell the same as its members;
//! * that neither the size nor the ratio of what comes out goes beyond [`WrappingLimits`].
//!
//! It leaves to others: hashing the file (of the bytes as they came, so below this), and OpenPGP.
//!
//! The one surprise: errors come out of the reader as [`std::io::Error`]s that carry a [`WrappingError`], because they are found in the
//! middle of a file; [`WrappingError::of`] finds them again.

mod gzip;
mod zip;

use crate::reason;
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

/// What is read at once from what was unwrapped, in bytes.
const READ_BYTES: usize = 256 * 1024;
/// The ratio is not judged before so many bytes have come out: small files of equal lines may shrink to almost nothing.
const RATIO_FROM_BYTES: u64 = 64 * 1024 * 1024;

/// How a file came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrapping {
    /// As it is.
    #[default]
    None,
    /// RFC 1952, one member or several.
    Gzip,
    /// A zip file with one member of data.
    Zip,
}

impl Wrapping {
    /// The name in receipts and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zip => "zip",
        }
    }

    /// By the first bytes of a file (four are enough).
    pub fn of(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A local header, or the directory of a zip file without members.
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Self::Zip,
            _ => Self::None,
        }
    }
}

impl fmt::Display for Wrapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What may come out of a wrapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrappingLimits {
    /// Bytes that may come out.
    pub bytes_max: u64,
    /// Bytes that may come out for each byte that went in, judged after the first 64 MiB. Deflate reaches at most 1,032.
    pub ratio_max: u64,
}

impl Default for WrappingLimits {
    /// 64 GiB, and 500 to 1: statements that repeat each other byte for byte stay below, zeros do not.
    fn default() -> Self {
        Self { bytes_max: 64 << 30, ratio_max: 500 }
    }
}

/// Why a wrapped file is not read to its end. Carries nothing of what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WrappingError {
    /// It ends before its end.
    #[error("the whole file, but the {0} ends in the middle")]
    Truncated(Wrapping),
    /// Its structure, a length or a checksum does not hold.
    #[error("a {0} whose lengths and checksums hold, but they do not: it was damaged on its way")]
    Damaged(Wrapping),
    /// Something that is no gzip follows the last member.
    #[error("nothing but gzip members, but other bytes follow the last one")]
    Trailing,
    /// A zip file without a member of data.
    #[error("one file in the zip, but there is none")]
    Empty,
    /// A zip file with several.
    #[error("one file in the zip, but there are several: hand in each by itself")]
    Several,
    /// The members and the directory of a zip file tell different things.
    #[error("a zip whose directory lists what is in it, but it does not")]
    Directory,
    /// Encrypted with a zip password.
    #[error("a zip without a password: use OpenPGP where the file has to be encrypted")]
    Encrypted,
    /// A method other than stored and deflate, or a member whose end cannot be found while it streams.
    #[error("a zip member that is stored or deflated, with its length stated where it is stored")]
    Method,
    /// More comes out than is allowed.
    #[error("at most {0} bytes when unwrapped")]
    TooLarge(u64),
    /// It shrinks as no real file does.
    #[error("a file that unwraps to at most {0} times its size: more is no batch but a bomb")]
    Bomb(u64),
}

impl WrappingError {
    /// The reason code of the refusal.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Truncated(_) => reason::WRAPPING_TRUNCATED,
            Self::Damaged(_) | Self::Trailing | Self::Directory => reason::WRAPPING_DAMAGED,
            Self::Empty | Self::Several => reason::WRAPPING_MEMBERS,
            Self::Encrypted | Self::Method => reason::WRAPPING_UNREADABLE,
            Self::TooLarge(_) | Self::Bomb(_) => reason::WRAPPING_TOO_LARGE,
        }
    }

    /// The one that a reader's error carries.
    pub fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref::<Self>().copied()
    }
}

impl From<WrappingError> for io::Error {
    fn from(error: WrappingError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// Finds how a file came, and gives its content.
///
/// # Errors
/// Where the first bytes cannot be read. What is wrong inside comes out of the reader.
pub fn unwrap<'r>(mut reader: Box<dyn BufRead + 'r>, limits: WrappingLimits) -> io::Result<(Wrapping, Box<dyn BufRead + 'r>)> {
    let mut start = [0; 4];
    let mut there = 0;
    while there < start.len() {
        match reader.read(&mut start[there..]) {
            Ok(0) => break,
            Ok(count) => there += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let wrapping = Wrapping::of(&start[..there]);
    let whole = io::Cursor::new(start).take(there as u64).chain(reader);
    let taken = Rc::new(Cell::new(0));
    let source = Counted { source: whole, taken: Rc::clone(&taken) };
    let content: Box<dyn Read + 'r> = match wrapping {
        Wrapping::None => return Ok((wrapping, Box::new(source.source))),
        Wrapping::Gzip => Box::new(gzip::Members::new(source)),
        Wrapping::Zip => Box::new(zip::Archive::new(source)),
    };
    let bounded = Bounded { content, given: 0, taken, limits };
    Ok((wrapping, Box::new(BufReader::with_capacity(READ_BYTES, bounded))))
}

/// Counts what goes in.
struct Counted<R> {
    source: R,
    taken: Rc<Cell<u64>>,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.taken.set(self.taken.get() + count as u64);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.source.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.source.consume(count);
        self.taken.set(self.taken.get() + count as u64);
    }
}

/// Keeps what comes out within bounds.
struct Bounded<R> {
    content: R,
    given: u64,
    taken: Rc<Cell<u64>>,
    limits: WrappingLimits,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.content.read(buffer)?;
        self.given += count as u64;
        let WrappingLimits { bytes_max, ratio_max } = self.limits;
        if self.given > bytes_max {
            return Err(WrappingError::TooLarge(bytes_max).into());
        }
        if self.given > RATIO_FROM_BYTES && self.given / ratio_max > self.taken.get() {
            return Err(WrappingError::Bomb(ratio_max).into());
        }
        Ok(count)
    }
}

/// What an inflating reader says, as one of ours. Errors of the file below pass as they are.
fn inflating(error: io::Error, wrapping: Wrapping) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => WrappingError::Truncated(wrapping).into(),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => WrappingError::Damaged(wrapping).into(),
        _ => error,
    }
}
