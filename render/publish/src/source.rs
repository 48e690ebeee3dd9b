//! The source as it was written: template language in the wrong places, values without quotation marks, switched-off escaping.
//!
//! A browser's parser forgets how an attribute was quoted, and knows no template language. So the source is walked once by hand, from
//! text to tag to quoted value, as the HTML standard's tokenizer does (sections 13.2.5.6 to 13.2.5.40), and [`blanked`] gives the rest
//! of the checks a page without template language, with every line where it was.

use crate::{Finding, Rule};

/// Where the walk stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Text,
    Tag,
    Quoted(u8),
    Comment,
    Style,
}

/// What is written where it must not be; for a text, only what is so for all files.
pub(crate) fn check(name: &str, text: &str) -> Vec<Finding> {
    let mut findings = everywhere(name, text);
    if is_header(name) {
        findings.extend(one_line(name, text));
    }
    if name.ends_with(".html") {
        walk(text, |at, rule, found| findings.push(Finding::new(name, line_of(text, at), rule, found)));
    }
    findings
}

/// The page without template language: blanks in its place, line ends kept.
pub(crate) fn blanked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        out.push_str(&rest[..start]);
        let length = expression_length(&rest[start..]).unwrap_or(0);
        if length == 0 {
            out.push('{');
            rest = &rest[start + 1..];
            continue;
        }
        out.extend(rest[start..start + length].chars().map(|letter| if letter == '\n' { '\n' } else { ' ' }));
        rest = &rest[start + length..];
    }
    out.push_str(rest);
    out
}

/// Whether a file becomes a header field, or what an inbox shows beside one.
pub(crate) fn is_header(name: &str) -> bool {
    name.ends_with("/subject.txt") || name.ends_with("/preheader.txt")
}

/// The line of a byte, from 1.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// The length of the `{{ }}`, `{% %}` or `{# #}` that the text begins with; one without end takes the rest.
fn expression_length(text: &str) -> Option<usize> {
    let (_, close) = [("{{", "}}"), ("{%", "%}"), ("{#", "#}")].into_iter().find(|(open, _)| text.starts_with(open))?;
    Some(text.find(close).map_or(text.len(), |end| end + 2))
}

fn everywhere(name: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lower = text.to_ascii_lowercase();
    let mut each = |needle: &str, rule| {
        findings.extend(lower.match_indices(needle).map(|(at, found)| Finding::new(name, line_of(text, at), rule, found)));
    };
    each("list-unsubscribe", Rule::ListUnsubscribe);
    for (at, expression) in expressions(text) {
        let compact: String = expression.chars().filter(|letter| !letter.is_whitespace()).collect::<String>().to_ascii_lowercase();
        let switches = ["|safe", "{%autoescape", "{%-autoescape", "{%raw", "{%-raw", "|escape", "|e}}"];
        if switches.iter().any(|switch| compact.contains(switch)) {
            findings.push(Finding::new(name, line_of(text, at), Rule::Escaping, expression));
        }
    }
    findings
}

/// All template language, with its place.
pub(crate) fn expressions(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = at + text.get(at..)?.find('{')?;
            match expression_length(&text[start..]) {
                Some(length) => {
                    at = start + length;
                    return Some((start, &text[start..at]));
                }
                None => at = start + 1,
            }
        }
    })
}

fn one_line(name: &str, text: &str) -> Option<Finding> {
    let lines = text.trim_end_matches(['\n', '\r']);
    let at = lines.find(['\n', '\r'])?;
    Some(Finding::new(name, line_of(text, at) + 1, Rule::HeaderLine, &lines[at..]))
}

fn walk(text: &str, mut found: impl FnMut(usize, Rule, &str)) {
    let bytes = text.as_bytes();
    let (mut place, mut at, mut tag_start) = (Place::Text, 0, 0);
    while at < bytes.len() {
        let rest = &text[at..];
        if let Some(length) = expression_length(rest) {
            let rule = match place {
                Place::Text => None,
                Place::Tag | Place::Quoted(_) => Some(Rule::ExpressionInTag),
                Place::Comment => Some(Rule::ExpressionInComment),
                Place::Style => Some(Rule::ExpressionInStyle),
            };
            if let Some(rule) = rule {
                found(at, rule, &rest[..length]);
            }
            at += length;
            continue;
        }
        let mut step = 1;
        place = match place {
            Place::Text if rest.starts_with("<!--") => Place::Comment,
            Place::Text if begins_tag(rest) => {
                tag_start = at;
                Place::Tag
            }
            Place::Comment if rest.starts_with("-->") => Place::Text,
            Place::Style if starts_with_ignoring_case(rest, "</style") => {
                tag_start = at;
                Place::Tag
            }
            Place::Tag if bytes[at] == b'>' => {
                if starts_with_ignoring_case(&text[tag_start..], "<style") {
                    Place::Style
                } else {
                    Place::Text
                }
            }
            Place::Tag if bytes[at] == b'=' => {
                let value = rest[1..].trim_start();
                match value.bytes().next() {
                    Some(quote @ (b'"' | b'\'')) => {
                        step = rest.len() - value.len() + 1;
                        Place::Quoted(quote)
                    }
                    _ => {
                        found(at, Rule::Unquoted, text[tag_start..].split('>').next().unwrap_or_default());
                        Place::Tag
                    }
                }
            }
            Place::Quoted(quote) if bytes[at] == quote => Place::Tag,
            other => other,
        };
        at += step;
        while at < bytes.len() && !text.is_char_boundary(at) {
            at += 1;
        }
    }
}

/// `<` and a letter, or `</` and a letter: HTML section 13.2.5.6.
fn begins_tag(text: &str) -> bool {
    let inner = text.strip_prefix("</").or_else(|| text.strip_prefix('<'));
    inner.is_some_and(|inner| inner.starts_with(|letter: char| letter.is_ascii_alphabetic()))
}

fn starts_with_ignoring_case(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Vec<(usize, Rule)> {
        check("a.html", text).into_iter().map(|finding| (finding.line, finding.rule)).collect()
    }

    #[test]
    fn knows_text_from_tags_and_values() {
        assert_eq!(rules("<p title=\"a > b\" lang='en'>{{ x }} a=b < c</p>\n{% if a < b %}<b>{% endif %}"), []);
        assert_eq!(rules("<p\n lang=en>"), [(2, Rule::Unquoted)]);
        assert_eq!(rules("<p lang = \"{{ x }}\">"), [(1, Rule::ExpressionInTag)]);
        assert_eq!(rules("<p {{ x }}>"), [(1, Rule::ExpressionInTag)]);
        assert_eq!(rules("<!-- {{ x }} --><!-- > --><p lang=\"a\">"), [(1, Rule::ExpressionInComment)]);
        assert_eq!(rules("<style>a[b=c]{x:{{ y }}}</style>"), [(1, Rule::ExpressionInStyle)]);
    }

    #[test]
    fn finds_switched_off_escaping_however_it_is_written() {
        for text in ["{{ x|safe }}", "{{ x | Safe }}", "{%autoescape false%}", "{%- raw %}"] {
            assert_eq!(rules(text), [(1, Rule::Escaping)], "{text}");
        }
    }

    #[test]
    fn blanks_keep_lines() {
        assert_eq!(blanked("a{{ x\n}}b{c}"), "a    \n  b{c}");
    }
}
