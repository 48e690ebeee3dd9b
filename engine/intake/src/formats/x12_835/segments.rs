//! The tokenizer: bytes become segments, in bounded memory and without copying.
//!
//! A segment is a slice of the window, and elements are slices of the segment. Tolerated: line ends and blanks around
//! segments, byte order marks, empty segments, new separators at each ISA (and at each GS or ST where there is no ISA), files wrapped
//! at some column (a line break within a segment is taken out). A line break *instead of* a terminator before a segment that begins a
//! new thing ends the segment and is said so, because the two would otherwise run together.

use super::separators::{LOOKAHEAD_BYTES, Separators, envelope};
use crate::formats::without_blanks;
use crate::window::Window;
use memchr::{memchr, memchr2};
use model::limits::X12_SEGMENT_BYTES_MAX;
use std::io::{self, Read};

/// Ids that no element of a segment we know can equal, so that one after a line break is a segment.
const UNMISTAKABLE: [&[u8]; 12] = [b"ISA", b"IEA", b"CLP", b"CAS", b"NM1", b"SVC", b"DTM", b"AMT", b"PLB", b"MOA", b"MIA", b"BPR"];

/// What [`Segments::advance`] came upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A segment: see [`Segments::current`].
    Segment,
    /// A segment beyond the limit; passed over.
    TooLong,
    /// Something before the first ISA, GS or ST; nothing can be read.
    NotX12,
    /// The end.
    End,
}

/// The segments of a reader.
pub(crate) struct Segments<'r> {
    window: Window<'r>,
    separators: Option<Separators>,
    /// Whether an ISA gave the separators; then only another ISA changes them.
    enveloped: bool,
    ordinal: u64,
    /// Bytes of the window that the current segment takes, terminator included.
    taken: usize,
    length: usize,
    ended_by: EndedBy,
    /// The current segment without line breaks, where it had some.
    joined: Vec<u8>,
    is_joined: bool,
}

/// What a segment ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndedBy {
    /// Its terminator.
    Terminator,
    /// A line break before an id that begins a segment.
    LineBreak,
    /// The end of the file.
    EndOfFile,
}

/// One segment.
#[derive(Clone, Copy)]
pub(crate) struct Segment<'a> {
    bytes: &'a [u8],
    separators: Separators,
    /// Its number in the file, from 1.
    pub(crate) ordinal: u64,
    /// What it ended with.
    pub(crate) ended_by: EndedBy,
}

impl<'r> Segments<'r> {
    /// The segments of a reader.
    pub(crate) fn new(source: Box<dyn Read + 'r>) -> Self {
        Self {
            window: Window::new(source, 4 * X12_SEGMENT_BYTES_MAX),
            separators: None,
            enveloped: false,
            ordinal: 0,
            taken: 0,
            length: 0,
            ended_by: EndedBy::Terminator,
            joined: Vec::new(),
            is_joined: false,
        }
    }

    /// Goes to the next segment.
    pub(crate) fn advance(&mut self) -> io::Result<Step> {
        loop {
            self.window.consume(self.taken);
            self.taken = 0;
            self.pass_blanks()?;
            if self.window.is_empty() {
                return Ok(Step::End);
            }
            self.read_separators()?;
            let Some(separators) = self.separators else { return Ok(Step::NotX12) };
            if !self.find_end(separators.terminator)? {
                self.ordinal += 1;
                self.pass_over(separators.terminator)?;
                return Ok(Step::TooLong);
            }
            self.trim_end();
            if self.length > 0 {
                self.ordinal += 1;
                self.join_lines(separators);
                return Ok(Step::Segment);
            }
        }
    }

