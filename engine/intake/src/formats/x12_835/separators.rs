//! Which bytes separate elements, components and segments.
//!
//! X12.5 fixes the ISA at 106 bytes, with the separators at their places. Real files are unpadded, lack ISA16, put a
//! line break after or instead of the terminator, or have no ISA at all. So the rule here is a better one than counting: the terminator
//! is what stands before the next segment that must follow (GS after ISA, ST after GS, BPR after ST).

use memchr::memchr_iter;

/// How far from its start an envelope segment may reach, in bytes. An ISA is 106 bytes, a GS under 100.
pub(crate) const LOOKAHEAD_BYTES: usize = 1024;

/// The separators in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Separators {
    /// Between elements, mostly `*`.
    pub(crate) element: u8,
    /// Between components, mostly `:` or `>`; `None` where no ISA16 says so.
    pub(crate) component: Option<u8>,
    /// After a segment, mostly `~`; CR or LF where each line is a segment.
    pub(crate) terminator: u8,
}

impl Separators {
    /// Reads the separators at an envelope segment (ISA, GS, ST), which `start` begins with.
    pub(crate) fn read(start: &[u8]) -> Option<Self> {
        let start = &start[..start.len().min(LOOKAHEAD_BYTES)];
        let (id, element) = envelope(start)?;
        match id {
            b"ISA" => Self::at_isa(start, element),
            b"GS" => terminator_before(start, element, &[b"ST"]).map(|found| Self { element, component: None, terminator: found.byte }),
            _ => terminator_before(start, element, &[b"BPR", b"BGN", b"BHT", b"SE", b"AK1"]).map(|found| Self {
                element,
                component: None,
                terminator: found.byte,
            }),
        }
    }

    fn at_isa(start: &[u8], element: u8) -> Option<Self> {
        let Some(found) = terminator_before(start, element, &[b"GS", b"TA1", b"ST", b"IEA"]) else {
            return Self::by_places(start, element);
        };
        // ISA16 is the one byte between the last element separator and the terminator.
        let component = match &start[..found.at] {
            [.., before, byte] if *before == element && is_separator(*byte) => Some(*byte),
            _ => None,
        };
        Some(Self { element, component, terminator: found.byte })
    }

    /// X12.5: element separator at byte 4, component separator at byte 105, segment terminator at byte 106.
    fn by_places(start: &[u8], element: u8) -> Option<Self> {
        let (component, terminator) = (*start.get(104)?, *start.get(105)?);
        let fits = start[103] == element && is_separator(component) && is_terminator(terminator);
        fits.then_some(Self { element, component: Some(component), terminator })
    }
}

