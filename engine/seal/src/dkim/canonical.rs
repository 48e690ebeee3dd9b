//! The relaxed canonicalization of RFC 6376, for a header field and for a body.
//!
//! It promises the exact octets that a verifier computes, in one pass, and copies only the lines that
//! change: most lines of a quoted-printable body are already canonical and are handed on as long runs.
//! Only CRLF ends a line, as on the wire; a bare CR or LF is content, which `smtp` refuses anyway.

use memchr::memchr;

/// Takes canonical octets in order: a hash, or a buffer in tests.
pub trait Octets {
    /// The next ones.
    fn take(&mut self, octets: &[u8]);
}

impl Octets for Vec<u8> {
    fn take(&mut self, octets: &[u8]) {
        self.extend_from_slice(octets);
    }
}

impl Octets for aws_lc_rs::digest::Context {
    fn take(&mut self, octets: &[u8]) {
        self.update(octets);
    }
}

/// RFC 6376 section 3.4.2: one field in canonical form, without the CRLF at its end.
///
/// `value` is what stands behind the colon, folds included, with or without its last CRLF.
pub fn relaxed_field(name: &[u8], value: &[u8], into: &mut Vec<u8>) {
    // "Convert all header field names (not the header field values) to lowercase."
    // "Delete any WSP characters remaining before and after the colon."
    into.extend(name.iter().filter(|octet| !is_wsp(**octet)).map(u8::to_ascii_lowercase));
    into.push(b':');
    let start = into.len();
    let mut gap = false;
    for &octet in value {
        // "Unfold all header field continuation lines ...; that is, lines with terminators embedded in continued
        // header field values (that is, CRLF sequences followed by WSP) MUST be interpreted without the CRLF."
        if octet == b'\r' || octet == b'\n' {
            continue;
        }
        // "Convert all sequences of one or more WSP characters to a single SP character."
        if is_wsp(octet) {
            gap = true;
            continue;
        }
        // "Delete all WSP characters at the end of each unfolded header field value": a gap is written when something follows.
        if gap && into.len() > start {
            into.push(b' ');
        }
        gap = false;
        into.push(octet);
    }
}

/// RFC 6376 section 3.4.4: the body in canonical form.
pub fn relaxed_body(body: &[u8], into: &mut impl Octets) {
    // "Ignore all empty lines at the end of the message body." Whitespace at line ends is deleted first, so that
    // a line of blanks is an empty line too.
    let body = without_blank_end(body);
    if body.is_empty() {
        // "a completely empty body ... is canonicalized as a zero-length body": no CRLF is added.
        return;
    }
    let mut clean_from = 0;
    let mut line_from = 0;
    let mut scratch = Vec::new();
    while line_from < body.len() {
        let content_to = line_end(body, line_from);
        if !is_canonical(&body[line_from..content_to]) {
            into.take(&body[clean_from..line_from]);
            scratch.clear();
            relax_line(&body[line_from..content_to], &mut scratch);
            into.take(&scratch);
            clean_from = content_to;
        }
        line_from = content_to + CRLF.len();
    }
    into.take(&body[clean_from..]);
    // "If the body is non-empty but does not end with a CRLF, a CRLF is added." The end was cut above.
    into.take(CRLF);
}

const CRLF: &[u8] = b"\r\n";

const fn is_wsp(octet: u8) -> bool {
    octet == b' ' || octet == b'\t'
}

/// Cuts empty lines and blanks from the end, down to the last octet that is neither.
fn without_blank_end(mut body: &[u8]) -> &[u8] {
    loop {
        body = match body {
            [rest @ .., b'\r', b'\n'] | [rest @ .., b' ' | b'\t'] => rest,
            _ => return body,
        };
    }
}

/// Where the content of the line ends: at its CRLF, or at the end of the body.
fn line_end(body: &[u8], from: usize) -> usize {
    let mut search_from = from;
    while let Some(found) = memchr(b'\n', &body[search_from..]) {
        let at = search_from + found;
        if at > from && body[at - 1] == b'\r' {
            return at - 1;
        }
        search_from = at + 1;
    }
    body.len()
}

/// Whether the line has no tab, no two blanks in a row and none at its end. No early exit: this compiles to wide compares.
fn is_canonical(line: &[u8]) -> bool {
    let Some(last) = line.last() else { return true };
    let next_to_each_other = line.iter().zip(&line[1..]).fold(false, |found, (a, b)| found | ((*a == b' ') & (*b == b' ')) | (*a == b'\t'));
    !next_to_each_other && !is_wsp(*last)
}

