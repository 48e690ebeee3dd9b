//! Styles: plain ones only. What loads something from elsewhere tells a third party that a message was opened.

/// What a style must not hold, in lower case. A backslash could spell any of the others.
const FORBIDDEN: [&str; 12] = [
    "url(",
    "@import",
    "@font-face",
    "expression(",
    "image-set(",
    "image(",
    "element(",
    "cross-fade(",
    "behavior:",
    "-moz-binding",
    "javascript:",
    "\\",
];

/// The first thing in a style that is forbidden, and where.
pub(crate) fn forbidden(style: &str) -> Option<(usize, &'static str)> {
    let lower = without_comments(&style.to_ascii_lowercase());
    FORBIDDEN.iter().filter_map(|needle| lower.find(needle).map(|at| (at, *needle))).min()
}

/// Without comments, so that none can stand within a word; their line ends stay, so that lines do not move.
fn without_comments(style: &str) -> String {
    let mut out = String::with_capacity(style.len());
    let mut rest = style;
    while let Some(start) = rest.find("/*") {
        out.push_str(&rest[..start]);
        let length = rest[start..].find("*/").map_or(rest.len() - start, |end| end + 2);
        out.extend(rest[start..start + length].chars().filter(|letter| *letter == '\n'));
        rest = &rest[start + length..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_loads_or_hides() {
        for style in ["a{background:URL(x)}", "@import 'x'", "a{b:\\75rl(x)}", "a{width:expression(1)}", "u/**/rl(x)", "@font-face{}"] {
            assert!(forbidden(style).is_some(), "{style}");
        }
        assert_eq!(forbidden("/* url( would be wrong */ .p{color:#fff!important}@media print{a{b:c}}"), None);
    }
}
