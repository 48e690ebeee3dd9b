//! Gzip, member after member (RFC 1952 section 2.2: "a gzip file consists of a series of members").

use super::{Wrapping, WrappingError, inflating};
use flate2::bufread::GzDecoder;
use std::io::{self, BufRead, Read};

/// The content of all members, one after the other.
pub(super) struct Members<R: BufRead> {
    /// The member that is read; `None` after the last.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Members<R> {
    pub(super) fn new(source: R) -> Self {
        Self { member: Some(GzDecoder::new(source)) }
    }

    /// Begins the next member, where there is one.
    fn next_member(&mut self) -> io::Result<()> {
        let Some(ended) = self.member.take() else { return Ok(()) };
        let mut source = ended.into_inner();
        match source.fill_buf()? {
            [] => return Ok(()),
            [0x1f, ..] => {}
            _ => return Err(WrappingError::Trailing.into()),
        }
        self.member = Some(GzDecoder::new(source));
        Ok(())
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            match member.read(buffer) {
                // A member may be empty; the decoder has compared length and checksum when it says 0.
                Ok(0) if !buffer.is_empty() => self.next_member()?,
                Ok(count) => return Ok(count),
                Err(error) => return Err(inflating(error, Wrapping::Gzip)),
            }
        }
        Ok(0)
    }
}