/// "Ignore all whitespace at the end of lines" and "Reduce all sequences of WSP within a line to a single SP character."
fn relax_line(line: &[u8], into: &mut Vec<u8>) {
    let mut gap = false;
    for &octet in line {
        if is_wsp(octet) {
            gap = true;
            continue;
        }
        if gap {
            into.push(b' ');
            gap = false;
        }
        into.push(octet);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn body(text: &str) -> String {
        let mut canonical = Vec::new();
        relaxed_body(text.as_bytes(), &mut canonical);
        String::from_utf8(canonical).unwrap()
    }

    fn field(name: &str, value: &str) -> String {
        let mut canonical = Vec::new();
        relaxed_field(name.as_bytes(), value.as_bytes(), &mut canonical);
        String::from_utf8(canonical).unwrap()
    }

    #[test]
    fn the_example_of_rfc_6376_section_3_4_5() {
        assert_eq!(field("A", " X\r\n"), "a:X");
        assert_eq!(field("B ", " Y\t\r\n\tZ  \r\n"), "b:Y Z");
        assert_eq!(body(" C \r\nD \t E\r\n\r\n\r\n"), " C\r\nD E\r\n");
    }

    #[test]
    fn an_empty_body_is_no_octets_and_so_is_one_of_blank_lines() {
        for text in ["", "\r\n", "\r\n\r\n", "  \r\n\t\r\n", " ", "\t \r\n \t"] {
            assert_eq!(body(text), "", "{text:?}");
        }
    }

    #[test]
    fn lines_of_whitespace_at_the_end_are_empty_lines() {
        for text in ["a\r\n", "a", "a \r\n", "a\r\n \t\r\n", "a\t\r\n\r\n  \r\n\r\n", "a\r\n ", "a \t"] {
            assert_eq!(body(text), "a\r\n", "{text:?}");
        }
        // Inside the body they stay, as empty lines.
        assert_eq!(body("a\r\n \t\r\nb\r\n"), "a\r\n\r\nb\r\n");
        assert_eq!(body(" \r\n\r\nb"), "\r\n\r\nb\r\n");
    }

    #[test]
    fn blanks_at_the_start_of_a_line_become_one_and_do_not_vanish() {
        assert_eq!(body("  a\r\n\tb\r\n c\r\n"), " a\r\n b\r\n c\r\n");
    }

    #[test]
    fn only_crlf_ends_a_line() {
        assert_eq!(body("a \nb\r\n"), "a \nb\r\n");
        assert_eq!(body("a\n\r\n"), "a\n\r\n");
        assert_eq!(body("a \r \r\n\r\n"), "a \r\r\n");
        assert_eq!(body("\n"), "\n\r\n");
    }

    #[test]
    fn a_field_unfolds_and_keeps_the_case_of_its_value() {
        assert_eq!(field("SUBJECT", "  Your  Statement\r\n \tis\r\n  Ready \r\n"), "subject:Your Statement is Ready");
        assert_eq!(field("X-Empty", "\r\n"), "x-empty:");
        assert_eq!(field("X-Blank", " \r\n \r\n"), "x-blank:");
    }

    /// The rules one by one, as the RFC lists them, with no thought of speed.
    fn slow_body(text: &[u8]) -> Vec<u8> {
        let mut lines: Vec<Vec<u8>> = vec![Vec::new()];
        let mut rest = text;
        while let Some((first, tail)) = rest.split_first() {
            if rest.starts_with(CRLF) {
                lines.push(Vec::new());
                rest = &rest[2..];
            } else {
                lines.last_mut().unwrap().push(*first);
                rest = tail;
            }
        }
        for line in &mut lines {
            while line.last().is_some_and(|octet| is_wsp(*octet)) {
                line.pop();
            }
            line.iter_mut().filter(|octet| **octet == b'\t').for_each(|octet| *octet = b' ');
            line.dedup_by(|a, b| *a == b' ' && *b == b' ');
        }
        while lines.last().is_some_and(Vec::is_empty) {
            lines.pop();
        }
        lines.iter().flat_map(|line| line.iter().copied().chain(*b"\r\n")).collect()
    }

    proptest! {
        #[test]
        fn agrees_with_the_rules_taken_one_by_one(text in "([ab \t]|\r\n|\r|\n| \r\n){0,60}") {
            let mut canonical = Vec::new();
            relaxed_body(text.as_bytes(), &mut canonical);
            prop_assert_eq!(canonical, slow_body(text.as_bytes()));
        }
    }
}
