//! Transparency of the message content: RFC 5321 section 4.5.2, both directions.
//!
//! [`Stuffer`] doubles a dot that begins a line, over any number of slices, and refuses a bare CR or LF
//! instead of sending it: a receiver that takes a bare LF for a line end could be made to see a second
//! message in ours (SMTP smuggling). [`Unstuffer`] undoes it and ends at `CRLF . CRLF` alone.

use memchr::{memchr, memchr2};

/// What ends the content once its last line has ended: the final dot.
pub const END_OF_DATA: &[u8] = b".\r\n";

/// The content has a CR or LF that is not part of CRLF. It must not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message has a bare CR or LF near octet {offset}: render it with CRLF line ends alone")]
pub struct BareLineEnd {
    /// Octets from the start of the content.
    pub offset: usize,
}

/// Writes content in the form that goes on the wire.
#[derive(Debug, Default)]
pub struct Stuffer {
    place: StuffPlace,
    taken: usize,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum StuffPlace {
    #[default]
    LineStart,
    Middle,
    AfterCr,
}

impl Stuffer {
    /// Starts at the beginning of the content.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends one slice of the content to `output`.
    ///
    /// # Errors
    /// [`BareLineEnd`]; `output` then holds a part that must not be sent.
    pub fn push(&mut self, slice: &[u8], output: &mut Vec<u8>) -> Result<(), BareLineEnd> {
        output.reserve(slice.len() + slice.len() / 64);
        let mut rest = slice;
        while let Some(&first) = rest.first() {
            if self.place == StuffPlace::AfterCr {
                if first != b'\n' {
                    return Err(self.bare(slice.len() - rest.len()));
                }
                output.push(b'\n');
                rest = &rest[1..];
                self.place = StuffPlace::LineStart;
                continue;
            }
            // RFC 5321 section 4.5.2: "If it is a period, one additional period is inserted at the beginning of the line."
            if self.place == StuffPlace::LineStart && first == b'.' {
                output.push(b'.');
            }
            let Some(end) = memchr2(b'\r', b'\n', rest) else {
                output.extend_from_slice(rest);
                self.place = StuffPlace::Middle;
                break;
            };
            if rest[end] == b'\n' {
                return Err(self.bare(slice.len() - rest.len() + end));
            }
            let line_end = if rest.get(end + 1) == Some(&b'\n') { end + 2 } else { end + 1 };
            output.extend_from_slice(&rest[..line_end]);
            self.place = if line_end == end + 2 { StuffPlace::LineStart } else { StuffPlace::AfterCr };
            rest = &rest[line_end..];
        }
        self.taken += slice.len();
        Ok(())
    }

    /// Ends the last line where the content did not. [`END_OF_DATA`] is left to the caller, who may have to wait.
    ///
    /// # Errors
    /// [`BareLineEnd`] where the content ends in a CR.
    pub fn finish(self, output: &mut Vec<u8>) -> Result<(), BareLineEnd> {
        match self.place {
            StuffPlace::LineStart => Ok(()),
            StuffPlace::Middle => {
                output.extend_from_slice(b"\r\n");
                Ok(())
            }
            StuffPlace::AfterCr => Err(self.bare(0)),
        }
    }

    fn bare(&self, offset: usize) -> BareLineEnd {
        BareLineEnd { offset: self.taken + offset }
    }
}

/// Reads content from the wire and finds its end.
#[derive(Debug, Default)]
pub struct Unstuffer {
    place: UnstuffPlace,
    bare_line_end: bool,
    oversized: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum UnstuffPlace {
    #[default]
    LineStart,
    Middle,
    AfterCr,
    /// A dot began the line.
    Dot,
    /// A dot and a CR began the line.
    DotCr,
}

impl Unstuffer {
    /// Starts right after the reply 354.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what it can of `input`: returns the octets consumed and whether the end of data was reached. Content beyond
    /// `octets_max` is counted as oversized and dropped.
    pub fn push(&mut self, input: &[u8], content: &mut Vec<u8>, octets_max: usize) -> (usize, bool) {
        let mut at = 0;
        while at < input.len() {
            let byte = input[at];
            match self.place {
                UnstuffPlace::LineStart if byte == b'.' => {
                    // RFC 5321 section 4.5.2: "If the first character is a period […] the first character is deleted."
                    self.place = UnstuffPlace::Dot;
                    at += 1;
                }
                UnstuffPlace::Dot if byte == b'\r' => {
                    self.place = UnstuffPlace::DotCr;
                    at += 1;
                }
                UnstuffPlace::DotCr => {
                    if byte == b'\n' {
                        return (at + 1, true);
                    }
                    self.bare_line_end = true;
                    self.keep(b"\r", content, octets_max);
                    self.place = UnstuffPlace::Middle;
                }
                UnstuffPlace::AfterCr => {
                    if byte == b'\n' {
                        self.keep(b"\n", content, octets_max);
                        self.place = UnstuffPlace::LineStart;
                        at += 1;
                    } else {
                        self.bare_line_end = true;
                        self.place = UnstuffPlace::Middle;
                    }
                }
                UnstuffPlace::LineStart | UnstuffPlace::Dot | UnstuffPlace::Middle => at += self.middle(&input[at..], content, octets_max),
            }
        }
        (at, false)
    }