    /// The segment that [`Segments::advance`] came upon.
    pub(crate) fn current(&self) -> Segment<'_> {
        Segment {
            bytes: if self.is_joined { &self.joined } else { &self.window.bytes()[..self.length] },
            separators: self.separators.expect("a segment was found, so its separators are known"),
            ordinal: self.ordinal,
            ended_by: self.ended_by,
        }
    }

    /// Segments met so far, those passed over included.
    pub(crate) fn ordinal(&self) -> u64 {
        self.ordinal
    }

    fn pass_blanks(&mut self) -> io::Result<()> {
        // Nearly always: an id begins with a letter.
        if self.window.bytes().first().is_some_and(u8::is_ascii_alphabetic) {
            return Ok(());
        }
        loop {
            let there = self.window.bytes();
            let blanks = there.len() - without_blanks(there).len();
            self.window.consume(blanks);
            // Two bytes of a byte order mark could be cut by the window's edge.
            if self.window.bytes().len() >= 3 || !self.window.fill()? {
                let there = self.window.bytes();
                let rest = without_blanks(there).len();
                let blanks = there.len() - rest;
                self.window.consume(blanks);
                if rest > 0 || self.window.has_ended() {
                    return Ok(());
                }
            }
        }
    }

    fn read_separators(&mut self) -> io::Result<()> {
        if !matches!(self.window.bytes()[0], b'I' | b'G' | b'S') {
            return Ok(());
        }
        self.window.ensure(4)?;
        let Some((id, element)) = envelope(self.window.bytes()) else { return Ok(()) };
        let is_isa = id == b"ISA";
        let same = self.separators.is_some_and(|known| known.element == element);
        if !is_isa && self.enveloped && same {
            return Ok(());
        }
        self.window.ensure(LOOKAHEAD_BYTES)?;
        if let Some(found) = Separators::read(self.window.bytes()) {
            self.separators = Some(found);
            self.enveloped = is_isa;
        }
        Ok(())
    }

    /// Finds the terminator; false where the segment is too long.
    fn find_end(&mut self, terminator: u8) -> io::Result<bool> {
        let mut searched = 0;
        loop {
            let there = self.window.bytes();
            if let Some(at) = memchr(terminator, &there[searched..]) {
                self.length = searched + at;
                self.taken = self.length + 1;
                self.ended_by = EndedBy::Terminator;
                return Ok(self.length <= X12_SEGMENT_BYTES_MAX);
            }
            searched = there.len();
            if searched > X12_SEGMENT_BYTES_MAX {
                self.length = searched;
                self.taken = 0;
                return Ok(false);
            }
            if !self.window.fill()? {
                self.length = searched;
                self.taken = searched;
                self.ended_by = EndedBy::EndOfFile;
                return Ok(true);
            }
        }
    }

    /// Leaves everything behind up to and with the terminator.
    fn pass_over(&mut self, terminator: u8) -> io::Result<()> {
        if self.taken > 0 {
            return Ok(());
        }
        self.window.pass_over(terminator)
    }

    fn trim_end(&mut self) {
        let there = &self.window.bytes()[..self.length];
        self.length = there.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n' | 0x1a)).map_or(0, |last| last + 1);
    }

    /// Takes line breaks out of a segment, or ends it at one that stands for a missing terminator.
    fn join_lines(&mut self, separators: Separators) {
        self.is_joined = false;
        let bytes = &self.window.bytes()[..self.length];
        let Some(mut at) = memchr2(b'\r', b'\n', bytes) else { return };
        self.joined.clear();
        let mut copied = 0;
        loop {
            let rest = without_blanks(&bytes[at..]);
            let is_segment =
                UNMISTAKABLE.iter().any(|id| rest.strip_prefix(*id).is_some_and(|rest| rest.first() == Some(&separators.element)));
            if is_segment {
                let taken = bytes.len() - rest.len();
                self.joined.extend_from_slice(&bytes[copied..at]);
                self.taken = taken;
                self.ended_by = EndedBy::LineBreak;
                break;
            }
            self.joined.extend_from_slice(&bytes[copied..at]);
            copied = at + 1;
            match memchr2(b'\r', b'\n', &bytes[copied..]) {
                Some(next) => at = copied + next,
                None => {
                    self.joined.extend_from_slice(&bytes[copied..]);
                    break;
                }
            }
        }
        self.is_joined = true;
    }
}

