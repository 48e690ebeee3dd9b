//! What a template of a statement must not do, checked when a bundle is compiled.
//!
//! No remote content (an image tells a third party when and where a member reads), no script, no form, no expression
//! inside a tag: with that rule no value of a statement can reach an URL, an attribute or a style. It reads the template
//! after the fixed texts are in, so links made of the identity are checked as they will stand. Comments are read too: Outlook
//! runs what stands in its conditional ones.

use crate::TemplateError;

/// Beginnings of tags that load, run or send something.
const TAGS: [&str; 15] =
    ["img", "script", "link", "iframe", "form", "input", "object", "embed", "svg", "video", "audio", "base", "picture", "source", "button"];
/// Schemes a link may have.
const SCHEMES: [&str; 3] = ["https:", "mailto:", "tel:"];

/// Checks a `.html` template.
///
/// # Errors
/// [`TemplateError::Forbidden`] with the line and the rule.
pub(crate) fn check_html(name: &str, source: &str) -> Result<(), TemplateError> {
    let forbidden = |at: usize, rule| {
        let line = source[..at].matches('\n').count() + 1;
        Err(TemplateError::Forbidden { name: name.to_owned(), line, rule })
    };
    let lower = source.to_ascii_lowercase();
    for (mark, rule) in [
        ("url(", "a style must not load anything: no url()"),
        ("@import", "a style must not load anything: no @import"),
        ("autoescape", "values are always escaped: no autoescape block"),
        ("|safe", "values are always escaped: no safe filter"),
        ("| safe", "values are always escaped: no safe filter"),
    ] {
        if let Some(at) = lower.find(mark) {
            return forbidden(at, rule);
        }
    }
    let mut at = 0;
    while let Some(found) = lower[at..].find(['<', '{']) {
        let start = at + found;
        let rest = &lower[start..];
        if let Some(end) = template_expression(rest) {
            at = start + end;
        } else if rest.starts_with('<') {
            let end = rest.find('>').map_or(rest.len(), |end| end + 1);
            if let Err(rule) = check_tag(&rest[..end]) {
                return forbidden(start, rule);
            }
            at = start + end;
        } else {
            at = start + 1;
        }
    }
    Ok(())
}

/// The length of the `{{ }}`, `{% %}` or `{# #}` that the text begins with.
fn template_expression(text: &str) -> Option<usize> {
    [("{{", "}}"), ("{%", "%}"), ("{#", "#}")]
        .iter()
        .find(|(open, _)| text.starts_with(open))
        .map(|(_, close)| text.find(close).map_or(text.len(), |end| end + 2))
}

/// One tag, in lower case, from `<` to `>`.
fn check_tag(tag: &str) -> Result<(), &'static str> {
    if tag.contains("{{") || tag.contains("{%") || tag.contains("{#") {
        return Err("a tag must not hold an expression: nothing of a statement may reach a link or an attribute");
    }
    let tag_name = tag.trim_start_matches(['<', '/']);
    let tag_name = &tag_name[..tag_name.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(tag_name.len())];
    if TAGS.contains(&tag_name) {
        return Err("a statement must not load, run or send anything: no images, scripts, forms or frames");
    }
    for attribute in tag.split_ascii_whitespace().skip(1) {
        let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
        if key.starts_with("on") || matches!(key, "src" | "srcset" | "background" | "action" | "formaction" | "ping" | "http-equiv") {
            return Err("an attribute must not load, run or send anything");
        }
        let value = value.trim_start_matches(['"', '\'']);
        if key == "href" && !SCHEMES.iter().any(|scheme| value.starts_with(scheme)) {
            return Err("a link must begin with https:, mailto: or tel:");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_loads_runs_or_leaks() {
        for source in [
            "<p>\n<IMG SRC=\"https://a.example/p.gif\">",
            "\n<a href=\"https://a.example/?c={{ claim_number }}\">x</a>",
            "\n<td style=\"width:{{ w }}\">",
            "\n<a href=\"javascript:x\">",
            "\n<a href=http://a.example>",
            "\n<p onclick=\"x\">",
            "\n<style>p{background:url(x)}</style>",
            "\n{{ name|safe }}",
            "\n{% autoescape false %}",
            "\n<script>",
            "\n<table background=\"x\">",
        ] {
            match check_html("a.html", source) {
                Err(TemplateError::Forbidden { line: 2, .. }) => {}
                other => panic!("{source}: {other:?}"),
            }
        }
    }

    #[test]
    fn allows_what_a_statement_needs() {
        let source = "{% if a < b %}<!--[if mso]><table><![endif]--><a href=\"https://a.example\" style=\"color:red\">{{ x }}</a>{% endif %}<a href='tel:1'>";
        check_html("a.html", source).unwrap();
    }
}