    /// Takes up to the end of the line, or all there is.
    fn middle(&mut self, input: &[u8], content: &mut Vec<u8>, octets_max: usize) -> usize {
        let carriage_return = memchr(b'\r', input);
        let length = carriage_return.map_or(input.len(), |end| end + 1);
        // RFC 5321 section 2.3.8: "MUST NOT recognize or generate any other character or character sequence as a line terminator."
        self.bare_line_end |= memchr(b'\n', &input[..length]).is_some();
        self.keep(&input[..length], content, octets_max);
        self.place = if carriage_return.is_some() { UnstuffPlace::AfterCr } else { UnstuffPlace::Middle };
        length
    }

    fn keep(&mut self, bytes: &[u8], content: &mut Vec<u8>, octets_max: usize) {
        if self.oversized || content.len() + bytes.len() > octets_max {
            self.oversized = true;
        } else {
            content.extend_from_slice(bytes);
        }
    }

    /// Whether a bare CR or LF was seen.
    pub fn had_bare_line_end(&self) -> bool {
        self.bare_line_end
    }

    /// Whether content was dropped for its size.
    pub fn is_oversized(&self) -> bool {
        self.oversized
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stuffed(slices: &[&[u8]]) -> Result<Vec<u8>, BareLineEnd> {
        let (mut stuffer, mut output) = (Stuffer::new(), Vec::new());
        for slice in slices {
            stuffer.push(slice, &mut output)?;
        }
        stuffer.finish(&mut output)?;
        output.extend_from_slice(END_OF_DATA);
        Ok(output)
    }

    /// Feeds in chunks; gives the content, the octets left over and whether a bare line end was seen.
    fn unstuffed(wire: &[u8], chunk: usize) -> Option<(Vec<u8>, usize, bool)> {
        let (mut unstuffer, mut content, mut at) = (Unstuffer::new(), Vec::new(), 0);
        for part in wire.chunks(chunk.max(1)) {
            let (taken, done) = unstuffer.push(part, &mut content, usize::MAX);
            at += taken;
            if done {
                return Some((content, wire.len() - at, unstuffer.had_bare_line_end()));
            }
            assert_eq!(taken, part.len());
        }
        None
    }

    #[test]
    fn doubles_dots_at_line_starts_across_slices() {
        assert_eq!(stuffed(&[b".a\r\n", b".b\r\n.", b".c."]).unwrap(), b"..a\r\n..b\r\n...c.\r\n.\r\n");
        assert_eq!(stuffed(&[b"a\r", b"\n.b"]).unwrap(), b"a\r\n..b\r\n.\r\n");
        assert_eq!(stuffed(&[b""]).unwrap(), b".\r\n");
    }

    #[test]
    fn refuses_to_send_a_bare_cr_or_lf() {
        for bad in [&b"a\nb"[..], b"a\rb", b"a\r", b"\n", b"\r\n.\n", b"\r\r\n"] {
            assert!(stuffed(&[b"x\r\n", bad]).is_err(), "{bad:?}");
        }
        assert_eq!(stuffed(&[b"ab\r\n", b"c\n"]).unwrap_err().offset, 5);
    }

    #[test]
    fn nothing_but_crlf_dot_crlf_ends_the_data() {
        for smuggled in [&b"a\n.\n"[..], b"a\n.\r\n", b"a\r.\r\n", b"a\r\n.\n", b"a\r\n.\r", b"a\r\n.\rb", b"a\r\n..\r\n"] {
            for chunk in 1..4 {
                assert_eq!(unstuffed(smuggled, chunk), None, "{smuggled:?}");
            }
        }
        assert_eq!(unstuffed(b"a\n.\r\nMAIL\r\n.\r\nQUIT", 3).unwrap(), (b"a\n.\r\nMAIL\r\n".to_vec(), 4, true));
    }

    proptest! {
        #[test]
        fn what_was_stuffed_comes_back(
            lines in prop::collection::vec("[.a-c]{0,4}", 0..12), cuts in prop::collection::vec(0usize..60, 0..4), chunk in 1usize..20
        ) {
            let content: Vec<u8> = lines.iter().flat_map(|line| [line.as_bytes(), b"\r\n"].concat()).collect();
            let mut at: Vec<usize> = cuts.into_iter().map(|cut| cut.min(content.len())).chain([0, content.len()]).collect();
            at.sort_unstable();
            let slices: Vec<&[u8]> = at.windows(2).map(|pair| &content[pair[0]..pair[1]]).collect();
            let wire = stuffed(&slices).unwrap();
            prop_assert_eq!(unstuffed(&wire, chunk), Some((content, 0, false)));
        }

        #[test]
        fn any_split_reads_the_same(wire in prop::collection::vec(prop::sample::select(b".\r\na".to_vec()), 0..40), chunk in 1usize..6) {
            let mut whole = wire;
            whole.extend_from_slice(b"\r\n.\r\n");
            prop_assert_eq!(unstuffed(&whole, whole.len()), unstuffed(&whole, chunk));
        }
    }
}