impl<'a> Segment<'a> {
    /// The segment's id.
    pub(crate) fn id(&self) -> &'a [u8] {
        &self.bytes[..self.next_separator(0)]
    }

    /// The first `N` elements, from element 1; those that are not there are empty.
    pub(crate) fn elements<const N: usize>(&self) -> [&'a [u8]; N] {
        let mut elements: [&[u8]; N] = [&[]; N];
        elements.iter_mut().zip(self.each_element()).for_each(|(place, element)| *place = element);
        elements
    }

    /// The elements that are there, from element 1. For segments that may have many and mostly have few.
    pub(crate) fn each_element(&self) -> impl Iterator<Item = &'a [u8]> {
        let segment = *self;
        let mut at = segment.next_separator(0);
        std::iter::from_fn(move || {
            let start = at + 1;
            if at >= segment.bytes.len() {
                return None;
            }
            at = segment.next_separator(start);
            Some(segment.bytes[start..at].trim_ascii())
        })
    }

    /// Elements are a few bytes long: a plain loop beats a vectorised search that has to be set up.
    fn next_separator(&self, from: usize) -> usize {
        let element = self.separators.element;
        self.bytes[from..].iter().position(|byte| *byte == element).map_or(self.bytes.len(), |at| from + at)
    }

    /// The component separator of a composite whose first component is a two-character qualifier: the one that ISA16 names,
    /// or, where the composite does not use it, the punctuation after the qualifier. Real files name one and write another.
    pub(crate) fn component_separator(&self, composite: &[u8]) -> Option<u8> {
        let named = self.separators.component.filter(|byte| composite.contains(byte));
        named.or_else(|| composite.get(2).copied().filter(u8::is_ascii_punctuation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that gives a few bytes at a time, as sockets and pipes may.
    struct Dribble<'a>(&'a [u8], usize);

    impl Read for Dribble<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn all(text: &[u8], step: usize) -> Vec<String> {
        let mut segments = Segments::new(Box::new(Dribble(text, step)));
        let mut found = Vec::new();
        loop {
            match segments.advance().unwrap() {
                Step::Segment => found.push(String::from_utf8_lossy(segments.current().bytes).into_owned()),
                Step::End => return found,
                other => found.push(format!("{other:?}")),
            }
        }
    }

    const ISA: &str = "ISA*00* *00* *ZZ*A *ZZ*B *180613*1230*^*00501*1*0*P*:~GS*HP*A*B*1*1*1*X*005010X221A1~";

    #[test]
    fn finds_the_same_segments_however_the_bytes_arrive() {
        let text = format!("\u{feff}\r\n {ISA}ST*835*1~\r\nBPR*I*1~\r\n~~ SE*3*1 ~ GE*1*1~IEA*1*1\r\n\x1a");
        let whole = all(text.as_bytes(), 10_000);
        assert_eq!(whole[2..], ["ST*835*1", "BPR*I*1", "SE*3*1 ", "GE*1*1", "IEA*1*1"]);
        for step in 1..40 {
            assert_eq!(all(text.as_bytes(), step), whole, "{step}");
        }
    }

    #[test]
    fn each_interchange_brings_its_separators() {
        let other = ISA.replace('*', "|").replace('~', "\n");
        let text = format!("{ISA}ST*835*1~SE*2*1~GE*1*1~IEA*1*1~{other}ST|835|1\nSE|2|1\n");
        assert_eq!(all(text.as_bytes(), 7).len(), 10);
        let bare = "ST*835*1~BPR*I~SE*3*1~ST|835|1!BPR|I!SE|3|1!";
        assert_eq!(all(bare.as_bytes(), 5), ["ST*835*1", "BPR*I", "SE*3*1", "ST|835|1", "BPR|I", "SE|3|1"]);
    }

    #[test]
    fn joins_wrapped_lines_and_splits_where_a_terminator_is_missing() {
        let text = format!("{ISA}ST*835*1~PER*BL*NA\r\nME~CAS*PR*1*20\r\nNM1*QC*1*A~REF*1\nREF*2~");
        assert_eq!(all(text.as_bytes(), 1000)[2..], ["ST*835*1", "PER*BL*NAME", "CAS*PR*1*20", "NM1*QC*1*A", "REF*1REF*2"]);
    }

    #[test]
    fn passes_over_what_is_longer_than_any_segment() {
        let long = "X".repeat(3 * X12_SEGMENT_BYTES_MAX);
        for long in [&long, &long[..X12_SEGMENT_BYTES_MAX + 1]] {
            let text = format!("{ISA}ST*835*1~NTE*{long}~SE*3*1~");
            assert_eq!(all(text.as_bytes(), 100_000)[2..], ["ST*835*1", "TooLong", "SE*3*1"]);
        }
        let text = format!("{ISA}ST*835*1~NTE*{long}");
        assert_eq!(all(text.as_bytes(), 100_000)[2..], ["ST*835*1", "TooLong"]);
    }

    #[test]
    fn elements_are_trimmed_and_absent_ones_empty() {
        let text = b"ST*835*1234~BPR* I *2**~";
        let mut segments = Segments::new(Box::new(&text[..]));
        segments.advance().unwrap();
        segments.advance().unwrap();
        let segment = segments.current();
        assert_eq!(segment.id(), b"BPR");
        assert_eq!(segment.elements::<6>(), [&b"I"[..], b"2", b"", b"", b"", b""]);
        assert_eq!(segment.component_separator(b"HC>99213"), Some(b'>'));
        assert_eq!(segment.component_separator(b"HC"), None);
    }
}