/// The id and element separator of an envelope segment, where `start` begins with one.
pub(crate) fn envelope(start: &[u8]) -> Option<(&'static [u8], u8)> {
    let ids: [&'static [u8]; 3] = [b"ISA", b"GS", b"ST"];
    ids.into_iter().find_map(|id| {
        let next = *start.strip_prefix(id)?.first()?;
        is_separator(next).then_some((id, next))
    })
}

/// Printable punctuation, or one of the control characters that X12 names for it (but no line end).
fn is_separator(byte: u8) -> bool {
    (byte.is_ascii_punctuation() || byte < b' ') && byte != b'\r' && byte != b'\n'
}

fn is_terminator(byte: u8) -> bool {
    byte.is_ascii_punctuation() || byte < b' '
}

struct Found {
    byte: u8,
    at: usize,
}

/// What stands before the first of the segments `next`: the terminator, with or without line ends after it.
fn terminator_before(start: &[u8], element: u8, next: &[&[u8]]) -> Option<Found> {
    memchr_iter(element, start).skip(1).find_map(|at| {
        let id = next.iter().find(|id| start[..at].ends_with(id))?;
        let next_at = at - id.len();
        let last = start[..next_at].iter().rposition(|byte| !matches!(byte, b'\r' | b'\n' | b' ' | b'\t'))?;
        terminator_between(start, element, last, next_at)
    })
}

/// The terminator where a segment's last byte that is no blank is at `last` and the next segment begins at `next_at`.
fn terminator_between(start: &[u8], element: u8, last: usize, next_at: usize) -> Option<Found> {
    let line_end = start[last + 1..next_at].iter().position(|byte| matches!(byte, b'\n' | b'\r')).map(|at| {
        let gap = &start[last + 1..next_at];
        // With CR LF the line feed counts; the carriage return is blank before it.
        let byte = if gap.contains(&b'\n') { b'\n' } else { b'\r' };
        Found { byte, at: last + 1 + at }
    });
    let punctuation = is_separator(start[last]) && start[last] != element;
    match (punctuation, line_end) {
        (true, None) => Some(Found { byte: start[last], at: last }),
        (false, line_end) => line_end,
        // `*:` and a line end: is the `:` ISA16 or the terminator? The end of the next line says.
        (true, Some(line_end)) => {
            let ends_next_line_too = start[next_at..]
                .iter()
                .position(|byte| matches!(byte, b'\r' | b'\n'))
                .map(|length| start[next_at + length - 1] == start[last]);
            let may_be_component = last > 0 && start[last - 1] == element;
            if may_be_component && ends_next_line_too == Some(false) { Some(line_end) } else { Some(Found { byte: start[last], at: last }) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(char, Option<char>, char)> {
        let found = Separators::read(text.as_bytes())?;
        Some((found.element as char, found.component.map(char::from), found.terminator as char))
    }

    const PADDED: &str = "ISA*00*          *00*          *ZZ*A              *ZZ*B              *220118*1631*^*00501*262477059*0*P*";
    const UNPADDED: &str = "ISA*00* *00* *ZZ*A *ZZ*B *180613*1230*^*00501*100000300*0*P*";
    const NEXT: &str = "GS*HP*A*B*20220118*1631*1*X*005010X221A1";

    #[test]
    fn reads_what_real_files_begin_with() {
        for isa in [PADDED, UNPADDED] {
            for (between, after, expected) in [
                (":~", "~ST*835*1~", ('*', Some(':'), '~')),
                (">~\n", "~\nST*835*1~", ('*', Some('>'), '~')),
                (":~\r\n", "~\r\nST*835*1~", ('*', Some(':'), '~')),
                (":\n", "\nST*835*1\n", ('*', Some(':'), '\n')),
                (":\r\n", "\r\nST*835*1\r\n", ('*', Some(':'), '\n')),
                (":\r", "\rST*835*1\r", ('*', Some(':'), '\r')),
                ("~", "~ST*835*1~", ('*', None, '~')),
                ("~\n", "~\nST*835*1~", ('*', None, '~')),
            ] {
                let text = format!("{isa}{between}{NEXT}{after}");
                assert_eq!(read(&text), Some(expected), "{text:?}");
            }
        }
    }

    #[test]
    fn reads_an_isa_that_ends_before_isa16() {
        let isa = UNPADDED.trim_end_matches('*');
        assert_eq!(read(&format!("{isa}~{NEXT}~ST*835*1~")), Some(('*', None, '~')));
        assert_eq!(read(&format!("{isa}\r\n{NEXT}\r\nST*835*1")), Some(('*', None, '\n')));
    }

    #[test]
    fn is_not_led_astray_by_names_that_look_like_segments() {
        let isa = "ISA*00* *00* *ZZ*GS*ZZ*XXGS*180613*1230*^*00501*100000300*0*P*:~";
        assert_eq!(read(&format!("{isa}GS*HP*ST*B*1*1*1*X*005010X221A1~ST*835*1~")), Some(('*', Some(':'), '~')));
        assert_eq!(read("GS*HP*ST*B*1*1*1*X*005010X221A1~ST*835*1~"), Some(('*', None, '~')));
    }

    #[test]
    fn reads_files_without_an_isa() {
        assert_eq!(read("ST*835*1234~BPR*I*1~"), Some(('*', None, '~')));
        assert_eq!(read("ST|835|1234\nBPR|I|1\n"), Some(('|', None, '\n')));
        assert_eq!(read("GS^HP^A^B^1^1^1^X^005010X221A1'ST^835^1'"), Some(('^', None, '\'')));
        assert_eq!(read("ST*835*1234"), None);
        assert_eq!(read("STATEMENT"), None);
    }

    #[test]
    fn falls_back_on_the_places_where_nothing_known_follows() {
        assert_eq!(read(&format!("{PADDED}:~XX*1~")), Some(('*', Some(':'), '~')));
    }
}
