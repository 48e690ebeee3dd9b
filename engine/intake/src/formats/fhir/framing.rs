//! The records of a FHIR file, one at a time, in a window that does not grow with the file.
//!
//! Three framings, told apart by the file itself:
//! ```text
//! one resource    { … }                                             over any number of lines
//! NDJSON          { … } ⏎ { … } ⏎                                   as bulk exports have it; a Bundle may stand in a line too
//! Bundle          { "resourceType":"Bundle", … "entry":[ { … }, { … } ], … }      entry by entry, whatever stands before and after
//! ```
//! The first object decides: if it ends in its own line, or is cut off there and another begins in the next, then a line end always
//! ends a record, and damage stays in its line. Otherwise line ends are blanks. In a Bundle damage between entries cannot be kept apart
//! from what follows, so the file is refused; a Bundle that only ends early is read as far as it goes, and that is said.
//!
//! A record beyond [`RESOURCE_BYTES_MAX`] is passed over without being kept, and given out as too long.

use super::balance::{Balance, Progress};
use crate::window::Window;
use memchr::{memchr, memchr_iter, memmem};
use std::io::{self, Read};

/// Largest resource or entry, in bytes. An inpatient claim of 999 lines in Medicare's pretty-printed form has about 11 MB.
pub(super) const RESOURCE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Largest value of a Bundle outside of its entries: links, signatures and the like.
const BUNDLE_KEYS_BYTES_MAX: usize = 1024 * 1024;

/// What a record of a bulk export begins with.
const NEXT_RECORD: &[u8] = b"\n{\"resourceType\"";

/// What was found next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// A resource; see [`Framing::bytes`].
    Resource,
    /// An entry of a Bundle; see [`Framing::bytes`].
    Entry,
    /// The keys of a Bundle before its entries, as an object that is not closed (`{"type":"searchset",`); see [`Framing::bytes`].
    BundleHead,
    /// The keys after them (`,"total":3}`).
    BundleTail,
    /// A record that is not JSON.
    Broken,
    /// A record whose end is not there.
    Truncated,
    /// A record that is too long.
    TooLong,
    /// A Bundle ends with the file, before its own end.
    BundleNotClosed,
    /// A Bundle in which entries cannot be told apart any more.
    BundleBroken,
    /// Nothing more.
    End,
}

/// How line ends are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lines {
    /// The first record is not over yet.
    Undecided,
    /// A line end ends a record.
    Records,
    /// A line end is a blank.
    Blanks,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Between records.
    Top,
    /// In the list of a Bundle's entries.
    Entries,
    /// After that list.
    AfterEntries,
    /// What follows cannot be read.
    Lost,
}

/// The records of a file.
pub(super) struct Framing<'r> {
    window: Window<'r>,
    lines: Lines,
    place: Place,
    /// Line of the window's first byte, from 1.
    line: u64,
    /// Bytes of the window that the record given out last takes.
    taken: usize,
    /// Line where that record begins.
    line_of_record: u64,
    /// Line where the object at the top begins: that record, or the Bundle around it.
    line_of_top: u64,
}

/// Why no end of a value was found.
enum Stop {
    /// The reader has ended.
    Ended,
    /// More than the limit.
    TooLong(Balance, usize),
    /// Not JSON; the byte at this offset of the window says so.
    Broken(usize),
    /// A line end, where it ends a record.
    Line,
}

type Ending = Result<usize, Stop>;

impl<'r> Framing<'r> {
    pub(super) fn new(source: Box<dyn Read + 'r>) -> Self {
        let window = Window::new(source, RESOURCE_BYTES_MAX + 4 * 1024);
        Self { window, lines: Lines::Undecided, place: Place::Top, line: 1, taken: 0, line_of_record: 1, line_of_top: 1 }
    }

