//! What authors may write instead of plain templates: MJML, and style sheets beside the page. Resolved once, when a bundle is made.
//!
//! `NAME.mjml` becomes `NAME.html`; `NAME.css` (or `shared/inline.css` for all) is written into the tags of the page. Template language and
//! `[[...]]` go through untouched: they are set aside under marks that neither tool changes, and put back.

use crate::Files;
use std::collections::BTreeMap;

/// The style sheet that is written into the tags of every page.
const SHARED_CSS: &str = "shared/inline.css";

/// A template cannot be resolved. The author must act.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthorError {
    /// The MJML does not parse or render.
    #[error("{name}: MJML: {detail}")]
    Mjml {
        /// The file.
        name: String,
        /// What the tool said.
        detail: String,
    },
    /// The style sheet does not fit the page.
    #[error("{name}: its style sheet cannot be written into it: {detail}")]
    Css {
        /// The page.
        name: String,
        /// What the tool said.
        detail: String,
    },
    /// There is a page and an MJML of one name.
    #[error("{0}: there is also an .mjml of that name; keep one of them")]
    Twice(String),
    /// The page asks for something from elsewhere.
    #[error("{0}: an mj-include or a remote style is not read; put the text into the file")]
    Remote(String),
}

/// The files of a bundle, with MJML and style sheets resolved.
///
/// # Errors
/// [`AuthorError`] naming the file.
pub fn resolve(files: Files) -> Result<Files, AuthorError> {
    let mut resolved = BTreeMap::new();
    let sheets: BTreeMap<&str, &str> = files.iter().filter_map(|(name, text)| Some((name.strip_suffix(".css")?, text.as_str()))).collect();
    let shared = files.get(SHARED_CSS).map(String::as_str);
    for (name, text) in &files {
        if let Some(stem) = name.strip_suffix(".mjml") {
            let page = format!("{stem}.html");
            if files.contains_key(&page) {
                return Err(AuthorError::Twice(page));
            }
            resolved.insert(page, inlined(name, &from_mjml(name, text)?, sheets.get(stem).copied(), shared)?);
        } else if let Some(stem) = name.strip_suffix(".html") {
            resolved.insert(name.clone(), inlined(name, text, sheets.get(stem).copied(), shared)?);
        } else if !name.ends_with(".css") {
            resolved.insert(name.clone(), text.clone());
        }
    }
    Ok(resolved)
}

fn from_mjml(name: &str, text: &str) -> Result<String, AuthorError> {
    if text.contains("<mj-include") {
        return Err(AuthorError::Remote(name.to_owned()));
    }
    let failed = |detail: String| AuthorError::Mjml { name: name.to_owned(), detail };
    let aside = Aside::of(text);
    let parsed = mrml::parse(&aside.text).map_err(|error| failed(error.to_string()))?;
    // No fonts from elsewhere: by default some are linked to.
    let options = mrml::prelude::render::RenderOptions { fonts: Default::default(), ..Default::default() };
    let page = parsed.element.render(&options).map_err(|error| failed(error.to_string()))?;
    Ok(aside.put_back(&page))
}

fn inlined(name: &str, page: &str, own: Option<&str>, shared: Option<&str>) -> Result<String, AuthorError> {
    let sheet = [shared, own].into_iter().flatten().collect::<Vec<_>>().join("\n");
    if sheet.trim().is_empty() {
        return Ok(page.to_owned());
    }
    let aside = Aside::of(page);
    let options = css_inline::InlineOptions {
        extra_css: Some(sheet.into()),
        inline_style_tags: false,
        keep_style_tags: true,
        load_remote_stylesheets: false,
        ..css_inline::InlineOptions::default()
    };
    let inliner = css_inline::CSSInliner::new(options);
    let inlined = inliner.inline(&aside.text).map_err(|error| AuthorError::Css { name: name.to_owned(), detail: error.to_string() })?;
    Ok(aside.put_back(&inlined))
}

/// A page whose template language was set aside.
struct Aside {
    text: String,
    pieces: Vec<String>,
}

impl Aside {
    /// Replaces `{{ }}`, `{% %}`, `{# #}` and `[[ ]]`. In text they become comments where a block stands (a table allows no text
    /// between its rows), else words; both survive the tools.
    fn of(source: &str) -> Self {
        let mut aside = Self { text: String::with_capacity(source.len()), pieces: Vec::new() };
        let mut rest = source;
        loop {
            let marks = [("{{", "}}"), ("{%", "%}"), ("{#", "#}"), ("[[", "]]")];
            let next = marks.iter().filter_map(|(open, close)| rest.find(open).map(|at| (at, *close))).min();
            let Some((at, close)) = next else { break };
            let length = rest[at..].find(close).map_or(rest.len() - at, |end| end + close.len());
            aside.text.push_str(&rest[..at]);
            let piece = &rest[at..at + length];
            let is_block = close == "%}" || close == "#}";
            let mark = format!("sealpostaside{}x", aside.pieces.len());
            aside.text.push_str(&if is_block { format!("<!--{mark}-->") } else { mark });
            aside.pieces.push(piece.to_owned());
            rest = &rest[at + length..];
        }
        aside.text.push_str(rest);
        aside
    }

    fn put_back(&self, page: &str) -> String {
        self.pieces.iter().enumerate().fold(page.to_owned(), |page, (at, piece)| {
            let mark = format!("sealpostaside{at}x");
            page.replace(&format!("<!--{mark}-->"), piece).replace(&mark, piece)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(entries: &[(&str, &str)]) -> Files {
        entries.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn styles_are_written_into_the_tags_and_template_language_stays() {
        let page = "<!doctype html><html><body>{% for s in statements %}<table><tr><td class=\"a\">{{ s.number }} [[t.x]]</td></tr></table>{% endfor %}</body></html>";
        let resolved = resolve(files(&[("eob/eob.html", page), ("eob/eob.css", ".a { color: red }"), ("a.txt", "x")])).unwrap();
        let page = &resolved["eob/eob.html"];
        assert!(page.contains("{% for s in statements %}<table>") && page.contains("{{ s.number }} [[t.x]]"), "{page}");
        assert!(page.contains("style=\"color: red"), "{page}");
        assert_eq!(resolved.keys().collect::<Vec<_>>(), ["a.txt", "eob/eob.html"]);
    }

    #[test]
    fn mjml_becomes_a_page() {
        let mjml = "<mjml><mj-body><mj-section><mj-column><mj-text>{{ preheader }} [[t.not_a_bill]]</mj-text></mj-column></mj-section></mj-body></mjml>";
        let resolved = resolve(files(&[("eob/eob.mjml", mjml)])).unwrap();
        let page = &resolved["eob/eob.html"];
        assert!(page.contains("{{ preheader }} [[t.not_a_bill]]") && page.contains("<table"), "{page}");
        assert!(!page.contains("fonts.googleapis"), "{page}");
        assert!(matches!(resolve(files(&[("a.mjml", "<mjml>")])), Err(AuthorError::Mjml { .. })));
        assert!(matches!(resolve(files(&[("a.mjml", mjml), ("a.html", "")])), Err(AuthorError::Twice(_))));
    }
}
