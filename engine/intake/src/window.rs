//! A window that slides over a reader: what bounds the memory of every format.
//!
//! The bytes not consumed yet are one slice. It grows up to the bound its owner gave, never with the file.

use memchr::memchr;
use std::io::{self, Read};

/// What a window begins with, in bytes. Large enough that a read costs nothing against the parsing.
const START_BYTES: usize = 256 * 1024;

/// The window.
pub(crate) struct Window<'r> {
    source: Box<dyn Read + 'r>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
    bytes_max: usize,
}

impl<'r> Window<'r> {
    /// A window that never holds more than about `bytes_max` bytes (at least 256 KiB).
    pub(crate) fn new(source: Box<dyn Read + 'r>, bytes_max: usize) -> Self {
        Self { source, buffer: vec![0; START_BYTES], start: 0, end: 0, ended: false, bytes_max: bytes_max.max(START_BYTES) }
    }

    /// What is there and not consumed.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// True where the reader has ended and everything is consumed.
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// True where the reader has nothing more than [`Window::bytes`].
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// True where the window cannot take more bytes without some being consumed.
    pub(crate) fn is_full(&self) -> bool {
        self.end - self.start >= self.bytes_max
    }

    /// Leaves bytes behind.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start += count;
        debug_assert!(self.start <= self.end, "consumed what was not there");
    }

    /// Leaves everything behind up to and with the next such byte, however far it is; to the end where there is none.
    pub(crate) fn pass_over(&mut self, terminator: u8) -> io::Result<()> {
        loop {
            let there = self.bytes();
            if let Some(at) = memchr(terminator, there) {
                self.consume(at + 1);
                return Ok(());
            }
            let all = there.len();
            self.consume(all);
            if !self.fill()? {
                return Ok(());
            }
        }
    }

    /// Reads more. False where the reader has ended or the window is full.
    pub(crate) fn fill(&mut self) -> io::Result<bool> {
        if self.ended || self.is_full() {
            return Ok(false);
        }
        if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            // Grown only when one record fills more than half: below that, sliding is cheap enough.
            if self.end > self.buffer.len() / 2 {
                let grown = (self.buffer.len() * 2).min(self.bytes_max.max(self.buffer.len()) + START_BYTES);
                self.buffer.resize(grown, 0);
            }
        }
        loop {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(0) => {
                    self.ended = true;
                    return Ok(false);
                }
                Ok(count) => {
                    self.end += count;
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads until `count` bytes are there or the reader has ended.
    pub(crate) fn ensure(&mut self, count: usize) -> io::Result<()> {
        while self.end - self.start < count && self.fill()? {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slides_and_grows_no_further_than_its_bound() {
        let source = io::repeat(7).take(3_000_000);
        let mut window = Window::new(Box::new(source), 600_000);
        while window.fill().unwrap() {}
        assert!(window.is_full() && window.bytes().len() < 900_000);
        let mut total = 0;
        loop {
            let there = window.bytes().len();
            total += there;
            window.consume(there);
            if !window.fill().unwrap() && window.is_empty() {
                break;
            }
        }
        assert_eq!(total, 3_000_000);
        assert!(window.has_ended());
    }
}