    /// The record given out last.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.window.bytes()[..self.taken]
    }

    /// The line in which it begins, from 1.
    pub(super) fn begins_in_line(&self) -> u64 {
        self.line_of_record
    }

    /// Looks for the next record.
    pub(super) fn next(&mut self) -> io::Result<Found> {
        self.pass(self.taken);
        self.taken = 0;
        match self.place {
            Place::Top => self.next_at_top(),
            Place::Entries => self.next_entry(),
            Place::AfterEntries => self.after_entries(),
            Place::Lost => Ok(Found::End),
        }
    }

    fn next_at_top(&mut self) -> io::Result<Found> {
        if !self.skip_blanks(true)? {
            return Ok(Found::End);
        }
        self.line_of_record = self.line;
        self.line_of_top = self.line;
        if self.window.bytes()[0] != b'{' {
            return self.broken_at_top(0);
        }
        let ending = self.object_end()?;
        match ending {
            Object::Bundle(keys_end) => {
                self.place = Place::Entries;
                self.taken = keys_end;
                Ok(Found::BundleHead)
            }
            Object::Ended(end) => {
                self.decide(end);
                self.taken = end;
                Ok(Found::Resource)
            }
            Object::Stopped(Stop::Line) => {
                self.lines = Lines::Records;
                self.taken = self.line_length();
                Ok(Found::Truncated)
            }
            Object::Stopped(Stop::Ended) => {
                // The first line was cut off where a value belongs, so the next one looked like that value.
                let has_next = self.lines == Lines::Undecided && memmem::find(self.window.bytes(), NEXT_RECORD).is_some();
                self.lines = if has_next { Lines::Records } else { self.lines };
                self.taken = if has_next { self.line_length() } else { self.window.bytes().len() };
                Ok(Found::Truncated)
            }
            Object::Stopped(Stop::TooLong(balance, seen)) => self.pass_over_record(balance, seen),
            Object::Stopped(Stop::Broken(at)) => self.broken_at_top(at),
        }
    }

    /// Where the first record ended in its own line, every record does.
    fn decide(&mut self, end: usize) {
        if self.lines == Lines::Undecided {
            let over_lines = self.window.bytes()[..end].contains(&b'\n');
            self.lines = if over_lines { Lines::Blanks } else { Lines::Records };
        }
    }

    /// Passes over a record that is not JSON: up to the end of its line or, where line ends mean nothing, to a line that begins with
    /// an object.
    fn broken_at_top(&mut self, at: usize) -> io::Result<Found> {
        if self.lines == Lines::Undecided {
            let over_lines = self.window.bytes()[..at].contains(&b'\n');
            self.lines = if over_lines { Lines::Blanks } else { Lines::Records };
        }
        loop {
            let there = self.window.bytes();
            match memchr(b'\n', there) {
                Some(at) => {
                    self.pass(at + 1);
                    self.window.ensure(1)?;
                    if self.lines == Lines::Records || self.window.bytes().first().is_none_or(|byte| *byte == b'{') {
                        return Ok(Found::Broken);
                    }
                }
                None => {
                    let all = there.len();
                    self.pass(all);
                    if !self.window.fill()? {
                        return Ok(Found::Broken);
                    }
                }
            }
        }
    }

    /// Passes over a record that is too long, of which `seen` bytes are in the window.
    fn pass_over_record(&mut self, mut balance: Balance, seen: usize) -> io::Result<Found> {
        if self.lines == Lines::Records {
            self.pass_line()?;
            self.place = Place::Top;
            return Ok(Found::TooLong);
        }
        self.pass(seen);
        loop {
            let there = self.window.bytes();
            match balance.feed(there, false) {
                Progress::Ended(end) => {
                    self.pass(end);
                    return Ok(Found::TooLong);
                }
                Progress::Broken(at) => {
                    self.pass(at);
                    return if self.place == Place::Top { self.broken_at_top(0) } else { self.lose(Found::BundleBroken) };
                }
                Progress::More => {
                    let all = there.len();
                    self.pass(all);
                    if !self.window.fill()? {
                        return Ok(Found::TooLong);
                    }
                }
            }
        }
    }

    fn next_entry(&mut self) -> io::Result<Found> {
        loop {
            if !self.skip_blanks(false)? {
                self.place = Place::Top;
                return Ok(Found::BundleNotClosed);
            }
            match self.window.bytes()[0] {
                // In NDJSON the Bundle ends with its line, closed or not.
                b'\n' => {
                    self.place = Place::Top;
                    return Ok(Found::BundleNotClosed);
                }
                // Strictly one comma stands between entries; one more or less loses nothing.
                b',' => self.pass(1),
                b']' => {
                    self.pass(1);
                    self.place = Place::AfterEntries;
                    return self.after_entries();
                }
                b'{' => break,
                _ => return self.bundle_breaks(),
            }
        }
        self.line_of_record = self.line;
        let start = Balance::default();
        match self.value_end(start, 0, 0)? {
            Ok(end) => {
                self.taken = end;
                Ok(Found::Entry)
            }
            Err(Stop::Ended) => {
                self.taken = self.window.bytes().len();
                Ok(Found::Truncated)
            }
            Err(Stop::TooLong(balance, seen)) => self.pass_over_record(balance, seen),
            Err(Stop::Broken(_) | Stop::Line) => self.bundle_breaks(),
        }
    }

    fn after_entries(&mut self) -> io::Result<Found> {
        self.line_of_record = self.line;
        let mut tail = Balance::default();
        // The object that holds the list is open: its end is the end of the tail.
        tail.feed(b"{", false);
        match self.value_end(tail, 0, 0)? {
            Ok(end) => {
                self.place = Place::Top;
                if self.line > self.line_of_top {
                    self.lines = Lines::Blanks;
                }
                self.decide(end);
                self.taken = end;
                Ok(Found::BundleTail)
            }
            Err(Stop::Ended) => {
                self.place = Place::Top;
                self.taken = self.window.bytes().len();
                Ok(Found::BundleNotClosed)
            }
            Err(_) => self.bundle_breaks(),
        }
    }

    /// Damage between entries: in NDJSON it stays in its line.
    fn bundle_breaks(&mut self) -> io::Result<Found> {
        if self.lines == Lines::Records {
            self.pass_line()?;
            self.place = Place::Top;
            return Ok(Found::Broken);
        }
        self.lose(Found::BundleBroken)
    }

    fn lose(&mut self, found: Found) -> io::Result<Found> {
        self.place = Place::Lost;
        Ok(found)
    }

    /// The end of the object at the window's start, or of a Bundle's keys before its entries.
    fn object_end(&mut self) -> io::Result<Object> {
        let mut at = 1;
        loop {
            let mut balance = Balance::default();
            balance.feed(b"{", false);
            match self.skip_to_token(&mut at)? {
                Some(b'}') => return Ok(Object::Ended(at + 1)),
                Some(b',') => {
                    at += 1;
                    continue;
                }
                Some(b'"') => {}
                // `{` at the beginning of a line, where a name belongs: the line before is cut off.
                Some(b'{') if self.is_at_line_start(at) => return Ok(Object::Stopped(Stop::Line)),
                Some(byte) => return Ok(Object::Stopped(broken(byte, at))),
                None => return Ok(Object::Stopped(self.ended_or_too_long(balance, at))),
            }
            let name = at;
            at = match self.value_end(Balance::default(), at, at)? {
                Ok(end) => end,
                Err(stop) => return Ok(Object::Stopped(in_object(stop))),
            };
            let is_entry = &self.window.bytes()[name..at] == b"\"entry\"";
            match self.skip_to_token(&mut at)? {
                Some(b':') => at += 1,
                Some(byte) => return Ok(Object::Stopped(broken(byte, at))),
                None => return Ok(Object::Stopped(self.ended_or_too_long(balance, at))),
            }
            match self.skip_to_token(&mut at)? {
                Some(b'[') if is_entry && at <= BUNDLE_KEYS_BYTES_MAX => return Ok(Object::Bundle(at + 1)),
                Some(b'{' | b'[' | b'"') => match self.value_end(Balance::default(), at, at)? {
                    Ok(end) => at = end,
                    Err(stop) => return Ok(Object::Stopped(in_object(stop))),
                },
                Some(byte) if byte.is_ascii_alphanumeric() || byte == b'-' => at = self.word_end(at)?,
                Some(byte) => return Ok(Object::Stopped(broken(byte, at))),
                None => return Ok(Object::Stopped(self.ended_or_too_long(balance, at))),
            }
        }
    }

    /// The end of the value of which the window holds the beginning; `from` is where the balance goes on, `start` where the value begins.
    fn value_end(&mut self, mut balance: Balance, start: usize, from: usize) -> io::Result<Ending> {
        let mut at = from;
        let line_ends = self.lines == Lines::Records;
        loop {
            let there = &self.window.bytes()[at..];
            let lines_before = if self.lines == Lines::Undecided { memchr(b'\n', there) } else { None };
            // While it is undecided, each line is looked at by itself: the next one may be another record.
            let piece = &there[..lines_before.map_or(there.len(), |end| end + 1)];
            match balance.feed(piece, line_ends) {
                Progress::Ended(end) => return Ok(Ok(at + end)),
                Progress::Broken(found) => {
                    let (is_line, next) = (piece[found] == b'\n', at + found + 1);
                    self.window.ensure(next + 1)?;
                    let begins_next = self.lines == Lines::Undecided && self.window.bytes().get(next) == Some(&b'{');
                    return Ok(Err(if is_line && (line_ends || begins_next) { Stop::Line } else { Stop::Broken(next - 1) }));
                }
                Progress::More => at += piece.len(),
            }
            if lines_before.is_some() {
                self.window.ensure(at + 1)?;
                if self.window.bytes().get(at) == Some(&b'{') && !balance.may_take_value() {
                    return Ok(Err(Stop::Line));
                }
                if at < self.window.bytes().len() {
                    continue;
                }
            }
            if at - start > RESOURCE_BYTES_MAX {
                return Ok(Err(Stop::TooLong(balance, at)));
            }
            if at == self.window.bytes().len() && !self.window.fill()? {
                return Ok(Err(if self.window.is_full() { Stop::TooLong(balance, at) } else { Stop::Ended }));
            }
        }
    }

    /// The end of a number or a word.
    fn word_end(&mut self, mut at: usize) -> io::Result<usize> {
        loop {
            let rest = &self.window.bytes()[at..];
            if let Some(end) = rest.iter().position(|byte| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n' | b'{' | b'"'))
            {
                return Ok(at + end);
            }
            at += rest.len();
            if !self.window.fill()? {
                return Ok(at);
            }
        }
    }

    /// Moves `at` over blanks, and gives the byte there; `None` where there is none.
    fn skip_to_token(&mut self, at: &mut usize) -> io::Result<Option<u8>> {
        loop {
            match self.window.bytes().get(*at) {
                Some(b' ' | b'\t' | b'\r') => *at += 1,
                Some(b'\n') if self.lines != Lines::Records => *at += 1,
                Some(byte) => return Ok(Some(*byte)),
                None => {
                    if !self.window.fill()? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    fn ended_or_too_long(&self, balance: Balance, at: usize) -> Stop {
        if self.window.is_full() { Stop::TooLong(balance, at) } else { Stop::Ended }
    }

    fn is_at_line_start(&self, at: usize) -> bool {
        self.lines == Lines::Undecided && at > 0 && self.window.bytes()[at - 1] == b'\n'
    }

    /// Up to and with the first line end; all there is, where there is none.
    fn line_length(&self) -> usize {
        let there = self.window.bytes();
        memchr(b'\n', there).map_or(there.len(), |end| end + 1)
    }

    /// Leaves blanks behind, and byte order marks between records. False at the end of the file.
    fn skip_blanks(&mut self, marks: bool) -> io::Result<bool> {
        let newlines = self.lines != Lines::Records;
        loop {
            if marks {
                self.window.ensure(3)?;
            }
            let there = self.window.bytes();
            let blanks = if marks {
                there.len() - crate::formats::without_blanks(there).len()
            } else {
                there.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r') || (newlines && **byte == b'\n')).count()
            };
            self.pass(blanks);
            // A byte order mark may lie across the window's end.
            let is_mark_cut = marks && self.window.bytes().first() == Some(&0xef) && self.window.bytes().len() < 3;
            if !self.window.is_empty() && !is_mark_cut {
                return Ok(true);
            }
            if !self.window.fill()? {
                return Ok(!self.window.is_empty());
            }
        }
    }

    /// Passes over the rest of a line.
    fn pass_line(&mut self) -> io::Result<()> {
        loop {
            let there = self.window.bytes();
            let (count, found) = memchr(b'\n', there).map_or((there.len(), false), |end| (end + 1, true));
            self.pass(count);
            if found || !self.window.fill()? {
                return Ok(());
            }
        }
    }

    /// Leaves bytes behind, and counts their lines.
    fn pass(&mut self, count: usize) {
        self.line += memchr_iter(b'\n', &self.window.bytes()[..count]).count() as u64;
        self.window.consume(count);
    }
}

/// What an object turned out to be.
enum Object {
    Ended(usize),
    Bundle(usize),
    Stopped(Stop),
}

/// A byte that does not belong; a line end only where it ends a record.
fn broken(byte: u8, at: usize) -> Stop {
    if byte == b'\n' { Stop::Line } else { Stop::Broken(at) }
}

/// The value is inside of an object that is not over either.
fn in_object(stop: Stop) -> Stop {
    match stop {
        Stop::TooLong(value, at) => Stop::TooLong(value.inside_object(), at),
        other => other,
    }
}
